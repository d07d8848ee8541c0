"""Standardised dense matrices, in torch: copied, or computed when they are needed."""

import numpy as np
import torch

from ._matrix import Standardized
from ._replicas import stack_padded, take_features

# Side of the squares that are standardised at a time: they fit into the cache.
_TILE = 256

# A larger matrix is standardised anew for every product, in place of a copy.
_COPIED_ENTRIES = 2**25

# Entries that are reconstructed at a time: they fit into the cache of a CPU. Another
# device is faster at many.
_BLOCK_ENTRIES, _BLOCK_ENTRIES_OF_DEVICE = 2**18, 2**26

# Features whose gradients are computed at a time.
_BLOCK_FEATURES = 2**13


class StandardizedDense(Standardized):
    """Standardised matrices: ``Zt`` of shape (n_replicas, n_features, n_samples)."""

    def __init__(self, Zt):
        self.Zt, self.device = Zt, Zt.device
        self.n_features, self.n_samples = Zt.shape[1:]

    def __matmul__(self, W):
        """Return ``Z W``, of which a few rows of W make up most."""
        active = W.any(2).any(0).nonzero().squeeze(1)
        if 4 * len(active) < self.n_features:
            return self.Zt[:, active].mT @ W[:, active]
        return self.Zt.mT @ W

    def adjoint(self, D):
        """Return ``Z' D``, of shape (n_replicas, n_features, n_hidden)."""
        return self.Zt @ D

    def adjoint_blocks(self, D):
        """Yield slices of the features, each with its rows of ``Z' D``."""
        for features in _slices(self.n_features, _BLOCK_FEATURES):
            yield features, self.Zt[:, features] @ D

    def transposed_blocks(self):
        """Yield slices of the features, each with its rows of ``Z'``."""
        on_cpu = self.device.type == "cpu"
        most = _BLOCK_ENTRIES if on_cpu else _BLOCK_ENTRIES_OF_DEVICE
        size = max(1, most // (self.n_samples * len(self.Zt)))
        for features in _slices(self.n_features, size):
            yield features, self.Zt[:, features]

    def chunk(self, samples):
        """Return the matrices of a slice of the samples, without a copy."""
        return StandardizedDense(self.Zt[:, :, samples])

    def take_samples(self, index):
        """Return the matrices of the samples `index`."""
        return StandardizedDense(self.Zt[:, :, index])

    def take_features(self, index):
        """Return the matrices of the features `index`, (n_replicas, n_chosen)."""
        return StandardizedDense(take_features(self.Zt, index))

    def stack(self, others):
        """Return this and others as replicas, padded with samples of zeros."""
        return StandardizedDense(stack_padded([Z.Zt for Z in (self, *others)], 2))


class FoldedDense(Standardized):
    """The standardised matrix of one replica, computed by tiles in every product.

    So a large matrix needs no copy. The standardisation adds a third to the time of a
    product.
    """

    device = torch.device("cpu")

    def __init__(self, X, mean, inverse_scale, samples=None):
        self.X, self.mean, self.inverse_scale = X, mean, inverse_scale
        self.samples = samples  # their indices; None are all of X
        self.n_samples = len(X if samples is None else samples)
        self.n_features = X.shape[1]

    def copied(self, device, index=None):
        """Return the features of the indices, None being all, in memory."""
        if index is None:
            columns = _slices(self.n_features, _TILE)
        else:
            columns = [index[some] for some in _slices(len(index), _TILE)]
        n_columns = self.n_features if index is None else len(index)
        Zt = np.empty((n_columns, self.n_samples), np.float32)
        for rows in _slices(self.n_samples, _TILE):
            for place, some in zip(_slices(n_columns, _TILE), columns, strict=True):
                Zt[place, rows] = self._tile(rows, some).T
        return StandardizedDense(torch.as_tensor(Zt, device=device)[None])

    def copied_if_small(self, device):
        """Return the same in memory if it is small, or on another device."""
        large = self.n_samples * self.n_features > _COPIED_ENTRIES
        return self if large and device.type == "cpu" else self.copied(device)

    def _tile(self, rows, columns):
        """Return an array of some samples and features, in float32."""
        # The training refuses what is not finite.
        with np.errstate(over="ignore", invalid="ignore"):
            Z = self._entries(rows, columns) - self.mean[columns]
            Z *= self.inverse_scale[columns]
            return Z.astype(np.float32)

    def _entries(self, rows, columns):
        if self.samples is None:
            return self.X[rows][:, columns]
        samples = self.samples[rows]
        if isinstance(columns, slice):
            return self.X[:, columns][samples]
        return self.X[samples[:, np.newaxis], columns]

    def __matmul__(self, W):
        """Return ``Z W``, of which a few rows of W make up most."""
        active = W.any(2).any(0).nonzero().squeeze(1)
        return self.take_features(active[None]) @ W[:, active]

    def adjoint(self, D):
        """Return ``Z' D``, of shape (1, n_features, n_hidden)."""
        return torch.cat([rows for _, rows in self.adjoint_blocks(D)], 1)

    def adjoint_blocks(self, D):
        """Yield slices of the features, each with its rows of ``Z' D``."""
        D = D[0].numpy()
        for features in _slices(self.n_features, _BLOCK_FEATURES):
            G = np.zeros((features.stop - features.start, D.shape[1]), np.float32)
            for place in _slices(len(G), _TILE):
                columns = slice(
                    features.start + place.start, features.start + place.stop
                )
                for rows in _slices(self.n_samples, _TILE):
                    G[place] += self._tile(rows, columns).T @ D[rows]
            yield features, torch.from_numpy(G)[None]

    def transposed_blocks(self):
        """Yield slices of the features, each with its rows of ``Z'``."""
        return self.copied(self.device).transposed_blocks()

    def chunk(self, samples):
        """Return the matrix of a slice of the samples, without a copy."""
        factors = self.mean, self.inverse_scale
        if self.samples is None:
            return FoldedDense(self.X[samples], *factors)
        return FoldedDense(self.X, *factors, self.samples[samples])

    def take_samples(self, index):
        """Return the matrix of the samples `index`, copied if that is small."""
        index = index if self.samples is None else self.samples[index]
        part = FoldedDense(self.X, self.mean, self.inverse_scale, index)
        return part.copied_if_small(self.device)

    def take_features(self, index):
        """Return the matrix of the features `index`, (1, n_chosen), in memory."""
        return self.copied(self.device, index[0].numpy())

    def stack(self, others):
        """Return None: each is trained alone."""


def _slices(size, step):
    """Return the slices of at most `step` places that make up a size."""
    return [slice(i, min(i + step, size)) for i in range(0, size, step)]
