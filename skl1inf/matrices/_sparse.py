"""A matrix in compressed sparse rows or columns."""

import numpy as np

from ._centred import SparseColumns


class SparseMatrix:
    """A matrix in compressed sparse rows or columns."""

    def __init__(self, X):
        self.X = X
        self.shape = X.shape

    def take_samples(self, index):
        """Return some rows as a matrix."""
        return SparseMatrix(self.X[index])

    def weighted_sums(self, R):
        """Return ``X' R`` in double precision."""
        return np.asarray(self.X.T @ R, float)

    def centred(self, features, mean, root):
        """Return some columns minus `mean`, their rows multiplied by `root`."""
        return SparseColumns(self.X[:, features], mean, root)
