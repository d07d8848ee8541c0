"""The l1,inf ball with groups of rows, weights, and rows that are always kept."""

import numpy as np

from ._ball import Ball


class GroupedBall(Ball):
    """The l1,inf ball whose rows live and die in groups.

    It is ``{W : sum_g w_g max_{i in g, j} |W_ij| <= radius}``, and each kept row i has
    a bound of its own, ``max_j |W_ij| <= radius``.

    Parameters
    ----------
    groups : ndarray of shape (n_rows,)
        The group of every row, 0 to n_groups - 1; -1 for a row that is kept.
    weights : ndarray of shape (n_groups,)
        The w_g, positive.
    positive : bool, default=False
        Whether it is the non-negative part of the ball. For arrays alone.
    """

    def __init__(self, groups, weights, positive=False):
        self.positive = positive
        self._groups = np.atleast_2d(groups)
        # Kept rows are the last group, of weight 1.
        self._weights = np.append(np.asarray(weights, dtype=float), 1.0)
        self._groups = np.where(self._groups < 0, len(weights), self._groups)
        self.n_groups = len(weights)

    def project_(self, W, radius):
        """Replace every replica by the nearest point of its ball."""
        groups = np.broadcast_to(self._groups, W.shape[:2])
        for replica, limit, group in zip(W, radius.tolist(), groups, strict=True):
            values = replica.cpu().numpy().copy()
            bound = self._levels(values, limit, group, None)
            bound[-1] = limit
            bound = replica.new_tensor(bound[group])[:, None]
            replica.copy_(replica.clamp(-bound, bound))

    def project(self, W, radius):
        """Return the nearest point of an array, in the ball to the last bit."""
        return self.projection_in_metric(None)(W, radius).astype(W.dtype)

    def projection_in_metric(self, metric):
        """Return the projection (W, radius) of arrays where row i weighs ``metric[i]``.

        The metric is constant within a group.
        """

        def project(W, radius):
            W = np.maximum(W, 0) if self.positive else W
            bound = self._levels(W, radius, self._groups[0], metric)
            bound = bound[self._groups[0], None]
            return np.clip(W, -bound, bound)

        return project

    def shrink_in_metric(self, W, metric, theta):
        """Return the proximal point of theta times the norm, in that metric."""
        W = np.maximum(W, 0) if self.positive else W
        shrunk = np.zeros_like(W)
        for g in range(self.n_groups):
            rows = np.flatnonzero(self._groups[0] == g)
            entries = -np.sort(-np.abs(W[rows]), axis=None)
            lost = theta * self._weights[g] / metric[rows].max(initial=0)
            counts = np.arange(1, entries.size + 1)
            level = max(0, ((np.cumsum(entries) - lost) / counts).max(initial=0))
            shrunk[rows] = np.clip(W[rows], -level, level)
        return shrunk

    def _levels(self, W, radius, group, metric):
        """Return the level of every group; infinity for the kept rows."""
        sorted_groups, costs = [], np.ones(self.n_groups)
        for g in range(self.n_groups):
            rows = np.flatnonzero(group == g)
            sorted_groups.append(-np.sort(-np.abs(W[rows]).astype(float), axis=None))
            m = 1.0 if metric is None or not len(rows) else metric[rows].max()
            costs[g] = self._weights[g] / m
        w = self._weights[:-1]
        largest = np.array([each.max(initial=0) for each in sorted_groups])
        if (w * largest).sum() <= radius:
            return np.full(self.n_groups + 1, np.inf)
        theta = 0.0
        while True:
            mu, slope = np.zeros(self.n_groups), 0.0
            for g, entries in enumerate(sorted_groups):
                lines = np.cumsum(entries) - theta * costs[g]
                lines /= np.arange(1, entries.size + 1)
                if entries.size and lines.max() > 0:
                    mu[g] = lines.max()
                    slope += w[g] * costs[g] / (lines.argmax() + 1)
            excess = (w * mu).sum() - radius
            following = theta + excess / slope if slope > 0 else theta
            if not following > theta:
                return np.append(mu * (1 - 4 * np.finfo(W.dtype).eps), np.inf)
            theta = following

    def sizes(self, W):
        """Return what every row takes of the radius: the share of its group in it.

        All rows of a group that lives are alive. Kept rows take nothing; their sizes
        are their largest absolute entries.
        """
        rows = _values(abs(W)).max(-1, initial=0)
        largest = self._by_group(np.maximum, rows)
        number = self._by_group(np.add, np.ones_like(rows))
        sizes = np.where(
            self._kept(rows), rows, self._row_weights(rows) * largest / number
        )
        return _like(W, sizes)

    def dual_sizes(self, G):
        """Return the l1 norm of every row's group over its weight; inf if kept."""
        rows = _values(self._lowering(G)).sum(-1)
        sums = self._by_group(np.add, rows) / self._row_weights(rows)
        return _like(G, np.where(self._kept(rows), np.inf, sums))

    def norm(self, W):
        """Return the norm of every replica, without the kept rows."""
        sizes = self.sizes(W)
        kept = self._kept(_values(sizes))
        return _like(W, np.where(kept, 0, _values(sizes)).sum(-1))

    def dual_norm(self, G):
        """Return the support function of the ball of radius 1."""
        rows = _values(self._lowering(G)).sum(-1)
        sums = self._by_group(np.add, rows) / self._row_weights(rows)
        kept = self._kept(rows)
        of_groups = np.where(kept, 0, sums).max(-1, initial=0)
        return _like(G, of_groups + np.where(kept, rows, 0).sum(-1))

    def restrict(self, index):
        """Return the ball of the rows `index`; groups stay whole, padding is zero."""
        index = np.atleast_2d(_values(index))
        groups = np.broadcast_to(self._groups, (len(index), self._groups.shape[1]))
        ball = GroupedBall(np.zeros(0, int), self._weights[:-1], self.positive)
        ball._groups = np.take_along_axis(groups, index, 1)
        return ball

    def _lowering(self, G):
        return (-G).clip(0) if self.positive else abs(G)

    def _kept(self, rows):
        """Tell which rows are kept, in the shape of one number a row."""
        return np.broadcast_to(self._index(rows) == self.n_groups, rows.shape)

    def _index(self, rows):
        return self._groups if rows.ndim > 1 else self._groups[0]

    def _row_weights(self, rows):
        """Return the weight of every row's group."""
        return np.broadcast_to(self._weights[self._index(rows)], rows.shape)

    def _by_group(self, operation, rows):
        """Reduce one number a row over its group; return it for every row."""
        by_replica = rows.reshape(-1, rows.shape[-1])
        groups = np.broadcast_to(self._groups, by_replica.shape)
        reduced = np.zeros((len(by_replica), self.n_groups + 1), rows.dtype)
        replica = np.arange(len(by_replica))[:, None]
        operation.at(reduced, (replica, groups), by_replica)
        return reduced[replica, groups].reshape(rows.shape)


def _values(values):
    """Return an array of a tensor's values, or the array."""
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def _like(values, array):
    """Return the array as what the values are."""
    if isinstance(values, np.ndarray):
        return array
    return values.new_tensor(array)
