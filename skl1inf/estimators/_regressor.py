"""The network as a regressor."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.base import RegressorMixin

from ._base import own_errstate
from ._documented import documented_after
from ._predictors import L1InfPredictor
from ._selector import L1InfFeatureSelector


@documented_after(L1InfFeatureSelector)
class L1InfRegressor(RegressorMixin, L1InfPredictor):
    r"""Select features and predict numbers with a small projected autoencoder.

    The features are those of an :class:`L1InfFeatureSelector` with the same parameters.
    On them alone the network is trained a second time, with a penalty on its weights
    instead of the ball. So it is a selector too: `transform` returns the chosen
    columns.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the penalty on the weights of the network that predicts (see the
        Notes). "auto": 2 over the number of targets, or less where the signal is weak.

    Attributes
    ----------
    encoder_weights_ : ndarray of shape (n_features, n_hidden)
        The first layer of the network that selected; its l1,inf norm is at most
        `radius_`.

    support_ : ndarray of shape (n_features,)
        Mask of the selected features, the best ranked: as many as rows survive the
        first descent, at most `max_features`. The prediction sees no others.

    coefs_ : list of ndarray of shape (n_features, n_hidden) and (n_hidden, n_targets)
        The weights of the network that predicts, for standardised targets.

    intercepts_ : list of ndarray of shape (n_hidden,) and (n_targets,)
        The biases of the network that predicts.

    target_mean_, target_scale_ : ndarray of shape (n_targets,)
        The standardisation of the targets. The scale of a constant target is 0: it is
        predicted by its mean.

    See Also
    --------
    L1InfFeatureSelector : The selection alone.
    L1InfMultiTaskRegressor : A linear model in the ball.

    Notes
    -----
    The Notes of :class:`L1InfFeatureSelector` describe the selection. The training of
    the network that predicts sees all samples at every step, whatever `batch_size`. It
    ends after `max_iter` iterations, or where no derivative is above 1e-6, whatever
    `tol`.

    With the selected features of the standardised sample :math:`z_i`, the q
    standardised targets :math:`y_i` and :math:`c_i = \sigma(z_i W + b) V + c`, the
    training of the network that predicts minimises

    .. math:: \frac{1}{2 q \sum_i s_i} \sum_i s_i \|c_i - y_i\|_2^2
       + \frac{\alpha}{2 \sqrt{\sum_i s_i}} \left(\sum_j \|W_j\|_2^2 / r_j
       + \|V\|_F^2\right).

    :math:`r_j` is one over the square root of the rank of feature j, relative to the
    mean of the selected ones: the best are penalised least. ``alpha="auto"`` is at most
    0.8 times the penalty that makes the network constant.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from skl1inf import L1InfRegressor
    >>> X, y = make_regression(
    ...     n_samples=150, n_features=200, n_informative=5, random_state=0
    ... )
    >>> model = L1InfRegressor(random_state=0).fit(X[:100], y[:100])
    >>> bool(model.score(X[100:], y[100:]) > 0.8)
    True
    """

    _target = "regression"

    def _automatic_alpha(self, target):
        return 2 / target.n_latent

    def _set_predicting(self, found, prepared):
        super()._set_predicting(found, prepared)
        self.target_mean_ = found.target.mean
        (values,) = found.target.encoded
        constant = np.ptp(values, axis=0) == 0
        self.target_scale_ = np.where(constant, 0.0, found.target.scale)

    def _linear_output(self, code):
        """Return differences of codes, (..., n_targets), as those of predictions."""
        numbers = code * self.target_scale_
        return numbers[..., 0] if self._one_column else numbers

    def _output(self, code):
        """Return codes as predictions."""
        numbers = code * self.target_scale_ + self.target_mean_
        return numbers[..., 0] if self._one_column else numbers

    @own_errstate
    def predict(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the predicted numbers, on their own scale.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            The predictions, of the shape of the `y` that was given to `fit`.
        """
        return self._output(self.encode(X))
