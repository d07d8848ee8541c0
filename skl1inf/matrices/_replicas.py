"""Tensors with a leading dimension of replicas."""

import torch
import torch.nn.functional as F


def take_features(tensor, index):
    """Return the features `index`, one row a replica, of a tensor a replica."""
    replicas = range(len(index))
    return torch.stack([tensor[i].index_select(0, index[i]) for i in replicas])


def put_features(tensor, index, values):
    """Write the features `index`, one row a replica, of a tensor a replica."""
    for i in range(len(index)):
        tensor[i].index_copy_(0, index[i], values[i])


def stack_padded(tensors, dim):
    """Return tensors of one replica as one, filled up with zeros along `dim`."""
    size = max(tensor.shape[dim] for tensor in tensors)
    trailing = [0, 0] * (tensors[0].ndim - 1 - dim)
    return torch.cat(
        [F.pad(tensor, (*trailing, 0, size - tensor.shape[dim])) for tensor in tensors]
    )
