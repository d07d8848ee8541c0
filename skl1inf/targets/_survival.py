"""Times to an event, some of them censored."""

from functools import cache
from itertools import pairwise

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from ._reading import as_array, is_structured
from ._target import Target

# An event and a time a sample, whatever y was given as.
_DTYPE = np.dtype([("event", bool), ("time", np.float64)])

# The radii at the start and at the end of the path that ranks the features.
_RANKING_RADII = 0.1, 4.0

# The logarithm of no risk, and the smallest share of the risk that ties tell from none.
_ABSENT, _TINY = -1e30, 1e-18

# The coefficients of Stirling's series.
_STIRLING = 1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360

_FORM = (
    "a structured array with one boolean field, whether there was an event, and one "
    "numeric field, the time of the event or of censoring (scikit-survival's Surv)"
)


class Survival(Target):
    r"""Times to an event, whose log-risk the code has to be.

    The loss is the negative log partial likelihood of Cox [1]_, divided by the weight
    of the events. With the weights :math:`s_i`, the times :math:`t` at which there are
    events, :math:`E_t` the samples with an event at that time, :math:`d_t` the sum of
    their weights and :math:`R_t` the samples whose own time is t or later, it is

    .. math:: \frac{1}{\sum_t d_t} \sum_t \bigg(\sum_{l=0}^{d_t - 1} \log \Big(
       \sum_{i \in R_t} s_i e^{c_i} - \frac{l}{d_t} \sum_{i \in E_t} s_i e^{c_i} \Big)
       - \sum_{i \in E_t} s_i c_i\bigg).

    These are the ties of Efron [2]_, of samples that are repeated as often as their
    weights say. Where :math:`d_t` is no whole number, the last term of the sum over l,
    at the whole number below :math:`d_t`, counts by the fraction that is left. So the
    loss is continuous in the weights and convex in the codes, and where no
    :math:`d_t` exceeds 1, it is the weighted partial likelihood of Breslow.

    The loss depends on the order of the times alone, and on the codes up to a constant.

    References
    ----------
    .. [1] D. R. Cox, "Regression models and life-tables", Journal of the Royal
       Statistical Society B 34 (1972) 187-220.

    .. [2] B. Efron, "The efficiency of Cox's likelihood function for censored data",
       Journal of the American Statistical Association 72 (1977) 557-565.
    """

    name = "survival"
    n_latent = 1
    separable = False
    # The signal is weak, and spread over many correlated features: a short path keeps
    # near to the scores of the features alone, and elimination regresses what many
    # features together predict.
    path_passes = 10
    n_ordered, product_scale, signal = 200, 0.0, 0.02

    def __init__(self, encoded, weight):
        self.encoded, self.weight = encoded, weight

    def path(self, radius, n_passes):
        """Return one path for all radii: these say how many features are kept.

        The ball opens: a feature ranks by how early it enters. What has entered
        explains its part of the survival before the next ones come.
        """
        return np.geomspace(*_RANKING_RADII, n_passes)

    @property
    def information(self):
        """The weight of the events."""
        _, _, events, repetitions = self.encoded
        return events @ repetitions

    def loss(self, code, encoded, weight):
        """Return the negative log partial likelihood of every replica, an event."""
        order, ends, events, repetitions = encoded
        code, dtype = code[:, :, 0].gather(1, order).double(), code.dtype
        present = weight.gather(1, order) > 0
        repetitions = repetitions * present
        return _partial_likelihood()(code, ends, events, repetitions).to(dtype)

    def responses(self):
        """Return the martingale residuals of the model without features.

        They are the events less the expected number of them, minus the derivative of
        the log partial likelihood, a unit of weight, at codes of 0.
        """
        return null_residuals(self)[:, np.newaxis]

    @classmethod
    def check(cls, y):
        """Return the events and the times as a structured array, (n_samples,)."""
        event, time = _columns(y)
        checked = np.empty(len(event), dtype=_DTYPE)
        checked["event"] = event
        checked["time"] = time
        wrong = np.flatnonzero(~(checked["time"] > 0))
        if len(wrong):
            raise ValueError(
                f"y has times that are zero or negative, in {len(wrong)} of {len(y)} "
                f"samples, first in sample {wrong[0]}: {checked['time'][wrong[0]]}. "
                "Times must be positive: leave these samples out of X and y, or count "
                "the time from an earlier start."
            )
        return checked

    @classmethod
    def encode(cls, y, sample_weight, class_weight):
        """Sort the samples by time: ties next to one another, the latest first."""
        event, time = y["event"], y["time"]
        if not event.any():
            raise ValueError(
                "y has no event among the samples of positive weight: without an event "
                "there is nothing to select features for."
            )
        _, rank = np.unique(-time, return_inverse=True)
        order = np.argsort(rank, kind="stable")
        # Where the samples of the same time end.
        ends = np.searchsorted(rank[order], rank[order], side="right") - 1
        weight = np.asarray(sample_weight, dtype=np.float64)
        encoded = order, ends, event[order].astype(np.float64), weight[order]
        target = cls(encoded, weight)
        if np.allclose(null_residuals(target), 0, rtol=0, atol=1e-9):
            raise ValueError(
                "y has no event before the last time, when all others have left: there "
                "is nothing to select features for."
            )
        return target

    @staticmethod
    def strata(y):
        """Return whether there was an event."""
        return y["event"].astype(int)

    @staticmethod
    def judge():
        """Return a ridge Cox model."""
        _import_cox()
        return RidgeCox()


