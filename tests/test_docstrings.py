"""The docstrings of all that is public, after numpydoc's standard."""

import inspect
from importlib import import_module

import pytest
from numpydoc.validate import validate

import skl1inf
import skl1inf.anndata
import skl1inf.datasets
import skl1inf.plotting

# As in scikit-learn, where the summary starts is ruff's business (GL01), returned
# objects may have names (RT02), and not everything needs a second paragraph (ES01) or
# relatives (SA01).
NOT_ASKED = {"ES01", "GL01", "RT02", "SA01"}

PUBLIC = [
    f"{module.__name__}.{name}"
    for module in (skl1inf, skl1inf.anndata, skl1inf.datasets, skl1inf.plotting)
    for name in module.__all__
]


def methods(path):
    module, _, name = path.rpartition(".")
    thing = getattr(import_module(module), name)
    if not inspect.isclass(thing):
        return []
    return [f"{path}.{name}" for name in dir(thing) if not name.startswith("_")]


def errors(path, not_asked):
    found = validate(path)["errors"]
    return [(code, text) for code, text in found if code not in not_asked]


@pytest.mark.parametrize("path", PUBLIC)
def test_docstring(path):
    assert errors(path, NOT_ASKED) == []  # EX01, no example, is among those asked


@pytest.mark.parametrize("path", [m for path in PUBLIC for m in methods(path)])
def test_docstring_of_a_method(path):
    assert errors(path, NOT_ASKED | {"EX01"}) == []
