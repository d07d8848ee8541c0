"""The choice of the radius by the network itself: ``estimator="self"``."""

import pickle
import warnings

import cvxpy as cp
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from skl1inf import (
    L1InfClassifier,
    L1InfCoxRegressor,
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfRegressor,
)
from skl1inf.estimators._network_judge import network_judge
from skl1inf.targets import TARGETS

KINDS = {
    "classification": L1InfClassifier,
    "regression": L1InfRegressor,
    "survival": L1InfCoxRegressor,
}
TRAIN, TEST = np.arange(80), np.arange(80, 120)
EVEN = np.arange(120) % 2 == 0
HALVES = [
    (np.flatnonzero(EVEN), np.flatnonzero(~EVEN)),
    (np.flatnonzero(~EVEN), np.flatnonzero(EVEN)),
]


@pytest.fixture(scope="module")
def data():
    """Return X, of which the first two columns matter, and a y of each kind."""
    rng = np.random.default_rng(0)
    X = 3 * rng.standard_normal((120, 60)) + 5
    signal = (X[:, 0] + X[:, 1] - 10) / 3
    time, end = rng.exponential(np.exp(-signal)), rng.exponential(2.0, 120)
    times = np.rec.fromarrays(
        [time <= end, np.minimum(time, end) + 0.01], names="event,time"
    )
    return X, {
        "classification": np.array(["a", "b", "c"])[np.digitize(signal, [-0.7, 0.7])],
        "regression": 100 + 20 * signal + rng.standard_normal(120),
        "survival": times,
    }


def search(selector=None, **params):
    defaults = {"radii": [0.2, 1.0], "cv": HALVES, "estimator": "self"}
    if selector is None:
        selector = L1InfFeatureSelector(random_state=0)
    return L1InfFeatureSelectorCV(selector, **{**defaults, **params})


@pytest.mark.parametrize("kind", ["regression", "survival"])
def test_the_score_at_a_radius_is_that_of_the_predictor(kind, data):
    """On one radius, a path of numbers or times selects as a fit does."""
    X, targets = data
    y, settings = targets[kind], {"max_iter": 50, "random_state": 0}
    model = search(
        L1InfFeatureSelector(**settings), radii=[1.0], cv=[(TRAIN, TEST)], rule="best"
    )
    predictor = KINDS[kind](**settings).fit(X[TRAIN], y[TRAIN])
    scores = model.fit(X, y).cv_results_
    assert_array_equal(scores["split0_support"][0], predictor.support_)
    assert_array_equal(scores["split0_ranking"][0], predictor.ranking_)
    (found,) = scores["split0_test_score"]
    assert_allclose(found, predictor.score(X[TEST], y[TEST]), rtol=1e-12)


