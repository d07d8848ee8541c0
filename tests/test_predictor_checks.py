"""The predictors under scikit-learn's estimator checks."""

import numpy as np
import pytest
from estimator_checks import run_check
from sklearn.utils.estimator_checks import (
    check_param_validation,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_array

from skl1inf import L1InfClassifier, L1InfCoxRegressor, L1InfRegressor
from skl1inf.targets import as_array


class OfPlainTimes(L1InfCoxRegressor):
    """Takes numbers for the times of events: scikit-learn's checks know no others."""

    def fit(self, X, y, sample_weight=None):
        if y is None or np.iscomplexobj(np.asarray(X)):
            return super().fit(X, y, sample_weight)
        return super().fit(X, as_survival(y), sample_weight)

    def score(self, X, y, sample_weight=None):
        return super().score(X, as_survival(y), sample_weight)


def as_survival(y):
    """Return events at times in the order of the numbers."""
    y = np.ravel(as_array(y))
    if y.dtype.kind not in "biuf":
        y = np.unique(y, return_inverse=True)[1]
    y = check_array(y, ensure_2d=False, dtype=float, input_name="y")
    times = y - y.min(initial=0.0) + 1.0
    return np.rec.fromarrays([np.ones(len(y), dtype=bool), times], names="event,time")


VARIANTS = [
    L1InfClassifier(max_iter=5, reconstruction_weight=0.1),
    L1InfRegressor(max_iter=5),
    OfPlainTimes(max_iter=5),
]


@parametrize_with_checks(VARIANTS)
@pytest.mark.filterwarnings("ignore")
def test_yielded_check(estimator, check):
    run_check(check, estimator)


# The checks of transformers that are not yielded are those of the selector, whose code
# this is.
@pytest.mark.parametrize("cls", [L1InfClassifier, L1InfRegressor, L1InfCoxRegressor])
def test_parameters_are_validated(cls):
    check_param_validation(cls.__name__, cls())
