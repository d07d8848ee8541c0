"""Least squares over the l1,inf ball: accelerated descent on working sets.

Minimises ``sum_i s_i ||y_i - x_i W - b||^2 / (2 sum_i s_i)`` over
``l1inf_norm(W) <= radius``, a row of W being a feature and the intercept b
eliminated by weighted centring. Arrays in, arrays out.

Every round solves the problem restricted to a working set of features and then
looks at all of them: those whose row of the gradient has a larger dual norm than
any in the working set join it [1]_. The restricted problem is solved by FISTA
[2]_ with adaptive restart [3]_, in the metric of the Hessian's diagonal so that
the scale of the columns does not matter. Once the projection has found which
entries sit at their row's bound, what is left is an equality-constrained
least-squares problem on a face of the ball, and one Newton step ends it [4]_.

References
----------
.. [1] Massias, Gramfort, Salmon, "Celer: a fast solver for the Lasso with dual
   extrapolation", ICML 2018, section 3 (working sets ranked by the dual
   constraints).
.. [2] Beck, Teboulle, "A fast iterative shrinkage-thresholding algorithm for
   linear inverse problems", SIAM J. Imaging Sci. 2009, eq. (4.1)-(4.3).
.. [3] O'Donoghue, Candes, "Adaptive restart for accelerated gradient schemes",
   Found. Comput. Math. 2015, section 3.2 (the gradient scheme).
.. [4] Nocedal, Wright, "Numerical Optimization", 2nd ed. 2006, section 16.7
   (gradient projection with subspace minimisation).
"""

from copy import copy

import numba
import numpy as np
from scipy import linalg
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, eigsh, lsqr

from .ball import project_l1inf

MIN_GROWTH = 64  # features that may join a working set at once
SMALL = 2**20  # entries that an array may always have, however small the data
INNER_PRECISION = 0.03  # the restricted gap aimed at, as a part of the full one
SHORTEST_WAIT = 8  # gradient steps between two Newton steps, far cheaper than those
LONGEST_WAIT = 32  # the same before the first Newton step of a round
DAMPING = 1e-7  # of the Hessian's diagonal, added to it in a Newton step


@numba.njit(nogil=True, cache=True)
def project_in_metric(V, weights, radius, theta):
    """Project V onto the ball where row i weighs ``weights[i]`` in the distance.

    Row i is clipped to the bound mu_i above which its entries have an excess of
    theta / weights[i] in all. Newton's method finds both every mu_i, for theta
    given, and the theta at which the bounds sum to the radius: convex, decreasing
    and piecewise linear functions, so it ends after finitely many steps, from any
    theta >= 0. Returns the projection and theta.
    """
    n_rows, n_columns = V.shape
    bounds = np.zeros(n_rows)
    total = np.zeros(n_rows)
    for i in range(n_rows):
        for j in range(n_columns):
            total[i] += abs(V[i, j])
            bounds[i] = max(bounds[i], abs(V[i, j]))
    if bounds.sum() <= radius:
        return V.copy(), 0.0
    for _ in range(100):  # rounding could make the last steps swing
        excess, slope = -radius, 0.0
        for i in range(n_rows):
            level = theta / weights[i]
            if total[i] <= level:
                bounds[i] = 0.0
                continue
            bound, count, last = (total[i] - level) / n_columns, n_columns, 0
            while count != last:
                last, count, above = count, 0, 0.0
                for j in range(n_columns):
                    if abs(V[i, j]) >= bound:
                        above += abs(V[i, j])
                        count += 1
                if count == 0:  # rounding lifted the bound past the largest entry
                    count = 1
                    break
                bound = (above - level) / count
            bounds[i] = bound
            excess += bound
            slope += 1 / (count * weights[i])
        if abs(excess) <= 1e-14 * radius:
            break
        # Past the last breakpoint every bound is zero: start again from the left.
        theta = max(theta + excess / slope, 0.0) if slope > 0 else 0.0
    bounds *= min(1.0, radius / bounds.sum())
    projected = np.empty_like(V)
    for i in range(n_rows):
        for j in range(n_columns):
            projected[i, j] = min(max(V[i, j], -bounds[i]), bounds[i])
    return projected, theta


