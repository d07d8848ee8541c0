r"""The gradient of the projections, in operations that torch follows further.

Every function below takes the gradient G with respect to the projection P of Y, where
Y is outside the ball, and returns the gradient with respect to Y: the transpose of the
Jacobian times G. It is exact where the projection is differentiable: that is, where
small changes of Y change neither which groups survive nor which entries are clipped.

**The l1,inf ball.** In a row i that survives let :math:`K_i` be its clipped entries,
:math:`k_i` their number and :math:`s_{ij}` their signs. All lose the same sum:

.. math::

    \sum_{j \in K_i} |Y_{ij}| - k_i \mu_i = \theta, \qquad \sum_i \mu_i = C.

Near Y the sets and the signs do not change, so that

.. math::

    d\mu_i = \frac{1}{k_i} \Bigl( \sum_{j \in K_i} s_{ij}\, dY_{ij} - d\theta \Bigr),
    \qquad \sum_i d\mu_i = 0, \qquad
    dP_{ij} = \begin{cases} s_{ij}\, d\mu_i & j \in K_i \\
    dY_{ij} & j \notin K_i, \end{cases}

where the second equation fixes :math:`d\theta`, and dead rows have :math:`dP_{ij} = 0`.
With :math:`a_i = \sum_{j \in K_i} s_{ij} G_{ij}` and
:math:`t = \sum_i (a_i / k_i) / \sum_i (1 / k_i)` the gradient of a clipped entry is
:math:`s_{ij} (a_i - t) / k_i`: the Jacobian is symmetric, as that of any projection
onto a convex set.
"""

import torch

from ._l1inf import l1inf
from ._others import bilevel, l1, l12
from ._tensors import is_followed, project_into, project_values


def _where(mask, values):
    """Give the values where the mask is true, else 0."""
    return torch.where(mask, values, 0)


def _mean(mask, values):
    """Give the mean of the values where the mask is true; 0 if it is nowhere."""
    return _where(mask, values).sum() / mask.sum().clamp(min=1)


def _clipped(Y, P, axis):
    """Tell which groups survive, and which of their entries are clipped."""
    level = P.abs().amax(axis, keepdim=True)
    alive = level > 0
    return alive, alive & (Y.abs() > level)


def _of_l1inf(G, Y, P, radius, axis):
    alive, clipped = _clipped(Y, P, axis)
    count = clipped.sum(axis, keepdim=True)
    share = _where(count > 0, 1 / count.to(G.dtype).clamp(min=1))
    signs = Y.sign()
    of_level = _where(clipped, signs * G).sum(axis, keepdim=True)
    # A share is no less than 1 over the size of a group, unless all are 0.
    of_theta = (share * of_level).sum() / share.sum().clamp(min=1 / Y.numel())
    of_clipped = signs * share * (of_level - of_theta)
    return torch.where(clipped, of_clipped, _where(alive, G))


def _of_bilevel(G, Y, P, radius, axis):
    r"""Survivors are clipped at :math:`\max_j |Y_{ij}| - \tau`."""
    alive, clipped = _clipped(Y, P, axis)
    magnitudes, signs = Y.abs(), Y.sign()
    top = magnitudes == magnitudes.amax(axis, keepdim=True)
    top = top / top.sum(axis, keepdim=True)
    of_level = _where(clipped, signs * G).sum(axis, keepdim=True)
    of_largest = _where(alive, of_level - _mean(alive, of_level))
    return _where(alive & ~clipped, G) + signs * top * of_largest


def _of_l12(G, Y, P, radius, axis):
    r"""Survivors are :math:`(1 - \tau / n_i) Y_i`, with their norms :math:`n_i`."""
    alive = (P != 0).any(axis, keepdim=True)
    # The Jacobian is that of Y and the radius divided by any number.
    unit = Y.detach().abs().amax()
    unit = torch.where(unit > 0, unit, 1)
    Y, radius = Y / unit, radius / unit
    norms = torch.linalg.vector_norm(Y, dim=axis, keepdim=True)
    norms = torch.where(alive, norms, 1)
    tau = (_where(alive, norms).sum() - radius) / alive.sum().clamp(min=1)
    direction = Y / norms
    along = (direction * G).sum(axis, keepdim=True)
    across = G - direction * along
    return _where(alive, G - tau / norms * across - direction * _mean(alive, along))


def _of_l1(G, Y, P, radius, axis):
    r"""Survivors are :math:`Y_j - s_j \tau`."""
    alive, signs = P != 0, Y.sign()
    return _where(alive, G - signs * _mean(alive, signs * G))


GRADIENTS = {l1inf: _of_l1inf, bilevel: _of_bilevel, l12: _of_l12, l1: _of_l1}


class Projection(torch.autograd.Function):
    """Projection of a tensor that torch can differentiate, and map over batches."""

    @staticmethod
    def forward(Y, ball, radius, axis, ndims):
        """Project as without a gradient."""
        return project_values(ball, Y, radius, axis, ndims)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep the tensor and its projection: they tell what was clipped."""
        Y, ctx.ball, ctx.radius, ctx.axis, _ = inputs
        ctx.save_for_backward(Y, output)

    @staticmethod
    def backward(ctx, G):
        """Take the identity inside the ball, for a positive radius."""
        Y, P = ctx.saved_tensors
        if G.numel():
            Y = Y.to(P.dtype)
            outside = GRADIENTS[ctx.ball](G, Y, P, ctx.radius, ctx.axis)
            inside = (P == Y).all() & (ctx.radius > 0)
            G = torch.where(inside, G, outside)
        return G, None, None, None, None

    @staticmethod
    def vmap(info, in_dims, Y, ball, radius, axis, ndims):
        """Project one by one."""
        each = Y.unbind(in_dims[0])
        return torch.stack(
            [Projection.apply(y, ball, radius, axis, ndims) for y in each]
        ), 0


def project(ball, Y, radius, axis, out, ndims):
    """Project a tensor, into `out` if given; so that torch can follow if it is not."""
    if out is not None:
        return project_into(out, ball, Y, radius, axis, ndims)
    if is_followed(Y):
        return Projection.apply(Y, ball, radius, axis, ndims)
    return project_values(ball, Y, radius, axis, ndims)
