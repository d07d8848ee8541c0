"""The selector on data: what it selects, what it accepts and what it refuses."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import skops.io
import torch
from callbacks import Recorder
from reference_elimination import elimination_with_sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skl1inf import (
    L1InfFeatureSelector,
    L1InfStabilitySelector,
    l1inf_norm,
    network,
    radius_path,
)
from skl1inf.estimators._elimination import N_ORDERED

FITTED = (
    "encoder_weights_",
    "feature_importances_",
    "ranking_",
    "support_",
    "mean_",
    "scale_",
    "loss_curve_",
)


@pytest.fixture(scope="module")
def classes():
    """Two classes, five informative features of 300, the first columns."""
    X, y = make_classification(
        n_samples=120,
        n_features=300,
        n_informative=5,
        n_redundant=0,
        n_clusters_per_class=1,
        class_sep=2.0,
        shuffle=False,
        random_state=0,
    )
    return X, y


@pytest.fixture(scope="module")
def numbers():
    """Two numeric targets, five informative features of 200, and their mask."""
    X, Y, coef = make_regression(
        n_samples=150,
        n_features=200,
        n_informative=5,
        n_targets=2,
        noise=1.0,
        coef=True,
        random_state=0,
    )
    return X, Y, coef.any(axis=1)


def quick(**params):
    return L1InfFeatureSelector(**{"max_iter": 20, "random_state": 0, **params})


def assert_same_fit(a, b, **tolerance):
    for name in FITTED:
        x, y = getattr(a, name), getattr(b, name)
        if name == "ranking_":  # rounding may swap neighbours
            x, y = (np.where(f.support_, f.ranking_, 0) for f in (a, b))
            assert np.abs(x - y).max() <= 3
            continue
        np.testing.assert_allclose(x, y, err_msg=name, **tolerance)


# What it selects


def test_finds_the_informative_features_for_classes(classes):
    X, y = classes
    selector = L1InfFeatureSelector(random_state=0).fit(X, y)
    assert set(np.argsort(selector.ranking_)[:3]) <= set(range(5))
    assert selector.n_features_ < 150


def test_finds_the_informative_features_for_numbers(numbers):
    X, Y, informative = numbers
    selector = L1InfFeatureSelector(random_state=0).fit(X, Y)
    assert informative[np.argsort(selector.ranking_)[:5]].sum() >= 4


def test_finds_what_can_be_reconstructed_without_target():
    """Ten columns share one factor; the others are noise nobody can predict."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 60))
    X[:, :10] = rng.normal(size=(200, 1)) + 0.3 * rng.normal(size=(200, 10))
    selector = L1InfFeatureSelector(n_latent=2, random_state=0).fit(X)
    assert (np.argsort(selector.ranking_)[:8] < 10).all()


