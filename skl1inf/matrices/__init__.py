"""The data: what the training and the linear model ask of a matrix."""

from ._matrix import Matrix, Standardized, open_matrix

__all__ = ["Matrix", "Standardized", "open_matrix"]
