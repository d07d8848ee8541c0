"""The displays: what they draw, and that it can be read."""

import pickle
import sys
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)
from skl1inf.datasets import make_expression
from skl1inf.plotting import (
    ExpressionHeatmapDisplay,
    LatentSpaceDisplay,
    RadiusCVDisplay,
    RadiusPathDisplay,
    StabilityDisplay,
)
from skl1inf.plotting._drawing import spread

# Long, and not to be read as a formula: there is no such symbol.
LONG = "glycoprotein $\\no_such$, subunit of the receptor"


@pytest.fixture(autouse=True)
def leave_no_trace():
    """Close the figures, and see that no setting of matplotlib was changed."""
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


def long_names(n):
    return np.array([f"_{LONG} {i}" for i in range(n)], dtype=object)


def make_path(n_features=30):
    rng = np.random.default_rng(0)
    radii = np.geomspace(0.1, 10, 12)
    scores = rng.pareto(1.2, n_features)
    levels = np.geomspace(0.99, 0.01, 12) * scores.max()
    weights = np.maximum(scores - levels[:, None], 0)
    weights /= weights.sum(axis=1, keepdims=True)
    support = weights > 0
    ranks = np.argsort(np.argsort(-weights, axis=1), axis=1) + 1
    entry = np.where(support.any(axis=0), radii[np.argmax(support, axis=0)], np.inf)
    return Bunch(
        radii=radii,
        weights=weights,
        support=support,
        rankings=ranks,
        entry_radii=entry,
        feature_names=long_names(n_features),
    )


class StandIn(BaseEstimator):
    """An estimator that gets its fitted attributes by hand."""

    def __init__(self, scoring=None):
        self.scoring = scoring

    def fit(self, X, y=None):
        return self


@pytest.fixture
def searched():
    """A search of the radius, fitted: the best radius is the 7th, chosen is the 5th."""
    search = StandIn("balanced_accuracy")
    search.path_ = make_path()
    radii = search.path_.radii
    scores = 0.9 - 0.02 * (np.arange(12) - 6) ** 2
    search.cv_results_ = {
        "radius": radii,
        "n_features": 4.0 * np.arange(1, 13),
        "mean_test_score": scores,
        "standard_error": np.linspace(0.05, 0.1, 12) ** 2,
    }
    search.radius_ = radii[4]
    return search


def make_stability(n_features=30):
    rng = np.random.default_rng(0)
    selector = StandIn()
    selector.selection_probabilities_ = np.round(rng.beta(0.5, 0.8, n_features), 1)
    selector.ranking_ = rng.permutation(n_features) + 1
    selector.threshold_, selector.false_positives_bound_ = 0.7, 1.25
    selector.feature_names_in_ = long_names(n_features)
    return selector


@pytest.fixture(scope="session")
def expression():
    """A matrix with long names, eight classes, and a selector fitted to them."""
    X, y, _ = make_expression(80, 60, n_classes=8, n_informative=20, random_state=0)
    X = pd.DataFrame(X, columns=long_names(60))
    y = np.array([f"_subtype {i} of a tumour of long name" for i in range(8)])[y]
    selector = L1InfFeatureSelector(radius=5, max_iter=40, random_state=0)
    return X, y, selector.fit(X, y)


def make_heatmap(n_features, n_classes=2):
    rng = np.random.default_rng(0)
    return ExpressionHeatmapDisplay(
        rng.standard_normal((40, n_features)),
        target=np.array([f"class {i}: {LONG}" for i in range(n_classes)])[
            np.arange(40) % n_classes
        ],
        ranking=rng.permutation(n_features) + 1,
        feature_names=long_names(n_features),
    )


NAMED = {
    "path": lambda n: RadiusPathDisplay.from_path(make_path(n), radius=1.0),
    "stability": lambda n: StabilityDisplay.from_estimator(make_stability(n)),
    "heatmap": lambda n: make_heatmap(n).plot(),
    "heatmap, 8 classes": lambda n: make_heatmap(n, 8).plot(),
}


def boxes(texts):
    """Return the extents of the texts, without the lines that lead to them."""
    return [mpl.text.Text.get_window_extent(text) for text in texts]


