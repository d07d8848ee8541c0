"""The order of the best features, by backward elimination.

Importances rate a feature among many others. A short list needs features that do well
together. So the best features leave one by one: always the one that a ridge regression
needs least. Groups leave whole; kept features stay in the regression for good.
"""

import numpy as np
from scipy import linalg

from ..targets import Target
from ._interaction_tests import effective_size
from ._interactions import Interactions, find_interactions
from ._units import Units

# So many features are put in order by elimination, unless the target says otherwise.
N_ORDERED = Target.n_ordered

# With many classes each needs features of its own: of three times as many features as
# classes, elimination without products chooses those that are put in order.
_PER_CLASS = 3

# Groups are put in order as long as they have at most so many features together, and
# with the products of their features up to so many.
_MOST_FEATURES, _MOST_WITH_PRODUCTS = 500, 2 * N_ORDERED

# Interactions are looked for where there are so many samples: with fewer, hardly any
# product of two among thousands of features can be told from chance. And where the
# matrix has at most so many entries: beyond, the screen takes longer than the fit.
_ENOUGH_SAMPLES, _MOST_ENTRIES = 200, 2**24

# So many samples put the best features in order nearly as all do.
_MOST_SAMPLES = 2**16

# Saliencies count as tied, and columns as copies, where they differ by less.
_TIED = 1e-9

# Samples whose products are held at a time.
_CHUNK = 4096


def best_first(selections, problem, interactions, units=None):
    """Return the features, the best first: the most important by elimination.

    Features that matter only together are eliminated with the most important ones.

    Parameters
    ----------
    selections : sequence of Selection
        The importances of the features.
    problem : Problem
        The data. Without a target, the features are in order of importance.
    interactions : "auto" or bool
        Whether to look for features that matter only together.
    units : Units, default=None
        The groups that are ordered whole, and the kept features, which come first. None
        means that every feature is alone and none is kept.

    Returns
    -------
    orders : list of ndarray of shape (n_features,)
        An order a selection. A feature without importance does not overtake one with,
        unless it matters together with another.
    interacting : ndarray of shape (n_features,)
        Mask of the features that matter together, and of those in their groups.
    """
    n_features = problem.matrix.shape[1]
    units = Units.alone(n_features) if units is None else units
    by_importance = [units.order(selection) for selection in selections]
    responses = problem.target.responses()
    if responses is None:
        interacting, orders = np.zeros(n_features, dtype=bool), by_importance
    else:
        elimination = _Elimination(problem, responses, units)
        # The importances only matter where there are too many pairs.
        important = units.expand(by_importance[0], selections[0].order)
        elimination.look_for(important[~units.kept[important]], interactions)
        interacting = np.isin(units.leader, elimination.interacting)
        totals = [units.totals(selection.importances) for selection in selections]
        orders = [
            elimination.order(of_all, total[of_all] > 0)
            for of_all, total in zip(by_importance, totals, strict=True)
        ]
    return [
        units.expand(order, selection.order)
        for order, selection in zip(orders, selections, strict=True)
    ], interacting


