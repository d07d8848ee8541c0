"""How X is read: validated as scikit-learn does, or left in blocks by dask."""

import numpy as np
from sklearn.utils.validation import validate_data

from ..matrices import is_dask

# A dask array of at most so many entries is read into memory at once: tasks for its
# blocks would take longer than the work.
_SMALL = 2**22


def read_input(estimator, X, *, ensure_min_samples=1, **checks):
    """Return X as scikit-learn's `validate_data` does, a large dask array in blocks.

    Parameters
    ----------
    estimator : estimator
        Takes the number and the names of the features, or is asked for them.
    X : array-like, sparse matrix or dask array of shape (n_samples, n_features)
        The samples as they were given.
    ensure_min_samples : int, default=1
        The least number of samples.
    **checks : dict
        The other parameters of `validate_data`. Of these, a dask array in blocks obeys
        `y` and `reset`: its entries are checked where they are read.

    Returns
    -------
    X : ndarray, sparse matrix or dask array
        A dask array has one block of columns.

    Raises
    ------
    TypeError
        If X is another collection of dask than an array.
    ValueError
        If X is not what the estimator takes.
    """
    checks["ensure_min_samples"] = ensure_min_samples
    if not is_dask(X):
        return validate_data(estimator, X, **checks)
    X = check_array_of_dask(X, ensure_min_samples)
    if np.isnan(X.shape).any():
        raise ValueError(
            "X has blocks of unknown size: call X.compute_chunk_sizes() before."
        )
    if X.size <= _SMALL:
        return validate_data(estimator, X.compute(), **checks)
    check_features(estimator, X, **checks)
    return X if X.numblocks[1] == 1 else X.rechunk({0: "auto", 1: -1})


def check_array_of_dask(X, ensure_min_samples=1):
    """Return an array of numbers in two dimensions, whose sparse blocks are compressed.

    Another collection of dask is refused.
    """
    kind = type(X)  # a Delayed has any attribute
    if not hasattr(kind, "chunks"):
        is_frame = hasattr(kind, "to_dask_array")
        hint = ": pass X.to_dask_array(lengths=True)" if is_frame else ""
        raise TypeError(f"X must be a dask array, got a dask {kind.__name__}{hint}.")
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead.")
    if X.dtype.kind not in "biuf":
        raise ValueError(f"X must be of real numbers, got a dask array of {X.dtype}.")
    for name, size, least in zip(
        ("sample", "feature"), X.shape, (ensure_min_samples, 1), strict=True
    ):
        if size < least:
            raise ValueError(
                f"Found array with {size} {name}(s) (shape={X.shape}) while a minimum "
                f"of {least} is required."
            )
    return X


def check_features(estimator, X, *, reset=True, **checks):
    """Set or check the number and the names of the features."""
    y = {"y": checks["y"]} if "y" in checks else {}
    validate_data(estimator, X, **y, reset=reset, skip_check_array=True)


def in_memory(array):
    """Return an array or None as it is, a collection of dask in memory."""
    return array.compute() if is_dask(array) else array


def refuse_dask(X, name):
    """Raise TypeError where X, which is given to `name`, is a collection of dask."""
    if is_dask(X):
        raise TypeError(
            f"{name} takes data in memory, got a dask {type(X).__name__} as X: pass "
            "X.compute() where it fits."
        )
