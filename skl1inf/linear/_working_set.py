"""The loss on a few features."""

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from ._bounds import bounds_of

SMALL = 2**20  # entries that an array may always have, however small the data


class WorkingSet:
    """The loss on some features: ``<W, H W> / 2 - <linear, W> + constant``.

    The Hessian H, ``columns' columns``, is the same for every target. It is computed
    where that makes products cheaper; else it is applied factor by factor. ``ball`` is
    that of all features.

    Attributes
    ----------
    diagonal : ndarray of shape (n_working,)
        Diagonal of the Hessian; within a group its largest entry.
    metric : ndarray of shape (n_working,)
        A multiple of the diagonal that bounds the Hessian from above.
    """

    def __init__(self, loss, features, ball, precompute="auto"):
        self.features = features
        self.null_value = loss.null_value
        self.columns = loss.columns(features)
        self.linear = loss.linear(features, self.columns)
        self.room = max(loss.size, SMALL)
        if precompute == "auto":
            # A product reads p^2 entries of the Gram matrix, or the columns twice.
            entries = len(features) ** 2
            reads = max(2 * self.columns.size, SMALL // 16)
            precompute = entries <= min(reads, self.room)
        self.gram = self.columns.gram() if precompute else None
        shared = bounds_of(ball, features)
        self.diagonal = shared.spread(shared.largest(self.columns.squared_norms()))
        self.metric = self.diagonal * self._scaled_curvature()

    def hessian_times(self, W):
        """Return ``H W``."""
        if self.gram is not None:
            return self.gram @ W
        return self.columns.transposed_times(self.columns.times(W))

    def gradient(self, W):
        """Return the gradient in the rows of the working set."""
        return self.hessian_times(W) - self.linear

    def value(self, W, slope):
        """Return f(W), given ``slope = <gradient, W>``."""
        return self.null_value + (slope - np.vdot(self.linear, W)) / 2

    def hessian(self, rows):
        """Return H on some of the rows, or None if it would take too much room."""
        if 4 * len(rows) ** 2 > self.room:
            return None
        if self.gram is not None:
            return self.gram[np.ix_(rows, rows)]
        return self.columns.take(rows).gram()

    def _scaled_curvature(self):
        """Return the largest eigenvalue of H scaled by `diagonal` from both sides."""
        n_features = len(self.features)
        scale = 1 / np.sqrt(self.diagonal)

        def product(V):
            return scale[:, None] * self.hessian_times(scale[:, None] * V)

        if n_features < 3:  # too few for the Lanczos method, and the 1-norm is exact
            return np.abs(product(np.eye(n_features))).sum(axis=0).max(initial=0)
        operator = LinearOperator(
            (n_features, n_features), lambda v: product(v.reshape(-1, 1)), dtype=float
        )
        start = np.random.default_rng(0).standard_normal(n_features)
        value = eigsh(operator, 1, tol=1e-2, v0=start, return_eigenvectors=False)
        return 1.02 * value[0]  # the Lanczos method estimates from below
