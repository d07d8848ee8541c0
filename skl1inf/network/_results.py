"""What a training returns."""

from dataclasses import dataclass

import numpy as np

from ._network import Network
from ._problem import Batch


@dataclass(frozen=True)
class Selection:
    """What a descent says of the features, in numpy.

    Attributes
    ----------
    alive : ndarray of shape (n_features,)
        Mask of the rows of the first layer that are not zero.
    weights : ndarray of shape (n_features,)
        The size of every row in the ball, relative to the radius.
    importances : ndarray of shape (n_features,)
        The score that ranks the features, averaged over the path to the radius.
    gradient_norms : ndarray of shape (n_features,)
        The dual size of the rows of the gradient.
    row_weights, row_gradients : ndarray of shape (n_features,)
        The largest absolute weight of every row alone, and the l1 norm of its gradient.
        They order the features of a group.
    loss, optimality : float
        The loss, and the relative duality gap of the first layer.
    """

    alive: np.ndarray
    weights: np.ndarray
    importances: np.ndarray
    gradient_norms: np.ndarray
    row_weights: np.ndarray
    row_gradients: np.ndarray
    loss: float
    optimality: float

    @property
    def order(self):
        """The features, the most important first; ties go by gradient, then by row."""
        rows = -self.row_gradients, -self.row_weights
        return np.lexsort((*rows, -self.gradient_norms, -self.importances))


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes
    ----------
    selection : Selection
        What the descent says of the features.
    optimality : float
        The relative duality gap of the first layer at the end, over all features.
    loss_curve : ndarray of shape (n_passes,)
        The loss of every pass over the data, of all descents.
    network : Network
        The network, of one replica.
    samples : list of Batch
        The data on the device: of few samples, ..., and of all.
    """

    selection: Selection
    optimality: float
    loss_curve: np.ndarray
    network: Network
    samples: list[Batch]

    @property
    def coefs(self):
        """The weights of the encoder, as arrays."""
        return [t[0].numpy(force=True) for t in (self.network.W, self.network.V)]

    @property
    def intercepts(self):
        """The biases of the encoder, as arrays."""
        return [t[0, 0].numpy(force=True) for t in (self.network.b, self.network.c)]
