"""The order of the best features, by backward elimination.

Importances rate a feature among many others. A short list needs features that do well
together. So the best features leave one by one: always the one that a ridge regression
needs least.
"""

import numpy as np
from scipy import linalg

from ._interactions import Interactions, find_interactions

# So many features are put in order by elimination. More would make the choice depend on
# a few samples: the order of correlated features always does.
N_ORDERED = 20

# With many classes each needs features of its own: of three times as many features as
# classes, elimination without products chooses those that are put in order.
_PER_CLASS = 3

# Interactions are looked for where there are so many samples: with fewer, hardly any
# product of two among thousands of features can be told from chance. And where the
# matrix has at most so many entries: beyond, the screen takes longer than the fit.
_ENOUGH_SAMPLES, _MOST_ENTRIES = 200, 2**24

# Saliencies count as tied, and columns as copies, where they differ by less.
_TIED = 1e-9

# Samples whose products are held at a time.
_CHUNK = 4096


def best_first(selections, problem, interactions):
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

    Returns
    -------
    orders : list of ndarray of shape (n_features,)
        An order a selection. A feature without importance does not overtake one with,
        unless it matters together with another.
    interacting : ndarray of shape (n_features,)
        Mask of the features that matter together.
    """
    responses = problem.target.responses()
    orders, eliminated = [], {}  # selections often have the same best features
    interacting = np.zeros(problem.matrix.shape[1], dtype=bool)
    if responses is None:
        return [selection.order for selection in selections], interacting
    # The importances only matter where there are too many pairs.
    found = _found(selections[0].order, problem, responses, interactions)
    interacting[found.features] = True
    for selection in selections:
        order = selection.order
        important = order[: np.count_nonzero(selection.importances)]
        important = important[~interacting[important]]
        candidates = _candidates(found.features, important, problem, responses)
        key = candidates.tobytes()
        if key not in eliminated:
            eliminated[key] = _eliminate(candidates, problem, responses, found)
        best = eliminated[key]
        orders.append(np.append(best, order[~np.isin(order, best)]))
    return orders, interacting


def _found(order, problem, responses, interactions):
    """Return the squares and products that matter, of features that vary."""
    n_samples, n_features = problem.matrix.shape
    if interactions == "auto":
        small = n_samples * n_features <= _MOST_ENTRIES
        interactions = small and n_samples >= _ENOUGH_SAMPLES
    if not interactions:
        return Interactions.none(n_samples)
    varies = problem.inverse_scale > 0
    return find_interactions(
        lambda features: _columns(problem, features) * varies[features],
        n_features,
        responses,
        problem.target.weight,
        order,
    )


def _columns(problem, features):
    return problem.matrix.columns(features).astype(np.float64)


def _candidates(interacting, important, problem, responses):
    """Return the features to put in order, ascending.

    They are the interacting ones and the most important others. Exact copies of better
    features stay behind: they add nothing.
    """
    classes = problem.target.classes
    n_wanted = max(N_ORDERED, 0 if classes is None else _PER_CLASS * len(classes))
    candidates = np.append(interacting, important)[: 3 * n_wanted]
    candidates = _distinct(candidates, problem)[:n_wanted]
    if len(candidates) > N_ORDERED:
        n_left = N_ORDERED - np.isin(candidates, interacting).sum()
        others = np.sort(candidates[~np.isin(candidates, interacting)])
        weight = problem.target.weight
        X = _columns(problem, others)
        order = backward_elimination(X, responses, weight, product_scale=0)
        candidates = np.append(interacting, others[order[:n_left]])
    return np.sort(candidates)


def _distinct(features, problem):
    """Return the features without the copies of others before them."""
    Z, weight = _standardize(_columns(problem, features), problem.target.weight)
    alike = np.abs((weight[:, np.newaxis] * Z).T @ Z) > 1 - _TIED
    return features[~np.triu(alike, 1).any(axis=0)]


def _eliminate(features, problem, responses, found):
    """Return some features, given in ascending order, the best first."""
    inside = np.isin(found.pairs, features).all(axis=1)
    pairs = np.searchsorted(features, found.pairs[inside])
    found = Interactions(pairs, found.terms[:, inside])
    X, target = _columns(problem, features), problem.target
    return features[
        backward_elimination(X, responses, target.weight, found, target.product_scale)
    ]


def backward_elimination(X, T, weight, found=None, product_scale=1.0):
    """Order features by recursive elimination from a ridge regression.

    The targets are regressed on the standardised features, on their products of two and
    on the terms that a screen has found, so that features count that only matter
    together. The feature with the smallest sum of squared coefficients leaves [1]_; of
    two equals, the latter.

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

    Returns
    -------
    order : ndarray of shape (n_features,)
        The features, the last to leave first.

    References
    ----------
    .. [1] I. Guyon, J. Weston, S. Barnhill and V. Vapnik, "Gene selection for cancer
       classification using support vector machines", Machine Learning 46, 2002,
       algorithm SVM-RFE.
    """
    n_features = X.shape[1]
    found = Interactions.none(len(X)) if found is None else found
    pairs, columns = (
        np.triu_indices(n_features if product_scale else 0),
        np.arange(n_features),
    )
    first, second = (
        np.concatenate([columns, half, more])
        for half, more in zip(pairs, found.pairs.T, strict=True)
    )
    S, C = _moments(X, T, weight, pairs, found.terms, product_scale)
    # Ridge penalty: 1.
    S[np.diag_indices_from(S)] += 1.0
    gone, leaving = np.zeros(n_features, dtype=bool), []
    for _ in range(n_features):
        factor = linalg.cho_factor(S, check_finite=False)
        coef = linalg.cho_solve(factor, C, check_finite=False)
        share = np.square(coef).sum(axis=1)
        saliency = np.bincount(first, share, n_features)
        saliency += np.bincount(second, np.where(first == second, 0, share), n_features)
        saliency[gone] = np.inf
        leaves = np.flatnonzero(saliency <= saliency.min() * (1 + _TIED))[-1]
        leaving.append(leaves)
        gone[leaves] = True
        left = np.flatnonzero((first != leaves) & (second != leaves))
        S, C, first, second = S[left][:, left], C[left], first[left], second[left]
    return np.array(leaving[::-1], dtype=int)


def _moments(X, T, weight, pairs, terms, product_scale=1.0):
    """Return the covariances of all terms, and those of the terms with the responses.

    The terms are the features, their products of the pairs, and other terms.
    """
    X, weight = _standardize(X, weight)
    mean, second = 0.0, 0.0
    for start in range(0, len(X), _CHUNK):
        rows = slice(start, start + _CHUNK)
        Z = X[rows]
        F = np.hstack([Z, Z[:, pairs[0]] * Z[:, pairs[1]], terms[rows], T[rows]])
        weighted = F * weight[rows, np.newaxis]
        mean, second = mean + weighted.sum(axis=0), second + weighted.T @ F
    n_terms = len(mean) - T.shape[1]
    covariance = second - np.outer(mean, mean)
    rounding = np.sqrt(len(X) * np.finfo(X.dtype).eps)
    scale = _inverse(np.sqrt(covariance.diagonal()[:n_terms].clip(0)), rounding)
    scale[X.shape[1] : X.shape[1] + len(pairs[0])] *= product_scale
    covariance = covariance[:n_terms] * scale[:, np.newaxis]
    return covariance[:, :n_terms] * scale, covariance[:, n_terms:]


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