def tick_labels_out_of_view(figure):
    """Return the labels of ticks beyond the limits of their axis."""
    return {
        label
        for ax in figure.findobj(mpl.axes.Axes)
        for axis in (ax.xaxis, ax.yaxis)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not ax.axison
        or not min(axis.get_view_interval())
        <= tick.get_loc()
        <= max(axis.get_view_interval())
    }


def assert_readable(figure):
    """Assert that no two texts overlap and that none is cut off."""
    figure.draw_without_rendering()
    hidden = tick_labels_out_of_view(figure)
    drawn = boxes(
        text
        for text in figure.findobj(mpl.text.Text)
        if text.get_visible() and text.get_text().strip() and text not in hidden
    )
    assert len(drawn) > 3
    for box in drawn:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
    for one, other in combinations(drawn, 2):
        assert not one.overlaps(other)


# Legibility


@pytest.mark.parametrize("n_features", [5, 50, 500])
@pytest.mark.parametrize("kind", NAMED)
def test_readable_with_long_names(kind, n_features):
    display = NAMED[kind](n_features)
    display.ax_.set_title("A title")
    assert_readable(display.figure_)
    assert len(display.texts_) == min(
        n_features, {"path": 10, "stability": 20}.get(kind, 50)
    )
    written = {text.get_text() for text in display.texts_}
    assert written <= set(long_names(n_features))
    assert len(written) == len(display.texts_)


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("scale", [0.8, 1.5])
def test_names_keep_apart_in_a_figure_of_another_size(kind, scale):
    display = NAMED[kind](50)
    width, height = display.figure_.get_size_inches()
    display.figure_.set_size_inches(width, scale * height)
    display.figure_.draw_without_rendering()
    for one, other in combinations(boxes(display.texts_), 2):
        assert not one.overlaps(other)


def test_long_names_do_not_squeeze_the_axes():
    sizes = []
    for names in (long_names(20), list("abcdefghijklmnopqrst")):
        display = make_heatmap(20)
        display.feature_names = names
        display.plot().figure_.draw_without_rendering()
        sizes.append(display.ax_.bbox.size)
    assert_allclose(*sizes, rtol=0.01)


@pytest.mark.parametrize("font_size", [6, 16])
def test_readable_in_any_font_size(font_size):
    with mpl.rc_context({"font.size": font_size}):
        stability = NAMED["stability"](50)
        heatmap = make_heatmap(20).plot()
        assert_readable(stability.figure_)
    assert_readable(heatmap.figure_)
    assert len(heatmap.texts_) == 20


def test_names_no_more_than_there_is_room_for():
    _, axes = plt.subplots(2, 2, layout="constrained", figsize=(16, 8))
    display = make_heatmap(50).plot(axes[0, 0])
    make_heatmap(50, 8).plot(axes[1, 0])
    StabilityDisplay.from_estimator(make_stability(50), ax=axes[1, 1])
    assert_readable(display.figure_)
    assert 10 < len(display.texts_) < 50
    best = np.argsort(display.ranking)[: len(display.texts_)]
    written = [text.get_text() for text in display.texts_]
    assert written == [*display.feature_names[best]]


def test_readable_search(searched):
    display = RadiusCVDisplay.from_estimator(searched)
    display.ax_.set_title("A title")
    assert_readable(display.figure_)


@pytest.mark.parametrize("n_classes", [2, 8])
def test_readable_code(n_classes):
    rng = np.random.default_rng(0)
    classes = np.array([f"class {i}: {LONG}" for i in range(n_classes)])
    display = LatentSpaceDisplay(
        rng.standard_normal((40, n_classes)), target=classes[np.arange(40) % n_classes]
    ).plot()
    display.ax_.set_title("A title")
    assert_readable(display.figure_)
    assert [text.get_text() for text in display.legend_.get_texts()] == [*classes]


@pytest.mark.parametrize("dpi", [50, 300])
def test_readable_at_any_resolution(dpi):
    with mpl.rc_context({"figure.dpi": dpi}):
        assert_readable(make_heatmap(50, 8).plot().figure_)
        assert_readable(NAMED["stability"](50).figure_)


heights = st.lists(st.floats(-50, 150, allow_subnormal=False), min_size=1, max_size=8)