class _Elimination:
    """What the elimination of several selections shares."""

    def __init__(self, problem, responses, units):
        self.problem, self.units = problem, units
        self.samples, self.weight = _enough_samples(problem.target)
        self.responses = responses[self.samples]
        kept = np.flatnonzero(units.kept)
        self.fixed = self._columns(kept) if len(kept) else None
        self.eliminated = {}  # selections often have the same best features

    def look_for(self, important, interactions):
        """Find the squares and products that matter, of features that vary."""
        problem = self.problem
        n_samples, n_features = problem.matrix.shape
        if interactions == "auto":
            small = n_samples * n_features <= _MOST_ENTRIES
            interactions = small and n_samples >= _ENOUGH_SAMPLES
        self.found = Interactions.none(len(self.weight))
        if interactions:
            varies = (problem.inverse_scale > 0) & ~self.units.kept
            self.found = find_interactions(
                lambda features: self._columns(features) * varies[features],
                n_features,
                self.responses,
                self.weight,
                important,
            )
        self.interacting = self.units.containing(self.found.features)

    def order(self, by_importance, important):
        """Return the units, the best first: the interacting and most important ones.

        `by_importance` are all units in order, `important` the mask of those of them
        that have any importance.
        """
        others = by_importance[important]
        others = others[~np.isin(others, self.interacting)]
        candidates = self._candidates(others)
        key = candidates.tobytes()
        if key not in self.eliminated:
            self.eliminated[key] = self._eliminate(candidates)
        best = self.eliminated[key]
        return np.append(best, by_importance[~np.isin(by_importance, best)])

    def _columns(self, features):
        columns = self.problem.matrix.columns(features, self.samples)
        return columns.astype(np.float64)

    def _candidates(self, important):
        """Return the units to put in order, ascending.

        They are the interacting ones and the most important others. Exact copies of
        better features stay behind: they add nothing.
        """
        classes = self.problem.target.classes
        n_ordered = self.problem.target.n_ordered
        n_wanted = max(n_ordered, 0 if classes is None else _PER_CLASS * len(classes))
        candidates = np.append(self.interacting, important)[: 3 * n_wanted]
        n_features = np.cumsum(self.units.size[candidates])
        candidates = candidates[n_features <= max(_MOST_FEATURES, 3 * n_wanted)]
        candidates = self._distinct(candidates)[:n_wanted]
        if len(candidates) > n_ordered:
            inside = np.isin(candidates, self.interacting)
            others = np.sort(candidates[~inside])
            order = self._eliminate(others, with_products=False)
            n_left = n_ordered - inside.sum()
            candidates = np.append(candidates[inside], order[:n_left])
        return np.sort(candidates)

    def _distinct(self, candidates):
        """Return the units without those that are copies of others before them."""
        features, places = self._features(candidates)
        Z, weight = _standardize(self._columns(features), self.weight)
        alike = np.abs((weight[:, np.newaxis] * Z).T @ Z) > 1 - _TIED
        copies = (alike & (places[:, np.newaxis] < places)).any(axis=0)
        n_others = np.bincount(places, ~copies, len(candidates))
        return candidates[n_others > 0]

    def _features(self, candidates):
        """Return the features of units, and the place of the unit of each."""
        features = self.units.features_of(candidates)
        ascending = np.argsort(candidates)
        leaders = self.units.leader[features]
        return features, ascending[
            np.searchsorted(candidates, leaders, sorter=ascending)
        ]

    def _eliminate(self, candidates, with_products=True):
        """Return some units, given in ascending order, the best first."""
        features, places = self._features(candidates)
        target, found, product_scale = self.problem.target, None, 0.0
        if with_products:
            inside = np.isin(self.found.pairs, features).all(axis=1)
            pairs = np.searchsorted(features, self.found.pairs[inside])
            found = Interactions(pairs, self.found.terms[:, inside])
            if len(features) <= _MOST_WITH_PRODUCTS:
                product_scale = target.product_scale
        order = backward_elimination(
            self._columns(features),
            self.responses,
            self.weight,
            found,
            product_scale,
            signal=target.signal,
            groups=places,
            group_weights=self.units.weight[candidates],
            fixed=self.fixed,
        )
        return candidates[order]


def _enough_samples(target):
    """Return the samples that put the features in order, and their weights."""
    from ..network import draw

    if len(target.weight) <= _MOST_SAMPLES:
        return slice(None), target.weight
    samples, factor = draw(target, _MOST_SAMPLES)
    return samples, target.weight[samples] * factor


def backward_elimination(
    X,
    T,
    weight,
    found=None,
    product_scale=1.0,
    *,
    signal=None,
    groups=None,
    group_weights=None,
    fixed=None,
):
    """Order features by recursive elimination from a ridge regression.

    The targets are regressed on the standardised features, on their products of two and
    on the terms that a screen has found, so that features count that only matter
    together. The feature with the smallest sum of squared coefficients leaves [1]_; of
    two equals, the latter. A group leaves whole, by the variance of what its features
    predict together, over its weight.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The features.
    T : ndarray of shape (n_samples, n_responses)
        The responses of the target.
    weight : ndarray of shape (n_samples,)
        Positive weights of the samples.
    found : Interactions, default=None
        More terms, with the columns of `X` that they are made of.
    product_scale : float, default=1.0
        Standard deviation of the products, that of the features and of the found terms
        being 1. 0: the regression is without products.
    signal : float, default=None
        The share of the variance of the responses that all terms together can be
        expected to explain. The responses are replaced by their ridge regression on all
        terms under that assumption [2]_. None: they are not.
    groups : ndarray of shape (n_features,), default=None
        The group of every feature, from 0 to n_groups - 1. None: every one is alone.
    group_weights : ndarray of shape (n_groups,), default=None
        Their weights, None being all 1.
    fixed : ndarray of shape (n_samples, n_fixed), default=None
        Columns that stay in the regression, without a penalty.

    Returns
    -------
    order : ndarray of shape (n_groups,)
        The groups, the last to leave first.

    References
    ----------
    .. [1] I. Guyon, J. Weston, S. Barnhill and V. Vapnik, "Gene selection for cancer
       classification using support vector machines", Machine Learning 46, 2002,
       algorithm SVM-RFE.

    .. [2] D. Paul, E. Bair, T. Hastie and R. Tibshirani, "'Preconditioning' for feature
       selection and regression in high-dimensional problems", Annals of Statistics 36
       (2008) 1595-1618: a response is predicted before features are selected for it.
    """
    n_features = X.shape[1]
    found = Interactions.none(len(X)) if found is None else found
    groups = np.arange(n_features) if groups is None else groups
    n_groups = groups.max(initial=-1) + 1
    pairs, columns = (
        np.triu_indices(n_features if product_scale else 0),
        np.arange(n_features),
    )
    # The group of the first and of the second feature of every term.
    first, second = (
        groups[np.concatenate([columns, half, more])]
        for half, more in zip(pairs, found.pairs.T, strict=True)
    )
    S, C = _moments(X, T, weight, pairs, found.terms, product_scale, fixed)
    several = np.flatnonzero(np.bincount(groups) > 1)
    together = {g: _Group(S, np.flatnonzero(groups == g)) for g in several}
    if signal is not None:
        # A term explains an equal part of the signal, and all else is noise.
        penalty = len(S) / (signal * effective_size(weight))
        C = S @ linalg.solve(S + penalty * np.eye(len(S)), C, assume_a="pos")
    # Ridge penalty: 1.
    S[np.diag_indices_from(S)] += 1.0
    terms = np.arange(len(S))
    gone, leaving = np.zeros(n_groups, dtype=bool), []
    for _ in range(n_groups):
        factor = linalg.cho_factor(S, check_finite=False)
        coef = linalg.cho_solve(factor, C, check_finite=False)
        share = np.square(coef).sum(axis=1)
        saliency = np.bincount(first, share, n_groups)
        saliency += np.bincount(second, np.where(first == second, 0, share), n_groups)
        for g in several[~gone[several]]:
            of_group = coef[np.searchsorted(terms, together[g].columns)]
            saliency[g] += together[g].common(of_group)
        if group_weights is not None:
            saliency /= group_weights
        saliency[gone] = np.inf
        leaves = np.flatnonzero(saliency <= saliency.min() * (1 + _TIED))[-1]
        leaving.append(leaves)
        gone[leaves] = True
        left = np.flatnonzero((first != leaves) & (second != leaves))
        S, C, first, second = S[left][:, left], C[left], first[left], second[left]
        terms = terms[left]
    return np.array(leaving[::-1], dtype=int)


