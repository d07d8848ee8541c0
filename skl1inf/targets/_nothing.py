"""No target: the data themselves have to be reconstructed."""

from ._target import Target


class Nothing(Target):
    """No target: the loss of the code is zero, that of the reconstruction is all."""

    name = "nothing"
    n_latent = None
    reconstructs = True
    # The decoder has to be learnt on the path: it is longer, and at one radius.
    path_passes, path_from = 101, 1.0

    def __init__(self, weight):
        self.encoded, self.weight = (), weight

    def loss(self, code, encoded, weight):
        """Return zeros."""
        return weight.new_zeros(len(weight))

    def responses(self):
        """Return None: the features are in order of importance."""

    @classmethod
    def check(cls, y):
        """Return None, whatever y is."""

    @classmethod
    def encode(cls, y, sample_weight, class_weight):
        """Return the target, which has nothing but the weights."""
        return cls(sample_weight)

    @staticmethod
    def strata(y):
        """Return None: there are no strata."""

    @staticmethod
    def judge():
        """Return None: a selection without a target has no judge."""
