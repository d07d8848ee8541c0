"""What a y is: ``target="auto"``."""

import warnings

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_array

from ._classes import Classes
from ._nothing import Nothing
from ._numbers import Numbers

# By the value of the parameter `target`.
TARGETS = {
    "classification": Classes,
    "regression": Numbers,
    "unsupervised": Nothing,
}

# Floating-point numbers are called suspicious where they are whole and at most so many
# are different, integers where so many classes or more have few samples each.
_FEW_VALUES, _MANY_CLASSES, _SMALL_CLASS = 10, 20, 5


def check_target(y, target, estimator, judge=None):
    """Return `y` as an array, and the class of targets that it belongs to.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_targets), or None
        The target as it was given.
    target : {"auto", "classification", "regression", "unsupervised"}
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
    y = as_array(y, estimator)
    if target != "auto":
        kind = TARGETS[target]
    else:
        kind = Numbers if are_numbers(y) else Classes
        _warn_if_suspicious(y, kind)
    return kind.check(y), kind


def _agreed(target, judge):
    """Return what `target` and the judge together say."""
    if judge is None:
        return target
    wanted = "classification" if is_classifier(judge) else None
    wanted = "regression" if is_regressor(judge) else wanted
    if target in ("auto", wanted) or wanted is None:
        return wanted or target
    raise ValueError(
        f"target={target!r} contradicts the estimator, {type(judge).__name__}, which "
        f'asks for target="{wanted}".'
    )


def as_array(y, estimator=None):
    """Return `y` as an array of finite entries.

    The nullable integers and booleans of pandas stay integers and booleans, which
    scikit-learn's validation would make floating-point numbers.
    """
    given = {"b": bool, "i": np.int64, "u": np.uint64}.get(_dtype_kind(y))
    y = check_array(
        y,
        accept_sparse=False,
        ensure_2d=False,
        dtype=None,
        ensure_min_samples=0,
        input_name="y",
        estimator=estimator,
    )
    if y.dtype.kind in "mM":
        raise ValueError(
            f"y of dtype {y.dtype} is neither classes nor numbers: convert it to one "
            "of them."
        )
    return y if given is None else y.astype(given, copy=False)


def are_numbers(y):
    """Tell whether an array is numbers, by its dtype, rather than classes."""
    return y.dtype.kind == "f"


def _dtype_kind(y):
    """Return the kind of the dtype of an array, a series or a frame of one column."""
    dtypes = getattr(y, "dtypes", getattr(y, "dtype", None))
    if getattr(dtypes, "shape", None) == (1,):
        dtypes = dtypes.iloc[0]
    return getattr(dtypes, "kind", None)


def _warn_if_suspicious(y, kind):
    """Warn where the dtype of one column says little of what it is."""
    if y.size != len(y) or y.dtype.kind not in "fiu":
        return
    n_values = len(np.unique(y))
    if kind is Numbers:
        what, other = "numbers", "classification"
        few = 2 < n_values <= min(_FEW_VALUES, len(y) / 2)
        suspicious = n_values == 2 or (few and np.array_equal(y, np.rint(y)))
    else:
        what, other = "classes", "regression"
        suspicious = n_values >= max(_MANY_CLASSES, len(y) / _SMALL_CLASS)
    if suspicious:
        warnings.warn(
            f"y of dtype {y.dtype} has {n_values} different values and is taken for "
            f'{what}. Pass target="{other}" if it is not, or target='
            f'"{"regression" if kind is Numbers else "classification"}" to silence '
            "this warning.",
            UserWarning,
            stacklevel=8,  # the caller of fit
        )
