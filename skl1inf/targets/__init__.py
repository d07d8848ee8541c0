"""What y is: check it, encode it, its loss, its strata, its judge."""

from ._auto import TARGETS, check_target
from ._reading import are_numbers, as_array, is_structured
from ._target import Target

__all__ = [
    "TARGETS",
    "Target",
    "are_numbers",
    "as_array",
    "check_target",
    "is_structured",
]
