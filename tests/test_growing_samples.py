"""Trainings that begin on few of many samples, and the tiles of a large matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, softmax

from skl1inf import l1inf_dual_norm, l1inf_norm
from skl1inf.ball import L1InfBall
from skl1inf.matrices import _standardized, open_matrix
from skl1inf.matrices._standardized import FoldedDense
from skl1inf.network import (
    Options,
    Problem,
    Silent,
    _problem,
    _readout,
    draw,
    retrain,
    train,
)
from skl1inf.network._network import Network
from skl1inf.network._problem import Batch
from skl1inf.network._samples import growing, shares
from skl1inf.network._working_set import Part
from skl1inf.targets import TARGETS

CPU = torch.device("cpu")
N_SAMPLES, N_FEATURES = 9000, 20
KINDS = ["classification", "regression"]


def options_for(**changes):
    defaults = {
        "n_hidden": 8,
        "n_latent": 3,
        "activation": "silu",
        "reconstruction_weight": 0.0,
        "step": None,
        "max_iter": 60,
        "tol": 0.02,
        "batch_size": None,
        "seed": 0,
        "device": CPU,
    }
    return Options(**defaults | changes)


def classes_of(codes, weight=None, class_weight=None):
    weight = np.ones(len(codes)) if weight is None else weight
    return TARGETS["classification"].encode(codes, weight, class_weight)


def problem_of(X, y, kind, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    target = TARGETS[kind].encode(y, weight, None)
    dense = X.toarray() if sparse.issparse(X) else X
    scaling = dense.mean(axis=0), 1 / dense.std(axis=0)
    return Problem(open_matrix(X), target, *scaling, L1InfBall())


@pytest.fixture(autouse=True, scope="module")
def few_features_are_worth_more():
    """As of a wide matrix: some of the features are not followed on more samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skl1inf.network._recipes._WORTH_MORE", 6)
        yield


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_SAMPLES, N_FEATURES))
    X[rng.random(X.shape) < 0.5] = 0.0
    signal = X[:, 0] + 0.7 * X[:, 1] + 0.3 * rng.normal(size=N_SAMPLES)
    return X, {
        "classification": np.digitize(signal, [-0.5, 0.5]),
        "regression": signal[:, np.newaxis],
    }


class StopsOnce(Silent):
    """An observer that asks to stop at the end of one pass, and of no other."""

    def __init__(self, iteration):
        self.iteration, self.n_passes = iteration, 0

    def end_pass(self, step):
        self.n_passes += 1
        return step.iteration == self.iteration


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=40),
    st.integers(0, 2**31),
    st.data(),
)
def test_draws_keep_the_weight_of_classes_and_are_nested(counts, seed, drawing):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    weight = rng.uniform(0.1, 10, len(codes))
    target = classes_of(np.append(codes, len(counts)), np.append(weight, 1.0))
    codes, weight, n = target.encoded[0], target.weight, len(target.weight)
    small, large = sorted(drawing.draw(st.tuples(*[st.integers(1, n)] * 2)))
    (index, factor), (more, _) = (draw(target, size, seed) for size in (small, large))
    assert len(index) == small
    assert (np.diff(index) > 0).all()
    assert np.isin(index, more).all()
    totals = np.bincount(codes, weight)
    drawn = np.bincount(codes[index], weight[index] * factor, len(totals))
    seen = np.bincount(codes[index], minlength=len(totals)) > 0
    np.testing.assert_allclose(drawn[seen], totals[seen], rtol=1e-9)
    # A class has its share, or a quarter of an even one, up to a sample.
    n_drawn = np.bincount(codes[index], minlength=len(totals))
    counts, part = np.bincount(codes), small / n
    least = np.minimum(counts, 0.25 * part * n / len(counts))
    assert (n_drawn >= np.floor(least) - 1).all()
    assert (n_drawn <= counts).all()


