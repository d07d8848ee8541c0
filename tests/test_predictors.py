"""The predictors: what they train, what they predict, what they say of it."""

import copy
import inspect
import pickle
import sys
import warnings

import cvxpy as cp
import numpy as np
import pytest
import skops.io
import torch
from callbacks import Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_softmax
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.linear_model.coxph import BreslowEstimator
from sksurv.metrics import concordance_index_censored

from skl1inf import (
    L1InfClassifier,
    L1InfCoxRegressor,
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfRegressor,
)
from skl1inf.estimators._cox import concordance

PREDICTORS = L1InfClassifier, L1InfRegressor, L1InfCoxRegressor


def survival(risk, rng):
    """Return events and times of a log-risk, two thirds of them seen."""
    time, end = rng.exponential(np.exp(-risk)), rng.exponential(2.0, len(risk))
    return np.rec.fromarrays(
        [time <= end, np.minimum(time, end).round(2) + 0.01], names="event,time"
    )


@pytest.fixture(scope="module")
def data():
    """Return X and a y for each of the predictors."""
    rng = np.random.default_rng(0)
    X = 3 * rng.standard_normal((90, 40)) + 5
    signal = (X[:, 0] - 5) / 3 + (X[:, 1] - 5) / 3
    classes = np.array(["a", "b", "c"])[np.digitize(signal, [-0.7, 0.7])]
    numbers = 100 + 20 * signal + rng.standard_normal(90)
    return X, (classes, numbers, survival(signal, rng))


@pytest.fixture(scope="module")
def fitted(data):
    """Return the predictors, fitted on the first 60 samples."""
    X, targets = data
    return [
        cls(random_state=0).fit(X[:60], y[:60])
        for cls, y in zip(PREDICTORS, targets, strict=True)
    ]


# The parameters.


@pytest.mark.parametrize("cls", PREDICTORS)
def test_the_parameters_are_those_of_the_selector(cls):
    own, selectors = (
        {name: p.default for name, p in inspect.signature(c).parameters.items()}
        for c in (cls, L1InfFeatureSelector)
    )
    assert own.pop("alpha") == "auto"
    fixed = {"target", "n_latent", "second_descent"}
    if cls is not L1InfClassifier:
        fixed.add("class_weight")
    assert own == {k: v for k, v in selectors.items() if k not in fixed}
    for name in own:
        assert f"\n{name} : " in inspect.cleandoc(cls.__doc__)


def test_a_shared_parameter_is_described_in_the_same_words():
    words = "Number of hidden units of the encoder."
    assert words in L1InfFeatureSelector.__doc__
    assert all(words in cls.__doc__ for cls in PREDICTORS)


@pytest.mark.parametrize("alpha", [-1.0, "none", None])
def test_a_bad_alpha_is_refused(alpha, data):
    X, (y, _, _) = data
    with pytest.raises(ValueError, match="'alpha' parameter"):
        L1InfClassifier(alpha=alpha).fit(X, y)


# The selection.


@pytest.mark.parametrize("i", range(3))
def test_the_selection_is_that_of_the_selector(i, fitted, data):
    X, targets = data
    kind = ("classification", "regression", "survival")[i]
    selector = L1InfFeatureSelector(target=kind, random_state=0)
    selector.fit(X[:60], targets[i][:60])
    assert_array_equal(fitted[i].ranking_, selector.ranking_)
    assert_array_equal(fitted[i].support_, selector.support_)
    assert_array_equal(fitted[i].feature_importances_, selector.feature_importances_)
    assert_array_equal(fitted[i].transform(X), selector.transform(X))
    assert np.abs(fitted[i].encoder_weights_).max(1).sum() <= 1 + 1e-5


@pytest.mark.parametrize("i", range(3))
def test_the_prediction_sees_the_selected_features_alone(i, fitted, data):
    X, _ = data
    other = np.where(fitted[i].support_, X, 1e6)
    assert_array_equal(fitted[i].predict(other), fitted[i].predict(X))


