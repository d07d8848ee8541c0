"""The network as a classifier."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin

from ._base import own_errstate
from ._documented import documented_after
from ._predictors import L1InfPredictor
from ._selector import L1InfFeatureSelector


@documented_after(L1InfFeatureSelector)
class L1InfClassifier(ClassifierMixin, L1InfPredictor):
    r"""Select features and classify with a small projected autoencoder.

    The features are those of an :class:`L1InfFeatureSelector` with the same parameters.
    On them alone the network is trained a second time, as a classifier with a penalty
    on its weights instead of the ball. So it is a selector too: `transform` returns the
    chosen columns.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the penalty on the weights of the network that predicts (see the
        Notes). "auto": 2 over the number of classes, or less where the signal is weak.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, as in scikit-learn's classifiers.

    Attributes
    ----------
    encoder_weights_ : ndarray of shape (n_features, n_hidden)
        The first layer of the network that selected; its l1,inf norm is at most
        `radius_`.

    support_ : ndarray of shape (n_features,)
        Mask of the selected features, the best ranked: as many as rows survive the
        first descent, at most `max_features`. The prediction sees no others.

    coefs_ : list of ndarray of shape (n_features, n_hidden) and (n_hidden, n_classes)
        The weights of the network that predicts.

    intercepts_ : list of ndarray of shape (n_hidden,) and (n_classes,)
        The biases of the network that predicts.

    decoder_weights_ : ndarray of shape (n_features, n_classes)
        The weights of the decoder, zero for features that are not selected. Only where
        `reconstruction_weight` is above 0, as the next.

    decoder_intercept_ : ndarray of shape (n_features,)
        The biases of the decoder.

    classes_ : ndarray of shape (n_classes,)
        The class labels.

    optimality_ : float
        Relative stationarity of the first layer of the network that selected: the
        duality gap of the loss linearised at `encoder_weights_`, divided by `radius`
        times the dual norm of the gradient. 0 is stationary, 2 the worst.

    See Also
    --------
    L1InfFeatureSelector : The selection alone.
    skl1inf.plotting.ConfidenceDisplay : Draw how sure the classifier is.
    report : Accuracy and genes in one call.

    Notes
    -----
    The Notes of :class:`L1InfFeatureSelector` describe the selection. The training of
    the network that predicts sees all samples at every step, whatever `batch_size`. It
    ends after `max_iter` iterations, or where no derivative is above 1e-6, whatever
    `tol`.

    With the selected features of the standardised sample :math:`z_i` and
    :math:`c_i = \sigma(z_i W + b) V + c`, the training of the network that predicts
    minimises

    .. math:: \frac{1}{\sum_i s_i} \sum_i s_i
       \left(\log \sum_k \exp c_{ik} - c_{i y_i}\right)
       + \frac{\alpha}{2 \sqrt{\sum_i s_i}} \left(\sum_j \|W_j\|_2^2 / r_j
       + \|V\|_F^2\right).

    :math:`r_j` is one over the square root of the rank of feature j, relative to the
    mean of the selected ones: the best are penalised least. :math:`s_i` are the weights
    of the samples, times those of their classes. ``alpha="auto"`` is at most 0.8 times
    the penalty that makes the network constant.

    The probabilities are too sure where the signal is weak: the same samples choose the
    features and train the network. :class:`~sklearn.calibration.CalibratedClassifierCV`
    with ``ensemble=False`` corrects them.

    Examples
    --------
    >>> from skl1inf import L1InfClassifier
    >>> from skl1inf.datasets import load_srbct
    >>> X, y = load_srbct(return_X_y=True)
    >>> model = L1InfClassifier(random_state=0).fit(X[::2], y[::2])
    >>> bool(model.score(X[1::2], y[1::2]) > 0.9)
    True
    >>> model.predict_proba(X[1:3]).shape
    (2, 4)
    """

    _target = "classification"
    _parameter_constraints: ClassVar[dict] = {
        **L1InfPredictor._parameter_constraints,
        "class_weight": L1InfFeatureSelector._parameter_constraints["class_weight"],
    }

    def __init__(
        self,
        radius: float = 1.0,
        *,
        alpha: float | str = "auto",
        max_features: int | None = None,
        n_features_to_select: float | None = None,
        feature_groups: ArrayLike | dict | None = None,
        group_weights: ArrayLike | dict | None = None,
        keep_features: ArrayLike | None = None,
        n_hidden: int = 64,
        activation: str = "silu",
        reconstruction_weight: float = 0.0,
        learning_rate: float | str = "auto",
        max_iter: int = 150,
        tol: float = 2e-2,
        batch_size: int | None = None,
        standardize: bool = True,
        interactions: bool | str = "auto",
        class_weight: dict | str | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        super().__init__(
            radius,
            alpha=alpha,
            max_features=max_features,
            n_features_to_select=n_features_to_select,
            feature_groups=feature_groups,
            group_weights=group_weights,
            keep_features=keep_features,
            n_hidden=n_hidden,
            activation=activation,
            reconstruction_weight=reconstruction_weight,
            learning_rate=learning_rate,
            max_iter=max_iter,
            tol=tol,
            batch_size=batch_size,
            standardize=standardize,
            interactions=interactions,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def _automatic_alpha(self, target):
        return 2 / target.n_latent

    def _linear_output(self, code):
        """Return differences of codes, (..., n_classes), as those of log-odds."""
        return code[..., 1] - code[..., 0] if code.shape[-1] == 2 else code

    @own_errstate
    def decision_function(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the log-odds of two classes, or a number a class.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, the log-odds of the second against the first; for more, the
            unnormalised log-probabilities.
        """
        return self._output(self.encode(X))

    @own_errstate
    def predict_proba(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            The probabilities, in the order of `classes_`.
        """
        return softmax(self.encode(X), axis=1)

    @own_errstate
    def predict_log_proba(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            The logarithms, in the order of `classes_`.
        """
        return log_softmax(self.encode(X), axis=1)

    def predict(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the most likely class of every sample.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Labels of `classes_`.
        """
        best = self.encode(X).argmax(axis=1)
        return self.classes_[best]
