"""The gradient in all rows of ``W``, which may be larger than the data."""

from dataclasses import dataclass

import torch

from ..matrices import Standardized
from ..matrices._replicas import take_features
from ._objective import backward, in_chunks

# A larger gradient is computed by blocks.
_SUMMED_ENTRIES = 2**23


def loss_and_all_gradients(network, objective, data, Z):
    """Return the loss of every replica, and its gradient in all rows of ``W``.

    `data` has the features of the network at least, `Z` all of them.

    Returns
    -------
    loss : Tensor of shape (n_replicas,)
    gradient : Factored or Summed
    """
    chunks = in_chunks(network, objective, data)
    if Z.in_blocks:
        passes = [backward(network, objective, chunk) for chunk in chunks]
        losses, parts = zip(*passes, strict=True)
        return sum(losses), Summed(Z.adjoint(torch.cat(parts, 1)))
    if len(chunks) == 1:
        loss, D = backward(network, objective, data)
        large = Z.n_features * D[:, 0].numel() > _SUMMED_ENTRIES
        return loss, Factored(Z, D) if large else Summed(Z.adjoint(D))
    loss, G, start = 0.0, 0.0, 0
    for chunk in chunks:
        chunk_loss, D = backward(network, objective, chunk)
        rows = slice(start, start + chunk.n_samples)
        loss, G = loss + chunk_loss, G + Z.chunk(rows).adjoint(D)
        start = rows.stop
    return loss, Summed(G)


@dataclass
class Factored:
    """The gradient ``Z' D``, of which blocks of rows are computed when needed."""

    Z: Standardized
    D: torch.Tensor

    def blocks(self, ball):
        """Yield slices of the rows, each with the rows. The ball may need them all."""
        if ball.rows_apart:
            return self.Z.adjoint_blocks(self.D)
        return Summed(self.Z.adjoint(self.D)).blocks(ball)

    def rows(self, index, Z):
        """Return the rows of the features `index`, whose matrix is `Z`."""
        return Z.adjoint(self.D)


@dataclass
class Summed:
    """The gradient, summed over chunks of samples."""

    G: torch.Tensor

    def blocks(self, ball):
        """Yield slices of the rows, each with the rows: here, all of them."""
        yield slice(0, self.G.shape[1]), self.G

    def rows(self, index, Z):
        """Return the rows of the features `index`."""
        return take_features(self.G, index)


def dual_sizes_and_norm(gradient, ball):
    """Return how fast the loss falls along every row, and the dual norm."""
    sizes, norms = [], []
    for _, G in gradient.blocks(ball):
        sizes.append(ball.dual_sizes(G))
        norms.append(ball.dual_norm(G))
    return torch.cat(sizes, 1), torch.stack(norms).amax(0)
