"""The selection of genes of an AnnData object."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._cells import Request
from ._markers import Scores
from ._results import Results
from ._selectors import check_selectors, make_selector

if TYPE_CHECKING:
    from anndata import AnnData


def select_genes(
    adata: "AnnData",
    groupby: str,
    *,
    layer: str | None = None,
    mask_var: ArrayLike | str | None = None,
    n_genes: int | None = None,
    batch_key: str | None = None,
    radius: float = 1.0,
    stability: bool | dict[str, Any] = False,
    key_added: str = "l1inf",
    copy: bool = False,
    random_state: int | np.random.RandomState | None = 0,
    **selector_params: Any,
) -> "AnnData | None":
    r"""Select the genes that tell classes of cells apart.

    Fits an :class:`~skl1inf.L1InfFeatureSelector` to the cells with a label. The genes
    are ranked as a set: genes that say the same compete. Expects logarithms of
    normalised counts, as scanpy's ``rank_genes_groups`` does.

    Parameters
    ----------
    adata : AnnData
        The cells, in memory or backed by a file. It is changed in place.

    groupby : str
        The column of `adata.obs` with the classes: categories, strings, booleans or
        integers. Cells without a value are left out.

    layer : str, default=None
        The layer to use. None means `adata.X`.

    mask_var : ndarray of shape (n_vars,) or str, default=None
        Select among these genes alone: a mask, or its name in `adata.var`, such as
        ``"highly_variable"``. None means all genes.

    n_genes : int, default=None
        Select so many genes, the best ranked. None: as many as survive at `radius`, or
        as are stable.

    batch_key : str, default=None
        The column of `adata.obs` with the batches. Their indicators are covariates
        that are always kept, so that no gene gets what they explain.

    radius : float, default=1.0
        Radius of the l1,inf ball. It decides how many genes survive.

    stability : bool or dict, default=False
        Whether to estimate selection probabilities by an
        :class:`~skl1inf.L1InfStabilitySelector`. A dict holds its parameters, such as
        ``{"n_pairs": 50, "n_jobs": 2}``. The cells of one batch are not kept together
        in its halves.

    key_added : str, default="l1inf"
        The name of the results in `adata.var` and `adata.uns`.

    copy : bool, default=False
        Whether to return a changed copy and leave `adata` as it is. Not where it is
        backed.

    random_state : int, RandomState instance or None, default=0
        Determines the initial weights, and the halves of the cells.

    **selector_params : dict
        More parameters of :class:`~skl1inf.L1InfFeatureSelector`, such as
        ``class_weight="balanced"``.

    Returns
    -------
    adata : AnnData or None
        The copy, with `copy`. The results are, for the `key_added` "l1inf":

        ``adata.var["l1inf_selected"]`` : bool
            Mask of the selected genes.
        ``adata.var["l1inf_rank"]`` : int
            The ranks, 1 being the best. NaN for genes outside of `mask_var`.
        ``adata.var["l1inf_importance"]`` : float
            The importances of the selector.
        ``adata.var["l1inf_probability"]`` : float
            The selection probabilities, with `stability`.
        ``adata.uns["l1inf"]["markers"]`` : DataFrame
            A row a selected gene, the best first: its ``name``, its ``column`` in
            `adata.var`, the ``class`` for which it speaks, the ``direction`` ("up": it
            is high there) and the ``score``.
        ``adata.uns["l1inf"]["names"]``, ``["scores"]`` : recarray
            A field a class: the selected genes, the highest score first. They have the
            form that scanpy's functions read:
            ``sc.pl.rank_genes_groups_dotplot(adata, key="l1inf")``.
        ``adata.uns["l1inf"]["classes"]`` : ndarray
            The names of the classes.
        ``adata.uns["l1inf"]["params"]`` : dict
            The parameters, and the number of cells used.

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
        If cells have no label.

    See Also
    --------
    marker_panel : Choose a panel of a given size that covers every class.
    skl1inf.L1InfFeatureSelector : The selector, of arrays.

    Notes
    -----
    The score of gene g for class c is the mean of the class less that of the other
    cells, in standard deviations of the gene. With `batch_key` the means are those of a
    linear model with an effect of the class and one of the batch. A gene speaks for the
    class with the largest absolute score.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> from skl1inf.anndata import select_genes
    >>> rng = np.random.default_rng(0)
    >>> kind = np.repeat(["B", "NK", "T"], 50)
    >>> X = rng.standard_normal((150, 200))
    >>> X[kind == "B", 0] += 4
    >>> X[kind == "NK", 1] += 3
    >>> adata = AnnData(X, obs={"kind": kind})
    >>> select_genes(adata, "kind", n_genes=2)
    >>> adata.uns["l1inf"]["markers"][["name", "class", "direction"]]
      name class direction
    1    0     B        up
    2    1    NK        up
    """
    params = {"radius": radius, "random_state": random_state, **selector_params}
    check_selectors("select_genes", params, stability)
    request = Request.check(adata, groupby, layer, batch_key, mask_var)
    request.check_output(key_added, copy)
    if n_genes is not None:
        request.check_number(n_genes)
    cells = request.read()
    fitted = cells.fit(partial(make_selector, params, stability))

    # The indicators of batches come after the genes. They are kept: first in rank.
    n = len(cells.genes)
    ranks = fitted.ranking_[:n] - (len(fitted.ranking_) - n)
    selected = fitted.support_[:n] if n_genes is None else ranks <= n_genes
    best_first = np.flatnonzero(selected)[np.argsort(ranks[selected])]
    on_all = fitted if stability is False else fitted.selector_
    columns = {
        "selected": selected,
        "rank": ranks,
        "importance": on_all.feature_importances_[:n],
    }
    if stability is not False:
        columns["probability"] = fitted.selection_probabilities_[:n]
    params = {
        "groupby": groupby,
        "layer": layer,
        "batch_key": batch_key,
        "n_genes": n_genes,
        "stability": stability,
        **params,
    }
    results = Results(cells, columns, best_first, Scores.of(cells), params, {})
    return results.write(adata, key_added, copy)
