"""The modes of torch under which this package computes."""

from contextlib import ExitStack
from functools import wraps

import torch


def own_state(function):
    """Run a function with gradients and without autocast, whatever the caller's modes.

    A default device or dtype of the caller needs no mode: every tensor names its own.
    """

    @wraps(function)
    def run(*args, **kwargs):
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for device_type in ("cpu", "cuda"):
                stack.enter_context(torch.autocast(device_type, enabled=False))
            return function(*args, **kwargs)

    return run
