"""Fits on a CUDA device agree with those on the CPU, and load where there is none."""

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    l1inf_norm,
    project_l1inf,
    radius_path,
)
from skl1inf.ball import _reference
from skl1inf.ball.kernels import _torch

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


MATRICES = {
    "normal": lambda shape: RNG.standard_normal(shape),
    "ties and zeros": lambda shape: np.maximum(RNG.integers(-3, 4, shape), -1),
    "rows of many sizes": lambda shape: (
        RNG.standard_normal(shape) * RNG.lognormal(0, 2, (shape[0], 1))
    ),
    "constant rows": lambda shape: np.broadcast_to(
        RNG.integers(-1, 2, (shape[0], 1)), shape
    ),
}


def check_projection(Y, P, radius):
    """P is the projection of Y, up to rounding, of which the reference has more."""
    expected, _ = _reference.project(Y, radius)
    eps = np.finfo(Y.dtype).eps
    np.testing.assert_allclose(P, expected, rtol=0, atol=32 * eps * np.abs(Y).max())
    assert radius * (1 - 2 * eps) <= l1inf_norm(P) <= radius


@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(3000, 100), (150, 1000), (20, 8192)])
@pytest.mark.parametrize("share", [1e-3, 0.1, 0.9])
def test_the_triton_kernels_project(kind, dtype, shape, share):
    Y = MATRICES[kind](shape).astype(dtype)
    Y[1] = 0
    radius = share * l1inf_norm(Y)
    on_gpu = torch.from_numpy(Y).cuda()
    out = torch.full_like(on_gpu, torch.nan)
    theta, levels, _ = _torch._triton().project(on_gpu, radius, out)
    assert theta > 0
    P = out.cpu().numpy()
    check_projection(Y, P, radius)
    np.testing.assert_array_equal(levels.cpu(), np.abs(P).max(axis=1))
    _torch._triton().project(on_gpu, radius, on_gpu)
    np.testing.assert_array_equal(on_gpu.cpu(), P)


@pytest.mark.parametrize("axis", [0, 1])
def test_large_tensors_go_to_the_triton_kernels(axis, monkeypatch):
    Y = RNG.standard_normal((50_000, 100)).astype(np.float32)
    radius = 0.1 * l1inf_norm(Y)
    on_gpu = torch.from_numpy(Y).cuda()
    given = on_gpu if axis == 1 else on_gpu.T
    monkeypatch.delattr(_torch, "newton")
    P = project_l1inf(given, radius, axis=axis)
    check_projection(Y, (P if axis == 1 else P.T).cpu().numpy(), radius)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_large_tensors_that_the_triton_kernels_leave_to_others(bad):
    Y = torch.from_numpy(RNG.standard_normal((50_000, 100))).cuda()
    norm = l1inf_norm(Y)
    for radius in (norm, 2 * norm, np.finfo(float).max):
        np.testing.assert_array_equal(project_l1inf(Y, radius).cpu(), Y.cpu())
    assert not project_l1inf(Y, 0).any()
    Y[100, 3] = bad
    kept = Y.clone()
    with pytest.raises(ValueError, match="NaN or infinity"):
        project_l1inf(Y, 1.0, out=Y)
    torch.testing.assert_close(Y, kept, rtol=0, atol=0, equal_nan=True)