class Ball:
    """The l1,inf ball, or its nonnegative part, and the gap it certifies."""

    def __init__(self, radius, positive=False):
        self.radius = radius
        self.positive = positive
        self.theta = 0.0  # of the last projection: the next one's first guess

    def project(self, W):
        """Project W in the Euclidean metric, into the ball to the last bit."""
        return project_l1inf(np.maximum(W, 0) if self.positive else W, self.radius)

    def project_in_metric(self, W, weights):
        """Project W in the metric that weighs its rows, up to rounding."""
        if self.positive:
            W = np.maximum(W, 0)
        W, self.theta = project_in_metric(W, weights, self.radius, self.theta)
        return W

    def dual_norms(self, gradient):
        """How fast f can fall along each row, per unit of the row's bound."""
        lowering = np.maximum(-gradient, 0) if self.positive else np.abs(gradient)
        return lowering @ np.ones(gradient.shape[1])

    def gap(self, slope, alpha):
        """Duality gap: an upper bound on f(W) minus its minimum over the ball.

        It needs the slope of f along W and the largest of the ``dual_norms``.
        """
        return max(slope + self.radius * alpha, 0.0)

    def gap_at(self, W, gradient):
        """Duality gap at W, whose gradient is given."""
        alpha = self.dual_norms(gradient).max(initial=0)
        return self.gap(np.vdot(gradient, W), alpha)


class CentredLeastSquares:
    """The loss: data, weights and means. X is neither changed nor copied.

    ``root``, the square roots of the normalised weights, has norm 1.
    """

    def __init__(self, X, Y, sample_weight=None, fit_intercept=True):
        n_samples, self.n_features = X.shape
        weight = np.ones(n_samples) if sample_weight is None else sample_weight
        weight = weight / np.sum(weight, dtype=float)
        self.X = X
        self.root = np.sqrt(weight)
        if fit_intercept:
            self.X_mean = transposed_product(X, weight)
            self.Y_mean = weight @ Y
        else:
            self.X_mean = np.zeros(self.n_features)
            self.Y_mean = np.zeros(Y.shape[1])
        self.target = self.root[:, None] * (Y - self.Y_mean)
        if fit_intercept:  # a constant target is zero, not what rounding leaves
            self.target[:, np.ptp(Y, axis=0) == 0] = 0
        self.null_value = np.vdot(self.target, self.target) / 2

    def gradient(self, residual):
        """Gradient in all rows of W, from the residual of ``target``."""
        weighted = self.root[:, None] * residual
        gradient = transposed_product(self.X, weighted)
        gradient -= np.outer(self.X_mean, weighted.sum(axis=0))
        return np.negative(gradient, out=gradient)

    def intercept(self, features, rows):
        """Intercept that is optimal for W, given by some features' rows."""
        return self.Y_mean - self.X_mean[features] @ rows


