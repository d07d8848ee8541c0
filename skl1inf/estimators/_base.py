"""What the selectors share: validation, preparation, ranking."""

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from .._sklearn import _check_sample_weight
from ..matrices import Matrix, open_matrix
from ..targets import Target, check_target

# Weights are in float32.
SMALLEST_RADIUS = float(np.finfo(np.float32).tiny)

# The forms of X that are taken.
X_CHECKS = {"accept_sparse": ("csr", "csc"), "dtype": (np.float64, np.float32)}


class L1InfSelectorBase(CallbackSupportMixin, SelectorMixin, BaseEstimator):
    """Base of the selectors: they have a `support_`, and take sparse X."""

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

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
    """

    matrix: Matrix
    y: np.ndarray | None
    kind: type[Target]
    sample_weight: np.ndarray

    @classmethod
    def validate(cls, selector, X, y, sample_weight, judge=None):
        """Validate what a fit of `selector` has been given.

        A copy of the selector takes what the validation sets, so that a refused input
        leaves an earlier fit as it was. `judge` is what the features are for.
        """
        # With `y` of None, the tags decide whether that is an error.
        no_target = {"y": y} if y is None else {}
        X = validate_data(
            copy(selector), X, **no_target, **X_CHECKS, ensure_min_samples=2
        )
        y, kind = check_target(y, selector.target, selector, judge)
        if y is not None:
            check_consistent_length(X, y)
        if selector.max_features is not None and selector.max_features > X.shape[1]:
            raise ValueError(
                f"max_features={selector.max_features} must be at most "
                f"n_features={X.shape[1]}."
            )
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        return cls(open_matrix(X), y, kind, sample_weight)

    def take_samples(self, index):
        """Return the data of the samples `index`."""
        y = None if self.y is None else self.y[index]
        matrix = self.matrix.take_samples(index)
        return Data(matrix, y, self.kind, self.sample_weight[index])

    def prepare(self, selector, samples=None):
        """Return what can be trained on: standardised, the target encoded.

        Of the samples with the indices `samples`, None being all, those of positive
        weight. Raises ValueError where they cannot be trained on.
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
        return PreparedData(data, target, scaling)


@dataclass(frozen=True)
class Scaling:
    """The standardisation: means, scales, and the mask of constant columns."""

    mean: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

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

    def problem(self):
        """Return the problem that is trained on."""
        from ..ball import L1InfBall
        from ..network import Problem

        mean, scale = self.scaling.mean, self.scaling.scale
        inverse_scale = np.where(self.scaling.constant, 0.0, 1.0 / scale)
        matrix, target = self.data.matrix, self.target
        return Problem(matrix, target, mean, inverse_scale, L1InfBall())

    def rank(self, order, selected):
        """Return the ranks of the features, 1 the best, as of `ranking_`.

        A rank is the place in the order, but the selected come first, constants last.
        """
        constant = self.scaling.constant
        group = np.where(constant, 2, np.where(selected, 0, 1))
        order = order[np.argsort(group[order], kind="stable")]
        ranking = np.empty(len(order), dtype=int)
        ranking[order] = np.arange(1, len(order) + 1)
        return ranking


def prepare(selector, X, y, sample_weight):
    """Return the prepared data of a fit of `selector`, and the training's options."""
    if selector.radius < SMALLEST_RADIUS:
        raise ValueError(
            f"radius={selector.radius} is too small for the range of float32."
        )
    data = Data.validate(selector, X, y, sample_weight).prepare(selector)
    return data, training_options(selector, data.target)


def training_options(selector, target) -> Any:
    """Return what the training is told."""
    from ..network import Options

    device = _resolve_device(selector.device)
    random_state = check_random_state(selector.random_state)
    auto = selector.learning_rate == "auto"
    return Options(
        n_hidden=selector.n_hidden,
        n_latent=target.n_latent or selector.n_latent or 8,
        activation=selector.activation,
        reconstruction_weight=selector.reconstruction_weight,
        step=0.01 if auto else selector.learning_rate,
        max_iter=selector.max_iter,
        tol=selector.tol,
        batch_size=selector.batch_size,
        seed=random_state.randint(np.iinfo(np.int32).max),
        device=device,
    )


def _resolve_device(name):
    """Return the torch device of that name, which is there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # of "meta" there is none
    # torch reports an unknown or missing device in several ways.
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"device={name!r} is not available: {error}") from error
    return device


def select(selection, order, max_features, second_descent):
    """Return the mask of the selected features: as many as are alive.

    At most `max_features` of them, the first of an order. A second descent starts anew
    and may see any features, those alive before the others where neither has any
    importance. Without one, only those alive can be selected.
    """
    alive, n_alive = selection.alive, int(selection.alive.sum())
    unimportant = selection.importances == 0.0
    last = unimportant if second_descent else np.ones_like(alive)
    order = order[np.argsort((last & ~alive)[order], kind="stable")]
    mask = np.zeros_like(alive)
    mask[order[: min(n_alive, max_features)]] = True
    return mask
