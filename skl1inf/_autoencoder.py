"""The network and its projected training, in torch.

The encoder is ``Z -> activation(Z W + b) -> code = hidden V + c`` and the decoder is
linear, ``code -> code U + e``. Only the first layer ``W``, a row a feature, is
constrained: it stays in the l1,inf ball of the wanted radius, so that most of its
rows are zero.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse

from .projection import project_l1inf

_ACTIVATIONS = {
    "identity": lambda a: a,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}

# A chunk of rows holds at most this many entries, which bounds the memory that the
# reconstruction takes.
_CHUNK_ENTRIES = 2**25

# The features are ranked along a path of radii, multiples of the wanted one: the large
# ball lets the loss choose among all features before the small one asks for few. The
# passes of each are fixed, so that the ranking does not depend on when training stops.
_PATH = (4.0, 2.0, 1.0)
_PATH_PASSES = 25

# After the path only the destination counts, and the steps are longer.
_SPEED_UP = 3.0

# The columns of V keep this norm: the radius is then the capacity of the encoder, and
# the loss cannot go to zero in V while the rows of W still compete.
_CODE_NORM = 3**-0.5


class DenseMatrix:
    """A standardised matrix ``Z`` on a device."""

    def __init__(self, Z):
        self.Z, self.shape, self.device = Z, tuple(Z.shape), Z.device

    @classmethod
    def standardize(cls, X, mean, inverse_scale, device):
        """Return ``Z = (X - mean) * inverse_scale``."""
        with np.errstate(over="ignore"):  # the training refuses what is not finite
            Z = ((X - mean) * inverse_scale).astype(np.float32)
        return cls(torch.as_tensor(Z, device=device))

    def __matmul__(self, W):
        """Return ``Z W``, of shape (n_samples, n_hidden), which few rows make up."""
        active = W.any(1).nonzero().squeeze(1)
        if 4 * len(active) < len(W):
            return self.Z[:, active] @ W[active]
        return self.Z @ W

    def adjoint(self, D):
        """Return ``Z^T D``, of shape (n_features, n_hidden)."""
        return self.Z.T @ D

    def to_dense(self):
        """Return ``Z``."""
        return self.Z

    def rows(self, index):
        """Return the matrix of the rows `index`."""
        return DenseMatrix(self.Z[index])

    def columns(self, index):
        """Return the matrix of the columns `index`."""
        return DenseMatrix(self.Z[:, index])


class SparseMatrix:
    """The standardised matrix ``Z = (X - mean) * inverse_scale``, ``X`` kept sparse.

    The standardisation is folded into the products: ``Z W = X (s W) - mean^T (s W)``.
    """

    def __init__(self, X, mean, inverse_scale, device):
        self.X, self.mean, self.inverse_scale = X, mean, inverse_scale
        self.shape, self.device = X.shape, device
        self._mean = torch.as_tensor(mean.astype(np.float32), device=device)
        self._scale = torch.as_tensor(inverse_scale.astype(np.float32), device=device)
        self._tensor = _to_torch(X, device)

    def __matmul__(self, W):
        """Return ``Z W``, of shape (n_samples, n_hidden)."""
        W = W * self._scale[:, None]
        return torch.sparse.mm(self._tensor, W) - self._mean @ W

    def adjoint(self, D):
        """Return ``Z^T D``, of shape (n_features, n_hidden)."""
        product = torch.sparse.mm(self._tensor.T, D)
        return product.addr_(self._mean, D.sum(0), alpha=-1).mul_(self._scale[:, None])

    def to_dense(self):
        """Return ``Z``; only a chunk of rows is ever asked for."""
        return self._tensor.to_dense().sub_(self._mean).mul_(self._scale)

    def rows(self, index):
        """Return the matrix of the rows `index`."""
        return SparseMatrix(self.X[index], self.mean, self.inverse_scale, self.device)

    def columns(self, index):
        """Return the matrix of the columns `index`."""
        return SparseMatrix(
            self.X[:, index], self.mean[index], self.inverse_scale[index], self.device
        )


def _to_torch(X, device):
    """Return the tensor, in coordinates, of a scipy matrix."""
    X = X.tocoo()
    index = torch.as_tensor(np.stack([X.row, X.col]).astype(np.int64), device=device)
    values = torch.as_tensor(X.data.astype(np.float32), device=device)
    return torch.sparse_coo_tensor(
        index, values, X.shape, check_invariants=False
    ).coalesce()


def _standardize(X, mean, inverse_scale, device):
    """Return the standardised matrix of an array or of a sparse matrix."""
    if sparse.issparse(X):
        return SparseMatrix(X.tocsr(), mean, inverse_scale, device)
    return DenseMatrix.standardize(X, mean, inverse_scale, device)


@dataclass(frozen=True)
class Batch:
    """Rows with their targets and weights; the weights of a dataset sum to 1."""

    Z: DenseMatrix | SparseMatrix
    target: torch.Tensor | None
    weight: torch.Tensor

    def rows(self, index):
        """Return the batch of the rows `index`."""
        target = None if self.target is None else self.target[index]
        return Batch(self.Z.rows(index), target, self.weight[index])

    def columns(self, index):
        """Return the same rows, of the columns `index` only."""
        return replace(self, Z=self.Z.columns(index))

    def scaled(self, factor):
        """Return the batch with its weights multiplied by `factor`."""
        return replace(self, weight=self.weight * factor)

    def chunks(self):
        """Return the rows in chunks of bounded size."""
        n_samples, n_features = self.Z.shape
        size = max(1, _CHUNK_ENTRIES // n_features)
        if size >= n_samples:
            return [self]
        starts = range(0, n_samples, size)
        return [self.rows(np.arange(i, min(i + size, n_samples))) for i in starts]


@dataclass
class Network:
    """The tensors of the network: a feature is a row of W, a column of U and e."""

    W: torch.Tensor
    b: torch.Tensor
    V: torch.Tensor
    c: torch.Tensor
    U: torch.Tensor
    e: torch.Tensor
    activation: str

    @classmethod
    def initial(cls, n_features, n_hidden, n_latent, activation, seed, device):
        """Return the network before training, the same on every device.

        ``W`` is zero: every row then lives or dies by its gradient alone.
        """
        generator = torch.Generator().manual_seed(seed)

        # Whatever default the user has configured.
        zeros = partial(torch.zeros, dtype=torch.float32, device="cpu")

        def uniform(fan_in, *shape):
            bound = fan_in**-0.5
            return zeros(*shape).uniform_(-bound, bound, generator=generator)

        # The derivative of relu is zero at zero, where training would never start.
        bias = 0.1 if activation == "relu" else 0.0
        tensors = {
            "W": zeros(n_features, n_hidden),
            "b": zeros(n_hidden) + bias,
            "V": uniform(n_hidden, n_hidden, n_latent),
            "c": zeros(n_latent),
            "U": uniform(n_latent, n_latent, n_features),
            "e": zeros(n_features),
        }
        tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
        return cls(**tensors, activation=activation)

    @torch.no_grad()
    def normalize_code(self):
        """Bring the columns of V back to their norm."""
        self.V *= _CODE_NORM / self.V.norm(dim=0).clamp_min(1e-30)

    @torch.no_grad()
    def normalize_decoder(self):
        """Bring the rows of U to norm 1.

        Without a target, the loss could otherwise go down in U whatever the radius.
        """
        self.U /= self.U.norm(dim=1, keepdim=True).clamp_min(1e-30)

    def copy(self, features=slice(None)):
        """Return a copy, of some of the features only."""
        return Network(
            self.W[features].clone(),
            self.b.clone(),
            self.V.clone(),
            self.c.clone(),
            self.U[:, features].clone(),
            self.e[features].clone(),
            self.activation,
        )

    def later_layers(self):
        """Return what is trained beside ``W``."""
        return [self.b, self.V, self.c, self.U, self.e]

    def code(self, A):
        """Return the latent code, given the products ``A = Z W``."""
        return _ACTIVATIONS[self.activation](A + self.b) @ self.V + self.c


class _Reconstruction(torch.autograd.Function):
    """The mean Huber loss of every row of ``code U + e`` against ``Z``.

    It takes most of the time of a wide matrix; by hand it visits the entries half as
    often as by automatic differentiation: the derivative is the clipped residual.
    """

    @staticmethod
    def forward(ctx, code, U, e, Z):
        """Return the loss of every row."""
        residual = torch.addmm(e, code, U).sub_(Z)
        clipped = residual.clamp(-1, 1)
        ctx.save_for_backward(code, U, clipped)
        return torch.linalg.vecdot(clipped, residual.sub_(clipped, alpha=0.5)) / len(e)

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients in code, U and e, given that of every row's loss."""
        code, U, clipped = ctx.saved_tensors
        weight = grad[:, None] / clipped.shape[1]
        return (
            (clipped @ U.T) * weight,
            (code * weight).T @ clipped,
            weight[:, 0] @ clipped,
            None,
        )


