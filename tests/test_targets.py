"""What y is taken for: by its dtype, by the judge, by the user."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)
from skl1inf.targets import are_numbers, as_array

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 12))
LABELS = np.arange(120) % 3
X[:, 0] += 2 * LABELS
AGES = rng.integers(18, 93, 120)
BRIEF = L1InfFeatureSelector(max_iter=2, n_hidden=4, random_state=0)


def quick_cv(estimator=None, selector=BRIEF, **params):
    settings = {"radii": [0.5, 2.0], "cv": 2, **params}
    return L1InfFeatureSelectorCV(selector, estimator=estimator, **settings)


def takes_for_classes(model, y):
    """Tell whether a cross-validated selector has classes to judge by, from its folds.

    Folds of classes are stratified, those of numbers are not.
    """
    seen = []

    class Seeing(type(model.estimator)):
        def fit(self, X, y, **params):
            seen.append(np.asarray(y))
            return super().fit(X, y, **params)

    judge = Seeing(**model.estimator.get_params(deep=False))
    model.set_params(estimator=judge).fit(X, y)
    return all(len(np.unique(part)) == len(np.unique(y)) for part in seen)


# The judge decides


def test_a_classifier_makes_classes_of_whole_numbers(srbct):
    """Labels as they come out of a spreadsheet, selected for as strings would be."""
    genes, names = srbct
    codes = np.unique(names, return_inverse=True)[1].astype(float)
    model = L1InfFeatureSelectorCV(estimator=SVC(), radii=[0.5, 1, 2], random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(genes, codes)
    by_name = L1InfFeatureSelectorCV(**model.get_params(deep=False)).fit(genes, names)
    np.testing.assert_array_equal(model.ranking_, by_name.ranking_)
    assert model.cv_results_["mean_test_score"].max() == 1


def test_sorted_labels_of_a_classifier_are_in_stratified_folds():
    y = np.sort(LABELS).astype(float)
    assert takes_for_classes(quick_cv(SVC(kernel="linear")), y)


def test_a_regressor_makes_numbers_of_integers():
    ages = quick_cv(Ridge()).fit(X, AGES)
    np.testing.assert_array_equal(
        ages.ranking_, quick_cv(Ridge()).fit(X, AGES.astype(float) + 1e-9).ranking_
    )
    assert ages.path_.losses.max() < 1  # half a mean square, not the log of 75 classes


@pytest.mark.parametrize(
    ("judge", "y", "as_if"),
    [
        (make_pipeline(StandardScaler(), SVC()), LABELS.astype(float), LABELS),
        (GridSearchCV(SVC(), {"C": [1, 10]}, cv=2), LABELS.astype(float), LABELS),
        (
            StackingClassifier([("svc", SVC()), ("lr", LogisticRegression())], cv=2),
            LABELS.astype(float),
            LABELS,
        ),
        (TransformedTargetRegressor(LinearRegression()), AGES, AGES + 0.0),
        (make_pipeline(StandardScaler(), Ridge()), LABELS, LABELS + 0.0),
        (Ridge(), LABELS > 0, (LABELS > 0) + 0.0),
        (Ridge(), pd.Series(AGES).astype(object), AGES + 0.0),
    ],
    ids=["pipeline", "grid", "stacking", "transformed", "scaled", "bool", "object"],
)
def test_a_judge_inside_another_decides(judge, y, as_if):
    target = "classification" if as_if is LABELS else "regression"
    told = BRIEF.__class__(**{**BRIEF.get_params(), "target": target})
    a, b = quick_cv(judge).fit(X, y), quick_cv(judge, told).fit(X, as_if)
    np.testing.assert_array_equal(a.ranking_, b.ranking_)
    np.testing.assert_allclose(a.path_.losses, b.path_.losses, rtol=1e-5)


class Neither(BaseEstimator):
    """Scores without being a classifier or a regressor."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def score(self, X, y):
        return 0.0


@pytest.mark.parametrize("judge", [None, Neither()])
def test_without_a_word_of_the_judge_the_dtype_decides(judge):
    losses = quick_cv(judge).fit(X, LABELS).path_.losses
    told = BRIEF.__class__(**{**BRIEF.get_params(), "target": "classification"})
    np.testing.assert_array_equal(
        losses, quick_cv(judge, told).fit(X, LABELS).path_.losses
    )
    with pytest.warns(UserWarning, match=r"taken for numbers.*target=") as caught:
        quick_cv(judge).fit(X, LABELS.astype(float))
    assert [record.filename for record in caught] == [__file__]


