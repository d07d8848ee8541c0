"""Least squares over the l1,inf ball: accelerated descent on working sets.

Every round solves the problem on a working set of features. Then it computes the
gradient in all features. Those whose row has a larger dual norm than any row of the
working set join it [1]_. Groups of features join it whole.

References
----------
.. [1] Massias, Gramfort, Salmon, "Celer: a fast solver for the Lasso with dual
   extrapolation", ICML 2018, section 3 (working sets ranked by the dual
   constraints).
"""

import numpy as np

from ._bounds import bounds_of
from ._descent import SHORTEST_WAIT, descend
from ._working_set import WorkingSet

MIN_GROWTH = 64  # features that may join a working set at once
INNER_PRECISION = 0.03  # the gap aimed at on the working set, relative to the full gap
LONGEST_WAIT = 32  # gradient steps before the first Newton step of a round


class Solver:
    """Solves one problem after another, each from the last one's solution.

    The problems differ in their constraint: a radius or a penalty.

    Attributes
    ----------
    features : ndarray of shape (n_working,)
        The working set; every other row of the solution is zero.
    rows : ndarray of shape (n_working, n_targets)
        The rows of W of the working set.
    norm : float
        Norm of W.
    gap : float
        Duality gap of W under the current constraint.
    alpha : float
        Dual norm of the gradient at W.
    n_iter : int
        Steps taken since ``start``.
    """

    def __init__(self, loss, *, precompute="auto", dtype=float):
        self.loss = loss
        self.precompute = precompute
        self.dtype = dtype
        self.wait = SHORTEST_WAIT
        self.norms = None  # of all features at W, once computed
        self.features = np.zeros(0, int)
        self.rows = np.zeros((0, loss.n_targets))
        self.working_set = None

    def start(self, constraint, coef=None):
        """Begin a problem, from coef (n_features, n_targets) if it is given."""
        self.constraint = constraint
        self.n_iter = 0
        self.stalled = False
        if coef is not None:
            known = self._varying(self.loss.without_kept(coef.any(axis=1)))
            self._set_working_set(known, coef[known])
            self.norms = None
        elif self.working_set is None:
            self._set_working_set(self.features, self.rows)
        else:
            self.local = constraint.restrict(self.features)
        self._move_to(self.rows)

    def step(self, tol, max_iter):
        """Enlarge the working set, solve on it, and compute the gap."""
        enlarged = self._enlarge()
        aim = max(tol / 2, INNER_PRECISION * self.gap)
        rows, n_iter, self.wait = descend(
            self.working_set,
            self.local,
            self.rows,
            aim,
            max_iter - self.n_iter,
            min(self.wait, LONGEST_WAIT),
        )
        self.n_iter += n_iter
        # No feature joined and no step was needed: the rest of the gap is rounding.
        self.stalled = not enlarged and n_iter == 0
        self._move_to(rows)

    def is_done(self, tol, max_iter):
        """Tell whether another step would be of no use."""
        return self.gap <= tol or self.n_iter >= max_iter or self.stalled

    def solve(self, tol, max_iter):
        """Step until the gap is at most tol; tell whether it is."""
        while not self.is_done(tol, max_iter):
            self.step(tol, max_iter)
        return self.gap <= tol

    def coef(self):
        """Return W whole, of shape (n_features, n_targets)."""
        W = np.zeros((self.loss.n_features, self.rows.shape[1]), self.dtype)
        features, rows = self.solution()
        W[features] = rows
        return W

    def solution(self):
        """Return features, and their rows of W; all other rows are zero."""
        return self.loss.with_kept(self.features, self.rows)

    def _varying(self, features):
        """Leave out constant columns: centred, they are rounding errors.

        So are those that the kept features explain.
        """
        return features[self.loss.columns(features).varying()]

    def _set_working_set(self, features, rows):
        self.features, self.rows = features, rows
        self.local = self.constraint.restrict(features)
        self.working_set = WorkingSet(
            self.loss, features, self.constraint.ball, self.precompute
        )

    def _move_to(self, rows):
        """Take rows as they will be returned and compute their gap."""
        # Rounded, and in the ball to the last bit: the gap is that of these rows.
        rows = self.local.project(rows.astype(self.dtype)).astype(float)
        if self.norms is None or not np.array_equal(rows, self.rows):
            self.rows = rows
            self._compute_gradient()
        self.gap = self.constraint.gap(self.slope, self.alpha, self.norm, self.value)

    def _compute_gradient(self):
        gradient, self.value = self.loss.at(
            self.features, self.working_set.columns, self.rows
        )
        self.norm = self.local.ball.norm(self.rows) if len(self.rows) else 0.0
        self.norms = self.constraint.ball.dual_sizes(gradient)
        self.alpha = self.norms.max()
        self.slope = np.vdot(gradient[self.features], self.rows)

    def _enlarge(self):
        """Add the features that could lower f most; tell whether any could."""
        outside = self.norms > self.norms[self.features].max(initial=0)
        outside[self.features] = False
        new = np.flatnonzero(outside)
        room = max(MIN_GROWTH, np.count_nonzero(self.rows.any(axis=1)))
        if len(new) > room:
            new = new[np.argpartition(-self.norms[new], room)[:room]]
            new = bounds_of(self.constraint.ball).complete(new)
        new = self._varying(new)
        if len(new):
            rows = np.zeros((len(new), self.rows.shape[1]))
            self._set_working_set(
                np.concatenate([self.features, new]), np.concatenate([self.rows, rows])
            )
        return len(new) > 0