@dataclass(frozen=True)
class Objective:
    """The training loss: that of the code, and that of the reconstruction."""

    kind: str  # "classification", "regression" or "unsupervised"
    reconstruction_weight: float

    def __call__(self, network, code, batch):
        """Return the weighted sum of the losses of the rows of a batch."""
        loss = batch.weight.new_zeros(len(batch.weight))
        if self.kind == "classification":
            loss = loss + F.cross_entropy(code, batch.target, reduction="none")
        elif self.kind == "regression":
            loss = loss + 0.5 * (code - batch.target).square().mean(1)
        if self.reconstruction_weight > 0:
            huber = _Reconstruction.apply(
                code, network.U, network.e, batch.Z.to_dense()
            )
            loss = loss + self.reconstruction_weight * huber
        return batch.weight @ loss


def _loss_and_gradient(network, objective, chunks):
    """Return the loss and its gradient in ``W``.

    The gradients in the later layers are left in their ``grad``. The gradient in
    ``W`` is ``sum Z^T dloss/d(Z W)``, which needs no graph through ``Z``.
    """
    loss, G = 0.0, torch.zeros_like(network.W)
    for chunk in chunks:
        A = (chunk.Z @ network.W).requires_grad_()
        chunk_loss = objective(network, network.code(A), chunk)
        chunk_loss.backward()
        loss = loss + chunk_loss.detach()
        G += chunk.Z.adjoint(A.grad)
    return loss, G


