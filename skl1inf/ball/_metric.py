"""Projection and shrinkage where every row has its own weight in the distance."""

import numba
import numpy as np


@numba.njit(inline="always")
def _row_bound(V, i, total, level):
    """Return the bound above which row i has an excess of `level`, and its count.

    The row's entries sum to `total`, in absolute values, which is above `level`.
    """
    n_columns = V.shape[1]
    bound, count, last = (total - level) / n_columns, n_columns, 0
    while count != last:
        last, count, above = count, 0, 0.0
        for j in range(n_columns):
            if abs(V[i, j]) >= bound:
                above += abs(V[i, j])
                count += 1
        if count == 0:  # rounding lifted the bound past the largest entry
            return bound, 1
        bound = (above - level) / count
    return bound, count


@numba.njit(inline="always")
def _clip_rows(V, bounds):
    clipped = np.empty_like(V)
    for i in range(V.shape[0]):
        for j in range(V.shape[1]):
            clipped[i, j] = min(max(V[i, j], -bounds[i]), bounds[i])
    return clipped


@numba.njit(nogil=True, cache=True)
def shrink_in_metric(V, metric, theta):
    """Minimise ``sum_ij metric_i (W_ij - V_ij)^2 / 2 + theta * l1inf_norm(W)``.

    Row i is clipped to the bound above which its entries have an excess of
    theta / metric[i] in all.
    """
    bounds = np.zeros(V.shape[0])
    for i in range(V.shape[0]):
        total = 0.0
        for j in range(V.shape[1]):
            total += abs(V[i, j])
        level = theta / metric[i]
        if total > level:
            bounds[i] = _row_bound(V, i, total, level)[0]
    return _clip_rows(V, bounds)


@numba.njit(nogil=True, cache=True)
def project_in_metric(V, metric, radius, theta):
    """Project V onto the ball where row i weighs ``metric[i]`` in the distance.

    Row i is clipped to the bound mu_i above which its entries have an excess of
    theta / metric[i] in all. Newton's method finds both every mu_i, for theta
    given, and the theta at which the bounds sum to the radius: convex, decreasing
    and piecewise linear functions, so it ends after finitely many steps, from any
    theta >= 0. Returns the projection and theta.
    """
    n_rows, n_columns = V.shape
    bounds = np.zeros(n_rows)
    total = np.zeros(n_rows)
    for i in range(n_rows):
        for j in range(n_columns):
            total[i] += abs(V[i, j])
            bounds[i] = max(bounds[i], abs(V[i, j]))
    if bounds.sum() <= radius:
        return V.copy(), 0.0
    for _ in range(100):  # rounding could make the last steps swing
        excess, slope = -radius, 0.0
        for i in range(n_rows):
            level = theta / metric[i]
            if total[i] <= level:
                bounds[i] = 0.0
                continue
            bound, count = _row_bound(V, i, total[i], level)
            bounds[i] = bound
            excess += bound
            slope += 1 / (count * metric[i])
        if abs(excess) <= 1e-14 * radius:
            break
        # Past the last breakpoint every bound is zero: start again from the left.
        theta = max(theta + excess / slope, 0.0) if slope > 0 else 0.0
    bounds *= min(1.0, radius / bounds.sum())
    return _clip_rows(V, bounds), theta
