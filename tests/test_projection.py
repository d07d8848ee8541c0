"""The projection is exact, in the ball, and ends."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

sys.path.insert(0, str(Path(__file__).parent))
from reference_projection import bisection_projection, exact_levels

from skl1inf import (
    l1inf_dual_norm,
    l1inf_norm,
    project_l1,
    project_l1inf,
    project_l1inf_bilevel,
    project_l12,
)
from skl1inf.ball.kernels import project
from skl1inf.ball.kernels._driver import MAX_ITER, SAMPLE_STEP

DTYPES = [np.float64, np.float32]
TOLERANCE = {np.float64: 1e-14, np.float32: 1e-6}
# Newton's method takes two to seven; see docs/projection.md for the bound.
MOST_ITERATIONS = 20
assert MOST_ITERATIONS < MAX_ITER


def check_projection(Y, radius):
    """Project and check everything that holds for any input."""
    original = Y.copy()
    P = project_l1inf(Y, radius)
    np.testing.assert_array_equal(Y, original)
    assert P.dtype == Y.dtype
    assert P.shape == Y.shape
    assert l1inf_norm(P) <= radius
    assert project_l1inf(P, radius).tobytes() == P.tobytes()
    Y = np.ascontiguousarray(Y)
    theta, level, n_iter = project(Y, radius, 1, np.empty_like(Y))
    assert n_iter <= MOST_ITERATIONS
    assert theta >= 0
    np.testing.assert_array_equal(level, np.abs(P).max(axis=1, initial=0))
    return P


def check_exact(Y, radius):
    P = check_projection(Y, radius)
    if l1inf_norm(Y) <= radius:
        assert P.tobytes() == Y.tobytes()
        return
    _, levels = exact_levels(Y, radius)
    level = np.array([float(each) for each in levels])[:, None]
    error = np.abs(P.astype(float) - np.clip(Y.astype(float), -level, level)).max()
    # Nothing is closer than the spacing of the denormal numbers.
    spacing = 2 * float(np.finfo(Y.dtype).smallest_subnormal)
    assert error <= TOLERANCE[Y.dtype.type] * np.abs(Y).max().astype(float) + spacing


def matrices():
    rng = np.random.default_rng(0)
    for n, m in rng.integers(1, 10, (10, 2)):
        Y = rng.standard_normal((n, m))
        yield from [
            Y,
            rng.random((n, m)),
            np.round(2 * Y),
            Y * 10.0 ** rng.uniform(-15, 15, (n, m)),
            Y * 10.0 ** rng.uniform(-12, 12, (n, 1)),
            np.repeat(Y[:1], n, axis=0),
            np.where(rng.random((n, m)) < 0.7, 0, Y),
        ]


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", [1e-7, 1e-3, 0.1, 0.6, 0.999, "ulp"])
def test_exact_on_random_matrices(dtype, share):
    for matrix in matrices():
        Y = matrix.astype(dtype)
        norm = l1inf_norm(Y)
        check_exact(Y, np.nextafter(norm, 0) if share == "ulp" else share * norm)


@pytest.mark.interpreted
@settings(max_examples=100, deadline=None)
@given(
    Y=st.sampled_from([np.float32, np.float64]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
            elements=st.floats(
                allow_nan=False,
                allow_infinity=False,
                width=8 * np.dtype(dtype).itemsize,
            ),
        )
    ),
    share=st.floats(0, 1),
)
def test_exact_on_any_finite_matrix(Y, share):
    check_exact(Y, share * min(l1inf_norm(Y), float(np.finfo(float).max)))


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(30, 2500), (700, 90)])
@pytest.mark.parametrize("share", [1e-3, 0.2, 0.9])
def test_agrees_with_bisection_beyond_one_block(dtype, axis, shape, share):
    Y = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    radius = share * l1inf_norm(Y)
    groups = Y if axis else np.ascontiguousarray(Y.T)
    P = project_l1inf(groups, radius, axis=axis)
    P = P if axis else P.T
    error = np.abs(P - bisection_projection(Y, radius)).max()
    assert error <= TOLERANCE[dtype] * np.abs(Y).max()
    assert l1inf_norm(P) <= radius


MANY = {
    "alike": lambda Y, i: Y,
    "few strong": lambda Y, i: np.where(i % 40 == 7, Y, 1e-3 * Y),
    "strong ones where the sample is": lambda Y, i: np.where(
        i % SAMPLE_STEP == 0, 100 * Y, Y
    ),
    "strong ones where it is not": lambda Y, i: np.where(
        i % SAMPLE_STEP == 1, 100 * Y, Y
    ),
    "nothing where the sample is": lambda Y, i: np.where(i % SAMPLE_STEP == 0, 0, Y),
    "huge in one row": lambda Y, i: np.where(i == 5, 1e30 * Y, Y),
    "growing": lambda Y, i: Y * 1.02**i,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("share", [1e-5, 0.03, 0.6, 0.95, 1.0, 1.5])
def test_agrees_with_bisection_where_a_sample_is_projected_first(dtype, kind, share):
    Y = np.random.default_rng(2).standard_normal((700, 20))
    Y = MANY[kind](Y, np.arange(700)[:, None]).astype(dtype)
    radius = share * l1inf_norm(Y)
    P = check_projection(Y, radius)
    if share >= 1:
        np.testing.assert_array_equal(P, Y)
        return
    error = np.abs(P - bisection_projection(Y, radius)).max()
    assert error <= TOLERANCE[dtype] * np.abs(Y).max()
    in_place = Y.copy()
    project_l1inf(in_place, radius, out=in_place)
    np.testing.assert_array_equal(in_place, P)


HARD = {
    "equal rows": np.tile(np.arange(1.0, 8), (9, 1)),
    "all entries equal": np.full((20, 30), 0.1),
    "one huge entry": np.where(np.arange(60).reshape(6, 10) == 33, 1e30, 1.0),
    "thirty orders of magnitude": 10.0 ** np.linspace(-15, 15, 120).reshape(12, 10),
    "falling rows": 10.0 ** np.linspace(12, -12, 120).reshape(120, 1) * np.ones(3),
    "powers of two": 2.0 ** np.arange(-100, 100).reshape(4, 50),
    "a zero row": np.arange(12.0).reshape(4, 3) * [[0], [1], [1], [1]],
    "entries next to one another": np.nextafter(0.3, np.eye(9, 12)),
    "rows that the others' rounding hides": np.repeat([1.0, 1e-16], [3, 9])[:, None]
    * np.linspace(0.1, 1, 7),
    "flat rows beside a peaked one": np.where(
        np.arange(200)[:, None] > 0, 0.1, np.eye(200, 40)
    ),
    "one row": np.arange(1.0, 9)[None],
    "one column": np.arange(1.0, 9)[:, None],
}


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("share", [0, 1e-40, 1e-24, 1e-6, 0.01, 0.5, 0.99, 1])
def test_exact_on_hard_matrices(dtype, name, share):
    Y = HARD[name].astype(dtype)
    check_exact(Y, share * l1inf_norm(Y))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("unit", ["smallest_subnormal", "tiny", "max"])
@pytest.mark.parametrize("share", [0.01, 0.3, 1])
def test_exact_at_the_ends_of_the_dtype(dtype, unit, share):
    steps = np.random.default_rng(0).integers(0, 100, (5, 7))
    steps[0] = 100
    unit = getattr(np.finfo(dtype), unit)
    Y = steps.astype(dtype) * unit if unit < 1 else (steps / 100).astype(dtype) * unit
    # No norm above the largest number, nor a radius below the smallest.
    check_exact(
        Y, max(share * float(Y.max()), float(np.finfo(dtype).smallest_subnormal))
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(10**6, 1), (1, 10**6)])
@pytest.mark.parametrize("axis", [0, 1])
def test_one_entry_a_group_and_one_group(dtype, shape, axis):
    Y = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    norm = l1inf_norm(Y, axis=axis)
    radius = 0.3 * norm
    P = project_l1inf(Y, radius, axis=axis)
    assert l1inf_norm(P, axis=axis) <= radius
    if Y.shape[axis] == 1:
        # The l1 ball: a soft threshold, found here by sorting in long double.
        entries = np.sort(np.abs(Y.ravel()).astype(np.longdouble))[::-1]
        means = (np.cumsum(entries) - radius) / np.arange(1, entries.size + 1)
        threshold = means[np.flatnonzero(entries > means)[-1]]
        expected = np.sign(Y) * np.maximum(np.abs(Y) - threshold, 0)
    else:
        expected = np.clip(Y, -radius, radius)
    assert np.abs(P - expected).max() <= TOLERANCE[dtype] * np.abs(Y).max()


def test_l1_ball_with_many_groups_is_exact_in_sum():
    Y = np.full((10**5, 1), 0.1)
    P = check_projection(Y, 1000.0)
    np.testing.assert_allclose(P, 0.01, rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiny_radius_next_to_groups_of_all_magnitudes(dtype):
    rng = np.random.default_rng(0)
    Y = (rng.standard_normal((50, 8)) * 10.0 ** rng.uniform(-12, 12, (50, 1))).astype(
        dtype
    )
    P = check_projection(Y, 1e-6 * l1inf_norm(Y))
    assert l1inf_norm(P) > 0


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("radius", [1e-14, 1e-24 / 3])
def test_a_radius_below_the_rounding_of_the_entries(axis, radius):
    P = project_l1inf(np.array([[1.0, 0.7], [0.9, 0.8]]), radius, axis=axis)
    assert (1 - 1e-12) * radius <= l1inf_norm(P, axis=axis) <= radius


def test_a_radius_below_the_rounding_of_sums():
    P = project_l1inf(np.ones((513, 4), np.float32), 1e-8)
    assert 0.999e-8 <= l1inf_norm(P) <= 1e-8


@pytest.mark.parametrize("dtype", DTYPES)
def test_roundings_do_not_add_up_in_a_peaked_row(dtype):
    n, m = 500, 1000
    Y = np.repeat(np.random.default_rng(0).uniform(0.1, 1, (n, 1)), m, 1).astype(dtype)
    Y[0] = 0
    Y[0, 0] = 1
    norm = Y.max(axis=1).astype(np.longdouble).sum()
    # Every entry of the other rows is clipped.
    theta = 1e-5 * norm / (1 + np.longdouble(n - 1) / m)
    P = check_projection(Y, float(norm - 1e-5 * norm))
    tolerance = {np.float64: 1e-12, np.float32: 1e-6}[dtype]
    np.testing.assert_allclose(P[0, 0], float(1 - theta), rtol=0, atol=tolerance)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.8])
def test_optimality_conditions(share):
    Y = np.random.default_rng(0).standard_normal((60, 25))
    radius = share * l1inf_norm(Y)
    W = project_l1inf(Y, radius)
    cut = np.abs(Y - W).sum(axis=1)
    survive = W.any(axis=1)
    theta = cut[survive].mean()
    np.testing.assert_allclose(cut[survive], theta, rtol=1e-12)
    assert (cut[~survive] <= theta * (1 + 1e-12)).all()
    np.testing.assert_allclose(l1inf_norm(W), radius, rtol=1e-14)
    # gap = <G, W> + radius * dual norm of G, with G the gradient at W.
    gap = ((W - Y) * W).sum() + radius * l1inf_dual_norm(W - Y)
    assert abs(gap) <= 1e-12 * radius * theta
    assert (np.sign(W) * np.sign(Y) >= 0).all()


def test_theta_is_what_survivors_lose():
    Y = np.random.default_rng(0).standard_normal((20, 9))
    W = np.empty_like(Y)
    theta, level, _ = project(Y, 3.0, 1, W)
    cut = np.abs(Y - W).sum(axis=1)[W.any(axis=1)]
    np.testing.assert_allclose(cut, theta, rtol=1e-12)
    np.testing.assert_array_equal(level, np.abs(W).max(axis=1))


def test_agrees_with_a_conic_solver():
    cvxpy = pytest.importorskip("cvxpy")
    Y = np.random.default_rng(0).standard_normal((7, 5))
    for radius in (0.5, 3.0, 8.0):
        W = cvxpy.Variable(Y.shape)
        ball = cvxpy.sum(cvxpy.max(cvxpy.abs(W), axis=1)) <= radius
        cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(W - Y)), [ball]).solve(
            "CLARABEL"
        )
        np.testing.assert_allclose(project_l1inf(Y, radius), W.value, atol=1e-4)


def test_nearest_among_points_of_the_ball():
    """The variational inequality <Y - P, W - P> <= 0 for every W in the ball."""
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((9, 6))
    P = project_l1inf(Y, 4.0)
    for _ in range(200):
        W = project_l1inf_bilevel(10 * rng.standard_normal(Y.shape), 4.0)
        assert ((Y - P) * (W - P)).sum() <= 1e-12


def test_norms():
    Y = np.array([[3.0, -1.0], [0.0, 2.0], [0.0, 0.0]])
    assert (l1inf_norm(Y), l1inf_norm(Y, axis=0)) == (5.0, 5.0)
    assert (l1inf_dual_norm(Y), l1inf_dual_norm(Y, axis=0)) == (4.0, 3.0)
    # 2**-30 is lost one by one, not with compensation.
    column = np.r_[2.0**24, np.full(64, 2.0**-30)][:, None]
    assert l1inf_norm(column) == 2.0**24 + 2.0**-24
    assert l1inf_norm(column.astype(np.float32)) == 2.0**24 + 2.0**-24
    assert l1inf_norm(np.full((4, 1), np.finfo(float).max)) == np.inf


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("radius", [0.0, 0.7, 5.0, 1e6])
def test_other_balls(dtype, radius):
    cvxpy = pytest.importorskip("cvxpy")
    Y = np.random.default_rng(0).standard_normal((6, 4)).astype(dtype)

    def nearest(norm):
        W = cvxpy.Variable(Y.shape)
        distance = cvxpy.sum_squares(W - Y.astype(float))
        cvxpy.Problem(cvxpy.Minimize(distance), [norm(W) <= radius]).solve("CLARABEL")
        return W.value

    for P, norm in [
        (project_l1(Y, radius), lambda W: cvxpy.sum(cvxpy.abs(W))),
        (project_l12(Y, radius), lambda W: cvxpy.sum(cvxpy.norm(W, axis=1))),
        (
            project_l12(Y.T, radius, axis=0).T,
            lambda W: cvxpy.sum(cvxpy.norm(W, axis=1)),
        ),
    ]:
        assert P.dtype == dtype
        np.testing.assert_allclose(P, nearest(norm), atol=2e-5)
    vector = project_l1(Y.ravel(), radius)
    np.testing.assert_array_equal(vector.reshape(Y.shape), project_l1(Y, radius))


def test_bilevel_clips_at_the_projected_maxima():
    Y = np.random.default_rng(0).standard_normal((8, 5))
    P = project_l1inf_bilevel(Y, 3.0)
    level = project_l1(np.abs(Y).max(axis=1), 3.0)[:, None]
    np.testing.assert_array_equal(P, np.clip(Y, -level, level))
    np.testing.assert_allclose(l1inf_norm(P), 3.0)
    closest = np.linalg.norm(project_l1inf(Y, 3.0) - Y)
    assert closest < np.linalg.norm(P - Y)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_rows_and_columns_in_any_order_and_of_any_sign(seed):
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((40, 15))
    rows, columns = rng.permutation(40), rng.permutation(15)
    signs = rng.choice([-1, 1], Y.shape)
    moved = project_l1inf((signs * Y)[rows][:, columns], 6.0)
    expected = (signs * project_l1inf(Y, 6.0))[rows][:, columns]
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-14)
