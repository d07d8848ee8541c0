"""Centred and weighted columns of a matrix, for the linear model.

``columns`` stands for ``diag(root) (X - 1 mean')``: every column of X minus its mean,
every row multiplied by the root of the sample's weight. Dense columns are centred in
a copy. Sparse ones stay sparse: the mean is subtracted from their products.
"""

from copy import copy

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, lsqr

EPS = np.finfo(float).eps


class DenseColumns:
    """Columns in an array that is centred."""

    def __init__(self, X, mean, root):
        self.mean = mean
        self.array = np.subtract(X, mean, dtype=float, order="F")
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
        rounding = EPS * len(self.array) * self.mean
        return self.squared_norms() > rounding**2

    def minimum_norm_solution(self, target):
        """Return the least-squares solution of smallest Frobenius norm."""
        solution, *_ = linalg.lstsq(
            self.array,
            target,
            cond=max(self.array.shape) * EPS,
            lapack_driver="gelsy",  # complete orthogonal, far cheaper than an SVD
            check_finite=False,
        )
        return solution


class SparseColumns:
    """Sparse columns, and their means beside them."""

    def __init__(self, X, mean, root):
        self.matrix = X.tocsc().astype(float)
        self.matrix.data *= root[self.matrix.indices]
        self.mean, self.root = mean, root

    @property
    def size(self):
        """Number of entries that a product reads."""
        return self.matrix.size

    def take(self, index):
        """Return some of the columns."""
        part = copy(self)
        part.matrix, part.mean = self.matrix[:, index], self.mean[index]
        return part

    def times(self, W):
        """Return ``columns W``."""
        product = self.matrix @ W
        product -= np.outer(self.root, self.mean @ W)
        return product

    def transposed_times(self, R):
        """Return ``columns' R``."""
        product = self.matrix.T @ R
        product -= np.outer(self.mean, self.root @ R)
        return product

    def gram(self):
        """Return ``columns' columns``, an array."""
        product = (self.matrix.T @ self.matrix).toarray()
        product -= np.outer(self.mean, self.mean)
        return product

    def squared_norms(self):
        """Return the diagonal of the Gram matrix."""
        return np.asarray(self.matrix.power(2).sum(axis=0)).ravel() - self.mean**2

    def varying(self):
        """Return False where a column is constant up to rounding."""
        # The mean is subtracted from a sum of squares: rounding is not squared here.
        return self.squared_norms() > EPS * len(self.root) * self.mean**2

    def minimum_norm_solution(self, target):
        """Return the least-squares solution of smallest Frobenius norm."""
        operator = LinearOperator(
            self.matrix.shape,
            matvec=lambda w: self.times(w.reshape(-1, 1)).ravel(),
            rmatvec=lambda r: self.transposed_times(r.reshape(-1, 1)).ravel(),
        )
        solutions = [lsqr(operator, y, atol=1e-10, btol=1e-10)[0] for y in target.T]
        return np.column_stack(solutions)