@pytest.mark.parametrize("seed", range(3))
def test_selects_the_modules_and_hardly_more_without_target(seed):
    """Two factors of ten columns each among 120, fewer than the code has units."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 120))
    factors = rng.normal(size=(200, 2)).repeat(10, axis=1)
    X[:, :20] = factors + 0.5 * rng.normal(size=(200, 20))
    selector = L1InfFeatureSelector(random_state=seed).fit(X)
    assert selector.support_[:20].sum() >= 18
    assert selector.support_[20:].sum() <= 4


def test_khan_svc_in_a_pipeline(srbct):
    """The figures of a published data set, on the raw matrix."""
    X, y = srbct
    pipe = Pipeline(
        [("sel", L1InfFeatureSelector(radius=1, random_state=0)), ("clf", SVC())]
    )
    result = cross_validate(pipe, X, y, cv=4, return_estimator=True)
    assert result["test_score"].mean() >= 0.97
    kept = [fitted["sel"].n_features_ for fitted in result["estimator"]]
    assert max(kept) < 0.1 * X.shape[1]


def assert_survivors_grow(X, y):
    kept = [
        L1InfFeatureSelector(radius=radius, random_state=0).fit(X, y).n_features_
        for radius in (0.1, 0.3, 1, 3, 10)
    ]
    assert kept == sorted(kept)
    assert 1 <= kept[0] < kept[-1]


def test_survivors_grow_with_the_radius(srbct):
    assert_survivors_grow(*srbct)


@pytest.mark.parametrize("name", ["ALLAML", "colon", "Breast_metabolomics"])
def test_survivors_grow_with_the_radius_on_real_data(real_data, name):
    assert_survivors_grow(*real_data(name))


# What the fitted attributes promise


def test_fitted_attributes(classes):
    X, y = classes
    X = X.copy()
    X[:, 7] = 3.0
    selector = L1InfFeatureSelector(radius=0.5, random_state=0).fit(X, y)
    alive = selector.encoder_weights_.any(axis=1)
    assert selector.encoder_weights_.shape == (300, 64)
    assert l1inf_norm(selector.encoder_weights_) <= 0.5
    assert selector.coefs_[0] is selector.encoder_weights_
    assert sorted(selector.ranking_) == list(range(1, 301))
    assert selector.ranking_[7] == 300
    assert not selector.encoder_weights_[7].any()
    assert selector.support_[alive].all()
    np.testing.assert_array_equal(
        selector.get_support(), selector.ranking_ <= selector.n_features_
    )
    assert selector.n_features_ == selector.support_.sum()
    assert len(selector.loss_curve_) == selector.n_iter_
    assert 0 <= selector.optimality_ <= 2
    np.testing.assert_allclose(selector.mean_, X.mean(axis=0))
    np.testing.assert_array_equal(selector.classes_, [0, 1])


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_ranking(classes, container):
    """The 20 most important features in order of elimination, then by importance."""
    X, y = classes
    X, weight = X.copy(), np.random.default_rng(0).integers(0, 4, len(y))
    X[:, 7] = 3.0
    selector = quick(class_weight={0: 1, 1: 3}).fit(container(X), y, weight)
    order = np.argsort(selector.ranking_)
    importances = selector.feature_importances_[order]
    assert importances[:N_ORDERED].min() >= importances[N_ORDERED]
    assert (np.diff(importances[N_ORDERED:]) <= 0).all()
    assert order[-1] == 7
    best, kept = np.sort(order[:N_ORDERED]), weight > 0
    weight = weight * np.where(y == 1, 3.0, 1.0)
    T = np.eye(2)[y[kept]]
    expected = elimination_with_sklearn(X[kept][:, best], T, weight[kept])
    np.testing.assert_array_equal(order[:N_ORDERED], best[expected])


def test_without_second_descent_the_survivors_rank_first(classes):
    selector = quick(second_descent=False, radius=0.3).fit(*classes)
    alive = selector.encoder_weights_.any(axis=1)
    assert alive.sum() < N_ORDERED
    np.testing.assert_array_equal(selector.support_, alive)
    np.testing.assert_array_equal(selector.ranking_ <= alive.sum(), alive)


def test_fitted_attributes_hold_no_torch_object(classes):
    selector = quick().fit(*classes)
    for value in vars(selector).values():
        for item in value if isinstance(value, list) else [value]:
            assert not isinstance(item, torch.Tensor | torch.device)


def test_max_features_takes_the_best_ranked(classes):
    X, y = classes
    everything = quick().fit(X, y)
    few = quick(max_features=3).fit(X, y)
    np.testing.assert_array_equal(few.support_, everything.ranking_ <= 3)
    lived = everything.feature_importances_ > 0
    np.testing.assert_array_equal(few.ranking_[lived], everything.ranking_[lived])
    assert not few.encoder_weights_[~few.support_].any()
    np.testing.assert_array_equal(few.transform(X), X[:, few.support_])


def test_encode_is_the_network_on_the_standardised_matrix(classes):
    X, y = classes
    selector = quick().fit(X, y)
    A = StandardScaler().fit_transform(X) @ selector.coefs_[0] + selector.intercepts_[0]
    code = (A / (1 + np.exp(-A))) @ selector.coefs_[1] + selector.intercepts_[1]
    np.testing.assert_allclose(selector.encode(X), code, atol=1e-4)
    assert selector.encode(sparse.csr_array(X)).shape == (120, 2)
    X = X.copy()
    X[:, ~selector.support_] = 1e300  # what is not selected is not looked at
    np.testing.assert_allclose(selector.encode(X), code, atol=1e-4)


def test_the_code_of_classes_predicts_them(classes):
    X, y = classes
    code = L1InfFeatureSelector(random_state=0).fit(X, y).encode(X)
    assert (code.argmax(axis=1) == y).mean() > 0.9


@pytest.mark.parametrize("activation", ["silu", "relu", "tanh", "identity"])
def test_every_activation_trains(classes, activation):
    X, y = classes
    selector = L1InfFeatureSelector(activation=activation, random_state=0).fit(X, y)
    assert selector.loss_curve_[-1] < selector.loss_curve_[0]
    assert set(np.argsort(selector.ranking_)[:2]) <= set(range(5))


# Invariances


def test_numeric_targets_may_be_shifted_and_rescaled(numbers):
    X, Y, _ = numbers
    a = quick().fit(X, Y)
    b = quick().fit(X, Y * [1e-3, 1e4] + [5.0, -1e5])
    assert_same_fit(a, b, rtol=1e-3, atol=1e-5)


def test_a_column_may_be_shifted_and_rescaled(classes):
    X, y = classes
    rng = np.random.default_rng(0)
    a = quick().fit(X, y)
    b = quick().fit(X * rng.uniform(0.1, 10, 300) + rng.normal(size=300), y)
    np.testing.assert_array_equal(a.support_, b.support_)
    np.testing.assert_allclose(a.encoder_weights_, b.encoder_weights_, atol=1e-5)


@pytest.mark.parametrize("target", ["classification", "regression", "unsupervised"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_weights_act_as_repetitions(classes, target, container):
    X, y = classes
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    a = quick(target=target, class_weight="balanced")
    a.fit(container(X), y, sample_weight=weight)
    b = clone(a).fit(container(np.repeat(X, weight, axis=0)), np.repeat(y, weight))
    assert_same_fit(a, b, rtol=1e-3, atol=1e-3)


def test_weights_may_be_rescaled(classes):
    X, y = classes
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    a = quick().fit(X, y, sample_weight=weight)
    b = quick().fit(X, y, sample_weight=1e6 * weight)
    assert_same_fit(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_equals_dense(container):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 100)
    X = rng.poisson(0.2, size=(100, 80)).astype(float)
    X[:, :5] += rng.poisson(y[:, None], size=(100, 5))
    assert_same_fit(
        quick().fit(X, y), quick().fit(container(X), y), rtol=1e-3, atol=1e-5
    )


def test_sparse_is_never_densified_as_a_whole(monkeypatch):
    """A matrix whose dense form has many chunks is worked on in chunks."""
    from skl1inf.matrices._standardized_sparse import StandardizedSparse
    from skl1inf.network import _problem

    monkeypatch.setattr(_problem, "_RECONSTRUCTED_ENTRIES", 1000)
    largest = []
    blocks = StandardizedSparse.transposed_blocks

    def record(matrix):
        largest.append(matrix.n_samples * matrix.n_features)
        return blocks(matrix)

    monkeypatch.setattr(StandardizedSparse, "transposed_blocks", record)
    X = sparse.random_array((200, 50), density=0.1, format="csr", rng=0)
    quick(max_iter=3, reconstruction_weight=0.01).fit(X, np.arange(200) % 2)
    assert max(largest) <= 1000


def test_chunks_change_nothing(classes, monkeypatch):
    from skl1inf.network import _problem

    X, y = classes
    selector = quick(reconstruction_weight=0.01)
    whole = clone(selector).fit(X, y)
    monkeypatch.setattr(_problem, "_RECONSTRUCTED_ENTRIES", 50 * 300)
    assert_same_fit(whole, selector.fit(X, y), rtol=1e-3, atol=1e-5)


def test_mini_batches_train(classes):
    X, y = classes
    selector = L1InfFeatureSelector(batch_size=32, max_iter=30, random_state=0)
    selector.fit(X, y)
    assert selector.loss_curve_[-1] < selector.loss_curve_[0]
    assert set(np.argsort(selector.ranking_)[:2]) <= set(range(5))


def test_mini_batches_do_not_end_by_tol(classes):
    selector = quick(batch_size=32, tol=2.0).fit(*classes)
    assert selector.n_iter_ == 40


def test_weights_count_in_batches_of_one_sample():
    """Columns 0 and 1 tell the classes apart in one half of the samples each."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = rng.normal(size=(80, 30))
    X[:40, 0] += 4 * y[:40]
    X[40:, 1] += 4 * y[40:]
    for best, weight in ((0, np.repeat([1, 0.1], 40)), (1, np.repeat([0.1, 1], 40))):
        selector = quick(batch_size=1).fit(X, y, sample_weight=weight)
        assert selector.ranking_[best] == 1


