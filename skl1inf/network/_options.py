"""What the training can be told."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Options:
    """The settings of the training.

    Attributes
    ----------
    n_hidden, n_latent : int
        Number of hidden units, and of units of the code.
    activation : {"silu", "relu", "tanh", "identity"}
        That of the hidden units.
    reconstruction_weight : float
        Weight of the reconstruction beside the loss of the target.
    step : float or None
        Length of the steps of the first layer, relative to the radius. None: from the
        curvature where it is known, else 0.01.
    max_iter : int
        Maximum number of passes over the data in a descent.
    tol : float
        A descent ends where the relative duality gap is at most this.
    batch_size : int or None
        Number of samples of a mini-batch; None: all.
    seed : int
        Determines the initial weights and the order of mini-batches.
    device : torch.device
        Where to train.
    """

    n_hidden: int
    n_latent: int
    activation: str
    reconstruction_weight: float
    step: float | None
    max_iter: int
    tol: float
    batch_size: int | None
    seed: int
    device: torch.device
