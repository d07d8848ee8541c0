"""What the README and the documentation say and refer to."""

import csv
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_link_of_the_readme_leads_somewhere():
    targets = re.findall(r"\]\(([^)#]+)", README)
    local = [target for target in targets if not target.startswith("https://")]
    assert local
    assert not [target for target in local if not (ROOT / target).exists()]


def test_the_gallery_has_an_order():
    order = runpy.run_path(str(ROOT / "docs/gallery_order.py"))["ORDER"]
    examples = [path.name for path in (ROOT / "examples").glob("*.py")]
    assert sorted(order) == sorted(examples)


@pytest.mark.parametrize(
    ("row", "column", "shown"),
    [
        ("balanced accuracy, seven sets", "mean", "{:.3f}"),
        ("stability of the 20 best, seven sets", "stability", "{:.2f}"),
        ("processor seconds a fit, seven sets", "seconds", "{:.2g}"),
    ],
)
def test_the_readme_shows_the_committed_results(row, column, shown):
    figures = {}
    for name in ("selection_l1inf.csv", "selection_peers.csv"):
        with open(ROOT / "benchmarks/results" / name, newline="") as file:
            for result in csv.DictReader(file):
                figures.setdefault(result["selector"], []).append(float(result[column]))
    (line,) = [line for line in README.splitlines() if line.startswith(f"| {row} |")]
    cells = [cell.strip() for cell in line.split("|")[2:6]]
    for cell, selector in zip(
        cells, ("l1inf", "f_test", "l1_logistic", "forest"), strict=True
    ):
        assert len(figures[selector]) == 7
        assert cell == shown.format(np.mean(figures[selector])).removeprefix("0")


def test_every_guarantee_names_a_test_that_exists():
    page = (ROOT / "docs/guarantees.md").read_text("utf-8")
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", page)
    assert len(named) > 40
    for file, name in named:
        source = (ROOT / "tests" / file).read_text("utf-8")
        assert not name or f"\ndef {name}(" in source, (file, name)
