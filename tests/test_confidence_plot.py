"""The pictures of a classifier's confidence and of a sample's contributions."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skl1inf import L1InfClassifier, L1InfRegressor
from skl1inf.datasets import make_expression
from skl1inf.plotting import ConfidenceDisplay, ContributionsDisplay

TRUE = np.array(["low", "$high", "low", "$high", "low"])
PROBABILITIES = np.array([[0.2, 0.8], [0.6, 0.4], [0.9, 0.1], [0.95, 0.05], [0.5, 0.5]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def expression():
    X, y, _ = make_expression(60, 40, n_informative=4, random_state=0)
    return pd.DataFrame(X, columns=[f"gene {i}" for i in range(40)]), y


@pytest.fixture(scope="module")
def model(expression):
    return L1InfClassifier(max_iter=30, random_state=0).fit(*expression)


def offsets(display):
    return np.vstack([display.right_.get_offsets(), display.wrong_.get_offsets()])


def test_errors_are_marked_and_the_surest_comes_first():
    # The columns are "$high" and "low": samples 2 and 1, 3 and 4 in that order.
    display = ConfidenceDisplay.from_predictions(TRUE, PROBABILITIES)
    assert_array_equal(display.predicted, ["low", "$high", "$high", "$high", "$high"])
    assert_array_equal(display.errors_, [2, 4])
    assert_allclose(display.confidence, [0.8, 0.6, 0.9, 0.95, 0.5])
    assert_allclose(display.wrong_.get_offsets()[:, 0], [0.9, 0.5])
    assert [t.get_text() for t in display.legend_.get_texts()] == [
        "right (3)",
        "wrong (2)",
    ]
    assert_allclose(display.chance_.get_xdata(), 0.5)


def test_samples_lie_in_the_row_of_their_class():
    display = ConfidenceDisplay.from_predictions(TRUE, PROBABILITIES)
    points = offsets(display)
    rows = {0.8: 1, 0.6: 0, 0.9: 1, 0.95: 0, 0.5: 1}
    assert_array_equal(points[:, 1].round(), [rows[x] for x in points[:, 0]])
    assert len(np.unique(points[:, 1])) == 5  # none upon another
    display.figure_.canvas.draw()
    shown = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert shown == ["$high", "low"]
    low, high = display.ax_.get_ylim()
    assert low > high  # the first class is on top


def test_confidence_of_any_classifier(expression):
    X, y = expression
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    ax = plt.figure().add_subplot()
    display = ConfidenceDisplay.from_estimator(
        pipe, X, y, ax=ax, scatter_kw={"sizes": [9], "alpha": 0.5}
    )
    assert display.ax_ is ax
    assert_allclose(display.confidence, pipe.predict_proba(X).max(axis=1))
    assert_array_equal(display.errors_.size, (pipe.predict(X) != y).sum())
    assert_allclose(display.right_.get_sizes(), 9)


@pytest.mark.parametrize(
    ("y", "probabilities", "message"),
    [
        (TRUE, PROBABILITIES[:, :1], "y_proba has 1 columns: there are 2 classes"),
        (TRUE[:3], PROBABILITIES, "inconsistent numbers of samples"),
        (TRUE, np.where(PROBABILITIES == 0.5, np.nan, PROBABILITIES), "NaN"),
        (TRUE, 2 * PROBABILITIES, "y_proba must have values between 0 and 1"),
        (TRUE, PROBABILITIES - 0.1, "y_proba must have values between 0 and 1"),
    ],
)
def test_bad_predictions(y, probabilities, message):
    with pytest.raises(ValueError, match=message):
        ConfidenceDisplay.from_predictions(y, probabilities)


def test_a_label_that_is_no_class():
    with pytest.raises(ValueError, match=r"y_true has the label .*\$high"):
        ConfidenceDisplay.from_predictions(TRUE, PROBABILITIES, classes=["no", "low"])


@pytest.mark.parametrize("color", [{"color": "green"}, {"c": "green"}])
def test_colour_and_marker_of_the_points_may_be_chosen(color):
    display = ConfidenceDisplay.from_predictions(
        TRUE, PROBABILITIES, scatter_kw={"marker": "s", **color}
    )
    for points in (display.right_, display.wrong_):
        assert_allclose(points.get_facecolor(), [to_rgba("green")])
        assert len(points.get_paths()[0].vertices) == 5  # a square


@pytest.mark.parametrize("cls", [ConfidenceDisplay, ContributionsDisplay])
def test_unfitted_and_other_estimators(cls, expression):
    X, y = expression
    args = (X[:1], y[:1]) if cls is ConfidenceDisplay else (X[:1],)
    with pytest.raises(NotFittedError):
        cls.from_estimator(L1InfClassifier(), *args)
    with pytest.raises(TypeError, match="must have the attribute"):
        cls.from_estimator(LinearSVC().fit(X, y), *args)


def test_bars_are_the_contributions_of_the_sample(model, expression):
    X, _ = expression
    explanation = model.explain(X[:1])
    predicted = int(model.decision_function(X[:1]).argmax())
    display = ContributionsDisplay.from_estimator(model, X[:1], max_features=3)
    every = explanation.contributions[0]
    if every.ndim == 2:
        every = every[:, predicted]
    order = np.argsort(-np.abs(every))
    widths = [bar.get_width() for bar in display.bars_]
    assert_allclose(widths, [*every[order[:3]], every[order[3:]].sum()])
    assert_array_equal(display.features_, order[:3])
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    best = explanation.features[order[:3]]
    assert names == [*[f"gene {i}" for i in best], f"{len(every) - 3} others"]


def test_no_bar_for_others_where_all_are_shown(model, expression):
    X, _ = expression
    display = ContributionsDisplay.from_estimator(model, X[:1], max_features=99)
    assert len(display.bars_) == model.n_features_
    assert not any("others" in t.get_text() for t in display.ax_.get_yticklabels())


def test_the_axis_says_what_the_bars_sum_to(expression):
    X, y = expression
    numbers = np.column_stack([X["gene 0"], X["gene 1"]])
    model = L1InfRegressor(max_iter=30, random_state=0).fit(X, numbers)
    display = ContributionsDisplay.from_estimator(model, X[:1], output=1)
    label = display.ax_.get_xlabel()
    assert "prediction of target 1" in label
    assert f"{model.predict(X[:1])[0, 1]:.3g} here" in label
    binary = L1InfClassifier(max_iter=30, random_state=0).fit(X, y == y[0])
    display = ContributionsDisplay.from_estimator(binary, X[:1])
    assert "log-odds of True" in display.ax_.get_xlabel()
    assert f"{binary.decision_function(X[:1])[0]:.3g} here" in display.ax_.get_xlabel()


def test_one_target_has_no_number(expression):
    X, _ = expression
    for y in (X["gene 0"], X[["gene 0"]]):
        model = L1InfRegressor(max_iter=30, random_state=0).fit(X, 1e-4 * y)
        display = ContributionsDisplay.from_estimator(model, X[:1])
        first = display.ax_.get_xlabel().splitlines()[0]
        assert first == "contribution to the prediction"
        here = display.baseline + display.contributions.sum()
        assert f"{here:.3g} here" in display.ax_.get_xlabel()


def test_an_output_that_is_not_there(expression):
    X, y = expression
    binary = L1InfClassifier(max_iter=5, random_state=0).fit(X, y == y[0])
    one = L1InfRegressor(max_iter=5, random_state=0).fit(X, X["gene 0"])
    for model in (binary, one):
        with pytest.raises(ValueError, match="output=7 must be None"):
            ContributionsDisplay.from_estimator(model, X[:1], output=7)


@pytest.mark.parametrize(
    ("keywords", "n_samples", "message"),
    [
        ({}, 2, "X must have one sample, got 2"),
        ({"max_features": 0}, 1, "max_features"),
        ({"output": 9}, 1, "output"),
    ],
)
def test_bad_requests(keywords, n_samples, message, expression):
    X, _ = expression
    numbers = np.column_stack([X["gene 0"], X["gene 1"]])
    model = L1InfRegressor(max_iter=5, random_state=0).fit(X, numbers)
    with pytest.raises(ValueError, match=message):
        ContributionsDisplay.from_estimator(model, X[:n_samples], **keywords)
