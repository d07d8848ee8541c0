"""The training on the path of radii in numpy, in float64, with identity activation."""

import numpy as np
from reference_projection import bisection_projection


def softmax(code):
    exp = np.exp(code - code.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


class Adam:
    """Algorithm 1 of Kingma and Ba, arXiv 1412.6980."""

    def __init__(self, step):
        self.step, self.t, self.m, self.v = step, 0, 0.0, 0.0

    def __call__(self, x, g):
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g**2
        m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        return x - self.step * m / (np.sqrt(v) + 1e-8)


def follow(Z, weight, V, gradient, radii, step=0.01):
    """Pass once at every radius; give W, the shares of the decrease and row maxima.

    ``gradient(code)`` is that of the loss of every sample, and V the initial layer.
    """

    def normal(V):
        return V / np.linalg.norm(V, axis=0) / np.sqrt(3)

    V, b, c = normal(V), np.zeros(V.shape[0]), np.zeros(V.shape[1])
    W, M, v = np.zeros((Z.shape[1], V.shape[0])), 0.0, 0.0
    of_b, of_V, of_c = Adam(1e-3), Adam(1e-3), Adam(1e-3)
    old, shares, all_shares, maxima = None, np.zeros(Z.shape[1]), [], []
    for t, radius in enumerate(radii, 1):
        hidden = Z @ W + b
        D = weight[:, None] * gradient(hidden @ V + c)
        G = Z.T @ D @ V.T
        if old is not None:  # the trapezoidal rule
            shares = shares + ((old[1] + G) * (old[0] - W)).sum(axis=1) / 2
        old = W, G
        b, c = of_b(b, (D @ V.T).sum(axis=0)), of_c(c, D.sum(axis=0))
        V = normal(of_V(V, hidden.T @ D))
        M = 0.9 * M + 0.1 * G
        v = 0.99 * v + 0.01 * (G**2).sum(axis=1).max() / G.shape[1]
        length = step * radius / np.sqrt(v / (1 - 0.99**t))
        Y = W - length * M / (1 - 0.9**t)
        inside = np.abs(Y).max(axis=1).sum() <= radius
        W = Y if inside else bisection_projection(Y, radius).astype(float)
        all_shares.append(shares)
        maxima.append(np.abs(W).max(axis=1) / radius)
    return W, np.mean(all_shares, axis=0).clip(0), np.mean(maxima, axis=0)