@pytest.mark.parametrize("prefit", [False, True])
def test_as_the_estimator_of_select_from_model(prefit, fitted, data):
    X, (y, _, _) = data
    select = SelectFromModel(
        fitted[0], importance_getter="support_", threshold=0.5, prefit=prefit
    )
    assert_array_equal(select.fit(X[:60], y[:60]).get_support(), fitted[0].support_)
    by_importance = SelectFromModel(fitted[0], max_features=2, threshold=-np.inf)
    assert_array_equal(
        np.flatnonzero(by_importance.fit(X[:60], y[:60]).get_support()), [0, 1]
    )


@pytest.mark.parametrize("i", range(3))
def test_groups_and_kept_features(i, data):
    X, targets = data
    pairs = [[k, k + 1] for k in range(0, 38, 2)]
    model = PREDICTORS[i](
        feature_groups=pairs, keep_features=[39], max_iter=70, random_state=0
    )
    model.fit(X, targets[i])
    assert_array_equal(model.support_[:38:2], model.support_[1:39:2])
    assert model.support_[39]
    assert model.support_[:2].all()
    assert np.abs(model.coefs_[0][39]).max() > 0


# The training.


def objective(model, X, y, alpha):
    """Return the documented loss at the fitted layers, as a function of tensors."""
    ranks = model.ranking_[model.support_]
    r = torch.as_tensor((ranks**-0.5) / (ranks**-0.5).mean())[:, None]
    Z = torch.as_tensor((X - model.mean_)[:, model.support_])
    Z = Z / torch.as_tensor(model.scale_[model.support_])

    def loss(W, V, b, c):
        code = torch.nn.functional.silu(Z @ W + b) @ V + c
        penalty = (W.square() / r).sum() + V.square().sum()
        fit, m = y(code)
        return fit + alpha / (2 * m**0.5) * penalty

    W, V = model.coefs_
    layers = W[model.support_], V, *model.intercepts_
    layers = [torch.tensor(layer.copy(), requires_grad=True) for layer in layers]
    return loss, layers


def cross_entropy(y):
    labels = torch.as_tensor(np.unique(y, return_inverse=True)[1])
    return lambda code: (
        torch.nn.functional.cross_entropy(code, labels),
        len(labels),
    )


def squares(y):
    values = torch.as_tensor((y - y.mean(0)) / y.std(0))
    return lambda code: (0.5 * (code - values).square().mean(), len(values))


def partial_likelihood(y):
    """The negative log partial likelihood, without ties."""
    order = np.argsort(-y["time"])
    event = torch.as_tensor(y["event"][order])

    def loss(code):
        risk = code[order.copy(), 0]
        return -(risk - risk.logcumsumexp(0))[event].mean(), event.sum().item()

    return loss


def make_case(kind, rng):
    X = rng.standard_normal((60, 12))
    signal = X[:, 0] - X[:, 1]
    if kind == "classes":
        return L1InfClassifier, X, np.digitize(signal, [-0.5, 0.5]), cross_entropy
    if kind == "numbers":
        y = np.column_stack([signal, X[:, 2]]) + 0.1 * rng.standard_normal((60, 2))
        return L1InfRegressor, X, y, squares
    times = rng.permutation(60) + 1.0 - 20 * signal
    times -= times.min() - 1
    y = np.rec.fromarrays([rng.random(60) < 0.7, times], names="event,time")
    return L1InfCoxRegressor, X, y, partial_likelihood


@pytest.mark.parametrize("kind", ["classes", "numbers", "survival"])
def test_the_network_is_stationary_for_the_documented_objective(kind):
    cls, X, y, loss_of = make_case(kind, np.random.default_rng(1))
    model = cls(alpha=0.3, n_hidden=8, max_iter=2000, random_state=0).fit(X, y)
    loss, layers = objective(model, X, loss_of(y), 0.3)
    gradients = torch.autograd.grad(loss(*layers), layers)
    assert max(float(g.abs().max()) for g in gradients) < 2e-5
    moved = [layer.detach() * 1.1 for layer in layers]
    assert loss(*moved) > loss(*layers)


