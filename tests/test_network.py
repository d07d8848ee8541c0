"""The network's own mathematics: products, gradients and the certificate."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_training import follow, softmax
from scipy import sparse

from skl1inf import l1inf_dual_norm, l1inf_norm, project_l1inf
from skl1inf.ball import L1InfBall, relative_gap
from skl1inf.matrices import open_matrix
from skl1inf.matrices._replicas import take_features
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
from skl1inf.network._scores import Attribution, NoScore
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
        "step": 0.01,
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
    (y,) = target.encoded
    of_loss = {
        "classes": lambda code: softmax(code) - np.eye(3)[y],
        "numbers": lambda code: (code - y) / 3,
    }[target.name]
    V = Network.initial(Z.shape[1], options.n_hidden, 3, "identity", 0, CPU).V[0]
    weight = target.weight / target.weight.sum()
    return follow(Z, weight, V.numpy().astype(float), of_loss, radii)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_path_is_that_of_numpy(kind):
    """Importances and weights, against a training in numpy on all features."""
    (problem,) = problems(kind, 1, n_features=200)
    options = options_for(activation="identity")
    (selection,) = rank([problem], 1.0, options, Silent())
    W, shares, maxima = reference_of(problem, options, np.geomspace(4, 1, 51))
    expected = shares if kind == "classification" else maxima
    assert expected[:9].min() > 0
    np.testing.assert_allclose(
        selection.importances, expected, rtol=1e-3, atol=1e-3 * expected.max()
    )
    np.testing.assert_allclose(selection.weights, np.abs(W).max(axis=1), atol=1e-3)


def test_the_path_of_radii_is_that_of_numpy():
    """The importances at a radius average over the passes from 4 times the radius."""
    (problem,) = problems("classification", 1, n_features=200)
    options = options_for(activation="identity")
    (path,) = trace([problem], [1.5, 0.75], options, Silent())
    radii = 1.5 * np.append(np.geomspace(4, 1, 51), 0.5 ** (np.arange(1, 26) / 25))
    for selection, n_passes in zip(path, (51, 76), strict=True):
        until = reference_of(problem, options, radii[:n_passes])[2] * n_passes
        n_before = n_passes - 51
        before = 0.0
        if n_before:
            before = reference_of(problem, options, radii[:n_before])[2] * n_before
        np.testing.assert_allclose(
            selection.importances, (until - before) / 51, atol=1e-3
        )


def test_mini_batches_are_ranked_by_weights():
    """The noise of a batch would count as a decrease of its own; weights do not."""
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
    data, course = Batch.from_problem(problem, CPU), Course(Silent())
    network = _recipes._initial(600, options)
    descent = Descent(network, data, problem, options)
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
    monkeypatch.setattr(_working_set, "_FIRST_WORKING_SET", 600)
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
    network, _ = _recipes._ranked(data, problem, 1.0, options, Course(Silent()))
    pair = Network.stack([network, _recipes._initial(600, options)])
    descent = Descent(pair, data.stack([data]), problem, options)
    limits = radius_of_each(1.0, descent.whole.data)
    descent.settle(limits, 1, Course(Silent()))
    before = pair.W.clone()
    descent.moving[0] = 0.0
    for _ in range(5):
        descent._pass(limits, (1.0, 1.0), NoScore())
    descent._merge()
    np.testing.assert_allclose(pair.W[0], before[0], atol=1e-7)
    assert not torch.equal(pair.W[1], before[1])
