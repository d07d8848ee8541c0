"""Settings and data that the tests share."""

import os
from pathlib import Path

# scikit-learn's checks of array inputs only run with scipy's support switched on,
# which scipy reads when it is first imported.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest

from skl1inf.datasets import load_srbct


@pytest.fixture(scope="session")
def srbct():
    """The shipped gene matrix and its classes."""
    return load_srbct(return_X_y=True)


@pytest.fixture(scope="session")
def real_data():
    """Return a function that loads a data set of the folder SKL1INF_DATA by name."""
    folder = os.environ.get("SKL1INF_DATA")
    if folder is None:
        pytest.skip("SKL1INF_DATA names no folder of data sets")

    def load(name):
        with np.load(Path(folder) / f"{name}.npz") as data:
            return data["X"], data["y"].astype(int)

    return load
