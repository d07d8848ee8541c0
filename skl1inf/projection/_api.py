"""The door: validates arrays and tensors and hands them to the kernels."""

import numpy as np


def l1inf_norm(Y, *, axis=-1):
    """Sum over the groups of each group's largest absolute entry."""
    return float(np.abs(np.asarray(Y)).max(axis=axis, initial=0).sum(dtype=float))


def l1inf_dual_norm(Y, *, axis=-1):
    """Largest l1 norm of a group."""
    return float(np.abs(np.asarray(Y)).sum(axis=axis).max(initial=0))


def project_l1inf(Y, radius, *, axis=-1, out=None):
    """Project onto the l1,inf ball."""
    from ._numpy import project_rows

    Y = np.asarray(Y)
    out = out if out is None else np.asarray(out)
    out = np.empty_like(Y) if out is None else out
    out[...] = Y
    if l1inf_norm(Y, axis=axis) > radius:
        rows = out if axis in (-1, 1) else out.T
        project_rows(rows, radius)
    return out
