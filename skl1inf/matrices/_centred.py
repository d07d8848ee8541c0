"""Centred and weighted columns of a matrix, for the linear model.

``columns`` stands for ``diag(root) (X - 1 mean')``: every column of X minus its mean,
every row multiplied by the root of the sample's normalised weight. Dense columns are
centred in a copy. Sparse ones stay sparse: the mean is subtracted from their products.
A mean of zero means that the column is not centred.

Subtracting a large mean cancels digits. So a column far from zero is centred twice:
the second mean is small and removes the rounding errors of the first. A sparse column
is far from zero only if it has no zeros; it is then centred like an array.

``columns.orthogonal_to(basis)`` stands for their part that is orthogonal to some
orthonormal vectors. It is computed from arrays. With sparse columns what is subtracted
is kept beside them, as the mean is.
"""

from copy import copy

import numpy as np

EPS = np.finfo(float).eps
N_PROBES = 8  # samples that tell whether a column is far from zero
FAR = 1e4  # mean relative to spread from where on products lose too many digits
EXPLAINED = 1e-6  # part of a sparse column that is rounding once a basis is taken out


def far_from_zero(centred, mean):
    """Tell which columns have a mean that is large relative to their spread.

    A few samples tell the spread.
    """
    spread = np.abs(centred[:N_PROBES]).max(axis=0, initial=0)
    return np.flatnonzero(np.abs(mean) > FAR * spread)


class DenseColumns:
    """Columns in an array that is centred."""

    removed = 0.0  # norms of the columns of which a part was taken out

    def __init__(self, X, mean, root):
        self.array = np.subtract(X, mean, dtype=float, order="F")
        self.mean = mean
        far = far_from_zero(self.array, mean)
        if len(far):
            second_mean = root**2 @ self.array[:, far]
            self.array[:, far] -= second_mean
            self.mean = mean.copy()
            self.mean[far] += second_mean
        self.array *= root[:, None]

    @property
    def size(self):
        """Number of entries that a product reads."""
        return self.array.size

    def take(self, index):
        """Return some of the columns."""
        part = copy(self)
        part.array, part.mean = self.array[:, index], self.mean[index]
        return part

    def times(self, W):
        """Return ``columns W``."""
        return self.array @ W

    def transposed_times(self, R):
        """Return ``columns' R``."""
        return self.array.T @ R

    def gram(self):
        """Return ``columns' columns``."""
        return self.array.T @ self.array

    def squared_norms(self):
        """Return the diagonal of the Gram matrix."""
        return np.einsum("ij,ij->j", self.array, self.array)

    def varying(self):
        """Return False where a column is constant up to rounding."""
        rounding = EPS * len(self.array) * np.maximum(np.abs(self.mean), self.removed)
        return self.squared_norms() > rounding**2

    def orthogonal_to(self, basis):
        """Return the part that is orthogonal to the columns of the basis."""
        part = copy(self)
        part.removed = np.sqrt(self.squared_norms())
        for _ in range(2):  # the second time removes the rounding errors of the first
            product = basis @ (basis.T @ part.array)
            part.array = np.subtract(part.array, product, order="F")
        return part


class SparseColumns:
    """Sparse columns, and their means beside them."""

    def __init__(self, X, mean, root):
        self.matrix = X.tocsc().astype(float)
        self.root = root
        self.mean = mean
        self.left = mean  # to be subtracted from products
        full = np.flatnonzero(np.diff(self.matrix.indptr) == len(root))
        if len(full):
            self._centre(full, mean[full])
        self.matrix.data *= root[self.matrix.indices]

    def _centre(self, full, mean):
        """Centre the columns without zeros, if they are far from zero."""
        entries = self.matrix.indptr[full] + np.arange(len(self.root))[:, None]
        centred = self.matrix.data[entries] - mean
        far = far_from_zero(centred, mean)
        if len(far):
            second_mean = self.root**2 @ centred[:, far]
            self.matrix.data[entries[:, far]] = centred[:, far]
            self.mean, self.left = self.mean.copy(), self.left.copy()
            self.mean[full[far]] += second_mean
            self.left[full[far]] = second_mean

    @property
    def size(self):
        """Number of entries that a product reads."""
        return self.matrix.size

    def take(self, index):
        """Return some of the columns."""
        part = copy(self)
        part.matrix, part.mean = self.matrix[:, index], self.mean[index]
        part.left = self.left[index]
        return part

    def times(self, W):
        """Return ``columns W``."""
        product = self.matrix @ W
        product -= np.outer(self.root, self.left @ W)
        return product

    def transposed_times(self, R):
        """Return ``columns' R``."""
        product = self.matrix.T @ R
        product -= np.outer(self.left, self.root @ R)
        return product

    def gram(self):
        """Return ``columns' columns``, an array."""
        product = (self.matrix.T @ self.matrix).toarray()
        product -= np.outer(self.left, self.left)
        return product

    def squared_norms(self):
        """Return the diagonal of the Gram matrix."""
        return np.asarray(self.matrix.power(2).sum(axis=0)).ravel() - self.left**2

    def varying(self):
        """Return False where a column is constant up to rounding."""
        rounding = EPS * len(self.root)
        # The square of `left` is subtracted from a sum of squares, so that its rounding
        # error is not squared.
        largest = np.maximum((rounding * self.mean) ** 2, rounding * self.left**2)
        return self.squared_norms() > largest

    def orthogonal_to(self, basis):
        """Return the part that is orthogonal to the columns of the basis."""
        return OrthogonalColumns(self, basis)


class OrthogonalColumns:
    """``columns - basis explained``, with columns that stay sparse."""

    def __init__(self, columns, basis):
        self.columns, self.basis = columns, basis
        self.explained = columns.transposed_times(basis).T

    @property
    def size(self):
        """Number of entries that a product reads."""
        return self.columns.size + self.basis.size + self.explained.size

    def take(self, index):
        """Return some of the columns."""
        part = copy(self)
        part.columns = self.columns.take(index)
        part.explained = self.explained[:, index]
        return part

    def times(self, W):
        """Return ``columns W``."""
        return self.columns.times(W) - self.basis @ (self.explained @ W)

    def transposed_times(self, R):
        """Return ``columns' R``."""
        product = self.columns.transposed_times(R)
        product -= self.explained.T @ (self.basis.T @ R)
        return product

    def gram(self):
        """Return ``columns' columns``, an array."""
        return self.columns.gram() - self.explained.T @ self.explained

    def squared_norms(self):
        """Return the diagonal of the Gram matrix."""
        squares = self.columns.squared_norms()
        return squares - np.einsum("ij,ij->j", self.explained, self.explained)

    def varying(self):
        """Return False where a column is constant, or explained, up to rounding."""
        # Squares are subtracted from squares, so that rounding errors are not squared.
        rest = EXPLAINED**2 * self.columns.squared_norms()
        return self.columns.varying() & (self.squared_norms() > rest)
