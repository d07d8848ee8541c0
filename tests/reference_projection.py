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


def bisection_projection(Y, radius, weights=None, groups=None):
    """The projection by bisection of theta in long double, without Newton's method.

    The level of a group is the highest of the lines (sum of its k largest - theta w)
    / k, all of which are found by sorting. `groups` numbers the groups of rows.
    """
    Y = Y.astype(np.longdouble)
    groups = np.arange(len(Y)) if groups is None else groups
    n_groups = groups.max() + 1
    weights = np.ones(n_groups) if weights is None else weights
    weights = weights.astype(np.longdouble)
    sums = [
        np.cumsum(np.sort(np.abs(Y[groups == g]), axis=None)[::-1])
        for g in range(n_groups)
    ]
    if weights @ [each[0] for each in sums] <= radius:
        return Y

    def levels(theta):
        lines = (
            (total - theta * weight) / np.arange(1, len(total) + 1)
            for total, weight in zip(sums, weights, strict=True)
        )
        return np.array([max(each.max(), 0) for each in lines])

    low = np.longdouble(0)
    high = max(total[-1] / weight for total, weight in zip(sums, weights, strict=True))
    for _ in range(80):
        theta = (low + high) / 2
        inside = weights @ levels(theta) <= radius
        low, high = (low, theta) if inside else (theta, high)
    level = levels(high)[groups, None]
    return np.clip(Y, -level, level)
