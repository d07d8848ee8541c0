"""The scores that rank the features, kept while the network is trained."""

import torch


class RelativeWeights:
    r"""The mean over the passes of the relative weight.

    With :math:`C_t` the radius of pass t, row i has the mean of
    :math:`\max_j |W_{t,ij}| / C_t`: its size in the ball, relative to the radius.
    `total`, (n_replicas, n_features), is the sum over the passes.
    """

    def __init__(self, W):
        self.total = torch.zeros_like(W[:, :, 0], dtype=torch.float64)
        self.weights = self.total[:, :1].clone()

    def end_pass(self, part, radius, loss):
        """Note the end of a pass at a radius that began at a loss."""
        weight = self.weight(loss.double()[:, None])
        self.weights += weight
        _add(self.total, part.index, weight * part.sizes() / radius)

    def weight(self, loss):
        """Return the weight of a pass."""
        return torch.ones_like(loss)

    def mean(self):
        """Return the weighted mean over the passes, 0 before the first."""
        return self.total / self.weights.clamp_min(1e-300)


class WeightsByLoss(RelativeWeights):
    r"""The mean over the passes of the relative weight, the loss as their weight.

    With :math:`L_t` the loss and :math:`C_t` the radius of pass t, row i has

    .. math:: \frac{\sum_t L_t \max_j |W_{t,ij}| / C_t}{\sum_t L_t}.

    A pass at which little is left to explain says little about the features.
    """

    def weight(self, loss):
        """Return the weight of a pass: its loss."""
        return loss


def _add(total, index, values):
    """Add values of the features `index` of every replica, or of all, to the total."""
    if index is None:
        total += values
    else:
        total.scatter_add_(1, index, values)


# By the name that a target gives its score.
SCORES = {"relative_weights": RelativeWeights, "weights_by_loss": WeightsByLoss}
