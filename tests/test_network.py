"""The network's own mathematics: products, gradients and the certificate."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_training import (
    HeavyBall,
    ScaledMomentum,
    cross_entropy,
    follow,
    softmax,
    squared_error,
)
from scipy import sparse

from skl1inf import l1inf_dual_norm, l1inf_norm, project_l1inf
from skl1inf.ball import L1InfBall, relative_gap
from skl1inf.matrices import open_matrix
from skl1inf.network import (
    Options,
    Problem,
    Silent,
    _recipes,
    _working_set,
    rank,
    retrain,
    trace,
    train,
)
from skl1inf.network._descent import Descent, radius_of_each
from skl1inf.network._network import Network
from skl1inf.network._objective import Objective, loss_and_gradient
from skl1inf.network._problem import Batch
from skl1inf.network._progress import Course
from skl1inf.network._working_set import Part
from skl1inf.targets import TARGETS

CPU = torch.device("cpu")
KINDS = ["classification", "regression", "unsupervised"]


def encoded(kind, y, weight):
    """Return the target of class codes, as numbers where numbers are asked for."""
    y = np.eye(3)[y] if kind == "regression" else y
    return TARGETS[kind].encode(y, weight, None)


def random_problem(kind):
    """A network with non-zero weights and a batch that it can be trained on."""
    rng = np.random.default_rng(0)
    n_samples, n_features, n_latent = 12, 7, 3
    X = rng.normal(size=(n_samples, n_features))
    weight = rng.dirichlet(np.ones(n_samples))
    target = encoded(kind, np.arange(n_samples) % n_latent, weight)
    problem = Problem(
        open_matrix(X), target, X.mean(axis=0), 1 / X.std(axis=0), L1InfBall()
    )
    batch = Batch.from_problem(problem, CPU)
    batch.Z.Zt = batch.Z.Zt.double()
    double = tuple(t if t.dtype == torch.int64 else t.double() for t in batch.encoded)
    batch = replace(batch, encoded=double, weight=batch.weight.double())
    network = Network.initial(n_features, 4, n_latent, "silu", 0, CPU)
    for name in ("W", "b", "V", "c", "U", "e"):
        setattr(network, name, getattr(network, name).double())
    network.W = torch.from_numpy(rng.normal(size=(1, n_features, 4)))
    return network, target, batch


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_against_finite_differences(kind):
    network, target, batch = random_problem(kind)
    objective = Objective(target, reconstruction_weight=0.5)
    for layer in network.code_layers() + network.decoder_layers():
        layer.requires_grad_()
    _, G = loss_and_gradient(network, objective, batch)
    direction = torch.randn(
        G.shape, dtype=G.dtype, generator=torch.Generator().manual_seed(0)
    )
    losses = []
    W = network.W
    for step in (1e-5, -1e-5):
        network.W = W + step * direction
        losses.append(loss_and_gradient(network, objective, batch)[0])
    derivative = float(losses[0] - losses[1]) / 2e-5
    np.testing.assert_allclose(float((G * direction).sum()), derivative, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_equation(kind):
    """As the docstring of the objective states it, in numpy."""
    network, target, batch = random_problem(kind)
    W, b, V, c, U, e = (
        getattr(network, name)[0].numpy() for name in ("W", "b", "V", "c", "U", "e")
    )
    Z, s = batch.Z.Zt[0].T.numpy(), batch.weight[0].numpy()
    A = Z @ W + b
    code = A / (1 + np.exp(-A)) @ V + c
    y = batch.encoded[0][0].numpy() if batch.encoded else None
    of_code = {
        "classification": lambda: -np.log(softmax(code)[np.arange(len(y)), y]),
        "regression": lambda: ((code - y) ** 2).mean(axis=1) / 2,
        "unsupervised": lambda: np.zeros(len(Z)),
    }[kind]()
    residual = np.abs(code @ U.T + e[:, 0] - Z)
    huber = np.where(residual <= 1, residual**2 / 2, residual - 0.5).mean(axis=1)
    objective = Objective(target, reconstruction_weight=0.5)
    loss = objective(network, network.code(batch.Z @ network.W), batch)
    assert float(loss) == pytest.approx(s @ of_code + 0.5 * s @ huber, rel=1e-6)


def gap_of(W, G, radius):
    G = torch.from_numpy(G)
    slope = (G * torch.from_numpy(W)).sum()
    dual_norm = L1InfBall().dual_sizes(G).amax()
    return float(relative_gap(slope, dual_norm, radius))


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


def options_for(**settings):
    defaults = {
        "n_hidden": 16,
        "n_latent": 3,
        "activation": "silu",
        "reconstruction_weight": 0.0,
        "step": None,
        "max_iter": 150,
        "tol": 0.02,
        "batch_size": None,
        "seed": 0,
        "device": CPU,
    }
    return Options(**{**defaults, **settings})


def problems(kind, n_problems=3, n_features=600):
    """Data of different sizes, in which the first columns matter."""
    rng = np.random.default_rng(0)
    for n_samples in 60 + 7 * np.arange(n_problems):
        y = rng.integers(0, 3, n_samples)
        X = rng.normal(size=(n_samples, n_features))
        X[:, :9] += np.repeat(np.eye(3), 3, axis=1)[y] * 2
        target = encoded(kind, y, rng.uniform(0.5, 2, n_samples))
        scaling = X.mean(axis=0), 1 / X.std(axis=0)
        yield Problem(open_matrix(X), target, *scaling, L1InfBall())


def assert_same_selection(a, b):
    np.testing.assert_allclose(a.importances, b.importances, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(a.weights, b.weights, atol=1e-2)
    assert a.loss == pytest.approx(b.loss, rel=1e-3)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_replicas_are_trained_as_if_alone(kind):
    """Stacked, those of fewer samples are padded; the result is that of one alone."""
    data, options = list(problems(kind)), options_for()
    together = rank(data, 1.0, options, Silent())
    alone = [rank([problem], 1.0, options, Silent())[0] for problem in data]
    for a, b in zip(together, alone, strict=True):
        assert_same_selection(a, b)


def test_stacks_are_bounded(monkeypatch):
    """Problems too large for one stack are trained one after the other."""
    data, options = list(problems("classification")), options_for()
    together = rank(data, 1.0, options, Silent())
    monkeypatch.setattr(_recipes, "_STACKED_ENTRIES", 1)
    for a, b in zip(together, rank(data, 1.0, options, Silent()), strict=True):
        assert_same_selection(a, b)


def test_sparse_problems_are_traced_as_dense_ones():
    data, options = list(problems("classification", n_features=80)), options_for()
    a = trace(data, [2.0, 1.0], options, Silent())
    as_sparse = [
        replace(problem, matrix=open_matrix(sparse.csr_array(problem.matrix.X)))
        for problem in data
    ]
    b = trace(as_sparse, [2.0, 1.0], options, Silent())
    for selections in zip(a, b, strict=True):
        for x, y in zip(*selections, strict=True):
            assert_same_selection(x, y)


def test_the_path_selects_what_fits_do():
    (problem,) = problems("classification", 1)
    radii, options = [1.5, 0.6, 0.2], options_for()
    (path,) = trace([problem], radii, options, Silent())
    for selection, radius in zip(path, radii, strict=True):
        fit = train(problem, radius, options, Silent())
        for importances in (fit.selection.importances, selection.importances):
            assert (np.argsort(-importances)[:9] < 9).sum() >= 7
        assert abs(int(selection.alive.sum()) - int(fit.selection.alive.sum())) <= 6


def reference_of(problem, options, radii):
    """Follow the radii in numpy, from the same initial weights."""
    target = problem.target
    Z = (problem.matrix.X - problem.mean) * problem.inverse_scale
    weight, n_hidden = target.weight / target.weight.sum(), options.n_hidden
    V = Network.initial(Z.shape[1], n_hidden, 3, "identity", 0, CPU).V[0]
    if target.name == "classes":
        loss = cross_entropy(target.encoded[0], 3)
        norm, step = 3 / 2 / np.sqrt(3), ScaledMomentum()
    else:
        loss = squared_error(target.encoded[0])
        norm, step = 1 / np.sqrt(n_hidden), HeavyBall(Z, weight, 1 / 3)
    return follow(Z, weight, V.numpy().astype(float), loss, radii, norm, step)


def test_the_ranking_path_of_classes_is_that_of_numpy():
    """It opens from .1 to 4 and closes to 1, whatever the radius; losses weigh."""
    (problem,) = problems("classification", 1, n_features=200)
    options = options_for(activation="identity")
    opening = 0.1 * 40 ** (np.arange(15) / 15)
    radii = np.append(opening, np.geomspace(4, 1, 36))
    losses, maxima = reference_of(problem, options, radii)
    expected = losses @ maxima / losses.sum()
    assert expected[:9].min() > expected[9:].max()
    for radius in (0.5, 3.0):
        (selection,) = rank([problem], radius, options, Silent())
        np.testing.assert_allclose(
            selection.importances, expected, rtol=1e-3, atol=1e-3 * expected.max()
        )


def test_the_ranking_path_of_numbers_is_that_of_numpy():
    """After 15 passes at three times the radius, 36 down to it are averaged."""
    (problem,) = problems("regression", 1, n_features=40)
    options = options_for(activation="identity")
    (selection,) = rank([problem], 1.0, options, Silent())
    radii = np.append(np.full(15, 3.0), np.geomspace(3, 1, 36))
    _, maxima = reference_of(problem, options, radii)
    expected = maxima[15:].mean(axis=0)
    assert expected[:9].min() > expected[9:].max()
    np.testing.assert_allclose(
        selection.importances, expected, atol=1e-3 * expected.max()
    )


def test_the_power_method_finds_the_curvature():
    """Steps of 2 / L are stable up to 3.8 / L: the estimate may be half too small."""
    (problem,) = problems("regression", 1, n_features=200)
    data = Batch.from_problem(problem, CPU)
    network = _recipes._initial(200, options_for())
    descent = Descent(network, data, problem, options_for())
    part = Part.whole(data, network, problem.ball)
    F = np.sqrt(data.weight[0].numpy())[:, None] * data.Z.Zt[0].T.numpy()
    exact = np.linalg.norm(F, 2) ** 2
    _, G = loss_and_gradient(network, descent.objective, data)
    estimates = []
    for _ in range(6):
        descent.first_layer.look(part, G)
        estimates.append(float(descent.first_layer.eigenvalue))
    assert estimates[0] > exact / 1.5
    assert estimates[-1] == pytest.approx(exact, rel=0.05)
    assert max(estimates) <= exact * (1 + 1e-5)


def test_the_path_of_radii_is_that_of_numpy():
    """The importances at a radius average over the passes from 4 times the radius."""
    (problem,) = problems("classification", 1, n_features=200)
    options = options_for(activation="identity")
    (path,) = trace([problem], [1.5, 0.75], options, Silent())
    radii = 1.5 * np.append(np.geomspace(4, 1, 51), 0.5 ** (np.arange(1, 26) / 25))
    _, maxima = reference_of(problem, options, radii)
    for selection, n_passes in zip(path, (51, 76), strict=True):
        expected = maxima[n_passes - 51 : n_passes].mean(axis=0)
        np.testing.assert_allclose(selection.importances, expected, atol=1e-3)


def test_a_descent_that_is_stopped_before_the_scoring_has_no_importances():
    class Stop(Silent):
        def end_pass(self, step):
            return True

    (problem,) = problems("regression", 1, n_features=40)
    fit = train(problem, 1.0, options_for(), Stop())
    assert not fit.selection.importances.any()


def test_mini_batches_rank():
    (problem,) = problems("classification", 1, n_features=80)
    fit = train(problem, 1.0, options_for(batch_size=20, max_iter=40), Silent())
    importances = fit.selection.importances
    assert 0.5 < importances.sum() <= 1 + 1e-6
    assert set(np.argsort(-importances)[:9]) == set(range(9))


def test_without_a_target_weights_rank():
    """Ten columns share a factor that reconstructs them; the others are noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 60))
    X[:, :10] = rng.normal(size=(80, 1)) + 0.3 * rng.normal(size=(80, 10))
    target = TARGETS["unsupervised"].encode(None, np.ones(80), None)
    scaling = X.mean(axis=0), 1 / X.std(axis=0)
    problem = Problem(open_matrix(X), target, *scaling, L1InfBall())
    fit = train(problem, 1.0, options_for(n_latent=1), Silent())
    importances = fit.selection.importances
    assert 0.5 < importances.sum() <= 1 + 1e-6
    assert (np.argsort(-importances)[:8] < 10).all()


