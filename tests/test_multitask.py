"""The regressors over the l1,inf ball against theory and independent solvers."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Lasso, LinearRegression, MultiTaskLasso
from sklearn.model_selection import GroupKFold, KFold

from skl1inf import (
    L1InfMultiTaskRegressor,
    L1InfMultiTaskRegressorCV,
    l1inf_norm,
    l1inf_path,
)
from skl1inf.ball import L1InfBall

KINDS = ["wide", "tall", "correlated", "duplicated", "scaled"]


def make_problem(seed, kind="wide", n_targets=3, noise=1.0):
    rng = np.random.default_rng(seed)
    n_samples, n_features = (12, 20) if kind == "wide" else (25, 10)
    X = rng.standard_normal((n_samples, n_features)) + rng.standard_normal(n_features)
    if kind == "correlated":
        X += 3 * rng.standard_normal((n_samples, 1))
    if kind == "duplicated":
        X[:, 1] = X[:, 0]
        X[:, 2] = X[:, 0] - X[:, 3]
        X[:, 4] = 0
        X[:, 5] = 7.3
    if kind == "scaled":
        X *= 10.0 ** rng.integers(-2, 3, n_features)
    W = rng.standard_normal((n_features, n_targets))
    W[4:] = 0
    Y = X @ W + noise * rng.standard_normal((n_samples, n_targets)) + 5
    return X, Y


def centred(X, Y, weight):
    return X - weight @ X, Y - weight @ Y


def objective(X, Y, model, sample_weight=None):
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    residual = Y - X @ model.coef_.T - model.intercept_
    return weight @ (residual**2).sum(axis=1) / (2 * weight.sum())


def null_objective(Y, sample_weight=None, fit_intercept=True):
    weight = np.ones(len(Y)) if sample_weight is None else sample_weight
    if fit_intercept:
        Y = Y - np.average(Y, axis=0, weights=weight)
    return weight @ (Y**2).sum(axis=1) / (2 * weight.sum())


def solve_with_clarabel(X, Y, radius, sample_weight, fit_intercept, positive):
    """Smallest objective in the ball, by an interior-point method."""
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    root = np.sqrt(weight / weight.sum())[:, None]
    W = cp.Variable((X.shape[1], Y.shape[1]), nonneg=positive)
    fitted = X @ W
    if fit_intercept:
        fitted = fitted + np.ones((len(X), 1)) @ cp.Variable((1, Y.shape[1]))
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(cp.multiply(root, Y - fitted)) / 2),
        [cp.sum(cp.max(cp.abs(W), axis=1)) <= radius],
    )
    tolerances = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # near its limit it may call itself inaccurate
        problem.solve(solver="CLARABEL", **dict.fromkeys(tolerances, 1e-12))
    return problem.value


@pytest.mark.parametrize("seed", range(50))
def test_objective_agrees_with_an_interior_point_method(seed):
    rng = np.random.default_rng(seed)
    X, Y = make_problem(seed, KINDS[seed % 5], n_targets=1 + seed % 4)
    if seed % 7 == 0:
        Y[:, 0] = 3
    sample_weight = rng.integers(0, 4, len(X)) * 0.7 if seed % 3 == 0 else None
    fit_intercept, positive = seed % 4 != 0, seed % 6 == 1
    free = LinearRegression(fit_intercept=fit_intercept)
    norm = l1inf_norm(free.fit(X, Y, sample_weight).coef_, axis=0)
    radius = norm * 10 ** rng.uniform(-2, 0.3)
    model = L1InfMultiTaskRegressor(
        radius, fit_intercept=fit_intercept, positive=positive, tol=1e-10
    ).fit(X, Y, sample_weight)
    best = solve_with_clarabel(X, Y, radius, sample_weight, fit_intercept, positive)
    scale = null_objective(Y, sample_weight, fit_intercept)
    assert_allclose(
        objective(X, Y, model, sample_weight), best, rtol=0, atol=1e-8 * scale
    )
    assert l1inf_norm(model.coef_, axis=0) <= radius
    assert not positive or model.coef_.min() >= 0


@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gap_is_the_duality_gap_and_bounds_the_error(kind, positive, tol):
    X, Y = make_problem(3, kind)
    s = np.random.default_rng(0).uniform(0.5, 2, len(X))
    model = L1InfMultiTaskRegressor(radius=1.5, positive=positive, tol=tol)
    model.fit(X, Y, s)
    Xc, Yc = centred(X, Y, s / s.sum())
    W = model.coef_.T
    G = -Xc.T @ (s[:, None] * (Yc - Xc @ W)) / s.sum()
    alpha = (np.maximum(-G, 0) if positive else np.abs(G)).sum(axis=1).max()
    scale = null_objective(Y, s)
    gap = np.vdot(G, W) + 1.5 * alpha
    assert_allclose(model.dual_gap_, gap, rtol=1e-6, atol=1e-12 * scale)
    assert_allclose(model.alpha_, alpha, rtol=1e-9)
    assert model.dual_gap_ <= tol * scale
    exact = L1InfMultiTaskRegressor(radius=1.5, positive=positive, tol=1e-12)
    error = objective(X, Y, model, s) - objective(X, Y, exact.fit(X, Y, s), s)
    assert -1e-12 * scale <= error <= model.dual_gap_ + 1e-12 * scale


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_one_target_is_the_lasso(seed, positive, fit_intercept):
    X, Y = make_problem(seed, "tall", n_targets=1)
    options = {"positive": positive, "fit_intercept": fit_intercept, "tol": 1e-10}
    model = L1InfMultiTaskRegressor(radius=1.0, **options).fit(X, Y[:, 0])
    lasso = Lasso(model.alpha_, max_iter=100_000, **options).fit(X, Y[:, 0])
    assert model.coef_.shape == lasso.coef_.shape
    assert isinstance(model.intercept_, float)
    assert_allclose(model.coef_, lasso.coef_, rtol=0, atol=1e-6)
    assert_allclose(model.intercept_, lasso.intercept_, rtol=0, atol=1e-5)


def test_solution_is_that_of_the_penalty_alpha():
    X, Y = make_problem(0, "tall")
    model = L1InfMultiTaskRegressor(radius=2.0, tol=1e-12).fit(X, Y)
    W = cp.Variable((X.shape[1], Y.shape[1]))
    Xc, Yc = centred(X, Y, np.full(len(X), 1 / len(X)))
    loss = cp.sum_squares(Yc - Xc @ W) / (2 * len(X))
    penalty = cp.sum(cp.max(cp.abs(W), axis=1))
    cp.Problem(cp.Minimize(loss + model.alpha_ * penalty)).solve(solver="CLARABEL")
    assert_allclose(W.value.T, model.coef_, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_loose_radius_gives_least_squares(kind):
    X, Y = make_problem(1, kind)
    scale = null_objective(Y)
    model = L1InfMultiTaskRegressor(radius=1e4, tol=1e-9).fit(X, Y)
    best = objective(X, Y, LinearRegression().fit(X, Y))
    assert_allclose(objective(X, Y, model), best, rtol=0, atol=1e-9 * scale)
    assert model.alpha_ * 1e4 <= 2e-9 * scale


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize(
    "container", [np.asfortranarray, sparse.csr_array, sparse.csc_matrix]
)
def test_containers_and_the_gram_matrix_do_not_matter(container, precompute):
    X, Y = make_problem(0)
    X[X < 0.5] = 0
    options = {"radius": 2.0, "tol": 1e-12}
    expected = L1InfMultiTaskRegressor(**options).fit(X, Y)
    model = L1InfMultiTaskRegressor(precompute=precompute, **options)
    model.fit(container(X), Y)
    assert_allclose(model.coef_, expected.coef_, rtol=0, atol=1e-6)
    assert_allclose(model.intercept_, expected.intercept_, rtol=0, atol=1e-6)
    assert_allclose(model.sparse_coef_.toarray(), model.coef_)


def test_more_features_than_a_working_set_takes():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 400))
    Y = X[:, :150] @ rng.standard_normal((150, 4))
    model = L1InfMultiTaskRegressor(radius=60.0, tol=1e-9).fit(X, Y)
    assert np.count_nonzero(model.coef_.any(axis=0)) > 64
    assert model.dual_gap_ <= 1e-9 * null_objective(Y)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_float32_is_kept_and_its_gap_is_exact(container):
    X, Y = make_problem(0)
    X = X.astype(np.float32)
    model = L1InfMultiTaskRegressor(radius=2.0, tol=1e-5).fit(container(X), Y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert model.predict(X).dtype == np.float32
    assert l1inf_norm(model.coef_, axis=0) <= 2.0
    Xc, Yc = centred(X.astype(float), Y, np.full(len(X), 1 / len(X)))
    W = model.coef_.T.astype(float)
    G = -Xc.T @ (Yc - Xc @ W) / len(X)
    gap = np.vdot(G, W) + 2 * np.abs(G).sum(axis=1).max()
    assert_allclose(model.dual_gap_, gap, rtol=0, atol=1e-10 * null_objective(Y))
    assert model.dual_gap_ <= 1e-5 * null_objective(Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "container", [np.asfortranarray, sparse.csr_array, sparse.csc_array]
)
def test_inputs_are_left_alone(container, dtype):
    X, Y = make_problem(0)
    X = container(X.astype(dtype))
    s = np.arange(len(Y), dtype=float)
    for array in (X if isinstance(X, np.ndarray) else X.data, Y, s):
        array.flags.writeable = False
    L1InfMultiTaskRegressor().fit(X, Y, s)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_scaling_the_targets_scales_the_solution(scale):
    X, Y = make_problem(2)
    model = L1InfMultiTaskRegressor(radius=2.0, tol=1e-10).fit(X, Y)
    scaled = L1InfMultiTaskRegressor(radius=2.0 * scale, tol=1e-10)
    scaled.fit(X, Y * scale)
    assert_allclose(scaled.coef_ / scale, model.coef_, rtol=0, atol=1e-5)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_constant_targets_and_constant_columns_give_zeros(container):
    X = np.full((5, 3), 0.1)
    Y = np.random.default_rng(0).standard_normal((5, 2))
    model = L1InfMultiTaskRegressor(radius=10).fit(container(X), Y)
    assert_array_equal(model.coef_, np.zeros((2, 3)))
    X, Y = make_problem(0)
    model.fit(container(X), np.full_like(Y, 0.1))
    assert_array_equal(model.coef_, np.zeros((3, 20)))
    assert model.dual_gap_ == 0
    assert_allclose(model.intercept_, 0.1)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_columns_that_are_all_constant_survive_any_radius(container):
    X = np.full((5, 3), 0.1)
    Y = np.random.default_rng(0).standard_normal((5, 2))
    with warnings.catch_warnings():  # the radius magnifies rounding
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = L1InfMultiTaskRegressor(radius=1e18).fit(container(X), Y)
    assert_array_equal(model.coef_, np.zeros((2, 3)))


@pytest.mark.interpreted
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_projection_in_a_metric_meets_its_optimality_conditions(seed):
    rng = np.random.default_rng(seed)
    V = rng.standard_normal((rng.integers(1, 8), rng.integers(1, 6)))
    V = V.round(rng.integers(0, 3)) * 10.0 ** rng.integers(-3, 4, (len(V), 1))
    weights = 10.0 ** rng.uniform(-4, 4, len(V))
    radius = np.abs(V).max(axis=1).sum() * rng.uniform(0.01, 1.2) + 1e-3
    P = L1InfBall().projection_in_metric(weights)(V, radius)
    if l1inf_norm(V) <= radius:
        assert_array_equal(P, V)
        return
    assert_allclose(np.abs(P).max(axis=1).sum(), radius, rtol=1e-12)
    cut = weights * (np.abs(V) - np.abs(P)).sum(axis=1)
    alive = P.any(axis=1)
    tolerance = 1e-9 * (weights * np.abs(V).sum(axis=1)).max()
    theta = cut[alive].mean()
    assert_allclose(cut[alive], theta, rtol=1e-9, atol=tolerance)
    assert (cut[~alive] <= theta + tolerance).all()


def test_unconverged_fit_warns_with_the_gap_reached():
    X, Y = make_problem(0)
    with pytest.warns(ConvergenceWarning, match=r"radius=2.*duality gap") as caught:
        model = L1InfMultiTaskRegressor(radius=2, max_iter=1, tol=1e-12).fit(X, Y)
    assert f"{model.dual_gap_:.3g}" in str(caught[0].message)
    assert model.n_iter_ == 1
    with pytest.warns(ConvergenceWarning, match="of 3 radii"):
        l1inf_path(X, Y, radii=3, max_iter=1, tol=1e-12)


def test_warm_start_saves_steps():
    X, Y = make_problem(0)
    model = L1InfMultiTaskRegressor(radius=2, tol=1e-8, warm_start=True).fit(X, Y)
    expected = model.coef_
    assert model.fit(X, Y).n_iter_ == 0
    assert_allclose(model.coef_, expected, rtol=1e-12)
    assert model.fit(X[:, 1:], Y[:, 0]).coef_.shape == (19,)


def test_warm_start_on_a_column_that_has_become_zero():
    X, Y = make_problem(0)
    model = L1InfMultiTaskRegressor(radius=2, tol=1e-10, warm_start=True).fit(X, Y)
    X[:, np.flatnonzero(model.coef_.any(axis=0))[0]] = 0
    expected = L1InfMultiTaskRegressor(radius=2, tol=1e-10).fit(X, Y)
    assert_allclose(model.fit(X, Y).coef_, expected.coef_, rtol=0, atol=1e-6)


CONTAINERS = [np.asarray, np.asfortranarray, sparse.csr_array, sparse.csc_matrix]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("level", [1e8, -1e12])
def test_constant_column_far_from_zero_changes_nothing(container, level):
    for seed in range(25):
        rng = np.random.default_rng(seed)
        X, Y = make_problem(seed, "tall")
        s = rng.uniform(0.1, 3, len(X))
        model = L1InfMultiTaskRegressor(10 ** rng.uniform(-1, 3), tol=1e-10)
        expected = model.fit(container(X), Y, s).coef_
        X = np.insert(X, 3, level, axis=1)
        found = model.fit(container(X), Y, s).coef_  # a warning would fail
        assert_allclose(np.delete(found, 3, axis=1), expected, rtol=0, atol=1e-12)
        assert not found[:, 3].any()


@pytest.mark.parametrize("container", CONTAINERS)
def test_columns_and_targets_may_be_far_from_zero(container):
    X, Y = make_problem(0, "tall")
    X, Y = X.round(3), Y.round(3)
    shift = np.array([0, 1e10, -1e11, 1e9, 0, 1e12, 0, 0, 0, 0])
    s = np.random.default_rng(0).uniform(0.1, 3, len(X))
    model = L1InfMultiTaskRegressor(2.0, tol=1e-10).fit(container(X), Y, s)
    # Adding the shift rounds X; take the rounded values as the data.
    rounded = (X + shift) - shift
    expected = model.fit(container(rounded), Y, s).coef_
    found = model.fit(container(X + shift), Y + 1e9, s).coef_
    assert_allclose(found, expected, rtol=0, atol=1e-6)
    options = {"radii": [2.0], "tol": 1e-10, "standardize_targets": False}
    _, coefs, gaps = l1inf_path(container(X + shift), Y, sample_weight=s, **options)
    _, expected, _ = l1inf_path(container(rounded), Y, sample_weight=s, **options)
    assert_allclose(coefs, expected, rtol=0, atol=1e-6)
    assert gaps[0] <= 1e-10 * null_objective(Y, s)


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_duplicate_entries_of_sparse_data_are_summed(format):
    X, Y = make_problem(0)
    X[X < 0.5] = 0
    dense = sparse.coo_array(X)
    halves = [dense.data / 4, dense.data * 0.75]
    rows, columns = (np.tile(index, 2) for index in dense.coords)
    order = np.lexsort((columns, rows) if format == "csr" else (rows, columns))
    major, minor = (rows, columns) if format == "csr" else (columns, rows)
    counts = np.bincount(major, minlength=X.shape[format == "csc"])
    pointers = np.append(0, np.cumsum(counts))
    container = sparse.csr_array if format == "csr" else sparse.csc_array
    twice = container(
        (np.concatenate(halves)[order], minor[order], pointers), shape=X.shape
    )
    assert twice.nnz == 2 * dense.nnz
    entries = twice.data.copy()
    model = L1InfMultiTaskRegressor(2.0, tol=1e-12)
    expected = model.fit(X, Y).coef_
    assert_allclose(model.fit(twice, Y).coef_, expected, rtol=0, atol=1e-6)
    assert_array_equal(twice.data, entries)


def test_numpy_state_of_the_caller_is_not_obeyed():
    X, Y = make_problem(0)
    Y *= 1e-155  # squares are denormal
    model = L1InfMultiTaskRegressor(2e-155)
    search = L1InfMultiTaskRegressorCV(radii=[1e-155, 2e-155])
    with np.errstate(all="raise"):
        model.fit(X, Y)
        search.fit(X, Y)
        l1inf_path(X, Y, radii=3)
        with pytest.raises(ValueError, match="y has entries too large"):
            model.fit(X, Y * 1e300 * 1e60)
        assert np.geterr()["under"] == "raise"


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_shapes_follow_the_dimensions_of_y(fit_intercept):
    X, Y = make_problem(0, n_targets=1)
    model = L1InfMultiTaskRegressor(2, fit_intercept=fit_intercept)
    search = L1InfMultiTaskRegressorCV(radii=[1, 2], fit_intercept=fit_intercept)
    for y, reference in [(Y, MultiTaskLasso()), (Y[:, 0], Lasso())]:
        reference.set_params(fit_intercept=fit_intercept).fit(X, y)
        for fitted in (model.fit(X, y), search.fit(X, y)):
            assert fitted.coef_.shape == reference.coef_.shape
            assert fitted.predict(X).shape == reference.predict(X).shape == y.shape
            if fit_intercept:
                assert np.shape(fitted.intercept_) == np.shape(reference.intercept_)
        assert l1inf_path(X, y, radii=3)[1].shape == (*reference.coef_.shape, 3)


class StopAfter:
    """Stops a fit at the end of a round."""

    def __init__(self, n_rounds):
        self.n_rounds = n_rounds

    def setup(self, estimator, context):
        self.tasks = []

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.tasks.append(context.task_name)
        return self.tasks.count("round") == self.n_rounds


def test_callback_stops_with_a_valid_model():
    X, Y = make_problem(0)
    callback = StopAfter(1)
    model = L1InfMultiTaskRegressor(radius=2, tol=1e-12).set_callbacks(callback)
    model.fit(X, Y)
    assert callback.tasks == ["round", "fit"]
    assert model.dual_gap_ > 1e-12 * null_objective(Y)
    assert l1inf_norm(model.coef_, axis=0) <= 2


def test_scoring_monitor_follows_the_fit():
    X, Y = make_problem(0)
    monitor = ScoringMonitor(scoring="r2")
    model = L1InfMultiTaskRegressor(radius=2, tol=1e-12).set_callbacks(monitor)
    model.fit(X, Y)
    rounds = [row for row in monitor.get_logs().data if row["task_name"] == "round"]
    assert len(rounds) > 1
    assert_allclose(rounds[-1]["r2"], model.score(X, Y))
    monitor = ScoringMonitor(scoring="r2")
    model = L1InfMultiTaskRegressorCV(radii=[1, 2]).set_callbacks(monitor).fit(X, Y)
    refit = [row for row in monitor.get_logs().data if row["task_name"] == "refit"]
    assert_allclose(refit[0]["r2"], model.score(X, Y))


@pytest.mark.parametrize("positive", [False, True])
def test_path_agrees_with_single_fits(positive):
    X, Y = make_problem(0)
    options = {"positive": positive, "tol": 1e-10, "standardize_targets": False}
    radii, coefs, gaps = l1inf_path(X, Y, radii=[4, 0.5, 2], **options)
    assert_array_equal(radii, [0.5, 2, 4])
    for radius, coef, gap in zip(radii, coefs.transpose(2, 0, 1), gaps, strict=True):
        model = L1InfMultiTaskRegressor(radius, **options).fit(X, Y)
        assert_allclose(coef, model.coef_, rtol=0, atol=1e-6)
        assert gap <= 1e-10 * null_objective(Y)


def test_weights_of_a_path_act_as_repetitions():
    X, Y = make_problem(0)
    times = np.arange(len(X)) % 3
    options = {"radii": [0.5, 2], "tol": 1e-10}
    _, weighted, _ = l1inf_path(X, Y, sample_weight=times, **options)
    repeated = X.repeat(times, axis=0), Y.repeat(times, axis=0)
    _, expected, _ = l1inf_path(*repeated, **options)
    assert_allclose(weighted, expected, rtol=0, atol=1e-6)


def test_path_of_constant_targets_is_zero():
    X, Y = make_problem(0)
    radii, coefs, gaps = l1inf_path(X, np.ones_like(Y), radii=3)
    assert (radii > 0).all()
    assert not coefs.any()
    assert not gaps.any()


def standardise(Y, weight):
    """Give the targets the same variance, whose mean stays."""
    variance = np.average((Y - np.average(Y, 0, weight)) ** 2, 0, weight)
    scale = np.sqrt(variance.mean() / variance)
    return Y * scale, scale


def penalised_norm(X, Y, weight, alpha, positive):
    """Norm of the solution of a penalty, by an interior-point method."""
    weight = weight / weight.sum()
    Xc, Yc = centred(X, Y, weight)
    W = cp.Variable((X.shape[1], Y.shape[1]), nonneg=positive)
    loss = cp.sum_squares(cp.multiply(np.sqrt(weight)[:, None], Yc - Xc @ W)) / 2
    penalty = cp.sum(cp.max(cp.abs(W), axis=1))
    cp.Problem(cp.Minimize(loss + alpha * penalty)).solve(solver="CLARABEL")
    return l1inf_norm(W.value)


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("kind", ["wide", "tall", "duplicated", "correlated"])
def test_automatic_radii_are_the_norms_along_equal_ratios(kind, positive, precompute):
    X, Y = make_problem(0, kind)
    s = np.random.default_rng(0).uniform(0.5, 2, len(X))
    options = {"positive": positive, "tol": 1e-9, "standardize_targets": False}
    radii, coefs, gaps = l1inf_path(
        X, Y, radii=4, eps=1e-2, sample_weight=s, precompute=precompute, **options
    )
    Xc, Yc = centred(X, Y, s / s.sum())
    G = -Xc.T @ (s[:, None] * Yc) / s.sum()
    largest = (np.maximum(-G, 0) if positive else np.abs(G)).sum(axis=1).max()
    for k, radius in enumerate(radii):
        alpha = largest * 1e-2 ** ((k + 1) / 4)
        expected = penalised_norm(X, Y, s, alpha, positive)
        assert_allclose(radius, expected, rtol=1e-4)
        assert_allclose(l1inf_norm(coefs[:, :, k], axis=0), radius, rtol=1e-12)
    assert (gaps <= 1e-9 * null_objective(Y, s)).all()
    _, same, _ = l1inf_path(X, Y, radii=radii, sample_weight=s, **options)
    if kind != "duplicated":  # there the solution is not unique
        assert_allclose(coefs, same, rtol=0, atol=1e-4 * np.abs(same).max())


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
@pytest.mark.parametrize("kind", KINDS)
def test_gaps_of_automatic_radii_bound_the_error(kind, tol):
    X, Y = make_problem(3, kind)
    radii, coefs, gaps = l1inf_path(X, Y, radii=5, tol=tol, standardize_targets=False)
    Xc, Yc = centred(X, Y, np.full(len(X), 1 / len(X)))
    for radius, coef, gap in zip(radii, coefs.transpose(2, 1, 0), gaps, strict=True):
        best = solve_with_clarabel(X, Y, radius, None, True, False)
        value = ((Yc - Xc @ coef) ** 2).sum() / (2 * len(X))
        assert value - best <= gap + 1e-9 * null_objective(Y)
        assert l1inf_norm(coef) <= radius * (1 + 1e-12)
    assert (np.diff(radii) >= 0).all()


def test_path_of_one_target_has_one_dimension_less():
    X, Y = make_problem(0)
    assert l1inf_path(X, Y[:, 0], radii=1)[1].shape == (X.shape[1], 1)


def test_standardised_targets_are_those_scaled_beforehand():
    X, Y = make_problem(0, "tall")
    Y[:, 1] *= 1000
    s = np.arange(1.0, len(X) + 1)
    scaled, scale = standardise(Y, s)
    options = {"tol": 1e-10, "standardize_targets": True}
    plain = {"tol": 1e-10, "standardize_targets": False}
    model = L1InfMultiTaskRegressor(300, **options).fit(X, Y, s)
    expected = L1InfMultiTaskRegressor(300, **plain).fit(X, scaled, s)
    assert_allclose(model.coef_ * scale[:, None], expected.coef_, rtol=1e-9)
    assert_allclose(model.predict(X) * scale, expected.predict(X), rtol=1e-9)
    assert_allclose(model.alpha_, expected.alpha_)
    assert_allclose(model.dual_gap_, expected.dual_gap_, rtol=1e-3)
    again = L1InfMultiTaskRegressor(300, warm_start=True, **options).fit(X, Y, s)
    assert again.fit(X, Y, s).n_iter_ == 0
    radii, coefs, _ = l1inf_path(X, Y, radii=5, sample_weight=s, **options)
    same_radii, same, _ = l1inf_path(X, scaled, radii=5, sample_weight=s, **plain)
    assert_allclose(radii, same_radii, rtol=1e-6)
    assert_allclose(coefs * scale[:, None, None], same, rtol=0, atol=1e-3)
    search = L1InfMultiTaskRegressorCV(radii=10, **options).fit(X, Y, s)
    expected = L1InfMultiTaskRegressorCV(radii=10, **plain).fit(X, scaled, s)
    assert_allclose(search.mse_path_, expected.mse_path_, rtol=1e-4)
    assert_allclose(search.radius_, expected.radius_, rtol=1e-6)


def test_unit_of_a_target_does_not_matter_to_the_search():
    X, Y = make_problem(0, "tall", noise=3.0)
    search = L1InfMultiTaskRegressorCV(radii=20, tol=1e-8)
    expected = search.fit(X, Y).predict(X)
    units = np.array([1, 1000, 1])
    found = search.fit(X, Y * units).predict(X)
    assert_allclose(found / units, expected, rtol=0, atol=1e-3)
    constant = search.fit(X, np.column_stack([Y, np.full(len(Y), 7.0)])).predict(X)
    assert_allclose(constant[:, 3], 7)


def test_one_target_is_left_as_it_is():
    X, Y = make_problem(0, n_targets=1)
    for y in (Y, Y[:, 0]):
        _, coefs, _ = l1inf_path(X, 1000 * y, radii=[1000])
        expected = L1InfMultiTaskRegressor(1000).fit(X, 1000 * y).coef_
        assert_array_equal(coefs[..., 0], expected)


def test_search_ends_once_errors_have_risen_and_finds_the_same_radius():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 100))
    Y = X[:, :3] @ rng.standard_normal((3, 2)) + 2 * rng.standard_normal((60, 2))
    search = L1InfMultiTaskRegressorCV(radii=50).fit(X, Y)
    assert len(search.radii_) == len(search.mse_path_) < 50
    all_radii, _, _ = l1inf_path(X, Y, radii=50)
    assert_allclose(search.radii_, all_radii[: len(search.radii_)], rtol=1e-6)
    every = L1InfMultiTaskRegressorCV(radii=all_radii).fit(X, Y)
    assert len(every.radii_) == 50  # given radii are all tried
    assert every.radius_ == pytest.approx(search.radius_, rel=1e-6)
    mean = search.mse_path_.mean(axis=1)
    assert mean[-1] > 1.05 * mean.min()


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_validation_agrees_with_explicit_fits(weighted):
    X, Y = make_problem(0, "tall")
    s = np.arange(1.0, len(X) + 1) if weighted else None
    folds = list(KFold(3).split(X))
    model = L1InfMultiTaskRegressorCV(
        radii=[0.5, 1, 2, 4], cv=folds, tol=1e-10, standardize_targets=False
    )
    model.fit(X, Y, s)
    for k, radius in enumerate(model.radii_):
        for fold, (train, test) in enumerate(folds):
            single = L1InfMultiTaskRegressor(radius, tol=1e-10)
            single.fit(X[train], Y[train], None if s is None else s[train])
            errors = ((Y[test] - single.predict(X[test])) ** 2).mean(axis=1)
            mse = np.average(errors, weights=None if s is None else s[test])
            assert_allclose(model.mse_path_[k, fold], mse, rtol=1e-5)
    assert model.radius_ == model.radii_[model.mse_path_.mean(axis=1).argmin()]
    single = L1InfMultiTaskRegressor(model.radius_, tol=1e-10).fit(X, Y, s)
    assert_allclose(model.coef_, single.coef_)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_folds_of_many_samples_agree_with_explicit_fits(fit_intercept, weighted):
    """They share a Gram matrix."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 8)) + 1
    X[:, 1] = np.arange(60) < 15  # constant in a training set
    X[:, 2] = 0.1
    Y = X[:, 3:6] @ rng.standard_normal((3, 2)) + rng.standard_normal((60, 2))
    if fit_intercept:
        X[:, 3] += 1e7
        Y[:, 0] += 1e6
    s = rng.uniform(0.5, 2, 60) if weighted else None
    options = {"fit_intercept": fit_intercept, "tol": 1e-9}
    folds = list(KFold(4).split(X))
    masks = [tuple(np.isin(np.arange(60), part) for part in fold) for fold in folds]
    search = L1InfMultiTaskRegressorCV(
        radii=[0.3, 1, 1e3], cv=masks, standardize_targets=False, **options
    ).fit(X, Y, s)
    for k, radius in enumerate(search.radii_):
        for fold, (train, test) in enumerate(folds):
            single = L1InfMultiTaskRegressor(radius, **options)
            single.fit(X[train], Y[train], None if s is None else s[train])
            errors = ((Y[test] - single.predict(X[test])) ** 2).mean(axis=1)
            mse = np.average(errors, weights=None if s is None else s[test])
            assert_allclose(search.mse_path_[k, fold], mse, rtol=1e-4)
    search.set_params(precompute=False)  # nothing is shared
    expected = search.mse_path_
    assert_allclose(search.fit(X, Y, s).mse_path_, expected, rtol=1e-4)


