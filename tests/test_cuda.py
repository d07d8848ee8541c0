"""Fits on a CUDA device agree with those on the CPU, and load where there is none."""

import pickle

import numpy as np
import pytest
from scipy import sparse

from skl1inf import L1InfFeatureSelector, L1InfFeatureSelectorCV, radius_path

pytestmark = pytest.mark.cuda

RNG = np.random.default_rng(0)
X = RNG.standard_normal((150, 300))
SCORE = X[:, :5].sum(axis=1)
CLASSES = (SCORE > 0).astype(int)
SURVIVAL = np.array(
    list(zip(RNG.random(150) < 0.7, np.exp(-SCORE), strict=True)),
    dtype=[("event", bool), ("time", float)],
)
TALL = RNG.standard_normal((9000, 30))  # trained on few of the samples first
TALL_CLASSES = (TALL[:, :3].sum(axis=1) > 0).astype(int)
COUNTS = sparse.csr_array(np.where(RNG.random(X.shape) < 0.7, 0, X))


def fit(device, X, y, **params):
    selector = L1InfFeatureSelector(
        device=device, max_iter=20, random_state=0, **params
    )
    return selector.fit(X, y)


@pytest.mark.parametrize(
    ("X", "y", "params"),
    [
        (X, CLASSES, {}),
        (X, SCORE, {}),
        (X, np.column_stack([SCORE, X[:, 7]]), {}),
        (X, SURVIVAL, {}),
        (X, None, {"n_latent": 4}),
        (X, CLASSES, {"batch_size": 50}),
        (TALL, TALL_CLASSES, {}),
        (sparse.csr_array(TALL), TALL_CLASSES, {}),
        (X, CLASSES, {"reconstruction_weight": 0.5}),
        (X, CLASSES, {"feature_groups": np.arange(300) // 3}),
        (X, CLASSES, {"keep_features": [0, 100]}),
        (X, SURVIVAL, {"keep_features": [0], "feature_groups": [[1, 2], [3, 4]]}),
        (COUNTS, CLASSES, {}),
    ],
    ids=[
        "classes",
        "number",
        "numbers",
        "survival",
        "no target",
        "mini-batches",
        "tall",
        "tall and sparse",
        "reconstruction",
        "groups",
        "kept",
        "survival, groups and kept",
        "sparse",
    ],
)
def test_a_fit_agrees_with_that_on_the_cpu(X, y, params):
    on_gpu, on_cpu = (fit(device, X, y, **params) for device in ("cuda", "cpu"))
    for name in ("encoder_weights_", "feature_importances_", "loss_curve_"):
        np.testing.assert_allclose(
            getattr(on_gpu, name), getattr(on_cpu, name), rtol=1e-2, atol=1e-3
        )
    assert (on_gpu.support_ != on_cpu.support_).sum() <= 2
    best = [set(np.argsort(s.ranking_)[:10]) for s in (on_gpu, on_cpu)]
    assert len(best[0] & best[1]) >= 9
    loaded = pickle.loads(pickle.dumps(on_gpu))
    np.testing.assert_allclose(loaded.encode(X), on_cpu.encode(X), atol=2e-2)


def test_a_path_and_its_folds_agree_with_those_on_the_cpu():
    selectors = [
        L1InfFeatureSelector(device=device, max_iter=20, random_state=0)
        for device in ("cuda", "cpu")
    ]
    paths = [radius_path(X, CLASSES, radii=4, selector=s) for s in selectors]
    np.testing.assert_allclose(paths[0].weights, paths[1].weights, atol=5e-3)
    searches = [
        L1InfFeatureSelectorCV(s, radii=3, cv=3).fit(X, CLASSES) for s in selectors
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.05)
