"""Stability selection: the features that many halves of the samples agree on."""

from math import floor, sqrt
from numbers import Integral, Real
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import validate_data

from .._sklearn import Interval, _fit_context
from ._base import L1InfSelectorBase, own_errstate, prepare
from ._callbacks import TrainingProgress
from ._selector import L1InfFeatureSelector, clone_selector

# Halves that are trained at once, as one batched network, in pairs. It does not depend
# on the number of processors: neither does the result, then.
_PAIRS_PER_TASK = 5

# A pair of halves is drawn again at most so often. If two samples alone make y or the
# columns vary, every second draw puts one in each half: 100 all fail for no data that
# have such a pair.
_MOST_DRAWS = 100


class L1InfStabilitySelector(L1InfSelectorBase):
    r"""Select the features that many halves of the samples agree on.

    Complementary pairs stability selection [1]_ [2]_: the samples are split at random
    into two halves, many times over, and the features of each half are ranked by an
    :class:`L1InfFeatureSelector` of its own. Those that are among the best in a large
    share of the halves are selected, which bounds how many of them are expected to be
    false.

    Parameters
    ----------
    selector : L1InfFeatureSelector, default=None
        The selector, unfitted; it is cloned. None means ``L1InfFeatureSelector()``.

    n_pairs : int, default=25
        Number of pairs of halves. The probabilities are multiples of
        ``1 / (2 * n_pairs)``.

    threshold : float, default=0.7
        Select the features that are among the best of at least this share of the
        halves, in (0.5, 1]. Not used where `max_false_positives` is given.

    max_false_positives : float, default=None
        Select by the threshold at which `false_positives_bound_` is this number. It
        wins over `threshold`.

    n_jobs : int, default=None
        Number of groups of ten halves to train in parallel, with :mod:`joblib`. None
        means 1 unless in a :obj:`joblib.parallel_config` context, -1 all processors.
        The result does not depend on it.

    random_state : int, RandomState instance or None, default=None
        Determines the halves and the initial weights; None leaves the latter to
        `selector`. Pass an int for the same result at every call.

    verbose : int, default=0
        1 prints a line a group of halves, 2 or more a line every ten passes too. For
        progress bars, see :class:`sklearn.callback.ProgressBar`.

    Attributes
    ----------
    selection_probabilities_ : ndarray of shape (n_features,)
        The share of the halves in which each feature is among the `n_selected_` best.

    n_selected_ : int
        Number of features that each half selects beside the kept ones: as many as
        `selector_`, or, where that is too many to keep the expected number of false
        selections at most `max_false_positives` with a threshold of at most 1, the
        largest number that is not. With `feature_groups`, a number of groups.

    threshold_ : float
        The threshold in use: `threshold`, or with `max_false_positives`
        ``(1 + n_selected_**2 / (n_features_in_ * max_false_positives)) / 2``.

    false_positives_bound_ : float
        ``n_selected_**2 / ((2 * threshold_ - 1) * n_features_in_)``, the bound on the
        expected number of false selections. See the Notes for what it assumes. Kept
        features do not count; with `feature_groups` it counts groups, and is about
        false groups.

    support_ : ndarray of shape (n_features,)
        Mask of the selected features, whose probability is at least `threshold_`.

    n_features_ : int
        Number of selected features.

    ranking_ : ndarray of shape (n_features,)
        A permutation of 1..n_features, 1 being the best feature: by probability, ties
        by the mean of the ranks in the halves, then by column. Kept features are the
        first, with a probability of 1; the features of a group follow one another.

    group_names_, group_ranking_, selected_groups_, group_weights_ : ndarray
        As of :class:`L1InfFeatureSelector`, with `feature_groups` of the selector.

    selector_ : L1InfFeatureSelector
        The selector fitted on all the samples.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, where they are all strings.

    See Also
    --------
    L1InfFeatureSelector : Select on all the samples, without a bound.
    skl1inf.plotting.StabilityDisplay : Picture of the probabilities.

    Notes
    -----
    With :math:`q` features selected in each half, of :math:`p`, and the threshold
    :math:`\pi`, theorem 1 of [2]_ with :math:`\theta = q / p` bounds, without any
    assumption on the features, the expected number of selected features that a half
    selects with a probability of at most :math:`q / p`, which is that of guessing:

    .. math:: E|S \cap L| \le \frac{q^2}{(2 \pi - 1) \, p}.

    It bounds the expected number of false selections (theorem 1 of [1]_) where no
    feature that has nothing to do with the target is selected in a half more often
    than by guessing. That holds if those features are exchangeable, given the others,
    and the selector is no worse than guessing. It does not hold of a feature that is
    correlated with an informative one: such a feature is selected in its place.
    The theorem takes :math:`q` as fixed beforehand; here the fit on all the samples
    sets it.

    With classes, both halves of a pair have the same share of each class, up to one
    sample; for survival, of the events. A pair is drawn again where a half cannot be
    trained on, because the target or all columns are constant in it. Each half is
    standardised on its own, and is ranked by its `feature_importances_` alone, without
    elimination.

    References
    ----------
    .. [1] N. Meinshausen and P. Bühlmann, "Stability selection", Journal of the Royal
       Statistical Society B 72 (2010) 417-473, :doi:`10.1111/j.1467-9868.2010.00740.x`.

    .. [2] R. D. Shah and R. J. Samworth, "Variable selection with error control:
       another look at stability selection", Journal of the Royal Statistical Society B
       75 (2013) 55-80, :doi:`10.1111/j.1467-9868.2011.01034.x`.

    Examples
    --------
    >>> import numpy as np
    >>> from skl1inf import L1InfStabilitySelector
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((100, 500)), np.arange(100) % 2
    >>> X[y == 1, :3] += 2
    >>> stable = L1InfStabilitySelector(max_false_positives=1, random_state=0)
    >>> stable.fit(X, y).get_support(indices=True)
    array([0, 1, 2])
    """

    _parameter_constraints: ClassVar[dict] = {
        "selector": [L1InfFeatureSelector, None],
        "n_pairs": [Interval(Integral, 1, None, closed="left")],
        "threshold": [Interval(Real, 0.5, 1, closed="right")],
        "max_false_positives": [Interval(Real, 0, None, closed="neither"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        selector: L1InfFeatureSelector | None = None,
        *,
        n_pairs: int = 25,
        threshold: float = 0.7,
        max_false_positives: float | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.selector = selector
        self.n_pairs = n_pairs
        self.threshold = threshold
        self.max_false_positives = max_false_positives
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @own_errstate
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: ArrayLike | spmatrix | sparray, y: ArrayLike | None = None
    ) -> Self:
        """Rank the features of many halves of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The training data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            The target: see the parameter `target` of :class:`L1InfFeatureSelector`.

        Returns
        -------
        self : L1InfStabilitySelector
            The fitted selector.

        Raises
        ------
        ValueError
            If the data or the parameters are not what the selector takes, if there
            are fewer than four samples or a class has only one, if the target or all
            columns are constant in one half of every pair, or if
            `max_false_positives` is so small that no feature could be selected.
        """
        random_state = check_random_state(self.random_state)
        own = None if self.random_state is None else random_state
        selector = clone_selector(self.selector, own)
        prepared, options = prepare(selector, X, y, None)
        most = self._most_selected(prepared.groups.n_groups)
        groups = _groups_of_halves(prepared.data, self.n_pairs, random_state, selector)

        context = self._init_callback_context(
            max_subtasks=1 + len(groups), sequential_subtasks=False
        )
        on_all = context.subcontext("selector", task_id=0)
        on_halves = [
            context.subcontext("halves", task_id=1 + i, max_subtasks=None)
            for i in range(len(groups))
        ]
        with TrainingProgress(self, context, prepared.described).task():
            fitted = self._fit_on_all(clone(selector), prepared, options, on_all)
            n_selected = min(prepared.units.count(fitted.support_), most)
            counts = Parallel(n_jobs=self.n_jobs)(
                delayed(_count_selections)(
                    prepared.data,
                    halves,
                    selector,
                    fitted.radius_,
                    options,
                    n_selected,
                    TrainingProgress(self, group_context),
                )
                for halves, group_context in zip(groups, on_halves, strict=True)
            )
        for estimator in (fitted, self):  # names and number
            validate_data(estimator, X, skip_check_array=True)
        self._set_fitted(fitted, prepared, n_selected, *np.sum(counts, axis=0))
        return self

    def _most_selected(self, n_units):
        """Return how many units a half may select for a threshold of at most 1."""
        if self.max_false_positives is None:
            return n_units
        most = floor(min(n_units, sqrt(n_units * self.max_false_positives)))
        if most == 0:
            raise ValueError(
                f"max_false_positives={self.max_false_positives} is too small for "
                f"n_features={n_units}: even with one feature a half, it needs a "
                "threshold above 1."
            )
        return most

    def _fit_on_all(self, selector, prepared, options, context):
        """Return the selector fitted on all the samples, as a task of its own."""
        with (
            context.propagate_callback_context(selector),
            TrainingProgress(self, context, prepared.described).task(),
        ):
            selector._train(prepared, options)
        return selector

    def _set_fitted(
        self, selector, prepared, n_selected, n_times_selected, unit_ranks, ranks
    ):
        n_units, units = prepared.groups.n_groups, prepared.units
        if self.max_false_positives is None:
            self.threshold_ = self.threshold
            excess = 2 * self.threshold - 1
            self.false_positives_bound_ = n_selected**2 / (excess * n_units)
        else:
            excess = n_selected**2 / (n_units * self.max_false_positives)
            self.threshold_ = min(1.0, (1 + excess) / 2)  # rounding may exceed 1
            self.false_positives_bound_ = self.max_false_positives
        self.selector_, self.n_selected_ = selector, n_selected
        self.selection_probabilities_ = n_times_selected / (2 * self.n_pairs)
        self.support_ = self.selection_probabilities_ >= self.threshold_
        self.n_features_ = int(self.support_.sum())
        order = np.lexsort((ranks, units.leader, unit_ranks, -n_times_selected))
        self.ranking_ = np.empty(len(order), dtype=int)
        self.ranking_[order] = np.arange(1, len(order) + 1)
        self._set_groups(prepared.groups)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        selector = L1InfFeatureSelector() if self.selector is None else self.selector
        of_selector = get_tags(selector)
        tags.input_tags.sparse = of_selector.input_tags.sparse
        tags.target_tags = of_selector.target_tags
        tags.transformer_tags = of_selector.transformer_tags
        return tags


def _groups_of_halves(data, n_pairs, random_state, selector):
    """Return lists of halves, arrays of indices of samples, pair by pair."""
    n_samples = data.matrix.shape[0]
    if n_samples < 4:
        raise ValueError(
            f"n_samples={n_samples} must be at least 4 for two samples in each half."
        )
    strata = None if data.y is None else data.kind.strata(data.y)
    splitter = (ShuffleSplit if strata is None else StratifiedShuffleSplit)(
        n_pairs * _MOST_DRAWS,
        train_size=n_samples // 2,
        test_size=n_samples // 2,
        random_state=random_state,
    )
    draws = splitter.split(np.arange(n_samples), strata)
    pairs = [_next_pair(data, draws, selector) for _ in range(n_pairs)]
    halves = [half for pair in pairs for half in pair]
    size = 2 * _PAIRS_PER_TASK
    return [halves[start : start + size] for start in range(0, len(halves), size)]


def _next_pair(data, draws, selector):
    """Return the next drawn pair of halves that can both be trained on."""
    for _ in range(_MOST_DRAWS):
        pair = next(draws)
        try:
            for half in pair:
                data.prepare(selector, half)
        except ValueError as error:
            reason = error
        else:
            return pair
    raise ValueError(
        "The samples cannot be split into two halves to train on: in each of "
        f"{_MOST_DRAWS} draws one half was of no use. Of the last: {reason}"
    ) from reason


def _count_selections(data, halves, selector, radius, options, n_selected, progress):
    """Train on halves: how often features were selected, and the sums of their ranks.

    Each half selects the `n_selected` best units, of those that vary in it. The ranks
    are those of the units, then those of the features. Kept features are always
    selected.
    """
    from ..network import rank

    prepared = [data.prepare(selector, half) for half in halves]
    with progress.task():
        problems = [of_half.problem() for of_half in prepared]
        selections = rank(problems, radius, options, progress)
    counts = []
    for selection, of_half in zip(selections, prepared, strict=True):
        units = of_half.units
        ranks = of_half.rank(
            units.expand(units.order(selection), selection.order), False
        )
        unit_ranks = units.ranks(ranks)
        selected = (unit_ranks <= n_selected) & of_half.varying
        counts.append((selected, unit_ranks, ranks))
    return np.sum(counts, axis=0)
