"""The public interface as a type checker sees it: never run, checked by mypy."""

from typing import assert_type

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.utils import Bunch

from skl1inf import (
    L1InfClassifier,
    L1InfCoxRegressor,
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfMultiTaskRegressor,
    L1InfMultiTaskRegressorCV,
    L1InfRegressor,
    L1InfStabilitySelector,
    l1inf_dual_norm,
    l1inf_norm,
    l1inf_path,
    project_l1inf,
    radius_path,
)
from skl1inf.datasets import load_srbct, make_expression
from skl1inf.plotting import RadiusPathDisplay

X, y = np.zeros((4, 3)), np.array([0, 1, 0, 1])

assert_type(l1inf_norm(X), float)
assert_type(l1inf_dual_norm([[1.0, 2.0]], axis=0), float)
assert_type(l1inf_norm(X, groups=["a", "a", "b", "b"], weights=[1.0, 2.0]), float)
of_array: np.ndarray | torch.Tensor = project_l1inf(X, 1.0, axis=0, out=X)
of_tensor: np.ndarray | torch.Tensor = project_l1inf(torch.zeros(2, 2), 1)

selector = L1InfFeatureSelector(radius=1, max_features=5, class_weight="balanced")
# scikit-learn's decorators of `fit` have no types, so that it returns Any.
fitted: L1InfFeatureSelector = selector.fit(X, y, sample_weight=None)
assert_type(fitted.encode(csr_array(X)), np.ndarray)
of_cv: L1InfFeatureSelectorCV = L1InfFeatureSelectorCV(selector, cv=3).fit(X, y)
stable: L1InfStabilitySelector = L1InfStabilitySelector(n_pairs=2).fit(X)
assert_type(radius_path(X, y, radii=[0.1, 1.0]), Bunch)

classifier: L1InfClassifier = L1InfClassifier(radius=2, keep_features=[0]).fit(X, y)
assert_type(classifier.predict_proba(X), np.ndarray)
regressor: L1InfRegressor = L1InfRegressor(max_features=2).fit(X, y)
assert_type(regressor.predict(X), np.ndarray)
cox: L1InfCoxRegressor = L1InfCoxRegressor(feature_groups=[[0, 1]])
assert_type(cox.predict(X), np.ndarray)

linear: L1InfMultiTaskRegressor = L1InfMultiTaskRegressor(2.0, positive=True)
by_cv: L1InfMultiTaskRegressorCV = L1InfMultiTaskRegressorCV(radii=[1.0, 2.0], cv=3)
radii, coefs, gaps = l1inf_path(X, y, radii=5)

load_srbct(return_X_y=True)
make_expression(random_state=0)
RadiusPathDisplay.from_estimator(selector)

L1InfFeatureSelector(radius="one")  # type: ignore[arg-type]
L1InfFeatureSelector(1.0, 5)  # type: ignore[call-arg]
L1InfMultiTaskRegressor(copy_X=True)  # type: ignore[call-arg]
project_l1inf(X, 1.0, groups=[0, 0, 1, 1], weights=np.ones(2))
project_l1inf(X, "1")  # type: ignore[arg-type]
