"""Two real expression matrices, and a generator of realistic ones."""

from ._base import load_srbct, load_transbig
from ._generator import make_expression

__all__ = ["load_srbct", "load_transbig", "make_expression"]
