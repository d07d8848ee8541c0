"""Linear regression of several targets over the l1,inf ball."""

import warnings
from collections.abc import Iterable
from copy import copy
from functools import partial
from numbers import Integral, Real
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix, sparray, spmatrix
from sklearn.base import RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._base import MultiOutputLinearModel
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import Bunch, check_array, check_consistent_length
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_sample_weight, validate_data

from ._multitask_solver import CentredLeastSquares, Solver, minimum_norm_solution
from .ball import l1inf_norm

_SOLVER_CONSTRAINTS = {
    "positive": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "precompute": [StrOptions({"auto"}), "boolean"],
}
_PATH_CONSTRAINTS = {
    "radii": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, 1, closed="neither")],
}
_X_CHECKS = {"accept_sparse": ("csr", "csc"), "dtype": [np.float64, np.float32]}
_Y_CHECKS = {"ensure_2d": False, "dtype": np.float64}


class _L1InfLinearModel(CallbackSupportMixin, RegressorMixin, MultiOutputLinearModel):
    """What the regressors share: validation, prediction, fitted attributes."""

    def _validate(self, X, y, sample_weight):
        """Return the data as arrays.

        A copy takes what the validation sets, so that a refused input leaves an
        earlier fit as it was.
        """
        X, y = validate_data(
            copy(self), X, y, validate_separately=(_X_CHECKS, _Y_CHECKS)
        )
        check_consistent_length(X, y)
        if sample_weight is not None:
            sample_weight = _check_weight(sample_weight, X)
        return X, y, sample_weight

    @property
    def sparse_coef_(self):
        """Sparse representation of the fitted `coef_`."""
        return csr_matrix(self.coef_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class L1InfMultiTaskRegressor(_L1InfLinearModel):
    """Least squares with coefficients in the l1,inf ball.

    The optimization objective is::

        sum_i s_i ||y_i - x_i W - b||^2 / (2 sum_i s_i)
        subject to  sum_j max_k |W_jk| <= radius

    where the rows of ``W = coef_.T`` are the features and ``s`` are the sample
    weights. The ball lets all the targets share few features: a feature is used by
    any of them only if its coefficients are worth their largest one. With a single
    target it is the Lasso in its constrained form.

    The solution comes with a certificate: the objective is at most `dual_gap_`
    above the smallest one in the ball.

    Read more in the :ref:`User Guide <multitask>`.

    Parameters
    ----------
    radius : float, default=1.0
        Radius of the ball: the largest possible sum over the features of their
        largest absolute coefficient, in the units of `y` per unit of `X`. Where it
        is so large that it does not bind, the result is a least-squares solution
        and `alpha_` is zero up to the precision reached.

    fit_intercept : bool, default=True
        Whether to fit an intercept, which is not in the ball. If False, the data
        are expected to be centred.

    positive : bool, default=False
        Whether to force the coefficients to be non-negative.

    max_iter : int, default=10000
        Maximum number of steps.

    tol : float, default=1e-4
        The solver stops when the duality gap is at most `tol` times the objective
        of the best constant prediction (of zero, without intercept).

    precompute : 'auto' or bool, default='auto'
        Whether to use the Gram matrix of the features of the working set. With
        'auto' it is used where it makes steps cheaper.

    warm_start : bool, default=False
        Whether to start from the `coef_` of the previous call to `fit`.

    copy_X : bool, default=True
        Has no effect: `X` is never written to. There because scikit-learn's linear
        models have it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        The coefficients, with columns of zeros for the features not used. Its
        ``l1inf_norm(coef_, axis=0)`` is at most `radius`.

    intercept_ : float or ndarray of shape (n_targets,)
        The intercept, zero where ``fit_intercept=False``.

    sparse_coef_ : sparse matrix of shape (1, n_features) or (n_targets, n_features)
        `coef_` as a CSR matrix.

    alpha_ : float
        The multiplier of the constraint, which is the largest sum over the targets
        of the absolute gradient in a feature's coefficients: the penalised problem
        ``objective + alpha_ * l1inf_norm(coef_, axis=0)`` has the same solution.

    dual_gap_ : float
        Duality gap: an upper bound on the objective minus the smallest one in the
        ball.

    n_iter_ : int
        Number of steps taken.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are strings.

    See Also
    --------
    L1InfMultiTaskRegressorCV : The same with the radius chosen by cross-validation.
    l1inf_path : The solutions along a path of radii.
    sklearn.linear_model.MultiTaskLasso : The l2,1 penalty instead of the l1,inf
        ball.

    Notes
    -----
    `X` is neither changed nor copied as a whole; sparse `X` is centred implicitly.
    The steps are those of an accelerated projected gradient method on working sets
    of features, ended by Newton steps on the face of the ball that it finds.

    To select features in a :class:`~sklearn.feature_selection.SelectFromModel`,
    set its ``threshold=1e-10``: its default threshold is the mean importance, which
    drops features that are in use.

    References
    ----------
    The problem is that of Quattoni, Carreras, Collins, Darrell, "An efficient
    projection for l1,inf regularization", ICML 2009, eq. (3); working sets as in
    Massias, Gramfort, Salmon, "Celer: a fast solver for the Lasso with dual
    extrapolation", ICML 2018, section 3; acceleration as in Beck, Teboulle, SIAM J.
    Imaging Sci. 2009, eq. (4.1)-(4.3).

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import L1InfMultiTaskRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 100))
    >>> Y = X[:, :2] @ [[2.0, 1.0, -2.0], [1.0, -1.0, 1.0]]
    >>> model = L1InfMultiTaskRegressor(radius=2.5).fit(X, Y)
    >>> np.flatnonzero(model.coef_.any(axis=0))
    array([0, 1])
    >>> float(abs(model.coef_).max(axis=0).sum().round(6))
    2.5
    """

    _parameter_constraints: ClassVar[dict] = {
        "radius": [Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        **_SOLVER_CONSTRAINTS,
        "warm_start": ["boolean"],
        "copy_X": ["boolean"],
    }

    def __init__(
        self,
        radius: float = 1.0,
        *,
        fit_intercept: bool = True,
        positive: bool = False,
        max_iter: int = 10_000,
        tol: float = 1e-4,
        precompute: bool | Literal["auto"] = "auto",
        warm_start: bool = False,
        copy_X: bool = True,
    ) -> None:
        self.radius = radius
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.warm_start = warm_start
        self.copy_X = copy_X

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | sparray | spmatrix,
        y: ArrayLike,
        sample_weight: float | ArrayLike | None = None,
    ) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 is kept.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Target values.

        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the samples, which act as repetitions.

        Returns
        -------
        self : L1InfMultiTaskRegressor
            The fitted model.

        Raises
        ------
        ValueError
            If an array is empty, non-finite, complex or of the wrong shape, or a
            weight is negative.
        """
        hook_arguments = _hook_arguments(self, X, y, sample_weight)
        X_as_given = X
        X, y, sample_weight = self._validate(X, y, sample_weight)
        loss = _loss(X, y, sample_weight, self.fit_intercept)
        validate_data(self, X_as_given, skip_check_array=True)  # names and number
        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(**hook_arguments)
        solver = Solver(
            loss, positive=self.positive, precompute=self.precompute, dtype=X.dtype
        )
        solver.start(self.radius, self._first_coef(X, y))
        tol = self.tol * loss.null_value
        stopped = False
        while not (stopped or solver.is_done(tol, self.max_iter)):
            round_context = context.subcontext("round")
            round_context.call_on_fit_task_begin(**hook_arguments)
            solver.step(tol, self.max_iter)
            stopped = round_context.call_on_fit_task_end(
                **hook_arguments,
                reconstruction_attributes=partial(_fitted_attributes, solver, y),
            )
        for name, value in _fitted_attributes(solver, y).items():
            setattr(self, name, value)
        if solver.gap > tol and not stopped:
            _warn_unconverged(solver.gap, loss.null_value, f"radius={self.radius}")
        context.call_on_fit_task_end(
            **hook_arguments,
            reconstruction_attributes=partial(_fitted_attributes, solver, y),
        )
        return self

    def _first_coef(self, X, y):
        """Coefficients to start from, or None for zeros."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = np.atleast_2d(self.coef_).T.astype(float)
        fits = coef.shape == (X.shape[1], 1 if y.ndim == 1 else y.shape[1])
        return coef if fits else None


def _check_weight(sample_weight, X):
    return _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


def _loss(X, y, sample_weight, fit_intercept):
    """Return the loss of validated data, without the rows of weight zero."""
    if sample_weight is not None and not sample_weight.all():
        kept = np.flatnonzero(sample_weight)
        X, y, sample_weight = X[kept], y[kept], sample_weight[kept]
    Y = y.reshape(len(y), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        loss = CentredLeastSquares(X, Y, sample_weight, fit_intercept)
    if not np.isfinite(loss.null_value):
        raise ValueError("y has entries too large for their squares to be summed.")
    return loss


def _fitted_attributes(solver, y):
    """Return what `solver` has found so far as fitted attributes."""
    coef = np.ascontiguousarray(solver.coef().T)
    intercept = solver.loss.intercept(solver.features, solver.rows).astype(coef.dtype)
    return {
        "coef_": coef[0] if y.ndim == 1 else coef,
        "intercept_": intercept[0] if y.ndim == 1 else intercept,
        "alpha_": float(solver.alpha),
        "dual_gap_": float(solver.gap),
        "n_iter_": solver.n_iter,
    }


def _hook_arguments(estimator, X, y, sample_weight):
    """Return what the hooks of callbacks are told about a fit."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"estimator": estimator, "X": X, "y": y, "metadata": metadata}


def _warn_unconverged(gap, null_value, where):
    warnings.warn(
        f"The solver did not converge at {where}: the duality gap {gap:.3g} is "
        f"{gap / null_value:.3g} times the objective of the best constant prediction. "
        "Increase max_iter or tol.",
        ConvergenceWarning,
        stacklevel=3,
    )


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "Y": ["array-like"],
        **_PATH_CONSTRAINTS,
        **_SOLVER_CONSTRAINTS,
        "sample_weight": ["array-like", None],
        "fit_intercept": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
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
    X = check_array(X, input_name="X", **_X_CHECKS)
    y = check_array(Y, input_name="Y", **_Y_CHECKS)
    check_consistent_length(X, y)
    if sample_weight is not None:
        sample_weight = _check_weight(sample_weight, X)
    radii = _check_radii(radii)
    loss = _loss(X, y, sample_weight, fit_intercept)
    radii = _grid(radii, eps, loss)
    solver = Solver(loss, positive=positive, precompute=precompute, dtype=X.dtype)
    coefs = np.empty((loss.target.shape[1], X.shape[1], len(radii)), X.dtype)
    gaps = np.empty(len(radii))
    for k in _walk(solver, radii, tol, max_iter):
        coefs[:, :, k] = solver.coef().T
        gaps[k] = solver.gap
    return radii, coefs[0] if y.ndim == 1 else coefs, gaps


def _check_radii(radii):
    """Return a number of radii as it is, a list of radii as an increasing array."""
    if isinstance(radii, Integral):
        return radii
    radii = check_array(radii, ensure_2d=False, dtype=np.float64, input_name="radii")
    if radii.ndim != 1 or radii.min() <= 0:
        raise ValueError("radii must be a number or a list of positive numbers.")
    return np.sort(radii)


def _grid(radii, eps, loss):
    """Return checked radii; if they are but a number, as many for this loss."""
    if not isinstance(radii, Integral):
        return radii
    largest = l1inf_norm(minimum_norm_solution(loss))
    if largest <= np.finfo(float).tiny:  # constant targets: any radius will do
        return np.full(radii, np.finfo(float).resolution)
    return np.geomspace(largest, eps * largest, radii)[::-1]


def _walk(solver, radii, tol, max_iter):
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
        _warn_unconverged(largest, solver.loss.null_value, where)


def _check_folds(folds, sample_weight, n_samples):
    weight = np.ones(n_samples) if sample_weight is None else sample_weight
    if not all(weight[part].any() for fold in folds for part in fold):
        raise ValueError(
            "cv makes a training or test set without a sample of positive weight."
        )


def _fold_errors(X, y, sample_weight, train, test, radii, context, hooks, params):
    """Return the weighted mean squared error on `test` at every radius."""
    context.call_on_fit_task_begin(**hooks)
    weight = None if sample_weight is None else sample_weight[train]
    loss = _loss(X[train], y[train], weight, params["fit_intercept"])
    solver = Solver(
        loss,
        positive=params["positive"],
        precompute=params["precompute"],
        dtype=X.dtype,
    )
    X, Y = X[test], y[test].reshape(len(test), -1)
    weight = None if sample_weight is None else sample_weight[test]
    errors = np.empty(len(radii))
    for k in _walk(solver, radii, params["tol"], params["max_iter"]):
        prediction = X[:, solver.features] @ solver.rows
        residual = Y - prediction - loss.intercept(solver.features, solver.rows)
        errors[k] = np.average((residual**2).mean(axis=1), weights=weight)
    context.call_on_fit_task_end(**hooks)
    return errors


class L1InfMultiTaskRegressorCV(_L1InfLinearModel):
    """:class:`L1InfMultiTaskRegressor` with the radius chosen by cross-validation.

    Every fold solves a path of radii, each radius from the solution of the one
    before. The radius with the smallest mean squared error over the folds is taken,
    and the model fitted at it on all the data.

    Read more in the :ref:`User Guide <multitask>`.

    Parameters
    ----------
    radii : int or array-like of shape (n_radii,), default=100
        The radii, or their number. A number means as many radii in geometric
        progression up to the l1,inf norm of the least-squares solution of minimum
        Frobenius norm of all the data.

    eps : float, default=1e-3
        Ratio of the smallest to the largest radius where `radii` is a number.

    fit_intercept : bool, default=True
        Whether to fit an intercept, which is not in the ball.

    positive : bool, default=False
        Whether to force the coefficients to be non-negative.

    max_iter : int, default=10000
        Maximum number of steps at each radius.

    tol : float, default=1e-4
        The largest duality gap, as a multiple of the objective of the best constant
        prediction.

    precompute : 'auto' or bool, default='auto'
        Whether to use the Gram matrix of the features of the working set.

    cv : int, cross-validation generator or iterable, default=None
        The folds: None for 5-fold cross-validation, a number of folds, a
        splitter of scikit-learn, or an iterable of (train, test) indices.

    n_jobs : int, default=None
        Number of folds that are worked on at once. None means 1 unless in a
        :obj:`joblib.parallel_config` context, -1 all processors.

    Attributes
    ----------
    radius_ : float
        The radius chosen: the smallest of those with the least error.

    radii_ : ndarray of shape (n_radii,)
        The radii compared, increasing.

    mse_path_ : ndarray of shape (n_radii, n_folds)
        Mean squared error on the test set of each fold, weighted by the sample
        weights, averaged over the targets.

    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        The coefficients at `radius_`, with columns of zeros for the features not
        used.

    intercept_ : float or ndarray of shape (n_targets,)
        The intercept, zero where ``fit_intercept=False``.

    sparse_coef_ : sparse matrix of shape (1, n_features) or (n_targets, n_features)
        `coef_` as a CSR matrix.

    alpha_ : float
        The multiplier of the constraint at `radius_`.

    dual_gap_ : float
        Duality gap at `radius_`.

    n_iter_ : int
        Number of steps taken at `radius_`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are strings.

    See Also
    --------
    L1InfMultiTaskRegressor : The model at one radius, with references.
    l1inf_path : The solutions along a path of radii.
    sklearn.linear_model.MultiTaskLassoCV : The l2,1 penalty instead of the l1,inf
        ball.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import L1InfMultiTaskRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 100))
    >>> Y = X[:, :2] @ [[2.0, 1.0, -2.0], [1.0, -1.0, 1.0]]
    >>> model = L1InfMultiTaskRegressorCV(radii=[1, 2, 3, 4]).fit(X, Y)
    >>> model.radius_
    3.0
    """

    _parameter_constraints: ClassVar[dict] = {
        **_PATH_CONSTRAINTS,
        "fit_intercept": ["boolean"],
        **_SOLVER_CONSTRAINTS,
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        radii: int | ArrayLike = 100,
        eps: float = 1e-3,
        fit_intercept: bool = True,
        positive: bool = False,
        max_iter: int = 10_000,
        tol: float = 1e-4,
        precompute: bool | Literal["auto"] = "auto",
        cv: int | BaseCrossValidator | Iterable | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.radii = radii
        self.eps = eps
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.cv = cv
        self.n_jobs = n_jobs

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | sparray | spmatrix,
        y: ArrayLike,
        sample_weight: float | ArrayLike | None = None,
        **params,
    ) -> Self:
        """Choose the radius and fit the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 is kept.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Target values.

        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the samples, which act as repetitions, in fitting and in the
            error of each fold.

        **params : dict
            Parameters for the splitter, `groups` for instance, where metadata
            routing is enabled.

        Returns
        -------
        self : L1InfMultiTaskRegressorCV
            The fitted model.

        Raises
        ------
        ValueError
            If an array is empty, non-finite, complex or of the wrong shape, or a
            radius is not positive or a weight negative, or a part of a fold has no
            sample of positive weight.
        """
        _raise_for_params(params, self, "fit")
        hooks = _hook_arguments(self, X, y, sample_weight)
        X_as_given = X
        X, y, sample_weight = self._validate(X, y, sample_weight)
        radii = _check_radii(self.radii)
        split_params = self._route(sample_weight, params).splitter.split
        folds = list(check_cv(self.cv).split(X, y, **split_params))
        _check_folds(folds, sample_weight, len(y))
        loss = _loss(X, y, sample_weight, self.fit_intercept)
        validate_data(self, X_as_given, skip_check_array=True)  # names and number
        radii = _grid(radii, self.eps, loss)
        context = self._init_callback_context(
            max_subtasks=len(folds) + 1, sequential_subtasks=False
        )
        context.call_on_fit_task_begin(**hooks)
        parallel = Parallel(n_jobs=self.n_jobs)
        errors = parallel(
            delayed(_fold_errors)(
                X,
                y,
                sample_weight,
                train,
                test,
                radii,
                context.subcontext("fold", task_id=fold),
                hooks,
                self.get_params(deep=False),
            )
            for fold, (train, test) in enumerate(folds)
        )
        self.radii_, self.mse_path_ = radii, np.column_stack(errors)
        self.radius_ = float(radii[np.argmin(self.mse_path_.mean(axis=1))])
        refit_context = context.subcontext("refit", task_id=len(folds))
        self._refit(X, y, sample_weight, refit_context, hooks)
        context.call_on_fit_task_end(
            **hooks, reconstruction_attributes=self._fitted_model
        )
        return self

    def _refit(self, X, y, sample_weight, context, hooks):
        """Fit the model at the chosen radius and take its attributes over."""
        model = L1InfMultiTaskRegressor(
            self.radius_,
            fit_intercept=self.fit_intercept,
            positive=self.positive,
            max_iter=self.max_iter,
            tol=self.tol,
            precompute=self.precompute,
        )
        with context.propagate_callback_context(model):
            context.call_on_fit_task_begin(**hooks)
            model.fit(X, y, sample_weight=sample_weight)
        for name in _MODEL_ATTRIBUTES:
            setattr(self, name, getattr(model, name))
        context.call_on_fit_task_end(
            **hooks, reconstruction_attributes=self._fitted_model
        )

    def _fitted_model(self):
        return {name: getattr(self, name) for name in _MODEL_ATTRIBUTES}

    def _route(self, sample_weight, params):
        if not _routing_enabled():
            return Bunch(splitter=Bunch(split={}))
        return process_routing(self, "fit", sample_weight=sample_weight, **params)

    def get_metadata_routing(self):
        """Get metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            A :class:`~sklearn.utils.metadata_routing.MetadataRouter` encapsulating
            routing information.
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                splitter=check_cv(self.cv),
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
        )


_MODEL_ATTRIBUTES = ("coef_", "intercept_", "alpha_", "dual_gap_", "n_iter_")
