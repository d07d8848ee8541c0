"""What the selectors share: validation, preparation, ranking."""

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._sklearn import _check_sample_weight
from ..matrices import Matrix, is_dask, open_matrix
from ..targets import Target, check_target
from ._callbacks import describe
from ._dask import check_array_of_dask, check_features, in_memory, read_input
from ._features import FeatureGroups
from ._group_weights import degrees_of_freedom
from ._units import Units

# Weights are in float32.
SMALLEST_RADIUS = float(np.finfo(np.float32).tiny)

# The bound of the weights of a kept feature relative to the radius: far, also where the
# radius is small.
_REACH = 10.0

# The search of the radius for a number of features: at most so many trainings, until
# the logarithm of the number is that close; the longest step of the log-radius.
_TRIALS, _CLOSE, _LONGEST = 6, 0.1, 1.5

# Entries from which a layer takes longer on the CPU than on CUDA, where an operation
# takes as long to start whatever its size.
_LARGE = 2**22

# The forms of X that are taken.
X_CHECKS = {"accept_sparse": ("csr", "csc"), "dtype": (np.float64, np.float32)}

# As a decorator: compute under numpy's own error state, whatever the caller's. An
# underflow is no error here, nor in the judges.
own_errstate = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


# What is fitted of the groups of features.
_OF_GROUPS = "group_names_", "group_weights_", "group_ranking_", "selected_groups_"


class L1InfSelectorBase(CallbackSupportMixin, SelectorMixin, BaseEstimator):
    """Base of the selectors: they have a `support_`, and take sparse X."""

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def transform(self, X):
        """Return the selected features.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        X_selected : array of shape (n_samples, `n_features_`)
            Of the kind of X. A dask array is not computed, nor are its entries checked.
        """
        if not is_dask(X):
            return super().transform(X)
        check_is_fitted(self)
        X = check_array_of_dask(X)
        check_features(self, X, reset=False)
        return self._transform(X)

    def _set_groups(self, groups):
        """Set what is fitted of the groups, where there are any, by the ranks."""
        for name in _OF_GROUPS:
            self.__dict__.pop(name, None)  # of an earlier fit
        if groups.given:
            self.group_names_, self.group_weights_ = groups.names, groups.weights
            self.group_ranking_ = groups.ranking(self.ranking_)
            selected = np.unique(groups.labels[self.support_ & ~groups.kept])
            best_first = selected[np.argsort(self.group_ranking_[selected])]
            self.selected_groups_ = groups.names[best_first]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@dataclass(frozen=True)
class Data:
    """Validated data, all samples of them.

    Attributes
    ----------
    matrix : Matrix
        The samples.
    y : ndarray or None
        Their target.
    kind : type
        The `Target` that `y` belongs to.
    sample_weight : ndarray of shape (n_samples,)
        Their weights, zeros among them.
    groups : FeatureGroups
        The groups of features, and the kept ones.
    """

    matrix: Matrix
    y: np.ndarray | None
    kind: type[Target]
    sample_weight: np.ndarray
    groups: FeatureGroups

    @classmethod
    def validate(cls, selector, X, y, sample_weight, judge=None):
        """Validate what a fit of `selector` has been given.

        A copy of the selector takes what the validation sets, so that a refused input
        leaves an earlier fit as it was. `judge` is what the features are for.
        """
        # With `y` of None, the tags decide whether that is an error.
        no_target = {"y": y} if y is None else {}
        checked = copy(selector)
        X = read_input(checked, X, **no_target, **X_CHECKS, ensure_min_samples=2)
        if is_dask(X) and selector.batch_size is not None:
            raise ValueError(
                f"batch_size={selector.batch_size} must be None for a dask array in "
                "blocks: every batch of random samples would read all of them."
            )
        y, sample_weight = in_memory(y), in_memory(sample_weight)
        y, kind = check_target(y, selector.target, selector, judge)
        if y is not None:
            check_consistent_length(X, y)
        if selector.max_features is not None and selector.max_features > X.shape[1]:
            raise ValueError(
                f"max_features={selector.max_features} must be at most "
                f"n_features={X.shape[1]}."
            )
        groups = FeatureGroups.read(
            selector.feature_groups,
            selector.keep_features,
            selector.group_weights,
            X.shape[1],
            getattr(checked, "feature_names_in_", None),
        )
        groups.check_budget(selector.max_features)
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        return cls(open_matrix(X), y, kind, sample_weight, groups)

    def take_samples(self, index):
        """Return the data of the samples `index`."""
        return replace(
            self,
            matrix=self.matrix.take_samples(index),
            y=None if self.y is None else self.y[index],
            sample_weight=self.sample_weight[index],
        )

    def prepare(self, selector, samples=None):
        """Return what can be trained on: standardised, the target encoded.

        Of the samples with the indices `samples`, None being all, those of positive
        weight. Raises ValueError where they cannot be trained on. The groups get their
        default weights from the first samples that are prepared.
        """
        kept = np.arange(len(self.sample_weight)) if samples is None else samples
        kept = kept[self.sample_weight[kept] > 0]
        if len(kept) < 2:
            raise ValueError("sample_weight must be non-zero for at least two samples.")
        # The target comes first: it tells fastest that nothing can be trained.
        weight = self.sample_weight[kept]
        y = None if self.y is None else self.y[kept]
        target = self.kind.encode(y, weight, selector.class_weight)
        everything = samples is None and len(kept) == len(self.sample_weight)
        data = self if everything else self.take_samples(kept)
        scaling = Scaling.of(data.matrix, weight, selector.standardize)
        data = data.with_groups(data._weighted_groups(target, scaling, selector))
        distances = partial(data.matrix.squared_norms, scaling.mean, scaling.inverse)
        return PreparedData(data, target.arranged(distances), scaling)

    def with_groups(self, groups):
        """Return the same data with other groups of features."""
        return replace(self, groups=groups)

    def _weighted_groups(self, target, scaling, selector):
        """Return the groups with weights."""
        if self.groups.plain:
            return self.groups
        responses = target.responses()
        if responses is None:
            degrees = float(target.n_latent or selector.n_latent or 8)
        else:
            degrees = degrees_of_freedom(responses, target.weight)
        return self.groups.weighted(
            self.matrix.columns, target.weight, scaling.constant, degrees
        )


