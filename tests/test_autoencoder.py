"""The network's own mathematics: products, gradients and the certificate."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skl1inf import _training, l1inf_dual_norm, l1inf_norm, project_l1inf
from skl1inf._autoencoder import (
    Network,
    Objective,
    loss_and_gradient,
    row_norms,
    stationarity,
)
from skl1inf._batch import Batch, Problem, standardize, take_features
from skl1inf._scores import Attribution, NoScore, RelativeWeights
from skl1inf._training import (
    Options,
    Selection,
    Silent,
    _Course,
    _Descent,
    _initial,
    _limits,
    _ranked,
    rank,
    selected_features,
    trace,
    train,
)

CPU = torch.device("cpu")


def random_matrix(seed, container):
    """A sparse-ish matrix with its standardisation, and the dense result."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = rng.integers(2, 30, 2)
    X = rng.poisson(0.5, size=(n_samples, n_features)).astype(float)
    mean, inverse_scale = X.mean(axis=0), rng.uniform(0, 3, n_features)
    Z = (X - mean) * inverse_scale
    return standardize(container(X), mean, inverse_scale, CPU), Z, rng


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_array])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_products_are_those_of_the_standardised_matrix(container, seed):
    matrix, Z, rng = random_matrix(seed, container)
    W = rng.normal(size=(1, Z.shape[1], 5)).astype(np.float32)
    D = rng.normal(size=(1, Z.shape[0], 5)).astype(np.float32)
    rows = rng.permutation(Z.shape[0])[: rng.integers(1, Z.shape[0] + 1)]
    columns = rng.permutation(Z.shape[1])[: rng.integers(1, Z.shape[1] + 1)]
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(matrix @ torch.from_numpy(W), Z @ W, **close)
    np.testing.assert_allclose(matrix.adjoint(torch.from_numpy(D)), Z.T @ D, **close)
    np.testing.assert_allclose(matrix.transposed(), Z.T[None], **close)
    np.testing.assert_allclose(
        matrix.samples(rows).transposed(), Z[rows].T[None], **close
    )
    chosen = matrix.features(torch.from_numpy(columns)[None])
    np.testing.assert_allclose(chosen.transposed(), Z[:, columns].T[None], **close)


def random_problem(kind):
    """A network with non-zero weights and a batch that it can be trained on."""
    rng = np.random.default_rng(0)
    n_samples, n_features, n_latent = 12, 7, 3
    X = rng.normal(size=(n_samples, n_features))
    target = {
        "classification": torch.from_numpy(rng.integers(0, n_latent, (1, n_samples))),
        "regression": torch.from_numpy(rng.normal(size=(1, n_samples, n_latent))),
        "unsupervised": None,
    }[kind]
    weight = torch.from_numpy(rng.dirichlet(np.ones(n_samples), size=1))
    Z = standardize(X, X.mean(axis=0), 1 / X.std(axis=0), CPU)
    Z.Zt = Z.Zt.double()
    batch = Batch(Z, target, weight)
    network = Network.initial(n_features, 4, n_latent, "silu", 0, CPU)
    for name in ("W", "b", "V", "c", "U", "e"):
        setattr(network, name, getattr(network, name).double())
    network.W = torch.from_numpy(rng.normal(size=(1, n_features, 4)))
    return network, batch


@pytest.mark.parametrize("kind", ["classification", "regression", "unsupervised"])
def test_gradient_against_finite_differences(kind):
    network, batch = random_problem(kind)
    objective = Objective(kind, reconstruction_weight=0.5)
    for layer in network.code_layers() + network.decoder_layers():
        layer.requires_grad_()
    _, G = loss_and_gradient(network, objective, [batch])
    direction = torch.randn(
        G.shape, dtype=G.dtype, generator=torch.Generator().manual_seed(0)
    )
    losses = []
    W = network.W
    for step in (1e-5, -1e-5):
        network.W = W + step * direction
        losses.append(loss_and_gradient(network, objective, [batch])[0])
    derivative = float(losses[0] - losses[1]) / 2e-5
    np.testing.assert_allclose(float((G * direction).sum()), derivative, rtol=1e-6)


