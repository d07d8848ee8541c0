"""Standardised sparse matrices, in torch."""

from functools import cached_property

import numpy as np
import torch

from ._matrix import Standardized
from ._standardized import FoldedDense

# Chosen features become dense where their array has at most so many entries: its
# products are then faster.
_DENSE_ENTRIES = 2**21


class StandardizedSparse(Standardized):
    """The standardised matrix ``Z = (X - 1 mean') S`` of one replica.

    ``X`` is CSR and S diagonal. Both and the mean are folded into the products, so that
    ``X`` needs no copy: ``Z W = X S W - 1 mean' S W``, ``Z' D = S (X' D - mean 1' D)``.
    """

    def __init__(self, X, mean, inverse_scale, device):
        self.X, self.mean, self.inverse_scale = X, mean, inverse_scale
        self.n_samples, self.n_features = X.shape
        self.device = device

    @cached_property
    def _factors(self):
        """The mean and the diagonal of S, as columns."""
        columns = self.mean[:, None], self.inverse_scale[:, None]
        return [torch.as_tensor(column, device=self.device) for column in columns]

    @cached_property
    def _tensor(self):
        return _to_torch(self.X, self.device)

    def __matmul__(self, W):
        """Return ``Z W``, of which a few rows of W make up most."""
        active = W.any(2).any(0).nonzero().squeeze(1)
        if 4 * len(active) < self.n_features:
            return self.take_features(active[None]) @ W[:, active]
        mean, scale = self._factors
        scaled = scale * W[0]
        return (self._times(scaled) - mean.T @ scaled).float()[None]

    def adjoint(self, D):
        """Return ``Z' D``, of shape (1, n_features, n_hidden)."""
        mean, scale = self._factors
        product = self._transposed_times(D[0]) - mean * D[0].double().sum(0)
        return (product * scale).float()[None]

    def adjoint_blocks(self, D):
        """Yield all features at once: a column of a CSR matrix takes as long as all."""
        yield slice(0, self.n_features), self.adjoint(D)

    def _times(self, W):
        if self.device.type == "cpu":  # scipy needs no copy of X
            return torch.from_numpy(self.X @ W.numpy().astype(self.X.dtype))
        return self._tensor @ W.to(self._tensor.dtype)

    def _transposed_times(self, D):
        if self.device.type == "cpu":
            return torch.from_numpy(self.X.T @ D.numpy().astype(self.X.dtype))
        return self._tensor.T @ D.to(self._tensor.dtype)

    def transposed_blocks(self):
        """Yield slices of the features, each with its rows of ``Z'``, dense."""
        return self._dense().transposed_blocks()

    def _dense(self):
        folded = FoldedDense(self.X.toarray(), self.mean, self.inverse_scale)
        return folded.copied(self.device)

    def chunk(self, samples):
        """Return the matrix of a slice of the samples, without a copy."""
        start, stop, _ = samples.indices(self.n_samples)
        bounds = self.X.indptr[start : stop + 1]
        entries = slice(bounds[0], bounds[-1])
        X = type(self.X)((stop - start, self.n_features), dtype=self.X.dtype)
        # Set one by one: given together, they would be copied.
        X.data, X.indices = self.X.data[entries], self.X.indices[entries]
        X.indptr = bounds - bounds[0]
        return StandardizedSparse(X, self.mean, self.inverse_scale, self.device)

    def take_samples(self, index):
        """Return the matrix of the samples `index`."""
        X = self.X[index]
        return StandardizedSparse(X, self.mean, self.inverse_scale, self.device)

    def take_features(self, index):
        """Return the matrix of the features `index`, (1, n_chosen), dense if small."""
        index = index[0].numpy(force=True)
        factors = self.mean[index], self.inverse_scale[index]
        part = StandardizedSparse(self.X[:, index], *factors, self.device)
        return part._dense() if np.prod(part.X.shape) <= _DENSE_ENTRIES else part

    def stack(self, others):
        """Return None: each is trained alone."""


def _to_torch(X, device):
    """Return the tensor, in coordinates, of a scipy matrix."""
    X = X.tocoo()
    index = torch.as_tensor(np.stack([X.row, X.col]).astype(np.int64), device=device)
    values = torch.as_tensor(X.data, device=device)
    # Said aloud, since torch warns of it otherwise.
    with torch.sparse.check_sparse_tensor_invariants(enable=False):
        tensor = torch.sparse_coo_tensor(index, values, X.shape, device=device)
        return tensor.coalesce()
