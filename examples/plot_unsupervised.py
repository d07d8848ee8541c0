"""
==========================================
Without labels: columns that vary together
==========================================

Without a target, the network reconstructs the matrix through a code of a few units. It
keeps columns that predict others: members of modules, which vary together. A column
that varies alone predicts none of the others.
"""

# %%
# Three modules in noise
# ----------------------
# 60 of 400 genes belong to three modules. Every gene has mean 0 and variance 1, so no
# gene stands out on its own.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import scale

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import load_srbct

rng = np.random.default_rng(0)
X = rng.standard_normal((150, 400))
module = np.repeat([1, 2, 3, 0], [30, 20, 10, 340])
activity = rng.standard_normal((150, 3))
for number in (1, 2, 3):
    genes = module == number
    signs = rng.choice([-1, 1], genes.sum())
    X[:, genes] = 0.8 * signs * activity[:, [number - 1]] + 0.6 * X[:, genes]
order = rng.permutation(400)
X, module = X[:, order], module[order]

# %%
# Select
# ------
# Call ``fit(X)`` without a target. In a pipeline that passes a ``y``, set
# ``target="unsupervised"``.

selector = L1InfFeatureSelector(radius=3, random_state=0).fit(X)
print(f"{selector.n_features_} genes kept, of modules 0 (none) to 3:", end=" ")
print(*np.bincount(module[selector.support_], minlength=4))

# %%
# Left: only members of a module have any importance. Right: the correlations among the
# selected genes, and among as many others.

kept = np.flatnonzero(selector.support_)
kept = kept[np.argsort(module[kept], kind="stable")]
some_others = np.flatnonzero(~selector.support_)[: len(kept)]
colors = np.array(["0.7", "#0072b2", "#d55e00", "#009e73"])

figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for number in range(4):
    genes = np.flatnonzero(module == number)
    axes[0].scatter(
        genes,
        selector.feature_importances_[genes],
        s=14,
        c=colors[number],
        label=f"module {number}" if number else "no module",
    )
axes[0].set(xlabel="gene", ylabel="importance")
axes[0].legend(ncols=2)
columns = np.append(kept, some_others)
image = axes[1].imshow(np.corrcoef(X[:, columns].T), cmap="RdBu_r", vmin=-1, vmax=1)
axes[1].axhline(len(kept) - 0.5, color="black")
axes[1].axvline(len(kept) - 0.5, color="black")
axes[1].scatter(
    np.full(len(columns), -3), range(len(columns)), s=8, c=colors[module[columns]]
)
ticks = [len(kept) / 2, 1.5 * len(kept)]
axes[1].set_xticks(ticks, ["selected", "as many others"])
axes[1].set_yticks([])
figure.colorbar(image, label="correlation")
plt.show()

# %%
# Limits
# ------
# Genes that vary together need not tell classes apart. On the tumours, k-means in the
# standardised genes that are selected without labels finds the four kinds hardly better
# than in as many random genes. The genes of the largest variance, which standardising
# removes, do much better.

X, kind = load_srbct(return_X_y=True)
selector = L1InfFeatureSelector(radius=1, random_state=0).fit(X)
sets = {
    "kept without labels": selector.support_,
    "largest variance": np.argsort(-X.var(axis=0))[: selector.n_features_],
    "random": rng.permutation(X.shape[1])[: selector.n_features_],
}
for name, genes in sets.items():
    clusters = KMeans(4, n_init=20, random_state=0).fit_predict(scale(X[:, genes]))
    print(f"{name:20s} adjusted Rand index {adjusted_rand_score(kind, clusters):.2f}")
