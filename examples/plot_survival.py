"""
==================================
Which patients relapse, and when?
==================================

The target may be a time that is not known for all: some patients had no relapse before
their last visit. The selector takes such a target as it is. Two risk groups, formed by
a few features, are then compared on patients whom the model has not seen.

Needs scikit-survival.
"""

# %%
# The data
# --------
# 198 women with breast cancer, followed until a distant metastasis. The features are
# six clinical columns and 76 probes of a microarray. The target has two fields:
# whether there was a metastasis, and the days until then or until the last visit.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.compare import compare_survival
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.nonparametric import kaplan_meier_estimator

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import load_transbig

transbig = load_transbig()
X, y = transbig.data, transbig.target
print(y[:4])

# %%
# Ten features and a Cox model
# ----------------------------
# The selector is a step of a pipeline that ends in a Cox model with a ridge penalty.

model = make_pipeline(
    L1InfFeatureSelector(target="survival", max_features=10, random_state=0),
    StandardScaler(),
    CoxPHSurvivalAnalysis(alpha=10, ties="efron"),
)

# %%
# Two risk groups
# ---------------
# There are 51 metastases only, so every patient is held out once, in one of five folds.
# Each fold selects its own features. Harrell's concordance is the share of the
# comparable pairs of patients in which the one with the higher risk has the earlier
# metastasis. A held-out patient is at high risk if the predicted risk is above the
# median of the training patients.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
high = np.zeros(len(y), dtype=bool)
concordance = []
for train, test in folds.split(X, y["event"]):
    model.fit(X[train], y[train])
    concordance.append(model.score(X[test], y[test]))
    high[test] = model.predict(X[test]) > np.median(model.predict(X[train]))
print(f"concordance on held-out patients: {np.mean(concordance):.2f}")

# %%
# The log-rank test asks whether the two groups differ by more than chance. Its p-value
# is approximate here: the folds share most of their training patients.

_, p_value = compare_survival(y, high)
print(f"{high.sum()} of {len(high)} at high risk; log-rank p = {p_value:.2g}")

# %%
# Kaplan-Meier curves estimate how many patients of a group are still free of
# metastases, here for 15 years and with 95 % confidence intervals. On the right are the
# ten features of a fit to all patients, with the coefficients of the Cox model: by how
# much the log-risk rises with a standard deviation.

selector, _, cox = model.fit(X, y)
names = transbig.feature_names[selector.get_support()]
order = np.argsort(cox.coef_)

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4.4), width_ratios=(1.5, 1), layout="constrained"
)
for group, name, color in ((~high, "low", "#0072b2"), (high, "high", "#d55e00")):
    times, share, (lower, upper) = kaplan_meier_estimator(
        y["event"][group], y["time"][group], conf_type="log-log"
    )
    years = times / 365.25
    label = f"{name} risk, {group.sum()} patients"
    left.step(years, share, where="post", color=color, lw=2, label=label)
    left.fill_between(years, lower, upper, step="post", color=color, alpha=0.15, lw=0)
left.set(xlabel="years", ylabel="free of distant metastasis")
left.set(xlim=(0, 15), ylim=(0, 1.02))
left.set_title(f"held-out patients, log-rank p = {p_value:.2g}")
left.legend(loc="lower left", frameon=False)
colors = np.where(cox.coef_[order] > 0, "#d55e00", "#0072b2")
right.barh(names[order], cox.coef_[order], color=colors)
right.axvline(0, color="black", lw=0.8)
right.set(xlabel="coefficient", title="the features selected")
plt.show()
