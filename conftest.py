"""Settings of all tests, those in docstrings and in the documentation too."""

import os

# Pictures are drawn without a display, where `plt.show()` does not wait.
os.environ.setdefault("MPLBACKEND", "Agg")
