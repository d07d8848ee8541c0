"""The compiled passes of the projection; see docs/projection.md."""

from ._driver import ProjectionInMetric, compensated, project, statistics
from ._members import Members, members_of
from ._shrink import shrink

__all__ = [
    "Members",
    "ProjectionInMetric",
    "compensated",
    "members_of",
    "project",
    "shrink",
    "statistics",
]
