"""The network that selects as a predictor."""

from dataclasses import replace
from numbers import Real
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from .._sklearn import Interval, StrOptions
from ..matrices import open_matrix
from ._base import X_CHECKS, own_errstate
from ._documented import documented_after
from ._selector import L1InfFeatureSelector

# What a predictor decides itself.
_FIXED = "n_latent", "second_descent", "target", "class_weight"


class L1InfPredictor(L1InfFeatureSelector):
    """Base of the predictors: selectors whose network is trained again to predict."""

    _parameter_constraints: ClassVar[dict] = {
        name: constraint
        for name, constraint in L1InfFeatureSelector._parameter_constraints.items()
        if name not in _FIXED
    } | {"alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")]}

    # The value of the selector's parameter `target`, and the decay "auto".
    _target: ClassVar[str]

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
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        super().__init__(
            radius,
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
            target=self._target,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.alpha = alpha

    def fit(
        self,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Select features and train the network that predicts from them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The target: class labels, numbers, or events and times.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, which act as repetitions. None: all 1.

        Returns
        -------
        self : L1InfPredictor
            The fitted predictor.
        """
        return super().fit(X, y, sample_weight)

    def _decay(self, target):
        """Return the decay "auto" of a target, before it is divided by its size."""
        raise NotImplementedError

    def _train_again(
        self, trained, prepared, order, selected, radius, options, progress
    ):
        """Return the network that predicts, also where nothing is selected."""
        from ..network import read_out

        features = order[selected[order]]
        Z, target = _distinct(prepared, features, self.class_weight)
        alpha = self._decay(target) if self.alpha == "auto" else self.alpha
        # The ranks, unlike the importances, do not depend on rounding, and tell of
        # features that matter only together with others.
        relevance = np.arange(1, len(features) + 1) ** -0.5
        return read_out(
            trained,
            features,
            Z,
            target,
            relevance / relevance.mean() if len(features) else relevance,
            alpha / np.sqrt(target.information),
            options,
            progress,
        )

    def _set_fitted(self, trained, prepared, order, selected):
        prepared = replace(prepared, target=trained.target)
        super()._set_fitted(trained, prepared, order, selected)
        self.encoder_weights_ = trained.encoder_weights
        self.__dict__.pop("decoder_weights_", None)  # of an earlier fit
        self.__dict__.pop("decoder_intercept_", None)
        if self.reconstruction_weight > 0:
            U, self.decoder_intercept_ = trained.decoder
            self.decoder_weights_ = trained.target.restored(U)

    def _standardised(self, matrix):
        """Return the selected features of a `Matrix`, (n_samples, `n_features_`)."""
        from ..network import standardised_columns

        features = np.flatnonzero(self.support_)
        return standardised_columns(matrix, features, self.mean_, 1.0 / self.scale_)

    def _layers(self):
        """Return the layers of the encoder, the selected features alone."""
        W, V = self.coefs_
        return [W[self.support_], V], self.intercepts_

    def _code(self, Z):
        """Return the code of standardised selected features."""
        from ..network import encode_double

        return encode_double(Z, *self._layers(), self.activation)

    def _read(self, X):
        """Return the standardised selected features of samples that are given."""
        check_is_fitted(self)
        X = validate_data(self, X, **X_CHECKS, reset=False)
        return self._standardised(open_matrix(X))

    @own_errstate
    def encode(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the latent code of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        code : ndarray of shape (n_samples, n_latent)
            For classes the unnormalised log-probabilities, for numbers the standardised
            predictions, for survival the log-risk.
        """
        return self._code(self._read(X))

    @available_if(lambda self: self.reconstruction_weight > 0)
    @own_errstate
    def reconstruct(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the selected features as the decoder gives them back from the code.

        Only with a `reconstruction_weight` above 0, which trains the decoder.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        reconstruction : ndarray of shape (n_samples, `n_features_`)
            The columns that `transform` returns, on their scale.
        """
        check_is_fitted(self)
        Z = self.encode(X) @ self.decoder_weights_.T + self.decoder_intercept_
        return (Z * self.scale_ + self.mean_)[:, self.support_]

    @own_errstate
    def explain(self, X: ArrayLike | spmatrix | sparray, *, n_steps: int = 50) -> Bunch:
        r"""Return what each selected feature contributes to each prediction.

        The contributions are integrated gradients [1]_: those of the network's output f
        are averaged along the line from the baseline, the mean of every feature, to the
        sample. With the standardised sample z,

        .. math:: a_j = z_j \int_0^1 \frac{\partial f}{\partial z_j}(t z) \, dt, \qquad
           \sum_j a_j = f(z) - f(0).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        n_steps : int, default=50
            Number of points at which the gradient is taken, those of Gauss and
            Legendre.

        Returns
        -------
        explanation : :class:`~sklearn.utils.Bunch`
            With the attributes

            contributions : ndarray of shape (n_samples, `n_features_`) or \
                    (n_samples, `n_features_`, n_outputs)
                To the log-odds of the second class against the first, or to the
                unnormalised log-probabilities of more classes; to the predicted
                numbers; or to the log-risk.

            baseline : float or ndarray of shape (n_outputs,)
                The output at the baseline.

            features : ndarray of shape (`n_features_`,)
                The indices of the selected features.

        References
        ----------
        .. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep
           networks", ICML 2017, equation 1, :arxiv:`1703.01365`.
        """
        from ..network import integrated_gradients

        if not (isinstance(n_steps, int | np.integer) and n_steps >= 1):
            raise ValueError(f"n_steps={n_steps!r} must be a positive integer.")
        Z = self._read(X)
        parts = integrated_gradients(Z, *self._layers(), self.activation, n_steps)
        at_baseline = self._code(np.zeros_like(Z, shape=(1, Z.shape[1])))
        baseline = self._output(at_baseline)[0]
        return Bunch(
            contributions=self._linear_output(parts),
            baseline=baseline if np.ndim(baseline) else float(baseline),
            features=np.flatnonzero(self.support_),
        )

    def _linear_output(self, code):
        """Return differences of codes, (..., n_latent), as those of outputs."""
        return code[..., 0]

    def _output(self, code):
        """Return codes as outputs."""
        return self._linear_output(code)


def _distinct(prepared, features, class_weight):
    """Return the distinct samples, standardised, and their target, sorted.

    The same samples in another order, repeated instead of weighted, or in another
    container, so give the same network to the last bit: the training would make small
    differences large.
    """
    from ..network import standardised_columns

    data, scaling = prepared.data, prepared.scaling
    Z = standardised_columns(data.matrix, features, scaling.mean, scaling.inverse)
    Z = Z.astype(np.float32).astype(np.float64)  # the differences are in the last bits
    axis = 0 if data.y.ndim > 1 else None
    _, codes = np.unique(data.y, axis=axis, return_inverse=True)
    rows = np.column_stack([Z, codes.ravel()])
    _, first, place = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    weight = np.bincount(place.ravel(), data.sample_weight)
    Z = Z[first]
    target = data.kind.encode(data.y[first], weight, class_weight)
    return Z, target.arranged(lambda: np.einsum("ij,ij->i", Z, Z))


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
        Notes). "auto": 2 over the number of classes.

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
        `reconstruction_weight` is above 0, as
        the next.

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
    With the selected features of the standardised sample :math:`z_i` and
    :math:`c_i = \sigma(z_i W + b) V + c`, the training of the network that predicts
    minimises

    .. math:: \frac{1}{\sum_i s_i} \sum_i s_i
       \Big(\log \sum_k \exp c_{ik} - c_{i y_i}\Big)
       + \frac{\alpha}{2 \sqrt{\sum_i s_i}} \Big(\sum_j \|W_j\|_2^2 / r_j
       + \|V\|_F^2\Big).

    :math:`r_j` is one over the square root of the rank of feature j, relative to the
    mean of the selected ones: the best are penalised least. :math:`s_i` are the weights
    of the samples, times those of their classes. The penalty keeps the probabilities
    modest, so that they need no calibration (see the user guide).

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

    def _decay(self, target):
        return 2 / target.n_latent

    def _linear_output(self, code):
        """Return differences of codes, (..., n_classes), as those of log-odds."""
        return code[..., 1] - code[..., 0] if code.shape[-1] == 2 else code

    @own_errstate
    def decision_function(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the log-odds of two classes, or a number a class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Labels of `classes_`.
        """
        best = self.encode(X).argmax(axis=1)
        return self.classes_[best]


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
        Notes). "auto": 1 over the number of targets.

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
        The standardisation of the targets.

    See Also
    --------
    L1InfFeatureSelector : The selection alone.
    L1InfMultiTaskRegressor : A linear model in the ball.

    Notes
    -----
    With the selected features of the standardised sample :math:`z_i`, the q
    standardised targets :math:`y_i` and :math:`c_i = \sigma(z_i W + b) V + c`, the
    training of the network that predicts minimises

    .. math:: \frac{1}{2 q \sum_i s_i} \sum_i s_i \|c_i - y_i\|_2^2
       + \frac{\alpha}{2 \sqrt{\sum_i s_i}} \Big(\sum_j \|W_j\|_2^2 / r_j
       + \|V\|_F^2\Big).

    :math:`r_j` is one over the square root of the rank of feature j, relative to the
    mean of the selected ones: the best are penalised least.

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

    def fit(
        self,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Select features and train the network that predicts from them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The numbers to predict.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, which act as repetitions. None: all 1.

        Returns
        -------
        self : L1InfRegressor
            The fitted regressor.
        """
        super().fit(X, y, sample_weight)
        self._one_column = np.asarray(y).ndim == 1
        return self

    def _decay(self, target):
        return 1 / target.n_latent

    def _set_fitted(self, trained, prepared, order, selected):
        super()._set_fitted(trained, prepared, order, selected)
        self.target_mean_ = trained.target.mean
        self.target_scale_ = trained.target.scale

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
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            The predictions, of the shape of the `y` that was given to `fit`.
        """
        return self._output(self.encode(X))
