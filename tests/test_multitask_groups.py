"""The regressors with groups of features and kept features."""

import warnings

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from skl1inf import (
    L1InfMultiTaskRegressor,
    L1InfMultiTaskRegressorCV,
    l1inf_path,
)

CONTAINERS = [np.asarray, np.asfortranarray, sparse.csr_array, sparse.csc_matrix]


def make_problem(seed, n_features=16, n_groups=6, n_targets=3, n_kept=2):
    """Return X, Y, labels, weights of the groups, and kept features."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((25, n_features)) + rng.standard_normal(n_features)
    X[:, ::2] += rng.standard_normal((25, 1))
    W = (
        rng.standard_normal((n_features, n_targets))
        * (rng.random(n_features) < 0.4)[:, None]
    )
    Y = X @ W + rng.standard_normal((25, n_targets)) + 5
    kept = np.sort(rng.choice(n_features, n_kept, replace=False))
    labels = n_groups + np.searchsorted(kept, np.arange(n_features))  # none of a group
    rest = np.delete(np.arange(n_features), kept)
    labels[rest] = rng.permutation(np.arange(len(rest)) % n_groups)
    return X, Y, labels, rng.uniform(0.5, 3, n_groups), kept


def with_kept(weights, kept):
    """Return weights also for the kept features, whose groups come last."""
    return np.append(weights, np.full(len(kept), 9.0))  # which do not count


def in_groups(values, labels, operation, n_groups):
    """Reduce the values of the rows of every group."""
    return np.array([operation(values[labels == g]) for g in range(n_groups)])


def group_norm(W, labels, weights):
    largest = in_groups(np.abs(W), labels, np.max, len(weights))
    return (weights * largest).sum()


def certificate(X, Y, model, labels, weights, kept, radius, sample_weight=None):
    """Return the gap, alpha and the relative gap, all from the definitions."""
    s = np.ones(len(X)) if sample_weight is None else sample_weight
    s = s / s.sum()
    W = np.atleast_2d(model.coef_).T
    residual = Y - X @ W - model.intercept_
    G = -X.T @ (s[:, None] * residual)
    size = np.abs(X).max() * np.abs(Y).max()
    assert_allclose(G[kept], 0, atol=1e-12 * size)
    if model.fit_intercept:
        assert_allclose(s @ residual, 0, atol=1e-12 * size)
    falling = np.maximum(-G, 0) if model.positive else np.abs(G)
    alpha = (in_groups(falling, labels, np.sum, len(weights)) / weights).max()
    free = np.setdiff1d(np.arange(len(W)), kept)
    gap = np.vdot(G[free], W[free]) + radius * alpha
    return gap, alpha, s @ (residual**2).sum(axis=1) / 2


def null_objective(X, Y, kept, sample_weight, fit_intercept):
    s = np.ones(len(X)) if sample_weight is None else sample_weight
    root = np.sqrt(s / s.sum())[:, None]
    A = np.column_stack([X[:, kept], np.ones((len(X), int(fit_intercept)))]) * root
    free = np.linalg.lstsq(A, root * Y)[0] if A.shape[1] else np.zeros((0, Y.shape[1]))
    return ((root * Y - A @ free) ** 2).sum() / 2


def solve_with_clarabel(
    X, Y, labels, weights, radius, sample_weight, fit_intercept, positive
):
    """Smallest objective, by an interior-point method; kept rows are free."""
    s = np.ones(len(X)) if sample_weight is None else sample_weight
    root = np.sqrt(s / s.sum())[:, None]
    W, bounds = cp.Variable((X.shape[1], Y.shape[1])), cp.Variable(len(weights))
    free = np.flatnonzero(labels < len(weights))
    lower = 0 if positive else -1
    fitted = X @ W + np.full((len(X), 1), fit_intercept) @ cp.Variable((1, Y.shape[1]))
    limits = [weights @ bounds <= radius]
    for j in range(Y.shape[1]):
        limits += [W[free, j] <= bounds[labels[free]]]
        limits += [lower * bounds[labels[free]] <= W[free, j]]
    loss = cp.sum_squares(cp.multiply(root, Y - fitted)) / 2
    problem = cp.Problem(cp.Minimize(loss), limits)
    tolerances = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # near its limit it may call itself inaccurate
        problem.solve(solver="CLARABEL", **dict.fromkeys(tolerances, 1e-12))
    return problem.value


@pytest.mark.parametrize("seed", range(50))
def test_objective_agrees_with_an_interior_point_method(seed):
    rng = np.random.default_rng(seed)
    X, Y, labels, weights, kept = make_problem(
        seed, n_groups=3 + seed % 8, n_targets=1 + seed % 4, n_kept=seed % 5
    )
    if seed % 4 == 3:
        X[X < 0.5] = 0
    if seed % 7 == 6 and len(kept) > 1:
        X[:, kept[1]] = 3 * X[:, kept[0]] + 1  # with an intercept it adds nothing
    if seed % 9 == 8:
        X[:, np.flatnonzero(labels == 0)[0]] = 7
    if seed % 10 == 9 and len(kept):
        X[:, np.flatnonzero(labels == 1)[0]] = X[:, kept[0]]
    sample_weight = rng.integers(0, 4, len(X)) * 0.7 if seed % 3 == 0 else None
    fit_intercept, positive = seed % 5 != 0, seed % 6 == 1
    radius = 10 ** rng.uniform(-1, 1.5)
    model = L1InfMultiTaskRegressor(
        radius,
        fit_intercept=fit_intercept,
        positive=positive,
        feature_groups=labels,
        group_weights=with_kept(weights, kept),
        keep_features=kept,
        tol=1e-10,
    )
    model.fit(CONTAINERS[seed % 4](X), Y, sample_weight)
    scale = null_objective(X, Y, kept, sample_weight, fit_intercept)
    gap, alpha, objective = certificate(
        X, Y, model, labels, weights, kept, radius, sample_weight
    )
    assert_allclose(model.dual_gap_, gap, rtol=1e-6, atol=1e-11 * scale)
    assert_allclose(model.alpha_, alpha, rtol=1e-7, atol=1e-11 * scale)
    assert model.dual_gap_ <= 1e-10 * scale
    best = solve_with_clarabel(
        X, Y, labels, weights, radius, sample_weight, fit_intercept, positive
    )
    assert_allclose(objective, best, rtol=0, atol=1e-8 * scale)
    W = model.coef_.T
    assert group_norm(W, labels, weights) <= radius * (1 + 1e-15)
    assert not positive or W[labels < len(weights)].min() >= 0


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("container", CONTAINERS)
def test_kept_features_are_eliminated_as_by_regressing_them_out(container, precompute):
    """The theorem of Frisch, Waugh and Lovell."""
    X, Y, labels, weights, kept = make_problem(0, n_kept=3)
    X[X < 0] = 0
    X[:, kept[2]] = 2 * X[:, kept[0]] - X[:, kept[1]]
    options = {"radius": 1.5, "tol": 1e-12}
    model = L1InfMultiTaskRegressor(
        feature_groups=labels, keep_features=kept, precompute=precompute, **options
    )
    model.set_params(group_weights=with_kept(weights, kept)).fit(container(X), Y)
    rest = np.setdiff1d(np.arange(X.shape[1]), kept)
    K = X[:, kept]
    out = LinearRegression().fit(K, np.column_stack([X[:, rest], Y]))
    residual = np.column_stack([X[:, rest], Y]) - out.predict(K)
    expected = L1InfMultiTaskRegressor(
        feature_groups=labels[rest], group_weights=weights, **options
    ).fit(residual[:, : len(rest)], residual[:, len(rest) :])
    assert_allclose(model.coef_[:, rest], expected.coef_, rtol=0, atol=1e-6)
    free = LinearRegression().fit(K, Y - X[:, rest] @ model.coef_[:, rest].T)
    prediction = free.predict(K) + X[:, rest] @ model.coef_[:, rest].T
    assert_allclose(model.predict(container(X)), prediction, rtol=0, atol=1e-10)
    assert_allclose(model.dual_gap_, expected.dual_gap_, rtol=0, atol=1e-10)


@pytest.mark.parametrize("container", CONTAINERS)
def test_units_and_level_of_kept_features_do_not_matter(container):
    X, Y, labels, _, kept = make_problem(1)
    model = L1InfMultiTaskRegressor(
        2.0, feature_groups=labels, keep_features=kept, tol=1e-12
    )
    expected = model.fit(container(X), Y).coef_
    factors = np.ones(X.shape[1])
    factors[kept] = 1e-6, 1e5
    shift = np.zeros(X.shape[1])
    shift[kept] = 2000 * factors[kept]
    found = model.fit(container(X * factors + shift), Y).coef_ * factors
    assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("container", CONTAINERS)
def test_nothing_is_left_of_what_kept_features_explain(container):
    X, Y, _, _, kept = make_problem(2)
    others = np.setdiff1d(np.arange(X.shape[1]), kept)
    X[:, others[0]] = X[:, kept[0]] - 2 * X[:, kept[1]] + 4
    model = L1InfMultiTaskRegressor(50.0, keep_features=kept, tol=1e-9)
    assert not model.fit(container(X), Y).coef_[:, others[0]].any()
    Y = X[:, kept] @ [[1.0, -3.0, 0.0], [2.0, 0.0, 0.0]] + 7
    model.fit(container(X), Y)
    assert_array_equal(model.coef_[:, others], np.zeros((3, len(others))))
    assert model.dual_gap_ == 0
    assert_allclose(model.predict(container(X)), Y, rtol=0, atol=1e-10)


def test_a_column_that_kept_features_nearly_explain_keeps_its_digits():
    X, Y, _, _, kept = make_problem(3)
    other = np.setdiff1d(np.arange(X.shape[1]), kept)[0]
    model = L1InfMultiTaskRegressor(5.0, keep_features=kept, tol=1e-10)
    expected = model.fit(X, Y).coef_
    X[:, other] += 2.0**20 * X[:, kept[0]]
    found = model.fit(X, Y).coef_
    found[:, kept[0]] += 2.0**20 * found[:, other]
    assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_a_confounder_that_is_kept_removes_its_correlates():
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 2, 200)
    X = rng.standard_normal((200, 60))
    X[:, :20] += 3 * batch[:, None]
    X[:, -1] = batch
    Y = 4 * batch[:, None] + X[:, [30, 31]] + 0.1 * rng.standard_normal((200, 2))
    model = L1InfMultiTaskRegressor(1.5).fit(X, Y)
    assert model.coef_[:, :20].any()
    model.set_params(keep_features=[59]).fit(X, Y)
    assert_array_equal(np.flatnonzero(model.coef_.any(axis=0)), [30, 31, 59])


def test_groups_live_whole():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 600))
    labels = np.repeat(np.arange(30), 20)
    labels[300:420] = 15  # larger than a working set may grow at once
    Y = X[:, 300:420] @ rng.standard_normal((120, 2)) / 5 + X[:, :20].sum(1)[:, None]
    model = L1InfMultiTaskRegressor(10.0, feature_groups=labels, tol=1e-9).fit(X, Y)
    bounds = np.abs(model.coef_).max(axis=0)
    for label in np.unique(labels):
        of_group = bounds[labels == label]
        assert (of_group > 0).all() or not of_group.any()
    assert {0, 15} <= set(labels[bounds > 0]) != set(labels)


def test_forms_of_groups_and_kept_features_agree():
    X, Y, labels, _, kept = make_problem(4, n_groups=3)
    frame = pd.DataFrame(X, columns=[f"gene {j}" for j in range(X.shape[1])])
    members = [np.flatnonzero(labels == g) for g in range(3)]
    forms = [
        (X, labels, with_kept([2.0, 1.0, 0.5], kept), kept),
        (X, members, [2.0, 1.0, 0.5], np.isin(np.arange(X.shape[1]), kept)),
        (
            frame,
            dict(zip("cab", [frame.columns[m] for m in members], strict=True)),
            {"c": 2.0, "b": 0.5, "a": 1.0},
            list(frame.columns[kept]),
        ),
    ]
    paths, models = [], []
    for data, groups, weights, keep in forms:
        parameters = {
            "feature_groups": groups,
            "group_weights": weights,
            "keep_features": keep,
            "tol": 1e-8,
        }
        paths.append(l1inf_path(data, Y, radii=4, **parameters)[1])
        search = L1InfMultiTaskRegressorCV(radii=4, cv=3, **parameters)
        models.append(search.fit(data, Y).predict(data))
        single = L1InfMultiTaskRegressor(
            search.radius_, standardize_targets=True, **parameters
        ).fit(data, Y)
        assert_allclose(single.coef_, search.coef_, rtol=0, atol=1e-9)
    for path, model in zip(paths, models, strict=True):
        assert_allclose(path, paths[0], rtol=0, atol=1e-9)
        assert_allclose(model, models[0], rtol=0, atol=1e-9)


def test_names_and_weights_of_the_groups_are_those_of_the_fit():
    X, Y, labels, weights, kept = make_problem(3)
    default = {"feature_groups": labels, "keep_features": kept}
    for model in (L1InfMultiTaskRegressor(2.0), L1InfMultiTaskRegressorCV(radii=[2.0])):
        model.set_params(standardize_targets=True, tol=1e-10, **default).fit(X, Y)
        assert_array_equal(model.group_names_, np.arange(6))
        explicit = L1InfMultiTaskRegressor(2.0, standardize_targets=True, tol=1e-10)
        explicit.set_params(
            group_weights=with_kept(model.group_weights_, kept), **default
        )
        assert_allclose(explicit.fit(X, Y).coef_, model.coef_, rtol=0, atol=1e-9)
        model.set_params(group_weights=with_kept(weights, kept)).fit(X, Y)
        assert_array_equal(model.group_weights_, weights)
        model.set_params(feature_groups=None, group_weights=None).fit(X, Y)
        assert not hasattr(model, "group_names_")
        assert not hasattr(model, "group_weights_")


def test_default_weights_of_a_sparse_matrix():
    X, Y, labels, _, kept = make_problem(8)
    X[np.abs(X) < 0.7] = 0
    for keep in (None, kept):
        dense, thin = (
            L1InfMultiTaskRegressor(feature_groups=labels, keep_features=keep)
            .fit(container(X), Y)
            .group_weights_
            for container in (np.asarray, sparse.csr_array)
        )
        assert_allclose(thin, dense, rtol=1e-9)
    # What the kept features explain does not count.
    K = X[:, kept] - X[:, kept].mean(axis=0)
    rest = np.delete(X, kept, axis=1)
    rest -= K @ np.linalg.lstsq(K, rest - rest.mean(axis=0))[0]
    Y = Y - K @ np.linalg.lstsq(K, Y - Y.mean(axis=0))[0]
    model = L1InfMultiTaskRegressor(feature_groups=np.delete(labels, kept))
    assert_allclose(model.fit(rest, Y).group_weights_, dense, rtol=1e-9)


def test_weights_are_relative_to_the_radius():
    X, Y, labels, weights, kept = make_problem(5)
    options = {"feature_groups": labels, "keep_features": kept, "tol": 1e-12}
    model = L1InfMultiTaskRegressor(
        2.0, group_weights=with_kept(weights, kept), **options
    ).fit(X, Y)
    doubled = L1InfMultiTaskRegressor(
        4.0, group_weights=with_kept(2 * weights, kept), **options
    )
    assert_allclose(doubled.fit(X, Y).coef_, model.coef_, rtol=0, atol=1e-6)
    assert_allclose(2 * doubled.alpha_, model.alpha_, rtol=1e-6)


def test_single_features_of_weight_one_are_the_plain_case():
    X, Y, *_ = make_problem(6)
    expected = L1InfMultiTaskRegressor(2.0).fit(X, Y).coef_
    for groups in (np.arange(16), [[3]], {"a": [1], "b": [0]}):
        model = L1InfMultiTaskRegressor(2.0, feature_groups=groups)
        assert_array_equal(model.fit(X, Y).coef_, expected)
    model.set_params(keep_features=None).fit(X, Y)
    assert_array_equal(model.coef_, expected)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_float32_is_kept(container):
    X, Y, labels, weights, kept = make_problem(7)
    X = X.astype(np.float32)
    model = L1InfMultiTaskRegressor(
        2.0,
        feature_groups=labels,
        group_weights=with_kept(weights, kept),
        keep_features=kept,
        tol=1e-5,
    ).fit(container(X), Y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    rest = labels < len(weights)
    W = model.coef_.T.astype(float)
    assert group_norm(W, labels, weights) <= 2.0 * (1 + 1e-15)
    X = X.astype(float)
    residual = Y - X[:, rest] @ W[rest]
    free = LinearRegression().fit(X[:, kept], residual)
    assert_allclose(W[kept].T, free.coef_, rtol=1e-5, atol=1e-6)
    G = -X.T @ (residual - free.predict(X[:, kept])) / len(X)
    sums = in_groups(np.abs(G), labels, np.sum, len(weights)) / weights
    gap = np.vdot(G[rest], W[rest]) + 2 * sums.max()
    assert_allclose(model.dual_gap_, gap, rtol=0, atol=1e-10)


def test_warm_start_saves_steps():
    X, Y, labels, _, kept = make_problem(8)
    model = L1InfMultiTaskRegressor(
        2.0, feature_groups=labels, keep_features=kept, tol=1e-8, warm_start=True
    ).fit(X, Y)
    expected = model.coef_
    assert model.fit(X, Y).n_iter_ == 0
    assert_allclose(model.coef_, expected, rtol=1e-9)


@pytest.mark.parametrize("positive", [False, True])
def test_automatic_radii_are_norms_and_gaps_bound_the_error(positive):
    X, Y, labels, weights, kept = make_problem(9)
    s = np.arange(1.0, len(X) + 1)
    options = {
        "feature_groups": labels,
        "group_weights": with_kept(weights, kept),
        "keep_features": kept,
        "positive": positive,
        "standardize_targets": False,
    }
    radii, coefs, gaps = l1inf_path(X, Y, radii=5, sample_weight=s, tol=1e-3, **options)
    scale = null_objective(X, Y, kept, s, True)
    for radius, coef, gap in zip(radii, coefs.transpose(2, 1, 0), gaps, strict=True):
        assert_allclose(group_norm(coef, labels, weights), radius, rtol=1e-12)
        model = L1InfMultiTaskRegressor(radius, tol=1e-11, **options).fit(X, Y, s)
        residual = Y - X @ coef - np.average(Y - X @ coef, axis=0, weights=s)
        value = s @ (residual**2).sum(axis=1) / (2 * s.sum())
        *_, best = certificate(X, Y, model, labels, weights, kept, radius, s)
        assert -1e-9 * scale <= value - best <= gap + 1e-9 * scale
        assert gap <= 1e-3 * scale * (1 + 1e-9)
    # The first penalty is just below that at which groups come to life.
    first, *_ = l1inf_path(X, Y, radii=1, eps=1 - 1e-9, sample_weight=s, **options)
    assert first[0] < 1e-6


def test_cross_validation_agrees_with_explicit_fits():
    X, Y, labels, weights, kept = make_problem(10)
    X[:, kept[0]] = np.arange(len(X)) < 5  # constant in the first training set
    folds = list(KFold(5).split(X))
    options = {
        "feature_groups": labels,
        "group_weights": with_kept(weights, kept),
        "keep_features": kept,
        "tol": 1e-10,
        "standardize_targets": False,
    }
    search = L1InfMultiTaskRegressorCV(radii=[0.5, 2], cv=folds, **options).fit(X, Y)
    for k, radius in enumerate([0.5, 2]):
        for fold, (train, test) in enumerate(folds):
            given = dict(options)
            if fold == 0:
                given["keep_features"] = kept[1:]
                given["group_weights"] = np.append(weights, [1e6, 9.0])
            single = L1InfMultiTaskRegressor(radius, **given).fit(X[train], Y[train])
            mse = ((Y[test] - single.predict(X[test])) ** 2).mean()
            assert_allclose(search.mse_path_[k, fold], mse, rtol=1e-6)


def test_groups_of_any_size_are_equally_often_the_first_without_a_signal():
    """A mean rank that depended on the size would be far off the middle."""
    sizes = np.array([1, 1, 1, 1, 3, 10, 30, 100])
    labels = np.repeat(np.arange(len(sizes)), sizes)
    first = np.zeros(len(sizes))
    rng = np.random.default_rng(0)
    for _ in range(60):
        X = rng.standard_normal((50, len(labels)))
        Y = rng.standard_normal((50, 3))
        _, coefs, _ = l1inf_path(
            X, Y, radii=1, eps=0.999, tol=1e-9, feature_groups=labels
        )
        first[np.unique(labels[coefs.any(axis=(0, 2))])] += 1
    expected = first.sum() / len(sizes)
    assert first.sum() < 70
    # The chi-square statistic of eight groups, at the level of one in a thousand.
    assert ((first - expected) ** 2 / expected).sum() < 24.3


BAD = {
    "unknown name": ({"keep_features": ["gene"]}, "keep_features has the name"),
    "kept twice": ({"keep_features": [1, 1]}, "keep_features has the feature 1"),
    "out of range": ({"keep_features": [16]}, "out of range"),
    "short mask": ({"keep_features": [True, False]}, "mask of 2 features"),
    "all kept": ({"keep_features": np.ones(16, bool)}, "all features"),
    "kept is constant": ({"keep_features": [0, 5]}, "the feature 5.*constant"),
    "kept in a group": (
        {"keep_features": [1], "feature_groups": [[1, 2]]},
        "feature 1.*feature_groups",
    ),
    "empty group": ({"feature_groups": [[1], []]}, "empty"),
    "overlap": ({"feature_groups": [[1, 2], [2, 3]]}, "overlap"),
    "too few labels": ({"feature_groups": np.arange(15)}, "15 labels"),
    "group out of range": ({"feature_groups": [[1, 16]]}, "out of range"),
    "unknown member": ({"feature_groups": {"a": ["gene"]}}, "feature_groups has"),
    "no groups": ({"group_weights": [1.0]}, "group_weights must be None"),
    "too few weights": (
        {"feature_groups": [[1, 2], [3]], "group_weights": [1.0]},
        "group_weights has 1",
    ),
    "weight of zero": (
        {"feature_groups": [[1, 2]], "group_weights": [0.0]},
        "group_weights must be positive",
    ),
    "weight of no group": (
        {"feature_groups": {"a": [1, 2]}, "group_weights": {"b": 1.0}},
        "'b', which is no group",
    ),
    "a number": ({"feature_groups": 3}, "feature_groups"),
    "a string": ({"keep_features": "gene"}, "keep_features"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_groups_and_kept_features_are_named(case):
    parameters, message = BAD[case]
    X, Y, *_ = make_problem(0)
    X[:, 5] = 0.1
    for model in (L1InfMultiTaskRegressor(), L1InfMultiTaskRegressorCV(radii=[1, 2])):
        model.fit(X[:, :4], Y).set_params(**parameters)
        before = dict(vars(model))
        with pytest.raises(ValueError, match=message):
            model.fit(X, Y)
        assert vars(model) == before
    with pytest.raises(ValueError, match=message):
        l1inf_path(X, Y, **parameters)


def test_kept_feature_that_varies_only_in_samples_of_weight_zero_is_named():
    X, Y, *_ = make_problem(0)
    X[:, 5] = 0
    X[3, 5] = 1
    s = np.ones(len(X))
    model = L1InfMultiTaskRegressor(keep_features=[5]).fit(X, Y, s)
    s[3] = 0
    with pytest.raises(ValueError, match=r"the feature 5.*constant"):
        model.fit(X, Y, s)
