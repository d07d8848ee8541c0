"""The projection of an array: Newton's method in numba kernels.

The method is explained in docs/projection.md. A *tangent* of a group is the
pair (total, weight) of the sum and the inverse number of its absolute entries
above some level: the line (total - theta) * weight never exceeds the group's
level mu(theta), and touches it where the level is the one that the sums were
taken at.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from types import FunctionType

import numba
import numpy as np

# Sums may be reordered, which vectorises them; NaN is not assumed absent.
SUM = {"reassoc", "nsz", "contract"}
# Only for entries that are known to be finite.
FINITE = SUM | {"nnan"}
# Sums are taken in float64 over partial sums of this many entries in the
# array's own dtype, spread over the lanes of a vector: rounding stays small.
ROW_CHUNK = 1024
COLUMN_CHUNK = 32
# Rows are measured in blocks of so many entries, which stay in the cache.
ROW_BLOCK = 8192
# Rows of at most so many entries are visited by fours.
SHORT_ROW = 128
# Columns are taken in blocks whose running sums stay in the first-level cache.
COLUMN_BLOCK = 512
# Running sums of the compensated sum, which fill the vectors of any processor.
LANES = 64
# A net under the proof in docs/projection.md, which is free of rounding; two to
# seven iterations are usual, and the result is in the ball whatever their number.
MAX_ITER = 100
# One row in so many is projected first, for a guess of theta, from so many rows on.
SAMPLE_STEP, SAMPLE_FROM = 64, 512
# Threads pay for their start from this many entries on.
ENTRIES_PER_THREAD = 2**20

# What the kernels see under these names depends on the dtype, on whether groups are
# rows or columns, and on the number of threads: `kernels` and `driver` set it.
FLOAT = INTEGER = ZERO = ONE = MASK = EPS = None
measure = refine = clip = None

SOURCES = {}


def kernel(**options):
    """Add a function to those that `kernels` compiles, with options of numba.njit."""

    def decorate(function):
        SOURCES[function.__name__] = function, options
        return function

    return decorate


@cache
def kernels(dtype, fused=False):
    """Give the module's globals with the kernels for a dtype, compiled when called.

    Each dtype has cache files of its own, so that processes that compile at the same
    time can't mix them up. Only ``drive`` can be called from Python if `fused`: the
    rest is compiled into it, without a wrapper and a cache file of its own.
    """
    integer = np.dtype(f"i{dtype.itemsize}").type
    names = globals() | {
        "FLOAT": dtype.type,
        "ZERO": dtype.type(0),
        "ONE": dtype.type(1),
        "INTEGER": integer,
        "MASK": integer(np.iinfo(integer).max),
        "EPS": float(np.finfo(dtype).eps),
    }
    # Kernels make no arrays, but for columns: so no references are counted, which
    # halves the time of short rows.
    always = {"error_model": "numpy", "_nrt": False}
    inner = {"no_rewrites": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    for name, (function, options) in SOURCES.items():
        named = _with_globals(function, names, f"{name}_{dtype}")
        inlined = "forceinline" in options or (fused and name != "drive")
        options = options | (inner if inlined else {"nogil": True, "cache": True})
        names[name] = numba.njit(**(always | options))(named)
    names |= {name: names[f"row_{name}"] for name in ("measure", "refine", "clip")}
    return names


def _with_globals(function, names, name):
    other = FunctionType(function.__code__, names, name)
    other.__module__, other.__qualname__ = function.__module__, name
    return other


# Rows -----------------------------------------------------------------------

# Unsigned indices: a test for negative ones would keep loops from vectorising. So
# would min and max. np.intp(0) is a variable, 0 a constant and a type of its own.


@kernel(fastmath=SUM, forceinline=True)
def add_magnitudes(Y, i, start, stop):
    part = ZERO
    for j in range(start, stop):
        part += abs(Y[i, np.uintp(j)])
    return np.float64(part)


@kernel(inline="always")
def row_sum(Y, i):
    """Sum of the magnitudes: what does not fill a chunk comes first."""
    start, stop, total = np.intp(0), Y.shape[1] % ROW_CHUNK, 0.0
    while stop <= Y.shape[1]:
        total += add_magnitudes(Y, i, start, stop)
        start, stop = stop, stop + ROW_CHUNK
    return total


@kernel(inline="always")
def row_largest(bits, i):
    """Bits of the largest entry: non-negative floats are ordered as their bits are."""
    top = INTEGER(0)
    for j in range(bits.shape[1]):
        entry = INTEGER(bits[i, np.uintp(j)] & MASK)
        top = entry if entry > top else top
    return top


@kernel(fastmath=FINITE, forceinline=True)
def take(entry, level, base, found):
    """Add an entry to the sum, over a base, and number of those above a level, and gap.

    The gap is the distance from the level to the nearest entry, as its bits: minima of
    integers are vectorised, those of floats are not.
    """
    part, some, gap = found
    entry = abs(entry)
    off = FLOAT(abs(entry - level)).view(INTEGER)
    return (
        part + (entry - base if entry > level else ZERO),
        some + (ONE if entry > level else ZERO),
        off if off < gap else gap,
    )


@kernel(fastmath=FINITE, forceinline=True)
def add_above(Y, i, start, stop, level, base):
    found = ZERO, ZERO, MASK
    for j in range(start, stop):
        found = take(Y[i, np.uintp(j)], level, base, found)
    return found


@kernel(inline="always")
def row_tangent(Y, i, level, base):
    """Sum, number and gap of the entries above a level: see take."""
    start, stop, above, number = np.intp(0), Y.shape[1] % ROW_CHUNK, 0.0, 0.0
    nearest = MASK
    while stop <= Y.shape[1]:
        part, some, gap = add_above(Y, i, start, stop, level, base)
        above += part
        number += some
        nearest = gap if gap < nearest else nearest
        start, stop = stop, stop + ROW_CHUNK
    return above, number, nearest


@kernel(inline="always")
def first_tangent(g, theta, inverse_size, peaked, sums, level, total, weight):
    """Take the higher at theta of the tangents at 0 and at the largest entry."""
    total[g], weight[g] = sums[g], inverse_size
    if peaked and level[g] - theta > (sums[g] - theta) * inverse_size:
        total[g], weight[g] = level[g], 1.0


@kernel()
def row_measure(start, stop, Y, bits, rows, theta, line, peaked, mu, found):
    """Sum, largest entry if `peaked`, and a tangent near theta of the given rows.

    While a row is in the cache: its tangent at a guess of its level, which is mu or,
    where that is 0, on the `line` over the level if all of its entries were clipped.
    Returns the largest sum; infinity if any is not finite.
    """
    sums, level, level_bits, visit, tangents = found
    total, weight, _, gap = tangents
    highest, finite = 0.0, True
    inverse_size = 1.0 / Y.shape[1]
    block = 1 + ROW_BLOCK // Y.shape[1]
    for first in range(start, stop, block):
        last = first + block if first + block < stop else stop
        for g in range(first, last):
            i = np.uintp(rows[g])
            sums[g] = row_sum(Y, i)
            if peaked:
                level_bits[g] = row_largest(bits, i)
        end = first
        for g in range(first, last):
            highest = sums[g] if sums[g] > highest else highest
            finite &= sums[g] < np.inf
            first_tangent(g, theta, inverse_size, peaked, sums, level, total, weight)
            flat = (sums[g] - theta) * inverse_size
            guess = line[0] + line[1] * flat
            guess = mu[g] if mu[g] > 0.0 else guess if guess > flat else flat
            lives = 0.0 < theta < sums[g] < np.inf
            mu[g] = guess if lives else 0.0
            gap[g] = 0.0
            visit[end] = g
            end += lives
        row_refine(first, end, Y, rows, visit, theta, mu, tangents)
    return highest if finite else np.inf


@kernel(inline="always")
def visits(start, stop, mu, at, gap, visit):
    """List the groups whose tangent may have changed since it was taken.

    It has not where no entry lies between the level that it was taken at and mu. The
    list starts at visit[start]; returns its end.
    """
    end = np.intp(start)
    for g in range(start, stop):
        visit[end] = g
        end += (mu[g] > 0.0) & (not abs(mu[g] - at[g]) < gap[g])
    return end


@kernel(inline="always")
def base_of(g, level, tangents):
    """Give what to subtract from the entries above a level before they are summed.

    The level, where they are near to it: their difference is exact. Where they are far
    above, a difference would be rounded, and none is taken.
    """
    total, weight = tangents[0], tangents[1]
    return level if 2.0 * level > total[g] * weight[g] else ZERO


@kernel(inline="always")
def update(g, tangent, level, base, theta, tangents):
    """Take a group's new tangent; tell whether it is new beyond rounding."""
    part, number, nearest = np.float64(tangent[0]), np.float64(tangent[1]), tangent[2]
    total, weight, at, gap = tangents
    if number == 0.0:
        return False
    above = part + number * base
    new = weight[g] != 1.0 / number
    rise = (above - theta) - number * ((total[g] - theta) * weight[g])
    if new and rise <= 0.0:  # a lower one than before is rounding
        return False
    total[g], weight[g] = above, 1.0 / number
    # Differences of floats are rounded.
    at[g], gap[g] = level, (1.0 - EPS) * INTEGER(nearest).view(FLOAT)
    return new & (abs(rise) > 4.0 * EPS * above)


