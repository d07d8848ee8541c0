"""What users call: the norms and the projections, of arrays and of tensors."""

from __future__ import annotations

import sys
from functools import cache, wraps
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from . import _l1inf, _others
from ._validation import (
    check_array,
    check_axis,
    check_groups,
    check_ndim,
    check_out,
    check_radius,
    check_weights,
    torch_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import torch
    from numpy.typing import ArrayLike

    Matrix = ArrayLike | torch.Tensor
    Projected = np.ndarray | torch.Tensor

F = TypeVar("F", bound="Callable[..., Any]")


def _uncompiled(function: F) -> F:
    """Let torch.compile break its graph around a function, and not trace it."""

    @wraps(function)
    def run(*args, **kwargs):
        torch = sys.modules.get("torch")
        if torch is not None and torch.compiler.is_compiling():
            # Not before it is needed: this imports the compiler, which takes seconds.
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return cast("F", run)


@cache
def _for_tensors():
    """Give the modules of tensors and of their projections, which import torch."""
    from . import _autograd, _tensors

    return _tensors, _autograd


def _statistics(Y, axis):
    """L1 norm, in float64, and largest absolute entry of every group."""
    axis = check_axis(axis)
    if torch_of(Y) is None:
        Y = check_array(Y)
    else:
        tensors, _ = _for_tensors()
        Y = tensors.check_tensor(Y)
        Y = tensors.as_array(Y) if Y.is_cpu else Y
    with np.errstate(all="ignore"):
        return _l1inf.statistics(Y, axis)


def _weighted(n_rows, weights, groups):
    """Return the ball of so many rows, or columns, that weights and groups describe."""
    number, n_groups = None, n_rows
    if groups is not None:
        number, n_groups = check_groups(groups, n_rows)
    if weights is None:
        weights = np.ones(n_groups)
    return _l1inf.WeightedL1Inf(check_weights(weights, n_groups), number)


def _project(ball, Y, radius, axis, out, ndims=(2,)):
    """Project an array or a tensor by a function of (Y, radius, axis, out)."""
    axis, radius = check_axis(axis), check_radius(radius)
    if torch_of(Y) is not None:
        _, projections = _for_tensors()
        return projections.project(ball, Y, radius, axis, out, ndims)
    Y = check_array(Y, ndims)
    if out is None:
        out = np.empty_like(Y)
    ball(Y, radius, axis, check_out(out, Y))
    return out


@_uncompiled
def l1inf_norm(
    Y: Matrix,
    *,
    axis: int = -1,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> float:
    """Sum over the groups of each group's largest absolute entry, times its weight.

    Parameters
    ----------
    Y : array or tensor of shape (n_rows, n_columns)
        Real and finite.
    axis : {-1, 0, 1}, default=-1
        Axis along which the maximum is taken: by default each row is a group, where
        ``axis=0`` each column.
    weights : array-like of shape (n_groups,), default=None
        The weights of the groups, positive; None where all are 1. See
        :func:`project_l1inf` for their order.
    groups : array-like of shape (n_rows,), default=None
        Integers or strings: rows with the same label are one group. With ``axis=0``
        they are labels of columns. None where each is a group.

    Returns
    -------
    float
        The norm, accumulated in float64 with compensation for rounding. No gradient
        passes through it.

    See Also
    --------
    project_l1inf : Projection onto the ball of this norm.
    l1inf_dual_norm : The dual norm.

    Examples
    --------
    >>> from skl1inf import l1inf_norm
    >>> l1inf_norm([[3.0, -1.0], [0.0, 2.0]])
    5.0
    >>> l1inf_norm([[3.0, -1.0], [0.0, 2.0], [1.0, 1.0]], groups=["a", "a", "b"])
    4.0
    """
    _, largest = _statistics(Y, axis)
    if weights is not None or groups is not None:
        return float(_weighted(len(largest), weights, groups).norm(largest))
    return float(_l1inf.kernels().compensated(largest))


@_uncompiled
def l1inf_dual_norm(
    Y: Matrix,
    *,
    axis: int = -1,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> float:
    """Largest l1 norm of a group over its weight: the dual of the l1,inf norm.

    Parameters
    ----------
    Y : array or tensor of shape (n_rows, n_columns)
        Real and finite.
    axis : {-1, 0, 1}, default=-1
        Axis along which the sum is taken: by default each row is a group, where
        ``axis=0`` each column.
    weights, groups : array-like, default=None
        Those of the norm: see :func:`l1inf_norm`.

    Returns
    -------
    float
        The norm. Sums of up to a thousand entries are taken in the dtype of Y,
        sums of these in float64; all of them in float64 where they overflow.

    See Also
    --------
    l1inf_norm : The norm that it is dual to.

    Examples
    --------
    >>> from skl1inf import l1inf_dual_norm
    >>> l1inf_dual_norm([[3.0, -1.0], [0.0, 2.0]])
    4.0
    >>> l1inf_dual_norm([[3.0, -1.0], [0.0, 2.0]], weights=[4.0, 1.0])
    2.0
    """
    total, _ = _statistics(Y, axis)
    if weights is not None or groups is not None:
        return float(_weighted(len(total), weights, groups).dual_norm(total))
    return float(total.max(initial=0))


@_uncompiled
def project_l1inf(
    Y: Matrix,
    radius: float,
    *,
    axis: int = -1,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    out: Projected | None = None,
) -> Projected:
    """Project a matrix onto the l1,inf ball, exactly.

    The ball of radius C holds the matrices W whose groups' largest absolute
    entries, times the groups' weights w_g, add up to at most C. The projection of
    Y clips group g to ``[-mu_g, mu_g]``: groups that lose less than all of their
    entries lose ``theta w_g`` in all, with the same theta, and a group whose l1
    norm is at most ``theta w_g`` becomes zero.

    Parameters
    ----------
    Y : array or tensor of shape (n_rows, n_columns)
        Matrix to project, real and finite, in any memory layout. Other dtypes
        than float32 and float64 are converted to float64.
    radius : float
        Radius of the ball, at least 0.
    axis : {-1, 0, 1}, default=-1
        Axis along which the maximum is taken: by default each row is a group,
        where ``axis=0`` each column.
    weights : array-like of shape (n_groups,), default=None
        The weights of the groups, from 1e-100 to 1e100; None where all are 1.
        With `groups` they are in the order of the sorted labels, without in that
        of the rows. No gradient passes to them.
    groups : array-like of shape (n_rows,), default=None
        Integers or strings: rows with the same label are one group, which
        survives or becomes zero as a whole. With ``axis=0`` they are labels of
        columns. None where each row, or column, is a group.
    out : array or tensor, default=None
        Where to write the result; of the shape, dtype and device of the result.
        May be Y itself. Not for tensors that require a gradient, unless under
        ``torch.no_grad()``.

    Returns
    -------
    array or tensor of the shape of Y
        The nearest point of the ball: `out` where it is given. A tensor where Y
        is one, on its device. Its :func:`l1inf_norm` is at most `radius`, to the
        last bit, and a matrix in the ball is returned unchanged, to the last bit.

    Raises
    ------
    TypeError
        If an argument has the wrong type. Sparse matrices and masked arrays have.
    ValueError
        If Y is not a matrix of finite real numbers, `radius` is negative or NaN,
        `weights` or `groups` have the wrong length, a weight is not positive, or
        `out` does not fit or overlaps itself.
    RuntimeError
        If `out` is given and torch is to follow the projection for a gradient.

    See Also
    --------
    l1inf_norm : The norm of this ball.
    project_l1inf_bilevel : A cheaper point of the ball, not the nearest.

    Notes
    -----
    Newton's method on theta and all mu_i together, from the left, after [1]_ and
    [2]_ with tangents in place of their sorting; it ends after finitely many
    passes, in practice two to seven.

    The projection of a tensor can be differentiated, more than once. Entries that
    are not clipped pass the gradient on, those that are clipped pass on what moves
    their mu_i, and groups that become zero pass on nothing.

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

    The last two rows are one group:

    >>> Y = np.array([[3.0, 0.0], [2.0, 0.0], [-1.0, 2.0]])
    >>> project_l1inf(Y, 2, groups=["a", "b", "b"])
    array([[ 1.,  0.],
           [ 1.,  0.],
           [-1.,  1.]])
    """
    if weights is not None or groups is not None:
        axis = check_axis(axis)
        if torch_of(Y) is None:
            Y = check_array(Y)
        check_ndim(Y, (2,))
        ball = _weighted(Y.shape[1 - axis], weights, groups)
        return _project(ball, Y, radius, axis, out)
    return _project(_l1inf.l1inf, Y, radius, axis, out)


@_uncompiled
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
        Where to write the result; may be Y. See :func:`project_l1inf`.

    Returns
    -------
    array or tensor of the shape of Y
        A matrix in the ball, to the last bit; Y itself, copied, if it is in the
        ball.

    See Also
    --------
    project_l1inf : The nearest point of the ball.

    Notes
    -----
    The projection of a tensor can be differentiated, more than once. It is computed
    on the CPU.

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
    return _project(_others.bilevel, Y, radius, axis, out)


@_uncompiled
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
        Where to write the result; may be Y. See :func:`project_l1inf`.

    Returns
    -------
    array or tensor of the shape of Y
        The nearest point of the ball up to rounding, and in the ball to the last
        bit; Y itself, copied, if it is in the ball.

    Notes
    -----
    The projection of a tensor can be differentiated, more than once. It is computed
    on the CPU.

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
    return _project(_others.l12, Y, radius, axis, out)


@_uncompiled
def project_l1(Y: Matrix, radius: float, *, out: Projected | None = None) -> Projected:
    """Project onto the l1 ball: the sum of the absolute entries.

    Parameters
    ----------
    Y : array or tensor of shape (n,) or (n_groups, group_size)
        Vector or matrix to project, real and finite; a matrix as a whole.
    radius : float
        Radius of the ball, at least 0.
    out : array or tensor, default=None
        Where to write the result; may be Y. See :func:`project_l1inf`.

    Returns
    -------
    array or tensor of the shape of Y
        The nearest point of the ball up to rounding, and in the ball to the last
        bit; Y itself, copied, if it is in the ball.

    Notes
    -----
    The projection of a tensor can be differentiated, more than once. It is computed
    on the CPU.

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
    return _project(_others.l1, Y, radius, -1, out, ndims=(1, 2))
