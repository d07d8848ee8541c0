"""The selection along a path of radii."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.callback import with_callbacks
from sklearn.isotonic import isotonic_regression
from sklearn.utils import Bunch, check_array, check_scalar
from sklearn.utils.validation import validate_data

from ._base import SMALLEST_RADIUS, own_errstate, prepare
from ._callbacks import TrainingProgress
from ._elimination import best_first
from ._selector import L1InfFeatureSelector, clone_selector

# The default range of radii: from a handful of genes to about a hundred.
_SMALLEST, _LARGEST = 0.1, 5.0


@own_errstate
def radius_path(
    X: ArrayLike | spmatrix | sparray,
    y: ArrayLike | None = None,
    *,
    radii: int | ArrayLike = 20,
    selector: L1InfFeatureSelector | None = None,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Select features along a path of radii.

    One network follows the radii from the largest to the smallest: the features that
    leave last matter most. Twenty radii take about three times as long as one fit.

    Parameters
    ----------
    X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
        The training data.

    y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        The target, as in :meth:`L1InfFeatureSelector.fit`.

    radii : int or array-like of shape (n_radii,), default=20
        The radii, or how many to take between 0.1 and 5, at equal ratios.

    selector : L1InfFeatureSelector, default=None
        All settings but the radius; it is cloned. None means the defaults.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, which act as repetitions.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights; None leaves that to `selector`.

    Returns
    -------
    path : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        radii : ndarray of shape (n_radii,)
            The radii, ascending.

        weights : ndarray of shape (n_radii, n_features)
            The largest absolute weight of each feature, relative to the radius.

        importances : ndarray of shape (n_radii, n_features)
            The largest absolute weight of each feature relative to the radius of the
            pass, averaged over the path from four times the radius (three times for
            numbers) to the radius.

        support : ndarray of shape (n_radii, n_features), bool
            Mask of the features selected at each radius.

        rankings : ndarray of shape (n_radii, n_features)
            The rank of each feature, 1 being the best: 20 features (200 for survival)
            by backward elimination, the others by importance, as in
            :class:`L1InfFeatureSelector`.

        n_features : ndarray of shape (n_radii,)
            Number of features selected at each radius, the kept ones included.
            Ascending, but for groups of different sizes.

        entry_radii : ndarray of shape (n_features,)
            The smallest radius at which each feature is selected, inf if at none.

        losses : ndarray of shape (n_radii,)
            The training loss.

        optimality : ndarray of shape (n_radii,)
            The relative stationarity, as in :class:`L1InfFeatureSelector`.

        feature_names : ndarray of shape (n_features,) or None
            Names of the features of X, where they are all strings.

    See Also
    --------
    L1InfFeatureSelectorCV : Choose the radius by cross-validation.
    skl1inf.plotting.RadiusPathDisplay : Draw the path.

    Notes
    -----
    The features selected are the best ranked, as many as rows of the first layer are
    alive; that number is made to grow with the radius by isotonic regression.

    The features may differ from those of a fit. Below the largest radius, the network
    has been trained for longer than a fit of its own would have been. And a fit to
    classes ranks along one path for all radii, where this path ranks at each.

    Examples
    --------
    >>> from skl1inf import radius_path
    >>> from skl1inf.datasets import load_srbct
    >>> X, y = load_srbct(return_X_y=True)
    >>> path = radius_path(X, y, radii=[0.1, 1, 5], random_state=0)
    >>> path.support.shape
    (3, 2308)
    >>> bool(path.n_features[0] < path.n_features[2])
    True
    """
    selector = clone_selector(selector, random_state)
    radii = check_radii(radii, selector)
    prepared, options = prepare(selector, X, y, sample_weight)
    path = _follow_one(selector, prepared, radii, options)
    validate_data(selector, X, skip_check_array=True)  # reads the names
    path.feature_names = getattr(selector, "feature_names_in_", None)
    return path


@with_callbacks
def _follow_one(selector, prepared, radii, options):
    """Follow the path while the callbacks of the selector look on."""
    context = selector._init_callback_context(max_subtasks=1)
    progress = TrainingProgress(selector, context, prepared.described)
    with progress.task():
        (path,) = follow(selector, [prepared], radii, options, progress)
    return path


def check_radii(radii, selector):
    """Return the radii, ascending and without repetitions."""
    if selector.n_features_to_select is not None:
        raise ValueError(
            f"n_features_to_select={selector.n_features_to_select} of the selector "
            "must be None: the radii decide how many features are selected."
        )
    if isinstance(radii, Integral):
        check_scalar(radii, "radii", Integral, min_val=2)
        return np.geomspace(_SMALLEST, _LARGEST, radii)
    radii = np.unique(check_array(radii, ensure_2d=False, input_name="radii"))
    if radii[0] <= 0:
        raise ValueError(f"radii must be positive, got {radii[0]}.")
    if radii[0] < SMALLEST_RADIUS:
        raise ValueError(f"radii has {radii[0]}, too small for the range of float32.")
    return radii.astype(np.float64)


def follow(selector, datasets, radii, options, observer):
    """Return the path of every dataset, trained at once.

    Parameters
    ----------
    selector : L1InfFeatureSelector
        The settings.
    datasets : list of PreparedData
        Data with the same features, such as folds.
    radii : ndarray of shape (n_radii,)
        The radii, ascending.
    options : Options
        The settings of the training.
    observer : Observer
        Is told of its progress.

    Returns
    -------
    paths : list of Bunch
        As `radius_path` returns them, without names.
    """
    from ..network import trace

    problems = [prepared.problem() for prepared in datasets]
    traces = trace(problems, radii[::-1], options, observer)
    return [
        _path(selector, prepared, problem, radii, selections[::-1])
        for prepared, problem, selections in zip(
            datasets, problems, traces, strict=True
        )
    ]


def _path(selector, prepared, problem, radii, selections):
    units = prepared.units
    n_units = _sizes(units.count(selection.alive) for selection in selections)
    nothing = np.zeros(prepared.n_features, dtype=bool)
    orders, _ = best_first(selections, problem, selector.interactions, units)
    rankings = np.array([prepared.rank(order, nothing) for order in orders])
    support = np.array(
        [
            units.take(units.containing(ranking.argsort()), n, selector.max_features)
            for ranking, n in zip(rankings, n_units, strict=True)
        ]
    )
    ever = support.any(axis=0)
    return Bunch(
        radii=radii,
        weights=np.array([selection.weights for selection in selections]),
        importances=np.array([selection.importances for selection in selections]),
        support=support,
        rankings=rankings,
        n_features=support.sum(axis=1),
        entry_radii=np.where(ever, radii[support.argmax(axis=0)], np.inf),
        losses=np.array([selection.loss for selection in selections]),
        optimality=np.array([selection.optimality for selection in selections]),
        feature_names=None,
    )


def _sizes(n_alive):
    """Return how many features or groups are selected at each radius, ascending.

    As many as are alive. That number grows with the radius but for what the few passes
    at each leave to chance, which isotonic regression evens out.
    """
    return np.rint(isotonic_regression(list(n_alive))).astype(int)