@kernel(fastmath=FINITE, forceinline=True)
def add_above_four(Y, rows, levels, bases):
    """add_above of four whole rows, which have vectors to share that one can't fill."""
    a, b, c, d = rows
    A, B, C, D = levels
    base_a, base_b, base_c, base_d = bases
    of_a = of_b = of_c = of_d = ZERO, ZERO, MASK
    for j in range(Y.shape[1]):
        of_a = take(Y[a, np.uintp(j)], A, base_a, of_a)
        of_b = take(Y[b, np.uintp(j)], B, base_b, of_b)
        of_c = take(Y[c, np.uintp(j)], C, base_c, of_c)
        of_d = take(Y[d, np.uintp(j)], D, base_d, of_d)
    return of_a, of_b, of_c, of_d


@kernel(inline="always")
def refine_four(groups, Y, rows, theta, mu, tangents):
    a, b, c, d = groups
    i = np.uintp(rows[a]), np.uintp(rows[b]), np.uintp(rows[c]), np.uintp(rows[d])
    level = FLOAT(mu[a]), FLOAT(mu[b]), FLOAT(mu[c]), FLOAT(mu[d])
    base_a, base_b = base_of(a, level[0], tangents), base_of(b, level[1], tangents)
    base_c, base_d = base_of(c, level[2], tangents), base_of(d, level[3], tangents)
    found = add_above_four(Y, i, level, (base_a, base_b, base_c, base_d))
    changed = update(a, found[0], level[0], base_a, theta, tangents)
    changed |= update(b, found[1], level[1], base_b, theta, tangents)
    changed |= update(c, found[2], level[2], base_c, theta, tangents)
    return changed | update(d, found[3], level[3], base_d, theta, tangents)


