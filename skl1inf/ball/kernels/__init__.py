"""The compiled passes of the projection; see docs/projection.md."""

from ._driver import ProjectionInMetric, compensated, project, statistics
from ._members import Members, members_of
from ._shrink import shrink_in_metric

__all__ = [
    "Members",
    "ProjectionInMetric",
    "compensated",
    "members_of",
    "project",
    "shrink_in_metric",
    "statistics",
]
