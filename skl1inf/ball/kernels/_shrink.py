"""The proximal point of the l1,inf norm in a metric, for a small array."""

from ._compile import inlined, kernel


@inlined
def _row_bound(V, i, total, level):
    """Return the bound above which row i has an excess of `level`.

    The row's entries sum to `total`, in absolute values, which is above `level`.
    Newton's method from the left: the number of entries above the bound falls.
    """
    n_columns = V.shape[1]
    bound, count, last = (total - level) / n_columns, n_columns, 0
    while count != last:
        last, count, above = count, 0, 0.0
        for j in range(n_columns):
            if abs(V[i, j]) >= bound:
                above += abs(V[i, j])
                count += 1
        if count == 0:  # rounding lifted the bound past the largest entry
            return bound
        bound = (above - level) / count
    return bound


@kernel()
def shrink_in_metric(V, metric, theta, out):
    """Minimise ``sum_ij metric_i (W_ij - V_ij)^2 / 2 + theta * l1inf_norm(W)``.

    Row i is clipped to the bound above which its entries have an excess of
    theta / metric[i] in all.
    """
    for i in range(V.shape[0]):
        total = 0.0
        for j in range(V.shape[1]):
            total += abs(V[i, j])
        level, bound = theta / metric[i], 0.0
        if total > level:
            bound = _row_bound(V, i, total, level)
        for j in range(V.shape[1]):
            out[i, j] = min(max(V[i, j], -bound), bound)
