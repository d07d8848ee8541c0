"""Some of the features: most rows of ``W`` are zero most of the time."""

from dataclasses import dataclass

import torch

from ..ball import Ball
from ..matrices._replicas import take_features
from ._network import Network
from ._problem import Batch

# A working set holds twice the live features, and at least so many. The first one, when
# is alive, holds an eighth of all features, between so many and so many.
_WORKING_SET = 50
_FIRST_WORKING_SET = 250, 2**13


@dataclass
class Part:
    """Some or all features: their data, weights, momentum and ball."""

    index: torch.Tensor | None  # (n_replicas, n_chosen), None for all features
    inside: torch.Tensor | None  # False where an index is padding
    data: Batch
    network: Network
    M: torch.Tensor | None  # the momentum, of the shape of W, None for all features
    ball: Ball

    @classmethod
    def whole(cls, data, network, ball):
        """Return the part that is all of the features."""
        return cls(None, None, data, network, None, ball)

    def encoding(self, mask):
        """Return the part that encodes a mask of features, (n_replicas, n_features).

        A replica with fewer features than others is padded.
        """
        size = max(1, int(mask.sum(1).max()))
        index = mask.int().topk(size).indices.sort().values
        network = self.network.encoding(index)
        return Part(
            index,
            mask.gather(1, index),
            self.data.encoding(index),
            network,
            torch.zeros_like(network.W),
            self.ball.restrict(index),
        )

    def sizes(self):
        """Return what every feature takes of the radius, (n_replicas, n_chosen)."""
        return self.ball.sizes(self.network.W)

    def living(self):
        """Return the part that is the live features; groups stay whole."""
        return self.encoding(_whole_groups(self.ball, self.network.W.any(2)))

    def merge(self, part):
        """Take over what has become of the features of a part."""
        for W, index, new in zip(
            self.network.W, part.index, part.network.W, strict=True
        ):
            changed = (new != W[index]).any(1)  # only these take memory
            W.index_copy_(0, index[changed], new[changed])

    def momentum_of(self, part, others):
        """Return the momentum of the features of another part.

        Features that are not in this part have rows of `others`.
        """
        size = self.index.shape[1]
        place = torch.searchsorted(self.index, part.index).clamp_max(size - 1)
        known = (self.index.gather(1, place) == part.index) & part.inside
        known &= self.inside.gather(1, place)
        M = torch.where(known[:, :, None], take_features(self.M, place), others)
        return M * part.inside[:, :, None]


def next_working_set(whole, alive, dual_sizes):
    """Return the next working set, given the mask of the live features.

    It holds the live features and those whose dual size is largest; kept features have
    an infinite one. Groups stay whole.
    """
    n_alive, n_features = alive.sum(1), alive.shape[1]
    least, most = _FIRST_WORKING_SET
    first = max(least, min(n_features // 8, most))
    size = torch.where(n_alive > 0, (2 * n_alive).clamp_min(_WORKING_SET), first)
    size += dual_sizes.isinf().sum(1)
    order = dual_sizes.masked_fill(alive, torch.inf).argsort(
        descending=True, stable=True
    )
    places = torch.arange(n_features, device=size.device) < size[:, None]
    return whole.encoding(
        _whole_groups(whole.ball, torch.zeros_like(alive).scatter(1, order, places))
    )


def _whole_groups(ball, mask):
    """Return the mask of the rows that are alive where those of a mask are."""
    return ball.sizes(mask[:, :, None].float()) > 0
