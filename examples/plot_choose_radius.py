"""
=============================================
Which radius: the path and the one-error rule
=============================================

The radius is the main parameter: it decides how many genes survive, and so how well a
classifier predicts from them. :class:`~skl1inf.L1InfFeatureSelectorCV` follows a path
of radii in every fold and scores each by a classifier on the samples left out. This
takes about as long as 10 to 16 single fits.
"""

# %%
# The data
# --------
# 83 samples of four childhood cancers, 2308 genes.

import matplotlib.pyplot as plt
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skl1inf import L1InfFeatureSelectorCV
from skl1inf.datasets import load_srbct
from skl1inf.plotting import RadiusCVDisplay, RadiusPathDisplay

srbct = load_srbct(as_frame=True)
X, y = srbct.data, srbct.target_names[srbct.target]

# %%
# The fewest genes that are as good as the best
# ---------------------------------------------
# ``rule="1se"``, the default, takes the fewest genes whose mean score is within one
# standard error of the best. ``rule="best"`` takes the radius of the best score.

selector = L1InfFeatureSelectorCV(random_state=0).fit(X, y)
print(f"radius {selector.radius_:.2f}: {selector.n_features_} of {X.shape[1]} genes")

RadiusCVDisplay.from_estimator(selector)
plt.show()

# %%
# The radius at which each gene enters
# ------------------------------------
# This is the path on all samples. Genes that are alive at a small radius matter most.

RadiusPathDisplay.from_estimator(selector)
plt.show()

# %%
# The accuracy to report
# ----------------------
# The scores above chose the radius, so they are too high. An honest estimate chooses
# the radius anew inside every outer fold, as a pipeline in a cross-validation does.

model = make_pipeline(L1InfFeatureSelectorCV(random_state=0), SVC())
scores = cross_val_score(model, X, y, cv=4, scoring="balanced_accuracy")
print(f"nested cross-validation: balanced accuracy {scores.mean():.3f}")
