"""Accelerated projected gradient, ended by Newton steps.

FISTA [1]_ with adaptive restart [2]_, in the metric of the Hessian's diagonal: the
scale of the columns does not matter.

References
----------
.. [1] Beck, Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
   inverse problems", SIAM J. Imaging Sci. 2009, eq. (4.1)-(4.3).
.. [2] O'Donoghue, Candes, "Adaptive restart for accelerated gradient schemes",
   Found. Comput. Math. 2015, section 3.2 (the gradient scheme).
"""

import numpy as np

from ._newton import newton_step

SHORTEST_WAIT = 8  # gradient steps between two Newton steps, which cost far more


def descend(working_set, constraint, W, tol, max_iter, wait):
    """Minimise over the rows of the working set until their gap is at most tol.

    The first Newton step comes after `wait` gradient steps. Returns the rows, the
    number of steps of both kinds, and how long to wait the next time.
    """
    gradient = working_set.gradient(W)
    ahead, ahead_gradient, momentum = W, gradient, 1.0
    weights = working_set.metric[:, None]
    due, reached = wait, np.inf
    for n_iter in range(max_iter):
        gap = constraint.gap_at(working_set, W, gradient)
        if gap <= tol:
            return W, n_iter, wait
        if n_iter == due:
            new, new_gradient, new_gap = _try_newton(
                working_set, constraint, W, gradient
            )
            # A step on a face that does not hold the solution may not help. Then
            # momentum goes on, and the next Newton step comes later.
            helps = new_gap < min(gap, reached) / 2
            wait = max(wait // 2, SHORTEST_WAIT) if helps else 2 * wait
            due += wait
            if helps:
                W, gradient, reached = new, new_gradient, new_gap
                ahead, ahead_gradient, momentum = W, gradient, 1.0
            continue
        new = constraint.step_in_metric(
            ahead - ahead_gradient / weights, working_set.metric
        )
        new_gradient = working_set.gradient(new)
        if np.vdot(weights * (ahead - new), new - W) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        weight = (momentum - 1) / following
        ahead = new + weight * (new - W)
        # The gradient is affine: no product is needed at the extrapolated point.
        ahead_gradient = new_gradient + weight * (new_gradient - gradient)
        W, gradient, momentum = new, new_gradient, following
    return W, max_iter, wait


def _try_newton(working_set, constraint, W, gradient):
    """Return the point of a Newton step, its gradient and its gap."""
    new = newton_step(working_set, constraint, W, gradient)
    if new is None:
        return None, None, np.inf
    new_gradient = working_set.gradient(new)
    return new, new_gradient, constraint.gap_at(working_set, new, new_gradient)
