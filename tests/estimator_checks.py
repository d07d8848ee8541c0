"""scikit-learn's checks, those included that it does not yield to third parties."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils._testing import SkipTest

# Not yielded to third parties; the tests of the estimators call them explicitly.
TRANSFORMER_CHECKS = [
    estimator_checks.check_param_validation,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_global_set_output_transform_polars,
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_get_feature_names_out_error,
]


def run_check(check, *args):
    """Run a check; one that skips itself has failed."""
    try:
        check(*args)
    except SkipTest as reason:
        pytest.fail(f"{check} was skipped: {reason}")
