"""numba kernels of the projection, on rows."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def project_rows(Y, radius):
    """Project in place the rows of Y, which lies outside the ball."""
    n, m = Y.shape
    total = np.zeros(n)
    mu = np.zeros(n)
    for i in range(n):
        total[i] = np.abs(Y[i]).sum()
        mu[i] = 0.0
    theta = 0.0
    count = np.zeros(n)
    for _ in range(200):
        excess, slope = -radius, 0.0
        for i in range(n):
            if total[i] <= theta:
                mu[i] = 0.0
                continue
            above, k = 0.0, 0
            for _inner in range(60):
                above, k = 0.0, 0
                for j in range(m):
                    a = abs(Y[i, j])
                    if a > mu[i]:
                        above += a
                        k += 1
                new = (above - theta) / max(k, 1)
                if new <= mu[i]:
                    break
                mu[i] = new
            k = max(k, 1)
            count[i] = k
            excess += mu[i]
            slope += 1.0 / k
        if excess <= 1e-13 * radius:
            break
        step = excess / slope
        theta += step
        for i in range(n):
            mu[i] = 0.0
    for i in range(n):
        for j in range(m):
            Y[i, j] = min(max(Y[i, j], -mu[i]), mu[i])
