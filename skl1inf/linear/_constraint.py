"""The ball at the radius that is solved for."""

import numpy as np

from ..ball import duality_gap


class Constraint:
    """A ball together with its radius."""

    def __init__(self, ball, radius):
        self.ball = ball
        self.radius = radius

    @property
    def positive(self):
        """Whether coefficients must not be negative."""
        return self.ball.positive

    def project(self, W):
        """Return the nearest point of the ball, in it to the last bit."""
        return self.ball.project(W, self.radius)

    def project_in_metric(self, W, metric):
        """Return the nearest point where row i weighs ``metric[i]``."""
        return self.ball.project_in_metric(W, metric, self.radius)

    def gap(self, slope, alpha):
        """Return the duality gap, given ``<G, W>`` and the dual norm of G."""
        return max(duality_gap(slope, alpha, self.radius), 0.0)

    def gap_at(self, W, gradient):
        """Return the duality gap at W."""
        alpha = self.ball.dual_sizes(gradient).max(initial=0)
        return self.gap(np.vdot(gradient, W), alpha)
