"""The selectors under scikit-learn's estimator checks."""

import pytest
from estimator_checks import TRANSFORMER_CHECKS, run_check
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl1inf import L1InfFeatureSelector, L1InfFeatureSelectorCV

# The variants train for few passes: what differs is not how long they train. The
# defaults are in `test_check_estimator.py`.
VARIANTS = [
    L1InfFeatureSelector(target="unsupervised", max_iter=10),
    L1InfFeatureSelector(target="classification", max_iter=10),
    L1InfFeatureSelector(target="regression", max_iter=10),
    L1InfFeatureSelector(max_features=2, max_iter=10),
    L1InfFeatureSelector(second_descent=False, max_iter=10),
    L1InfFeatureSelector(standardize=False, activation="relu", max_iter=10),
    L1InfFeatureSelectorCV(L1InfFeatureSelector(max_iter=10), radii=[0.5, 2], cv=3),
]


@parametrize_with_checks(VARIANTS)
@pytest.mark.filterwarnings("ignore")
def test_yielded_check(estimator, check):
    run_check(check, estimator)


@pytest.mark.parametrize("estimator", VARIANTS, ids=repr)
@pytest.mark.parametrize("check", TRANSFORMER_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.filterwarnings("ignore")
def test_explicit_check(estimator, check):
    run_check(check, type(estimator).__name__, estimator)
