"""Published exact projections onto the l1,inf ball, written from their papers.

Each takes a non-negative C-contiguous matrix whose rows are the groups, a radius
below its norm and an output array.
"""

import numba
import numpy as np


@numba.njit(nogil=True)
def _clip(Y, mu, out):
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            out[i, j] = min(Y[i, j], mu[i])


@numba.njit(nogil=True)
def quattoni_sort(Y, radius, out):
    """Sort all breakpoints of sum_i mu_i(theta) (Quattoni et al., ICML 2009).

    A group loses its k-th largest entry's excess at theta = sum of the k largest
    less k times the next one; its line then has slope -1 / (k + 1).
    """
    n, m = Y.shape
    theta = np.empty(n * m)
    change = np.empty(n * m)
    height, slope = 0.0, 0.0
    for i in range(n):
        ordered = np.sort(Y[i])[::-1]
        height += ordered[0]
        slope += 1.0
        total = 0.0
        for k in range(1, m + 1):
            total += ordered[k - 1]
            below = ordered[k] if k < m else 0.0
            theta[i * m + k - 1] = total - k * below
            after = 1.0 / (k + 1) if k < m else 0.0
            change[i * m + k - 1] = 1.0 / k - after
    order = np.argsort(theta)
    at = 0.0
    for index in order:
        drop = slope * (theta[index] - at)
        if height - drop <= radius:
            break
        height -= drop
        at = theta[index]
        slope -= change[index]
    at += (height - radius) / slope
    mu = np.zeros(n)
    for i in range(n):
        ordered = np.sort(Y[i])[::-1]
        total = 0.0
        for k in range(1, m + 1):
            total += ordered[k - 1]
            if k == m or total - k * ordered[k] >= at:
                mu[i] = max((total - at) / k, 0.0)
                break
    _clip(Y, mu, out)


# The sums vectorise only with these flags, as they do in our own kernels.
@numba.njit(nogil=True, fastmath={"nnan", "nsz", "reassoc", "contract"})
def chu_semismooth_newton(Y, radius, out):
    """Semismooth Newton on theta, each mu_i(theta) solved to the end (ICML 2020)."""
    n, m = Y.shape
    sums = np.empty(n)
    for i in range(n):
        sums[i] = Y[i].sum()
    mu = np.zeros(n)
    theta = 0.0
    for _ in range(200):
        height, slope = -radius, 0.0
        for i in range(n):
            if sums[i] <= theta:
                mu[i] = 0.0
                continue
            # From the level of the last theta, which is above: one step goes left.
            level = mu[i]
            while True:
                total, count = 0.0, 0
                for j in range(m):
                    if Y[i, j] >= level:
                        total += Y[i, j]
                        count += 1
                new = (total - theta) / count
                if abs(new - level) <= 1e-15 * level:
                    break
                level = max(new, 0.0)
            mu[i] = level
            height += level
            slope += 1.0 / count
        if height <= 1e-14 * radius or theta + height / slope <= theta:
            break
        theta += height / slope
    _clip(Y, mu, out)


@numba.njit(nogil=True)
def _sift(values, start, size):
    """Restore the max-heap below start."""
    top = values[start]
    while True:
        child = 2 * start + 1
        if child >= size:
            break
        if child + 1 < size and values[child + 1] > values[child]:
            child += 1
        if values[child] <= top:
            break
        values[start] = values[child]
        start = child
    values[start] = top


@numba.njit(nogil=True)
def perez_heap(Y, radius, out):
    """Walk down the breakpoints from the largest theta (Perez et al., 2023).

    A group comes alive at theta = its sum, all of its entries clipped; then they
    drop out in rising order, which a heap made at that moment yields. A heap of the
    groups yields the next breakpoint. Few breakpoints are met where the radius is
    small.
    """
    n, m = Y.shape
    heap = np.empty_like(Y)
    total = np.empty(n)
    for i in range(n):
        total[i] = Y[i].sum()
    count = np.zeros(n, np.int64)
    order = np.argsort(-total)
    keys = total[order]
    theta, height, slope = keys[0], 0.0, 0.0
    while True:
        rise = slope * (theta - keys[0])
        if height + rise >= radius:
            break
        height += rise
        theta = keys[0]
        i = order[0]
        if count[i] == 0:
            heap[i] = -Y[i]
            for start in range(m // 2 - 1, -1, -1):
                _sift(heap[i], start, m)
            count[i] = m
        else:
            slope -= 1.0 / count[i]
            total[i] += heap[i, 0]
            count[i] -= 1
            heap[i, 0] = heap[i, count[i]]
            _sift(heap[i], 0, count[i])
        slope += 1.0 / count[i]
        keys[0] = total[i] + count[i] * heap[i, 0] if count[i] > 1 else -np.inf
        _sift_pairs(keys, order, n)
    theta -= (radius - height) / slope
    mu = np.zeros(n)
    for i in range(n):
        if count[i] > 0:
            mu[i] = max((total[i] - theta) / count[i], 0.0)
    _clip(Y, mu, out)


@numba.njit(nogil=True)
def _sift_pairs(keys, order, size):
    key, index, start = keys[0], order[0], 0
    while True:
        child = 2 * start + 1
        if child >= size:
            break
        if child + 1 < size and keys[child + 1] > keys[child]:
            child += 1
        if keys[child] <= key:
            break
        keys[start], order[start] = keys[child], order[child]
        start = child
    keys[start], order[start] = key, index


PUBLISHED = {
    "quattoni_sort": quattoni_sort,
    "chu_semismooth_newton": chu_semismooth_newton,
    "perez_heap": perez_heap,
}
