"""The state of torch under which this package computes."""

from contextlib import ExitStack
from functools import wraps

import torch


def own_state(function):
    """Run a function with gradients, whatever modes of torch the caller is in.

    Inference mode, autocast and modes that replace functions of torch, a default device
    among them, are off. A default dtype needs no mode: every tensor names its own.
    """

    @wraps(function)
    def run(*args, **kwargs):
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for device_type in ("cpu", "cuda"):
                stack.enter_context(torch.autocast(device_type, enabled=False))
            # The one switch for every ``TorchFunctionMode``; torch has no public one.
            stack.enter_context(torch._C.DisableTorchFunction())
            return function(*args, **kwargs)

    return run
