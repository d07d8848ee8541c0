"""Passes over groups that are rows: each is read where it lies in the memory.

Groups of several rows lie side by side in a single row: see _members.py.
"""

import numpy as np

from ._compile import FINITE, SUM, bits, floats, inlined, kernel
from ._levels import (
    MU,
    ROWS,
    SUMS,
    VISIT,
    base_of,
    cost_of,
    eps_of,
    first_tangent,
    guess_level,
    list_visits,
    update,
)
from ._members import extent, is_row

# Sums are taken in float64 over partial sums of this many entries in the array's own
# dtype, spread over the lanes of a vector: rounding stays small.
CHUNK = 1024
# Rows are measured in blocks of so many entries, which stay in the cache.
BLOCK = 8192
# Rows of at most so many entries are visited by fours.
SHORT = 128

# Indices are unsigned: a test for negative ones would keep loops from vectorising. So
# would the functions min and max. np.intp(0) is a variable, 0 a constant.


@kernel(fastmath=SUM)
def add_magnitudes(Y, i, start, stop):
    """Sum of the magnitudes of a piece of a row."""
    part = Y.dtype.type(0)
    for j in range(start, stop):
        part += abs(Y[i, np.uintp(j)])
    return np.float64(part)


@inlined
def row_sum(Y, g, weighted):
    """Sum of the magnitudes: what does not fill a chunk comes first."""
    i, start, end = extent(weighted, g, Y.shape[1])
    stop, total = start + (end - start) % CHUNK, 0.0
    while stop <= end:
        total += add_magnitudes(Y, i, start, stop)
        start, stop = stop, stop + CHUNK
    return total


@inlined
def row_largest(Y, g, weighted):
    """Largest magnitude."""
    i, start, end = extent(weighted, g, Y.shape[1])
    top = bits(Y.dtype.type(0))
    for j in range(start, end):
        entry = bits(abs(Y[i, np.uintp(j)]))
        top = entry if entry > top else top
    return floats(top)


@kernel(fastmath=FINITE)
def take(entry, level, base, found):
    """Add an entry to the sum, over a base, and number of those above a level.

    The third of what is found is the distance from the level to the nearest entry,
    as bits.
    """
    part, number, nearest = found
    zero, one = type(level)(0), type(level)(1)
    entry = abs(entry)
    distance = bits(abs(entry - level))
    return (
        part + (entry - base if entry > level else zero),
        number + (one if entry > level else zero),
        distance if distance < nearest else nearest,
    )


@inlined
def nothing_found(dtype_of):
    """Sum, number and distance before the first entry."""
    zero = dtype_of.dtype.type(0)
    return zero, zero, bits(dtype_of.dtype.type(np.inf))


@kernel()
def as_floats(found):
    """Sum, number and distance as float64."""
    return np.float64(found[0]), np.float64(found[1]), np.float64(floats(found[2]))


@kernel(fastmath=FINITE)
def add_above(Y, i, start, stop, level, base):
    """Sum, number and distance (see `take`) of a piece of a row."""
    found = nothing_found(Y)
    for j in range(start, stop):
        found = take(Y[i, np.uintp(j)], level, base, found)
    return found


@inlined
def row_above(Y, g, level, base, weighted):
    """Sum, number and distance of a row, in float64."""
    i, start, end = extent(weighted, g, Y.shape[1])
    stop, total, count = start + (end - start) % CHUNK, 0.0, 0.0
    nearest = np.inf
    while stop <= end:
        found = add_above(Y, i, start, stop, level, base)
        part, number, distance = as_floats(found)
        total += part
        count += number
        nearest = distance if distance < nearest else nearest
        start, stop = stop, stop + CHUNK
    return total, count, nearest


@kernel(fastmath=FINITE)
def add_above_four(Y, rows, levels, bases):
    """add_above of four whole rows, which have vectors to share that one can't fill."""
    a, b, c, d = rows
    level_a, level_b, level_c, level_d = levels
    base_a, base_b, base_c, base_d = bases
    of_a = of_b = of_c = of_d = nothing_found(Y)
    for j in range(Y.shape[1]):
        of_a = take(Y[a, np.uintp(j)], level_a, base_a, of_a)
        of_b = take(Y[b, np.uintp(j)], level_b, base_b, of_b)
        of_c = take(Y[c, np.uintp(j)], level_c, base_c, of_c)
        of_d = take(Y[d, np.uintp(j)], level_d, base_d, of_d)
    return as_floats(of_a), as_floats(of_b), as_floats(of_c), as_floats(of_d)


