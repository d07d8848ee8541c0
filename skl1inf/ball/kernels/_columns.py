"""Passes over groups that are columns: those of a block are read together, by rows."""

import numpy as np

from ._compile import FINITE, SUM, bits, kernel
from ._levels import (
    MU,
    SUMS,
    cost_of,
    eps_of,
    flat_tangent,
    peak_tangent,
    update,
)

# Sums are taken in float64 over partial sums of this many entries in the array's own
# dtype.
CHUNK = 32
# Columns are taken in blocks whose running sums stay in the first-level cache.
BLOCK = 512


@kernel(fastmath=SUM)
def add_row(row, part, largest):
    """Add a row's magnitudes to the sums, and their bits to the largest."""
    for i in range(row.size):
        part[i] += abs(row[i])
        largest[i] = max(largest[i], bits(abs(row[i])))


@kernel(fastmath=FINITE)
def add_row_above(row, level, total, number):
    """Add a row's entries above the levels to sums and numbers."""
    zero, one = row.dtype.type(0), row.dtype.type(1)
    for i in range(row.size):
        entry = abs(row[i])
        total[i] += entry if entry > level[i] else zero
        number[i] += one if entry > level[i] else zero


@kernel(fastmath=FINITE)
def clip_row(row, level, out):
    """Clip the entries of a row, each at its column's level."""
    for i in range(row.size):
        entry = row[i] if row[i] < level[i] else level[i]
        out[i] = entry if entry > -level[i] else -level[i]


@kernel(_nrt=True)
def measure(Y, start, stop, theta, line, peaked, weighted, room):
    """Sum, largest entry and a tangent near theta: see the pass over rows.

    The level is guessed from the first tangent, not from a sample.
    """
    size = Y.shape[0]
    part = np.empty(BLOCK, Y.dtype)
    highest, finite = 0.0, True
    largest = room.level_bits
    for i in range(start, stop, BLOCK):
        end = min(i + BLOCK, stop)
        room.state[SUMS, i:end] = 0.0
        largest[i:end] = 0
        for j in range(0, size, CHUNK):
            part[:] = 0
            for r in range(j, min(j + CHUNK, size)):
                add_row(Y[r, i:end], part, largest[i:end])
            for c in range(i, end):
                room.state[SUMS, c] += part[c - i]
        for c in range(i, end):
            highest = max(highest, room.state[SUMS, c])
            finite &= room.state[SUMS, c] < np.inf
            room.state[SUMS, c] /= cost_of(weighted, c, room)
            flat_tangent(c, size, weighted, room)
            peak_tangent(c, theta, size, weighted, room)
            room.state[MU, c] = 0.0
    return highest if finite else np.inf


@kernel(_nrt=True)
def refine(Y, start, stop, theta, weighted, room):
    """Tangents at mu of the columns; tell whether any is new."""
    changed = False
    zero, eps = Y.dtype.type(0), eps_of(Y.itemsize)
    level = np.empty(BLOCK, Y.dtype)
    part, some = np.empty_like(level), np.empty_like(level)
    above, number = np.empty(BLOCK), np.empty(BLOCK)
    for i in range(start, stop, BLOCK):
        end = min(i + BLOCK, stop)
        alive = False
        for c in range(end - i):
            level[c] = room.state[MU, i + c]
            above[c] = number[c] = 0.0
            alive |= level[c] > zero
        if not alive:
            continue
        for j in range(0, Y.shape[0], CHUNK):
            part[:] = 0
            some[:] = 0
            for r in range(j, min(j + CHUNK, Y.shape[0])):
                add_row_above(Y[r, i:end], level, part, some)
            for c in range(end - i):
                above[c] += part[c]
                number[c] += some[c]
        for c in range(end - i):
            if level[c] > zero:
                found = above[c], number[c], 0.0
                changed |= update(
                    i + c, found, level[c], zero, theta, eps, weighted, room
                )
    return changed


@kernel()
def clip(Y, start, stop, level, out):
    """Clip the columns at their levels."""
    for r in range(Y.shape[0]):
        clip_row(Y[r, start:stop], level[start:stop], out[r, start:stop])