@given(heights, st.floats(0.1, 30))
def test_spread_heights_are_apart_and_in_order(heights, distance):
    placed = spread(heights, distance, 0.0, 100.0)
    order = np.argsort(placed)
    gaps = np.diff(placed[order])
    assert (gaps >= distance * (1 - 1e-9)).all()
    assert (np.diff(np.array(heights)[order]) >= 0).all()
    if distance * len(heights) <= 100:
        assert (placed >= distance / 2 - 1e-9).all()
        assert (placed <= 100 - distance / 2 + 1e-9).all()
    else:  # no room: as much below as above
        assert_allclose((placed.min() + placed.max()) / 2, 50)


def test_spread_moves_nothing_without_need():
    assert_allclose(spread([80.0, 20.0, 50.0], 30, 0, 100), [80, 20, 50])
    assert_allclose(spread([50.0, 50.0], 10, 0, 100), [55, 45])


# Axes


DISPLAYS = [
    RadiusPathDisplay,
    RadiusCVDisplay,
    StabilityDisplay,
    LatentSpaceDisplay,
    ExpressionHeatmapDisplay,
]


@pytest.fixture
def draw(searched, expression):
    """Return a function that draws with one of the displays."""
    X, y, selector = expression
    arguments = {
        RadiusPathDisplay: (searched,),
        RadiusCVDisplay: (searched,),
        StabilityDisplay: (make_stability(),),
        LatentSpaceDisplay: (selector, X, y),
        ExpressionHeatmapDisplay: (selector, X, y),
    }
    return lambda cls, **more: cls.from_estimator(*arguments[cls], **more)


@pytest.mark.parametrize("cls", DISPLAYS)
def test_draws_on_the_given_axes(cls, draw):
    figure, (first, second) = plt.subplots(1, 2)
    current = plt.figure()
    display = draw(cls, ax=first)
    assert display.ax_ is first
    assert display.figure_ is figure
    assert not second.has_data()
    assert plt.get_fignums() == [1, 2]
    assert plt.gcf() is current
    assert tuple(figure.get_size_inches()) == tuple(mpl.rcParams["figure.figsize"])


@pytest.mark.parametrize("cls", DISPLAYS)
def test_draws_on_new_axes_again_and_again(cls, draw):
    display = draw(cls)
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first
    assert display.figure_ is display.ax_.figure
    assert len(plt.get_fignums()) == 2


@pytest.mark.parametrize("cls", DISPLAYS)
def test_draws_in_a_subfigure_and_is_pickled(cls, draw):
    left, _ = plt.figure(layout="constrained", figsize=(12, 5)).subfigures(1, 2)
    display = draw(cls, ax=left.subplots())
    assert display.figure_ is left
    copy = pickle.loads(pickle.dumps(display))
    copy.ax_.get_figure().figure.draw_without_rendering()


@pytest.mark.parametrize("cls", DISPLAYS)
def test_says_that_matplotlib_is_missing(cls, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf"{cls.__name__}\.plot requires matplotlib"):
        draw(cls)


# What each display draws


def test_path(searched):
    display = RadiusPathDisplay.from_estimator(
        searched, n_names=4, line_kw={"lw": 3, "c": "k"}
    )
    path = searched.path_
    leading = np.argsort(path.rankings[4])
    assert_array_equal(display.ranking, path.rankings[4])
    for line, text, feature in zip(
        display.lines_, display.texts_, leading[:4], strict=True
    ):
        assert_array_equal(line.get_xdata(), path.radii)
        assert_array_equal(line.get_ydata(), path.weights[:, feature])
        assert text.get_text() == path.feature_names[feature]
        assert text.xy == (path.radii[-1], path.weights[-1, feature])
        assert (line.get_linewidth(), line.get_color()) == (3, "k")
    alive = [feature for feature in leading[4:] if path.support[:, feature].any()]
    assert 0 < len(alive) < len(leading[4:])
    assert_array_equal(
        [segment[:, 1] for segment in display.other_lines_.get_segments()],
        path.weights[:, alive].T,
    )
    assert display.ax_.get_xscale() == "log"
    assert_array_equal(display.radius_line_.get_xdata(), searched.radius_)


