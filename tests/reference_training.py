"""The training on the path of radii in numpy, in float64, with identity activation."""

import numpy as np
from reference_projection import bisection_projection


def softmax(code):
    exp = np.exp(code - code.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def cross_entropy(y, n_classes):
    """Return the loss of every sample and its gradient in the code."""

    def evaluate(code):
        p = softmax(code)
        return -np.log(p[np.arange(len(y)), y]), p - np.eye(n_classes)[y]

    return evaluate


def squared_error(y):
    """Return the loss of every sample and its gradient in the code."""
    q = y.shape[1]
    return lambda code: (((code - y) ** 2).sum(axis=1) / (2 * q), (code - y) / q)


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


class ScaledMomentum:
    """Steps of .01 times the radius, relative to the largest row of the gradient."""

    def __init__(self):
        self.t, self.M, self.v = 0, 0.0, 0.0

    def __call__(self, W, G, V, radius):
        self.t += 1
        self.M = 0.9 * self.M + 0.1 * G
        largest = (G**2).sum(axis=1).max() / G.shape[1]
        self.v = 0.99 * self.v + 0.01 * largest
        scale = np.sqrt(self.v / (1 - 0.99**self.t))
        return W - 0.01 * radius / scale * self.M / (1 - 0.9**self.t)


class HeavyBall:
    """Steps of 20 / L with a decay of 0.9, where L is the curvature.

    Every tenth step, five iterations of the power method go on from the last ones, the
    first from the gradient of the first unit.
    """

    def __init__(self, Z, weight, curvature):
        self.F, self.curvature = np.sqrt(weight)[:, None] * Z, curvature
        self.M, self.t = 0.0, 0

    def __call__(self, W, G, V, radius):
        if self.t == 0:
            self.u = self.F @ G[:, 0]
            self.u /= np.linalg.norm(self.u)
        for _ in range(5 if self.t % 10 == 0 else 0):
            self.u = self.F @ (self.F.T @ self.u)
            self.eigenvalue = np.linalg.norm(self.u)
            self.u = self.u / self.eigenvalue
        self.t += 1
        if np.sum(G * self.M) < 0:
            self.M = 0.0
        self.M = 0.9 * self.M + 0.1 * G
        of_code = np.linalg.eigvalsh(V.T @ V)[-1] * self.curvature
        return W - 20 * self.M / (self.eigenvalue * of_code)


def follow(Z, weight, V, evaluate, radii, norm, step):
    """Pass once at every radius; return the loss and the relative row maxima of each.

    ``evaluate(code)`` gives the losses and their gradients, V is the initial second
    layer and `norm` that of its columns.
    """

    def normal(V):
        return V / np.linalg.norm(V, axis=0) * norm

    V, b, c = normal(V), np.zeros(V.shape[0]), np.zeros(V.shape[1])
    W = np.zeros((Z.shape[1], V.shape[0]))
    of_b, of_V, of_c = Adam(1e-3), Adam(1e-3), Adam(1e-3)
    losses, maxima = [], []
    for radius in radii:
        hidden = Z @ W + b
        loss, D = evaluate(hidden @ V + c)
        D = weight[:, None] * D
        G = Z.T @ D @ V.T
        b, c = of_b(b, (D @ V.T).sum(axis=0)), of_c(c, D.sum(axis=0))
        V = normal(of_V(V, hidden.T @ D))
        W = step(W, G, V, radius)
        if np.abs(W).max(axis=1).sum() > radius:
            W = bisection_projection(W, radius).astype(float)
        losses.append(weight @ loss)
        maxima.append(np.abs(W).max(axis=1) / radius)
    return np.array(losses), np.array(maxima)
