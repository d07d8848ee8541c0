"""The l1,inf ball with groups of rows, weights and kept rows."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_projection import bisection_projection
from torch.autograd import gradcheck, gradgradcheck

from skl1inf import l1inf_dual_norm, l1inf_norm, project_l1inf
from skl1inf.ball import GroupedBall, L1InfBall, _reference
from skl1inf.ball.kernels import _driver, _torch, members_of

DTYPES = [np.float64, np.float32]
TOLERANCE = {np.float64: 1e-13, np.float32: 2e-6}


class Problem:
    """A matrix, the groups of its rows and their weights."""

    def __init__(self, seed, n_rows, n_columns, given_by="both", dtype=np.float64):
        rng = np.random.default_rng(seed)
        self.Y = rng.standard_normal((n_rows, n_columns)).astype(dtype)
        labels = np.arange(n_rows)
        if given_by != "weights":
            labels = rng.integers(0, rng.integers(1, n_rows + 1), n_rows)
        names, self.groups = np.unique(labels, return_inverse=True)
        self.weights = np.ones(len(names))
        if given_by != "groups":
            self.weights = 10.0 ** rng.uniform(-1, 1, len(names))
        self.options = {
            "groups": {"groups": self.groups},
            "weights": {"weights": self.weights},
            "both": {"groups": self.groups, "weights": self.weights},
        }[given_by]

    def by_group(self, operation, rows):
        """One number a row, as float64, reduced to one a group."""
        reduced = np.zeros(len(self.weights))
        operation.at(reduced, self.groups, rows)
        return reduced

    def norm(self, W):
        return self.weights @ self.by_group(np.maximum, np.abs(W).max(axis=1))

    def dual_norm(self, G):
        return (self.by_group(np.add, np.abs(G).sum(axis=1)) / self.weights).max()

    def project(self, radius, axis=1, **out):
        """The projection; its rows are columns where axis is 0."""
        Y = self.Y if axis == 1 else np.ascontiguousarray(self.Y.T)
        P = project_l1inf(Y, radius, axis=axis, **self.options, **out)
        return P if axis == 1 else P.T


problems = st.builds(
    Problem,
    st.integers(0, 2**32 - 1),
    st.integers(1, 30),
    st.integers(1, 9),
    st.sampled_from(["groups", "weights", "both"]),
    st.sampled_from(DTYPES),
)
shares = st.floats(1e-9, 0.999)


# Exactness ------------------------------------------------------------------------


@pytest.mark.parametrize("given_by", ["groups", "weights", "both"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_bisection(given_by, axis, dtype):
    for seed in range(40):
        n_rows, n_columns = 1 + seed, 1 + 7 * seed % 11
        problem = Problem(seed, n_rows, n_columns, given_by, dtype)
        share = (1e-4, 0.1, 0.5, 0.95, 1.1)[seed % 5]
        radius = share * problem.norm(problem.Y)
        expected = bisection_projection(
            problem.Y, radius, problem.weights, problem.groups
        )
        of_reference, _ = _reference.project(
            problem.Y, radius, weights=problem.weights, groups=problem.groups
        )
        largest = np.abs(problem.Y).max()
        assert np.abs(of_reference - expected).max() <= 1e-13 * largest
        P = problem.project(radius, axis)
        assert P.dtype == dtype
        assert np.abs(P - expected).max() <= TOLERANCE[dtype] * largest
        assert l1inf_norm(P, **problem.options) <= radius


def test_agrees_with_a_conic_solver():
    cvxpy = pytest.importorskip("cvxpy")
    for seed in range(60):
        given_by = ("groups", "weights", "both")[seed % 3]
        problem = Problem(seed, 2 + seed % 6, 1 + seed % 4, given_by)
        Y, weights, groups = problem.Y, problem.weights, problem.groups
        radius = (0.02, 0.3, 0.8)[seed // 3 % 3] * problem.norm(Y)
        W = cvxpy.Variable(Y.shape)
        levels = cvxpy.Variable(len(weights))
        clipped = [cvxpy.abs(W) <= levels[groups][:, None], weights @ levels <= radius]
        distance = cvxpy.Minimize(cvxpy.sum_squares(W - Y))
        cvxpy.Problem(distance, clipped).solve("CLARABEL")
        np.testing.assert_allclose(problem.project(radius), W.value, atol=1e-4)


@pytest.mark.interpreted
@settings(max_examples=100, deadline=None)
@given(problem=problems, share=shares)
def test_the_conditions_of_the_projection_hold(problem, share):
    """Y - P is normal to the ball at P."""
    Y, radius = problem.Y, share * problem.norm(problem.Y)
    P = problem.project(radius)
    assert l1inf_norm(P, **problem.options) <= radius
    level = problem.by_group(np.maximum, np.abs(P).max(axis=1))
    lost = problem.by_group(np.add, (np.abs(Y).astype(float) - np.abs(P)).sum(axis=1))
    eps, tiny = np.finfo(Y.dtype).eps, np.finfo(Y.dtype).tiny
    rounding = 64 * eps * problem.dual_norm(Y.astype(float))
    thetas = lost / problem.weights
    theta = thetas.max()
    alive = level > 0
    assert (theta - thetas[alive] <= rounding).all()
    clipped = np.clip(Y, -level[problem.groups, None], level[problem.groups, None])
    np.testing.assert_array_equal(P, clipped)
    np.testing.assert_allclose(
        problem.weights @ level, radius, rtol=4 * eps, atol=1e3 * tiny
    )


@settings(max_examples=60, deadline=None)
@given(problem=problems, share=st.floats(1e-6, 1.5), seed=st.integers(0, 99))
def test_properties(problem, share, seed):
    rng = np.random.default_rng(seed)
    radius = share * l1inf_norm(problem.Y, **problem.options)
    P = problem.project(radius)
    again = project_l1inf(P, radius, **problem.options)
    np.testing.assert_array_equal(again, P)
    if share >= 1:
        np.testing.assert_array_equal(P, problem.Y)
    # Signs, the order of the columns, and the layout.
    signs = rng.choice([-1, 1], P.shape).astype(P.dtype)
    mirrored = project_l1inf(
        np.asfortranarray(problem.Y * signs), radius, **problem.options
    )
    tolerance = TOLERANCE[P.dtype.type] * np.abs(problem.Y).max()
    np.testing.assert_allclose(mirrored, P * signs, rtol=0, atol=tolerance)
    # The names of the groups: any that have another order.
    order = rng.permutation(len(problem.weights))
    names = np.array([f"{number:03d}" for number in order])
    renamed = project_l1inf(
        problem.Y,
        radius,
        groups=names[problem.groups],
        weights=problem.weights[np.argsort(order)],
    )
    np.testing.assert_allclose(renamed, P, rtol=0, atol=tolerance)
    in_place = problem.Y.copy()
    assert problem.project(radius, out=in_place).base is None
    assert project_l1inf(in_place, radius, out=in_place, **problem.options) is in_place
    np.testing.assert_array_equal(in_place, P)


@settings(max_examples=60, deadline=None)
@given(problem=problems, seed=st.integers(0, 99))
def test_the_norms_are_dual(problem, seed):
    G = problem.Y.astype(np.float64)
    W = np.random.default_rng(seed).standard_normal(G.shape)
    norm = l1inf_norm(W, **problem.options)
    dual_norm = l1inf_dual_norm(G, **problem.options)
    np.testing.assert_allclose(norm, problem.norm(W), rtol=1e-14)
    np.testing.assert_allclose(dual_norm, problem.dual_norm(G), rtol=1e-14)
    assert np.vdot(G, W) <= norm * dual_norm * (1 + 1e-12)
    # The bound is reached by the signs of the best group.
    sums = problem.by_group(np.add, np.abs(G).sum(axis=1)) / problem.weights
    best = np.argmax(sums)
    W = np.where((problem.groups == best)[:, None], np.sign(G), 0)
    reached = np.vdot(G, W) / l1inf_norm(W, **problem.options)
    np.testing.assert_allclose(reached, dual_norm, rtol=1e-12)
    transposed = np.ascontiguousarray(G.T)
    assert l1inf_norm(transposed, axis=0, **problem.options) == l1inf_norm(
        G, **problem.options
    )
    np.testing.assert_allclose(
        l1inf_dual_norm(transposed, axis=0, **problem.options), dual_norm, rtol=1e-14
    )


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_row_a_group_is_the_plain_projection(axis, dtype):
    Y = np.random.default_rng(0).standard_normal((700, 30)).astype(dtype)
    Y = Y if axis == 1 else np.ascontiguousarray(Y.T)
    plain = project_l1inf(Y, 40.0, axis=axis)
    alone = np.arange(700)
    one = np.ones(700)
    for options in (
        {"groups": alone},
        {"weights": one},
        {"groups": alone, "weights": one},
        {"groups": [f"row {i:03d}" for i in alone]},
    ):
        grouped = project_l1inf(Y, 40.0, axis=axis, **options)
        np.testing.assert_array_equal(grouped, plain)
        assert l1inf_norm(Y, axis=axis, **options) == l1inf_norm(Y, axis=axis)
        assert l1inf_dual_norm(Y, axis=axis, **options) == l1inf_dual_norm(Y, axis=axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", [1e-3, 0.3, 0.9])
def test_groups_of_very_unequal_sizes(dtype, share):
    """A sample of the groups is projected first, which may contain the large one."""
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((1200, 5)).astype(dtype)
    groups = rng.permutation(np.maximum(np.arange(1200) - 600, 0))
    radius = share * l1inf_norm(Y, groups=groups)
    P = project_l1inf(Y, radius, groups=groups)
    expected = bisection_projection(Y, radius, groups=groups)
    assert np.abs(P - expected).max() <= TOLERANCE[dtype] * np.abs(Y).max()
    assert l1inf_norm(P, groups=groups) <= radius


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("unit", "weight"), [("tiny", 1.0), ("tiny", 1e60), ("max", 1.0), ("max", 1e-60)]
)
def test_numbers_and_weights_of_any_size(dtype, unit, weight):
    info = np.finfo(dtype)
    unit = float({"tiny": info.tiny / 8, "max": info.max / 8}[unit])
    problem = Problem(3, 12, 4)
    Y = (problem.Y / np.abs(problem.Y).max() * unit).astype(dtype)
    radius = 0.3 * problem.norm(Y.astype(float))
    expected = bisection_projection(Y, radius, problem.weights, problem.groups)
    options = {"groups": problem.groups, "weights": problem.weights * weight}
    P = project_l1inf(Y, radius * weight, **options)
    atol = 2 * TOLERANCE[dtype] * unit + 2 * info.smallest_subnormal
    np.testing.assert_allclose(P.astype(np.longdouble), expected, rtol=0, atol=atol)
    assert l1inf_norm(P, **options) <= radius * weight


@pytest.mark.parametrize("ratio", [1e12, 1e60, 1e100])
def test_weights_of_very_different_sizes(ratio):
    Y = np.random.default_rng(0).standard_normal((6, 4))
    weights = np.array([1.0, ratio, 1.0, 1 / ratio, 1.0, 1.0])
    for radius in (1e-3, 1.0, ratio):
        P = project_l1inf(Y, radius, weights=weights)
        norm = l1inf_norm(P, weights=weights)
        full = min(radius, l1inf_norm(Y, weights=weights))
        assert full * (1 - 1e-12) <= norm <= radius


def test_threads_give_the_same_result(monkeypatch):
    problem = Problem(0, 900, 20, "both")
    expected = problem.project(15.0)
    monkeypatch.setattr(_driver, "ENTRIES_PER_THREAD", 10)
    monkeypatch.setattr(_driver, "ENTRIES_PER_PASS", 10)
    for threads in (1, 2, 5):
        monkeypatch.setattr(_driver, "threads_allowed", lambda threads=threads: threads)
        np.testing.assert_array_equal(problem.project(15.0), expected)


# Tensors --------------------------------------------------------------------------


@pytest.mark.parametrize("given_by", ["groups", "weights", "both"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_runs_on_a_device_agrees(given_by, axis, dtype):
    for seed, share in enumerate((1e-6, 0.01, 0.3, 0.95, 2)):
        problem = Problem(seed, 40, 6, given_by, dtype)
        radius = share * problem.norm(problem.Y)
        expected = problem.project(radius, axis)
        Y = torch.from_numpy(problem.Y)
        Y = Y if axis == 1 else Y.T.contiguous()
        on_cpu = project_l1inf(Y, radius, axis=axis, **problem.options)
        of_cpu = on_cpu.numpy() if axis == 1 else on_cpu.numpy().T
        np.testing.assert_array_equal(of_cpu, expected)
        members = None
        if given_by != "weights":
            members = members_of(problem.groups, len(problem.weights))
        out = torch.full_like(Y, torch.nan)
        *_, n_iter = _torch.project(Y, radius, axis, out, problem.weights, members)
        found = out.numpy() if axis == 1 else out.numpy().T
        largest = np.abs(problem.Y).max()
        assert np.abs(found - expected).max() <= TOLERANCE[dtype] * largest
        assert l1inf_norm(out, axis=axis, **problem.options) <= radius
        assert n_iter <= 20


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("given_by", ["groups", "weights", "both"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_cuda_agrees(given_by, dtype):
    problem = Problem(0, 3000, 50, given_by, dtype)
    radius = 0.2 * problem.norm(problem.Y)
    Y = torch.from_numpy(problem.Y).cuda().requires_grad_()
    P = project_l1inf(Y, radius, **problem.options)
    expected = problem.project(radius)
    atol = TOLERANCE[dtype] * np.abs(problem.Y).max()
    np.testing.assert_allclose(P.detach().cpu(), expected, rtol=0, atol=atol)
    assert l1inf_norm(P, **problem.options) <= radius
    again = project_l1inf(Y, radius, **problem.options)
    torch.testing.assert_close(again, P, rtol=0, atol=0)
    on_cpu = torch.from_numpy(problem.Y).requires_grad_()
    (project_l1inf(on_cpu, radius, **problem.options) ** 3).sum().backward()
    (P**3).sum().backward()
    torch.testing.assert_close(Y.grad.cpu(), on_cpu.grad, rtol=1e-3, atol=1e-4)
    ball = GroupedBall(problem.groups - 1, problem.weights[1:])  # the first is kept
    W, radii = Y.detach()[None].clone(), torch.tensor([radius], device="cuda")
    ball.project_(W, radii)
    for of_ball in (ball.sizes, ball.dual_sizes, ball.norm, ball.dual_norm):
        torch.testing.assert_close(of_ball(W).cpu(), of_ball(W.cpu()))


@pytest.mark.parametrize("given_by", ["groups", "weights", "both"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("share", [0.05, 0.6])
def test_gradient_agrees_with_finite_differences(given_by, axis, share):
    problem = Problem(4, 7, 4, given_by)
    Y = torch.from_numpy(problem.Y if axis == 1 else problem.Y.T.copy())
    Y.requires_grad_()
    radius = share * problem.norm(problem.Y)

    def function(Y):
        return project_l1inf(Y, radius, axis=axis, **problem.options)

    assert gradcheck(function, Y)
    assert gradgradcheck(function, Y)

    def scalar(Y):
        return (function(Y) ** 3).sum()

    batch = torch.stack([Y.detach(), 2 * Y.detach()])
    gradient = torch.func.grad(scalar)
    one_by_one = torch.stack([gradient(each) for each in batch])
    torch.testing.assert_close(torch.func.vmap(gradient)(batch), one_by_one)


def test_weights_and_groups_may_be_tensors():
    problem = Problem(0, 12, 4)
    Y = torch.from_numpy(problem.Y)
    P = project_l1inf(
        Y,
        1.0,
        weights=torch.from_numpy(problem.weights),
        groups=torch.from_numpy(problem.groups),
    )
    np.testing.assert_array_equal(P, problem.project(1.0))


# Errors ---------------------------------------------------------------------------

ERRORS = {
    "groups too short": ({"groups": [0, 1]}, ValueError, "groups must have one label"),
    "a matrix of groups": ({"groups": [[0, 1, 2]]}, ValueError, "groups must be 1-d"),
    "a number": ({"groups": 3}, ValueError, "groups must be 1-dimensional"),
    "floats": ({"groups": [0.0, 1.0, 1.0]}, TypeError, "groups must hold integers"),
    "a mask": ({"groups": [True, False, True]}, TypeError, "groups must hold int"),
    "missing": ({"groups": ["a", None, "b"]}, TypeError, "groups must hold integers"),
    "masked": (
        {"groups": np.ma.masked_array([0, 1, 1], [1, 0, 0])},
        TypeError,
        "groups must not be a masked array",
    ),
    "weights too long": ({"weights": np.ones(4)}, ValueError, "each of the 3 groups"),
    "one a row": (
        {"groups": [0, 0, 1], "weights": np.ones(3)},
        ValueError,
        "each of the 2 groups",
    ),
    "a weight of 0": ({"weights": [1, 0, 1]}, ValueError, "weights must be positive"),
    "negative": ({"weights": [1, -1, 1]}, ValueError, "weights must be positive"),
    "NaN": ({"weights": [1, np.nan, 1]}, ValueError, "weights must be positive"),
    "infinite": ({"weights": [1, np.inf, 1]}, ValueError, "weights must be positive"),
    "tiny": ({"weights": [1, 1e-310, 1]}, ValueError, "weights must be between"),
    "complex": ({"weights": [1, 1j, 1]}, TypeError, "weights must be real numbers"),
    "names": ({"weights": ["1", "2", "3"]}, TypeError, "weights must be real numbers"),
    "a weight alone": ({"weights": 2.0}, ValueError, "weights must be 1-dimensional"),
}


@pytest.mark.parametrize(("options", "error", "match"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("as_given", [np.asarray, torch.as_tensor])
def test_errors(options, error, match, as_given):
    Y = as_given(np.arange(12.0).reshape(3, 4))
    kept = as_given(np.arange(12.0).reshape(3, 4))
    for function in (
        lambda **options: project_l1inf(Y, 1.0, out=Y, **options),
        lambda **options: l1inf_norm(Y, **options),
        lambda **options: l1inf_dual_norm(Y, **options),
    ):
        with pytest.raises(error, match=match):
            function(**options)
    assert (kept == Y).all()


def test_groups_are_those_of_the_columns_for_axis_0():
    Y = np.ones((3, 4))
    with pytest.raises(ValueError, match="each of the 4 rows"):
        project_l1inf(Y, 1.0, axis=0, groups=[0, 1, 2])
    assert l1inf_norm(Y, axis=0, groups=["a", "a", "b", "b"]) == 2


def test_other_bad_input_is_refused_as_without_groups():
    groups = [0, 0, 1]
    with pytest.raises(ValueError, match="2-dimensional, got 1"):
        project_l1inf(np.ones(3), 1.0, groups=groups)
    with pytest.raises(ValueError, match="NaN"):
        project_l1inf(np.full((3, 2), np.nan), 1.0, groups=groups)
    with pytest.raises(ValueError, match="radius"):
        project_l1inf(np.ones((3, 2)), -1.0, groups=groups)
    with pytest.raises(ValueError, match="axis"):
        project_l1inf(np.ones((3, 2)), 1.0, axis=2, groups=groups)
    np.testing.assert_array_equal(
        project_l1inf(np.ones((3, 2)), 0, groups=groups), np.zeros((3, 2))
    )
    empty = project_l1inf(np.ones((0, 2)), 1.0, groups=[], weights=[])
    assert empty.shape == (0, 2)


# The ball of the network and the linear model ------------------------------------


def ball_problem(seed, n_replicas=3, n_rows=20, n_columns=4, dtype=np.float64):
    """A ball with kept rows; weights and groups; tensors."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(-1, 7, n_rows)
    groups[:7] = np.arange(7)
    groups[7] = -1
    weights = 10.0 ** rng.uniform(-0.5, 0.5, 7)
    Y = rng.standard_normal((n_replicas, n_rows, n_columns)).astype(dtype)
    radius = torch.from_numpy(rng.uniform(0.3, 2.5, n_replicas).astype(dtype))
    return GroupedBall(groups, weights), groups, weights, torch.from_numpy(Y), radius


