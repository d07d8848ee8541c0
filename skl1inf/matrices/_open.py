"""The door: which matrix opens X."""

from scipy.sparse import issparse

from ._dense import DenseMatrix
from ._sparse import SparseMatrix


def open_matrix(X):
    """Return the `Matrix` of a validated array, sparse matrix or dask array."""
    if is_dask(X):
        from ._blocks import BlocksMatrix

        return BlocksMatrix(X)
    return SparseMatrix(X) if issparse(X) else DenseMatrix(X)


def is_dask(X):
    """Tell whether X is an array or another collection of dask.

    dask is not imported: who has a collection has done so.
    """
    modules = {base.__module__.partition(".")[0] for base in type(X).__mro__}
    return not modules.isdisjoint({"dask", "dask_expr"})
