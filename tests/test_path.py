"""The path of radii and the choice among them by cross-validation."""

from copy import copy

import distributed
import numpy as np
import pandas as pd
import pytest
import sklearn
from callbacks import Recorder
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from reference_elimination import elimination_with_sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import (
    FitFailedWarning,
    UndefinedMetricWarning,
    UnsetMetadataPassedError,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
)
from sklearn.metrics import get_scorer, make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)
from skl1inf.datasets import make_expression
from skl1inf.estimators._choice import choose, standard_error
from skl1inf.estimators._elimination import N_ORDERED
from skl1inf.estimators._folds import summarise

RADII = [0.2, 0.6, 2.0]


@pytest.fixture(scope="module")
def classes():
    """Three classes, the first five of 150 features informative."""
    X, y = make_classification(
        n_samples=120,
        n_features=150,
        n_informative=5,
        n_redundant=0,
        n_classes=3,
        n_clusters_per_class=1,
        class_sep=2.0,
        shuffle=False,
        random_state=0,
    )
    return X, np.array(["a", "b", "c"])[y]


def quick(**params):
    defaults = {"max_iter": 40, "random_state": 0}
    return L1InfFeatureSelector(**{**defaults, **params})


def quick_cv(**params):
    defaults = {"selector": quick(), "radii": RADII, "cv": 3}
    return L1InfFeatureSelectorCV(**{**defaults, **params})


def test_path_says_what_each_radius_selects(classes):
    X, y = classes
    frame = pd.DataFrame(X).add_prefix("gene ")
    path = radius_path(frame, y, radii=RADII[::-1], selector=quick())
    np.testing.assert_array_equal(path.radii, RADII)
    assert path.weights.shape == path.importances.shape == path.support.shape
    np.testing.assert_array_equal(path.feature_names, frame.columns)
    np.testing.assert_array_equal(path.n_features, path.support.sum(axis=1))
    # The weights are relative to the radius, and their sum is in the ball.
    assert (path.weights.sum(axis=1) <= 1 + 1e-6).all()
    assert (path.n_features[:-1] <= path.n_features[1:]).all()
    for support, ranking in zip(path.support, path.rankings, strict=True):
        np.testing.assert_array_equal(np.sort(ranking), np.arange(1, 151))
        np.testing.assert_array_equal(support, ranking <= support.sum())
    assert set(np.argsort(path.rankings[-1])[:3]) <= set(range(5))
    for feature, entry in enumerate(path.entry_radii):
        selected = path.radii[path.support[:, feature]]
        assert entry == (selected.min() if len(selected) else np.inf)


def test_the_best_features_are_in_order_of_elimination(classes):
    """The 20 most important features of every radius, fewer if no more ever lived."""
    X, y = classes
    path = radius_path(X, y, radii=RADII, selector=quick())
    T = np.eye(3)[np.unique(y, return_inverse=True)[1]]
    numbers = [min(N_ORDERED, n) for n in (path.importances > 0).sum(axis=1)]
    assert numbers[0] < N_ORDERED == numbers[-1]
    for n_best, importances, ranking in zip(
        numbers, path.importances, path.rankings, strict=True
    ):
        best, others = np.flatnonzero(ranking <= n_best), importances[ranking > n_best]
        assert importances[best].min() >= others.max()
        expected = best[elimination_with_sklearn(X[:, best], T, np.ones(len(y)))]
        np.testing.assert_array_equal(np.argsort(ranking)[:n_best], expected)


def test_loss_falls_with_the_radius(classes):
    path = radius_path(*classes, radii=5, random_state=0)
    assert (np.diff(path.losses) < 0).all()
    assert (path.optimality < 0.5).all()


