"""Classes."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target

from ._target import Target

# The radii at the start, the top and the end of the path that ranks the features.
_RANKING_RADII = 0.1, 4.0, 1.0


class Classes(Target):
    r"""Classes, whose unnormalised log-probabilities the code has to be.

    The loss is the mean cross-entropy, with weights :math:`s_i`:

    .. math:: \frac{1}{\sum_i s_i} \sum_i s_i
       \Big(\log \sum_k \exp c_{ik} - c_{i y_i}\Big).
    """

    name = "classes"
    score = "weights_by_loss"
    product_scale = 1.0

    def __init__(self, codes, classes, weight, swapped=False):
        self.encoded, self.weight = (codes,), weight
        self.classes, self.n_latent = classes, len(classes)
        self.swapped = swapped  # whether the first unit is that of the last class

    def path(self, radius, n_passes):
        """Return one path for all radii: these say how many features are kept.

        The ball opens from a small one, in three tenths of the passes, so that the
        first steps are short: a long one would move all features that correlate with
        the classes, and few of them matter. Then it closes.
        """
        n_opening, (start, top, end) = 3 * n_passes // 10, np.log(_RANKING_RADII)
        opening = np.linspace(start, top, n_opening, endpoint=False)
        closing = np.linspace(end, top, n_passes - n_opening)[::-1]
        return np.exp(np.append(opening, closing))

    def code_norm(self, n_hidden, slope):
        """Return a norm that grows with the classes: they share the radius."""
        return 3**-0.5 * self.n_latent / 2

    def loss(self, code, encoded, weight):
        """Return the mean cross-entropy of every replica."""
        from torch.linalg import vecdot
        from torch.nn.functional import cross_entropy

        return vecdot(weight, cross_entropy(code.mT, encoded[0], reduction="none"))

    def responses(self):
        """Return indicators of the classes."""
        return np.eye(self.n_latent)[self.encoded[0]]

    def arranged(self, distances):
        """Give the first unit to the class with the larger sum, if there are two.

        More classes stay in the order of their labels. An order by the data would
        change from sample to sample, and with it what is selected.
        """
        if self.n_latent != 2:
            return self
        (codes,) = self.encoded
        sums = np.bincount(codes, self.weight * distances())
        if sums[0] >= sums[1]:
            return self
        return Classes(1 - codes, self.classes, self.weight, swapped=True)

    def restored(self, layer):
        """Return a layer with its units in the order of `classes`."""
        return layer[..., ::-1].copy() if self.swapped else layer

    @classmethod
    def check(cls, y):
        """Return the labels, one a sample."""
        if y.ndim > 1 and y.shape[1] > 1:
            raise ValueError(
                f"y of shape {y.shape} and dtype {y.dtype} cannot be classes, which "
                'need one column. Pass target="regression" if its columns are several '
                "numeric targets."
            )
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "O" and not all(isinstance(label, str) for label in y):
            raise ValueError(
                "Unknown label type: y of dtype object holds other things than "
                "strings. Convert numbers with y.astype(float), classes with "
                "y.astype(int) or y.astype(str)."
            )
        # Unlike scikit-learn's check, this does not warn of many classes: "auto" does.
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                f"Unknown label type: {kind}. y of dtype {y.dtype} cannot be classes: "
                "convert labels with y.astype(str), or ask for numbers with "
                'target="regression" or a regressor as the estimator.'
            )
        return y

    @classmethod
    def encode(cls, y, sample_weight, class_weight):
        """Return the target: classes are numbered in the order of their labels."""
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y has only one class, {classes.tolist()[0]!r}, among the samples of "
                "positive weight: at least two are needed to select features."
            )
        weights = compute_class_weight(
            class_weight, classes=classes, y=y, sample_weight=sample_weight
        )
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                f"class_weight={class_weight!r} must give finite weights, none "
                "negative and not all zero."
            )
        return cls(codes, classes, sample_weight * weights[codes])

    @staticmethod
    def strata(y):
        """Return the labels."""
        return y

    @staticmethod
    def judge():
        """Return a logistic regression."""
        # Whether the loss is the smallest to many digits changes hardly any score.
        return LogisticRegression(tol=1e-2)
