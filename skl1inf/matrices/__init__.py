"""Matrices, dense and sparse: the one place that tells them apart."""

from ._centred import far_from_zero
from ._matrix import open_matrix

__all__ = ["far_from_zero", "open_matrix"]