def test_path_without_a_chosen_radius_leads_with_the_first_to_enter():
    path = make_path()
    path.feature_names = None
    display = RadiusPathDisplay.from_path(path, n_names=5)
    assert display.radius_line_ is None
    first = [int(text.get_text().removeprefix("x")) for text in display.texts_]
    entry = path.entry_radii
    assert sorted(entry[first]) == sorted(entry)[:5]
    assert_array_equal(np.sort(display.ranking), np.arange(1, 31))


def test_path_of_one_radius_and_no_name():
    path = make_path()
    display = RadiusPathDisplay(path.radii[:1], path.weights[:1], path.rankings[0])
    assert display.plot(n_names=0).texts_ == []
    display.figure_.draw_without_rendering()


def test_search(searched):
    display = RadiusCVDisplay.from_estimator(searched)
    results = searched.cv_results_
    scores, errors = results["mean_test_score"], results["standard_error"]
    assert_array_equal(display.line_.get_xdata(), results["radius"])
    assert_array_equal(display.line_.get_ydata(), scores)
    band = display.band_.get_paths()[0].vertices
    for radius, low, high in zip(
        results["radius"], scores - errors, scores + errors, strict=True
    ):
        assert_allclose(sorted(set(band[band[:, 0] == radius, 1])), [low, high])
    assert_array_equal(display.features_line_.get_ydata(), results["n_features"])
    assert_array_equal(display.radius_line_.get_xdata(), results["radius"][4])
    assert_array_equal(display.best_line_.get_xdata(), results["radius"][6])
    level = scores[6] - np.median(errors)
    assert_allclose(display.level_line_.get_ydata(), level)
    assert display.ax_.get_ylabel() == "balanced accuracy"
    legend = [text.get_text() for text in display.legend_.get_texts()]
    assert legend[2:] == [
        f"chosen radius {results['radius'][4]:.3g}: 20 features a fold",
        f"best radius {results['radius'][6]:.3g}: 28 features a fold",
    ]


def test_search_whose_best_radius_is_chosen(searched):
    searched.radius_ = searched.cv_results_["radius"][6]
    display = RadiusCVDisplay.from_estimator(searched, score_name="accuracy")
    assert display.level_line_ is None
    assert display.ax_.get_ylabel() == "accuracy"


def test_stability():
    selector = make_stability()
    display = StabilityDisplay.from_estimator(selector, n_names=3)
    probabilities = selector.selection_probabilities_
    drawn = display.features_
    assert len(drawn) == np.count_nonzero(probabilities) < 30
    pairs = [*zip(-probabilities[drawn], selector.ranking_[drawn], strict=True)]
    assert pairs == sorted(pairs)
    stable, others = display.stable_points_, display.other_points_
    assert_array_equal(
        np.append(stable.get_xdata(), others.get_xdata()), probabilities[drawn]
    )
    assert_array_equal(
        np.append(stable.get_ydata(), others.get_ydata()), np.arange(1, len(drawn) + 1)
    )
    assert min(stable.get_xdata()) >= 0.7 > max(others.get_xdata())
    assert_array_equal(display.threshold_line_.get_xdata(), 0.7)
    assert [text.get_text() for text in display.texts_] == [
        *selector.feature_names_in_[drawn[:3]]
    ]
    assert display.legend_.get_texts()[0].get_text() == (
        f"{(probabilities >= 0.7).sum()} selected, at most 1.25 expected to be false"
    )
    assert len(display.plot(max_features=7).features_) == 7


def test_stability_of_features_never_selected():
    display = StabilityDisplay(np.zeros(3), 0.7).plot()
    assert_array_equal(display.features_, [0])
    assert display.legend_.get_texts()[0].get_text() == "0 selected"


def test_code_of_many_units(expression):
    X, y, selector = expression
    display = LatentSpaceDisplay.from_estimator(selector, X, y)
    code = selector.encode(X).astype(float)
    left, values, _ = np.linalg.svd(code - code.mean(axis=0), full_matrices=False)
    assert_allclose(
        np.abs(display.coordinates_), np.abs(left * values)[:, :2], rtol=1e-3, atol=1e-3
    )
    share = values[0] ** 2 / (values**2).sum()
    assert f"{share:.0%}" in display.ax_.get_xlabel()
    for name, points in zip(selector.classes_, display.points_, strict=True):
        assert_allclose(points.get_offsets(), display.coordinates_[y == name])
    labels = [text.get_text() for text in display.legend_.get_texts()]
    assert labels == [*selector.classes_]


