"""A matrix in blocks of rows, beyond memory or on a cluster: a dask array.

Every product and every statistic reads each block once. dask decides where and when. A
block is opened as a matrix in memory, which computes its part.

The parts are added in the order of the blocks, eight at a time, whichever worker is
the first to be done. So the result does not depend on the workers.
"""

import warnings
from functools import reduce
from operator import add

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite

from ._matrix import Matrix
from ._moments import Moments, moments_of

# So many parts are added by one task.
_FAN_IN = 8

# Parts of at most so many bytes are fetched at a time, beside the result.
_FETCHED_BYTES = 2**28

# Samples are taken into memory where they have at most so many bytes, if dense.
_TAKEN_BYTES = 2**30


class BlocksMatrix(Matrix):
    """A dask array whose blocks are arrays or sparse matrices, with all columns.

    It has no columns for the linear model, which fits data in memory.
    """

    def __init__(self, X):
        sizes = np.array(X.chunks[0])
        if not sizes.all():
            X = X.blocks[np.flatnonzero(sizes)]
        self.X, self.shape = X, X.shape
        self.can_be_centred = not issparse(X._meta)
        ends = np.cumsum(X.chunks[0]).tolist()
        rows = map(slice, [0, *ends[:-1]], ends)
        self._parts = list(zip(rows, X.to_delayed().ravel(), strict=True))

    def take_samples(self, index):
        """Return the matrix of the samples `index`, in memory where they are few."""
        X = self.X[index]
        if X.nbytes > _TAKEN_BYTES:
            return BlocksMatrix(X)
        return open_block(X.compute())

    def columns(self, index, samples=slice(None)):
        """Return the features `index` of some samples as an array."""
        X = self.X[samples]
        matrix = self if X is self.X else BlocksMatrix(X)
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        columns = allocate(len(index), len(X), dtype).T
        matrix.fetch(columns, columns_of_block, index)
        return columns

    def take_columns(self, index):
        """Return the features `index` in memory, sparse where the blocks are."""
        return open_block(self.X[:, index].compute()).X

    def standardized(self, mean, inverse_scale, device):
        """Return ``(X - mean) * inverse_scale``, which stays in blocks."""
        from ._standardized_blocks import StandardizedBlocks

        return StandardizedBlocks(self, mean, inverse_scale, device)

    def squared_norms(self, mean, inverse_scale):
        """Return the squared norms of ``(X - mean) * inverse_scale``."""
        norms = np.empty(self.shape[0])
        self.fetch(norms, _squared_norms, mean, inverse_scale)
        return norms

    def weighted_sums(self, R):
        """Return ``X' R`` in float64."""
        return self.add_up(_weighted_sums, by_sample=R)

    def statistics(self, weight):
        """Return the mean and deviation of every column, and what is constant.

        The weights are positive. Raises ValueError where an entry is not finite.
        """
        moments = self.add_up(_moments, by_sample=weight)
        return moments.statistics(self.shape[0])

    def fetch(self, out, function, *arguments):
        """Write ``function(block, *arguments)`` of every block to its rows of `out`."""
        import dask

        n_rows = max(1, _FETCHED_BYTES * len(out) // max(out.nbytes, 1))
        shared = [dask.delayed(argument) for argument in arguments]
        call = dask.delayed(function, pure=False)
        group = []
        for rows, block in self._parts:
            if group and rows.stop - group[0][0].start > n_rows:
                _write(out, group)
                group = []
            group.append((rows, call(block, *shared)))
        _write(out, group)

    def add_up(self, function, *arguments, by_sample):
        """Return the sum of ``function(block, *arguments, by_sample[rows])``."""
        import dask

        shared = [dask.delayed(argument) for argument in arguments]
        call, sum_up = (dask.delayed(f, pure=False) for f in (function, _sum))
        parts = [call(block, *shared, by_sample[rows]) for rows, block in self._parts]
        while len(parts) > 1:
            starts = range(0, len(parts), _FAN_IN)
            parts = [sum_up(parts[start : start + _FAN_IN]) for start in starts]
        (total,) = _computed(parts)
        return total


def allocate(n_features, n_samples, dtype):
    """Return an array, or raise a MemoryError that says how large it would be."""
    try:
        return np.empty((n_features, n_samples), dtype)
    except MemoryError as error:
        size = float(n_features) * n_samples * np.dtype(dtype).itemsize / 2**30
        raise MemoryError(
            f"{n_features} features of the {n_samples} samples of X, which are trained "
            f"on, do not fit into memory: they take {size:.1f} GiB. A smaller radius "
            "selects fewer features."
        ) from error


def open_block(block):
    """Return the matrix of a block."""
    from ._open import open_matrix

    compressed = issparse(block) and block.format in ("csr", "csc")
    if not (compressed or isinstance(block, np.ndarray)):
        raise TypeError(
            "The blocks of X must be numpy arrays or CSR or CSC matrices of scipy, got "
            f"an instance of {type(block).__name__}."
        )
    if block.dtype not in (np.float32, np.float64):
        block = block.astype(np.float64)
    return open_matrix(block)


def _write(out, group):
    """Compute the parts of a group of rows, and write them."""
    parts = _computed([part for _, part in group])
    for (rows, _), part in zip(group, parts, strict=True):
        out[rows] = part


def _computed(parts):
    """Return what dask computes."""
    import dask

    with warnings.catch_warnings():
        # The weights or activations that a product needs must get to the workers.
        warnings.filterwarnings("ignore", "Sending large graph")
        return dask.compute(*parts)


def _sum(parts):
    """Return the sum of parts, from the first to the last."""
    return reduce(add, parts)


# What is computed of a block, where dask has it.


def _moments(block, weight):
    matrix = open_block(block)
    assert_all_finite(matrix.X, input_name="X")
    if not issparse(block):
        return moments_of(matrix.X, weight)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale, constant = matrix.statistics(weight)
        variance = np.where(constant, 0.0, scale**2)
    return Moments(weight.sum(), mean, variance)


def columns_of_block(block, index):
    """Return some columns of a block, which are finite."""
    columns = open_block(block).columns(index)
    assert_all_finite(columns, input_name="X")
    return columns


def _squared_norms(block, mean, inverse_scale):
    return open_block(block).squared_norms(mean, inverse_scale)


def _weighted_sums(block, R):
    return open_block(block).weighted_sums(R)
