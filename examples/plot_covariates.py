"""
=======================================
Genes beyond what the hospital explains
=======================================

A covariate can explain the classes by way of the design of the study: here one hospital
sent most of the patients, the other most of the controls, and their laboratories
measure some genes differently. ``keep_features`` holds the covariate in the model while
the genes are selected, so that they are selected for what it leaves unexplained.
"""

# %%
# The data
# --------
# 200 samples and 1000 genes, 30 of which depend on the disease. About 85 % of the
# patients are from one hospital, and 85 % of the controls from the other. Another 100
# genes are higher where the first hospital measured them.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import make_expression

X, y, disease = make_expression(
    200, 1000, n_informative=30, effect_size=2, random_state=0
)
rng = np.random.default_rng(0)
hospital = np.where(rng.random(200) < 0.85, y, 1 - y)
laboratory = np.zeros(1000, dtype=bool)
laboratory[rng.choice(np.flatnonzero(~disease), 100, replace=False)] = True
X[:, laboratory] += 1.5 * X.std(axis=0)[laboratory] * hospital[:, np.newaxis]

data = pd.DataFrame(X, columns=[f"gene {i:03d}" for i in range(1000)])
data.insert(0, "hospital", hospital)
kind = np.array(
    ["hospital", *np.select([disease, laboratory], ["disease", "laboratory"], "none")]
)

# %%
# With and without the covariate
# ------------------------------
# A kept feature is always selected, has the first rank and takes nothing of the budget
# of weights.

selectors = {
    "plain": L1InfFeatureSelector(random_state=0),
    "hospital kept": L1InfFeatureSelector(keep_features=["hospital"], random_state=0),
}
n_first = 30
first = {}
for name, selector in selectors.items():
    order = np.argsort(selector.fit(data, y).ranking_)
    first[name] = order[kind[order] != "hospital"][:n_first]
    counts = pd.Series(kind[first[name]]).value_counts()
    print(f"{name}: the first {n_first} genes", counts.to_dict())

# %%
# The first genes of both rankings, by how they differ between the hospitals and between
# patients and controls of the same hospital, in standard deviations. Genes that the
# laboratory changes lie on the right; genes that depend on the disease lie at the top.


def difference(groups, values):
    """Return the mean difference between two groups, in standard deviations."""
    return (values[groups == 1].mean(axis=0) - values[groups == 0].mean(axis=0)).abs()


genes = (data - data.mean()) / data.std()
within = genes - genes.groupby(hospital).transform("mean")
across = difference(hospital, genes)
inside = difference(y, within)

figure, axes = plt.subplots(
    1, 2, figsize=(9, 4.4), sharex=True, sharey=True, layout="constrained"
)
colors = {"none": "0.4", "laboratory": "#d55e00", "disease": "#009e73"}
for ax, (name, chosen) in zip(axes, first.items(), strict=True):
    ax.scatter(across.iloc[1:], inside.iloc[1:], s=6, color="0.85")
    for label, color in colors.items():
        marked = chosen[kind[chosen] == label]
        shown = f"{label} ({len(marked)})"
        ax.scatter(across.iloc[marked], inside.iloc[marked], color=color, label=shown)
    ax.set(xlabel="one hospital against the other", title=name)
    ax.legend(title=f"first {n_first} genes, cause", frameon=False)
axes[0].set_ylabel("patients against controls, same hospital")
plt.show()
