"""Results depend on no state of the caller, and leave it as it is.

The caller may have set another device, another dtype or another mode of torch, or made
numpy raise where it would round to zero.
"""

import random
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.overrides import TorchFunctionMode

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(48, 15))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(int)
NUMBERS = X[:, 0] - X[:, 2] + 0.1 * rng.normal(size=48)
COUNTS = sparse.csr_array(np.where(np.abs(X) > 0.8, X, 0))


def selector(**parameters):
    return L1InfFeatureSelector(max_iter=6, random_state=0, **parameters)


def fitted(X, y=None, **parameters):
    """Everything that a fit has found, and the code."""
    fit = selector(**parameters).fit(X, y)
    return [
        *fit.coefs_,
        *fit.intercepts_,
        fit.feature_importances_,
        fit.ranking_,
        fit.loss_curve_,
        fit.optimality_,
        fit.encode(X),
        fit.transform(X) if isinstance(X, np.ndarray) else fit.transform(X).data,
    ]


def path():
    return list(radius_path(X, LABELS, radii=[0.5, 1.0], selector=selector()).values())


def cross_validated():
    fit = L1InfFeatureSelectorCV(selector(), radii=[0.5, 1.0], cv=2).fit(X, LABELS)
    return [fit.ranking_, fit.cv_results_["mean_test_score"]]


def stable():
    fit = L1InfStabilitySelector(selector(), n_pairs=1, random_state=0)
    return [fit.fit(X, LABELS).ranking_, fit.selection_probabilities_]


FITS = {
    "classes": lambda: fitted(X, LABELS),
    "numbers": lambda: fitted(X, NUMBERS),
    "nothing": lambda: fitted(X),
    "sparse": lambda: fitted(COUNTS, LABELS),
    "sparse, nothing": lambda: fitted(COUNTS),
    "batches": lambda: fitted(X, LABELS, batch_size=16),
    "batches, sparse": lambda: fitted(COUNTS, NUMBERS, batch_size=16),
    "reconstruction": lambda: fitted(X, NUMBERS, reconstruction_weight=0.5),
    "relu": lambda: fitted(X, LABELS, activation="relu"),
    "path": path,
    "cross-validation": cross_validated,
    "stability": stable,
}


class Distortion(TorchFunctionMode):
    """A mode of the caller that changes results of torch."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        is_sum = getattr(function, "__name__", "") in ("add", "mul", "matmul", "sum")
        return 1.01 * result if is_sum and result.is_floating_point() else result


@contextmanager
def setting(setter, value, before):
    """Call a setter of torch for a while."""
    setter(value)
    try:
        yield
    finally:
        setter(before)


MODES = {
    "default device": lambda: setting(torch.set_default_device, "meta", None),
    "device context": lambda: torch.device("meta"),
    "float64": lambda: setting(
        torch.set_default_dtype, torch.float64, torch.get_default_dtype()
    ),
    "float16": lambda: setting(
        torch.set_default_dtype, torch.float16, torch.get_default_dtype()
    ),
    "autocast to bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
    "gradients off": lambda: torch.set_grad_enabled(False),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "functions replaced": Distortion,
    "numpy raises": lambda: np.errstate(all="raise"),
    "numpy is silent": lambda: np.errstate(all="ignore"),
}


@pytest.fixture(scope="module")
def expected():
    """What the fits find where nothing has been set."""
    return {name: fit() for name, fit in FITS.items()}


def state():
    """The state of the caller that a fit could change."""
    python, numpy = random.getstate(), np.random.get_state()
    return {
        "device": torch.get_default_device(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "modes": torch.overrides._len_torch_function_stack(),
        "threads": torch.get_num_threads(),
        "numpy": np.geterr(),
        "random": (python, numpy[1].tolist(), numpy[2:]),
        "torch": torch.get_rng_state().tolist(),
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fit", FITS)
def test_the_callers_state_changes_nothing_and_is_not_changed(expected, fit, mode):
    with MODES[mode]():
        before = state()
        found = FITS[fit]()
        after = state()
    assert after == before
    for a, b in zip(expected[fit], found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", MODES)
def test_an_error_leaves_the_callers_state(mode):
    large = selector(learning_rate=1e38)
    with MODES[mode]():
        before = state()
        with pytest.raises(ValueError, match="range of float32"):
            large.fit(1e30 * X, LABELS)
        assert state() == before


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("y", [LABELS, NUMBERS, 1e-150 * NUMBERS, None])
def test_numpy_may_raise_at_entries_of_any_size(container, y):
    """Squares and products of such entries underflow."""
    sizes = np.array([1e-300, 1e-160, 1e-60, 1e30, 1e100])
    wide = container(np.hstack([X[:, :5] * sizes, COUNTS.toarray()[:, 5:]]))
    weight = np.full(len(X), 1e-200)
    expected = fitted(wide, y)
    with np.errstate(all="raise"):
        found = fitted(wide, y)
        selector().fit(wide, y, weight)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("y", [LABELS, NUMBERS])
def test_numpy_may_raise_in_judges(y):
    """Also where the judge standardises entries that underflow."""
    tiny = (X * np.geomspace(1e-40, 1.0, X.shape[1])).astype(np.float32)
    cv = L1InfFeatureSelectorCV(selector(), radii=[0.5, 1.0], cv=2)
    expected = cv.fit(tiny, y).cv_results_["mean_test_score"]
    with np.errstate(all="raise"):
        found = cv.fit(tiny, y).cv_results_["mean_test_score"]
        radius_path(tiny, y, radii=[0.5, 1.0], selector=selector())
        L1InfStabilitySelector(selector(), n_pairs=1, random_state=0).fit(tiny, y)
    np.testing.assert_array_equal(expected, found)
