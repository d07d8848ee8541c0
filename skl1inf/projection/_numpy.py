"""The projection of an array: Newton's method in numba kernels.

The method is explained in docs/projection.md. A *tangent* of a group is the
pair (total, count) of the sum and number of its absolute entries above some
level: the line (total - theta) / count never exceeds the group's level
mu(theta), and touches it where the level is the one that the sums were taken at.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import FunctionType

import numba
import numpy as np
from numba import types

# Sums may be reordered, which vectorises them; NaN is not assumed absent.
SUM = {"reassoc", "nsz", "contract"}
# Only for entries that are known to be finite.
FINITE = SUM | {"nnan"}
# Sums are taken in float64 over partial sums of this many entries in the
# array's own dtype, spread over the lanes of a vector: rounding stays small.
ROW_CHUNK = 1024
COLUMN_CHUNK = 32
# Columns are taken in blocks whose running sums stay in the first-level cache.
COLUMN_BLOCK = 512
# A net under the proof in docs/projection.md, which is free of rounding; two to
# seven iterations are usual, and the result is in the ball whatever their number.
MAX_ITER = 100
# Threads pay for their start from this many entries on.
ENTRIES_PER_THREAD = 2**20

FLOATS = types.float64[::1]


def kernel(fastmath, *arguments):
    """Compile a function for the dtype of its first argument when it is called.

    ``fastmath`` are the flags of its loops, ``arguments`` functions from that
    dtype to a numba type. One signature accepts read-only arrays as well. Each
    dtype has a cache file of its own, so that processes that compile at the same
    time can't mix them up.
    """

    def decorate(function):
        @cache
        def compiled(dtype):
            name = f"{function.__name__}_{dtype}"
            named = FunctionType(function.__code__, function.__globals__, name)
            named.__module__, named.__qualname__ = function.__module__, name
            signature = tuple(argument(dtype) for argument in arguments)
            return numba.njit(
                signature,
                nogil=True,
                cache=True,
                fastmath=fastmath,
                error_model="numpy",
            )(named)

        return lambda array, *rest: compiled(array.dtype)(array, *rest)

    return decorate


def _integer(dtype):
    return np.dtype(f"i{dtype.itemsize}")


def _matrix(dtype):
    return types.Array(numba.from_dtype(dtype), 2, "C", readonly=True)


def _bits(dtype):
    return _matrix(_integer(dtype))


def _mask(dtype):
    return numba.from_dtype(_integer(dtype))


def _largest(dtype):
    return numba.from_dtype(_integer(dtype))[::1]


def _out(dtype):
    return numba.from_dtype(dtype)[:, ::1]


def _index(dtype):
    return types.intp


def _float(dtype):
    return types.float64


def _floats(dtype):
    return FLOATS


# Rows -----------------------------------------------------------------------

# Unsigned indices: a test for negative ones would keep loops from vectorising.


@kernel(SUM, _matrix, _bits, _mask, _index, _index, _floats, _largest)
def row_stats(Y, bits, mask, start, stop, total, largest):
    """L1 norm and largest entry (its bits) of the rows from start to stop.

    Non-negative floats are ordered as their bits are, and infinity and NaN come
    last: the integer maximum finds them, at no cost.
    """
    zero, none = Y.dtype.type(0), mask ^ mask
    for i in range(start, stop):
        total[i] = 0.0
        top = none
        for j in range(0, Y.shape[1], ROW_CHUNK):
            part = zero
            for k in range(j, min(j + ROW_CHUNK, Y.shape[1])):
                part += abs(Y[i, np.uintp(k)])
                top = max(top, bits[i, np.uintp(k)] & mask)
            total[i] += part
        largest[i] = top


# A call with arrays counts their references, unless it is inlined.
@numba.njit(forceinline=True, error_model="numpy")
def _update(i, level, above, number, theta, tol, total, count, weight):
    """Take a group's new tangent; tell whether it is new beyond rounding."""
    if number == 0.0:
        return False
    # Without a branch, which would be mispredicted half of the time.
    new = number != count[i]
    total[i] = above
    count[i] = number
    weight[i] = 1.0 / number
    return new & (abs(above - number * level - theta) > tol * above)


