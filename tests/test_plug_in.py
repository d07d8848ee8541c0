"""A target and a ball of another kind, written against the protocols alone."""

import numpy as np
import pytest
import torch

from skl1inf import L1InfFeatureSelector, project_l12
from skl1inf.ball import Ball, L1InfBall
from skl1inf.estimators._base import training_options
from skl1inf.matrices import open_matrix
from skl1inf.network import Options, Problem, Silent, rank, train
from skl1inf.targets import TARGETS, Target

CPU = torch.device("cpu")


class Counts(Target):
    """Counts of Poisson: the code is the logarithm of the expected count.

    The loss is the mean of ``exp(c) - y c``.
    """

    name = "counts"
    n_latent = 1

    def __init__(self, counts, weight):
        self.encoded, self.weight = (counts.astype(np.float32)[:, None],), weight

    def loss(self, code, encoded, weight):
        deviance = code.exp() - encoded[0] * code
        return (weight * deviance[:, :, 0]).sum(1)

    def responses(self):
        return np.log1p(self.encoded[0])

    @classmethod
    def encode(cls, y, sample_weight, class_weight):
        return cls(y, sample_weight)


class L12Ball(Ball):
    """The ball of the group lasso: the sum of the rows' Euclidean norms.

    Its dual norm is the largest Euclidean norm of a row.
    """

    def project_(self, W, radius):
        for replica, limit in zip(W, radius.tolist(), strict=True):
            project_l12(replica, limit, out=replica)

    def sizes(self, W):
        return W.norm(dim=-1)

    def dual_sizes(self, G):
        return G.norm(dim=-1)

    def restrict(self, index):
        return self


TRUE = np.arange(5)


def problem_of(target, ball, X):
    return Problem(open_matrix(X), target, X.mean(axis=0), 1 / X.std(axis=0), ball)


def draw(seed, n_samples=400, n_features=300):
    """Counts and classes that the first five columns determine."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    slope = np.zeros(n_features)
    slope[TRUE] = [0.5, -0.5, 0.5, -0.5, 0.5]
    return (
        X,
        rng.poisson(np.exp(X @ slope)),
        rng.binomial(1, 1 / (1 + np.exp(-4 * X @ slope))),
    )


OPTIONS = Options(
    n_hidden=16,
    n_latent=1,
    activation="silu",
    reconstruction_weight=0.0,
    step=None,
    max_iter=300,
    tol=0.02,
    batch_size=None,
    seed=0,
    device=CPU,
)


def deviance(log_rate, counts):
    return np.mean(np.exp(log_rate) - counts * log_rate)


@pytest.mark.parametrize(("ball", "radius"), [(L1InfBall(), 1.0), (L12Ball(), 4.0)])
def test_a_poisson_target_selects_the_true_features(ball, radius):
    X, counts, _ = draw(0)
    target = Counts.encode(counts, np.ones(len(X)), None)
    trained = train(problem_of(target, ball, X), radius, OPTIONS, Silent())
    best = np.argsort(-trained.selection.importances)[: len(TRUE)]
    assert set(best) == set(TRUE)
    assert trained.selection.alive.sum() < 60
    assert trained.optimality <= 0.02
    constant = deviance(np.log(counts.mean()), counts)
    assert trained.selection.loss < constant - 0.2


def test_another_ball_selects_the_true_features():
    X, _, y = draw(1)
    target = TARGETS["classification"].encode(y, np.ones(len(X)), None)
    options = Options(**{**vars(OPTIONS), "n_latent": 2})
    trained = train(problem_of(target, L12Ball(), X), 4.0, options, Silent())
    W = trained.coefs[0]
    assert np.linalg.norm(W, axis=1).sum() <= 4.0 * (1 + 1e-6)
    best = np.argsort(-trained.selection.importances)[: len(TRUE)]
    assert set(best) == set(TRUE)


def test_problems_of_plugged_in_kinds_are_trained_as_replicas():
    problems = []
    for seed in range(2):
        X, counts, _ = draw(seed, n_samples=300 + 20 * seed)
        target = Counts.encode(counts, np.ones(len(X)), None)
        problems.append(problem_of(target, L12Ball(), X))
    for selection in rank(problems, 1.0, OPTIONS, Silent()):
        assert set(np.argsort(-selection.importances)[: len(TRUE)]) == set(TRUE)


def test_a_loss_that_is_no_sum_is_not_cut_into_mini_batches():
    class Ranks(Counts):
        name = "ranks"
        separable = False

    target = Ranks.encode(np.arange(4), np.ones(4), None)
    with pytest.raises(ValueError, match=r"batch_size=2 .* ranks"):
        training_options(L1InfFeatureSelector(batch_size=2), target, 3)


@pytest.mark.parametrize("ball", [L1InfBall(), L12Ball()])
def test_norms_of_a_ball_are_dual(ball):
    """``<G, W> <= dual_norm(G) norm(W)``, with equality for one row of G."""
    rng = np.random.default_rng(0)
    W, G = (torch.from_numpy(rng.normal(size=(5, 8, 3))) for _ in range(2))
    assert ((G * W).sum((1, 2)) <= ball.dual_norm(G) * ball.norm(W)).all()
    best = torch.zeros_like(G)
    row = ball.dual_sizes(G).argmax(1)
    for i in range(5):
        g = G[i, row[i]]
        best[i, row[i]] = g.sign() if isinstance(ball, L1InfBall) else g
    product = ball.dual_norm(G) * ball.norm(best)
    np.testing.assert_allclose((G * best).sum((1, 2)), product, rtol=1e-12)


def test_norms_of_an_array_are_those_of_the_tensor():
    W = np.random.default_rng(0).normal(size=(8, 3))
    for norm in (L1InfBall().norm, L1InfBall().dual_norm):
        assert norm(W) == pytest.approx(float(norm(torch.from_numpy(W)[None])[0]))