@kernel()
def row_refine(start, stop, Y, rows, visit, theta, mu, tangents):
    """Tangents at mu of the rows that are listed; tell whether any is new."""
    changed = False
    if Y.shape[1] <= SHORT_ROW:
        last = stop - 1
        for k in range(start, stop, 4):
            # The last one again, where less than four are left.
            a, b = visit[k], visit[min(k + 1, last)]
            c, d = visit[min(k + 2, last)], visit[min(k + 3, last)]
            changed |= refine_four((a, b, c, d), Y, rows, theta, mu, tangents)
        return changed
    for k in range(start, stop):
        g = visit[k]
        level = FLOAT(mu[g])
        base = base_of(g, level, tangents)
        tangent = row_tangent(Y, np.uintp(rows[g]), level, base)
        changed |= update(g, tangent, level, base, theta, tangents)
    return changed


@kernel(fastmath=FINITE)
def row_clip(start, stop, Y, level, out):
    for i in range(start, stop):
        top = level[i]
        if top > 0:
            for j in range(Y.shape[1]):
                entry = Y[i, j] if Y[i, j] < top else top
                out[i, j] = entry if entry > -top else -top
        else:
            out[i] = 0


# Columns: the same, all columns of a block at once ------------------------------


@kernel(fastmath=SUM)
def add_stats(row, bits, part, largest):
    for i in range(row.size):
        part[i] += abs(row[i])
        largest[i] = max(largest[i], INTEGER(bits[i] & MASK))


@kernel(fastmath=FINITE)
def add_row_above(row, level, total, count):
    for i in range(row.size):
        entry = abs(row[i])
        total[i] += entry if entry > level[i] else ZERO
        count[i] += ONE if entry > level[i] else ZERO


