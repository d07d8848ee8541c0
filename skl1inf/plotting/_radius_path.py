"""The picture of a path of radii."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, check_scalar

from ._drawing import (
    GREY,
    PALETTE,
    canvas,
    check_fitted,
    feature_names_of,
    legend_above,
    mark_radius,
    name_at_right,
    style_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RadiusPathDisplay:
    """Weights of the features along a path of radii.

    Each line is a feature: its largest absolute weight relative to the radius, the
    share of the budget that it takes. The leading features have colours and names, the
    others are grey.

    Create it with :meth:`from_estimator` or :meth:`from_path`; the parameters of the
    constructor become attributes.

    Parameters
    ----------
    radii : ndarray of shape (n_radii,)
        The radii, ascending.

    weights : ndarray of shape (n_radii, n_features)
        The largest absolute weight of each feature relative to the radius.

    ranking : ndarray of shape (n_features,)
        Ranks that say which features lead, 1 the best.

    radius : float, default=None
        A radius to mark, such as the one that was chosen.

    feature_names : array-like of shape (n_features,), default=None
        Names of the features; None means x0, x1, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the picture.

    figure_ : matplotlib Figure
        The figure of the picture.

    lines_ : list of matplotlib Line2D
        The leading features, the best first.

    other_lines_ : matplotlib LineCollection
        The other features that live at one radius of the path at least.

    radius_line_ : matplotlib Line2D or None
        The marked radius.

    texts_ : list of matplotlib Annotation
        The names of the leading features, the best first.

    See Also
    --------
    skl1inf.plotting.RadiusCVDisplay : The scores along the path.

    Examples
    --------
    >>> import numpy as np
    >>> import matplotlib.pyplot as plt
    >>> from skl1inf.plotting import RadiusPathDisplay
    >>> radii = np.array([0.5, 1.0, 2.0])
    >>> weights = np.array([[1.0, 0.0, 0.0], [0.7, 0.3, 0.0], [0.5, 0.3, 0.2]])
    >>> display = RadiusPathDisplay(radii, weights, np.array([1, 2, 3]), radius=1.0)
    >>> display.plot(n_names=2).texts_[0].get_text()
    'x0'
    >>> plt.show()
    """

    def __init__(
        self,
        radii: np.ndarray,
        weights: np.ndarray,
        ranking: np.ndarray,
        *,
        radius: float | None = None,
        feature_names: ArrayLike | None = None,
    ):
        self.radii = radii
        self.weights = weights
        self.ranking = ranking
        self.radius = radius
        self.feature_names = feature_names

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        n_names: int = 10,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        n_names : int, default=10
            Number of leading features, which get colours and, as far as there is room,
            names.

        line_kw : dict, default=None
            Keywords for the lines of the leading features, passed to
            :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : RadiusPathDisplay
            The display itself.
        """
        check_scalar(n_names, "n_names", Integral, min_val=0)
        with canvas(self, ax, 5.5, 4) as ax:
            from matplotlib.collections import LineCollection
            from matplotlib.lines import Line2D

            order = np.argsort(self.ranking, kind="stable")
            leading, others = order[:n_names], order[n_names:]
            others = others[self.weights[:, others].any(axis=0)]
            self.other_lines_ = ax.add_collection(
                LineCollection(
                    [np.column_stack([self.radii, w]) for w in self.weights.T[others]],
                    colors=GREY,
                    linewidths=0.6,
                )
            )
            self.lines_ = []
            for i, feature in enumerate(leading):
                # Without the last colour of the palette, too pale for a thin line.
                style = {"color": PALETTE[i % 7], "linewidth": 1.8}
                style["linestyle"] = ("-", "--", "-.", ":")[i // 7 % 4]
                style = style_with(style, line_kw, Line2D)
                self.lines_ += ax.plot(self.radii, self.weights[:, feature], **style)
            ax.set(xscale="log", xlabel="radius", ylabel="largest weight / radius")
            ax.xaxis.set_major_formatter("{x:g}")  # 0.1 rather than a power of ten
            ax.margins(x=0)
            ax.set_ylim(bottom=0)
            self.radius_line_ = None
            if self.radius is not None:
                self.radius_line_ = mark_radius(ax, self.radius, "black", ":")
                label = f"chosen radius {self.radius:.3g}"
                legend_above(ax, [self.radius_line_], [label])
            names = feature_names_of(self.feature_names, self.weights.shape[1])
            self.texts_ = name_at_right(
                ax,
                [names[feature] for feature in leading],
                self.radii[-1],
                self.weights[-1, leading],
                colors=[line.get_color() for line in self.lines_],
            )
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        n_names: int = 10,
        line_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the path of an estimator that chose its radius.

        Parameters
        ----------
        estimator : L1InfFeatureSelectorCV
            The fitted estimator; of a pipeline, its step.

        n_names : int, default=10
            Number of leading features, the best ranked at the chosen radius, which get
            colours and, as far as there is room, names.

        line_kw : dict, default=None
            Keywords for the lines of the leading features, passed to
            :meth:`matplotlib.axes.Axes.plot`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        Returns
        -------
        display : RadiusPathDisplay
            The display, drawn.
        """
        check_fitted(estimator, ["path_", "radius_"])
        return cls.from_path(
            estimator.path_,
            radius=estimator.radius_,
            n_names=n_names,
            line_kw=line_kw,
            ax=ax,
        )

    @classmethod
    def from_path(
        cls,
        path: Bunch,
        *,
        radius: float | None = None,
        n_names: int = 10,
        line_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw what :func:`skl1inf.radius_path` returned.

        Parameters
        ----------
        path : :class:`~sklearn.utils.Bunch`
            The path.

        radius : float, default=None
            A radius to mark. The leading features are the best ranked at the radius of
            the path that is nearest to it; without one, those that enter first.

        n_names : int, default=10
            Number of leading features, which get colours and, as far as there is room,
            names.

        line_kw : dict, default=None
            Keywords for the lines of the leading features, passed to
            :meth:`matplotlib.axes.Axes.plot`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        Returns
        -------
        display : RadiusPathDisplay
            The display, drawn.
        """
        if radius is None:
            order = np.lexsort((path.rankings.mean(axis=0), path.entry_radii))
            ranking = np.argsort(order) + 1
        else:
            check_scalar(
                radius, "radius", Real, min_val=0, include_boundaries="neither"
            )
            nearest = np.argmin(np.abs(np.log(path.radii / radius)))
            ranking = path.rankings[nearest]
        display = cls(
            path.radii,
            path.weights,
            ranking,
            radius=radius,
            feature_names=path.feature_names,
        )
        return display.plot(ax, n_names=n_names, line_kw=line_kw)