def test_a_linear_network_solves_the_convex_problem():
    # The least of |W|^2 / r + |V|^2 over W V = beta is twice |beta / sqrt(r)|.
    X, y = make_regression(80, 10, n_informative=4, noise=5.0, random_state=0)
    model = L1InfRegressor(activation="identity", max_iter=3000, random_state=0)
    model.set_params(alpha=0.5).fit(X, y)
    ranks = model.ranking_[model.support_]
    r = ranks**-0.5 / (ranks**-0.5).mean()
    Z = StandardScaler().fit_transform(X)[:, model.support_]
    t = (y - y.mean()) / y.std()
    beta = cp.Variable(Z.shape[1])
    fit = cp.sum_squares(Z @ beta - t) / (2 * len(t))
    penalty = 0.5 / len(t) ** 0.5 * cp.norm(cp.multiply(r**-0.5, beta))
    cp.Problem(cp.Minimize(fit + penalty)).solve(solver="CLARABEL")
    assert_allclose(model.encode(X)[:, 0], Z @ beta.value, atol=1e-4)


def test_features_that_matter_only_together():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 30))
    y = X[:, 0] * X[:, 1]
    model = L1InfRegressor(random_state=0).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) > 0.7


def test_a_network_that_collapses_predicts_a_constant(data):
    X, (classes, numbers, times) = data
    other = np.random.default_rng(1).standard_normal(X.shape)
    for cls, y in zip(PREDICTORS, (classes, numbers, times), strict=True):
        with pytest.warns(UserWarning, match=r"the signal is too weak .* radius=1\.0"):
            model = cls(alpha=100.0, random_state=0).fit(X, y)
        code = model.encode(np.vstack([X, other]))
        assert_array_equal(code, np.broadcast_to(code[0], code.shape))
        assert not any(layer.any() for layer in model.coefs_)
        if cls is L1InfClassifier:
            shares = np.unique(y, return_counts=True)[1] / len(y)
            assert_allclose(model.predict_proba(X)[0], shares, rtol=1e-3)
        elif cls is L1InfCoxRegressor:
            assert model.score(X, y) == 0.5


def test_weights_that_sum_to_one_shrink_to_a_constant(data):
    X, (_, y, _) = data
    with pytest.warns(UserWarning, match="the same for every sample"):
        model = L1InfRegressor(alpha=2.0, random_state=0).fit(X, y, np.full(90, 1 / 90))
    assert_allclose(model.predict(X), y.mean(), rtol=1e-3)


@pytest.mark.parametrize("i", range(3))
def test_the_automatic_penalty_leaves_a_weak_signal(i):
    """Most of what so few samples with so much noise say is chance."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 20))
    signal = 0.3 * X[:, 0]
    numbers = signal + rng.standard_normal(40)
    y = (numbers > 0, numbers, survival(signal, rng))[i]
    weight = np.full(40, 1e-3)  # which makes the usual penalty far too large
    model = PREDICTORS[i](activation="tanh", random_state=0)
    model.fit(X, y, sample_weight=weight)
    code = model.encode(X)
    assert (code.std(axis=0) > 1e-3).all()
    # Near the penalty that makes it constant the network is all but linear, and its
    # weights are in proportion to the slopes of the features alone.
    ranks = model.ranking_[model.support_]
    Z = StandardScaler().fit_transform(X)[:, model.support_]
    if i == 1:
        slopes = Z.T @ (y - y.mean()) / ranks**0.5
        assert np.corrcoef(code[:, 0], Z @ slopes)[0, 1] > 0.98


def test_the_decay_from_which_on_a_linear_network_is_constant():
    """For one target the problem is convex, and the decay exact."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 6))
    y = X[:, 0] + rng.standard_normal(50)
    Z, t = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    for times in (0.97, 1.03):
        model = L1InfRegressor(activation="identity", random_state=0, max_iter=1000)
        ranks = model.fit(X, y).ranking_[model.support_]
        r = ranks**-0.5 / (ranks**-0.5).mean()
        slopes = np.sqrt(r) * (Z[:, model.support_].T @ t) / 50
        model.set_params(alpha=times * np.linalg.norm(slopes) * np.sqrt(50))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            code = model.fit(X, y).encode(X)
        assert bool(caught) == (times > 1) == (np.ptp(code) == 0)


