"""What the network is trained on: standardised matrices with targets, in torch.

Every tensor has a leading dimension of replicas, networks that are trained at the same
time on data of the same shape: halves of the samples, folds, or radii. Features come
before samples, so that those of a few features lie together in memory.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse

# A chunk of samples holds at most this many entries, which bounds the memory that the
# reconstruction takes.
_CHUNK_ENTRIES = 2**25


@dataclass(frozen=True)
class Problem:
    """What is to be selected from, in numpy.

    Attributes
    ----------
    X : ndarray or scipy sparse matrix of shape (n_samples, n_features)
        The data, standardised as ``(X - mean) * inverse_scale``.
    target : ndarray or None
        Class indices (n_samples,), numbers (n_samples, n_targets), or None.
    weight : ndarray of shape (n_samples,)
        Positive weights of the samples.
    mean, inverse_scale : ndarray of shape (n_features,)
        The standardisation; a column of inverse scale 0 is never selected.
    """

    X: np.ndarray | sparse.sparray | sparse.spmatrix
    target: np.ndarray | None
    weight: np.ndarray
    mean: np.ndarray
    inverse_scale: np.ndarray


class DenseMatrix:
    """Standardised matrices: ``Zt`` of shape (n_replicas, n_features, n_samples)."""

    def __init__(self, Zt):
        self.Zt, self.device = Zt, Zt.device
        self.n_features, self.n_samples = Zt.shape[1:]

    @classmethod
    def standardize(cls, X, mean, inverse_scale, device):
        """Return the matrix ``(X - mean) * inverse_scale``, of one replica."""
        with np.errstate(over="ignore"):  # the training refuses what is not finite
            Z = ((X - mean) * inverse_scale).astype(np.float32)
        return cls(torch.as_tensor(np.ascontiguousarray(Z.T), device=device)[None])

    def __matmul__(self, W):
        """Return ``Z W``, (n_replicas, n_samples, n_hidden), which few rows make up."""
        active = W.abs().amax((0, 2)).nonzero().squeeze(1)
        if 4 * len(active) < self.n_features:
            return self.Zt[:, active].mT @ W[:, active]
        return self.Zt.mT @ W

    def adjoint(self, D):
        """Return ``Z^T D``, of shape (n_replicas, n_features, n_hidden)."""
        return self.Zt @ D

    def transposed(self):
        """Return ``Z^T``."""
        return self.Zt

    def samples(self, index):
        """Return the matrices of the samples `index`."""
        return DenseMatrix(self.Zt[:, :, index])

    def features(self, index):
        """Return the matrices of the features `index`, (n_replicas, n_chosen)."""
        return DenseMatrix(take_features(self.Zt, index))


class SparseMatrix:
    """The standardised matrix ``Z = (X - mean) * inverse_scale``, ``X`` kept sparse.

    The standardisation is folded into the products: ``Z W = X (s W) - mean^T (s W)``.
    There is one replica only.
    """

    def __init__(self, X, mean, inverse_scale, device):
        self.X, self.mean, self.inverse_scale = X, mean, inverse_scale
        self.device = device
        self.n_samples, self.n_features = X.shape
        self._mean = torch.as_tensor(mean.astype(np.float32), device=device)
        self._scale = torch.as_tensor(inverse_scale.astype(np.float32), device=device)
        self._tensor = _to_torch(X, device)

    def __matmul__(self, W):
        """Return ``Z W``, of shape (1, n_samples, n_hidden)."""
        W = W[0] * self._scale[:, None]
        return (torch.sparse.mm(self._tensor, W) - self._mean @ W)[None]

    def adjoint(self, D):
        """Return ``Z^T D``, of shape (1, n_features, n_hidden)."""
        product = torch.sparse.mm(self._tensor.T, D[0])
        product.addr_(self._mean, D[0].sum(0), alpha=-1).mul_(self._scale[:, None])
        return product[None]

    def transposed(self):
        """Return ``Z^T``, dense; only a chunk of samples is ever asked for."""
        Z = self._tensor.to_dense().sub_(self._mean).mul_(self._scale)
        return Z.T[None]

    def samples(self, index):
        """Return the matrix of the samples `index`."""
        return SparseMatrix(self.X[index], self.mean, self.inverse_scale, self.device)

    def features(self, index):
        """Return the matrix of the features `index`, of shape (1, n_chosen)."""
        index = index[0].numpy(force=True)
        return SparseMatrix(
            self.X[:, index], self.mean[index], self.inverse_scale[index], self.device
        )


def _to_torch(X, device):
    """Return the tensor, in coordinates, of a scipy matrix."""
    X = X.tocoo()
    index = torch.as_tensor(np.stack([X.row, X.col]).astype(np.int64), device=device)
    values = torch.as_tensor(X.data.astype(np.float32), device=device)
    return torch.sparse_coo_tensor(
        index, values, X.shape, check_invariants=False
    ).coalesce()


def standardize(X, mean, inverse_scale, device):
    """Return the standardised matrix of an array or of a sparse matrix."""
    if sparse.issparse(X):
        return SparseMatrix(X.tocsr(), mean, inverse_scale, device)
    return DenseMatrix.standardize(X, mean, inverse_scale, device)


def take_features(tensor, index):
    """Return the features `index`, one row a replica, of a tensor a replica."""
    replicas = range(len(index))
    return torch.stack([tensor[i].index_select(0, index[i]) for i in replicas])


def put_features(tensor, index, values):
    """Write the features `index`, one row a replica, of a tensor a replica."""
    for i in range(len(index)):
        tensor[i].index_copy_(0, index[i], values[i])


@dataclass(frozen=True)
class Batch:
    """Samples with their targets and weights, which sum to 1 over the dataset.

    Attributes
    ----------
    Z : DenseMatrix or SparseMatrix
        The standardised matrices.
    target : Tensor or None
        Class indices (n_replicas, n_samples), numbers (n_replicas, n_samples,
        n_targets), or None.
    weight : Tensor of shape (n_replicas, n_samples)
        The weights of the samples.
    """

    Z: DenseMatrix | SparseMatrix
    target: torch.Tensor | None
    weight: torch.Tensor

    @classmethod
    def from_problem(cls, problem, device):
        """Return the data of a problem, as one replica."""
        weight = (problem.weight / problem.weight.sum()).astype(np.float32)
        target = problem.target
        return cls(
            standardize(problem.X, problem.mean, problem.inverse_scale, device),
            None if target is None else torch.as_tensor(target, device=device)[None],
            torch.as_tensor(weight, device=device)[None],
        )

    @classmethod
    def stack(cls, batches):
        """Return dense batches of one replica as one, padded with weight 0."""
        n_samples = max(batch.n_samples for batch in batches)

        def padded(tensors, dim):
            widths = [n_samples - tensor.shape[dim] for tensor in tensors]
            trailing = [0, 0] * (tensors[0].ndim - 1 - dim)
            return torch.cat(
                [
                    F.pad(t, (*trailing, 0, width))
                    for t, width in zip(tensors, widths, strict=True)
                ]
            )

        targets = [batch.target for batch in batches]
        return cls(
            DenseMatrix(padded([batch.Z.Zt for batch in batches], 2)),
            None if targets[0] is None else padded(targets, 1),
            padded([batch.weight for batch in batches], 1),
        )

    @property
    def n_samples(self):
        """Number of samples of a replica."""
        return self.weight.shape[1]

    def samples(self, index):
        """Return the batch of the samples `index`."""
        target = None if self.target is None else self.target[:, index]
        return Batch(self.Z.samples(index), target, self.weight[:, index])

    def features(self, index):
        """Return the same samples, of the features `index` of every replica only."""
        return replace(self, Z=self.Z.features(index))

    def scaled(self, factor):
        """Return the batch with its weights multiplied by `factor`."""
        return replace(self, weight=self.weight * factor)

    def chunks(self):
        """Return the samples in chunks of bounded size."""
        size = max(1, _CHUNK_ENTRIES // (self.Z.n_features * len(self.weight)))
        if size >= self.n_samples:
            return [self]
        starts = range(0, self.n_samples, size)
        return [
            self.samples(np.arange(i, min(i + size, self.n_samples))) for i in starts
        ]
