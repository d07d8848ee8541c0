"""The regressors under scikit-learn's estimator checks."""

import pytest
from estimator_checks import run_check
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from skl1inf import L1InfMultiTaskRegressor, L1InfMultiTaskRegressorCV

VARIANTS = [
    L1InfMultiTaskRegressor(),
    L1InfMultiTaskRegressor(radius=100),
    L1InfMultiTaskRegressor(positive=True),
    L1InfMultiTaskRegressor(fit_intercept=False),
    L1InfMultiTaskRegressor(precompute=False),
    L1InfMultiTaskRegressor(warm_start=True),
    L1InfMultiTaskRegressorCV(radii=10),
    L1InfMultiTaskRegressorCV(radii=[0.1, 1], cv=3, positive=True),
    L1InfMultiTaskRegressor(feature_groups=[[0, 1]], group_weights=[2.0]),
    L1InfMultiTaskRegressorCV(radii=3, cv=3, keep_features=[0]),
]


@parametrize_with_checks(VARIANTS)
@pytest.mark.filterwarnings("ignore")
def test_yielded_check(estimator, check):
    run_check(check, estimator)


@pytest.mark.parametrize("estimator", VARIANTS, ids=repr)
@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
@pytest.mark.filterwarnings("ignore")
def test_explicit_check(estimator, check):
    run_check(check, type(estimator).__name__, estimator)
