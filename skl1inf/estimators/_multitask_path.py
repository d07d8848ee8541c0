"""The linear model along a path of radii."""

from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from .._sklearn import Interval, validate_params
from ..linear import Constraint, Penalty, Solver
from ._dask import refuse_dask
from ._features import GROUP_CONSTRAINTS, FeatureGroups
from ._multitask import (
    SOLVER_CONSTRAINTS,
    X_CHECKS,
    Y_CHECKS,
    check_weight,
    open_loss,
    scale_targets,
    warn_unconverged,
)
from ._multitask_features import make_ball, weighted_features

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
        **GROUP_CONSTRAINTS,
        "standardize_targets": ["boolean"],
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
    feature_groups: ArrayLike | dict | None = None,
    group_weights: ArrayLike | dict | None = None,
    keep_features: ArrayLike | None = None,
    standardize_targets: bool = True,
    positive: bool = False,
    max_iter: int = 10_000,
    tol: float = 1e-4,
    precompute: bool | Literal["auto"] = "auto",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve :class:`L1InfMultiTaskRegressor` along a path of radii.

    Each problem starts from the solution of the one before.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.

    Y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Target values.

    radii : int or array-like of shape (n_radii,), default=100
        The radii, or their number. A number means a path of penalties in equal ratios,
        from just below the largest useful one, `alpha_max`, where all coefficients
        are zero, down to ``eps * alpha_max``. The radii are the norms of the
        solutions.

    eps : float, default=1e-3
        Ratio of the smallest penalty to `alpha_max` where `radii` is a number.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, which act as repetitions.

    fit_intercept : bool, default=True
        Whether there is an intercept.

    feature_groups : array-like, list of lists or dict, default=None
        Features that are used or dropped together: a label for every feature, or lists
        of their names or indices, or a dict of such lists. A feature on no list is
        alone. None: all are.

    group_weights : array-like of shape (n_groups,) or dict, default=None
        What a unit of a group's largest absolute coefficient takes of the radius, in
        the order of the lists or of the sorted labels, or by name. None: as in
        :class:`L1InfMultiTaskRegressor`.

    keep_features : array-like of names or indices, or mask, default=None
        Features that are always used. Their coefficients are free: they take nothing
        of the radius, and may be negative also with ``positive=True``.

    standardize_targets : bool, default=True
        Whether to give the targets the same variance inside, so that their units do
        not matter. The radii and gaps refer to these targets, the coefficients to
        `Y`: as in :class:`L1InfMultiTaskRegressor`, see its Notes.

    positive : bool, default=False
        Whether to force the coefficients to be non-negative.

    max_iter : int, default=10000
        Maximum number of steps at each radius.

    tol : float, default=1e-4
        The largest duality gap, as a multiple of the objective of the best constant
        prediction, which is that of the kept features where there are some.

    precompute : 'auto' or bool, default='auto'
        Whether to use the Gram matrix of the features of the working set.

    Returns
    -------
    radii : ndarray of shape (n_radii,)
        The radii, in increasing order.

    coefs : ndarray of shape (n_features, n_radii) or \
            (n_targets, n_features, n_radii)
        The coefficients at each radius.

    gaps : ndarray of shape (n_radii,)
        The duality gap at each radius.

    Raises
    ------
    ValueError
        If an array is empty, non-finite, complex or of the wrong shape, or a radius
        is not positive, or groups and kept features contradict each other or `X`, or a
        kept feature is constant.

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
    refuse_dask(X, "l1inf_path")
    X_as_given = X
    X = check_array(X, input_name="X", **X_CHECKS)
    y = check_array(Y, input_name="Y", **Y_CHECKS)
    check_consistent_length(X, y)
    sample_weight = check_weight(sample_weight, X)
    radii = check_radii(radii)
    features = FeatureGroups.read(
        feature_groups, keep_features, group_weights, X.shape[1], names_of(X_as_given)
    )
    y, scale = scale_targets(y, sample_weight, standardize_targets)
    loss = open_loss(X, y, sample_weight, fit_intercept, features.kept)
    ball = make_ball(weighted_features(features, loss), positive)
    solver = Solver(loss, precompute=precompute, dtype=X.dtype)
    if isinstance(radii, Integral):
        problems = penalties(loss, ball, radii, eps)
    else:
        problems = [Constraint(ball, radius) for radius in radii]
    coefs = np.empty((loss.target.shape[1], X.shape[1], len(problems)), X.dtype)
    norms, gaps, alphas = np.empty((3, len(problems)))
    for k in walk(solver, problems, tol, max_iter):
        coefs[:, :, k] = (solver.coef() / scale).T
        norms[k], gaps[k], alphas[k] = solver.norm, solver.gap, solver.alpha
    if isinstance(radii, Integral):
        radii = increasing(norms)
        gaps += alphas * (radii - norms)
    return radii, coefs[0] if y.ndim == 1 else coefs, gaps


def names_of(X):
    """Return the names of the features of X, None where not all are strings."""
    seen = BaseEstimator()
    validate_data(seen, X, skip_check_array=True)
    return getattr(seen, "feature_names_in_", None)


def check_radii(radii):
    """Return a number of radii as it is, a list of radii as an increasing array."""
    if isinstance(radii, Integral):
        return radii
    radii = check_array(radii, ensure_2d=False, dtype=np.float64, input_name="radii")
    if radii.ndim != 1 or radii.min() <= 0:
        raise ValueError("radii must be a number or a list of positive numbers.")
    return np.sort(radii)


def penalties(loss, ball, n_penalties, eps):
    """Return penalties in equal ratios from below the largest useful one to eps of it.

    At the largest, the dual norm of the gradient at 0, the solution is still 0.
    """
    largest = ball.dual_sizes(loss.gradient(loss.target)).max()
    steps = np.arange(1, n_penalties + 1) / n_penalties
    return [Penalty(ball, largest * eps**step) for step in steps]


def increasing(norms):
    """Return radii from the norms along a path.

    Norms increase as the penalty falls, up to the precision of the solutions. A radius
    is positive also where the solution is 0.
    """
    return np.maximum.accumulate(np.maximum(norms, np.finfo(float).resolution))


def walk(solver, problems, tol, max_iter, coef=None):
    """Solve each problem; yield its index; warn if any has not converged.

    The first one starts from coef, of shape (n_features, n_targets).
    """
    tol = tol * solver.loss.null_value
    missed, largest = 0, 0.0
    for k, problem in enumerate(problems):
        solver.start(problem, coef if k == 0 else None)
        if not solver.solve(tol, max_iter):
            missed, largest = missed + 1, max(largest, solver.gap)
        yield k
    if missed:
        where = f"{missed} of {len(problems)} radii"
        warn_unconverged(largest, solver.loss.null_value, where)