def gap_of(W, G, radius):
    W, G = torch.from_numpy(W)[None], torch.from_numpy(G)[None]
    return float(
        stationarity(W, G, row_norms(G), torch.tensor([radius], dtype=torch.float64))
    )


@given(seed=st.integers(0, 2**32 - 1), radius=st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_stationarity_is_the_relative_dual_gap(seed, radius):
    rng = np.random.default_rng(seed)
    W = project_l1inf(rng.normal(size=(6, 4)), radius)
    G = rng.normal(size=(6, 4))
    gap = (G * W).sum() + radius * l1inf_dual_norm(G)
    value = gap_of(W, G, radius)
    assert 0 <= value <= 2
    np.testing.assert_allclose(
        value, gap / (radius * l1inf_dual_norm(G)), rtol=1e-9, atol=1e-12
    )


def test_stationarity_vanishes_at_the_minimiser():
    """The minimiser of ||W - Y||^2 / 2 over the ball is the projection of Y."""
    Y = np.random.default_rng(0).normal(size=(50, 8))
    W = project_l1inf(Y, 3.0)
    assert l1inf_norm(W) <= 3.0
    assert gap_of(W, W - Y, 3.0) == pytest.approx(0, abs=1e-12)


def selection_of(alive, importances):
    return Selection(np.array(alive), None, np.array(importances), None, 0.0, 0.0)


def test_most_important_are_selected():
    """A column that cannot be selected, such as the first here, never lives."""
    selection = selection_of([0, 1, 1, 0, 1], [0.0, 0.5, 0.0, 0.2, 0.0])
    selection = replace(selection, alive=selection.alive.astype(bool))

    def selected(max_features, second_descent):
        order = np.array([1, 3, 0, 2, 4])
        mask = selected_features(selection, order, max_features, second_descent)
        return np.flatnonzero(mask).tolist()

    assert selected(5, second_descent=True) == [1, 2, 3]
    assert selected(1, second_descent=True) == [1]
    assert selected(5, second_descent=False) == [1, 2, 4]
    assert selected(2, second_descent=False) == [1, 2]


def options_for(kind="classification", **settings):
    defaults = {
        "n_hidden": 16,
        "n_latent": 3,
        "activation": "silu",
        "reconstruction_weight": 0.0,
        "step": 0.01,
        "max_iter": 150,
        "tol": 0.02,
        "batch_size": None,
        "seed": 0,
        "device": CPU,
    }
    return Options(kind=kind, **{**defaults, **settings})


def problems(kind, n_problems=3, n_features=600):
    """Data of different sizes, in which the first columns matter."""
    rng = np.random.default_rng(0)
    for n_samples in 60 + 7 * np.arange(n_problems):
        y = rng.integers(0, 3, n_samples)
        X = rng.normal(size=(n_samples, n_features))
        X[:, :9] += np.repeat(np.eye(3), 3, axis=1)[y] * 2
        target = y if kind == "classification" else np.eye(3, dtype=np.float32)[y]
        weight = rng.uniform(0.5, 2, n_samples)
        yield Problem(X, target, weight, X.mean(axis=0), 1 / X.std(axis=0))


def assert_same_selection(a, b):
    np.testing.assert_allclose(a.importances, b.importances, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(a.weights, b.weights, atol=1e-2)
    assert a.loss == pytest.approx(b.loss, rel=1e-3)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_replicas_are_trained_as_if_alone(kind):
    """Stacked, those of fewer samples are padded; the result is that of one alone."""
    data, options = list(problems(kind)), options_for(kind)
    together = rank(data, 1.0, options, Silent())
    alone = [rank([problem], 1.0, options, Silent())[0] for problem in data]
    for a, b in zip(together, alone, strict=True):
        assert_same_selection(a, b)


def test_stacks_are_bounded(monkeypatch):
    """Problems too large for one stack are trained one after the other."""
    data, options = list(problems("classification")), options_for()
    together = rank(data, 1.0, options, Silent())
    monkeypatch.setattr(_training, "_STACKED_ENTRIES", 1)
    for a, b in zip(together, rank(data, 1.0, options, Silent()), strict=True):
        assert_same_selection(a, b)


def test_sparse_problems_are_traced_as_dense_ones():
    data, options = list(problems("classification", n_features=80)), options_for()
    a = trace(data, [2.0, 1.0], options, Silent())
    as_sparse = [replace(problem, X=sparse.csr_array(problem.X)) for problem in data]
    b = trace(as_sparse, [2.0, 1.0], options, Silent())
    for selections in zip(a, b, strict=True):
        for x, y in zip(*selections, strict=True):
            assert_same_selection(x, y)


def test_the_path_selects_what_fits_do():
    (problem,) = problems("classification", 1)
    radii, options = [1.5, 0.6, 0.2], options_for()
    (path,) = trace([problem], radii, options, Silent())
    for selection, radius in zip(path, radii, strict=True):
        fit = train(
            problem, radius, options, Silent(), max_features=600, second_descent=False
        )
        for importances in (fit.selection.importances, selection.importances):
            assert (np.argsort(-importances)[:9] < 9).sum() >= 7
        assert abs(int(selection.alive.sum()) - int(fit.selected.sum())) <= 6


def test_importances_on_the_path_are_mean_relative_weights():
    """At the largest radius, over the passes that a fit makes too."""
    (problem,) = problems("classification", 1)
    options, data = options_for(), Batch.from_problem(problem, CPU)
    (path,) = trace([problem], [1.5, 0.6], options, Silent())
    network, maxima = _initial(600, options), []
    descent = _Descent(network, data, options)
    for radius in 1.5 * np.geomspace(4, 1, 51):
        descent.follow([radius], _Course(Silent()), NoScore())
        maxima.append(network.W[0].abs().amax(1).numpy() / radius)
    np.testing.assert_allclose(path[0].importances, np.mean(maxima, axis=0), atol=1e-6)
    assert path[1].importances.sum() <= 1.0 + 1e-6


@pytest.mark.parametrize(
    ("settings", "score_of"),
    [
        ({}, Attribution),
        ({"batch_size": 20}, RelativeWeights),
        ({"kind": "regression"}, RelativeWeights),
        ({"kind": "unsupervised"}, RelativeWeights),
    ],
)
def test_importances_of_a_fit(settings, score_of):
    """What ranks the features: the mean of a score over the path to the radius."""
    settings = {"kind": "classification", "max_iter": 12, **settings}
    (problem,) = problems(settings["kind"], 1, n_features=80)
    if settings["kind"] == "unsupervised":
        problem = replace(problem, target=None)
    options = options_for(**settings)
    fit = train(problem, 1.0, options, Silent(), max_features=9, second_descent=False)
    network = _initial(80, options)
    score = score_of(network.W)
    descent = _Descent(network, Batch.from_problem(problem, CPU), options)
    largest = 1.0 if settings["kind"] == "unsupervised" else 4.0
    descent.follow(np.geomspace(largest, 1.0, 9), _Course(Silent()), score)
    expected = (score.total[0] / 9).clip(0)
    np.testing.assert_allclose(
        fit.selection.importances, expected, rtol=1e-4, atol=1e-7
    )
    assert fit.selection.importances.any()


def test_attribution_of_a_quadratic_is_exact():
    """Of ||W - Y||^2 / 2, a sum over the rows, a row accounts for its own decrease."""
    rng = np.random.default_rng(0)
    Y = torch.from_numpy(rng.normal(size=(2, 6, 4)))
    part = SimpleNamespace(index=None, network=SimpleNamespace(W=torch.zeros_like(Y)))
    score, decreases = Attribution(Y), []
    for step in range(5):
        score.end(part, part.network.W - Y)
        decreases.append((Y.square() - (part.network.W - Y).square()).sum(2) / 2)
        if step == 2:  # a working set of other features in every replica
            part.index = torch.tensor([[0, 2, 5], [1, 2, 3]])
            part.network.W = take_features(part.network.W, part.index)
            Y = take_features(Y, part.index)
            known = decreases
            decreases = []
        score.begin(part, part.network.W - Y)
        part.network.W = part.network.W + torch.from_numpy(
            rng.normal(size=part.network.W.shape)
        )
        score.end_pass(part, 1.0)
    np.testing.assert_allclose(
        take_features(score.decrease, part.index), decreases[-1], atol=1e-12
    )
    later = [known[-1].scatter(1, part.index, decrease) for decrease in decreases]
    expected = sum(known) + sum(later)
    np.testing.assert_allclose(score.total, expected, atol=1e-12)
    np.testing.assert_allclose(score.mean(5), (expected / 5).clip(0), atol=1e-12)
    untouched = torch.ones_like(known[-1], dtype=bool).scatter(1, part.index, False)
    np.testing.assert_allclose(score.decrease[untouched], known[-1][untouched])


def test_importances_share_out_the_decrease_of_the_loss():
    """With the later layers at rest, all of it, up to the steps' curvature."""
    (problem,) = problems("classification", 1)
    options = options_for(step=0.002)
    data, course = Batch.from_problem(problem, CPU), _Course(Silent())
    network = _initial(600, options)
    descent = _Descent(network, data, options)
    descent.adam.steps = [0.0] * 3
    score = Attribution(network.W)
    descent.follow([1.0] * 40, course, score)
    losses = np.array(course.loss_curve)
    shares = score.total.sum().item()
    assert losses[-1] < 0.8 * losses[0]
    assert shares == pytest.approx((losses[0] - losses).sum(), rel=0.01)
    best = score.mean(40)[0].topk(9).indices
    assert set(best.tolist()) == set(range(9))


def test_working_sets_find_what_all_features_find(monkeypatch):
    """Passes over the working set, against passes over all features."""
    (problem,) = problems("classification", 1)
    options = options_for()
    (a,) = rank([problem], 1.0, options, Silent())
    monkeypatch.setattr(_training, "_FIRST_WORKING_SET", 600)
    monkeypatch.setattr(_training, "_WORKING_SET", 600)
    (b,) = rank([problem], 1.0, options, Silent())
    assert set(np.argsort(-a.importances)[:9]) == set(np.argsort(-b.importances)[:9])
    assert a.loss == pytest.approx(b.loss, rel=0.02)


def test_training_settles_at_a_stationary_point():
    """The certificate, over all features, is what the stopping rule asks for."""
    (problem,) = problems("classification", 1)
    options = options_for(max_iter=2000, tol=0.005)
    fit = train(problem, 1.0, options, Silent(), max_features=600, second_descent=False)
    assert len(fit.loss_curve) < 2000
    assert fit.optimality < 0.01
    assert l1inf_norm(fit.coefs[0]) <= 1.0


def test_a_replica_that_is_stationary_stands_still():
    (problem,) = problems("classification", 1)
    options, data = options_for(), Batch.from_problem(problem, CPU)
    network, _ = _ranked(data, 1.0, options, _Course(Silent()))
    pair = Network.stack([network, _initial(600, options)])
    descent = _Descent(pair, Batch.stack([data, data]), options)
    limits = _limits(1.0, descent.whole.data)
    descent.settle(limits, 1, _Course(Silent()))
    before = pair.W.clone()
    descent.moving[0] = 0.0
    for _ in range(5):
        descent._pass(limits, (1.0, 1.0), NoScore())
    descent._merge()
    np.testing.assert_allclose(pair.W[0], before[0], atol=1e-7)
    assert not torch.equal(pair.W[1], before[1])
