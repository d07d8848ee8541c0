"""Survival: the partial likelihood against scikit-survival's, and what is selected."""

import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.linear_model.coxph import CoxPHOptimizer
from sksurv.nonparametric import nelson_aalen_estimator
from sksurv.util import Surv

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)
from skl1inf.estimators._elimination import backward_elimination
from skl1inf.matrices._replicas import stack_padded
from skl1inf.targets import TARGETS

Survival = TARGETS["survival"]


def outcome(event, time):
    return Surv.from_arrays(event, time)


def draw_outcome(rng, n_samples, n_times):
    """Times with ties, at least one event that tells something."""
    event, time = rng.random(n_samples) < 0.6, rng.integers(1, n_times + 1, n_samples)
    event[0], time[0], time[1] = True, 1, 2
    return outcome(event, time.astype(float))


def encode(y, weight=None):
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    return Survival.encode(Survival.check(y), weight, None)


def tensors(target):
    """What the loss is given: the encoded y, and weights that sum to 1."""
    weight = torch.from_numpy(target.weight / target.weight.sum())[None].float()
    return [torch.from_numpy(array)[None] for array in target.encoded], weight


def loss_and_gradient(target, code, dtype=torch.float64):
    code = torch.tensor(code, dtype=dtype)[None, :, None].requires_grad_()
    loss = target.loss(code, *tensors(target))
    loss.sum().backward()
    return loss.item(), code.grad[0, :, 0].numpy()


