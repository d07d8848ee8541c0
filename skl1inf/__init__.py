"""Feature selection with the l1,inf ball, scikit-learn compatible."""

from importlib import import_module

__version__ = "0.1.0.dev0"

# Each public name and the module that defines it. Modules load when a name is
# first used, so that ``import skl1inf`` costs no more than ``import sklearn``.
_MODULE_OF = {
    "L1InfMultiTaskRegressor": "estimators._multitask",
    "L1InfMultiTaskRegressorCV": "estimators._multitask_cv",
    "l1inf_path": "estimators._multitask_path",
    "L1InfFeatureSelector": "_selector",
    "L1InfFeatureSelectorCV": "_cross_validation",
    "radius_path": "_path",
    "L1InfStabilitySelector": "_stability",
    "l1inf_dual_norm": "ball",
    "l1inf_norm": "ball",
    "project_l1": "ball",
    "project_l12": "ball",
    "project_l1inf": "ball",
    "project_l1inf_bilevel": "ball",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__():
    return sorted([*globals(), *_MODULE_OF])