@pytest.mark.parametrize("target", ["classification", "regression", "unsupervised"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_path_of_every_kind(target, container):
    rng = np.random.default_rng(0)
    X = rng.poisson(1.0, size=(60, 30)).astype(float)
    y = {
        "classification": rng.integers(0, 2, 60),
        "regression": rng.normal(size=(60, 2)),
        "unsupervised": None,
    }[target]
    path = radius_path(container(X), y, radii=RADII, selector=quick(max_features=4))
    assert path.support.any(axis=1).all()
    assert (path.n_features <= 4).all()


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"radii": 1}, ValueError, "radii == 1, must be >= 2"),
        ({"radii": [1.0, -2.0]}, ValueError, "radii must be positive"),
        ({"radii": [1.0, 1e-300]}, ValueError, "radii has 1e-300, too small"),
        ({"radii": [1.0, np.nan]}, ValueError, "radii contains NaN"),
        ({"selector": SVC()}, TypeError, "selector must be an L1InfFeatureSelector"),
        ({"selector": quick(max_features=151)}, ValueError, "max_features=151"),
        ({"selector": quick(max_iter=0)}, ValueError, "'max_iter' parameter"),
    ],
)
def test_path_refuses_bad_parameters(classes, params, error, message):
    with pytest.raises(error, match=message):
        radius_path(*classes, **params)


def test_one_standard_error_takes_the_fewest_features():
    mean = np.array([0.5, 0.84, 0.9, 0.86, 0.7])
    n_features = np.array([1, 5, 20, 3, 50])
    errors = np.array([0.2, 0.05, 0.0, 0.03, 0.05])
    assert choose(mean, errors, n_features, "best") == 2
    assert choose(mean, errors, n_features, "1se") == 3
    assert choose(np.full(5, 0.5), 0 * errors, n_features, "best") == 0
    mean[2] = errors[2] = np.nan
    assert choose(mean, errors, n_features, "best") == 3


def partitions(rng, n_samples, n_folds, n_repeats):
    """Return the test samples of every fold, each sample once a repeat."""
    return [
        test
        for _ in range(n_repeats)
        for test in np.array_split(rng.permutation(n_samples), n_folds)
    ]


