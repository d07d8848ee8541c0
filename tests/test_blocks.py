"""Data in blocks: a dask array is fitted as the same data in memory."""

import os
import tracemalloc

import dask
import dask.array as da
import numpy as np
import pytest
import torch
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone

from skl1inf import (
    L1InfClassifier,
    L1InfCoxRegressor,
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfMultiTaskRegressor,
    L1InfRegressor,
    L1InfStabilitySelector,
    l1inf_path,
    radius_path,
)
from skl1inf.datasets import make_expression
from skl1inf.estimators import _dask as reading
from skl1inf.matrices import _blocks as blocks
from skl1inf.matrices import _standardized, open_matrix
from skl1inf.network import _problem, _samples

CPU = torch.device("cpu")
CONTAINERS = [np.asarray, sparse.csr_array, sparse.csc_matrix]


@pytest.fixture(autouse=True)
def _one_thread():
    """Tasks run in this thread, unless a cluster is there."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def in_blocks(monkeypatch):
    """Even small data stay in blocks."""
    monkeypatch.setattr(reading, "_SMALL", 0)


@pytest.fixture(scope="module")
def data():
    """Expressions of 60 genes in 200 samples, and two classes."""
    X, y, _ = make_expression(200, 60, n_informative=8, random_state=0)
    return X.astype(np.float64), y


def cut(X, sizes, container=np.asarray):
    """Return X as a dask array in blocks of such sizes."""
    X = da.from_array(X, chunks=(sizes, -1))
    return X if container is np.asarray else X.map_blocks(container)


def draw(seed):
    """Counts, many of them zero, how they are cut, and the generator."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = rng.integers(2, 40, 2)
    X = rng.poisson(0.5, size=(n_samples, n_features)).astype(float)
    ends = np.sort(rng.integers(0, n_samples + 1, rng.integers(0, 12)))
    sizes = np.diff(np.concatenate([[0], ends, [n_samples]]))
    return X, tuple(sizes.tolist()), rng


# The matrix


def transposed(standardised):
    """Return ``Z'`` from its blocks."""
    return torch.cat([rows for _, rows in standardised.transposed_blocks()], 1)


