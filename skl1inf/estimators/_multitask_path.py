"""The linear model along a path of radii."""

from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.utils import check_array, check_consistent_length

from .._sklearn import Interval, validate_params
from ..ball import L1InfBall, l1inf_norm
from ..linear import Solver
from ._multitask import (
    SOLVER_CONSTRAINTS,
    X_CHECKS,
    Y_CHECKS,
    check_weight,
    open_loss,
    warn_unconverged,
)

PATH_CONSTRAINTS = {
    "radii": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, 1, closed="neither")],
}


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "Y": ["array-like"],
        **PATH_CONSTRAINTS,
        **SOLVER_CONSTRAINTS,
        "sample_weight": ["array-like", None],
        "fit_intercept": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
@np.errstate(all="ignore")
def l1inf_path(
    X: ArrayLike | sparray | spmatrix,
    Y: ArrayLike,
    *,
    radii: int | ArrayLike = 100,
    eps: float = 1e-3,
    sample_weight: ArrayLike | None = None,
    fit_intercept: bool = True,
    positive: bool = False,
    max_iter: int = 10_000,
    tol: float = 1e-4,
    precompute: bool | Literal["auto"] = "auto",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve :class:`L1InfMultiTaskRegressor` along a path of radii.

    Each radius starts from the solution of the one before.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.

    Y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Target values.

    radii : int or array-like of shape (n_radii,), default=100
        The radii, or their number. A number means as many radii in geometric
        progression up to the l1,inf norm of the least-squares solution of minimum
        Frobenius norm, from where on the constraint does not bind.

    eps : float, default=1e-3
        Ratio of the smallest to the largest radius where `radii` is a number.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, which act as repetitions.

    fit_intercept : bool, default=True
        Whether there is an intercept.

    positive : bool, default=False
        Whether to force the coefficients to be non-negative.

    max_iter : int, default=10000
        Maximum number of steps at each radius.

    tol : float, default=1e-4
        The largest duality gap, as a multiple of the objective of the best constant
        prediction.

    precompute : 'auto' or bool, default='auto'
        Whether to use the Gram matrix of the features of the working set.

    Returns
    -------
    radii : ndarray of shape (n_radii,)
        The radii, increasing.

    coefs : ndarray of shape (n_features, n_radii) or \
            (n_targets, n_features, n_radii)
        The coefficients at each radius.

    gaps : ndarray of shape (n_radii,)
        The duality gap at each radius.

    Raises
    ------
    ValueError
        If an array is empty, non-finite, complex or of the wrong shape, or a radius
        is not positive.

    See Also
    --------
    L1InfMultiTaskRegressor : The model at one radius, with references.
    sklearn.linear_model.lasso_path : The path of the l2,1 penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import l1inf_path
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 100))
    >>> Y = X[:, :2] @ [[2.0, 1.0, -2.0], [1.0, -1.0, 1.0]]
    >>> radii, coefs, gaps = l1inf_path(X, Y, radii=[1, 2, 2.5])
    >>> coefs.shape
    (3, 100, 3)
    >>> [int(n) for n in coefs.any(axis=0).sum(axis=0)]
    [2, 2, 2]
    """
    X = check_array(X, input_name="X", **X_CHECKS)
    y = check_array(Y, input_name="Y", **Y_CHECKS)
    check_consistent_length(X, y)
    sample_weight = check_weight(sample_weight, X)
    radii = check_radii(radii)
    loss = open_loss(X, y, sample_weight, fit_intercept)
    radii = make_grid(radii, eps, loss)
    solver = Solver(loss, L1InfBall(positive), precompute=precompute, dtype=X.dtype)
    coefs = np.empty((loss.target.shape[1], X.shape[1], len(radii)), X.dtype)
    gaps = np.empty(len(radii))
    for k in walk(solver, radii, tol, max_iter):
        coefs[:, :, k] = solver.coef().T
        gaps[k] = solver.gap
    return radii, coefs[0] if y.ndim == 1 else coefs, gaps


def check_radii(radii):
    """Return a number of radii as it is, a list of radii as an increasing array."""
    if isinstance(radii, Integral):
        return radii
    radii = check_array(radii, ensure_2d=False, dtype=np.float64, input_name="radii")
    if radii.ndim != 1 or radii.min() <= 0:
        raise ValueError("radii must be a number or a list of positive numbers.")
    return np.sort(radii)


def make_grid(radii, eps, loss):
    """Return checked radii; where they are a number, as many for this loss."""
    if not isinstance(radii, Integral):
        return radii
    every = loss.columns(np.arange(loss.n_features))
    largest = l1inf_norm(every.minimum_norm_solution(loss.target))
    if largest <= np.finfo(float).tiny:  # constant targets: any radius will do
        return np.full(radii, np.finfo(float).resolution)
    return np.geomspace(largest, eps * largest, radii)[::-1]


def walk(solver, radii, tol, max_iter):
    """Solve at each radius; yield its index; warn if any has not converged."""
    tol = tol * solver.loss.null_value
    missed, largest = 0, 0.0
    for k, radius in enumerate(radii):
        solver.start(radius)
        if not solver.solve(tol, max_iter):
            missed, largest = missed + 1, max(largest, solver.gap)
        yield k
    if missed:
        where = f"{missed} of {len(radii)} radii"
        warn_unconverged(largest, solver.loss.null_value, where)
