"""Passes over groups that are rows: each is read where it lies in the memory.

Groups of several rows lie side by side in a single row: see _members.py.
"""

import numpy as np

from ._compile import FINITE, bits, floats, inlined, kernel
from ._lanes import add_above, add_magnitudes
from ._levels import (
    MU,
    ROWS,
    SUMS,
    VISIT,
    base_of,
    eps_of,
    list_visits,
    set_first_tangents,
    update,
)
from ._members import extent

# Sums are taken in float64 over partial sums of this many entries in the array's own
# dtype, spread over the lanes of a vector: rounding stays small.
CHUNK = 1024
# Rows are measured in blocks of so many entries, which stay in the cache.
BLOCK = 8192

# Indices are unsigned: a test for negative ones would keep loops from vectorising. So
# would the functions min and max. np.intp(0) is a variable, 0 a constant.


@inlined
def row_sum(Y, g, weighted):
    """Sum of the magnitudes: the first piece is what the others leave."""
    i, start, end = extent(weighted, g, Y.shape[1])
    stop = start + (end - start) % CHUNK
    total = add_magnitudes(Y, i, start, stop)
    while stop < end:
        start, stop = stop, stop + CHUNK
        total += add_magnitudes(Y, i, start, stop)
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


@inlined
def piece_above(Y, i, start, stop, level, near):
    """add_above with the level as the base, or 0 if not `near`."""
    # The former takes a step less where it's compiled for itself.
    if near:
        return add_above(Y, i, start, stop, level, level)
    return add_above(Y, i, start, stop, level, Y.dtype.type(0))


@inlined
def row_above(Y, g, level, near, weighted):
    """piece_above of a row."""
    i, start, end = extent(weighted, g, Y.shape[1])
    stop = start + (end - start) % CHUNK
    total, count, nearest = piece_above(Y, i, start, stop, level, near)
    while stop < end:
        start, stop = stop, stop + CHUNK
        part, number, distance = piece_above(Y, i, start, stop, level, near)
        total += part
        count += number
        nearest = distance if distance < nearest else nearest
    return total, count, nearest


@kernel()
def refine(Y, start, stop, theta, weighted, room):
    """Tangents at mu of the rows that are listed; tell whether any is new."""
    changed, visit = False, room.places[VISIT]
    eps = eps_of(Y.itemsize)
    for k in range(np.uintp(start), np.uintp(stop)):
        g = np.uintp(visit[k])
        level = Y.dtype.type(room.state[MU, g])
        base = base_of(g, level, weighted, room)
        i = np.uintp(room.places[ROWS, g])
        found = row_above(Y, i, level, base == level, weighted)
        changed |= update(g, found, level, base, theta, eps, weighted, room)
    return changed


@kernel()
def measure(Y, start, stop, theta, line, peaked, weighted, room):
    """Sum, largest entry if `peaked`, and a tangent near theta of the given rows.

    While a row is in the cache: its tangent at a guess of its level, on the `line` over
    the level if all of its entries were clipped. Returns the largest sum; infinity if
    any entry is not finite.
    """
    size, top = Y.shape[1], np.int64(0)
    block = 1 + BLOCK * room.level.size // Y.size
    for first in range(start, stop, block):
        last = first + block if first + block < stop else stop
        for g in range(first, last):
            i = np.uintp(room.places[ROWS, g])
            room.state[SUMS, g] = row_sum(Y, i, weighted)
        for g in range(first, last if peaked else first):
            room.level[g] = row_largest(Y, np.uintp(room.places[ROWS, g]), weighted)
        top = set_first_tangents(
            first, last, top, theta, line, size, peaked, weighted, room
        )
        end = list_visits(first, last, room)
        refine(Y, first, end, theta, weighted, room)
    highest = floats(top)
    return highest if highest < np.inf else np.inf


@inlined
def clip_row(Y, i, top, out):
    """Clip a row at a level."""
    zero = Y.dtype.type(0)
    if top > zero:
        for j in range(Y.shape[1]):
            entry = Y[i, j] if Y[i, j] < top else top
            out[i, j] = entry if entry > -top else -top
    else:
        for j in range(Y.shape[1]):
            out[i, j] = zero


@kernel(fastmath=FINITE)
def clip(Y, start, stop, level, out):
    """Clip the rows at their levels; out may be Y."""
    # Of two arrays LLVM does not know that they are one, and gives up its vectors.
    if Y.ctypes.data == out.ctypes.data:
        for i in range(start, stop):
            clip_row(out, i, level[i], out)
    else:
        for i in range(start, stop):
            clip_row(Y, i, level[i], out)
