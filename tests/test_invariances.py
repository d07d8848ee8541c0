"""Changes of the data that must not change a selection.

Some leave every operation as it is: there the results are equal to the last bit. Others
change the order of a sum, or round the data anew: there they are equal up to rounding,
which the training carries on, and the same features are selected.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import make_classification, make_regression

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)
from skl1inf.matrices import open_matrix

N_SAMPLES, N_FEATURES = 90, 120
SEEDS = st.integers(0, 2**32 - 1)


def few_examples(test):
    return settings(max_examples=4, deadline=None, derandomize=True)(test)


def draw(kind):
    """Return three balanced classes, or numbers, that few features determine."""
    shape = {"n_samples": N_SAMPLES, "n_features": N_FEATURES, "n_informative": 6}
    if kind == "classes":
        return make_classification(
            **shape, n_redundant=0, n_classes=3, class_sep=2.0, random_state=0
        )
    X, y = make_regression(**shape, noise=5.0, random_state=0)
    return X, None if kind == "nothing" else y


@pytest.fixture(scope="module", params=["classes", "numbers"])
def data(request):
    """A matrix, its target and what is selected of it."""
    X, y = draw(request.param)
    return X, y, fit(X, y)


def fit(X, y, sample_weight=None, **parameters):
    selector = L1InfFeatureSelector(max_iter=60, random_state=0, **parameters)
    return selector.fit(X, y, sample_weight)


def assert_equal(a, b, columns=slice(None), signs=1):
    """To the last bit; `columns` are those of `b` that are the columns of `a`."""
    np.testing.assert_array_equal(a.support_, b.support_[columns])
    np.testing.assert_array_equal(a.ranking_, b.ranking_[columns])
    np.testing.assert_array_equal(
        a.feature_importances_, b.feature_importances_[columns]
    )
    np.testing.assert_array_equal(a.loss_curve_, b.loss_curve_)
    W = signs * b.encoder_weights_[columns].T
    np.testing.assert_array_equal(a.encoder_weights_.T, W)


def assert_close(a, b, columns=slice(None)):
    """Up to rounding; `columns` are those of `b` that are the columns of `a`.

    Training carries rounding on, and features that are nearly tied change places.
    """
    importances, largest = a.feature_importances_, a.feature_importances_.max()
    np.testing.assert_allclose(
        importances, b.feature_importances_[columns], rtol=0, atol=0.01 * largest
    )


# Names, order and signs of the target


@pytest.mark.parametrize("names", [[1, 0], [7, -3], ["b", "a"], [True, False]])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_two_labels_of_any_name_and_order(names, class_weight):
    X, y = draw("classes")
    X, y, names = X[y < 2], y[y < 2], np.array(names)
    expected = fit(X, y, class_weight=class_weight)
    found = fit(X, names[y], class_weight=class_weight)
    assert_equal(expected, found)
    columns = np.searchsorted(found.classes_, names)
    for ours, theirs in (
        (expected.encode(X), found.encode(X)),
        (expected.coefs_[1], found.coefs_[1]),
        (expected.intercepts_[1], found.intercepts_[1]),
    ):
        np.testing.assert_array_equal(ours, theirs[..., columns])
    assert (found.classes_[found.encode(X).argmax(1)] == names[y]).mean() > 0.9


def test_two_labels_of_any_order_and_numbers_of_either_sign_along_paths():
    X, y = draw("classes")
    labels, numbers = np.minimum(y, 1), X[:, 0] + X[:, 1]
    selector = L1InfFeatureSelector(max_iter=20, random_state=0)
    for target in (labels, numbers, np.c_[numbers, X[:, 2]]):
        a, b = (
            radius_path(X, t, radii=[0.5, 2], selector=selector)
            for t in (target, -target)
        )
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
        cv = L1InfFeatureSelectorCV(selector, radii=[0.5, 2], cv=3)
        rankings = [cv.fit(X, t).ranking_ for t in (target, -target)]
        np.testing.assert_array_equal(*rankings)


@pytest.mark.parametrize("names", [[-5, 0, 12], ["a", "b", "c"]])
def test_labels_of_any_name(names):
    """Three classes or more have to keep their order."""
    X, y = draw("classes")
    assert_equal(fit(X, y), fit(X, np.array(names)[y]))


@given(scale=st.sampled_from([-1.0, -0.25, 8.0, -1024.0]))
@few_examples
def test_numbers_of_either_sign_and_of_any_binary_scale(scale):
    X, y = draw("numbers")
    expected, found = fit(X, y), fit(X, scale * y)
    assert_equal(expected, found)
    sign = np.sign(scale)
    np.testing.assert_array_equal(expected.encode(X), sign * found.encode(X))
    np.testing.assert_array_equal(expected.coefs_[1], sign * found.coefs_[1])
    assert np.corrcoef(found.encode(X)[:, 0], scale * y)[0, 1] > 0.9


@given(
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-1e3, 1e3),
    sign=st.sampled_from([-1, 1]),
)
@few_examples
def test_numbers_of_any_scale_and_shift(scale, shift, sign):
    X, y = draw("numbers")
    assert_close(fit(X, y), fit(X, sign * scale * y + shift))


@pytest.mark.parametrize("scale", [-1.0, 4.0, -0.5])
def test_several_numbers_of_either_sign(scale):
    """All of them change their sign together, and they keep their order."""
    X, y = draw("numbers")
    Y = np.column_stack([y, X[:, 0] + 0.1 * X[:, 1], X[:, 2] - 0.1 * y])
    expected, found = fit(X, Y), fit(X, scale * Y)
    assert_equal(expected, found)
    np.testing.assert_array_equal(expected.encode(X), np.sign(scale) * found.encode(X))


def test_a_column_of_numbers_is_one_target():
    X, y = draw("numbers")
    assert_equal(fit(X, y), fit(X, y[:, None]))


# Columns and samples


@given(seed=SEEDS)
@few_examples
def test_columns_of_any_sign_and_binary_scale(data, seed):
    X, y, expected = data
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], N_FEATURES)
    scales = 2.0 ** rng.integers(-30, 30, N_FEATURES)
    assert_equal(expected, fit(X * signs * scales, y), signs=signs)


@given(seed=SEEDS)
@few_examples
def test_columns_of_any_scale_and_shift(data, seed):
    X, y, expected = data
    rng = np.random.default_rng(seed)
    scales, shifts = np.exp(rng.normal(size=(2, N_FEATURES)))
    assert_close(expected, fit(scales * X + shifts, y))


@given(seed=SEEDS)
@few_examples
def test_columns_in_any_order(data, seed):
    X, y, expected = data
    order = np.random.default_rng(seed).permutation(N_FEATURES)
    assert_close(expected, fit(X[:, order], y), order.argsort())


@given(seed=SEEDS)
@few_examples
def test_samples_in_any_order(data, seed):
    X, y, expected = data
    order = np.random.default_rng(seed).permutation(N_SAMPLES)
    assert_close(expected, fit(X[order], y[order]))


@given(seed=SEEDS)
@few_examples
def test_weights_are_repetitions(data, seed):
    X, y, _ = data
    weight = np.random.default_rng(seed).integers(0, 4, N_SAMPLES)
    repeated = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    assert_close(fit(X, y, weight), fit(*repeated))


@given(seed=SEEDS, power=st.integers(-30, 30))
@few_examples
def test_weights_of_any_binary_scale(data, seed, power):
    X, y, _ = data
    weight = np.random.default_rng(seed).integers(0, 4, N_SAMPLES)
    assert_equal(fit(X, y, weight), fit(X, y, 2.0**power * weight))


def test_constant_columns_change_nothing(data):
    X, y, expected = data
    wider = fit(np.insert(X, [0, 50, N_FEATURES], [1.0, 0.0, -3.0], axis=1), y)
    is_new = np.isin(np.arange(N_FEATURES + 3), [0, 51, N_FEATURES + 2])
    assert_close(expected, wider, ~is_new)
    assert not wider.support_[is_new].any()
    assert wider.ranking_[is_new].min() > N_FEATURES


# Containers


@pytest.mark.parametrize("convert", [np.asfortranarray, np.float32, list])
def test_containers_and_precisions(data, convert):
    X, y, expected = data
    assert_close(expected, fit(convert(X), y))


def loose(X, container, order, index_dtype):
    """Return X as entries of two parts each, zeros among them, in any order."""
    rows, columns = np.nonzero(X)
    zeros = np.argwhere(X == 0)[:2].T
    rows, columns = np.append(rows, zeros[0]), np.append(columns, zeros[1])
    parts = [0.25 * X[rows, columns], 0.75 * X[rows, columns]]
    data, rows, columns = np.append(*parts), np.tile(rows, 2), np.tile(columns, 2)
    data, rows, columns = data[order], rows[order], columns[order]
    if container is sparse.coo_array:
        return sparse.coo_array((data, (rows, columns)), shape=X.shape)
    by_row = container is sparse.csr_array
    major, minor = (rows, columns) if by_row else (columns, rows)
    by_major = np.argsort(major, kind="stable")
    counts = np.bincount(major, minlength=X.shape[0 if by_row else 1])
    indptr = np.append(0, counts.cumsum()).astype(index_dtype)
    minor = minor[by_major].astype(index_dtype)
    return container((data[by_major], minor, indptr), shape=X.shape)


def parts_of(matrix):
    """Return copies of the arrays that a sparse matrix is made of."""
    names = ("data", "indices", "indptr", "row", "col")
    return [getattr(matrix, name).copy() for name in names if hasattr(matrix, name)]


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize(
    "container", [sparse.csr_array, sparse.csc_array, sparse.coo_array]
)
def test_sparse_data_in_any_form(data, container, index_dtype):
    """Entries that are stored in two parts, in any order, and zeros."""
    X, y, _ = data
    X = np.where(np.abs(X) > 1, np.rint(8 * X), 0)
    n_parts = 2 * (np.count_nonzero(X) + 2)
    given = loose(
        X, container, np.random.default_rng(0).permutation(n_parts), index_dtype
    )
    assert not given.has_canonical_format
    kept = parts_of(given)
    expected, found = fit(sparse.csr_array(X), y), fit(given, y)
    np.testing.assert_allclose(found.scale_, X.std(axis=0), rtol=1e-12)
    assert_equal(expected, found)
    assert_close(fit(X, y), found)
    np.testing.assert_allclose(found.encode(given), found.encode(X), atol=1e-5)
    np.testing.assert_array_equal(found.transform(given).toarray(), found.transform(X))
    for before, after in zip(kept, parts_of(given), strict=True):
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array])
def test_unsorted_sparse_data_in_everything_that_selects(data, container):
    X, y, _ = data
    X = np.where(np.abs(X) > 1, np.rint(8 * X), 0)
    n_parts = 2 * (np.count_nonzero(X) + 2)
    order = np.random.default_rng(0).permutation(n_parts)
    given, canonical = loose(X, container, order, np.int32), container(X)
    kept = parts_of(given)
    selector = L1InfFeatureSelector(max_iter=20, random_state=0)
    cv = L1InfFeatureSelectorCV(selector, radii=[0.5, 2], cv=2)
    halves = L1InfStabilitySelector(selector, n_pairs=2, random_state=0)
    for find in (
        lambda A: radius_path(A, y, radii=[0.5, 2], selector=selector).importances,
        lambda A: cv.fit(A, y).cv_results_["mean_test_score"],
        lambda A: cv.fit(A, y).ranking_,
        lambda A: halves.fit(A, y).selection_probabilities_,
    ):
        np.testing.assert_allclose(find(given), find(canonical), rtol=1e-6)
    for before, after in zip(kept, parts_of(given), strict=True):
        np.testing.assert_array_equal(before, after)


def test_number_of_workers(data):
    X, y, _ = data
    selector = L1InfFeatureSelector(max_iter=20, random_state=0)
    found = [
        (
            L1InfFeatureSelectorCV(selector, radii=[0.5, 2], cv=2, n_jobs=n_jobs)
            .fit(X, y)
            .cv_results_["mean_test_score"],
            L1InfStabilitySelector(selector, n_pairs=8, random_state=0, n_jobs=n_jobs)
            .fit(X, y)
            .selection_probabilities_,
        )
        for n_jobs in (1, 2)
    ]
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


# How the units of the code find their classes and numbers


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_array])
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_squared_norms_are_those_of_the_standardised_samples(container, seed):
    rng = np.random.default_rng(seed)
    X = rng.poisson(0.5, rng.integers(2, 30, 2)).astype(float)
    mean, inverse_scale = X.mean(axis=0), rng.uniform(0, 3, X.shape[1])
    expected = np.square((X - mean) * inverse_scale).sum(axis=1)
    found = open_matrix(container(X)).squared_norms(mean, inverse_scale)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
