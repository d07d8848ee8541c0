"""Where results go, and the state of torch and numpy that results do not depend on."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from skl1inf import (
    l1inf_dual_norm,
    l1inf_norm,
    project_l1,
    project_l1inf,
    project_l1inf_bilevel,
    project_l12,
)

PROJECTIONS = [project_l1inf, project_l1inf_bilevel, project_l12, project_l1]
NORMS = [l1inf_norm, l1inf_dual_norm]
Y = np.random.default_rng(0).standard_normal((30, 20))


def negated():
    """A tensor whose memory holds the numbers with the other sign."""
    complex_numbers = torch.complex(torch.zeros(30, 20), torch.from_numpy(Y).float())
    view = complex_numbers.conj().imag
    assert view.is_neg()
    return view


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("in_place", [True, False])
def test_out_with_the_negative_bit(project, in_place):
    source = negated() if in_place else torch.from_numpy(-Y).float()
    out = source if in_place else negated()
    expected = project(-Y.astype(np.float32), 3.0)
    version = out._version
    assert project(source, 3.0, out=out) is out
    np.testing.assert_array_equal(out.resolve_neg(), expected)
    assert out._version > version


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("in_place", [True, False])
def test_an_expanded_tensor_holds_no_projection(project, in_place):
    out = torch.from_numpy(Y[:1].copy()).expand(30, 20)
    kept = out.clone()
    with pytest.raises(ValueError, match="out must not overlap itself"):
        project(out if in_place else torch.from_numpy(Y), 3.0, out=out)
    torch.testing.assert_close(out, kept, rtol=0, atol=0)


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("strides", [(1, 1), (19, 1), (1, 29), (2, 1), (0, 1), (3, 2)])
def test_an_array_that_overlaps_itself_holds_no_projection(project, strides):
    memory = np.ones(1000)
    strides = tuple(8 * stride for stride in strides)
    out = np.lib.stride_tricks.as_strided(memory, (30, 20), strides)
    with pytest.raises(ValueError, match="out must not overlap itself"):
        project(Y, 3.0, out=out)
    assert (memory == 1).all()


@pytest.mark.parametrize("strides", [(20, 1), (1, 30), (21, 1), (2, 60), (41, 2)])
def test_an_array_with_gaps_is_filled(strides):
    memory = np.full(2000, np.nan)
    strides = tuple(8 * stride for stride in strides)
    out = np.lib.stride_tricks.as_strided(memory, (30, 20), strides)
    project_l1inf(Y, 3.0, out=out)
    np.testing.assert_array_equal(out, project_l1inf(Y, 3.0))
    assert np.isfinite(memory).sum() == Y.size
    interleaved = np.lib.stride_tricks.as_strided(memory, (2, 3), (24, 16))
    project_l1inf(Y[:2, :3], 0.3, out=interleaved)
    np.testing.assert_array_equal(interleaved, project_l1inf(Y[:2, :3], 0.3))


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int32])
def test_in_place_needs_the_dtype_of_the_result(project, dtype):
    tensor = torch.from_numpy(Y).to(dtype)
    kept = tensor.clone()
    with pytest.raises(ValueError, match=r"out must have .*float64"):
        project(tensor, 1.0, out=tensor)
    torch.testing.assert_close(tensor, kept)


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors:UserWarning")
@pytest.mark.filterwarnings("ignore:.*Accessing the data pointer:UserWarning")
@pytest.mark.parametrize("project", PROJECTIONS)
def test_tensors_without_plain_memory(project):
    tensor = torch.from_numpy(Y)
    masked = torch.masked.masked_tensor(tensor, tensor > 0)
    for function in (lambda Y: project(Y, 1.0), *NORMS):
        with pytest.raises(TypeError, match="Y must be a tensor with memory"):
            function(masked)
    with pytest.raises(TypeError, match="out must be a dense tensor"):
        project(tensor, 1.0, out=tensor.to_sparse())


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("as_given", [np.asarray, torch.as_tensor])
def test_three_dimensions(project, as_given):
    cube = as_given(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="2-dimensional, got 3"):
        project(cube, 1.0, out=cube)


@pytest.mark.parametrize("project", PROJECTIONS)
def test_masked_arrays(project):
    masked = np.ma.masked_array(Y, Y > 0)
    for function in (lambda Y: project(Y, 1.0), *NORMS):
        with pytest.raises(TypeError, match="Y must not be a masked array"):
            function(masked)
    with pytest.raises(TypeError, match="out must not be a masked array"):
        project(Y, 1.0, out=masked)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("project", PROJECTIONS)
def test_other_subclasses_of_arrays(project, tmp_path):
    mapped = np.memmap(tmp_path / "out", Y.dtype, "w+", shape=Y.shape)
    for out in (np.matrix(Y), mapped):
        out[...] = Y
        assert type(project(out, 3.0)) is np.ndarray
        assert project(out, 3.0, out=out) is out
        np.testing.assert_array_equal(np.asarray(out), project(Y, 3.0))


@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_foreign_byte_order(project, dtype):
    native = Y.astype(dtype)
    swapped = native.astype(native.dtype.newbyteorder())
    P = project(swapped, 3.0)
    assert P.dtype == native.dtype
    np.testing.assert_array_equal(P, project(native, 3.0))
    with pytest.raises(ValueError, match="out must have"):
        project(swapped, 3.0, out=swapped)


@pytest.mark.parametrize("project", PROJECTIONS)
def test_out_that_is_not_aligned(project):
    memory = np.zeros(Y.nbytes + 1, np.uint8)
    out = memory[1:].view(float).reshape(Y.shape)
    assert not out.flags.aligned
    project(Y, 3.0, out=out)
    np.testing.assert_array_equal(out, project(Y, 3.0))


STATES = {
    "float16": lambda: default_dtype(torch.float16),
    "float64": lambda: default_dtype(torch.float64),
    "device": lambda: torch.device("meta"),
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": lambda: deterministic(),
    "numpy": lambda: np.errstate(all="raise"),
}


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


UNITS = {
    np.float32: [1.0, 2.0**-140, 2.0**100],
    np.float64: [1.0, 2.0**-1065, 2.0**1000],
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("project", PROJECTIONS)
@pytest.mark.parametrize("dtype", UNITS)
def test_the_callers_state_has_no_part_in_the_result(state, project, dtype):
    for unit in UNITS[dtype]:
        array = (Y * unit).astype(dtype)
        tensor = torch.from_numpy(array.copy())
        expected = project(array, 3.0 * unit)
        numbers = [norm(array) for norm in NORMS]
        with STATES[state]():
            P, of_array = project(tensor, 3.0 * unit), project(array, 3.0 * unit)
            assert project(tensor, 3.0 * unit, out=tensor) is tensor
            assert [norm(array) for norm in NORMS] == numbers
        assert P.dtype == tensor.dtype
        assert P.device.type == "cpu"
        for result in (P, of_array, tensor):
            np.testing.assert_array_equal(np.asarray(result), expected)


@pytest.mark.parametrize("project", PROJECTIONS)
def test_gradients_under_autocast_and_another_default(project):
    def gradient():
        tensor = torch.from_numpy(Y.astype(np.float32)).requires_grad_()
        (project(tensor, 3.0) ** 2).sum().backward()
        return tensor.grad

    expected = gradient()
    for state in ("float16", "autocast", "deterministic"):
        with STATES[state]():
            torch.testing.assert_close(gradient(), expected, rtol=0, atol=0)


@pytest.mark.parametrize("project", PROJECTIONS)
def test_a_refusal_under_any_error_state_changes_nothing(project):
    bad = np.full((4, 3), 2.0**-1070)
    bad[2, 1] = np.nan
    for out in (bad.copy(), torch.from_numpy(bad.copy())):
        with np.errstate(all="raise"), pytest.raises(ValueError, match="NaN"):
            project(out, 2.0**-1070, out=out)
        np.testing.assert_array_equal(np.asarray(out), bad)


@pytest.mark.skipif(
    np.finfo(np.longdouble).max == np.finfo(float).max, reason="no wider type"
)
def test_numbers_beyond_float64():
    wide = np.full((2, 2), np.finfo(float).max, np.longdouble) * 4
    with np.errstate(all="raise"), pytest.raises(ValueError, match="infinity"):
        project_l1inf(wide, 1.0)


# The compiler of torch gives warnings of its own.
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("project", PROJECTIONS)
def test_a_compiled_function_breaks_its_graph(project):
    @torch.compile(backend="eager")
    def inside(tensor):
        return project(tensor * 2, 3.0) + 1

    @torch.compile(backend="eager")
    def of_arrays(tensor, array):
        return (
            tensor * 2,
            project(array, 3.0),
            l1inf_norm(array) + l1inf_dual_norm(tensor),
        )

    tensor = torch.from_numpy(Y).requires_grad_()
    expected = project(tensor * 2, 3.0) + 1
    result = inside(tensor)
    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    (wanted,) = torch.autograd.grad(expected.sum(), tensor)
    torch.testing.assert_close(torch.autograd.grad(result.sum(), tensor)[0], wanted)
    _, P, norms = of_arrays(tensor.detach(), Y)
    np.testing.assert_array_equal(P, project(Y, 3.0))
    assert norms == l1inf_norm(Y) + l1inf_dual_norm(Y)


@pytest.mark.parametrize(
    ("given", "absent"),
    [
        ("numpy.ones((3, 2))", "torch"),
        ("__import__('torch').ones(3, 2, requires_grad=True)", "torch._dynamo"),
    ],
)
def test_what_a_projection_imports(given, absent):
    code = (
        "import sys, numpy, skl1inf; "
        f"skl1inf.project_l1inf({given}, 1.0); skl1inf.l1inf_norm({given}); "
        f"assert {absent!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
