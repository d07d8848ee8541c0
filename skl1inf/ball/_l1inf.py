"""The l1,inf ball, of a validated array or a tensor on a device, by the kernels.

Weighted: ``{W : sum_g w_g max_{i in g, j} |W_ij| <= radius}``.
"""

from functools import cache

import numpy as np


@cache
def kernels():
    """Give the module of the kernels for arrays, which imports numba."""
    from . import kernels

    return kernels


def members_of(group, n_groups):
    """Return the rows of every group, as the kernels take them."""
    return kernels().members_of(group, n_groups)


def _contiguous(Y, axis):
    """Y or its transpose, whichever is C-contiguous, and the axis in it."""
    flags = Y.flags
    if not flags.aligned:
        return np.array(Y, order="C"), axis
    if flags.f_contiguous and not flags.c_contiguous:
        return Y.T, 1 - axis
    return np.ascontiguousarray(Y), axis


def _separate(Y, out):
    """Y, copied if it overlaps out in another way than by being the same."""
    if Y is out or not np.may_share_memory(Y, out):
        return Y
    same = Y.ctypes.data == out.ctypes.data and Y.strides == out.strides
    return Y if same else Y.copy()


def statistics(Y, axis):
    """L1 norm, in float64, and largest absolute entry of every group, as arrays."""
    if isinstance(Y, np.ndarray):
        total, largest = kernels().statistics(*_contiguous(Y, axis))
    else:
        from .kernels import _torch

        total, largest = (each.cpu().numpy() for each in _torch.statistics(Y, axis))
    if Y.itemsize == 4 and not np.isfinite(total).all():
        # The kernels take sums over short pieces in float32, which overflowed.
        wide = Y.astype(np.float64) if isinstance(Y, np.ndarray) else Y.double()
        return statistics(wide, axis)
    return total, largest


def l1inf(Y, radius, axis, out, weights=None, members=None):
    """Project Y into `out`, which may be Y."""
    if not isinstance(Y, np.ndarray):
        from .kernels import _torch

        with np.errstate(all="ignore"):
            _torch.project(Y, radius, axis, out, weights, members)
        return
    Y = _separate(Y, out)
    source, source_axis = _contiguous(Y, axis)
    if members is not None and source_axis == 0:
        source, source_axis = np.ascontiguousarray(source.T), 1
    target = out if source_axis == axis else out.T
    if not (target.flags.c_contiguous and target.flags.aligned):
        target = np.empty_like(source)
    with np.errstate(all="ignore"):
        kernels().project(source, radius, source_axis, target, None, weights, members)
    if target is not out and not np.may_share_memory(target, out):
        out[...] = target if source_axis == axis else target.T


class WeightedL1Inf:
    """The ball with weights, and with groups of several rows; or columns, for axis 0.

    Parameters
    ----------
    weights : ndarray of shape (n_groups,)
        The w_g: float64, positive and finite.
    group : ndarray of shape (n_rows,), default=None
        The group of every row, each of 0 to n_groups - 1 at least once; -1 for a row
        that is in no group and stays as it is. None if each row is a group.
    """

    def __init__(self, weights, group=None):
        if group is not None and len(weights) == len(group) and (group >= 0).all():
            weights, group = weights[group], None  # every group is a row
        self.weights = weights
        self.members = None if group is None else members_of(group, len(weights))

    def __call__(self, Y, radius, axis, out):
        """Project Y into `out`, which may be Y."""
        l1inf(Y, radius, axis, out, self.weights, self.members)

    def norm(self, largest):
        """Return the norm of a matrix, given the largest entry of every row."""
        return kernels().compensated(self.by_group(np.maximum, largest) * self.weights)

    def dual_norm(self, total):
        """Return the dual norm of a matrix, given the l1 norm of every row."""
        return (self.by_group(np.add, total) / self.weights).max(initial=0)

    def by_group(self, operation, rows):
        """Reduce one number a row, in the last dimension, to one a group."""
        if self.members is None:
            return rows
        rows = rows[..., self.members.rows]
        return operation.reduceat(rows, self.members.starts[:-1], axis=-1)

    def projection_in_metric(self, metric, positive):
        """Return the projection (W, radius) of arrays, in the metric of their rows."""
        project = kernels().ProjectionInMetric(
            self._metric_of_groups(metric), self.weights, self.members
        )
        if positive:
            return lambda W, radius: project(np.maximum(W, 0), radius)
        return lambda W, radius: project(np.ascontiguousarray(W), radius)

    def shrink_in_metric(self, W, metric, theta):
        """Return the proximal point of theta times the norm, in that metric."""
        losses = theta * self.weights / self._metric_of_groups(metric)
        return kernels().shrink(np.ascontiguousarray(W), losses, self.members)

    def _metric_of_groups(self, metric):
        if self.members is None:
            return metric
        return self.members.first(metric)
