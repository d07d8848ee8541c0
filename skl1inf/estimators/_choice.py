"""The choice of a radius from the scores of the folds."""

import numpy as np


def standard_error(deviation, tests):
    r"""Return the standard error of the mean of the folds' scores.

    Folds that share test samples have correlated scores. Let the score of fold j be the
    mean over its test samples :math:`T_j` of independent terms of variance v. The mean
    of all J folds is the sum of the terms with the weights
    :math:`w_s = J^{-1} \sum_{j: s \in T_j} |T_j|^{-1}`, and its variance is
    :math:`v \sum_s w_s^2`. The expected squared deviation of the scores is
    :math:`v (J^{-1} \sum_j |T_j|^{-1} - \sum_s w_s^2)`, from which v follows.

    K disjoint folds of one size have :math:`s / \sqrt{K}`, with the usual variance
    :math:`s^2` of the scores. Repeats of them have about the same, however many there
    are. J random splits have, in the mean, the correction of Nadeau and Bengio,
    "Inference for the generalization error", Machine Learning 52, 2003, section 3:
    :math:`(1/J + n_{test}/n_{train}) s^2` is the square of the error.

    Parameters
    ----------
    deviation : ndarray
        The standard deviation of the scores, the mean square taken over all folds.
    tests : list of ndarray
        The indices of the test samples of every fold.

    Returns
    -------
    error : ndarray
        The standard error; 0 where all folds have the same test samples, which tell
        nothing of it.
    """
    sizes = np.array([len(test) for test in tests])
    weights = np.bincount(
        np.concatenate(tests), np.repeat(1 / (len(tests) * sizes), sizes)
    )
    of_mean, of_folds = weights @ weights, np.mean(1 / sizes)
    if np.isclose(of_mean, of_folds):
        return np.zeros_like(deviation)
    return deviation * np.sqrt(of_mean / (of_folds - of_mean))


def choose(mean, errors, n_features, rule):
    """Return the index of the chosen radius; of equals, that of fewer features.

    Parameters
    ----------
    mean, errors : ndarray of shape (n_radii,)
        The mean scores and their standard errors, NaN where there is none.
    n_features : ndarray of shape (n_radii,)
        The mean numbers of features.
    rule : {"1se", "best"}
        Whether a score within one standard error of the best is as good. The median
        over the radii stands for it: of five folds, each error is too uncertain alone,
        and it is 0 where a score is perfect by chance.

    Returns
    -------
    index : int
        The chosen one.
    """
    best = np.nanmax(mean)
    slack = np.nanmedian(errors) if rule == "1se" else 0.0
    candidates = np.flatnonzero(mean >= best - slack)
    return int(candidates[n_features[candidates].argmin()])