def test_a_batch_of_all_samples_is_no_mini_batch(classes):
    X, y = classes
    assert_same_fit(quick().fit(X, y), quick(batch_size=1000).fit(X, y))


# Reproducibility


def test_same_seed_same_result_and_global_states_untouched(classes):
    X, y = classes
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    a, b = quick(batch_size=32).fit(X, y), quick(batch_size=32).fit(X, y)
    assert_same_fit(a, b, rtol=0)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_threads_change_nothing_but_rounding(classes):
    X, y = classes
    threads = torch.get_num_threads()
    try:
        fits = []
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            fits.append(quick().fit(X, y))
    finally:
        torch.set_num_threads(threads)
    assert_same_fit(*fits, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_mode_of_torch_without_gradients_changes_nothing(classes, mode):
    X, y = classes
    stable = L1InfStabilitySelector(quick(), n_pairs=1, random_state=0)
    before = quick().fit(X, y), radius_path(X, y, radii=2, selector=quick())
    stable_before = clone(stable).fit(X, y)
    with mode():
        after = quick().fit(X, y), radius_path(X, y, radii=2, selector=quick())
        stable.fit(X, y)
    assert_same_fit(before[0], after[0], rtol=0)
    np.testing.assert_array_equal(before[1].weights, after[1].weights)
    np.testing.assert_array_equal(stable_before.ranking_, stable.ranking_)


def test_a_device_may_be_named(classes):
    X, y = classes
    named, found = quick(device="cpu").fit(X, y), quick().fit(X, y)
    exact = {} if torch.cuda.is_available() else {"rtol": 0}
    assert_same_fit(named, found, **exact)


def test_default_dtype_of_torch_changes_nothing(classes):
    before = quick().fit(*classes)
    torch.set_default_dtype(torch.float64)
    try:
        after = quick().fit(*classes)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_same_fit(before, after, rtol=0)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_in_parallel_gives_the_same_scores(srbct, backend):
    import joblib

    X, y = srbct
    pipe = Pipeline([("sel", quick()), ("clf", SVC())])
    grid = {"sel__radius": [0.3, 1.0]}
    alone = GridSearchCV(pipe, grid, cv=3, n_jobs=1).fit(X, y)
    with joblib.parallel_config(backend):
        parallel = GridSearchCV(pipe, grid, cv=3, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], parallel.cv_results_["mean_test_score"]
    )