def _stationarity(W, G, radius):
    """Return the dual gap in ``W`` over ``radius * max_i sum_j |G_ij|``, in [0, 2].

    It is 0 exactly where ``W`` is stationary for the loss over the ball.
    """
    scale = radius * G.abs().sum(1).max()
    return ((G * W).sum() / scale + 1.0).nan_to_num(0.0).clamp(0.0, 2.0)


class _ProjectedMomentum:
    """Projected gradient with momentum and one scalar step for the whole of ``W``.

    The projection is the nearest point in the Euclidean metric; a step of its own for
    each weight, as Adam takes, would be a step in another one and makes rows
    comparable that are not. The scalar is Adam's, of the largest row of the gradient.
    """

    def __init__(self, W, step, decay=(0.9, 0.99)):
        self.W, self.step, self.decay = W, step, decay
        self.M, self.v, self.t = torch.zeros_like(W), W.new_zeros(()), 0

    def update(self, G, radius, speed):
        """Take a step against the gradient ``G`` and project onto the ball."""
        first, second = self.decay
        self.t += 1
        self.M.lerp_(G, 1 - first)
        largest_row = G.square().sum(1).max() / G.shape[1]
        self.v.lerp_(largest_row, 1 - second)
        rate = speed * self.step / (1 - first**self.t)
        scale = (self.v / (1 - second**self.t)).sqrt().clamp_min(1e-30)
        self.W -= rate * self.M / scale
        if not torch.isfinite(self.W.sum()):
            raise ValueError(
                "The training has left the range of float32: radius, learning_rate or "
                "reconstruction_weight is too large, or X without standardising."
            )
        project_l1inf(self.W, radius, out=self.W)


class _Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) for the later layers.

    That of torch imports its compiler first, which takes as long as several fits.
    """

    def __init__(self, layers, steps, decay=(0.9, 0.999)):
        self.layers, self.steps, self.decay, self.t = layers, steps, decay, 0
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in layers]

    @torch.no_grad()
    def update(self):
        """Take a step against the gradients that are there, and drop them."""
        first, second = self.decay
        self.t += 1
        for layer, step, (m, v) in zip(
            self.layers, self.steps, self.moments, strict=True
        ):
            if layer.grad is None:  # the decoder, where nothing is reconstructed
                continue
            m.lerp_(layer.grad, 1 - first)
            v.lerp_(layer.grad.square(), 1 - second)
            scale = (v / (1 - second**self.t)).sqrt_().add_(1e-8)
            layer.addcdiv_(m, scale, value=-step / (1 - first**self.t))
            layer.grad = None


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the training can be told."""

    radius: float
    n_hidden: int
    n_latent: int
    activation: str
    reconstruction_weight: float
    step: float
    max_iter: int
    tol: float
    batch_size: int | None
    second_descent: bool
    max_features: int  # of the second descent


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


