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
    """The weighted mean of the Huber loss of ``U code + e`` against ``Z``.

    It takes most of the time of a wide matrix. So a block of features is visited once,
    in the cache, for the loss and its gradients: the derivative of the Huber loss is
    the clipped residual. Products with so few columns are fastest where the long side
    lies together in memory.
    """

    @staticmethod
    def forward(ctx, code, U, e, weight, Z):
        """Return the loss of every replica."""
        huber, code_t, coded = 0.0, code.mT.contiguous(), code * weight[:, :, None]
        weighted = torch.cat([coded, weight[:, :, None]], 2).mT.contiguous()
        code_grad, U_grad, e_grad = 0.0, torch.empty_like(U), torch.empty_like(e)
        for rows, Zt in Z.transposed_blocks():
            residual = torch.baddbmm(e[:, rows], U[:, rows], code_t).sub_(Zt)
            clipped = residual.clamp(-1, 1)
            huber = huber + residual.sub_(clipped, alpha=0.5).mul_(clipped).sum(1)
            code_grad = code_grad + U[:, rows].mT.contiguous() @ clipped
            grads = clipped @ weighted.mT
            U_grad[:, rows], e_grad[:, rows] = grads[:, :, :-1], grads[:, :, -1:]
        gradients = (code_grad * weight[:, None]).mT, U_grad, e_grad
        ctx.save_for_backward(*(gradient / U.shape[1] for gradient in gradients))
        return torch.linalg.vecdot(weight, huber) / U.shape[1]

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients in code, U and e, given that in the loss."""
        gradients = (grad[:, None, None] * each for each in ctx.saved_tensors)
        return *gradients, None, None


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
            huber = _Reconstruction.apply(
                code, network.U, network.e, batch.weight, batch.decoded
            )
            loss = loss + self.reconstruction_weight * huber
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
    return data.chunks(network.W.shape[2], objective.reconstructs)


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