# Fitting into scikit-learn


def test_names_and_data_frames(classes):
    X, y = classes
    frame = pd.DataFrame(X, columns=[f"gene {i}" for i in range(300)])
    selector = quick(max_features=4).set_output(transform="pandas").fit(frame, y)
    chosen = selector.transform(frame)
    assert list(chosen.columns) == list(selector.get_feature_names_out())
    pd.testing.assert_frame_equal(chosen, frame.loc[:, selector.support_])


def test_columns_come_back_as_they_were_given(classes):
    X, y = classes
    before = X.copy()
    selector = quick().fit(X, y)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(selector.transform(X), X[:, selector.support_])
    back = selector.inverse_transform(selector.transform(X))
    np.testing.assert_array_equal(back, np.where(selector.support_, X, 0))


def test_sample_weight_is_routed(classes):
    X, y = classes
    weight = np.where(y == 0, 1.0, 3.0)
    with sklearn.config_context(enable_metadata_routing=True):
        selector = quick().set_fit_request(sample_weight=True)
        clf = SVC().set_fit_request(sample_weight=True)
        pipe = Pipeline([("sel", selector), ("clf", clf)])
        pipe.fit(X, y, sample_weight=weight)
    alone = quick().fit(X, y, sample_weight=weight)
    assert_same_fit(pipe["sel"], alone, rtol=0)


def test_pickle_and_skops(classes, tmp_path):
    X, y = classes
    selector = quick().fit(X, y)
    assert_same_fit(selector, pickle.loads(pickle.dumps(selector)), rtol=0)
    skops.io.dump(selector, tmp_path / "selector.skops")
    untrusted = skops.io.get_untrusted_types(file=tmp_path / "selector.skops")
    assert all(name.startswith("skl1inf.") for name in untrusted)
    loaded = skops.io.load(tmp_path / "selector.skops", trusted=untrusted)
    assert_same_fit(selector, loaded, rtol=0)
    np.testing.assert_array_equal(selector.encode(X), loaded.encode(X))


