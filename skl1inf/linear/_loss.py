"""The equation that the linear model minimises."""

import numpy as np

from ..matrices import far_from_zero

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

    Attributes
    ----------
    target : ndarray of shape (n_samples, n_targets)
        Centred and weighted targets.
    null_value : float
        f(0), the objective of the best constant prediction.
    """

    def __init__(self, matrix, Y, sample_weight=None, fit_intercept=True):
        n_samples, self.n_features = matrix.shape
        weight = np.ones(n_samples) if sample_weight is None else sample_weight
        weight = weight / np.sum(weight, dtype=float)
        self.matrix = matrix
        self.root = np.sqrt(weight)
        self.X_mean = np.zeros(self.n_features)
        self.Y_mean = np.zeros(Y.shape[1])
        self.far = self.constant = np.zeros(0, int)
        if fit_intercept:
            self._centre_columns(weight)
            Y = self._centre_targets(Y, weight)
        self.target = self.root[:, None] * Y
        self.null_value = np.vdot(self.target, self.target) / 2

    def _centre_columns(self, weight):
        """Compute the means; list the columns that rounding would spoil."""
        self.X_mean = self.matrix.weighted_sums(weight)
        self.far = self.matrix.far_columns(self.X_mean)
        varying = [np.zeros(0, bool)]
        for features in self._blocks(self.far):
            columns = self.columns(features)
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

    def gradient(self, residual):
        """Return the gradient in W, given ``residual = target - columns W``.

        It is zero for constant columns.
        """
        weighted = self.root[:, None] * residual
        gradient = self.matrix.weighted_sums(weighted)
        gradient -= np.outer(self.X_mean, weighted.sum(axis=0))
        # There this difference would be rounding errors.
        gradient[self.constant] = 0
        for features in self._blocks(self.far):
            gradient[features] = self.columns(features).transposed_times(residual)
        return np.negative(gradient, out=gradient)

    def columns(self, features):
        """Return some centred and weighted columns."""
        return self.matrix.centred(features, self.X_mean[features], self.root)

    def intercept(self, features, rows):
        """Return the best intercept for the W with these rows at `features`."""
        return self.Y_mean - self.X_mean[features] @ rows

    def _blocks(self, features):
        """Cut features into blocks whose columns take little room."""
        step = max(1, BLOCK // len(self.root))
        return [features[k : k + step] for k in range(0, len(features), step)]
