"""numba kernels of the projection, on the rows or the columns of an array."""

import numba
import numpy as np

# Sums may be reordered (they vectorise), NaN is never assumed absent.
SUM = {"reassoc", "nsz", "contract"}
# For entries that are known to be finite.
FINITE = SUM | {"nnan"}
# Entries summed in one go: partial sums are short, so rounding stays small.
CHUNK = 2048
# Newton's method ends long before; see docs/projection.md.
MAX_ITER = 100


@numba.njit(nogil=True, fastmath=SUM)
def _sum_and_largest(row, bits, magnitude):
    """Sum of the absolute entries; largest of them, as an integer.

    The order of non-negative floats is that of their bits, and NaN and
    infinity come last: the integer maximum finds them without a branch.
    """
    total = 0.0
    largest = bits[0] & magnitude
    for j in range(row.size):
        total += abs(np.float64(row[j]))
        largest = max(largest, bits[j] & magnitude)
    return total, largest


@numba.njit(nogil=True, fastmath=FINITE)
def _sum_above(row, level):
    """Sum and number of the absolute entries above a level."""
    total = 0.0
    count = 0.0
    for j in range(row.size):
        entry = abs(np.float64(row[j]))
        total += entry if entry > level else 0.0
        count += 1.0 if entry > level else 0.0
    return total, count


@numba.njit(nogil=True, fastmath=FINITE)
def _clip(row, level, out):
    for j in range(row.size):
        out[j] = min(max(row[j], -level), level)


@numba.njit(nogil=True, cache=True)
def row_stats(Y, bits, magnitude, total, largest):
    n, m = Y.shape
    for i in range(n):
        total[i] = 0.0
        largest[i] = 0
        for j in range(0, m, CHUNK):
            s, b = _sum_and_largest(
                Y[i, j : j + CHUNK], bits[i, j : j + CHUNK], magnitude
            )
            total[i] += s
            largest[i] = max(largest[i], b)


@numba.njit(nogil=True, cache=True)
def row_pass(Y, live, mu, total, count):
    """Tangent of every live row at mu; tell whether a count has changed."""
    changed = False
    for i in live:
        s, k = 0.0, 0.0
        for j in range(0, Y.shape[1], CHUNK):
            part, number = _sum_above(Y[i, j : j + CHUNK], mu[i])
            s += part
            k += number
        if k > 0.0 and k != count[i]:
            changed = True
            total[i] = s
            count[i] = k
    return changed


@numba.njit(nogil=True, cache=True)
def row_clip(Y, mu, out):
    for i in range(Y.shape[0]):
        if mu[i] > 0:
            _clip(Y[i], mu[i], out[i])
        else:
            out[i] = 0


@numba.njit(nogil=True, cache=True)
def compensated_sum(x):
    """Neumaier's sum."""
    total = 0.0
    error = 0.0
    for value in x:
        new = total + value
        if abs(total) >= abs(value):
            error += (total - new) + value
        else:
            error += (value - new) + total
        total = new
    return total + error


@numba.njit(nogil=True, cache=True)
def tangent_root(total, count, theta, radius):
    """Root from the left of sum_i max((total_i - theta) / count_i, 0) = radius."""
    for _ in range(MAX_ITER):
        excess = -radius
        error = 0.0
        slope = 0.0
        for i in range(total.size):
            if total[i] > theta:
                value = (total[i] - theta) / count[i]
                new = excess + value
                if abs(excess) >= value:
                    error += (excess - new) + value
                else:
                    error += (value - new) + excess
                excess = new
                slope += 1.0 / count[i]
        excess += error
        if not excess > 0.0 or theta + excess / slope <= theta:
            break
        theta += excess / slope
    return theta


def solve(Y, total, largest, radius):
    """Levels mu of the rows of Y, theta and the number of passes over Y."""
    m = Y.shape[1]
    sums = total.copy()
    theta = 0.0
    # Two tangents are known from the start: those at mu = 0 and at the maximum.
    count = np.full(len(total), float(m))
    theta = tangent_root(total, count, theta, radius)
    theta = max(theta, tangent_root(largest, np.ones(len(total)), theta, radius))
    better = largest - theta > (total - theta) / m
    total = np.where(better, largest, total)
    count[better] = 1.0
    for n_iter in range(1, MAX_ITER + 1):
        theta = tangent_root(total, count, theta, radius)
        live = np.flatnonzero(sums > theta)
        mu = np.zeros(len(total))
        mu[live] = np.maximum((total[live] - theta) / count[live], 0)
        if not row_pass(Y, live, mu, total, count):
            break
    return mu, theta, n_iter


def fit_in_ball(mu, radius, dtype):
    """Round mu so that the sum, as l1inf_norm takes it, is within the radius."""
    rounded = mu.astype(dtype)
    if dtype != mu.dtype:
        rounded = np.where(rounded > mu, np.nextafter(rounded, 0, dtype=dtype), rounded)
    while compensated_sum(rounded.astype(float)) > radius:
        rounded = np.nextafter(rounded, np.zeros_like(rounded))
    return rounded


def statistics(Y):
    """l1 norm and largest absolute entry of every row."""
    n = len(Y)
    integer = np.int64 if Y.dtype == np.float64 else np.int32
    total, largest = np.empty(n), np.zeros(n, integer)
    if Y.size:
        magnitude = np.iinfo(integer).max
        row_stats(Y, Y.view(integer), integer(magnitude), total, largest)
    else:
        total[:] = 0
    return total, largest.view(Y.dtype).astype(float)


def project_rows(Y, radius, out):
    """Project the rows of Y, finite and C-contiguous, into out."""
    total, largest = statistics(Y)
    if not np.isfinite(largest).all():
        raise ValueError("Y contains NaN or infinity.")
    if compensated_sum(largest) <= radius:
        if out is not Y:
            np.copyto(out, Y)
        return 0.0, 0
    if radius == 0:
        out[...] = 0
        return total.max(), 0
    biggest = largest.max()
    if not 1e-200 < biggest < 1e25 * (1 + (Y.dtype == np.float64) * 1e200):
        scale = 2.0 ** (-64 if biggest > 1 else 64 if Y.dtype == np.float32 else 600)
        np.multiply(Y, Y.dtype.type(scale), out=out)
        total, largest = statistics(out)
        mu, theta, n_iter = solve(out, total, largest, radius * scale)
        out /= Y.dtype.type(scale)
        mu, theta, Y = mu / scale, theta / scale, out
    else:
        mu, theta, n_iter = solve(Y, total, largest, radius)
    row_clip(Y, fit_in_ball(mu, radius, Y.dtype), out)
    return theta, n_iter
