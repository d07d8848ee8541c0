"""Tensors: their checks, and the way to the projections of arrays.

The only modules of this folder that import torch are this one, the gradient and the
kernels for devices: import them where a tensor is at hand.
"""

import numpy as np
import torch
from torch.autograd import forward_ad

from ._l1inf import WeightedL1Inf, l1inf
from ._validation import check_fit, check_ndim, check_overlap, check_real

# Tensors on a device of at most so many entries are projected on the CPU.
_MOVED = 2**22


def check_tensor(Y, ndims=(2,)):
    """Return Y detached, as a tensor of float32 or float64."""
    check_real(not Y.is_complex(), Y.dtype)
    if Y.layout != torch.strided or Y.is_nested or Y.is_quantized:
        kind = "nested" if Y.is_nested else f"{Y.layout}, {Y.dtype}"
        raise TypeError(f"Y must be a dense tensor, got a {kind} one.")
    if Y.is_meta:
        raise TypeError("Y must hold numbers, got a tensor on device meta.")
    check_ndim(Y, ndims)
    values = Y.detach() if Y.requires_grad else Y
    if values.is_neg():
        values = values.resolve_neg()
    if values.dtype not in (torch.float32, torch.float64):
        values = values.to(torch.float64)
    return values


def as_array(values, name="Y"):
    """Return the array that shares the memory of a tensor on the CPU."""
    try:
        return values.numpy()
    except RuntimeError as error:
        raise TypeError(
            f"{name} must be a tensor with memory of its own, "
            f"got a {type(values).__name__} without, or one inside torch.func."
        ) from error


def is_followed(Y):
    """Tell whether torch wants to follow what becomes of Y.

    For a gradient, or since torch.func has wrapped it: then Y has no memory.
    """
    if Y.requires_grad and torch.is_grad_enabled():
        return True
    try:
        Y.data_ptr()
    except RuntimeError:
        return True
    return forward_ad.unpack_dual(Y).tangent is not None


def project_values(ball, Y, radius, axis, ndims):
    """Project a tensor into a new one that no graph holds."""
    values = check_tensor(Y, ndims)
    if values.is_cpu:
        array = as_array(values)
        target = np.empty_like(array)
        ball(array, radius, axis, target)
        return torch.from_numpy(target)
    out = torch.empty_like(values)
    _project_on_device(ball, values, radius, axis, out)
    return out


def _project_on_device(ball, values, radius, axis, out):
    """Project large tensors onto the l1,inf ball on the device, else on the CPU.

    The projection on a device starts some hundred operations, which take longer than
    to move a small tensor there and back.
    """
    of_l1inf = ball is l1inf or isinstance(ball, WeightedL1Inf)
    if of_l1inf and values.numel() > _MOVED:
        ball(values, radius, axis, out)
    else:
        array = values.cpu().numpy().copy()
        ball(array, radius, axis, array)
        out.copy_(torch.from_numpy(array))


def project_into(out, ball, Y, radius, axis, ndims):
    """Project a tensor into `out`, which no graph holds."""
    if not isinstance(out, torch.Tensor):
        raise TypeError(
            f"out must be a torch.Tensor as Y is, got {type(out).__name__}."
        )
    if out.device != Y.device:
        raise ValueError(f"out must be on {Y.device} as Y is, got {out.device}.")
    if out.layout != torch.strided:
        raise TypeError(f"out must be a dense tensor, got a {out.layout} one.")
    if is_followed(Y) or (out is not Y and is_followed(out)):
        raise RuntimeError(
            "out does not support automatic differentiation, but Y or out requires a "
            "gradient or is inside torch.func: project under torch.no_grad() or "
            "without out."
        )
    values = check_tensor(Y, ndims)
    check_fit(out, values)
    if out.is_neg():  # its memory holds the numbers with the other sign
        out.detach().copy_(project_values(ball, values, radius, axis, ndims))
        return out
    target = values if out is Y else out.detach()
    if values.is_cpu:
        array = as_array(values)
        target = array if out is Y else as_array(target, "out")
        check_overlap(target)
        ball(array, radius, axis, target)
    else:
        _project_on_device(ball, values, radius, axis, target)
    torch.autograd.graph.increment_version(out)
    return out