@dataclass(frozen=True)
class Trained:
    """The outcome of the training, in numpy.

    ``coefs`` and ``intercepts`` are those of the encoder, ``selected`` is the mask of
    the selected features, ``importances`` the average over the path of radii of the
    largest absolute weight of every row, relative to the radius, and
    ``gradient_norms`` the l1 norm of the rows of the gradient at the end.
    """

    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    selected: np.ndarray
    importances: np.ndarray
    gradient_norms: np.ndarray
    loss_curve: np.ndarray
    optimality: float


def _in_batches(data, batch_size):
    return batch_size is not None and batch_size < len(data.weight)


def _epoch(data, batch_size, generator) -> Iterator[list[Batch]]:
    """Yield the chunks of every step of one pass over the data."""
    if not _in_batches(data, batch_size):
        yield data.chunks()
        return
    order = torch.randperm(len(data.weight), generator=generator).numpy()
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        # In expectation the loss of all rows, so that the weights keep their effect.
        yield data.rows(index).scaled(len(order) / len(index)).chunks()


class _Descent:
    """One training from given weights: later layers by Adam, ``W`` by projection."""

    def __init__(self, network, data, objective, options, seed):
        self.network, self.data, self.objective = network, data, objective
        self.options = options
        self.generator = torch.Generator().manual_seed(seed)
        self.first_layer = _ProjectedMomentum(network.W, options.step * options.radius)
        for layer in network.later_layers():
            layer.requires_grad_()
        # The decoder only has to follow the code, the faster the better.
        self.adam = _Adam(network.later_layers(), [1e-3, 1e-3, 1e-3, 1e-2, 1e-2])
        self.importances = torch.zeros_like(network.W[:, 0])
        self.loss_curve = []
        self._normalize()

    def _normalize(self):
        self.network.normalize_code()
        if self.objective.kind == "unsupervised":
            self.network.normalize_decoder()

    def run(self, path, observer):
        """Train for a pass at every radius of `path`, then at the wanted radius.

        The importances are averaged over the path. What follows it ends once it is
        stationary, or after `max_iter` passes in all. A mini-batch tells too little of
        the stationarity.
        """
        may_stop = not _in_batches(self.data, self.options.batch_size)
        for iteration in range(self.options.max_iter):
            on_path = iteration < len(path)
            radius = path[iteration] if on_path else self.options.radius
            observer.begin_pass()
            stationarity = self._pass(radius, 1.0 if on_path else _SPEED_UP)
            row_maxima = self.network.W.abs().amax(1)
            if on_path:
                self.importances += row_maxima / (radius * len(path))
            survivors = int((row_maxima > 0).sum())
            step = Step(iteration + 1, self.loss_curve[-1], survivors)
            stop = observer.end_pass(step)
            converged = stationarity <= self.options.tol
            if stop or (may_stop and converged and not on_path):
                break
        # A descent that ends on its path may be outside the ball of the wanted radius.
        project_l1inf(self.network.W, self.options.radius, out=self.network.W)

    def _pass(self, radius, speed):
        losses = []
        for chunks in _epoch(self.data, self.options.batch_size, self.generator):
            loss, G = _loss_and_gradient(self.network, self.objective, chunks)
            stationarity = _stationarity(self.network.W, G, radius)
            self.adam.update()
            self._normalize()
            self.first_layer.update(G, radius, speed)
            losses.append(loss)
        self.loss_curve.append(float(torch.stack(losses).mean()))
        return float(stationarity)