def test_a_second_fit_forgets_the_first(classes, numbers):
    selector = quick().fit(*classes)
    X, Y, _ = numbers
    selector.fit(X, Y)
    assert not hasattr(selector, "classes_")
    assert_same_fit(selector, quick().fit(X, Y), rtol=0)


def test_target_tag_says_the_truth(classes):
    X, _ = classes
    for target in ("classification", "regression"):
        selector = quick(target=target)
        assert selector.__sklearn_tags__().target_tags.required
        with pytest.raises(ValueError, match="requires y to be passed"):
            selector.fit(X)
    for target in ("auto", "unsupervised"):
        selector = quick(target=target)
        assert not selector.__sklearn_tags__().target_tags.required
        selector.fit(X)


# What a target is taken for


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: y,
        lambda y: y.astype(bool),
        lambda y: np.array(["EWS", "BL"])[y],
        lambda y: np.array(["EWS", "BL"], dtype=object)[y],
        lambda y: pd.Series(["EWS", "BL"]).iloc[y].astype("category"),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: list(y),
        pl.Series,
    ],
    ids=["int", "bool", "str", "object", "category", "Int64", "list", "polars"],
)
def test_labels_are_classes(classes, convert):
    X, y = classes
    selector = quick().fit(X, convert(y))
    np.testing.assert_array_equal(selector.classes_, np.unique(np.asarray(convert(y))))
    assert selector.encode(X).shape == (120, 2)


def test_floating_point_numbers_are_a_regression_target(classes):
    X, _ = classes
    selector = quick().fit(X, X[:, 0] + X[:, 1])
    assert not hasattr(selector, "classes_")
    assert selector.encode(X).shape == (120, 1)
    assert quick().fit(X, X[:, :3]).encode(X).shape == (120, 3)


def test_two_floating_point_values_warn(classes):
    X, y = classes
    for given in (y.astype(float), y[:, None].astype(float)):
        with pytest.warns(UserWarning, match="target=") as caught:
            quick().fit(X, given)
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(target="regression").fit(X, y.astype(float))
        selector = quick(target="classification").fit(X, y.astype(float))
    np.testing.assert_array_equal(selector.classes_, [0.0, 1.0])


def test_a_column_of_labels_warns(classes):
    X, y = classes
    with pytest.warns(DataConversionWarning):
        quick().fit(X, y[:, None])
    with pytest.warns(DataConversionWarning):
        selector = quick().fit(X, pd.DataFrame({"kind": pd.array(y, dtype="Int64")}))
    np.testing.assert_array_equal(selector.classes_, [0, 1])


def test_forced_unsupervised_ignores_the_target(classes):
    X, y = classes
    assert_same_fit(quick(target="unsupervised").fit(X, y), quick().fit(X), rtol=0)


# What it refuses

X_SMALL = np.random.default_rng(0).normal(size=(20, 6))
Y_SMALL = np.arange(20) % 2


