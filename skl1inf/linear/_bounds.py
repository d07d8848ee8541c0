"""Whose entries share a bound: those of a row, or those of a group of rows."""

import numpy as np

from ..ball import GroupedBall


def bounds_of(ball, rows=None):
    """Return how the rows of W, or some of them, share the bounds of the ball."""
    if not isinstance(ball, GroupedBall):
        return RowBounds()
    if rows is None:
        return GroupBounds(ball.groups, ball.weights)
    labels, groups = np.unique(ball.groups[rows], return_inverse=True)
    return GroupBounds(groups, ball.weights[labels])


class RowBounds:
    """Every row has a bound of its own, which it takes of the radius."""

    def largest(self, values):
        """Return the largest value of every bound."""
        return values

    def spread(self, bounds):
        """Return the bounds of the rows."""
        return bounds

    def complete(self, rows):
        """Return all rows that have the bounds of these."""
        return rows

    def gather(self, matrix, right):
        """Return a quadratic in the bounds of the rows as one in the bounds."""
        return matrix, right

    def costs(self, bounds):
        """Return how much of the radius a unit of each bound takes."""
        return np.ones(len(bounds))


class GroupBounds:
    """The rows of a group share a bound, which takes a weight times it."""

    def __init__(self, groups, weights):
        self.groups, self.weights = groups, weights

    def largest(self, values):
        """Return the largest value of every bound."""
        largest = np.zeros(len(self.weights))
        np.maximum.at(largest, self.groups, values)
        return largest

    def spread(self, bounds):
        """Return the bounds of the rows."""
        return bounds[self.groups]

    def complete(self, rows):
        """Return all rows that have the bounds of these."""
        return np.flatnonzero(np.isin(self.groups, self.groups[rows]))

    def gather(self, matrix, right):
        """Return a quadratic in the bounds of the rows as one in the bounds."""
        order = np.argsort(self.groups, kind="stable")
        starts = np.searchsorted(self.groups[order], np.arange(len(self.weights)))
        matrix = np.add.reduceat(matrix[np.ix_(order, order)], starts, axis=0)
        return (
            np.add.reduceat(matrix, starts, axis=1),
            np.add.reduceat(right[order], starts),
        )

    def costs(self, bounds):
        """Return how much of the radius a unit of each bound takes."""
        return self.weights
