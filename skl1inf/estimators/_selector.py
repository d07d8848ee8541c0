"""The feature selector, an estimator."""

from numbers import Integral, Real
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.base import clone
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._sklearn import Interval, RealNotInt, StrOptions, _fit_context
from ..targets import TARGETS
from ._base import X_CHECKS, L1InfSelectorBase, own_errstate, prepare, train_for
from ._callbacks import TrainingProgress
from ._dask import read_input
from ._elimination import best_first
from ._features import GROUP_CONSTRAINTS


class L1InfFeatureSelector(L1InfSelectorBase):
    r"""Select the features that a small projected autoencoder keeps alive.

    The first layer of an autoencoder, a row of weights a feature, is trained inside
    an l1,inf ball: the sum over the features of their largest absolute weight is at
    most `radius`. The projection onto that ball [1]_ sets whole rows to zero, and
    as many features are selected as rows survive, the best ranked. With a target, the
    latent code of the autoencoder has to predict it; without one, it only has to
    reconstruct the data.

    Parameters
    ----------
    radius : float, default=1.0
        Radius of the l1,inf ball. The smaller it is, the fewer features survive. It
        limits what the network can say with them: see the Notes.

    max_features : int, default=None
        Select at most so many features, the best ranked. None: all that survive.
        An upper limit: where fewer survive, fewer are selected. Groups are not cut: as
        many of the best are selected as have so many features together.

    n_features_to_select : int or float, default=None
        Select exactly so many features, the best ranked; a float in (0, 1] is a
        fraction of them. The radius is then searched, such that about so many survive:
        `radius_` tells it, and `radius` and `max_features` must be left at their
        defaults. That takes up to six times as long as a fit at a given radius. Not
        with `feature_groups`, which cannot be cut. None: as many as survive at
        `radius`.

    feature_groups : array-like, list of lists or dict, default=None
        Groups of features that are selected together or not at all: a label a feature;
        or lists of names or indices, a feature on no list being alone; or a dict of
        such lists by name. None: every feature is alone.

    group_weights : array-like of shape (n_groups,) or dict, default=None
        What a group pays for its largest weight: :math:`w_g` in the Notes. In the order
        of the lists, or of the sorted labels; or by name, where the others get the
        default. None: such that without a signal, groups of any size are equally often
        the first to be chosen.

    keep_features : array-like, default=None
        Features that are always selected, such as age, sex or batch: names, indices or
        a mask. They take nothing of the radius and do not count for `max_features` or
        `n_features_to_select`.

    n_hidden : int, default=64
        Number of hidden units of the encoder.

    n_latent : int, default=None
        Number of units of the latent code where there is no target; None means 8.
        With a target, the code has one unit a class or a numeric target, and one for
        survival.

    activation : {"silu", "relu", "tanh", "identity"}, default="silu"
        Activation of the hidden units.

    reconstruction_weight : float, default=0.0
        Weight of the reconstruction (mean Huber loss of the standardised features)
        beside the loss of the target. Without a target, the reconstruction is the
        loss.

    learning_rate : "auto" or float, default="auto"
        Length of the steps of the first layer relative to the running size of its
        gradient; "auto" means 0.01, and for numbers without mini-batches a length from
        the curvature of the loss (see the Notes).

    max_iter : int, default=150
        Maximum number of passes over the data in each descent. The first 51 of the
        first descent (101 without a target, 10 for survival), but at most three
        quarters of them all,
        follow the path that ranks the features: from 68 (135) on, `max_iter` no longer
        changes the importances; from 204 (405) on with more than 8,191 samples.

    tol : float, default=2e-2
        A descent stops once the relative duality gap of the first layer, which
        `optimality_` reports, is at most `tol`, or the gap itself at most a twentieth
        of `tol` times the loss. Not looked at with mini-batches.

    batch_size : int, default=None
        Number of samples in a mini-batch. None: every step sees all samples, as it must
        for survival, where the loss of a sample depends on the others; from 8,192
        samples on, other targets are trained on few of them first, then on all.

    standardize : bool, default=True
        Centre and scale the features inside. `transform` returns the columns as they
        were given.

    second_descent : bool, default=True
        Train again, from the initial weights, on the selected features alone.

    interactions : "auto" or bool, default="auto"
        Whether to look for features that matter only together, such as two whose
        product tells the classes apart: a screen tests all squares and products of two,
        and its features are eliminated with the most important ones (see the Notes).
        "auto" does so from 200 samples on, up to 2**24 entries of `X`.

    target : str, default="auto"
        What `y` is: "classification", "regression", "survival", "unsupervised", or
        "auto", which takes strings, booleans, integers and categories for classes,
        floating-point numbers for one or (in two dimensions) several numeric targets, a
        structured array for survival, and no `y` for unsupervised selection. It warns
        where the values say otherwise: few whole numbers in floating point, or
        many different integers. "survival" are times to an event, some of them
        censored: a structured array with a boolean and a numeric field, in either
        order, such as scikit-survival's ``Surv``, or a frame of two such columns.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, as in scikit-learn's classifiers. Only
        used for classes.

    device : str, default="auto"
        Where to train: "cpu", "cuda", "cuda:1", ... "auto" takes CUDA where there is
        some and it is the faster one, from 2**22 entries of `X` or of the hidden layer
        on; else the CPU.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order of mini-batches, and which samples
        are seen first where there are many. Pass an int for the same result at every
        call.

    verbose : int, default=0
        1 prints a line a descent, 2 or more a line every ten passes too. For
        progress bars, see :class:`sklearn.callback.ProgressBar`.

    Attributes
    ----------
    encoder_weights_ : ndarray of shape (n_features, n_hidden)
        The first layer; its l1,inf norm, with the groups and without the kept features,
        is at most `radius_`.

    feature_importances_ : ndarray of shape (n_features,)
        The largest absolute weight of each feature relative to the radius of the pass,
        averaged over a path of radii; for classes, passes weigh by their loss. 0 for a
        feature that never lived. The features of a group share that of the group
        equally. See the Notes.

    ranking_ : ndarray of shape (n_features,)
        A permutation of 1..n_features, 1 being the best feature. With a target, 20
        features (200 for survival) come first, in the order of backward elimination:
        those that matter together and the most important ones (see the Notes). The
        others go by importance, those of importance 0 by how near they are to coming
        back, constant columns last. Unlike in :class:`~sklearn.feature_selection.RFE`,
        the selected features do not all have rank 1. Without a second descent, the
        survivors come first. Kept features are the first of all, and the features of a
        group follow one another.

    support_ : ndarray of shape (n_features,)
        Mask of the selected features, the best ranked: as many as rows survive the
        first descent, at most `max_features`. Those are the features that the second
        descent sees; where it does without one of them, its row of `encoder_weights_`
        is zero.

    n_features_ : int
        Number of selected features, the kept ones included.

    group_names_ : ndarray of shape (n_groups,)
        The groups: labels, keys of the dict, or "group 0", "group 1", ..., then the
        names of the features on no list. Only where `feature_groups` is given, as the
        next three.

    group_ranking_ : ndarray of shape (n_groups,)
        The ranks of the groups, 1 being the best.

    selected_groups_ : ndarray of shape (n_selected_groups,)
        The names of the selected groups, the best first.

    group_weights_ : ndarray of shape (n_groups,)
        The weights of the groups.

    radius_ : float
        The radius of the ball: `radius`, or the one found for `n_features_to_select`.

    coefs_ : list of ndarray of shape (n_features, n_hidden) and (n_hidden, n_latent)
        The weights of the encoder.

    intercepts_ : list of ndarray of shape (n_hidden,) and (n_latent,)
        The biases of the encoder.

    mean_, scale_ : ndarray of shape (n_features,)
        The standardisation: the encoder sees ``(X - mean_) / scale_``. A kept feature
        has a deviation of 10 there (see the Notes).

    classes_ : ndarray of shape (n_classes,)
        The class labels. Only where the target is classes.

    loss_curve_ : ndarray of shape (`n_iter_`,)
        The training loss of every pass, over both descents, on the samples that the
        pass sees.

    n_iter_ : int
        Number of passes over the data, or over some samples, in both descents.

    optimality_ : float
        Relative stationarity of the first layer at the end: the duality gap of the
        loss linearised at `encoder_weights_`, divided by `radius` times the dual norm
        of the gradient. 0 is stationary, 2 the worst.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, where they are all strings.

    See Also
    --------
    sklearn.feature_selection.SelectFromModel : Select by the weights of any model.
    sklearn.feature_selection.RFE : Eliminate features recursively.

    Notes
    -----
    `sample_weight` acts as repetition: a sample of weight 2 counts as two samples, and
    one of weight 0 is left out.

    With the standardised samples :math:`z_i`, targets :math:`y_i`, weights :math:`s_i`,
    codes :math:`c_i = \sigma(z_i W + b) V + c` and reconstructions :math:`U c_i + e`,
    the training solves

    .. math:: \min_{W, b, V, c, U, e} \; \ell((c_i), (y_i), (s_i)) + \rho \,
       \frac{\sum_i s_i H(U c_i + e - z_i)}{\sum_i s_i} \quad \text{subject to} \quad
       \sum_g w_g \max_{j \in g, k} |W_{jk}| \le C, \quad \|V_{\cdot k}\|_2 = \nu.

    C is `radius`, :math:`\rho` the `reconstruction_weight`, :math:`\sigma` the
    `activation`, H the mean Huber loss and :math:`\ell` the mean cross-entropy of
    classes, half the mean squared error of standardised numbers, or for survival the
    negative log partial likelihood of Cox [3]_ with the ties of Efron [4]_, divided by
    the weight of the events (0 without a target, where :math:`\rho` is 1 and the
    columns of U have norm 1). W has a row a feature; without `feature_groups` every
    feature j is a group of weight 1. The row of a kept feature has a bound of its own,
    :math:`\max_k |W_{jk}| \le C`, which is far: a kept feature is standardised to a
    deviation of 10. It is trained before the others, so that no other feature gets what
    it explains.

    With :math:`L_t` the loss and :math:`C_t` the radius of pass t, a feature i of
    classes has the importance

    .. math:: \frac{\sum_t L_t \max_k |W_{t,ik}| / C_t}{\sum_t L_t}

    along a path that opens from 0.1 to 4 and closes to 1, whatever `radius`: the radius
    decides how many features are kept, the path which. For numbers, the passes have the
    same weight and close from three times `radius` to `radius`, after 15 passes at the
    former; without a target they stay at `radius`. For survival 10 passes open from 0.1
    to 4.

    The norm :math:`\nu` of the columns of V makes the radius a capacity. For numbers
    and h hidden units it is :math:`2 / \sqrt{h}` (half of that for tanh and identity):
    the coefficients of the linear part of the code then have an l1,inf norm of at most
    `radius`, with one target an l1 norm, as of a Lasso on standardised data. For K
    classes it is :math:`K / \sqrt{12}`, for survival :math:`1 / \sqrt{3}`. The step for
    numbers is that of a heavy ball, 2 over the largest curvature of the squared loss in
    W.

    Of the most important features, 20 leave one by one: each time the one with the
    smallest sum of squared coefficients in a ridge regression of the target (of
    indicators for classes) on those left and on their products of two [2]_, which for
    numbers have a quarter of the features' standard deviation. The last to leave is the
    best. For more than six classes, elimination without products chooses
    the 20 from three times as many features as classes. Exact copies of better columns
    stay behind. The screen for `interactions` tests all squares and products of two of
    the ranks of the features (with thousands of features, of one of the most important
    with any), at a level of 0.05 for all together, and adds at most ten features that
    depend on the target together far more than alone.

    For survival the target of the ridge regression comes from the martingale residuals
    of the model without features. Their noise is large, so they are replaced by their
    own ridge regression on the 200 most important features [5]_, whose penalty expects
    these to explain 2 % of the variance. All 200 are put in order, without products.

    References
    ----------
    .. [1] G. Perez, L. Condat and M. Barlaud, "Near-linear time projection onto the
       l1,infinity ball; application to sparse autoencoders", :arxiv:`2307.09836`.

    .. [2] I. Guyon, J. Weston, S. Barnhill and V. Vapnik, "Gene selection for cancer
       classification using support vector machines", Machine Learning 46 (2002)
       389-422, :doi:`10.1023/A:1012487302797`.

    .. [3] D. R. Cox, "Regression models and life-tables", Journal of the Royal
       Statistical Society B 34 (1972) 187-220.

    .. [4] B. Efron, "The efficiency of Cox's likelihood function for censored data",
       Journal of the American Statistical Association 72 (1977) 557-565.

    .. [5] D. Paul, E. Bair, T. Hastie and R. Tibshirani, "'Preconditioning' for feature
       selection and regression in high-dimensional problems", Annals of Statistics 36
       (2008) 1595-1618.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import SVC
    >>> from skl1inf import L1InfFeatureSelector
    >>> X, y = make_classification(
    ...     n_features=500, n_informative=3, n_redundant=0, shuffle=False,
    ...     random_state=0,
    ... )
    >>> selector = L1InfFeatureSelector(max_features=5, random_state=0)
    >>> model = make_pipeline(selector, SVC()).fit(X, y)
    >>> model[:-1].transform(X).shape
    (100, 5)
    """

    _parameter_constraints: ClassVar[dict] = {
        "radius": [Interval(Real, 0, None, closed="neither")],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "n_features_to_select": [
            Interval(RealNotInt, 0, 1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        **GROUP_CONSTRAINTS,
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
        "n_latent": [Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions({"silu", "relu", "tanh", "identity"})],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "standardize": ["boolean"],
        "second_descent": ["boolean"],
        "interactions": ["boolean", StrOptions({"auto"})],
        "target": [StrOptions({"auto", *TARGETS})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        radius: float = 1.0,
        *,
        max_features: int | None = None,
        n_features_to_select: float | None = None,
        feature_groups: ArrayLike | dict | None = None,
        group_weights: ArrayLike | dict | None = None,
        keep_features: ArrayLike | None = None,
        n_hidden: int = 64,
        n_latent: int | None = None,
        activation: str = "silu",
        reconstruction_weight: float = 0.0,
        learning_rate: float | str = "auto",
        max_iter: int = 150,
        tol: float = 2e-2,
        batch_size: int | None = None,
        standardize: bool = True,
        second_descent: bool = True,
        interactions: bool | str = "auto",
        target: str = "auto",
        class_weight: dict | str | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.radius = radius
        self.max_features = max_features
        self.n_features_to_select = n_features_to_select
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.keep_features = keep_features
        self.n_hidden = n_hidden
        self.n_latent = n_latent
        self.activation = activation
        self.reconstruction_weight = reconstruction_weight
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.standardize = standardize
        self.second_descent = second_descent
        self.interactions = interactions
        self.target = target
        self.class_weight = class_weight
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @own_errstate
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the autoencoder and rank the features.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The training data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            The target: see the parameter `target`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, which act as repetitions. None: all 1.

        Returns
        -------
        self : L1InfFeatureSelector
            The fitted selector.
        """
        prepared, options = prepare(self, X, y, sample_weight)
        self._train(prepared, options)
        validate_data(self, X, skip_check_array=True)  # names and number
        return self

    @with_callbacks
    def _train(self, prepared, options):
        """Train on prepared data, and set the fitted attributes."""
        from ..network import train

        n_wanted = prepared.n_wanted(self)
        n_descents = 1 + self.second_descent if n_wanted is None else None
        context = self._init_callback_context(max_subtasks=n_descents)
        progress = TrainingProgress(self, context, prepared.described)
        problem, radius, units = prepared.problem(), self.radius, prepared.units
        with progress.task():
            if n_wanted is None:
                trained = train(problem, radius, options, progress)
            else:
                trained, radius = train_for(
                    n_wanted, units.kept, problem, options, progress
                )
            (order,), interacting = best_first(
                [trained.selection], problem, self.interactions, units
            )
            # Interacting features need not live to be selected.
            unimportant = ~interacting & (trained.selection.importances == 0.0)
            alive = trained.selection.alive
            selected = self._select(alive, unimportant, order, units, n_wanted)
            trained = self._train_again(
                trained, prepared, order, selected, radius, options, progress
            )
        self.radius_ = float(radius)
        self._set_fitted(trained, prepared, order, selected)

    def _train_again(
        self, trained, prepared, order, selected, radius, options, progress
    ):
        """Return a training on the selected features alone, where it is asked for."""
        from ..network import retrain

        if not (self.second_descent and selected.any()):
            return trained
        features, problem = np.flatnonzero(selected), prepared.problem()
        return retrain(trained, features, problem, radius, options, progress)

    def _select(self, alive, unimportant, order, units, n_wanted):
        """Return the mask of the selected features, the first of an order.

        A second descent starts anew and may see any features, of the unimportant ones
        those alive first. Without one, those alive come first.
        """
        last = unimportant if self.second_descent else True
        order = order[np.argsort((last & ~alive)[order], kind="stable")]
        if n_wanted is None:
            n_wanted = units.count(alive)
        return units.take(units.containing(order), n_wanted, self.max_features)

    def _set_fitted(self, trained, prepared, order, selected):
        vars(self).update(prepared.encoder(trained))
        self.feature_importances_ = trained.selection.importances
        self.loss_curve_ = trained.loss_curve
        self.n_iter_ = len(trained.loss_curve)
        self.optimality_ = trained.optimality
        self.__dict__.pop("classes_", None)  # of an earlier fit
        if prepared.target.classes is not None:
            self.classes_ = prepared.target.classes
        self.ranking_ = prepared.rank(order, selected)
        self.n_features_ = int(selected.sum())
        self.support_ = self.ranking_ <= self.n_features_
        self._set_groups(prepared.groups)

    @own_errstate
    def encode(self, X: ArrayLike | spmatrix | sparray) -> np.ndarray:
        """Return the latent code of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The samples, with all the features seen during fit.

        Returns
        -------
        code : ndarray of shape (n_samples, n_latent), float32
            For classes, the unnormalised log-probabilities. For survival, the log-risk:
            the larger, the sooner the event, up to a constant.
        """
        from ..network import encode

        check_is_fitted(self)
        X = read_input(self, X, **X_CHECKS, reset=False)
        return encode(
            X,
            self.coefs_,
            self.intercepts_,
            mean=self.mean_,
            inverse_scale=1.0 / self.scale_,
            activation=self.activation,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target not in ("auto", "unsupervised")
        tags.target_tags.multi_output = self.target in ("auto", "regression")
        return tags


def clone_selector(selector, random_state):
    """Return a clone of the selector, None being the default one, with its seed."""
    if selector is None:
        selector = L1InfFeatureSelector()
    if not isinstance(selector, L1InfFeatureSelector):
        raise TypeError(
            "selector must be an L1InfFeatureSelector or None, got an instance of "
            f"{type(selector).__name__}."
        )
    selector = clone(selector)
    selector._validate_params()
    if random_state is not None:
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        selector.set_params(random_state=seed)
    return selector
