"""
================
Predict a number
================

The target may be a number, such as an age or a dose. Here it depends on 10 of 1000
genes, which are correlated with many others.
"""

# %%
# The data
# --------
# The selector takes floating-point numbers as a numeric target. For whole numbers, such
# as an age in years, set ``target="regression"``; otherwise they are classes.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LassoCV, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skl1inf import L1InfFeatureSelectorCV
from skl1inf.datasets import make_expression

X, _, _ = make_expression(300, 1000, random_state=0)
rng = np.random.default_rng(0)
causes = rng.choice(1000, 10, replace=False)
effect = scale(X)[:, causes] @ rng.choice([-1, 1], 10)
age = 50 + 10 * scale(effect + 1.5 * rng.standard_normal(300))
X_train, X_test, age_train, age_test = train_test_split(X, age, random_state=0)

# %%
# Ridge regression on a few genes
# -------------------------------
# Cross-validation chooses the radius. The Lasso selects and predicts at once. The
# F-test judges each gene alone.

alphas = np.logspace(-2, 3, 11)
selectors = {
    "l1,inf ball": L1InfFeatureSelectorCV(random_state=0),
    "F-test, 30 best": SelectKBest(f_regression, k=30),
}
models = {
    name: make_pipeline(selector, StandardScaler(), RidgeCV(alphas=alphas))
    for name, selector in selectors.items()
}
models["Lasso"] = make_pipeline(StandardScaler(), LassoCV())
for name, model in models.items():
    model.fit(X_train, age_train)
    kept = model[1].coef_ != 0 if name == "Lasso" else model[0].get_support()
    print(
        f"{name:15s} R2 on samples left out {model.score(X_test, age_test):.2f}, "
        f"{kept.sum()} genes, {kept[causes].sum()} of the 10 causes"
    )

# %%
# The causes are linear, so the Lasso predicts best, with twice as many genes. The ball
# finds most of the causes with fewer genes. The F-test selects genes that are
# correlated with the causes.

selector = models["l1,inf ball"][0]
genes = selector.get_support(indices=True)
first = genes[np.argsort(-selector.feature_importances_[genes])]
colors = np.where(np.isin(first, causes), "#d55e00", "0.7")

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), width_ratios=(1, 1.6), layout="constrained"
)
left.scatter(age_test, models["l1,inf ball"].predict(X_test), c="#0072b2", alpha=0.7)
left.axline((50, 50), slope=1, color="0.5", lw=1)
left.set(xlabel="age", ylabel="predicted", title="samples left out")
left.set(xlim=(20, 75), ylim=(20, 75))
right.bar(range(len(first)), selector.feature_importances_[first], color=colors)
right.bar(0, 0, color="#d55e00", label="one of the 10 causes")
right.set(xlabel="genes selected", ylabel="importance")
right.legend()
plt.show()
