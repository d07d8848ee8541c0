"""The recipes: train one network, rank many problems, trace a path of radii.

Several networks of the same shape are trained at once, as replicas: one for a single
fit, many for subsamples, folds and radii, where each alone would hardly keep a
processor busy.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, log2

import numpy as np
import torch

from ..ball import relative_gap
from ..matrices._replicas import put_features
from ._descent import Descent, radius_of_each
from ._gradient import dual_sizes_and_norm, loss_and_all_gradients
from ._network import Network, zeros_like
from ._objective import Objective, slope
from ._problem import Batch
from ._progress import Course, Silent
from ._results import Selection, Trained
from ._samples import growing, shares
from ._scores import SCORES, RelativeWeights
from ._state import own_state
from ._working_set import Part, next_working_set

# Problems are trained at once as long as their matrices have at most so many entries.
_STACKED_ENTRIES = 2**26

# From the solution at the next larger radius of a path, the next takes few passes; the
# first takes five times as many.
_PASSES_PER_RADIUS = 6

# So many features, by their importance on few samples, and as many by the gradient on
# more, are worth a path over more samples.
_WORTH_MORE = 500

# At most so many passes train the kept rows alone.
_PASSES_OF_KEPT = 30


@own_state
def train(problem, radius, options, observer) -> Trained:
    """Train the autoencoder on all features.

    Parameters
    ----------
    problem : Problem
        The data, the target and the ball.
    radius : float
        Radius of the ball.
    options : Options
        The settings of the training.
    observer : Observer
        Is told of the progress and may end the descent.

    Returns
    -------
    trained : Trained
    """
    data, course = Batch.from_problem(problem, options.device), Course(observer)
    samples = growing(data, problem.target, options)
    radii = radius_of_each(radius, data)
    with observer.descent("descent", options.max_iter):
        network, importances = _trained(samples, problem, radius, options, course)
    (selection,) = _selections(network, data, problem, radii, importances, options)
    curve = np.asarray(course.loss_curve)
    return Trained(selection, selection.optimality, curve, network, samples)


def _trained(samples, problem, radius, options, course):
    """Rank the features along a path and train at the radius.

    Where there are many samples, few of them tell which features are worth a path over
    more.

    Returns
    -------
    network : Network
    importances : Tensor of shape (1, n_features)
    """
    data, radii = samples[-1], radius_of_each(radius, samples[-1])
    n_features = data.Z.n_features
    network, importances = _initial(n_features, options), None
    if len(samples) == 1:
        path = _path(problem.target, radius, options.max_iter)
        importances = _follow(network, data, problem, path, options, course)
        _settle(network, samples, problem, radii, options, course)
        return network, importances
    if n_features > 2 * _WORTH_MORE:
        trial = _path(problem.target, radius, options.max_iter // 3)
        few_trained = _initial(n_features, options)
        importances = _follow(few_trained, samples[0], problem, trial, options, course)
        if course.stopped:
            _settle(few_trained, samples, problem, radii, options, course)
            return few_trained, importances
    part = _worth_more(network, samples[1], problem, importances, options)
    path = _path(problem.target, radius, 2 * options.max_iter // 3)
    some, rest = replace(problem, ball=part.ball), samples[2:] or samples[1:]
    importances = _follow(part.network, part.data, some, path, options, course)
    _settle(part.network, [part.data], some, radii, options, course, rest)
    Part.whole(data, network, problem.ball).merge(part)
    _settle(network, rest, problem, radii, options, course)
    return network, torch.zeros_like(network.W[:, :, 0], dtype=torch.float64).scatter(
        1, part.index, importances
    )


def _worth_more(network, some, problem, importances, options):
    """Return the part of the features that are worth a path over `some` samples.

    Few samples give them importance, or the loss falls fastest along them. Without
    importances, all are worth it.
    """
    objective = Objective.of(problem.target, options)
    seen = some.reconstructing() if objective.reconstructs else some
    whole = Part.whole(seen, network, problem.ball)
    if importances is None:
        return whole.encoding(torch.ones_like(network.W[:, :, 0], dtype=torch.bool))
    _, gradient = loss_and_all_gradients(network, objective, some, some.Z)
    dual_sizes, _ = dual_sizes_and_norm(gradient, problem.ball)
    least = importances.topk(_WORTH_MORE).values[:, -1:]
    return next_working_set(whole, importances > least, dual_sizes)


def _settle(network, samples, problem, radii, options, course, later=()):
    """Train at a radius until the weights are stationary, on ever more samples.

    Some passes are left to `later` samples.
    """
    descent = Descent(network, samples[0], problem, options)
    n_left = options.max_iter - len(course.loss_curve)
    n_passes_of = shares([*samples, *later], n_left)
    for data, n_passes in zip(samples, n_passes_of[: len(samples)], strict=True):
        if data is not samples[0]:
            descent.see(data)
        descent.settle(radii, 0 if course.stopped else n_passes, course)


@own_state
def retrain(trained, features, problem, radius, options, observer) -> Trained:
    """Train again from the start, on some of the features.

    Parameters
    ----------
    trained : Trained
        What `train` has returned.
    features : ndarray of shape (n_chosen,)
        The indices of these features, ascending.
    problem, radius, options, observer
        As in `train`.

    Returns
    -------
    trained : Trained
        The network of all features, zero where it has not been trained.
    """
    data = trained.samples[-1]
    index = torch.as_tensor(features, device=options.device)[None]
    small = _initial(data.Z.n_features, options).take_features(index)
    restricted = replace(problem, ball=problem.ball.restrict(index))
    samples = [some.take_features(index) for some in trained.samples]
    course, radii = Course(observer), radius_of_each(radius, data)
    with observer.descent("second descent", options.max_iter):
        _settle(small, samples, restricted, radii, options, course)
    network = _embed(small, trained.network, index)
    *_, gap, _ = _certificate(network, data, problem, radii, options)
    curve = np.append(trained.loss_curve, course.loss_curve)
    return Trained(trained.selection, float(gap), curve, network, trained.samples)


@own_state
def rank(problems, radius, options, observer) -> list[Selection]:
    """Follow the path that ranks the features, on several problems with the same ones.

    Parameters
    ----------
    problems : list of Problem
        The data, with targets of the same kind and the same number of features.
    radius, options, observer
        As in `train`.

    Returns
    -------
    selections : list of Selection
        With the importances that `train` would find. Rows alive, loss and optimality
        are those of the end of the path, projected onto the ball.
    """
    selections, problem = [], problems[0]
    for data in _stacked(problems, options.device):
        radii = radius_of_each(radius, data)
        with observer.descent("path", options.max_iter):
            course = Course(observer)
            network = _initial(data.Z.n_features, options, len(data.weight))
            path = _path(problem.target, radius, options.max_iter)
            score = _follow(network, data, problem, path, options, course)
        problem.ball.project_(network.W, radii.flatten())
        selections += _selections(network, data, problem, radii, score, options)
    return selections


@own_state
def trace(problems, radii, options, observer) -> list[list[Selection]]:
    """Run the first descent along a path of radii, on several problems.

    The weights are those of one path from the largest radius to the smallest. The
    importances are averages over the last passes of it, as many as `train` averages
    over. The rows alive, the loss and the optimality are those of the solution, which
    starts from the one at the next larger radius.

    Parameters
    ----------
    problems : list of Problem
        The data, with targets of the same kind and the same number of features.
    radii : sequence of float
        Descending.
    options : Options
        As in `train`.
    observer : Observer
        Is told of the progress. It cannot end the path.

    Returns
    -------
    selections : list of list of Selection
        A list a problem, with a selection a radius.
    """
    traces = []
    for data in _stacked(problems, options.device):
        by_radius = _trace(data, problems[0], radii, options, observer)
        traces += [list(selections) for selections in zip(*by_radius, strict=True)]
    return traces


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
    return network if n_replicas == 1 else Network.stack([network] * n_replicas)


def _stacked(problems, device) -> Iterator[Batch]:
    """Yield the data of the problems, in order, several as replicas where it pays."""
    n_samples, n_features = problems[0].matrix.shape
    size = max(1, _STACKED_ENTRIES // (n_samples * n_features))
    for start in range(0, len(problems), size):
        group = problems[start : start + size]
        batches = [Batch.from_problem(problem, device) for problem in group]
        stacked = batches[0].stack(batches[1:]) if len(batches) > 1 else batches[0]
        yield from batches if stacked is None else [stacked]


def _n_passes(target, max_iter):
    """Return the number of passes of the path, at most three quarters of `max_iter`."""
    return min(target.path_passes, max(1, 3 * max_iter // 4))


def _path(target, radius, max_iter):
    """Return the radii of the path that ranks the features."""
    return target.path(radius, _n_passes(target, max_iter))


def _follow(network, data, problem, path, options, course):
    """Follow the path that ranks the features, and return the importances."""
    target, n_unscored = problem.target, problem.target.n_unscored(len(path))
    _train_kept_rows(network, data, problem, path, options)
    descent = Descent(network, data, problem, options)
    score = SCORES[target.score](network.W)
    descent.follow(path[:n_unscored], course)
    if not course.stopped:
        descent.follow(path[n_unscored:], course, score)
    return score.mean()


def _train_kept_rows(network, data, problem, path, options):
    """Train the networks at the start of a path on the kept rows alone.

    So no other feature gets what these explain. Without kept rows, nothing is done.
    """
    kept = problem.ball.kept(network.W)
    if kept is None:
        return
    index = kept.nonzero()[:, 1].reshape(len(kept), -1)
    small = network.take_features(index)
    restricted = replace(problem, ball=problem.ball.restrict(index))
    descent = Descent(small, data.take_features(index), restricted, options)
    n_passes = min(_PASSES_OF_KEPT, options.max_iter)
    limits = radius_of_each(path.max(), data)
    descent.settle(limits, n_passes, Course(Silent()))
    put_features(network.W, index, small.W)


def _certificate(network, data, problem, radii, options):
    """Return the loss of every replica, and what tells of its gradient in ``W``.

    That is the gradient, the dual sizes of its rows, the relative gap, and the part of
    the live features.
    """
    objective, ball = Objective.of(problem.target, options), problem.ball
    loss, gradient = loss_and_all_gradients(network, objective, data, data.Z)
    dual_sizes, dual_norm = dual_sizes_and_norm(gradient, ball)
    live = Part.whole(data, network, ball).living()
    G = gradient.rows(live.index, live.data.Z)
    gap = relative_gap(slope(live.network.W, G), dual_norm, radii.flatten())
    return loss, gradient, dual_sizes, gap, live


def _selections(network, data, problem, radii, importances, options):
    """Return what every network selects."""
    loss, gradient, dual_sizes, gap, live = _certificate(
        network, data, problem, radii, options
    )
    nothing = torch.zeros_like(dual_sizes)
    sizes = nothing.scatter(1, live.index, live.sizes())
    row_weights = nothing.scatter(1, live.index, live.network.W.abs().amax(2))
    row_gradients = [G.abs().sum(2) for _, G in gradient.blocks(problem.ball)]
    rows = sizes > 0, sizes / radii[:, :, 0], importances, dual_sizes, row_weights
    columns = *rows, torch.cat(row_gradients, 1), loss, gap
    replicas = zip(*(c.numpy(force=True) for c in columns), strict=True)
    return [Selection(*arrays, float(f), float(g)) for *arrays, f, g in replicas]


def _embed(small, network, index):
    """Return `small` as a network of all features, zero where it has no row."""
    W = zeros_like(network.W)
    W[:, index[0]] = small.W
    U, e = network.U.detach().clone(), network.e.detach().clone()
    U[:, index[0]], e[:, index[0]] = small.U.detach(), small.e.detach()
    return replace(small, W=W, U=U, e=e)


def _long_path(largest, smallest, target, n_passes):
    """Return the path to the largest radius, continued at its pace to the smallest."""
    pace = max(1, n_passes // 2)  # passes to half the radius
    n_more = ceil(pace * log2(largest / smallest))
    radii = largest * 0.5 ** (np.arange(1, n_more + 1) / pace)
    first = target.closing_path(largest, n_passes)
    return np.append(first, np.maximum(radii, smallest))


def _trace(data, problem, radii, options, observer):
    """Return, for every radius, the selections of all replicas."""
    first = _n_passes(problem.target, options.max_iter)
    path = _long_path(radii[0], radii[-1], problem.target, first)
    network = _initial(data.Z.n_features, options, len(data.weight))
    _train_kept_rows(network, data, problem, path, options)
    descent = Descent(network, data, problem, options)
    window = first - problem.target.n_unscored(first)
    ends = [first + int(np.argmax(path[first - 1 :] <= radius)) for radius in radii]
    stops = sorted({*ends, *(end - window for end in ends)} - {0})
    score, scores, weights = RelativeWeights(network.W), {0: 0.0}, {}
    course = Course(observer, may_stop=False)
    with observer.descent("path", len(path)):
        for start, stop in zip([0, *stops[:-1]], stops, strict=True):
            descent.follow(path[start:stop], course, score)
            scores[stop] = score.total.clone()
            weights[stop] = problem.ball.sizes(network.W) / path[stop - 1]
            if stop == first:
                solution = Network.stack([network])
    solving = Descent(solution, data, problem, options)
    n_passes = 5 * _PASSES_PER_RADIUS
    traces = []
    for radius, end in zip(radii, ends, strict=True):
        limits = radius_of_each(radius, data)
        solving.settle(limits, n_passes, Course(Silent()))
        importances = (scores[end] - scores[end - window]) / window
        solved = _selections(solution, data, problem, limits, importances, options)
        on_path = weights[end].numpy(force=True)
        traces.append(
            [replace(s, weights=w) for s, w in zip(solved, on_path, strict=True)]
        )
        n_passes = _PASSES_PER_RADIUS
    return traces