def transposed_product(X, R):
    """``X.T @ R`` in double precision, without a double-precision copy of X."""
    if issparse(X):
        return np.asarray(X.T @ R, float)
    # BLAS is faster at the transpose, where the long side of the result is last.
    if X.dtype == np.float64:
        return (R.T @ X).T
    block = max(1, SMALL // len(X))
    blocks = [
        R.T @ X[:, start : start + block].astype(float)
        for start in range(0, X.shape[1], block)
    ]
    return np.concatenate(blocks, axis=-1).T


def varying(loss, features):
    """Leave out the constant columns, which centring turns into rounding errors."""
    columns = Columns(loss, features)
    rounding = np.finfo(float).eps * len(loss.root)
    if columns.mean is None:  # centred by subtraction; by a product if sparse
        rounding **= 2
    mean = loss.X_mean[features]
    return features[columns.squared_norms() > rounding * mean**2]


class Columns:
    """Weighted centred columns; sparse ones are centred in their products."""

    def __init__(self, loss, features):
        X, mean, root = loss.X[:, features], loss.X_mean[features], loss.root
        if issparse(X):
            self.matrix = X.tocsc().astype(float)
            self.matrix.data *= root[self.matrix.indices]
            self.mean, self.root = mean, root
        else:
            self.matrix = np.subtract(X, mean, dtype=float, order="F")
            self.matrix *= root[:, None]
            self.mean = None

    def take(self, which):
        """Return some of the columns."""
        part = copy(self)
        part.matrix = self.matrix[:, which]
        part.mean = None if self.mean is None else self.mean[which]
        return part

    def times(self, W):
        """Return ``X W``."""
        product = self.matrix @ W
        if self.mean is not None:
            product -= np.outer(self.root, self.mean @ W)
        return product

    def transposed_times(self, R):
        """Return ``X.T R``."""
        product = self.matrix.T @ R
        if self.mean is not None:
            product -= np.outer(self.mean, self.root @ R)
        return product

    def gram(self):
        """Return ``X.T X``, a dense array."""
        product = self.matrix.T @ self.matrix
        if self.mean is None:
            return product
        product = product.toarray()
        product -= np.outer(self.mean, self.mean)
        return product

    def squared_norms(self):
        """Return the diagonal of ``X.T X``."""
        if self.mean is None:
            return np.einsum("ij,ij->j", self.matrix, self.matrix)
        return np.asarray(self.matrix.power(2).sum(axis=0)).ravel() - self.mean**2


class WorkingSet:
    """The loss on some features, a quadratic in their rows of W."""

    def __init__(self, loss, features, precompute="auto"):
        self.features = features
        self.target = loss.target
        self.columns = Columns(loss, features)
        self.linear = self.columns.transposed_times(loss.target)
        self.room = max(loss.X.size, SMALL)
        if precompute == "auto":
            # The Gram matrix has p^2 entries, two products with the columns read
            # each of theirs twice.
            entries = len(features) ** 2
            reads = max(2 * self.columns.matrix.size, SMALL // 16)
            precompute = entries <= min(reads, self.room)
        self.gram = self.columns.gram() if precompute else None
        self.diagonal = self.columns.squared_norms()
        self.metric = self.diagonal * self._scaled_curvature()

    def hessian_times(self, W):
        """Hessian times W: the same quadratic for every target."""
        if self.gram is not None:
            return self.gram @ W
        return self.columns.transposed_times(self.columns.times(W))

    def gradient(self, W):
        """Gradient at W in the rows of the working set."""
        return self.hessian_times(W) - self.linear

    def hessian(self, rows):
        """Hessian on some of the rows, or None if it would take too much room."""
        if 4 * len(rows) ** 2 > self.room:
            return None
        if self.gram is not None:
            return self.gram[np.ix_(rows, rows)]
        return self.columns.take(rows).gram()

    def _scaled_curvature(self):
        """Largest eigenvalue of the Hessian scaled to a diagonal of ones."""
        n_features = len(self.features)
        scale = 1 / np.sqrt(self.diagonal)

        def product(V):
            return scale[:, None] * self.hessian_times(scale[:, None] * V)

        if n_features < 3:  # too few for the Lanczos method, and the 1-norm is exact
            return np.abs(product(np.eye(n_features))).sum(axis=0).max(initial=0)
        operator = LinearOperator(
            (n_features, n_features), lambda v: product(v.reshape(-1, 1)), dtype=float
        )
        start = np.random.default_rng(0).standard_normal(n_features)
        value = eigsh(operator, 1, tol=1e-2, v0=start, return_eigenvectors=False)
        return 1.02 * value[0]  # Lanczos estimates from below


def face_minimiser(hessian, linear, W, radius, positive):
    """Minimise ``<V, hessian V> / 2 - <linear, V>`` on the face that holds W.

    On the face every row keeps its clipped entries at plus or minus the row's
    bound, and the bounds sum to the radius if those of W do. The free entries are
    eliminated target by target, which leaves a system in the bounds alone. The
    hessian must be positive definite.
    """
    bounds = np.abs(W).max(axis=1)
    binding = bounds.sum() >= radius * (1 - 1e-9)
    clipped = (np.abs(W) >= bounds[:, None]) & binding
    free = ~clipped & (W > 0) if positive else ~clipped
    signs = np.where(clipped, np.sign(W), 0)
    schur = hessian * (signs @ signs.T)
    right = (signs * linear).sum(axis=1)
    eliminated = []
    for target in range(W.shape[1]):
        F, K = np.flatnonzero(free[:, target]), np.flatnonzero(clipped[:, target])
        rows = hessian[F]
        # With L L' the hessian of the free entries V[F] and hence
        # L' V[F] = sides[:, -1] - sides[:, :-1] @ bounds[K].
        lower, failed = dpotrf(rows[:, F], lower=True)
        if failed:
            raise linalg.LinAlgError("The hessian is not positive definite.")
        sides = np.column_stack([rows[:, K] * signs[K, target], linear[F, target]])
        sides = dtrsm(1.0, lower, sides, lower=True)
        removed = sides.T @ sides
        schur[np.ix_(K, K)] -= removed[:-1, :-1]
        right[K] -= removed[:-1, -1]
        eliminated.append((F, K, lower, sides))
    if binding:
        factor = linalg.cho_factor(schur, check_finite=False)
        sides = np.column_stack([right, np.ones(len(W))])
        level, unit = linalg.cho_solve(factor, sides, check_finite=False).T
        multiplier = max((level.sum() - radius) / unit.sum(), 0)
        bounds = level - multiplier * unit
    V = signs * bounds[:, None]
    for target, (F, K, lower, sides) in enumerate(eliminated):
        side = sides[:, -1:] - sides[:, :-1] @ bounds[K, None]
        V[F, target] = dtrsm(1.0, lower, side, lower=True, trans_a=True)[:, 0]
    return V


def newton_step(working_set, ball, W, gradient):
    """Project the minimiser of the face that holds W; None where there is none."""
    alive = np.flatnonzero(W.any(axis=1))
    hessian = working_set.hessian(alive)
    if hessian is None:
        return None
    # A proximal term keeps the hessian positive definite when columns are
    # dependent; repeated steps remove the bias that it leaves.
    hessian[np.diag_indices_from(hessian)] *= 1 + DAMPING
    linear = hessian @ W[alive] - gradient[alive]
    V = np.zeros_like(W)
    try:
        V[alive] = face_minimiser(hessian, linear, W[alive], ball.radius, ball.positive)
    except linalg.LinAlgError:
        return None
    return ball.project_in_metric(V, working_set.diagonal)


def descend(working_set, ball, W, tol, max_iter, wait):
    """Minimise over the rows of the working set until their gap is at most tol.

    The first Newton step comes after `wait` gradient steps. Returns the rows, the
    number of steps of both kinds, and how long to wait the next time.
    """
    gradient = working_set.gradient(W)
    ahead, ahead_gradient, momentum = W, gradient, 1.0
    weights = working_set.metric[:, None]
    due, reached = wait, np.inf
    for n_iter in range(max_iter):
        gap = ball.gap_at(W, gradient)
        if gap <= tol:
            return W, n_iter, wait
        if n_iter == due:
            new = newton_step(working_set, ball, W, gradient)
            new_gap = np.inf
            if new is not None:
                new_gradient = working_set.gradient(new)
                new_gap = ball.gap_at(new, new_gradient)
            # On a face that is not the solution's the step may lead nowhere:
            # momentum goes on, and Newton waits longer.
            helps = new_gap < min(gap, reached) / 2
            wait = max(wait // 2, SHORTEST_WAIT) if helps else 2 * wait
            due += wait
            if helps:
                W, gradient, reached = new, new_gradient, new_gap
                ahead, ahead_gradient, momentum = W, gradient, 1.0
            continue
        new = ball.project_in_metric(
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


class Solver:
    """Solves for one radius after another, each from the last one's solution.

    Attributes
    ----------
    features : ndarray of shape (n_working,)
        The working set; every other row of the solution is zero.
    rows : ndarray of shape (n_working, n_targets)
        The rows of W of the working set.
    gap : float
        Duality gap of W at the current radius.
    alpha : float
        Dual norm of the gradient at W.
    n_iter : int
        Steps taken since ``start``.
    """

    def __init__(self, loss, *, positive=False, precompute="auto", dtype=float):
        self.loss = loss
        self.positive = positive
        self.precompute = precompute
        self.dtype = dtype
        self.wait = SHORTEST_WAIT
        self.norms = None  # of all features at W, once they have been looked at
        self._set_working_set(np.zeros(0, int), np.zeros((0, loss.target.shape[1])))

    def start(self, radius, coef=None):
        """Begin at a radius, from coef (n_features, n_targets) if it is given."""
        self.ball = Ball(radius, self.positive)
        self.n_iter = 0
        self.stalled = False
        if coef is not None:
            known = varying(self.loss, np.flatnonzero(coef.any(axis=1)))
            self._set_working_set(known, coef[known])
            self.norms = None
        self._move_to(self.rows)

    def step(self, tol, max_iter):
        """Enlarge the working set, solve on it, and bound what is still missing."""
        enlarged = self._enlarge()
        aim = max(tol / 2, INNER_PRECISION * self.gap)
        rows, n_iter, self.wait = descend(
            self.working_set,
            self.ball,
            self.rows,
            aim,
            max_iter - self.n_iter,
            min(self.wait, LONGEST_WAIT),
        )
        self.n_iter += n_iter
        # Nothing to add and nothing to do: what is left of the gap is rounding.
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
        W[self.features] = self.rows
        return W

    def _set_working_set(self, features, rows):
        self.features, self.rows = features, rows
        self.working_set = WorkingSet(self.loss, features, self.precompute)

    def _move_to(self, rows):
        """Take rows as they will be returned and bound what is missing."""
        # Rounded, and in the ball to the last bit: the gap is that of these rows.
        rows = self.ball.project(rows.astype(self.dtype)).astype(float)
        if self.norms is None or not np.array_equal(rows, self.rows):
            self.rows = rows
            self._look_at_all_features()
        self.gap = self.ball.gap(self.slope, self.alpha)

    def _look_at_all_features(self):
        fitted = self.working_set.columns.times(self.rows)
        gradient = self.loss.gradient(self.loss.target - fitted)
        self.norms = self.ball.dual_norms(gradient)
        self.alpha = self.norms.max()
        self.slope = np.vdot(gradient[self.features], self.rows)

    def _enlarge(self):
        """Let the features in that could lower f most; tell whether any could."""
        outside = self.norms > self.norms[self.features].max(initial=0)
        outside[self.features] = False
        new = np.flatnonzero(outside)
        room = max(MIN_GROWTH, np.count_nonzero(self.rows.any(axis=1)))
        if len(new) > room:
            new = new[np.argpartition(-self.norms[new], room)[:room]]
        new = varying(self.loss, new)
        if len(new):
            rows = np.zeros((len(new), self.rows.shape[1]))
            self._set_working_set(
                np.concatenate([self.features, new]), np.concatenate([self.rows, rows])
            )
        return len(new) > 0


def minimum_norm_solution(loss):
    """Least-squares solution of smallest Frobenius norm, (n_features, n_targets)."""
    every = Columns(loss, np.arange(loss.n_features))
    if every.mean is None:
        solution, *_ = linalg.lstsq(
            every.matrix,
            loss.target,
            cond=max(every.matrix.shape) * np.finfo(float).eps,
            lapack_driver="gelsy",  # complete orthogonal, far cheaper than an SVD
            check_finite=False,
        )
        return solution
    shape = every.matrix.shape
    operator = LinearOperator(
        shape,
        matvec=lambda w: every.times(w.reshape(-1, 1)).ravel(),
        rmatvec=lambda r: every.transposed_times(r.reshape(-1, 1)).ravel(),
    )
    solutions = [lsqr(operator, y, atol=1e-10, btol=1e-10)[0] for y in loss.target.T]
    return np.column_stack(solutions)
