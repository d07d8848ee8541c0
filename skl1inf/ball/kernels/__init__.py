"""The compiled passes of the projection; see docs/projection.md."""

from ._driver import compensated, project, statistics

__all__ = ["compensated", "project", "statistics"]
