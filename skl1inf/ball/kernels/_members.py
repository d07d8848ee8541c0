"""Groups of several rows: those of a group are laid side by side, as one long row."""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from ._compile import INNER


class Members(NamedTuple):
    """The rows of every group, for groups of any sizes."""

    group: np.ndarray  # (n_rows,), the group of every row; -1 for a row of none
    rows: np.ndarray  # the rows of the groups, one group after the other
    starts: np.ndarray  # (n_groups + 1,), where among them each group starts
    in_order: bool  # whether these rows are all of the rows as they come

    def side_by_side(self, Y):
        """Return the rows in one, group by group, and where in it each group lies."""
        laid = Y if self.in_order else Y.take(self.rows, axis=0)
        return laid.reshape(1, -1), SideBySide(self.starts * Y.shape[1])

    def first(self, of_rows):
        """Return the number of the first row of every group."""
        return of_rows[self.rows[self.starts[:-1]]]

    def spread(self, of_groups, fill):
        """Return the number of its group for every row, `fill` for one of none."""
        return np.append(of_groups, of_groups.dtype.type(fill))[self.group]


def members_of(group, n_groups):
    """Return the members of the groups 0 to n_groups - 1, given that of every row."""
    group = group.astype(np.intp, copy=False)
    order = np.argsort(group, kind="stable")
    rows = order[np.searchsorted(group[order], 0) :]  # the others have -1
    starts = np.searchsorted(group[rows], np.arange(n_groups + 1))
    in_order = np.array_equal(rows, np.arange(len(group)))
    return Members(group, rows, starts, in_order)


class SideBySide(NamedTuple):
    """Where in the one row each group lies."""

    starts: np.ndarray


# `weighted` is what kernels know of the groups: None, any array where groups are rows
# with weights, or SideBySide. Numba compiles them for each of the three.


def extent(weighted, i, size):
    """Give the row in which group i lies, and from where to where; rows have a size."""
    if isinstance(weighted, SideBySide):
        return 0, weighted.starts[i], weighted.starts[i + 1]
    return i, 0, size


def _lies_side_by_side(weighted):
    """Tell the contrary of what numba knows of the argument: its type."""
    return getattr(weighted, "instance_class", None) is SideBySide


@overload(extent, jit_options=INNER)
def _extent(weighted, i, size):
    if not _lies_side_by_side(weighted):
        return lambda weighted, i, size: (i, np.intp(0), size)
    return lambda weighted, i, size: (
        np.uintp(0),
        weighted.starts[np.uintp(i)],
        weighted.starts[np.uintp(i) + np.uintp(1)],
    )