def test_a_constant_target_among_others_is_predicted_by_its_mean(data):
    X, (_, y, _) = data
    model = L1InfRegressor(max_iter=20, random_state=0)
    model.fit(X, np.column_stack([y, np.full(90, 7.0)]))
    assert_allclose(model.predict(X)[:, 1], 7.0, rtol=1e-14)
    assert_array_equal(model.explain(X).contributions[..., 1], 0.0)


def test_class_weights_shift_the_odds(data):
    X, (y, _, _) = data
    plain = L1InfClassifier(random_state=0).fit(X, y).predict_proba(X)
    given = {"a": 1.0, "b": 9.0, "c": 1.0}
    model = L1InfClassifier(class_weight=given, random_state=0).fit(X, y)
    assert (model.predict_proba(X)[:, 1] > plain[:, 1]).mean() > 0.9


def test_the_order_and_the_repetition_of_samples_do_not_matter(data):
    X, (y, _, _) = data
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, 90)
    again = rng.permutation(np.repeat(np.arange(90), weights))
    weighted = L1InfClassifier(random_state=0).fit(X, y, sample_weight=weights)
    repeated = L1InfClassifier(random_state=0).fit(X[again], y[again])
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_two_classes_may_be_named_either_way_round():
    X, y = make_classification(80, 30, random_state=0)
    one, other = (L1InfClassifier(random_state=0).fit(X, t) for t in (y, 1 - y))
    assert_allclose(one.predict_proba(X), other.predict_proba(X)[:, ::-1], rtol=1e-6)
    assert_allclose(one.decision_function(X), -other.decision_function(X), rtol=1e-5)


def test_predictions_follow_the_scale_of_the_numbers(fitted, data):
    X, (_, y, _) = data
    other = L1InfRegressor(random_state=0).fit(X[:60], 1e-3 * y[:60] - 7)
    assert_allclose(other.predict(X), 1e-3 * fitted[1].predict(X) - 7, rtol=1e-6)


# The predictions.


def test_they_predict_new_samples(fitted, data):
    X, (classes, numbers, times) = data
    assert fitted[0].score(X[60:], classes[60:]) > 0.65
    assert fitted[1].score(X[60:], numbers[60:]) > 0.9
    assert fitted[2].score(X[60:], times[60:]) > 0.6


def test_the_probabilities_are_those_of_the_code(fitted, data):
    X, _ = data
    model, probabilities = fitted[0], fitted[0].predict_proba(X)
    assert_allclose(probabilities.sum(axis=1), 1.0)
    assert_allclose(model.predict_log_proba(X), log_softmax(model.encode(X), axis=1))
    assert_allclose(np.log(probabilities), model.predict_log_proba(X))
    assert_array_equal(model.decision_function(X), model.encode(X))
    assert_array_equal(model.predict(X), model.classes_[probabilities.argmax(axis=1)])


def test_the_decision_of_two_classes_is_the_log_odds():
    X, y = make_classification(80, 30, random_state=0)
    model = L1InfClassifier(random_state=0).fit(X, y)
    odds = expit(model.decision_function(X))
    assert_allclose(odds, model.predict_proba(X)[:, 1])


def test_one_or_several_targets_keep_their_shape(data):
    X, (_, y, _) = data
    one, column, two = (
        L1InfRegressor(max_iter=20, random_state=0).fit(X, t).predict(X)
        for t in (y, y[:, np.newaxis], np.column_stack([y, -2 * y]))
    )
    assert one.shape == (90,)
    assert_array_equal(column, one[:, np.newaxis])
    assert two.shape == (90, 2)


def test_probabilities_are_not_certain_where_nothing_can_be_learnt():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 500)), rng.integers(0, 2, 60)
    model = L1InfClassifier(random_state=0).fit(X, y)
    fresh = model.predict_proba(rng.standard_normal((200, 500)))
    assert fresh.max(axis=1).mean() < 0.8


