"""The steps of the training: projected momentum for ``W``, Adam for the rest."""

import torch


class ProjectedMomentum:
    r"""Projected gradient with momentum and one scalar step for the whole of ``W``.

    With the gradient :math:`G_t`, the radius C, the step :math:`\eta` and h columns,

    .. math:: M_t &= \beta_1 M_{t-1} + (1 - \beta_1) G_t, \\
       v_t &= \beta_2 v_{t-1} + (1 - \beta_2) \max_i \|G_{t,i}\|_2^2 / h, \\
       W_{t+1} &= P_C\left(W_t - \eta C \, \frac{M_t / (1 - \beta_1^t)}
       {\sqrt{v_t / (1 - \beta_2^t)}}\right).

    The projection :math:`P_C` is the nearest point in the Euclidean metric. A step of
    its own for each weight, as Adam takes, would be a step in another metric, and would
    make rows comparable that are not.
    """

    def __init__(self, ball, step, decay=(0.9, 0.99)):
        self.ball, self.step, self.decay, self.v, self.t = ball, step, decay, 0.0, 0

    def constant(self, G):
        """Return the momentum of rows whose gradient has always been ``G``."""
        return (1 - self.decay[0] ** self.t) * G

    def update(self, W, M, G, radius, step):
        """Step against the gradient ``G`` and project onto the balls.

        `radius` and `step`, relative to it, are of shape (n_replicas, 1, 1).
        """
        first, second = self.decay
        self.t += 1
        M.lerp_(G, 1 - first)
        largest = torch.linalg.vector_norm(G, dim=2).amax(1)[:, None, None]
        self.v = second * self.v + (1 - second) * largest.square() / G.shape[2]
        scale = (self.v / (1 - second**self.t)).sqrt().clamp_min(1e-30)
        W.addcmul_(M, self.step * step * radius / (1 - first**self.t) / scale, value=-1)
        if not torch.isfinite(W.sum() + scale.sum()):
            raise ValueError(
                "The training has left the range of float32: radius, learning_rate or "
                "reconstruction_weight is too large, or X without standardising."
            )
        self.ball.project_(W, radius.flatten())


class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) for the later layers.

    That of torch imports its compiler first, which takes as long as several fits.
    """

    def __init__(self, layers, steps, decay=(0.9, 0.999)):
        self.layers, self.steps, self.decay, self.t = layers, steps, decay, 0
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in layers]

    @torch.no_grad()
    def update(self, speed):
        """Step against the gradients, and drop them.

        The steps are multiplied by `speed`, of shape (n_replicas, 1, 1).
        """
        first, second = self.decay
        self.t += 1
        for layer, step, (m, v) in zip(
            self.layers, self.steps, self.moments, strict=True
        ):
            m.lerp_(layer.grad, 1 - first)
            v.lerp_(layer.grad.square(), 1 - second)
            scale = (v / (1 - second**self.t)).sqrt_().add_(1e-8)
            layer.addcdiv_(m * speed, scale, value=-step / (1 - first**self.t))
            layer.grad = None
