"""Picture of the samples in the latent code."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.utils import check_consistent_length

from ._drawing import (
    BLUE,
    MARKERS,
    PALETTE,
    canvas,
    check_fitted,
    encode_target,
    legend_above,
    style_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LatentSpaceDisplay:
    """Samples in the latent code of a selector.

    A code of two units is drawn as it is, and of one with more its first two principal
    axes. A code of one unit is drawn against the target, or against the number of the
    sample where there is none. Classes have colours and markers of their own, numbers a
    colour bar.

    Create it with :meth:`from_estimator`; the parameters of the constructor become
    attributes.

    Parameters
    ----------
    code : ndarray of shape (n_samples, n_latent)
        The latent code of the samples.

    target : array-like of shape (n_samples,), default=None
        What colours the samples: floating-point numbers, the times of a structured
        array of events and times, or classes of any other type.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the picture.

    figure_ : matplotlib Figure
        The figure of the picture.

    coordinates_ : ndarray of shape (n_samples, 2)
        Where the samples are drawn.

    points_ : list of matplotlib PathCollection
        The samples, one item a class, or a single one where there are no classes.

    legend_ : matplotlib Legend or None
        The legend of the classes.

    colorbar_ : matplotlib Colorbar or None
        The colour bar of the numbers.

    See Also
    --------
    skl1inf.plotting.ExpressionHeatmapDisplay : The features that were selected.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skl1inf import L1InfFeatureSelector
    >>> from skl1inf.datasets import load_srbct
    >>> from skl1inf.plotting import LatentSpaceDisplay
    >>> X, y = load_srbct(return_X_y=True)
    >>> selector = L1InfFeatureSelector(random_state=0).fit(X, y)
    >>> display = LatentSpaceDisplay.from_estimator(selector, X, y)
    >>> len(display.points_)
    4
    >>> plt.show()
    """

    def __init__(self, code: np.ndarray, *, target: ArrayLike | None = None):
        self.code = code
        self.target = target

    def plot(
        self, ax: "Axes | None" = None, *, scatter_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the legend.

        scatter_kw : dict, default=None
            Keywords for the points, passed to :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display itself.
        """
        values, classes = None, None
        if self.target is not None:
            check_consistent_length(self.code, self.target)
            values, classes = encode_target(self.target)
        with canvas(self, ax, 5, 4) as ax:
            from matplotlib.collections import PathCollection

            self.coordinates_, labels = self._place(values, classes)
            style = {"s": 36, "edgecolor": "0.2", "linewidth": 0.4}
            style = style_with(style, scatter_kw, PathCollection)
            self.legend_, self.colorbar_ = None, None
            if classes is not None:
                self._draw_classes(ax, values, classes, style)
            elif values is not None:
                self._draw_numbers(ax, values, style)
            else:
                self.points_ = [ax.scatter(*self.coordinates_.T, color=BLUE, **style)]
            ax.set(xlabel=labels[0], ylabel=labels[1])
            if classes is not None and self.code.shape[1] == 1:
                ax.set_yticks([])
        return self

    def _place(self, values, classes):
        """Return the coordinates of the samples and the labels of the two axes."""
        n_samples, n_latent = self.code.shape
        if n_latent == 1 and values is None:
            return np.column_stack([self.code, np.arange(n_samples)]), (
                "code",
                "sample",
            )
        if n_latent == 1:
            label = "target" if classes is None else ""
            return np.column_stack([self.code, values]), ("code", label)
        if n_latent == 2:
            return self.code, ("first unit of the code", "second unit of the code")
        pca = PCA(n_components=2).fit(self.code)
        first, second = pca.explained_variance_ratio_
        return pca.transform(self.code), (
            f"first principal axis of the code ({first:.0%} of the variance)",
            f"second principal axis ({second:.0%})",
        )

    def _draw_classes(self, ax, values, classes, style):
        self.points_ = [
            ax.scatter(
                *self.coordinates_[values == i].T,
                color=PALETTE[i % len(PALETTE)],
                marker=MARKERS[i % len(MARKERS)],
                **style,
            )
            for i in range(len(classes))
        ]
        self.legend_ = legend_above(ax, self.points_, classes)

    def _draw_numbers(self, ax, values, style):
        style = {"cmap": "viridis", **style}
        self.points_ = [ax.scatter(*self.coordinates_.T, c=values, **style)]
        self.colorbar_ = ax.figure.colorbar(
            self.points_[0], cax=ax.inset_axes([1.03, 0, 0.04, 1]), label="target"
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike | None = None,
        *,
        scatter_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw samples in the code of a fitted selector.

        Parameters
        ----------
        estimator : L1InfFeatureSelector
            The fitted selector. Of a pipeline, pass the step with the input that it
            gets: ``from_estimator(pipe[0], X, y)`` if it is the first step,
            ``from_estimator(pipe[1], pipe[:1].transform(X), y)`` if it is the second.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        y : array-like of shape (n_samples,), default=None
            What colours the samples: floating-point numbers, the times of a structured
            array of events and times, or classes of any other type.

        scatter_kw : dict, default=None
            Keywords for the points, passed to :meth:`matplotlib.axes.Axes.scatter`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the legend.

        Returns
        -------
        display : LatentSpaceDisplay
            The display, drawn.
        """
        check_fitted(estimator, ["encode"])
        return cls(estimator.encode(X), target=y).plot(ax, scatter_kw=scatter_kw)
