"""What keeps the coefficients small: a ball of given radius, or a penalty.

Both have the same solutions: those of the penalty alpha are those of the radius
``norm(W)``, and alpha is the dual norm of the gradient there.
"""

import numpy as np

from ..ball import duality_gap


class Constraint:
    """Minimise f over the ball of this radius."""

    def __init__(self, ball, radius):
        self.ball = ball
        self.radius = radius
        self._metric, self._in_metric = None, None

    def restrict(self, features):
        """Return the constraint on the rows of some features."""
        ball = self.ball.restrict(features)
        return self if ball is self.ball else Constraint(ball, self.radius)

    def project(self, W):
        """Return the nearest point of the ball, in it to the last bit."""
        return self.ball.project(W, self.radius)

    def step_in_metric(self, W, metric):
        """Return the nearest point where row i weighs ``metric[i]``."""
        if metric is not self._metric:  # the steps on a working set share theirs
            self._metric = metric
            self._in_metric = self.ball.projection_in_metric(metric)
        return self._in_metric(W, self.radius)

    def repair(self, W, metric):
        """Return a Newton step's point, which may have left the ball, in the ball."""
        return self.step_in_metric(W, metric)

    def binds(self, bounds, costs):
        """Tell whether it holds the bounds back."""
        return (costs * bounds).sum() >= self.radius * (1 - 1e-9)

    def multiplier(self, level, unit, costs):
        """Return the alpha of the face where the bounds are ``level - alpha unit``."""
        return max(((costs * level).sum() - self.radius) / (costs * unit).sum(), 0)

    def gap(self, slope, dual_norm, norm, value):
        """Return the duality gap at W, with G the gradient.

        Given are ``<G, W>``, the dual norm of G, the norm of W, and f(W).
        """
        return max(duality_gap(slope, dual_norm, self.radius), 0.0)

    def gap_at(self, working_set, W, gradient):
        """Return the duality gap at W on a working set."""
        dual_norm = self.ball.dual_sizes(gradient).max(initial=0)
        return self.gap(np.vdot(gradient, W), dual_norm, None, None)


class Penalty:
    """Minimise ``f(W) + alpha * norm(W)`` for this alpha."""

    def __init__(self, ball, alpha):
        self.ball = ball
        self.alpha = alpha

    def restrict(self, features):
        """Return the penalty on the rows of some features."""
        ball = self.ball.restrict(features)
        return self if ball is self.ball else Penalty(ball, self.alpha)

    def project(self, W):
        """Return W: every point is allowed."""
        return W

    def step_in_metric(self, W, metric):
        """Return the proximal point where row i weighs ``metric[i]``."""
        return self.ball.shrink_in_metric(W, metric, self.alpha)

    def repair(self, W, metric):
        """Return a Newton step's point without negative entries, if so required."""
        return np.maximum(W, 0) if self.ball.positive else W

    def binds(self, bounds, costs):
        """Tell that it holds the bounds back."""
        return True

    def multiplier(self, level, unit, costs):
        """Return alpha."""
        return self.alpha

    def gap(self, slope, dual_norm, norm, value):
        """Return an upper bound on the duality gap, with G the gradient at W.

        With the residual scaled by ``s = min(1, alpha / dual_norm)``, which makes it
        feasible in the dual problem, the gap is ``(1 - s)^2 f(W) + s <G, W> + alpha
        norm(W)``. Divided by s it also bounds the gap of the ball of radius norm(W).
        """
        if dual_norm <= self.alpha:
            return max(slope + self.alpha * norm, 0.0)
        s = self.alpha / dual_norm
        return max((1 - s) ** 2 * value / s + slope + dual_norm * norm, 0.0)

    def gap_at(self, working_set, W, gradient):
        """Return the duality gap at W on a working set."""
        slope = np.vdot(gradient, W)
        return self.gap(
            slope,
            self.ball.dual_sizes(gradient).max(initial=0),
            self.ball.norm(W),
            working_set.value(W, slope),
        )
