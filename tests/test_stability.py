"""Stability selection: what it promises, what it takes and what it refuses."""

import os
import pickle
import signal
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import psutil
import pytest
from callbacks import Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skl1inf import L1InfFeatureSelector, L1InfStabilitySelector
from skl1inf.plotting import StabilityDisplay


def draw(seed, n_features=120, n_true=5, effect=2.0):
    """Two classes of 30 samples; the first `n_true` features tell them apart."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(60, n_features)), np.arange(60) % 2
    X[y == 1, :n_true] += effect
    return X, y


@pytest.fixture(scope="module")
def classes():
    return draw(0)


def selector(**params):
    return L1InfFeatureSelector(
        **{"n_hidden": 16, "max_iter": 40, "random_state": 0, **params}
    )


def quick(params=None, **stability_params):
    stability_params = {"n_pairs": 6, "random_state": 0, **stability_params}
    return L1InfStabilitySelector(selector(**(params or {})), **stability_params)


def assert_same_fit(a, b):
    for name in ("selection_probabilities_", "ranking_", "support_"):
        assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


# What it selects


def test_selects_the_informative_features(classes):
    stable = quick().fit(*classes)
    assert_array_equal(stable.get_support(indices=True), range(5))
    assert (stable.selection_probabilities_[:5] >= 0.9).all()


def test_probabilities_are_those_of_single_fits_on_halves(classes):
    X, y = classes
    stable = quick().fit(X, y)
    rng = np.random.RandomState(0)
    seed = rng.randint(np.iinfo(np.int32).max)  # of the networks, before the halves
    n_selected = selector(random_state=seed).fit(X, y).n_features_
    splits = StratifiedShuffleSplit(6, train_size=30, test_size=30, random_state=rng)
    ranks = []
    for half in (half for pair in splits.split(X, y) for half in pair):
        fitted = selector(random_state=seed).fit(X[half], y[half])
        importances = fitted.feature_importances_
        ranks.append((-importances).argsort(kind="stable").argsort())
    expected = (np.array(ranks) < n_selected).mean(axis=0)
    assert stable.n_selected_ == n_selected
    # Trained alone or with others, a half differs by rounding.
    assert np.abs(stable.selection_probabilities_ - expected).max() <= 1 / 12 + 1e-9
    assert (stable.selection_probabilities_ == expected).mean() > 0.95


def test_every_half_selects_the_same_number(classes):
    stable = quick().fit(*classes)
    assert_allclose(stable.selection_probabilities_.sum(), stable.n_selected_)


def test_ranking_goes_by_probability(classes):
    stable = quick().fit(*classes)
    assert_array_equal(np.sort(stable.ranking_), np.arange(1, 121))
    by_rank = stable.selection_probabilities_[np.argsort(stable.ranking_)]
    assert (np.diff(by_rank) <= 0).all()
    assert_array_equal(stable.support_, stable.ranking_ <= stable.n_features_)


def test_constant_columns_are_never_selected():
    X, y = draw(0, n_features=8, n_true=0)
    X[:, 6] = 1.0
    X[1:, 7] = 0.0  # varies in one half of a pair at most
    stable = quick({"radius": 100}).fit(X, y)
    assert stable.n_selected_ >= 7
    assert stable.selection_probabilities_[6] == 0
    assert stable.selection_probabilities_[7] <= 0.5
    assert stable.ranking_[6] == 8


def test_takes_the_selector_that_it_is_given(classes):
    given = selector(radius=0.3, max_features=3)
    before = dict(vars(given))
    stable = L1InfStabilitySelector(given, n_pairs=2).fit(*classes)
    assert vars(given) == before
    alone = clone(given).fit(*classes)
    assert_array_equal(stable.selector_.ranking_, alone.ranking_)
    assert_array_equal(stable.selector_.encoder_weights_, alone.encoder_weights_)
    assert stable.n_selected_ == alone.n_features_ == 3
    assert set(vars(stable.selector_)) == set(vars(alone))


# The bound


def test_bound_is_that_of_the_theorem(classes):
    stable = quick(threshold=0.8).fit(*classes)
    q = stable.n_selected_
    assert stable.threshold_ == 0.8
    assert_allclose(stable.false_positives_bound_, q**2 / (0.6 * 120))


@pytest.mark.parametrize("most", [0.5, 1, 10])
def test_threshold_is_that_of_the_wanted_bound(classes, most):
    stable = quick({"max_features": 7}, max_false_positives=most).fit(*classes)
    q, free = stable.n_selected_, stable.selector_.n_features_
    assert stable.false_positives_bound_ == most
    assert_allclose(q**2 / ((2 * stable.threshold_ - 1) * 120), most)
    assert 0.5 < stable.threshold_ <= 1
    # As many as the selector's, unless one more would ask for more than 1.
    assert q == free or (1 + (q + 1) ** 2 / (120 * most)) / 2 > 1


def test_few_false_positives_lower_the_number_that_a_half_selects(classes):
    stable = quick({"max_features": 7}, max_false_positives=0.1).fit(*classes)
    assert stable.n_selected_ == 3  # the square root of 120 x 0.1, rounded down
    assert_allclose(stable.selection_probabilities_.sum(), 3)


@pytest.mark.parametrize("n_true", [0, 8])
@pytest.mark.parametrize("params", [{}, {"max_false_positives": 1}], ids=str)
def test_promise_is_kept_on_exchangeable_noise(n_true, params):
    """Twenty draws; the benchmark takes two hundred, larger ones."""
    n_false, bounds = [], []
    for seed in range(20):
        X, y = draw(seed, n_features=200, n_true=n_true, effect=1.5)
        fast = {"max_features": 12, "n_hidden": 8, "max_iter": 20}
        stable = quick(fast, **params, random_state=seed).fit(X, y)
        n_false.append(stable.support_[n_true:].sum())
        bounds.append(stable.false_positives_bound_)
        assert n_true == 0 or stable.support_[:n_true].any()
    assert np.mean(n_false) <= np.mean(bounds)


# The halves


@given(
    counts=st.lists(st.integers(2, 9), min_size=2, max_size=6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_halves_are_disjoint_and_have_every_class(counts, seed):
    from skl1inf.estimators._base import Data
    from skl1inf.estimators._stability import _groups_of_halves

    y = np.repeat(np.arange(len(counts)), counts)
    X = np.random.default_rng(seed).normal(size=(len(y), 3))
    data = Data.validate(L1InfFeatureSelector(), X, y, None)
    random_state = np.random.RandomState(seed)
    groups = _groups_of_halves(data, 7, random_state, L1InfFeatureSelector())
    assert [len(group) for group in groups] == [10, 4]
    halves = [half for group in groups for half in group]
    for one, other in zip(halves[::2], halves[1::2], strict=True):
        assert len(one) == len(other) == len(y) // 2
        assert len({*one, *other}) == 2 * (len(y) // 2)
        for half in (one, other):
            shares = np.bincount(y[half], minlength=len(counts)) - np.array(counts) / 2
            assert set(y[half]) == set(y)
            assert np.abs(shares).max() <= 1


def nearly_constant(n_other):
    """80 numbers of which so many are not zero."""
    X = np.random.default_rng(0).normal(size=(80, 12))
    return X, np.where(np.arange(80) < n_other, np.arange(80) + 1.5, 0.0)


def rare_columns():
    """Two columns that are zero but for two samples each."""
    X = np.zeros((80, 2))
    X[:2, 0] = X[2:4, 1] = 1.0
    return X, np.random.default_rng(0).normal(size=80)


def two_members():
    """A class with two members."""
    X = np.random.default_rng(0).normal(size=(81, 12))
    return X, (np.arange(81) < 2).astype(int)


@pytest.mark.parametrize(
    "data",
    [nearly_constant(2), nearly_constant(3), rare_columns(), two_members()],
    ids=["2 of 80", "3 of 80", "rare columns", "two members"],
)
@pytest.mark.parametrize("seed", range(3))
def test_halves_that_cannot_be_trained_on_are_drawn_again(data, seed):
    brief = {"max_iter": 2, "n_hidden": 4, "radius": 100}
    stable = quick(brief, n_pairs=25, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "y has 2 different values")
        stable.fit(*data)
    assert 0 < stable.selection_probabilities_.max() <= 1


def test_the_first_half_of_a_rare_value_may_be_either():
    """Redrawn, halves stay a fair draw: each sample is in the first as often."""
    from skl1inf.estimators._base import Data
    from skl1inf.estimators._stability import _groups_of_halves

    X, y = nearly_constant(2)
    data = Data.validate(L1InfFeatureSelector(target="regression"), X, y, None)
    groups = _groups_of_halves(
        data, 400, np.random.RandomState(0), L1InfFeatureSelector()
    )
    firsts = [half for group in groups for half in group[::2]]
    shares = np.bincount(np.concatenate(firsts), minlength=80) / 400
    assert np.abs(shares - 0.5).max() < 4 * 0.5 / np.sqrt(400)
    assert all((y[half] > 0).sum() == 1 for half in firsts)


# What it takes


def test_several_numbers_and_no_target():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 40))
    Y = X[:, :3] @ rng.normal(size=(3, 2))
    # The standardised coefficients have an l1,inf norm of 2.3.
    stable = quick({"radius": 2}).fit(X, Y)
    assert_array_equal(stable.get_support(indices=True), range(3))
    X[:, :10] = rng.normal(size=(80, 1)) + 0.3 * rng.normal(size=(80, 10))
    stable = quick({"n_latent": 2, "max_iter": 150}).fit(X)
    assert stable.support_[:10].sum() >= 6
    assert not stable.support_[10:].any()


def test_sparse_and_dense_agree(classes):
    X, y = classes
    X = np.where(X > 0.5, X, 0)
    dense, held = quick().fit(X, y), quick().fit(sparse.csr_array(X), y)
    difference = dense.selection_probabilities_ - held.selection_probabilities_
    assert np.abs(difference).max() <= 2 / 12
    assert_array_equal(dense.support_, held.support_)
    assert held.transform(sparse.csr_array(X)).format == "csr"


def test_data_frames_and_pictures(classes):
    X, y = classes
    frame = pd.DataFrame(X, columns=[f"gene {i}" for i in range(120)])
    labels = pd.Series(np.array(["EWS", "BL"])[y])
    stable = quick().set_output(transform="pandas").fit(frame, labels)
    pd.testing.assert_frame_equal(stable.transform(frame), frame.iloc[:, :5])
    assert_array_equal(stable.selector_.feature_names_in_, frame.columns)
    display = StabilityDisplay.from_estimator(stable)
    assert {text.get_text() for text in display.texts_} >= set(frame.columns[:5])


def test_in_a_pipeline_under_grid_search(classes):
    X, y = classes
    stable = quick(n_pairs=2)
    pipe = Pipeline([("sel", stable), ("clf", SVC())])
    assert cross_val_score(pipe, X, y, cv=3).mean() > 0.9
    search = GridSearchCV(pipe, {"sel__selector__radius": [0.1, 1.0]}, cv=2).fit(X, y)
    assert search.best_estimator_["sel"].selector_.radius in (0.1, 1.0)
    assert stable.selector.radius == 1.0


def test_clone_and_pickle(classes):
    stable = quick().fit(*classes)
    assert_same_fit(stable, pickle.loads(pickle.dumps(stable)))
    assert_same_fit(stable, clone(stable).fit(*classes))


def test_nothing_selected_warns(classes):
    X, y = draw(1, effect=0.0)
    stable = quick(max_false_positives=0.05).fit(X, y)
    assert stable.n_features_ == 0
    with pytest.warns(UserWarning, match="No features were selected"):
        assert stable.transform(X).shape == (60, 0)


def test_two_floating_point_values_warn_once(classes):
    X, y = classes
    with pytest.warns(UserWarning, match="target=") as caught:
        quick(n_pairs=1).fit(X, y.astype(float))
    assert [record.filename for record in caught] == [__file__]


# Reproducibility


def test_random_state_determines_all(classes):
    stable = [
        L1InfStabilitySelector(n_pairs=6, random_state=seed).fit(*classes)
        for seed in (0, 0, 1)
    ]
    assert_same_fit(*stable[:2])
    assert (stable[0].selector_.encoder_weights_ == stable[1].selector_.coefs_[0]).all()
    other = stable[2].selection_probabilities_
    assert (stable[0].selection_probabilities_ != other).any()


def test_random_state_wins_over_that_of_the_selector(classes):
    stable = [
        L1InfStabilitySelector(
            selector(random_state=seed), n_pairs=1, random_state=0
        ).fit(*classes)
        for seed in (None, 1)
    ]
    assert_same_fit(*stable)
    assert_array_equal(stable[0].selector_.coefs_[0], stable[1].selector_.coefs_[0])


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_processors_change_nothing(srbct, backend):
    stable = quick(n_pairs=8)
    alone = clone(stable).fit(*srbct)
    with joblib.parallel_config(backend):
        assert_same_fit(alone, clone(stable).set_params(n_jobs=2).fit(*srbct))


@pytest.mark.filterwarnings("default")  # the cluster's own
def test_a_cluster_changes_nothing(srbct):
    from distributed import Client, LocalCluster

    stable = quick(n_pairs=8)
    alone = clone(stable).fit(*srbct)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        assert_same_fit(alone, clone(stable).fit(*srbct))


# What it refuses


@pytest.mark.parametrize(
    ("params", "change", "message"),
    [
        ({}, lambda X, y: (X, np.where(np.arange(60) == 7, 2, y)), r"members are: \[2"),
        (
            {"selector__target": "regression"},
            lambda X, y: (X, np.eye(60)[7]),
            "halves.* y is constant",
        ),
        (
            {"selector__target": "regression"},
            lambda X, y: (np.eye(60)[:, :1], X[:, 0]),
            "halves.* All columns of X are constant",
        ),
        ({}, lambda X, y: (X[:3], X[:3, 0]), "n_samples=3 must be at least 4"),
        ({}, lambda X, y: (X[:3], None), "n_samples=3 must be at least 4"),
        ({}, lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        ({}, lambda X, y: (np.where(X > 2, np.nan, X), y), "Input X contains NaN"),
        ({"max_false_positives": 1e-3}, lambda X, y: (X, y), "is too small"),
        ({"max_false_positives": 0}, lambda X, y: (X, y), "'max_false_positives'"),
        ({"threshold": 0.5}, lambda X, y: (X, y), "'threshold'"),
        ({"threshold": 1.01}, lambda X, y: (X, y), "'threshold'"),
        ({"n_pairs": 0}, lambda X, y: (X, y), "'n_pairs'"),
        ({"selector__radius": -1}, lambda X, y: (X, y), "'radius'"),
        ({"selector__max_features": 121}, lambda X, y: (X, y), "max_features=121"),
    ],
)
def test_what_it_refuses_it_refuses_before_training(classes, params, change, message):
    recorder = Recorder()
    stable = quick(n_pairs=1).fit(*classes).set_callbacks(recorder)
    stable.set_params(**params)
    before = dict(vars(stable))
    with pytest.raises(ValueError, match=message):
        stable.fit(*change(*classes))
    assert vars(stable) == before
    assert recorder.begun == []


@pytest.mark.parametrize("wrong", [SVC(), L1InfFeatureSelector, "radius", 1.0])
def test_selector_must_be_one(classes, wrong):
    with pytest.raises(TypeError, match=r"'selector' parameter .*FeatureSelector'"):
        L1InfStabilitySelector(wrong).fit(*classes)


# Progress and interruption


def test_callbacks_see_every_group_of_halves(classes):
    recorder = Recorder()
    quick().set_callbacks(recorder).fit(*classes)
    assert recorder.ended.count("halves") == 2
    assert recorder.ended[-1] == "fit"
    assert sorted(recorder.begun) == sorted(recorder.ended)


def test_progress_bar_and_lines(classes, capsys):
    quick(n_jobs=2, verbose=1).set_callbacks(ProgressBar()).fit(*classes)
    assert "L1InfStabilitySelector" in capsys.readouterr().out


class Interrupt(Recorder):
    """Interrupts at the end of a task."""

    def __init__(self, task):
        super().__init__()
        self.task = task

    def on_fit_task_end(self, estimator, context):
        if context.task_name == self.task:
            raise KeyboardInterrupt


@pytest.mark.parametrize("task", ["selector", "pass", "halves", "fit"])
def test_an_interrupted_fit_leaves_no_half_fitted_selector(classes, task):
    stable = quick().set_callbacks(Interrupt(task))
    before = dict(vars(stable))
    with pytest.raises(KeyboardInterrupt):
        stable.fit(*classes)
    assert vars(stable) == before


LONG_FIT = """
import signal
import numpy as np, psutil
from skl1inf import L1InfStabilitySelector

# A job in the background inherits that it is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
X, y = np.random.default_rng(0).normal(size=(60, 500)), np.arange(60) % 2
stable = L1InfStabilitySelector(n_pairs=2000, n_jobs=2, verbose=1, random_state=0)
try:
    stable.fit(X, y)
except KeyboardInterrupt:
    print("interrupted", not hasattr(stable, "ranking_"), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_an_interrupted_fit_leaves_no_process():
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", LONG_FIT],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        for line in process.stdout:
            if "path" in line:  # a worker has trained its first halves
                break
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert "interrupted True" in rest
    assert process.returncode == 0
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_halves_are_trained_at_the_radius_found(classes):
    """Asked for a number, each half selects as many, at the radius of all samples."""
    stable = quick({"n_features_to_select": 6}).fit(*classes)
    assert stable.n_selected_ == 6
    given = quick({"radius": stable.selector_.radius_, "max_features": 6})
    np.testing.assert_array_equal(
        stable.selection_probabilities_,
        given.fit(*classes).selection_probabilities_,
    )
