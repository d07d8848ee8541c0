"""
====================================
Search the radius and the classifier
====================================

The selector is a step of a pipeline like any other. So a grid search can choose its
radius together with the classifier, and a scorer can report the number of genes.
"""

# %%
# The data
# --------
# 150 samples of three classes; 40 of the 2000 genes tell them apart.

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import make_expression

X, y, informative = make_expression(
    150, 2000, n_informative=40, n_classes=3, random_state=0
)

# %%
# The search
# ----------
# Every fold selects its genes anew, without its test samples. The pipeline's ``memory``
# keeps each fitted selector, so three classifiers cost one selection. The number of
# genes is a second score; the accuracy decides.


def n_genes(pipe, X, y):
    """Return the number of genes that a fitted pipeline uses."""
    return pipe["select"].n_features_


classifiers = {
    "nearest neighbours": KNeighborsClassifier(),
    "logistic regression": LogisticRegression(),
    "SVC": SVC(),
}
radii = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
steps = [
    ("select", L1InfFeatureSelector(random_state=0)),
    ("scale", StandardScaler()),
    ("classify", SVC()),
]
with TemporaryDirectory() as folder:
    search = GridSearchCV(
        Pipeline(steps, memory=folder),
        {"classify": list(classifiers.values()), "select__radius": radii},
        scoring={"accuracy": "balanced_accuracy", "genes": n_genes},
        refit="accuracy",
        cv=StratifiedKFold(4, shuffle=True, random_state=0),
    ).fit(X, y)

chosen = search.best_estimator_["select"]
print(f"best: {search.best_params_}, balanced accuracy {search.best_score_:.3f}")
print(f"{informative[chosen.support_].sum()} of its {chosen.n_features_} genes matter")

# %%
# The result
# ----------
# Too few genes carry too little information, too many add noise. The best number
# depends on the classifier.

shape = len(classifiers), len(radii)
accuracy = search.cv_results_["mean_test_accuracy"].reshape(shape)
genes = search.cv_results_["mean_test_genes"].reshape(shape)[0]

figure, (above, below) = plt.subplots(
    2, 1, figsize=(8, 5), height_ratios=(1, 1.2), sharex=True, layout="constrained"
)
above.semilogy(genes, "o-", color="0.3")
for place, number in enumerate(genes):
    above.annotate(
        f"{number:.0f}",
        (place, number),
        (0, 6),
        textcoords="offset points",
        ha="center",
    )
above.set(ylabel="genes kept", ylim=(1, 400))
above.spines[["top", "right"]].set_visible(False)

image = below.imshow(accuracy, cmap="viridis", aspect="auto")
for (row, column), value in np.ndenumerate(accuracy):
    ink = "black" if image.norm(value) > 0.5 else "white"
    below.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
row, column = np.unravel_index(accuracy.argmax(), shape)
below.add_patch(
    plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec="#d55e00", lw=3)
)
below.set_yticks(range(len(classifiers)), classifiers)
below.set_xticks(range(len(radii)), radii)
below.set_xlabel("radius")
figure.colorbar(image, label="balanced accuracy")
figure.suptitle("Four folds; framed: the best")
plt.show()

# %%
# The framed score is the best of 21, and therefore too high. Report the accuracy of the
# whole search on samples that it never saw: ``cross_val_score(search, X, y)``.