@given(
    n_folds=st.integers(2, 6),
    size=st.integers(1, 5),
    n_repeats=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_folds_that_are_repeated_as_they_are_tell_nothing_new(
    n_folds, size, n_repeats, seed
):
    """Disjoint folds have the usual standard error, however often they are counted."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=n_folds)
    tests = partitions(rng, n_folds * size, n_folds, 1)
    error = standard_error(np.tile(scores, n_repeats).std(), n_repeats * tests)
    assert error == pytest.approx(scores.std(ddof=1) / np.sqrt(n_folds))


@pytest.mark.parametrize("tests", [[np.arange(5)], 3 * [np.arange(5)]])
def test_one_set_of_test_samples_tells_no_standard_error(tests):
    np.testing.assert_array_equal(standard_error(np.array([0.1, 0.2]), tests), 0)


def independent_scores(rng, tests, n_samples):
    """Return the scores of the folds where every sample has a score of its own."""
    of_samples = rng.normal(size=n_samples)
    return np.array([of_samples[test].mean() for test in tests])


@pytest.mark.parametrize("n_folds", [3, 5, 10])
def test_standard_error_of_repeated_folds(n_folds):
    """The mean over any repeats is that of 50 scores: its variance is 1 / 50."""
    rng = np.random.default_rng(0)
    squared, naive = [], []
    for _ in range(1000):
        tests = partitions(rng, 50, n_folds, 4)
        scores = independent_scores(rng, tests, 50)
        squared.append(standard_error(scores.std(), tests) ** 2)
        naive.append(scores.var(ddof=1) / len(scores))
    assert np.mean(squared) == pytest.approx(1 / 50, rel=0.07)
    assert np.mean(naive) < 0.3 / 50


def test_standard_error_of_random_splits():
    """It is the corrected one of Nadeau and Bengio, and the simulated one."""
    rng = np.random.default_rng(0)
    squared, corrected, means = [], [], []
    for _ in range(2000):
        tests = [rng.permutation(50)[:10] for _ in range(8)]
        scores = independent_scores(rng, tests, 50)
        squared.append(standard_error(scores.std(), tests) ** 2)
        corrected.append((1 / 8 + 10 / 40) * scores.var(ddof=1))
        means.append(scores.mean())
    assert np.mean(squared) == pytest.approx(np.mean(corrected), rel=0.05)
    assert np.mean(squared) == pytest.approx(np.var(means), rel=0.1)


def chosen(truth, rule, rng, noise=0.05):
    """Return the choice from five folds of 100 curves: the truth and noise."""
    tests = partitions(rng, 50, 5, 1)
    for _ in range(100):
        scores = truth + noise * rng.normal(size=(5, len(truth)))
        errors = standard_error(scores.std(axis=0), tests)
        yield choose(scores.mean(axis=0), errors, np.arange(len(truth)), rule)


def test_rules_on_curves_of_known_truth():
    """A step is found by both; on a plateau "1se" takes the beginning of it.

    The plateau has 8 radii, from 12 on. The best of 8 normal means lies 1.42 standard
    errors above the truth, so each passes "1se" with the probability P(z > .42) = .34:
    the first to pass is about 1.9 after the beginning, the best 3.5.
    """
    rng = np.random.default_rng(0)
    step = np.where(np.arange(20) < 12, 0.5, 0.9)
    for rule in ("best", "1se"):
        assert min(chosen(step, rule, rng)) == 12
    first, best = (list(chosen(step, rule, rng)) for rule in ("1se", "best"))
    assert np.mean(first) < 14.7 < np.mean(best)
    # No more than the slack and the chance of the mean is given away on a slope.
    slope = np.linspace(0.5, 0.9, 20)
    lost = 0.9 - slope[list(chosen(slope, "1se", rng))]
    assert np.mean(lost) < 2 * 0.05 / np.sqrt(5)


def test_a_perfect_score_by_chance_does_not_decide():
    """All five folds right at one radius has no error, but for chance."""
    scores = np.full((5, 6), 0.9) + 0.05 * np.array([[-2], [-1], [0], [1], [2]])
    scores[:, 0], scores[:, 4] = scores[:, 0] - 0.3, 0.92
    errors = standard_error(scores.std(axis=0), np.arange(50).reshape(5, 10))
    assert errors[4] < 1e-9 < errors[1]
    assert choose(scores.mean(axis=0), errors, np.arange(6), "1se") == 1


def test_scores_are_those_of_the_estimator_on_the_selected_columns(classes):
    """Every figure of cv_results_ is recomputed from the supports of its fold."""
    X, y = classes
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    svc = SVC()
    model = quick_cv(estimator=svc, cv=folds, scoring="f1_macro").fit(X, y)
    results = model.cv_results_
    np.testing.assert_array_equal(results["radius"], RADII)
    for k, (train, test) in enumerate(folds):
        for i, support in enumerate(results[f"split{k}_support"]):
            expected = cross_val_score(
                svc, X[:, support], y, cv=[(train, test)], scoring="f1_macro"
            )
            assert results[f"split{k}_test_score"][i] == expected[0]
    scores = np.array([results[f"split{k}_test_score"] for k in range(3)])
    np.testing.assert_allclose(results["mean_test_score"], scores.mean(axis=0))
    np.testing.assert_allclose(results["std_test_score"], scores.std(axis=0))
    sizes = [results[f"split{k}_support"].sum(axis=1) for k in range(3)]
    np.testing.assert_allclose(results["n_features"], np.mean(sizes, axis=0))


def test_support_is_that_of_the_path_at_the_chosen_radius(classes):
    X, y = classes
    model = quick_cv().fit(X, y)
    path = radius_path(X, y, radii=RADII, selector=quick())
    index = RADII.index(model.radius_)
    np.testing.assert_array_equal(model.support_, path.support[index])
    np.testing.assert_array_equal(model.ranking_, path.rankings[index])
    np.testing.assert_array_equal(model.transform(X), X[:, model.support_])
    assert model.n_features_ == model.support_.sum()


def test_folds_see_nothing_of_the_samples_left_out(classes):
    """Other values in the test samples change no support of their fold."""
    X, y = classes
    train, test = np.arange(80), np.arange(80, 120)
    a = quick_cv(cv=[(train, test)]).fit(X, y)
    Z = X.copy()
    Z[test] = 100 * np.random.default_rng(0).normal(size=(40, 150))
    b = quick_cv(cv=[(train, test)]).fit(Z, y)
    np.testing.assert_array_equal(
        a.cv_results_["split0_support"], b.cv_results_["split0_support"]
    )


def test_best_is_at_least_as_good_as_one_standard_error(classes):
    best, one_se = (quick_cv(rule=rule).fit(*classes) for rule in ("best", "1se"))
    results = best.cv_results_
    i = int(np.argmax(results["mean_test_score"]))
    # Three folds of one size: the standard deviation with two degrees of freedom.
    errors = results["std_test_score"] / np.sqrt(2)
    np.testing.assert_allclose(results["standard_error"], errors)
    limit = results["mean_test_score"][i] - np.median(errors)
    j = RADII.index(one_se.radius_)
    assert results["mean_test_score"][j] >= limit
    assert results["n_features"][j] <= results["n_features"][i]
    assert results["mean_test_score"][RADII.index(best.radius_)] == max(
        results["mean_test_score"]
    )


@pytest.mark.parametrize("n_jobs", [2, 3])
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_jobs_change_nothing(classes, n_jobs, backend):
    a = quick_cv().fit(*classes)
    with parallel_config(backend=backend):
        b = quick_cv(n_jobs=n_jobs).fit(*classes)
    np.testing.assert_array_equal(a.support_, b.support_)
    np.testing.assert_allclose(
        a.cv_results_["mean_test_score"], b.cv_results_["mean_test_score"], atol=0.03
    )


def test_jobs_change_nothing_where_working_sets_are_small():
    """Folds that are trained together have working sets of their own sizes."""
    X, y, _ = make_expression(120, 1500, n_informative=30, random_state=1)
    a, b = (
        L1InfFeatureSelectorCV(cv=3, n_jobs=n_jobs, random_state=0).fit(X, y)
        for n_jobs in (1, 3)
    )
    np.testing.assert_array_equal(a.ranking_, b.ranking_)
    for key in ("mean_test_score", "n_features"):
        np.testing.assert_array_equal(a.cv_results_[key], b.cv_results_[key])


def test_dask_cluster(classes):
    a = quick_cv().fit(*classes)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask"),
    ):
        b = quick_cv(n_jobs=2).fit(*classes)
    np.testing.assert_array_equal(a.support_, b.support_)


def test_repeated_folds(classes):
    """Every sample is tested twice, and counts once in the standard error."""
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    results = quick_cv(cv=cv).fit(*classes).cv_results_
    scores = np.array([results[f"split{k}_test_score"] for k in range(6)])
    np.testing.assert_allclose(results["mean_test_score"], scores.mean(axis=0))
    np.testing.assert_allclose(
        results["standard_error"], scores.std(axis=0) / np.sqrt(3 - 1)
    )


def test_groups_go_to_the_splitter(classes):
    X, y = classes
    groups = np.arange(120) % 4
    model = quick_cv(cv=GroupKFold(4)).fit(X, y, groups=groups)
    assert "split3_test_score" in model.cv_results_
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        quick_cv(cv=GroupKFold(4)).fit(X, y)
    with pytest.raises(TypeError, match="unexpected arguments"):
        quick_cv().fit(X, y, colour=groups)


class RecordingClassifier(LogisticRegression):
    """Keeps the weights that it is given."""

    seen: list = []  # noqa: RUF012

    def fit(self, X, y, sample_weight=None):
        self.seen.append(sample_weight)
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_weights_go_to_the_estimator_and_the_scorer(classes, in_pipeline):
    X, y = classes
    weight = np.random.default_rng(0).uniform(0.5, 2, 120)
    judge = RecordingClassifier()
    RecordingClassifier.seen.clear()
    estimator = make_pipeline(StandardScaler(), judge) if in_pipeline else judge
    model = quick_cv(estimator=estimator, cv=[(np.arange(80), np.arange(80, 120))])
    model.fit(X, y, sample_weight=weight)
    assert RecordingClassifier.seen
    for seen in RecordingClassifier.seen:
        np.testing.assert_array_equal(seen, weight[:80])
    support = model.cv_results_["split0_support"][0]
    fitted = clone(estimator)
    names = ["standardscaler", "recordingclassifier"] if in_pipeline else []
    given = {f"{name}__sample_weight": weight[:80] for name in names}
    given = given or {"sample_weight": weight[:80]}
    fitted.fit(X[:80][:, support], y[:80], **given)
    score = fitted.score(X[80:][:, support], y[80:], sample_weight=weight[80:])
    assert model.cv_results_["split0_test_score"][0] == pytest.approx(score)


def test_metadata_routing(classes):
    X, y = classes
    weight = np.random.default_rng(0).uniform(0.5, 2, 120)
    with sklearn.config_context(enable_metadata_routing=True):
        judge = RecordingClassifier().set_fit_request(sample_weight=False)
        scorer = make_scorer(
            lambda y, p, sample_weight=None: float(sample_weight is not None)
        ).set_score_request(sample_weight=True)
        RecordingClassifier.seen.clear()
        model = quick_cv(estimator=judge, scoring=scorer, cv=GroupKFold(3))
        model.fit(X, y, sample_weight=weight, groups=np.arange(120) % 3)
    assert RecordingClassifier.seen
    assert all(seen is None for seen in RecordingClassifier.seen)
    assert (model.cv_results_["mean_test_score"] == 1).all()


WEIGHT = np.random.default_rng(0).uniform(0.5, 2, 120)


@pytest.mark.parametrize("request_of_fit", [None, False, True])
@pytest.mark.parametrize("y", ["classes", "numbers"])
def test_routing_gives_weights_to_the_default_estimator(classes, request_of_fit, y):
    """Nobody can set the requests of a part that nobody can reach."""
    X, labels = classes
    y = labels if y == "classes" else X[:, 0] + X[:, 1]
    plain = quick_cv(cv=KFold(2)).fit(X, y, sample_weight=WEIGHT)
    without = quick_cv(cv=KFold(2)).fit(X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        model = quick_cv(cv=KFold(2)).set_fit_request(sample_weight=request_of_fit)
        model.fit(X, y, sample_weight=WEIGHT)
    for routed_scores, scores, other in zip(
        *(
            [m.cv_results_[f"split{k}_test_score"] for k in range(2)]
            for m in (model, plain, without)
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(routed_scores, scores)
        assert (routed_scores != other).any()
    np.testing.assert_array_equal(model.ranking_, plain.ranking_)


def test_routing_through_a_pipeline_reaches_the_default_estimator(classes):
    X, y = classes
    train, test = np.flatnonzero(np.arange(120) % 3), np.arange(0, 120, 3)
    with sklearn.config_context(enable_metadata_routing=True):
        judge = LogisticRegression().set_fit_request(sample_weight=True)
        judge.set_score_request(sample_weight=True)

        def selected(wanted):
            model = quick_cv(cv=2).set_fit_request(sample_weight=wanted)
            result = cross_validate(
                make_pipeline(model, judge),
                X,
                y,
                params={"sample_weight": WEIGHT},
                cv=[(train, test)],
                return_estimator=True,
            )
            return result["estimator"][0][0].cv_results_

        asked, refused = selected(True), selected(False)
    weighted = quick_cv(cv=2).fit(X[train], y[train], sample_weight=WEIGHT[train])
    unweighted = quick_cv(cv=2).fit(X[train], y[train])
    for routed, plain in ((asked, weighted), (refused, unweighted)):
        np.testing.assert_array_equal(
            routed["mean_test_score"], plain.cv_results_["mean_test_score"]
        )


def test_routing_leaves_a_named_score_to_its_request(classes):
    """As in scikit-learn's own cross-validated estimators."""
    X, y = classes
    theirs = LogisticRegressionCV(
        scoring="accuracy", use_legacy_attributes=False, l1_ratios=(0.0,)
    )
    with sklearn.config_context(enable_metadata_routing=True):
        for model in (quick_cv(scoring="accuracy"), theirs):
            with pytest.raises(UnsetMetadataPassedError, match=r"\.set_score_request"):
                model.fit(X, y, sample_weight=WEIGHT)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        model = quick_cv(scoring=scorer).fit(X, y, sample_weight=WEIGHT)
    plain = quick_cv(scoring="accuracy").fit(X, y, sample_weight=WEIGHT)
    np.testing.assert_array_equal(
        model.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_routing_leaves_the_path_and_the_halves_as_they_are(classes):
    X, y = classes
    plain = radius_path(X, y, radii=RADII, selector=quick(), sample_weight=WEIGHT)
    halves = L1InfStabilitySelector(quick(), n_pairs=1, random_state=0)
    ranking = clone(halves).fit(X, y).ranking_
    with sklearn.config_context(enable_metadata_routing=True):
        path = radius_path(X, y, radii=RADII, selector=quick(), sample_weight=WEIGHT)
        np.testing.assert_array_equal(halves.fit(X, y).ranking_, ranking)
    np.testing.assert_array_equal(path.importances, plain.importances)


# Folds that are of no use, and scores that are undefined

SORTED = np.repeat([0, 1], 60)


@pytest.fixture
def untrained(monkeypatch):
    """No training may begin."""
    from skl1inf import network

    monkeypatch.setattr(network, "trace", pytest.fail)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        (lambda X, y: (X, SORTED), {"cv": KFold(2)}, "Fold 0, of .* only one class, 1"),
        (
            lambda X, y: (X, np.eye(120)[3]),
            {"cv": KFold(3), "selector": quick(target="regression")},
            "Fold 0, of .* y is constant",
        ),
        (
            lambda X, y: (X * (np.arange(120) < 40)[:, None], y),
            {"cv": KFold(3)},
            "Fold 0, of .* All columns of X are constant",
        ),
        (
            lambda X, y: (X, y),
            {"cv": [(np.arange(9, 99), [3]), ([2], np.arange(9))]},
            "Fold 1, of .* at least two samples",
        ),
        (
            lambda X, y: (X, y),
            {"cv": [(np.arange(99), []), (np.arange(99), [99])]},
            "Fold 0, of .* no test samples",
        ),
    ],
)
def test_folds_that_cannot_be_trained_on_are_named_before(
    classes, change, params, message
):
    with pytest.raises(ValueError, match=message):
        quick_cv(**params).fit(*change(*classes))


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_an_undefined_score_is_told_with_its_fold_and_reason(classes, error_score):
    X = classes[0]
    y = np.arange(120) % 2
    one_class = [
        (np.arange(60), np.arange(60, 90)),
        (np.arange(40), np.arange(41, 90, 2)),
    ]
    with pytest.raises(ValueError, match=r"in fold 1 of .*Only one class is present"):
        quick_cv(cv=one_class, scoring="roc_auc", error_score=error_score).fit(X, y)
    with pytest.raises(ValueError, match=r"in fold 0, 1, 2, .*R\^2 .* two samples"):
        quick_cv(cv=LeaveOneOut(), error_score=error_score).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"R\^2"):  # no number stands in for all scores
        quick_cv(cv=LeaveOneOut(), error_score=0.0).fit(X, X[:, 0])