@pytest.mark.parametrize("container", CONTAINERS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_products_are_those_of_the_standardised_matrix(container, seed):
    X, sizes, rng = draw(seed)
    mean, inverse_scale = X.mean(axis=0), rng.uniform(0, 3, X.shape[1])
    Z = (X - mean) * inverse_scale
    matrix = open_matrix(cut(X, sizes, container))
    standardised = matrix.standardized(mean, inverse_scale, CPU)
    W = rng.normal(size=(1, Z.shape[1], 5)).astype(np.float32)
    W[:, rng.random(Z.shape[1]) < 0.7] = 0
    D = rng.normal(size=(1, Z.shape[0], 5)).astype(np.float32)
    rows = rng.permutation(Z.shape[0])[: rng.integers(1, Z.shape[0] + 1)]
    close = {"rtol": 1e-4, "atol": 1e-4}
    for _ in range(3):  # some features are in memory the second time
        product = standardised @ torch.from_numpy(W)
        np.testing.assert_allclose(product, Z @ W, **close)
        columns = rng.permutation(Z.shape[1])[: rng.integers(1, Z.shape[1] + 1)]
        chosen = standardised.take_features(torch.from_numpy(columns)[None])
        np.testing.assert_allclose(transposed(chosen), Z[:, columns].T[None], **close)
    adjoint = standardised.adjoint(torch.from_numpy(D))
    np.testing.assert_allclose(adjoint, Z.T @ D, **close)
    part = transposed(standardised.take_samples(rows))
    np.testing.assert_allclose(part, Z[rows].T[None], **close)
    chunk, some = standardised.chunk(slice(1, 9)), D[:, 1:9]
    np.testing.assert_allclose(transposed(chunk), Z[1:9].T[None], **close)
    np.testing.assert_allclose(chunk @ torch.from_numpy(W), Z[1:9] @ W, **close)
    adjoint = chunk.adjoint(torch.from_numpy(some))
    np.testing.assert_allclose(adjoint, Z[1:9].T @ some, **close)
    norms = matrix.squared_norms(mean, inverse_scale)
    np.testing.assert_allclose(norms, np.square(Z).sum(axis=1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("container", CONTAINERS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_statistics_columns_samples_and_sums(container, seed):
    X, sizes, rng = draw(seed)
    weight = rng.integers(1, 5, len(X))
    matrix = open_matrix(cut(X, sizes, container))
    mean, scale, constant = matrix.statistics(weight.astype(float))
    repeated = np.repeat(X, weight, axis=0)
    np.testing.assert_allclose(mean, repeated.mean(axis=0), atol=1e-12)
    np.testing.assert_array_equal(constant, np.ptp(X, axis=0) == 0)
    deviation = np.where(constant, 1, repeated.std(axis=0))
    np.testing.assert_allclose(scale, deviation, atol=1e-12)
    columns = rng.permutation(X.shape[1])[:3]
    rows = rng.permutation(X.shape[0])[:5]
    np.testing.assert_array_equal(matrix.columns(columns), X[:, columns])
    for samples in (rows, slice(1, 9)):
        part = matrix.columns(columns, samples)
        np.testing.assert_array_equal(part, X[samples][:, columns])
    in_memory = matrix.take_columns(columns)
    assert sparse.issparse(in_memory) == (container is not np.asarray)
    np.testing.assert_array_equal(in_memory @ np.eye(len(columns)), X[:, columns])
    part = matrix.take_samples(rows)
    assert part.shape == (len(rows), X.shape[1])
    np.testing.assert_array_equal(part.columns(columns), X[rows][:, columns])
    R = rng.normal(size=(len(X), 2))
    np.testing.assert_allclose(matrix.weighted_sums(R), X.T @ R, atol=1e-12)


@given(
    value=st.floats(-1e100, 1e100),
    sizes=st.lists(st.integers(0, 60), min_size=1).filter(lambda s: sum(s) > 1),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30, deadline=None)
def test_a_constant_column_is_constant_whatever_the_blocks(value, sizes, seed):
    """Also where the means of the blocks differ in the last bit."""
    rng = np.random.default_rng(seed)
    X = np.full((sum(sizes), 2), value)
    X[:, 1] = rng.permutation(len(X))
    weight = rng.uniform(0.1, 10, len(X))
    matrix = open_matrix(cut(X, tuple(sizes)))
    _, scale, constant = matrix.statistics(weight)
    assert constant.tolist() == [True, False]
    assert scale[0] == 1


def test_small_differences_of_large_numbers_survive_the_merging():
    """The textbook formula, mean of squares less square of mean, would lose them."""
    noise = np.random.default_rng(0).normal(size=(1000, 3))
    matrix = open_matrix(cut(1e7 + noise, 30))
    _, scale, constant = matrix.statistics(np.ones(1000))
    assert not constant.any()
    np.testing.assert_allclose(scale, noise.std(axis=0), rtol=1e-6)


class Counted:
    """An array that counts the blocks that are read."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.ndim = X, X.shape, X.dtype, X.ndim
        self.n_reads = 0

    def __getitem__(self, index):
        self.n_reads += self.X[index].size > 0  # dask tries an empty one
        return self.X[index]


def test_a_pass_reads_every_block_once_and_features_in_memory_none(data):
    X, _ = data
    counted = Counted(X)
    matrix = open_matrix(da.from_array(counted, chunks=(30, -1), lock=False))
    Z = matrix.standardized(X.mean(axis=0), 1 / X.std(axis=0), CPU)
    counted.n_reads = 0

    def n_reads(function, *arguments):
        before = counted.n_reads
        function(*arguments)
        return counted.n_reads - before

    W = torch.zeros((1, 60, 4))
    W[:, 10:20] = 1
    assert n_reads(matrix.statistics, np.ones(200)) == 7
    assert n_reads(Z.adjoint, torch.ones((1, 200, 4))) == 7
    assert n_reads(Z.__matmul__, W) == 7
    assert n_reads(Z.take_features, torch.arange(5, 25)[None]) == 7
    assert n_reads(Z.take_features, torch.arange(9, 22)[None]) == 0
    assert n_reads(Z.__matmul__, W) == 0
    assert n_reads(matrix.take_samples, np.arange(31, 50)) == 1


def test_features_that_do_not_fit_into_memory():
    X = da.zeros((10**9, 10**6), chunks=(10**8, -1))
    with pytest.raises(MemoryError, match=r"1000000 features .* 7450580\.6 GiB"):
        open_matrix(X).columns(np.arange(10**6))


# The estimators


def assert_same_fit(fitted, expected):
    """The 20 best are the same in the same order, and the weights up to rounding."""
    best, others = (np.argsort(f.ranking_)[:20] for f in (fitted, expected))
    np.testing.assert_array_equal(best, others)
    np.testing.assert_array_equal(fitted.support_, expected.support_)
    for name in ("encoder_weights_", "feature_importances_", "mean_", "scale_"):
        np.testing.assert_allclose(
            getattr(fitted, name), getattr(expected, name), rtol=1e-5, atol=1e-5
        )


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize(
    ("container", "size"),
    [
        (np.asarray, 200),
        (np.asarray, 11),
        (sparse.csr_array, 77),
        (sparse.csc_matrix, 50),
    ],
)
def test_any_number_of_blocks_gives_the_fit_of_the_data_in_memory(
    data, container, size
):
    X, y = data
    interactions = size == 77  # they are looked for in many pieces
    selector = L1InfFeatureSelector(
        max_iter=60, interactions=interactions, random_state=0
    )
    expected = clone(selector).fit(container(X), y)
    selector.fit(cut(X, size, container), da.from_array(y, chunks=50))
    assert_same_fit(selector, expected)
    code = selector.encode(container(X))
    np.testing.assert_allclose(selector.encode(cut(X, size, container)), code, 1e-4)


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("taken", [0, 2**30])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_growing_samples_of_blocks(data, container, taken, monkeypatch):
    """Few samples, then more, then chunks of all, as of the data in memory."""
    X, y = data
    monkeypatch.setattr(_samples, "_FEW", 16)
    monkeypatch.setattr(_problem, "_CHUNK_ENTRIES", 64 * 50)
    monkeypatch.setattr(blocks, "_TAKEN_BYTES", taken)
    selector = L1InfFeatureSelector(interactions=False, random_state=0)
    expected = clone(selector).fit(container(X), y)
    assert_same_fit(selector.fit(cut(X, 60, container), y), expected)


def survival(X):
    """Times that depend on two features, all of them events."""
    times = np.exp(X[:, 0] - X[:, 1])
    return np.array(
        [(True, t) for t in times], dtype=[("event", bool), ("time", float)]
    )


ESTIMATORS = {
    "numbers": (L1InfRegressor(random_state=0), lambda X: X[:, 0] - X[:, 1]),
    "survival": (L1InfCoxRegressor(random_state=0), survival),
    "no target": (L1InfFeatureSelector(max_iter=15, random_state=0), lambda X: None),
    "decoder": (
        L1InfRegressor(reconstruction_weight=0.1, max_iter=15, random_state=0),
        lambda X: X[:, 0],
    ),
}


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_target_is_trained_on_blocks(data, name):
    (X, _), (estimator, target) = data, ESTIMATORS[name]
    X = X[:100, :30]
    expected = clone(estimator).fit(X, target(X))
    lazy = cut(X, 40)
    fitted = clone(estimator).fit(lazy, target(X))
    assert_same_fit(fitted, expected)
    np.testing.assert_allclose(fitted.encode(lazy), expected.encode(X), atol=1e-4)


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("taken", [0, 2**30])
def test_halves_folds_and_paths_of_blocks(data, taken, monkeypatch):
    """Whether halves and folds are taken into memory or stay in blocks."""
    X, y = data
    X = X[:, :30]
    monkeypatch.setattr(blocks, "_TAKEN_BYTES", taken)
    one = L1InfFeatureSelector(max_iter=20, interactions=False, random_state=0)
    for selector in (
        L1InfStabilitySelector(one, n_pairs=1, random_state=0),
        L1InfFeatureSelectorCV(one, radii=[0.2, 1], cv=2),
    ):
        expected = clone(selector).fit(X, y)
        fitted = clone(selector).fit(cut(X, 60), y)
        np.testing.assert_array_equal(fitted.ranking_, expected.ranking_)
    on_path = radius_path(cut(X, 60), y, radii=[0.2, 1], selector=one)
    expected = radius_path(X, y, radii=[0.2, 1], selector=one)
    np.testing.assert_array_equal(on_path.rankings, expected.rankings)


@pytest.mark.usefixtures("in_blocks")
def test_weights_and_samples_of_weight_zero(data):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    expected = L1InfFeatureSelector(random_state=0).fit(X, y, weight)
    lazy = da.from_array(weight, chunks=50)
    fitted = L1InfFeatureSelector(random_state=0).fit(cut(X, 60), y, lazy)
    assert_same_fit(fitted, expected)


def test_predictions_of_blocks_are_in_memory(data):
    X, y = data
    model = L1InfClassifier(random_state=0).fit(X, y)
    lazy = cut(X, 60)
    for method in ("predict", "predict_proba", "decision_function", "encode"):
        expected = getattr(model, method)(X)
        found = getattr(model, method)(lazy)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected)
    assert model.score(lazy, y) == model.score(X, y)


def test_transform_returns_a_dask_array_that_is_not_computed(data):
    X, y = data
    selector = L1InfFeatureSelector(random_state=0).fit(X, y)
    n_computed = []

    def note(block):
        n_computed.append(len(block))
        return block

    lazy = cut(X, 60).map_blocks(note, dtype=X.dtype, meta=X[:0])
    selected = selector.transform(lazy)
    assert isinstance(selected, da.Array)
    assert selected.chunks[0] == (60, 60, 60, 20)
    assert not n_computed
    np.testing.assert_array_equal(selected.compute(), selector.transform(X))
    for container in CONTAINERS[1:]:
        found = selector.transform(cut(X, 60, container)).compute()
        np.testing.assert_array_equal(found.toarray(), selector.transform(X))


def test_a_small_array_is_read_once(data):
    X, y = data
    counted = Counted(X)
    lazy = da.from_array(counted, chunks=(30, -1), lock=False)
    counted.n_reads = 0
    fitted = L1InfFeatureSelector(random_state=0).fit(lazy, y)
    assert counted.n_reads == 7
    expected = L1InfFeatureSelector(random_state=0).fit(X, y)
    np.testing.assert_array_equal(fitted.encoder_weights_, expected.encoder_weights_)


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("dtype", [np.float32, bool])
def test_types_of_numbers_and_blocks_of_columns(data, dtype):
    X, y = data
    X = (np.median(X, axis=0) < X) if dtype is bool else X.astype(dtype)
    selector = L1InfFeatureSelector(max_iter=60, interactions=False, random_state=0)
    expected = clone(selector).fit(X, y)
    fitted = selector.fit(da.from_array(X, chunks=(60, 20)), y)
    assert_same_fit(fitted, expected)


class Frame:
    """Stands for a frame of dask, which would need pyarrow."""

    __module__ = "dask.dataframe"

    def to_dask_array(self, lengths):
        """Only named in the error."""


REFUSED = {
    "one dimension": (lambda X: X[:, 0], ValueError, "Expected 2D array, got 1D"),
    "unknown sizes": (lambda X: X[X[:, 0] > 0], ValueError, "compute_chunk_sizes"),
    "complex": (lambda X: X.astype(complex), ValueError, "real numbers"),
    "objects": (lambda X: X.astype(object), ValueError, "real numbers"),
    "one sample": (lambda X: X[:1], ValueError, "minimum of 2"),
    "no feature": (lambda X: X[:, :0], ValueError, r"0 feature.*minimum of 1"),
    "a frame": (lambda X: Frame(), TypeError, r"dask Frame: pass X\.to_dask_array"),
    "no array": (lambda X: dask.delayed(X), TypeError, "must be a dask array"),
    "NaN": (lambda X: da.where(X.max() == X, np.nan, X), ValueError, "X contains NaN"),
    "infinite": (lambda X: da.where(X.max() == X, np.inf, X), ValueError, "infinity"),
    "other length": (lambda X: X[:-1], ValueError, "inconsistent numbers of samples"),
    "too large": (lambda X: X * 1e300, ValueError, "too large to standardise"),
    "other blocks": (
        lambda X: X.map_blocks(np.ndarray.tolist, meta=X._meta),
        TypeError,
        r"blocks of X must be .* an instance of list",
    ),
}


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_an_earlier_fit(data, name):
    (X, y), (change, error, message) = data, REFUSED[name]
    selector = L1InfFeatureSelector(random_state=0).fit(X, y)
    before = selector.__dict__.copy()
    lazy = change(cut(X, 60))
    with pytest.raises(error, match=message):
        selector.fit(lazy, y[:1] if name == "one sample" else y)
    assert selector.__dict__ == before


@pytest.mark.usefixtures("in_blocks")
def test_a_block_that_fails_while_training_leaves_nothing_fitted(data):
    X, y = data
    n_reads = []

    def fail_later(block):
        n_reads.append(len(block))
        if len(n_reads) > 20:
            raise OSError("The disk is gone.")
        return block

    lazy = cut(X, 60).map_blocks(fail_later, dtype=X.dtype, meta=X[:0])
    selector = L1InfFeatureSelector(random_state=0)
    before = selector.__dict__.copy()
    with pytest.raises(OSError, match="disk is gone"):
        selector.fit(lazy, y)
    assert selector.__dict__ == before


@pytest.mark.usefixtures("in_blocks")
def test_mini_batches_of_blocks_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match=r"batch_size=32 must be None for a dask"):
        L1InfFeatureSelector(batch_size=32).fit(cut(X, 60), y)


def test_linear_models_refuse_blocks(data):
    X, y = data
    lazy = cut(X, 60)
    model = L1InfMultiTaskRegressor().fit(X, y)
    for use in (model.fit, l1inf_path):
        with pytest.raises(TypeError, match=r"takes data in memory.*X\.compute"):
            use(lazy, y)
    with pytest.raises(TypeError, match=r"takes data in memory.*X\.compute"):
        model.predict(lazy)


def test_the_features_of_other_blocks_are_checked(data):
    X, y = data
    model = L1InfClassifier(random_state=0).fit(X, y)
    for use in (model.transform, model.predict):
        with pytest.raises(ValueError, match="X has 59 features"):
            use(cut(X[:, 1:], 60))


def test_data_in_memory_do_not_import_dask(data, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dask", None)
    X, y = data
    assert L1InfFeatureSelector(random_state=0).fit(X, y).transform(X).shape[0] == 200


def test_a_memory_map_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(_standardized, "_COPIED_ENTRIES", 0)
    X, y, _ = make_expression(1000, 3000, n_informative=8, random_state=0)
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    selector = L1InfFeatureSelector(interactions=False, random_state=0)
    selector.fit(X[:50], y[:50])  # what is imported and compiled does not count
    tracemalloc.start()
    selector.fit(mapped, y).transform(mapped)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < mapped.nbytes


# A cluster


def die_once(block, path, n_reads):
    """Return a block; end the process that reads the n-th."""
    with open(path, "ab") as file:
        file.write(b".")
    if path.stat().st_size == n_reads:
        os._exit(1)
    return block


@pytest.mark.usefixtures("in_blocks")
def test_the_loss_of_a_worker_and_of_the_cluster(data, tmp_path):
    X, y = data
    selector = L1InfFeatureSelector(max_iter=10, second_descent=False, random_state=0)
    expected = clone(selector).fit(X, y)
    path = tmp_path / "reads"
    lazy = cut(X, 100).map_blocks(die_once, path, 7, dtype=X.dtype, meta=X[:0])
    with (
        dask.config.set(scheduler=None),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        selector.fit(lazy, y)
        assert path.stat().st_size > 7
        assert_same_fit(selector, expected)
        cluster.close()
        before = selector.__dict__.copy()
        with pytest.raises(Exception, match="Client is closed"):
            selector.fit(lazy, y)
        assert selector.__dict__ == before
