"""A panel of genes that tells all classes of cells apart."""

from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, check_scalar

from .._sklearn import HasMethods
from .._warn import warn_the_caller
from ._cells import Request
from ._markers import Scores
from ._matrix import dense_blocks
from ._results import Results
from ._selectors import check_selectors, make_selector

if TYPE_CHECKING:
    from anndata import AnnData

# The genes of a panel are chosen from so many of the most important ones.
_LEAST_CANDIDATES, _CANDIDATES_PER_GENE = 300, 5

# Added to the variance within the classes, in variances of the gene: differences
# between classes that are estimated from few cells count less.
_SHRINKAGE = 0.1


def marker_panel(
    adata: "AnnData",
    n_genes: int,
    groupby: str,
    *,
    min_per_class: int = 1,
    layer: str | None = None,
    mask_var: ArrayLike | str | None = None,
    batch_key: str | None = None,
    cv: int | None = 5,
    estimator: BaseEstimator | None = None,
    key_added: str = "l1inf_panel",
    copy: bool = False,
    random_state: int | np.random.RandomState | None = 0,
    **selector_params: Any,
) -> "AnnData | None":
    r"""Choose a panel of genes that tells all classes of cells apart.

    An :class:`~skl1inf.L1InfFeatureSelector` finds the candidates. From these the
    panel is chosen gene by gene, such that every pair of classes is told apart. What
    the panel confuses is measured on cells that had no part in its choice.

    Parameters
    ----------
    adata : AnnData
        The cells, in memory or backed by a file: logarithms of normalised counts. It is
        changed in place.

    n_genes : int
        The number of genes of the panel.

    groupby : str
        The column of `adata.obs` with the classes: categories, strings, booleans or
        integers. Cells without a value are left out.

    min_per_class : int, default=1
        Each class gets at least so many genes that speak for it by a high expression.
        `n_genes` must be at least so many times the number of classes.

    layer : str, default=None
        The layer to use. None means `adata.X`.

    mask_var : ndarray of shape (n_vars,) or str, default=None
        Choose from these genes alone: a mask, or its name in `adata.var`. None means
        all genes.

    batch_key : str, default=None
        The column of `adata.obs` with the batches. Differences between batches do not
        count for a gene, and the cells of a batch stay together in the folds.

    cv : int, default=5
        The number of folds for the confusion: the panel is chosen and the estimator is
        fitted on the others. At most as many as there are batches, with `batch_key`.
        None: no confusion, which takes a fraction of the time.

    estimator : classifier, default=None
        What predicts the class from the panel. None means linear discriminant analysis
        of the standardised genes, with a shrinkage of 0.1.

    key_added : str, default="l1inf_panel"
        The name of the results in `adata.var` and `adata.uns`.

    copy : bool, default=False
        Whether to return a changed copy and leave `adata` as it is. Not where it is
        backed.

    random_state : int, RandomState instance or None, default=0
        Determines the initial weights and the folds.

    **selector_params : dict
        Parameters of :class:`~skl1inf.L1InfFeatureSelector`, of which the importances
        are used. By default ``class_weight="balanced"``, so that rare classes weigh as
        much as frequent ones.

    Returns
    -------
    adata : AnnData or None
        The copy, with `copy`. The results are, for the `key_added` "l1inf_panel":

        ``adata.var["l1inf_panel_selected"]`` : bool
            Mask of the panel.
        ``adata.var["l1inf_panel_rank"]`` : float
            The order in which the genes were chosen, from 1; NaN for all others. The
            first genes are a panel of their own, if a smaller one is needed.
        ``adata.var["l1inf_panel_importance"]`` : float
            The importances of the selector.
        ``adata.uns["l1inf_panel"]`` : dict
            The entries that :func:`select_genes` describes, and:
        ``adata.uns["l1inf_panel"]["confusion"]`` : ndarray (n_classes, n_classes)
            How many cells of a class, a row each, were predicted to be of each class,
            a column each, in the folds. In the order of ``["classes"]``.

    Raises
    ------
    ImportError
        If anndata is not installed.

    TypeError
        If `adata` is no AnnData object, or a parameter is unknown.

    ValueError
        If a parameter, the labels or the matrix are not usable. `adata` is then
        unchanged.

    Warns
    -----
    UserWarning
        If cells have no label, or too few genes speak for a class.

    See Also
    --------
    select_genes : Rank all genes, and select as many as survive.

    Notes
    -----
    The candidates are the 300 most important genes, or five times `n_genes`, and the
    genes with the highest scores of each class. Suppose that the standardised genes of
    class a are normal with mean :math:`\mu_a`, and with the covariance :math:`\Sigma`,
    the pooled one within the classes plus 0.1 times the identity. For the panel P,
    equally frequent classes a and b are then confused with a probability of at most
    half of

    .. math:: \exp\left(-\tfrac18 \, (\mu_a - \mu_b)_P^\top \, \Sigma_{PP}^{-1} \,
       (\mu_a - \mu_b)_P\right),

    the Bhattacharyya bound [1]_. Each gene that is added makes the sum of these bounds
    over all pairs of classes as small as possible. So two genes that say the same are
    not both chosen, and classes that nothing separates yet count most. As soon as the
    places left are just enough for `min_per_class`, only genes of the classes that
    lack some are chosen.

    References
    ----------
    .. [1] T. Kailath, "The divergence and Bhattacharyya distance measures in signal
       selection", IEEE Transactions on Communication Technology 15 (1967) 52-60,
       :doi:`10.1109/TCOM.1967.1089532`.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> from skl1inf.anndata import marker_panel
    >>> rng = np.random.default_rng(0)
    >>> kind = np.repeat(["B", "NK", "T"], 50)
    >>> X = rng.standard_normal((150, 200))
    >>> for gene, name in enumerate(["B", "NK", "T"]):
    ...     X[kind == name, gene] += 4
    >>> adata = AnnData(X, obs={"kind": kind})
    >>> marker_panel(adata, 3, "kind")
    >>> adata.var_names[adata.var["l1inf_panel_selected"]].tolist()
    ['0', '1', '2']
    >>> adata.uns["l1inf_panel"]["confusion"].sum()
    np.int64(150)
    """
    params = {
        "random_state": random_state,
        "class_weight": "balanced",
        # The importances need no more passes, no second descent and no order.
        "max_iter": 68,
        "second_descent": False,
        "interactions": False,
        **selector_params,
    }
    check_selectors("marker_panel", params)
    request = Request.check(adata, groupby, layer, batch_key, mask_var)
    request.check_output(key_added, copy)
    request.check_number(n_genes)
    _check_coverage(min_per_class, n_genes, request.classes)
    judge = _judge(estimator)
    splitter = _splitter(cv, request, random_state)
    cells = request.read()
    choose = partial(_choose, params, n_genes, min_per_class)

    panel, importances, scores = choose(cells, warn=True)
    more = {}
    if splitter is not None:
        more["confusion"] = _confusion(cells, choose, judge, splitter)
    ranks = np.full(len(cells.genes), np.nan)
    ranks[panel] = np.arange(1, n_genes + 1)
    columns = {"selected": ranks > 0, "rank": ranks, "importance": importances}
    params = {
        "groupby": groupby,
        "layer": layer,
        "batch_key": batch_key,
        "n_genes": n_genes,
        "min_per_class": min_per_class,
        "cv": cv,
        **params,
    }
    results = Results(cells, columns, panel, scores, params, more)
    return results.write(adata, key_added, copy)


