"""The matrix of an AnnData object: in memory, in a file, or of dask.

A matrix of dask is passed on as it is. Of one in a file, the cells and genes in
question are read: a dense one by blocks of cells.
"""

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

# Entries of a dense block of cells.
_BLOCK_ENTRIES = 2**22


def read(X, cells, genes):
    """Return some cells and genes, of a matrix in a file as a matrix in memory.

    Parameters
    ----------
    X : ndarray, sparse matrix, dask array, or data set in a file
        The matrix, cells in rows.
    cells, genes : ndarray
        Masks of the rows and of the columns.
    """
    if hasattr(X, "to_memory"):
        X = X.to_memory()  # a sparse matrix in a file
    if isinstance(X, np.ndarray):
        X = np.asarray(X)  # not the arrays of views
    if is_dask(X):
        X = X.rechunk({1: -1})  # blocks of whole rows
    if sparse.issparse(X) or isinstance(X, np.ndarray) or is_dask(X):
        X = X if genes.all() else X[:, np.flatnonzero(genes)]
        return X if cells.all() else X[np.flatnonzero(cells)]
    in_memory = np.empty((cells.sum(), genes.sum()), X.dtype)
    stop = 0
    for rows in _batches(X.shape):
        start, stop = stop, stop + cells[rows].sum()
        in_memory[start:stop] = X[rows][cells[rows]][:, genes]
    return in_memory


def is_dask(X):
    """Return whether a matrix is one of dask, without importing dask."""
    return hasattr(X, "__dask_graph__")


def with_columns(X, columns):
    """Return a matrix with more columns, sparse ones, after its own.

    The blocks of a dask array must hold whole rows.
    """
    if is_dask(X):
        import dask.array as da

        more = da.from_array(columns.toarray(), chunks=(X.chunks[0], -1))
        widths = (X.shape[1] + columns.shape[1],)
        return da.map_blocks(
            _with_block, X, more, chunks=(X.chunks[0], widths), meta=X._meta
        )
    columns = columns.astype(X.dtype)
    if sparse.issparse(X):
        return sparse.hstack([X, columns], format=X.format)
    return np.hstack([X, columns.toarray()])


def _with_block(X, columns):
    return with_columns(X, sparse.csr_array(columns))


def products(D, X):
    """Return ``D' X``, and the sum of squares of every column of X, in float64.

    Parameters
    ----------
    D : sparse array of shape (n_cells, k)
    X : ndarray, sparse matrix or dask array of shape (n_cells, n_genes)
    """
    of_X, squares = 0.0, 0.0
    for rows, block in _blocks(X):
        block = block.astype(np.float64)
        product = D[rows].T @ block
        product = product.toarray() if sparse.issparse(product) else product
        squared = block.multiply(block) if sparse.issparse(block) else block**2
        of_X = of_X + product
        squares = squares + np.asarray(squared.sum(axis=0)).ravel()
    return of_X, squares


def dense_blocks(X, genes):
    """Yield the rows of blocks of cells, and the blocks of some genes in float64."""
    for rows, block in _blocks(X[:, genes]):
        if sparse.issparse(block):
            block = block.toarray()
        yield rows, block.astype(np.float64)


def _blocks(X):
    """Yield slices of rows and the blocks of these rows, in memory."""
    if is_dask(X):
        bounds = np.cumsum([0, *X.chunks[0]])
        for block, start, stop in zip(X.blocks, bounds, bounds[1:], strict=False):
            yield slice(start, stop), block.compute()
        return
    if sparse.issparse(X):
        X = X.tocsr()  # rows of CSC are slow
    for rows in _batches(X.shape):
        yield rows, X[rows]


def _batches(shape):
    return gen_batches(shape[0], max(1, _BLOCK_ENTRIES // shape[1]))
