"""The proximal point of the l1,inf norm in a metric, for a small array."""

import numpy as np

from ._compile import inlined, kernel
from ._members import extent


@inlined
def _bound_of(V, g, total, loss, weighted):
    """Return the bound above which group g has an excess of `loss`.

    The group's entries sum to `total`, in absolute values, which is above `loss`.
    Newton's method from the left: the number of entries above the bound falls.
    """
    i, start, end = extent(weighted, g, V.shape[1])
    count, last = end - start, 0
    bound = (total - loss) / count
    while count != last:
        last, count, above = count, 0, 0.0
        for j in range(start, end):
            if abs(V[i, j]) >= bound:
                above += abs(V[i, j])
                count += 1
        if count == 0:  # rounding lifted the bound past the largest entry
            return bound
        bound = (above - loss) / count
    return bound


@kernel()
def clip_to_losses(V, losses, weighted, out):
    """Clip every group to the bound above which its entries have its loss in all."""
    for g in range(losses.size):
        i, start, end = extent(weighted, g, V.shape[1])
        total, bound = 0.0, 0.0
        for j in range(start, end):
            total += abs(V[i, j])
        if total > losses[g]:
            bound = _bound_of(V, g, total, losses[g], weighted)
        for j in range(start, end):
            out[i, j] = min(max(V[i, j], -bound), bound)


def shrink(V, losses, members=None):
    """Minimise ``sum_ij m_i (W_ij - V_ij)^2 / 2 + theta * norm(W)`` for float64 rows.

    Group g is clipped so that its entries lose ``losses[g] = theta w_g / m_g`` in all:
    that is the derivative of the norm's part. Every row is in a group.
    """
    out = np.empty_like(V)
    if members is None:
        clip_to_losses(V, losses, None, out)
    else:
        laid, weighted = members.side_by_side(V)
        shrunk = np.empty_like(laid)
        clip_to_losses(laid, losses, weighted, shrunk)
        out[members.rows] = shrunk.reshape(-1, V.shape[1])
    return out
