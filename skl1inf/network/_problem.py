"""What the network is trained on: data, target and ball."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..ball import Ball
from ..matrices import Matrix, Standardized
from ..matrices._replicas import stack_padded

# A chunk of samples has at most so many entries of hidden units. On the CPU they stay
# in the cache; another device is faster at many.
_CHUNK_ENTRIES, _CHUNK_ENTRIES_OF_DEVICE = 2**20, 2**26

# It has so many of the matrix, where it is reconstructed: sparse ones become dense.
_RECONSTRUCTED_ENTRIES = 2**25


@dataclass(frozen=True)
class Problem:
    """What is to be selected from.

    Attributes
    ----------
    matrix : Matrix
        The data, standardised as ``(X - mean) * inverse_scale``.
    target : Target
        What the code has to predict, and the weights of the samples.
    mean, inverse_scale : ndarray of shape (n_features,)
        The standardisation. A column of inverse scale 0 is never selected.
    ball : Ball
        What the first layer is constrained to.
    """

    matrix: Matrix
    target: object
    mean: np.ndarray
    inverse_scale: np.ndarray
    ball: Ball


@dataclass(frozen=True)
class Batch:
    """Samples with their targets and weights, which sum to 1 over the data set.

    Attributes
    ----------
    Z : Standardized
        The standardised matrices.
    encoded : tuple of Tensor of shape (n_replicas, n_samples, ...)
        What the loss of the target reads.
    weight : Tensor of shape (n_replicas, n_samples)
        The weights of the samples. A sample of weight 0 is absent.
    reconstruction : Standardized or None
        The matrices that the decoder reconstructs, None for ``Z``.
    """

    Z: Standardized
    encoded: tuple[torch.Tensor, ...]
    weight: torch.Tensor
    reconstruction: Standardized | None = None

    @classmethod
    def from_problem(cls, problem, device):
        """Return the data of a problem, as one replica."""
        target = problem.target
        weight = (target.weight / target.weight.sum()).astype(np.float32)
        return cls(
            problem.matrix.standardized(problem.mean, problem.inverse_scale, device),
            tuple(torch.as_tensor(a, device=device)[None] for a in target.encoded),
            torch.as_tensor(weight, device=device)[None],
        )

    def stack(self, others):
        """Return this and other batches as replicas of one, or None.

        Replicas with fewer samples than others are filled up with samples of weight 0.
        """
        batches = [self, *others]
        Z = self.Z.stack([batch.Z for batch in others])
        if Z is None:
            return None
        encoded = zip(*(batch.encoded for batch in batches), strict=True)
        return Batch(
            Z,
            tuple(stack_padded(tensors, 1) for tensors in encoded),
            stack_padded([batch.weight for batch in batches], 1),
        )

    @property
    def n_samples(self):
        """Number of samples of a replica."""
        return self.weight.shape[1]

    def take_samples(self, index):
        """Return the batch of the samples `index`."""
        return self._of(index, lambda Z: Z.take_samples(index))

    def take_features(self, index):
        """Return the same samples, of the features `index` of every replica only."""
        return replace(self, Z=self.Z.take_features(index), reconstruction=None)

    def encoding(self, index):
        """Return the same samples, of which only the features `index` are encoded."""
        return replace(self, Z=self.Z.take_features(index))

    def reconstructing(self):
        """Return the same samples; all these features stay to be reconstructed."""
        return replace(self, reconstruction=self.decoded)

    @property
    def decoded(self):
        """The matrices that the decoder reconstructs."""
        return self.Z if self.reconstruction is None else self.reconstruction

    def scaled(self, factor):
        """Return the batch with its weights multiplied by `factor`."""
        return replace(self, weight=self.weight * factor)

    def chunks(self, n_hidden, reconstructed):
        """Return the samples in chunks of bounded size."""
        on_cpu = self.weight.device.type == "cpu"
        size = (_CHUNK_ENTRIES if on_cpu else _CHUNK_ENTRIES_OF_DEVICE) // n_hidden
        if reconstructed:
            size = min(size, _RECONSTRUCTED_ENTRIES // self.decoded.n_features)
        size = max(1, size // len(self.weight))
        if size >= self.n_samples:
            return [self]
        starts = range(0, self.n_samples, size)
        return [self._chunk(slice(start, start + size)) for start in starts]

    def _chunk(self, samples):
        return self._of(samples, lambda Z: Z.chunk(samples))

    def _of(self, samples, take):
        encoded = tuple(tensor[:, samples] for tensor in self.encoded)
        Z, target = take(self.Z), self.reconstruction
        target = None if target is None else take(target)
        return Batch(Z, encoded, self.weight[:, samples], target)
