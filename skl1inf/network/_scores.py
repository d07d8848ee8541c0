"""The scores that rank the features, kept while the network is trained."""

import torch


class NoScore:
    """Keep no score: what a descent does that ranks nothing.

    A part holds some or all features of every replica: `part.network.W` are their
    weights, `part.index` says which features they are, None standing for all.
    """

    def begin(self, part, G):
        """Note the gradient from which a step starts."""

    def end(self, part, G):
        """Note the gradient to which the last step has led."""

    def end_pass(self, part, radius):
        """Note the end of a pass at a radius."""


class _Score(NoScore):
    """A score summed over the passes: `total`, (n_replicas, n_features)."""

    def __init__(self, W):
        self.total = torch.zeros_like(W[:, :, 0], dtype=torch.float64)

    def mean(self, n_passes):
        """Return the mean over the passes, 0 where that is negative."""
        return (self.total / n_passes).clamp_min(0.0)


class RelativeWeights(_Score):
    """The size of every feature in the ball, relative to the radius."""

    def end_pass(self, part, radius):
        """Note the end of a pass at a radius."""
        _add(self.total, part.index, part.sizes() / radius)


class Attribution(_Score):
    r"""The decrease of the loss since the start that every feature accounts for.

    A step of ``W`` changes the loss by the integral of the gradient along it, in which
    every row of ``W`` has a share (J. Lan, R. Liu, H. Zhou and J. Yosinski, "LCA: Loss
    Change Allocation for Neural Network Training", NeurIPS 2019, section 2). By the
    trapezoidal rule, row i accounts up to pass t for

    .. math:: \sum_{s < t} \tfrac12 \langle G_{s,i} + G_{s+1,i},
       W_{s,i} - W_{s+1,i} \rangle.
    """

    def __init__(self, W):
        super().__init__(W)
        self.decrease, self.start = torch.zeros_like(self.total), None

    def begin(self, part, G):
        """Note the gradient from which a step starts."""
        self.start = part.network.W.clone(), G

    def end(self, part, G):
        """Note the gradient to which the last step has led."""
        if self.start is not None:
            W, G_start = self.start
            share = torch.linalg.vecdot(G_start + G, W - part.network.W) / 2
            _add(self.decrease, part.index, share)

    def end_pass(self, part, radius):
        """Note the end of a pass at a radius."""
        self.total += self.decrease


def _add(total, index, values):
    """Add values of the features `index` of every replica, or of all, to the total."""
    if index is None:
        total += values
    else:
        total.scatter_add_(1, index, values.to(total.dtype))


# By the name that a target gives its score.
SCORES = {"attribution": Attribution, "relative_weights": RelativeWeights}