def test_in_calibration_cross_validation_and_pipelines(data):
    X, (y, _, times) = data
    model = L1InfClassifier(max_iter=30, random_state=0)
    assert CalibratedClassifierCV(model, cv=2).fit(X, y).score(X, y) > 0.7
    assert cross_val_score(model, X, y, cv=2).mean() > 0.6
    after = make_pipeline(StandardScaler(), L1InfCoxRegressor(max_iter=30))
    assert after.fit(X, times).score(X, times) > 0.7


def test_sparse_input(data):
    X, (y, _, _) = data
    X = np.where(X > 7, X, 0.0)
    dense = L1InfClassifier(random_state=0).fit(X, y)
    other = L1InfClassifier(random_state=0).fit(sparse.csr_array(X), y)
    assert_allclose(
        other.predict_proba(sparse.csc_matrix(X)), dense.predict_proba(X), rtol=1e-9
    )


def test_the_radius_is_judged_by_the_network_itself(data):
    X, (classes, _, times) = data
    for model, y in ((L1InfClassifier, classes), (L1InfCoxRegressor, times)):
        search = L1InfFeatureSelectorCV(
            estimator=model(max_iter=10, random_state=0),
            radii=[1.0, 2.0],
            cv=2,
            random_state=0,
        )
        assert search.fit(X, y).support_[:2].all()
        assert (search.cv_results_["mean_test_score"] > 0.55).all()


# The reconstruction.


def test_the_decoder_gives_back_what_the_code_holds():
    X, y = make_classification(100, 30, n_informative=3, class_sep=3, random_state=0)
    model = L1InfClassifier(reconstruction_weight=1.0, random_state=0).fit(X, y)
    back, chosen = model.reconstruct(X), model.transform(X)
    assert back.shape == chosen.shape
    residual = ((back - chosen) ** 2).sum() / ((chosen - chosen.mean(0)) ** 2).sum()
    assert residual < 0.8


def test_there_is_no_reconstruction_where_none_is_trained(fitted):
    assert not hasattr(fitted[0], "reconstruct")
    assert not hasattr(fitted[0], "decoder_weights_")


# The contributions.


@pytest.mark.parametrize("i", range(3))
def test_contributions_sum_to_the_difference_from_the_baseline(i, fitted, data):
    X, _ = data
    explanation = fitted[i].explain(X)
    output = fitted[i].decision_function(X) if i == 0 else fitted[i].predict(X)
    assert_array_equal(explanation.features, np.flatnonzero(fitted[i].support_))
    assert_allclose(
        explanation.baseline + explanation.contributions.sum(axis=1), output, rtol=1e-9
    )
    at_mean = fitted[i].explain(fitted[i].mean_[np.newaxis])
    assert_allclose(at_mean.contributions, 0.0, atol=1e-12)


def test_contributions_to_a_linear_network_are_exact(data):
    X, (_, y, _) = data
    model = L1InfRegressor(activation="identity", random_state=0).fit(X, y)
    W, V = model.coefs_
    slopes = (W @ V)[:, 0] * model.target_scale_ / model.scale_
    linear = ((X - model.mean_) * slopes)[:, model.support_]
    assert_allclose(model.explain(X).contributions, linear, atol=1e-10)


def test_contributions_are_the_integral_of_the_gradient():
    X, y = make_classification(80, 20, random_state=0)
    model = L1InfClassifier(random_state=0).fit(X, y)
    sample, step = X[:1], 1e-5 * model.scale_
    line = (np.arange(400) + 0.5)[:, np.newaxis] / 400
    points = model.mean_ + line * (sample - model.mean_)
    for place, j in enumerate(np.flatnonzero(model.support_)):
        shift = step * (np.arange(20) == j)
        above, below = (model.decision_function(points + s) for s in (shift, -shift))
        slope = np.mean(above - below) / (2 * step[j])
        integral = slope * (sample - model.mean_)[0, j]
        found = model.explain(sample).contributions[0, place]
        assert_allclose(found, integral, atol=1e-5)


