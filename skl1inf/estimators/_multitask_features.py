"""Groups of features and kept features in the linear model."""

import numpy as np

from ..ball import GroupedBall, L1InfBall
from ._group_weights import degrees_of_freedom


def weighted_features(features, loss):
    """Return the groups with the default weights where none is given.

    What the kept features explain does not count, neither of the targets nor of the
    other features.

    Raises
    ------
    ValueError
        If a kept feature is constant, as all are in a single sample.
    """
    constant = np.zeros(loss.n_features, dtype=bool)
    if features.kept.any():
        constant[features.kept] = _constant_kept(features, loss)
    if not np.isnan(features.weights).any():
        features.check_kept_vary(constant)
        return features
    constant[~features.kept] = ~loss.varying()[~features.kept]
    root = loss.root[:, None]

    def columns(index):
        # The weights do not depend on the means, so that only the kept features count.
        array = loss.matrix.columns(index)
        if loss.kept is None:
            return array
        return loss.kept.remove(root * (array - loss.X_mean[index])) / root

    degrees = 1.0  # if there is nothing to explain
    if loss.null_value > 0:
        degrees = degrees_of_freedom(loss.target / root, loss.root**2)
    return features.weighted(columns, loss.root**2, constant, degrees)


def _constant_kept(features, loss):
    """Tell which of the kept features are constant."""
    if len(loss.root) == 1:
        raise ValueError("keep_features needs several samples, got n_samples=1.")
    columns = loss.matrix.columns(np.flatnonzero(features.kept))
    return np.ptp(columns, axis=0) == 0


def make_ball(features, positive):
    """Return the ball of all features, those included that are eliminated.

    Their rows of the gradient are zero: each is a group that never lives.
    """
    alone = features.n_groups + np.count_nonzero(features.kept) == len(features.labels)
    if alone and (features.weights == 1).all():
        return L1InfBall(positive)
    labels, weights = _with_kept_alone(features)
    return GroupedBall(labels, weights, positive)


def as_parameters(features):
    """Return the three parameters that say the same of X without names."""
    parameters = {"keep_features": features.kept if features.kept.any() else None}
    if features.given:
        labels, weights = _with_kept_alone(features)
        parameters |= {"feature_groups": labels, "group_weights": weights}
    return parameters


def _with_kept_alone(features):
    """Return labels and weights in which every kept feature is a group, at the end."""
    n_kept = np.count_nonzero(features.kept)
    labels = features.labels.copy()
    labels[features.kept] = features.n_groups + np.arange(n_kept)
    return labels, np.append(features.weights, np.ones(n_kept))
