"""What the predictors share: the second training, the code, what it is made of."""

from dataclasses import replace
from numbers import Real
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._sklearn import Interval, StrOptions
from .._warn import warn_the_caller
from ..matrices import open_matrix
from ._base import X_CHECKS, own_errstate
from ._dask import read_input
from ._selector import L1InfFeatureSelector

# What a predictor decides itself.
_FIXED = "n_latent", "second_descent", "target", "class_weight"

# The largest share of the penalty that makes the network constant. Near that penalty
# the weights are in proportion to the correlations with the target, which predict best
# where the signal is weak.
_SHARE = 0.8


class L1InfPredictor(L1InfFeatureSelector):
    """Base of the predictors: selectors whose network is trained again to predict.

    A predictor names its `_target`, and has `_automatic_alpha`, which returns the
    `alpha` of a target where it is "auto".
    """

    _parameter_constraints: ClassVar[dict] = {
        name: constraint
        for name, constraint in L1InfFeatureSelector._parameter_constraints.items()
        if name not in _FIXED
    } | {"alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")]}

    # The value of the selector's parameter `target`.
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
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The training data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The target: class labels, numbers, or events and times.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples: the numbers of their repetitions. None: all 1. Their
            sum is the number of samples that the penalty goes by: weights that sum to 1
            shrink the predictions to a constant.

        Returns
        -------
        self : L1InfPredictor
            The fitted predictor.
        """
        super().fit(X, y, sample_weight)
        self._one_column = np.asarray(y).ndim == 1  # as predicted numbers are then
        return self

    def _train_again(
        self, trained, prepared, order, selected, radius, options, progress
    ):
        """Return the two networks: that which selected, and that which predicts."""
        features = order[selected[order]]
        found = self._read_out(prepared, features, options, progress)
        if not found.coefs[1].any():
            warn_the_caller(
                f"{type(self).__name__} predicts the same for every sample: the signal "
                f"is too weak for the penalty (alpha={self.alpha!r}), or for the "
                f"features that radius={self.radius!r} selects."
            )
        return trained, found

    def _read_out(self, prepared, features, options, progress):
        """Return the network that predicts from some features, the best first."""
        from ..network import read_out

        Z, target = _distinct(prepared, features, self.class_weight)
        # The ranks, unlike the importances, do not depend on rounding, and tell of
        # features that matter only together with others.
        relevance = np.arange(1, len(features) + 1) ** -0.5
        if len(features):
            relevance /= relevance.mean()
        return read_out(
            features,
            prepared.n_features,
            Z,
            target,
            relevance,
            self._decay(Z, target, relevance, options),
            options,
            progress,
        )

    def _decay(self, Z, target, relevance, options):
        """Return the decay of the weights of the network that predicts."""
        from ..network import collapsing_decay

        if self.alpha != "auto":
            return self.alpha / np.sqrt(target.information)
        usual = self._automatic_alpha(target) / np.sqrt(target.information)
        if not len(relevance):
            return usual
        most = _SHARE * collapsing_decay(Z, target, relevance, options)
        return min(usual, most)

    def _set_fitted(self, trained, prepared, order, selected):
        selecting, found = trained
        super()._set_fitted(selecting, prepared, order, selected)
        self._set_predicting(found, prepared)
        self.loss_curve_ = np.append(selecting.loss_curve, found.loss_curve)
        self.n_iter_ = len(self.loss_curve_)

    def _set_predicting(self, found, prepared):
        """Set what the prediction takes."""
        encoder = replace(prepared, target=found.target).encoder(found)
        del encoder["encoder_weights_"]  # they are those of the network that selected
        vars(self).update(encoder)
        self.__dict__.pop("decoder_weights_", None)  # of an earlier fit
        self.__dict__.pop("decoder_intercept_", None)
        if self.reconstruction_weight > 0:
            U, self.decoder_intercept_ = found.decoder
            self.decoder_weights_ = found.target.restored(U)

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
        X = read_input(self, X, **X_CHECKS, reset=False)
        return self._standardised(open_matrix(X))

    @own_errstate
    def encode(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the latent code of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
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
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
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
    def explain(self, X: ArrayLike | spmatrix | sparray) -> Bunch:
        r"""Return what each selected feature contributes to each prediction.

        The contributions are integrated gradients [1]_: those of the network's output f
        are averaged along the line from the baseline, the mean of every feature, to the
        sample. With the standardised sample z,

        .. math:: a_j = z_j \int_0^1 \frac{\partial f}{\partial z_j}(t z) \, dt, \qquad
           \sum_j a_j = f(z) - f(0).

        The network has one hidden layer, so the integral has a closed form: it is exact
        for every activation.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        explanation : :class:`~sklearn.utils.Bunch`
            With the attributes

            contributions : ndarray of shape (n_samples, n_selected[, n_outputs])
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

        Z = self._read(X)
        parts = integrated_gradients(Z, *self._layers(), self.activation)
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