@pytest.mark.parametrize("dtype", DTYPES)
def test_ball_projects_every_replica_and_clips_kept_rows(dtype):
    ball, groups, weights, Y, radius = ball_problem(0, dtype=dtype)
    W = Y.clone()
    ball.project_(W, radius)
    in_groups = groups >= 0
    for P, source, limit in zip(W.numpy(), Y.numpy(), radius.tolist(), strict=True):
        options = {"groups": groups[in_groups], "weights": weights}
        expected = project_l1inf(source[in_groups], limit, **options)
        np.testing.assert_array_equal(P[in_groups], expected)
        np.testing.assert_array_equal(
            P[~in_groups], source[~in_groups].clip(-limit, limit)
        )
        assert l1inf_norm(P[in_groups], **options) <= limit
    inside = 0.01 * Y
    ball.project_(inside, torch.full_like(radius, 10.0))
    torch.testing.assert_close(inside, 0.01 * Y, rtol=0, atol=0)
    ball.project_(inside, torch.zeros_like(radius))
    assert not inside.any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_sizes_of_the_ball(seed):
    ball, groups, weights, Y, radius = ball_problem(seed)
    Y[:, groups == 2] = 0
    ball.project_(Y, radius)
    sizes, norm = ball.sizes(Y), ball.norm(Y)
    kept = torch.from_numpy(groups < 0)
    torch.testing.assert_close(sizes[:, ~kept].sum(1), norm)
    assert (norm <= radius * (1 + 1e-12)).all()
    np.testing.assert_array_equal(sizes[:, kept] > 0, Y[:, kept].any(2))
    for g in range(len(weights)):
        alive = Y[:, groups == g].flatten(1).any(1)
        np.testing.assert_array_equal(
            sizes[:, groups == g] > 0, alive[:, None].expand(-1, (groups == g).sum())
        )
    of_array = GroupedBall(np.abs(groups), weights)
    W = Y[0].numpy()
    expected = l1inf_norm(W, groups=np.abs(groups), weights=weights)
    np.testing.assert_allclose(of_array.norm(W), expected)
    np.testing.assert_allclose(of_array.sizes(W).sum(), expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_dual_norm_is_the_support_function(seed):
    """The largest <G, W> over the ball is the radius times the dual norm."""
    ball, groups, weights, G, radius = ball_problem(seed)
    support = radius * ball.dual_norm(G)
    dual_sizes = ball.dual_sizes(G)
    kept = torch.from_numpy(groups < 0)
    assert (dual_sizes[:, kept] == torch.inf).all()
    # The best point: the signs of the best group and of all kept rows.
    W = torch.zeros_like(G)
    best = dual_sizes.masked_fill(kept, -1).argmax(1).numpy()
    for r, row in enumerate(best):
        of_group = groups == groups[row]
        W[r, of_group] = G[r, of_group].sign() * radius[r] / weights[groups[row]]
        W[r, kept] = G[r, kept].sign() * radius[r]
    torch.testing.assert_close((G * W).sum((1, 2)), support)
    torch.testing.assert_close(ball.norm(W), radius)
    other = torch.randn(G.shape, dtype=G.dtype)
    ball.project_(other, radius)
    assert ((G * other).sum((1, 2)) <= support * (1 + 1e-12)).all()
    # At a projection, the residual is normal to the ball: the gap is zero.
    far = 3 * G
    ball.project_(far, radius)
    gap = radius * ball.dual_norm(far - 3 * G) + ((far - 3 * G) * far).sum((1, 2))
    assert (gap.abs() <= 1e-10 * support).all()


def test_restrict_keeps_what_concerns_the_rows():
    ball, groups, _, Y, radius = ball_problem(1)
    order = np.argsort(groups, kind="stable")
    chosen = [np.isin(groups, some) for some in ([-1, 0, 3], [1, 2, 5], [-1, 4, 6])]
    size = max(each.sum() for each in chosen)
    index = []
    for each in chosen:  # padded by rows that are zero
        rest = [row for row in order if not each[row]]
        index.append(np.sort([*np.flatnonzero(each), *rest[: size - each.sum()]]))
    index = torch.from_numpy(np.array(index))
    inside = torch.from_numpy(np.array(chosen)).gather(1, index)
    alone = torch.where(torch.from_numpy(np.array(chosen))[:, :, None], Y, 0)
    part = torch.take_along_dim(alone, index[:, :, None], 1)
    restricted = ball.restrict(index)
    for name in ("norm", "dual_norm"):
        whole = getattr(ball, name)(alone)
        torch.testing.assert_close(getattr(restricted, name)(part), whole)
    for name in ("sizes", "dual_sizes"):
        whole = getattr(ball, name)(alone).gather(1, index)
        found = getattr(restricted, name)(part)
        torch.testing.assert_close(found[inside], whole[inside])
    ball.project_(alone, radius)
    restricted.project_(part, radius)
    expected = torch.take_along_dim(alone, index[:, :, None], 1)
    torch.testing.assert_close(part, expected)
    # Again, of rows of the rows.
    twice = restricted.restrict(torch.arange(size - 2).expand(3, -1))
    once = ball.restrict(index[:, : size - 2])
    torch.testing.assert_close(
        twice.dual_norm(Y[:, : size - 2]), once.dual_norm(Y[:, : size - 2])
    )


def test_a_ball_that_has_been_used_can_be_pickled():
    ball, _, _, Y, radius = ball_problem(2)
    ball.project_(Y, radius)
    norm = ball.norm(Y)
    assert torch.equal(pickle.loads(pickle.dumps(ball)).norm(Y), norm)


def test_a_ball_of_kept_rows_alone():
    ball = GroupedBall(np.full(3, -1), np.zeros(0))
    W = torch.tensor([[[3.0, 0.5], [-2.0, 0.0], [0.0, 0.0]]])
    ball.project_(W, torch.tensor([1.0]))
    assert W.tolist() == [[[1.0, 0.5], [-1.0, 0.0], [0.0, 0.0]]]
    assert ball.norm(W) == 0
    assert ball.dual_norm(W) == 2.5


def array_problem(seed, positive=False):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.arange(12) // 3)
    weights = rng.uniform(0.3, 3, 4)
    metric = (10.0 ** rng.uniform(-1, 1, 4))[groups]
    ball = GroupedBall(groups, weights, positive)
    return ball, groups, weights, metric, rng.standard_normal((12, 3))


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.5])
def test_ball_of_the_linear_model(positive, share):
    ball, groups, weights, metric, V = array_problem(0, positive)
    kept = V.copy()
    target = np.maximum(V, 0) if positive else V
    radius = share * l1inf_norm(target, groups=groups, weights=weights)
    expected, _ = _reference.project(target, radius, None, weights, groups)
    P = ball.project(V, radius)
    np.testing.assert_allclose(P, expected, atol=1e-13)
    assert l1inf_norm(P, groups=groups, weights=weights) <= radius
    of_groups = metric[np.unique(groups, return_index=True)[1]]
    expected, _ = _reference.project(target, radius, of_groups, weights, groups)
    project = ball.projection_in_metric(metric)
    for _ in range(2):
        np.testing.assert_allclose(project(V, radius), expected, atol=1e-13)
    np.testing.assert_array_equal(V, kept)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("theta", [0.0, 0.3, 1.0, 100.0])
