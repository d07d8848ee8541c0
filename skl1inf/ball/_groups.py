"""The l1,inf ball with groups of rows, weights, and rows that are always kept."""

import numpy as np

from ._ball import Ball
from ._l1inf import WeightedL1Inf, members_of


class GroupedBall(Ball):
    """The l1,inf ball whose rows live and die in groups.

    It is ``{W : sum_g w_g max_{i in g, j} |W_ij| <= radius}``. Each kept row i has a
    bound of its own, ``max_j |W_ij| <= reach * radius``, so that nothing is unbounded.

    Parameters
    ----------
    groups : ndarray of shape (n_rows,)
        The group of every row, 0 to n_groups - 1; -1 for a row that is kept.
    weights : ndarray of shape (n_groups,)
        The w_g, positive.
    positive : bool, default=False
        Whether it is the non-negative part of the ball; see `L1InfBall`.
    reach : float, default=1.0
        The bound of the kept rows relative to the radius.
    """

    def __init__(self, groups, weights, positive=False, reach=1.0):
        self.positive, self.reach = positive, reach
        groups = np.asarray(groups, dtype=np.intp)[None]
        self._set_groups(groups, np.asarray(weights, dtype=float))

    @property
    def groups(self):
        """The group of every row of an array, an index of `weights`."""
        return self._groups[0]

    @property
    def weights(self):
        """The weights of the groups that have rows."""
        return self._weights

    def _set_groups(self, groups, weights):
        """Set the group of every row, (n_replicas, n_rows), and the groups' weights.

        One replica stands for any number of them. Some groups may have no rows.
        """
        kept = groups < 0
        # The groups of several replicas are numbered through.
        apart = groups + np.arange(len(groups))[:, None] * len(weights)
        present, number = np.unique(apart[~kept], return_inverse=True)
        self._groups = np.full(groups.shape, -1)
        self._groups[~kept] = number
        self._weights = weights[present % max(len(weights), 1)]
        firsts = np.arange(len(groups) + 1) * len(weights)
        self._firsts = np.searchsorted(present, firsts)
        self._projections, self._rows = None, {}

    def restrict(self, index):
        """Return the ball of the rows `index`, (n_replicas, n_chosen), alone.

        A group of which not all rows are chosen is that of the chosen ones.
        """
        index = np.atleast_2d(_as_array(index))
        groups = np.broadcast_to(self._groups, (len(index), self._groups.shape[1]))
        part = GroupedBall.__new__(GroupedBall)
        part.positive, part.reach = self.positive, self.reach
        part._set_groups(np.take_along_axis(groups, index, 1), self._weights)
        return part

    def _projection(self, r):
        """Return the projection of a replica."""
        if self._projections is None:
            self._projections = [
                WeightedL1Inf(
                    self._weights[first:last],
                    np.where(group < 0, -1, group - first),
                )
                for group, first, last in zip(
                    self._groups, self._firsts[:-1], self._firsts[1:], strict=True
                )
            ]
        return self._projections[r if len(self._projections) > 1 else 0]

    def _rows_like(self, values):
        """Return what is known of the rows of arrays or tensors like this one."""
        n_replicas = len(values) if values.ndim == 3 else 1
        key = n_replicas, values.dtype, getattr(values, "device", None)
        if key not in self._rows:
            groups, weights = self._groups, self._weights
            if len(groups) < n_replicas:
                groups = np.broadcast_to(groups, (n_replicas, groups.shape[1]))
                apart = np.arange(n_replicas)[:, None] * len(weights)
                groups = np.where(groups < 0, -1, groups + apart)
                weights = np.tile(weights, n_replicas)
            self._rows[key] = _Rows(groups, weights, values)
        return self._rows[key]

    # The protocol -----------------------------------------------------------------

    def project_(self, W, radius):
        """Replace every replica by the nearest point of its ball."""
        from ._tensors import project_into

        for r, (replica, limit) in enumerate(zip(W, radius.tolist(), strict=True)):
            projection = self._projection(r)
            if len(projection.weights):
                project_into(replica, projection, replica, limit, 1, (2,))
        replicas, kept = self._rows_like(W).places_of_kept()
        if len(kept):
            limits = self.reach * radius[replicas, None].to(W.dtype)
            W[replicas, kept] = W[replicas, kept].clamp(-limits, limits)

    def project(self, W, radius):
        """Return the nearest point of an array, in the ball to the last bit."""
        W = np.maximum(W, 0) if self.positive else W
        out = np.empty_like(W)
        self._projection(0)(W, radius, 1, out)
        return out

    def projection_in_metric(self, metric):
        """Return the projection (W, radius) of arrays where row i weighs ``metric[i]``.

        The metric is the same in all rows of a group. It serves many arrays, one after
        the other.
        """
        return self._projection(0).projection_in_metric(metric, self.positive)

    def shrink_in_metric(self, W, metric, theta):
        """Return the proximal point of theta times the norm, in that metric."""
        W = np.maximum(W, 0) if self.positive else np.ascontiguousarray(W)
        return self._projection(0).shrink_in_metric(W, metric, theta)

    def sizes(self, W):
        """Return what every row takes of the radius: an equal part of its group's.

        All rows of a group that lives are alive. Kept rows take nothing: their sizes
        are their largest absolute entries over the reach.
        """
        rows, largest = self._rows_like(W), _largest(W)
        share = rows.reduce("maximum", largest) * rows.part
        return rows.where_kept(largest / self.reach, share)

    def kept(self, W):
        """Return the mask of the kept rows, (n_replicas, n_rows), None without any."""
        mask = self._rows_like(W).kept
        return mask if mask.any() else None

    def norm(self, W):
        """Return the norm of every replica, in which kept rows have no part."""
        rows = self._rows_like(W)
        return (rows.reduce("maximum", _largest(W)) * rows.part).sum(-1)

    def dual_sizes(self, G):
        """Return the l1 norm of every row's group over the group's weight.

        Infinity for kept rows: they always belong to a working set.
        """
        rows = self._rows_like(G)
        total = rows.reduce("add", self._lowering(G)) / rows.weight
        return rows.where_kept(np.inf, total)

    def dual_norm(self, G):
        """Return the largest ``-<G, W>`` of the points W of the ball of radius 1.

        The largest dual size of a group, and the l1 norms of the kept rows times the
        reach.
        """
        rows, lowering = self._rows_like(G), self._lowering(G)
        of_groups = rows.reduce("add", lowering) / rows.weight
        of_groups = of_groups.max(-1) if rows.xp is np else of_groups.amax(-1)
        return of_groups + self.reach * rows.where_kept(lowering, 0.0).sum(-1)

    def _lowering(self, G):
        """Return how fast the loss falls along every row alone."""
        return (((-G).clip(0)) if self.positive else abs(G)).sum(-1)