def test_a_number_stands_in_for_an_undefined_score(classes):
    X, y = classes[0], np.arange(120) % 2
    X = X + 3 * y[:, None] * (np.arange(150) < 3)
    folds = [(np.arange(60), np.arange(60, 90)), (np.arange(40), np.arange(41, 90, 2))]
    model = quick_cv(cv=folds, scoring="roc_auc", error_score=0.5)
    with pytest.warns(UndefinedMetricWarning, match="Only one class"):
        results = model.fit(X, y).cv_results_
    np.testing.assert_array_equal(results["split1_test_score"], 0.5)
    np.testing.assert_allclose(
        results["mean_test_score"], (results["split0_test_score"] + 0.5) / 2
    )


class Fussy(SVC):
    """Refuses samples of which the first begins with a negative number."""

    def fit(self, X, y):
        if X[0, 0] < 0:
            raise ArithmeticError("the first entry is negative")
        return super().fit(X, y)


def fussy_data(classes, n_negative):
    """The first training sample of so many of three folds starts with a minus."""
    X, y = np.abs(classes[0]) + 0.1, classes[1]
    folds = [
        (np.r_[k, np.delete(np.arange(3, 90), [k])], np.arange(90, 120))
        for k in range(3)
    ]
    X[:n_negative] *= -1
    return X, y, folds


