"""Picture of what the features contribute to the prediction of one sample."""

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar

from ._drawing import (
    BLUE,
    VERMILION,
    canvas,
    check_fitted,
    feature_names_of,
    style_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ContributionsDisplay:
    """What the selected features contribute to the prediction of one sample.

    Every feature is a bar, the one that contributes most on top; the last bar is the
    sum of those that are not shown. The bars sum to the difference between the output
    of the sample and that of the baseline.

    Create it with :meth:`from_estimator`; the parameters of the constructor become
    attributes.

    Parameters
    ----------
    contributions : ndarray of shape (n_features,)
        What every feature contributes.

    baseline : float
        The output at the baseline.

    feature_names : array-like of shape (n_features,), default=None
        Names of the features. None: x0, x1, ...

    output_name : str, default="output"
        What the features contribute to.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the picture.

    figure_ : matplotlib Figure
        The figure of the picture.

    features_ : ndarray of shape (n_shown,)
        Indices into `contributions` of the features that are shown, from top to bottom.

    bars_ : matplotlib BarContainer
        The bars, those of `features_` and that of the others, if any.

    See Also
    --------
    skl1inf.L1InfClassifier.explain : The numbers behind the picture.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skl1inf import L1InfClassifier
    >>> from skl1inf.datasets import load_srbct
    >>> from skl1inf.plotting import ContributionsDisplay
    >>> X, y = load_srbct(return_X_y=True)
    >>> model = L1InfClassifier(random_state=0).fit(X[1:], y[1:])
    >>> display = ContributionsDisplay.from_estimator(model, X[:1], max_features=5)
    >>> display.features_.shape
    (5,)
    >>> plt.show()
    """

    def __init__(
        self,
        contributions: np.ndarray,
        baseline: float,
        *,
        feature_names: ArrayLike | None = None,
        output_name: str = "output",
    ):
        self.contributions = contributions
        self.baseline = baseline
        self.feature_names = feature_names
        self.output_name = output_name

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        max_features: int = 15,
        bar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        max_features : int, default=15
            Show at most so many features.

        bar_kw : dict, default=None
            Keywords for the bars, passed to :meth:`matplotlib.axes.Axes.barh`.

        Returns
        -------
        display : ContributionsDisplay
            The display itself.
        """
        check_scalar(max_features, "max_features", Integral, min_val=1)
        names = feature_names_of(self.feature_names, len(self.contributions))
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        self.features_, others = order[:max_features], order[max_features:]
        values = self.contributions[self.features_]
        names = [str(names[i]) for i in self.features_]
        if len(others):
            values = np.append(values, self.contributions[others].sum())
            names.append(f"{len(others)} others")
        with canvas(self, ax, 5, 1, n_lines=len(names) + 1) as ax:
            from matplotlib.patches import Rectangle

            colors = np.where(values > 0, VERMILION, BLUE)
            style = style_with({"color": colors, "height": 0.7}, bar_kw, Rectangle)
            places = np.arange(len(names))
            self.bars_ = ax.barh(places, values, **style)
            ax.axvline(0.0, color="0.3", linewidth=0.8)
            ax.set_yticks(places, names, fontsize="small", parse_math=False)
            output = self.baseline + self.contributions.sum()
            ax.set(
                ylim=(len(names) - 0.4, -0.6),
                xlabel=f"contribution to the {self.output_name}\n"
                f"{self.baseline:.3g} at the baseline, {output:.3g} here",
            )
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike | spmatrix | sparray,
        *,
        output: int | None = None,
        max_features: int = 15,
        bar_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw what the features contribute to the prediction of one sample.

        Parameters
        ----------
        estimator : L1InfClassifier, L1InfRegressor or L1InfCoxRegressor
            The fitted estimator.

        X : {array-like, sparse matrix} of shape (1, n_features)
            The sample.

        output : int, default=None
            Index of the class, of more than two, or of the target, of several. None:
            the class that is predicted, or the first target.

        max_features : int, default=15
            Show at most so many features.

        bar_kw : dict, default=None
            Keywords for the bars, passed to :meth:`matplotlib.axes.Axes.barh`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        Returns
        -------
        display : ContributionsDisplay
            The display, drawn.
        """
        check_fitted(estimator, ["explain"])
        explanation = estimator.explain(X)
        if len(explanation.contributions) != 1:
            raise ValueError(
                f"X must have one sample, got {len(explanation.contributions)}."
            )
        contributions, baseline = explanation.contributions[0], explanation.baseline
        classes = getattr(estimator, "classes_", None)
        if contributions.ndim == 2:
            output = _checked(output, baseline + contributions.sum(axis=0), classes)
            contributions, baseline = contributions[:, output], baseline[output]
        elif output is not None:
            raise ValueError(f"output={output!r} must be None: there is one output.")
        names = feature_names_of(
            getattr(estimator, "feature_names_in_", None), estimator.n_features_in_
        )
        display = cls(
            contributions,
            float(baseline),
            feature_names=[names[i] for i in explanation.features],
            output_name=_output_name(
                estimator, classes, output, np.size(explanation.baseline)
            ),
        )
        return display.plot(ax, max_features=max_features, bar_kw=bar_kw)


def _checked(output, scores, classes):
    """Return the index of one of several outputs, by default that of the best class."""
    if output is None:
        return 0 if classes is None else int(scores.argmax())
    check_scalar(output, "output", Integral, min_val=0, max_val=len(scores) - 1)
    return output


def _output_name(estimator, classes, output, n_outputs):
    """Return what the features contribute to, in words."""
    if classes is not None and n_outputs == 1:
        return f"log-odds of {classes[1]}"
    if classes is not None:
        return f"unnormalised log-probability of {classes[output]}"
    if hasattr(estimator, "baseline_hazard_"):
        return "log-risk"
    return "prediction" if n_outputs == 1 else f"prediction of target {output}"
