"""The order of the best features, by backward elimination."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_elimination import elimination_with_sklearn
from scipy import sparse

from skl1inf.estimators import _elimination
from skl1inf.estimators._elimination import (
    N_ORDERED,
    backward_elimination,
    best_first,
)
from skl1inf.estimators._interactions import Interactions
from skl1inf.matrices import open_matrix
from skl1inf.targets import TARGETS


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_against_fits_of_ridge_regression(seed):
    rng = np.random.default_rng(seed)
    n_samples, n_features, n_targets = rng.integers([10, 2, 1], [60, 8, 4])
    X = rng.normal(size=(n_samples, n_features)) @ rng.normal(size=[n_features] * 2)
    T = X[:, :1] * rng.normal(size=n_targets) + rng.normal(size=(n_samples, n_targets))
    weight = rng.uniform(0.5, 2, n_samples)
    for scale in (1.0, 0.25):
        order = backward_elimination(X, T, weight, product_scale=scale)
        expected = elimination_with_sklearn(X, T, weight, scale)
        np.testing.assert_array_equal(order, expected)


def draw(seed, n_samples=80, n_features=6):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    T = np.eye(3)[rng.integers(0, 3, n_samples)]
    X[:, :3] += T
    return X, T, rng


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_columns_may_be_shifted_and_rescaled(seed):
    X, T, rng = draw(seed)
    scale = rng.choice([-1, 1], 6) * 10 ** rng.uniform(-30, 30, 6)
    moved = scale * (X + rng.normal(size=6))
    order = backward_elimination(X, T, np.ones(80))
    np.testing.assert_array_equal(order, backward_elimination(moved, T, np.ones(80)))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_weights_act_as_repetitions(seed):
    X, T, rng = draw(seed)
    weight = rng.integers(1, 4, 80)
    repeated = (np.repeat(array, weight, axis=0) for array in (X, T))
    np.testing.assert_array_equal(
        backward_elimination(X, T, weight.astype(float)),
        backward_elimination(*repeated, np.ones(weight.sum())),
    )


def test_one_of_two_copies_leaves_early():
    """The copies tell more of the target than the feature that adds to them."""
    rng = np.random.default_rng(0)
    factors, noise = rng.normal(size=(200, 2)), rng.normal(size=(200, 4))
    T = factors @ [[1.2], [1.0]]
    X = np.column_stack([factors[:, 0], factors[:, 0] + 0.01 * noise[:, 0], noise])
    X[:, 2] = factors[:, 1] + 0.5 * noise[:, 1]
    assert np.abs(np.corrcoef(X.T, T.T)[-1, :3]).argmin() == 2
    order = backward_elimination(X, T, np.ones(200))
    assert set(order[:2]) in ({0, 2}, {1, 2})


def test_features_that_only_matter_together_come_first():
    X = np.random.default_rng(0).normal(size=(300, 20))
    T = (X[:, [4]] * X[:, [11]] > 0).astype(float)
    assert set(backward_elimination(X, T, np.ones(300))[:2]) == {4, 11}


def test_constant_columns_leave_first_and_ties_by_column():
    X, T, _ = draw(0)
    X[:, [1, 4]] = 7.0
    order = backward_elimination(X, T, np.ones(80))
    assert order[-2:].tolist() == [1, 4]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_of_copies_the_latter_leaves(seed):
    X, T, rng = draw(seed)
    originals = rng.permutation(6)
    place = np.empty(12, dtype=int)
    order = backward_elimination(np.hstack([X, X[:, originals]]), T, np.ones(80))
    place[order] = range(12)
    for copy, original in enumerate(originals):
        assert place[original] < place[6 + copy]


def test_a_term_that_is_known_to_matter_brings_its_features_first():
    X, _, rng = draw(0, n_samples=300)
    ring = np.abs(np.hypot(X[:, 3], X[:, 5]) - 1) + 0.3 * rng.normal(size=300)
    found = Interactions(np.array([[3, 5]]), ring[:, np.newaxis])
    order = backward_elimination(X, ring[:, np.newaxis], np.ones(300), found)
    assert set(order[:2]) == {3, 5}


def test_copies_of_all_columns_change_nothing():
    X, T, rng = draw(0, n_features=30)
    y, order = T.argmax(axis=1), rng.permutation(30)
    (alone,), _ = best_first([selection_of(order)], problem_of(X, y), False)
    doubled = np.column_stack([order, 30 + order]).ravel()
    problem = problem_of(np.hstack([X, -2 * X + 1]), y)
    (both,), _ = best_first([selection_of(doubled, 60)], problem, False)
    np.testing.assert_array_equal(both[:N_ORDERED], alone[:N_ORDERED])


def interacting_problem():
    """Classes that the sign of the product of columns 8 and 31 tells apart."""
    X = np.random.default_rng(0).normal(size=(300, 40))
    y = (X[:, 8] * X[:, 31] > 0).astype(int)
    order = np.append(np.setdiff1d(np.arange(40), [8, 31]), [8, 31])
    return problem_of(X, y), selection_of(order, 25)


@pytest.mark.parametrize("interactions", [True, "auto"])
def test_features_that_matter_together_overtake_important_ones(interactions):
    problem, selection = interacting_problem()
    (best,), interacting = best_first([selection], problem, interactions)
    assert set(best[:2]) == {8, 31}
    assert np.flatnonzero(interacting).tolist() == [8, 31]


def test_auto_looks_for_no_interactions_in_large_matrices(monkeypatch):
    problem, selection = interacting_problem()
    monkeypatch.setattr(_elimination, "_MOST_ENTRIES", 300 * 40 - 1)
    _, interacting = best_first([selection], problem, "auto")
    assert not interacting.any()
    _, interacting = best_first([selection], problem, True)
    assert interacting.any()


def test_interactions_of_constant_columns_or_unasked_for_do_not_count():
    problem, selection = interacting_problem()
    (best,), interacting = best_first([selection], problem, False)
    assert not interacting.any()
    assert {8, 31}.isdisjoint(best[:25])
    problem.inverse_scale[31] = 0.0  # next to constant
    _, interacting = best_first([selection], problem, True)
    assert not interacting.any()


def test_many_classes_are_chosen_from_more_features():
    """Of 30 classes, each with a column of its own, no column is lost to others."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(30), 12)
    X = rng.normal(size=(360, 60))
    X[:, 30:] *= 0.1
    X[np.arange(360), y] += 6
    important = np.append(np.arange(30, 60), np.arange(30))  # the noise first
    (best,), _ = best_first([selection_of(important, 60)], problem_of(X, y), False)
    assert (best[:N_ORDERED] < 30).all()


