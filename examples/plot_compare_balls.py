"""
======================================
Which rows die: four balls, one matrix
======================================

The ball decides what becomes zero: single entries or whole rows, and which rows. This
example shows four projections of one matrix side by side.
"""

# %%
# A matrix of weights
# -------------------
# The matrix has 60 rows of 24 entries. In the first layer of a network, a row is a
# feature. Ten rows are strong in all entries; ten are noise with one large entry; the
# others are noise.

import matplotlib.pyplot as plt
import numpy as np

from skl1inf import (
    l1inf_norm,
    project_l1,
    project_l1inf,
    project_l1inf_bilevel,
    project_l12,
)

rng = np.random.default_rng(0)
Y = 0.2 * rng.standard_normal((60, 24))
Y[:10] += rng.choice([-1, 1], (10, 24))
Y[np.arange(10, 20), rng.integers(24, size=10)] = 2

balls = {
    "l1,inf": (project_l1inf, l1inf_norm(Y)),
    "l1,2": (project_l12, np.linalg.norm(Y, axis=1).sum()),
    "l1": (project_l1, np.abs(Y).sum()),
    "bi-level": (project_l1inf_bilevel, l1inf_norm(Y)),
}

# %%
# Ten rows are to survive
# -----------------------
# Each ball is as large as possible with ten rows left. The l1,inf ball judges a row by
# the sum of its absolute entries, the l1,2 ball by its Euclidean norm. Both keep the
# strong rows. The l1 ball, which zeroes single entries, and the bi-level relaxation of
# the l1,inf ball judge a row by its largest entry alone. They prefer noise with one
# spike to a row that is strong in all entries.


def n_alive(W):
    """Return the number of rows that are not zero."""
    return np.count_nonzero(W.any(axis=1))


shares = np.geomspace(1, 1e-3, 500)
matrices = {"the matrix": Y}
for name, (project, norm) in balls.items():
    path = (project(Y, share * norm) for share in shares)
    matrices[name] = next(W for W in path if n_alive(W) <= 10)

figure, axes = plt.subplots(1, 5, figsize=(11, 6), sharey=True, layout="constrained")
for ax, (name, W) in zip(axes, matrices.items(), strict=True):
    largest = np.abs(W).max()
    image = ax.imshow(
        np.ma.masked_equal(W / largest, 0),
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
    )
    ax.hlines([9.5, 19.5], -0.5, 23.5, color="black", lw=0.8)
    ax.set(title=name, xticks=[], yticks=[], facecolor="0.85")
    moved = np.linalg.norm(W - Y) / np.linalg.norm(Y)
    ax.set_xlabel(
        f"{1 - n_alive(W) / len(W):.0%} of rows zero\n"
        f"{(W == 0).mean():.0%} of entries zero\n"
        f"largest entry {largest:.2f}\n"
        f"moved by {moved:.2f}"
    )
for middle, text in ((4.5, "strong"), (14.5, "one spike"), (39.5, "noise")):
    axes[0].text(-1, middle, text, rotation=90, ha="right", va="center")
figure.colorbar(image, ax=axes, shrink=0.5, label="entry / largest entry (grey: zero)")
plt.show()

# %%
# The path from the whole matrix to nothing
# -----------------------------------------
# As the ball shrinks, rows die and the matrix moves. Each radius is a share of the norm
# of the matrix that belongs to the ball. The exact l1,inf projection moves the matrix
# least, and its rows die in small balls only. The bi-level relaxation ends in the same
# ball, further away.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
shares = np.linspace(0.01, 1, 100)
for (name, (project, norm)), style in zip(
    balls.items(), ("-", "--", ":", "-."), strict=True
):
    path = [project(Y, share * norm) for share in shares]
    moved = [np.linalg.norm(W - Y) / np.linalg.norm(Y) for W in path]
    axes[0].plot(shares, [1 - n_alive(W) / len(W) for W in path], style, lw=2)
    axes[1].plot(shares, moved, style, lw=2, label=name)
axes[0].set(ylabel="share of rows that are zero")
axes[1].set(ylabel="distance moved / norm of the matrix")
for ax in axes:
    ax.set_xlabel("radius / norm of the matrix")
axes[1].legend(title="ball")
plt.show()
