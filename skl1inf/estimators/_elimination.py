"""The order of the best features, by backward elimination.

Importances rate a feature among many others. A short list needs features that do well
together. So the best features leave one by one: always the one that a ridge regression
needs least.
"""

import numpy as np
from scipy import linalg

# Importances choose this many features, elimination puts them in order. More would make
# the choice depend on a few samples: the order of correlated features always does.
N_ORDERED = 20

# Standard deviation of the products of two features; that of the features is 1. The
# products are many, and few of them matter.
_PRODUCT_SCALE = 0.25

# Samples whose products are held at a time.
_CHUNK = 4096


def best_first(selections, problem):
    """Return the features, the best first: the most important by elimination.

    Parameters
    ----------
    selections : sequence of Selection
        The importances of the features.
    problem : Problem
        The data. Without a target, the features are in order of importance.

    Returns
    -------
    orders : list of ndarray of shape (n_features,)
        An order a selection. A feature without importance does not overtake one with.
    """
    responses = problem.target.responses()
    orders, eliminated = [], {}  # selections often have the same best features
    for selection in selections:
        order = selection.order
        if responses is not None:
            n_best = min(N_ORDERED, np.count_nonzero(selection.importances))
            best = np.sort(order[:n_best])
            if best.tobytes() not in eliminated:
                X = problem.matrix.columns(best).astype(np.float64)
                leaving = backward_elimination(X, responses, problem.target.weight)
                eliminated[best.tobytes()] = best[leaving]
            order = np.append(eliminated[best.tobytes()], order[n_best:])
        orders.append(order)
    return orders


def backward_elimination(X, T, weight):
    """Order features by recursive elimination from a ridge regression.

    The targets are regressed on the standardised features and on their products of two,
    so that features count that only matter together. The feature with the smallest sum
    of squared coefficients leaves [1]_; of two equals, the latter.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The features.
    T : ndarray of shape (n_samples, n_responses)
        The responses of the target.
    weight : ndarray of shape (n_samples,)
        Positive weights of the samples.

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
    pairs = np.triu_indices(n_features)
    first, second = (np.append(np.arange(n_features), half) for half in pairs)
    S, C = _moments(X, T, weight / weight.sum(), pairs)
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
        leaves = n_features - 1 - saliency[::-1].argmin()
        leaving.append(leaves)
        gone[leaves] = True
        left = np.flatnonzero((first != leaves) & (second != leaves))
        S, C, first, second = S[left][:, left], C[left], first[left], second[left]
    return np.array(leaving[::-1], dtype=int)


def _moments(X, T, weight, pairs):
    """Return the covariances of the terms, and those of the terms with the targets."""
    centre = weight @ X
    X = X - centre
    rounding = len(X) * np.finfo(X.dtype).eps * np.abs(centre)
    X *= _inverse(np.sqrt(weight @ X**2), rounding)
    mean, second = 0.0, 0.0
    for start in range(0, len(X), _CHUNK):
        rows = slice(start, start + _CHUNK)
        Z = X[rows]
        F = np.hstack([Z, Z[:, pairs[0]] * Z[:, pairs[1]], T[rows]])
        weighted = F * weight[rows, np.newaxis]
        mean, second = mean + weighted.sum(axis=0), second + weighted.T @ F
    n_terms = X.shape[1] + len(pairs[0])
    covariance = second - np.outer(mean, mean)
    rounding = np.sqrt(len(X) * np.finfo(X.dtype).eps)
    scale = _inverse(np.sqrt(covariance.diagonal()[:n_terms].clip(0)), rounding)
    scale[X.shape[1] :] *= _PRODUCT_SCALE
    covariance[:n_terms] *= scale[:, np.newaxis]
    return covariance[:n_terms, :n_terms] * scale, covariance[:n_terms, n_terms:]


def _inverse(scale, rounding):
    """Return 1 / scale, 0 where the scale is no more than rounding."""
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > rounding)
