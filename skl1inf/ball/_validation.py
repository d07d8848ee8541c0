"""Checks of what the functions of the ball are given."""

from __future__ import annotations

import sys
from numbers import Integral, Real

import numpy as np

FLOATS = np.dtype(np.float32), np.dtype(np.float64)


def torch_of(Y):
    """Give the module torch if Y is a tensor, else None, without importing it."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(Y, torch.Tensor) else None


def check_axis(axis):
    """Return the axis as 0 or 1."""
    if not isinstance(axis, Integral) or isinstance(axis, bool):
        raise TypeError(f"axis must be an integer, got {axis!r}.")
    if axis not in (-2, -1, 0, 1):
        raise ValueError(f"axis must be 0, 1, -1 or -2, got {axis}.")
    return int(axis) % 2


def check_radius(radius):
    """Return the radius as a float."""
    if not isinstance(radius, Real) or isinstance(radius, bool):
        raise TypeError(f"radius must be a real number, got {radius!r}.")
    if not radius >= 0:
        raise ValueError(f"radius must be non-negative, got {radius}.")
    return float(radius)


def check_real(real, dtype):
    """Refuse a dtype that is not of real numbers."""
    if not real:
        raise ValueError(f"Y must hold real numbers, got dtype {dtype}.")


def check_ndim(Y, ndims):
    """Refuse another number of dimensions than the given ones."""
    if Y.ndim not in ndims:
        expected = " or ".join(f"{ndim}-dimensional" for ndim in ndims)
        raise ValueError(f"Y must be {expected}, got {Y.ndim} dimension(s).")


def _refuse_mask(array, name):
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array: its mask would be ignored. "
            "Call its method filled first."
        )


def check_array(Y, ndims=(2,)):
    """Return Y as an array of float32 or float64."""
    if hasattr(Y, "tocsr"):
        raise TypeError("Y must be dense, got a sparse matrix.")
    _refuse_mask(Y, "Y")
    Y = np.asarray(Y)
    check_real(Y.dtype.kind in "buif", Y.dtype)
    check_ndim(Y, ndims)
    if Y.dtype in FLOATS:
        return Y
    single = Y.dtype.newbyteorder("=") == np.float32
    with np.errstate(all="ignore"):  # what is too large becomes infinite
        return Y.astype(np.float32 if single else np.float64)


def _as_labels(values, name):
    """Return a 1-dimensional array of what may be a tensor, a list or a series."""
    _refuse_mask(values, name)
    if torch_of(values) is not None:
        values = values.detach().cpu()
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(
            f"{name} must be 1-dimensional, got {values.ndim} dimension(s)."
        )
    return values


def check_groups(groups, n_rows):
    """Return the number of the group of every row; and that of groups."""
    labels = _as_labels(groups, "groups")
    if len(labels) != n_rows:
        raise ValueError(
            f"groups must have one label for each of the {n_rows} rows (columns where "
            f"axis=0), got {len(labels)}."
        )
    if labels.dtype.kind not in "iuU" and len(labels):
        if not all(isinstance(label, str) for label in labels):
            raise TypeError(
                f"groups must hold integers or strings, got dtype {labels.dtype}."
            )
        labels = labels.astype(str)
    names, number = np.unique(labels, return_inverse=True)
    return number, len(names)


def check_weights(weights, n_groups):
    """Return the weights of so many groups in float64."""
    weights = _as_labels(weights, "weights")
    if weights.dtype.kind not in "iuf":
        raise TypeError(f"weights must be real numbers, got dtype {weights.dtype}.")
    if len(weights) != n_groups:
        raise ValueError(
            f"weights must have one number for each of the {n_groups} groups, "
            f"got {len(weights)}."
        )
    weights = weights.astype(np.float64)
    if not ((weights > 0) & (weights < np.inf)).all():
        raise ValueError("weights must be positive and finite.")
    # Squares of their ratios would leave the range of float64.
    if not ((weights >= 1e-100) & (weights <= 1e100)).all():
        raise ValueError("weights must be between 1e-100 and 1e100.")
    return weights


def check_fit(out, Y):
    """Refuse an array or tensor `out` of another shape or dtype than Y."""
    if out.shape != Y.shape or out.dtype != Y.dtype:
        raise ValueError(
            f"out must have shape {tuple(Y.shape)} and dtype {Y.dtype}, "
            f"got {tuple(out.shape)} and {out.dtype}."
        )


def check_out(out, Y):
    """Return `out`, where the projection of the array Y goes, as a plain array."""
    if not isinstance(out, np.ndarray):
        raise TypeError(
            f"out must be a numpy.ndarray as Y is, got {type(out).__name__}."
        )
    _refuse_mask(out, "out")
    check_fit(out, Y)
    if not out.flags.writeable:
        raise ValueError("out is read-only.")
    check_overlap(out)
    return np.asarray(out)


def check_overlap(out):
    """Refuse an array of which several entries lie at the same place in memory."""
    if out.flags.forc:
        return
    # If two rows overlap, so do the first and the one that is as far from it.
    while out.ndim:
        if np.shares_memory(out[:1], out[1:]):
            raise ValueError(
                "out must not overlap itself: several of its entries share memory."
            )
        out = out[0]
