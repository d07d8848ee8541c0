"""The screen for features that matter only together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skl1inf.estimators import _interaction_tests, _interactions
from skl1inf.estimators._interactions import find_interactions


def find(X, responses, weight=None, important=None):
    weight = np.ones(len(X)) if weight is None else weight
    important = np.arange(X.shape[1]) if important is None else important
    return find_interactions(
        lambda j: X[:, j], X.shape[1], responses, weight, important
    )


def indicators(y):
    return np.eye(y.max() + 1)[y.astype(int)]


def martingale_residuals(hazard, rng):
    time = rng.exponential(1 / hazard)
    censored = rng.exponential(2.0, len(time))
    event, time = time <= censored, np.minimum(time, censored)
    order = np.argsort(time)
    cumulative = np.empty(len(time))
    cumulative[order] = np.cumsum(event[order] / np.arange(len(time), 0, -1))
    return (event - cumulative)[:, np.newaxis]


COLUMNS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "lognormal": lambda rng, shape: np.exp(2 * rng.normal(size=shape)),
    "signs": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "binary": lambda rng, shape: rng.binomial(
        1, rng.uniform(0.02, 0.5, shape[1]), shape
    ),
    "genotypes": lambda rng, shape: rng.binomial(
        2, rng.uniform(0.05, 0.5, shape[1]), shape
    ),
    "counts": lambda rng, shape: rng.poisson(rng.gamma(0.5, 2, shape[1]), shape),
    "sparse": lambda rng, shape: (
        rng.exponential(size=shape) * (rng.random(shape) < 0.1)
    ),
    "correlated": lambda rng, shape: (
        rng.normal(size=(shape[0], 2)) @ rng.normal(size=(2, shape[1]))
        + 0.5 * rng.normal(size=shape)
    ),
}


@pytest.mark.parametrize("kind", ["normal", "cauchy", "lognormal", "signs"])
@pytest.mark.parametrize("target", ["classes", "numbers", "survival"])
def test_the_sign_of_a_product_is_found(kind, target):
    rng = np.random.default_rng(0)
    X = COLUMNS[kind](rng, (300, 60)).astype(float)
    high = (0 if kind == "signs" else np.median(X, axis=0)) < X
    product = np.where(high[:, 17] == high[:, 41], 1.0, -1.0)
    responses = {
        "classes": lambda: indicators(product > 0),
        "numbers": lambda: (product + rng.normal(size=300))[:, np.newaxis],
        "survival": lambda: martingale_residuals(np.exp(1.5 * product), rng),
    }[target]()
    assert find(X, responses).features.tolist() == [17, 41]


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_a_ring_is_found(target):
    rng = np.random.default_rng(1)
    X = rng.random((600, 60))
    from_ring = np.abs(np.hypot(X[:, 3] - 0.5, X[:, 50] - 0.5) - 0.35)
    ring = indicators(from_ring < 0.1151) if target == "classes" else from_ring[:, None]
    assert set(find(X, ring).features) == {3, 50}


def test_a_square_is_found_and_its_term_tells_the_classes_apart():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 50))
    y = np.abs(X[:, 7]) > 0.7
    found = find(X, indicators(y))
    assert found.pairs.tolist() == [[7, 7]]
    assert found.terms.shape == (200, 1)
    assert stats.spearmanr(found.terms[:, 0], np.abs(X[:, 7])).statistic > 0.95


def test_several_classes_of_the_same_mean():
    """Each of the four classes is two opposite octants of the plane."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 40))
    octant = np.floor(np.arctan2(X[:, 5], X[:, 30]) / np.pi * 4).astype(int)
    assert set(find(X, indicators(octant % 4)).features) == {5, 30}


def mixed_columns(rng, n_samples, n_each):
    kinds = [make(rng, (n_samples, n_each)) for make in COLUMNS.values()]
    return np.hstack(kinds).astype(float)


NOISE = {
    "balanced": lambda rng, n: indicators(rng.permutation(np.arange(n) % 2)),
    "rare": lambda rng, n: indicators(np.arange(n) < 5),
    "four": lambda rng, n: indicators(np.minimum(np.arange(n) // 8, 3)),
    "number": lambda rng, n: rng.standard_cauchy((n, 1)),
    "numbers": lambda rng, n: rng.normal(size=(n, 2)) @ rng.normal(size=(2, 3)),
    "survival": lambda rng, n: martingale_residuals(np.ones(n), rng),
}


@pytest.mark.parametrize(
    "targets", [["balanced", "rare", "four"], ["number", "numbers", "survival"]]
)
def test_noise_raises_few_false_alarms(targets, monkeypatch):
    """In 5 % of 200 draws at most, whether or not a term has to be strong."""
    monkeypatch.setattr(_interactions, "_dependence_needed", lambda *args: 0.0)
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 5])
        n_samples = rng.integers(40, 80)
        X = mixed_columns(rng, n_samples, 4)
        responses = NOISE[targets[seed % 3]](rng, n_samples)
        alarms += len(find(X, responses, None, rng.permutation(36)).features) > 0
    assert alarms <= 10


@pytest.mark.parametrize("monotone", [np.asarray, np.exp])
@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.85, 0.15], [0.3, 0.4, 0.3]])
def test_what_the_classes_only_shift_is_no_interaction(monotone, shares):
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = rng.choice(len(shares), 150, p=shares)
        X = rng.normal(size=(150, 30))
        X[:, :5] += 2 * y[:, np.newaxis]
        alarms += len(find(monotone(X), indicators(y)).features) > 0
    assert alarms <= 3  # of probability 0.016 at a rate of 0.05


