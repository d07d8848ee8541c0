"""Columns of many groups of features, fetched together."""

import numpy as np

# Entries of the columns that are fetched at once.
_BLOCK = 2**22


class ColumnBlocks:
    """The columns of groups of features, group by group.

    A slice of a CSR matrix reads all of its entries, however few columns it takes. So
    the columns of many groups are fetched at once, and stay until a group of another
    block is asked for. That is fast where the groups are asked for in their order.

    Parameters
    ----------
    columns : callable
        ``columns(j)`` returns the features of the indices ``j``, an ndarray of shape
        (n_samples, len(j)).
    groups : list of ndarray of int
        The features of the groups that are asked for. Groups do not overlap.
    n_samples : int
        Number of samples.
    """

    def __init__(self, columns, groups, n_samples):
        self._columns, self._array = columns, None
        self._features = np.concatenate(groups)
        sizes = np.array([len(group) for group in groups])
        starts = np.cumsum(sizes) - sizes
        first_features = [int(group[0]) for group in groups]
        self._start = dict(zip(first_features, starts.tolist(), strict=True))
        # A block has whole groups, one at least.
        _, first = np.unique(starts * n_samples // _BLOCK, return_index=True)
        self._bounds = np.append(starts[first], len(self._features))
        self._block = None

    def __call__(self, group):
        """Return the columns of one group."""
        start = self._start[int(group[0])]
        block = int(np.searchsorted(self._bounds, start, side="right")) - 1
        low, high = self._bounds[block : block + 2]
        if block != self._block:
            self._array = self._columns(self._features[low:high])
            self._block = block
        return self._array[:, start - low : start - low + len(group)]
