"""The projection of a CUDA tensor whose groups are rows, in kernels of Triton.

The method is that of _driver.py, without its weights and groups. A program holds some
rows in registers: one read of a row gives the tangent that is active at theta. Theta
stays on the device; the host looks once after every batch of iterations.
"""

from typing import NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl

from . import _driver
from ._levels import MAX_ITER

# Bytes of a row at least, since there are 40 of state, and at most, for registers.
ROW_BYTES = 160, 2**16
# Bytes of short rows in one program, and of a warp; rows whose tangents one adds up.
TILE_BYTES, WARP_BYTES, TALLY = 2**12, 2**12, 1024
# From so many rows on at least so many, and about as many at most, give a first theta.
SAMPLE_FROM, SAMPLE_LEAST, SAMPLE_MOST = 2048, 512, 4096
# Iterations between two looks at whether a tangent has changed; Newton's steps on the
# tangents in one iteration; iterations on the sample.
BATCH, STEPS, SAMPLE_ITER = 3, 3, 5
# Sums of float64, in any order, err by less, relatively.
ROUNDING = tl.constexpr(2.0**-40)
# Smaller radii, as shares of the norm, are for the passes of _torch.py.
LEAST_SHARE = 2.0**-30


@triton.jit(do_not_specialize=["step", "n"])
def _refine(
    Y,
    state,
    top,
    scalars,
    step,
    n,
    size,
    stride,
    FIRST: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Take the tangents that are active at theta; set flag to the step if any is new.

    The first time measures the rows, and starts from the tangent at level 0.
    """
    theta = tl.load(scalars)
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = rows < n
    entries = tl.arange(0, BLOCK)
    there = inside[:, None] & (entries < size)[None, :]
    places = Y + rows[:, None] * stride + entries[None, :]
    sums, total, slope = state + rows, state + n + rows, state + 2 * n + rows
    at, gap = state + 3 * n + rows, state + 4 * n + rows
    if FIRST:
        a = tl.abs(tl.load(places, mask=there, other=0.0))
        a = tl.where(a < float("inf"), a, float("inf"))  # NaN, too
        norm, peak = tl.sum(a.to(tl.float64), 1), tl.max(a, 1)
        tl.store(sums, norm, mask=inside)
        tl.store(top + rows, peak, mask=inside)
        last, inverse = norm, tl.full([ROWS], 1.0, tl.float64) / size
        level = tl.maximum((norm - theta) / size, peak - theta)
        guess = tl.where(theta > 0, theta, float("inf"))
        visit = inside & (norm > guess)
    else:
        norm = tl.load(sums, mask=inside, other=0.0)
        peak = tl.load(top + rows, mask=inside, other=0.0)
        last = tl.load(total, mask=inside, other=0.0)
        inverse = tl.load(slope, mask=inside, other=1.0)
        level = tl.maximum((norm - theta) / size, peak - theta)
        level = tl.maximum(level, (last - theta) * inverse)
        # No entry between two levels, no other tangent.
        moved = tl.abs(level - tl.load(at, mask=inside, other=0.0))
        moved = moved >= tl.load(gap, mask=inside, other=0.0)
        visit = inside & (norm > theta) & moved
        if tl.max(visit.to(tl.int32), 0) == 0:
            return
        a = tl.abs(tl.load(places, mask=there & visit[:, None], other=0.0))
    a = tl.where(there, a, -1.0)
    # Newton's method for sum_j max(a_j - mu, 0) = theta, from the left: with the k
    # entries from mu on, mu <- mu + (sum_j max(a_j - mu, 0) - theta) / k.
    mu = tl.minimum(level.to(a.dtype), peak)
    k = tl.zeros([ROWS], tl.int32)
    moving = tl.max(visit.to(tl.int32), 0)
    trips = 0
    while (moving > 0) & (trips < 100):
        above = a >= mu[:, None]
        number = tl.sum(above.to(tl.int32), 1)
        excess = tl.sum(tl.where(above, a - mu[:, None], 0.0), 1)
        move = visit & (number != k)
        higher = mu + (excess - theta.to(a.dtype)) / tl.maximum(number, 1)
        mu = tl.where(move, tl.minimum(tl.maximum(mu, higher), peak), mu)
        k = number
        moving = tl.max(move.to(tl.int32), 0)
        trips += 1
    # The tangent there: total = sum of these entries, slope = 1 / k, in float64.
    above = a >= mu[:, None]
    number = tl.sum(above.to(tl.int32), 1).to(tl.float64)
    part = tl.sum(tl.where(above, a, 0.0).to(tl.float64), 1)
    nearest = tl.min(tl.where(there, tl.abs(a - mu[:, None]), float("inf")), 1)
    nearest *= 1 - 2.0**-23  # differences of floats are rounded
    found = 1.0 / tl.maximum(number, 1.0)
    rise = (part - theta) - number * ((last - theta) * inverse)
    take = visit & (number > 0) & ((rise > 0) | (found == inverse))
    if FIRST:
        tl.store(total, tl.where(take, part, last), mask=inside)
        tl.store(slope, tl.where(take, found, inverse), mask=inside)
        tl.store(at, tl.where(take, mu, 0.0).to(tl.float64), mask=inside)
        tl.store(gap, tl.where(take, nearest, 0.0).to(tl.float64), mask=inside)
    else:
        tl.store(total, part, mask=take)
        tl.store(slope, found, mask=take)
        tl.store(at, mu.to(tl.float64), mask=take)
        tl.store(gap, nearest.to(tl.float64), mask=take)
    changed = take & (found != inverse) & (rise > ROUNDING * part)
    if tl.max(changed.to(tl.int32), 0) > 0:
        tl.store(scalars + 1, step.to(tl.float64))


@triton.jit(do_not_specialize=["n", "n_parts"])
def _tally(state, scalars, parts, n, n_parts, BLOCK: tl.constexpr):
    """Add up, over some rows, the tangents at theta and their slopes."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    total = tl.load(state + n + rows, mask=rows < n, other=0.0)
    above = tl.maximum(total - tl.load(scalars), 0.0)
    slope = tl.load(state + 2 * n + rows, mask=(rows < n) & (above > 0), other=0.0)
    tl.store(parts + tl.program_id(0), tl.sum(above * slope, 0))
    tl.store(parts + n_parts + tl.program_id(0), tl.sum(slope, 0))


@triton.jit(do_not_specialize=["step", "n_parts"])
def _step(
    scalars,
    parts,
    step,
    n_parts,
    BLOCK: tl.constexpr,
    BACK: tl.constexpr,
    LAST: tl.constexpr,
):
    """Newton's step on theta: theta <- theta + (sum_i mu_i - radius) / sum_i 1 / k_i.

    Only a guess can be too far right: the step back from there ends on the left.
    """
    height, slope = tl.zeros([BLOCK], tl.float64), tl.zeros([BLOCK], tl.float64)
    for first in range(0, n_parts, BLOCK):
        i = first + tl.arange(0, BLOCK)
        height += tl.load(parts + i, mask=i < n_parts, other=0.0)
        slope += tl.load(parts + n_parts + i, mask=i < n_parts, other=0.0)
    steepness, theta = tl.sum(slope, 0), tl.load(scalars)
    excess = tl.sum(height, 0) - tl.load(scalars + 2)
    root = theta + excess / tl.where(steepness > 0, steepness, 1.0)
    if BACK:
        root = tl.where(steepness > 0, tl.maximum(root, 0.0), 0.0)
    else:
        root = tl.where(steepness > 0, tl.maximum(root, theta), theta)
    tl.store(scalars, root)
    if LAST:
        tl.store(scalars + 1, step.to(tl.float64), mask=root - theta > ROUNDING * theta)


@triton.jit(do_not_specialize=["n"])
def _clip(
    Y,
    out,
    state,
    scalars,
    factor,
    level,
    n,
    size,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Clip at (total - theta) * slope * factor, rounded towards 0; read no dead row."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    total = tl.load(state + n + rows, mask=rows < n, other=0.0)
    slope = tl.load(state + 2 * n + rows, mask=rows < n, other=0.0)
    exact = tl.maximum(total - tl.load(scalars), 0.0) * slope * tl.load(factor)
    mu = exact.to(Y.dtype.element_ty)
    if Y.dtype.element_ty == tl.float32:
        bits = mu.to(tl.int32, bitcast=True)
        bits -= (mu.to(tl.float64) > exact).to(tl.int32)  # the next float towards 0
        mu = bits.to(tl.float32, bitcast=True)
    tl.store(level + rows, mu, mask=rows < n)
    entries = tl.arange(0, BLOCK)
    there = (rows < n)[:, None] & (entries < size)[None, :]
    places = rows[:, None] * size + entries[None, :]
    y = tl.load(Y + places, mask=there & (mu > 0)[:, None], other=0.0)
    y = tl.minimum(tl.maximum(y, -mu[:, None]), mu[:, None])
    tl.store(out + places, y, mask=there)


class _Rows(NamedTuple):
    """Rows, what is known of them (see the kernels), and theta, flag and radius."""

    Y: torch.Tensor
    state: torch.Tensor  # l1 norm; total and slope of the tangent; its level and gap
    top: torch.Tensor
    scalars: torch.Tensor
    parts: torch.Tensor

    @classmethod
    def of(cls, Y, radius):
        """Make room for the rows of Y."""
        n, wide = Y.shape[0], {"dtype": torch.float64, "device": Y.device}
        scalars = torch.full((3,), radius, **wide)
        scalars[:2].zero_()
        parts = torch.empty((2, triton.cdiv(n, TALLY)), **wide)
        return cls(Y, torch.empty((5, n), **wide), Y.new_empty(n), scalars, parts)

    def tile(self):
        """Grid, and the tile of a program."""
        n, size = self.Y.shape
        block = triton.next_power_of_2(size)
        rows = max(1, TILE_BYTES // (block * self.Y.element_size()))
        warps = max(1, rows * block * self.Y.element_size() // WARP_BYTES)
        return (triton.cdiv(n, rows),), {
            "ROWS": rows,
            "BLOCK": block,
            "num_warps": warps,
        }

    def refine(self, step):
        """Take new tangents at theta; the first, and measure the rows, for step 0."""
        grid, tile = self.tile()
        n, size = self.Y.shape
        known = self.Y, self.state, self.top, self.scalars
        rest = step, n, size, self.Y.stride(0)
        _refine[grid](*known, *rest, FIRST=step == 0, **tile)

    def tally(self):
        """Add up the tangents at theta, in parts."""
        n, n_parts = self.Y.shape[0], self.parts.shape[1]
        rest = n, n_parts, TALLY
        _tally[(n_parts,)](self.state, self.scalars, self.parts, *rest)

    def move(self, step, n_steps, back):
        """Move theta to the root of the tangents."""
        for i in range(n_steps):
            self.tally()
            rest = step, self.parts.shape[1], TALLY
            ends = back and i == 0, i == n_steps - 1
            _step[(1,)](self.scalars, self.parts, *rest, *ends)


def check():
    """Compile and run the smallest kernel: an error tells why that fails."""
    rows = _Rows.of(torch.zeros((1, 64), device="cuda", dtype=torch.float32), 1.0)
    rows.state.zero_()
    rows.tally()


def takes(Y, out):
    """Tell whether `project` takes these tensors."""
    low, high = ROW_BYTES
    apart = Y.untyped_storage().data_ptr() != out.untyped_storage().data_ptr()
    return (
        Y.is_contiguous()
        and out.is_contiguous()
        and (apart or Y.data_ptr() == out.data_ptr())
        and low <= Y.shape[1] * Y.element_size() <= high
    )


def _solve(Y, radius):
    """Rows with their tangents at the projection, or None; theta and the iterations."""
    rows, n = _Rows.of(Y, radius), Y.shape[0]
    if n >= SAMPLE_FROM:
        every = max(min(64, n // SAMPLE_LEAST), n // SAMPLE_MOST)
        sampled = Y[::every]
        sample = _Rows.of(sampled, radius * (sampled.shape[0] / n))
        sample.refine(0)
        for step in range(1, SAMPLE_ITER + 1):
            sample.move(step, 1, step == 1)
            sample.refine(step)
        rows.scalars[0].copy_(sample.scalars[0])
    rows.refine(0)
    facts = rows.top.sum(dtype=torch.float64), rows.top.amax().to(torch.float64)
    low, high = _driver.limits(Y.element_size())
    for step in range(1, MAX_ITER + 1):
        rows.move(step, STEPS, step == 1)
        rows.refine(step)
        if step % BATCH:
            continue
        theta, flag, _, norm, largest = torch.cat(
            [rows.scalars, torch.stack(facts)]
        ).tolist()
        usual = low <= largest <= high
        if not (usual and LEAST_SHARE * norm <= radius < norm * (1 - ROUNDING.value)):
            return None, theta, step
        if flag < step:
            break
    return rows, theta, step


def project(Y, radius, out):
    """Project contiguous rows into out; return theta, the levels and the iterations.

    None, and out as it was, where the rows are in the ball or nearly so, are not
    finite or out of the usual range.
    """
    with torch.cuda.device_of(Y):
        rows, theta, n_iter = _solve(Y, radius)
        if rows is None:
            return None
        rows.tally()
        if Y.dtype == torch.float32:
            # Levels that add up to less than the radius before they are rounded.
            factor = radius * (1 - ROUNDING.value) / rows.parts[0].sum()
        else:
            total, slope = rows.state[1:3].cpu().numpy()
            ends = theta, radius, 1.0, np.dtype("f8")
            rows.state[1].copy_(
                torch.from_numpy(_driver.final_levels(total, slope, *ends))
            )
            rows.state[2].fill_(1)
            rows.scalars[0].zero_()
            factor = torch.ones_like(rows.scalars[0])
        grid, tile = rows.tile()
        state = rows.state, rows.scalars, factor, rows.top
        _clip[grid](Y, out, *state, *Y.shape, **tile)
    return theta, rows.top, n_iter
