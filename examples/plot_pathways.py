"""
=======================
Select pathways, whole
=======================

Genes act together in pathways. Where each gene of a pathway changes a little, a list of
single genes misses most of them. ``feature_groups`` selects a pathway as a whole, or
not at all.
"""

# %%
# The data
# --------
# 80 patients and 60 pathways of 5 to 40 genes. In four pathways every gene is a little
# higher in the sick: by 0.4 standard deviations. The genes of a pathway are
# correlated.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skl1inf import L1InfFeatureSelector

rng = np.random.default_rng(0)
n_patients, n_pathways = 80, 60
sick = np.arange(n_patients) % 2
active = rng.choice(n_pathways, 4, replace=False)

columns, pathways = {}, {}
for number in range(n_pathways):
    name = f"pathway {number:02d}"
    activity = rng.standard_normal(n_patients)
    pathways[name] = [f"{name}, gene {i}" for i in range(rng.integers(5, 41))]
    for gene in pathways[name]:
        own = rng.standard_normal(n_patients)
        effect = 0.4 * sick if number in active else 0
        columns[gene] = np.sqrt(0.1) * activity + np.sqrt(0.9) * own + effect
X = pd.DataFrame(columns)
true_pathways = [f"pathway {number:02d}" for number in sorted(active)]
true_genes = np.isin(X.columns, [g for name in true_pathways for g in pathways[name]])
print(
    f"{X.shape[1]} genes, {true_genes.sum()} in the active {', '.join(true_pathways)}"
)

# %%
# Groups of features
# ------------------
# The groups are a dictionary of the names of the columns. Lists of lists and arrays of
# labels are possible too. The default weights make small and large groups equally
# likely to be selected where there is no signal.

by_gene = L1InfFeatureSelector(radius=0.3, random_state=0).fit(X, sick)
by_pathway = L1InfFeatureSelector(
    radius=0.3, feature_groups=pathways, random_state=0
).fit(X, sick)
print("selected:", *by_pathway.selected_groups_, sep="\n  ")

# %%
# Which genes come first?
# -----------------------
# Left: how many of the first genes in the two rankings are of an active pathway. Right:
# the pathways in the order of their ranks, with the importance of their genes.


def hits(selector):
    """Count the true genes among the first 1, 2, 3, ..."""
    return true_genes[np.argsort(selector.ranking_)].cumsum()


n_shown = true_genes.sum()
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4.2), width_ratios=(1, 1.4), layout="constrained"
)
first = np.arange(1, n_shown + 1)
left.plot(first, hits(by_pathway)[:n_shown], color="#0072b2", lw=2, label="pathways")
left.plot(first, hits(by_gene)[:n_shown], color="#d55e00", lw=2, label="single genes")
left.plot(first, first, color="black", lw=1, ls=":", label="all correct")
left.set(xlabel="first genes of the ranking", ylabel="of an active pathway")
left.legend(frameon=False)

names = np.array(list(pathways))[np.argsort(by_pathway.group_ranking_)][:12]
importances = pd.Series(by_pathway.feature_importances_, index=X.columns)
sums = [importances[pathways[name]].sum() for name in names]
colors = ["#009e73" if name in true_pathways else "0.7" for name in names]
right.barh(names, sums, color=colors)
right.barh(names[:1], 0, color="#009e73", label="active")
right.invert_yaxis()
right.set(xlabel="importance, sum over the genes")
right.legend(frameon=False, loc="lower right")
plt.show()
