"""
==============================
A projected layer in a network
==============================

:func:`~skl1inf.project_l1inf` takes tensors, and torch can differentiate it. So the
first layer of any network can be kept in the ball, and few of its inputs stay alive.
"""

# %%
# Data and a network
# ------------------
# 300 samples of 100 features, and 300 more to test on. The target is the product of
# features 0 and 1 plus the square of feature 2; the other 97 features are noise.

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.utils import parametrize

from skl1inf import l1inf_norm, project_l1inf

torch.manual_seed(0)
X = torch.randn(600, 100)
y = X[:, 0] * X[:, 1] + X[:, 2] ** 2 - 1 + 0.1 * torch.randn(600)
train, test = slice(300), slice(300, None)
radii = np.r_[np.geomspace(20, 0.4, 400), np.full(200, 0.4)]


def make_network():
    """Return a network with one hidden layer of 32 units."""
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(100, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
    )


def make_optimizer(network):
    """Return gradient descent with momentum: one step length for all weights.

    The decay bounds the second layer, which could undo the bound on the first.
    """
    return torch.optim.SGD(
        network.parameters(), lr=0.02, momentum=0.9, weight_decay=0.01
    )


def step(network, optimizer):
    """Take one step of the optimiser on all training samples."""
    optimizer.zero_grad()
    loss = (network(X[train])[:, 0] - y[train]).square().mean()
    loss.backward()
    optimizer.step()


# %%
# A parametrization
# -----------------
# A weight of ``torch.nn.Linear`` has a column for every input feature: the groups
# are columns, ``axis=0``. The network sees the projected weight. The optimiser moves
# the weight before the projection, by the gradient through the projection.
#
# A column that is projected to zero has a gradient of zero. So the ball is large at
# first, with all columns alive, and shrinks slowly.


class Ball(torch.nn.Module):
    """Parametrization of a weight by its nearest point in the ball."""

    def __init__(self, radius):
        super().__init__()
        self.radius = radius

    def forward(self, W):
        """Project the columns."""
        return project_l1inf(W, self.radius, axis=0)


differentiated = make_network()
parametrize.register_parametrization(differentiated[0], "weight", Ball(radii[0]))
optimizer = make_optimizer(differentiated)
for radius in radii:
    differentiated[0].parametrizations.weight[0].radius = radius
    step(differentiated, optimizer)

# %%
# Projected gradient descent
# --------------------------
# The other way is to project the weight itself after every step, in place and without
# a gradient. A column at zero still has a gradient here, and can come back.

projected = make_network()
optimizer = make_optimizer(projected)
for radius in radii:
    step(projected, optimizer)
    with torch.no_grad():
        weight = projected[0].weight
        project_l1inf(weight, radius, axis=0, out=weight)

# %%
# Without a ball
# --------------

free = make_network()
optimizer = make_optimizer(free)
for _ in radii:
    step(free, optimizer)

# %%
# Few inputs stay alive
# ---------------------
# Without a ball the network fits the noise features. Both projected networks keep the
# three features of the target and few others, and predict much better.

networks = {
    "no ball": free,
    "parametrization": differentiated,
    "projected after every step": projected,
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True, layout="constrained")
for ax, (name, network) in zip(axes, networks.items(), strict=True):
    with torch.no_grad():
        W = network[0].weight
        largest = W.abs().amax(0).numpy()
        left = (network(X[test])[:, 0] - y[test]).square().mean() / y[test].var()
    alive = np.count_nonzero(largest)
    print(
        f"{name}: norm {l1inf_norm(W, axis=0):.2f}, {alive} features alive, "
        f"test error {left:.2f} of the variance"
    )
    colors = np.where(np.arange(100) < 3, "#d55e00", "0.6")
    ax.bar(np.arange(100), largest, color=colors, width=1)
    ax.set(title=f"{name}\n{alive} features alive, test error {left:.2f}")
    ax.set_xlabel("input feature (orange: in the target)")
axes[0].set_ylabel("largest absolute weight")
plt.show()
