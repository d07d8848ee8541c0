"""Projections of arrays onto other balls, to compare with.

All are in the ball to the last bit, as the projection onto the l1,inf ball is. Sums
are taken in float64 with compensation, results are rounded towards zero.
"""

import numpy as np

from ._l1inf import kernels, statistics

# Norms of rows are sums of rounded squares: a few units in the last place.
SLACK = 1 - 2.0**-49


def _compensated(sizes):
    return kernels().compensated(np.ascontiguousarray(sizes).reshape(-1))


def _finite(Y):
    if not np.isfinite(Y).all():
        raise ValueError("Y contains NaN or infinity.")
    return Y


def _lowered(sizes, radius):
    r"""Lower non-negative float64 numbers to add up to the radius, none below 0.

    The projection onto the l1 ball is :math:`\max(s_i - \tau, 0)`. Newton's method
    finds :math:`\tau` from the left: the :math:`k` numbers above 0 all fall by
    :math:`(\sum_i s_i - C) / k`, until they add up to :math:`C`. Every step starts from
    the lowered numbers, so that the next one corrects its rounding.
    """
    if radius == 0:
        return np.zeros_like(sizes)
    # Near 1, no sum overflows, and only numbers too small to matter vanish.
    exponent = np.frexp(sizes.max())[1]
    radius = np.ldexp(radius, -exponent)
    values, left = _scaled(sizes, -exponent), np.arange(sizes.size)
    while abs(excess := _compensated(values) - radius) > 2.0**-51 * radius:
        above = values > 0
        # The largest of all stays: the rounding of the sum can exceed the radius.
        step = min(excess / np.count_nonzero(above), np.nextafter(values.max(), 0))
        lower = np.where(above, values - step, 0)
        if (lower == values).all():
            break
        values = np.maximum(lower, 0, out=lower)
        if 2 * np.count_nonzero(values) < values.size:
            left, values = left[values > 0], values[values > 0]
    lowered = np.zeros_like(sizes)
    lowered[left] = _scaled(values, exponent)
    return lowered


def _scaled(values, exponent):
    """Multiply by a power of 2, which may lie beyond the numbers of float64."""
    if abs(exponent) < 1000:
        return values * 2.0**exponent
    return np.ldexp(values, exponent)


def _towards_zero(values, dtype):
    if dtype == values.dtype:
        return values
    rounded = values.astype(dtype)
    over = np.abs(rounded) > np.abs(values)
    return np.where(over, np.nextafter(rounded, dtype.type(0)), rounded)


def _into_ball(values, dtype, norm, radius):
    """Round to the dtype, and on towards zero until the norm is at most the radius."""
    # Where the radius is tiny against the numbers, it was lost in their rounding.
    if radius < (total := norm(values)) < np.inf:
        values = values * (radius / total)
    values = _towards_zero(values, dtype)
    while norm(values) > radius:
        values = np.nextafter(values, dtype.type(0))
    return values


def _levels(sizes, radius, dtype):
    return _into_ball(_lowered(sizes, radius), dtype, _compensated, radius)


@np.errstate(all="ignore")
def l1(Y, radius, axis, out):
    """Project Y, all of it one vector, into `out`; the axis has no part in it."""
    sizes = np.abs(_finite(Y)).astype(np.float64)
    if _compensated(sizes) <= radius:
        out[...] = Y
        return
    levels = _levels(sizes.reshape(-1), radius, Y.dtype).reshape(Y.shape)
    out[...] = np.copysign(levels, Y) + 0  # no negative zeros


@np.errstate(all="ignore")
def bilevel(Y, radius, axis, out):
    """Clip the groups of Y at their largest entries' projection, into `out`."""
    _, largest = statistics(Y, axis)
    if _compensated(largest) <= radius:
        out[...] = Y
        return
    levels = _levels(largest.astype(np.float64), radius, Y.dtype)
    bound = np.expand_dims(levels, axis)
    out[...] = np.clip(Y, -bound, bound) + 0


def _norms(Y, axis):
    """Euclidean norms of the groups in float64, without overflow of the squares."""
    Y = np.ascontiguousarray(np.moveaxis(Y, axis, -1), dtype=np.float64)
    exponent = np.frexp(np.abs(Y).max(initial=0))[1]
    if abs(exponent) < 400:
        return np.sqrt((Y * Y).sum(axis=-1))
    return np.ldexp(np.sqrt((np.ldexp(Y, -exponent) ** 2).sum(axis=-1)), exponent)


@np.errstate(all="ignore")
def l12(Y, radius, axis, out):
    """Shorten the groups of Y, into `out`."""

    def norm(values):
        return _compensated(_norms(values, axis))

    if norm(_finite(Y)) <= radius:
        out[...] = Y
        return
    # Near 1, no sum of norms overflows.
    exponent = np.frexp(np.abs(Y).max())[1]
    unit = _scaled(Y.astype(np.float64, copy=False), -exponent)
    norms = _norms(unit, axis)
    lowered = _lowered(norms, np.ldexp(radius * SLACK, -exponent))
    share = np.divide(lowered, norms, out=np.zeros_like(norms), where=norms > 0)
    unit *= np.expand_dims(share, axis)
    values = _scaled(unit, exponent)
    out[...] = _into_ball(values, Y.dtype, norm, radius * SLACK) + 0