def test_a_class_of_one_sample_is_drawn():
    codes = np.random.default_rng(0).integers(0, 2, N_SAMPLES)
    codes[17] = 2
    index, factor = draw(classes_of(codes), 4096)
    assert 17 in index
    assert factor[index == 17] == 1.0


def test_a_class_without_weight_is_drawn_with_none():
    codes = np.arange(N_SAMPLES) % 3
    target = classes_of(codes, class_weight={0: 0.0, 1: 1.0, 2: 2.0})
    index, factor = draw(target, 4096)
    assert np.isfinite(factor).all()
    drawn = np.bincount(codes[index], (target.weight[index] * factor))
    np.testing.assert_allclose(drawn, [0, 3000, 6000])


@pytest.mark.parametrize("n_classes", [4500, 6000])
def test_more_classes_than_samples_are_not_all_drawn(n_classes):
    codes = np.random.default_rng(0).permutation(np.arange(N_SAMPLES) % n_classes)
    index, factor = draw(classes_of(codes), 4096)
    assert np.isfinite(factor).all()
    assert (factor >= 1).all()
    assert len(np.unique(codes[index])) == 4096


@pytest.mark.parametrize("n_passes", [8, 13, 60, 300])
@pytest.mark.parametrize("sizes", [(9000,), (4096, 9000), (4096, 32768, 10**5)])
def test_passes_are_shared_out(sizes, n_passes):
    class Samples:
        def __init__(self, n_samples):
            self.n_samples = n_samples

    each = shares([Samples(size) for size in sizes], n_passes)
    assert sum(each) == n_passes
    assert len(each) == len(sizes)
    assert min(each) > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_iter", [1, 2, 3, 7, 8, 11])
def test_no_more_passes_than_asked_for(data, kind, max_iter):
    X, y = data
    problem, options = problem_of(X, y[kind], kind), options_for(max_iter=max_iter)
    fit = train(problem, 1.0, options, Silent())
    assert len(fit.loss_curve) <= max_iter
    assert l1inf_norm(fit.coefs[0]) <= 1.0 + 1e-6
    again = retrain(fit, np.array([0, 1]), problem, 1.0, options, Silent())
    assert len(again.loss_curve) - len(fit.loss_curve) <= max_iter


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("iteration", [1, 8, 14, 30, 50])
def test_an_observer_that_asks_once_is_obeyed(data, kind, iteration):
    """Be it in the path over few samples, in that over more, or after."""
    X, y = data
    observer = StopsOnce(iteration)
    options = options_for(tol=0.0)
    fit = train(problem_of(X, y[kind], kind), 0.8, options, observer)
    assert observer.n_passes == len(fit.loss_curve) == iteration
    assert l1inf_norm(fit.coefs[0]) <= 0.8 + 1e-6
    if iteration > 1:
        assert {0, 1} <= set(np.flatnonzero(fit.selection.alive))
    np.testing.assert_array_equal(fit.selection.alive, fit.coefs[0].any(axis=1))


