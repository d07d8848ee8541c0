"""The training of the network under the l1,inf constraint, in torch.

Several networks of the same shape are trained at once, as replicas: one for a single
fit, many for subsamples, folds and radii, where each alone would hardly keep a
processor busy.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Protocol

import numpy as np
import torch
from scipy import sparse

from ._autoencoder import (
    Network,
    Objective,
    backward,
    loss_and_gradient,
    row_maxima,
    row_norms,
    stationarity,
)
from ._batch import Batch, Problem, put_features, take_features
from ._elimination import best_first
from ._scores import SCORES, NoScore, RelativeWeights
from .ball import project_l1inf

# The features are ranked along a path of radii that ends at the wanted one: the large
# ball lets the loss choose among all features before the small one asks for few. Its
# length is fixed, so that the ranking does not depend on when training stops. Without a
# target the decoder has to be learnt meanwhile: the path is longer, and at one radius.
_PATH_FROM = {"classification": 4.0, "regression": 4.0, "unsupervised": 1.0}
_PATH_PASSES = {"classification": 51, "regression": 51, "unsupervised": 101}

# The speeds of the first layer and of the later ones. After the path only the
# destination counts: the first layer must keep up with the others to be stationary.
_FOLLOWING = 1.0, 1.0
_SETTLING = 4.0, 0.3

# Every tenth pass takes the gradient of all features, those between that of a working
# set: the features alive and as many more, at least so many. The first one, when none
# is alive, is an eighth of all.
_PASSES_PER_CHECK = 10
_WORKING_SET = 50
_FIRST_WORKING_SET = 250

# Problems are trained at once as long as their matrices have at most so many entries.
_STACKED_ENTRIES = 2**26

# From the solution at the next larger radius of a path, the next takes few passes; the
# first takes five times as many.
_PASSES_PER_RADIUS = 6


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the training can be told."""

    kind: str  # "classification", "regression" or "unsupervised"
    n_hidden: int
    n_latent: int
    activation: str
    reconstruction_weight: float
    step: float
    max_iter: int
    tol: float
    batch_size: int | None
    seed: int
    device: torch.device

    @property
    def objective(self):
        """The training loss; without a target it is the reconstruction's alone."""
        alone = self.kind == "unsupervised"
        return Objective(self.kind, 1.0 if alone else self.reconstruction_weight)

    @property
    def path_passes(self):
        """Number of passes of the path to a radius, most of `max_iter` at most."""
        return min(_PATH_PASSES[self.kind], max(1, 3 * self.max_iter // 4))


@dataclass(frozen=True)
class Step:
    """What an observer is told after every pass over the data."""

    iteration: int
    loss: float
    n_survivors: int


class Observer(Protocol):
    """Is told of the progress of the training."""

    def descent(self, name: str, max_iter: int) -> AbstractContextManager:
        """Surround a descent of at most `max_iter` passes."""

    def begin_pass(self) -> None:
        """Note the start of a pass over the data."""

    def end_pass(self, step: Step) -> bool:
        """Note the end of a pass; return whether to stop the descent."""


class Silent:
    """An observer that keeps what it is told to itself."""

    def descent(self, name, max_iter):
        """Surround a descent."""
        return nullcontext()

    def begin_pass(self):
        """Note the start of a pass."""

    def end_pass(self, step):
        """Note the end of a pass, which does not stop the descent."""
        return False


@dataclass(frozen=True)
class Selection:
    """What a descent says of the features, in numpy.

    Attributes
    ----------
    alive : ndarray of shape (n_features,)
        Mask of the rows of the first layer that are not zero.
    weights : ndarray of shape (n_features,)
        The largest absolute weight of every row, relative to the radius.
    importances : ndarray of shape (n_features,)
        What ranks the features, averaged over the path to the radius: the decrease of
        the loss that each accounts for (fits to classes), or its relative weight.
    gradient_norms : ndarray of shape (n_features,)
        The l1 norm of the rows of the gradient.
    loss, optimality : float
        The loss, and the stationarity of the first layer.
    """

    alive: np.ndarray
    weights: np.ndarray
    importances: np.ndarray
    gradient_norms: np.ndarray
    loss: float
    optimality: float

    @property
    def order(self):
        """The features, the most important first; ties go by gradient."""
        return np.lexsort((-self.gradient_norms, -self.importances))


@dataclass(frozen=True)
class Trained:
    """The outcome of a whole training, in numpy.

    Attributes
    ----------
    selection : Selection
        That of the first descent.
    order : ndarray of shape (n_features,)
        The features, the best first.
    selected : ndarray of shape (n_features,)
        Mask of the selected features.
    coefs, intercepts : list of ndarray
        Those of the encoder.
    optimality : float
        The stationarity of the first layer at the end, over all features.
    loss_curve : ndarray of shape (n_passes,)
        The loss of every pass over the data.
    """

    selection: Selection
    order: np.ndarray
    selected: np.ndarray
    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    optimality: float
    loss_curve: np.ndarray


class _Course:
    """The passes of a descent, one after the other, as its observer sees them."""

    def __init__(self, observer, may_stop=True):
        self.observer, self.may_stop = observer, may_stop
        self.loss_curve, self.stopped = [], False

    def begin_pass(self):
        """Note the start of a pass."""
        self.observer.begin_pass()

    def end_pass(self, loss, maxima):
        """Note the end of a pass; return whether the observer asks to stop.

        `maxima` are the largest absolute entries of the rows of W.
        """
        self.loss_curve.append(float(loss.mean()))
        n_survivors = int((maxima > 0).sum()) // len(maxima)
        step = Step(len(self.loss_curve), self.loss_curve[-1], n_survivors)
        self.stopped = bool(self.observer.end_pass(step)) and self.may_stop
        return self.stopped


@dataclass
class _Part:
    """Some or all features: their data, their weights and what is kept of each."""

    index: torch.Tensor | None  # (n_replicas, n_chosen), None for all features
    inside: torch.Tensor | None  # mask of the chosen that don't only fill up a replica
    data: Batch
    network: Network
    M: torch.Tensor  # the momentum, of the shape of W

    @classmethod
    def whole(cls, data, network):
        """Return the part that is all of the features."""
        return cls(None, None, data, network, torch.zeros_like(network.W))

    def features(self, mask):
        """Return the part that is the features of a mask.

        Replicas with fewer features than others are filled up.
        """
        size = max(1, int(mask.sum(1).max()))
        index = mask.int().topk(size).indices.sort().values
        return _Part(
            index,
            mask.gather(1, index),
            self.data.features(index),
            self.network.features(index),
            take_features(self.M, index),
        )

    def merge(self, part):
        """Take over what has become of the features of a part."""
        put_features(self.network.W, part.index, part.network.W)
        put_features(self.M, part.index, part.M)


class _ProjectedMomentum:
    """Projected gradient with momentum and one scalar step for the whole of ``W``.

    The projection is the nearest point in the Euclidean metric; a step of its own for
    each weight, as Adam takes, would be a step in another one and makes rows
    comparable that are not. The scalar is Adam's, of the largest row of the gradient.
    """

    def __init__(self, step, decay=(0.9, 0.99)):
        self.step, self.decay, self.v, self.t = step, decay, 0.0, 0

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
        _project(W, radius)


def _limits(radius, data):
    """Return the radius of every replica; one out of the range of float32 is inf."""
    shape, device = (len(data.weight), 1, 1), data.weight.device
    return torch.full(shape, radius, dtype=torch.float64, device=device).float()


def _project(W, radius):
    """Project every replica onto the ball of its own radius, (n_replicas, 1, 1)."""
    for replica, limit in zip(W, radius.flatten().tolist(), strict=True):
        project_l1inf(replica, limit, out=replica)


class _Adam:
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


class _Descent:
    """A training from given weights: later layers by Adam, ``W`` by projection.

    Most rows of ``W`` are zero most of the time. Where nothing but the gradient needs
    the others, most passes see a working set only: the features alive, and those whose
    gradient is the largest. All are looked at now and then.
    """

    def __init__(self, network, data, options):
        self.network, self.options = network, options
        self.whole = self.part = _Part.whole(data, network)
        self.first_layer, self.n_passes = _ProjectedMomentum(options.step), 0
        self.moving = torch.ones_like(network.c[:, :, :1])
        self.generator = torch.Generator().manual_seed(options.seed)
        reconstructs = options.objective.reconstruction_weight > 0
        self.in_batches = options.batch_size is not None and (
            options.batch_size < data.n_samples
        )
        layers, steps = network.code_layers(), [1e-3] * 3
        if reconstructs:  # the decoder only has to follow the code
            layers, steps = layers + network.decoder_layers(), steps + [1e-2] * 2
        self.adam = _Adam([layer.requires_grad_() for layer in layers], steps)
        self._normalize()
        if not (self.in_batches or reconstructs):
            self.part = self.whole.features(row_maxima(network.W) > 0)

    def _normalize(self):
        self.network.normalize_code()
        if self.options.kind == "unsupervised":
            self.network.normalize_decoder()

    def follow(self, radii, course, score):
        """Pass once at each of the `radii`, scoring the features."""
        for radius in radii:
            course.begin_pass()
            limits = _limits(radius, self.whole.data)
            loss, _ = self._pass(limits, _FOLLOWING, score)
            score.end_pass(self.part, radius)
            if course.end_pass(loss, row_maxima(self.part.network.W)):
                break
        self._merge()

    def settle(self, radius, n_passes, course):
        """Pass at the `radius` of every replica, (n_replicas, 1, 1), until stationary.

        A mini-batch tells too little of the stationarity: then `n_passes` are made.
        """
        self.moving.fill_(1.0)
        self.n_passes = 0
        # What went before may have ended, or been ended, outside these balls.
        _project(self.part.network.W, radius)
        for _ in range(n_passes):
            course.begin_pass()
            loss, gap = self._pass(radius, _SETTLING, NoScore())
            stop = course.end_pass(loss, row_maxima(self.part.network.W))
            if gap is not None:
                self.moving *= (gap > self.options.tol)[:, None, None]
            if stop or not self.moving.any():
                break
        self._merge()

    def _pass(self, radius, speeds, score):
        """Pass over the data once; return the loss, and the gap where it is known."""
        if self.in_batches:
            return self._pass_in_batches(radius, speeds, score), None
        part, gap = self.part, None
        check = self.n_passes % _PASSES_PER_CHECK == 0
        self.n_passes += 1
        if part is self.whole:
            loss, G = self._gradient(part.data.chunks())
            score.end(part, G)
            if check:
                W = part.network.W
                gap = stationarity(W, G, row_norms(G), radius.flatten())
        else:
            loss, D = backward(part.network, self.options.objective, part.data)
            if check:
                G = self.whole.data.Z.adjoint(D)
                norms = row_norms(G)
                part_G = take_features(G, part.index)
                gap = stationarity(part.network.W, part_G, norms, radius.flatten())
                score.end(part, part_G)
                self._merge()
                G = self._choose(G, norms)
            else:
                G = part.data.Z.adjoint(D)
                score.end(part, G)
            G *= self.part.inside[:, :, None]
        self._step(G, radius, speeds, score)
        return loss, gap

    def _pass_in_batches(self, radius, speeds, score):
        data, size = self.whole.data, self.options.batch_size
        order = torch.randperm(data.n_samples, generator=self.generator).numpy()
        losses = []
        for start in range(0, len(order), size):
            index = order[start : start + size]
            # In expectation the loss of all, so that the weights keep their effect.
            batch = data.samples(index).scaled(len(order) / len(index))
            loss, G = self._gradient(batch.chunks())
            self._step(G, radius, speeds, score)
            losses.append(loss)
        return torch.stack(losses).mean(0)

    def _gradient(self, chunks):
        return loss_and_gradient(self.network, self.options.objective, chunks)

    def _step(self, G, radius, speeds, score):
        part, (speed, later_speed) = self.part, speeds
        score.begin(part, G)
        self.adam.update(later_speed * self.moving)
        self._normalize()
        self.first_layer.update(part.network.W, part.M, G, radius, speed * self.moving)

    def _choose(self, G, norms):
        """Make a new working set, given the gradient of all; return its own."""
        old, nothing = self.part, torch.zeros_like(norms, dtype=torch.bool)
        alive = nothing.scatter(1, old.index, row_maxima(old.network.W) > 0)
        inside = nothing.scatter(1, old.index, old.inside)
        n_alive, n_features = alive.sum(1), alive.shape[1]
        first = max(_FIRST_WORKING_SET, n_features // 8)
        size = torch.where(n_alive > 0, (2 * n_alive).clamp_min(_WORKING_SET), first)
        norms = norms.masked_fill_(alive, torch.inf)
        order = norms.argsort(descending=True, stable=True)
        places = torch.arange(n_features, device=size.device) < size[:, None]
        self.part = self.whole.features(nothing.scatter(1, order, places))
        # What comes in is taken to have had this gradient throughout.
        stays = take_features(inside, self.part.index)[:, :, None]
        G = take_features(G, self.part.index)
        self.part.M = torch.where(stays, self.part.M, self.first_layer.constant(G))
        self.part.M *= self.part.inside[:, :, None]
        return G

    def _merge(self):
        """Bring what the working set has become to all features."""
        if self.part is not self.whole:
            self.whole.merge(self.part)


def _certificate(network, data, radii, options):
    """Return the loss, the l1 norms of the rows of its gradient, and its gap."""
    loss, G = loss_and_gradient(network, options.objective, data.chunks())
    norms = row_norms(G)
    return loss, norms, stationarity(network.W, G, norms, radii.flatten())


def _selections(network, data, radii, importances, options):
    """Return what every network selects."""
    loss, norms, gap = _certificate(network, data, radii, options)
    maxima = row_maxima(network.W)
    columns = maxima > 0, maxima / radii[:, :, 0], importances, norms, loss, gap
    replicas = zip(*(c.numpy(force=True) for c in columns), strict=True)
    return [Selection(*arrays, float(f), float(g)) for *arrays, f, g in replicas]


def _initial(n_features, options, n_replicas=1):
    """Return the networks before training, all the same."""
    network = Network.initial(
        n_features,
        options.n_hidden,
        options.n_latent,
        options.activation,
        options.seed,
        options.device,
    )
    return Network.stack([network] * n_replicas)


def _stacked(problems, device) -> Iterator[Batch]:
    """Yield the data of the problems, in order, several as replicas where it pays."""
    X = problems[0].X
    size = max(1, _STACKED_ENTRIES // (X.shape[0] * X.shape[1]))
    size = 1 if sparse.issparse(X) else size
    for start in range(0, len(problems), size):
        group = problems[start : start + size]
        batches = [Batch.from_problem(problem, device) for problem in group]
        yield batches[0] if len(batches) == 1 else Batch.stack(batches)


def _path(radius, options):
    """Return the radius of every pass of the path to `radius`."""
    factors = np.linspace(0.0, np.log(_PATH_FROM[options.kind]), options.path_passes)
    return radius * np.exp(factors[::-1])  # a single pass is at the radius itself


def _ranked(data, radius, options, course):
    """Follow the path to `radius`: the network, and the importances."""
    network = _initial(data.Z.n_features, options, len(data.weight))
    descent, path = _Descent(network, data, options), _path(radius, options)
    # The noise in the gradient of a batch would count as a decrease by its own step.
    score_of = RelativeWeights if descent.in_batches else SCORES[options.kind]
    score = score_of(network.W)
    descent.follow(path, course, score)
    return network, score.mean(len(path))


# Whatever mode the caller is in, the later layers need their gradients.
_with_gradients = torch.inference_mode(False)


@_with_gradients
def train(
    problem: Problem, radius, options, observer, *, max_features, second_descent
) -> Trained:
    """Train the autoencoder under the l1,inf constraint.

    Parameters
    ----------
    problem : Problem
        The data.
    radius : float
        Radius of the ball.
    options : Options
        The settings of the training.
    observer : Observer
        Is told of the progress and may end a descent.
    max_features : int
        Select at most so many features.
    second_descent : bool
        Whether to train again on the selected features.

    Returns
    -------
    trained : Trained
    """
    data, course = Batch.from_problem(problem, options.device), _Course(observer)
    radii = _limits(radius, data)
    with observer.descent("descent", options.max_iter):
        network, importances = _ranked(data, radius, options, course)
        n_left = 0 if course.stopped else options.max_iter - len(course.loss_curve)
        _Descent(network, data, options).settle(radii, n_left, course)
    (selection,) = _selections(network, data, radii, importances, options)
    loss_curve, optimality = course.loss_curve, selection.optimality
    (order,) = best_first([selection], problem)
    selected = selected_features(selection, order, max_features, second_descent)
    if second_descent and selected.any():
        index = torch.as_tensor(np.flatnonzero(selected), device=options.device)[None]
        small = _initial(data.Z.n_features, options).features(index)
        again = _Descent(small, data.features(index), options)
        course = _Course(observer)
        with observer.descent("second descent", options.max_iter):
            again.settle(radii, options.max_iter, course)
        loss_curve = loss_curve + course.loss_curve
        network = _embed(small, network, index)
        _, _, gap = _certificate(network, data, radii, options)
        optimality = float(gap)
    return Trained(
        selection,
        order,
        selected,
        [tensor[0].numpy(force=True) for tensor in (network.W, network.V)],
        [tensor[0, 0].numpy(force=True) for tensor in (network.b, network.c)],
        optimality,
        np.asarray(loss_curve),
    )


def selected_features(selection, order, max_features, second_descent):
    """Return the mask of the selected features: as many as are alive.

    At most `max_features` of them, the first of an order. A second descent starts anew
    and may see any features, those alive before the others where neither has any
    importance. Without one, only those alive can be selected.
    """
    alive, n_alive = selection.alive, int(selection.alive.sum())
    unimportant = selection.importances == 0.0
    last = unimportant if second_descent else np.ones_like(alive)
    order = order[np.argsort((last & ~alive)[order], kind="stable")]
    mask = np.zeros_like(alive)
    mask[order[: min(n_alive, max_features)]] = True
    return mask


def _embed(small, network, index):
    """Return `small` as a network of all features, zero where it has no row."""
    W = torch.zeros_like(network.W)
    W[:, index[0]] = small.W
    U, e = network.U.detach().clone(), network.e.detach().clone()
    U[:, index[0]], e[:, index[0]] = small.U.detach(), small.e.detach()
    return replace(small, W=W, U=U, e=e)


@_with_gradients
def rank(problems, radius, options, observer) -> list[Selection]:
    """Follow the path of radii on several problems with the same features.

    Parameters
    ----------
    problems : list of Problem
        The data, of the same kind and with the same number of features.
    radius, options, observer
        As in `train`.

    Returns
    -------
    selections : list of Selection
        At the end of the path, where the first descent of `train` would settle.
    """
    selections = []
    for data in _stacked(problems, options.device):
        radii = _limits(radius, data)
        with observer.descent("path", options.max_iter):
            network, score = _ranked(data, radius, options, _Course(observer))
        _project(network.W, radii)
        selections += _selections(network, data, radii, score, options)
    return selections


@_with_gradients
def trace(problems, radii, options, observer) -> list[list[Selection]]:
    """Run the first descent along a path of radii, on several problems.

    The weights are those of one path from the largest radius to the smallest, and the
    importances their averages over its last passes, as many as `train` follows a path
    for.
    The rows alive, the loss and the optimality are those of the solution, which starts
    from the one at the next larger radius.

    Parameters
    ----------
    problems : list of Problem
        The data, of the same kind and with the same number of features.
    radii : sequence of float
        Descending.
    options
        As in `train`.
    observer : Observer
        Is told of the progress; it cannot end the path.

    Returns
    -------
    selections : list of list of Selection
        A list a problem, with a selection a radius.
    """
    traces = []
    for data in _stacked(problems, options.device):
        by_radius = _trace(data, radii, options, observer)
        traces += [list(selections) for selections in zip(*by_radius, strict=True)]
    return traces


def _long_path(largest, smallest, options):
    """Return the path to the largest radius, continued at its pace to the smallest."""
    pace = max(1, options.path_passes // 2)  # passes to half the radius
    n_passes = ceil(pace * log2(largest / smallest))
    radii = largest * 0.5 ** (np.arange(1, n_passes + 1) / pace)
    return np.append(_path(largest, options), np.maximum(radii, smallest))


def _trace(data, radii, options, observer):
    """Return, for every radius, the selections of all replicas."""
    network = _initial(data.Z.n_features, options, len(data.weight))
    descent = _Descent(network, data, options)
    path, window = _long_path(radii[0], radii[-1], options), options.path_passes
    ends = [window + int(np.argmax(path[window - 1 :] <= radius)) for radius in radii]
    stops = sorted({*ends, *(end - window for end in ends)} - {0})
    score, scores, weights = RelativeWeights(network.W), {0: 0.0}, {}
    course = _Course(observer, may_stop=False)
    with observer.descent("path", len(path)):
        for start, stop in zip([0, *stops[:-1]], stops, strict=True):
            descent.follow(path[start:stop], course, score)
            scores[stop] = score.total.clone()
            weights[stop] = row_maxima(network.W) / path[stop - 1]
            if stop == window:
                solution = Network.stack([network])
    solving, n_passes = _Descent(solution, data, options), 5 * _PASSES_PER_RADIUS
    traces = []
    for radius, end in zip(radii, ends, strict=True):
        limits = _limits(radius, data)
        solving.settle(limits, n_passes, _Course(Silent()))
        importances = (scores[end] - scores[end - window]) / window
        solved = _selections(solution, data, limits, importances, options)
        on_path = weights[end].numpy(force=True)
        traces.append(
            [replace(s, weights=w) for s, w in zip(solved, on_path, strict=True)]
        )
        n_passes = _PASSES_PER_RADIUS
    return traces
