"""The network's own mathematics: products, gradients and the certificate."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skl1inf import l1inf_dual_norm, l1inf_norm, project_l1inf
from skl1inf._autoencoder import (
    Batch,
    Network,
    Objective,
    _best,
    _loss_and_gradient,
    _standardize,
    _stationarity,
)

CPU = torch.device("cpu")


def random_matrix(seed, container):
    """A sparse-ish matrix with its standardisation, and the dense result."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = rng.integers(2, 30, 2)
    X = rng.poisson(0.5, size=(n_samples, n_features)).astype(float)
    mean, inverse_scale = X.mean(axis=0), rng.uniform(0, 3, n_features)
    Z = (X - mean) * inverse_scale
    return _standardize(container(X), mean, inverse_scale, CPU), Z, rng


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_array])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_products_are_those_of_the_standardised_matrix(container, seed):
    matrix, Z, rng = random_matrix(seed, container)
    W = rng.normal(size=(Z.shape[1], 5)).astype(np.float32)
    D = rng.normal(size=(Z.shape[0], 5)).astype(np.float32)
    rows = rng.permutation(Z.shape[0])[: rng.integers(1, Z.shape[0] + 1)]
    columns = rng.random(Z.shape[1]) < 0.5
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(matrix @ torch.from_numpy(W), Z @ W, **close)
    np.testing.assert_allclose(matrix.adjoint(torch.from_numpy(D)), Z.T @ D, **close)
    np.testing.assert_allclose(matrix.to_dense(), Z, **close)
    np.testing.assert_allclose(matrix.rows(rows).to_dense(), Z[rows], **close)
    np.testing.assert_allclose(
        matrix.columns(columns).to_dense(), Z[:, columns], **close
    )


def random_problem(kind):
    """A network with non-zero weights and a batch that it can be trained on."""
    rng = np.random.default_rng(0)
    n_samples, n_features, n_latent = 12, 7, 3
    X = rng.normal(size=(n_samples, n_features))
    target = {
        "classification": torch.from_numpy(rng.integers(0, n_latent, n_samples)),
        "regression": torch.from_numpy(rng.normal(size=(n_samples, n_latent))),
        "unsupervised": None,
    }[kind]
    weight = torch.from_numpy(rng.dirichlet(np.ones(n_samples)))
    batch = Batch(
        _standardize(X, X.mean(axis=0), 1 / X.std(axis=0), CPU), target, weight
    )
    batch.Z.Z = batch.Z.Z.double()
    network = Network.initial(n_features, 4, n_latent, "silu", 0, CPU)
    for name in ("W", "b", "V", "c", "U", "e"):
        setattr(network, name, getattr(network, name).double())
    network.W = torch.from_numpy(rng.normal(size=(n_features, 4)))
    return network, batch


@pytest.mark.parametrize("kind", ["classification", "regression", "unsupervised"])
def test_gradient_against_finite_differences(kind):
    network, batch = random_problem(kind)
    objective = Objective(kind, reconstruction_weight=0.5)
    for layer in network.later_layers():
        layer.requires_grad_()
    _, G = _loss_and_gradient(network, objective, [batch])
    direction = torch.randn(
        G.shape, dtype=G.dtype, generator=torch.Generator().manual_seed(0)
    )
    losses = []
    W = network.W
    for step in (1e-5, -1e-5):
        network.W = W + step * direction
        losses.append(_loss_and_gradient(network, objective, [batch])[0])
    derivative = float(losses[0] - losses[1]) / 2e-5
    np.testing.assert_allclose(float((G * direction).sum()), derivative, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), radius=st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_stationarity_is_the_relative_dual_gap(seed, radius):
    rng = np.random.default_rng(seed)
    W = project_l1inf(rng.normal(size=(6, 4)), radius)
    G = rng.normal(size=(6, 4))
    gap = (G * W).sum() + radius * l1inf_dual_norm(G)
    value = float(_stationarity(torch.from_numpy(W), torch.from_numpy(G), radius))
    assert 0 <= value <= 2
    np.testing.assert_allclose(
        value, gap / (radius * l1inf_dual_norm(G)), rtol=1e-9, atol=1e-12
    )


def test_stationarity_vanishes_at_the_minimiser():
    """The minimiser of ||W - Y||^2 / 2 over the ball is the projection of Y."""
    Y = np.random.default_rng(0).normal(size=(50, 8))
    W = project_l1inf(Y, 3.0)
    assert l1inf_norm(W) <= 3.0
    value = _stationarity(torch.from_numpy(W), torch.from_numpy(W - Y), 3.0)
    assert float(value) == pytest.approx(0, abs=1e-12)


def test_best_takes_the_alive_before_those_that_never_lived():
    """A column that cannot be selected, such as the first here, never lives."""
    importances = torch.tensor([0.0, 0.5, 0.0, 0.2, 0.0])
    alive = torch.tensor([False, True, True, False, True])
    assert _best(importances, alive, 5).tolist() == [False, True, True, True, False]
    assert _best(importances, alive, 1).tolist() == [False, True, False, False, False]
