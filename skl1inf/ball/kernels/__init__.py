"""The compiled passes of the projection; see docs/projection.md."""

from ._driver import compensated, project, statistics
from ._shrink import shrink_in_metric

__all__ = ["compensated", "project", "shrink_in_metric", "statistics"]
