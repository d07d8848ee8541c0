"""What is ordered and selected: features alone, or groups of them as one.

A unit goes by its first feature. Where no groups are given, the units are the features.
"""

import numpy as np


class Units:
    """The units of features with the labels of their groups, -1 for a kept feature.

    Attributes
    ----------
    leader : ndarray of shape (n_features,)
        The first feature of the unit of every feature; -1 for a kept one.
    weight : ndarray of shape (n_features,)
        The weight of the group of every feature, 1 for a kept one.
    kept : ndarray of shape (n_features,)
        Mask of the kept features, which belong to no unit.
    size : ndarray of shape (n_features,)
        The number of features of the unit of every feature.
    """

    def __init__(self, labels, weights):
        self.kept = labels < 0
        _, first = np.unique(labels, return_index=True)
        first = np.append(first[int(self.kept.any()) :], -1)
        self.leader = first[labels]
        self.weight = np.append(weights, 1.0)[labels]
        self.size = np.append(np.bincount(labels[~self.kept]), 0)[labels]

    @classmethod
    def alone(cls, n_features):
        """Return the units where every feature is alone."""
        return cls(np.arange(n_features), np.ones(n_features))

    @property
    def leaders(self):
        """The units, ascending."""
        return np.flatnonzero(self.leader == np.arange(len(self.leader)))

    def count(self, mask):
        """Return how many units have a feature in a mask."""
        return len(np.unique(self.leader[mask & ~self.kept]))

    def features_of(self, units):
        """Return the features of some units, ascending."""
        return np.flatnonzero(np.isin(self.leader, units))

    def containing(self, features):
        """Return the units of some features, in the order in which they appear."""
        leaders = self.leader[features]
        units, first = np.unique(leaders[leaders >= 0], return_index=True)
        return units[np.argsort(first)]

    def whole(self, mask):
        """Return the mask of the features whose unit has any in a mask."""
        inside = np.zeros(len(mask) + 1, dtype=bool)
        inside[self.leader[mask & ~self.kept]] = True
        return inside[self.leader] | (mask & self.kept)

    def totals(self, values):
        """Return the sum of values over the unit of every feature, 0 for a kept one."""
        n_features = len(values)
        places = np.where(self.kept, n_features, self.leader)
        sums = np.bincount(places, values, n_features + 1)
        sums[n_features] = 0.0
        return sums[places]

    def order(self, selection):
        """Return the units, the most important first; a kept feature is in none."""
        units = self.containing(selection.order)
        totals = self.totals(selection.importances)[units]
        return units[np.argsort(-totals, kind="stable")]

    def expand(self, units, features):
        """Return all features: the kept ones, then those of every unit together.

        Within a unit they are as in `features`.
        """
        places = np.empty(len(features) + 1, dtype=int)
        places[units] = np.arange(len(units))
        places[-1] = -1
        return features[np.argsort(places[self.leader[features]], kind="stable")]

    def ranks(self, of_features):
        """Return the rank of the unit of every feature, 0 for a kept one."""
        units = self.containing(of_features.argsort())
        ranks = np.zeros(len(of_features) + 1, dtype=int)
        ranks[units] = np.arange(1, len(units) + 1)
        return ranks[self.leader]

    def take(self, units, n_units, max_features):
        """Return the mask of the kept features and of the first units.

        They are `n_units`, or as many as have `max_features` features together.

        Raises
        ------
        ValueError
            If the first unit alone has more.
        """
        units = units[:n_units]
        n_features = np.cumsum(self.size[units])
        if max_features is not None:
            if len(units) and n_features[0] > max_features:
                raise ValueError(
                    f"max_features={max_features} is too small for the best group, "
                    f"which has {n_features[0]} features and is not cut."
                )
            units = units[n_features <= max_features]
        return self.kept | np.isin(self.leader, units)
