"""Linear regression of several targets over the l1,inf ball."""

import warnings
from copy import copy
from functools import partial
from numbers import Integral, Real
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix, sparray, spmatrix
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from .._sklearn import Interval, StrOptions, _check_sample_weight, _fit_context
from ..linear import CentredLeastSquares, Constraint, Solver
from ..matrices import open_matrix
from ._callbacks import Progress, describe
from ._dask import refuse_dask
from ._features import GROUP_CONSTRAINTS, FeatureGroups
from ._multitask_features import make_ball, weighted_features

SOLVER_CONSTRAINTS = {
    "positive": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "precompute": [StrOptions({"auto"}), "boolean"],
}
X_CHECKS = {"accept_sparse": ("csr", "csc"), "dtype": [np.float64, np.float32]}
Y_CHECKS = {"ensure_2d": False, "dtype": np.float64}


class L1InfLinearModel(
    CallbackSupportMixin, MultiOutputMixin, RegressorMixin, BaseEstimator
):
    """What the linear regressors share: validation, prediction, fitted attributes."""

    def _validate(self, X, y, sample_weight):
        """Return the data as arrays, and the groups of features.

        The validation sets attributes. A copy takes them, so that a refused input
        leaves an earlier fit as it was.
        """
        refuse_dask(X, type(self).__name__)
        seen = copy(self)
        X, y = validate_data(seen, X, y, validate_separately=(X_CHECKS, Y_CHECKS))
        check_consistent_length(X, y)
        sample_weight = check_weight(sample_weight, X)
        features = FeatureGroups.read(
            self.feature_groups,
            self.keep_features,
            self.group_weights,
            X.shape[1],
            getattr(seen, "feature_names_in_", None),
        )
        return X, y, sample_weight, features

    def _set_groups(self, features):
        """Set the names and weights of the groups, where there are any."""
        for name in ("group_names_", "group_weights_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        if features.given:
            self.group_names_, self.group_weights_ = features.names, features.weights

    def predict(self, X: ArrayLike | sparray | spmatrix) -> np.ndarray:
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predicted values, in as many dimensions as the `y` of the fit.
        """
        check_is_fitted(self)
        refuse_dask(X, type(self).__name__)
        X = validate_data(self, X, accept_sparse=("csr", "csc", "coo"), reset=False)
        return X @ self.coef_.T + self.intercept_

    @property
    def sparse_coef_(self):
        """Sparse representation of the fitted `coef_`."""
        return csr_matrix(self.coef_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class L1InfMultiTaskRegressor(L1InfLinearModel):
    r"""Least squares with coefficients in the l1,inf ball.

    The optimization objective is::

        sum_i s_i ||y_i - x_i W - b||^2 / (2 sum_i s_i)
        subject to  sum_j max_k |W_jk| <= radius

    where the rows of ``W = coef_.T`` are the features and ``s`` are the sample
    weights. The ball lets all the targets share few features: a feature is used by
    any of them only if its coefficients are worth their largest one. With a single
    target it is the Lasso in its constrained form.

    With groups of features the constraint is
    ``sum_g w_g max_{j in g, k} |W_jk| <= radius``: a group is used whole or not at all.

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

    feature_groups : array-like, list of lists or dict, default=None
        Features that are used or dropped together: a label for every feature, or lists
        of their names or indices, or a dict of such lists. A feature on no list is
        alone. None: all are.

    group_weights : array-like of shape (n_groups,) or dict, default=None
        What a unit of a group's largest absolute coefficient takes of the radius, in
        the order of the lists or of the sorted labels, or by name. None: 1 for a
        feature alone, and for the others such that, without any signal, groups of any
        size are equally likely to be the first that is used.

    keep_features : array-like of names or indices, or mask, default=None
        Features that are always used. Their coefficients are free: they take nothing
        of the radius, and may be negative also with ``positive=True``.

    standardize_targets : bool, default=False
        Whether to give the targets the same variance inside, so that their units do
        not matter. See the Notes. One target is left as it is.

    positive : bool, default=False
        Whether to force the coefficients to be non-negative.

    max_iter : int, default=10000
        Maximum number of steps.

    tol : float, default=1e-4
        The solver stops when the duality gap is at most `tol` times the objective
        of the best constant prediction (of zero, without intercept). Where features
        are kept, it is that of the best prediction by them alone.

    precompute : 'auto' or bool, default='auto'
        Whether to use the Gram matrix of the features of the working set. With
        'auto' it is used where it makes steps cheaper.

    warm_start : bool, default=False
        Whether to start from the `coef_` of the previous call to `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        The coefficients, with columns of zeros for the features not used. Its
        ``l1inf_norm(coef_, axis=0)`` is at most `radius`, unless targets are
        standardised, or features grouped or kept. With an array `labels` of groups,
        ``np.unique(labels[coef_.any(axis=0)])`` are those in use.

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

    group_names_ : ndarray of shape (n_groups,)
        The groups: labels, keys of the dict, or "group 0", "group 1", ..., then the
        names of the features on no list. Only where `feature_groups` is given, as the
        next one.

    group_weights_ : ndarray of shape (n_groups,)
        The weights of the groups.

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
    With ``standardize_targets=True`` and :math:`v_k` the weighted variance of target
    k, the objective is that of the targets ``y_k * c_k`` with
    :math:`c_k = \sqrt{\operatorname{mean}(v) / v_k}` (1 for a constant target): all
    have the same variance, and the same total as before. `radius`, `alpha_` and
    `dual_gap_` refer to them, `coef_` and `intercept_` to `y` itself, so that
    ``l1inf_norm(coef_ * c[:, None], axis=0)`` is at most `radius` up to rounding.

    `X` is neither changed nor copied as a whole; sparse `X` is centred implicitly.
    The steps are those of an accelerated projected gradient method on working sets
    of features, ended by Newton steps on the face of the ball that it finds.

    The coefficients of kept features are eliminated exactly, as the intercept is: they
    are the best ones for the others. Among kept features that depend on one another
    some get the coefficient zero.

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

    Groups of ten features are used whole or not at all:

    >>> groups = np.arange(100) // 10
    >>> model = L1InfMultiTaskRegressor(radius=2, feature_groups=groups).fit(X, Y)
    >>> np.unique(groups[model.coef_.any(axis=0)])
    array([0])
    """

    _parameter_constraints: ClassVar[dict] = {
        "radius": [Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        **GROUP_CONSTRAINTS,
        "standardize_targets": ["boolean"],
        **SOLVER_CONSTRAINTS,
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        radius: float = 1.0,
        *,
        fit_intercept: bool = True,
        feature_groups: ArrayLike | dict | None = None,
        group_weights: ArrayLike | dict | None = None,
        keep_features: ArrayLike | None = None,
        standardize_targets: bool = False,
        positive: bool = False,
        max_iter: int = 10_000,
        tol: float = 1e-4,
        precompute: bool | Literal["auto"] = "auto",
        warm_start: bool = False,
    ) -> None:
        self.radius = radius
        self.fit_intercept = fit_intercept
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.keep_features = keep_features
        self.standardize_targets = standardize_targets
        self.positive = positive
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.warm_start = warm_start

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @np.errstate(all="ignore")
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
            weight is negative, or groups and kept features contradict each other or
            `X`, or a kept feature is constant.
        """
        data = describe(X, y, sample_weight)
        X_as_given = X
        X, y, sample_weight, features = self._validate(X, y, sample_weight)
        y, scale = scale_targets(y, sample_weight, self.standardize_targets)
        loss = open_loss(X, y, sample_weight, self.fit_intercept, features.kept)
        features = weighted_features(features, loss)
        ball = make_ball(features, self.positive)
        validate_data(self, X_as_given, skip_check_array=True)  # names and number
        self._set_groups(features)
        solver = Solver(loss, precompute=self.precompute, dtype=X.dtype)
        attributes = partial(fitted_attributes, solver, scale)
        context = self._init_callback_context(max_subtasks=None)
        with Progress(self, context, data).task(attributes) as progress:
            constraint = Constraint(ball, self.radius)
            solver.start(constraint, self._first_coef(X, scale))
            tol = self.tol * loss.null_value
            stopped = self._solve(solver, tol, progress, attributes)
            for name, value in attributes().items():
                setattr(self, name, value)
            if solver.gap > tol and not stopped:
                warn_unconverged(solver.gap, loss.null_value, f"radius={self.radius}")
        return self

    def _solve(self, solver, tol, progress, attributes):
        """Solve round by round; return whether a callback stopped it."""
        while not solver.is_done(tol, self.max_iter):
            round_progress = progress.part("round")
            round_progress.begin()
            solver.step(tol, self.max_iter)
            if round_progress.end(attributes):
                return True
        return False

    def _first_coef(self, X, scale):
        """Return coefficients to start from, or None for zeros."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = np.atleast_2d(self.coef_).T.astype(float)
        if coef.shape != (X.shape[1], np.size(scale)):
            return None
        return coef * scale


def check_weight(sample_weight, X):
    """Return the weights as an array, None if there are none."""
    if sample_weight is None:
        return None
    return _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


def open_loss(X, y, sample_weight, fit_intercept, kept):
    """Return the loss of validated data, without the samples of weight zero.

    `kept` is the mask of the kept features.
    """
    matrix = open_matrix(X)
    if sample_weight is not None and not sample_weight.all():
        counted = np.flatnonzero(sample_weight)
        matrix = matrix.take_samples(counted)
        y, sample_weight = y[counted], sample_weight[counted]
    Y = y.reshape(len(y), -1)
    kept = np.flatnonzero(kept)
    loss = CentredLeastSquares(matrix, Y, sample_weight, fit_intercept, kept)
    if not np.isfinite(loss.null_value):
        raise ValueError("y has entries too large for their squares to be summed.")
    return loss


def scale_targets(y, sample_weight, standardize):
    """Return targets of the same variance, and the factors of the targets.

    The mean of the variances stays. The factors are a number where y is a vector.
    """
    if y.ndim == 1:
        return y, 1.0
    scale = np.ones(y.shape[1])
    if standardize and y.shape[1] > 1:
        centred = y - np.average(y, axis=0, weights=sample_weight)
        size = np.abs(centred).max(axis=0)  # squares of quotients never overflow
        varies = np.ptp(y, axis=0) > 0
        if not varies.any():
            return y, scale
        squares = (centred[:, varies] / size[varies]) ** 2
        mean_square = np.average(squares, axis=0, weights=sample_weight)
        deviation = size[varies] * np.sqrt(mean_square)
        total = np.linalg.norm(deviation / np.sqrt(y.shape[1]))
        scale[varies] = total / deviation
    return y * scale, scale


def fitted_attributes(solver, scale):
    """Return the fitted attributes of the targets before they were scaled."""
    features, rows = solver.solution()
    W, b = solver.coef(), solver.loss.intercept(features, rows)
    coef = np.ascontiguousarray((W / scale).T, solver.dtype)
    intercept = (b / scale).astype(coef.dtype)
    is_vector = np.ndim(scale) == 0
    return {
        "coef_": coef[0] if is_vector else coef,
        "intercept_": intercept[0] if is_vector else intercept,
        "alpha_": float(solver.alpha),
        "dual_gap_": float(solver.gap),
        "n_iter_": solver.n_iter,
    }


def warn_unconverged(gap, null_value, where):
    """Warn that the solver stopped at this gap."""
    warnings.warn(
        f"The solver did not converge at {where}: the duality gap {gap:.3g} is "
        f"{gap / null_value:.3g} times the objective of the best constant prediction. "
        "Increase max_iter or tol.",
        ConvergenceWarning,
        stacklevel=4,
    )
