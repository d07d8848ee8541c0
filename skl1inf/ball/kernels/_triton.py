"""Passes over a tensor on a GPU as Triton kernels, each of which reads it once.

The method is that of _driver.py. A program takes some groups: rows or columns, by the
strides of the tensor. The host looks at a flag after every few iterations; kernels of
iterations that find nothing left to do end at once.
"""

import torch
import triton
import triton.language as tl

from ._levels import MAX_ITER
from ._tangents import start

# Iterations between two looks at whether a tangent has changed.
BATCH = 4
# Entries that a program takes at once, and groups where they are columns; groups that
# the one program that moves theta takes at once.
TILE, COLUMNS = 2048, 16
ADVANCE = 4096


@triton.jit
def load_tile(Y, groups, first, size, across, along, taken, BLOCK: tl.constexpr):
    """Magnitudes of the next entries of the groups that are taken, NaN as infinity."""
    entries = first + tl.arange(0, BLOCK)
    there = taken[:, None] & (entries < size)[None, :]
    places = groups[:, None] * across + entries.to(tl.int64)[None, :] * along
    tile = tl.abs(tl.load(Y + places, mask=there, other=0.0))
    return tl.where(tile < float("inf"), tile, float("inf")), there


@triton.jit
def measure(
    Y, sums, largest, n, size, across, along, GROUPS: tl.constexpr, BLOCK: tl.constexpr
):
    """Sum and largest entry of every group."""
    groups = tl.program_id(0).to(tl.int64) * GROUPS + tl.arange(0, GROUPS)
    total = tl.zeros([GROUPS], tl.float64)
    top = tl.zeros([GROUPS], tl.float64)
    for first in range(0, size, BLOCK):
        tile, _ = load_tile(Y, groups, first, size, across, along, groups < n, BLOCK)
        total += tl.sum(tile, 1).to(tl.float64)
        top = tl.maximum(top, tl.max(tile, 1).to(tl.float64))
    tl.store(sums + groups, total, mask=groups < n)
    tl.store(largest + groups, top, mask=groups < n)


