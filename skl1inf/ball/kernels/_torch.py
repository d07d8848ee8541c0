"""The projection of a tensor on a device, in vectorised operations.

The method is that of _driver.py. Passes over the tensor and Newton's steps stay
on the device; the host looks once at the groups' statistics, once after every
batch of iterations, and rounds the final levels. On CUDA the kernels of _triton.py
project rows without weights, where Triton is installed.
"""

import warnings
from functools import cache, partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch

from . import _driver
from ._levels import MAX_ITER
from ._segments import Segments

# Iterations between two looks at whether a count has changed.
BATCH = 3
# Newton's steps on the tangents in one iteration. Where they are too few, theta
# is still left of the root, and the next iteration goes on from there.
STEPS = 6


@cache
def _triton():
    """Return the module of the Triton kernels; None if they cannot be used."""
    if find_spec("triton") is None:
        return None
    from . import _triton as kernels

    try:  # Triton needs a compiler of C at run time, which may not be there
        kernels.check()
    except Exception as error:
        warnings.warn(
            f"Triton cannot compile the projection, which is slower without: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return kernels


def _sum(values, axis):
    """Sum in float64, by pieces: torch converts the whole of what it sums first."""
    pieces = values.chunk(1 if values.dtype == torch.float64 else 4, axis)
    return sum(piece.sum(axis, dtype=torch.float64) for piece in pieces)


def statistics(Y, axis):
    """L1 norm and largest absolute entry of every group, in float64."""
    if 0 in Y.shape:
        total = largest = Y.abs().sum(axis, dtype=torch.float64)
    else:
        magnitudes = Y.abs()
        total = _sum(magnitudes, axis)
        largest = magnitudes.amax(axis).to(torch.float64)
    if not bool(torch.isfinite(largest).all()):
        raise ValueError("Y contains NaN or infinity.")
    return total, largest


class _Groups(NamedTuple):
    """What is known of the groups before any pass; see _levels.py.

    The l1 norm and the largest entry are divided by c_i = w_i, here with the smallest
    1. Weights and costs are None where all are 1.
    """

    sums: torch.Tensor
    peaks: torch.Tensor
    sizes: int | torch.Tensor
    weights: torch.Tensor | None
    costs: torch.Tensor | None

    @classmethod
    def of(cls, sums, largest, size, weights, segments):
        """Collect what is known, given sums and largest entries of the groups."""
        if weights is None:
            return cls(sums, largest, size, None, None)
        weights = torch.from_numpy(weights).to(sums.device)
        costs = weights / weights.min()
        sizes = size * segments.n_members
        return cls(sums / costs, largest / costs, sizes, weights, costs)

    @property
    def unit(self):
        """Slope of a share w_i mu_i where one entry is clipped."""
        return 1 if self.costs is None else self.weights * self.costs


def _times(values, factor):
    return values if factor is None else values * factor


def _over(values, divisor):
    return values if divisor is None else values / divisor


def _tangents(Y, axis, mu, segments):
    """Sum and number of the entries above mu: one temporary of the size of Y."""
    level = mu.to(Y.dtype)
    above = Y.abs().sub_(segments.spread(level, torch.inf).unsqueeze(axis))
    above = above.clamp_(min=0)
    excess = segments.total(_sum(above, axis))
    count = segments.total(_sum(above.sign_(), axis))
    return excess + count * level, count


def _advance(groups, radius, total, slope, theta):
    """Newton's steps on theta from the left; the highest known shares there."""
    for _ in range(STEPS):
        above = (total - theta).clamp_(min=0)
        steepness = (slope * (above > 0)).sum()
        step = ((above * slope).sum() - radius) / steepness
        # No slope, no step: 0 / 0 and -radius / 0 both leave theta as it is.
        theta = theta + step.nan_to_num(nan=0.0, neginf=0.0).clamp_(min=0)
    flat = (groups.sums - theta) / groups.sizes
    known = torch.maximum(flat, groups.peaks - theta)
    if groups.costs is not None:
        known = known * groups.unit
    share = torch.maximum((total - theta).clamp_(min=0) * slope, known)
    return theta, share.where(groups.sums > theta, 0)


def _start(advance, groups):
    """Tangents that are known without a pass; theta and the shares to start from.

    ``advance`` moves theta, which it gets and returns, to the root of tangents.
    """
    sums, peaks, unit = groups.sums, groups.peaks, groups.unit
    total, slope = sums, torch.ones_like(sums) * unit / groups.sizes
    theta, _ = advance(total, slope, sums.new_zeros(1))
    theta, _ = advance(peaks, torch.ones_like(sums) * unit, theta)
    steep = peaks - theta > (sums - theta) / groups.sizes
    total, slope = total.where(~steep, peaks), slope.where(~steep, unit)
    return total, slope, *advance(total, slope, theta)


def newton(Y, axis, groups, segments, radius):
    """Tangents at the projection, theta and the number of iterations."""
    advance = partial(_advance, groups, radius)
    total, slope, theta, share = _start(advance, groups)
    tol = 4 * torch.finfo(Y.dtype).eps
    n_iter = 0
    while n_iter < MAX_ITER:
        for _ in range(BATCH):
            mu = _over(share, groups.weights)
            above, count = _tangents(Y, axis, mu, segments)
            new = (mu > 0) & (count > 0) & (count * slope != groups.unit)
            lost = _times(theta, groups.costs)
            off = (above - count * mu - lost).abs() > tol * above
            changed = (new & off).any()
            total = _over(above, groups.costs).where(new, total)
            slope = (groups.unit / count).where(new, slope)
            theta, share = advance(total, slope, theta)
        n_iter += BATCH
        if not bool(changed):
            break
    return total, slope, theta, n_iter


def _project_rows(Y, radius, axis, out):
    """Project by the Triton kernels; None where they do not take Y."""
    if not (Y.is_cuda and 0 < radius < np.inf and Y.numel()):
        return None
    rows, target = (Y, out) if axis == 1 else (Y.T, out.T)
    if _triton() is None or not _triton().takes(rows, target):
        return None
    return _triton().project(rows, radius, target)


def project(Y, radius, axis, out, weights=None, members=None):
    """Project Y into out; see _driver.project. The levels may stay on the device."""
    if weights is None and members is None:
        found = _project_rows(Y, radius, axis, out)
        if found is not None:
            return found
    n_rows = Y.shape[1 - axis]
    if members is not None and weights is None:
        weights = np.ones(members.starts.size - 1)
    segments = Segments(members, n_rows, Y.device)

    def groups_of(values):
        """Measure the groups, and refuse values that are not finite."""
        sums, largest = statistics(values, axis)
        return segments.total(sums), segments.largest(largest)

    sums, largest = groups_of(Y)
    host = largest.cpu().numpy()
    if _driver.compensated(_times(host, weights)) <= radius:
        out.copy_(Y)
        return 0.0, host, 0
    if radius == 0:
        out.zero_()
        return float(sums.max()), host * 0, 0
    dtype = np.dtype("f8" if Y.dtype == torch.float64 else "f4")
    scale = _driver.scale_of(host.max(), dtype)
    scaled = Y
    if scale != 1:
        scaled = Y * scale
        sums, largest = groups_of(scaled)
    groups = _Groups.of(sums, largest, Y.shape[axis], weights, segments)
    found = newton(scaled, axis, groups, segments, radius * scale)
    total, slope, theta, n_iter = found
    total, slope, theta = total.cpu().numpy(), slope.cpu().numpy(), float(theta)
    mu = _driver.final_levels(total, slope, theta, radius, scale, dtype, weights)
    level = torch.as_tensor(mu, dtype=Y.dtype, device=Y.device)
    bound = segments.spread(level, torch.inf).unsqueeze(axis)
    torch.clamp(Y, -bound, bound, out=out)
    return theta / scale, mu, n_iter
