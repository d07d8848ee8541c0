"""What the kernels for tensors start from, in operations of any device."""

import torch


def start(advance, sums, largest, size):
    """Tangents that are known without a pass; theta and the levels to start from.

    ``advance`` moves theta, which it gets and returns, to the root of tangents.
    """
    total, weight = sums, torch.full_like(sums, 1 / size)
    theta, _ = advance(total, weight, sums.new_zeros(1))
    theta, _ = advance(largest, torch.ones_like(sums), theta)
    steep = largest - theta > (sums - theta) / size
    total, weight = total.where(~steep, largest), weight.where(~steep, 1)
    return total, weight, *advance(total, weight, theta)