@pytest.mark.parametrize(
    ("judge", "target"), [(Ridge(), "classification"), (SVC(), "regression")]
)
def test_a_contradiction_is_refused_before_any_training(judge, target, monkeypatch):
    from skl1inf import network

    monkeypatch.setattr(network, "trace", pytest.fail)
    told = BRIEF.__class__(target=target)
    with pytest.raises(ValueError, match=f"target='{target}' contradicts"):
        quick_cv(judge, told).fit(X, LABELS)


@pytest.mark.parametrize(
    ("judge", "y", "message"),
    [
        (SVC(), X[:, 0], "Unknown label type: continuous"),
        (SVC(), X[:, :2], "cannot be classes"),
        (Ridge(), LABELS.astype(str).astype(object) + "a", "cannot be numbers"),
        (Ridge(), np.array(["a", "b", "c"])[LABELS], "cannot be numbers"),
    ],
)
def test_what_cannot_be_as_the_judge_wants_it_is_refused(judge, y, message):
    with pytest.raises(ValueError, match=message):
        quick_cv(judge).fit(X, y)


# The dtype decides, and the values cast doubt


@pytest.mark.parametrize(
    ("y", "taken_for"),
    [
        (LABELS.astype(float), "numbers"),
        (LABELS.astype(np.float32) - 1, "numbers"),
        (np.repeat(np.arange(20.0), 6), "numbers"),
        (np.where(LABELS > 0, 0.5, 1.5), "numbers"),
        (AGES, "classes"),
        (AGES.astype(np.uint8), "classes"),
        (np.arange(120), "classes"),
        (np.repeat(np.arange(60), 2), "classes"),
        (np.r_[np.repeat(np.arange(20), 5), np.arange(20)], None),
        (np.r_[np.repeat(np.arange(23), 5), np.arange(23, 28)], "classes"),
        (np.repeat(np.arange(24), 5), None),
        (LABELS, None),
        (AGES + 0.5, None),
        (np.arange(120.0), None),
        (np.round(X[:, 0], 1), None),
    ],
)
@pytest.mark.filterwarnings("error")
def test_values_that_contradict_the_dtype_warn_once(y, taken_for):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BRIEF.__class__(max_iter=1, n_hidden=2).fit(X, y)
    if taken_for is None:
        assert caught == []
        return
    (record,) = caught
    assert f"taken for {taken_for}" in str(record.message)
    assert "target=" in str(record.message)
    assert record.filename == __file__
    target = {"numbers": "regression", "classes": "classification"}[taken_for]
    BRIEF.__class__(max_iter=1, n_hidden=2, target=target).fit(X, y)  # silent


def test_many_classes_of_many_samples_do_not_warn():
    """As in a set of spoken letters: 26 classes of 60."""
    y = np.repeat(np.arange(26), 60)
    Z = np.random.default_rng(0).normal(size=(len(y), 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BRIEF.__class__(max_iter=1).fit(Z, y)


@pytest.mark.parametrize(
    "fit",
    [
        lambda y: BRIEF.__class__(max_iter=1).fit(X, y),
        lambda y: radius_path(X, y, radii=[1.0, 2.0], selector=BRIEF),
        lambda y: L1InfStabilitySelector(BRIEF, n_pairs=1).fit(X, y),
        lambda y: quick_cv().fit(X, y),
        lambda y: make_pipeline(StandardScaler(), BRIEF.__class__(max_iter=1)).fit(
            X, y
        ),
    ],
    ids=["selector", "path", "stability", "cv", "pipeline"],
)
def test_the_warning_names_the_line_of_the_caller(fit):
    with pytest.warns(UserWarning, match="target=") as caught:
        fit(LABELS.astype(float))
    assert [record.filename for record in caught] == [__file__]


# Containers and their types

NUMERIC = [np.arange(4.0), np.arange(4, dtype=np.float32), [0.5, 1.5], [[0.5], [1.5]]]
NUMERIC += [pd.Series([0.5, 1.5], dtype="Float64"), pl.Series([0.5, 1.5])]
NUMERIC += [pd.DataFrame({"a": [0.5, 1], "b": [1.0, 2]}), pl.DataFrame({"a": [0.5]})]
NOMINAL = [[0, 1], [True, False], ["a", "b"], np.array(["a", "b"], object)]
NOMINAL += [
    pd.Series([0, 1, 1], dtype=dtype)
    for dtype in ("Int64", "UInt8", "Int8", "boolean", "int32", "bool")
]
NOMINAL += [pd.Series(v, dtype="category") for v in ([3, 1, 1], [0.5, 1.5])]
NOMINAL += [pd.Series(["a", "b"], dtype=dtype) for dtype in ("string", "category")]
NOMINAL += [pl.Series(["a", "b"]), pl.Series(["a", "b"], dtype=pl.Categorical)]
NOMINAL += [pl.Series([1, 2]), pl.Series([True, False])]


@pytest.mark.parametrize("y", NUMERIC, ids=lambda y: type(y).__name__)
def test_floating_point_numbers_are_numbers(y):
    assert are_numbers(y)
    assert as_array(y).dtype.kind == "f"


@pytest.mark.parametrize("y", NOMINAL, ids=lambda y: type(y).__name__)
def test_everything_else_is_classes(y):
    assert not are_numbers(y)
    assert set(as_array(y).tolist()) == set(np.asarray(y).tolist())


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 0], "Int64"),
        ([1, 0], "UInt8"),
        ([True, False], "boolean"),
        ([7, 3], "category"),
        (["b", "a"], "category"),
        ([0.0, 2.0], "category"),
        (["b", "a"], "string"),
    ],
)
def test_pandas_types_are_classes_of_their_own_values(values, dtype):
    y = pd.Series(values * 60, dtype=dtype)
    for given in (y, y.to_frame("kind")):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A column-vector y")
            selector = BRIEF.__class__(max_iter=1).fit(X, given)
        assert selector.classes_.tolist() == sorted(values)


