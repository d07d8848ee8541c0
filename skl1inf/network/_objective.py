r"""The equation that is minimised, and its gradient.

With the samples :math:`z_i` (standardised), targets :math:`y_i` and weights
:math:`s_i`, the codes and reconstructions

.. math:: c_i = \sigma(z_i W + b) V + c, \qquad \hat z_i = U c_i + e,

and :math:`\ell` the loss of the target, training solves

.. math:: \min_{W, b, V, c, U, e} \; \ell\big((c_i), (y_i), (s_i)\big)
   + \rho \, \frac{\sum_i s_i H(\hat z_i - z_i)}{\sum_i s_i}
   \quad \text{subject to} \quad \|W\|_{1,\infty} \le C, \quad
   \|V_{\cdot k}\|_2 = \nu \text{ for every } k.

H is the Huber loss (threshold 1), averaged over the features. For classes
:math:`\ell` is the mean cross-entropy, for numbers half the mean squared error. Without
a target :math:`\ell = 0`, :math:`\rho = 1` and the columns of U have norm 1. The norm
:math:`\nu` is `code_norm` of the target.
"""

from dataclasses import dataclass

import torch


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

    target: object
    reconstruction_weight: float

    @classmethod
    def of(cls, target, options):
        """Return the loss for a target. One without a loss reconstructs instead."""
        weight = 1.0 if target.reconstructs else options.reconstruction_weight
        return cls(target, weight)

    @property
    def reconstructs(self):
        """Whether the decoder is trained."""
        return self.reconstruction_weight > 0

    def __call__(self, network, code, batch):
        """Return, for every replica, the loss of a batch."""
        loss = self.target.loss(code, batch.encoded, batch.weight)
        if self.reconstructs:
            Zt = batch.Z.transposed()
            huber = _Reconstruction.apply(code, network.U, network.e, Zt)
            mean = torch.linalg.vecdot(batch.weight, huber)
            loss = loss + self.reconstruction_weight * mean
        return loss


def backward(network, objective, batch):
    """Return the loss of every replica, and its gradient ``D`` in ``A = Z W``.

    The gradients in the later layers are added to their ``grad``. That in ``W`` is
    ``Z' D``, which needs no graph through ``Z``.
    """
    A = (batch.Z @ network.W).requires_grad_()
    loss = objective(network, network.code(A), batch)
    loss.sum().backward()
    return loss.detach(), A.grad


def in_chunks(network, objective, data):
    """Return the data in chunks of samples, if the loss is a sum over the samples."""
    if not objective.target.separable:
        return [data]
    n_features, n_hidden = network.W.shape[1:]
    return data.chunks(max(n_hidden, n_features if objective.reconstructs else 0))


def loss_and_gradient(network, objective, data):
    """Return the loss of every replica, and its gradient in ``W``."""
    loss, G = 0.0, 0.0
    for chunk in in_chunks(network, objective, data):
        chunk_loss, D = backward(network, objective, chunk)
        loss, G = loss + chunk_loss, G + chunk.Z.adjoint(D)
    return loss, G


def slope(W, G):
    """Return ``<G, W>`` of every replica. Rows of zeros in ``W`` may be missing."""
    return torch.linalg.vecdot(G.flatten(1), W.flatten(1))