@kernel(FINITE, _matrix, _index, _index, _float, _float, *[_floats] * 4)
def row_tangents(Y, start, stop, theta, tol, mu, total, count, weight):
    """Tangents at mu of the rows that live; tell whether any is new."""
    changed = False
    zero, one = Y.dtype.type(0), Y.dtype.type(1)
    for i in range(start, stop):
        if mu[i] > 0.0:
            level = Y.dtype.type(mu[i])
            above = number = 0.0
            for j in range(0, Y.shape[1], ROW_CHUNK):
                part = some = zero
                for k in range(j, min(j + ROW_CHUNK, Y.shape[1])):
                    entry = abs(Y[i, np.uintp(k)])
                    part += entry if entry > level else zero
                    some += one if entry > level else zero
                above += part
                number += some
            changed |= _update(
                i, level, above, number, theta, tol, total, count, weight
            )
    return changed


@kernel(FINITE, _matrix, _index, _index, _floats, _out)
def row_clip(Y, start, stop, mu, out):
    for i in range(start, stop):
        level = Y.dtype.type(mu[i])
        if level > 0:
            for j in range(Y.shape[1]):
                out[i, j] = min(max(Y[i, j], -level), level)
        else:
            out[i] = 0


# Columns: the same, all columns of a block at once ------------------------------


@numba.njit(nogil=True, fastmath=SUM)
def _add_stats(row, bits, mask, part, largest):
    for i in range(row.size):
        part[i] += abs(row[i])
        largest[i] = max(largest[i], bits[i] & mask)


@numba.njit(nogil=True, fastmath=FINITE)
def _add_above(row, level, total, count):
    zero, one = row.dtype.type(0), row.dtype.type(1)
    for i in range(row.size):
        entry = abs(row[i])
        total[i] += entry if entry > level[i] else zero
        count[i] += one if entry > level[i] else zero


@numba.njit(nogil=True, fastmath=FINITE)
def _clip_columns(row, level, out):
    for i in range(row.size):
        out[i] = min(max(row[i], -level[i]), level[i])


@kernel(SUM, _matrix, _bits, _mask, _index, _index, _floats, _largest)
def column_stats(Y, bits, mask, start, stop, total, largest):
    part = np.empty(COLUMN_BLOCK, Y.dtype)
    for i in range(start, stop, COLUMN_BLOCK):
        end = min(i + COLUMN_BLOCK, stop)
        total[i:end] = 0.0
        largest[i:end] = 0
        for j in range(0, Y.shape[0], COLUMN_CHUNK):
            part[:] = 0
            for r in range(j, min(j + COLUMN_CHUNK, Y.shape[0])):
                _add_stats(Y[r, i:end], bits[r, i:end], mask, part, largest[i:end])
            for c in range(end - i):
                total[i + c] += part[c]


@kernel(FINITE, _matrix, _index, _index, _float, _float, *[_floats] * 4)
def column_tangents(Y, start, stop, theta, tol, mu, total, count, weight):
    changed = False
    level = np.empty(COLUMN_BLOCK, Y.dtype)
    part, some = np.empty_like(level), np.empty_like(level)
    above, number = np.empty(COLUMN_BLOCK), np.empty(COLUMN_BLOCK)
    for i in range(start, stop, COLUMN_BLOCK):
        end = min(i + COLUMN_BLOCK, stop)
        alive = False
        for c in range(end - i):
            level[c] = mu[i + c]
            above[c] = number[c] = 0.0
            alive |= level[c] > 0.0
        if not alive:
            continue
        for j in range(0, Y.shape[0], COLUMN_CHUNK):
            part[:] = 0
            some[:] = 0
            for r in range(j, min(j + COLUMN_CHUNK, Y.shape[0])):
                _add_above(Y[r, i:end], level, part, some)
            for c in range(end - i):
                above[c] += part[c]
                number[c] += some[c]
        for c in range(end - i):
            if level[c] > 0.0:
                s, k = above[c], number[c]
                changed |= _update(
                    i + c, level[c], s, k, theta, tol, total, count, weight
                )
    return changed


@kernel(FINITE, _matrix, _index, _index, _floats, _out)
def column_clip(Y, start, stop, mu, out):
    level = mu[start:stop].astype(Y.dtype)
    for r in range(Y.shape[0]):
        _clip_columns(Y[r, start:stop], level, out[r, start:stop])