@pytest.mark.usefixtures("untrained")
def test_an_estimator_that_fails_in_a_fold_is_told_before(classes):
    X, y, folds = fussy_data(classes, 1)
    model = quick_cv(estimator=Fussy(), cv=folds)
    with pytest.raises(ValueError, match=r"in fold 0 of .*the first entry is negative"):
        model.fit(X, y)
    with pytest.raises(ArithmeticError, match="the first entry is negative"):
        model.set_params(error_score="raise").fit(X, y)
    X, y, folds = fussy_data(classes, 3)
    with pytest.raises(
        ValueError, match=r"All the 3 fits failed(.|\n)*ArithmeticError"
    ):
        quick_cv(estimator=Fussy(), cv=folds, error_score=0.0).fit(X, y)


def test_error_score_stands_in_for_a_failed_fit(classes):
    X, y, folds = fussy_data(classes, 1)
    model = quick_cv(estimator=Fussy(), cv=folds, error_score=-1.0)
    with pytest.warns(FitFailedWarning, match="the first entry is negative"):
        results = model.fit(X, y).cv_results_
    np.testing.assert_array_equal(results["split0_test_score"], -1.0)
    assert (results["split1_test_score"] >= 0).all()


def test_a_score_that_depends_on_what_is_selected_is_no_reason_to_refuse(classes):
    """On the first columns alone it is undefined, and at a radius or two."""
    X, y = np.roll(classes[0], 20, axis=1), classes[1]

    def first_is_known(estimator, X, y):
        return estimator.score(X, y) if X.shape[1] > 5 else np.nan

    model = quick_cv(scoring=first_is_known, rule="best", radii=[0.01, 0.6, 2.0])
    with pytest.warns(UserWarning, match="The score is NaN at some of the 3 radii"):
        model.fit(X, y)
    assert np.isnan(model.cv_results_["mean_test_score"][0])
    assert model.radius_ > 0.01


