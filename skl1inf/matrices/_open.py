"""The door: which matrix opens X."""

from scipy.sparse import issparse

from ._dense import DenseMatrix
from ._sparse import SparseMatrix


def open_matrix(X):
    """Return the `Matrix` of a validated array or sparse matrix."""
    return SparseMatrix(X) if issparse(X) else DenseMatrix(X)