class _Group:
    """A group of several columns, with the covariances of all columns.

    Its saliency is the variance of what its columns predict together: columns that are
    correlated share their coefficients.
    """

    def __init__(self, covariance, columns):
        R = covariance[np.ix_(columns, columns)]
        self.columns = columns
        self.covariance = R - np.diag(R.diagonal())

    def common(self, coef):
        """Return what covariances add to the sum of squared coefficients."""
        return (coef * (self.covariance @ coef)).sum()


def _moments(X, T, weight, pairs, terms, product_scale=1.0, fixed=None):
    """Return the covariances of all terms, and those of the terms with the responses.

    The terms are the features, their products of the pairs, and other terms. What the
    fixed columns explain is left out of all.
    """
    X, weight = _standardize(X, weight)
    fixed, _ = _standardize(X[:, :0] if fixed is None else fixed, weight)
    mean, second = 0.0, 0.0
    for start in range(0, len(X), _CHUNK):
        rows = slice(start, start + _CHUNK)
        Z = X[rows]
        products = Z[:, pairs[0]] * Z[:, pairs[1]]
        F = np.hstack([Z, products, terms[rows], T[rows], fixed[rows]])
        weighted = F * weight[rows, np.newaxis]
        mean, second = mean + weighted.sum(axis=0), second + weighted.T @ F
    n_fixed = fixed.shape[1]
    n_terms = len(mean) - T.shape[1] - n_fixed
    covariance = second - np.outer(mean, mean)
    rounding = np.sqrt(len(X) * np.finfo(X.dtype).eps)
    scale = _inverse(np.sqrt(covariance.diagonal()[:n_terms].clip(0)), rounding)
    scale[X.shape[1] : X.shape[1] + len(pairs[0])] *= product_scale
    if n_fixed:
        covariance = _without(covariance, n_fixed)
    covariance = covariance[:n_terms] * scale[:, np.newaxis]
    return covariance[:, :n_terms] * scale, covariance[:, n_terms:]


def _without(covariance, n_fixed):
    """Return the covariances of residuals: less what the last variables explain."""
    B = covariance[:-n_fixed, -n_fixed:]
    explained = B @ linalg.pinvh(covariance[-n_fixed:, -n_fixed:]) @ B.T
    return covariance[:-n_fixed, :-n_fixed] - explained


def _standardize(X, weight):
    """Return the columns with mean 0 and variance 1, and weights that sum to 1."""
    weight = weight / weight.sum()
    centre = weight @ X
    X = X - centre
    rounding = len(X) * np.finfo(X.dtype).eps * np.abs(centre)
    return X * _inverse(np.sqrt(weight @ X**2), rounding), weight


def _inverse(scale, rounding):
    """Return 1 / scale, 0 where the scale is no more than rounding."""
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > rounding)
