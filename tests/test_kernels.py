"""The kernels: weights, the reference, the cache, and the caller's error state."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skl1inf import l1inf_dual_norm, l1inf_norm, project_l1inf
from skl1inf.ball import _reference
from skl1inf.ball.kernels import compensated, project, statistics

DTYPES = [np.float64, np.float32]
TOLERANCE = {np.float64: 1e-13, np.float32: 2e-6}


def problem(seed, n_groups, group_size, dtype=np.float64):
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((n_groups, group_size)).astype(dtype)
    metric = 10.0 ** rng.uniform(-3, 3, n_groups)
    weights = 10.0 ** rng.uniform(-1, 1, n_groups)
    return Y, metric, weights


def weighted_norm(W, weights):
    return weights @ np.abs(W).max(axis=1).astype(float)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8, 1.2])
def test_reference_agrees_with_a_conic_solver(share):
    cvxpy = pytest.importorskip("cvxpy")
    Y, metric, weights = problem(0, 8, 5)
    metric **= 0.3  # a solver of finite precision
    radius = share * weighted_norm(Y, weights)
    W = cvxpy.Variable(Y.shape)
    distance = cvxpy.sum(metric @ cvxpy.square(W - Y))
    ball = weights @ cvxpy.max(cvxpy.abs(W), axis=1) <= radius
    cvxpy.Problem(cvxpy.Minimize(distance), [ball]).solve("CLARABEL")
    found, _ = _reference.project(Y, radius, metric, weights)
    np.testing.assert_allclose(found, W.value, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_groups=st.integers(1, 12),
    group_size=st.integers(1, 9),
    share=st.floats(1e-6, 0.999),
)
def test_reference_is_optimal(seed, n_groups, group_size, share):
    Y, metric, weights = problem(seed, n_groups, group_size)
    radius = share * weighted_norm(Y, weights)
    W, theta = _reference.project(Y, radius, metric, weights)
    # The dual norm of the gradient m (W - Y), and what each group contributes.
    cut = metric * np.abs(W - Y).sum(axis=1) / weights
    # Near the surface of the ball, what is cut is small against the entries.
    rounding = 1e-14 * (metric / weights * np.abs(Y).sum(axis=1)).max()
    alive = W.any(axis=1)
    np.testing.assert_allclose(cut[alive], theta, rtol=1e-9, atol=rounding)
    assert (cut <= theta + rounding).all()
    np.testing.assert_allclose(weighted_norm(W, weights), radius, rtol=1e-9)
    assert (W * Y >= 0).all()


def test_reference_returns_what_is_in_the_ball():
    Y, metric, weights = problem(0, 6, 4)
    W, theta = _reference.project(Y, 1e3, metric, weights)
    np.testing.assert_array_equal(W, Y)
    assert theta == 0


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [1, 0])
@pytest.mark.parametrize("shape", [(1, 1), (60, 20), (700, 20), (40, 300), (3, 1500)])
@pytest.mark.parametrize("given_weights", ["none", "metric", "weights", "both"])
def test_agrees_with_the_reference(dtype, axis, shape, given_weights):
    Y, metric, weights = problem(1, *shape, dtype)
    metric = metric if given_weights in ("metric", "both") else None
    weights = weights if given_weights in ("weights", "both") else None
    ones = np.ones(len(Y)) if weights is None else weights
    for share in (1e-6, 0.05, 0.5, 0.95):
        radius = share * weighted_norm(Y, ones)
        expected, _ = _reference.project(Y, radius, metric, weights)
        groups = np.ascontiguousarray(Y if axis == 1 else Y.T)
        out = np.empty_like(groups)
        _, level, n_iter = project(groups, radius, axis, out, metric, weights)
        P = out if axis == 1 else out.T
        assert np.abs(P - expected).max() <= TOLERANCE[dtype] * np.abs(Y).max()
        assert compensated(level * ones) <= radius
        np.testing.assert_array_equal(level, np.abs(P).max(axis=1))
        assert 0 < n_iter < 20


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_groups=st.integers(1, 30),
    group_size=st.integers(1, 12),
    share=st.floats(1e-9, 1.1),
    dtype=st.sampled_from(DTYPES),
)
def test_weighted_projection_of_any_matrix(seed, n_groups, group_size, share, dtype):
    Y, metric, weights = problem(seed, n_groups, group_size, dtype)
    Y = np.where(Y < -1, 0, np.round(Y, 1)).astype(dtype)  # zeros and ties
    radius = share * weighted_norm(Y, weights)
    expected, _ = _reference.project(Y, radius, metric, weights)
    out = np.empty_like(Y)
    _, level, _ = project(Y, radius, 1, out, metric, weights)
    largest = np.abs(Y).max(initial=0)
    assert np.abs(out - expected).max() <= TOLERANCE[dtype] * largest
    assert compensated(level * weights) <= radius


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [range(1, 36), (63, 64, 65, 127), (1023, 1024, 2049)])
def test_rows_of_any_length(dtype, sizes):
    """Vectors leave no entry out, and take none of the memory around the matrix."""
    rng = np.random.default_rng(5)
    for size in sizes:
        memory = np.full(3 * size + 64, np.nan, dtype)
        Y = memory[32:-32].reshape(3, size)
        Y[:] = rng.standard_normal((3, size))
        total, largest = statistics(Y, 1)
        exact = np.abs(Y).sum(axis=1, dtype=np.float64)
        np.testing.assert_allclose(total, exact, rtol=TOLERANCE[dtype])
        np.testing.assert_array_equal(largest, np.abs(Y).max(axis=1))
        radius = 0.5 * float(largest.sum())
        expected, _ = _reference.project(Y, radius)
        out = np.empty_like(Y)
        project(Y, radius, 1, out)
        assert np.abs(out - expected).max() <= TOLERANCE[dtype] * largest.max()
        project(Y, radius, 1, Y)
        np.testing.assert_array_equal(Y, out)
        assert np.isnan(memory[:32]).all()
        assert np.isnan(memory[-32:]).all()


def test_weights_of_one_change_nothing():
    Y, _, _ = problem(2, 50, 30)
    one = np.ones(50)
    plain, weighted = np.empty_like(Y), np.empty_like(Y)
    project(Y, 12.0, 1, plain)
    project(Y, 12.0, 1, weighted, one, one)
    np.testing.assert_array_equal(weighted, plain)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_weights_of_any_size(scale):
    """A common factor of the metric has no effect, one of the weights the radius's."""
    Y, metric, weights = problem(3, 30, 6)
    expected, _ = _reference.project(Y, 9.0, metric, weights)
    out = np.empty_like(Y)
    project(Y, 9.0 * scale, 1, out, metric * scale, weights * scale)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-13)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("unit", ["tiny", "one", "max"])
