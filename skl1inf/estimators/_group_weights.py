r"""The default weights of groups of features.

Without a signal, groups of any size shall be equally likely to be chosen first. At
``W = 0``, a group of m features has the dual size :math:`S = \sum_{i=1}^m \|a_i\|`,
with :math:`a_i` the covariances of feature i with q responses, and the group with the
largest :math:`S / w` is the first. On noise the shares of the variance of the responses
that a feature explains have a beta distribution: with :math:`\nu` degrees of freedom of
the samples,

.. math:: \|a_i\|^2 / \nu \sim \mathrm{Beta}(q / 2, (\nu - q) / 2).

With the distribution functions :math:`F_g` of the G sums, the weights solve

.. math:: P(\text{group } g \text{ is the first}) = \int \prod_{k \ne g} F_k(w_k t) \,
   d F_g(w_g t) = \frac{1}{G} \quad \text{for every } g,

with the weight 1 for a feature alone. That brings the upper quantiles together at the
levels which the largest of all groups has.

Correlated features vary together, and their sum varies more. With correlations
:math:`\rho_{ik}` of the features, :math:`\|a_i\|^2` and :math:`\|a_k\|^2` have the
correlation :math:`(\nu \rho_{ik}^2 - 1) / (\nu - 1)` (fourth moments of a uniform
direction). The mean of the m norms then varies as one of so many independent norms:

.. math:: m_e = \frac{m^2 (\nu - 1)}{\nu \sum_{i,k} \rho_{ik}^2 - m^2},
   \qquad S \approx \frac{m}{m_e} S_e,

:math:`S_e` being the sum of :math:`m_e` independent norms. Copies of one feature have
:math:`m_e = 1` and :math:`w = m`.

The distribution function of :math:`S_e` is the saddle-point approximation of Lugannani
and Rice ("Saddle point approximation for the distribution of the sum of independent
random variables", Advances in Applied Probability 12, 1980, 475-490), which allows
:math:`m_e` that are no integers.
"""

import numpy as np
from scipy import special, stats

from ._interaction_tests import effective_size

# Points of the quadrature, of the saddle points, and of the largest dual size.
_N_NODES, _N_POINTS = 400, 300

# Effective sizes that differ by less than this share are taken together.
_ALIKE = 0.005

# Newton's method stops where the probabilities are so near to one another.
_TOLERANCE, _MAX_ITER = 1e-3, 20


def default_weights(groups, columns, sample_weight, degrees):
    """Return the default weight of every group, 1 for one without features.

    Parameters
    ----------
    groups : list of ndarray of int
        The features of every group, without the constant ones.
    columns : callable
        ``columns(j)`` returns the features of the indices ``j``, an ndarray of shape
        (n_samples, len(j)).
    sample_weight : ndarray of shape (n_samples,)
        Positive weights of the samples.
    degrees : float
        Number of independent responses: see `degrees_of_freedom`.

    Returns
    -------
    weights : ndarray of shape (n_groups,)
    """
    sizes = np.array([len(group) for group in groups], dtype=float)
    several = np.flatnonzero(sizes > 1)
    weights = np.ones(len(groups))
    if len(several) == 0:
        return weights
    freedom = max(effective_size(sample_weight) - 1, degrees + 2)
    effective = np.ones(len(groups))
    for i in several.tolist():
        X = columns(groups[i])
        effective[i] = n_independent(X, sample_weight, freedom)
    balanced = balanced_weights(effective[sizes > 0], degrees, freedom)
    weights[sizes > 0] = sizes[sizes > 0] / effective[sizes > 0] * balanced
    return weights


def n_independent(X, sample_weight, freedom):
    """Return how many independent columns vary as much, on average, as those of `X`."""
    weight = sample_weight / sample_weight.sum()
    X = X.astype(np.float64)
    X -= weight @ X
    X *= np.sqrt(weight)[:, np.newaxis]
    X /= np.linalg.norm(X, axis=0)
    gram = X.T @ X if X.shape[0] > X.shape[1] else X @ X.T
    m = X.shape[1]
    together = (freedom * np.square(gram).sum() - m**2) / (freedom - 1)
    return np.clip(m**2 / max(together, m), 1.0, m)


def degrees_of_freedom(responses, sample_weight):
    """Return how many independent responses vary as much as correlated ones.

    With the covariance C of the responses it is ``tr(C)^2 / tr(C^2)``: one for two
    classes, and one less than their number for classes of equal size.
    """
    weight = sample_weight / sample_weight.sum()
    centred = responses - weight @ responses
    # Of numbers near 1 no square leaves the range.
    centred /= np.abs(centred).max(initial=np.finfo(float).tiny)
    covariance = (weight[:, np.newaxis] * centred).T @ centred
    return covariance.trace() ** 2 / np.square(covariance).sum()


