"""The compiled passes of the projection; see docs/projection.md."""

from ._driver import ProjectionInMetric, compensated, project, statistics
from ._shrink import shrink_in_metric

__all__ = [
    "ProjectionInMetric",
    "compensated",
    "project",
    "shrink_in_metric",
    "statistics",
]