# The partial likelihood


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_and_gradient_are_those_of_scikit_survival(dtype):
    """A feature a sample: its coefficients are the codes."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        n_samples = rng.integers(5, 60)
        y = draw_outcome(rng, n_samples, rng.integers(2, 12))
        code = rng.normal(scale=2, size=n_samples).astype(np.float32).astype(float)
        none, eye = np.zeros(n_samples), np.eye(n_samples)
        oracle = CoxPHOptimizer(eye, y["event"], y["time"], none, "efron")
        oracle.update(code)
        per_event = n_samples / y["event"].sum()
        loss, gradient = loss_and_gradient(encode(y), code, dtype)
        expected = per_event * oracle.gradient
        assert loss == pytest.approx(per_event * oracle.nlog_likelihood(code), rel=1e-6)
        error = np.abs(gradient - expected).max()
        assert error <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("largest", [4, 40])
def test_weights_are_repetitions(largest):
    rng = np.random.default_rng(largest)
    for _ in range(30):
        y = draw_outcome(rng, 40, rng.integers(2, 60))
        weight = rng.integers(1, largest, 40)
        code, index = rng.normal(scale=2, size=40), np.repeat(np.arange(40), weight)
        weighted, repeated = encode(y, weight), encode(y[index])
        loss, gradient = loss_and_gradient(weighted, code)
        expected, of_each = loss_and_gradient(repeated, code[index])
        assert loss == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(
            gradient, np.bincount(index, of_each), rtol=1e-10, atol=1e-13
        )
        np.testing.assert_allclose(
            weighted.responses()[index], repeated.responses(), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("spread", [0.0, 1.0, 20.0])
def test_large_weights_cost_no_precision(spread):
    """A million repetitions of three samples, two of them tied, term by term."""
    weight = np.array([400_000, 100_000, 500_000])
    y = outcome([True, True, False], [1.0, 1.0, 2.0])
    code = spread * np.array([1.0, -1.0, 0.5])
    risk = weight * np.exp(code)
    tied, d = risk[:2].sum(), weight[:2].sum()
    terms = np.log(risk.sum() - np.arange(d) / d * tied)
    expected = (terms.sum() - weight[:2] @ code[:2]) / d
    loss, _ = loss_and_gradient(encode(y, weight), code)
    assert loss == pytest.approx(expected, rel=1e-9)


def test_small_weights_are_those_of_breslow():
    rng = np.random.default_rng(0)
    y, code = draw_outcome(rng, 50, 12), rng.normal(size=50)
    weight = rng.random(50) / 50
    risk, expected = weight * np.exp(code), 0.0
    for i in np.flatnonzero(y["event"]):
        at_risk = risk[y["time"] >= y["time"][i]].sum()
        expected += weight[i] * (np.log(at_risk) - code[i])
    expected /= weight[y["event"]].sum()
    assert loss_and_gradient(encode(y, weight), code)[0] == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 20))
def test_loss_is_convex_in_codes_and_continuous_in_weights(seed, largest):
    rng = np.random.default_rng(seed)
    y, weight = draw_outcome(rng, 20, 6), rng.uniform(0.1, 0.1 + largest, 20)
    weight[::3] = np.ceil(weight[::3])  # sums on both sides of whole numbers
    a, b = rng.normal(scale=3, size=(2, 20))
    target = encode(y, weight)
    (at_a, slope), (at_b, _) = (loss_and_gradient(target, c) for c in (a, b))
    assert at_b >= at_a + slope @ (b - a) - 1e-9
    middle, _ = loss_and_gradient(target, (a + b) / 2)
    assert middle <= (at_a + at_b) / 2 + 1e-9
    for factor in (1 - 1e-9, 1 + 1e-9):
        near, _ = loss_and_gradient(encode(y, factor * weight), a)
        assert near == pytest.approx(at_a, abs=1e-6)


def test_codes_of_large_magnitude():
    """The loss is what the largest code of each risk set says."""
    y = outcome([True, True, True, False], [1.0, 2.0, 3.0, 4.0])
    code = [1e4, -1e4, 3e3, 0.0]
    loss, gradient = loss_and_gradient(encode(y), code, torch.float32)
    assert loss == pytest.approx((0 + 1.3e4 + 0) / 3, rel=1e-6)
    np.testing.assert_allclose(gradient, [0, -1 / 3, 1 / 3, 0], atol=1e-7)


def test_loss_depends_on_differences_of_codes_and_not_on_the_order_of_samples():
    rng = np.random.default_rng(1)
    y, code = draw_outcome(rng, 60, 10), rng.normal(size=60)
    weight, order = rng.uniform(0.2, 3, 60), rng.permutation(60)
    loss, gradient = loss_and_gradient(encode(y, weight), code)
    assert loss_and_gradient(encode(y, weight), code + 5)[0] == pytest.approx(loss)
    assert gradient.sum() == pytest.approx(0, abs=1e-12)
    again, permuted = loss_and_gradient(encode(y[order], weight[order]), code[order])
    assert again == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(permuted, gradient[order], rtol=1e-9, atol=1e-14)


def test_a_sample_of_weight_0_is_absent_from_each_replica():
    """Among them the latest, which comes first in the sums, and padding."""
    rng = np.random.default_rng(2)
    y, code = draw_outcome(rng, 30, 8), rng.normal(size=30)
    gone = (y["time"] == 8) | (np.arange(30) == 17)
    whole, part, short = encode(y), encode(y[~gone]), encode(y[:12])
    ((encoded, weight), (others, more)) = tensors(whole), tensors(short)
    weight[0, gone] = 0
    encoded = [stack_padded(pair, 1) for pair in zip(encoded, others, strict=True)]
    codes = np.stack([code, np.append(code[:12], np.full(18, 1e3))])
    codes = torch.tensor(codes)[:, :, None].requires_grad_()
    loss = whole.loss(codes, encoded, stack_padded([weight, more], 1))
    loss.sum().backward()
    gradient = codes.grad[:, :, 0].numpy()
    for row, kept, target in ((0, ~gone, part), (1, slice(12), short)):
        expected, of_each = loss_and_gradient(target, code[kept])
        assert loss[row].item() == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradient[row][kept], of_each, atol=1e-12)
    assert not gradient[0][gone].any()
    assert not gradient[1][12:].any()


def test_responses_are_martingale_residuals():
    rng = np.random.default_rng(3)
    y = outcome(rng.random(50) < 0.5, rng.permutation(50) + 1.0)
    times, hazard = nelson_aalen_estimator(y["event"], y["time"])
    expected = y["event"] - hazard[np.searchsorted(times, y["time"])]
    np.testing.assert_allclose(encode(y).responses()[:, 0], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("event", "time"),
    [
        (np.ones(8, bool), np.arange(1.0, 9)),
        (np.ones(8, bool), np.array([1.0, 1, 1, 1, 2, 2, 2, 2])),
        (np.arange(8) == 3, np.arange(1.0, 9)),
    ],
    ids=["all", "all tied", "one"],
)
def test_all_events_and_a_single_event(event, time):
    X = np.random.default_rng(0).normal(size=(8, 3))
    X[:, 1] -= 3 * (time <= 4)
    selector = L1InfFeatureSelector(max_iter=5, random_state=0)
    selector.fit(X, outcome(event, time))
    assert np.isfinite(selector.loss_curve_).all()
    assert np.isfinite(selector.encode(X)).all()


# What y may be


rng = np.random.default_rng(0)
N = 120
X = rng.normal(size=(N, 30))
RISK = 1.5 * X[:, 4] - 1.5 * X[:, 7]
TIME, CENSORED = rng.exponential(np.exp(-RISK)), rng.exponential(2.0, N)
Y = outcome(TIME <= CENSORED, np.minimum(TIME, CENSORED))
BRIEF = L1InfFeatureSelector(max_iter=15, n_hidden=8, random_state=0)


def told(**params):
    return clone(BRIEF).set_params(target="survival", **params)


COLUMNS = {"days": Y["time"], "died": Y["event"]}
FORMS = {
    "reversed": np.rec.fromarrays(list(COLUMNS.values()), names="days,died"),
    "pandas": pd.DataFrame(COLUMNS),
    "nullable": pd.DataFrame(COLUMNS).convert_dtypes(),
    "polars": pl.DataFrame(COLUMNS),
}


@pytest.mark.parametrize("kind", FORMS)
def test_every_form_of_y_is_the_same(kind):
    selector = clone(BRIEF) if kind == "reversed" else told()
    fitted = selector.fit(X, FORMS[kind])
    expected = clone(BRIEF).fit(X, Y)
    np.testing.assert_array_equal(fitted.coefs_[0], expected.coefs_[0])
    np.testing.assert_array_equal(fitted.ranking_, expected.ranking_)


def changed(event=None, time=None):
    event = Y["event"] if event is None else event
    return pd.DataFrame({"event": event, "time": Y["time"] if time is None else time})


def with_value(value):
    time = Y["time"].copy()
    time[[5, 9]] = value
    return time


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (outcome(np.zeros(N, bool), Y["time"]), "no event"),
        (
            outcome(np.arange(N) == Y["time"].argmax(), Y["time"]),
            "before the last time",
        ),
        (changed(time=with_value(0.0)), r"zero or negative, in 2 of 120.*sample 5"),
        (changed(time=with_value(-1.0)), r"zero or negative.*-1\.0"),
        (changed(time=with_value(np.nan)), r"field 'time' of y.*NaN.*in 2 of 120"),
        (changed(time=with_value(np.inf)), r"field 'time' of y.*infinity"),
        (changed(event=[None, *Y["event"][1:]]), r"field 'event' of y.*NaN.*in 1"),
        (changed(event=Y["event"].astype(int)), r"astype\(bool\)"),
        (changed(time=Y["event"]), "one boolean field"),
        (changed(time=Y["time"].astype(str)), "one boolean field"),
        (changed().assign(more=1.0), "3 fields"),
        (changed()[["time"]], "1 field"),
        (Y["time"], "structured array"),
        (Y.reshape(-1, 1), "one dimension"),
        (Y[:-1], "inconsistent numbers of samples"),
        (None, "requires y"),
    ],
    ids=range(16),
)
def test_what_is_no_survival_is_refused(y, message):
    selector = told().fit(X, Y)
    before = selector.ranking_
    with pytest.raises(ValueError, match=message):
        selector.fit(X, y)
    assert selector.ranking_ is before


@pytest.mark.parametrize("target", ["classification", "regression"])
def test_a_structured_array_is_nothing_else(target):
    with pytest.raises(ValueError, match=f'contradicts target="{target}"'):
        clone(BRIEF).set_params(target=target).fit(X, Y)


def test_mini_batches_are_refused():
    with pytest.raises(ValueError, match=r"batch_size=10 .* survival"):
        told(batch_size=10).fit(X, Y)


# What is selected


def test_the_true_features_and_the_sign_of_the_risk():
    selector = clone(BRIEF).set_params(max_iter=150).fit(X, Y)
    assert set(np.argsort(selector.ranking_)[:2]) == {4, 7}
    code = selector.encode(X)
    assert code.shape == (N, 1)
    assert np.corrcoef(code[:, 0], RISK)[0, 1] > 0.9
    assert selector.optimality_ <= 0.1


def test_only_the_order_of_the_times_counts():
    time = Y["time"]
    times = [7 * time, np.exp(time), np.searchsorted(np.sort(time), time) + 1.0]
    expected = clone(BRIEF).fit(X, Y)
    for transformed in times:
        fitted = clone(BRIEF).fit(X, outcome(Y["event"], transformed))
        np.testing.assert_array_equal(fitted.coefs_[0], expected.coefs_[0])
        np.testing.assert_array_equal(fitted.ranking_, expected.ranking_)


def test_weights_of_a_fit_are_repetitions():
    weight = np.arange(N) % 3
    index = np.repeat(np.arange(N), weight)
    weighted = clone(BRIEF).fit(X, Y, sample_weight=weight)
    repeated = clone(BRIEF).fit(X[index], Y[index])
    np.testing.assert_allclose(
        weighted.feature_importances_, repeated.feature_importances_, atol=1e-4
    )
    np.testing.assert_allclose(
        weighted.loss_curve_, repeated.loss_curve_, rtol=1e-4, atol=1e-5
    )


def test_containers_and_copies_of_a_selector():
    fitted = told().fit(X, Y)
    sparse = told().fit(csr_array(X), Y)
    np.testing.assert_array_equal(fitted.ranking_[:5], sparse.ranking_[:5])
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.encode(X), fitted.encode(X))
    assert clone(fitted).target == "survival"


def test_features_that_matter_only_together():
    rng = np.random.default_rng(5)
    Z = rng.normal(size=(400, 30))
    y = outcome(np.ones(400, bool), rng.exponential(np.exp(-2 * Z[:, 3] * Z[:, 8])))
    selector = clone(BRIEF).fit(Z, y)
    assert set(np.argsort(selector.ranking_)[:2]) == {3, 8}


def test_elimination_regresses_what_all_features_predict():
    """The ridge regression of features that explain 5 % of a response of variance 1."""
    rng = np.random.default_rng(6)
    Z, T, weight = rng.normal(size=(80, 12)), rng.normal(size=(80, 1)), np.ones(80)
    Z[:, 1] += Z[:, 0]
    F = StandardScaler().fit_transform(Z)
    predicted = Ridge(alpha=12 / 0.05).fit(F, T).predict(F).reshape(-1, 1)
    expected = backward_elimination(Z, predicted, weight, product_scale=0)
    order = backward_elimination(Z, T, weight, product_scale=0, signal=0.05)
    np.testing.assert_array_equal(order, expected)
    assert (order != backward_elimination(Z, T, weight, product_scale=0)).any()


# The other estimators


def test_cross_validation_with_the_default_judge():
    model = L1InfFeatureSelectorCV(BRIEF, radii=[0.05, 0.5, 2], cv=3).fit(X, Y)
    assert model.cv_results_["mean_test_score"].max() > 0.75
    assert model.support_[[4, 7]].all()
    np.testing.assert_array_equal(model.path_.radii, [0.05, 0.5, 2])


@pytest.mark.parametrize("routing", [False, True])
def test_weights_in_cross_validation_leave_samples_out(routing):
    weight = (np.arange(N) % 4 > 0).astype(float)
    kept = weight > 0
    folds = StratifiedKFold(2)
    on_kept = list(folds.split(X[kept], Y["event"][kept]))
    places = np.flatnonzero(kept)
    model = L1InfFeatureSelectorCV(BRIEF, radii=[0.5, 2])
    few = clone(model).set_params(cv=on_kept).fit(X[kept], Y[kept])
    on_all = [tuple(places[part] for part in split) for split in on_kept]
    on_all = [(np.append(a, np.flatnonzero(~kept)), b) for a, b in on_all]
    with config_context(enable_metadata_routing=routing):
        every = clone(model).set_params(cv=on_all).fit(X, Y, sample_weight=weight)
    for key in ("split0_test_score", "split1_test_score"):
        np.testing.assert_allclose(every.cv_results_[key], few.cv_results_[key], 0.03)


def test_folds_and_halves_are_balanced_by_event(monkeypatch):
    """A tenth of the samples have events; sorted, they would all be in one fold."""
    event = np.arange(N) < 12
    y = outcome(event, np.arange(1.0, N + 1))
    seen = []

    class Seeing(CoxPHSurvivalAnalysis):
        def fit(self, X, y):
            seen.append(int(y["event"].sum()))
            return super().fit(X, y)

    judge = Seeing(alpha=1.0)
    L1InfFeatureSelectorCV(BRIEF, estimator=judge, radii=[1, 2], cv=4).fit(X, y)
    assert set(seen) == {9}
    drawn, encode = [], Survival.encode.__func__

    def noted(cls, y, *rest):
        drawn.append(int(y["event"].sum()))
        return encode(cls, y, *rest)

    monkeypatch.setattr(Survival, "encode", classmethod(noted))
    L1InfStabilitySelector(BRIEF, n_pairs=2, random_state=0).fit(X, y)
    assert set(drawn) == {12, 6}


def test_without_scikit_survival_an_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sksurv.linear_model", None)
    with pytest.raises(ImportError, match=r"skl1inf\[survival\]"):
        L1InfFeatureSelectorCV(BRIEF, radii=[0.5, 2]).fit(X, Y)
    clone(BRIEF).fit(X, Y)


def test_stability_and_path_find_the_true_features():
    stable = L1InfStabilitySelector(BRIEF, n_pairs=4, random_state=0).fit(X, Y)
    assert stable.support_[[4, 7]].all()
    path = radius_path(X, Y, radii=[0.05, 0.5, 2], selector=BRIEF)
    assert set(path.rankings[1].argsort()[:2]) == {4, 7}


def test_a_pipeline_in_a_grid_search_of_a_cox_model():
    selector = told(max_features=2)
    model = make_pipeline(selector, StandardScaler(), CoxPHSurvivalAnalysis(alpha=1.0))
    grid = {"l1inffeatureselector__max_features": [1, 2]}
    search = GridSearchCV(model, grid, cv=3).fit(X, Y)
    assert search.best_params_ == {"l1inffeatureselector__max_features": 2}
    assert search.best_score_ > 0.75


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_frame_of_events_and_times_is_not_guessed_to_be_numbers(frame):
    rng = np.random.default_rng(0)
    y = frame({"event": rng.random(40) < 0.5, "time": rng.exponential(size=40)})
    with pytest.raises(ValueError, match='pass target="survival"'):
        L1InfFeatureSelector().fit(rng.normal(size=(40, 5)), y)
