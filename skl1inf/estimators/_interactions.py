"""A screen for features that matter only together: their squares and products of two.

Training starts from the gradient at zero weights, which sees a feature only where its
mean depends on the target. The sign of a product, or the distance from a centre, leaves
every mean as it is. This screen tests squares and products themselves.

Every column is replaced by its ranks. They are bounded, so that heavy tails, outliers
and rare values raise no false alarm. Three kinds of terms are tested:

- the square of the ranks of a feature,
- the product of the ranks of two features,
- the products of the distances of two features from their medians, and of polynomials
  in these: they see a ring around a centre, which the products of the ranks do not.

Classes. The ranks in a product are those within the classes, so that its mean in a
class is Spearman's correlation there. The test asks whether the correlations differ
between the classes: where a class only shifts or stretches a column they do not. For a
square, the test asks whether its mean differs between the classes, given the ranks.

Numbers and martingale residuals. The terms have to be correlated with the ranks of the
response, given smooth functions of each of the two features.

A term is only reported if it depends on the target more than its features do alone.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ._interaction_tests import (
    DEGREE,
    DISTANCES,
    SQUARE,
    ClassTests,
    NumberTests,
    distance_polynomials,
    effective_size,
    orthonormal_basis,
    outer_products,
    ranks_of,
    residual,
)

N_INTERACTING = 10

# The chance of any candidate where no feature matters. The kinds of terms share it.
_ALPHA = 0.05

# At most so many multiplications for each kind of product, and so many pairs: with
# 1,000 samples, all pairs of 3,162 features. Beyond, one feature of every pair is among
# the most important.
_WORK, _PAIRS = 5 * 10**9, 10**7

# At most so many ranks and distances are kept, in float32. A tile of pairs has so many
# rows and columns.
_KEPT, _ROWS, _COLUMNS = 2**26, 1024, 256

# So many of the best pairs have their terms tested one by one, so many at a time.
_BEST, _TESTED = 512, 128

# A square or product adds nothing to a better one with which it is so correlated.
_SIMILAR = 0.8

# An interaction has to be worth a place among so many of the most important features:
# its term depends on the target at least as much as half of them do alone, and so many
# times as much as its own features do.
_IMPORTANT, _TOGETHER = 20, 2


@dataclass(frozen=True)
class Interactions:
    """The squares and products on which the target depends.

    Attributes
    ----------
    pairs : ndarray of shape (n_terms, 2)
        The features of each term, the strongest term first. A square is a pair of a
        feature with itself.
    terms : ndarray of shape (n_samples, n_terms)
        The squares and products of ranks, the same for all classes. Of several products
        of a pair, the combination that varies most with the target.
    """

    pairs: np.ndarray
    terms: np.ndarray

    @classmethod
    def none(cls, n_samples):
        """Return no interactions."""
        return cls(np.empty((0, 2), dtype=int), np.empty((n_samples, 0)))

    @property
    def features(self):
        """The different features, in the order of `pairs`."""
        return np.array(list(dict.fromkeys(self.pairs.ravel().tolist())), dtype=int)


def find_interactions(columns, n_features, responses, weight, important):
    """Find squares of features, and products of two, on which the target depends.

    Parameters
    ----------
    columns : callable
        ``columns(j)`` returns the features of the indices ``j``, an ndarray of shape
        (n_samples, len(j)).
    n_features : int
        Number of features.
    responses : ndarray of shape (n_samples, n_responses)
        Indicators of the classes, numbers, or martingale residuals.
    weight : ndarray of shape (n_samples,)
        Positive weights of the samples. Whole numbers count repetitions; others count
        as Kish's effective number of samples.
    important : ndarray of int
        Features, the most important first. Where there are too many pairs, only the
        first of them are paired with all.

    Returns
    -------
    interactions : Interactions
        Of at most ten features. Where no feature matters, there are any with a
        probability of at most 0.05.

    Notes
    -----
    The features that are paired with all are held as ranks and distances in float32,
    at most 2**26 numbers, and 256 other columns at a time.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 30))
    >>> responses = np.eye(2)[(X[:, 3] * X[:, 8] > 0).astype(int)]
    >>> found = find_interactions(
    ...     lambda j: X[:, j], 30, responses, np.ones(200), np.arange(30)
    ... )
    >>> found.features
    array([3, 8])
    """
    others = np.setdiff1d(np.arange(n_features), important)
    features = np.append(important, others).astype(int)
    weight = np.asarray(weight, dtype=np.float64)
    if _are_indicators(responses):
        test = ClassTests(responses.argmax(axis=1), weight)
    else:
        # What these explain is noise to all others.
        n_explaining = min(_IMPORTANT, int(effective_size(weight)) // 10)
        explaining = columns(features[:n_explaining])
        test = NumberTests(responses, explaining, weight)
    found = _strongest(_candidates(test, columns, features), test, columns)
    terms = [_term(columns(p).T, kind, weight, responses) for *p, kind in found]
    terms = np.array(terms).reshape(-1, len(weight))
    pairs = np.array([pair for *pair, _ in found], dtype=int).reshape(-1, 2)
    needed = _dependence_needed(pairs, columns, features, responses, weight)
    strong = _dependence(terms, responses, weight) >= needed
    return Interactions(pairs[strong], terms[strong].T)


def _dependence_needed(pairs, columns, features, responses, weight):
    """Return how much the term of each pair has to depend on the target."""

    def alone(j):
        return _dependence(ranks_of(columns(j).T, weight), responses, weight)

    important = np.median(alone(features[:_IMPORTANT]))
    own = alone(pairs.ravel()).reshape(-1, 2).max(axis=1)
    return np.maximum(important, _TOGETHER * own)


def _are_indicators(responses):
    """Return whether every row has a single 1 and is 0 elsewhere."""
    is_one, is_zero = responses == 1, responses == 0
    single = is_one.sum(axis=1) == 1
    return responses.shape[1] > 1 and bool(single.all() and (is_one | is_zero).all())


def _candidates(test, columns, features):
    """Return the significant terms: (score, first, second, kind, level)."""
    n_features = len(features)
    n_kept = _number_kept(n_features, len(test.weight), test.n_multiplied)
    n_pairs = n_kept * n_features - n_kept * (n_kept + 1) // 2
    bests = _Best(test, n_features), _Best(test, n_pairs), _Best(test, n_pairs)
    _screen(test, columns, features, n_kept, bests)
    bests[DISTANCES].revise(test, columns)
    found = []
    for kind, best in enumerate(bests):
        level = _ALPHA / len(bests) / max(1, best.n_pairs)
        df = test.df * (DEGREE**2 if kind == DISTANCES else 1)
        significant = best.statistic > stats.chi2.isf(level, df)
        scores = _normal_score(best.statistic[significant], df).tolist()
        pairs = best.pairs[significant].tolist()
        found += [(s, *p, kind, level) for s, p in zip(scores, pairs, strict=True)]
    return found


def _screen(test, columns, features, n_kept, bests):
    """Find the best squares, products and products of distances.

    Features come by blocks. Every one is paired with those kept of the ones before it.
    """
    kept = np.empty((2, n_kept, len(test.weight)), dtype=np.float32)
    for start in range(0, len(features), _COLUMNS):
        block = features[start : start + _COLUMNS]
        statistic, factors = test.prepare(np.ascontiguousarray(columns(block).T))
        bests[SQUARE].add(np.diag(statistic), block, block)
        stop = min(start + len(block), n_kept)
        kept[:, start:stop] = factors[:, : max(0, stop - start)]
        for first in range(0, stop, _ROWS):
            last = min(first + _ROWS, stop)
            place = np.arange(first, last)[:, np.newaxis] - start
            before = place < np.arange(len(block))  # every pair once
            for best, A, B in zip(bests[1:], kept, factors, strict=True):
                statistic = test.products(A[first:last], B) * before
                best.add(statistic, features[first:last], block)


def _number_kept(n_features, n_samples, n_multiplied):
    """Return how many features can be paired with all."""
    n_pairs = min(_PAIRS, _WORK // (n_samples * n_multiplied))
    # Pairs with one of k features: k n_features - k^2 / 2, about.
    n_kept = n_features - np.sqrt(max(0, n_features**2 - 2 * n_pairs))
    return max(1, min(int(n_kept), _KEPT // (2 * n_samples)))


class _Best:
    """The pairs of features with the largest statistics, of one term each."""

    def __init__(self, test, n_pairs):
        self.n_pairs = n_pairs
        # Chance alone exceeds the limit for a few times as many as wanted.
        self.limit = stats.chi2.isf(min(1.0, 4 * _BEST / max(1, n_pairs)), test.df)
        self.statistic, self.pairs = np.empty(0), np.empty((0, 2), dtype=int)

    def add(self, statistic, first, second):
        """Add the pairs of the rows, `first`, and the columns, `second`."""
        i, j = np.nonzero(statistic > self.limit)
        if len(i) == 0:
            return
        self.statistic = np.append(self.statistic, statistic[i, j])
        self.pairs = np.vstack([self.pairs, np.column_stack([first[i], second[j]])])
        best = np.argsort(-self.statistic, kind="stable")[:_BEST]
        self.statistic, self.pairs = self.statistic[best], self.pairs[best]
        if len(best) == _BEST:
            self.limit = self.statistic[-1]

    def revise(self, test, columns):
        """Replace the statistics by those of all products of distances."""
        for start in range(0, len(self.pairs), _TESTED):
            part = slice(start, start + _TESTED)
            first, second = (columns(j).T for j in self.pairs[part].T)
            self.statistic[part] = test.distances(first, second)


def _normal_score(statistic, df):
    """Return what is comparable for all df (Wilson and Hilferty, PNAS 1931)."""
    return (np.cbrt(statistic / df) - 1 + 2 / (9 * df)) / np.sqrt(2 / (9 * df))


def _strongest(found, test, columns):
    """Return the terms that pass again and are not alike: (first, second, kind)."""
    terms, features, variates = [], set(), []
    for _, first, second, kind, level in sorted(found, reverse=True)[:_TESTED]:
        p_value, variate = test.again(columns([first, second]).T, kind)
        if p_value > level or any(abs(variate @ v) > _SIMILAR for v in variates):
            continue
        features |= {first, second}
        if len(features) > N_INTERACTING:
            break
        terms.append((first, second, kind))
        variates.append(variate)
    return terms


def _term(X, kind, weight, responses):
    """Return the square or product of two rows, the same function for all classes."""
    ranks, share = ranks_of(X, weight), weight / weight.sum()
    if kind != DISTANCES:
        return ranks[0] * ranks[1]
    P = distance_polynomials(ranks, share, DEGREE)
    terms = outer_products(P[:, 0], P[:, 1])
    terms -= (terms @ share)[:, np.newaxis]
    U, _, _ = np.linalg.svd((terms * share) @ responses)
    return U[:, 0] @ terms


def _dependence(rows, responses, weight):
    """Return the share of the variance of rows that the responses explain."""
    root = np.sqrt(weight / weight.sum())
    ones = root[np.newaxis]
    rows, responses = (residual(root * x, ones) for x in (rows, responses.T))
    left = residual(rows, orthonormal_basis(responses, responses))
    total = np.vecdot(rows, rows)
    return 1 - np.divide(
        np.vecdot(left, left), total, out=np.ones_like(total), where=total > 1e-12
    )
