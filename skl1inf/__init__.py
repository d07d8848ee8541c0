"""Feature selection with the l1,inf ball, scikit-learn compatible."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ball import (
        l1inf_dual_norm,
        l1inf_norm,
        project_l1,
        project_l1inf,
        project_l1inf_bilevel,
        project_l12,
    )
    from .estimators._classifier import L1InfClassifier
    from .estimators._cox import L1InfCoxRegressor
    from .estimators._multitask import L1InfMultiTaskRegressor
    from .estimators._multitask_cv import L1InfMultiTaskRegressorCV
    from .estimators._multitask_path import l1inf_path
    from .estimators._path import radius_path
    from .estimators._regressor import L1InfRegressor
    from .estimators._report import report
    from .estimators._selector import L1InfFeatureSelector
    from .estimators._selector_cv import L1InfFeatureSelectorCV
    from .estimators._stability import L1InfStabilitySelector

__version__ = "0.2.0.dev0"

# Each public name and the module that defines it. Modules load when a name is
# first used, so that ``import skl1inf`` costs no more than ``import sklearn``.
_MODULE_OF = {
    "L1InfClassifier": "estimators._classifier",
    "L1InfCoxRegressor": "estimators._cox",
    "L1InfRegressor": "estimators._regressor",
    "report": "estimators._report",
    "L1InfMultiTaskRegressor": "estimators._multitask",
    "L1InfMultiTaskRegressorCV": "estimators._multitask_cv",
    "l1inf_path": "estimators._multitask_path",
    "L1InfFeatureSelector": "estimators._selector",
    "L1InfFeatureSelectorCV": "estimators._selector_cv",
    "radius_path": "estimators._path",
    "L1InfStabilitySelector": "estimators._stability",
    "l1inf_dual_norm": "ball",
    "l1inf_norm": "ball",
    "project_l1": "ball",
    "project_l12": "ball",
    "project_l1inf": "ball",
    "project_l1inf_bilevel": "ball",
}

__all__ = [
    "L1InfClassifier",
    "L1InfCoxRegressor",
    "L1InfFeatureSelector",
    "L1InfFeatureSelectorCV",
    "L1InfMultiTaskRegressor",
    "L1InfMultiTaskRegressorCV",
    "L1InfRegressor",
    "L1InfStabilitySelector",
    "l1inf_dual_norm",
    "l1inf_norm",
    "l1inf_path",
    "project_l1",
    "project_l1inf",
    "project_l1inf_bilevel",
    "project_l12",
    "radius_path",
    "report",
]


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__():
    return sorted([*globals(), *_MODULE_OF])