@pytest.mark.parametrize("activation", ["silu", "relu", "tanh", "identity"])
def test_contributions_sum_up_for_every_activation(activation, data):
    X, (_, y, _) = data
    model = L1InfRegressor(activation=activation, max_iter=40, random_state=0)
    model.fit(X, y)
    # At the mean and next to it the lines are short.
    near = model.mean_ + 1e-9 * (X[:5] - model.mean_)
    points = np.vstack([X, 30 * X, near, model.mean_])
    explanation = model.explain(points)
    total = explanation.baseline + explanation.contributions.sum(axis=1)
    assert_allclose(total, model.predict(points), rtol=1e-11)


# Survival.


def test_the_baseline_is_that_of_breslow(fitted, data):
    X, (_, _, y) = data
    model, y, risk = fitted[2], y[:60], fitted[2].predict(X)
    peer = BreslowEstimator().fit(risk[:60], y["event"], y["time"])
    for name in ("survival", "cumulative_hazard"):
        own = getattr(model, f"predict_{name}_function")
        theirs = getattr(peer, f"get_{name}_function")(risk)
        assert_array_equal(own(X)[3].x, theirs[3].x)
        assert own(X)[3].domain == theirs[3].domain
        values = [function.y * np.ones(len(function.x)) for function in own(X)]
        assert_allclose(values, [f(f.x) for f in theirs])
        assert_allclose(own(X, return_array=True), values)


def test_the_riskier_die_sooner(fitted, data):
    X, _ = data
    survival = fitted[2].predict_survival_function(X, return_array=True)
    order = fitted[2].predict(X).argsort()
    assert (np.diff(survival[order], axis=0) <= 0).all()
    assert (np.diff(survival, axis=1) <= 0).all()


def test_extreme_risks_have_survival_functions(fitted, data):
    X, _ = data
    model = copy.deepcopy(fitted[2])
    model.intercepts_[1] = model.intercepts_[1] + [800.0]
    model.unique_times_ = np.append(0.0, model.unique_times_)  # before any event
    model.baseline_hazard_ = np.append(0.0, model.baseline_hazard_)
    survival = model.predict_survival_function(X, return_array=True)
    assert model.predict(X).min() > 700
    assert_array_equal(survival[:, 0], 1.0)
    assert_array_equal(survival[:, -1], 0.0)
    model.intercepts_[1] = model.intercepts_[1] - [1600.0]
    assert_array_equal(model.predict_survival_function(X, return_array=True), 1.0)


def test_weights_of_the_baseline_are_repetitions(data):
    X, (_, _, y) = data
    weights = np.arange(90) % 3
    again = np.repeat(np.arange(90), weights)
    weighted = L1InfCoxRegressor(max_iter=70, random_state=0).fit(
        X, y, sample_weight=weights
    )
    repeated = L1InfCoxRegressor(max_iter=70, random_state=0).fit(X[again], y[again])
    assert_array_equal(weighted.unique_times_, repeated.unique_times_)
    assert_allclose(
        weighted.predict_survival_function(X, return_array=True),
        repeated.predict_survival_function(X, return_array=True),
        rtol=1e-9,
    )