@kernel(fastmath=FINITE)
def clip_columns(row, level, out):
    for i in range(row.size):
        entry = row[i] if row[i] < level[i] else level[i]
        out[i] = entry if entry > -level[i] else -level[i]


@kernel(_nrt=True)
def column_measure(start, stop, Y, bits, rows, theta, line, peaked, mu, found):
    """Sum, largest entry and a tangent near theta of the columns: see row_measure."""
    sums, level, level_bits, visit, tangents = found
    total, weight, _, _ = tangents
    part = np.empty(COLUMN_BLOCK, Y.dtype)
    highest, finite = 0.0, True
    for i in range(start, stop, COLUMN_BLOCK):
        end = min(i + COLUMN_BLOCK, stop)
        sums[i:end] = 0.0
        level_bits[i:end] = 0
        for j in range(0, Y.shape[0], COLUMN_CHUNK):
            part[:] = 0
            for r in range(j, min(j + COLUMN_CHUNK, Y.shape[0])):
                add_stats(Y[r, i:end], bits[r, i:end], part, level_bits[i:end])
            for c in range(end - i):
                sums[i + c] += part[c]
        for c in range(i, end):
            highest = max(highest, sums[c])
            finite &= sums[c] < np.inf
            first_tangent(c, theta, 1.0 / Y.shape[0], True, sums, level, total, weight)
            mu[c] = mu[c] if mu[c] > 0.0 else (total[c] - theta) * weight[c]
            # Nothing is above the largest entry.
            if not 0.0 < theta < sums[c] < np.inf or mu[c] >= level[c]:
                mu[c] = 0.0
        column_refine(i, end, Y, rows, visit, theta, mu, tangents)
    return highest if finite else np.inf


@kernel(_nrt=True)
def column_refine(start, stop, Y, rows, visit, theta, mu, tangents):
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
                add_row_above(Y[r, i:end], level, part, some)
            for c in range(end - i):
                above[c] += part[c]
                number[c] += some[c]
        for c in range(end - i):
            if level[c] > 0.0:
                s, k = above[c], number[c]
                changed |= update(i + c, (s, k, MASK), ZERO, ZERO, theta, tangents)
    return changed


@kernel()
def column_clip(start, stop, Y, level, out):
    for r in range(Y.shape[0]):
        clip_columns(Y[r, start:stop], level[start:stop], out[r, start:stop])


# One number a group -------------------------------------------------------------


@kernel()
def compensated_sum(n, x, total, error):
    """Sum of n numbers >= 0, with the rounding errors of additions added at the end.

    In many lanes at once; ``total`` and ``error`` are room for them.
    """
    for k in range(LANES):
        total[k] = error[k] = 0.0
    for start in range(0, n, LANES):
        for k in range(LANES if n - start > LANES else n - start):
            value = x[np.uintp(start + k)]
            new = total[k] + value
            rest = new - total[k]
            error[k] += (total[k] - (new - rest)) + (value - rest)
            total[k] = new
    top = rest_of_all = 0.0
    for k in range(LANES):
        new = top + total[k]
        rest = new - top
        rest_of_all += (top - (new - rest)) + (total[k] - rest) + error[k]
        top = new
    return top + rest_of_all if top < np.inf else top


@kernel(fastmath=SUM)
def height_and_slope(n, total, weight, theta):
    height = slope = 0.0
    for g in range(n):
        above = total[g] - theta
        height += above * weight[g] if above > 0.0 else 0.0
        slope += weight[g] if above > 0.0 else 0.0
    return height, slope


@kernel(inline="always")
def advance(n, total, weight, theta, radius):
    """Root theta of the sum of the tangents less the radius, from either side.

    The sum is convex and decreasing: a step from the right ends on the left.
    """
    for step in range(MAX_ITER):
        height, slope = height_and_slope(n, total, weight, theta)
        if height < radius and step == 0:
            theta += (height - radius) / slope
            theta = theta if slope > 0.0 and theta > 0.0 else 0.0
        elif not height > radius or theta + (height - radius) / slope <= theta:
            break
        else:
            theta += (height - radius) / slope
    return theta


@kernel(inline="always")
def survivors(n, theta, rows, visit, sums, tangents):
    """Move the rows that may survive to the front; return their number."""
    total, weight, at, gap = tangents
    count = np.intp(0)
    for g in range(n):
        visit[count] = g
        count += sums[g] > theta
    for k in range(count if count < n else 0):
        g = visit[k]
        rows[k], sums[k] = rows[g], sums[g]
        total[k], weight[k], at[k], gap[k] = total[g], weight[g], at[g], gap[g]
    return count


