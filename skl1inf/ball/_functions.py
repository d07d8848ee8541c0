"""The door: validates arrays and tensors and hands them to the kernels."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike

    Matrix = ArrayLike | torch.Tensor
    Projected = np.ndarray | torch.Tensor


class WarmStart:
    """What one projection leaves for the next, of a matrix that moves slowly.

    Pass the same object to every call of :func:`project_l1inf`: each starts from
    what the last one found, and leaves what it finds. The result does not depend
    on it beyond rounding; the time does. Where the number of groups has changed
    it starts afresh.

    Attributes
    ----------
    theta : float or None
        The sum of what the projection cut off each group that survived; 0 if
        the matrix was in the ball, None before the first projection.
    mu : ndarray of shape (n_groups,) or None
        Largest absolute entry of each group of the projection.
    n_iter : int
        Number of Newton iterations of the last projection: passes over the
        groups that survived until then. 0 if none was needed.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf.ball import WarmStart, project_l1inf
    >>> warm_start = WarmStart()
    >>> project_l1inf(np.array([[3.0, 1.0], [1.0, 0.0]]), 2, warm_start=warm_start)
    array([[2., 1.],
           [0., 0.]])
    >>> warm_start.theta
    1.0
    """

    def __init__(self):
        self.theta = None
        self.mu = None
        self.n_iter = 0

    def __repr__(self):
        return f"WarmStart(theta={self.theta}, n_iter={self.n_iter})"


def _torch_of(Y):
    """Give the module torch if Y is a tensor, else None, without importing it."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(Y, torch.Tensor) else None


def _check_kind(real, dtype):
    if not real:
        raise ValueError(f"Y must hold real numbers, got dtype {dtype}.")


def _check_matrix(Y, ndims=(2,)):
    """Y as a float32 or float64 array; as a tensor where it is not on the CPU."""
    if (torch := _torch_of(Y)) is not None:
        _check_kind(not Y.is_complex(), Y.dtype)
        if Y.layout != torch.strided or Y.is_nested or Y.is_quantized:
            kind = "nested" if Y.is_nested else f"{Y.layout}, {Y.dtype}"
            raise TypeError(f"Y must be a dense tensor, got a {kind} one.")
        if Y.is_meta:
            raise TypeError("Y must hold numbers, got a tensor on device meta.")
        Y = Y.detach().resolve_neg()
        if Y.dtype not in (torch.float32, torch.float64):
            Y = Y.to(torch.float64)
        if Y.device.type == "cpu":
            Y = Y.numpy()
    else:
        if hasattr(Y, "tocsr"):
            raise TypeError("Y must be dense, got a sparse matrix.")
        Y = np.asarray(Y)
        _check_kind(Y.dtype.kind in "buif", Y.dtype)
        dtype = np.float32 if Y.dtype == np.float32 else np.float64
        Y = np.asarray(Y, dtype=dtype)
    if Y.ndim not in ndims:
        expected = " or ".join(f"{ndim}-dimensional" for ndim in ndims)
        raise ValueError(f"Y must be {expected}, got {Y.ndim} dimension(s).")
    return Y


def _check_axis(axis):
    if not isinstance(axis, Integral) or isinstance(axis, bool):
        raise TypeError(f"axis must be an integer, got {axis!r}.")
    if axis not in (-2, -1, 0, 1):
        raise ValueError(f"axis must be 0, 1, -1 or -2, got {axis}.")
    return int(axis) % 2


def _check_radius(radius):
    if not isinstance(radius, Real) or isinstance(radius, bool):
        raise TypeError(f"radius must be a real number, got {radius!r}.")
    if not radius >= 0:
        raise ValueError(f"radius must be non-negative, got {radius}.")
    return float(radius)


