"""A matrix in compressed sparse rows or columns."""

import numpy as np

from ._centred import N_PROBES, SparseColumns, far_from_zero


class SparseMatrix:
    """A matrix in compressed sparse rows or columns."""

    def __init__(self, X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
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

    def far_columns(self, mean):
        """Return the columns with a mean that is large relative to their spread."""
        probes = self.X[:N_PROBES]
        # A zero is far from the mean of a column that is far from zero.
        full = np.flatnonzero(probes.count_nonzero(axis=0) == probes.shape[0])
        if not len(full):
            return full
        centred = probes[:, full].toarray() - mean[full]
        return full[far_from_zero(centred, mean[full])]
