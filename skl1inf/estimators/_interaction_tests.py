"""The tests of squares and products of ranks: against classes and against numbers."""

from itertools import pairwise

import numpy as np
from scipy import stats

# The kinds of terms.
SQUARE, PRODUCT, DISTANCES = 0, 1, 2

# Several numbers are reduced to so many principal components.
_COMPONENTS = 4


class ClassTests:
    """Tests whether the mean of a term differs between classes."""

    n_multiplied = 1  # for every sample and pair

    def __init__(self, codes, weight):
        self.order = np.argsort(codes, kind="stable")
        codes, self.weight = codes[self.order], weight[self.order]
        bounds = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
        self.classes = [slice(*b) for b in pairwise(bounds)]
        self.df = max(1, len(self.classes) - 1)
        self.sizes = np.array([effective_size(self.weight[c]) for c in self.classes])
        share = [self.weight[c] / self.weight[c].sum() for c in self.classes]
        self.share, counts = np.concatenate(share), np.diff(bounds)
        self.root = np.sqrt(self.share * np.repeat(self.sizes, counts))
        self.indicators = (codes[:, np.newaxis] == codes[bounds[:-1]]).astype(float)
        # The inverse variance of Spearman's correlation of independent columns.
        self.precision = np.maximum(self.sizes - 1, 0)
        self.factor = np.sqrt(self.share * np.repeat(np.sqrt(self.precision), counts))

    def prepare(self, X):
        """Return the statistics of the squares of rows, and what is multiplied.

        A statistic is the sum of squares between the means of the classes.
        """
        X = X[:, self.order]
        squares = squares_of(ranks_of(X, self.weight))
        means = np.column_stack([squares[:, c] @ self.share[c] for c in self.classes])
        ranks = self._ranks(X)
        factors = np.stack([ranks, *self._distances(ranks, 1)]) * self.factor
        return _between(means.T, self.sizes), factors.astype(np.float32)

    def products(self, A, B):
        """Return the statistics of the products of rows of A with rows of B."""
        total, squares = 0.0, 0.0
        for c, precision in zip(self.classes, self.precision, strict=True):
            G = A[:, c] @ B[:, c].T  # the correlation over its standard deviation
            total = total + np.float32(np.sqrt(precision)) * G
            squares = squares + np.square(G, out=G)
        return squares - total**2 / np.float32(max(1, self.precision.sum()))

    def distances(self, first, second):
        """Return the statistics of all products of distances of pairs of rows."""
        first, second = (
            self._distances(self._ranks(X[:, self.order]), DEGREE)
            for X in (first, second)
        )
        statistic = 0.0
        for a in first:
            for b in second * self.share:
                means = [np.vecdot(a[:, c], b[:, c]) for c in self.classes]
                statistic = statistic + _between(np.stack(means), self.precision)
        return statistic

    def again(self, X, kind):
        """Return the p-value with an estimated variance, and the canonical variate."""
        X = X[:, self.order]
        ones = np.ones((1, X.shape[1]))
        if kind == SQUARE:
            ranks = ranks_of(X[:1], self.weight)
            return self._test(squares_of(ranks), np.vstack([ones, ranks]))
        ranks = self._ranks(X)
        if kind == PRODUCT:
            return self._test(ranks[:1] * ranks[1:], ones)
        P = self._distances(ranks, DEGREE)
        return self._test(outer_products(P[:, 0], P[:, 1]), ones)

    def _test(self, terms, given):
        indicators = self.indicators.T
        return _analysis_of_variance(
            terms, indicators, given, self.root, self.sizes.sum()
        )

    def _ranks(self, X):
        """Return the ranks within the classes."""
        return np.hstack([ranks_of(X[:, c], self.weight[c]) for c in self.classes])

    def _distances(self, ranks, degree):
        parts = [
            distance_polynomials(ranks[:, c], self.share[c], degree)
            for c in self.classes
        ]
        return np.concatenate(parts, axis=2)