class _Rows:
    """The rows of all replicas: their groups and weights, for reductions.

    ``values`` is an array or tensor like those to come; ``groups``, the groups of its
    rows, (n_replicas, n_rows).
    """

    def __init__(self, groups, weights, values):
        self.group = groups.reshape(-1)
        self.members = members_of(self.group, len(weights))
        weight = np.append(weights, 1.0)[self.group]
        number = np.append(np.diff(self.members.starts), 1)[self.group]
        shape = groups.shape if values.ndim == 3 else (-1,)
        part, weight, kept = (
            each.reshape(shape) for each in (weight / number, weight, self.group < 0)
        )
        self.segments = None
        if not isinstance(values, np.ndarray):
            import torch

            part, weight = values.new_tensor(part), values.new_tensor(weight)
            kept = torch.from_numpy(kept).to(values.device)
            if not values.is_cpu:
                from .kernels._segments import Segments

                self.segments = Segments(self.members, self.group.size, values.device)
        # What a row takes of its group's share; the weight of its group.
        self.part, self.weight, self.kept = part, weight, kept
        self._places = None

    @property
    def xp(self):
        """The module of arrays or that of tensors."""
        if isinstance(self.kept, np.ndarray):
            return np
        import torch

        return torch

    def places_of_kept(self):
        """Return the replicas and the rows of the tensor's kept rows."""
        if self._places is None:
            self._places = self.kept.nonzero(as_tuple=True)
        return self._places

    def where_kept(self, of_kept, of_others):
        """Take the one for the kept rows, the other for the others."""
        return self.xp.where(self.kept, of_kept, of_others)

    def reduce(self, operation, rows):
        """Reduce one number a row to one a group; give every row that of its group.

        The operation is "add" or "maximum". Kept rows get 0.
        """
        flat = rows.reshape(-1)
        if self.segments is not None:
            total, largest = self.segments.total, self.segments.largest
            of_groups = (total if operation == "add" else largest)(flat)
            return self.segments.spread(of_groups, 0.0).reshape(rows.shape)
        flat = _as_array(flat)
        of_groups = np.zeros(len(self.members.starts), flat.dtype)
        starts = self.members.starts[:-1]
        reduce = getattr(np, operation).reduceat
        of_groups[:-1] = reduce(flat[self.members.rows], starts)
        return self.xp.asarray(of_groups[self.group]).reshape(rows.shape)


def _largest(W):
    """Return the largest absolute entry of every row."""
    return abs(W).max(-1) if isinstance(W, np.ndarray) else W.abs().amax(-1)


def _as_array(values):
    """Return the values of an array or a tensor as an array."""
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
