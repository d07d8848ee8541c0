"""A real expression matrix, and a generator of realistic ones."""

from ._base import load_srbct
from ._generator import make_expression

__all__ = ["load_srbct", "make_expression"]