@kernel()
def refine_four(a, b, c, d, Y, theta, eps, weighted, room):
    """Tangents at mu of four rows; tell whether any is new."""
    rows, mu, real = room.places[ROWS], room.state[MU], Y.dtype.type
    i = np.uintp(rows[a]), np.uintp(rows[b]), np.uintp(rows[c]), np.uintp(rows[d])
    A, B, C, D = real(mu[a]), real(mu[b]), real(mu[c]), real(mu[d])
    base_a, base_b = base_of(a, A, weighted, room), base_of(b, B, weighted, room)
    base_c, base_d = base_of(c, C, weighted, room), base_of(d, D, weighted, room)
    of_a, of_b, of_c, of_d = add_above_four(
        Y, i, (A, B, C, D), (base_a, base_b, base_c, base_d)
    )
    changed = update(a, of_a, A, base_a, theta, eps, weighted, room)
    changed |= update(b, of_b, B, base_b, theta, eps, weighted, room)
    changed |= update(c, of_c, C, base_c, theta, eps, weighted, room)
    return changed | update(d, of_d, D, base_d, theta, eps, weighted, room)


@kernel()
def refine(Y, start, stop, theta, weighted, room):
    """Tangents at mu of the rows that are listed; tell whether any is new."""
    changed, visit = False, room.places[VISIT]
    eps = eps_of(Y.itemsize)
    if Y.shape[1] <= SHORT and is_row(weighted):
        last = stop - 1
        for k in range(start, stop, 4):
            # The last one again, where less than four are left.
            a, b = visit[k], visit[min(k + 1, last)]
            c, d = visit[min(k + 2, last)], visit[min(k + 3, last)]
            changed |= refine_four(a, b, c, d, Y, theta, eps, weighted, room)
        return changed
    for k in range(start, stop):
        g = visit[k]
        level = Y.dtype.type(room.state[MU, g])
        base = base_of(g, level, weighted, room)
        found = row_above(Y, np.uintp(room.places[ROWS, g]), level, base, weighted)
        changed |= update(g, found, level, base, theta, eps, weighted, room)
    return changed


@kernel()
def measure(Y, start, stop, theta, line, peaked, weighted, room):
    """Sum, largest entry if `peaked`, and a tangent near theta of the given rows.

    While a row is in the cache: its tangent at a guess of its level, on the `line` over
    the level if all of its entries were clipped. Returns the largest sum; infinity if
    any entry is not finite.
    """
    size = Y.shape[1]
    highest, finite = 0.0, True
    block = 1 + BLOCK * room.level.size // Y.size
    for first in range(start, stop, block):
        last = first + block if first + block < stop else stop
        for g in range(first, last):
            i = np.uintp(room.places[ROWS, g])
            total = row_sum(Y, i, weighted)
            highest = total if total > highest else highest
            finite &= total < np.inf
            room.state[SUMS, g] = total / cost_of(weighted, i, room)
            if peaked:
                room.level[g] = row_largest(Y, i, weighted)
        for g in range(first, last):
            first_tangent(g, theta, size, peaked, weighted, room)
            guess_level(g, theta, line, size, weighted, room)
        end = list_visits(first, last, room)
        refine(Y, first, end, theta, weighted, room)
    return highest if finite else np.inf


@kernel(fastmath=FINITE)
def clip(Y, start, stop, level, out):
    """Clip the rows at their levels."""
    zero = Y.dtype.type(0)
    for i in range(start, stop):
        top = level[i]
        if top > zero:
            for j in range(Y.shape[1]):
                entry = Y[i, j] if Y[i, j] < top else top
                out[i, j] = entry if entry > -top else -top
        else:
            for j in range(Y.shape[1]):
                out[i, j] = zero
