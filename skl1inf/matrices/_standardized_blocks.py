"""The standardised matrix in blocks, in torch."""

import numpy as np
import torch

from ._blocks import BlocksMatrix, allocate, columns_of_block, open_block
from ._matrix import Standardized
from ._standardized import StandardizedDense


class StandardizedBlocks(Standardized):
    """The standardised matrix ``Z = (X - mean) * inverse_scale``, X in blocks.

    There is one replica. The features that were taken last are kept in memory: the next
    working set has most of them, and so need not be read again.
    """

    in_blocks = True

    def __init__(self, matrix, mean, inverse_scale, device):
        self.matrix, self.mean, self.inverse_scale = matrix, mean, inverse_scale
        self.device = device
        self.n_samples, self.n_features = matrix.shape
        self._index = np.empty(0, dtype=int)
        self._Zt = torch.empty((1, 0, self.n_samples), device=device)

    def __matmul__(self, W):
        """Return ``Z W``, from the features whose row of W is not zero."""
        index = W[0].abs().amax(1).nonzero().squeeze(1)
        active = index.numpy(force=True)
        W = W[:, index]
        if np.isin(active, self._index).all():
            return self._held(active).mT @ W
        product = np.empty((self.n_samples, W.shape[2]), np.float32)
        scaling = self.mean[active], self.inverse_scale[active]
        self.matrix.fetch(product, _product, active, *scaling, W[0].numpy(force=True))
        return torch.as_tensor(product, device=self.device)[None]

    def adjoint(self, D):
        """Return ``Z' D``, of shape (1, n_features, n_hidden)."""
        scaling, D = (self.mean, self.inverse_scale), D[0].numpy(force=True)
        product = self.matrix.add_up(_adjoint, *scaling, by_sample=D)
        return torch.as_tensor(product, device=self.device)[None]

    def adjoint_blocks(self, D):
        """Yield all features at once: each pass reads every block whole."""
        yield slice(0, self.n_features), self.adjoint(D)

    def transposed_blocks(self):
        """Yield slices of the features, each with its rows of ``Z'``."""
        all_of_them = torch.arange(self.n_features)[None]
        return self.take_features(all_of_them).transposed_blocks()

    def chunk(self, samples):
        """Return the matrix of a slice of the samples, which stays in blocks."""
        part = BlocksMatrix(self.matrix.X[samples])
        Z = StandardizedBlocks(part, self.mean, self.inverse_scale, self.device)
        Z._index, Z._Zt = self._index, self._Zt[:, :, samples]
        return Z

    def take_samples(self, index):
        """Return the matrix of the samples `index`, in memory where they are few."""
        part = self.matrix.take_samples(index)
        return part.standardized(self.mean, self.inverse_scale, self.device)

    def take_features(self, index):
        """Return the matrix of the features `index`, (1, n_chosen), in memory."""
        index = index[0].numpy(force=True)
        wanted = np.unique(index)
        missing = np.setdiff1d(wanted, self._index, assume_unique=True)
        if len(missing):
            held = np.intersect1d(wanted, self._index, assume_unique=True)
            Zt = torch.cat([self._held(held), self._fetched(missing)], dim=1)
            order = np.argsort(np.append(held, missing))
            self._index, self._Zt = wanted, Zt[:, order]
        return StandardizedDense(self._held(index))

    def _fetched(self, features):
        """Return the rows of features that are read from the blocks."""
        Zt = allocate(len(features), self.n_samples, np.float32)
        scaling = self.mean[features], self.inverse_scale[features]
        self.matrix.fetch(Zt.T, _standardized, features, *scaling)
        return torch.as_tensor(Zt, device=self.device)[None]

    def _held(self, features):
        """Return the rows of features that are in memory."""
        if np.array_equal(features, self._index):
            return self._Zt
        return self._Zt[:, np.searchsorted(self._index, features)]

    def stack(self, others):
        """Return None: each is trained alone."""


# What is computed of a block, where dask has it.


def _standardized(block, index, mean, inverse_scale):
    # The training refuses what is not finite.
    with np.errstate(over="ignore", invalid="ignore"):
        Z = (columns_of_block(block, index) - mean) * inverse_scale
        return Z.astype(np.float32)


def _product(block, index, mean, inverse_scale, W):
    return _standardized(block, index, mean, inverse_scale) @ W


def _adjoint(block, mean, inverse_scale, D):
    Z = open_block(block).folded(mean, inverse_scale)
    return Z.adjoint(torch.tensor(D)[None])[0].numpy()