@kernel(inline="always")
def every(step, n, rows):
    """Set the first rows to every step-th of n; return their number."""
    count = (n + step - 1) // step
    for g in range(count):
        rows[g] = g * step
    return count


@kernel(inline="always")
def fit_levels(n, theta, size, sums, mu):
    """Line, by least squares, of the levels over (sums - theta) / size; forget them."""
    number = mean = mean_flat = variance = covariance = 0.0
    for g in range(n):
        lives = 1.0 if mu[g] > 0.0 else 0.0
        number += lives
        mean += mu[g]
        mean_flat += lives * (sums[g] - theta) / size
    number = number if number > 0.0 else 1.0
    mean, mean_flat = mean / number, mean_flat / number
    for g in range(n):
        off = (sums[g] - theta) / size - mean_flat if mu[g] > 0.0 else 0.0
        variance += off * off
        covariance += off * (mu[g] - mean)
        mu[g] = 0.0
    slope = covariance / variance if variance > 0.0 else 0.0
    return mean - slope * mean_flat, slope


@kernel(inline="always")
def set_levels(n, theta, size, sums, total, weight, mu):
    """Set mu to the higher at theta of the last tangent and the one at 0."""
    for g in range(n):
        last, flat = (total[g] - theta) * weight[g], (sums[g] - theta) / size
        level = last if last > flat else flat
        mu[g] = level if flat > 0.0 else 0.0


@kernel(inline="always")
def settle(n, total, weight, mu, theta, radius, lanes):
    """Levels mu at theta, corrected until they add up to the radius.

    Where the radius is tiny, the tangents at theta cancel: what is missing is
    small against the entries, not against the radius.
    """
    highest = 0.0
    for g in range(n):
        highest = total[g] if total[g] > highest else highest
    highest *= 1.0 - 2.0**-53
    theta = theta if theta < highest else highest
    shift = excess = 0.0
    for _ in range(10):
        slope = 0.0
        for g in range(n):
            above = (total[g] - theta) - shift
            mu[g] = above * weight[g] if above > 0.0 else 0.0
            slope += weight[g] if above > 0.0 else 0.0
        excess = compensated_sum(n, mu, lanes[0], lanes[1]) - radius
        if slope == 0.0 or abs(excess) <= 2.0**-51 * radius:
            break
        shift += excess / slope
    if excess > 0.0:  # a rest below the rounding of the entries
        for g in range(n):
            mu[g] *= radius / (radius + excess)


@kernel(inline="always")
def norm_of(level, scratch, lanes):
    """l1inf_norm, to the last bit, of a matrix with these largest entries."""
    for i in range(level.size):
        scratch[i] = level[i]
    return compensated_sum(level.size, scratch, lanes[0], lanes[1])


@kernel(inline="always")
def round_levels(n, rows, mu, scale, radius, level, level_bits, scratch, lanes):
    """Levels mu / scale in the array's dtype, that add up to the radius at most.

    The next float towards zero is the next integer.
    """
    for i in range(level.size):
        level[i] = ZERO
    inverse_scale = 1.0 / scale
    for g in range(n):
        i, top = np.uintp(rows[g]), mu[g] * inverse_scale
        level[i] = top
        level_bits[i] -= level[i] > top
    while norm_of(level, scratch, lanes) > radius:
        for i in range(level.size):
            level_bits[i] -= level_bits[i] > 0


# The projection --------------------------------------------------------------------


@kernel(inline="always")
def newton(n, Y, rows, visit, size, theta, radius, mu, sums, tangents):
    """Bring the tangents of the first n groups to the projection.

    Returns theta, the number of groups that may survive, which are then the first,
    and the number of iterations.
    """
    total, weight, at, gap = tangents
    n_iter, changed = 0, True
    while changed and n_iter < MAX_ITER:
        root = advance(n, total, weight, theta, radius)
        # Only a guess can be too far right: later, a step back is rounding.
        theta = root if n_iter == 0 or root > theta else theta
        if n_iter == 0:
            n = survivors(n, theta, rows, visit, sums, tangents)
        set_levels(n, theta, size, sums, total, weight, mu)
        end = visits(0, n, mu, at, gap, visit)
        changed = refine(0, end, Y, rows, visit, theta, mu, tangents)
        n_iter += 1
    return theta, n, n_iter