def test_the_certificate_is_that_of_all_samples(data):
    """The relative duality gap, in numpy, of the network that is returned."""
    X, y = data
    codes, radius = y["classification"], 0.8
    weight = np.random.default_rng(1).uniform(0.5, 2, N_SAMPLES)
    problem = problem_of(X, codes, "classification", weight)
    fit = train(problem, radius, options_for(max_iter=40, tol=0.0), Silent())
    Z, share = (X - problem.mean) * problem.inverse_scale, weight / weight.sum()
    (W, V), (b, c) = fit.coefs, fit.intercepts
    A = Z @ W + b
    probabilities = softmax(A * expit(A) @ V + c, axis=1)
    slopes = expit(A) * (1 + A * (1 - expit(A)))
    D = share[:, np.newaxis] * (probabilities - np.eye(3)[codes]) @ V.T * slopes
    G = Z.T @ D
    gap = 1 + (G * W).sum() / (radius * l1inf_dual_norm(G))
    assert fit.optimality == pytest.approx(gap, abs=1e-3)
    losses = -np.log(probabilities[np.arange(N_SAMPLES), codes])
    assert fit.selection.loss == pytest.approx(share @ losses, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_and_dense_samples_agree(data, kind, container):
    X, y = data
    fits = [
        train(problem_of(A, y[kind], kind), 1.0, options_for(), Silent())
        for A in (X, container(X))
    ]
    a, b = (fit.selection for fit in fits)
    np.testing.assert_allclose(a.importances, b.importances, rtol=1e-3, atol=1e-4)
    assert a.loss == pytest.approx(b.loss, rel=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_what_only_all_samples_show_is_ranked_above_noise(seed):
    """The weak feature has a z-score of 2 on the few samples, of 6 on all of them."""
    rng = np.random.default_rng(seed)
    n_samples, n_features, weak = 30_000, 60, 33
    X = rng.normal(size=(n_samples, n_features))
    signal = 0.3 * X[:, 0] + 6 / n_samples**0.5 * X[:, weak]
    y = (signal + rng.normal(size=n_samples))[:, np.newaxis]
    problem, options = problem_of(X, y, "regression"), options_for(max_iter=90)
    order = train(problem, 0.2, options, Silent()).selection.order
    assert order[:2].tolist() == [0, weak]


def test_no_set_of_few_samples_where_it_cannot_serve(data):
    """Of mini-batches, of a handful of passes, of a loss that needs all samples."""
    X, y = data
    problem = problem_of(X, y["classification"], "classification")
    batch, target = Batch.from_problem(problem, CPU), problem.target
    sizes = [len(growing(batch, target, options_for()))]
    sizes += [len(growing(batch, target, options_for(batch_size=64)))]
    sizes += [len(growing(batch, target, options_for(max_iter=7)))]
    assert sizes == [2, 1, 1]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("opened", ["dense", "sparse"])
def test_products_by_tiles_are_those_of_the_standardised_matrix(
    monkeypatch, order, dtype, opened
):
    for name, size in (("TILE", 7), ("BLOCK_FEATURES", 11), ("BLOCK_ENTRIES", 60)):
        monkeypatch.setattr(_standardized, f"_{name}", size)
    rng = np.random.default_rng(0)
    X = rng.normal(2.0, 3.0, (30, 25)).astype(dtype, order=order)
    X[rng.random(X.shape) < 0.3] = 0.0
    X.flags.writeable = False
    mean, inverse_scale = X.mean(axis=0, dtype=float), 1 / X.std(axis=0, dtype=float)
    inverse_scale[4] = 0.0
    Z = (X - mean) * inverse_scale
    matrix = open_matrix(sparse.csr_array(X) if opened == "sparse" else X)
    folded = matrix.folded(mean, inverse_scale)
    W = rng.normal(size=(25, 3)).astype(np.float32)
    few = W.copy()
    few[3:] = 0.0
    D, index = rng.normal(size=(30, 3)).astype(np.float32), np.array([0, 9, 10, 24])

    def close(tensor, expected):
        np.testing.assert_allclose(tensor[0].numpy(), expected, rtol=1e-5, atol=1e-4)

    for some in (W, few, 0 * W):
        close(folded @ torch.from_numpy(some)[None], Z @ some)
    D_torch = torch.from_numpy(D)[None]
    close(folded.adjoint(D_torch), Z.T @ D)
    for features, rows in folded.adjoint_blocks(D_torch):
        close(rows, Z.T[features] @ D)
    covered = []
    for features, rows in folded.transposed_blocks():
        close(rows, Z.T[features])
        covered += range(25)[features]
    assert covered == list(range(25))
    chosen = folded.take_features(torch.from_numpy(index)[None])
    close(chosen.adjoint(D_torch), Z.T[index] @ D)
    part = folded.chunk(slice(8, 19))
    close(part @ torch.from_numpy(W)[None], Z[8:19] @ W)
    close(part.adjoint(D_torch[:, 8:19]), Z[8:19].T @ D[8:19])
    close(
        folded.take_samples(np.array([2, 29, 7])).adjoint(D_torch[:, :3]),
        Z[[2, 29, 7]].T @ D[:3],
    )


def test_a_folded_matrix_trains_as_its_copy_does(data, monkeypatch):
    X, y = data
    problem = problem_of(X, y["classification"], "classification")
    copied = train(problem, 1.0, options_for(), Silent())
    monkeypatch.setattr("skl1inf.matrices._standardized._COPIED_ENTRIES", 0)
    monkeypatch.setattr(_standardized, "_BLOCK_FEATURES", 13)
    Z = problem.matrix.standardized(problem.mean, problem.inverse_scale, CPU)
    assert isinstance(Z, FoldedDense)
    folded = train(problem, 1.0, options_for(), Silent())
    a, b = copied.selection, folded.selection
    np.testing.assert_allclose(a.importances, b.importances, rtol=1e-3, atol=1e-4)
    assert a.loss == pytest.approx(b.loss, rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_momentum_goes_with_its_feature(seed):
    """From one working set to the next, in replicas of different sizes."""
    rng = np.random.default_rng(seed)
    n_replicas, n_features, n_samples = 3, 9, 2
    network = Network.initial(n_features, 2, 2, "silu", 0, CPU)
    network = Network.stack([network] * n_replicas)
    Z = _standardized.StandardizedDense(torch.zeros(n_replicas, n_features, n_samples))
    batch = Batch(Z, (), torch.zeros(n_replicas, n_samples))
    whole = Part.whole(batch, network, L1InfBall())
    masks = [torch.from_numpy(rng.random((n_replicas, n_features)) < 0.5)] * 2
    masks[1] = torch.from_numpy(rng.random((n_replicas, n_features)) < 0.5)
    old, new = (whole.encoding(mask) for mask in masks)
    old.M = torch.from_numpy(rng.normal(size=old.M.shape))
    others = torch.from_numpy(rng.normal(size=new.M.shape))
    M = old.momentum_of(new, others)
    for i in range(n_replicas):
        rows = dict(zip(old.index[i].tolist(), old.M[i], strict=True))
        for place, feature in enumerate(new.index[i].tolist()):
            expected = torch.zeros(2, dtype=M.dtype)
            if masks[1][i, feature]:
                known = bool(masks[0][i, feature])
                expected = rows[feature] if known else others[i, place]
            assert torch.equal(M[i, place], expected)


@pytest.mark.parametrize("reconstruction_weight", [0.0, 0.5])
def test_the_readout_sums_over_chunks(monkeypatch, reconstruction_weight):
    """The loss and its gradient do not depend on the size of the chunks."""
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 1))
    target = TARGETS["regression"].encode(y, rng.uniform(0.5, 2, 50), None)
    options = options_for(n_latent=1, reconstruction_weight=reconstruction_weight)

    def loss():
        return _readout._DecayedLoss(Z, target, np.arange(1.0, 5.0), 0.1, options)

    x = loss().start + 0.1
    value, gradient = loss()(x)
    monkeypatch.setattr(_problem, "_CHUNK_ENTRIES", 7 * options.n_hidden)
    monkeypatch.setattr(_readout, "_CODED_ENTRIES", 7 * options.n_hidden)
    in_chunks = loss()
    chunk_value, chunk_gradient = in_chunks(x)
    assert chunk_value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(chunk_gradient, gradient, rtol=1e-9, atol=1e-12)
    W, b, V, c, *_ = in_chunks.layers(x)
    A = Z @ W + b
    code = _readout.encode_double(Z, [W, V], [b, c], "silu")
    np.testing.assert_allclose(code, A * expit(A) @ V + c, rtol=1e-10)
