"""Norms of, and exact projections onto, the l1,inf ball."""

from ._api import WarmStart, l1inf_dual_norm, l1inf_norm, project_l1inf

__all__ = ["WarmStart", "l1inf_dual_norm", "l1inf_norm", "project_l1inf"]