@kernel()
def drive(
    Y,
    bits,
    out,
    radius,
    scale,
    limits,
    theta,
    mu,
    rows,
    visit,
    state,
    lanes,
    level,
    level_bits,
):
    """Project Y, which was multiplied by scale, into out if scale is 1.

    ``theta`` and ``mu`` are a guess, or 0; the other arrays are room. Sets ``level`` to
    the levels of what Y was; to its largest entries if it is in the ball or if its
    largest sum is out of the limits. Returns this sum, theta and the number of
    iterations, which is 0 in these two cases.
    """
    sums, scratch, total, weight = state[0], state[1], state[2], state[3]
    tangents = total, weight, state[4], state[5]
    found = sums, level, level_bits, visit, tangents
    size = Y.size / level.size
    step = SAMPLE_STEP if theta == 0.0 and level.size >= SAMPLE_FROM else 1
    peaked, line = np.bool_(True), (0.0, 1.0)
    while True:
        # A sample of the groups first, for a guess of theta; then all of them.
        n = every(step, level.size, rows)
        share = radius * scale * (n / level.size)
        highest = measure(0, n, Y, bits, rows, theta, line, peaked, mu, found)
        usual = limits[0] <= highest <= limits[1]
        # A group's largest entry is no less than the mean of those above a level: if
        # these means do not fit the ball, the largest entries need not be known.
        means, _ = height_and_slope(n, total, weight, 0.0)
        if step == 1 and not (usual and means > 1.00001 * share):
            if not peaked:
                peaked = np.bool_(True)
                continue
            if norm_of(level, scratch, lanes) <= share or not usual:
                return highest, 0.0, 0
        theta, n, n_iter = newton(
            n, Y, rows, visit, size, theta, share, mu, sums, tangents
        )
        if step == 1:
            break
        line = fit_levels(n, theta, size, sums, mu)
        theta = theta if theta < np.inf else 0.0
        step, peaked = 1, theta == 0.0
    settle(n, total, weight, mu, theta, radius * scale, lanes)
    round_levels(n, rows, mu, scale, radius, level, level_bits, scratch, lanes)
    if scale == 1.0:
        clip(0, level.size, Y, level, out)
    return highest, theta / scale, n_iter


def n_threads():
    """As many threads as torch is allowed, where it is loaded, or else OpenMP."""
    if "torch" in sys.modules:
        return sys.modules["torch"].get_num_threads()
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

    return _openmp_effective_n_threads()