def test_the_callers_error_state_is_ignored(dtype, axis, unit):
    info = np.finfo(dtype)
    unit = {"tiny": info.tiny, "one": dtype(1), "max": info.max / 8}[unit]
    Y = (np.arange(1, 21).reshape(4, 5) / 20 * unit).astype(dtype)
    Y[0, 0] = info.tiny  # below it after the scaling of the largest
    expected = project_l1inf(Y, float(unit), axis=axis)
    norms = l1inf_norm(Y, axis=axis), l1inf_dual_norm(Y, axis=axis)
    with np.errstate(all="raise"):
        in_place = Y.copy()
        project_l1inf(in_place, float(unit), axis=axis, out=in_place)
        found = l1inf_norm(Y, axis=axis), l1inf_dual_norm(Y, axis=axis)
        statistics(Y, axis)
    np.testing.assert_array_equal(in_place, expected)
    assert found == norms


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_refused_matrix_is_left_as_it_is(dtype):
    for bad in (np.nan, np.inf):
        Y = np.full((5, 4), np.finfo(dtype).max, dtype)
        Y[3, 2] = bad
        kept = Y.copy()
        with pytest.raises(ValueError, match="NaN or infinity"):
            project(Y, 1.0, 1, Y)
        np.testing.assert_array_equal(Y, kept)


# The cache ------------------------------------------------------------------------

PROJECT = """
import warnings
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from skl1inf import project_l1inf
    for axis in (0, 1):
        W = project_l1inf(np.array([[3.0, 1.0], [1.0, 3.0]]), 2.0, axis=axis)
        assert abs(W).max(axis=axis).sum() == 2, W
print(len(caught), *{str(each.message) for each in caught})
"""


# Root may write anywhere. So numba is told that it finds no directory to write.
NO_DIRECTORY = """
from numba.core import caching
for name in dir(caching):
    if name.endswith("CacheLocator"):
        getattr(caching, name).from_function = classmethod(lambda *arguments: None)
"""


def run_in_a_new_process(program=PROJECT, **environment):
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_without_a_directory_for_the_cache():
    output = run_in_a_new_process(NO_DIRECTORY + PROJECT)
    assert output.startswith("1 ")
    assert "NUMBA_CACHE_DIR" in output


def test_a_cache_that_is_used_damaged_and_used_again(tmp_path):
    directory = {"NUMBA_CACHE_DIR": str(tmp_path)}

    def files():
        return {path: path.read_bytes() for path in tmp_path.rglob("*.nb?")}

    assert run_in_a_new_process(**directory).startswith("0")
    kept = files()
    assert kept
    assert run_in_a_new_process(**directory).startswith("0")
    assert files() == kept, "compiled again, or saved again"
    for damaged in (b"", b"garbage", b"\x80\x04K\x01."):
        for path in kept:
            path.write_bytes(damaged)
        assert run_in_a_new_process(**directory).startswith("0")
        assert files().keys() == kept.keys()
        assert damaged not in files().values(), "the damage was not mended"
