"""What the door of the projection lets in, and what it refuses."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
import torch

from skl1inf import (
    l1inf_dual_norm,
    l1inf_norm,
    project_l1,
    project_l1inf,
    project_l1inf_bilevel,
    project_l12,
)
from skl1inf.ball.kernels import _driver, _torch

PROJECTIONS = [project_l1inf, project_l1inf_bilevel, project_l12, project_l1]
Y = np.random.default_rng(0).standard_normal((30, 20))
EXPECTED = project_l1inf(Y, 10.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [1, -1, 0, -2])
@pytest.mark.parametrize("where", ["new", "in place", "out", "strided out"])
def test_layouts(dtype, order, axis, where):
    A = Y if axis in (1, -1) else Y.T
    expected = EXPECTED if axis in (1, -1) else EXPECTED.T
    A = np.array(A, dtype=dtype, order=order)
    kept = A.copy()
    out = {
        "new": None,
        "in place": A,
        "out": np.full_like(A, np.nan),
        "strided out": np.full((60, 60), np.nan, dtype)[::2, 1::2][
            : A.shape[0], : A.shape[1]
        ],
    }[where]
    if where != "in place":
        A.flags.writeable = False
    P = project_l1inf(A, 10, axis=axis, out=out)
    np.testing.assert_allclose(P, expected, rtol=0, atol=5 * np.finfo(dtype).eps)
    assert P.dtype == dtype
    if out is None:
        assert not np.may_share_memory(P, A)
    else:
        assert P is out
    if where != "in place":
        np.testing.assert_array_equal(A, kept)


@pytest.mark.parametrize(
    "view",
    [
        lambda A: A[::2],
        lambda A: A[:, ::3],
        lambda A: A[::-1, ::-1],
        lambda A: np.broadcast_to(A[:1], A.shape),
        lambda A: (
            np.frombuffer(b"x" + A.tobytes(), np.uint8)[1:]
            .view(A.dtype)
            .reshape(A.shape)
        ),
        lambda A: A.astype(">f8"),
    ],
    ids=["rows", "columns", "reversed", "broadcast", "unaligned", "byte-swapped"],
)
def test_views(view):
    A = view(Y)
    plain = np.array(A, dtype=float)
    np.testing.assert_array_equal(project_l1inf(A, 5), project_l1inf(plain, 5))
    assert l1inf_norm(A) == l1inf_norm(plain)


def test_overlapping_out():
    for source, target in [
        (np.s_[:-1], np.s_[1:]),
        (np.s_[1:], np.s_[:-1]),
        (np.s_[::-1], np.s_[:]),
        (np.s_[:, ::-1], np.s_[:]),
    ]:
        A = Y.copy()
        expected = project_l1inf(A[source].copy(), 5)
        project_l1inf(A[source], 5, out=A[target])
        np.testing.assert_array_equal(A[target], expected)
    square = Y[:20].copy()
    expected = project_l1inf(square.T.copy(), 5)
    np.testing.assert_array_equal(project_l1inf(square.T, 5, out=square), expected)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float16])
def test_other_dtypes_become_float64(dtype):
    A = np.arange(12).reshape(3, 4).astype(dtype)
    P = project_l1inf(A, 2)
    assert P.dtype == np.float64
    np.testing.assert_array_equal(P, project_l1inf(A.astype(float), 2))
    assert project_l1inf(torch.from_numpy(A.copy()), 2).dtype == torch.float64


def test_lists_and_inputs_in_the_ball():
    assert project_l1inf([[1, 2], [3, 4]], 100).tolist() == [[1, 2], [3, 4]]
    negative_zero = np.array([[-0.0, 1.0]])
    assert project_l1inf(negative_zero, np.inf).tobytes() == negative_zero.tobytes()


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty(project, shape):
    for radius in (0, 1):
        assert project(np.empty(shape), radius).shape == shape
        assert project(torch.empty(shape), radius).shape == shape
    assert l1inf_norm(np.empty(shape)) == l1inf_dual_norm(np.empty(shape)) == 0


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("as_given", [np.asarray, torch.as_tensor])
def test_radius_zero_gives_zeros(project, as_given):
    P = project(as_given(Y), 0)
    assert not np.asarray(P).any()


BAD_MATRICES = {
    "NaN": (np.array([[1.0, np.nan]]), ValueError, "NaN or infinity"),
    "inf": (np.array([[1.0, 2.0], [-np.inf, 0.0]]), ValueError, "NaN or infinity"),
    "NaN inside": (np.where(np.eye(50, 3000) == 1, np.nan, 1), ValueError, "NaN"),
    "complex": (np.eye(2) + 0j, ValueError, "real numbers"),
    "object": (np.eye(2).astype(object), ValueError, "real numbers"),
    "strings": (np.array([["a", "b"]]), ValueError, "real numbers"),
    "dates": (np.zeros((2, 2), "M8[s]"), ValueError, "real numbers"),
    "number": (3.0, ValueError, "2-dimensional"),
    "3-D": (np.ones((2, 2, 2)), ValueError, "2-dimensional"),
    "sparse": (scipy.sparse.eye_array(3, format="csr"), TypeError, "dense"),
}


@pytest.mark.parametrize("name", BAD_MATRICES)
@pytest.mark.parametrize("function", [*PROJECTIONS, l1inf_norm, l1inf_dual_norm])
def test_bad_matrix(name, function):
    bad, error, message = BAD_MATRICES[name]
    arguments = (1.0,) if function in PROJECTIONS else ()
    with pytest.raises(error, match=message):
        function(bad, *arguments)
    if isinstance(bad, np.ndarray) and bad.dtype.kind in "fc":
        with pytest.raises(error, match=message):
            function(torch.from_numpy(bad), *arguments)


BAD_TENSORS = {
    "meta": lambda: torch.ones(2, 2, device="meta"),
    "sparse": lambda: torch.eye(2).to_sparse(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "quantized": lambda: torch.quantize_per_tensor(torch.eye(2), 1.0, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.filterwarnings("ignore:.*quantize:UserWarning")
@pytest.mark.parametrize("name", BAD_TENSORS)
@pytest.mark.parametrize("function", [*PROJECTIONS, l1inf_norm, l1inf_dual_norm])
def test_bad_tensor(name, function):
    with pytest.raises(TypeError, match="Y must"):
        function(BAD_TENSORS[name](), *((1.0,) if function in PROJECTIONS else ()))


def test_a_negated_view_of_a_tensor():
    negated = torch.complex(torch.eye(2), torch.from_numpy(Y[:2, :2]).float()).conj()
    assert negated.imag.is_neg()
    expected = project_l1inf(-Y[:2, :2].astype(np.float32), 1)
    np.testing.assert_array_equal(project_l1inf(negated.imag, 1), expected)


def test_a_vector_is_no_matrix():
    with pytest.raises(ValueError, match="2-dimensional"):
        project_l1inf(np.ones(3), 1.0)


@pytest.mark.parametrize("n_groups", [30, 700])
@pytest.mark.parametrize("group", [0, 5])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("radius", [0.0, 1.0, 1e9, np.inf])
def test_refused_input_is_left_alone(n_groups, group, bad, radius):
    A = np.random.default_rng(0).standard_normal((n_groups, 20))
    A[group, 4] = bad
    kept = A.copy()
    with pytest.raises(ValueError, match="NaN"):
        project_l1inf(A, radius, out=A)
    np.testing.assert_array_equal(A, kept)


@pytest.mark.parametrize(
    ("radius", "error"),
    [
        (-1, ValueError),
        (np.nan, ValueError),
        ("1", TypeError),
        (None, TypeError),
        (1j, TypeError),
        ([1.0], TypeError),
        (True, TypeError),
    ],
)
@pytest.mark.parametrize("project", PROJECTIONS)
def test_bad_radius(project, radius, error):
    with pytest.raises(error, match="radius"):
        project(Y, radius)


@pytest.mark.parametrize(
    ("axis", "error"),
    [(2, ValueError), (-3, ValueError), (1.0, TypeError), (None, TypeError)],
)
@pytest.mark.parametrize("project", PROJECTIONS[:3])
def test_bad_axis(project, axis, error):
    with pytest.raises(error, match="axis"):
        project(Y, 1.0, axis=axis)


def _read_only():
    out = Y.copy()
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (Y.copy().T, ValueError),
        (Y.astype(np.float32), ValueError),
        (_read_only(), ValueError),
        (Y.tolist(), TypeError),
        (torch.from_numpy(Y.copy()), TypeError),
    ],
    ids=["shape", "dtype", "read-only", "list", "tensor"],
)
@pytest.mark.parametrize("project", PROJECTIONS)
def test_bad_out(project, out, error):
    with pytest.raises(error, match="out"):
        project(Y, 1.0, out=out)


def test_bad_out_of_a_tensor():
    tensor = torch.from_numpy(Y.copy())
    for out, error in [
        (Y.copy(), TypeError),
        (tensor.float(), ValueError),
        (tensor.T, ValueError),
        (tensor.to("meta"), ValueError),
    ]:
        with pytest.raises(error, match="out"):
            project_l1inf(tensor, 1.0, out=out)


@pytest.mark.parametrize("project", PROJECTIONS)
def test_tensors_in_tensors_out(project):
    tensor = torch.from_numpy(Y.copy())
    P = project(tensor, 10.0)
    np.testing.assert_allclose(P.numpy(), project(Y, 10.0), rtol=0, atol=1e-14)
    assert project(tensor, 10.0, out=tensor) is tensor
    np.testing.assert_array_equal(tensor, P)


def test_parameters_are_projected_in_place_and_graphs_notice():
    weight = torch.nn.Parameter(torch.from_numpy(Y.copy()))
    loss = (weight**2).sum()
    with torch.no_grad():
        assert not project_l1inf(weight, 10.0).requires_grad
        assert project_l1inf(weight, 10.0, out=weight) is weight
    assert weight.requires_grad
    np.testing.assert_array_equal(weight.detach(), EXPECTED)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def check_tensor_path(A, axis, share):
    """What runs on a device agrees, on the CPU, with the kernels for arrays."""
    info = torch.finfo(A.dtype)
    radius = share * l1inf_norm(A, axis=axis)
    expected = project_l1inf(A, radius, axis=axis)
    out = torch.full_like(A, torch.nan)
    *_, n_iter = _torch.project(A, radius, axis, out)
    atol = 8 * info.eps * float(A.abs().max()) + 2 * info.smallest_normal * info.eps
    np.testing.assert_allclose(out, expected, rtol=0, atol=atol)
    assert l1inf_norm(out, axis=axis) <= radius
    assert n_iter <= 20
    A[0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        _torch.project(A, radius, axis, out)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("share", [1e-6, 0.01, 0.3, 0.95, 2])
@pytest.mark.parametrize("scale", [1, "denormal", "huge"])
def test_vectorised_path_agrees(dtype, axis, share, scale):
    info = torch.finfo(dtype)
    scale = {1: 1, "denormal": info.tiny / 8, "huge": info.max / 8}[scale]
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 30)) * 10.0 ** rng.uniform(-3, 0, (40, 30))
    A = torch.from_numpy(A / np.abs(A).max()).to(dtype) * scale
    check_tensor_path(A, axis, share)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(30, 20), (700, 300), (2, 10**5)])
def test_cuda_agrees(dtype, axis, shape):
    array = np.random.default_rng(0).standard_normal(shape)
    array = np.moveaxis(array, 1, axis)
    expected = project_l1inf(array, 10.0, axis=axis)
    tensor = torch.from_numpy(array).to("cuda", dtype)
    P = project_l1inf(tensor, 10.0, axis=axis)
    assert P.device == tensor.device
    atol = 8 * torch.finfo(dtype).eps * np.abs(array).max()
    np.testing.assert_allclose(P.cpu(), expected, rtol=0, atol=atol)
    assert l1inf_norm(P, axis=axis) <= 10


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(3, 700), (700, 3), (61, 50)])
def test_threads_give_the_same_result(monkeypatch, axis, shape):
    A = np.random.default_rng(0).standard_normal(shape)
    expected = project_l1inf(A, 5.0, axis=axis)
    monkeypatch.setattr(_driver, "ENTRIES_PER_THREAD", 10)
    monkeypatch.setattr(_driver, "ENTRIES_PER_PASS", 10)
    for threads in (1, 2, 5):
        monkeypatch.setattr(_driver, "threads_allowed", lambda threads=threads: threads)
        np.testing.assert_array_equal(project_l1inf(A, 5.0, axis=axis), expected)


def test_threads_follow_the_users_limits():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert _driver.threads_allowed() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("axis", [0, 1])
def test_memory_is_the_output_and_a_few_numbers_a_group(axis):
    A = np.random.default_rng(0).standard_normal((400, 500))
    out = np.empty_like(A)
    project_l1inf(A, 30.0, axis=axis, out=out)
    tracemalloc.start()
    try:
        project_l1inf(A, 30.0, axis=axis, out=out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A dozen float64 a group, and a row; Y has 500 or 400 entries a group.
    assert peak < 8 * (20 * A.shape[1 - axis] + A.shape[axis]) + 20_000


def test_processes_that_compile_at_the_same_time(tmp_path):
    code = (
        "import sys, numpy as np; from skl1inf import l1inf_norm, project_l1inf; "
        "A = np.random.default_rng(0).standard_normal((20, 10)).astype(sys.argv[1]); "
        "assert l1inf_norm(project_l1inf(A, 2.0)) <= 2; "
        "assert project_l1inf(A, 2.0).dtype == sys.argv[1]"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in ("empty cache", "full cache"):
        processes = [
            subprocess.Popen([sys.executable, "-c", code, dtype], env=environment)
            for dtype in ("f4", "f8")
        ]
        assert [process.wait(timeout=120) for process in processes] == [0, 0]


def test_import_needs_neither_torch_nor_numba():
    code = (
        "import sys, skl1inf, skl1inf.ball; "
        "assert not {'torch', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
