"""The network as a model of survival."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.utils.validation import check_consistent_length

from .._sklearn import _check_sample_weight
from ..targets import check_target
from ._base import own_errstate
from ._documented import documented_after
from ._predictors import L1InfPredictor
from ._selector import L1InfFeatureSelector


@documented_after(L1InfFeatureSelector)
class L1InfCoxRegressor(L1InfPredictor):
    r"""Select features and predict survival with a small projected autoencoder.

    The features are those of an :class:`L1InfFeatureSelector` with
    ``target="survival"`` and the same parameters. On them alone the network is trained
    a second time, with a penalty on its weights instead of the ball. Its code is the
    log-risk of Cox's model; Breslow's baseline makes survival functions of it.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the penalty on the weights of the network that predicts (see the
        Notes). "auto": 8, or less where the signal is weak.

    Attributes
    ----------
    encoder_weights_ : ndarray of shape (n_features, n_hidden)
        The first layer of the network that selected; its l1,inf norm is at most
        `radius_`.

    support_ : ndarray of shape (n_features,)
        Mask of the selected features, the best ranked: as many as rows survive the
        first descent, at most `max_features`. The prediction sees no others.

    coefs_ : list of ndarray of shape (n_features, n_hidden) and (n_hidden, 1)
        The weights of the network that predicts.

    intercepts_ : list of ndarray of shape (n_hidden,) and (1,)
        The biases of the network that predicts.

    decoder_weights_ : ndarray of shape (n_features, 1)
        The weights of the decoder, zero for features that are not selected. Only where
        `reconstruction_weight` is above 0, as the next.

    decoder_intercept_ : ndarray of shape (n_features,)
        The biases of the decoder.

    unique_times_ : ndarray of shape (n_times,)
        The times of `y`, ascending, each once.

    baseline_hazard_ : ndarray of shape (n_times,)
        The cumulative hazard at a log-risk of 0, at these times.

    optimality_ : float
        Relative stationarity of the first layer of the network that selected: the
        duality gap of the loss linearised at `encoder_weights_`, divided by `radius`
        times the dual norm of the gradient. 0 is stationary, 2 the worst.

    See Also
    --------
    L1InfFeatureSelector : The selection alone.

    Notes
    -----
    The Notes of :class:`L1InfFeatureSelector` describe the selection. The training of
    the network that predicts sees all samples at every step, whatever `batch_size`. It
    ends after `max_iter` iterations, or where no derivative is above 1e-6, whatever
    `tol`.

    With :math:`\ell` the negative log partial likelihood, ties by Efron, divided by the
    weight d of the events, the training of the network that predicts minimises

    .. math:: \ell + \frac{\alpha}{2 \sqrt{d}}
       \left(\sum_j \|W_j\|_2^2 / r_j + \|V\|_F^2\right),

    :math:`r_j` being one over the square root of the rank of feature j, relative to the
    mean of the selected ones. ``alpha="auto"`` is at most 0.8 times the penalty that
    makes the network constant. Breslow's baseline [1]_, with the log-risks :math:`c_i`,
    weights :math:`s_i` and times :math:`t_i`, is

    .. math:: H_0(t) = \sum_{i \text{ with an event}, \, t_i \le t}
       \frac{s_i}{\sum_{l : t_l \ge t_i} s_l e^{c_l}}.

    References
    ----------
    .. [1] N. E. Breslow, discussion of D. R. Cox, "Regression models and life-tables",
       Journal of the Royal Statistical Society B 34 (1972) 216-217.

    .. [2] F. E. Harrell et al., "Evaluating the yield of medical tests", JAMA 247
       (1982) 2543-2546.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import L1InfCoxRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 50))
    >>> time = rng.exponential(np.exp(-2 * X[:, 0]))
    >>> censored_at = rng.exponential(2, 200)
    >>> y = np.rec.fromarrays(
    ...     [time <= censored_at, np.minimum(time, censored_at)], names="event,time"
    ... )
    >>> model = L1InfCoxRegressor(random_state=0).fit(X[:150], y[:150])
    >>> bool(model.score(X[150:], y[150:]) > 0.75)
    True
    >>> model.predict_survival_function(X[150:], return_array=True).shape
    (50, 150)
    """

    _target = "survival"

    def _automatic_alpha(self, target):
        return 8.0

    def _set_predicting(self, found, prepared):
        super()._set_predicting(found, prepared)
        data = prepared.data
        self.unique_times_, self.baseline_hazard_ = _breslow(
            data.y["event"],
            data.y["time"],
            data.sample_weight,
            self._code(self._standardised(data.matrix))[:, 0],
        )

    @own_errstate
    def predict(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the log-risk of every sample: the larger, the sooner the event.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        log_risk : ndarray of shape (n_samples,)
            The logarithms of the relative risks.
        """
        return self._output(self.encode(X))

    @own_errstate
    def predict_cumulative_hazard_function(
        self, X: ArrayLike | spmatrix | sparray, return_array: bool = False
    ) -> Any:
        """Return the cumulative hazard of every sample as a function of time.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        return_array : bool, default=False
            Whether to return the values at `unique_times_`, instead of functions.

        Returns
        -------
        hazard : ndarray of shape (n_samples,) or (n_samples, n_times)
            Step functions, `sksurv.functions.StepFunction`, which need scikit-survival;
            or their values.
        """
        # A product of the two would be inf * 0 before the first event.
        with np.errstate(divide="ignore", over="ignore"):
            log_baseline = np.log(self.baseline_hazard_)
            hazard = np.exp(self.predict(X)[:, np.newaxis] + log_baseline)
        return hazard if return_array else self._functions(hazard)

    @own_errstate
    def predict_survival_function(
        self, X: ArrayLike | spmatrix | sparray, return_array: bool = False
    ) -> Any:
        """Return the probability of survival of every sample as a function of time.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        return_array : bool, default=False
            Whether to return the values at `unique_times_`, instead of functions.

        Returns
        -------
        survival : ndarray of shape (n_samples,) or (n_samples, n_times)
            Step functions, `sksurv.functions.StepFunction`, which need scikit-survival;
            or their values.
        """
        hazard = self.predict_cumulative_hazard_function(X, return_array=True)
        survival = np.exp(-hazard)
        return survival if return_array else self._functions(survival)

    def _functions(self, values):
        """Return rows of values at the times as step functions."""
        try:
            from sksurv.functions import StepFunction
        except ImportError as error:
            raise ImportError(
                "Functions of time need scikit-survival: install it with "
                '`pip install "skl1inf[survival]"`, or pass return_array=True.'
            ) from error
        domain = 0, self.unique_times_[-1]
        functions = np.empty(len(values), dtype=object)
        for i, row in enumerate(values):
            functions[i] = StepFunction(self.unique_times_, row, domain=domain)
        return functions

    def score(
        self,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return Harrell's C of the log-risks.

        Of the pairs of samples of which one is known to have its event first, it is the
        share in which that one has the larger log-risk; equal ones count one half.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        y : structured array of shape (n_samples,) or frame
            Their events and times, as in `fit`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, which act as repetitions. None: all 1.

        Returns
        -------
        c : float
            Between 0 and 1; 0.5 is chance.
        """
        log_risk = self.predict(X)
        y, _ = check_target(y, "survival", self)
        check_consistent_length(log_risk, y)
        weight = _check_sample_weight(
            sample_weight, log_risk, dtype=np.float64, ensure_non_negative=True
        )
        return concordance(y["event"], y["time"], log_risk, weight)


def _breslow(event, time, weight, log_risk):
    """Return the times, and Breslow's cumulative baseline hazard at them."""
    times, place = np.unique(time, return_inverse=True)
    events = np.bincount(place, weight * event)
    risk = np.bincount(place, weight * np.exp(log_risk))
    at_risk = risk[::-1].cumsum()[::-1]
    return times, np.cumsum(events / at_risk)


def concordance(event, time, log_risk, weight):
    """Return Harrell's C, weights acting as repetitions; O(n log(n)**2).

    A pair counts where the sample of the earlier time has an event; of two at the same
    time, where one has an event and the other has none.
    """
    # Censored samples come after events of the same time. Events of the same time form
    # no pair with one another, so they share a place.
    order = np.lexsort((~event, time))
    event, time = event[order], time[order]
    risk = np.unique(log_risk[order], return_inverse=True)[1]
    weight = weight[order]
    same = np.append(False, (time[1:] == time[:-1]) & event[1:] & event[:-1])
    starts = np.flatnonzero(~same)
    later = np.append(starts, len(time))[np.cumsum(~same)]  # the first that comes later
    left = np.append(0.0, weight[::-1].cumsum())[::-1]
    pairs = weight @ (event * left[later])
    if pairs == 0:
        raise ValueError(
            "Harrell's C is undefined: no sample is known to have its event before "
            "another one."
        )
    return float(weight @ (event * _weight_below(risk, later, weight)) / pairs)


def _weight_below(risk, later, weight):
    """Return the weight of the samples from place `later` on of a smaller risk.

    Those of the same risk count one half; `later` is at least 1. The places from
    `later` on are cut into at most one block of every power of two. The samples of
    all blocks of a size are sorted at once, by block and risk.
    """
    n_samples, n_risks = len(risk), risk.max() + 1
    found, place, size = np.zeros(n_samples), later.copy(), 1
    while (place < n_samples).any():
        key = np.arange(n_samples) // size * n_risks + risk
        order = np.argsort(key, kind="stable")
        key, sums = key[order], np.append(0.0, weight[order].cumsum())
        (here,) = np.nonzero((place < n_samples) & (place // size % 2 == 1))
        first = place[here] // size * n_risks
        begin, below, level = (
            sums[np.searchsorted(key, first + bound)]
            for bound in (0, risk[here], risk[here] + 1)
        )
        found[here] += 0.5 * (below + level) - begin
        place[here] += size
        size *= 2
    return found
