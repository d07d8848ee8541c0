"""The projection onto the l1,inf ball where every row has its own distance."""

import numba
import numpy as np


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
            bound, count, last = (total[i] - level) / n_columns, n_columns, 0
            while count != last:
                last, count, above = count, 0, 0.0
                for j in range(n_columns):
                    if abs(V[i, j]) >= bound:
                        above += abs(V[i, j])
                        count += 1
                if count == 0:  # rounding lifted the bound past the largest entry
                    count = 1
                    break
                bound = (above - level) / count
            bounds[i] = bound
            excess += bound
            slope += 1 / (count * metric[i])
        if abs(excess) <= 1e-14 * radius:
            break
        # Past the last breakpoint every bound is zero: start again from the left.
        theta = max(theta + excess / slope, 0.0) if slope > 0 else 0.0
    bounds *= min(1.0, radius / bounds.sum())
    projected = np.empty_like(V)
    for i in range(n_rows):
        for j in range(n_columns):
            projected[i, j] = min(max(V[i, j], -bounds[i]), bounds[i])
    return projected, theta
