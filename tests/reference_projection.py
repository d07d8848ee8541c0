"""The projection by other means: exact rationals on sorted groups, and bisection."""

from fractions import Fraction

import numpy as np


def _level(group, theta):
    """Level and number of clipped entries of a group sorted in falling order."""
    if sum(group) <= theta:
        return Fraction(0), 0
    total = Fraction(0)
    for count, entry in enumerate(group, 1):
        total += entry
        level = (total - theta) / count
        if count == len(group) or level >= group[count]:
            return level, count


def exact_levels(Y, radius):
    """Theta and the levels mu of the rows, as fractions; Y outside the ball."""
    groups = [
        sorted((Fraction(float(entry)) for entry in row), reverse=True)
        for row in np.abs(Y)
    ]
    radius, theta = Fraction(float(radius)), Fraction(0)
    while True:
        levels = [_level(group, theta) for group in groups]
        excess = sum(level for level, _ in levels) - radius
        if excess <= 0:
            return theta, [level for level, _ in levels]
        theta += excess / sum(Fraction(1, count) for _, count in levels if count)


def bisection_projection(Y, radius):
    """The projection by bisection of theta in long double, without Newton's method.

    The level of a group is the highest of the lines (sum of its k largest - theta)
    / k, all of which are found by sorting.
    """
    magnitudes = -np.sort(-np.abs(Y).astype(np.longdouble), axis=1)
    sums = np.cumsum(magnitudes, axis=1)
    counts = np.arange(1, Y.shape[1] + 1)

    def levels(theta):
        return np.maximum(((sums - theta) / counts).max(axis=1), 0)

    low, high = np.longdouble(0), sums[:, -1].max()
    for _ in range(80):
        theta = (low + high) / 2
        low, high = (theta, high) if levels(theta).sum() > radius else (low, theta)
    level = levels(high)[:, None]
    return np.clip(Y.astype(np.longdouble), -level, level)
