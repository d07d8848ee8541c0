"""Projections to compare with, in operations that arrays and tensors share."""

import sys

import numpy as np


def _namespace(Y):
    return np if isinstance(Y, np.ndarray) else sys.modules["torch"]


def _largest(magnitudes):
    """Largest entry as a float, which also tells whether all are finite."""
    largest = float(magnitudes.max()) if 0 not in magnitudes.shape else 0.0
    if not np.isfinite(largest):
        raise ValueError("Y contains NaN or infinity.")
    return largest


def _l1_threshold(magnitudes, radius):
    """Tau such that max(magnitudes - tau, 0) adds up to the radius; 0 in the ball.

    Newton's method on a convex decreasing function, from the left: the mean of
    the entries that are still above rises until none leaves.
    """
    above, tau = magnitudes.reshape(-1), 0.0
    while len(above):
        new = (float(above.sum()) - radius) / len(above)
        if new <= tau:
            break
        tau = new
        above = above[above > tau]
    return tau


def l1(Y, radius):
    xp = _namespace(Y)
    magnitudes = xp.abs(Y)
    largest = _largest(magnitudes)
    # Entries are taken relative to the largest: their sum can't overflow.
    if radius == 0:
        tau = largest
    elif largest > 0:
        magnitudes /= largest
        tau = min(_l1_threshold(magnitudes, radius / largest), 1.0) * largest
    else:
        tau = 0.0
    return Y - xp.clip(Y, -tau, tau)


def _l1_of_norms(norms, radius, xp):
    """Projection of one number a group onto the l1 ball, taken in float64."""
    projected = l1(xp.asarray(norms, dtype=xp.float64), radius)
    return xp.asarray(projected, dtype=norms.dtype)


def bilevel(Y, radius, axis):
    xp = _namespace(Y)
    magnitudes = xp.abs(Y)
    _largest(magnitudes)
    if 0 in Y.shape:
        return Y
    level = _l1_of_norms(xp.amax(magnitudes, axis, keepdims=True), radius, xp)
    return xp.clip(Y, -level, level)


def l12(Y, radius, axis):
    xp = _namespace(Y)
    largest = _largest(xp.abs(Y))
    if largest == 0:
        return Y
    # Relative to the largest entry, no square overflows.
    unit = Y / largest
    norms = xp.linalg.vector_norm(unit, axis=axis, keepdims=True)
    shorter = _l1_of_norms(norms, radius / largest, xp)
    return Y * xp.where(norms > 0, shorter / xp.where(norms > 0, norms, 1), 0)
