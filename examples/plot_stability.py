"""
==========================================
Which genes would half the patients name?
==========================================

Two halves of the same samples rarely give the same list of genes. Stability selection
asks many halves, and keeps the genes that most of them name; how many of those are
expected to be there by chance alone is bounded.
"""

# %%
# Ask fifty halves
# ----------------
# 25 pairs of disjoint halves of the 83 samples, each with classes in proportion.

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
# What these genes look like
# --------------------------

ExpressionHeatmapDisplay.from_estimator(selector, X, y)
plt.show()

# %%
# Ask for a bound
# ---------------
# ``max_false_positives`` sets the threshold that the bound asks for.

strict = L1InfStabilitySelector(max_false_positives=0.5, random_state=0).fit(X, y)
print(f"threshold {strict.threshold_:.2f}: {strict.n_features_} genes")
