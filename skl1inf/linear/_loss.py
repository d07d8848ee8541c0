"""The equation that the linear model minimises."""

import numpy as np

from ..matrices import far_from_zero
from ._kept import Kept

BLOCK = 2**20  # entries of columns that are centred at once


class CentredLeastSquares:
    """Weighted least squares in the coefficients alone.

    With row i of X and Y a sample of weight ``s_i``, it is::

        f(W) = min_b  sum_i s_i ||y_i - x_i W - b||^2 / (2 sum_i s_i)
             = ||target - columns W||^2 / 2

    A row of W is a feature. The best intercept is ``b = Y_mean - X_mean W``, with the
    weighted means, so that ``target = diag(root) (Y - Y_mean)`` and
    ``columns = diag(root) (X - X_mean)``, where ``root_i^2 = s_i / sum_i s_i``.
    Without an intercept both means are zero.

    The coefficients of kept features are free, and eliminated like the intercept: of
    target and columns only the part is left that is orthogonal to the kept columns.
    In W their rows, as those of the gradient, are zero until `with_kept` sets them.

    X is neither changed nor copied.

    Parameters
    ----------
    matrix : Matrix of shape (n_samples, n_features)
        X, from ``open_matrix``.
    Y : ndarray of shape (n_samples, n_targets)
        The targets.
    sample_weight : ndarray of shape (n_samples,), default=None
        Positive weights. None: all are equal.
    fit_intercept : bool, default=True
        Whether there is an intercept.
    kept : ndarray of shape (n_kept,), default=()
        The features that are kept.

    Attributes
    ----------
    target : ndarray of shape (n_samples, n_targets)
        Centred and weighted targets.
    null_value : float
        f(0), the objective of the best constant prediction; where features are kept,
        of the best prediction by them.
    """

    def __init__(self, matrix, Y, sample_weight=None, fit_intercept=True, kept=()):
        n_samples, self.n_features = matrix.shape
        weight = np.ones(n_samples) if sample_weight is None else sample_weight
        weight = weight / np.sum(weight, dtype=float)
        self.matrix, self.size = matrix, matrix.X.size
        self.n_targets, self.fit_intercept = Y.shape[1], fit_intercept
        self.root = np.sqrt(weight)
        self.X_mean = np.zeros(self.n_features)
        self.Y_mean = np.zeros(Y.shape[1])
        self.far = self.constant = np.zeros(0, int)
        if fit_intercept:
            self._centre_columns(weight)
            Y = self._centre_targets(Y, weight)
        self.target = self.root[:, None] * Y
        self.kept = None
        if len(kept):
            self._eliminate(np.asarray(kept))
        self.null_value = np.vdot(self.target, self.target) / 2

    def _centre_columns(self, weight):
        """Compute the means; list the columns that rounding would spoil."""
        self.X_mean = self.matrix.weighted_sums(weight)
        self.far = self.matrix.far_columns(self.X_mean)
        varying = [np.zeros(0, bool)]
        for features in self._blocks(self.far):
            columns = self._centred(features)
            self.X_mean[features] = columns.mean
            varying.append(columns.varying())
        varying = np.concatenate(varying)
        self.far, self.constant = self.far[varying], self.far[~varying]

    def _centre_targets(self, Y, weight):
        """Subtract the means, in two steps where the first one rounds much."""
        self.Y_mean = weight @ Y
        centred = Y - self.Y_mean
        far = far_from_zero(centred, self.Y_mean)
        second_mean = weight @ centred[:, far]
        self.Y_mean[far] += second_mean
        centred[:, far] -= second_mean
        centred[:, np.ptp(Y, axis=0) == 0] = 0  # a constant target is exactly zero
        return centred

    def _eliminate(self, kept):
        """Take the span of the kept columns out of the target."""
        columns = self._centred(kept)
        self.kept = Kept(kept, columns.times(np.diag(columns.varying().astype(float))))
        self.centred_target = self.target
        self.target = self.kept.remove_from_targets(self.target)

    def at(self, features, columns, rows):
        """Return the gradient and the value at the W with these rows."""
        residual = self.target - columns.times(rows)
        return self.gradient(residual), np.vdot(residual, residual) / 2

    def linear(self, features, columns):
        """Return the products of some columns with the targets."""
        return columns.transposed_times(self.target)

    def gradient(self, residual):
        """Return the gradient in W, given ``residual = target - columns W``.

        It is zero for constant columns and kept features.
        """
        if self.kept is not None:
            residual = self.kept.remove(residual)
        weighted = self.root[:, None] * residual
        gradient = self.matrix.weighted_sums(weighted)
        gradient -= np.outer(self.X_mean, weighted.sum(axis=0))
        # There this difference would be rounding errors.
        gradient[self.constant] = 0
        for features in self._blocks(self.far):
            gradient[features] = self.columns(features).transposed_times(residual)
        if self.kept is not None:
            gradient[self.kept.features] = 0
        return np.negative(gradient, out=gradient)

    def columns(self, features):
        """Return some centred and weighted columns, without the kept ones' span."""
        columns = self._centred(features)
        if self.kept is None:
            return columns
        return columns.orthogonal_to(self.kept.basis)

    def varying(self):
        """Return False where a column is constant, or explained by the kept ones."""
        blocks = self._blocks(np.arange(self.n_features))
        return np.concatenate([self.columns(features).varying() for features in blocks])

    def without_kept(self, chosen):
        """Return the features of a mask that are not kept."""
        if self.kept is not None:
            chosen = chosen.copy()
            chosen[self.kept.features] = False
        return np.flatnonzero(chosen)

    def with_kept(self, features, rows):
        """Add to some features, with their rows of W, the kept ones."""
        if self.kept is None:
            return features, rows
        alive = rows.any(axis=1)
        features, rows = features[alive], rows[alive]
        rest = self.centred_target - self._centred(features).times(rows)
        return (
            np.concatenate([features, self.kept.features]),
            np.concatenate([rows, self.kept.coefficients(rest)]),
        )

    def intercept(self, features, rows):
        """Return the best intercept for the W with these rows at `features`.

        Kept features are among them.
        """
        return self.Y_mean - self.X_mean[features] @ rows

    def _centred(self, features):
        return self.matrix.centred(features, self.X_mean[features], self.root)

    def _blocks(self, features):
        """Cut features into blocks whose columns take little room."""
        step = max(1, BLOCK // len(self.root))
        return [features[k : k + step] for k in range(0, len(features), step)]
