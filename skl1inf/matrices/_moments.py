"""Weighted means and variances of columns, of some samples at a time."""

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

# Samples and features that are read at a time: in double precision they fit into the
# cache.
_SAMPLES, _FEATURES = 256, 512


@dataclass(frozen=True)
class Moments:
    """The weighted mean and variance of every column of some samples."""

    weight: float
    mean: np.ndarray
    variance: np.ndarray

    def __add__(self, other):
        r"""Return the moments of the samples of both [1]_.

        With the weights :math:`v` and :math:`w`, :math:`s = w / (v + w)` and
        :math:`d = m_w - m_v`, the mean is :math:`m_v + s d` and the variance
        :math:`(1 - s) \sigma_v^2 + s \sigma_w^2 + s (1 - s) d^2`.

        References
        ----------
        .. [1] T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a
           pairwise algorithm for computing sample variances", Stanford University
           report STAN-CS-79-773, 1979, equation 2.1.
        """
        weight = self.weight + other.weight
        share = other.weight / weight
        with np.errstate(over="ignore", invalid="ignore"):
            difference = other.mean - self.mean
            between = share * (1 - share) * difference**2
            within = (1 - share) * self.variance + share * other.variance
            mean = self.mean + share * difference
        return Moments(weight, mean, within + between)

    def statistics(self, n_samples):
        """Return mean, deviation, and what is constant up to rounding.

        The bound on the rounding is that of scikit-learn's StandardScaler.
        """
        eps = np.finfo(float).eps
        with np.errstate(over="ignore", invalid="ignore"):
            rounding = n_samples * eps * self.variance
            rounding += (n_samples * eps * self.mean) ** 2
        constant = (self.variance <= rounding) & np.isfinite(self.variance)
        return self.mean, np.where(constant, 1.0, self.variance**0.5), constant


def moments_of(X, weight):
    """Return the moments of the columns of an array, in double precision.

    The weights are positive. X needs no copy.
    """
    features = range(0, X.shape[1], _FEATURES)
    parts = [_of_features(X[:, i : i + _FEATURES], weight) for i in features]
    mean = np.concatenate([part.mean for part in parts])
    variance = np.concatenate([part.variance for part in parts])
    return Moments(parts[0].weight, mean, variance)


def _of_features(X, weight):
    starts = range(0, len(X), _SAMPLES)
    tiles = [(X[i : i + _SAMPLES], weight[i : i + _SAMPLES]) for i in starts]
    return reduce(add, (_of_tile(*tile) for tile in tiles))


def _of_tile(X, weight):
    total = weight.sum()
    share = weight / total
    with np.errstate(over="ignore", invalid="ignore"):
        X = X.astype(np.float64)
        mean = share @ X
        X -= mean
        return Moments(total, mean, share @ np.square(X, out=X))
