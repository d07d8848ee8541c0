"""Picture of the stability selection."""

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar

from ._drawing import (
    BLUE,
    GREY,
    VERMILION,
    canvas,
    check_fitted,
    feature_names_of,
    legend_above,
    name_at_right,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class StabilityDisplay:
    """Features sorted by their selection probability.

    A row is a feature, the best on top; the point is the share of the subsamples in
    which it was selected. Points from the threshold on are blue and filled: those
    features are selected. The legend says how many they are, and how many of them are
    at most expected to be false.

    Create it with :meth:`from_estimator`; the parameters of the constructor become
    attributes.

    Parameters
    ----------
    selection_probabilities : ndarray of shape (n_features,)
        Share of the subsamples in which each feature was selected.

    threshold : float
        The probability from which on a feature is selected.

    ranking : ndarray of shape (n_features,), default=None
        Ranks that order features of equal probability. None: by column.

    false_positives_bound : float, default=None
        Bound on the expected number of false selections.

    feature_names : array-like of shape (n_features,), default=None
        Names of the features; None means x0, x1, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the picture.

    figure_ : matplotlib Figure
        The figure of the picture.

    features_ : ndarray of shape (n_drawn,)
        The drawn features, from top to bottom.

    stable_points_, other_points_ : matplotlib Line2D
        The features from the threshold on, and the others.

    bars_ : matplotlib StepPatch
        The bars that end at the points.

    threshold_line_ : matplotlib Line2D
        The threshold.

    texts_ : list of matplotlib Annotation
        The names of the leading features, the best first.

    legend_ : matplotlib Legend
        The legend.

    Examples
    --------
    >>> import numpy as np
    >>> import matplotlib.pyplot as plt
    >>> from skl1inf.plotting import StabilityDisplay
    >>> display = StabilityDisplay(
    ...     np.array([0.2, 1.0, 0.0, 0.9]), threshold=0.7, false_positives_bound=0.5
    ... )
    >>> display.plot().features_
    array([1, 3, 0])
    >>> plt.show()
    """

    def __init__(
        self,
        selection_probabilities: np.ndarray,
        threshold: float,
        *,
        ranking: np.ndarray | None = None,
        false_positives_bound: float | None = None,
        feature_names: ArrayLike | None = None,
    ):
        self.selection_probabilities = selection_probabilities
        self.threshold = threshold
        self.ranking = ranking
        self.false_positives_bound = false_positives_bound
        self.feature_names = feature_names

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        max_features: int | None = None,
        n_names: int = 20,
        point_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        max_features : int, default=None
            Draw at most so many features, the most probable. None: all that were
            selected in any subsample.

        n_names : int, default=20
            Name at most so many features, the most probable, as far as there is room.

        point_kw : dict, default=None
            Keywords for the points, passed to :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : StabilityDisplay
            The display itself.
        """
        check_scalar(n_names, "n_names", Integral, min_val=0)
        if max_features is not None:
            check_scalar(max_features, "max_features", Integral, min_val=1)
        with canvas(self, ax, 5, 4.5) as ax:
            probabilities = np.asarray(self.selection_probabilities)
            ties = (
                np.arange(len(probabilities)) if self.ranking is None else self.ranking
            )
            order = np.lexsort((ties, -probabilities))
            n_drawn = max(np.count_nonzero(probabilities), 1)
            self.features_ = order[: min(n_drawn, max_features or n_drawn)]
            self._draw_points(ax, probabilities[self.features_], point_kw)
            names = feature_names_of(self.feature_names, len(probabilities))
            named = self.features_[:n_names]
            rank = np.arange(1, len(named) + 1)
            ax.hlines(rank, probabilities[named], 1.02, color="0.8", linewidth=0.6)
            self.texts_ = name_at_right(ax, [names[i] for i in named], 1.02, rank)
        return self

    def _draw_points(self, ax, probabilities, point_kw):
        rank = np.arange(1, len(probabilities) + 1)
        stable = probabilities >= self.threshold
        edges = np.arange(len(rank) + 1) + 0.5
        self.bars_ = ax.stairs(
            probabilities, edges, orientation="horizontal", fill=True, color="0.95"
        )
        style = {"marker": "o", "markersize": 4, "linestyle": "", **(point_kw or {})}
        (self.other_points_,) = ax.plot(
            probabilities[~stable],
            rank[~stable],
            **{"color": GREY, "markerfacecolor": "white", **style},
        )
        (self.stable_points_,) = ax.plot(
            probabilities[stable], rank[stable], **{"color": BLUE, **style}
        )
        self.threshold_line_ = ax.axvline(
            self.threshold, color=VERMILION, linestyle="--", linewidth=1.4
        )
        ax.set(xlabel="selection probability", ylabel="rank", xlim=(0, 1.02))
        ax.set_ylim(len(rank) + 0.5, 0.5)
        n_stable = np.count_nonzero(stable)
        label = f"{n_stable} selected"
        if self.false_positives_bound is not None:
            bound = np.ceil(100 * self.false_positives_bound) / 100
            label += f", at most {bound:g} expected to be false"
        self.legend_ = legend_above(
            ax,
            [self.stable_points_, self.threshold_line_],
            [label, f"threshold {self.threshold:.3g}"],
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        max_features: int | None = None,
        n_names: int = 20,
        point_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the selection probabilities of a stability selection.

        Parameters
        ----------
        estimator : L1InfStabilitySelector
            The fitted estimator; of a pipeline, its step.

        max_features : int, default=None
            Draw at most so many features, the most probable. None: all that were
            selected in any subsample.

        n_names : int, default=20
            Name at most so many features, the most probable, as far as there is room.

        point_kw : dict, default=None
            Keywords for the points, passed to :meth:`matplotlib.axes.Axes.plot`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        Returns
        -------
        display : StabilityDisplay
            The display, drawn.
        """
        check_fitted(
            estimator,
            [
                "selection_probabilities_",
                "threshold_",
                "false_positives_bound_",
                "ranking_",
            ],
        )
        display = cls(
            estimator.selection_probabilities_,
            estimator.threshold_,
            ranking=estimator.ranking_,
            false_positives_bound=estimator.false_positives_bound_,
            feature_names=getattr(estimator, "feature_names_in_", None),
        )
        return display.plot(
            ax, max_features=max_features, n_names=n_names, point_kw=point_kw
        )
