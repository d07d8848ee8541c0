"""Balls to compare with: results are in them to the last bit, and nearest."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skl1inf import (
    l1inf_dual_norm,
    l1inf_norm,
    project_l1,
    project_l1inf_bilevel,
    project_l12,
)

DTYPES = [np.float32, np.float64]


def fsum(numbers):
    try:
        return math.fsum(numbers)
    except OverflowError:
        return math.inf


def norm_l1(Y):
    return fsum(np.abs(Y).ravel().tolist())


def norm_l12(Y):
    return fsum(math.hypot(*row) for row in Y.tolist())


BALLS = [(project_l1, norm_l1), (project_l12, norm_l12)]
BALLS += [(project_l1inf_bilevel, l1inf_norm)]


def check_in_ball(project, norm, Y, radius):
    P = project(Y, radius)
    assert P.dtype == Y.dtype
    assert norm(P) <= radius
    assert project(P, radius).tobytes() == P.tobytes()
    assert (np.abs(P) <= np.abs(Y)).all()
    assert (np.sign(P) * np.sign(Y) >= 0).all()
    return P


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("project", "norm"), BALLS)
@pytest.mark.parametrize("share", [1e-12, 1e-6, 1e-3, 0.3, 0.999])
def test_in_the_ball_and_at_its_edge(project, norm, dtype, share):
    Y = np.random.default_rng(0).standard_normal((300, 40)).astype(dtype)
    radius = share * norm(Y)
    P = check_in_ball(project, norm, Y, radius)
    # Every entry is rounded towards zero, once and a few units more.
    assert norm(P) >= radius * (1 - 16 * np.finfo(dtype).eps)


@settings(max_examples=150, deadline=None)
@given(
    Y=st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
            elements=st.floats(
                allow_nan=False,
                allow_infinity=False,
                width=8 * np.dtype(dtype).itemsize,
            ),
        )
    ),
    share=st.floats(0, 1),
    ball=st.sampled_from(BALLS),
)
def test_any_finite_matrix(Y, share, ball):
    project, norm = ball
    largest = float(np.finfo(float).max)
    check_in_ball(project, norm, Y, share * min(norm(Y), largest))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("project", "norm"), BALLS)
def test_what_is_in_the_ball_stays(project, norm, dtype):
    Y = np.random.default_rng(1).standard_normal((30, 7)).astype(dtype)
    Y[3] = -0.0
    for radius in (norm(Y) * (1 + 1e-15), 2 * norm(Y), np.inf):
        assert project(Y, radius).tobytes() == Y.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("unit", ["tiny", "max"])
@pytest.mark.parametrize(("project", "norm"), BALLS)
def test_the_ends_of_the_dtype(project, norm, dtype, unit):
    """The projection scales with the matrix and the radius."""
    unit = getattr(np.finfo(dtype), unit) / dtype(2)
    Y = np.random.default_rng(2).uniform(-1, 1, (6, 5)).astype(dtype)
    P = check_in_ball(project, norm, Y * unit, 0.7 * float(unit))
    expected = project(Y, 0.7).astype(float)
    atol = 4 * np.finfo(dtype).eps + 2 * np.finfo(dtype).smallest_subnormal / unit
    np.testing.assert_allclose(P.astype(float) / unit, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nearest_in_a_tiny_ball(dtype):
    """The conditions that single out the nearest point: a threshold tau."""
    Y = np.random.default_rng(3).standard_normal((200, 8)).astype(dtype)
    exact = Y.astype(float)
    for share in (1e-6, 1e-3, 0.5):
        P = project_l1(Y, share * norm_l1(Y)).astype(float)
        lost = np.abs(exact) - np.abs(P)
        tau = lost[P != 0].mean()
        atol = 4 * np.finfo(dtype).eps * np.abs(Y).max()
        np.testing.assert_allclose(lost[P != 0], tau, rtol=0, atol=atol)
        assert (lost <= tau + atol).all()
        P = project_l12(Y, share * norm_l12(Y)).astype(float)
        alive = P.any(axis=1)
        lost = np.linalg.norm(exact, axis=1) - np.linalg.norm(P, axis=1)
        tau = lost[alive].mean()
        np.testing.assert_allclose(lost[alive], tau, rtol=0, atol=4 * atol)
        assert (lost <= tau + 4 * atol).all()


@pytest.mark.parametrize(("project", "norm"), BALLS)
@pytest.mark.parametrize("radius", [5e-324, 1e-310, 1e-300])
def test_a_radius_that_the_entries_hide(project, norm, radius):
    Y = np.array([[1e308, 3e307], [9e307, 8e307], [1.0, 1e-300]])
    check_in_ball(project, norm, Y, radius)


def test_sums_beyond_the_dtype():
    largest = np.finfo(np.float32).max
    Y = np.full((3, 2000), largest)
    Y[0] = 1
    assert l1inf_dual_norm(Y) == 2000 * float(largest)
    assert l1inf_dual_norm(np.ascontiguousarray(Y.T), axis=0) == 2000 * float(largest)
    assert l1inf_norm(Y) == 1 + 2 * float(largest)
    assert l1inf_norm(Y.T, axis=0) == 1 + 2 * float(largest)
    Y = np.full((2, 2), np.finfo(float).max)
    assert l1inf_dual_norm(Y) == l1inf_norm(Y) == np.inf
    Y /= 2
    assert l1inf_dual_norm(Y) == l1inf_norm(Y) == np.finfo(float).max
