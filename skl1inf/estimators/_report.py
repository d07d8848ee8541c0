"""Accuracy and genes of an estimator in one call."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse, sparray, spmatrix
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.metrics import log_loss, recall_score, roc_auc_score
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from .._sklearn import _num_features, _safe_indexing
from ..targets import as_array

# The number of equal bins of the confidence in which it is compared with the accuracy.
_N_BINS = 10


def report(
    estimator: BaseEstimator,
    X: ArrayLike | spmatrix | sparray,
    y: ArrayLike,
    *,
    cv: Any = None,
    groups: ArrayLike | None = None,
) -> Bunch:
    r"""Tell in tables how well a classifier predicts, and from which features.

    The classifier is fitted in every fold and judged on the samples left out. The
    tables are data frames of pandas: ``report(...).features.to_csv("genes.csv")``
    writes one.

    Parameters
    ----------
    estimator : estimator
        A classifier with `predict_proba`, which is cloned. Where it has a `support_`
        and a `ranking_`, as :class:`L1InfClassifier`, or is a pipeline with such a
        step, the features are told too. A search is told by its best estimator. Steps
        before that one must keep the columns.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples.

    y : array-like of shape (n_samples,)
        Their class labels.

    cv : int, cross-validation generator or iterable, default=None
        The folds, as in :func:`~sklearn.model_selection.check_cv`: None means five,
        stratified. Where a sample is left out several times, it counts as often.

    groups : array-like of shape (n_samples,), default=None
        Groups of the samples, for a `cv` that keeps them together.

    Returns
    -------
    report : :class:`~sklearn.utils.Bunch`
        With the attributes

        summary : DataFrame
            A row a fold, and the last of all their samples: balanced accuracy, area
            under the ROC curve (of more than two classes the mean over each against the
            rest), log-loss, expected calibration error, number of features. A figure
            that is undefined in a fold is NaN.

        classes : DataFrame
            A row a class: how many samples were predicted, the share that was right,
            the mean confidence, and how many samples of it were taken for each class.

        features : DataFrame
            A row a feature that was selected in any fold, the best first: the share of
            folds in which it was selected, mean rank, mean importance, and direction:
            the class in which its mean is highest. Empty where nothing is told.

        predictions : DataFrame
            A row a predicted sample: fold, index, class, predicted class, and the
            probabilities.

    Raises
    ------
    TypeError
        If `estimator` is no classifier with `predict_proba`.

    ValueError
        If `X`, `y` and `groups` differ in length, `y` has no class labels, or `cv` has
        no folds.

    See Also
    --------
    skl1inf.plotting.ConfidenceDisplay : A picture of the predictions.

    Notes
    -----
    The expected calibration error is the mean difference between confidence, the
    probability of the predicted class, and accuracy, over ten equal bins of the
    confidence, weighted by their samples [1]_. Few samples make it large even where the
    probabilities are right.

    References
    ----------
    .. [1] C. Guo et al., "On calibration of modern neural networks", ICML 2017,
       equation 3.

    Examples
    --------
    >>> from skl1inf import L1InfClassifier, report
    >>> from skl1inf.datasets import load_srbct
    >>> X, y = load_srbct(return_X_y=True, as_frame=True)
    >>> found = report(L1InfClassifier(random_state=0), X, y, cv=3)
    >>> bool(found.summary["balanced accuracy"].iloc[-1] > 0.9)
    True
    >>> found.features.columns.to_list()
    ['feature', 'share of folds', 'mean rank', 'mean importance', 'direction']
    """
    import pandas as pd

    if not (is_classifier(estimator) and hasattr(estimator, "predict_proba")):
        raise TypeError(
            "estimator must be a classifier with predict_proba, got "
            f"{type(estimator).__name__}."
        )
    X, y = _checked(X, y, groups)
    classes = np.unique(y)
    splits = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    if not splits:
        raise ValueError("cv must have at least one fold, got none.")
    folds = []
    for train, test in splits:
        fitted = clone(estimator).fit(_safe_indexing(X, train), y[train])
        folds.append((fitted, test, _probabilities(fitted, X, test, classes)))
    predictions = _predictions(folds, y, classes, pd)
    return Bunch(
        summary=_summary(folds, y, classes, pd),
        classes=_of_classes(predictions, classes, pd),
        features=_features(folds, X, y, classes, pd),
        predictions=predictions,
    )


def _checked(X, y, groups):
    """Return samples whose rows and columns can be taken, and an array of labels."""
    if issparse(X):
        X = X.tocsr()  # other formats cannot be indexed
    elif not hasattr(X, "shape"):
        X = np.asarray(X)
    _num_features(X)  # raises an error where there are no columns
    y = column_or_1d(as_array(y))
    check_consistent_length(X, y, groups)
    check_classification_targets(y)
    return X, y


def _probabilities(fitted, X, test, classes):
    """Return the probabilities of all classes; 0 for one that the fold lacks."""
    probabilities = np.zeros((len(test), len(classes)))
    columns = np.searchsorted(classes, fitted.classes_)
    probabilities[:, columns] = fitted.predict_proba(_safe_indexing(X, test))
    return probabilities


def _predictions(folds, y, classes, pd):
    """Return the table of the predictions."""
    tables = []
    for number, (_, test, probabilities) in enumerate(folds):
        best = classes[probabilities.argmax(axis=1)]
        table = {"fold": number, "sample": test, "class": y[test], "predicted": best}
        named = zip(classes, probabilities.T, strict=True)
        table |= {f"probability of {label}": column for label, column in named}
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def _summary(folds, y, classes, pd):
    """Return the table of the accuracies, a row a fold and one of all."""
    rows = {
        f"fold {number}": {
            **_scores(y[test], probabilities, classes),
            "features": _n_features(fitted),
        }
        for number, (fitted, test, probabilities) in enumerate(folds)
    }
    every_y = np.concatenate([y[test] for _, test, _ in folds])
    everything = np.concatenate([probabilities for _, _, probabilities in folds])
    mean = np.mean([row["features"] for row in rows.values()])
    rows["all"] = {**_scores(every_y, everything, classes), "features": mean}
    return pd.DataFrame.from_dict(rows, orient="index")


def _scores(y, probabilities, classes):
    """Return the figures of a fold."""
    best = classes[probabilities.argmax(axis=1)]
    return {
        # Of the classes that the fold has: the balanced accuracy, without its warning.
        "balanced accuracy": recall_score(
            y, best, labels=np.unique(y), average="macro"
        ),
        "AUC": _area(y, probabilities, classes),
        "log-loss": log_loss(y, probabilities, labels=classes),
        "calibration error": calibration_error(best == y, probabilities.max(axis=1)),
    }


def _area(y, probabilities, classes):
    """Return the area under the ROC curve, the mean over the classes; or NaN."""
    if not np.isin(classes, y).all():
        return np.nan
    columns = zip(classes, probabilities.T, strict=True)
    return np.mean([roc_auc_score(y == label, column) for label, column in columns])


def calibration_error(right, confidence):
    """Return the expected calibration error, of the samples that are right or not."""
    place = np.minimum((confidence * _N_BINS).astype(int), _N_BINS - 1)
    gaps = np.bincount(place, right - confidence, minlength=_N_BINS)
    return np.abs(gaps).sum() / len(confidence)


def _of_classes(predictions, classes, pd):
    """Return the table of the classes."""
    counts = pd.crosstab(predictions["class"], predictions["predicted"])
    counts = counts.reindex(index=classes, columns=classes, fill_value=0)
    best = predictions.filter(like="probability of ").max(axis=1)
    confidence = best.groupby(predictions["class"]).mean().reindex(classes)
    table = {
        "samples": counts.sum(axis=1).to_numpy(),
        "accuracy": (np.diag(counts) / counts.sum(axis=1)).to_numpy(),
        "mean confidence": confidence.to_numpy(),
    }
    table |= {f"taken for {label}": counts[label].to_numpy() for label in classes}
    return pd.DataFrame(table, index=pd.Index(classes, name="class"))


def _selector_of(fitted):
    """Return what has selected features: the estimator, or a step of a pipeline.

    A search stands for its best estimator.
    """
    fitted = getattr(fitted, "best_estimator_", fitted)
    if isinstance(fitted, Pipeline):
        steps = [getattr(step, "best_estimator_", step) for step in fitted]
    else:
        steps = [fitted]
    told = [s for s in steps if hasattr(s, "support_") and hasattr(s, "ranking_")]
    return told[0] if told else None


def _n_features(fitted):
    """Return how many features a fitted estimator has selected, NaN if not told."""
    selector = _selector_of(fitted)
    return np.nan if selector is None else int(np.sum(selector.support_))


def _features(folds, X, y, classes, pd):
    """Return the table of the features that were selected in any fold."""
    columns = ["feature", "share of folds", "mean rank", "mean importance", "direction"]
    selectors = [_selector_of(fitted) for fitted, _, _ in folds]
    n_features = _num_features(X)
    if any(s is None or len(s.support_) != n_features for s in selectors):
        return pd.DataFrame(columns=columns)
    share = np.mean([s.support_ for s in selectors], axis=0)
    rank = np.mean([s.ranking_ for s in selectors], axis=0)
    unknown = np.full(n_features, np.nan)
    importances = [getattr(s, "feature_importances_", unknown) for s in selectors]
    order = np.lexsort((rank, -share))[: np.count_nonzero(share)]
    names = getattr(X, "columns", [f"x{i}" for i in range(n_features)])
    table = (
        [names[i] for i in order],
        share[order],
        rank[order],
        np.mean(importances, axis=0)[order],
        _directions(_safe_indexing(X, order, axis=1), y, classes),
    )
    return pd.DataFrame(dict(zip(columns, table, strict=True)), index=order)


def _directions(columns, y, classes):
    """Return the class with the highest mean, of every column."""
    columns = columns.toarray() if issparse(columns) else np.asarray(columns)
    means = [columns[y == label].mean(axis=0) for label in classes]
    return classes[np.argmax(means, axis=0)]
