"""The layers of the network, in torch.

The encoder maps a sample z to its code ``activation(z W + b) V + c``. The decoder
maps a code back to ``U code + e``. Only the first layer ``W``, a row a feature, is
constrained: it stays in a ball, and most of its rows are zero. Every tensor has a
leading dimension of replicas: networks that are trained at the same time.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from ..matrices import open_matrix
from ..matrices._replicas import take_features
from ._state import own_state

ACTIVATIONS = {
    "identity": lambda a: a,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}

# The odd part of every activation is about a line through 0 of this slope; that of silu
# and of relu is exactly one.
SLOPES = {"identity": 1.0, "relu": 0.5, "silu": 0.5, "tanh": 1.0}


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

        def uniform(fan_in, *shape):
            bound = fan_in**-0.5
            return _zeros(*shape).uniform_(-bound, bound, generator=generator)

        # The derivative of relu is zero at zero, where training would never start.
        bias = 0.1 if activation == "relu" else 0.0
        tensors = {
            "W": _zeros(1, n_features, n_hidden),
            "b": _zeros(1, 1, n_hidden) + bias,
            "V": uniform(n_hidden, 1, n_hidden, n_latent),
            "c": _zeros(1, 1, n_latent),
            "U": uniform(n_latent, 1, n_features, n_latent),
            "e": _zeros(1, n_features, 1),
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

    def take_features(self, index):
        """Return the networks of the features `index`, (n_replicas, n_chosen), only.

        They share the layers behind the first one.
        """
        W, U, e = (take_features(tensor, index) for tensor in (self.W, self.U, self.e))
        return Network(W, self.b, self.V, self.c, U, e, self.activation)

    def encoding(self, index):
        """Return the networks that encode the features `index` and decode all."""
        return replace(self, W=take_features(self.W, index))

    @torch.no_grad()
    def normalize_code(self, norm):
        """Bring the columns of V to a norm."""
        self.V *= norm / self.V.norm(dim=1, keepdim=True).clamp_min(1e-30)

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
        hidden = ACTIVATIONS[self.activation](A + self.b)
        return _Affine.apply(hidden, self.V, self.c)

    def squared_slopes(self, batch):
        """Return the weighted mean over a batch of the squared slope of every unit.

        It is of shape (n_replicas, n_hidden, 1).
        """
        slopes = slopes_at(batch.Z @ self.W + self.b, self.activation)
        return slopes.square().mT @ batch.weight[:, :, None]


class _Affine(torch.autograd.Function):
    """``hidden V + c``. V has few columns: the products are fastest by their rows."""

    @staticmethod
    def forward(ctx, hidden, V, c):
        """Return the code."""
        ctx.save_for_backward(hidden, V)
        return (V.mT.contiguous() @ hidden.mT).mT + c

    @staticmethod
    def backward(ctx, D):
        """Return the gradients in the hidden units, in V and in c."""
        hidden, V = ctx.saved_tensors
        V_grad = (D.mT.contiguous() @ hidden).mT
        return D @ V.mT.contiguous(), V_grad, D.sum(1, keepdim=True)


def zeros_like(W):
    """Return zeros of the shape and on the device of ``W``."""
    return _zeros(*W.shape).to(W.device)


def _zeros(*shape):
    """Return zeros in float32. Those of numpy take memory only where they are changed.

    The first layer has a row for every feature, and most of them stay zero.
    """
    return torch.from_numpy(np.zeros(shape, dtype=np.float32))


def slopes_at(A, activation):
    """Return the derivative of an activation at ``A``."""
    A = A.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(ACTIVATIONS[activation](A).sum(), A)
    return slopes


@own_state
def encode(X, coefs, intercepts, *, mean, inverse_scale, activation):
    """Return the latent code, (n_samples, n_latent), of the rows of X."""
    used = np.flatnonzero(coefs[0].any(axis=1))
    cpu = torch.device("cpu")
    W, V, b, c = (
        torch.as_tensor(array, device=cpu)
        for array in (coefs[0][used], coefs[1], *intercepts)
    )
    Z = open_matrix(X[:, used]).standardized(mean[used], inverse_scale[used], cpu)
    A = (Z @ W[None])[0]
    return (ACTIVATIONS[activation](A + b) @ V + c).numpy()