samples = st.lists(
    st.tuples(st.booleans(), st.integers(1, 6), st.integers(0, 4), st.integers(0, 3)),
    min_size=2,
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(samples)
def test_concordance_counts_every_pair(rows):
    event, time, risk, weight = (np.array(column) for column in zip(*rows, strict=True))
    event = event.astype(bool)
    first = event[:, None] & (
        (time[:, None] < time) | ((time[:, None] == time) & ~event)
    )
    pairs = first * weight[:, None] * weight
    wins = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    args = event, time, risk, weight.astype(float)
    if pairs.sum() == 0:
        with pytest.raises(ValueError, match="Harrell's C is undefined"):
            concordance(*args)
    else:
        assert_allclose(concordance(*args), (pairs * wins).sum() / pairs.sum())


def test_the_score_is_that_of_scikit_survival(fitted, data):
    X, (_, _, y) = data
    peer = concordance_index_censored(y["event"], y["time"], fitted[2].predict(X))
    assert_allclose(fitted[2].score(X, y), peer[0])
    weights = np.arange(90) % 3
    again = np.repeat(np.arange(90), weights)
    assert_allclose(
        fitted[2].score(X, y, sample_weight=weights),
        fitted[2].score(X[again], y[again]),
    )


def test_functions_of_time_need_scikit_survival(fitted, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "sksurv.functions", None)
    with pytest.raises(ImportError, match="return_array=True"):
        fitted[2].predict_survival_function(data[0])
    assert fitted[2].predict_survival_function(data[0], return_array=True).ndim == 2


def test_numbers_are_no_survival(data):
    X, (_, y, _) = data
    with pytest.raises(ValueError, match="times to an event"):
        L1InfCoxRegressor().fit(X, y)


# What every estimator must do.


@pytest.mark.parametrize("cls", PREDICTORS)
def test_unfitted(cls, data):
    for method in ("predict", "encode", "explain", "transform"):
        with pytest.raises(NotFittedError):
            getattr(cls(), method)(data[0])


@pytest.mark.parametrize("i", range(3))
def test_the_same_after_pickling_and_skops(i, fitted, data):
    X, _ = data
    by_pickle = pickle.loads(pickle.dumps(fitted[i]))
    stored = skops.io.dumps(fitted[i])
    trusted = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("skl1inf.") for name in trusted)
    by_skops = skops.io.loads(stored, trusted=trusted)
    for loaded in (by_pickle, by_skops):
        assert_array_equal(loaded.predict(X), fitted[i].predict(X))
        assert_array_equal(
            loaded.explain(X).contributions, fitted[i].explain(X).contributions
        )


def test_a_refit_forgets_the_decoder(data):
    X, (y, _, _) = data
    model = L1InfClassifier(reconstruction_weight=0.1, max_iter=10).fit(X, y)
    assert hasattr(model, "decoder_weights_")
    model.set_params(reconstruction_weight=0.0).fit(X, y)
    assert not hasattr(model, "decoder_weights_")


def test_a_refused_target_leaves_the_fit_as_it_was(data):
    X, (y, numbers, _) = data
    model = L1InfClassifier(max_iter=10, random_state=0).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="Unknown label type"):
        model.fit(X, numbers)
    assert_array_equal(model.predict_proba(X), before)


def test_callbacks_see_every_pass_and_may_stop_both_descents(data):
    X, (y, _, _) = data
    seen = Recorder()
    model = L1InfClassifier(random_state=0).set_callbacks(seen).fit(X, y)
    assert seen.ended.count("pass") == model.n_iter_ == len(model.loss_curve_)
    assert seen.ended[-2:] == ["second descent", "fit"]
    stopped = L1InfClassifier(random_state=0).set_callbacks(Recorder(stop_after=4))
    assert stopped.fit(X, y).n_iter_ == 8
    assert stopped.predict_proba(X).shape == (90, 3)


def test_weights_are_routed(data):
    X, (y, _, times) = data
    with config_context(enable_metadata_routing=True):
        for model, target in (
            (L1InfClassifier(max_iter=10, random_state=0), y),
            (L1InfCoxRegressor(max_iter=10, random_state=0), times),
        ):
            model.set_fit_request(sample_weight=True)
            model.set_score_request(sample_weight=True)
            weights = np.arange(90) % 2
            weights[:5] = 1
            routed = cross_val_score(
                model, X, target, cv=2, params={"sample_weight": weights}
            )
            assert np.isfinite(routed).all()


def test_the_state_of_torch_does_not_matter(fitted, data):
    X, (y, _, _) = data
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    with torch.inference_mode(), torch.device("meta"):
        model = L1InfClassifier(random_state=0).fit(X[:60], y[:60])
        assert_array_equal(model.predict_proba(X), fitted[0].predict_proba(X))
        assert_array_equal(
            model.explain(X).contributions, fitted[0].explain(X).contributions
        )
    assert torch.equal(torch.random.get_rng_state(), before)
