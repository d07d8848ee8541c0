"""The checks of scikit-learn that it does not yield to third parties."""

import pytest
from sklearn.utils import estimator_checks

_NOT_YIELDED = (
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
)


def transformer_checks():
    """Return the parameters (check,) of the checks that must be called explicitly."""
    return [pytest.param(getattr(estimator_checks, n), id=n) for n in _NOT_YIELDED]
