"""The l1,inf ball: its norm, the dual norm and the exact projection onto it.

Other balls that people compare it with go through the same door.
"""

from ._ball import Ball, L1InfBall, duality_gap, relative_gap
from ._functions import (
    l1inf_dual_norm,
    l1inf_norm,
    project_l1,
    project_l1inf,
    project_l1inf_bilevel,
    project_l12,
)
from ._groups import GroupedBall

__all__ = [
    "Ball",
    "GroupedBall",
    "L1InfBall",
    "duality_gap",
    "l1inf_dual_norm",
    "l1inf_norm",
    "project_l1",
    "project_l1inf",
    "project_l1inf_bilevel",
    "project_l12",
    "relative_gap",
]