def _check_coverage(min_per_class, n_genes, classes):
    check_scalar(min_per_class, "min_per_class", Integral, min_val=0)
    if min_per_class * len(classes) > n_genes:
        raise ValueError(
            f"n_genes={n_genes} is too small for min_per_class={min_per_class} of "
            f"{len(classes)} classes."
        )


def _judge(estimator):
    """Return the classifier that predicts from the panel, unfitted."""
    if estimator is None:
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE)
        return make_pipeline(StandardScaler(), model)
    if not HasMethods(["fit", "predict"]).is_satisfied_by(estimator):
        raise TypeError(
            "estimator must have the methods fit and predict, got "
            f"{type(estimator).__name__}."
        )
    return estimator


def _splitter(cv, request, random_state):
    """Return the splitter of the cells, None where there is nothing to measure."""
    if cv is None:
        return None
    check_scalar(cv, "cv", Integral, min_val=2)
    largest = np.bincount(request.codes).max()
    if cv > largest:
        raise ValueError(f"cv={cv} must be at most {largest}, the cells of a class.")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    if request.batches is None:
        return StratifiedKFold(cv, shuffle=True, random_state=seed)
    n_batches = len(np.unique(request.batches))
    return StratifiedGroupKFold(min(cv, n_batches), shuffle=True, random_state=seed)


def _confusion(cells, choose, judge, splitter):
    """Return the confusion of panels on the cells that had no part in their choice."""
    predicted = np.empty(len(cells.codes), dtype=np.intp)
    for train, test in splitter.split(cells.codes, cells.codes, cells.batches):
        if not len(test):  # fewer folds than batches can fill
            continue
        panel, _, _ = choose(cells.take(train))
        values = np.empty((len(cells.codes), len(panel)))
        for rows, block in dense_blocks(cells.X, panel):
            values[rows] = block
        model = clone(judge).fit(values[train], cells.codes[train])
        predicted[test] = model.predict(values[test])
    labels = np.arange(len(cells.classes))
    return confusion_matrix(cells.codes, predicted, labels=labels)


