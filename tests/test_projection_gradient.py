"""The gradient of the projections, and what torch makes of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils import parametrize

from skl1inf import (
    l1inf_norm,
    project_l1,
    project_l1inf,
    project_l1inf_bilevel,
    project_l12,
)

PROJECTIONS = [project_l1inf, project_l1inf_bilevel, project_l12, project_l1]
WITH_AXIS = [
    (project, {"axis": axis}) for project in PROJECTIONS[:3] for axis in (0, 1)
] + [(project_l1, {})]
SHARES = [0.02, 0.2, 0.6, 0.95]
# Room for the finite differences of gradcheck, whose step is 1e-6.
GAP = 1e-4


def matrix(seed=0, shape=(7, 5)):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal(shape)).requires_grad_()


def norm_of(project, Y, axis=-1):
    """The norm of the ball that the function projects onto."""
    magnitudes = Y.detach().abs()
    if project is project_l1:
        return float(magnitudes.sum())
    if project is project_l12:
        return float(torch.linalg.vector_norm(magnitudes, dim=axis).sum())
    return float(magnitudes.amax(axis).sum())


@pytest.mark.parametrize(("project", "axis"), WITH_AXIS)
@pytest.mark.parametrize("share", SHARES)
def test_gradient_agrees_with_finite_differences(project, axis, share):
    Y = matrix()
    radius = share * norm_of(project, Y, **axis)
    assert gradcheck(lambda Y: project(Y, radius, **axis), Y)
    assert gradgradcheck(lambda Y: project(Y, radius, **axis), Y)


def is_smooth(Y, radius):
    """Tell whether no entry is near its level, nor a row near to die or to live."""
    P = project_l1inf(Y, radius)
    level = np.abs(P).max(axis=1)
    alive = level > 0
    sums = np.abs(Y).sum(axis=1)
    theta = (np.abs(Y) - np.abs(P)).sum(axis=1)[alive].mean()
    near_level = np.abs(np.abs(Y) - level[:, None])[alive].min()
    near_death = np.abs(sums - theta).min()
    near_zero = np.abs(Y[alive]).min()
    return min(near_level, near_death, near_zero, theta) > GAP


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    share=st.floats(0.01, 0.99),
    axis=st.sampled_from([0, 1]),
)
def test_gradient_away_from_kinks(seed, shape, share, axis):
    groups = np.random.default_rng(seed).standard_normal(shape)
    radius = share * l1inf_norm(groups)
    if is_smooth(groups, radius):
        Y = groups if axis else groups.T.copy()
        Y = torch.from_numpy(Y).requires_grad_()
        assert gradcheck(lambda Y: project_l1inf(Y, radius, axis=axis), Y)


@pytest.mark.parametrize(
    ("project", "axis"),
    [each for each in WITH_AXIS if each[0] is not project_l1inf_bilevel],
)
def test_a_step_away_from_the_ball_does_not_move_the_nearest_point(project, axis):
    Y = matrix()
    P = project(Y, 0.4 * norm_of(project, Y, **axis), **axis)
    P.backward((Y - P).detach())
    torch.testing.assert_close(Y.grad, torch.zeros_like(Y))


@pytest.mark.parametrize(("project", "axis"), WITH_AXIS)
def test_inside_the_ball_it_is_the_identity(project, axis):
    Y = matrix()
    with torch.no_grad():
        Y[2] = 0
    direction = torch.randn(Y.shape, dtype=Y.dtype)
    project(Y, 1e3, **axis).backward(direction)
    torch.testing.assert_close(Y.grad, direction, rtol=0, atol=0)


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("scale", [0, 1])
def test_at_radius_zero_the_gradient_is_zero(project, scale):
    Y = (scale * matrix().detach()).requires_grad_()
    project(Y, 0).sum().backward()
    assert Y.grad.shape == Y.shape
    assert not Y.grad.any()


def test_dead_rows_have_no_gradient():
    Y = matrix(shape=(40, 6))
    P = project_l1inf(Y, 3.0)
    dead = ~P.any(dim=1)
    assert 0 < dead.sum() < 40
    (P**3).sum().backward()
    assert not Y.grad[dead].any()
    assert Y.grad[~dead].any(dim=1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("project", PROJECTIONS)
def test_other_dtypes(project, dtype):
    exact = matrix().detach().to(dtype).double().requires_grad_()
    Y = exact.detach().to(dtype).requires_grad_()
    (project(exact, 1.5) ** 2).sum().backward()
    (project(Y, 1.5) ** 2).sum().backward()
    assert Y.grad.dtype == dtype
    rtol = 20 * torch.finfo(dtype).eps
    torch.testing.assert_close(Y.grad.double(), exact.grad, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("exponent", [-100, 100])
def test_the_gradient_does_not_depend_on_the_unit(project, dtype, exponent):
    Y = matrix().detach().to(dtype)
    unit = 2.0**exponent
    gradients = []
    for factor in (1.0, unit):
        X = (Y * factor).requires_grad_()
        weights = torch.arange(Y.numel(), dtype=dtype).reshape(Y.shape)
        project(X, 1.5 * factor).backward(weights)
        gradients.append(X.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("project", PROJECTIONS)
def test_empty_tensors(project):
    Y = torch.empty((0, 3), requires_grad=True)
    project(Y, 1.0).sum().backward()
    assert Y.grad.shape == (0, 3)


@pytest.mark.parametrize("project", PROJECTIONS)
def test_out_and_a_gradient_exclude_one_another(project):
    Y, out = matrix(), torch.zeros(7, 5, dtype=torch.float64)
    for given_out in (out, Y):
        kept = given_out.detach().clone()
        with pytest.raises(RuntimeError, match="automatic differentiation"):
            project(Y, 1.0, out=given_out)
        torch.testing.assert_close(given_out.detach(), kept)
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        project(out, 1.0, out=Y)
    with torch.no_grad():
        assert project(Y, 1.0, out=Y) is Y


@pytest.mark.parametrize("project", PROJECTIONS)
def test_no_graph_without_need(project):
    Y = matrix()
    assert project(Y, 1.0).requires_grad
    assert not project(Y.detach(), 1.0).requires_grad
    with torch.no_grad():
        assert not project(Y, 1.0).requires_grad


def test_a_result_that_is_changed_is_noticed():
    Y = matrix()
    P = project_l1inf(Y, 1.0)
    with torch.no_grad():
        P.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        P.sum().backward()


@pytest.mark.parametrize("project", PROJECTIONS)
def test_the_transforms_of_torch_func(project):
    batch = torch.stack([matrix(seed).detach() for seed in range(3)])

    def function(Y):
        return (project(Y, 1.5) ** 3).sum()

    def gradient(Y):
        Y = Y.clone().requires_grad_()
        return torch.autograd.grad(function(Y), Y)[0]

    one_by_one = torch.stack([gradient(Y) for Y in batch])
    torch.testing.assert_close(torch.func.grad(function)(batch[0]), one_by_one[0])
    of_batch = torch.func.vmap(torch.func.grad(function))(batch)
    torch.testing.assert_close(of_batch, one_by_one)
    projected = torch.func.vmap(lambda Y: project(Y, 1.5), in_dims=1, out_dims=1)(
        batch.movedim(0, 1)
    )
    expected = torch.stack([project(Y, 1.5) for Y in batch], dim=1)
    torch.testing.assert_close(projected, expected, rtol=0, atol=0)
    # The second derivative.
    direction = torch.ones_like(batch[0])
    twice = torch.func.grad(lambda Y: (torch.func.grad(function)(Y) * direction).sum())(
        batch[0]
    )
    Y = batch[0].clone().requires_grad_()
    (first,) = torch.autograd.grad(function(Y), Y, create_graph=True)
    (expected,) = torch.autograd.grad((first * direction).sum(), Y)
    torch.testing.assert_close(twice, expected)
    assert expected.any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_forward_mode_is_refused():
    Y = matrix().detach()
    with pytest.raises(NotImplementedError, match="jvp"):
        torch.func.jvp(lambda Y: project_l1inf(Y, 1.0), (Y,), (Y,))


def test_out_inside_a_transform_is_refused():
    out = torch.empty(7, 5, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"torch\.func"):
        torch.func.vmap(lambda Y: project_l1inf(Y, 1.0, out=out))(
            torch.zeros(2, 7, 5, dtype=torch.float64)
        )
    with pytest.raises(TypeError, match=r"torch\.func"):
        torch.func.vmap(lambda Y: torch.tensor(l1inf_norm(Y)))(torch.zeros(2, 7, 5))


class Ball(torch.nn.Module):
    """Parametrization that keeps a weight in the ball."""

    def __init__(self, radius):
        super().__init__()
        self.radius = radius

    def forward(self, W):
        return project_l1inf(W, self.radius, axis=0)


def test_a_parametrized_layer_learns():
    torch.manual_seed(0)
    X = torch.randn(100, 8)
    y = X[:, :2] @ torch.tensor([[2.0], [-1.0]])
    layer = torch.nn.Linear(8, 1, bias=False)
    parametrize.register_parametrization(layer, "weight", Ball(2.5))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (layer(X) - y).square().mean()
        loss.backward()
        optimizer.step()
    assert l1inf_norm(layer.weight, axis=0) <= 2.5
    # One output: the Lasso. At its solution all that is alive has the same gradient.
    W = layer.weight.detach().requires_grad_()
    (X @ W.T - y).square().mean().backward()
    alive = W.detach() != 0
    assert alive.sum() == 2
    torch.testing.assert_close(
        W.grad[alive].abs(), W.grad.abs().max().expand(2), rtol=1e-3, atol=0
    )