def _check_out(out, given, Y):
    """Where to write the projection of Y, and what to return for it.

    ``given`` is the caller's array or tensor, Y what it was validated to.
    """
    torch = _torch_of(given)
    if out is None:
        target = np.empty_like(Y) if isinstance(Y, np.ndarray) else Y.new_empty(Y.shape)
        if torch is not None and isinstance(Y, np.ndarray):
            return target, torch.from_numpy(target)
        return target, target
    expected = np.ndarray if torch is None else torch.Tensor
    if not isinstance(out, expected):
        raise TypeError(
            f"out must be a {expected.__module__}.{expected.__name__} as Y is, "
            f"got {type(out).__name__}."
        )
    if torch is not None and out.device != given.device:
        raise ValueError(f"out must be on {given.device} as Y is, got {out.device}.")
    target = out
    if torch is not None:
        # In place, Y is a view of out already, unless its dtype was converted.
        in_place = out is given and out.dtype in (torch.float32, torch.float64)
        target = Y if in_place else out.detach()
        if out.device.type == "cpu":
            target = target if in_place else target.numpy()
            torch.autograd.graph.increment_version(out)
    if target.shape != Y.shape or target.dtype != Y.dtype:
        raise ValueError(
            f"out must have shape {tuple(Y.shape)} and dtype {Y.dtype}, "
            f"got {tuple(target.shape)} and {target.dtype}."
        )
    if isinstance(target, np.ndarray) and not target.flags.writeable:
        raise ValueError("out is read-only.")
    return target, out


def _separate(Y, out):
    """Y, copied if it overlaps out in another way than by being the same."""
    if Y is out or not np.may_share_memory(Y, out):
        return Y
    same = Y.ctypes.data == out.ctypes.data and Y.strides == out.strides
    return Y if same else Y.copy()


def _contiguous(Y, axis):
    """Y or its transpose, whichever is C-contiguous, and the axis in it."""
    if Y.flags.f_contiguous and not Y.flags.c_contiguous:
        return Y.T, 1 - axis
    return np.ascontiguousarray(Y), axis


def _statistics(Y, axis):
    """L1 norm and largest absolute entry of every group, as float64 arrays."""
    from .kernels import statistics

    Y, axis = _check_matrix(Y), _check_axis(axis)
    if not isinstance(Y, np.ndarray):
        from .kernels import _torch

        return (numbers.cpu().numpy() for numbers in _torch.statistics(Y, axis))
    return statistics(*_contiguous(Y, axis))


def l1inf_norm(Y: Matrix, *, axis: int = -1) -> float:
    """Sum over the groups of each group's largest absolute entry.

    Parameters
    ----------
    Y : array or tensor of shape (n_groups, group_size)
        Real and finite; each column is a group where ``axis=0``.
    axis : {-1, 0, 1}, default=-1
        Axis along which the maximum is taken: by default each row is a group.

    Returns
    -------
    float
        The norm, accumulated in float64 with compensation for rounding.

    See Also
    --------
    project_l1inf : Projection onto the ball of this norm.
    l1inf_dual_norm : The dual norm.

    Examples
    --------
    >>> from skl1inf import l1inf_norm
    >>> l1inf_norm([[3.0, -1.0], [0.0, 2.0]])
    5.0
    """
    from .kernels import compensated

    _, largest = _statistics(Y, axis)
    return float(compensated(largest))


def l1inf_dual_norm(Y: Matrix, *, axis: int = -1) -> float:
    """Largest l1 norm of a group: the dual of the l1,inf norm.

    Parameters
    ----------
    Y : array or tensor of shape (n_groups, group_size)
        Real and finite; each column is a group where ``axis=0``.
    axis : {-1, 0, 1}, default=-1
        Axis along which the sum is taken: by default each row is a group.

    Returns
    -------
    float
        The norm; rounding is that of sums in the dtype of Y over a thousand
        entries, and of float64 beyond.

    See Also
    --------
    l1inf_norm : The norm that it is dual to.

    Examples
    --------
    >>> from skl1inf import l1inf_dual_norm
    >>> l1inf_dual_norm([[3.0, -1.0], [0.0, 2.0]])
    4.0
    """
    total, _ = _statistics(Y, axis)
    return float(total.max(initial=0))


