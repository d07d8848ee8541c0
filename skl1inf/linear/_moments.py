"""The equation of the linear model on a part of the samples, known by its moments.

The loss of `CentredLeastSquares` is quadratic in W. Where samples are many and features
few, the Gram matrix of all features takes less room than the samples, and no product
with X is needed any more. That of a training set is the matrix of all samples minus
that of the test set: the folds of a cross-validation share it.
"""

import numpy as np

EXPLAINED = 1e-12  # part of a square that is rounding after a subtraction


class Moments:
    """Sums over samples of the products of centred and weighted columns and targets.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, n_features)
    target : ndarray of shape (n_samples, n_targets)
    root : ndarray of shape (n_samples,)
        As in `CentredLeastSquares`.
    """

    def __init__(self, columns, target, root):
        self.gram = columns.T @ columns
        self.products = columns.T @ target
        self.square = np.vdot(target, target)
        self.column_sums, self.target_sums = root @ columns, root @ target
        self.weight = root @ root

    def without(self, part):
        """Return the moments of the samples that are not in a part."""
        rest = object.__new__(Moments)
        for name, value in vars(self).items():
            setattr(rest, name, value - getattr(part, name))
        return rest


class MomentLeastSquares:
    """The loss of `CentredLeastSquares` on samples of which the moments are known.

    Parameters
    ----------
    loss : CentredLeastSquares
        That of all samples.
    every, part : Moments
        Those of all samples, and of the samples that count.
    """

    def __init__(self, loss, every, part):
        self.n_features, self.n_targets = every.products.shape
        weight = part.weight
        self.gram, self.products = part.gram / weight, part.products / weight
        square = part.square / weight
        self.X_mean, self.Y_mean = loss.X_mean, loss.Y_mean
        if loss.fit_intercept:
            x, y = part.column_sums / weight, part.target_sums / weight
            self.gram -= np.outer(x, x)
            self.products -= np.outer(x, y)
            square -= y @ y
            self.X_mean, self.Y_mean = self.X_mean + x, self.Y_mean + y
        self._clear_constant(every)
        self.null_value = square / 2 if square > EXPLAINED * every.square else 0.0
        if self.null_value == 0:
            self.products[:] = 0
        self.size = 4 * self.gram.size  # the solver may take blocks of the Gram matrix

    def _clear_constant(self, every):
        """Set to zero what is rounding in the columns that are constant."""
        squares = np.diag(self.gram)
        self._varying = squares > EXPLAINED * np.diag(every.gram)
        self.gram[~self._varying] = 0
        self.gram[:, ~self._varying] = 0
        self.products[~self._varying] = 0

    def columns(self, features):
        """Return what is known of some columns."""
        return MomentColumns(
            self.gram[np.ix_(features, features)], self._varying[features]
        )

    def linear(self, features, columns):
        """Return the products of some columns with the targets."""
        return self.products[features]

    def at(self, features, columns, rows):
        """Return the gradient and the value at the W with these rows."""
        fitted = self.gram[:, features] @ rows
        gradient = fitted - self.products
        slope = np.vdot(gradient[features] - self.products[features], rows)
        return gradient, self.null_value + slope / 2

    def without_kept(self, chosen):
        """Return the features of a mask: none are kept here."""
        return np.flatnonzero(chosen)

    def with_kept(self, features, rows):
        """Return features and rows as they are: none are kept here."""
        return features, rows

    def intercept(self, features, rows):
        """Return the best intercept for the W with these rows at `features`."""
        return self.Y_mean - self.X_mean[features] @ rows


class MomentColumns:
    """Some columns of which the Gram matrix is known."""

    def __init__(self, gram, varying):
        self._gram, self._varying = gram, varying
        self.size = gram.size

    def gram(self):
        """Return ``columns' columns``."""
        return self._gram

    def squared_norms(self):
        """Return the diagonal of the Gram matrix."""
        return np.diag(self._gram).copy()

    def varying(self):
        """Return False where a column is constant up to rounding."""
        return self._varying


def losses_of_folds(loss, folds):
    """Return the loss of every training set by its moments, None where that costs more.

    It pays where the Gram matrices of all folds take no more room than X. Each test set
    must hold all samples that its training set lacks.
    """
    n_samples, n_features = loss.matrix.shape
    if (
        len(folds) * n_features > n_samples
        or loss.kept is not None
        or not loss.matrix.can_be_centred
        or not all(_is_complement(*fold, n_samples) for fold in folds)
    ):
        return [None] * len(folds)
    columns = loss.columns(np.arange(n_features))
    columns.array[:, ~columns.varying()] = 0
    samples = columns.array, loss.target, loss.root
    every = Moments(*samples)
    parts = [
        every.without(Moments(*(array[test] for array in samples))) for _, test in folds
    ]
    return [MomentLeastSquares(loss, every, part) for part in parts]


def _is_complement(train, test, n_samples):
    """Tell whether every sample is in one of both, once."""
    samples = np.arange(n_samples)
    both = np.concatenate([samples[train], samples[test]])
    return np.array_equal(np.sort(both), samples)