@dataclass(frozen=True)
class Scaling:
    """The standardisation: means, scales, and the mask of constant columns."""

    mean: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

    @property
    def inverse(self):
        """The inverse of the scales, 0 for constant columns, which drops them."""
        return np.where(self.constant, 0.0, 1.0 / self.scale)

    @classmethod
    def of(cls, matrix, sample_weight, standardize):
        """Return that of a matrix; no more than the mask if not to `standardize`."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale, constant = matrix.statistics(sample_weight)
        if not np.isfinite(scale).all():
            column = int(np.flatnonzero(~np.isfinite(scale))[0])
            raise ValueError(
                f"X has entries too large to standardise in column {column}."
            )
        if constant.all():
            raise ValueError(
                "All columns of X are constant: there is nothing to select."
            )
        if not standardize:
            mean, scale = np.zeros_like(mean), np.ones_like(scale)
        return cls(mean, scale, constant)


@dataclass(frozen=True)
class PreparedData:
    """Data that can be trained on.

    Attributes
    ----------
    data : Data
        The samples of positive weight.
    target : Target
        Their target, encoded.
    scaling : Scaling
        The standardisation.
    """

    data: Data
    target: Target
    scaling: Scaling

    @property
    def n_features(self):
        """Number of features."""
        return self.data.matrix.shape[1]

    @property
    def groups(self):
        """The groups of features, with their weights."""
        return self.data.groups

    @cached_property
    def units(self):
        """The groups as what is ordered and selected."""
        return Units(self.groups.labels, self.groups.weights)

    def n_wanted(self, selector):
        """Return how many features are wanted exactly, None if a radius is given.

        They are wanted beside the kept ones.
        """
        number, most = selector.n_features_to_select, self.groups.n_groups
        if number is None:
            return None
        if not isinstance(number, Integral):
            return max(1, int(number * most))
        if number > most:
            raise ValueError(
                f"n_features_to_select={number} must be at most "
                f"n_features={most}, without those of keep_features."
            )
        return number

    @property
    def described(self):
        """The samples as callbacks are told of them."""
        data = self.data
        return describe(data.matrix.X, data.y, data.sample_weight)

    def problem(self):
        """Return the problem that is trained on."""
        from ..ball import GroupedBall, L1InfBall
        from ..network import Problem

        groups = self.groups
        if groups.plain:
            ball = L1InfBall()
        else:
            ball = GroupedBall(groups.labels, groups.weights, reach=_REACH)
        return Problem(
            self.data.matrix,
            self.target,
            self.scaling.mean,
            self.scaling.inverse,
            ball,
        )

    def encoder(self, trained):
        """Return the fitted attributes of the encoder.

        Kept features are stretched to a deviation of 10, so that their weights, too,
        are at most the radius.
        """
        (W, V), (b, c) = trained.coefs, trained.intercepts
        kept, restored = self.groups.kept, self.target.restored
        W[kept] /= _REACH
        return {
            "encoder_weights_": W,
            "coefs_": [W, restored(V)],
            "intercepts_": [b, restored(c)],
            "mean_": self.scaling.mean,
            "scale_": np.where(kept, self.scaling.scale / _REACH, self.scaling.scale),
        }

    @property
    def varying(self):
        """The mask of the features that are not constant, or whose group is not."""
        return self.units.whole(~self.scaling.constant)

    def rank(self, order, selected):
        """Return the ranks of the features, 1 the best, as of `ranking_`.

        A rank is the place in the order, but the features of the mask `selected` come
        first, constants last.
        """
        group = np.where(self.varying, np.where(selected, 0, 1), 2)
        order = order[np.argsort(group[order], kind="stable")]
        ranking = np.empty(len(order), dtype=int)
        ranking[order] = np.arange(1, len(order) + 1)
        return ranking


def prepare(selector, X, y, sample_weight):
    """Return the prepared data of a fit of `selector`, and the training's options."""
    if selector.n_features_to_select is not None:
        _check_only_number(selector)
        if selector.feature_groups is not None:
            raise ValueError(
                f"n_features_to_select={selector.n_features_to_select} must be None "
                "where feature_groups is given, which are not cut: use max_features."
            )
    if selector.radius < SMALLEST_RADIUS:
        raise ValueError(
            f"radius={selector.radius} is too small for the range of float32."
        )
    data = Data.validate(selector, X, y, sample_weight).prepare(selector)
    return data, training_options(selector, data.target, data.n_features)