def _project_array(Y, radius, axis, out):
    """Bring Y and out to C-contiguous layout for the numba kernels."""
    from .kernels import project

    Y = _separate(Y, out)
    source, source_axis = _contiguous(Y, axis)
    target = out if source_axis == axis else out.T
    if not target.flags.c_contiguous:
        target = np.empty_like(source)
    result = project(source, radius, source_axis, target)
    if not np.may_share_memory(target, out):
        out[...] = target if source_axis == axis else target.T
    return result


def project_l1inf(
    Y: Matrix,
    radius: float,
    *,
    axis: int = -1,
    out: Projected | None = None,
    warm_start: WarmStart | None = None,
) -> Projected:
    """Project a matrix onto the l1,inf ball, exactly.

    The ball of radius C holds the matrices W whose groups' largest absolute
    entries add up to at most C. The projection of Y clips group i to
    ``[-mu_i, mu_i]``: groups that lose less than all of their entries all lose
    the same sum theta, and a group whose l1 norm is at most theta becomes zero.

    Parameters
    ----------
    Y : array or tensor of shape (n_groups, group_size)
        Matrix to project, real and finite, in any memory layout; each column is
        a group where ``axis=0``. Other dtypes than float32 and float64 are
        converted to float64.
    radius : float
        Radius of the ball, at least 0.
    axis : {-1, 0, 1}, default=-1
        Axis along which the maximum is taken: by default each row is a group.
    out : array or tensor, default=None
        Where to write the result; of the shape, dtype and device of the result.
        May be Y itself.
    warm_start : WarmStart, default=None
        What an earlier projection of a similar matrix left: fewer iterations.

    Returns
    -------
    array or tensor of the shape of Y
        The nearest point of the ball: `out` where it is given. A tensor where Y
        is one, on its device and detached from any graph. Its :func:`l1inf_norm`
        is at most `radius`, to the last bit, and a matrix in the ball is returned
        unchanged, to the last bit.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If Y is not a matrix of finite real numbers, `radius` is negative or NaN,
        or `out` does not fit.

    See Also
    --------
    l1inf_norm : The norm of this ball.
    project_l1inf_bilevel : A cheaper point of the ball, not the nearest.

    Notes
    -----
    Newton's method on theta and all mu_i together, from the left, after [1]_ and
    [2]_ with tangents in place of their sorting; it ends after finitely many
    passes, in practice two to seven.

    References
    ----------
    .. [1] Chu, Zhang, Sun, Tao, "Semismooth Newton Algorithm for Efficient
       Projections onto l1,inf-norm Ball", ICML 2020.
    .. [2] Perez, Condat, Barlaud, "Near-Linear Time Projection onto the l1,inf
       Ball; Application to Sparse Autoencoders", arXiv:2307.09836.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import project_l1inf
    >>> project_l1inf(np.array([[3.0, 1.0, -3.0], [0.5, 0.5, 0.0]]), 2)
    array([[ 2.,  1., -2.],
           [ 0.,  0.,  0.]])
    """
    given, Y = Y, _check_matrix(Y)
    axis, radius = _check_axis(axis), _check_radius(radius)
    if warm_start is not None and not isinstance(warm_start, WarmStart):
        raise TypeError(f"warm_start must be a WarmStart, got {warm_start!r}.")
    target, result = _check_out(out, given, Y)
    if isinstance(Y, np.ndarray):
        found = _project_array(Y, radius, axis, target)
    else:
        from .kernels._torch import project

        found = project(Y, radius, axis, target)
    if warm_start is not None:
        theta, mu, n_iter = found
        mu = mu.astype(np.float64)
        warm_start.theta, warm_start.mu, warm_start.n_iter = theta, mu, n_iter
    return result


