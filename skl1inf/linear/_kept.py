"""Features that are always kept: their coefficients are free, and eliminated.

Let K be the columns of the kept features. The best coefficients for them leave of the
targets, and of every other column, the part that is orthogonal to K [1]_. With
``K = Q R`` that part of y is ``y - Q Q' y``.

References
----------
.. [1] Golub, Pereyra, "The differentiation of pseudo-inverses and nonlinear least
   squares problems whose variables separate", SIAM J. Numer. Anal. 1973, section 2.
"""

import numpy as np
from scipy import linalg

INDEPENDENT = 1e-10  # part of a column, orthogonal to the others, that is no rounding
EPS = np.finfo(float).eps


class Kept:
    """The span of the kept columns, which are centred and weighted.

    A column that depends on others adds nothing to the span and gets the coefficient
    zero. So does a constant one.

    Parameters
    ----------
    features : ndarray of shape (n_kept,)
        The kept features.
    columns : ndarray of shape (n_samples, n_kept)
        Their columns, with zeros where a feature is constant.

    Attributes
    ----------
    basis : ndarray of shape (n_samples, rank)
        Q, an orthonormal basis of the span.
    """

    def __init__(self, features, columns):
        self.features = features
        norms = np.linalg.norm(columns, axis=0)
        self.norms = np.where(norms > 0, norms, 1)
        Q, R, order = linalg.qr(columns / self.norms, mode="economic", pivoting=True)
        rank = np.count_nonzero(np.abs(np.diag(R)) > INDEPENDENT)
        self.basis = Q[:, :rank]
        self.factor, self.chosen = R[:rank, :rank], order[:rank]

    def remove(self, Y):
        """Return the part of Y that is orthogonal to the span."""
        for _ in range(2):  # the second time removes the rounding errors of the first
            Y = Y - self.basis @ (self.basis.T @ Y)
        return Y

    def remove_from_targets(self, Y):
        """Return the same, with zeros for the targets in the span."""
        rest = self.remove(Y)
        rounding = EPS * len(Y) * np.linalg.norm(Y, axis=0)
        rest[:, np.linalg.norm(rest, axis=0) <= rounding] = 0
        return rest

    def coefficients(self, Y):
        """Return the coefficients of the kept features that fit Y best."""
        coef = np.zeros((len(self.features), Y.shape[1]))
        chosen = linalg.solve_triangular(self.factor, self.basis.T @ Y)
        coef[self.chosen] = chosen / self.norms[self.chosen, None]
        return coef
