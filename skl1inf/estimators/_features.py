"""Groups of features and kept features, as users give them and as arrays."""

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral, Number

import numpy as np

from ._blocks import ColumnBlocks
from ._group_weights import default_weights

# The label of a feature that is always kept.
KEPT = -1

# What `_parameter_constraints` says of the three parameters.
GROUP_CONSTRAINTS = {
    "feature_groups": ["array-like", dict, None],
    "group_weights": ["array-like", dict, None],
    "keep_features": ["array-like", None],
}


@dataclass(frozen=True)
class FeatureGroups:
    """Which features live and die together, and which are always kept.

    Attributes
    ----------
    labels : ndarray of shape (n_features,)
        The group of every feature, from 0 to n_groups - 1; -1 for a kept feature.
    names : ndarray of shape (n_groups,)
        What the user calls the groups. A feature on no list is a group of its own name.
        Empty where the user has given no groups.
    weights : ndarray of shape (n_groups,)
        The weights that the user has given, NaN for a default one. `weighted` puts
        numbers there.
    columns : Columns
        The features.
    given : bool
        Whether the user has given groups.
    """

    labels: np.ndarray
    names: np.ndarray
    weights: np.ndarray
    columns: "Columns"
    given: bool

    @classmethod
    def read(
        cls, feature_groups, keep_features, group_weights, n_features, feature_names
    ):
        """Return what the three parameters of an estimator say.

        Parameters
        ----------
        feature_groups : array-like of labels, list of lists, dict or None
        keep_features : array-like of names or indices, mask or None
        group_weights : array-like, dict or None
        n_features : int
            Number of features of X.
        feature_names : ndarray of shape (n_features,) or None
            Names of the features of X, where they are all strings.

        Raises
        ------
        ValueError
            If the parameters contradict each other, or X.
        """
        columns = Columns(n_features, feature_names)
        kept = _read_kept(keep_features, columns)
        if feature_groups is None:
            if group_weights is not None:
                raise ValueError(
                    "group_weights must be None where feature_groups is None."
                )
            return cls._of_singles(kept, columns)
        groups, names = _read_groups(feature_groups, columns)
        _check_kept_apart(groups, names, kept, columns)
        weights = _read_weights(group_weights, names)
        # A kept feature may be alone in a group, which is none then.
        left = [i for i, group in enumerate(groups) if not kept[group].any()]
        groups, names = [groups[i] for i in left], [names[i] for i in left]
        weights = weights[left]
        if _is_listed(feature_groups):
            groups, names = _with_singles(groups, names, kept, columns)
        labels = np.full(n_features, KEPT)
        for label, group in enumerate(groups):
            labels[group] = label
        default = np.full(len(groups) - len(weights), np.nan)
        return cls(labels, _names(names), np.append(weights, default), columns, True)

    @classmethod
    def _of_singles(cls, kept, columns):
        """Return every feature that is not kept as a group of weight 1."""
        labels = np.where(kept, KEPT, np.cumsum(~kept) - 1)
        n_groups = np.count_nonzero(~kept)
        names = np.empty(0, dtype=object)
        return cls(labels, names, np.ones(n_groups), columns, False)

    @property
    def kept(self):
        """The mask of the kept features."""
        return self.labels == KEPT

    @property
    def n_groups(self):
        """Number of groups."""
        return len(self.weights)

    @property
    def plain(self):
        """Whether every feature is alone, with weight 1, and none is kept."""
        alone = len(self.labels) == self.n_groups
        return alone and not self.kept.any() and bool((self.weights == 1).all())

    def weighted(self, columns, sample_weight, constant, degrees):
        """Return the same groups, with the default weights where none is given.

        Parameters
        ----------
        columns : callable
            ``columns(j)`` returns the features of the indices ``j``, an ndarray of
            shape (n_samples, len(j)).
        sample_weight : ndarray of shape (n_samples,)
            Positive weights of the samples.
        constant : ndarray of shape (n_features,)
            Mask of the constant features, which do not count.
        degrees : float
            How many independent responses there are: see `degrees_of_freedom`.

        Raises
        ------
        ValueError
            If a kept feature is constant.
        """
        self.check_kept_vary(constant)
        if not np.isnan(self.weights).any():
            return self
        groups = self._members(~constant)
        several = [group for group in groups if len(group) > 1]
        if several:
            columns = ColumnBlocks(columns, several, len(sample_weight))
        default = default_weights(groups, columns, sample_weight, degrees)
        given = np.where(np.isnan(self.weights), default, self.weights)
        return replace(self, weights=given)

    def check_budget(self, max_features):
        """Raise ValueError if no group has as few features as `max_features`."""
        if max_features is None:
            return
        smallest = int(np.bincount(self.labels[~self.kept]).min())
        if smallest > max_features:
            raise ValueError(
                f"max_features={max_features} is too small: the smallest group of "
                f"feature_groups has {smallest} features, and groups are not cut."
            )

    def ranking(self, of_features):
        """Return the ranks of the groups, 1 the best, by the ranks of the features."""
        best = np.full(self.n_groups, len(self.labels))
        free = ~self.kept
        np.minimum.at(best, self.labels[free], of_features[free])
        return best.argsort().argsort() + 1

    def check_kept_vary(self, constant):
        """Raise ValueError if a kept feature is constant."""
        flat = np.flatnonzero(self.kept & constant)
        if len(flat):
            raise ValueError(
                f"keep_features has {self.columns.describe(flat[0])}, which is "
                "constant: it can explain nothing."
            )

    def _members(self, mask):
        """Return the features of a mask in every group, a list of arrays."""
        order = np.argsort(self.labels, kind="stable")
        order = order[mask[order] & ~self.kept[order]]
        ends = np.searchsorted(self.labels[order], np.arange(1, self.n_groups))
        return np.split(order, ends)