def _check_only_number(selector):
    """Refuse what contradicts a given number of features."""
    default = type(selector)()
    for name in ("radius", "max_features"):
        value = getattr(selector, name)
        if value != getattr(default, name):
            raise ValueError(
                f"{name}={value} must be left at its default where "
                f"n_features_to_select={selector.n_features_to_select} is given."
            )


def training_options(selector, target, n_features) -> Any:
    """Return what the training is told."""
    from ..network import Options

    if selector.batch_size is not None and not target.separable:
        raise ValueError(
            f"batch_size={selector.batch_size} must be None: the loss of {target.name} "
            "is no sum over samples."
        )
    width = max(n_features, selector.n_hidden)
    device = _resolve_device(selector.device, len(target.weight) * width)
    random_state = check_random_state(selector.random_state)
    auto = selector.learning_rate == "auto"
    return Options(
        n_hidden=selector.n_hidden,
        n_latent=target.n_latent or selector.n_latent or 8,
        activation=selector.activation,
        reconstruction_weight=selector.reconstruction_weight,
        step=None if auto else selector.learning_rate,
        max_iter=selector.max_iter,
        tol=selector.tol,
        batch_size=selector.batch_size,
        seed=random_state.randint(np.iinfo(np.int32).max),
        device=device,
    )


def _resolve_device(name, n_entries):
    """Return the torch device of that name, which is there.

    `n_entries` is the size of the largest layer. Small ones take longer on CUDA.
    """
    import torch

    if name == "auto":
        large = n_entries >= _LARGE and torch.cuda.is_available()
        return torch.device("cuda" if large else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # of "meta" there is none
    # torch reports an unknown or missing device in several ways.
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"device={name!r} is not available: {error}") from error
    return device


def train_for(n_wanted, kept, problem, options, observer):
    """Train at the radius at which about `n_wanted` features are alive.

    The radius is searched by interpolation of the logarithms of radius and number. The
    kept features, of the mask `kept`, do not count.

    Returns
    -------
    trained : Trained
        The training whose number of features alive is nearest.
    radius : float
        Its radius.
    """
    from ..network import train

    tried, radius = [], 1.0
    for _ in range(_TRIALS):
        trained = train(problem, radius, options, observer)
        # Half a feature: there may be none alive.
        ratio = np.log(
            ((trained.selection.alive & ~kept).sum() + 0.5) / (n_wanted + 0.5)
        )
        tried.append((abs(ratio), np.log(radius), ratio, trained))
        if abs(ratio) < _CLOSE:
            break
        radius = float(np.exp(_next_trial(tried)))
    _, log_radius, _, trained = min(tried, key=lambda trial: trial[0])
    return trained, float(np.exp(log_radius))


def _next_trial(tried):
    """Return the logarithm of the next radius to try."""
    below = max((trial[1:3] for trial in tried if trial[2] < 0), default=None)
    above = min((trial[1:3] for trial in tried if trial[2] > 0), default=None)
    if below is None or above is None:
        _, log_radius, ratio, _ = tried[-1]
        return log_radius - np.clip(1.2 * ratio, -_LONGEST, _LONGEST)
    (low, too_few), (high, too_many) = below, above
    return low - too_few * (high - low) / (too_many - too_few)