def test_code_of_two_units_is_drawn_as_it_is():
    code = np.random.default_rng(0).standard_normal((9, 2))
    display = LatentSpaceDisplay(code).plot(scatter_kw={"s": 9})
    assert_array_equal(display.points_[0].get_offsets(), code)
    assert display.points_[0].get_sizes() == [9]
    assert display.legend_ is None
    assert display.colorbar_ is None


@pytest.mark.parametrize(
    ("target", "second", "label"),
    [
        (None, [0, 1, 2], "sample"),
        ([0.5, 2.0, 1.0], [0.5, 2, 1], "target"),
        (["b", "a", "b"], [1, 0, 1], ""),
    ],
)
def test_code_of_one_unit(target, second, label):
    display = LatentSpaceDisplay(np.array([[3.0], [1.0], [2.0]]), target=target).plot()
    assert_array_equal(display.coordinates_, np.column_stack([[3, 1, 2], second]))
    assert display.ax_.get_ylabel() == label


def test_code_coloured_by_numbers(expression):
    X, _, selector = expression
    ages = pd.Series(np.linspace(1, 5, len(X)))
    display = LatentSpaceDisplay.from_estimator(selector, X, ages)
    assert_array_equal(display.points_[0].get_array(), ages)
    assert display.colorbar_.mappable is display.points_[0]
    assert display.legend_ is None


def test_every_class_has_a_look_of_its_own():
    n_classes = 30
    code = np.random.default_rng(0).standard_normal((n_classes, 2))
    classes = np.arange(n_classes)
    display = LatentSpaceDisplay(code, target=classes).plot()
    looks = {
        (to_hex(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.points_
    }
    assert len(looks) == n_classes
    display = ExpressionHeatmapDisplay(code, target=classes).plot()
    patches = display.strip_ax_.patches
    assert len({(to_hex(p.get_facecolor()), p.get_hatch()) for p in patches}) == 30


def test_heatmap(expression):
    X, y, selector = expression
    display = ExpressionHeatmapDisplay.from_estimator(selector, X, y)
    reduced = selector.transform(X)
    scaled = (reduced - reduced.mean(axis=0)) / reduced.std(axis=0)
    image = display.image_.get_array()
    assert_allclose(image, scaled[display.samples_][:, display.features_].T)
    assert_array_equal(np.sort(display.samples_), np.arange(len(X)))
    assert_array_equal(np.sort(display.features_), np.arange(selector.n_features_))
    assert_array_equal(y[display.samples_], np.sort(y))
    low, high = display.image_.get_clim()
    assert low == -high
    assert 0 < high < np.abs(image).max()
    names = selector.get_feature_names_out()[display.features_]
    for text in display.texts_:
        assert text.get_text() == names[text.xy[1]]
    assert display.texts_[0].get_text() == X.columns[np.argmin(selector.ranking_)]


def test_heatmap_strip_shows_the_classes(expression):
    X, y, selector = expression
    display = ExpressionHeatmapDisplay.from_estimator(selector, X, y)
    ends = np.cumsum([(y == name).sum() for name in selector.classes_]) - 0.5
    patches = display.strip_ax_.patches
    assert_allclose([patch.get_x() + patch.get_width() for patch in patches], ends)
    assert display.strip_ax_.get_xlim() == display.ax_.get_xlim()
    display.figure_.draw_without_rendering()
    strip, legend = display.strip_ax_.bbox, display.legend_.get_window_extent()
    assert display.ax_.bbox.y1 < strip.y0 < strip.y1 < legend.y0
    for text, patch, name in zip(
        display.legend_.get_texts(),
        display.legend_.get_patches(),
        selector.classes_,
        strict=True,
    ):
        assert text.get_text() == name
        drawn = patches[[*selector.classes_].index(name)]
        assert patch.get_facecolor() == drawn.get_facecolor()


def test_heatmap_puts_alike_features_side_by_side():
    rng = np.random.default_rng(0)
    modules = np.arange(12) % 3
    matrix = rng.standard_normal((30, 3))[:, modules]
    matrix += 0.1 * rng.standard_normal(matrix.shape)
    display = ExpressionHeatmapDisplay(matrix).plot()
    assert np.count_nonzero(np.diff(modules[display.features_])) == 2
    assert display.strip_ax_ is None


def test_heatmap_ordered_by_numbers(expression):
    X, _, selector = expression
    ages = np.random.default_rng(0).uniform(1, 90, len(X))
    display = ExpressionHeatmapDisplay.from_estimator(selector, X, ages)
    assert_array_equal(ages[display.samples_], np.sort(ages))
    assert_array_equal(display.strip_ax_.images[0].get_array(), [np.sort(ages)])
    assert display.target_colorbar_.mappable is display.strip_ax_.images[0]
    assert_readable(display.figure_)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 0], "Int64"),
        ([1, 0], "UInt8"),
        ([True, False], "boolean"),
        ([2.0, 1.0], "category"),
        (["b", "a"], "string"),
    ],
)
@pytest.mark.parametrize("cls", [LatentSpaceDisplay, ExpressionHeatmapDisplay])
def test_pictures_take_for_classes_what_the_selectors_do(cls, values, dtype):
    matrix = np.random.default_rng(0).standard_normal((12, 2))
    target = pd.Series(values * 6, dtype=dtype)
    display = cls(matrix, target=target).plot()
    names = [text.get_text() for text in display.legend_.get_texts()]
    assert names == [str(value) for value in sorted(values)]
    selector = L1InfFeatureSelector(max_iter=1).fit(matrix, target)
    assert [str(name) for name in selector.classes_] == names