def _choose(params, n_genes, min_per_class, cells, warn=False):
    """Return the panel, the first chosen first, the importances and the scores."""
    fitted = cells.fit(partial(make_selector, params))
    importances = fitted.feature_importances_[: len(cells.genes)]
    scores = Scores.of(cells)
    candidates = _candidates(importances, scores, n_genes, min_per_class)
    covariance = _covariance(cells, scores, candidates)
    speaks_for = np.where(scores.up, scores.speaks_for, -1)[candidates]
    n_found = np.bincount(speaks_for[speaks_for >= 0], minlength=len(cells.classes))
    lacking = cells.classes[n_found < min_per_class]
    if warn and len(lacking):
        warn_the_caller(
            f"Fewer than min_per_class={min_per_class} genes are expressed most in "
            f"{', '.join(lacking)}: the panel has all there are."
        )
    wanted = np.minimum(n_found, min_per_class)
    means = scores.means[:, candidates]
    chosen = separating(means, covariance, n_genes, speaks_for, wanted)
    return candidates[chosen], importances, scores


def _candidates(importances, scores, n_genes, min_per_class):
    """Return the genes that a panel is chosen from, ascending.

    They are the most important ones, and of each class those with the highest scores.
    """
    n_candidates = max(_LEAST_CANDIDATES, _CANDIDATES_PER_GENE * n_genes)
    candidates = [np.argsort(-importances, kind="stable")[:n_candidates]]
    for c, of_class in enumerate(scores.scores):
        speaking = np.flatnonzero(scores.up & (scores.speaks_for == c))
        best = np.argsort(-of_class[speaking], kind="stable")[:min_per_class]
        candidates.append(speaking[best])
    return np.unique(np.concatenate(candidates))


def _covariance(cells, scores, genes):
    """Return the pooled covariance within classes and batches of standardised genes."""
    D, n = cells.design, len(cells.codes)
    of_Z, second = 0.0, 0.0
    for rows, block in dense_blocks(cells.X, genes):
        Z = (block - scores.mean[genes]) * scores.scale[genes]
        of_Z = of_Z + D[rows].T @ Z
        second = second + Z.T @ Z
    # The residuals of the least squares problem of `Scores`: Z'Z - Z'D (D'D)^+ D'Z.
    explained = of_Z.T @ np.linalg.pinv((D.T @ D).toarray(), hermitian=True) @ of_Z
    return (second - explained) / n


def separating(means, covariance, n_genes, speaks_for, wanted):
    r"""Return genes that tell all pairs of classes apart, the first chosen first.

    The squared Mahalanobis distance :math:`\delta_P' \Sigma_{PP}^{-1} \delta_P` of two
    classes grows with gene j by :math:`\delta_{j|P}^2 / \Sigma_{jj|P}`: the square of
    the difference that the chosen genes P do not predict, over the variance that they
    do not.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_candidates)
        The means of the standardised genes in the classes.
    covariance : ndarray of shape (n_candidates, n_candidates)
        Their covariance within the classes.
    n_genes : int
        How many to choose.
    speaks_for : ndarray of shape (n_candidates,)
        The class that each gene is a marker of; -1 for none.
    wanted : ndarray of shape (n_classes,)
        How many markers each class needs at least: at most as many as it has, and
        `n_genes` together.

    Returns
    -------
    chosen : ndarray of shape (n_genes,)
        Indices of candidates.
    """
    first, second = np.triu_indices(len(means), 1)
    difference = means[first] - means[second]
    S = covariance + _SHRINKAGE * np.eye(len(covariance))
    bound, wanted = np.ones(len(first)), np.append(wanted, 0)
    chosen, free = [], np.ones(len(S), dtype=bool)
    for n_left in range(n_genes, 0, -1):
        variance = np.where(free, S.diagonal(), 1.0)
        factor = np.exp(-(difference**2) / (8 * variance))
        allowed = free & (wanted[speaks_for] > 0) if wanted.sum() >= n_left else free
        best = np.where(allowed, bound @ factor, np.inf).argmin()
        bound = bound * factor[:, best]
        chosen.append(best)
        free[best] = False
        wanted[speaks_for[best]] -= wanted[speaks_for[best]] > 0
        explained = S[best] / S[best, best]
        difference = difference - np.outer(difference[:, best], explained)
        S = S - np.outer(S[best], explained)
    return np.array(chosen)