def test_cross_validation_in_parallel_is_the_same():
    X, Y = make_problem(0, "tall")
    one = L1InfMultiTaskRegressorCV(radii=5, n_jobs=1).fit(X, Y)
    two = L1InfMultiTaskRegressorCV(radii=5, n_jobs=2).fit(X, Y)
    assert_allclose(two.mse_path_, one.mse_path_, rtol=1e-10)


def test_groups_and_weights_are_routed():
    X, Y = make_problem(0, "tall")
    groups = np.arange(len(X)) % 5
    with config_context(enable_metadata_routing=True):
        splitter = GroupKFold(5).set_split_request(groups=True)
        model = L1InfMultiTaskRegressorCV(radii=[1, 2], cv=splitter)
        routed = model.fit(X, Y, groups=groups).mse_path_
        L1InfMultiTaskRegressor().set_fit_request(sample_weight=True)
    folds = list(GroupKFold(5).split(X, groups=groups))
    expected = L1InfMultiTaskRegressorCV(radii=[1, 2], cv=folds).fit(X, Y)
    assert_allclose(routed, expected.mse_path_)


def test_select_from_model_keeps_the_features_in_use():
    X, Y = make_problem(0)
    selector = SelectFromModel(L1InfMultiTaskRegressor(radius=2), threshold=1e-10)
    selector.fit(X, Y)
    used = selector.estimator_.coef_.any(axis=0)
    assert_array_equal(selector.get_support(), used)
    assert 0 < used.sum() < X.shape[1]


