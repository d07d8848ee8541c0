"""The report: figures of the predictions, and the features."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skl1inf import L1InfClassifier, L1InfFeatureSelector, report
from skl1inf.datasets import make_expression
from skl1inf.estimators._report import calibration_error

QUICK = L1InfClassifier(max_iter=20, random_state=0)


@pytest.fixture(scope="module")
def expression():
    X, y, _ = make_expression(90, 40, n_informative=4, random_state=0)
    names = [f"gene {i}" for i in range(40)]
    return pd.DataFrame(X, columns=names), np.array(["b", "a"])[y.astype(int) % 2]


@pytest.fixture(scope="module")
def found(expression):
    return report(QUICK, *expression, cv=3)


def test_the_figures_are_those_of_scikit_learn(found, expression):
    X, y = expression
    probabilities = cross_val_predict(QUICK, X, y, cv=3, method="predict_proba")
    last = found.summary.loc["all"]
    predicted = np.array(["a", "b"])[probabilities.argmax(axis=1)]
    assert_allclose(last["balanced accuracy"], balanced_accuracy_score(y, predicted))
    assert_allclose(last["log-loss"], log_loss(y, probabilities))
    assert_allclose(last["AUC"], roc_auc_score(y, probabilities[:, 1]))
    assert found.summary.index.to_list() == ["fold 0", "fold 1", "fold 2", "all"]


def test_every_sample_is_predicted_once(found, expression):
    _, y = expression
    table = found.predictions.sort_values("sample")
    assert_array_equal(table["sample"], np.arange(90))
    assert_array_equal(table["class"], y)
    columns = table[["probability of a", "probability of b"]]
    assert_allclose(columns.sum(axis=1), 1.0)


def test_the_classes_count_every_sample(found, expression):
    _, y = expression
    table, predictions = found.classes, found.predictions
    assert_array_equal(table["samples"], [(y == "a").sum(), (y == "b").sum()])
    taken = table[["taken for a", "taken for b"]].to_numpy()
    assert_array_equal(taken.sum(axis=1), table["samples"])
    right = predictions["class"] == predictions["predicted"]
    assert taken.trace() == right.sum()
    assert_allclose(table["accuracy"], taken.diagonal() / table["samples"])


def test_the_features_are_those_of_the_folds(found, expression):
    X, y = expression
    table = found.features
    assert_array_equal(table["feature"], X.columns[table.index])
    assert (np.diff(table["share of folds"]) <= 0).all()
    assert table["share of folds"].between(0.33, 1.0).all()
    by_class = X.groupby(y).mean()
    for row in table.itertuples():
        assert row.direction == by_class[row.feature].idxmax()


def test_the_best_feature_of_one_fold():
    X, y, _ = make_expression(60, 30, n_informative=3, random_state=1)
    test = np.arange(0, 60, 3)
    train = np.setdiff1d(np.arange(60), test)
    found = report(QUICK, X, y, cv=[(train, test)])
    model = QUICK.fit(X[train], y[train])
    chosen = np.flatnonzero(model.support_)
    assert_array_equal(np.sort(found.features.index), chosen)
    first = found.features.iloc[0]
    assert first["mean rank"] == 1
    assert first["feature"] == f"x{model.ranking_.argmin()}"
    assert first["mean importance"] == model.feature_importances_.max(
        where=model.ranking_ == 1, initial=0.0
    )
    assert found.summary["features"].to_list() == [len(chosen)] * 2


def test_tables_are_written(found, tmp_path):
    found.features.to_csv(tmp_path / "genes.csv", index=False)
    again = pd.read_csv(tmp_path / "genes.csv")
    assert_array_equal(again["feature"], found.features["feature"])


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_any_container_and_a_pipeline(convert, found, expression):
    X, y = expression
    pipe = make_pipeline(StandardScaler(with_mean=False), QUICK)
    other = report(pipe, convert(X), pd.Series(y), cv=3)
    assert_array_equal(
        other.features.index[other.features["share of folds"] == 1],
        found.features.index[found.features["share of folds"] == 1],
    )
    assert other.features["feature"].iloc[0].startswith("x")


def test_a_selector_before_another_classifier(expression):
    X, y = expression
    selector = L1InfFeatureSelector(max_iter=20, random_state=0)
    found = report(make_pipeline(selector, LogisticRegression()), X, y, cv=2)
    assert found.summary["features"].notna().all()
    assert len(found.features) > 0


def test_a_classifier_that_selects_nothing(expression):
    X, y = expression
    found = report(LogisticRegression(max_iter=1000), X, y, cv=2)
    assert found.features.empty
    assert found.summary["features"].isna().all()


def test_samples_that_come_again_count_again(expression):
    X, y = expression
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    found = report(LogisticRegression(max_iter=1000), X, y, cv=cv)
    assert len(found.predictions) == 180


def test_a_fold_of_one_sample_has_no_area(expression):
    X, y = expression
    found = report(LogisticRegression(max_iter=1000), X[:12], y[:12], cv=LeaveOneOut())
    assert found.summary["AUC"].iloc[:-1].isna().all()
    assert 0 <= found.summary["AUC"].iloc[-1] <= 1


def test_the_calibration_error_by_hand():
    right = np.array([True, False, True, True])
    confidence = np.array([0.61, 0.65, 0.95, 1.0])
    # Bins (.6, .7): accuracy .5, confidence .63; (.9, 1]: accuracy 1, confidence .975.
    assert_allclose(calibration_error(right, confidence), (2 * 0.13 + 2 * 0.025) / 4)


@pytest.mark.parametrize("estimator", [SVC(), L1InfFeatureSelector(), StandardScaler()])
def test_no_classifier_with_probabilities(estimator, expression):
    with pytest.raises(TypeError, match="must be a classifier with predict_proba"):
        report(estimator, *expression)


class Refusing(LogisticRegression):
    """Says that it was fitted."""

    def fit(self, X, y):
        raise AssertionError("fitted before the input was checked")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cv": []}, "cv must have at least one fold"),
        ({"groups": [0, 1]}, "inconsistent numbers of samples"),
        ({"X": np.arange(90.0)}, "features"),
        ({"y": np.linspace(0, 1, 90)}, "Unknown label type"),
        ({"y": np.zeros((90, 2))}, "y should be a 1d array"),
    ],
)
def test_bad_input_is_refused_before_any_fit(change, message, expression):
    X, y = expression
    args = {"X": X, "y": y, "cv": 2} | change
    with pytest.raises((TypeError, ValueError), match=message):
        report(Refusing(), **args)


@pytest.mark.parametrize("convert", [lambda X: X.to_numpy().tolist(), sparse.coo_array])
def test_lists_coordinates_and_a_column_of_labels(convert, found, expression):
    X, y = expression
    other = report(QUICK, convert(X), y[:, np.newaxis], cv=3)
    assert_array_equal(other.features.index, found.features.index)
    assert_array_equal(other.predictions["class"], found.predictions["class"])
    assert_allclose(other.summary, found.summary, rtol=1e-6)


def test_the_features_of_a_search(found, expression):
    X, y = expression
    search = GridSearchCV(QUICK, {"radius": [QUICK.radius]}, cv=2)
    pipe = GridSearchCV(
        make_pipeline(StandardScaler(with_mean=False), QUICK),
        {"l1infclassifier__radius": [QUICK.radius]},
        cv=2,
    )
    other = report(search, X, y, cv=3)
    pd.testing.assert_frame_equal(other.features, found.features)
    assert len(report(pipe, X, y, cv=2).features) > 0


def test_groups_are_kept_together(expression):
    X, y = expression
    groups = np.arange(90) // 3
    logistic = LogisticRegression(max_iter=1000)
    found = report(logistic, X, y, cv=GroupKFold(3), groups=groups)
    table = found.predictions
    folds = table["fold"].groupby(groups[table["sample"]]).nunique()
    assert_array_equal(folds, 1)


def test_lengths_must_agree(expression):
    X, y = expression
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        report(QUICK, X, y[:-1])
