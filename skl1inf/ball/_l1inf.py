"""The l1,inf ball, of a validated array or a tensor on a device, by the kernels."""

from functools import cache

import numpy as np


@cache
def kernels():
    """Give the module of the kernels for arrays, which imports numba."""
    from . import kernels

    return kernels


def _contiguous(Y, axis):
    """Y or its transpose, whichever is C-contiguous, and the axis in it."""
    flags = Y.flags
    if not flags.aligned:
        return np.array(Y, order="C"), axis
    if flags.f_contiguous and not flags.c_contiguous:
        return Y.T, 1 - axis
    return np.ascontiguousarray(Y), axis


def _separate(Y, out):
    """Y, copied if it overlaps out in another way than by being the same."""
    if Y is out or not np.may_share_memory(Y, out):
        return Y
    same = Y.ctypes.data == out.ctypes.data and Y.strides == out.strides
    return Y if same else Y.copy()


def statistics(Y, axis):
    """L1 norm, in float64, and largest absolute entry of every group, as arrays."""
    if isinstance(Y, np.ndarray):
        total, largest = kernels().statistics(*_contiguous(Y, axis))
    else:
        from .kernels import _torch

        total, largest = (each.cpu().numpy() for each in _torch.statistics(Y, axis))
    if Y.itemsize == 4 and not np.isfinite(total).all():
        # The kernels take sums over short pieces in float32, which overflowed.
        wide = Y.astype(np.float64) if isinstance(Y, np.ndarray) else Y.double()
        return statistics(wide, axis)
    return total, largest


def l1inf(Y, radius, axis, out):
    """Project Y into `out`, which may be Y."""
    if not isinstance(Y, np.ndarray):
        from .kernels import _torch

        with np.errstate(all="ignore"):
            _torch.project(Y, radius, axis, out)
        return
    Y = _separate(Y, out)
    source, source_axis = _contiguous(Y, axis)
    target = out if source_axis == axis else out.T
    if not (target.flags.c_contiguous and target.flags.aligned):
        target = np.empty_like(source)
    with np.errstate(all="ignore"):
        kernels().project(source, radius, source_axis, target)
    if target is not out and not np.may_share_memory(target, out):
        out[...] = target if source_axis == axis else target.T
