"""Warnings that point at the user's line."""

import inspect
import warnings

# Those whose decorators and loops stand between the two belong to the inside.
_INSIDE = ("skl1inf", "sklearn", "joblib", "numpy")


def warn_the_caller(message):
    """Warn at the line outside of this package and of scikit-learn that called it."""
    frame, level = inspect.currentframe(), 1
    while frame.f_back is not None and _package_of(frame) in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def _package_of(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
