"""Genes and panels of AnnData objects."""

import sys
import warnings

import anndata
import dask.array as da
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from test_package import modules_after

from skl1inf import L1InfFeatureSelector, L1InfStabilitySelector
from skl1inf.anndata import marker_panel, select_genes
from skl1inf.anndata._cells import Cells, Request
from skl1inf.anndata._markers import Scores
from skl1inf.anndata._matrix import dense_blocks, products, with_columns
from skl1inf.anndata._panel import separating

KINDS = "B", "NK", "T/helper"
# For tests that are not about the training.
QUICK = {"max_iter": 20, "n_hidden": 8}


def expression(n_cells=90, n_genes=40, seed=0):
    """Return counts in float32, where gene k is high in kind k, and the kinds."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(1.0, (n_cells, n_genes)).astype(np.float32)
    kinds = np.array(KINDS)[np.arange(n_cells) % 3]
    for gene, kind in enumerate(KINDS):
        X[kinds == kind, gene] += 5
    return X, kinds


def make(X, kinds, **obs):
    """Return an object with the kinds as categories."""
    obs = pd.DataFrame({"kind": pd.Categorical(kinds), **obs})
    obs.index = [f"cell {i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"gene {i}" for i in range(X.shape[1])])
    return AnnData(X, obs=obs, var=var)


def on_disk(adata, path):
    """Return an object backed by a file."""
    with anndata.settings.override(allow_write_nullable_strings=True):
        adata.write_h5ad(path)
    return anndata.read_h5ad(path, backed="r")


@pytest.fixture
def adata():
    """Return cells of three kinds."""
    return make(*expression())


def test_import_is_cheap():
    modules = modules_after("import skl1inf.anndata")
    assert "skl1inf.anndata" in modules
    assert not {"anndata", "torch", "numba", "dask"} & modules


def test_tells_which_package_is_missing(adata, monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(ImportError, match=r"pip install 'skl1inf\[anndata\]'"):
        select_genes(adata, "kind")


FORMS = {
    "dense": np.asarray,
    "csr_matrix": sparse.csr_matrix,
    "csc_matrix": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
}


@pytest.mark.parametrize("backed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_selects_as_the_selector_does(form, backed, tmp_path):
    X, kinds = expression()
    labels = kinds.astype(object)
    labels[[1, 5, 80]] = None
    adata = make(FORMS[form](X), labels)
    if backed:
        adata = on_disk(adata, tmp_path / "cells.h5ad")
    with pytest.warns(UserWarning, match="^3 of 90 cells have no label"):
        select_genes(adata, "kind", random_state=3, **QUICK)
    kept = adata.obs["kind"].notna().to_numpy()
    selector = L1InfFeatureSelector(random_state=3, **QUICK).fit(X[kept], kinds[kept])
    np.testing.assert_array_equal(adata.var["l1inf_selected"], selector.support_)
    best = selector.ranking_ <= 20
    np.testing.assert_array_equal(
        adata.var["l1inf_rank"][best], selector.ranking_[best]
    )
    np.testing.assert_allclose(
        adata.var["l1inf_importance"], selector.feature_importances_, atol=1e-4
    )
    params = adata.uns["l1inf"]["params"]
    assert params["n_cells"] == 87
    assert params["groupby"] == "kind"
    assert params["layer"] is None


def test_reads_a_layer():
    X, kinds = expression()
    adata = make(np.zeros_like(X), kinds)
    adata.layers["logarithms"] = X
    select_genes(adata, "kind", layer="logarithms", n_genes=3)
    assert list(np.flatnonzero(adata.var["l1inf_selected"])) == [0, 1, 2]
    with pytest.raises(ValueError, match="All columns of X are constant"):
        select_genes(adata, "kind", key_added="of_X")
    assert "of_X" not in adata.uns


@pytest.mark.parametrize(
    "kinds",
    [
        expression()[1],
        pd.array(expression()[1], dtype="string"),
        np.arange(90) % 3,
        pd.array(np.arange(90) % 3, dtype="Int64"),
        np.arange(90) % 3 == 0,
    ],
    ids=["str", "string", "int", "Int64", "bool"],
)
def test_takes_labels_of_many_types(kinds):
    adata = make(expression()[0], expression()[1], other=kinds)
    select_genes(adata, "other", n_genes=3, **QUICK)
    names = sorted({str(kind) for kind in kinds})
    assert list(adata.uns["l1inf"]["classes"]) == names
    assert adata.uns["l1inf"]["names"].dtype.names == tuple(names)


def test_classes_are_in_the_order_of_the_categories(adata):
    adata.obs["kind"] = adata.obs["kind"].cat.set_categories(
        ["none of these", "T/helper", "NK", "B"]
    )
    select_genes(adata, "kind", **QUICK)
    assert list(adata.uns["l1inf"]["classes"]) == ["T/helper", "NK", "B"]


def test_names_may_repeat(adata):
    adata.var_names = ["twin"] * adata.n_vars
    select_genes(adata, "kind", n_genes=3)
    marker_panel(adata, 3, "kind", cv=None)
    for key in "l1inf", "l1inf_panel":
        assert list(np.flatnonzero(adata.var[f"{key}_selected"])) == [0, 1, 2]
        markers = adata.uns[key]["markers"]
        assert set(markers["name"]) == {"twin"}
        by_column = markers.set_index("column")["class"]
        assert [by_column[gene] for gene in range(3)] == list(KINDS)


def test_markers_tell_the_class_and_the_direction():
    X, kinds = expression()
    X[:, 1] = 5 - X[:, 1].clip(max=5)  # low in NK
    adata = make(X, kinds)
    select_genes(adata, "kind", n_genes=3)
    markers = adata.uns["l1inf"]["markers"].set_index("column")
    assert [*markers.loc[[0, 1, 2], "class"]] == list(KINDS)
    assert [*markers.loc[[0, 1, 2], "direction"]] == ["up", "down", "up"]
    assert [*(markers.loc[[0, 1, 2], "score"] > 0)] == [True, False, True]


def test_best_names_of_every_class_come_first(adata):
    select_genes(adata, "kind", n_genes=5)
    names, scores = (adata.uns["l1inf"][entry] for entry in ("names", "scores"))
    selected = set(adata.var_names[adata.var["l1inf_selected"]])
    for gene, kind in enumerate(KINDS):
        assert names[kind][0] == f"gene {gene}"
        assert set(names[kind]) == selected
        assert (np.diff(scores[kind]) <= 0).all()


def test_the_mask_limits_the_choice(adata):
    adata.var["candidate"] = np.arange(adata.n_vars) % 2 == 0
    select_genes(adata, "kind", mask_var="candidate", n_genes=2)
    marker_panel(
        adata, 2, "kind", mask_var="candidate", cv=None, min_per_class=0, **QUICK
    )
    outside = ~adata.var["candidate"]
    assert list(np.flatnonzero(adata.var["l1inf_selected"])) == [0, 2]
    assert list(np.flatnonzero(adata.var["l1inf_panel_selected"])) == [0, 2]
    assert adata.var["l1inf_rank"][outside].isna().all()
    assert adata.var["l1inf_importance"][outside].isna().all()
    inside = adata.var["l1inf_rank"][~outside]
    assert sorted(inside) == list(range(1, 21))
    assert set(adata.uns["l1inf"]["markers"]["column"]) == {0, 2}


def test_probabilities_are_those_of_stability_selection(adata):
    stability = {"n_pairs": 3, "max_false_positives": 1}
    select_genes(adata, "kind", stability=stability, random_state=1, **QUICK)
    own = L1InfStabilitySelector(
        L1InfFeatureSelector(**QUICK), random_state=1, **stability
    ).fit(adata.X, adata.obs["kind"].to_numpy())
    np.testing.assert_array_equal(
        adata.var["l1inf_probability"], own.selection_probabilities_
    )
    np.testing.assert_array_equal(adata.var["l1inf_selected"], own.support_)
    # A later call leaves nothing behind.
    select_genes(adata, "kind", **QUICK)
    assert "l1inf_probability" not in adata.var


def select_panel(adata, groupby, n_genes, **keywords):
    marker_panel(adata, n_genes, groupby, cv=None, min_per_class=0, **keywords)


@pytest.mark.parametrize("function", [select_genes, select_panel])
def test_a_batch_explains_what_it_can(function):
    """Most of B are in one batch, where gene 10 is high."""
    X, kinds = expression(n_cells=300, seed=1)
    rng = np.random.default_rng(0)
    batch = np.where(rng.random(300) < np.where(kinds == "B", 0.9, 0.2), "one", "two")
    X[:, 2] = rng.poisson(1.0, 300)
    X[batch == "one", 10] += 8
    adata = make(X, kinds, batch=batch)
    function(adata, "kind", n_genes=3, key_added="without")
    function(adata, "kind", n_genes=3, key_added="with", batch_key="batch")
    assert set(adata.uns["without"]["markers"]["column"]) == {0, 1, 10}
    found = set(adata.uns["with"]["markers"]["column"])
    assert found >= {0, 1}
    assert 10 not in found
    assert adata.var["with_rank"].min() == 1


def cells_of(X, codes, batches=None):
    classes = np.array([f"class {k}" for k in range(codes.max() + 1)], dtype=object)
    return Cells(X, codes, classes, batches, np.arange(X.shape[1]))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_scores_are_differences_of_means(form):
    X, _ = expression()
    X[:, 7] = 0.1  # constant, with rounding
    codes = np.random.default_rng(0).integers(0, 4, len(X))
    found = Scores.of(cells_of(form(X), codes))
    for c in range(4):
        inside = X[codes == c].mean(axis=0, dtype=float)
        outside = X[codes != c].mean(axis=0, dtype=float)
        deviation = X.std(axis=0, dtype=float)
        deviation[7] = np.inf
        expected = (inside - outside) / deviation
        np.testing.assert_allclose(found.scores[c], expected, atol=1e-6)


def test_scores_leave_out_what_batches_differ_by():
    """Batches shift a gene; the scores are those of the gene before the shift."""
    rng = np.random.default_rng(0)
    codes, batches = rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    class_means, shifts = rng.standard_normal((3, 5)), 3 * rng.standard_normal((4, 5))
    without_noise = class_means[codes] + shifts[batches]
    found = Scores.of(cells_of(without_noise, codes, batches))
    differences = (found.means - found.means[0]) / found.scale
    np.testing.assert_allclose(differences, class_means - class_means[0], atol=1e-9)


def test_two_classes_are_told_apart_by_what_is_high():
    X, kinds = expression()
    found = Scores.of(cells_of(X, (kinds == "NK").astype(int)))
    assert found.up[:3].all()
    assert list(found.speaks_for[:3]) == [0, 1, 0]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csr_array])
def test_a_dask_array_is_read_by_its_blocks(form):
    X, _ = expression()
    codes = np.arange(90) % 3
    lazy = da.from_array(X, chunks=(25, -1)).map_blocks(
        form, meta=form(np.empty((0, 0), X.dtype))
    )
    D = sparse.csr_array(np.eye(3)[codes])
    for found, expected in zip(products(D, lazy), products(D, X), strict=True):
        np.testing.assert_allclose(found, expected)
    rows = np.vstack([block for _, block in dense_blocks(lazy, [3, 1])])
    np.testing.assert_array_equal(rows, X[:, [3, 1]])
    wider = with_columns(lazy, D)
    assert wider.shape == (90, 43)
    block = wider.blocks[3].compute()
    block = block.toarray() if sparse.issparse(block) else block
    np.testing.assert_array_equal(block, np.hstack([X, D.toarray()])[75:])


def test_a_dask_array_reaches_the_selector():
    class Recorder:
        def fit(self, X, y):
            self.X = X
            return self

    X, kinds = expression()
    adata = make(da.from_array(X, chunks=(25, 10)), kinds, batch=np.arange(90) % 2)
    cells = Request.check(adata, "kind", None, "batch", None).read()
    recorder = cells.fit(lambda kept: Recorder())
    assert isinstance(recorder.X, da.Array)
    assert recorder.X.shape == (90, 42)


def bound_of(means, covariance, genes):
    """Return the sum over all pairs of classes of the Bhattacharyya bounds."""
    S = covariance[np.ix_(genes, genes)] + 0.1 * np.eye(len(genes))
    total = 0.0
    for a in range(len(means)):
        for b in range(a):
            d = (means[a] - means[b])[genes]
            total += np.exp(-(d @ np.linalg.solve(S, d)) / 8)
    return total


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.integers(2, 5),
    n_candidates=st.integers(4, 12),
)
def test_every_gene_of_a_panel_lowers_the_bound_most(seed, n_classes, n_candidates):
    rng = np.random.default_rng(seed)
    means = 2 * rng.standard_normal((n_classes, n_candidates))
    factor = rng.standard_normal((n_candidates, n_candidates)) / n_candidates**0.5
    covariance = factor @ factor.T
    nobody, nothing = np.full(n_candidates, -1), np.zeros(n_classes, dtype=int)
    chosen = separating(means, covariance, 4, nobody, nothing)
    assert len(set(chosen)) == 4
    for k in range(4):
        before = list(chosen[:k])
        others = np.setdiff1d(np.arange(n_candidates), before)
        bounds = [bound_of(means, covariance, [*before, j]) for j in others]
        reached = bound_of(means, covariance, list(chosen[: k + 1]))
        assert reached <= min(bounds) * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spare=st.integers(1, 3))
def test_every_class_gets_its_markers(seed, spare):
    rng = np.random.default_rng(seed)
    speaks_for = rng.permutation(np.repeat([-1, 0, 1, 2], 5))
    means = rng.standard_normal((3, 20)) * (speaks_for == 0)  # class 0 says most
    wanted = rng.integers(0, 4, 3)
    n_genes = wanted.sum() + spare
    chosen = separating(means, np.eye(20), n_genes, speaks_for, wanted)
    assert len(set(chosen)) == n_genes
    counts = np.bincount(speaks_for[chosen] + 1, minlength=4)[1:]
    assert (counts >= wanted).all()


def test_the_smaller_class_gets_a_marker_too():
    """Six genes tell the large classes; one weak gene tells the rare one."""
    rng = np.random.default_rng(0)
    kinds = np.repeat(["B", "NK", "rare"], [140, 140, 20])
    X = rng.standard_normal((300, 60))
    X[kinds == "B", :3] += 4
    X[kinds == "NK", 3:6] += 4
    X[kinds == "rare", 6] += 2
    adata = make(X, kinds)
    marker_panel(adata, 4, "kind", cv=3)
    markers = adata.uns["l1inf_panel"]["markers"]
    up = markers[markers["direction"] == "up"]
    assert set(up["class"]) == {"B", "NK", "rare"}
    assert 6 in set(markers["column"])
    confusion = adata.uns["l1inf_panel"]["confusion"]
    np.testing.assert_array_equal(confusion.sum(axis=1), [140, 140, 20])
    assert (confusion.diagonal() / confusion.sum(axis=1) > 0.6).all()


def test_a_copy_of_a_gene_is_not_chosen():
    X, kinds = expression()
    adata = make(np.hstack([X[:, :3], X]), kinds)
    marker_panel(adata, 3, "kind", cv=None)
    columns = adata.uns["l1inf_panel"]["markers"]["column"] % 3
    assert sorted(columns) == [0, 1, 2]


def test_warns_of_a_class_that_no_gene_speaks_for():
    """A constant gene speaks for nobody, nor does one that is low in a class."""
    X, kinds = expression(n_genes=3)
    X[:, 0] = 1
    adata = make(X, kinds)
    with pytest.warns(UserWarning, match="min_per_class=1 genes .* most in B: the"):
        marker_panel(adata, 3, "kind", cv=None)
    assert adata.var["l1inf_panel_selected"].sum() == 3


def test_the_confusion_is_that_of_unseen_cells():
    """Panels of 2,000 genes of noise tell training cells apart, and no others."""
    rng = np.random.default_rng(0)
    adata = make(
        rng.standard_normal((80, 2000)), np.array(["B", "NK"])[np.arange(80) % 2]
    )
    marker_panel(adata, 10, "kind", cv=4, **QUICK)
    confusion = adata.uns["l1inf_panel"]["confusion"]
    assert confusion.sum() == 80
    assert 0.3 < confusion.diagonal().sum() / 80 < 0.7
    assert "confusion" not in _panel_without_folds(adata)


def _panel_without_folds(adata):
    marker_panel(adata, 10, "kind", cv=None, **QUICK)
    return adata.uns["l1inf_panel"]


class BatchRecorder(ClassifierMixin, BaseEstimator):
    """A classifier that notes the batches of its cells, which a gene tells."""

    noted = []  # noqa: RUF012

    def fit(self, X, y):
        self.batches_ = set(X[X >= 100])
        return self

    def predict(self, X):
        self.noted.append((self.batches_, set(X[X >= 100])))
        return np.zeros(len(X), dtype=int)


def test_the_cells_of_a_batch_stay_together():
    X, kinds = expression()
    batch = np.arange(90) // 3 % 4
    X[:, 3] = 100 + batch
    adata = make(X[:, :4], kinds, batch=batch)
    BatchRecorder.noted.clear()
    marker_panel(
        adata,
        4,
        "kind",
        batch_key="batch",
        estimator=BatchRecorder(),
        cv=10,
        **QUICK,
    )
    assert len(BatchRecorder.noted) == 4
    for train, test in BatchRecorder.noted:
        assert len(train) == 3
        assert not train & test
    # All were predicted to be of the first class.
    np.testing.assert_array_equal(
        adata.uns["l1inf_panel"]["confusion"], [[30, 0, 0]] * 3
    )


def test_a_copy_leaves_the_object_alone(adata):
    copy = select_genes(adata, "kind", copy=True, **QUICK)
    assert "l1inf" in copy.uns
    assert "l1inf" not in adata.uns
    assert not list(adata.var)
    copy = marker_panel(adata, 3, "kind", copy=True, cv=None, **QUICK)
    assert copy.var["l1inf_panel_selected"].sum() == 3
    assert not list(adata.var)


def test_results_survive_a_file(adata, tmp_path):
    select_genes(adata, "kind", stability={"n_pairs": 2}, **QUICK)
    marker_panel(adata, 5, "kind", cv=2, **QUICK)
    again = on_disk(adata, tmp_path / "cells.h5ad")
    assert list(again.var) == list(adata.var)
    np.testing.assert_array_equal(again.var.astype(float), adata.var.astype(float))
    for key in "l1inf", "l1inf_panel":
        for kind in KINDS:
            assert list(again.uns[key]["names"][kind]) == list(
                adata.uns[key]["names"][kind]
            )
        np.testing.assert_array_equal(again.uns[key]["classes"], KINDS)
        markers = again.uns[key]["markers"], adata.uns[key]["markers"]
        assert list(markers[0]) == list(markers[1])
        np.testing.assert_array_equal(*(table.to_numpy() for table in markers))
    np.testing.assert_array_equal(
        again.uns["l1inf_panel"]["confusion"], adata.uns["l1inf_panel"]["confusion"]
    )


def test_the_state_of_the_caller_is_left_alone(adata):
    before = np.random.get_state()[1].copy()
    marker_panel(adata, 3, "kind", cv=2, **QUICK)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


WRONG = {
    "no column": ({"groupby": "color"}, ValueError, "groupby='color' is no column"),
    "numbers": ({"groupby": "depth"}, ValueError, "floating-point numbers"),
    "one class": ({"groupby": "same"}, ValueError, "at least two classes, got 1"),
    "same text": ({"groupby": "mixed"}, ValueError, "read the same as text"),
    "no layer": ({"layer": "counts"}, ValueError, "layer='counts' is not in"),
    "no batch": ({"batch_key": "lane"}, ValueError, "batch_key='lane' is no column"),
    "a batch": ({"batch_key": "same"}, ValueError, "at least two values"),
    "gaps": ({"batch_key": "gaps"}, ValueError, "no value for 2 of the labelled"),
    "too many": ({"n_genes": 41}, ValueError, "n_genes"),
    "none": ({"n_genes": 0}, ValueError, "n_genes"),
    "a part": ({"n_genes": 2.5}, TypeError, "n_genes"),
    "mask": ({"mask_var": [True]}, ValueError, "mask_var must be a mask of the 40"),
    "mask name": ({"mask_var": "hvg"}, ValueError, "mask_var='hvg' is no column"),
    "empty mask": ({"mask_var": np.zeros(40, bool)}, ValueError, "at least one gene"),
    "key": ({"key_added": ""}, ValueError, "key_added"),
    "parameter": ({"radios": 1}, TypeError, "radios"),
    "own": ({"keep_features": [0]}, TypeError, "not take the parameter 'keep_feat"),
    "hidden": ({"n_hidden": 0}, ValueError, "n_hidden"),
}
OF_GENES = {
    "radius": ({"radius": -1}, ValueError, "radius"),
    "stability": ({"stability": 5}, TypeError, "stability must be a bool or a dict"),
    "pairs": ({"stability": {"n_pairs": 0}}, ValueError, "n_pairs"),
    "no pairs": ({"stability": {"pairs": 1}}, TypeError, "pairs"),
    "selector": ({"stability": {"selector": None}}, ValueError, "'selector'"),
}
OF_PANEL = {
    "coverage": ({"min_per_class": 2}, ValueError, "min_per_class=2 of 3 classes"),
    "folds": ({"cv": 1}, ValueError, "cv"),
    "many folds": ({"cv": 31}, ValueError, "cv=31 must be at most 30"),
    "estimator": ({"estimator": "lda"}, TypeError, "fit and predict"),
}


@pytest.fixture
def odd_columns(adata):
    """Return cells with columns that are no classes or batches."""
    adata.obs["depth"] = np.linspace(0, 1, 90)
    adata.obs["same"] = "one"
    adata.obs["mixed"] = pd.Categorical.from_codes(np.arange(90) % 2, [1, "1"])
    adata.obs["gaps"] = pd.Categorical(["x", "y", None] + ["x"] * 86 + [None])
    return adata


def check_refused(call, adata, error, message, monkeypatch):
    """Check that a call fails before anything is read, and changes nothing."""

    def read(request):
        raise AssertionError("The matrix was read.")

    monkeypatch.setattr(Request, "read", read)
    before = adata.copy()
    with pytest.raises(error, match=message):
        call()
    assert list(adata.var) == list(before.var)
    assert list(adata.uns) == list(before.uns)
    pd.testing.assert_frame_equal(adata.obs, before.obs)


@pytest.mark.parametrize("case", [*WRONG, *OF_GENES])
def test_select_genes_refuses(case, odd_columns, monkeypatch):
    wrong, error, message = (WRONG | OF_GENES)[case]
    check_refused(
        lambda: select_genes(odd_columns, **{"groupby": "kind", **wrong}),
        odd_columns,
        error,
        message,
        monkeypatch,
    )


@pytest.mark.parametrize("case", [*WRONG, *OF_PANEL])
def test_marker_panel_refuses(case, odd_columns, monkeypatch):
    wrong, error, message = (WRONG | OF_PANEL)[case]
    check_refused(
        lambda: marker_panel(odd_columns, **{"n_genes": 4, "groupby": "kind", **wrong}),
        odd_columns,
        error,
        message,
        monkeypatch,
    )


def test_refuses_other_objects():
    with pytest.raises(TypeError, match="must be an AnnData object, got ndarray"):
        select_genes(np.eye(3), "kind")


def test_refuses_an_object_without_a_matrix(adata):
    empty = AnnData(obs=adata.obs, var=adata.var)
    with pytest.raises(ValueError, match="name a layer"):
        select_genes(empty, "kind")


def test_nothing_is_written_where_the_fit_fails(adata):
    select_genes(adata, "kind", **QUICK)
    before = adata.copy()
    adata.X[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        select_genes(adata, "kind", n_genes=2)
    with pytest.raises(ValueError, match="contains NaN"):
        marker_panel(adata, 3, "kind")
    pd.testing.assert_frame_equal(adata.var, before.var)
    assert list(adata.uns) == ["l1inf"]
    assert adata.uns["l1inf"]["params"]["n_genes"] is None


def test_a_backed_object_is_not_copied(adata, tmp_path):
    backed = on_disk(adata, tmp_path / "cells.h5ad")
    with pytest.raises(ValueError, match="copy must be False"):
        select_genes(backed, "kind", copy=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions of anndata, with pandas 3
        view = backed[:30]
    with pytest.raises(ValueError, match=r"pass adata.to_memory\(\)"):
        select_genes(view, "kind")
