"""
Few features for many targets
=============================

Six sensors respond to the same few of two hundred causes, each in its own way. The
Lasso, fitted to one sensor at a time, selects other causes for every sensor. In
:class:`~skl1inf.L1InfMultiTaskRegressor` a feature costs as much as its largest
coefficient, so all sensors share it.
"""

# %%
# Of 200 features, 8 affect the targets, and each of them affects all 6.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LassoCV, LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline

from skl1inf import L1InfMultiTaskRegressor, L1InfMultiTaskRegressorCV, l1inf_path

rng = np.random.default_rng(0)
n_samples, n_features, n_targets, n_informative = 200, 200, 6, 8
X = rng.standard_normal((n_samples, n_features))
coef = np.zeros((n_features, n_targets))
coef[:n_informative] = rng.choice([-1, 1], (n_informative, n_targets))
Y = X @ coef + 2.5 * rng.standard_normal((n_samples, n_targets))
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, random_state=0)

# %%
# The radius is chosen by cross-validation along a path.
model = L1InfMultiTaskRegressorCV(radii=30).fit(X_train, Y_train)
lasso = MultiOutputRegressor(LassoCV(alphas=30)).fit(X_train, Y_train)
lasso_coef = np.array([single.coef_ for single in lasso.estimators_])

for name, fitted, found in [
    ("l1,inf ball", model, model.coef_),
    ("six Lassos", lasso, lasso_coef),
]:
    print(
        f"{name:12s} R2 {fitted.score(X_test, Y_test):.3f}, "
        f"{np.count_nonzero(found.any(axis=0))} features in use"
    )

# %%
# Every fit has a certificate: the objective is at most ``dual_gap_`` above its minimum
# over the ball.
print(f"radius {model.radius_:.3g}, gap {model.dual_gap_:.1e} after {model.n_iter_}")

# %%
# The regressor can select features in a pipeline. Set the threshold: the default of
# :class:`~sklearn.feature_selection.SelectFromModel`, the mean importance, would drop
# features that are in use. The least-squares fit afterwards removes the shrinkage.
selector = SelectFromModel(L1InfMultiTaskRegressor(radius=3.0), threshold=1e-10)
pipeline = make_pipeline(selector, LinearRegression()).fit(X_train, Y_train)
print(
    f"{pipeline[0].get_support().sum()} features selected, "
    f"R2 {pipeline.score(X_test, Y_test):.3f}"
)

# %%
# The path shows how much of the radius each feature takes as the radius grows.
radii, coefs, _ = l1inf_path(X_train, Y_train, radii=60)
bounds = np.abs(coefs).max(axis=0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.semilogx(radii, bounds[n_informative:].T, color="0.8", lw=0.8)
left.semilogx(radii, bounds[:n_informative].T, color="C0")
left.axvline(model.radius_, color="k", ls=":")
left.set(xlabel="radius", ylabel="largest coefficient", title="informative in blue")
right.semilogx(model.radii_, model.mse_path_, color="0.8", lw=0.8)
right.semilogx(model.radii_, model.mse_path_.mean(axis=1), color="C0")
right.axvline(model.radius_, color="k", ls=":")
right.set(xlabel="radius", ylabel="mean squared error", title="cross-validation")
plt.show()