class NumberTests:
    """Tests whether a term is correlated with numbers.

    The numbers are the ranks of what the features `explaining` leave of them.
    """

    def __init__(self, numbers, explaining, weight):
        self.weight, self.size = weight, effective_size(weight)
        self.share = weight / weight.sum()
        self.root = np.sqrt(self.share)
        given = self.root * np.vstack([np.ones(len(weight)), explaining.T])
        centred = self.root * (numbers - self.share @ numbers).T
        left = residual(centred, orthonormal_basis(given, given))
        _, s, components = np.linalg.svd(left, full_matrices=False)
        components = components[s > 1e-6 * np.linalg.norm(centred)][:_COMPONENTS]
        self.T = ranks_of(components / self.root, weight)
        self.df = self.n_multiplied = max(1, len(self.T))

    def prepare(self, X):
        """Return the statistics of the squares of rows, and what is multiplied.

        A statistic is the sum of the squared covariances over their variance.
        """
        ranks = ranks_of(X, self.weight)
        covariances = squares_of(ranks) @ (self.share * self.T).T
        statistic = self.size * np.square(covariances).sum(axis=1)
        factors = np.stack([ranks, *distance_polynomials(ranks, self.share, 1)])
        factors *= self.root * self.size**0.25
        return statistic, factors.astype(np.float32)

    def products(self, A, B):
        """Return the statistics of the products of rows of A with rows of B."""
        statistic = np.zeros((len(A), len(B)), dtype=np.float32)
        for t in self.T.astype(np.float32):
            statistic += np.square(A @ (B * t).T)
        return statistic

    def distances(self, first, second):
        """Return the statistics of all products of distances of pairs of rows."""
        first, second = (
            distance_polynomials(ranks_of(X, self.weight), self.share, DEGREE)
            for X in (first, second)
        )
        weighted = (self.share * self.T).T
        terms = ((a * b) @ weighted for a in first for b in second)
        return self.size * sum(np.square(term).sum(axis=1) for term in terms)

    def again(self, X, kind):
        """Return the p-value given the features, and the canonical variate."""
        ranks = ranks_of(X, self.weight)
        P = distance_polynomials(ranks, self.share, DEGREE)
        given = [np.ones((1, X.shape[1])), _without_tails(X, ranks), ranks]
        if kind == SQUARE:
            terms = squares_of(ranks[:1])
        else:
            given += [*P]
            two = kind == DISTANCES
            terms = outer_products(P[:, 0], P[:, 1]) if two else ranks[:1] * ranks[1:]
        root = self.root * np.sqrt(self.size)
        return _analysis_of_variance(terms, self.T, np.vstack(given), root, self.size)


def _between(means, sizes):
    """Return the sum of squares between means, (n_classes, n_terms)."""
    return sizes @ means**2 - (sizes @ means) ** 2 / max(1, sizes.sum())


_LARGEST = np.sqrt(3)  # rank, so that the variance is 1
DEGREE = 3


