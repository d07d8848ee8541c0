"""Every private name that this package takes from scikit-learn, and why."""

# Validates parameters before `fit`, as scikit-learn's estimators do. The constraints
# have no public module.
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

# Refuses metadata where routing is off, in scikit-learn's words.
from sklearn.utils.metadata_routing import _raise_for_params

# Checks weights as scikit-learn's estimators do. There is no public counterpart.
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "Interval",
    "StrOptions",
    "_check_sample_weight",
    "_fit_context",
    "_raise_for_params",
    "validate_params",
]