def test_proximal_point(positive, theta):
    """It is the projection onto the ball of its own norm, with this multiplier."""
    ball, groups, weights, metric, V = array_problem(1, positive)
    target = np.maximum(V, 0) if positive else V
    W = ball.shrink_in_metric(V, metric, theta)
    lost = np.zeros(4)
    np.add.at(lost, groups, metric * np.abs(target - W).sum(axis=1))
    alive = np.array([W[groups == g].any() for g in range(4)])
    np.testing.assert_allclose(lost[alive], (theta * weights)[alive], atol=1e-12)
    assert (lost <= theta * weights + 1e-12).all()
    project = ball.projection_in_metric(metric)
    np.testing.assert_allclose(project(V, ball.norm(W)), W, atol=1e-12)


def test_groups_of_one_row_are_the_plain_ball():
    rng = np.random.default_rng(0)
    Y = torch.from_numpy(rng.standard_normal((2, 30, 5)))
    radius = torch.tensor([1.0, 3.0], dtype=torch.float64)
    plain, grouped = L1InfBall(), GroupedBall(np.arange(30), np.ones(30))
    first, second = Y.clone(), Y.clone()
    plain.project_(first, radius)
    grouped.project_(second, radius)
    assert torch.equal(first, second)
    V, metric = Y[0].numpy(), rng.uniform(0.5, 2, 30)
    np.testing.assert_array_equal(plain.project(V, 2.0), grouped.project(V, 2.0))
    for name in ("sizes", "norm", "dual_sizes", "dual_norm"):
        torch.testing.assert_close(getattr(plain, name)(Y), getattr(grouped, name)(Y))
        np.testing.assert_allclose(getattr(plain, name)(V), getattr(grouped, name)(V))
    np.testing.assert_array_equal(
        plain.projection_in_metric(metric)(V, 2.0),
        grouped.projection_in_metric(metric)(V, 2.0),
    )
    np.testing.assert_array_equal(
        plain.shrink_in_metric(V, metric, 0.7), grouped.shrink_in_metric(V, metric, 0.7)
    )
    index = torch.tensor([[1, 4], [0, 29]])
    assert plain.restrict(index) is plain
    torch.testing.assert_close(
        grouped.restrict(index).sizes(Y[:, :2]), plain.sizes(Y[:, :2])
    )
