r"""The gradient of the projections, in operations that torch follows further.

Every function below takes the gradient G with respect to the projection P of Y, where
Y is outside the ball, and returns the gradient with respect to Y: the transpose of the
Jacobian times G. It is exact where the projection is differentiable: that is, where
small changes of Y change neither which groups survive nor which entries are clipped.

**The l1,inf ball.** In a group g that survives, of one row or several, let :math:`K_g`
be the clipped entries, :math:`k_g` their number and :math:`s_{ij}` their signs. With
weights :math:`w_g`, which are 1 unless given,

.. math::

    \sum_{ij \in K_g} |Y_{ij}| - k_g \mu_g = \theta w_g, \qquad
    \sum_g w_g \mu_g = C.

Near Y the sets and the signs do not change, so that

.. math::

    d\mu_g = \frac{1}{k_g} \Bigl( \sum_{ij \in K_g} s_{ij}\, dY_{ij} - w_g\, d\theta
    \Bigr), \qquad \sum_g w_g\, d\mu_g = 0, \qquad
    dP_{ij} = \begin{cases} s_{ij}\, d\mu_g & ij \in K_g \\
    dY_{ij} & ij \notin K_g, \end{cases}

where the second equation fixes :math:`d\theta`, and dead groups have
:math:`dP_{ij} = 0`. With :math:`a_g = \sum_{ij \in K_g} s_{ij} G_{ij}` and
:math:`t = \sum_g (w_g a_g / k_g) / \sum_g (w_g^2 / k_g)` the gradient of a clipped
entry is :math:`s_{ij} (a_g - w_g t) / k_g`: the Jacobian is symmetric, as that of any
projection onto a convex set.
"""

import torch

from ._l1inf import WeightedL1Inf, l1inf
from ._others import bilevel, l1, l12
from ._tensors import is_followed, project_into, project_values
from .kernels._segments import Segments


def _where(mask, values):
    """Give the values where the mask is true, else 0."""
    return torch.where(mask, values, 0)


def _mean(mask, values):
    """Give the mean of the values where the mask is true; 0 if it is nowhere."""
    return _where(mask, values).sum() / mask.sum().clamp(min=1)


class _Rows:
    """Every row, or column, is a group of weight 1."""

    def total(self, rows):
        """Add up one number a row over its group; give every row the sum."""
        return rows

    def largest(self, rows):
        """Take the largest over its group; give it to every row."""
        return rows

    def theta(self, share, of_level):
        """Give t, from the 1 / k_g, 0 where k_g is, and the a_g."""
        return _ratio(share * of_level, share)

    def loss(self, theta):
        """Give w_g t."""
        return theta


class _GroupsOfRows:
    """The groups and weights of a ball, for numbers of shape (n_rows, 1) or (1, n)."""

    def __init__(self, ball, like):
        self.segments = Segments(ball.members, like.numel(), like.device)
        # Only their ratios matter.
        weights = torch.from_numpy(ball.weights / ball.weights.max()).to(like)
        self.weights = self._to_rows(weights, like.shape)
        # Of the rows of a group, so that sums over rows count every group once.
        once = 1 / (torch.ones_like(weights) * self.segments.n_members)
        self.once = self._to_rows(once, like.shape)

    def total(self, rows):
        """Add up one number a row over its group; give every row the sum."""
        return self._to_rows(self.segments.total(rows.reshape(-1)), rows.shape)

    def largest(self, rows):
        """Take the largest over its group; give it to every row."""
        return self._to_rows(self.segments.largest(rows.reshape(-1)), rows.shape)

    def theta(self, share, of_level):
        """Give t, from the 1 / k_g, 0 where k_g is, and the a_g."""
        share = self.once * self.weights * share
        return _ratio(share * of_level, share * self.weights)

    def loss(self, theta):
        """Give w_g t."""
        return self.weights * theta

    def _to_rows(self, groups, shape):
        return self.segments.spread(groups, 0).reshape(shape)


def _ratio(above, below):
    """Give the ratio of two sums; 0 where the second is, as nothing is clipped."""
    below = below.sum()
    return above.sum() / torch.where(below > 0, below, 1)


PLAIN = _Rows()


def _clipped(Y, P, axis, rows=PLAIN):
    """Tell which groups survive, and which of their entries are clipped."""
    level = rows.largest(P.abs().amax(axis, keepdim=True))
    alive = level > 0
    return alive, alive & (Y.abs() > level)


def _of_l1inf(G, Y, P, radius, axis, rows=PLAIN):
    alive, clipped = _clipped(Y, P, axis, rows)
    count = rows.total(clipped.sum(axis, keepdim=True))
    share = _where(count > 0, 1 / count.to(G.dtype).clamp(min=1))
    signs = Y.sign()
    of_level = rows.total(_where(clipped, signs * G).sum(axis, keepdim=True))
    of_theta = rows.theta(share, of_level)
    of_clipped = signs * share * (of_level - rows.loss(of_theta))
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


def _gradient(ball):
    """Return the gradient's function of (G, Y, P, radius, axis) for a ball."""
    if not isinstance(ball, WeightedL1Inf):
        return GRADIENTS[ball]

    def of_weighted(G, Y, P, radius, axis):
        rows = _GroupsOfRows(ball, Y.detach().narrow(axis, 0, 1))
        return _of_l1inf(G, Y, P, radius, axis, rows)

    return of_weighted


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
            outside = _gradient(ctx.ball)(G, Y, P, ctx.radius, ctx.axis)
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
