"""The groups and weights of a tensor's rows, on its device."""

import numpy as np
import torch


class Segments:
    """Reductions of one number a row to one a group, and back.

    On a CUDA device `index_put` sorts what it adds up: every run gives the same sums.

    Parameters
    ----------
    members : Members or None
        The rows of the groups; None where each row is a group.
    n_rows : int
        How many rows there are; some may be in no group.
    device : torch.device
        Where the numbers are.
    """

    def __init__(self, members, n_rows, device):
        self.index, self.n_members = None, 1
        if members is None:
            return
        n_members = np.diff(members.starts)
        self.n_groups = n_members.size
        index = np.full(n_rows, self.n_groups)
        index[members.rows] = np.repeat(np.arange(self.n_groups), n_members)
        self.index = torch.from_numpy(index).to(device)
        self.n_members = torch.from_numpy(n_members).to(device)

    def total(self, rows):
        """Add up the numbers of the rows of every group."""
        if self.index is None:
            return rows
        zeros = rows.new_zeros(self.n_groups + 1)
        return zeros.index_put((self.index,), rows, accumulate=True)[:-1]

    def largest(self, rows):
        """Return the largest of the numbers >= 0 of the rows of every group."""
        if self.index is None:
            return rows
        zeros = rows.new_zeros(self.n_groups + 1)
        return zeros.scatter_reduce(0, self.index, rows, "amax")[:-1]

    def spread(self, groups, fill):
        """Return the number of its group for every row, `fill` for one in no group."""
        if self.index is None:
            return groups
        return torch.nn.functional.pad(groups, (0, 1), value=fill)[self.index]
