"""The choice of the radius by cross-validation."""

from copy import copy
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter, validate_data

from .._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
)
from ..targets import TARGETS
from ._base import Data, L1InfSelectorBase, own_errstate, training_options
from ._callbacks import TrainingProgress
from ._choice import choose, standard_error
from ._folds import Folds, summarise
from ._network_judge import network_judge
from ._path import check_radii, follow
from ._selector import L1InfFeatureSelector, clone_selector


class L1InfFeatureSelectorCV(L1InfSelectorBase):
    """Select features at a radius chosen by cross-validation.

    In every fold one network follows a path of radii, and an estimator is fitted to
    the features selected at each; its scores on the samples left out choose the
    radius. The features are those of the path on all samples.

    Parameters
    ----------
    selector : L1InfFeatureSelector, default=None
        All settings but the radius; it is cloned. None means the defaults.

    estimator : estimator or "self", default=None
        What the features are for: it is fitted to the selected columns of the training
        samples of every fold, as in a pipeline behind the selector. "self" is the
        network that predicts, of :class:`L1InfClassifier`, :class:`L1InfRegressor` or
        :class:`L1InfCoxRegressor`, with the settings of `selector`: it is trained on
        the features that the radius selects, and selects none itself. None means, of
        the standardised columns, :class:`~sklearn.linear_model.LogisticRegression` for
        classes, :class:`~sklearn.linear_model.Ridge` for numbers, and for survival the
        Cox model of scikit-survival with a ridge penalty, whose score is Harrell's C:
        it comes with the extra ``skl1inf[survival]``.

    radii : int or array-like of shape (n_radii,), default=20
        The radii, or how many to take between 0.1 and 5, at equal ratios.

    cv : int, cross-validation generator or iterable, default=None
        The folds, as in :func:`~sklearn.model_selection.check_cv`: None means five,
        stratified for classes, and for survival by event. Repeated ones, as of
        :class:`~sklearn.model_selection.RepeatedStratifiedKFold`, make the choice
        depend less on chance.

    scoring : str or callable, default=None
        The score, as in :func:`~sklearn.metrics.check_scoring`; None means that of
        the estimator.

    error_score : "raise" or float, default=np.nan
        The score in a fold where the estimator or the scorer fails, as in
        :class:`~sklearn.model_selection.GridSearchCV`, or where the score is undefined
        (the area under the curve of a fold with one class). NaN: a radius with such a
        fold cannot be chosen. "raise": the error is raised.

    rule : {"1se", "best"}, default="1se"
        "best" takes the radius of the best mean score. "1se" takes the fewest features
        whose mean score is within one standard error of the best [1]_: the median over
        the radii of the `standard_error` in `cv_results_`.

    n_jobs : int, default=None
        Number of jobs that share the folds. One job trains all folds at once.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights; None leaves that to `selector`.

    verbose : int, default=0
        1 prints a line a path, 2 or more a line every ten passes too.

    Attributes
    ----------
    radius_ : float
        The chosen radius.

    radii_ : ndarray of shape (n_radii,)
        The radii, ascending.

    cv_results_ : dict of ndarray
        A value a radius:

        radius : ndarray of shape (n_radii,)
            The radius.

        n_features : ndarray of shape (n_radii,)
            Mean number of features selected over the folds.

        split(k)_test_score : ndarray of shape (n_radii,)
            The score in the (k)th fold; NaN where no feature was selected,
            `error_score` where it failed.

        mean_test_score, std_test_score : ndarray of shape (n_radii,)
            Mean and standard deviation over the folds.

        standard_error : ndarray of shape (n_radii,)
            Standard error of the mean. Folds that share test samples, as repeated ones
            do, do not count as independent (see Notes).

        split(k)_support, split(k)_ranking : ndarray of shape (n_radii, n_features)
            What was selected in the (k)th fold, and the ranks.

    path_ : :class:`~sklearn.utils.Bunch`
        The path on all samples, as :func:`radius_path` returns it.

    feature_importances_ : ndarray of shape (n_features,)
        The importances at `radius_`, as of :func:`radius_path`: relative weights.

    ranking_ : ndarray of shape (n_features,)
        The ranks at `radius_`, 1 being the best: the 20 most important features (200
        for survival) by elimination, as in :class:`L1InfFeatureSelector`.

    support_ : ndarray of shape (n_features,)
        Mask of the features selected at `radius_`.

    n_features_ : int
        Number of selected features, the kept ones included.

    group_names_, group_ranking_, selected_groups_, group_weights_ : ndarray
        As of :class:`L1InfFeatureSelector`, with `feature_groups` of the selector.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, where they are all strings.

    See Also
    --------
    radius_path : The path alone.
    skl1inf.plotting.RadiusCVDisplay : Draw the scores.

    Notes
    -----
    The features are those of a warm-started path: see :func:`radius_path` for how they
    differ from those of an :class:`L1InfFeatureSelector` of the same radius.

    `sample_weight` goes to the selector, to the estimator, where it (of a pipeline,
    each step) takes weights, and to the scorer; `groups` goes to the splitter. With
    metadata routing enabled, all get what they request, but for the selector, the
    default estimator and its own score, which always get the weights. As in
    scikit-learn, a `scoring` that is a name requests nothing, and refuses weights then:
    pass ``get_scorer(name).set_score_request(sample_weight=True)``, or False. Of
    survival, the default estimator and its score take all positive weights for 1. What
    is said of the default estimator holds for "self" too, but that it takes weights.

    Under ``target="auto"`` of the selector the estimator decides what `y` is: a
    classifier asks for classes, a regressor for numbers. Without one, or with one that
    is neither, the dtype of `y` decides.

    The standard error takes the score of a fold for a mean of independent terms, one a
    test sample. So the scores of folds are correlated as far as they share test
    samples. K disjoint folds have :math:`s K^{-1/2}`, s being the standard deviation
    of the scores with K - 1 degrees of freedom. Repeats of them have about the same:
    they reduce the chance in the assignment, not that in the samples. Random splits
    have the correction of [2]_.

    Before any training, every fold is checked: its training samples must be fit to
    select from, and the score of the estimator on a few columns must be defined.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and
       Regression Trees", 1984, section 3.4.3.
    .. [2] C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine
       Learning 52, 2003, pages 239-281.

    Examples
    --------
    >>> from skl1inf import L1InfFeatureSelectorCV
    >>> from skl1inf.datasets import load_srbct
    >>> X, y = load_srbct(return_X_y=True)
    >>> selector = L1InfFeatureSelectorCV(random_state=0).fit(X, y)
    >>> bool(0.1 <= selector.radius_ <= 5)
    True
    >>> selector.transform(X).shape[1] == selector.n_features_
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "selector": [L1InfFeatureSelector, None],
        "estimator": [HasMethods(["fit"]), StrOptions({"self"}), None],
        "radii": [Interval(Integral, 2, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "error_score": [StrOptions({"raise"}), Real],
        "rule": [StrOptions({"1se", "best"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        selector: L1InfFeatureSelector | None = None,
        *,
        estimator: BaseEstimator | str | None = None,
        radii: int | ArrayLike = 20,
        cv: Any = None,
        scoring: Any = None,
        error_score: float | str = np.nan,
        rule: str = "1se",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.selector = selector
        self.estimator = estimator
        self.radii = radii
        self.cv = cv
        self.scoring = scoring
        self.error_score = error_score
        self.rule = rule
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @own_errstate
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Choose the radius and select the features.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The training data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The target, as in :meth:`L1InfFeatureSelector.fit`. A splitter is given the
            events in its place where it is survival.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, which act as repetitions. None: all 1.

        **params : dict
            `groups`, for the splitter; with metadata routing enabled, whatever the
            estimator, the scorer and the splitter request.

        Returns
        -------
        self : L1InfFeatureSelectorCV
            The fitted selector.

        Raises
        ------
        ValueError
            If the data or the parameters are not what the selector takes, if `target`
            contradicts the estimator, if a fold cannot be trained on, if the score of a
            fold is undefined, or if at every radius there is a fold in which nothing is
            selected.
        """
        selector = clone_selector(self.selector, self.random_state)
        radii = check_radii(self.radii, selector)
        if y is None or selector.target == "unsupervised":
            raise ValueError(
                "L1InfFeatureSelectorCV requires y to be passed, but the target y is "
                "None."
            )
        data = Data.validate(selector, X, y, sample_weight, self.estimator)
        prepared = data.prepare(selector)
        data = data.with_groups(prepared.groups)
        options = training_options(selector, prepared.target, prepared.n_features)
        estimator = self._judge(selector, data.kind, data.matrix.can_be_centred)
        given = None if sample_weight is None else data.sample_weight
        routed = self._route(estimator, given, params)
        strata = data.kind.strata(data.y)
        balanced = data.y if strata is None else strata
        cv = check_cv(self.cv, balanced, classifier=strata is not None)
        splits = cv.split(data.matrix.X, balanced, **routed.splitter.split)
        samples = np.arange(len(data.y))  # turns masks and lists into indices
        folds = Folds(
            data,
            [(samples[train], samples[test]) for train, test in splits],
            selector,
            radii,
            options,
            estimator,
            check_scoring(estimator, self.scoring),
            routed.estimator.fit,
            routed.scorer.score,
            self.error_score,
        )
        folds.check()
        context = self._init_callback_context(max_subtasks=2)
        progress = TrainingProgress(self, context, prepared.described)
        with progress.task():
            (path,) = follow(selector, [prepared], radii, options, progress)
            judged = self._cross_validate(folds, progress)
        self._set_fitted(path, judged, [test for _, test in folds.splits])
        self._set_groups(prepared.groups)
        validate_data(self, X, skip_check_array=True)  # names and number
        path.feature_names = getattr(self, "feature_names_in_", None)
        return self

    def _judge(self, selector, kind=TARGETS["classification"], centre=True):
        """Return the estimator, by default one of standardised columns."""
        if self.estimator == "self":
            return network_judge(selector, kind)
        if self.estimator is not None:
            return self.estimator
        scaler, judge = StandardScaler(with_mean=centre), kind.judge()
        if get_config()["enable_metadata_routing"]:
            for part in (scaler, judge):
                part.set_fit_request(sample_weight=True)
            judge.set_score_request(sample_weight=True)
        return make_pipeline(scaler, judge)

    def _route(self, estimator, sample_weight, params):
        """Return what the splitter, the estimator and the scorer are given."""
        if get_config()["enable_metadata_routing"]:
            return self._route_requests(sample_weight, params)
        unknown = set(params) - {"groups"}
        if unknown:
            raise TypeError(
                f"fit got unexpected arguments {sorted(unknown)}: only `groups` is "
                "passed on without metadata routing."
            )
        score = {} if sample_weight is None else {"sample_weight": sample_weight}
        return Bunch(
            splitter=Bunch(split={"groups": params.get("groups")}),
            estimator=Bunch(fit=_weights_for(estimator, sample_weight)),
            scorer=Bunch(score=score),
        )

    def _route_requests(self, sample_weight, params):
        """Return what the parts request, under metadata routing."""
        # Weights that have come here are taken, whatever `self` requests of others.
        asks = copy(self).set_fit_request(sample_weight=True)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        routed = process_routing(asks, "fit", **weights, **params)
        hidden = Bunch(fit=weights, score=weights)  # the estimator that is not given
        return Bunch(
            splitter=routed["splitter"],
            estimator=hidden if self._judges_by_default() else routed["estimator"],
            scorer=hidden if self._scores_by_default() else routed["scorer"],
        )

    def _judges_by_default(self):
        """Tell whether the estimator is not one that was given."""
        return self.estimator is None or self.estimator == "self"

    def _scores_by_default(self):
        """Tell whether the score is that of an estimator that was not given."""
        return self._judges_by_default() and self.scoring is None

    def _cross_validate(self, folds, progress):
        """Return the path and the scores of every fold."""
        n_folds = len(folds.splits)
        n_tasks = min(n_folds, effective_n_jobs(self.n_jobs))
        tasks = np.array_split(np.arange(n_folds), n_tasks)
        parallel = Parallel(n_jobs=n_tasks, return_as="generator")
        results = parallel(delayed(folds.run)(task) for task in tasks)
        return [
            fold for task in progress.each("folds", results, n_tasks) for fold in task
        ]

    def _set_fitted(self, path, folds, tests):
        paths, scores, results = zip(*folds, strict=True)
        fits = [result for of_fold in results for result in of_fold]
        mean, std = summarise(paths, scores, fits, self.error_score)
        errors = standard_error(std, tests)
        n_features = np.mean([fold.n_features for fold in paths], axis=0)
        index = choose(mean, errors, n_features, self.rule)
        self.path_, self.radii_, self.radius_ = path, path.radii, path.radii[index]
        self.cv_results_ = {
            "radius": path.radii,
            "n_features": n_features,
            **{f"split{k}_test_score": score for k, score in enumerate(scores)},
            "mean_test_score": mean,
            "std_test_score": std,
            "standard_error": errors,
            **{f"split{k}_support": fold.support for k, fold in enumerate(paths)},
            **{f"split{k}_ranking": fold.rankings for k, fold in enumerate(paths)},
        }
        self.feature_importances_ = path.importances[index]
        self.ranking_, self.support_ = path.rankings[index], path.support[index]
        self.n_features_ = int(path.n_features[index])

    def get_metadata_routing(self):
        """Get metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            What the estimator, the splitter and the scorer are given.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        parts = {"splitter": (check_cv(self.cv), "split")}
        # Nobody can set the requests of an own estimator: it gets all weights.
        if not self._judges_by_default():
            parts["estimator"] = self.estimator, "fit"
        if not self._scores_by_default():
            judge = self._judge(self.selector or L1InfFeatureSelector())
            parts["scorer"] = check_scoring(judge, self.scoring), "score"
        for name, (callee, method) in parts.items():
            mapping = MethodMapping().add(caller="fit", callee=method)
            router.add(**{name: callee}, method_mapping=mapping)
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def _weights_for(estimator, sample_weight):
    """Return the weights as the parameters of fit that take them."""
    if sample_weight is None:
        return {}
    if isinstance(estimator, Pipeline):
        return {
            f"{name}__sample_weight": sample_weight
            for name, step in estimator.steps
            if has_fit_parameter(step, "sample_weight")
        }
    takes = has_fit_parameter(estimator, "sample_weight")
    return {"sample_weight": sample_weight} if takes else {}
