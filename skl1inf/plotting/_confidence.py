"""Picture of how sure a classifier is of each sample."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from ..targets import as_array
from ._drawing import BLUE, VERMILION, canvas, check_fitted, legend_above, style_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The height of the strip of a class; the rows are 1 apart.
_STRIP = 0.7

# How far probabilities may lie outside of 0 and 1, as those of single precision do.
_ROUNDING = 1e-6


class ConfidenceDisplay:
    """Samples by class and by confidence, with the errors marked.

    The confidence is the probability of the class that is predicted. Every class has a
    row, in which the samples that belong to it lie at their confidence, one above the
    other by their order. Where errors lie at the left, a classifier knows when it does
    not know.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`; the parameters of
    the constructor become attributes.

    Parameters
    ----------
    true, predicted : ndarray of shape (n_samples,)
        The class labels.

    confidence : ndarray of shape (n_samples,)
        The probability of the predicted class.

    classes : ndarray of shape (n_classes,)
        The class labels, from top to bottom.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the picture.

    figure_ : matplotlib Figure
        The figure of the picture.

    errors_ : ndarray of shape (n_errors,)
        The indices of the samples that are predicted wrongly, the surest first.

    right_, wrong_ : matplotlib PathCollection
        The samples that are predicted rightly, and wrongly.

    chance_ : matplotlib Line2D
        The line at the confidence of guessing, below which no sample can be.

    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    skl1inf.L1InfClassifier : A classifier that selects features.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skl1inf import L1InfClassifier
    >>> from skl1inf.datasets import load_srbct
    >>> from skl1inf.plotting import ConfidenceDisplay
    >>> X, y = load_srbct(return_X_y=True)
    >>> model = L1InfClassifier(random_state=0).fit(X[::2], y[::2])
    >>> display = ConfidenceDisplay.from_estimator(model, X[1::2], y[1::2])
    >>> bool((display.confidence > 0.25).all())
    True
    >>> plt.show()
    """

    def __init__(
        self,
        true: np.ndarray,
        predicted: np.ndarray,
        confidence: np.ndarray,
        *,
        classes: np.ndarray,
    ):
        self.true = true
        self.predicted = predicted
        self.confidence = confidence
        self.classes = classes

    def plot(
        self, ax: "Axes | None" = None, *, scatter_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        scatter_kw : dict, default=None
            Keywords for the points, passed to :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : ConfidenceDisplay
            The display itself.
        """
        with canvas(self, ax, 5, 0.7 * len(self.classes) + 0.6) as ax:
            from matplotlib.collections import PathCollection

            right = self.true == self.predicted
            heights = self._heights()

            def draw(samples, **style):
                style |= {"s": 24, "linewidth": 1.2}
                style = style_with(style, scatter_kw, PathCollection)
                if "c" in style:  # matplotlib takes one of the two
                    del style["color"]
                return ax.scatter(self.confidence[samples], heights[samples], **style)

            self.right_ = draw(right, marker="o", color=BLUE)
            self.wrong_ = draw(~right, marker="x", color=VERMILION)
            wrong = np.flatnonzero(~right)
            self.errors_ = wrong[np.argsort(-self.confidence[wrong], kind="stable")]
            chance = 1 / len(self.classes)
            self.chance_ = ax.axvline(chance, color="0.6", linestyle=":", linewidth=1)
            self._label(ax)
            self.legend_ = legend_above(
                ax,
                [self.right_, self.wrong_],
                [f"right ({right.sum()})", f"wrong ({len(wrong)})"],
            )
        return self

    def _heights(self):
        """Return the height of every sample: its class, and its place there."""
        heights = np.empty(len(self.true))
        for row, label in enumerate(self.classes):
            (samples,) = np.nonzero(self.true == label)
            places = (np.arange(len(samples)) + 0.5) / max(len(samples), 1) - 0.5
            heights[samples] = row + _STRIP * places
        return heights

    def _label(self, ax):
        """Name the rows and the axis."""
        ax.set(
            xlabel="probability of the predicted class",
            xlim=(None, 1.02),
            ylim=(len(self.classes) - 0.5, -0.5),
        )
        labels = [str(label) for label in self.classes]
        ax.set_yticks(range(len(labels)), labels, parse_math=False)
        for row in range(1, len(self.classes)):
            ax.axhline(row - 0.5, color="0.9", linewidth=0.8)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike,
        *,
        scatter_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw how sure a fitted classifier is of samples.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier with `predict_proba`, or a pipeline that ends in one.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples; those that the classifier was not trained on tell more.

        y : array-like of shape (n_samples,)
            Their class labels.

        scatter_kw : dict, default=None
            Keywords for the points, passed to :meth:`matplotlib.axes.Axes.scatter`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        Returns
        -------
        display : ConfidenceDisplay
            The display, drawn.
        """
        check_fitted(estimator, ["predict_proba", "classes_"])
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            classes=estimator.classes_,
            scatter_kw=scatter_kw,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        scatter_kw: dict[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw how sure given probabilities are.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            The class labels.

        y_proba : array-like of shape (n_samples, n_classes)
            The probabilities of the classes.

        classes : array-like of shape (n_classes,), default=None
            The labels that the columns of `y_proba` belong to. None: those of `y_true`,
            sorted.

        scatter_kw : dict, default=None
            Keywords for the points, passed to :meth:`matplotlib.axes.Axes.scatter`.

        ax : matplotlib Axes, default=None
            The axes to draw on. None: new ones, in a figure that fits the names.

        Returns
        -------
        display : ConfidenceDisplay
            The display, drawn.
        """
        y = column_or_1d(as_array(y_true))
        probabilities = check_array(y_proba, input_name="y_proba")
        check_consistent_length(y, probabilities)
        classes = np.unique(y) if classes is None else np.asarray(classes)
        if len(classes) != probabilities.shape[1]:
            raise ValueError(
                f"y_proba has {probabilities.shape[1]} columns: there are "
                f"{len(classes)} classes."
            )
        if not np.isin(y, classes).all():
            unknown = y[~np.isin(y, classes)][0]
            raise ValueError(f"y_true has the label {unknown!r}, which is no class.")
        if np.abs(probabilities - 0.5).max() > 0.5 + _ROUNDING:
            raise ValueError("y_proba must have values between 0 and 1.")
        best = probabilities.argmax(axis=1)
        confidence = probabilities[np.arange(len(y)), best]
        display = cls(y, classes[best], confidence, classes=classes)
        return display.plot(ax, scatter_kw=scatter_kw)