@triton.jit(do_not_specialize=["step"])
def advance(
    total,
    weight,
    sums,
    largest,
    mu,
    theta,
    radius,
    flags,
    step,
    n,
    size,
    MOST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Move theta to the root of the tangents, and mu to the highest known level there.

    One program: Newton's steps from the left until none is left to take.
    """
    if tl.load(flags + step) == 0:
        return
    root = tl.load(theta)
    steps = 0
    moving = root < float("inf")
    while moving & (steps < MOST):
        height = tl.zeros([BLOCK], tl.float64)
        slope = tl.zeros([BLOCK], tl.float64)
        for first in range(0, n, BLOCK):
            g = first + tl.arange(0, BLOCK)
            above = tl.load(total + g, mask=g < n, other=0.0) - root
            k = tl.load(weight + g, mask=(g < n) & (above > 0), other=0.0)
            height += tl.maximum(above, 0.0) * k
            slope += k
        excess = tl.sum(height) - tl.load(radius)
        new = root + excess / tl.maximum(tl.sum(slope), 1e-300)
        moving = (excess > 0) & (new > root)
        root = tl.where(moving, new, root)
        steps += 1
    for first in range(0, n, BLOCK):
        g = first + tl.arange(0, BLOCK)
        cut = tl.load(sums + g, mask=g < n, other=0.0) - root
        last = tl.load(total + g, mask=g < n, other=0.0) - root
        last *= tl.load(weight + g, mask=g < n, other=0.0)
        top = tl.load(largest + g, mask=g < n, other=0.0) - root
        level = tl.maximum(tl.maximum(last, cut / size), top)
        tl.store(mu + g, tl.where(cut > 0, level, 0.0), mask=g < n)
    tl.store(theta, root)


@triton.jit(do_not_specialize=["step"])
def refine(
    Y,
    mu,
    total,
    weight,
    at,
    gap,
    theta,
    flags,
    step,
    n,
    size,
    across,
    along,
    EPS: tl.constexpr,
    GROUPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Tangents at mu of the groups whose tangent may have changed; flag any new one.

    It has not where no entry lies between the level that it was taken at and mu.
    """
    if tl.load(flags + step) == 0:
        return
    groups = tl.program_id(0).to(tl.int64) * GROUPS + tl.arange(0, GROUPS)
    level = tl.load(mu + groups, mask=groups < n, other=0.0)
    off = tl.abs(level - tl.load(at + groups, mask=groups < n, other=0.0))
    visit = (level > 0) & (off >= tl.load(gap + groups, mask=groups < n, other=0.0))
    if tl.max(visit.to(tl.int32), 0) == 0:
        return
    last = tl.load(total + groups, mask=visit, other=0.0)
    old = tl.load(weight + groups, mask=visit, other=0.0)
    near = 2 * level > last * old
    level = level.to(Y.dtype.element_ty)
    base = tl.where(near, level, 0.0)
    above = tl.zeros([GROUPS], tl.float64)
    number = tl.zeros([GROUPS], tl.float64)
    nearest = tl.full([GROUPS], float("inf"), tl.float64)
    for first in range(0, size, BLOCK):
        tile, there = load_tile(Y, groups, first, size, across, along, visit, BLOCK)
        higher = tile > level[:, None]
        above += tl.sum(tl.where(higher, tile - base[:, None], 0.0), 1).to(tl.float64)
        number += tl.sum(higher.to(tl.int32), 1).to(tl.float64)
        distance = tl.where(there, tl.abs(tile - level[:, None]), float("inf"))
        nearest = tl.minimum(nearest, tl.min(distance, 1).to(tl.float64))
    above += number * base.to(tl.float64)
    visit = visit & (number > 0)
    root = tl.load(theta)
    inverse = 1.0 / tl.maximum(number, 1.0)
    rise = (above - root) - number * ((last - root) * old)
    visit = visit & ((old == inverse) | (rise > 0))  # a lower one is rounding
    new = visit & (old != inverse) & (tl.abs(rise) > 4 * EPS * above)
    tl.store(total + groups, above, mask=visit)
    tl.store(weight + groups, inverse, mask=visit)
    tl.store(at + groups, level.to(tl.float64), mask=visit)
    # Differences of floats are rounded.
    tl.store(gap + groups, (1 - EPS) * nearest, mask=visit)
    if tl.max(new.to(tl.int32), 0) != 0:
        tl.store(flags + step + 1, 1)


def _layout(Y, axis):
    """Grid, where the groups are in memory, and the shape of a tile."""
    n, size = Y.shape[1 - axis], Y.shape[axis]
    across, along = Y.stride(1 - axis), Y.stride(axis)
    rows = max(1, TILE // triton.next_power_of_2(size))
    groups = COLUMNS if along > across else rows
    tile = {"GROUPS": groups, "BLOCK": TILE // groups}
    return (triton.cdiv(n, groups),), (n, size, across, along), tile


def statistics(Y, axis):
    """L1 norm and largest absolute entry of every group, in float64.

    Infinite where an entry is not finite.
    """
    grid, layout, tile = _layout(Y, axis)
    found = torch.empty((2, layout[0]), dtype=torch.float64, device=Y.device)
    with torch.cuda.device_of(Y):
        measure[grid](Y, *found, *layout, **tile)
    return found[0], found[1]


def newton(Y, axis, sums, largest, radius):
    """Tangents at the projection, theta and the number of iterations."""
    grid, layout, tile = _layout(Y, axis)
    n, size = layout[:2]
    flags = torch.zeros(MAX_ITER + 1, dtype=torch.int32, device=Y.device)
    flags[0] = 1  # the first iteration is due
    at, gap, mu = torch.zeros((3, n), dtype=torch.float64, device=Y.device)
    theta, radius = sums.new_zeros(1), sums.new_full((1,), radius)

    def move(total, weight, _=None, step=0):
        # Theta is where the kernels keep it.
        state = total, weight, sums, largest, mu, theta, radius, flags, step
        advance[(1,)](*state, n, size, MOST=MAX_ITER, BLOCK=ADVANCE, num_warps=16)
        return theta, mu

    with torch.cuda.device_of(Y):
        total, weight, _, levels = start(move, sums, largest, size)
        mu.copy_(levels)
        for step in range(MAX_ITER):
            state = mu, total, weight, at, gap, theta, flags, step
            refine[grid](Y, *state, *layout, EPS=torch.finfo(Y.dtype).eps, **tile)
            move(total, weight, step=step + 1)
            if step % BATCH == BATCH - 1 and not flags[step + 1]:
                break
    return total, weight, theta, int(flags.sum())