def replaced(value, dtype=float):
    X = X_SMALL.astype(dtype)
    X[3, 2] = value
    return X


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (replaced(np.nan), Y_SMALL, "Input X contains NaN"),
        (replaced(np.inf), Y_SMALL, "Input X contains infinity"),
        (sparse.csr_array(replaced(np.nan)), Y_SMALL, "Input X contains NaN"),
        (X_SMALL[:1], Y_SMALL[:1], "minimum of 2 is required"),
        (X_SMALL[:, :0], Y_SMALL, "0 feature"),
        (X_SMALL[0], Y_SMALL, "Expected 2D array"),
        (np.ones((20, 6)), Y_SMALL, "columns of X are constant"),
        (replaced("gene", object), Y_SMALL, "could not convert string to float"),
        (X_SMALL.astype(complex), Y_SMALL, "Complex data not supported"),
        (1e200 * X_SMALL, Y_SMALL, "too large to standardise"),
        (X_SMALL, np.zeros(20, int), "only one class"),
        (X_SMALL, np.zeros(20), "y is constant"),
        (X_SMALL, 1e200 * X_SMALL[:, 0], "y has entries too large"),
        (X_SMALL, Y_SMALL[:-1], "inconsistent numbers of samples"),
        (X_SMALL, np.where(Y_SMALL, np.nan, 1.0), "Input y contains NaN"),
        (X_SMALL, np.where(Y_SMALL, np.inf, 1.0), "Input y contains infinity"),
        (X_SMALL, Y_SMALL.astype(complex), "Complex data not supported"),
        (X_SMALL, Y_SMALL.astype(object), "Unknown label type"),
        (X_SMALL, np.c_[Y_SMALL, Y_SMALL], "cannot be classes"),
        (X_SMALL, np.ones((20, 2, 2)), "dim 3"),
        (X_SMALL, Y_SMALL.astype("datetime64[D]"), "neither classes nor numbers"),
        (X_SMALL, np.array(["a", None] * 10), "NaN, None .* in 10 of 20 samples"),
    ],
)
def test_bad_data_gets_a_clear_error(X, y, message):
    selector = quick().fit(X_SMALL[:, :4], Y_SMALL)
    before = dict(vars(selector))
    with pytest.raises(ValueError, match=message):
        selector.fit(X, y)
    assert vars(selector) == before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"radius": 0}, "'radius'"),
        ({"radius": -1.0}, "'radius'"),
        ({"radius": np.nan}, "'radius'"),
        ({"radius": np.inf}, "'radius'"),
        ({"radius": "one"}, "'radius'"),
        ({"max_features": 0}, "'max_features'"),
        ({"max_features": 7}, "max_features=7 must be at most n_features=6"),
        ({"max_features": 2.5}, "'max_features'"),
        ({"device": "abacus"}, "device='abacus' is not available"),
        ({"device": "cuda:97"}, "device='cuda:97' is not available"),
        ({"activation": "swish"}, "'activation'"),
        ({"target": "ranking"}, "'target'"),
        ({"n_hidden": 0}, "'n_hidden'"),
        ({"n_latent": 0}, "'n_latent'"),
        ({"reconstruction_weight": -0.1}, "'reconstruction_weight'"),
        ({"learning_rate": 0.0}, "'learning_rate'"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"tol": -1e-3}, "'tol'"),
        ({"batch_size": 0}, "'batch_size'"),
        ({"class_weight": "heavy"}, "'class_weight'"),
        ({"class_weight": {0: 1.0, 5: 2.0}}, "not in class_weight"),
        ({"class_weight": {0: 0.0, 1: 0.0}}, "class_weight=.* not all zero"),
        ({"class_weight": {0: -1.0, 1: 2.0}}, "class_weight=.* none negative"),
        ({"class_weight": {0: np.nan}}, "class_weight=.* finite"),
        ({"device": "meta"}, "device='meta' is not available"),
        ({"radius": 1e-300}, "radius=1e-300 is too small"),
        ({"radius": 1e300}, "left the range of float32"),
        ({"reconstruction_weight": 1e30}, "left the range of float32"),
        ({"random_state": "luck"}, "'random_state'"),
    ],
)
def test_bad_parameters_get_a_clear_error(params, message):
    selector = quick(**params)
    before = dict(vars(selector))
    with pytest.raises(ValueError, match=message):
        selector.fit(X_SMALL, Y_SMALL)
    assert vars(selector) == before


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        (np.ones(19), "sample_weight.shape"),
        (np.full(20, -1.0), "Negative values in data passed to `sample_weight`"),
        (np.full(20, np.nan), "sample_weight contains NaN"),
        (np.zeros(20), "at least one non-zero"),
        (np.eye(20)[3], "at least two samples"),
        (Y_SMALL.astype(float), "only one class"),
    ],
)
def test_bad_weights_get_a_clear_error(sample_weight, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X_SMALL, Y_SMALL, sample_weight=sample_weight)


@pytest.mark.parametrize("factor", [1e30, 1e150])
def test_what_float32_cannot_hold_gets_a_clear_error(factor):
    with pytest.raises(ValueError, match="left the range of float32"):
        quick(standardize=False).fit(factor * X_SMALL, Y_SMALL)


def test_unfitted_and_mismatched_use():
    with pytest.raises(NotFittedError):
        quick().encode(X_SMALL)
    with pytest.raises(NotFittedError):
        quick().get_support()
    selector = quick().fit(X_SMALL, Y_SMALL)
    with pytest.raises(ValueError, match="X has 5 features"):
        selector.encode(X_SMALL[:, :5])


