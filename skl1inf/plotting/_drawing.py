"""What the displays draw with: axes, names, legends, strips and colours."""

from contextlib import contextmanager
from functools import partial

import numpy as np
from scipy.optimize import isotonic_regression
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from ..targets import TARGETS, are_numbers, as_array, is_structured

# The palette of Okabe and Ito, "Color universal design" (2008), which people with any
# of the usual colour vision deficiencies can tell apart.
BLUE, VERMILION = "#0072B2", "#D55E00"
PALETTE = (
    BLUE,
    VERMILION,
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
# Beyond eight classes colours come again. The number of markers has no factor in
# common with that of colours, so that no pair comes twice before the 73rd class.
MARKERS = "os^DvPX<>"
HATCHES = ("", "////", "....", "xxxx")
GREY = "0.7"


@contextmanager
def canvas(display, ax, width, height, n_lines=0):
    """Yield the axes to draw on, `ax` or new ones of `width` by `height` inches.

    New ones are higher where `n_lines` lines of text ask for it, up to 8 inches. A new
    figure grows by what lies around its axes, so that names of any length neither
    squeeze the axes nor are cut off. At the end the display gets `ax_` and `figure_`.
    """
    new = ax is None
    if new:
        figure, ax = _pyplot(display).subplots(layout="constrained")
        height = np.clip(1.1 * n_lines * line_height() / 72, height, 8)
        share = ax.get_position()
        figure.set_size_inches(width / share.width, height / share.height)
    yield ax
    display.ax_, display.figure_ = ax, ax.figure
    if new:
        everything = figure.get_tightbbox()  # in inches, unlike that of axes
        pads = figure.get_layout_engine().get()
        figure.set_size_inches(
            everything.width - ax.bbox.width / figure.dpi + width + 2 * pads["w_pad"],
            everything.height
            - ax.bbox.height / figure.dpi
            + height
            + 2 * pads["h_pad"],
        )


def _pyplot(display):
    """Return matplotlib.pyplot, or say how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot requires matplotlib: "
            'pip install "skl1inf[plot]".'
        ) from error
    return plt


def mark_radius(ax, radius, color, linestyle):
    """Draw a vertical line at a radius, and return it."""
    return ax.axvline(radius, color=color, linestyle=linestyle, linewidth=1.4)


def line_height():
    """Return the distance in points from one name to the next."""
    from matplotlib.font_manager import FontProperties

    return 1.3 * FontProperties(size="small").get_size_in_points()


def name_at_right(ax, names, x, y, *, colors="0.5"):
    """Write names beside the axes, from top to bottom, none upon another.

    Parameters
    ----------
    ax : Axes
        The axes.
    names : sequence of str of length n_names
        What to write, the most important first: only as many are written as there is
        room for. Where heights are equal, the first name comes on top.
    x : float
        Where the axes end, in the units of the data.
    y : array-like of shape (n_names,)
        The heights that the names belong to, in the units of the data.
    colors : str or sequence of str, default="0.5"
        Colours of the lines from the names to their points.

    Returns
    -------
    texts : list of Annotation
        The names.
    """
    distance = line_height()
    room = int(ax.bbox.height / ax.figure.dpi * 72 / distance)
    names, heights = names[:room], np.asarray(y)[:room]
    colors = [colors] * len(names) if isinstance(colors, str) else colors[:room]
    return [
        ax.annotate(
            str(name),
            (x, height),
            xytext=(24, 0),
            # Looked up when drawn: only then is the size of the axes known.
            textcoords=partial(_beside, ax, heights, distance, i),
            fontsize="small",
            va="center",
            parse_math=False,
            # An empty box, which keeps the lines clear of the names above and below.
            bbox={"boxstyle": "square,pad=0.4", "fill": False, "linewidth": 0},
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.8,
                "relpos": (0, 0.5),
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        for i, (name, height, color) in enumerate(
            zip(names, heights, colors, strict=True)
        )
    ]


def _beside(ax, heights, distance, i, renderer):
    """Return the transform from points to pixels whose origin is beside `ax`."""
    from matplotlib.transforms import Affine2D

    scale = ax.figure.dpi / 72
    pixels = ax.transData.transform([(0, height) for height in heights])[:, 1]
    places = spread(pixels, distance * scale, ax.bbox.y0, ax.bbox.y1)
    return Affine2D().scale(scale).translate(ax.bbox.x1, places[i])


def spread(heights, distance, low, high):
    """Return the heights nearest to `heights` that are `distance` apart.

    The first of equal heights comes on top. The result lies between `low` and `high`,
    or as much below as above where there is no room for that.
    """
    order = np.lexsort((-np.arange(len(heights)), heights))
    steps = distance * np.arange(len(heights))
    lowest, highest = low + distance / 2, high - distance / 2 - steps[-1]
    if highest < lowest:
        lowest = highest = (lowest + highest) / 2
    places = np.empty(len(heights))
    # With the steps taken off, "apart" is "not decreasing": least squares under that
    # order is isotonic regression.
    nearest = isotonic_regression(np.asarray(heights)[order] - steps).x
    places[order] = np.clip(nearest, lowest, highest) + steps
    return places


def inset_from_edge(ax, left, bottom, width, height, *, edge=1):
    """Return axes beyond an edge of `ax` that move with it.

    `left` and `width` are shares of the width of `ax`. `bottom` and `height` are in
    inches, from the top of `ax` where `edge` is 1, from its bottom where `edge` is 0.
    The title of `ax` keeps clear of them.
    """
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    inches = ax.figure.dpi_scale_trans + ScaledTranslation(0, edge, ax.transAxes)
    return ax.inset_axes(
        [left, bottom, width, height],
        transform=blended_transform_factory(ax.transAxes, inches),
    )


def legend_above(ax, handles, labels, bottom=0.06):
    """Put a legend above the axes, in as many columns as there is room for."""
    from matplotlib.legend import Legend

    blank = [" "] * len(labels)
    style = {
        "loc": "lower left",
        "fontsize": "small",
        "frameon": False,
        "borderpad": 0,
        "borderaxespad": 0,
        "columnspacing": 2,
    }

    def fill(legend):
        # Set now, a label may start with an underscore or have a dollar in it.
        for text, label in zip(legend.get_texts(), labels, strict=True):
            text.set_parse_math(False)
            text.set_text(str(label))
        return legend

    scale = ax.figure.dpi / 72
    column = fill(Legend(ax, handles, blank, **style))
    spacing = style["columnspacing"] * column.get_texts()[0].get_fontsize() * scale
    size = column.get_window_extent()
    n_columns = int((ax.bbox.width + spacing) // (size.width + spacing))
    n_columns = min(max(n_columns, 1), len(labels))
    n_rows = -(-len(labels) // n_columns)
    height = n_rows / len(labels) * size.height / ax.figure.dpi
    holder = inset_from_edge(ax, 0, bottom, 1, height)
    holder.set_axis_off()
    return fill(holder.legend(handles, blank, ncols=n_columns, **style))


def encode_target(y):
    """Return `y` as an array of numbers with its classes.

    The rule is that of the selectors: floating-point numbers are numbers, and so are
    the times of a structured array of events and times. Everything else is classes.
    Then the numbers are indices of classes.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The target.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        The numbers, or the indices of the classes.
    classes : ndarray of shape (n_classes,) or None
        The class labels, None for numbers.
    """
    if is_structured(y):
        return TARGETS["survival"].check(y)["time"], None
    numbers, y = are_numbers(y), column_or_1d(as_array(y))
    if numbers:
        return y, None
    encoder = LabelEncoder()
    return encoder.fit_transform(y), encoder.classes_


def check_fitted(estimator, attributes):
    """Raise an error unless `estimator` is fitted and has the attributes."""
    check_is_fitted(estimator)
    missing = [name for name in attributes if not hasattr(estimator, name)]
    if missing:
        raise TypeError(
            f"estimator must have the attribute {missing[0]!r}, which "
            f"{type(estimator).__name__} lacks. Of a pipeline, pass the selector's "
            "step, and X as this step gets it."
        )


def feature_names_of(names, n_features):
    """Return `names`, or x0, x1, ... where it is None."""
    return [f"x{i}" for i in range(n_features)] if names is None else list(names)


def style_with(defaults, user, artist):
    """Return the style `defaults` updated with `user`, aliases of names resolved."""
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(user or {}, artist)}
