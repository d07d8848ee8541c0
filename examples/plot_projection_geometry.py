r"""
===========================
The ball, drawn as geometry
===========================

:func:`~skl1inf.project_l1inf` takes a matrix to the nearest one in the ball

.. math:: \Bigl\{ W : \sum_i \max_j |W_{ij}| \le C \Bigr\}.

Pictures in two and three dimensions show why whole rows become zero.
"""

# %%
# A corner for every row
# ----------------------
# On the left there are two rows of one entry: the ball is the diamond of the l1 norm.
# Every point moves to the nearest point of the ball. Beside a corner this is the
# corner, where the other row is zero.
#
# On the right the first row has two equal entries, :math:`(a, a)`, and the second is
# :math:`(b, 0)`. The norm, :math:`|a| + |b|`, depends on the largest entries alone, so
# the second entry of the first row costs nothing. In the direction of this row, where
# distances are :math:`\sqrt 2\, |a|`, the ball is longer. Fewer points lose their first
# row, and more lose the second. **A row costs as much as its largest entry, and
# survives by the sum of its absolute entries.**

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from skl1inf import project_l1inf

BLUE, GREY, RED = colors = "#0072b2", "0.75", "#d55e00"
FANS = ListedColormap(colors)


def landed(points, row_1, row_2):
    """Project the matrices with rows s * row_1 and t * row_2, unit vectors both."""
    projected = [
        project_l1inf(np.outer([s, 0], row_1) + np.outer([0, t], row_2), 1.0)
        for s, t in points
    ]
    return np.array([(W[0] @ row_1, W[1] @ row_2) for W in projected])


grid = np.stack(np.meshgrid(*[np.linspace(-2, 2, 201)] * 2), axis=-1).reshape(-1, 2)
points = np.random.default_rng(3).uniform(-1.9, 1.9, (40, 2))
slices = {
    "rows of one entry": ([1.0], [1.0]),
    "first row: two equal entries": ([0.5**0.5, 0.5**0.5], [1.0, 0.0]),
}

figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
for ax, (title, rows) in zip(axes, slices.items(), strict=True):
    ends = landed(grid, *map(np.array, rows))
    fans = (ends[:, 0] == 0) - 1.0 * (ends[:, 1] == 0)
    ax.imshow(
        fans.reshape(201, 201),
        extent=(-2, 2, -2, 2),
        origin="lower",
        cmap=FANS,
        alpha=0.2,
    )
    length = np.abs(rows[0]).sum()
    corners = [(length, 0), (0, 1), (-length, 0), (0, -1)]
    ax.fill(*zip(*corners, strict=True), fc="white", ec="black", lw=1.5, zorder=2)
    ends = landed(points, *map(np.array, rows))
    for start, end in zip(points, ends, strict=True):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.25"})
    ax.scatter(*ends.T, s=22, c="black", zorder=3)
    ax.set(title=title, xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
    ax.set(xlabel="length of the first row", ylabel="length of the second row")
for color, text in (
    (BLUE, "the second row dies"),
    (RED, "the first row dies"),
    (GREY, "both survive"),
):
    axes[0].scatter([], [], c=color, marker="s", alpha=0.5, label=text)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
plt.show()

# %%
# Rows die whole
# --------------
# In three dimensions, the first row has two entries, :math:`(x, y)`, and the second has
# one, :math:`z`. Where the second row is zero, the ball is a square: the entries of the
# first row are clipped at the same level, and neither is zero. A point that lands on
# the square has lost its second row. A point that lands in a tip has lost the whole
# first row, both entries at once. No region of points ends where one entry of the first
# row alone is zero, as on the l1 ball.

rng = np.random.default_rng(0)
cloud = rng.standard_normal((400, 3))
cloud *= rng.uniform(1.5, 3, (400, 1)) / np.linalg.norm(cloud, axis=1, keepdims=True)
ends = np.empty_like(cloud)
for point, end in zip(cloud, ends, strict=True):
    W = project_l1inf([[point[0], point[1]], [point[2], 0]], 1.0)
    end[:] = W[0, 0], W[0, 1], W[1, 0]
row_1, row_2 = ends[:, :2].any(axis=1), ends[:, 2] != 0
print(f"{np.mean(row_1 & row_2):.0%} keep both rows")
print(
    f"{np.mean(row_1 & ~row_2):.0%} the first alone, {np.mean(~row_1):.0%} the second"
)

square = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0], [1, 1, 0]])
figure = plt.figure(figsize=(7, 6), layout="constrained")
ax = figure.add_subplot(projection="3d", computed_zorder=False)
for tip in ([0, 0, 1], [0, 0, -1]):
    faces = [np.array([tip, *edge]) for edge in pairwise(square)]
    for face in faces:
        ax.plot_trisurf(*face.T, color="#56b4e9", alpha=0.18)
    for corner in square[:-1]:
        ax.plot(*np.array([tip, corner]).T, color="0.4", lw=1)
ax.plot(*square.T, color="0.2", lw=1.5)
for where, color, text in (
    (row_1 & row_2, "0.5", "both rows survive"),
    (row_1 & ~row_2, BLUE, "the second row is zero"),
    (~row_1, RED, "the first row is zero"),
):
    for start, end in zip(cloud[where][:12], ends[where][:12], strict=True):
        ax.plot(*np.array([start, end]).T, color=color, lw=0.6, alpha=0.6)
    ax.scatter(*ends[where].T, s=20, c=color, label=text, depthshade=False)
ax.set(xlabel="first row, x", ylabel="first row, y", zlabel="second row, z")
ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), zlim=(-1.2, 1.2), box_aspect=(1, 1, 1))
ax.view_init(elev=18, azim=-58)
figure.legend(loc="outside upper center", ncols=3)
plt.show()