@dataclass(frozen=True)
class Columns:
    """The features of X: their number, and their names where there are some."""

    n_features: int
    names: np.ndarray | None

    def indices(self, items, parameter):
        """Return the indices of features given by name or index, ascending."""
        try:
            items = list(items)
        except TypeError:
            raise ValueError(
                f"{parameter} has {items!r}, which is no list of names or indices."
            ) from None
        indices = [self._index(item, parameter) for item in items]
        values, counts = np.unique(indices, return_counts=True)
        if len(values) < len(indices):
            repeated = self.describe(values[counts > 1][0])
            raise ValueError(f"{parameter} has {repeated} more than once.")
        return values.astype(int)

    def _index(self, item, parameter):
        if isinstance(item, str):
            return self._index_of_name(item, parameter)
        if not isinstance(item, Integral) or isinstance(item, bool):
            raise ValueError(
                f"{parameter} has {item!r}, which is neither a name nor an index."
            )
        if not 0 <= item < self.n_features:
            raise ValueError(
                f"{parameter} has the index {item}, out of range for X with "
                f"n_features={self.n_features}."
            )
        return int(item)

    def _index_of_name(self, name, parameter):
        if self.names is None:
            raise ValueError(
                f"{parameter} has the name {name!r}, but X has no names, or other "
                "ones than strings: pass indices, or a data frame."
            )
        found = self._places.get(name, [])
        if len(found) != 1:
            times = "no feature" if len(found) == 0 else f"{len(found)} features"
            raise ValueError(
                f"{parameter} has the name {name!r}, but {times} of X has that name."
            )
        return found[0]

    @cached_property
    def _places(self):
        """The indices of the features of every name."""
        places = {}
        for index, name in enumerate(self.names):
            places.setdefault(name, []).append(index)
        return places

    def name(self, index):
        """Return the name of a feature, as `get_feature_names_out` gives it."""
        return f"x{index}" if self.names is None else str(self.names[index])

    def describe(self, index):
        """Return how an error names a feature."""
        if self.names is None:
            return f"the feature {index}"
        return f"the feature {str(self.names[index])!r}"


def _read_kept(keep_features, columns):
    """Return the mask of the kept features."""
    kept = np.zeros(columns.n_features, dtype=bool)
    items = [] if keep_features is None else list(keep_features)
    if items and all(isinstance(item, bool | np.bool_) for item in items):
        if len(items) != columns.n_features:
            raise ValueError(
                f"keep_features is a mask of {len(items)} features, but X has "
                f"n_features={columns.n_features}."
            )
        kept[:] = items
    elif items:
        kept[columns.indices(items, "keep_features")] = True
    if kept.all():
        raise ValueError(
            f"keep_features has all features of X, with n_features="
            f"{columns.n_features}: there is nothing to select."
        )
    return kept


def _read_groups(feature_groups, columns):
    """Return the groups that are given, arrays of indices, and their names."""
    if not _is_listed(feature_groups):
        return _groups_of_labels(feature_groups, columns)
    if isinstance(feature_groups, dict):
        names, lists = list(feature_groups), list(feature_groups.values())
    else:
        lists = list(feature_groups)
        names = [f"group {i}" for i in range(len(lists))]
    if not lists:
        raise ValueError("feature_groups is empty: None stands for no groups.")
    groups = []
    for name, items in zip(names, lists, strict=True):
        if _is_scalar(items):
            raise ValueError(
                f"feature_groups has {items!r} where it must have a list of names or "
                "indices."
            )
        group = columns.indices(items, "feature_groups")
        if len(group) == 0:
            raise ValueError(f"feature_groups has the group {name!r}, which is empty.")
        groups.append(group)
    _check_disjoint(groups, names, columns)
    return groups, names