def test_retraining_leaves_other_features_at_zero():
    (problem,) = problems("classification", 1, n_features=80)
    fit = train(problem, 1.0, options_for(), Silent())
    features = np.array([0, 3, 6, 40])
    again = retrain(fit, features, problem, 1.0, options_for(), Silent())
    alive = np.flatnonzero(again.coefs[0].any(axis=1))
    assert set(alive) <= set(features)
    assert {0, 3, 6} <= set(alive)
    assert l1inf_norm(again.coefs[0]) <= 1.0
    assert len(again.loss_curve) > len(fit.loss_curve)
    # The certificate looks at all features: those left out would lower the loss.
    assert again.optimality > 0.02
    assert again.selection is fit.selection


def test_working_sets_find_what_all_features_find(monkeypatch):
    """Passes over the working set, against passes over all features."""
    (problem,) = problems("classification", 1)
    options = options_for()
    (a,) = rank([problem], 1.0, options, Silent())
    monkeypatch.setattr(_working_set, "_FIRST_WORKING_SET", (600, 600))
    monkeypatch.setattr(_working_set, "_WORKING_SET", 600)
    (b,) = rank([problem], 1.0, options, Silent())
    assert set(np.argsort(-a.importances)[:9]) == set(np.argsort(-b.importances)[:9])
    assert a.loss == pytest.approx(b.loss, rel=0.02)