@pytest.mark.parametrize(
    "X",
    [
        X_SMALL.astype(object),
        X_SMALL[:, :1],
        X_SMALL.astype(np.float32),
        np.asfortranarray(X_SMALL),
        (10 * X_SMALL).astype(int),
        X_SMALL[::-1],
        X_SMALL.tolist(),
    ],
    ids=["object", "one column", "float32", "fortran", "int", "strided", "list"],
)
def test_unusual_but_good_data_is_taken(X):
    assert quick().fit(X, Y_SMALL).transform(X).shape[0] == 20


# Progress


def test_callbacks_see_every_pass(classes):
    recorder = Recorder()
    selector = quick().set_callbacks(recorder).fit(*classes)
    assert recorder.ended.count("pass") == recorder.begun.count("pass")
    assert recorder.ended.count("pass") == selector.n_iter_
    assert recorder.ended[-2:] == ["second descent", "fit"]


def test_a_callback_may_stop_a_descent(classes):
    X, y = classes
    selector = quick().set_callbacks(Recorder(stop_after=5)).fit(X, y)
    assert selector.n_iter_ == 10
    assert l1inf_norm(selector.encoder_weights_) <= selector.radius
    assert selector.transform(X).shape[1] == selector.n_features_ > 0


def test_progress_bar_in_a_pipeline(classes, capsys):
    pipe = Pipeline([("sel", quick()), ("clf", LogisticRegression())])
    pipe.set_callbacks(ProgressBar()).fit(*classes)
    assert "L1InfFeatureSelector" in capsys.readouterr().out


def test_verbose_prints_sensible_lines(classes, capsys):
    quick().fit(*classes)
    assert capsys.readouterr().out == ""
    quick(verbose=1).fit(*classes)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    quick(verbose=2).fit(*classes)
    lines += capsys.readouterr().out.splitlines()
    assert "pass 10: loss " in lines[2]
    assert all(line.startswith("[L1InfFeatureSelector]") for line in lines)


def test_an_interrupted_fit_leaves_no_half_fitted_selector(classes):
    class Interrupt(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    selector = quick().set_callbacks(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        selector.fit(*classes)
    assert not hasattr(selector, "ranking_")


def test_cross_val_score_on_a_regression_pipeline(numbers):
    X, Y, _ = numbers
    pipe = Pipeline([("sel", L1InfFeatureSelector(random_state=0)), ("reg", Ridge())])
    assert cross_val_score(pipe, X, Y, cv=3).mean() > 0.8


@pytest.mark.parametrize("second_descent", [True, False])
@pytest.mark.parametrize(
    ("asked", "number"), [(7, 7), (0.1, 30), (1.0, 300), (300, 300)]
)
def test_selects_exactly_the_number_asked_for(classes, asked, number, second_descent):
    selector = quick(n_features_to_select=asked, second_descent=second_descent)
    selector.fit(*classes)
    assert selector.n_features_ == selector.support_.sum() == number
    np.testing.assert_array_equal(selector.support_, selector.ranking_ <= number)
    assert l1inf_norm(selector.encoder_weights_) <= selector.radius_


@pytest.mark.parametrize("number", [5, 20, 60])
def test_the_radius_found_keeps_about_the_number_alive(srbct, number):
    found = L1InfFeatureSelector(n_features_to_select=number, random_state=0)
    radius = found.fit(*srbct).radius_
    fit = L1InfFeatureSelector(radius, random_state=0).fit(*srbct)
    assert number / 1.25 <= fit.n_features_ <= 1.25 * number


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_features_to_select": 301}, "n_features_to_select=301 must be at most"),
        ({"n_features_to_select": 0}, "n_features_to_select"),
        ({"n_features_to_select": 1.5}, "n_features_to_select"),
        ({"n_features_to_select": 5, "radius": 2.0}, "radius=2.0 must be left"),
        ({"n_features_to_select": 5, "max_features": 5}, "max_features=5 must be left"),
    ],
)
def test_refuses_a_number_that_contradicts(classes, params, message, monkeypatch):
    monkeypatch.setattr(network, "train", pytest.fail)
    with pytest.raises(ValueError, match=message):
        L1InfFeatureSelector(**params).fit(*classes)