def _is_listed(feature_groups):
    """Tell whether the groups are lists of features, and not a label a feature."""
    if isinstance(feature_groups, dict):
        return True
    lists = isinstance(feature_groups, list | tuple)
    return lists and not all(_is_scalar(item) for item in feature_groups)


def _is_scalar(item):
    return item is None or isinstance(item, str) or not hasattr(item, "__len__")


def _groups_of_labels(labels, columns):
    shape = getattr(labels, "shape", (None,))
    if len(shape) != 1:
        raise ValueError(
            f"feature_groups of shape {shape} must have one dimension: a label for "
            "every feature."
        )
    labels = list(labels)
    if len(labels) != columns.n_features:
        raise ValueError(
            f"feature_groups has {len(labels)} labels, but X has n_features="
            f"{columns.n_features}. A list of groups is a list of lists."
        )
    _check_labels(labels)
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    groups = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes)))
    return groups[:-1], names.tolist()


def _check_labels(labels):
    """Refuse labels that numpy would merge, or cannot sort."""
    nested = [label for label in labels if not _is_scalar(label)]
    if nested:
        raise ValueError(
            f"feature_groups has the label {nested[0]!r}, which is neither a string "
            "nor a number."
        )
    if any(_is_missing(label) for label in labels):
        raise ValueError("feature_groups has a missing label.")
    # As an array, 1 and "1" would be one label.
    if not any(
        all(isinstance(label, types) for label in labels)
        for types in (str, (Number, np.bool_))
    ):
        raise ValueError(
            "feature_groups must have labels that are all strings or all numbers."
        )


def _is_missing(label):
    """Tell whether a label is None, NaN or pandas.NA."""
    same = label == label
    return label is None or not isinstance(same, bool | np.bool_) or not same


def _check_disjoint(groups, names, columns):
    """Refuse groups that overlap, and show what to do."""
    owner = {}
    for name, group in zip(names, groups, strict=True):
        for feature in group.tolist():
            if feature in owner:
                j = feature if columns.names is None else columns.name(feature)
                copied = (
                    f"np.column_stack([X, X[:, {j}]])"
                    if columns.names is None
                    else f"X.assign(**{{{f'{j} (2)'!r}: X[{j!r}]}})"
                )
                raise ValueError(
                    f"feature_groups has {columns.describe(feature)} in the groups "
                    f"{owner[feature]!r} and {name!r}, and groups must not overlap: "
                    f"duplicate the column, X = {copied}, and put the copy into one "
                    "of them."
                )
            owner[feature] = name


def _check_kept_apart(groups, names, kept, columns):
    """Refuse a kept feature in a group with others."""
    for name, group in zip(names, groups, strict=True):
        inside = group[kept[group]]
        if len(inside) and len(group) > 1:
            raise ValueError(
                f"keep_features has {columns.describe(inside[0])}, which is in the "
                f"group {name!r} of feature_groups: a kept feature is in no group."
            )


def _with_singles(groups, names, kept, columns):
    """Return the groups that are listed, then the features on no list, each alone."""
    left = ~kept
    for group in groups:
        left[group] = False
    singles = np.flatnonzero(left)
    single_names = [columns.name(j) for j in singles]
    clash = set(single_names) & {name for name in names if isinstance(name, str)}
    if clash:
        raise ValueError(
            f"feature_groups has the group {min(clash)!r}, which is also the name of a "
            "feature on no list: rename the group."
        )
    return groups + list(singles[:, np.newaxis]), names + single_names


def _names(names):
    """Return names as an array, of strings or numbers where all are of one type."""
    if len({type(name) for name in names}) == 1 and np.isscalar(names[0]):
        return np.array(names)
    array = np.empty(len(names), dtype=object)
    array[:] = names
    return array


def _read_weights(group_weights, names):
    """Return the weights of the groups, NaN where none is given."""
    weights = np.full(len(names), np.nan)
    if group_weights is None:
        return weights
    if isinstance(group_weights, dict):
        places = {name: place for place, name in enumerate(names)}
        unknown = [name for name in group_weights if name not in places]
        if unknown:
            raise ValueError(
                f"group_weights has {unknown[0]!r}, which is no group of "
                "feature_groups."
            )
        index = [places[name] for name in group_weights]
        values = list(group_weights.values())
    else:
        index, values = slice(None), list(group_weights)
        if len(values) != len(names):
            raise ValueError(
                f"group_weights has {len(values)} weights, but feature_groups has "
                f"{len(names)} groups."
            )
    try:
        weights[index] = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError("group_weights must be numbers, one a group.") from error
    # The encoder is trained in single precision.
    low, high = np.finfo(np.float32).tiny, np.finfo(np.float32).max
    if not ((weights[index] >= low) & (weights[index] <= high)).all():
        raise ValueError(
            f"group_weights must be positive, finite, and from {low:.2g} to {high:.2g}."
        )
    return weights
