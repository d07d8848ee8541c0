"""The compiled passes of the projection; see docs/projection.md."""

from ._numpy import compensated, project, statistics

__all__ = ["compensated", "project", "statistics"]
