r"""The network that predicts, trained on the selected features alone.

With the selected features of the standardised samples :math:`z_i`, their relevance
:math:`r_j` and a decay :math:`\lambda`, it solves

.. math:: \min_{W, b, V, c, U, e} \; \ell\big((c_i), (y_i), (s_i)\big)
   + \rho \, \frac{\sum_i s_i H(U c_i + e - z_i)}{\sum_i s_i}
   + \frac{\lambda}{2} \Big(\sum_j \|W_j\|_2^2 / r_j + \|V\|_F^2\Big),
   \qquad c_i = \sigma(z_i W + b) V + c,

by L-BFGS, in double precision. The features are few by now: the decay of the
weights takes the place of the ball, and of the norm of V.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize

from ..matrices._standardized import StandardizedDense
from ._network import ACTIVATIONS, SLOPES, Network, slopes_at
from ._objective import Objective, loss_and_gradient
from ._problem import Batch
from ._progress import Course
from ._state import own_state

# The largest derivative at which the method ends.
_GRADIENT = 1e-6

# On a line shorter than this, the slope in its middle is more exact than the quotient
# of two differences.
_SHORT = 1e-7

# The standard deviation of an output, relative to the scale of the target, below which
# it varies by rounding alone.
_ROUNDING = 1e-6

# Entries of hidden units that are computed at a time: they stay in the cache.
_CODED_ENTRIES = 2**20

# The number of steps by which it knows the curvature. The valleys of the loss are
# narrow: with the usual ten it takes two or three times as many iterations.
_MEMORY = 30


@dataclass(frozen=True)
class Readout:
    """The network that predicts, as arrays of float64.

    Attributes
    ----------
    target : Target
        What the code predicts.
    coefs : list of ndarray of shape (n_features, n_hidden) and (n_hidden, n_latent)
        The weights of the encoder, zero for features that are not selected.
    intercepts : list of ndarray of shape (n_hidden,) and (n_latent,)
        The biases of the encoder.
    decoder : tuple of ndarray of shape (n_features, n_latent) and (n_features,)
        The weights and the biases of the decoder, zero for features not selected.
    loss_curve : ndarray of shape (n_passes,)
        The loss of every pass over the data.
    """

    target: object
    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    decoder: tuple[np.ndarray, np.ndarray]
    loss_curve: np.ndarray


@own_state
def read_out(
    features, n_features, Z, target, relevance, decay, options, observer
) -> Readout:
    """Train the network that predicts.

    Parameters
    ----------
    features : ndarray of shape (n_chosen,)
        The indices of the selected features.
    n_features : int
        Number of all features.
    Z : ndarray of shape (n_samples, n_chosen), float64
        These features, standardised.
    target : Target
        What the code has to predict, and the weights of the samples.
    relevance : ndarray of shape (n_chosen,)
        How little the weights of these features decay, positive.
    decay : float
        The decay of the weights.
    options, observer
        As in `train`; mini-batches and the length of the step are not used.

    Returns
    -------
    readout : Readout
    """
    loss = _DecayedLoss(Z, target, relevance, decay, options)
    course = Course(observer)

    def note_pass(intermediate_result):  # the method tells of their ends alone
        course.begin_pass()
        if course.end_pass(loss.last, loss.alive):
            raise StopIteration

    with observer.descent("second descent", options.max_iter):
        found = minimize(
            loss,
            loss.start,
            jac=True,
            method="L-BFGS-B",
            callback=note_pass,
            options={
                "maxiter": options.max_iter,
                "gtol": _GRADIENT,
                "ftol": 0.0,
                "maxcor": _MEMORY,
            },
        )
    W, b, V, c, U, e = loss.layers(found.x)
    code = encode_double(Z, [W, V], [b, c], options.activation)
    if (code.std(axis=0) < _ROUNDING).all():
        W, V, c = np.zeros_like(W), np.zeros_like(V), code.mean(axis=0, keepdims=True)
    return Readout(
        target,
        [_embedded(W, features, n_features), V],
        [b[0], c[0]],
        tuple(_embedded(layer, features, n_features) for layer in (U, e[:, 0])),
        np.asarray(course.loss_curve),
    )


@own_state
def collapsing_decay(Z, target, relevance, options):
    r"""Return the decay of the weights from which on the network is constant.

    Let D be the derivative of the loss in the code, of shape (n_samples, n_latent), at
    the best constant code, and s the slope of the activation at 0. For small weights
    the loss falls by at most :math:`s \|W_r\|_F \|V\|_F \|R^{1/2} Z^T D\|_2`, with
    :math:`W_r = R^{-1/2} W` and R the diagonal matrix of the relevance. So no small
    weights are better than none where the decay is at least

    .. math:: s \, \|R^{1/2} Z^T D\|_2.

    Parameters
    ----------
    Z, target, relevance, options
        As in `read_out`.

    Returns
    -------
    decay : float
    """
    batch = _double_batch(Z, target, options.device)
    code = torch.zeros(
        (1, len(Z), options.n_latent),
        dtype=torch.float64,
        device=options.device,
        requires_grad=True,
    )
    loss = target.loss(code, batch.encoded, batch.weight)
    (D,) = torch.autograd.grad(loss.sum(), code)
    # The derivatives at the best constant are those at 0 without their mean.
    D = (D - batch.weight[:, :, None] * D.sum(dim=1, keepdim=True))[0]
    gradient = np.sqrt(relevance)[:, None] * (Z.T @ D.numpy(force=True))
    return SLOPES[options.activation] * float(np.linalg.norm(gradient, 2))


def _embedded(rows, features, n_features):
    """Return the rows of some features as rows of all, the others zero."""
    everything = np.zeros((n_features, *rows.shape[1:]))
    everything[features] = rows
    return everything


def standardised_columns(matrix, features, mean, inverse_scale):
    """Return the features of a `Matrix`, (n_samples, n_chosen), in double precision."""
    columns = matrix.columns(features).astype(np.float64)
    return (columns - mean[features]) * inverse_scale[features]


@own_state
def encode_double(Z, coefs, intercepts, activation):
    """Return the code, (n_samples, n_latent), of standardised features.

    `coefs` has the rows of these features only.
    """
    W, V, b, c = _tensors(coefs, intercepts)
    n_samples = max(1, _CODED_ENTRIES // W.shape[1])
    parts = torch.as_tensor(Z).split(n_samples)
    return torch.cat(
        [ACTIVATIONS[activation](z @ W + b) @ V + c for z in parts]
    ).numpy()


def _tensors(coefs, intercepts):
    return [torch.as_tensor(array) for array in (*coefs, *intercepts)]


@own_state
def integrated_gradients(Z, coefs, intercepts, activation):
    r"""Return what every feature contributes to the code.

    The gradient of the code is averaged along the line from 0 to the sample:

    .. math:: a_{ijk} = z_{ij} \int_0^1 \frac{\partial c_k}{\partial z_j}(t z_i) \, dt

    (M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks",
    2017). With one hidden layer and :math:`a = z_i W`, the mean slope of a unit is

    .. math:: \int_0^1 \sigma'(t a + b) \, dt = \frac{\sigma(a + b) - \sigma(b)}{a}.

    Over j, the contributions sum to :math:`c_k(z_i) - c_k(0)`.

    Returns
    -------
    contributions : ndarray of shape (n_samples, n_chosen, n_latent)
    """
    W, V, b, _ = _tensors(coefs, intercepts)
    A, sigma = torch.as_tensor(Z) @ W, ACTIVATIONS[activation]
    short = A.abs() < _SHORT
    quotients = (sigma(A + b) - sigma(b)) / A.masked_fill(short, 1.0)
    slopes = torch.where(short, slopes_at(b + 0.5 * A, activation), quotients)
    # The derivative of unit k of the code in feature j is W_j . (slopes * V_k).
    return np.einsum(
        "ij,jh,ih,hk->ijk", Z, W.numpy(), slopes.numpy(), V.numpy(), optimize=True
    )


class _DecayedLoss:
    """The loss and its gradient, as functions of all layers in one vector.

    The vector holds ``W / sqrt(relevance)``: in these coordinates all features have the
    same decay.
    """

    def __init__(self, Z, target, relevance, decay, options):
        self.decay = decay
        self.batch = _double_batch(Z, target, options.device)
        self.objective = Objective.of(target, options)
        self.network = _initial(Z.shape[1], options)
        self.scale = torch.as_tensor(relevance, device=options.device).sqrt()[:, None]
        network, reconstructs = self.network, self.objective.reconstructs
        later = network.code_layers() + reconstructs * network.decoder_layers()
        self.later = [layer.requires_grad_() for layer in later]
        self.start = _flat([network.W, *self.later])
        self.sizes = [layer.numel() for layer in (network.W, *self.later)]

    def __call__(self, x):
        """Return the loss with the decay, and its gradient."""
        W = self._set(x)
        V = self.network.V
        loss, G = loss_and_gradient(self.network, self.objective, self.batch)
        self.last = loss
        G = self.scale * G + self.decay * W
        gradients = [layer.grad for layer in self.later]
        squares = W.square().sum() + V.detach().square().sum()
        V.grad += self.decay * V.detach()
        gradient = _flat([G, *gradients])
        for layer in self.later:
            layer.grad = None
        return loss.item() + 0.5 * self.decay * squares.item(), gradient

    @property
    def alive(self):
        """The mask of the features with weights."""
        return self.network.W.any(2)

    @torch.no_grad()
    def _set(self, x):
        """Set the layers; return ``W / sqrt(relevance)``."""
        parts = torch.as_tensor(x, device=self.scale.device).split(self.sizes)
        W = parts[0].reshape(self.network.W.shape)
        self.network.W = self.scale * W
        for layer, part in zip(self.later, parts[1:], strict=True):
            layer.copy_(part.reshape(layer.shape))
        return W

    def layers(self, x):
        """Return the layers, as arrays."""
        self._set(x)
        names = "WbVcUe"
        return [getattr(self.network, name)[0].numpy(force=True) for name in names]


def _double_batch(Z, target, device):
    """Return the samples, of one replica, in double precision."""
    matrix = StandardizedDense(torch.as_tensor(Z.T.copy(), device=device)[None])
    weight = target.weight / target.weight.sum()
    return Batch(
        matrix,
        tuple(torch.as_tensor(a, device=device)[None] for a in target.encoded),
        torch.as_tensor(weight, device=device)[None],
    )


def _initial(n_features, options):
    """Return the network before training, in double precision."""
    network = Network.initial(
        n_features,
        options.n_hidden,
        options.n_latent,
        options.activation,
        options.seed,
        options.device,
    )
    layers = {name: getattr(network, name).double() for name in "WbVcUe"}
    # The hidden units are of size 1 at once: from W = 0 they would stay linear, and two
    # features that matter only together would never be found to.
    generator = torch.Generator().manual_seed(options.seed)
    W = torch.zeros(layers["W"].shape, dtype=torch.float64, device="cpu")
    W.normal_(0.0, max(n_features, 1) ** -0.5, generator=generator)
    return replace(network, **layers | {"W": W.to(options.device)})


def _flat(layers):
    """Return the entries of the layers as one vector."""
    return torch.cat([layer.detach().flatten() for layer in layers]).numpy(force=True)
