"""A matrix in memory."""

import numpy as np

from ._centred import N_PROBES, DenseColumns, far_from_zero
from ._matrix import Matrix, Standardized

# Entries that are converted to double precision at a time. Of columns, at least so
# many: fewer would lie in one cache line of a row.
_BLOCK_ENTRIES, _BLOCK_COLUMNS = 2**18, 16

# Side of the squares that are transposed at a time: they fit into the cache.
_TILE = 256


class DenseMatrix(Matrix):
    """An array."""

    can_be_centred = True

    def __init__(self, X):
        self.X, self.shape = X, X.shape

    def take_samples(self, index):
        """Return the matrix of the samples `index`."""
        return DenseMatrix(self.X[index])

    def columns(self, index):
        """Return the features `index` as an array, (n_samples, n_chosen)."""
        return self.X[:, index]

    def standardized(self, mean, inverse_scale, device):
        """Return ``(X - mean) * inverse_scale``, of one replica."""
        import torch

        Zt = np.empty(self.shape[::-1], np.float32)
        # The training refuses what is not finite.
        with np.errstate(over="ignore", invalid="ignore"):
            for i in range(0, self.shape[0], _TILE):
                for j in range(0, self.shape[1], _TILE):
                    rows, columns = slice(i, i + _TILE), slice(j, j + _TILE)
                    Z = (self.X[rows, columns] - mean[columns]) * inverse_scale[columns]
                    Zt[columns, rows] = Z.T
        return StandardizedDense(torch.as_tensor(Zt, device=device)[None])

    def statistics(self, weight):
        """Return the mean and deviation of every column, and what is constant."""
        of_blocks = [
            DenseMatrix(self.X[:, columns])._statistics(weight)
            for columns in self._blocks()
        ]
        return tuple(np.concatenate(each) for each in zip(*of_blocks, strict=True))

    def _statistics(self, weight):
        return super().statistics(weight)

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


class StandardizedDense(Standardized):
    """Standardised matrices: ``Zt`` of shape (n_replicas, n_features, n_samples)."""

    def __init__(self, Zt):
        self.Zt, self.device = Zt, Zt.device
        self.n_features, self.n_samples = Zt.shape[1:]

    def __matmul__(self, W):
        """Return ``Z W``, of which a few rows of W make up most."""
        active = W.abs().amax((0, 2)).nonzero().squeeze(1)
        if 4 * len(active) < self.n_features:
            return self.Zt[:, active].mT @ W[:, active]
        return self.Zt.mT @ W

    def adjoint(self, D):
        """Return ``Z' D``, of shape (n_replicas, n_features, n_hidden)."""
        return self.Zt @ D

    def transposed(self):
        """Return ``Z'``."""
        return self.Zt

    def take_samples(self, index):
        """Return the matrices of the samples `index`."""
        return StandardizedDense(self.Zt[:, :, index])

    def take_features(self, index):
        """Return the matrices of the features `index`, (n_replicas, n_chosen)."""
        from ._replicas import take_features

        return StandardizedDense(take_features(self.Zt, index))

    def stack(self, others):
        """Return this and others as replicas, padded with samples of zeros."""
        from ._replicas import stack_padded

        return StandardizedDense(stack_padded([Z.Zt for Z in (self, *others)], 2))
