"""How y is read: as an array without missing values, of classes or of numbers."""

import numpy as np
from sklearn.utils import check_array

# An error names so many columns.
_MOST_NAMED = 5


def as_array(y, estimator=None):
    """Return `y` as an array of finite entries.

    The nullable integers and booleans of pandas stay integers and booleans, which
    scikit-learn's validation would make floating-point numbers.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        The target as it was given.
    estimator : estimator, default=None
        Named in the errors.

    Returns
    -------
    y : ndarray of the same shape

    Raises
    ------
    ValueError
        If `y` is no array-like of one or two dimensions, has missing or infinite
        entries, or holds dates.
    """
    _refuse_missing(y)
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
    """Tell whether `y`, as it was given, is numbers rather than classes.

    The dtype tells: floating-point numbers are numbers. Strings, booleans, integers
    and categories of whatever type are classes.
    """
    kind = _dtype_kind(y)
    return (np.asarray(y).dtype.kind if kind is None else kind) == "f"


def is_structured(y):
    """Tell whether `y` is a structured array."""
    return getattr(getattr(y, "dtype", None), "names", None) is not None


def is_frame_of_times(y):
    """Tell whether `y` is a frame of a boolean and a numeric column."""
    if len(getattr(y, "columns", ())) != 2:
        return False
    kinds = sorted(np.asarray(y[name]).dtype.kind for name in y.columns)
    return kinds[0] == "b" and kinds[1] in "fiu"


def _dtype_kind(y):
    """Return the kind of the dtype that all columns of an array or a frame share.

    None where they do not, and for what has no dtype as numpy's.
    """
    dtypes = getattr(y, "dtypes", None)
    if dtypes is None or not hasattr(dtypes, "iloc"):  # no frame of pandas
        return getattr(getattr(y, "dtype", None), "kind", None)
    kinds = {getattr(dtype, "kind", None) for dtype in dtypes}
    return kinds.pop() if len(kinds) == 1 else None


def _refuse_missing(y):
    """Raise an error that says where entries are missing, and what to do."""
    values = np.asarray(y)
    if values.ndim not in (1, 2) or values.dtype.kind not in "fOT":
        return
    if values.dtype.kind == "f":
        missing = np.isnan(values)
    else:
        missing = np.reshape([_is_missing(v) for v in values.flat], values.shape)
    if not missing.any():
        return
    where = f"in {missing.sum()}"
    if values.ndim == 2:
        names = list(getattr(y, "columns", range(values.shape[1])))
        counts = missing.sum(axis=0)
        columns = np.flatnonzero(counts)
        where = [
            f"in column {names[i]!r} in {counts[i]}" for i in columns[:_MOST_NAMED]
        ]
        if len(columns) > _MOST_NAMED:
            where.append(f"in {len(columns) - _MOST_NAMED} more columns")
        where = ", ".join(where)
    first = int(np.argwhere(missing)[0, 0])
    raise ValueError(
        f"Input y contains NaN, None or another missing value: {where} of {len(y)} "
        f"samples, first in sample {first}. Leave these samples out of X and y, or "
        "fill in what is missing."
    )


def _is_missing(value):
    """Tell whether an entry is None, NaN or the NA of pandas."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