def test_chunks_change_nothing(monkeypatch):
    X, T, rng = draw(0)
    weight = rng.uniform(0.5, 2, 80)
    terms = rng.normal(size=(80, 2))
    whole = _elimination._moments(X, T, weight, np.triu_indices(6), terms)
    monkeypatch.setattr(_elimination, "_CHUNK", 7)
    parts = _elimination._moments(X, T, weight, np.triu_indices(6), terms)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def problem_of(X, y):
    kind = TARGETS["unsupervised" if y is None else "classification"]
    return SimpleNamespace(
        matrix=open_matrix(X),
        target=kind.encode(y, np.ones(X.shape[0]), None),
        inverse_scale=np.ones(X.shape[1]),
    )


def selection_of(order, n_important=40):
    importances = np.zeros(len(order))
    importances[order[:n_important]] = 1.0
    return SimpleNamespace(order=order, importances=importances)


def test_features_without_importance_stay_behind():
    X, T, _ = draw(0)
    problem = problem_of(X, T.argmax(axis=1))
    selections = [selection_of(np.arange(6)[::-1], n) for n in (0, 1, 4)]
    nothing, one, four = best_first(selections, problem, False)[0]
    assert nothing.tolist() == one.tolist() == [5, 4, 3, 2, 1, 0]
    assert set(four[:4]) == {2, 3, 4, 5}
    assert four[4:].tolist() == [1, 0]


def test_squares_of_signs_are_constant():
    """However many samples add up their rounding."""
    rng = np.random.default_rng(0)
    signs = np.repeat([-1.0, 1.0], 100_000)
    X = 0.1 + 0.3 * np.column_stack([rng.permutation(signs) for _ in range(3)])
    S, _ = _elimination._moments(
        X, X[:, :1], np.ones(200_000), np.triu_indices(3), X[:, :0]
    )
    squares = 3 + np.flatnonzero(np.equal(*np.triu_indices(3)))
    assert not S[squares].any()
    assert S.diagonal()[3:].any()


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_only_the_first_places_change(container):
    X, T, rng = draw(0, n_features=40)
    problem = problem_of(container(X), T.argmax(axis=1))
    orders = [rng.permutation(40) for _ in range(2)]
    orders.append(np.append(orders[0][:N_ORDERED][::-1], orders[0][N_ORDERED:]))
    ordered, _ = best_first(
        [selection_of(order) for order in orders], problem, interactions=False
    )
    for before, after in zip(orders, ordered, strict=True):
        best = np.sort(before[:N_ORDERED])
        expected = best[elimination_with_sklearn(X[:, best], T, np.ones(80))]
        np.testing.assert_array_equal(after[:N_ORDERED], expected)
        np.testing.assert_array_equal(after[N_ORDERED:], before[N_ORDERED:])
    # Of the same best features, whatever order they were in.
    np.testing.assert_array_equal(ordered[0], ordered[2])


def test_without_a_target_nothing_changes():
    problem = problem_of(np.ones((5, 3)), None)
    (order,), interacting = best_first(
        [selection_of(np.array([2, 0, 1]))], problem, interactions=True
    )
    assert not interacting.any()
    assert order.tolist() == [2, 0, 1]
