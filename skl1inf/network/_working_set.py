"""Some of the features: most rows of ``W`` are zero most of the time."""

from dataclasses import dataclass

import torch

from ..ball import Ball
from ..matrices._replicas import put_features, take_features
from ._network import Network, zeros_like
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
    M: torch.Tensor  # the momentum, of the shape of W
    ball: Ball

    @classmethod
    def whole(cls, data, network, ball):
        """Return the part that is all of the features."""
        return cls(None, None, data, network, zeros_like(network.W), ball)

    def encoding(self, mask):
        """Return the part that encodes a mask of features, (n_replicas, n_features).

        A replica with fewer features than others is padded.
        """
        size = max(1, int(mask.sum(1).max()))
        index = mask.int().topk(size).indices.sort().values
        return Part(
            index,
            mask.gather(1, index),
            self.data.encoding(index),
            self.network.encoding(index),
            take_features(self.M, index),
            self.ball.restrict(index),
        )

    def sizes(self):
        """Return what every feature takes of the radius, (n_replicas, n_chosen)."""
        return self.ball.sizes(self.network.W)

    def merge(self, part):
        """Take over what has become of the features of a part."""
        put_features(self.network.W, part.index, part.network.W)
        put_features(self.M, part.index, part.M)


def next_working_set(whole, part, dual_sizes):
    """Return the next working set, and the mask of its rows that have been in the last.

    It holds the live features and those whose dual size is largest; kept features have
    an infinite one. Groups stay whole. The mask is of shape (n_replicas, n_chosen, 1).
    """
    nothing = torch.zeros_like(dual_sizes, dtype=torch.bool)
    alive = nothing.scatter(1, part.index, part.sizes() > 0)
    inside = nothing.scatter(1, part.index, part.inside)
    n_alive, n_features = alive.sum(1), alive.shape[1]
    least, most = _FIRST_WORKING_SET
    first = max(least, min(n_features // 8, most))
    size = torch.where(n_alive > 0, (2 * n_alive).clamp_min(_WORKING_SET), first)
    size += dual_sizes.isinf().sum(1)
    order = dual_sizes.masked_fill(alive, torch.inf).argsort(
        descending=True, stable=True
    )
    places = torch.arange(n_features, device=size.device) < size[:, None]
    new = whole.encoding(_whole_groups(whole.ball, nothing.scatter(1, order, places)))
    return new, take_features(inside, new.index)[:, :, None]


def _whole_groups(ball, mask):
    """Return the mask of the rows that are alive where those of a mask are."""
    return ball.sizes(mask[:, :, None].float()) > 0