# One number a group -------------------------------------------------------------


@numba.njit((types.Array(types.float64, 1, "C", readonly=True),), cache=True)
def compensated_sum(x):
    """Sum with the rounding errors of its additions added at the end."""
    for scale in (1.0, 2.0**-64):
        total = error = 0.0
        for entry in x:
            value = entry * scale
            new = total + value
            rest = new - total
            error += (total - (new - rest)) + (value - rest)
            total = new
        # Only an overflow asks for the second round.
        if np.isfinite(total + error):
            break
    return (total + error) / scale


@numba.njit(nogil=True, fastmath=SUM)
def _height_and_slope(total, weight, theta):
    height = slope = 0.0
    for i in range(total.size):
        above = total[i] - theta
        height += above * weight[i] if above > 0.0 else 0.0
        slope += weight[i] if above > 0.0 else 0.0
    return height, slope


@numba.njit((FLOATS, FLOATS, FLOATS, FLOATS, *[types.float64] * 3, FLOATS), cache=True)
def advance(sums, largest, total, weight, size, theta, radius, mu):
    """Root theta, from the left, of the sum of the tangents less the radius.

    Sets mu to the highest of the tangents known there: those just used, at 0
    and at the largest entry.
    """
    for _ in range(MAX_ITER):
        height, slope = _height_and_slope(total, weight, theta)
        if not height > radius or theta + (height - radius) / slope <= theta:
            break
        theta += (height - radius) / slope
    for i in range(total.size):
        known = max((sums[i] - theta) / size, largest[i] - theta)
        mu[i] = max((total[i] - theta) * weight[i], known)
        if sums[i] <= theta:
            mu[i] = 0.0
    return theta


@numba.njit((FLOATS, FLOATS, *[types.float64] * 2, *[FLOATS] * 4), cache=True)
def first_tangents(sums, largest, size, radius, mu, total, count, weight):
    """Take the higher of the tangents at 0 and at the largest entry; return theta."""
    total[:] = sums
    weight[:] = 1.0 / size
    theta = advance(sums, largest, total, weight, size, 0.0, radius, mu)
    total[:] = largest
    weight[:] = 1.0
    theta = advance(sums, largest, total, weight, size, theta, radius, mu)
    for i in range(sums.size):
        steep = largest[i] - theta > (sums[i] - theta) / size
        total[i] = largest[i] if steep else sums[i]
        count[i] = 1.0 if steep else size
        weight[i] = 1.0 / count[i]
    return theta


@numba.njit((FLOATS, FLOATS, FLOATS, *[types.float64] * 3), cache=True)
def settle(total, weight, mu, theta, radius, tol):
    """Levels mu at theta, corrected until they add up to the radius.

    Where the radius is tiny, the tangents at theta cancel: what is missing is
    small against the entries, not against the radius.
    """
    shift = 0.0
    theta = min(theta, np.nextafter(total.max(), 0.0))
    for _ in range(10):
        slope = 0.0
        for i in range(mu.size):
            mu[i] = max((total[i] - theta) - shift, 0.0) * weight[i]
            slope += weight[i] if mu[i] > 0.0 else 0.0
        excess = compensated_sum(mu) - radius
        if slope == 0.0 or abs(excess) <= tol * radius:
            break
        shift += excess / slope


# The projection --------------------------------------------------------------------


def n_threads():
    """As many threads as torch is allowed, where it is loaded, or else OpenMP."""
    if "torch" in sys.modules:
        return sys.modules["torch"].get_num_threads()
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

    return _openmp_effective_n_threads()


