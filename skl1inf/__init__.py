"""Feature selection with the l1,inf ball, scikit-learn compatible."""

from importlib import import_module

__version__ = "0.2.0.dev0"

# Each public name and the module that defines it. Modules load when a name is
# first used, so that ``import skl1inf`` costs no more than ``import sklearn``.
_MODULE_OF = {
    "L1InfMultiTaskRegressor": "_multitask",
    "L1InfMultiTaskRegressorCV": "_multitask",
    "l1inf_path": "_multitask",
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

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__():
    return sorted([*globals(), *_MODULE_OF])
