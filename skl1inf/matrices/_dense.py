"""A matrix in memory."""

import numpy as np

from ._centred import N_PROBES, DenseColumns, far_from_zero
from ._matrix import Matrix
from ._moments import moments_of

# Entries that are converted to double precision at a time. Of columns, at least so
# many: fewer would lie in one cache line of a row.
_BLOCK_ENTRIES, _BLOCK_COLUMNS = 2**18, 16


class DenseMatrix(Matrix):
    """An array."""

    can_be_centred = True

    def __init__(self, X):
        self.X, self.shape = X, X.shape

    def take_samples(self, index):
        """Return the matrix of the samples `index`."""
        return DenseMatrix(self.X[index])

    def columns(self, index, samples=slice(None)):
        """Return the features `index` of some samples as an array."""
        if isinstance(samples, slice):
            return self.X[samples, index]
        return self.X[samples[:, np.newaxis], index]

    def standardized(self, mean, inverse_scale, device):
        """Return ``(X - mean) * inverse_scale``, of one replica."""
        return self.folded(mean, inverse_scale).copied_if_small(device)

    def folded(self, mean, inverse_scale):
        """Return the same, computed when it is needed."""
        from ._standardized import FoldedDense

        return FoldedDense(self.X, mean, inverse_scale)

    def statistics(self, weight):
        """Return the mean and deviation of every column, and what is constant."""
        return moments_of(self.X, weight).statistics(len(self.X))

    def _blocks(self):
        """Return slices of a few columns each."""
        n_columns = max(_BLOCK_COLUMNS, _BLOCK_ENTRIES // len(self.X))
        starts = range(0, self.shape[1], n_columns)
        return [slice(start, start + n_columns) for start in starts]

    def squared_norms(self, mean, inverse_scale):
        """Return the squared norms of ``(X - mean) * inverse_scale``."""
        block = max(1, _BLOCK_ENTRIES // self.shape[1])
        norms = np.empty(len(self.X))
        for start in range(0, len(self.X), block):
            rows = slice(start, start + block)
            Z = (self.X[rows] - mean) * inverse_scale
            norms[rows] = np.einsum("ij,ij->i", Z, Z)
        return norms

    def weighted_sums(self, R):
        """Return ``X' R`` in float64, without a float64 copy of X."""
        # BLAS is faster at the transpose, where the long side of the result is last.
        if self.X.dtype == np.float64:
            return (R.T @ self.X).T
        blocks = [R.T @ self.X[:, columns].astype(float) for columns in self._blocks()]
        return np.concatenate(blocks, axis=-1).T

    def centred(self, index, mean, root):
        """Return ``root * (X - mean)`` of the features `index`."""
        return DenseColumns(self.X[:, index], mean, root)

    def far_columns(self, mean):
        """Return the columns with a mean that is large relative to their spread."""
        return far_from_zero(self.X[:N_PROBES] - mean, mean)
