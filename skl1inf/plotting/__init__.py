"""Pictures of what was selected, as scikit-learn's Display objects."""

from ._confidence import ConfidenceDisplay
from ._contributions import ContributionsDisplay
from ._heatmap import ExpressionHeatmapDisplay
from ._latent import LatentSpaceDisplay
from ._radius_cv import RadiusCVDisplay
from ._radius_path import RadiusPathDisplay
from ._stability import StabilityDisplay

__all__ = [
    "ConfidenceDisplay",
    "ContributionsDisplay",
    "ExpressionHeatmapDisplay",
    "LatentSpaceDisplay",
    "RadiusCVDisplay",
    "RadiusPathDisplay",
    "StabilityDisplay",
]
