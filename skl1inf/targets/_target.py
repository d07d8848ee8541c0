"""What a target must answer."""

from typing import Protocol

import numpy as np


class Target(Protocol):
    """What the code has to predict.

    The training takes an instance, which `encode` makes of validated y. The estimators
    ask the class itself for the rest.

    Attributes
    ----------
    name : str
        What y is: "classes", "numbers", ...
    n_latent : int or None
        Number of units that the code needs. None: the user decides.
    encoded : tuple of ndarray of shape (n_samples, ...)
        What the loss reads; the training turns them into tensors.
    weight : ndarray of shape (n_samples,)
        Positive weights of the samples in the loss.
    classes : ndarray or None
        The class labels, where there are any.
    """

    name: str
    n_latent: int | None
    encoded: tuple[np.ndarray, ...]
    weight: np.ndarray
    classes: np.ndarray | None = None

    # Whether the loss is a sum over the samples, and may be cut into mini-batches.
    separable = True
    # Whether the reconstruction is the whole loss.
    reconstructs = False
    # What ranks the features: a name of `network._scores.SCORES`.
    score = "relative_weights"
    # The features are ranked along a path of radii, of so many passes: its length is
    # fixed, so that the ranking does not depend on when training stops. It begins at so
    # many times the radius; its first passes are not scored.
    path_passes, path_from, unscored_passes = 51, 4.0, 0
    # So many features are put in order by elimination. More would make the choice
    # depend on a few samples: the order of correlated features always does.
    n_ordered = 20
    # Standard deviation of the products of two features in elimination, that of the
    # features being 1: many products, few of which matter.
    product_scale = 0.25
    # The share of the responses' variance that features can be expected to explain.
    # Where it is small, elimination regresses the prediction of all its features, which
    # has less noise, in place of the responses. None: the responses themselves.
    signal: float | None = None
    # Curvature of the loss in the code, where it is constant: that of a squared loss.
    curvature: float | None = None

    @property
    def information(self):
        """The weight of all that tells of y, which the decay of the weights goes by."""
        return self.weight.sum()

    def path(self, radius, n_passes):
        """Return the radii of the `n_passes` along which a fit ranks the features."""
        return self.closing_path(radius, n_passes)

    def closing_path(self, radius, n_passes):
        """Return the radii of passes from `path_from` times `radius` to `radius`.

        The large ball lets the loss choose among all features before the small one asks
        for few. A single pass is at the radius itself.
        """
        n_unscored = self.n_unscored(n_passes)
        factors = np.linspace(0.0, np.log(self.path_from), n_passes - n_unscored)
        return radius * np.exp(np.pad(factors, (0, n_unscored), "edge")[::-1])

    def n_unscored(self, n_passes):
        """Return how many passes of a path of `n_passes` come before the scoring."""
        return self.unscored_passes * n_passes // self.path_passes

    def code_norm(self, n_hidden, slope):
        """Return the norm that the columns of the second layer keep.

        The radius is then the capacity of the encoder, and the loss cannot go to zero
        in the second layer while the rows of the first still compete. `slope` is that
        of the activation.
        """
        return 3**-0.5

    def loss(self, code, encoded, weight):
        """Return the loss of every replica, (n_replicas,), as torch tensors.

        `code` has shape (n_replicas, n_samples, n_latent), each of `encoded`
        (n_replicas, n_samples, ...), `weight` (n_replicas, n_samples). The weights sum
        to 1 over the data set; a sample of weight 0 is absent.
        """

    def responses(self):
        """Return what elimination regresses on the features, (n_samples, n_responses).

        None without a target.
        """

    def arranged(self, distances):
        """Return the target as it looks whichever of two mirrored `y` was given.

        Two classes may be named either way round, and numbers have either sign. The
        units of the code start from random weights, which would tell these apart.
        ``distances()`` returns the squared norms of the standardised samples,
        (n_samples,). They depend on neither, nor on the order or the signs of the
        features.
        """
        return self

    def restored(self, layer):
        """Return a layer, (..., n_latent), with its units as in the given `y`."""
        return layer

    @classmethod
    def check(cls, y):
        """Return `y` as an array of this kind of target, or raise ValueError."""

    @classmethod
    def encode(cls, y, sample_weight, class_weight):
        """Return the target of validated `y`, or raise ValueError.

        `sample_weight` is positive and acts as repetition.
        """

    @staticmethod
    def strata(y):
        """Return labels by which halves and folds are balanced, or None."""

    @staticmethod
    def judge():
        """Return the estimator that judges a selection by default."""
