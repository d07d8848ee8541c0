"""Every estimator under scikit-learn's checks, with its bare defaults."""

import pytest
from sklearn.utils.estimator_checks import check_estimator

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfMultiTaskRegressor,
    L1InfMultiTaskRegressorCV,
    L1InfStabilitySelector,
)


@pytest.mark.parametrize(
    "estimator",
    [
        L1InfFeatureSelector(),
        L1InfFeatureSelectorCV(),
        L1InfStabilitySelector(),
        L1InfMultiTaskRegressor(),
        L1InfMultiTaskRegressorCV(),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore")
def test_check_estimator(estimator):
    results = check_estimator(estimator, on_skip=None)
    assert all(result["status"] == "passed" for result in results)
