"""What importing the package gives, and what it costs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import skl1inf
import skl1inf.anndata
import skl1inf.datasets
import skl1inf.plotting

ROOT = Path(__file__).parents[1]

# Tools that no test calls.
TOOLS = "import-linter", "mypy", "pytest-cov", "ruff"


def modules_after(statement):
    """Return the names of the modules that a new process has after `statement`."""
    program = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import skl1inf",
        "from skl1inf import L1InfFeatureSelector; L1InfFeatureSelector()",
        "from skl1inf.datasets import load_srbct; load_srbct()",
        "import skl1inf.plotting",
    ],
)
def test_needs_neither_torch_nor_numba_before_a_fit(statement):
    modules = modules_after(statement)
    assert "skl1inf" in modules
    assert not {"torch", "numba", "matplotlib"} & modules


def test_import_brings_no_estimator_along():
    assert "sklearn" not in modules_after("import skl1inf")


@pytest.mark.parametrize("name", skl1inf.__all__)
def test_public_name(name):
    thing = getattr(skl1inf, name)
    assert thing.__name__ == name
    assert thing.__doc__
    assert name in dir(skl1inf)


def test_star_import():
    names = {}
    exec("from skl1inf import *", names)
    assert set(skl1inf.__all__) <= set(names)


def test_every_public_name_has_a_module():
    assert set(skl1inf._MODULE_OF) == set(skl1inf.__all__)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'L2Selector'"):
        skl1inf.L2Selector  # noqa: B018


def test_version_is_told_once_everywhere():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {skl1inf.__version__}\n" in citation
    release = skl1inf.__version__.partition(".dev")[0]
    assert f"\n## {release}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_type_hints_are_announced():
    assert (Path(skl1inf.__file__).parent / "py.typed").exists()


def test_every_public_name_is_in_the_api_reference():
    listed = re.findall(
        r"^   (\w+)$", (ROOT / "docs/api.rst").read_text("utf-8"), re.MULTILINE
    )
    modules = skl1inf, skl1inf.anndata, skl1inf.datasets, skl1inf.plotting
    public = [name for module in modules for name in module.__all__]
    assert sorted(listed) == sorted(public)


def pins(filename):
    """Return the versions that a file of constraints pins, by name."""
    lines = (ROOT / filename).read_text("utf-8").splitlines()
    return {
        name: Version(pin)
        for name, found, pin in (line.partition("==") for line in lines)
        if found
    }


def test_lower_bounds_are_those_that_are_tried():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    bounds = {
        requirement.name: str(requirement.specifier)
        for requirement in map(
            Requirement,
            [
                *project["dependencies"],
                *extras["anndata"],
                *extras["plot"],
                *extras["survival"],
                *extras["test"],
            ],
        )
    }
    tried = pins("constraints-min.txt")
    assert tried.pop("torch") == pins("constraints.txt")["torch"]  # at one alone
    tried.pop("pyparsing")
    for name in bounds.keys() - {"torch", "skl1inf", *TOOLS}:
        assert bounds[name].startswith(">=")
        assert tried.pop(name) == Version(bounds[name][2:])
    assert not tried
