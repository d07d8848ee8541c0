"""The linear model: least squares with coefficients in the l1,inf ball.

Arrays in, arrays out. The equation is in `_loss.py`, the method in `_solver.py`.
"""

from ._constraint import Constraint, Penalty
from ._loss import CentredLeastSquares
from ._moments import losses_of_folds
from ._solver import Solver

__all__ = ["CentredLeastSquares", "Constraint", "Penalty", "Solver", "losses_of_folds"]