class Groups:
    """The groups of a matrix, rows (axis 1) or columns (axis 0), and its kernels.

    Each method runs a kernel over the groups in as many threads as pay.
    """

    def __init__(self, Y, axis):
        self.n_groups, self.size = Y.shape if axis else Y.shape[::-1]
        self.stats_kernel = row_stats if axis else column_stats
        self.tangents_kernel = row_tangents if axis else column_tangents
        self.clip_kernel = row_clip if axis else column_clip
        parts = min(Y.size // ENTRIES_PER_THREAD, self.n_groups)
        parts = max(1, min(parts, n_threads())) if parts > 1 else 1
        self.bounds = [self.n_groups * part // parts for part in range(parts + 1)]

    def _run(self, function, Y, before, after):
        def run(start, stop):
            return function(Y, *before, start, stop, *after)

        if len(self.bounds) == 2:
            return [run(*self.bounds)]
        with ThreadPoolExecutor(len(self.bounds) - 1) as pool:
            return list(pool.map(run, self.bounds[:-1], self.bounds[1:]))

    def statistics(self, Y):
        """L1 norm and largest absolute entry of every group, as float64."""
        integer = _integer(Y.dtype)
        total = np.zeros(self.n_groups)
        largest = np.zeros(self.n_groups, integer)
        mask = integer.type(np.iinfo(integer).max)
        self._run(self.stats_kernel, Y, (Y.view(integer), mask), (total, largest))
        largest = largest.view(Y.dtype).astype(np.float64)
        if not np.isfinite(largest).all():
            raise ValueError("Y contains NaN or infinity.")
        return total, largest

    def tangents(self, Y, *state):
        return any(self._run(self.tangents_kernel, Y, (), state))

    def clip(self, Y, mu, out):
        self._run(self.clip_kernel, Y, (), (mu, out))


def _newton(groups, Y, sums, largest, radius, mu):
    """Tangents at the projection, theta and the number of iterations.

    mu is a guess of the levels, or None.
    """
    size = float(groups.size)
    state = levels, total, count, weight = np.empty((4, groups.n_groups))
    theta = first_tangents(sums, largest, size, radius, levels, total, count, weight)
    eps = float(np.finfo(Y.dtype).eps)
    n_iter = 0
    if mu is not None:
        # A tangent at any level is valid; groups guessed dead keep the known ones.
        levels[:] = np.where(levels > 0, np.fmin(np.fmax(mu, 0), largest), 0)
        groups.tangents(Y, theta, -1.0, *state)
        n_iter = 1
    while n_iter < MAX_ITER:
        theta = advance(sums, largest, total, weight, size, theta, radius, levels)
        n_iter += 1
        if not groups.tangents(Y, theta, 4 * eps, *state):
            break
    return total, weight, theta, n_iter


def scale_of(largest, dtype):
    """Power of 2 that brings entries to where neither sums nor steps lose digits."""
    info = np.finfo(dtype)
    if largest > info.max * 2.0**-64:
        return 2.0**-64
    if largest < info.tiny * 2.0**64:
        return 2.0**64
    return 1.0


def final_levels(total, weight, theta, radius, scale, dtype):
    """Levels mu, rounded to the dtype, that l1inf_norm adds up to the radius at most.

    The tangents and theta are those of the matrix times scale.
    """
    mu = np.empty_like(total)
    settle(total, weight, mu, theta, radius * scale, 2 * float(np.finfo(dtype).eps))
    mu = (mu / scale).astype(dtype)
    bits = mu.view(_integer(dtype))
    while compensated_sum(mu.astype(np.float64)) > radius:
        # The next float towards zero is the next integer.
        bits -= bits > 0
    return mu.astype(np.float64)


def project(Y, radius, axis, out, mu=None):
    """Project C-contiguous Y into C-contiguous out; see project_l1inf.

    ``mu`` is a guess of the levels. Returns theta, mu and the number of iterations.
    """
    groups = Groups(Y, axis)
    sums, largest = groups.statistics(Y)
    if compensated_sum(largest) <= radius:
        if out is not Y:
            np.copyto(out, Y)
        return 0.0, largest, 0
    if radius == 0:
        out[...] = 0
        return float(sums.max()), np.zeros_like(sums), 0
    scale = scale_of(largest.max(), Y.dtype)
    if scale != 1:
        # Exact, except for entries that are that much smaller than the largest.
        Y = np.multiply(Y, Y.dtype.type(scale), out=out)
        sums, largest = groups.statistics(Y)
        mu = None
    total, weight, theta, n_iter = _newton(groups, Y, sums, largest, radius * scale, mu)
    if scale != 1:
        Y = np.divide(Y, Y.dtype.type(scale), out=out)
    mu = final_levels(total, weight, theta, radius, scale, Y.dtype)
    groups.clip(Y, mu, out)
    return theta / scale, mu, n_iter
