"""One or several numeric targets."""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from ._target import Target


class Numbers(Target):
    r"""Standardised numbers, which the code has to equal.

    With q targets and weights :math:`s_i` the loss is

    .. math:: \frac{\sum_i s_i \|c_i - y_i\|_2^2}{2 q \sum_i s_i}.
    """

    name = "numbers"
    # Until the first passes are near the solution at the first radius, every feature of
    # the working set lives for a while.
    path_from, unscored_passes = 3.0, 15

    def __init__(self, values, weight, mean, scale, sign=1):
        self.encoded, self.weight = (values,), weight
        self.mean, self.scale = mean, scale
        self.n_latent, self.sign = values.shape[1], sign

    @property
    def curvature(self):
        """The second derivative of the loss in a unit of the code."""
        return 1.0 / self.n_latent

    def code_norm(self, n_hidden, slope):
        """Return ``1 / (slope * sqrt(n_hidden))``.

        The linear part of the code is ``Z beta`` with ``beta = slope * W V``. As
        ``sum_h |V_hk| <= sqrt(n_hidden) ||V_k||``, this norm gives
        ``sum_i max_k |beta_ik| <= sum_i max_h |W_ih| <= radius``: the coefficients are
        in the l1,inf ball of the same radius, with one target in the l1 ball, as those
        of a Lasso.
        """
        return 1.0 / (slope * n_hidden**0.5)

    def loss(self, code, encoded, weight):
        """Return half the mean squared error of every replica."""
        from torch.linalg import vecdot

        return vecdot(weight, 0.5 * (code - encoded[0]).square().mean(2))

    def responses(self):
        """Return the standardised numbers."""
        return self.encoded[0]

    def arranged(self, distances):
        """Give the numbers the sign that makes their covariance positive."""
        (values,) = self.encoded
        sign = -1 if (self.weight * distances() @ values).sum() < 0 else 1
        return Numbers(sign * values, self.weight, self.mean, self.scale, sign)

    def restored(self, layer):
        """Return a layer with the sign of the given numbers."""
        return self.sign * layer

    @classmethod
    def check(cls, y):
        """Return the numbers as a matrix, (n_samples, n_targets)."""
        try:
            y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        except (TypeError, ValueError) as error:
            if y.dtype.kind not in "OSTU":
                raise
            raise ValueError(
                f"y of dtype {y.dtype} cannot be numbers, which the target or the "
                f"estimator asks for: {error}."
            ) from error
        return y.reshape(len(y), -1)

    @classmethod
    def encode(cls, y, sample_weight, class_weight):
        """Standardise the numbers."""
        if np.all(y == y[:1]):
            raise ValueError("y is constant: there is nothing to select features for.")
        # Whatever output the user has configured globally, this one is ours.
        scaler = StandardScaler().set_output(transform="default")
        with np.errstate(over="ignore", invalid="ignore"):
            scaler.fit(y, sample_weight=sample_weight)
        if not np.isfinite(scaler.scale_).all():
            raise ValueError("y has entries too large to standardise.")
        values = scaler.transform(y).astype(np.float32)
        return cls(values, sample_weight, scaler.mean_, scaler.scale_)

    @staticmethod
    def strata(y):
        """Return None: halves and folds of numbers are drawn freely."""

    @staticmethod
    def judge():
        """Return a ridge regression."""
        return Ridge()
