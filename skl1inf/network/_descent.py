"""A training from given weights."""

import torch

from ..ball import relative_gap
from ._gradient import dual_sizes_and_norm, loss_and_all_gradients
from ._network import SLOPES
from ._objective import Objective, loss_and_gradient, slope
from ._optimizers import Adam, HeavyBall, ProjectedMomentum
from ._working_set import Part, next_working_set

# The length of the first layer's steps relative to its gradient, where no curvature is
# known.
_STEP = 0.01

# The speeds of the first layer and of the later ones. After the path only the
# destination counts: the first layer must keep up with the others to be stationary.
_FOLLOWING = 1.0, 1.0
_SETTLING = 4.0, 0.3

# A gap of at most `tol` times this part of the loss is small.
_SMALL_LOSS = 0.05

# Every tenth pass computes all gradients; the other nine only those of a working set.
_PASSES_PER_CHECK = 10


class Descent:
    """A training from given weights: later layers by Adam, ``W`` by projection.

    Most rows of ``W`` are zero most of the time. So most passes encode only a working
    set of the features.
    """

    def __init__(self, network, data, problem, options):
        self.network, self.options = network, options
        self.objective = Objective.of(problem.target, options)
        self.whole, self.part = Part.whole(data, network, problem.ball), None
        self.n_passes = 0
        self.moving = torch.ones_like(network.c[:, :, :1])
        self.generator = torch.Generator(device="cpu").manual_seed(options.seed)
        self.in_batches = options.batch_size is not None and (
            options.batch_size < data.n_samples
        )
        self.first_layer = self._first_layer()
        self.code_norm = problem.target.code_norm(
            options.n_hidden, SLOPES[options.activation]
        )
        layers, steps = network.code_layers(), [1e-3] * 3
        if self.objective.reconstructs:  # the decoder only has to follow the code
            layers, steps = layers + network.decoder_layers(), steps + [1e-2] * 2
        self.adam = Adam([layer.requires_grad_() for layer in layers], steps)
        self._normalize()
        self.see(data)

    def _first_layer(self):
        """Return the optimizer of the first layer."""
        # A mini-batch says too little of the curvature.
        automatic = self.options.step is None and not self.in_batches
        if automatic and self.objective.target.curvature is not None:
            return HeavyBall(self.objective)
        return ProjectedMomentum(self.options.step or _STEP)

    def _normalize(self):
        self.network.normalize_code(self.code_norm)
        if self.objective.target.reconstructs:
            self.network.normalize_decoder()

    def see(self, data):
        """Train on these samples from now on."""
        reconstructs = self.objective.reconstructs
        self.whole.data = data.reconstructing() if reconstructs else data
        last, self.part = self.part, self.whole.living()
        if last is not None:
            self.part.M = last.momentum_of(self.part, self.part.M)
        self.first_layer.forget()

    def follow(self, radii, course, score=None):
        """Pass once at each of the `radii`; a score notes the end of every pass."""
        for radius in radii:
            course.begin_pass()
            limits = radius_of_each(radius, self.whole.data)
            loss, _ = self._pass(limits, _FOLLOWING)
            if score is not None:
                score.end_pass(self.part, radius, loss)
            if course.end_pass(loss, self.part.sizes() > 0):
                break
        self._merge()

    def settle(self, radius, n_passes, course):
        """Pass at the `radius` of every replica, (n_replicas, 1, 1), until stationary.

        A mini-batch tells too little of the stationarity: then `n_passes` are made.
        """
        self.moving.fill_(1.0)
        self.n_passes = 0
        # The passes before may have ended, or been ended, outside these balls.
        self.part.ball.project_(self.part.network.W, radius.flatten())
        for _ in range(n_passes):
            course.begin_pass()
            loss, gap = self._pass(radius, _SETTLING)
            stop = course.end_pass(loss, self.part.sizes() > 0)
            if gap is not None:
                self.moving *= (gap > self.options.tol)[:, None, None]
            if stop or not self.moving.any():
                break
        self._merge()

    def _pass(self, radius, speeds):
        """Pass over the data once; return the loss, and the gap where it is known."""
        check = self.n_passes % _PASSES_PER_CHECK == 0
        self.n_passes += 1
        if check:
            loss, G, gap = self._choose_part(radius)
            self.first_layer.look(self.part, G)
        elif self.in_batches:
            return self._pass_in_batches(radius, speeds), None
        else:
            loss, G, gap = *self._look_at_part(self.part.data), None
        self._step(G, radius, speeds)
        return loss, None if self.in_batches else gap

    def _look_at_part(self, data):
        """Return the loss and the gradient of the working set."""
        loss, G = loss_and_gradient(self.part.network, self.objective, data)
        return loss, G.mul_(self.part.inside[:, :, None])

    def _choose_part(self, radius):
        """Look at all features and choose the next working set.

        Returns the loss, the gradient of the new working set, and the gap.
        """
        part, Z = self.part, self.whole.data.Z
        loss, gradient = loss_and_all_gradients(
            part.network, self.objective, part.data, Z
        )
        dual_sizes, dual_norm = dual_sizes_and_norm(gradient, self.whole.ball)
        G = gradient.rows(part.index, part.data.Z)
        gap = _gap(part.network.W, G, dual_norm, radius, loss)
        self._merge()
        part.data = None  # one copy of a working set at a time
        alive = torch.zeros_like(dual_sizes, dtype=torch.bool)
        alive = alive.scatter(1, part.index, part.sizes() > 0)
        self.part = next_working_set(self.whole, alive, dual_sizes)
        G = gradient.rows(self.part.index, self.part.data.Z)
        self.part.M = part.momentum_of(self.part, self.first_layer.constant(G))
        return loss, G.mul_(self.part.inside[:, :, None]), gap

    def _pass_in_batches(self, radius, speeds):
        data, size = self.part.data, self.options.batch_size
        order = torch.randperm(
            data.n_samples, generator=self.generator, device="cpu"
        ).numpy()
        losses = []
        for start in range(0, len(order), size):
            index = order[start : start + size]
            # In expectation the loss of all, so that the weights keep their effect.
            batch = data.take_samples(index).scaled(len(order) / len(index))
            loss, G = self._look_at_part(batch)
            self._step(G, radius, speeds)
            losses.append(loss)
        return torch.stack(losses).mean(0)

    def _step(self, G, radius, speeds):
        part, (speed, later_speed) = self.part, speeds
        self.adam.update(later_speed * self.moving)
        self._normalize()
        self.first_layer.update(part, G, radius, speed * self.moving)

    def _merge(self):
        """Bring the working set back into all features."""
        self.whole.merge(self.part)


def _gap(W, G, dual_norm, radius, loss):
    """Return the relative duality gap, or the gap over a part of the loss if smaller.

    Where the loss is nearly flat, the gap is small in itself.
    """
    radius = radius.flatten()
    gap = relative_gap(slope(W, G), dual_norm, radius)
    return gap / (_SMALL_LOSS * loss / (radius * dual_norm)).clamp_min(1.0)


def radius_of_each(radius, data):
    """Return the radius of every replica, (n_replicas, 1, 1).

    A radius out of the range of float32 becomes infinite.
    """
    shape, device = (len(data.weight), 1, 1), data.weight.device
    return torch.full(shape, radius, dtype=torch.float64, device=device).float()