class RidgeCox(BaseEstimator):
    """The Cox model of scikit-survival with a ridge penalty, scored by Harrell's C.

    It knows no weights: samples of weight 0 are left out, all others count once.

    Parameters
    ----------
    alpha : float, default=1.0
        The ridge penalty.
    """

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y, sample_weight=None):
        """Fit the model."""
        model = _import_cox()(alpha=self.alpha, ties="efron")
        self.model_ = model.fit(*_present(X, y, sample_weight))
        return self

    def score(self, X, y, sample_weight=None):
        """Return Harrell's C."""
        return self.model_.score(*_present(X, y, sample_weight))


def _import_cox():
    try:
        from sksurv.linear_model import CoxPHSurvivalAnalysis
    except ImportError as error:
        raise ImportError(
            "The default estimator for survival needs scikit-survival: install it with "
            '`pip install "skl1inf[survival]"`, or pass an estimator.'
        ) from error
    return CoxPHSurvivalAnalysis


def _present(X, y, sample_weight):
    """Return the samples of positive weight, in memory."""
    X = X.toarray() if issparse(X) else np.asarray(X)
    if sample_weight is None:
        return X, y
    present = np.asarray(sample_weight) > 0
    return X[present], y[present]


def null_residuals(target):
    """Return the martingale residuals at codes of 0, (n_samples,)."""
    import torch

    from ..network._state import own_state

    @own_state
    def gradient():
        encoded = [torch.from_numpy(array)[None] for array in target.encoded]
        weight = torch.from_numpy(target.weight)[None]
        code = torch.zeros_like(weight)[:, :, None].requires_grad_()
        target.loss(code, encoded, weight).sum().backward()
        return code.grad[0, :, 0].numpy()

    return -gradient() * target.information / target.weight


@cache
def _partial_likelihood():
    """Return the loss as a function of torch, which is imported only now."""
    import torch

    class PartialLikelihood(torch.autograd.Function):
        """The loss of every replica, its gradient by hand.

        The codes and the others are of shape (n_replicas, n_samples), in double
        precision, the latest time first; ``ends`` are the places where the samples of
        the same time end. A sample of no repetition is absent.
        """

        @staticmethod
        def forward(ctx, code, ends, events, repetitions):
            """Return the loss, (n_replicas,)."""
            present, n_events = repetitions > 0, events * repetitions
            # The logarithm of an absent risk is finite, so that nothing becomes NaN.
            log_risk = torch.where(present, code + repetitions.log(), _ABSENT)
            at_risk = torch.logcumsumexp(log_risk, 1).gather(1, ends)
            # The share of a sample in the risk of all that are there at its time.
            log_share = torch.where(present, code - at_risk, 0.0)
            relative_risk = log_share.exp()
            nothing = torch.zeros_like(code)
            d = nothing.scatter_add(1, ends, n_events)
            share = nothing.scatter_add(1, ends, n_events * relative_risk)
            efron, slope = _efron(d, share)
            total = n_events.sum(1, keepdim=True)
            # The hazard at a time is that of Breslow and what the ties add.
            log_hazard = torch.where(d > 0, (d + slope).log() - at_risk, _ABSENT)
            log_cumulative = log_hazard.flip(1).logcumsumexp(1).flip(1)
            expected = torch.where(present, (code + log_cumulative).exp(), 0.0)
            tied = (slope / share.clamp_min(_TINY)).gather(1, ends) * relative_risk
            gradient = repetitions * expected - n_events * (1 + tied)
            ctx.save_for_backward(gradient / total)
            return (efron - n_events * log_share).sum(1) / total[:, 0]

        @staticmethod
        def backward(ctx, grad):
            """Return the gradient in the codes, given that of every replica."""
            (gradient,) = ctx.saved_tensors
            return grad[:, None] * gradient, None, None, None

    return PartialLikelihood.apply


