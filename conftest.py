"""Settings of all tests, those in docstrings and in the documentation too."""

import os

import pytest

# Pictures are drawn without a display, where `plt.show()` does not wait.
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def _files_of_snippets_go_elsewhere(request):
    """Run snippets, which may write files, in a folder of their own."""
    if isinstance(request.node, pytest.DoctestItem):
        path = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(path)
