"""Features that are always kept: what they take from others, and what they do not."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from estimator_checks import run_check
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)
from skl1inf.ball import GroupedBall
from skl1inf.estimators._elimination import backward_elimination

CORRELATES, TRUE = np.arange(1, 21), np.arange(21, 25)


def quick(**params):
    """A selector that trains for few passes."""
    params = {"max_iter": 15, "random_state": 0, **params}
    return L1InfFeatureSelector(**params)


def draw(seed=0, n_samples=80, n_features=40):
    """Two classes that differ in the first three features."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n_samples, n_features)), np.arange(n_samples) % 2
    X[y == 1, :3] += 1.0
    return X, y


X, y = draw()
NAMES = [f"gene {j}" for j in range(X.shape[1])]
FRAME = pd.DataFrame(X, columns=NAMES)
KEPT = [30, 7]


def confounded(seed, n_samples=300, n_features=100):
    """Feature 0 explains most of the score; 1 to 20 follow it, 21 to 24 add to it."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(n_samples, n_features))
    data[:, CORRELATES] = data[:, [0]] + 0.7 * data[:, CORRELATES]
    score = 3 * data[:, 0] + 1.5 * data[:, TRUE].sum(axis=1)
    return data, score, rng.logistic(size=n_samples)


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_keeping_a_confounder_removes_its_correlates(target):
    data, score, noise = confounded(0)
    t = (score + noise > 0).astype(int) if target == "classes" else score + noise
    # The effect of the correlates is that of the confounder, which is not seen.
    settings = {"random_state": 0, "max_features": 4, "interactions": False}
    free = L1InfFeatureSelector(**settings).fit(data[:, 1:], t)
    kept = L1InfFeatureSelector(keep_features=[0], **settings).fit(data, t)
    assert free.support_[CORRELATES - 1].sum() >= 2
    assert np.flatnonzero(kept.support_).tolist() == [0, *TRUE]
    share = kept.feature_importances_
    assert share[CORRELATES].sum() < 0.2 * share[TRUE].sum()


def test_a_kept_feature_without_a_signal_changes_little():
    data, score, noise = confounded(0)
    classes = (score + noise > 0).astype(int)
    plain = quick(max_iter=60, interactions=False).fit(data, classes)
    kept = clone(plain).set_params(keep_features=[80]).fit(data, classes)
    assert kept.support_[80]
    both = plain.support_ & kept.support_
    assert both.sum() > 0.7 * plain.n_features_


@pytest.mark.parametrize(
    "keep", [KEPT, np.array(KEPT), np.isin(np.arange(40), KEPT), ["gene 7", "gene 30"]]
)
def test_kept_features_come_first_and_take_nothing_of_the_budget(keep):
    selector = quick(keep_features=keep, max_features=3).fit(FRAME, y)
    assert selector.n_features_ == 5
    assert selector.support_[KEPT].all()
    assert sorted(selector.ranking_[KEPT]) == [1, 2]
    others = np.delete(selector.encoder_weights_, KEPT, axis=0)
    assert np.abs(others).max(axis=1).sum() <= selector.radius_ * (1 + 1e-6)
    assert np.abs(selector.encoder_weights_[KEPT]).max() <= selector.radius_
    assert selector.encoder_weights_[KEPT].any(axis=1).all()
    assert sorted(selector.ranking_) == list(range(1, 41))
    names = selector.get_feature_names_out().tolist()
    assert {"gene 7", "gene 30"} < set(names)


def test_number_of_features_to_select_does_not_count_them():
    selector = quick(keep_features=KEPT, n_features_to_select=4).fit(X, y)
    assert selector.n_features_ == 6
    most = quick(keep_features=KEPT, n_features_to_select=1.0, max_iter=2).fit(X, y)
    assert most.support_.all()
    with pytest.raises(ValueError, match="at most n_features=38"):
        quick(keep_features=KEPT, n_features_to_select=39).fit(X, y)


@pytest.mark.parametrize("target", [X[:, :2] + 0.0, None], ids=["numbers", "nothing"])
@pytest.mark.parametrize("second_descent", [True, False])
def test_other_targets(target, second_descent):
    selector = quick(keep_features=KEPT, second_descent=second_descent)
    selector.fit(X, target)
    assert selector.support_[KEPT].all()
    assert 2 < selector.n_features_ < 40
    assert sorted(selector.ranking_[KEPT]) == [1, 2]
    assert np.abs(selector.encoder_weights_[KEPT]).max() <= selector.radius_


def test_sparse_matrices():
    zeros = np.where(np.abs(X) < 0.5, 0, X)
    dense = quick(keep_features=KEPT).fit(zeros, y)
    for form in (sparse.csr_array, sparse.csc_array):
        other = quick(keep_features=KEPT).fit(form(zeros), y)
        np.testing.assert_array_equal(other.support_, dense.support_)
        np.testing.assert_allclose(
            other.encoder_weights_, dense.encoder_weights_, atol=1e-4
        )


def test_more_kept_features_than_a_working_set_holds():
    data, classes = draw(n_features=400)
    kept = np.arange(100, 180)
    selector = quick(keep_features=kept, max_iter=30).fit(data, classes)
    assert selector.support_[kept].all()
    assert set(selector.ranking_[kept]) == set(range(1, 81))


def test_the_encoder_sees_kept_features_as_it_was_trained():
    """Codes from the fitted attributes, and the fit of the classes."""
    selector = quick(keep_features=KEPT, max_iter=60).fit(X, y)
    Z = (X - selector.mean_) / selector.scale_
    (W, V), (b, c) = selector.coefs_, selector.intercepts_
    hidden = Z @ W + b
    code = hidden / (1 + np.exp(-hidden)) @ V + c
    np.testing.assert_allclose(selector.encode(X), code, atol=1e-4)
    np.testing.assert_allclose(selector.scale_[KEPT], X[:, KEPT].std(axis=0) / 10)
    right = code.argmax(axis=1) == y
    assert right.mean() > 0.7
    log_p = code - np.log(np.exp(code).sum(axis=1, keepdims=True))
    loss = -log_p[np.arange(len(y)), y].mean()
    assert loss < selector.loss_curve_[0]


REFUSED = [
    (["gene 99"], "'gene 99', but no feature"),
    (["gene 1", "gene 1"], "'gene 1' more than once"),
    ([1, 1], "'gene 1' more than once"),
    ([40], "index 40, out of range .* n_features=40"),
    ([-1], "index -1, out of range"),
    ([1.5], "neither a name nor an index"),
    ([[1, 2]], "neither a name nor an index"),
    (np.ones(39, dtype=bool), "mask of 39 features, .* n_features=40"),
    (np.ones(40, dtype=bool), "all features of X"),
    (range(40), "all features of X"),
    (["constant"], "'constant', which is constant"),
]


@pytest.mark.parametrize(("keep", "message"), REFUSED)
def test_what_is_refused_leaves_an_earlier_fit_alone(keep, message):
    frame = FRAME.rename(columns={"gene 39": "constant"}).assign(constant=1.0)
    selector = quick(max_iter=2).fit(frame, y)
    before = pickle.dumps({k: v for k, v in vars(selector).items() if k[-1] == "_"})
    with pytest.raises(ValueError, match=message):
        selector.set_params(keep_features=keep).fit(frame, y)
    after = pickle.dumps({k: v for k, v in vars(selector).items() if k[-1] == "_"})
    assert before == after


def test_names_need_a_data_frame():
    with pytest.raises(ValueError, match="X has no names"):
        quick(keep_features=["gene 0"]).fit(X, y)


def test_nothing_kept_is_the_plain_fit():
    plain = quick().fit(X, y)
    for keep in ([], np.zeros(40, dtype=bool)):
        other = quick(keep_features=keep).fit(X, y)
        np.testing.assert_array_equal(other.encoder_weights_, plain.encoder_weights_)
        np.testing.assert_array_equal(other.ranking_, plain.ranking_)


@parametrize_with_checks([quick(keep_features=[0], max_iter=2)])
@pytest.mark.filterwarnings("ignore")
def test_yielded_check(estimator, check):
    run_check(check, estimator)


def test_elimination_leaves_out_what_fixed_columns_explain():
    """Against regressions on the residuals of the fixed columns (Frisch and Waugh)."""
    rng = np.random.default_rng(0)
    data, fixed = rng.normal(size=(100, 6)), rng.normal(size=(100, 2))
    data += fixed @ rng.normal(size=(2, 6))
    T = data[:, :2] + 3 * fixed + rng.normal(size=(100, 2))
    order = backward_elimination(data, T, np.ones(100), product_scale=0, fixed=fixed)
    Z, basis = stats.zscore(data), np.column_stack([np.ones(100), fixed])
    Z = Z - basis @ np.linalg.lstsq(basis, Z)[0]
    left, expected = list(range(6)), []
    while left:
        S = Z[:, left].T @ Z[:, left] / 100 + np.eye(len(left))
        coef = np.linalg.solve(S, Z[:, left].T @ T / 100)
        expected.append(left[(coef**2).sum(axis=1).argmin()])
        left.remove(expected[-1])
    assert order.tolist() == expected[::-1]


def test_stability_path_and_cross_validation():
    selector = quick(keep_features=KEPT, max_features=4)
    stable = L1InfStabilitySelector(selector, n_pairs=3, random_state=0).fit(X, y)
    assert (stable.selection_probabilities_[KEPT] == 1.0).all()
    assert stable.support_[KEPT].all()
    assert stable.n_selected_ == stable.selector_.n_features_ - 2 == 4
    assert sorted(stable.ranking_[KEPT]) == [1, 2]
    cv = L1InfFeatureSelectorCV(selector, radii=[0.05, 1], cv=3).fit(X, y)
    assert cv.support_[KEPT].all()
    path = radius_path(X, y, radii=[1e-3, 0.3, 2], selector=selector)
    assert path.support[:, KEPT].all()
    assert path.n_features.max() == 6
    np.testing.assert_array_equal(path.n_features, path.support.sum(axis=1))
    assert (path.entry_radii[KEPT] == 1e-3).all()


def test_the_dual_norm_is_that_of_the_ball():
    """Its largest product with a gradient, where kept rows reach farther."""
    rng = np.random.default_rng(0)
    labels, weights = np.array([-1, 0, 0, 1, -1, 2]), np.array([1.5, 1.0, 2.0])
    ball = GroupedBall(labels, weights, reach=10.0)
    G = torch.from_numpy(rng.normal(size=(20, 6, 3)))
    radius = torch.full((20,), 0.7, dtype=torch.float64)
    W = torch.from_numpy(rng.normal(scale=9, size=(20, 6, 3)))
    ball.project_(W, radius)
    dual = radius * ball.dual_norm(G)
    assert ((G * W).sum((1, 2)) <= dual).all()
    best = torch.zeros_like(G)
    sums = np.stack([abs(G[:, labels == g]).sum((1, 2)) for g in range(3)], 1) / weights
    for i, group in enumerate(sums.argmax(axis=1)):
        rows = labels == group
        best[i, rows] = 0.7 / weights[group] * G[i, rows].sign()
    best[:, labels < 0] = 7.0 * G[:, labels < 0].sign()
    np.testing.assert_allclose((G * best).sum((1, 2)), dual, rtol=1e-12)
    inside = best.clone()
    ball.project_(inside, radius)
    np.testing.assert_allclose(inside, best, rtol=1e-12)


def test_search_clone_and_pickle():
    model = make_pipeline(quick(), LogisticRegression())
    grid = {"l1inffeatureselector__keep_features": [[3], [True] + [False] * 39]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    selector = quick(keep_features=["gene 3"]).fit(FRAME, y)
    again = pickle.loads(pickle.dumps(clone(selector).fit(FRAME, y)))
    np.testing.assert_array_equal(again.ranking_, selector.ranking_)
    np.testing.assert_array_equal(again.transform(FRAME), selector.transform(FRAME))
