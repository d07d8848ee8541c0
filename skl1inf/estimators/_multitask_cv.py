"""The linear model with its radius chosen by cross-validation."""

from collections.abc import Iterable
from numbers import Integral
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn import get_config
from sklearn.callback import with_callbacks
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import validate_data

from .._sklearn import _fit_context, _raise_for_params
from ..linear import Constraint, Solver, losses_of_folds
from ._callbacks import Progress, describe
from ._features import GROUP_CONSTRAINTS
from ._multitask import (
    SOLVER_CONSTRAINTS,
    L1InfLinearModel,
    L1InfMultiTaskRegressor,
    open_loss,
    scale_targets,
)
from ._multitask_features import (
    as_parameters,
    make_ball,
    weighted_features,
)
from ._multitask_path import (
    PATH_CONSTRAINTS,
    check_radii,
    increasing,
    penalties,
    walk,
)

STRETCH = 5  # radii after which a search may end
RISE = 0.05  # of the smallest mean error: a clear rise
MODEL_ATTRIBUTES = ("coef_", "intercept_", "alpha_", "dual_gap_", "n_iter_")


class L1InfMultiTaskRegressorCV(L1InfLinearModel):
    """:class:`L1InfMultiTaskRegressor` with the radius chosen by cross-validation.

    Every fold solves a path of radii, each radius from the solution of the one
    before. The radius with the smallest mean squared error over the folds is taken,
    and the model fitted at it on all the data.

    Read more in the :ref:`User Guide <multitask>`.

    Parameters
    ----------
    radii : int or array-like of shape (n_radii,), default=100
        The radii, or their largest number. A number means a path of penalties in
        equal ratios, from just below the largest useful one, `alpha_max`, where all
        coefficients are zero, down to ``eps * alpha_max``. The radii are the norms of
        the solutions on all the data. The path ends early once the mean error has
        risen by 5 % and no fold has improved at the last five radii.

    eps : float, default=1e-3
        Ratio of the smallest penalty to `alpha_max` where `radii` is a number.

    fit_intercept : bool, default=True
        Whether to fit an intercept, which is not in the ball. If False, the data
        are expected to be centred.

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
        not matter. Radii and errors refer to these targets, the coefficients to `y`:
        as in :class:`L1InfMultiTaskRegressor`, see its Notes.

    positive : bool, default=False
        Whether to force the coefficients to be non-negative.

    max_iter : int, default=10000
        Maximum number of steps at each radius.

    tol : float, default=1e-4
        The largest duality gap, as a multiple of the objective of the best constant
        prediction, which is that of the kept features where there are some.

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
        The radii compared, in increasing order.

    mse_path_ : ndarray of shape (n_radii, n_folds)
        Mean squared error on the test set of each fold, weighted by the sample
        weights, averaged over the (standardised) targets.

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
    4.0
    """

    _parameter_constraints: ClassVar[dict] = {
        **PATH_CONSTRAINTS,
        "fit_intercept": ["boolean"],
        **GROUP_CONSTRAINTS,
        "standardize_targets": ["boolean"],
        **SOLVER_CONSTRAINTS,
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        radii: int | ArrayLike = 100,
        eps: float = 1e-3,
        fit_intercept: bool = True,
        feature_groups: ArrayLike | dict | None = None,
        group_weights: ArrayLike | dict | None = None,
        keep_features: ArrayLike | None = None,
        standardize_targets: bool = True,
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
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.keep_features = keep_features
        self.standardize_targets = standardize_targets
        self.positive = positive
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.cv = cv
        self.n_jobs = n_jobs

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @np.errstate(all="ignore")
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
            sample of positive weight, or groups and kept features contradict each
            other or `X`, or a kept feature is constant.
        """
        _raise_for_params(params, self, "fit")
        data = describe(X, y, sample_weight)
        X_as_given = X
        X, y, sample_weight, features = self._validate(X, y, sample_weight)
        radii = check_radii(self.radii)
        split_params = self._route(sample_weight, params).splitter.split
        folds = list(check_cv(self.cv).split(X, y, **split_params))
        _check_folds(folds, sample_weight, len(y))
        scaled, _ = scale_targets(y, sample_weight, self.standardize_targets)
        loss = open_loss(X, scaled, sample_weight, self.fit_intercept, features.kept)
        features = weighted_features(features, loss)
        validate_data(self, X_as_given, skip_check_array=True)  # names and number
        self._set_groups(features)
        context = self._init_callback_context(max_subtasks=None)
        with Progress(self, context, data).task(self._fitted_model) as progress:
            losses = self._losses_of_folds(loss, folds, len(y))
            search = _Search(
                self, features, X, scaled, sample_weight, folds, losses, progress
            )
            if isinstance(radii, Integral):
                self.radii_, self.mse_path_ = search.walk(loss, radii, self.eps)
            else:
                self.radii_, self.mse_path_ = radii, search.errors(radii)
            best = np.argmin(self.mse_path_.mean(axis=1))
            self.radius_ = float(self.radii_[best])
            self._refit(features, X, y, sample_weight, progress.part("refit"))
        return self

    def _losses_of_folds(self, loss, folds, n_samples):
        """Return the losses of the training sets, None for those to be opened."""
        if self.precompute is False or len(loss.root) < n_samples:
            return [None] * len(folds)
        return losses_of_folds(loss, folds)

    def _refit(self, features, X, y, sample_weight, progress):
        """Fit the model at the chosen radius and take its attributes over."""
        model = L1InfMultiTaskRegressor(
            self.radius_,
            fit_intercept=self.fit_intercept,
            standardize_targets=self.standardize_targets,
            positive=self.positive,
            max_iter=self.max_iter,
            tol=self.tol,
            precompute=self.precompute,
            **as_parameters(features),
        )
        with (
            progress.context.propagate_callback_context(model),
            progress.task(self._fitted_model),
        ):
            model.fit(X, y, sample_weight=sample_weight)
            for name in MODEL_ATTRIBUTES:
                setattr(self, name, getattr(model, name))

    def _fitted_model(self):
        return {name: getattr(self, name) for name in MODEL_ATTRIBUTES}

    def _route(self, sample_weight, params):
        if not get_config()["enable_metadata_routing"]:
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


def _check_folds(folds, sample_weight, n_samples):
    weight = np.ones(n_samples) if sample_weight is None else sample_weight
    if not all(weight[part].any() for fold in folds for part in fold):
        raise ValueError(
            "cv makes a training or test set without a sample of positive weight."
        )


class _Search:
    """The errors of every fold along a path of radii."""

    def __init__(self, model, features, X, y, sample_weight, folds, losses, progress):
        self.model, self.progress, self.folds = model, progress, folds
        self.ball, self.kept = make_ball(features, model.positive), features.kept
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self.losses = losses
        self.coefs = [None] * len(folds)  # at the last radius
        self.parallel = Parallel(n_jobs=model.n_jobs)

    def walk(self, loss, n_radii, eps):
        """Find radii along a path of penalties until errors have risen.

        Returns the radii and the errors, of shape (n_radii, n_folds).
        """
        model = self.model
        solver = Solver(loss, precompute=model.precompute, dtype=self.X.dtype)
        problems = penalties(loss, self.ball, n_radii, eps)
        norms, errors = [], []
        for start in range(0, n_radii, STRETCH):
            stretch = problems[start : start + STRETCH]
            for _ in walk(solver, stretch, model.tol, model.max_iter):
                norms.append(solver.norm)
            radii = increasing(norms)
            errors.extend(self.errors(radii[start:]))
            if _have_risen(np.array(errors)):
                break
        return radii, np.array(errors)

    def errors(self, radii):
        """Return the errors at more radii, (n_radii, n_folds)."""
        part = self.progress.part(
            "radii", max_subtasks=len(self.folds), sequential_subtasks=False
        )
        with part.task():
            results = self.parallel(
                delayed(_fold_errors)(
                    self.X,
                    self.y,
                    self.sample_weight,
                    *fold,
                    [Constraint(self.ball, radius) for radius in radii],
                    self.kept,
                    loss,
                    coef,
                    self.model.get_params(deep=False),
                    part.part("fold", task_id=k),
                )
                for k, (fold, loss, coef) in enumerate(
                    zip(self.folds, self.losses, self.coefs, strict=True)
                )
            )
        errors, self.coefs = zip(*results, strict=True)
        return np.column_stack(errors)


def _have_risen(errors):
    """Tell whether the mean error has risen and no fold has improved of late."""
    mean = errors.mean(axis=1)
    past_all_minima = errors.argmin(axis=0).max() < len(errors) - STRETCH
    return past_all_minima and mean[-1] > (1 + RISE) * mean.min()


@np.errstate(all="ignore")
def _fold_errors(
    X, y, sample_weight, train, test, problems, kept, loss, coef, params, progress
):
    """Return the weighted mean squared errors on `test`, and the last coefficients."""
    with progress.task():
        precompute = params["precompute"] if loss is None else True
        if loss is None:
            weight = None if sample_weight is None else sample_weight[train]
            loss = open_loss(X[train], y[train], weight, params["fit_intercept"], kept)
        solver = Solver(loss, precompute=precompute, dtype=X.dtype)
        X, Y = X[test], y.reshape(len(y), -1)[test]
        weight = None if sample_weight is None else sample_weight[test]
        errors = np.empty(len(problems))
        for k in walk(solver, problems, params["tol"], params["max_iter"], coef):
            features, rows = solver.solution()
            residual = Y - X[:, features] @ rows - loss.intercept(features, rows)
            errors[k] = np.average((residual**2).mean(axis=1), weights=weight)
    return errors, solver.coef()