def test_nothing_selected_keeps_its_own_message():
    paths = [Bunch(n_features=np.array([0, 3])), Bunch(n_features=np.array([2, 0]))]
    scores = np.where([path.n_features == 0 for path in paths], np.nan, 1.0)
    with pytest.raises(ValueError, match="in which nothing is selected"):
        summarise(paths, scores, [], np.nan)


@pytest.mark.parametrize("error_score", ["no", None])
def test_error_score_is_validated(classes, error_score):
    with pytest.raises(ValueError, match="'error_score'"):
        quick_cv(error_score=error_score).fit(*classes)


def test_folds_may_be_masks(classes):
    train = np.arange(120) < 80
    a = quick_cv(cv=[(train, ~train)]).fit(*classes)
    b = quick_cv(cv=[(np.arange(80), np.arange(80, 120))]).fit(*classes)
    np.testing.assert_array_equal(
        a.cv_results_["mean_test_score"], b.cv_results_["mean_test_score"]
    )


def test_a_refused_fit_leaves_the_earlier_one(classes):
    X, y = classes
    model = quick_cv().fit(X, y)
    for params, target in (
        ({"cv": KFold(2)}, SORTED),
        ({"cv": LeaveOneOut(), "scoring": "roc_auc"}, np.arange(120) % 2),
        ({"estimator": LinearRegression()}, y),
        ({"estimator": Fussy(C=-1)}, y),
    ):
        refusing = copy(model).set_params(**params)
        before = dict(vars(refusing))
        with pytest.raises(ValueError):  # noqa: PT011
            refusing.fit(X, target)
        assert vars(refusing) == before


