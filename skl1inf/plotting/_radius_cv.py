"""The picture of the choice of a radius."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from ._drawing import (
    BLUE,
    VERMILION,
    canvas,
    check_fitted,
    legend_above,
    mark_radius,
    style_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RadiusCVDisplay:
    """Cross-validated score and number of features against the radius.

    The mean score over the folds with a band of one standard error, and the mean
    number of selected features on an axis of its own; the radius of the best mean score
    and the one that was chosen are marked. Where the two differ, a dotted line shows
    the score that the rule "1se" asks for: the best less the median standard error.

    Create it with :meth:`from_estimator`; the parameters of the constructor become
    attributes.

    Parameters
    ----------
    radii : ndarray of shape (n_radii,)
        The radii, ascending.

    mean_scores, standard_errors : ndarray of shape (n_radii,)
        Mean of the score over the folds and its standard error.

    n_features : ndarray of shape (n_radii,)
        Mean number of selected features over the folds.

    radius : float
        The chosen radius.

    score_name : str, default="score"
        Name of the score, for its axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the score.

    features_ax_ : matplotlib Axes
        The axes of the number of features.

    figure_ : matplotlib Figure
        The figure of the picture.

    line_ : matplotlib Line2D
        The mean score.

    band_ : matplotlib PolyCollection
        The band of one standard error.

    features_line_ : matplotlib Line2D
        The number of features.

    radius_line_, best_line_ : matplotlib Line2D
        The chosen radius, and the one with the best mean score.

    level_line_ : matplotlib Line2D or None
        The score a median standard error below the best.

    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    skl1inf.plotting.RadiusPathDisplay : The features along the path.

    Examples
    --------
    >>> import numpy as np
    >>> import matplotlib.pyplot as plt
    >>> from skl1inf.plotting import RadiusCVDisplay
    >>> display = RadiusCVDisplay(
    ...     radii=np.array([0.1, 0.3, 1.0, 3.0]),
    ...     mean_scores=np.array([0.6, 0.9, 0.92, 0.91]),
    ...     standard_errors=np.array([0.05, 0.03, 0.03, 0.02]),
    ...     n_features=np.array([4.2, 11.0, 19.4, 140.0]),
    ...     radius=0.3,
    ...     score_name="balanced accuracy",
    ... )
    >>> display.plot().ax_.get_ylabel()
    'balanced accuracy'
    >>> plt.show()
    """

    def __init__(
        self,
        radii: np.ndarray,
        mean_scores: np.ndarray,
        standard_errors: np.ndarray,
        n_features: np.ndarray,
        *,
        radius: float,
        score_name: str = "score",
    ):
        self.radii = radii
        self.mean_scores = mean_scores
        self.standard_errors = standard_errors
        self.n_features = n_features
        self.radius = radius
        self.score_name = score_name

    def plot(
        self, ax: "Axes | None" = None, *, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure of their own.

        line_kw : dict, default=None
            Keywords for the line of the mean score, passed to
            :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : RadiusCVDisplay
            The display itself.
        """
        with canvas(self, ax, 5.5, 3.5) as ax:
            from matplotlib.lines import Line2D
            from matplotlib.ticker import LogFormatter

            style = style_with({"color": BLUE, "marker": "o"}, line_kw, Line2D)
            (self.line_,) = ax.plot(self.radii, self.mean_scores, **style)
            self.band_ = ax.fill_between(
                self.radii,
                self.mean_scores - self.standard_errors,
                self.mean_scores + self.standard_errors,
                color=self.line_.get_color(),
                alpha=0.2,
                linewidth=0,
            )
            self.features_ax_ = ax.twinx()
            (self.features_line_,) = self.features_ax_.plot(
                self.radii, self.n_features, color="0.4", marker=".", linestyle="--"
            )
            self.features_ax_.set(yscale="log", ylabel="number of features")
            ax.set(xscale="log", xlabel="radius", ylabel=self.score_name)
            for axis in (ax.xaxis, self.features_ax_.yaxis):
                axis.set_major_formatter("{x:g}")  # 0.1 rather than a power of ten
            self.features_ax_.yaxis.set_minor_formatter(LogFormatter())  # 40, as well
            self._mark_radii(ax)
        return self

    def _mark_radii(self, ax):
        best = np.nanargmax(self.mean_scores)
        chosen = np.argmin(np.abs(self.radii - self.radius))
        self.best_line_ = mark_radius(ax, self.radii[best], VERMILION, "-.")
        self.radius_line_ = mark_radius(ax, self.radius, "black", ":")
        self.level_line_ = None
        if best != chosen:
            level = self.mean_scores[best] - np.nanmedian(self.standard_errors)
            self.level_line_ = ax.axhline(
                level, color=VERMILION, linestyle=":", linewidth=0.8
            )
        marks = [
            f"{name} radius {radius:.3g}: {n_features:.3g} features a fold"
            for name, radius, n_features in [
                ("chosen", self.radii[chosen], self.n_features[chosen]),
                ("best", self.radii[best], self.n_features[best]),
            ]
        ]
        self.legend_ = legend_above(
            ax,
            [self.line_, self.features_line_, self.radius_line_, self.best_line_],
            [f"{self.score_name} ± standard error", "number of features", *marks],
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        score_name: str | None = None,
        line_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the cross-validation of an estimator that chose its radius.

        Parameters
        ----------
        estimator : L1InfFeatureSelectorCV
            The fitted estimator; of a pipeline, its step.

        score_name : str, default=None
            Name of the score. None: that of the parameter `scoring` of the estimator,
            where it is a string.

        line_kw : dict, default=None
            Keywords for the line of the mean score, passed to
            :meth:`matplotlib.axes.Axes.plot`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure of their own.

        Returns
        -------
        display : RadiusCVDisplay
            The display, drawn.
        """
        check_fitted(estimator, ["cv_results_", "radius_"])
        results = estimator.cv_results_
        if score_name is None:
            scoring = getattr(estimator, "scoring", None)
            score_name = scoring if isinstance(scoring, str) else "score"
            score_name = score_name.replace("_", " ")
        display = cls(
            results["radius"],
            results["mean_test_score"],
            results["standard_error"],
            results["n_features"],
            radius=estimator.radius_,
            score_name=score_name,
        )
        return display.plot(ax, line_kw=line_kw)