def balanced_weights(sizes, degrees, freedom):
    """Return weights with which sums of independent norms are equally often the first.

    Parameters
    ----------
    sizes : ndarray of shape (n_groups,)
        How many norms each sum has, at least 1.
    degrees, freedom : float
        The parameters q and nu of the beta distribution.

    Returns
    -------
    weights : ndarray of shape (n_groups,)
        Relative to that of a sum of one norm.
    """
    places = np.append(0, np.rint(np.log(sizes) / _ALIKE)).astype(int)
    places, counts = np.unique(places, return_counts=True)
    counts[0] = max(1, counts[0] - 1)  # a feature alone takes part, for comparison
    knots = np.exp(_ALIKE * places)
    cumulants = _cumulants(degrees, freedom, counts.sum())
    tails = [_log_tail(m, *cumulants) for m in knots]
    top = tails[0][0][-1]
    t = np.linspace(0, 1, _N_POINTS + 1)[1:] * top
    log_weights = np.log(
        [np.interp(np.log(counts.sum() + 1), -log_p, x) for x, log_p in tails]
    )
    log_weights -= log_weights[0]
    for _ in range(_MAX_ITER):
        log_F = _log_cdf(tails, log_weights, t)
        first = _log_probability(log_F, counts @ log_F)
        shifted = _log_cdf(tails, log_weights + 1e-4, t)
        slope = (_log_probability(shifted, counts @ log_F) - first) / 1e-4
        excess = first - np.log(counts @ np.exp(first) / counts.sum())
        log_weights -= np.clip(excess / slope, -0.3, 0.3)
        log_weights -= log_weights[0]
        if np.ptp(excess) < _TOLERANCE:
            break
    relative = np.interp(np.log(sizes), np.log(knots), log_weights - np.log(knots))
    return np.where(sizes == 1, 1.0, sizes * np.exp(relative))


def _log_cdf(tails, log_weights, t):
    """Return ``log F(w t)`` of every sum."""
    rows = [
        np.interp(w * t, x, log_p)
        for (x, log_p), w in zip(tails, np.exp(log_weights), strict=True)
    ]
    return np.log(-np.expm1(np.minimum(rows, -1e-15)))


def _log_probability(log_F, log_F_all):
    """Return the logarithm of ``integral F_all d(log F)``, that a sum is the first."""
    middle = (np.exp(log_F_all[1:]) + np.exp(log_F_all[:-1])) / 2
    return np.log(np.diff(log_F) @ middle + 1e-300)


def _cumulants(degrees, freedom, n_groups):
    """Return points s, and K(s), K'(s), K''(s) of the cumulant function of a norm.

    The tilted density is integrated numerically. The points reach far enough for the
    largest of all.
    """
    share = stats.beta(degrees / 2, (freedom - degrees) / 2)
    nodes, weights = np.polynomial.legendre.leggauss(_N_NODES)
    top = np.sqrt(share.isf(1e-14))
    x = top * (nodes + 1) / 2
    # The density of the root of the share.
    log_density = share.logpdf(x**2) + np.log(2 * x * weights * top / 2)
    # Near 0 it goes like x^(q - 1), of which the quadrature misses some for 1 < q < 2.
    log_density -= special.logsumexp(log_density)
    x *= np.sqrt(freedom)
    far = 4 * np.sqrt(freedom * share.isf(1e-3 / n_groups))
    s = np.geomspace(1e-3, far, _N_POINTS)
    s = np.concatenate([-s[::-1], s])
    exponent = s[:, np.newaxis] * x + log_density
    cumulant = special.logsumexp(exponent, axis=1)
    tilted = np.exp(exponent - cumulant[:, np.newaxis])
    mean = tilted @ x
    return s, cumulant, mean, tilted @ x**2 - mean**2


def _log_tail(m, s, cumulant, mean, variance):
    """Return points x, and the log-probability that a sum of m norms exceeds them.

    ``P(S > m K'(s)) = 1 - Phi(r) + phi(r) (1 / u - 1 / r)``.
    """
    r = np.sign(s) * np.sqrt(2 * m * np.maximum(s * mean - cumulant, 0))
    u = s * np.sqrt(m * variance)
    seen = np.abs(r) < 8
    x, r, u = m * mean[seen], r[seen], u[seen]
    p = special.ndtr(-r) + stats.norm.pdf(r) * (1 / u - 1 / r)
    return x, np.log(np.minimum.accumulate(np.clip(p, 1e-300, 1)))
