"""The proximal point of the l1,inf norm in a metric, for a small array."""

import numpy as np

from ._compile import inlined, kernel
from ._members import row_at, size_of, span


@inlined
def _bound_of(V, g, total, loss, members):
    """Return the bound above which group g has an excess of `loss`.

    The group's entries sum to `total`, in absolute values, which is above `loss`.
    Newton's method from the left: the number of entries above the bound falls.
    """
    start, stop = span(members, g)
    count, last = size_of(members, g, V.shape[1]), 0
    bound = (total - loss) / count
    while count != last:
        last, count, above = count, 0, 0.0
        for place in range(start, stop):
            i = row_at(members, place)
            for j in range(V.shape[1]):
                if abs(V[i, j]) >= bound:
                    above += abs(V[i, j])
                    count += 1
        if count == 0:  # rounding lifted the bound past the largest entry
            return bound
        bound = (above - loss) / count
    return bound


@kernel()
def clip_to_losses(V, losses, members, out):
    """Clip every group to the bound above which its entries have its loss in all."""
    for g in range(losses.size):
        start, stop = span(members, g)
        total = 0.0
        for place in range(start, stop):
            for j in range(V.shape[1]):
                total += abs(V[row_at(members, place), j])
        bound = 0.0
        if total > losses[g]:
            bound = _bound_of(V, g, total, losses[g], members)
        for place in range(start, stop):
            i = row_at(members, place)
            for j in range(V.shape[1]):
                out[i, j] = min(max(V[i, j], -bound), bound)


def shrink(V, losses, members=None):
    """Minimise ``sum_ij m_i (W_ij - V_ij)^2 / 2 + theta * norm(W)`` for float64 rows.

    Group g is clipped so that its entries lose ``losses[g] = theta w_g / m_g`` in all:
    that is the derivative of the norm's part.
    """
    out = np.empty_like(V)
    clip_to_losses(V, losses, members, out)
    return out
