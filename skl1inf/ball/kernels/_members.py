"""Groups of several rows: the rows of a group are read as one long row."""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from ._compile import INNER


class Members(NamedTuple):
    """The rows of every group, for groups of any sizes."""

    rows: np.ndarray  # the rows of the groups, one group after the other
    starts: np.ndarray  # (n_groups + 1,), where among them each group starts


def members_of(group, n_groups):
    """Return the members of the groups 0 to n_groups - 1, given that of every row."""
    order = np.argsort(group, kind="stable")
    rows = order[np.searchsorted(group[order], 0) :]  # those of no group have -1
    starts = np.searchsorted(group[rows], np.arange(n_groups + 1))
    return Members(rows.astype(np.intp), starts.astype(np.intp))


# `weighted` is what kernels know of the groups: None, any array where groups are rows
# with weights, or the members. Numba compiles them for each of the three.


def span(weighted, i):
    """Give the places, from and to, of the rows of group i."""
    if isinstance(weighted, Members):
        return weighted.starts[i], weighted.starts[i + 1]
    return i, i + 1


def row_at(weighted, place):
    """Give the row at a place."""
    return weighted.rows[place] if isinstance(weighted, Members) else place


def size_of(weighted, i, size):
    """Give the number of entries of group i, with rows of so many entries."""
    start, stop = span(weighted, i)
    return (stop - start) * size


def has_members(weighted):
    """Tell whether groups have members, and are no rows themselves."""
    return isinstance(weighted, Members)


def _is_members(weighted):
    """Tell the same of what numba knows of the argument: its type."""
    return getattr(weighted, "instance_class", None) is Members


@overload(span, jit_options=INNER)
def _span(weighted, i):
    if not _is_members(weighted):
        return lambda weighted, i: (np.uintp(i), np.uintp(i) + np.uintp(1))
    return lambda weighted, i: (
        np.uintp(weighted.starts[np.uintp(i)]),
        np.uintp(weighted.starts[np.uintp(i) + np.uintp(1)]),
    )


@overload(row_at, jit_options=INNER)
def _row_at(weighted, place):
    if not _is_members(weighted):
        return lambda weighted, place: place
    return lambda weighted, place: np.uintp(weighted.rows[place])


@overload(size_of, jit_options=INNER)
def _size_of(weighted, i, size):
    if not _is_members(weighted):
        return lambda weighted, i, size: size
    return lambda weighted, i, size: (
        size
        * (weighted.starts[np.uintp(i) + np.uintp(1)] - weighted.starts[np.uintp(i)])
    )


@overload(has_members, jit_options=INNER)
def _has_members(weighted):
    answer = _is_members(weighted)
    return lambda weighted: answer