def test_numbers_are_judged_by_their_own_score():
    X, y = make_regression(
        n_samples=120,
        n_features=40,
        n_informative=3,
        noise=1.0,
        shuffle=False,
        random_state=0,
    )
    model = quick_cv(cv=KFold(3), rule="best").fit(X, y)
    assert max(model.cv_results_["mean_test_score"]) > 0.9
    assert model.support_[:3].all()
    model = quick_cv(estimator=LinearRegression(), scoring=make_scorer(r2_score))
    assert max(model.fit(X, y).cv_results_["mean_test_score"]) > 0.9


def test_in_a_pipeline_and_a_grid(classes):
    X, y = classes
    frame = pd.DataFrame(X).add_prefix("gene ")
    pipeline = make_pipeline(quick_cv().set_output(transform="pandas"), SVC())
    grid = GridSearchCV(
        pipeline, {"l1inffeatureselectorcv__rule": ["best", "1se"]}, cv=2
    )
    grid.fit(frame, y)
    selector = grid.best_estimator_[0]
    names = frame.columns[selector.support_]
    np.testing.assert_array_equal(selector.transform(frame).columns, names)
    np.testing.assert_array_equal(selector.path_.feature_names, frame.columns)


def test_any_estimator_and_sparse_data(classes):
    X, y = classes
    forest = RandomForestClassifier(5, random_state=0)
    model = quick_cv(estimator=forest).fit(sparse.csr_array(np.abs(X)), y)
    assert model.n_features_ >= 1
    assert not hasattr(forest, "classes_")


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({}, None, "requires y to be passed"),
        ({"selector": quick(target="unsupervised")}, 0, "requires y to be passed"),
        ({"radii": [0.0, 1.0]}, 0, "radii must be positive"),
        ({"selector": quick(n_features_to_select=3)}, 0, "n_features_to_select=3"),
        ({"scoring": "no such"}, 0, "scoring"),
        ({"selector": SVC()}, 0, "selector"),
        ({"rule": "2se"}, 0, "rule"),
        ({"cv": 1000}, 0, "n_splits=1000"),
    ],
)
def test_refuses_bad_parameters_before_any_training(
    classes, params, y, message, monkeypatch
):
    from skl1inf import network

    monkeypatch.setattr(network, "trace", pytest.fail)
    with pytest.raises(ValueError, match=message):
        quick_cv(**params).fit(classes[0], classes[1] if y == 0 else None)


