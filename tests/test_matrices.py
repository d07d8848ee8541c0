"""Matrices: the products of the standardised matrix, statistics, replicas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skl1inf.matrices import open_matrix

CPU = torch.device("cpu")
CONTAINERS = [np.asarray, sparse.csr_array, sparse.csc_array]


def draw(seed):
    """Counts, many of them zero, weights of the samples, and a standardisation."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = rng.integers(2, 30, 2)
    X = rng.poisson(0.5, size=(n_samples, n_features)).astype(float)
    return X, rng.integers(1, 5, n_samples).astype(float), rng


def transposed(matrix):
    """Return ``Z'`` from its blocks."""
    return torch.cat([rows for _, rows in matrix.transposed_blocks()], 1)


def copied(matrix, mean, inverse_scale):
    return matrix.standardized(mean, inverse_scale, CPU)


def folded(matrix, mean, inverse_scale):
    return matrix.folded(mean, inverse_scale)


@pytest.mark.parametrize("standardized", [copied, folded])
@pytest.mark.parametrize("container", CONTAINERS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_products_are_those_of_the_standardised_matrix(container, standardized, seed):
    X, _, rng = draw(seed)
    mean, inverse_scale = X.mean(axis=0), rng.uniform(0, 3, X.shape[1])
    Z = (X - mean) * inverse_scale
    matrix = standardized(open_matrix(container(X)), mean, inverse_scale)
    W = rng.normal(size=(1, Z.shape[1], 5)).astype(np.float32)
    D = rng.normal(size=(1, Z.shape[0], 5)).astype(np.float32)
    rows = rng.permutation(Z.shape[0])[: rng.integers(1, Z.shape[0] + 1)]
    columns = rng.permutation(Z.shape[1])[: rng.integers(1, Z.shape[1] + 1)]
    few = W * (np.arange(Z.shape[1]) < 2)[:, np.newaxis]
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(matrix @ torch.from_numpy(W), Z @ W, **close)
    np.testing.assert_allclose(matrix @ torch.from_numpy(few), Z @ few, **close)
    np.testing.assert_allclose(matrix.adjoint(torch.from_numpy(D)), Z.T @ D, **close)
    for features, rows_of_G in matrix.adjoint_blocks(torch.from_numpy(D)):
        np.testing.assert_allclose(rows_of_G[0], (Z.T @ D[0])[features], **close)
    np.testing.assert_allclose(transposed(matrix), Z.T[None], **close)
    np.testing.assert_allclose(
        transposed(matrix.chunk(slice(1, 3))), Z[1:3].T[None], **close
    )
    np.testing.assert_allclose(
        transposed(matrix.take_samples(rows)), Z[rows].T[None], **close
    )
    chosen = matrix.take_features(torch.from_numpy(columns)[None])
    np.testing.assert_allclose(transposed(chosen), Z[:, columns].T[None], **close)


@pytest.mark.parametrize("container", CONTAINERS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_statistics_are_those_of_repeated_samples(container, seed):
    X, weight, _ = draw(seed)
    mean, scale, constant = open_matrix(container(X)).statistics(weight)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    deviation = repeated.std(axis=0)
    np.testing.assert_allclose(mean, repeated.mean(axis=0), atol=1e-12)
    np.testing.assert_array_equal(constant, np.ptp(X, axis=0) == 0)
    np.testing.assert_allclose(scale, np.where(constant, 1, deviation), atol=1e-12)


@pytest.mark.parametrize("container", CONTAINERS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_columns_samples_and_sums(container, seed):
    X, weight, rng = draw(seed)
    matrix = open_matrix(container(X))
    columns = rng.permutation(X.shape[1])[:3]
    rows = rng.permutation(X.shape[0])[:5]
    np.testing.assert_array_equal(matrix.columns(columns), X[:, columns])
    part = matrix.take_samples(rows)
    assert part.shape == (len(rows), X.shape[1])
    np.testing.assert_array_equal(part.columns(columns), X[rows][:, columns])
    np.testing.assert_allclose(matrix.weighted_sums(weight), X.T @ weight, rtol=1e-12)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array])
def test_entries_that_are_stored_twice_are_added_up(container):
    """Also where scikit-learn's own statistics take each of them alone."""
    rng = np.random.default_rng(0)
    X = rng.poisson(1.0, size=(20, 6)).astype(float)
    rows, columns = np.nonzero(X)
    half = X[rows, columns] / 2
    twice = sparse.coo_array(
        (np.tile(half, 2), (np.tile(rows, 2), np.tile(columns, 2))), X.shape
    )
    given = container((20, 6))
    given.data, given.indices, given.indptr = _uncompressed(twice, container)
    data = given.data.copy()
    assert not given.has_canonical_format
    matrix = open_matrix(given)
    mean, scale, _ = matrix.statistics(np.ones(20))
    np.testing.assert_allclose(mean, X.mean(axis=0))
    np.testing.assert_allclose(scale, X.std(axis=0))
    np.testing.assert_array_equal(matrix.columns(np.arange(6)), X)
    np.testing.assert_array_equal(given.data, data)  # the caller's stays as it is


def _uncompressed(coo, container):
    """Return the arrays of a compressed matrix whose duplicates are kept."""
    major, minor = coo.row, coo.col
    if container is sparse.csc_array:
        major, minor = minor, major
    order = np.argsort(major, kind="stable")
    shape = coo.shape[container is sparse.csc_array]
    counts = np.bincount(major, minlength=shape)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int32)
    return coo.data[order], minor[order].astype(np.int32), indptr


def test_dense_matrices_are_stacked_and_padded():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 4)) for n in (5, 3)]
    a, b = (open_matrix(x).standardized(np.zeros(4), np.ones(4), CPU) for x in X)
    both = transposed(a.stack([b]))
    assert both.shape == (2, 4, 5)
    np.testing.assert_allclose(both[0], X[0].T, rtol=1e-6)
    np.testing.assert_allclose(both[1, :, :3], X[1].T, rtol=1e-6)
    assert not both[1, :, 3:].any()


def test_sparse_matrices_are_trained_alone():
    X = sparse.csr_array(np.eye(4))
    a = open_matrix(X).standardized(np.zeros(4), np.ones(4), CPU)
    assert a.stack([a]) is None
