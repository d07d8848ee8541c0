"""Every private name that the package takes from scikit-learn, and why.

None of them has a public counterpart in scikit-learn 1.9.
"""

# Validates the parameters of an estimator before its `fit`, as in scikit-learn's own.
from sklearn.base import _fit_context

# Fits and scores an estimator in a fold, and tells of failed fits. So `error_score`
# means what it does in scikit-learn's searches.
from sklearn.model_selection._validation import (
    _fit_and_score,
    _warn_or_raise_about_fit_failures,
)

# Takes rows or columns of arrays, frames and sparse matrices alike.
from sklearn.utils import _safe_indexing

# How many threads OpenMP is allowed, which follows containers and threadpoolctl.
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

# The constraints that `_fit_context` reads from `_parameter_constraints`.
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_params,
)

# Refuses metadata that nobody has asked for, with scikit-learn's message.
from sklearn.utils.metadata_routing import _raise_for_params

# Cuts per-sample arguments of an inner fit to the samples of a fold; validates weights,
# with scikit-learn's messages; and counts the columns of whatever X is.
from sklearn.utils.validation import (
    _check_method_params,
    _check_sample_weight,
    _num_features,
)

__all__ = [
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "_check_method_params",
    "_check_sample_weight",
    "_fit_and_score",
    "_fit_context",
    "_num_features",
    "_openmp_effective_n_threads",
    "_raise_for_params",
    "_safe_indexing",
    "_warn_or_raise_about_fit_failures",
    "validate_params",
]
