"""The data: what the training and the linear model ask of a matrix."""

from ._centred import far_from_zero
from ._matrix import Matrix, Standardized
from ._open import is_dask, open_matrix

__all__ = ["Matrix", "Standardized", "far_from_zero", "is_dask", "open_matrix"]
