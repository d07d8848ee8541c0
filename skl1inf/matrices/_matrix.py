"""A matrix of samples by features, dense or sparse."""

from scipy.sparse import issparse


def open_matrix(X):
    """Return the matrix that can compute with X."""
    from ._dense import DenseMatrix
    from ._sparse import SparseMatrix

    return SparseMatrix(X) if issparse(X) else DenseMatrix(X)