def _efron(d, share):
    r"""Return what the ties add, and minus its derivative in ``log(share)``.

    That is ``sum_l log(1 - l share / d)`` over l = 0, ..., d - 1, the last term counted
    by its fraction where ``d`` is no whole number. With :math:`x = d / \text{share}`
    and m whole terms, these are :math:`\log \Gamma(x + 1) - \log \Gamma(x - m + 1)
    - m \log x`, a difference that would cancel: the last eight terms are taken one by
    one, the others by the series of Stirling, where the large terms have been combined
    by hand.
    """
    import torch

    total, slope, ties = torch.zeros_like(d), torch.zeros_like(d), d > 1
    d, share = d[ties], share[ties]
    x, m = d / share.clamp(_TINY, 1.0), d.floor()
    fraction, whole = d - m, (m / x).clamp_max(1 - 1e-12)
    last = (m[:, None] - torch.arange(1.0, 9.0).to(d)).clamp_min(0.0) / x[:, None]
    rest = (m - 8).clamp_min(0.0)
    y = x - rest
    log = torch.log1p(-rest / x)
    binet_x, slope_x = _binet(x)
    binet_y, slope_y = _binet(y)
    total[ties] = (
        fraction * torch.log1p(-whole)
        + torch.log1p(-last).sum(1)
        + (binet_x - binet_y - (y + 0.5) * log - rest)
    )
    slope[ties] = (
        fraction * whole / (1 - whole)
        + (last / (1 - last)).sum(1)
        + (x * (slope_x - slope_y - log) - rest * (1 + 0.5 / y))
    )
    return total, slope


def _binet(x):
    """Return ``log Gamma(x + 1) - (x + 1/2) log x + x - log(2 pi) / 2``, and its slope.

    By Stirling's series, to double precision for x >= 8.
    """
    s = x**-2
    value, slope = 0.0, 0.0
    for k, coef in reversed(list(enumerate(_STIRLING))):
        value, slope = coef + s * value, (2 * k + 1) * coef + s * slope
    return value / x, -s * slope


def _columns(y):
    """Return the boolean and the numeric column of y, or raise ValueError."""
    if is_structured(y):
        if y.ndim != 1:
            raise ValueError(f"y of shape {y.shape} must have one dimension.")
        columns = {name: y[name] for name in y.dtype.names}
    elif hasattr(y, "columns"):
        columns = {str(name): y[name] for name in y.columns}
    else:
        raise ValueError(
            f"y cannot be times to an event: it must be {_FORM}, or a frame of two "
            "such columns."
        )
    if len(columns) != 2:
        raise ValueError(
            f"y has {len(columns)} fields, {list(columns)}: it must be {_FORM}."
        )
    arrays = {name: _column(name, column) for name, column in columns.items()}
    kinds = {name: array.dtype.kind for name, array in arrays.items()}
    for event, time in (*pairwise(arrays), *pairwise(reversed(arrays))):
        if kinds[event] == "b" and kinds[time] in "iuf":
            return arrays[event], arrays[time]
    dtypes = ", ".join(f"{name!r} of {a.dtype}" for name, a in arrays.items())
    raise ValueError(
        f"y has the fields {dtypes}: it must be {_FORM}. Convert the events with "
        "astype(bool)."
    )


def _column(name, column):
    """Return a column as an array without missing and infinite entries."""
    try:
        return as_array(column)
    except ValueError as error:
        raise ValueError(f"In the field {name!r} of y: {error}") from error
