"""What the network is trained on: data, target and ball."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..ball import Ball
from ..matrices import Matrix, Standardized
from ..matrices._replicas import stack_padded

# A chunk of samples holds at most so many entries of what is computed for each: the
# hidden units, and the reconstruction. They stay in the cache.
_CHUNK_ENTRIES = 2**20


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
    """

    Z: Standardized
    encoded: tuple[torch.Tensor, ...]
    weight: torch.Tensor

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
        encoded = tuple(tensor[:, index] for tensor in self.encoded)
        return Batch(self.Z.take_samples(index), encoded, self.weight[:, index])

    def take_features(self, index):
        """Return the same samples, of the features `index` of every replica only."""
        return replace(self, Z=self.Z.take_features(index))

    def scaled(self, factor):
        """Return the batch with its weights multiplied by `factor`."""
        return replace(self, weight=self.weight * factor)

    def chunks(self, width):
        """Return the samples in chunks, where each needs `width` entries."""
        size = max(1, _CHUNK_ENTRIES // (width * len(self.weight)))
        if size >= self.n_samples:
            return [self]
        starts = range(0, self.n_samples, size)
        return [self._chunk(slice(start, start + size)) for start in starts]

    def _chunk(self, samples):
        encoded = tuple(tensor[:, samples] for tensor in self.encoded)
        return Batch(self.Z.chunk(samples), encoded, self.weight[:, samples])