@pytest.mark.parametrize("dtype", ["Float64", "Float32", "float32"])
def test_nullable_numbers_are_numbers(dtype):
    y = pd.Series(X[:, 0], dtype=dtype)
    selector = BRIEF.__class__(max_iter=1).fit(X, y)
    assert not hasattr(selector, "classes_")


def test_an_object_column_of_numbers_says_how_to_convert():
    for y in (X[:, 0].astype(object), pd.Series(LABELS, dtype=object)):
        with pytest.raises(ValueError, match=r"y\.astype\(float\).*y\.astype\(int\)"):
            BRIEF.__class__().fit(X, y)


# What is missing


def with_missing(y, value, rows=(5, 9)):
    y = y.copy()
    y.iloc[list(rows)] = value
    return y


STRINGS = pd.Series(np.array(["a", "b", "c"])[LABELS])


@pytest.mark.parametrize(
    "y",
    [
        with_missing(STRINGS, None),
        with_missing(STRINGS.astype(object), None).to_numpy(),
        with_missing(STRINGS.astype(object), np.nan).to_numpy(),
        with_missing(STRINGS.astype("string"), pd.NA),
        with_missing(STRINGS.astype("category"), np.nan),
        with_missing(pd.Series(LABELS, dtype="Int64"), pd.NA),
        with_missing(pd.Series(LABELS > 0, dtype="boolean"), pd.NA),
        with_missing(pd.Series(X[:, 0]), np.nan),
        with_missing(pd.Series(X[:, 0], dtype="Float64"), pd.NA),
        pl.Series(with_missing(STRINGS.astype(object), None).tolist()),
    ],
    ids=range(10),
)
def test_missing_labels_are_counted_and_the_remedy_named(y):
    message = r"Input y contains NaN.* in 2 of 120 samples, first in sample 5.*Leave"
    for target in ("auto", "classification", "regression"):
        with pytest.raises(ValueError, match=message):
            BRIEF.__class__(target=target).fit(X, y)


def test_missing_entries_of_several_targets_are_told_by_column():
    Y = pd.DataFrame(X[:, :8].copy(), columns=[f"target {i}" for i in range(8)])
    Y.iloc[7:10, 2], Y.iloc[3, 4] = np.nan, np.nan
    message = r"column 'target 2' in 3, in column 'target 4' in 1 of 120 .* sample 3\."
    with pytest.raises(ValueError, match=message):
        BRIEF.__class__().fit(X, Y)
    with pytest.raises(ValueError, match=r"in column 2 in 3, in column 4 in 1 of 120"):
        BRIEF.__class__().fit(X, Y.to_numpy())
    Y.iloc[0] = np.nan
    with pytest.raises(ValueError, match="in 3 more columns of 120"):
        BRIEF.__class__().fit(X, Y)
