"""Matrices, dense and sparse: the one place that tells them apart."""

from ._matrix import open_matrix

__all__ = ["open_matrix"]
