"""Genes from AnnData objects, in the manner of scanpy. Needs the extra ``anndata``."""

from ._genes import select_genes
from ._panel import marker_panel

__all__ = ["marker_panel", "select_genes"]
