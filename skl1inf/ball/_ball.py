"""The constraint that the network and the linear model share."""

from typing import Protocol

import numpy as np

from ._functions import project_l1inf


class Ball(Protocol):
    """What a ball of rows must answer: a row is a feature.

    ``W`` and ``G``, weights and gradients, are tensors of shape (n_replicas, n_rows,
    n_columns), ``radius`` one of shape (n_replicas,). The linear model gives arrays of
    shape (n_rows, n_columns), and a number.
    """

    # Whether the sizes and the dual sizes of a row depend on this row alone, so that
    # they can be computed by blocks of rows.
    rows_apart = False

    def project_(self, W, radius):
        """Replace every replica by the nearest point of its ball."""

    def sizes(self, W):
        """Return what every row takes of the radius, (n_replicas, n_rows).

        A feature is alive where this is positive.
        """

    def dual_sizes(self, G):
        """Return how fast the loss falls along every row, (n_replicas, n_rows).

        The rows with the largest are the first to come back. Their maximum is the dual
        norm.
        """

    def kept(self, W):
        """Return the mask of the rows that take nothing of the radius, or None.

        It is of shape (n_replicas, n_rows). Each such row has a bound of its own.
        """
        return None

    def norm(self, W):
        """Return the norm of every replica, (n_replicas,)."""
        return self.sizes(W).sum(-1)

    def dual_norm(self, G):
        """Return the dual norm of every replica, (n_replicas,)."""
        sizes = self.dual_sizes(G)
        return sizes.max(-1) if isinstance(sizes, np.ndarray) else sizes.amax(-1)

    def restrict(self, index):
        """Return the ball of the rows `index`, (n_replicas, n_chosen), alone."""


class L1InfBall(Ball):
    """The l1,inf ball ``{W : sum_i max_j |W_ij| <= radius}``.

    Its dual norm is ``max_i sum_j |G_ij|``. The linear model may ask for the
    non-negative part of the ball; there, only negative entries of the gradient lower
    the loss: the dual norm is ``max_i sum_j max(-G_ij, 0)``.
    """

    rows_apart = True

    def __init__(self, positive=False):
        self.positive = positive

    def project_(self, W, radius):
        """Replace every replica by the nearest point of its ball."""
        for replica, limit in zip(W, radius.tolist(), strict=True):
            project_l1inf(replica, limit, out=replica)

    def project(self, W, radius):
        """Return the nearest point of an array, in the ball to the last bit."""
        return project_l1inf(np.maximum(W, 0) if self.positive else W, radius)

    def projection_in_metric(self, metric):
        """Return the projection (W, radius) of arrays where row i weighs ``metric[i]``.

        It serves many arrays, one after the other.
        """
        from .kernels import ProjectionInMetric

        project = ProjectionInMetric(metric)
        if self.positive:
            return lambda W, radius: project(np.maximum(W, 0), radius)
        return lambda W, radius: project(np.ascontiguousarray(W), radius)

    def shrink_in_metric(self, W, metric, theta):
        """Return the proximal point of theta times the norm, in that metric."""
        from .kernels import shrink

        W = np.maximum(W, 0) if self.positive else np.ascontiguousarray(W)
        return shrink(W, theta / metric)

    def sizes(self, W):
        """Return the largest absolute entry of every row."""
        return abs(W).max(-1) if isinstance(W, np.ndarray) else W.abs().amax(-1)

    def dual_sizes(self, G):
        """Return the l1 norm of every row, of its negative part if `positive`."""
        lowering = (-G).clip(0) if self.positive else abs(G)
        if isinstance(G, np.ndarray):
            # BLAS adds up short rows faster than numpy's sum.
            return lowering @ np.ones(G.shape[-1])
        return lowering.sum(-1)

    def restrict(self, index):
        """Return the ball itself: its rows know nothing of one another."""
        return self


def duality_gap(slope, dual_norm, radius):
    """Return ``<G, W> + radius * dual_norm(G)`` of a point W of the ball.

    It is zero exactly where W is stationary. For a convex loss it bounds how far the
    loss is above its minimum over the ball. ``slope`` is ``<G, W>``.
    """
    return slope + radius * dual_norm


def relative_gap(slope, dual_norm, radius):
    """Return the duality gap of a tensor over ``radius * dual_norm``, in [0, 2].

    0 where the gradient is zero: there, every point is stationary.
    """
    return (slope / (radius * dual_norm) + 1.0).nan_to_num(0.0).clamp(0.0, 2.0)
