"""The stability selection under scikit-learn's estimator checks."""

import pytest
from estimator_checks import TRANSFORMER_CHECKS, run_check
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl1inf import L1InfFeatureSelector, L1InfStabilitySelector


def quick(**params):
    return L1InfFeatureSelector(max_iter=5, **params)


# Few and short trainings: what differs is not how many they are. The defaults are in
# `test_check_estimator.py`.
VARIANTS = [
    L1InfStabilitySelector(quick(target="unsupervised"), n_pairs=1),
    L1InfStabilitySelector(quick(target="classification"), n_pairs=1),
    L1InfStabilitySelector(quick(target="regression"), n_pairs=1),
    L1InfStabilitySelector(quick(), n_pairs=1, max_false_positives=1),
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
