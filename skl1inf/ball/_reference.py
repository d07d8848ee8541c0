"""The exact projection onto the l1,inf ball in plain numpy: the text to read first.

Row i of Y is a group. It weighs ``m_i`` in the squared distance, ``w_i`` in the norm:

    minimise    sum_i m_i sum_j (W_ij - Y_ij)^2
    subject to  sum_i w_i max_j |W_ij| <= C.

Outside the ball the minimiser clips row i to [-mu_i, mu_i]. For one theta >= 0,

    m_i sum_j max(|Y_ij| - mu_i, 0) = theta w_i    in every row with mu_i > 0,   (1)
    m_i sum_j |Y_ij| <= theta w_i                  in every row with mu_i = 0,   (2)
    sum_i w_i mu_i = C.                                                          (3)

Let S_i(k) be the sum of the k largest of the |Y_ij|. Solving (1) for mu_i where k
entries are clipped gives a line in theta; the level is the highest of these lines,

    mu_i(theta) = max(0, max_k (S_i(k) - theta w_i / m_i) / k).                  (4)

A group of several rows is one long row: they are laid side by side, and zeros fill the
shorter groups up, which changes no sum in (1) to (3).

So sum_i w_i mu_i(theta) - C is convex, decreasing and piecewise linear, and Newton's
method from the left of its root reaches it in finitely many steps.

The kernels find the same theta without sorting; tests compare them with this.

References
----------
.. [1] Perez, Condat, Barlaud, "Near-linear time projection onto the l1,inf ball;
   application to sparse autoencoders", arXiv:2307.09836: (1) to (4) with m = w = 1.
.. [2] Chu, Zhang, Sun, Tao, "Semismooth Newton algorithm for efficient projections
   onto l1,inf-norm ball", ICML 2020: Newton's method on theta.
"""

import numpy as np


def project(Y, radius, metric=None, weights=None, groups=None):
    """Project the rows of Y; give the projection and theta.

    Parameters
    ----------
    Y : ndarray of shape (n_rows, n_columns)
        Finite.
    radius : float
        Radius of the ball, C, at least 0.
    metric, weights : ndarray of shape (n_groups,), default=None
        The m_i and w_i, positive; None where all are 1.
    groups : ndarray of int of shape (n_rows,), default=None
        The group of every row, 0 to n_groups - 1; None where each row is a group.

    Returns
    -------
    W : ndarray of shape (n_rows, n_columns)
        The nearest point of the ball, in float64.
    theta : float
        The multiplier of the constraint; 0 if Y is in the ball.
    """
    Y = np.asarray(Y, dtype=float)
    if groups is not None:
        long, place = side_by_side(Y, groups)
        W, theta = project(long, radius, metric, weights)
        return W.reshape(-1)[place], theta
    n_groups, size = Y.shape
    w = np.ones(n_groups) if weights is None else weights
    c = w if metric is None else w / metric  # what multiplies theta in (1)
    sorted_rows = -np.sort(-np.abs(Y), axis=1)
    if w @ sorted_rows[:, 0] <= radius:
        return Y.copy(), 0.0
    sums = np.cumsum(sorted_rows, axis=1)  # S_i(k)
    counts = np.arange(1, size + 1)  # k
    theta = 0.0
    while True:
        lines = (sums - theta * c[:, None]) / counts  # (4)
        clipped = lines.argmax(axis=1)
        mu = np.maximum(lines[np.arange(n_groups), clipped], 0)
        excess = w @ mu - radius  # (3)
        slope = np.sum(w * c / counts[clipped], where=mu > 0)
        following = theta + excess / slope if slope > 0 else theta
        if not following > theta:  # rounding is all that is left
            return np.clip(Y, -mu[:, None], mu[:, None]), theta
        theta = following


def side_by_side(Y, groups):
    """Lay the rows of each group side by side; give the place of every entry, too."""
    n_rows, size = Y.shape
    counts = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    within = np.empty(n_rows, int)  # which of its group a row is
    within[order] = np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)
    start = (groups * counts.max() + within) * size
    place = start[:, None] + np.arange(size)
    long = np.zeros((counts.size, counts.max() * size))
    long.reshape(-1)[place] = Y
    return long, place
