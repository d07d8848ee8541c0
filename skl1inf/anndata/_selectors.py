"""The selectors behind the functions."""

from ..estimators._selector import L1InfFeatureSelector
from ..estimators._stability import L1InfStabilitySelector

# What the functions say to the selector themselves, and groups of genes, which they do
# not read.
_RESERVED = (
    "feature_groups",
    "group_weights",
    "keep_features",
    "max_features",
    "n_features_to_select",
    "target",
)


def check_selectors(caller, params, stability=False):
    """Raise unless the parameters of the selectors are valid."""
    for name in _RESERVED:
        if name in params:
            raise TypeError(f"{caller}() does not take the parameter {name!r}.")
    if not isinstance(stability, bool | dict):
        raise TypeError(
            f"stability must be a bool or a dict, got {type(stability).__name__}."
        )
    if isinstance(stability, dict) and "selector" in stability:
        raise ValueError(
            "stability must not hold 'selector': its parameters are keywords of "
            f"{caller}()."
        )
    make_selector(params)._validate_params()
    make_selector(params, stability)._validate_params()


def make_selector(params, stability=False, kept=None):
    """Return a selector, unfitted; with `stability`, one with probabilities."""
    selector = L1InfFeatureSelector(
        **params, target="classification", keep_features=kept
    )
    if stability is False:
        return selector
    of_halves = {} if stability is True else stability
    return L1InfStabilitySelector(
        selector, **{"random_state": params["random_state"], **of_halves}
    )
