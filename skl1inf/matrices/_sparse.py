"""A sparse matrix in memory: CSR or CSC."""

import numpy as np

from ._centred import N_PROBES, SparseColumns, far_from_zero
from ._matrix import Matrix

# Samples whose norms are computed at a time.
_BLOCK_SAMPLES = 2**13


class SparseMatrix(Matrix):
    """A sparse matrix of scipy."""

    can_be_centred = False

    def __init__(self, X):
        if not X.has_canonical_format:
            # Entries that are stored twice count as two in statistics of the columns.
            X = X.copy()
            X.sum_duplicates()
        self.X, self.shape = X, X.shape

    def take_samples(self, index):
        """Return the matrix of the samples `index`."""
        return SparseMatrix(self.X[index])

    def columns(self, index, samples=slice(None)):
        """Return the features `index` of some samples as an array."""
        return self.X[:, index][samples].toarray()

    def standardized(self, mean, inverse_scale, device):
        """Return ``(X - mean) * inverse_scale``, ``X`` kept sparse."""
        from ._standardized_sparse import StandardizedSparse

        if device.type == "cpu":
            return self.folded(mean, inverse_scale)
        X = self.X.tocsr()
        # Scaled before they are float32, in whose range the entries may not be.
        with np.errstate(over="ignore", invalid="ignore"):
            data = (X.data * inverse_scale[X.indices]).astype(np.float32)
        scaled = type(X)((data, X.indices, X.indptr), shape=X.shape)
        return StandardizedSparse(
            scaled, mean * inverse_scale, np.ones_like(mean), device
        )

    def folded(self, mean, inverse_scale):
        """Return the same on the CPU, without a copy of a CSR matrix."""
        import torch

        from ._standardized_sparse import StandardizedSparse

        cpu = torch.device("cpu")
        return StandardizedSparse(self.X.tocsr(), mean, inverse_scale, cpu)

    def squared_norms(self, mean, inverse_scale):
        """Return the squared norms of ``(X - mean) * inverse_scale``.

        An entry x adds ``(x - m)^2 - m^2 = x (x - 2 m)`` to the norm of a row of zeros.
        """
        X, mean = self.X.tocsr(), mean * inverse_scale
        norms = np.full(self.shape[0], mean @ mean)
        for start in range(0, len(norms), _BLOCK_SAMPLES):
            rows = slice(start, start + _BLOCK_SAMPLES)
            Z = X[rows].tocoo()
            data = Z.data * inverse_scale[Z.col]
            data *= data - 2 * mean[Z.col]
            norms[rows] += np.bincount(Z.row, data, Z.shape[0])
        return norms

    def weighted_sums(self, R):
        """Return ``X' R`` in float64."""
        return np.asarray(self.X.T @ R, float)

    def centred(self, index, mean, root):
        """Return ``root * (X - mean)`` of the features `index`."""
        return SparseColumns(self.X[:, index], mean, root)

    def far_columns(self, mean):
        """Return the columns with a mean that is large relative to their spread."""
        probes = self.X[:N_PROBES]
        # A zero is far from the mean of a column that is far from zero.
        full = np.flatnonzero(probes.count_nonzero(axis=0) == probes.shape[0])
        if not len(full):
            return full
        centred = probes[:, full].toarray() - mean[full]
        return full[far_from_zero(centred, mean[full])]
