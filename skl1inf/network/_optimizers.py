"""The steps of the training: projected momentum for ``W``, Adam for the rest."""

import torch

# Iterations of the power method at every look at all features. They go on from those of
# the look before, so a few do.
_POWER_ITERATIONS = 5


class ProjectedMomentum:
    r"""Projected gradient with momentum and one scalar step for the whole of ``W``.

    With the gradient :math:`G_t`, the radius C, the step :math:`\eta` and h columns,

    .. math:: M_t &= \beta_1 M_{t-1} + (1 - \beta_1) G_t, \\
       v_t &= \beta_2 v_{t-1} + (1 - \beta_2) \max_i \|G_{t,i}\|_2^2 / h, \\
       W_{t+1} &= P_C\left(W_t - \eta C \, \frac{M_t / (1 - \beta_1^t)}
       {\sqrt{v_t / (1 - \beta_2^t)}}\right).

    The projection :math:`P_C` is the nearest point in the Euclidean metric. A step of
    its own for each weight, as Adam takes, would be a step in another metric, and would
    make rows comparable that are not. Kept rows are not compared with others: they have
    a :math:`v_t` of their own.
    """

    def __init__(self, step, decay=(0.9, 0.99)):
        self.step, self.decay, self.v, self.t = step, decay, 0.0, 0

    def constant(self, G):
        """Return the momentum of rows whose gradient has always been ``G``."""
        return (1 - self.decay[0] ** self.t) * G

    def look(self, part, G):
        """Look at the curvature of the loss in the first layer, with gradient ``G``."""

    def forget(self):
        """Forget what is known of the samples, which change."""

    def update(self, part, G, radius, step):
        """Step against the gradient ``G`` and project onto the balls.

        `radius` and `step`, relative to it, are of shape (n_replicas, 1, 1).
        """
        W, M = part.network.W, part.M
        self.t += 1
        self._average(M, G)
        scale = self._scale(part, G)
        W.addcmul_(M, self._length(radius, step) / scale, value=-1)
        if not torch.isfinite(W.sum() + scale.sum()):
            raise ValueError(
                "The training has left the range of float32: radius, learning_rate or "
                "reconstruction_weight is too large, or X without standardising."
            )
        part.ball.project_(W, radius.flatten())

    def _average(self, M, G):
        M.lerp_(G, 1 - self.decay[0])

    def _scale(self, part, G):
        second, norms = self.decay[1], torch.linalg.vector_norm(G, dim=2)
        kept = part.ball.kept(G)
        if kept is None:
            largest = norms.amax(1)[:, None, None]
        else:
            both = norms.masked_fill(kept, 0), norms.masked_fill(~kept, 0)
            largest = torch.stack([rows.amax(1) for rows in both], 1)[:, None]
        self.v = second * self.v + (1 - second) * largest.square() / G.shape[2]
        scale = (self.v / (1 - second**self.t)).sqrt().clamp_min(1e-30)
        if kept is None:
            return scale
        others, own = scale.split(1, 2)
        return torch.where(kept[:, :, None], own, others)

    def _length(self, radius, step):
        return self.step * step * radius / (1 - self.decay[0] ** self.t)


class HeavyBall(ProjectedMomentum):
    r"""The same for a squared loss, with a step from its curvature.

    .. math:: M_t = 0.9 M_{t-1} + 0.1 G_t, \qquad W_{t+1} = P_C(W_t - 20 M_t / L).

    A gradient enters at 2 / L and leaves at the decay of 0.9 (B. T. Polyak, "Some
    methods of speeding up the convergence of iteration methods", 1964): stable up to
    3.8 / L. L is the curvature in ``W`` of a Gauss-Newton step, with the slopes of a
    hidden unit taken together:

    .. math:: L = \kappa \, \lambda(Z^T D_w Z) \, \lambda(V^T D_s V).

    :math:`\lambda` is the largest eigenvalue, :math:`\kappa` the curvature of the loss
    in the code, Z has the features of the working set, w are the weights of the samples
    and :math:`s_h` is the mean squared slope of unit h. Where a step would go uphill,
    :math:`\langle G, M \rangle < 0`, the momentum starts anew (B. O'Donoghue and
    E. Candes, "Adaptive restart for accelerated gradient schemes", 2015, section 3.2).
    """

    def __init__(self, objective):
        super().__init__(None)
        self.objective, self.u = objective, None

    def forget(self):
        """Forget the directions of the samples."""
        self.u = None

    @torch.no_grad()
    def look(self, part, G):
        """Find the largest eigenvalue, by the power method, and the slopes."""
        Z, root = part.data.Z, part.data.weight.sqrt()[:, :, None]
        if self.u is None:
            self.u = _first_directions(root, root * (Z @ G[:, :, :1]))
        for _ in range(_POWER_ITERATIONS):
            product = root * (Z @ Z.adjoint(root * self.u))
            self.eigenvalue = product.norm(dim=1, keepdim=True)
            self.u = torch.where(self.eigenvalue > 0, product / self.eigenvalue, self.u)
        with torch.enable_grad():
            self.slopes = part.network.squared_slopes(part.data)

    def _average(self, M, G):
        uphill = torch.linalg.vecdot(G.flatten(1), M.flatten(1)) < 0
        M.masked_fill_(uphill[:, None, None], 0.0)
        super()._average(M, G)

    @torch.no_grad()
    def _scale(self, part, G):
        V, U = part.network.V, part.network.U
        eigenvalues = torch.linalg.eigvalsh(V.mT @ (self.slopes * V))
        curvature = self.objective.target.curvature
        if self.objective.reconstructs:
            # The curvature of the Huber loss is at most that of its square.
            square = U.square().sum((1, 2))[:, None, None] / U.shape[1]
            curvature = curvature + self.objective.reconstruction_weight * square
        L = self.eigenvalue * eigenvalues[:, -1:, None] * curvature
        return L.clamp_min(1e-30)

    def _length(self, radius, step):
        return 2 / (1 - self.decay[0]) * (step > 0).to(step.dtype)


def _first_directions(root, along_gradient):
    """Return where the power method starts: along the gradient of the first unit.

    So it depends neither on the order of the data nor on how samples are repeated.
    Where that gradient is zero, any direction serves: the fractional parts of the
    multiples of the golden ratio are as good as random.
    """
    norm = along_gradient.norm(dim=1, keepdim=True)
    index = torch.arange(root.shape[1], dtype=torch.float64, device=root.device)
    any_direction = (index * 0.6180339887498949 % 1 - 0.5).to(root.dtype)[:, None]
    return torch.where(norm > 0, along_gradient / norm, any_direction)


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