def _project_with(function, Y, radius, out, *axis, ndims=(2,)):
    """Project through a function of (Y, radius, axis), of arrays or tensors."""
    given, Y = Y, _check_matrix(Y, ndims)
    axis = [_check_axis(each) for each in axis]
    radius = _check_radius(radius)
    target, result = _check_out(out, given, Y)
    target[...] = function(Y, radius, *axis)
    return result


def project_l1inf_bilevel(
    Y: Matrix, radius: float, *, axis: int = -1, out: Projected | None = None
) -> Projected:
    """Bi-level relaxation of the projection onto the l1,inf ball.

    Clips group i at ``u_i``, where u is the projection of the vector of the
    groups' largest absolute entries onto the l1 ball. The result is in the l1,inf
    ball and is not the nearest point of it: groups survive by their largest entry
    alone, whatever their other entries.

    Parameters
    ----------
    Y : array or tensor of shape (n_groups, group_size)
        Matrix to project, real and finite.
    radius : float
        Radius of the ball, at least 0.
    axis : {-1, 0, 1}, default=-1
        Axis along which the maximum is taken: by default each row is a group.
    out : array or tensor, default=None
        Where to write the result; may be Y.

    Returns
    -------
    array or tensor of the shape of Y
        A matrix in the ball, up to rounding.

    See Also
    --------
    project_l1inf : The nearest point of the ball.

    References
    ----------
    .. [1] Barlaud, Perez, Marmorat, "A new Linear Time Bi-level l1,inf projection;
       Application to the sparsification of auto-encoders neural networks",
       arXiv:2407.16293, Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import project_l1inf_bilevel
    >>> project_l1inf_bilevel(np.array([[3.0, 1.0], [1.0, 0.0]]), 2)
    array([[2., 1.],
           [0., 0.]])
    """
    from ._others import bilevel

    return _project_with(bilevel, Y, radius, out, axis)


def project_l12(
    Y: Matrix, radius: float, *, axis: int = -1, out: Projected | None = None
) -> Projected:
    """Project onto the l1,2 ball: the sum of the groups' Euclidean norms.

    The ball of the group lasso. Groups whose norm is at most a threshold become
    zero, the others are shortened by it.

    Parameters
    ----------
    Y : array or tensor of shape (n_groups, group_size)
        Matrix to project, real and finite.
    radius : float
        Radius of the ball, at least 0.
    axis : {-1, 0, 1}, default=-1
        Axis along which the norm is taken: by default each row is a group.
    out : array or tensor, default=None
        Where to write the result; may be Y.

    Returns
    -------
    array or tensor of the shape of Y
        The nearest point of the ball, up to rounding.

    References
    ----------
    .. [1] Yuan, Lin, "Model selection and estimation in regression with grouped
       variables", JRSS B 68, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import project_l12
    >>> project_l12(np.array([[3.0, 4.0], [1.0, 0.0]]), 2)
    array([[1.2, 1.6],
           [0. , 0. ]])
    """
    from ._others import l12

    return _project_with(l12, Y, radius, out, axis)


def project_l1(Y: Matrix, radius: float, *, out: Projected | None = None) -> Projected:
    """Project onto the l1 ball: the sum of the absolute entries.

    Parameters
    ----------
    Y : array or tensor of shape (n,) or (n_groups, group_size)
        Vector or matrix to project, real and finite; a matrix as a whole.
    radius : float
        Radius of the ball, at least 0.
    out : array or tensor, default=None
        Where to write the result; may be Y.

    Returns
    -------
    array or tensor of the shape of Y
        The nearest point of the ball, up to rounding.

    References
    ----------
    .. [1] Condat, "Fast projection onto the simplex and the l1 ball",
       Mathematical Programming 158, 2016 (the method of Michelot, section 2).

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import project_l1
    >>> project_l1(np.array([3.0, -2.0, 0.5]), 2)
    array([ 1.5, -0.5,  0. ])
    """
    from ._others import l1

    return _project_with(l1, Y, radius, out, ndims=(1, 2))
