"""The door: validates arrays and tensors and hands them to the kernels."""

import sys
from numbers import Integral, Real

import numpy as np


class WarmStart:
    """What one projection leaves for the next one of a slowly moving matrix.

    Attributes
    ----------
    theta : float or None
        The common sum over each surviving group of what was cut off.
    n_iter : int
        Number of Newton iterations that the last projection took.
    """

    def __init__(self):
        self.theta = None
        self.mu = None
        self.n_iter = 0

    def guess(self, n_groups):
        return None if self.mu is None or len(self.mu) != n_groups else self.mu


def _is_tensor(Y):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(Y, torch.Tensor)


def _check_matrix(Y, name="Y"):
    """Y as a 2-dimensional float32 or float64 array."""
    Y = np.asarray(Y)
    if Y.dtype.kind not in "buif":
        raise ValueError(f"{name} must hold real numbers, got dtype {Y.dtype}.")
    if Y.ndim != 2:
        raise ValueError(f"{name} must be 2-dimensional, got {Y.ndim} dimension(s).")
    if Y.dtype not in (np.float32, np.float64) or not Y.dtype.isnative:
        Y = Y.astype(np.float32 if Y.dtype == np.float32 else np.float64)
    return Y


def _check_axis(axis):
    if not isinstance(axis, Integral) or isinstance(axis, bool):
        raise TypeError(f"axis must be an integer, got {axis!r}.")
    if axis not in (-2, -1, 0, 1):
        raise ValueError(f"axis must be 0, 1, -1 or -2, got {axis}.")
    return axis % 2


def _check_radius(radius):
    if not isinstance(radius, Real):
        raise TypeError(f"radius must be a real number, got {radius!r}.")
    if not radius >= 0:
        raise ValueError(f"radius must be non-negative, got {radius}.")
    return float(radius)


def _check_out(out, Y):
    if out is None:
        return np.empty_like(Y)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy array, got {type(out).__name__}.")
    if out.shape != Y.shape or out.dtype != Y.dtype:
        raise ValueError(
            f"out must have shape {Y.shape} and dtype {Y.dtype}, "
            f"got {out.shape} and {out.dtype}."
        )
    if not out.flags.writeable:
        raise ValueError("out is read-only.")
    return out


def _contiguous(Y, axis):
    """Y or its transpose, whichever is C-contiguous, and the axis in it."""
    if not Y.flags.c_contiguous and Y.flags.f_contiguous:
        return Y.T, 1 - axis
    return np.ascontiguousarray(Y), axis


def _statistics(Y, axis):
    """l1 norm and largest absolute entry of every group."""
    from ._numpy import Groups

    Y = Y.detach().cpu().numpy() if _is_tensor(Y) else Y
    Y, axis = _contiguous(_check_matrix(Y), _check_axis(axis))
    return Groups(Y, axis).statistics(Y)


def l1inf_norm(Y, *, axis=-1):
    """Sum over the groups of each group's largest absolute entry."""
    from ._numpy import compensated_sum

    return float(compensated_sum(_statistics(Y, axis)[1]))


def l1inf_dual_norm(Y, *, axis=-1):
    """Largest l1 norm of a group."""
    return float(_statistics(Y, axis)[0].max(initial=0))


def project_l1inf(Y, radius, *, axis=-1, out=None, warm_start=None):
    """Project a matrix onto the l1,inf ball.

    Parameters
    ----------
    Y : array or tensor of shape (n_groups, group_size)
        Matrix to project; groups are its columns where ``axis=0``.
    radius : float
        Radius of the ball, non-negative.
    axis : {-1, 0, 1}, default=-1
        Axis along which the maximum is taken: each row is a group by default.
    out : array or tensor like Y, default=None
        Where the result goes; may be Y.
    warm_start : WarmStart, default=None
        Start from, and update, what an earlier projection left.

    Returns
    -------
    array or tensor
        The point of the ball that is nearest to Y.
    """
    if _is_tensor(Y):
        if out is not None and (
            out.shape != Y.shape or out.dtype != Y.dtype or out.device != Y.device
        ):
            raise ValueError("out must have the shape, dtype and device of Y.")
        result = Y.new_empty(Y.shape) if out is None else out
        host = project_l1inf(
            Y.detach().cpu().numpy(), radius, axis=axis, warm_start=warm_start
        )
        import torch

        with torch.no_grad():
            return result.copy_(torch.from_numpy(host))

    from ._numpy import project

    Y, axis, radius = _check_matrix(Y), _check_axis(axis), _check_radius(radius)
    if warm_start is not None and not isinstance(warm_start, WarmStart):
        raise TypeError(f"warm_start must be a WarmStart, got {warm_start!r}.")
    out = _check_out(out, Y)
    source, source_axis = _contiguous(Y, axis)
    target = out if source_axis == axis else out.T
    if not target.flags.c_contiguous:
        target = np.empty_like(source)
    mu = None if warm_start is None else warm_start.guess(source.shape[1 - source_axis])
    result = project(source, radius, source_axis, target, mu)
    if target.base is not out and target is not out:
        out[...] = target if source_axis == axis else target.T
    if warm_start is not None:
        warm_start.theta, warm_start.mu, warm_start.n_iter = result
    return out
