"""The network and its loss, in torch.

The encoder is ``Z -> activation(Z W + b) -> code = hidden V + c`` and the decoder is
linear, ``code -> U code + e``. Only the first layer ``W``, a row a feature, is
constrained: it stays in the l1,inf ball of the wanted radius, so that most of its
rows are zero. Every tensor has a leading dimension of replicas (see `_batch`).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from ._batch import standardize, take_features

_ACTIVATIONS = {
    "identity": lambda a: a,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}

# The columns of V keep this norm: the radius is then the capacity of the encoder, and
# the loss cannot go to zero in V while the rows of W still compete.
_CODE_NORM = 3**-0.5


@dataclass
class Network:
    """The tensors of the networks: a feature is a row of W, of U and of e."""

    W: torch.Tensor  # (n_replicas, n_features, n_hidden)
    b: torch.Tensor  # (n_replicas, 1, n_hidden)
    V: torch.Tensor  # (n_replicas, n_hidden, n_latent)
    c: torch.Tensor  # (n_replicas, 1, n_latent)
    U: torch.Tensor  # (n_replicas, n_features, n_latent)
    e: torch.Tensor  # (n_replicas, n_features, 1)
    activation: str

    @classmethod
    def initial(cls, n_features, n_hidden, n_latent, activation, seed, device):
        """Return one network before training, the same on every device.

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
            "W": zeros(1, n_features, n_hidden),
            "b": zeros(1, 1, n_hidden) + bias,
            "V": uniform(n_hidden, 1, n_hidden, n_latent),
            "c": zeros(1, 1, n_latent),
            "U": uniform(n_latent, 1, n_features, n_latent),
            "e": zeros(1, n_features, 1),
        }
        tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
        return cls(**tensors, activation=activation)

    @classmethod
    def stack(cls, networks):
        """Return copies of networks, of one replica or of several, as one."""
        names = ("W", "b", "V", "c", "U", "e")
        tensors = {
            name: torch.cat([getattr(network, name).detach() for network in networks])
            for name in names
        }
        return cls(**tensors, activation=networks[0].activation)

    def features(self, index):
        """Return the networks of the features `index`, (n_replicas, n_chosen), only.

        They share the layers behind the first one.
        """
        W, U, e = (take_features(tensor, index) for tensor in (self.W, self.U, self.e))
        return Network(W, self.b, self.V, self.c, U, e, self.activation)

    @torch.no_grad()
    def normalize_code(self):
        """Bring the columns of V back to their norm."""
        self.V *= _CODE_NORM / self.V.norm(dim=1, keepdim=True).clamp_min(1e-30)

    @torch.no_grad()
    def normalize_decoder(self):
        """Bring the columns of U to norm 1.

        Without a target, the loss could otherwise go down in U whatever the radius.
        """
        self.U /= self.U.norm(dim=1, keepdim=True).clamp_min(1e-30)

    def code_layers(self):
        """Return what is trained between ``W`` and the code."""
        return [self.b, self.V, self.c]

    def decoder_layers(self):
        """Return what is trained behind the code."""
        return [self.U, self.e]

    def code(self, A):
        """Return the latent code, given the products ``A = Z W``."""
        hidden = _ACTIVATIONS[self.activation](A + self.b)
        return torch.baddbmm(self.c, hidden, self.V)


class _Reconstruction(torch.autograd.Function):
    """The mean Huber loss of every sample of ``U code + e`` against ``Z``.

    It takes most of the time of a wide matrix; by hand it visits the entries half as
    often as by automatic differentiation: the derivative is the clipped residual.
    """

    @staticmethod
    def forward(ctx, code, U, e, Zt):
        """Return the loss of every sample."""
        residual = torch.baddbmm(e, U, code.mT).sub_(Zt)
        clipped = residual.clamp(-1, 1)
        ctx.save_for_backward(code, U, clipped)
        residual.sub_(clipped, alpha=0.5)
        return torch.linalg.vecdot(clipped, residual, dim=1) / clipped.shape[1]

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients in code, U and e, given that of every sample's loss."""
        code, U, clipped = ctx.saved_tensors
        weight = grad[:, :, None] / clipped.shape[1]
        return (
            (clipped.mT @ U) * weight,
            clipped @ (code * weight),
            clipped @ weight,
            None,
        )


@dataclass(frozen=True)
class Objective:
    """The training loss: that of the code, and that of the reconstruction."""

    kind: str  # "classification", "regression" or "unsupervised"
    reconstruction_weight: float

    def __call__(self, network, code, batch):
        """Return, for every replica, the weighted sum of the losses of a batch."""
        loss = torch.zeros_like(batch.weight)
        if self.kind == "classification":
            loss = loss + F.cross_entropy(code.mT, batch.target, reduction="none")
        elif self.kind == "regression":
            loss = loss + 0.5 * (code - batch.target).square().mean(2)
        if self.reconstruction_weight > 0:
            huber = _Reconstruction.apply(
                code, network.U, network.e, batch.Z.transposed()
            )
            loss = loss + self.reconstruction_weight * huber
        return torch.linalg.vecdot(batch.weight, loss)


def backward(network, objective, batch):
    """Return the loss of every replica, and its gradient ``D`` in ``A = Z W``.

    The gradients in the later layers are added to their ``grad``. That in ``W`` is
    ``Z^T D``, which needs no graph through ``Z``.
    """
    A = (batch.Z @ network.W).requires_grad_()
    loss = objective(network, network.code(A), batch)
    loss.sum().backward()
    return loss.detach(), A.grad


def loss_and_gradient(network, objective, chunks):
    """Return the loss of every replica over the chunks, and its gradient in ``W``."""
    loss, G = 0.0, 0.0
    for chunk in chunks:
        chunk_loss, D = backward(network, objective, chunk)
        loss, G = loss + chunk_loss, G + chunk.Z.adjoint(D)
    return loss, G


def row_norms(G):
    """Return the l1 norm of every row of every replica, (n_replicas, n_rows)."""
    return G.abs().sum(2)


def row_maxima(W):
    """Return the largest absolute entry of every row, (n_replicas, n_rows)."""
    return W.abs().amax(2)


def stationarity(W, G, norms, radius):
    """Return the dual gap in ``W`` over ``radius * max(norms)``, in [0, 2].

    `norms` are the l1 norms of the rows of the gradient; of ``W`` and ``G``, rows that
    are zero in ``W`` may be left out. The gap is 0 exactly where ``W`` is stationary
    for the loss over the ball. There is one `radius`, and one result, a replica.
    """
    product = torch.linalg.vecdot(G.flatten(1), W.flatten(1))
    return (product / (radius * norms.amax(1)) + 1.0).nan_to_num(0.0).clamp(0.0, 2.0)


def encode(X, coefs, intercepts, *, mean, inverse_scale, activation):
    """Return the latent code, (n_samples, n_latent), of the rows of X."""
    used = np.flatnonzero(coefs[0].any(axis=1))
    W, V, b, c = (
        torch.as_tensor(array) for array in (coefs[0][used], coefs[1], *intercepts)
    )
    Z = standardize(X[:, used], mean[used], inverse_scale[used], torch.device("cpu"))
    A = (Z @ W[None])[0]
    return (_ACTIVATIONS[activation](A + b) @ V + c).numpy()
