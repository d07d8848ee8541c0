"""Which gene speaks for which class."""

from dataclasses import dataclass

import numpy as np

from ._matrix import products

# Scores of two signs count as equally large where they differ by less, as those of two
# classes do.
_TIED = 1e-9


@dataclass(frozen=True)
class Scores:
    """The means of the classes, in standard deviations of every gene.

    Attributes
    ----------
    means : ndarray of shape (n_classes, n_genes)
        The mean of the standardised gene in every class, without the differences
        between batches.
    scores : ndarray of shape (n_classes, n_genes)
        The mean in the class less that in the other cells.
    mean, scale : ndarray of shape (n_genes,)
        The mean over all cells, and the inverse of the standard deviation, 0 for
        constant genes.
    """

    means: np.ndarray
    scores: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, cells):
        r"""Return those of some cells.

        With the indicators D of the classes, beside them those of the batches, and the
        standardised genes Z, the means M solve the least squares problem

        .. math:: \min_M \|Z - D M\|_F^2,

        of which they are the rows of the classes. Without batches they are the means.
        The score of class c of :math:`n_c` of n cells is
        :math:`M_c - \sum_{k \ne c} n_k M_k / (n - n_c)`.
        """
        D, n_classes = cells.design, len(cells.classes)
        of_X, squares = products(D, cells.X)
        n_cells = np.bincount(cells.codes)
        n = n_cells.sum()
        mean = of_X[:n_classes].sum(axis=0) / n
        variance = squares / n - mean**2
        rounding = n * np.finfo(float).eps * squares / n
        varies = variance > rounding
        scale = np.where(varies, 1.0, 0.0) / np.sqrt(np.where(varies, variance, 1.0))
        of_Z = (of_X - np.outer(D.sum(axis=0), mean)) * scale
        means = (np.linalg.pinv((D.T @ D).toarray(), hermitian=True) @ of_Z)[:n_classes]
        total = n_cells @ means
        others = total - n_cells[:, np.newaxis] * means
        scores = means - others / (n - n_cells)[:, np.newaxis]
        return cls(means, scores, mean, scale)

    @property
    def up(self):
        """The mask of the genes that speak for a class by a high expression."""
        high, low = self.scores.max(axis=0), -self.scores.min(axis=0)
        return (high > 0) & (high >= low - _TIED)

    @property
    def speaks_for(self):
        """The class from whose other cells every gene differs most, as indices."""
        highest, lowest = self.scores.argmax(axis=0), self.scores.argmin(axis=0)
        return np.where(self.up, highest, lowest)
