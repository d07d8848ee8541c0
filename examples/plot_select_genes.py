"""
========================================
Tell four tumours apart with a few genes
========================================

Four childhood cancers look alike under the microscope. Their expression of 2308 genes
tells them apart. Which of these genes suffice?

:class:`~skl1inf.L1InfFeatureSelector` is one step of a scikit-learn pipeline.
Cross-validation chooses its main parameter, the radius. The test samples of the
publication are used once, at the end.
"""

# %%
# The data
# --------
# 83 samples. The first 63 are the publication's training samples.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import load_srbct

srbct = load_srbct(as_frame=True)
X, y = srbct.data, srbct.target_names[srbct.target]
X_train, X_test, y_train, y_test = X[:63], X[63:], y[:63], y[63:]

# %%
# Choose the radius
# -----------------
# The selector is inside the pipeline, so each fold selects its genes without its test
# samples. Otherwise the accuracy would be too high. A small radius leaves few genes
# alive.

selector = L1InfFeatureSelector(radius=1, random_state=0)
pipe = Pipeline([("sel", selector), ("clf", SVC())]).set_output(transform="pandas")
search = GridSearchCV(pipe, {"sel__radius": [0.1, 0.2, 0.5, 1.0]}, cv=4)
search.fit(X_train, y_train)

for radius, accuracy in zip(
    search.cv_results_["param_sel__radius"],
    search.cv_results_["mean_test_score"],
    strict=True,
):
    print(f"radius {radius:.1f}: cross-validated accuracy {accuracy:.3f}")

# %%
# The reduced matrix
# ------------------
# ``transform`` returns the selected columns unchanged, with their names.

selector = search.best_estimator_["sel"]
reduced = selector.transform(X)
print(f"radius {selector.radius}: {reduced.shape[1]} of {X.shape[1]} genes kept")
print(reduced.round(2).iloc[:5, :8])

# %%
# The five best, in the order of the ranking:

best = np.argsort(selector.ranking_)[:5]
print("best five:", *srbct.feature_names[best])

# %%
# Samples not seen before
# -----------------------

print(f"held-out accuracy: {search.score(X_test, y_test):.3f}")

# %%
# A picture of the genes
# ----------------------
# The selected genes, standardised on the training samples and grouped by the tumour in
# which they are highest. The pattern of the training samples on the left appears again
# in the held-out samples on the right.

scaled = (reduced - reduced[:63].mean()) / reduced[:63].std()
class_means = scaled[:63].groupby(y_train).mean()
marks = np.argmax(class_means, axis=0)
genes = np.lexsort((-np.max(class_means, axis=0), marks))
colors = dict(zip(srbct.target_names, plt.get_cmap("Set2").colors, strict=False))

figure, axes = plt.subplots(
    1, 2, figsize=(10, 6.5), width_ratios=(63, 20), sharey=True, layout="constrained"
)
parts = {"training": slice(0, 63), "held-out": slice(63, 83)}
for ax, (title, rows) in zip(axes, parts.items(), strict=True):
    order = np.argsort(y[rows], kind="stable")
    classes = y[rows][order]
    image = ax.imshow(
        scaled[rows].iloc[order, genes].T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-2.5,
        vmax=2.5,
        interpolation="nearest",
    )
    for name in srbct.target_names:
        place = np.flatnonzero(classes == name)
        start, stop = place[0] - 0.5, place[-1] + 0.5
        ax.axvline(stop, color="white", linewidth=2)
        ax.axvspan(start, stop, 1.005, 1.035, color=colors[name], clip_on=False)
        ax.text(
            (start + stop) / 2,
            1.05,
            name,
            ha="center",
            transform=ax.get_xaxis_transform(),
        )
    ax.set(xticks=[], xlabel=f"{len(classes)} {title} samples")
names = np.array(reduced.columns)[genes]
axes[0].set_yticks(range(len(genes)), names, fontsize="small")
for label, mark in zip(axes[0].get_yticklabels(), marks[genes], strict=True):
    label.set_bbox({"facecolor": colors[srbct.target_names[mark]], "pad": 1, "lw": 0})
figure.colorbar(image, ax=axes, label="expression, standard deviations", shrink=0.6)
figure.suptitle(f"{len(genes)} of {X.shape[1]} genes tell four tumours apart")
plt.show()
