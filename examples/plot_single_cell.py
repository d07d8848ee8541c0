"""
======================================
Markers of rare cells in sparse counts
======================================

Single-cell counts are mostly zeros. This example goes from the raw counts to the
markers of five kinds of cells, one of them rare, and never makes the matrix dense.
"""

# %%
# Counts
# ------
# There are 1279 cells and 3000 genes, 60 of them markers. Each count is Poisson; its
# mean is the gene's share of the cell's expression times the sequencing depth of the
# cell.

import matplotlib.pyplot as plt
import numpy as np
from anndata import AnnData
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer

from skl1inf import L1InfFeatureSelector
from skl1inf.anndata import marker_panel
from skl1inf.datasets import make_expression

rng = np.random.default_rng(0)
log_expression, kind, marker = make_expression(
    1500, 3000, n_informative=60, n_classes=5, effect_size=6, random_state=0
)
kept = (kind != 4) | (rng.random(1500) < 0.25)  # three quarters of the last kind go
expression, kind = 2 ** log_expression[kept], np.array(list("ABCDE"))[kind[kept]]
share = expression / expression.sum(axis=1, keepdims=True)
depth = 2000 * rng.lognormal(0, 0.5, (len(share), 1))
counts = sparse.csr_array(rng.poisson(depth * share))

print(f"{counts.shape}: {1 - counts.nnz / np.prod(counts.shape):.0%} zeros")
for name in "ABCDE":
    of_markers = share[kind == name][:, marker].sum(axis=1).mean()
    n_cells = np.count_nonzero(kind == name)
    print(
        f"kind {name}: {n_cells} cells, markers are {of_markers:.0%} of the expression"
    )

# %%
# A pipeline that stays sparse
# ----------------------------
# Each cell is scaled to 10,000 counts, then log(1 + x) follows: zeros stay zeros. The
# selector centres and scales the genes inside its first layer, so it needs no dense
# matrix either. With ``class_weight="balanced"`` 79 rare cells weigh as much as 300
# others.


def log_of_counts_per_10000(shares):
    """Return log(1 + 10,000 x), entry by entry."""
    return (1e4 * shares).log1p()


model = make_pipeline(
    Normalizer(norm="l1"),
    FunctionTransformer(log_of_counts_per_10000, accept_sparse=True),
    L1InfFeatureSelector(radius=2, class_weight="balanced", random_state=0),
    LogisticRegression(class_weight="balanced", max_iter=1000),
)
train, test, kind_train, kind_test = train_test_split(
    counts, kind, stratify=kind, random_state=0
)
model.fit(train, kind_train)
selector = model[2]
print(type(model[:3].transform(test)).__name__, model[:3].transform(test).shape)
print(
    f"{marker[selector.support_].sum()} of the {selector.n_features_} genes are markers"
)

ConfusionMatrixDisplay.from_estimator(
    model, test, kind_test, normalize="true", cmap="Blues", values_format=".2f"
)
plt.title("cells left out")
plt.show()

# %%
# The markers
# -----------
# The picture groups the selected genes by the kind of cell in which they are highest.
# The size of a dot is the share of the cells with any count of the gene. Its colour is
# the mean over the cells, compared with the other kinds.
#
# The genes in grey are no markers, and yet they differ between the kinds: counts are
# shares of a whole, and in C and E the markers take half of it. The same happens in
# real data where a few genes dominate a kind of cell.

# sphinx_gallery_thumbnail_number = 2

values = model[:3].transform(counts)
kinds = np.unique(kind)
mean = np.array([values[kind == name].mean(axis=0) for name in kinds])
seen = np.array([(values[kind == name] != 0).mean(axis=0) for name in kinds])
z = (mean - mean.mean(axis=0)) / mean.std(axis=0)
order = np.lexsort((-z.max(axis=0), z.argmax(axis=0)))
true = marker[selector.support_][order]

figure, ax = plt.subplots(figsize=(11, 3.6), layout="constrained")
row, column = np.indices(z.shape)
dots = ax.scatter(
    column, row, s=180 * seen[:, order], c=z[:, order], cmap="RdBu_r", vmin=-2, vmax=2
)
ax.set_yticks(range(len(kinds)), [f"kind {name}" for name in kinds])
names = [f"g{gene}" for gene in np.flatnonzero(selector.support_)[order]]
ax.set_xticks(range(len(names)), names, rotation=90, fontsize="small")
for label, is_marker in zip(ax.get_xticklabels(), true, strict=True):
    label.set_color("black" if is_marker else "0.6")
ax.set(ylim=(len(kinds) - 0.5, -0.5), xlim=(-1, len(names)))
ax.set_title("selected genes (true markers in black)")
figure.colorbar(dots, label="mean, standardised")
sizes = [
    ax.scatter([], [], s=180 * s, c="0.5", label=f"{s:.0%}") for s in (0.2, 0.6, 1)
]
figure.legend(handles=sizes, title="cells", loc="outside right upper", frameon=False)
plt.show()

# %%
# A panel from an AnnData object
# ------------------------------
# :func:`~skl1inf.anndata.marker_panel` chooses as many genes as an experiment can
# measure, such that every kind has at least one that is high in it. What the panel
# confuses comes from cells that had no part in its choice.

adata = AnnData(model[:2].transform(counts), obs={"kind": kind})
adata.var_names = [f"g{gene}" for gene in range(adata.n_vars)]
marker_panel(adata, 10, "kind")
panel = adata.uns["l1inf_panel"]
print(panel["markers"][["name", "class", "direction"]])

ConfusionMatrixDisplay(panel["confusion"], display_labels=panel["classes"]).plot(
    cmap="Blues"
)
plt.title("kinds from a panel of ten genes")
plt.show()