def test_the_network_has_the_features_of_each_radius_and_selects_none(data):
    """A linear one of two classes is a convex problem, which is solved here anew."""
    X, targets = data
    y = targets["classification"] == "c"
    selector = L1InfFeatureSelector(activation="identity", random_state=0)
    model = search(selector, cv=[(TRAIN, TEST)], scoring="neg_log_loss").fit(X, y)
    Z = StandardScaler().fit(X[TRAIN]).transform(X)
    for k in range(2):
        ranking = model.cv_results_["split0_ranking"][k]
        best_first = ranking.argsort()[: model.cv_results_["split0_support"][k].sum()]
        r = np.arange(1, len(best_first) + 1) ** -0.5
        Zr = Z[:, best_first] * np.sqrt(r / r.mean())
        # The least of |W|^2 + |V|^2 over W V = (beta, -beta) is twice its norm; the
        # log-odds are twice Z beta. The penalty alpha is 2 over 2 classes.
        beta, c = cp.Variable(len(r)), cp.Variable()
        signs = np.where(y[TRAIN], 1.0, -1.0)
        margins = cp.multiply(signs, 2 * Zr[TRAIN] @ beta + c)
        penalty = np.sqrt(2) * cp.norm(beta) / np.sqrt(len(TRAIN))
        loss = cp.sum(cp.logistic(-margins)) / len(TRAIN)
        cp.Problem(cp.Minimize(loss + penalty)).solve(solver="CLARABEL")
        log_odds = 2 * Zr[TEST] @ beta.value + c.value
        right = expit(np.where(y[TEST], log_odds, -log_odds))
        (found,) = model.cv_results_["split0_test_score"][[k]]
        assert_allclose(found, np.log(right).mean(), atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_it_tells_useful_radii_from_useless_ones(kind, data):
    """Half of the signal is in the second feature, which max_features=1 leaves out."""
    X, targets = data
    y = targets[kind]
    scores = [
        search(L1InfFeatureSelector(max_features=n, random_state=0), radii=[1.0])
        .fit(X, y)
        .cv_results_["mean_test_score"][0]
        for n in (1, 2)
    ]
    assert scores[0] + 0.03 < scores[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_predictor_may_be_the_selector(kind, data):
    """Its penalty is that of the judge: one too large makes it constant."""
    X, targets = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none a radius and a fold
        model = search(KINDS[kind](alpha=1e3, random_state=0)).fit(X, targets[kind])
    scores = model.cv_results_["mean_test_score"]
    assert scores[0] == scores[1]
    if kind == "survival":
        assert scores[0] == 0.5


def test_the_settings_are_those_of_the_selector(data):
    X, targets = data
    y = targets["classification"]
    rare = search(L1InfFeatureSelector(class_weight={"a": 1, "b": 1, "c": 30}))
    plain, weighted = (
        model.set_params(scoring="recall_macro", random_state=0)
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for model in (search(), rare)
    )
    assert (plain != weighted).all()
    other = search(scoring="balanced_accuracy").fit(sparse.csr_array(X), y)
    expected = search(scoring="balanced_accuracy").fit(X, y)
    assert_array_equal(
        other.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )


def test_groups_and_kept_features_are_judged(data):
    X, targets = data
    pairs = [[k, k + 1] for k in range(0, 58, 2)]
    selector = L1InfFeatureSelector(
        feature_groups=pairs, keep_features=[59], random_state=0
    )
    model = search(selector).fit(X, targets["regression"])
    assert model.support_[[0, 1, 59]].all()
    assert model.cv_results_["mean_test_score"].max() > 0.8


def test_several_targets(data):
    X, _ = data
    Y = np.column_stack([X[:, 0], X[:, 1] - X[:, 0]])
    assert search().fit(X, Y).cv_results_["mean_test_score"].max() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_workers_can_be_sent_the_network(kind):
    judge = network_judge(L1InfFeatureSelector(n_hidden=7), TARGETS[kind])
    assert pickle.loads(pickle.dumps(clone(judge))).n_hidden == 7


def test_weights_go_to_the_network_and_to_its_score(data):
    X, targets = data
    y, weight = targets["classification"], np.ones(120)
    weight[::5] = 0.0
    weighted = search().fit(X, y, sample_weight=weight)
    keep = np.flatnonzero(weight)
    halves = [
        tuple(np.flatnonzero(np.isin(keep, part)) for part in half) for half in HALVES
    ]
    without = search(cv=halves).fit(X[keep], y[keep])
    assert_allclose(
        weighted.cv_results_["mean_test_score"],
        without.cv_results_["mean_test_score"],
    )
    with sklearn.config_context(enable_metadata_routing=True):
        routed = search().fit(X, y, sample_weight=weight)
    assert_array_equal(
        routed.cv_results_["mean_test_score"], weighted.cv_results_["mean_test_score"]
    )


def test_a_score_of_its_own(data):
    X, targets = data
    y = targets["classification"]

    def score(model, X, y):
        assert_array_equal(model.classes_, ["a", "b", "c"])
        assert model.explain(X).contributions.shape == (*X.shape, 3)
        return balanced_accuracy_score(y, model.predict(X))

    one = search(scoring=score).fit(X, y).cv_results_["mean_test_score"]
    other = search(scoring="balanced_accuracy").fit(X, y)
    assert_allclose(one, other.cv_results_["mean_test_score"])


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({"estimator": "itself"}, "classification", "'estimator' parameter"),
        ({"selector": L1InfRegressor()}, "classification", "y"),
        (
            {"scoring": "roc_auc"},
            "regression",
            "L1InfRegressorJudge has none of .* predict_proba",
        ),
    ],
)
def test_bad_input_is_refused_before_training(params, y, message, data, monkeypatch):
    from skl1inf import network

    X, targets = data
    monkeypatch.setattr(network, "trace", pytest.fail)
    model = search().set_params(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, targets[y])