def train(
    X, target, weight, *, mean, inverse_scale, kind, options, seed, device, observer
):
    """Train the autoencoder under the l1,inf constraint.

    Parameters
    ----------
    X : ndarray or scipy sparse matrix of shape (n_samples, n_features)
        The data, standardised here as ``(X - mean) * inverse_scale``.
    target : ndarray or None
        Class indices (n_samples,), numbers (n_samples, n_targets), or None.
    weight : ndarray of shape (n_samples,)
        Positive weights of the samples.
    mean, inverse_scale : ndarray of shape (n_features,)
        The standardisation; a column of inverse scale 0 is never selected.
    kind : {"classification", "regression", "unsupervised"}
        What the target is.
    options : Options
        The settings of the training.
    seed : int
        Seed of the initial weights and of the order of mini-batches.
    device : torch.device
        Where to train.
    observer : Observer
        Is told of the progress and may end a descent.

    Returns
    -------
    trained : Trained
    """
    data = Batch(
        _standardize(X, mean, inverse_scale, device),
        None if target is None else torch.as_tensor(target, device=device),
        torch.as_tensor((weight / weight.sum()).astype(np.float32), device=device),
    )
    alone = kind == "unsupervised"
    objective = Objective(kind, 1.0 if alone else options.reconstruction_weight)
    initial = Network.initial(
        X.shape[1], options.n_hidden, options.n_latent, options.activation, seed, device
    )
    network = initial.copy()
    descent = _Descent(network, data, objective, options, seed)
    with observer.descent("descent", options.max_iter):
        descent.run(_path(options, kind), observer)
    importances, loss_curve = descent.importances, descent.loss_curve
    selected = network.W.any(1)
    if options.second_descent and selected.any():
        selected = _best(importances, selected, options.max_features)
        small = initial.copy(selected)
        descent = _Descent(
            small, data.columns(selected.numpy(force=True)), objective, options, seed
        )
        with observer.descent("second descent", options.max_iter):
            descent.run([], observer)
        loss_curve = loss_curve + descent.loss_curve
        network = _embed(small, network, selected)
    return _summarize(
        network, data, objective, options.radius, selected, importances, loss_curve
    )


def _path(options, kind):
    """Return the radius of every pass of the path.

    Without a target it is twice as long: the decoder has to be learnt meanwhile.
    """
    wanted = 2 * _PATH_PASSES if kind == "unsupervised" else _PATH_PASSES
    n_passes = min(wanted, max(1, options.max_iter // (len(_PATH) + 1)))
    return [factor * options.radius for factor in _PATH for _ in range(n_passes)]


def _best(importances, alive, max_features):
    """Return the mask of the most important features, as many as are alive.

    At most `max_features` of them. Among features that never lived on the path, those
    that are alive go first; other ties are broken by column.
    """
    order = alive.int().argsort(descending=True, stable=True)
    order = order[importances[order].argsort(descending=True, stable=True)]
    mask = torch.zeros_like(alive)
    mask[order[: min(int(alive.sum()), max_features)]] = True
    return mask


def _embed(small, network, features):
    """Return `small` as a network of all features, zero where it has no row."""
    W = torch.zeros_like(network.W)
    W[features] = small.W
    U, e = network.U.detach().clone(), network.e.detach().clone()
    U[:, features], e[features] = small.U.detach(), small.e.detach()
    return replace(small, W=W, U=U, e=e)


def _summarize(network, data, objective, radius, selected, importances, loss_curve):
    _, G = _loss_and_gradient(network, objective, data.chunks())
    coefs, intercepts = [network.W, network.V], [network.b, network.c]
    return Trained(
        [tensor.numpy(force=True) for tensor in coefs],
        [tensor.numpy(force=True) for tensor in intercepts],
        selected.numpy(force=True),
        importances.numpy(force=True),
        G.abs().sum(1).numpy(force=True),
        np.asarray(loss_curve),
        float(_stationarity(network.W, G, radius)),
    )


def encode(X, coefs, intercepts, *, mean, inverse_scale, activation):
    """Return the latent code, (n_samples, n_latent), of the rows of X."""
    used = coefs[0].any(axis=1)
    W, V, b, c = (
        torch.as_tensor(array) for array in (coefs[0][used], coefs[1], *intercepts)
    )
    Z = _standardize(X[:, used], mean[used], inverse_scale[used], torch.device("cpu"))
    return (_ACTIVATIONS[activation](Z @ W + b) @ V + c).numpy()
