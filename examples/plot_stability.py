"""
==========================================
Which genes would half the patients name?
==========================================

Two halves of the same samples rarely give the same list of genes. Stability selection
selects on many halves and keeps the genes that most of them select. It bounds the
expected number of false genes among them.
"""

# %%
# Fifty halves
# ------------
# The halves are 25 disjoint pairs, each half with the classes in proportion.

import matplotlib.pyplot as plt

from skl1inf import L1InfStabilitySelector
from skl1inf.datasets import load_srbct
from skl1inf.plotting import ExpressionHeatmapDisplay, StabilityDisplay

srbct = load_srbct(as_frame=True)
X, y = srbct.data, srbct.target_names[srbct.target]

selector = L1InfStabilitySelector(threshold=0.7, random_state=0).fit(X, y)
print(f"{selector.n_features_} of {X.shape[1]} genes selected;")
print(f"at most {selector.false_positives_bound_:.2f} of them expected to be false")

StabilityDisplay.from_estimator(selector)
plt.show()

# %%
# A picture of these genes
# ------------------------

ExpressionHeatmapDisplay.from_estimator(selector, X, y)
plt.show()

# %%
# Set the bound
# -------------
# ``max_false_positives`` sets the bound; the threshold follows from it.

strict = L1InfStabilitySelector(max_false_positives=0.5, random_state=0).fit(X, y)
print(f"threshold {strict.threshold_:.2f}: {strict.n_features_} genes")
