"""The projection of a tensor on a device, in vectorised operations.

The method is that of _driver.py. Passes over the tensor and Newton's steps stay
on the device; the host looks once at the groups' statistics, once after every
batch of iterations, and rounds the final levels.
"""

from functools import partial

import numpy as np
import torch

from . import _driver
from ._levels import MAX_ITER

# Iterations between two looks at whether a count has changed.
BATCH = 3
# Newton's steps on the tangents in one iteration. Where they are too few, theta
# is still left of the root, and the next iteration goes on from there.
STEPS = 6


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


def _tangents(Y, axis, mu):
    """Sum and number of the entries above mu: one temporary of the size of Y."""
    level = mu.to(Y.dtype).unsqueeze(axis)
    above = Y.abs().sub_(level).clamp_(min=0)
    excess = _sum(above, axis)
    count = _sum(above.sign_(), axis)
    return excess + count * level.squeeze(axis), count


def _advance(sums, largest, size, radius, total, weight, theta):
    """Newton's steps on theta from the left; the highest known levels there."""
    for _ in range(STEPS):
        above = (total - theta).clamp_(min=0)
        slope = (weight * (above > 0)).sum()
        step = ((above * weight).sum() - radius) / slope
        # No slope, no step: 0 / 0 and -radius / 0 both leave theta as it is.
        theta = theta + step.nan_to_num(nan=0.0, neginf=0.0).clamp_(min=0)
    known = torch.maximum((sums - theta) / size, largest - theta)
    mu = torch.maximum((total - theta).clamp_(min=0) * weight, known)
    return theta, mu.where(sums > theta, 0)


def _start(advance, sums, largest, size):
    """Tangents that are known without a pass; theta and the levels to start from.

    ``advance`` moves theta, which it gets and returns, to the root of tangents.
    """
    total, weight = sums, torch.full_like(sums, 1 / size)
    theta, _ = advance(total, weight, sums.new_zeros(1))
    theta, _ = advance(largest, torch.ones_like(sums), theta)
    steep = largest - theta > (sums - theta) / size
    total, weight = total.where(~steep, largest), weight.where(~steep, 1)
    return total, weight, *advance(total, weight, theta)


def newton(Y, axis, sums, largest, radius):
    """Tangents at the projection, theta and the number of iterations."""
    size = Y.shape[axis]
    advance = partial(_advance, sums, largest, size, radius)
    total, weight, theta, mu = _start(advance, sums, largest, size)
    tol = 4 * torch.finfo(Y.dtype).eps
    n_iter = 0
    while n_iter < MAX_ITER:
        for _ in range(BATCH):
            above, count = _tangents(Y, axis, mu)
            new = (mu > 0) & (count > 0) & (count * weight != 1)
            off = (above - count * mu - theta).abs() > tol * above
            changed = (new & off).any()
            total = above.where(new, total)
            weight = count.reciprocal().where(new, weight)
            theta, mu = advance(total, weight, theta)
        n_iter += BATCH
        if not bool(changed):
            break
    return total, weight, theta, n_iter


def project(Y, radius, axis, out):
    """Project Y into out; see _driver.project."""
    sums, largest = statistics(Y, axis)
    host = largest.cpu().numpy()
    if _driver.compensated(host) <= radius:
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
        sums, largest = statistics(scaled, axis)
    total, weight, theta, n_iter = newton(scaled, axis, sums, largest, radius * scale)
    total, weight, theta = total.cpu().numpy(), weight.cpu().numpy(), float(theta)
    mu = _driver.final_levels(total, weight, theta, radius, scale, dtype)
    level = torch.as_tensor(mu, dtype=Y.dtype, device=Y.device).unsqueeze(axis)
    torch.clamp(Y, -level, level, out=out)
    return theta / scale, mu, n_iter
