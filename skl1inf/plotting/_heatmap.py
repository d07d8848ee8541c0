"""Picture of the selected features in the samples."""

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.sparse import sparray, spmatrix
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_consistent_length, check_scalar

from ..matrices import open_matrix
from ._drawing import (
    HATCHES,
    PALETTE,
    canvas,
    check_fitted,
    encode_target,
    feature_names_of,
    inset_from_edge,
    legend_above,
    name_at_right,
    style_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ExpressionHeatmapDisplay:
    """The selected features, a row each, in the samples, a column each.

    Every feature is centred and scaled over the samples drawn. Samples are ordered by
    the target, those of a class among one another and the features by hierarchical
    clustering with optimal leaf ordering. The names of the leading features stand
    at the right, all of them where there are few; a strip above shows the target.

    Create it with :meth:`from_estimator`; the parameters of the constructor become
    attributes.

    Parameters
    ----------
    matrix : ndarray of shape (n_samples, n_features)
        The features to draw, with finite entries.

    target : array-like of shape (n_samples,), default=None
        What orders the samples: floating-point numbers, the times of a structured
        array of events and times, or classes of any other type.

    ranking : ndarray of shape (n_features,), default=None
        Ranks that say which features to name where there are too many, 1 the best.
        None: by column.

    feature_names : array-like of shape (n_features,), default=None
        Names of the features; None means x0, x1, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the heat map.

    figure_ : matplotlib Figure
        The figure of the picture.

    features_ : ndarray of shape (n_features,)
        The columns of `matrix` from top to bottom.

    samples_ : ndarray of shape (n_samples,)
        The rows of `matrix` from left to right.

    image_ : matplotlib AxesImage
        The heat map.

    colorbar_ : matplotlib Colorbar
        Its colour bar.

    strip_ax_ : matplotlib Axes or None
        The strip of the target.

    legend_ : matplotlib Legend or None
        The legend of the classes.

    target_colorbar_ : matplotlib Colorbar or None
        The colour bar of a target of numbers.

    texts_ : list of matplotlib Annotation
        The names of the features, the best first.

    See Also
    --------
    skl1inf.plotting.LatentSpaceDisplay : The samples in the latent code.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skl1inf import L1InfFeatureSelector
    >>> from skl1inf.datasets import load_srbct
    >>> from skl1inf.plotting import ExpressionHeatmapDisplay
    >>> X, y = load_srbct(return_X_y=True)
    >>> selector = L1InfFeatureSelector(max_features=8, random_state=0).fit(X, y)
    >>> display = ExpressionHeatmapDisplay.from_estimator(selector, X, y)
    >>> display.image_.get_array().shape
    (8, 83)
    >>> plt.show()
    """

    def __init__(
        self,
        matrix: np.ndarray,
        *,
        target: ArrayLike | None = None,
        ranking: np.ndarray | None = None,
        feature_names: ArrayLike | None = None,
    ):
        self.matrix = matrix
        self.target = target
        self.ranking = ranking
        self.feature_names = feature_names

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        n_names: int = 50,
        image_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        n_names : int, default=50
            Name at most so many features, the best ranked, as far as there is room.

        image_kw : dict, default=None
            Keywords for the heat map, passed to :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : ExpressionHeatmapDisplay
            The display itself.
        """
        check_scalar(n_names, "n_names", Integral, min_val=0)
        values, classes = None, None
        if self.target is not None:
            check_consistent_length(self.matrix, self.target)
            values, classes = encode_target(self.target)
        n_samples, n_features = self.matrix.shape
        width = np.clip(0.07 * n_samples, 4.5, 9)
        with canvas(self, ax, width, 1.5, n_lines=n_features) as ax:
            scaled = StandardScaler().fit_transform(self.matrix)
            self.features_ = _cluster(scaled.T)
            self.samples_ = _order_samples(scaled, values, classes)
            self._draw_matrix(ax, scaled[self.samples_][:, self.features_].T, image_kw)
            self._draw_names(ax, n_names)
            self.strip_ax_, self.legend_, self.target_colorbar_ = None, None, None
            if values is not None:
                self.strip_ax_ = inset_from_edge(ax, 0, 0.04, 1, 0.14)
                self.strip_ax_.set_axis_off()
                draw = self._draw_numbers if classes is None else self._draw_classes
                draw(ax, values[self.samples_], classes)
        return self

    def _draw_matrix(self, ax, matrix, image_kw):
        from matplotlib.image import AxesImage

        # Robust limits: the strongest 2 % of the entries do not bleach the others.
        limit = np.quantile(np.abs(matrix), 0.98) or 1.0
        style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
        style |= {"aspect": "auto", "interpolation": "nearest"}
        self.image_ = ax.imshow(matrix, **style_with(style, image_kw, AxesImage))
        n_features, n_samples = matrix.shape
        ax.set(xticks=[], yticks=[])
        ax.set(xlabel=f"{n_samples} samples", ylabel=f"{n_features} features")
        self.colorbar_ = _colorbar_below(ax, self.image_, 0, "standard deviations")

    def _draw_names(self, ax, n_names):
        rows = np.empty(len(self.features_), dtype=int)
        rows[self.features_] = np.arange(len(rows))
        ranking = np.arange(len(rows)) if self.ranking is None else self.ranking
        leading = np.argsort(ranking, kind="stable")[:n_names]
        names = feature_names_of(self.feature_names, len(rows))
        self.texts_ = name_at_right(
            ax,
            [names[feature] for feature in leading],
            self.matrix.shape[0] - 0.5,
            rows[leading],
        )

    def _draw_classes(self, ax, values, classes):
        starts = np.searchsorted(values, np.arange(len(classes)))
        stops = np.append(starts[1:], len(values))
        patches = [
            self.strip_ax_.axvspan(
                start - 0.5,
                stop - 0.5,
                facecolor=PALETTE[i % len(PALETTE)],
                edgecolor="white",
                linewidth=0,
                hatch=HATCHES[i // len(PALETTE) % len(HATCHES)],
            )
            for i, (start, stop) in enumerate(zip(starts, stops, strict=True))
        ]
        self.strip_ax_.set(xlim=ax.get_xlim(), ylim=(0, 1))
        for start in starts[1:]:
            for axes in (ax, self.strip_ax_):
                axes.axvline(start - 0.5, color="white", linewidth=1.5)
        self.legend_ = legend_above(ax, patches, classes, bottom=0.26)

    def _draw_numbers(self, ax, values, classes):
        image = self.strip_ax_.imshow(values[None], aspect="auto", cmap="viridis")
        self.target_colorbar_ = _colorbar_below(ax, image, 0.6, "target")

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike | None = None,
        *,
        max_features: int | None = None,
        n_names: int = 50,
        image_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the features that a fitted selector keeps.

        Parameters
        ----------
        estimator : L1InfFeatureSelector
            The fitted selector, or any other selector of features. Of a pipeline, pass
            the step with the input that it gets: ``from_estimator(pipe[0], X, y)`` if
            it is the first step, ``from_estimator(pipe[1], pipe[:1].transform(X), y)``
            if it is the second.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        y : array-like of shape (n_samples,), default=None
            What orders the samples: floating-point numbers, the times of a structured
            array of events and times, or classes of any other type.

        max_features : int, default=None
            Draw at most so many of the selected features, the best ranked. None: all.

        n_names : int, default=50
            Name at most so many features, the best ranked, as far as there is room.

        image_kw : dict, default=None
            Keywords for the heat map, passed to :meth:`matplotlib.axes.Axes.imshow`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        Returns
        -------
        display : ExpressionHeatmapDisplay
            The display, drawn.
        """
        check_fitted(estimator, ["get_support", "transform"])
        if max_features is not None:
            check_scalar(max_features, "max_features", Integral, min_val=1)
        chosen = estimator.get_support(indices=True)
        if len(chosen) == 0:
            raise ValueError("estimator selected no feature: there is nothing to draw.")
        ranking = getattr(estimator, "ranking_", np.arange(chosen[-1] + 1))[chosen]
        kept = np.sort(np.argsort(ranking, kind="stable")[:max_features])
        selected = check_array(estimator.transform(X), accept_sparse=("csr", "csc"))
        display = cls(
            open_matrix(selected).columns(kept),
            target=y,
            ranking=ranking[kept],
            feature_names=estimator.get_feature_names_out()[kept],
        )
        return display.plot(ax, n_names=n_names, image_kw=image_kw)


def _cluster(rows):
    """Return an order of the rows in which neighbours are alike."""
    if len(rows) < 3:
        return np.arange(len(rows))
    # Of centred and scaled rows, Euclidean distances order as correlations do.
    return leaves_list(linkage(rows, method="average", optimal_ordering=True))


def _order_samples(scaled, values, classes):
    """Return the samples by number, or by class and alike within a class."""
    if values is None:
        return _cluster(scaled)
    if classes is None:
        return np.argsort(values, kind="stable")
    parts = [np.flatnonzero(values == i) for i in range(len(classes))]
    return np.concatenate([part[_cluster(scaled[part])] for part in parts])


def _colorbar_below(ax, image, left, label):
    """Draw a horizontal colour bar under the axes, from `left` of its width on."""
    bar = inset_from_edge(ax, left, -0.5, 0.4, 0.12, edge=0)
    return ax.figure.colorbar(image, cax=bar, orientation="horizontal", label=label)