def _in_parts(run_all, parts, function, start, stop, *arguments):
    """Run a kernel over blocks of groups; return the largest of what it returns."""
    bounds = [start + (stop - start) * part // parts for part in range(parts + 1)]

    def run(first, last):
        return function(first, last, *arguments) or 0

    return max(run_all(run, bounds[:-1], bounds[1:]))


def driver(Y, axis, fused=True):
    """Context with the functions for the groups of Y: rows (axis 1) or columns (0).

    Where rows take one thread, `drive` is compiled. Else the interpreter runs it, and
    the kernels that pass over the groups in as many threads as pay.
    """
    n_groups = Y.shape[1 - axis]
    parts = min(Y.size // ENTRIES_PER_THREAD, n_groups)
    parts = min(parts, n_threads()) if parts > 1 else 1
    if axis == 1 and parts == 1:
        return nullcontext(kernels(Y.dtype, fused))
    return _python_driver(Y.dtype, axis, n_groups, parts)


@contextmanager
def _python_driver(dtype, axis, n_groups, parts):
    names = dict(kernels(dtype))
    if axis == 0:
        # Neighbouring columns are read together: they stay where they are.
        names |= {"SAMPLE_FROM": np.inf, "survivors": lambda n, *_: n}
        names["visits"] = lambda start, stop, *_: stop
    with ThreadPoolExecutor(parts) as pool:
        run_all = pool.map if parts > 1 else map
        for name in ("measure", "refine", "clip"):
            function = names[f"{'row' if axis else 'column'}_{name}"]
            names[name] = partial(_in_parts, run_all, parts, function)
        for function in (newton, drive):
            names[function.__name__] = _with_globals(function, names, function.__name__)
        yield names


def _bits(Y):
    return Y.view(f"i{Y.dtype.itemsize}")


def _read_only(Y):
    """Kernels are compiled for read-only arrays: once for all."""
    Y = Y.view()
    Y.flags.writeable = False
    return Y


def compensated(x):
    """Sum of non-negative floats with the rounding errors of its additions added."""
    x = x.astype(np.float64, copy=False)
    return kernels(x.dtype)["compensated_sum"](x.size, x, *np.empty((2, LANES)))


def statistics(Y, axis):
    """L1 norm, in float64, and largest absolute entry of every group."""
    n_groups = Y.shape[1 - axis]
    sums, mu, *tangents = np.zeros((6, n_groups))
    level = np.zeros(n_groups, Y.dtype)
    if Y.size:
        Y = _read_only(Y)
        with driver(Y, axis, fused=False) as run:
            rows, visit = np.arange(n_groups), np.empty(n_groups, np.intp)
            found = sums, level, _bits(level), visit, tuple(tangents)
            highest = run["measure"](
                0, n_groups, Y, _bits(Y), rows, 0.0, (0.0, 1.0), True, mu, found
            )
        _check_finite(Y, highest)
    return sums, level


def _check_finite(Y, highest):
    # A sum may overflow without.
    if not highest < np.inf and not np.isfinite(Y).all():
        raise ValueError("Y contains NaN or infinity.")


@cache
def limits(dtype):
    """Range of the largest sum where neither sums nor steps lose digits."""
    info = np.finfo(dtype)
    return float(info.tiny) * 2.0**64, float(info.max) * 2.0**-64


def scale_of(largest, dtype):
    """Power of 2 that brings the largest entry or sum into the limits."""
    low, high = limits(dtype)
    return 2.0**64 if largest < low else 1.0 if largest <= high else 2.0**-64


def final_levels(total, weight, theta, radius, scale, dtype):
    """Levels mu, rounded to the dtype, that l1inf_norm adds up to the radius at most.

    The tangents and theta are those of the matrix times scale.
    """
    run, n = kernels(dtype), total.size
    mu, scratch = np.empty((2, n))
    lanes = np.empty((2, LANES))
    level = np.empty(n, dtype)
    run["settle"](n, total, weight, mu, theta, radius * scale, lanes)
    run["round_levels"](
        n, np.arange(n), mu, scale, radius, level, _bits(level), scratch, lanes
    )
    return level


def project(Y, radius, axis, out, theta=0.0, mu=None):
    """Project C-contiguous Y into C-contiguous out; see project_l1inf.

    ``theta`` and ``mu`` are a guess, from the last projection. Returns theta, the
    levels and the number of iterations.
    """
    Y = _read_only(Y)
    n_groups = Y.shape[1 - axis]
    guess = np.zeros(n_groups)
    if theta > 0.0:
        guess[:] = mu
    level = np.empty(n_groups, Y.dtype)
    if Y.size == 0 or radius == 0:
        sums, level = statistics(Y, axis)
        if level.any():
            out[...] = level[:] = 0
        elif out.ctypes.data != Y.ctypes.data:
            np.copyto(out, Y)
        return float(sums.max(initial=0)), level, 0
    rows, visit = np.empty((2, n_groups), np.intp)
    state = np.empty((6, n_groups))
    lanes = np.empty((2, LANES))
    with driver(Y, axis) as run:

        def drive(Y, scale, limits):
            return run["drive"](
                *(Y, _bits(Y), out, radius, scale, limits, theta),
                *(guess, rows, visit, state, lanes, level, _bits(level)),
            )

        highest, theta, n_iter = drive(Y, 1.0, limits(Y.dtype))
        if n_iter > 0:
            return theta, level, n_iter
        _check_finite(Y, highest)
        if compensated(level) <= radius:
            if out.ctypes.data != Y.ctypes.data:
                np.copyto(out, Y)
            return 0.0, level, 0
        # Exact, except for entries that are that much smaller than the largest.
        scale = scale_of(highest, Y.dtype)
        np.multiply(Y, Y.dtype.type(scale), out=out)
        guess[:] = theta = 0.0
        _, theta, n_iter = drive(_read_only(out), scale, (0.0, np.inf))
        np.divide(out, out.dtype.type(scale), out=out)
        bound = np.expand_dims(level, axis)
        np.clip(out, -bound, bound, out=out)
    return theta, level, n_iter
