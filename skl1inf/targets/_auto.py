"""What a y is: ``target="auto"``."""

import numpy as np
from sklearn.base import is_classifier, is_regressor

from .._warn import warn_the_caller
from ._classes import Classes
from ._nothing import Nothing
from ._numbers import Numbers
from ._reading import are_numbers, as_array, is_frame_of_times, is_structured
from ._survival import Survival

# By the value of the parameter `target`.
TARGETS = {
    "classification": Classes,
    "regression": Numbers,
    "survival": Survival,
    "unsupervised": Nothing,
}

# What casts doubt on the dtype. Class labels seldom have more than 20 values, so whole
# floating-point numbers of as few may be labels. Integers of more values may be numbers
# where one is too rare for the usual five folds, and are likely to be from 50 on. Where
# more than half of the samples have a value of their own, scikit-learn too takes y for
# numbers.
_FEW_VALUES, _MANY_VALUES, _USUAL_FOLDS = 20, 50, 5


def check_target(y, target, estimator, judge=None):
    """Return `y` as an array, and the class of targets that it belongs to.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_targets), or None
        The target as it was given.
    target : {"auto", "classification", "regression", "survival", "unsupervised"}
        What the user says it is.
    estimator : estimator
        Named in the errors.
    judge : estimator, default=None
        What the features are for. Where `target` is "auto", a classifier means
        classes, a regressor numbers.

    Returns
    -------
    y : ndarray or None
        The validated target.
    kind : type
        A subclass of `Target`.

    Raises
    ------
    ValueError
        If `y` is not of a form that can be trained on, or `judge` asks for another
        target than `target`.
    """
    target = _agreed(target, judge)
    if y is None or target == "unsupervised":
        return None, Nothing
    if target == "survival" or is_structured(y):
        if target not in ("auto", "survival"):
            raise ValueError(
                f"y is a structured array, of events and times, which contradicts "
                f'target="{target}".'
            )
        return Survival.check(y), Survival
    if target == "auto" and is_frame_of_times(y):
        raise ValueError(
            "y has a boolean and a numeric column, which may be events and times: pass "
            'target="survival" if they are, or y as an array of numbers if not.'
        )
    numbers, y = are_numbers(y), as_array(y, estimator)
    if target != "auto":
        kind = TARGETS[target]
        return kind.check(y), kind
    kind = Numbers if numbers else Classes
    y = kind.check(y)
    _warn_if_suspicious(y, kind)
    return y, kind


def _agreed(target, judge):
    """Return what `target` and the judge together say."""
    wanted = _wanted(judge)
    if target in ("auto", wanted) or wanted is None:
        return wanted or target
    raise ValueError(
        f"target={target!r} contradicts the estimator, {type(judge).__name__}, which "
        f'asks for target="{wanted}".'
    )


def _wanted(judge):
    """Return the target that the judge asks for, None if it is neither kind."""
    if judge is None or not hasattr(judge, "__sklearn_tags__"):
        return None
    if is_classifier(judge):
        return "classification"
    return "regression" if is_regressor(judge) else None


def _warn_if_suspicious(y, kind):
    """Warn where the dtype of one column says little of what it is."""
    if y.size != len(y) or y.dtype.kind not in "fiu":
        return
    values, counts = np.unique(y, return_counts=True)
    if kind is Numbers:
        target, other = "regression", "classification"
        suspicious = _could_be_labels(values, counts)
    else:
        target, other = "classification", "regression"
        suspicious = _could_be_measured(counts)
    if suspicious:
        warn_the_caller(
            f"y has {len(values)} different values and is taken for {kind.name}, by "
            f'its dtype. Pass target="{other}" if it is not, or target="{target}" to '
            "silence this warning."
        )


def _could_be_labels(values, counts):
    """Tell whether floating-point numbers may be class labels."""
    if len(values) == 2:
        return True
    few = 1 < len(values) <= min(_FEW_VALUES, counts.sum() / 2)
    return few and np.array_equal(values, np.rint(values))


def _could_be_measured(counts):
    """Tell whether integers may be numbers."""
    if len(counts) <= _FEW_VALUES:
        return len(counts) > _FEW_VALUES / 2 and len(counts) > counts.sum() / 2
    return len(counts) >= _MANY_VALUES or counts.min() < _USUAL_FOLDS