def ranks_of(X, weight):
    """Return the ranks of rows, from -sqrt(3) to sqrt(3), the same for what is equal.

    A sample of weight 2 takes two ranks.
    """
    order = np.argsort(X, axis=1)
    X = np.take_along_axis(X, order, axis=1)
    weight = weight[order]
    upper = weight.cumsum(axis=1)
    lower = upper - weight
    equal = X[:, 1:] == X[:, :-1]
    if equal.any():
        lower[:, 1:][equal] = 0.0
        lower = np.maximum.accumulate(lower, axis=1)
        upper[:, :-1][equal] = np.inf
        upper = np.minimum.accumulate(upper[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(X.shape)
    middle = (lower + upper) / weight.sum(axis=1, keepdims=True) - 1
    np.put_along_axis(ranks, order, _LARGEST * middle, axis=1)
    return ranks


def squares_of(ranks):
    """Return the squares, with variance 1 where there are no ties."""
    return (ranks**2 - 1) / np.sqrt(0.8)


def distance_polynomials(ranks, share, degree):
    """Return polynomials in the distances of rows from their medians.

    They have mean 0, and no combination of them has a variance above 1. Without ties
    they are Legendre's polynomials. Where a column has few values, these depend on each
    other.

    Parameters
    ----------
    ranks : ndarray of shape (n_rows, n_samples)
    share : ndarray of shape (n_samples,)
        Weights that sum to 1.
    degree : {1, 3}

    Returns
    -------
    P : ndarray of shape (degree, n_rows, n_samples)
    """
    d = 2 * np.abs(ranks) / _LARGEST - 1  # from -1 to 1
    P = [np.sqrt(3) * d]
    if degree > 1:
        square = d * d
        P += [np.sqrt(5) * (1.5 * square - 0.5), np.sqrt(7) * d * (2.5 * square - 1.5)]
    P = np.stack(P, axis=1)  # (n_rows, degree, n_samples)
    P -= (P @ share)[:, :, np.newaxis]
    variance, vectors = np.linalg.eigh((P * share) @ P.mT)
    vectors_scaled = vectors / np.sqrt(variance.clip(1))[:, np.newaxis]
    return (vectors_scaled @ vectors.mT @ P).swapaxes(0, 1)


def outer_products(P, Q):
    """Return the products of all rows of P with all rows of Q."""
    return (P[:, np.newaxis] * Q).reshape(-1, P.shape[1])


def _without_tails(X, ranks):
    """Return the rows, without what lies beyond the innermost 95 %."""
    inner = np.abs(ranks) <= 0.95 * _LARGEST
    low = np.where(inner, X, np.inf).min(axis=1, keepdims=True)
    high = np.where(inner, X, -np.inf).max(axis=1, keepdims=True)
    X = np.clip(X, low, high)
    return X - X.mean(axis=1, keepdims=True)


def _analysis_of_variance(terms, responses, given, root, size):
    """Test whether rows of terms are correlated with responses, given other rows.

    Of several terms, the sums of squares are added. The F distribution is that of Box's
    approximation for correlated terms ("Some theorems on quadratic forms applied in the
    study of analysis of variance problems", Annals of Mathematical Statistics 25,
    1954).

    Parameters
    ----------
    terms, responses, given : ndarray of shape (n_rows, n_samples)
        What is tested; the rows `given` include a constant.
    root : ndarray of shape (n_samples,)
        The square roots of the weights, whose sum is `size`.
    size : float
        How many samples the weights stand for.

    Returns
    -------
    p_value : float
    variate : ndarray of shape (n_samples,)
        The combination of the terms with the largest covariance with the responses,
        with norm 1.
    """
    terms, responses, given = (root * rows for rows in (terms, responses, given))
    given = orthonormal_basis(given, given)
    responses = orthonormal_basis(residual(responses, given), responses)
    df_left = size - len(given) - len(responses)
    terms = residual(terms, given)
    explained = terms @ responses.T
    between = np.sum(explained**2)
    left = terms - explained @ responses
    covariance = left @ left.T / max(df_left, 1)
    variance = covariance.trace()
    if df_left <= 0 or between <= 1e-12:
        return 1.0, np.zeros(len(root))
    U, _, _ = np.linalg.svd(explained)
    variate = U[:, 0] @ terms
    variate /= np.linalg.norm(variate)
    if variance <= 1e-12 * between:
        return 0.0, variate
    n_terms = variance**2 / np.sum(covariance**2)  # were they not correlated
    df = n_terms * len(responses), n_terms * df_left
    return stats.f.sf(between / variance / len(responses), *df), variate


def residual(rows, basis):
    """Return rows without their projection on the span of orthonormal ones."""
    return rows - rows @ basis.T @ basis


def orthonormal_basis(rows, scale):
    """Return orthonormal rows that span some; what is next to nothing counts as zero.

    `scale` are as many rows that say what is next to nothing.
    """
    norms = np.linalg.norm(scale, axis=1, keepdims=True)
    rows = rows / np.where(norms > 0, norms, 1)
    _, s, basis = np.linalg.svd(rows, full_matrices=False)
    return basis[s > 1e-6]


def effective_size(weight):
    """Return how many samples the weights stand for."""
    if (weight == np.round(weight)).all():
        return weight.sum()
    return weight.sum() ** 2 / (weight**2).sum()