def test_linear_effects_on_numbers_are_no_interactions():
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = np.exp(rng.normal(size=(200, 30)))
        y = X[:, :5].sum(axis=1) + rng.normal(size=200)
        alarms += len(find(X, y[:, np.newaxis]).features) > 0
    assert alarms <= 3


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_ranks_are_those_of_scipy_and_weights_repeat(seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 6, (3, 20)).astype(float)
    weight = rng.integers(1, 4, 20)
    repeated = stats.rankdata(np.repeat(X, weight, axis=1), axis=1)
    expected = np.sqrt(3) * ((2 * repeated - 1) / weight.sum() - 1)
    ranks = _interaction_tests.ranks_of(X, weight.astype(float))
    np.testing.assert_allclose(np.repeat(ranks, weight, axis=1), expected, atol=1e-12)


def test_the_statistic_compares_the_correlations_of_spearman():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 60))
    y = rng.permutation(np.repeat([0, 1, 2], [10, 20, 30]))
    test = _interaction_tests.ClassTests(y, np.ones(60))
    _, factors = test.prepare(X)
    statistic = test.products(factors[0], factors[0])
    for i, j in zip(*np.triu_indices(6, 1), strict=True):
        sizes, correlations = [], []
        for c in range(3):
            sizes.append(np.sum(y == c))
            rho = stats.spearmanr(X[i, y == c], X[j, y == c]).statistic
            correlations.append(rho * (1 - sizes[-1] ** -2.0))
        freedom = np.array(sizes) - 1
        mean = np.average(correlations, weights=freedom)
        expected = freedom @ (np.array(correlations) - mean) ** 2
        assert statistic[i, j] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_analysis_of_variance_is_that_of_scipy():
    rng = np.random.default_rng(0)
    term, y = rng.normal(size=50), np.arange(50) % 3
    p_value, _ = _interaction_tests._analysis_of_variance(
        term[np.newaxis], indicators(y).T, np.ones((1, 50)), np.ones(50), 50
    )
    expected = stats.f_oneway(*(term[y == c] for c in range(3))).pvalue
    assert p_value == pytest.approx(expected, rel=1e-9)


def xor(seed, n_samples=300, n_features=40):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    return X, indicators(X[:, 4] * X[:, 33] + 0.3 * rng.normal(size=n_samples) > 0), rng


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_order_signs_and_monotone_functions_change_nothing(seed):
    X, responses, rng = xor(seed)
    found = find(X, responses)
    samples, features = rng.permutation(300), rng.permutation(40)
    moved = np.sinh(X[samples][:, features] * rng.choice([-1, 1], 40))
    again = find(moved, responses[samples][:, ::-1], None, np.argsort(features))
    np.testing.assert_array_equal(features[again.pairs], found.pairs)
    assert {4, 33} <= set(found.features)


@pytest.mark.parametrize("classes", [True, False])
def test_weights_act_as_repetitions(classes):
    X, responses, rng = xor(0, 120)
    responses = responses if classes else responses[:, :1] + rng.normal(size=(120, 1))
    weight = rng.integers(1, 4, 120)
    weighted = find(X, responses, weight.astype(float))
    repeated = find(*(np.repeat(array, weight, axis=0) for array in (X, responses)))
    np.testing.assert_array_equal(weighted.pairs, repeated.pairs)
    assert len(weighted.pairs)
    terms = np.repeat(weighted.terms, weight, axis=0)
    np.testing.assert_allclose(np.abs(terms), np.abs(repeated.terms), atol=1e-9)


def test_the_scale_of_fractional_weights_does_not_matter():
    X, responses, rng = xor(0)
    weight = rng.uniform(0.5, 2, 300)
    found = find(X, responses, weight)
    for scale in 1e-6, 1e6:
        again = find(X, responses, scale * weight)
        np.testing.assert_array_equal(again.pairs, found.pairs)


def test_tiles_change_nothing(monkeypatch):
    X, responses, _ = xor(1)
    X[:, 10:12] += X[:, [4, 33]]
    whole = find(X, responses)
    assert len(whole.pairs) > 1
    monkeypatch.setattr(_interactions, "_COLUMNS", 7)
    monkeypatch.setattr(_interactions, "_ROWS", 5)
    monkeypatch.setattr(_interactions, "_TESTED", 11)
    np.testing.assert_array_equal(find(X, responses).pairs, whole.pairs)


def test_where_pairs_are_too_many_one_feature_is_important(monkeypatch):
    X, responses, _ = xor(2)
    monkeypatch.setattr(_interactions, "_PAIRS", 200)  # of 780
    important = np.array([33])
    assert set(find(X, responses, None, important).features) == {4, 33}
    others = np.setdiff1d(np.arange(40), [4, 33])
    assert find(X, responses, None, others).features.size == 0


def test_the_best_pairs_are_kept(monkeypatch):
    """However many come before them."""
    X, responses, _ = xor(3)
    monkeypatch.setattr(_interactions, "_BEST", 2)
    assert set(find(X, responses).features) == {4, 33}


def test_copies_add_nothing_and_ten_features_are_the_most():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(1500, 40))
    X[:, 20:] = X[:, :20]
    y = (X[:, 0:14:2] * X[:, 1:14:2] > 0).sum(axis=1)[:, np.newaxis] + 0.0
    features = find(X, y).features
    assert len(features) == 10
    assert len(set(features % 20)) == 10


@pytest.mark.parametrize("n_samples", [2, 3, 5])
def test_too_few_samples_tell_nothing(n_samples):
    X = np.random.default_rng(0).normal(size=(n_samples, 8))
    X[:, 3] = 7.0
    for responses in indicators(np.arange(n_samples) % 2), X[:, :1]:
        found = find(X, responses)
        assert found.features.size == 0
        assert found.terms.shape == (n_samples, 0)