BAD = {
    "radius is zero": ({"radius": 0}, {}),
    "radius is negative": ({"radius": -1.0}, {}),
    "radius is NaN": ({"radius": np.nan}, {}),
    "radius is infinite": ({"radius": np.inf}, {}),
    "radius is a string": ({"radius": "1"}, {}),
    "tol is negative": ({"tol": -1}, {}),
    "max_iter is zero": ({"max_iter": 0}, {}),
    "precompute is a matrix": ({"precompute": np.eye(2)}, {}),
    "X is complex": ({}, {"X": np.ones((12, 20)) * 1j}),
    "X has NaN": ({}, {"X": np.full((12, 20), np.nan)}),
    "X is a vector": ({}, {"X": np.ones(12)}),
    "X is empty": ({}, {"X": np.ones((12, 0))}),
    "X has strings": ({}, {"X": [["a"] * 20] * 12}),
    "y is too short": ({}, {"y": np.ones(11)}),
    "y has NaN": ({}, {"y": np.full(12, np.nan)}),
    "y has three dimensions": ({}, {"y": np.ones((12, 2, 2))}),
    "y is missing": ({}, {"y": None}),
    "y is too large": ({}, {"y": np.geomspace(1, 1e200, 12)}),
    "y is sparse": ({}, {"y": sparse.csr_array(np.ones((12, 2)))}),
    "weights are negative": ({}, {"sample_weight": np.full(12, -1.0)}),
    "weights are all zero": ({}, {"sample_weight": np.zeros(12)}),
    "weights are too short": ({}, {"sample_weight": np.ones(11)}),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    parameters, data = BAD[case]
    X, Y = make_problem(0)
    data = {"X": X, "y": Y} | data
    named = case.split()[0] if parameters else ""
    if "sample_weight" in data:
        named = "sample_weight|sample weights"
    for model in (L1InfMultiTaskRegressor(), L1InfMultiTaskRegressorCV(radii=[1, 2])):
        if not parameters.keys() <= model.get_params().keys():
            continue
        model.fit(X[:, :4], Y).set_params(**parameters)
        before = dict(vars(model))
        with pytest.raises((ValueError, TypeError), match=f"(?i){named}"):
            model.fit(**data)
        assert vars(model) == before


@pytest.mark.parametrize(
    ("cv", "sample_weight"),
    [
        ([([], [0, 1])], None),
        ([([0, 1], [])], None),
        (KFold(3), np.arange(12) < 4),
        (KFold(13), None),
    ],
)
def test_bad_folds_are_named(cv, sample_weight):
    X, Y = make_problem(0)
    model = L1InfMultiTaskRegressorCV(radii=[1, 2]).fit(X[:, :4], Y).set_params(cv=cv)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"cv makes a|Cannot have number of splits"):
        model.fit(X, Y, sample_weight)
    assert vars(model) == before


@pytest.mark.parametrize("radii", [[1, -1], [0.0], [], [np.nan], [[1.0]], 0, "many"])
def test_bad_radii_are_named(radii):
    X, Y = make_problem(0)
    for fit in (
        lambda: l1inf_path(X, Y, radii=radii),
        lambda: L1InfMultiTaskRegressorCV(radii=radii).fit(X, Y),
    ):
        with pytest.raises(ValueError, match=r"radii|radius|array|scalar"):
            fit()
