"""A sparse matrix in memory: CSR or CSC."""

import numpy as np

from ._centred import N_PROBES, SparseColumns, far_from_zero
from ._matrix import Matrix, Standardized


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

    def columns(self, index):
        """Return the features `index` as an array, (n_samples, n_chosen)."""
        return self.X[:, index].toarray()

    def standardized(self, mean, inverse_scale, device):
        """Return ``(X - mean) * inverse_scale``, ``X`` kept sparse."""
        X = self.X.tocsr()
        # Scaled before they are float32, in whose range the entries may not be.
        with np.errstate(over="ignore", invalid="ignore"):
            data = (X.data * inverse_scale[X.indices]).astype(np.float32)
            mean = (mean * inverse_scale).astype(np.float32)
        scaled = type(X)((data, X.indices, X.indptr), shape=X.shape)
        return StandardizedSparse(scaled, mean, device)

    def squared_norms(self, mean, inverse_scale):
        """Return the squared norms of ``(X - mean) * inverse_scale``.

        An entry x adds ``(x - m)^2 - m^2 = x (x - 2 m)`` to the norm of a row of zeros.
        """
        Z, mean = self.X.tocoo(), mean * inverse_scale
        data = Z.data * inverse_scale[Z.col]
        data *= data - 2 * mean[Z.col]
        return np.bincount(Z.row, data, self.shape[0]) + mean @ mean

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


class StandardizedSparse(Standardized):
    """The standardised matrix ``Z = X - mean``, ``X`` scaled and kept sparse.

    The mean is folded into the products: ``Z W = X W - mean' W``. There is one replica
    only. ``X`` and ``mean`` are in float32.
    """

    def __init__(self, X, mean, device):
        import torch

        self.X, self.mean, self.device = X, mean, device
        self.n_samples, self.n_features = X.shape
        self._mean = torch.as_tensor(mean, device=device)
        self._tensor = _to_torch(X, device)

    def __matmul__(self, W):
        """Return ``Z W``, of shape (1, n_samples, n_hidden)."""
        return (self._tensor @ W[0] - self._mean @ W[0])[None]

    def adjoint(self, D):
        """Return ``Z' D``, of shape (1, n_features, n_hidden)."""
        product = self._tensor.T @ D[0]
        return product.addr_(self._mean, D[0].sum(0), alpha=-1)[None]

    def transposed(self):
        """Return ``Z'``, dense."""
        return self._tensor.to_dense().sub_(self._mean).T[None]

    def take_samples(self, index):
        """Return the matrix of the samples `index`."""
        return StandardizedSparse(self.X[index], self.mean, self.device)

    def take_features(self, index):
        """Return the matrix of the features `index`, of shape (1, n_chosen)."""
        index = index[0].numpy(force=True)
        return StandardizedSparse(self.X[:, index], self.mean[index], self.device)

    def stack(self, others):
        """Return None: each is trained alone."""


def _to_torch(X, device):
    """Return the tensor, in coordinates, of a scipy matrix."""
    import torch

    X = X.tocoo()
    index = torch.as_tensor(np.stack([X.row, X.col]).astype(np.int64), device=device)
    values = torch.as_tensor(X.data, device=device)
    return torch.sparse_coo_tensor(
        index, values, X.shape, check_invariants=False, device=device
    ).coalesce()