def test_training_settles_at_a_stationary_point():
    """The certificate, over all features, is what the stopping rule asks for."""
    (problem,) = problems("classification", 1)
    options = options_for(max_iter=2000, tol=0.005)
    fit = train(problem, 1.0, options, Silent())
    assert len(fit.loss_curve) < 2000
    assert fit.optimality < 0.01
    assert l1inf_norm(fit.coefs[0]) <= 1.0


def test_a_replica_that_is_stationary_stands_still():
    (problem,) = problems("classification", 1)
    options, data = options_for(), Batch.from_problem(problem, CPU)
    network = _recipes._initial(600, options)
    path = problem.target.path(1.0, 51)
    Descent(network, data, problem, options).follow(path, Course(Silent()))
    pair = Network.stack([network, _recipes._initial(600, options)])
    descent = Descent(pair, data.stack([data]), problem, options)
    limits = radius_of_each(1.0, descent.whole.data)
    descent.settle(limits, 1, Course(Silent()))
    before = pair.W.clone()
    descent.moving[0] = 0.0
    for _ in range(5):
        descent._pass(limits, (1.0, 1.0))
    descent._merge()
    np.testing.assert_allclose(pair.W[0], before[0], atol=1e-7)
    assert not torch.equal(pair.W[1], before[1])