def test_an_interrupted_fit_leaves_the_earlier_one(classes, monkeypatch):
    from skl1inf.estimators import _selector_cv

    model = quick_cv().fit(*classes)
    before = dict(vars(model))

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(_selector_cv.Folds, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(radii=[1.0, 3.0]).fit(*classes)
    after = {name: vars(model)[name] for name in before if name.endswith("_")}
    assert all(after[name] is before[name] for name in after)


def test_callbacks_are_told_of_the_path_and_the_folds(classes):
    recorder = Recorder()
    quick_cv().set_callbacks(recorder).fit(*classes)
    assert {"fit", "path", "pass", "folds", "task"} <= set(recorder.begun)
    assert sorted(recorder.begun) == sorted(recorder.ended)


def test_a_callback_cannot_end_a_path(classes):
    """A path that ended early would miss its smallest radii."""
    plain = radius_path(*classes, radii=RADII, selector=quick())
    recorder = Recorder(stop_after=3)
    selector = quick().set_callbacks(recorder)
    told = radius_path(*classes, radii=RADII, selector=selector)
    assert {"fit", "path", "pass"} <= set(recorder.begun)
    np.testing.assert_array_equal(told.importances, plain.importances)


def test_a_single_pass_makes_a_path(classes):
    path = radius_path(*classes, radii=RADII, selector=quick(max_iter=1))
    assert path.support.shape == (3, 150)
    assert (path.weights.sum(axis=1) <= 1 + 1e-6).all()
