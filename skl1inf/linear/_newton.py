"""Newton steps on a face of the ball.

Once the projection has found the entries that sit at the bound of their row, or of
their group of rows, the rest is a least-squares problem with linear equations as
constraints, on a face of the ball [1]_.

References
----------
.. [1] Nocedal, Wright, "Numerical Optimization", 2nd ed. 2006, section 16.7
   (gradient projection with subspace minimisation).
"""

import numpy as np
from scipy import linalg
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf

from ._bounds import bounds_of

DAMPING = 1e-7  # of the Hessian's diagonal, added to it


def newton_step(working_set, constraint, W, gradient):
    """Project the minimiser of the face that holds W; None where there is none."""
    alive = np.flatnonzero(constraint.ball.sizes(W))
    hessian = working_set.hessian(alive)
    if hessian is None:
        return None
    # A proximal term keeps the Hessian positive definite where columns are dependent.
    # Repeated steps remove its bias.
    hessian[np.diag_indices_from(hessian)] *= 1 + DAMPING
    linear = hessian @ W[alive] - gradient[alive]
    shared = bounds_of(constraint.ball, alive)
    V = np.zeros_like(W)
    try:
        V[alive] = face_minimiser(hessian, linear, W[alive], constraint, shared)
    except linalg.LinAlgError:
        return None
    return constraint.repair(V, working_set.diagonal)


def face_minimiser(hessian, linear, W, constraint, shared):
    """Minimise ``<V, hessian V> / 2 - <linear, V>`` on the face that holds W.

    On the face clipped entries stay at plus or minus the bound of their row or group,
    and the bounds, times their costs, sum to the radius if those of W do (under a
    penalty, their sum is penalised). The free entries are eliminated target by target,
    which leaves a system in the bounds alone. The Hessian must be positive definite.
    """
    bounds = shared.largest(np.abs(W).max(axis=1))
    costs = shared.costs(bounds)
    binding = constraint.binds(bounds, costs)
    clipped = (np.abs(W) >= shared.spread(bounds)[:, None]) & binding
    free = ~clipped & (W > 0) if constraint.ball.positive else ~clipped
    signs = np.where(clipped, np.sign(W), 0)
    schur = hessian * (signs @ signs.T)
    right = (signs * linear).sum(axis=1)
    eliminated = []
    for target in range(W.shape[1]):
        F, K = np.flatnonzero(free[:, target]), np.flatnonzero(clipped[:, target])
        lower, sides = _eliminate(hessian, linear[:, target], signs[:, target], F, K)
        removed = sides.T @ sides
        schur[np.ix_(K, K)] -= removed[:-1, :-1]
        right[K] -= removed[:-1, -1]
        eliminated.append((F, K, lower, sides))
    if binding:
        bounds = _solve_bounds(*shared.gather(schur, right), constraint, costs)
    bounds = shared.spread(bounds)
    V = signs * bounds[:, None]
    for target, (F, K, lower, sides) in enumerate(eliminated):
        side = sides[:, -1:] - sides[:, :-1] @ bounds[K, None]
        V[F, target] = dtrsm(1.0, lower, side, lower=True, trans_a=True)[:, 0]
    return V


def _eliminate(hessian, linear, signs, F, K):
    """Express the free entries F of a target by the bounds of the clipped ones K.

    With L L' the Hessian of the free entries, ``L' V[F] = sides[:, -1] -
    sides[:, :-1] @ bounds[K]``. Returns L and sides.
    """
    rows = hessian[F]
    lower, failed = dpotrf(rows[:, F], lower=True)
    if failed:
        raise linalg.LinAlgError("The Hessian is not positive definite.")
    sides = np.column_stack([rows[:, K] * signs[K], linear[F]])
    return lower, dtrsm(1.0, lower, sides, lower=True)


def _solve_bounds(schur, right, constraint, costs):
    """Minimise the quadratic in the bounds, held back by the constraint."""
    factor = linalg.cho_factor(schur, check_finite=False)
    sides = np.column_stack([right, costs])
    level, unit = linalg.cho_solve(factor, sides, check_finite=False).T
    return level - constraint.multiplier(level, unit, costs) * unit