@pytest.mark.parametrize("cls", [LatentSpaceDisplay, ExpressionHeatmapDisplay])
def test_pictures_take_for_numbers_what_the_selectors_do(cls):
    matrix = np.random.default_rng(0).standard_normal((12, 2))
    target = pd.Series(matrix[:, 0], dtype="Float64")
    assert cls(matrix, target=target).plot().legend_ is None
    target[3] = pd.NA
    with pytest.raises(ValueError, match=r"Input y contains NaN.* in 1 of 12 samples"):
        cls(matrix, target=target).plot()


def test_pictures_show_the_times_of_a_survival_target():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((30, 4))
    y = np.empty(30, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = np.arange(30) % 3 > 0, rng.exponential(size=30) + 0.1
    selector = L1InfFeatureSelector(max_iter=2, random_state=0).fit(matrix, y)
    latent = LatentSpaceDisplay.from_estimator(selector, matrix, y)
    assert_array_equal(latent.points_[0].get_array(), y["time"])
    assert latent.colorbar_ is not None
    heatmap = ExpressionHeatmapDisplay.from_estimator(selector, matrix, y)
    assert_array_equal(heatmap.samples_, np.argsort(y["time"]))
    assert heatmap.target_colorbar_ is not None


def test_heatmap_of_the_best_ranked(expression):
    X, y, selector = expression
    display = ExpressionHeatmapDisplay.from_estimator(
        selector, X, y, max_features=3, n_names=2
    )
    best = np.argsort(selector.ranking_)
    assert set(display.feature_names) == set(X.columns[best[:3]])
    assert [text.get_text() for text in display.texts_] == [*X.columns[best[:2]]]
    assert display.image_.get_array().shape == (3, len(X))


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_heatmap_is_the_same_for_other_containers(expression, convert):
    X, y, selector = expression
    other = L1InfFeatureSelector(**selector.get_params()).fit(X.to_numpy(), y)
    expected = ExpressionHeatmapDisplay.from_estimator(selector, X, y)
    display = ExpressionHeatmapDisplay.from_estimator(
        other, convert(X.to_numpy()), pd.Series(y)
    )
    assert_allclose(display.image_.get_array(), expected.image_.get_array())
    assert display.texts_[0].get_text() == f"x{np.argmin(selector.ranking_)}"


def test_step_of_a_pipeline(expression):
    X, y, selector = expression
    pipe = make_pipeline(StandardScaler(), clone(selector), GaussianNB()).fit(X, y)
    with pytest.raises(TypeError, match="Of a pipeline, pass the selector's step"):
        ExpressionHeatmapDisplay.from_estimator(pipe, X, y)
    given = pipe[:1].transform(X)
    display = ExpressionHeatmapDisplay.from_estimator(pipe[1], given, y)
    assert len(display.features_) == pipe[1].n_features_
    LatentSpaceDisplay.from_estimator(pipe[1], given, y)


def test_heatmap_of_another_selector(expression):
    X, y, _ = expression
    selector = SelectKBest(k=1).fit(X.to_numpy(), y)
    display = ExpressionHeatmapDisplay.from_estimator(selector, X.to_numpy())
    assert display.image_.get_array().shape == (1, len(X))


# Errors


@pytest.mark.parametrize("cls", DISPLAYS)
def test_unfitted_estimator(cls):
    data = ([[0.0]],) if cls in DISPLAYS[3:] else ()
    for estimator in (StandIn(), L1InfFeatureSelector()):
        with pytest.raises(NotFittedError):
            cls.from_estimator(estimator, *data)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("cls", DISPLAYS)
def test_estimator_of_another_kind(cls, expression):
    X, y, _ = expression
    data = (X, y) if cls in DISPLAYS[3:] else ()
    classifier = GaussianNB().fit(X, y)
    with pytest.raises(TypeError, match="estimator must have the attribute '"):
        cls.from_estimator(classifier, *data)


@pytest.mark.parametrize(
    ("cls", "argument", "value"),
    [
        (RadiusPathDisplay, "n_names", -1),
        (StabilityDisplay, "n_names", -1),
        (StabilityDisplay, "max_features", 0),
        (ExpressionHeatmapDisplay, "n_names", -1),
        (ExpressionHeatmapDisplay, "max_features", 0),
    ],
)
def test_bad_number(cls, argument, value, draw):
    with pytest.raises(ValueError, match=f"{argument} == {value}, must be >="):
        draw(cls, **{argument: value})
    with pytest.raises(TypeError, match=f"{argument} must be an instance of"):
        draw(cls, **{argument: "3"})
    assert plt.get_fignums() == []


def test_bad_radius():
    with pytest.raises(ValueError, match="radius == 0, must be > 0"):
        RadiusPathDisplay.from_path(make_path(), radius=0)


@pytest.mark.parametrize("cls", [LatentSpaceDisplay, ExpressionHeatmapDisplay])
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (lambda y: y[:-1], ValueError, "inconsistent numbers of samples"),
        (lambda y: np.full(len(y), np.nan), ValueError, "Input y contains NaN"),
        (lambda y: np.zeros((len(y), 2)), ValueError, "y should be a 1d array"),
        (lambda y: np.zeros(len(y), "f8,f8"), ValueError, "y has the fields 'f0'"),
        (
            lambda y: np.array([1, *y[1:]], object),
            TypeError,
            "uniformly strings or numbers",
        ),
    ],
)
def test_bad_target(cls, y, error, message, expression):
    X, classes, selector = expression
    with pytest.raises(error, match=message):
        cls.from_estimator(selector, X, y(classes))
    assert plt.get_fignums() == []


def test_heatmap_of_nothing():
    X = np.random.default_rng(0).standard_normal((10, 3))
    selector = SelectKBest(k=0).fit(X, np.arange(10) % 2)
    with pytest.raises(ValueError, match="selected no feature"):
        ExpressionHeatmapDisplay.from_estimator(selector, X)


def test_fitted_estimators_are_drawn_as_the_stand_ins_are():
    """The attributes that the displays read are those that the estimators have."""
    X, y = make_expression(n_samples=40, n_features=60, random_state=0)[:2]
    short = L1InfFeatureSelector(max_iter=20, random_state=0)
    searched = L1InfFeatureSelectorCV(short, radii=3, cv=2).fit(X, y)
    stable = L1InfStabilitySelector(short, n_pairs=2, random_state=0).fit(X, y)
    for display, estimator in (
        (RadiusPathDisplay, searched),
        (RadiusCVDisplay, searched),
        (StabilityDisplay, stable),
    ):
        drawn = display.from_estimator(estimator)
        drawn.figure_.canvas.draw()
    path = RadiusPathDisplay.from_path(radius_path(X, y, radii=3, selector=short))
    assert_array_equal(path.radii, searched.radii_)
