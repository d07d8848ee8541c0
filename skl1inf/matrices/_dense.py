"""A matrix in an array."""

import numpy as np

from ._centred import N_PROBES, DenseColumns, far_from_zero

BLOCK = 2**20  # entries that are converted to double precision at once


class DenseMatrix:
    """A matrix in an array."""

    def __init__(self, X):
        self.X = X
        self.shape = X.shape

    def take_samples(self, index):
        """Return some rows as a matrix."""
        return DenseMatrix(self.X[index])

    def weighted_sums(self, R):
        """Return ``X' R`` in double precision, without such a copy of X."""
        # BLAS is faster at the transpose, where the long side of the result is last.
        if self.X.dtype == np.float64:
            return (R.T @ self.X).T
        block = max(1, BLOCK // len(self.X))
        blocks = [
            R.T @ self.X[:, start : start + block].astype(float)
            for start in range(0, self.shape[1], block)
        ]
        return np.concatenate(blocks, axis=-1).T

    def centred(self, features, mean, root):
        """Return some columns minus `mean`, their rows multiplied by `root`."""
        return DenseColumns(self.X[:, features], mean, root)

    def far_columns(self, mean):
        """Return the columns with a mean that is large relative to their spread."""
        return far_from_zero(self.X[:N_PROBES] - mean, mean)
