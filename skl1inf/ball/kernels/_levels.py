"""One number a group: Newton's steps on theta, the levels and their rounding.

The method is explained in docs/projection.md. In a group that survives,

    sum_j max(|Y_ij| - mu_i, 0) = theta * c_i,    c_i = w_i / m_i,

and the groups fill the ball: sum_i w_i mu_i = radius. The weight w_i in the norm and
the weight m_i in the distance are 1 for the plain projection. The *share* of a group
in the norm is w_i mu_i(theta): convex, decreasing and piecewise linear. A *tangent* of
it is a line (total - theta) * slope that never exceeds it: with the sum T and the
number k of the entries above any level,

    total = T / c_i,    slope = w_i c_i / k.
"""

from typing import NamedTuple

import numpy as np

from ._compile import SUM, bits, floats, inlined, kernel
from ._members import extent

# A net under the proof in docs/projection.md, which is free of rounding; two to
# seven iterations are usual, and the result is in the ball whatever their number.
MAX_ITER = 100
# Running sums of the compensated sum, which fill the vectors of any processor.
LANES = 64


class Room(NamedTuple):
    """Arrays that the kernels write."""

    places: np.ndarray
    state: np.ndarray
    level: np.ndarray  # largest entry of every group, then the final level
    level_bits: np.ndarray  # the same, read as integers: see `bits`


# Rows of `places`: the groups that are left; those to look at, as places among them.
ROWS, VISIT = range(2)
# Rows of `state`. Of the groups that are left: l1 norm / c_i, which is the theta from
# which on the group is zero; the tangent; the level at which it was taken, and the
# distance from that level to the nearest entry; the level.
# Of all groups: what one kernel needs for itself, c_i and w_i. At last the lanes of
# the compensated sum and their rounding errors.
SUMS, TOTAL, SLOPE, AT, GAP, MU, SCRATCH, COST, WEIGHT, LANE, ERROR = range(11)


def make_room(level):
    """Make room for groups whose levels go into an array."""
    n_groups = level.size
    return Room(
        np.empty((2, n_groups), np.intp),
        np.empty((11, max(n_groups, LANES))),
        level,
        bits(level),
    )


# Kernels are compiled for each of the values that `weighted` may have: see _members.py.
# Where it is None, a factor of 1 is left out.


@kernel()
def set_weights(metric, weights, room):
    """Set w_i and c_i = w_i / m_i, the latter so that the smallest is 1.

    That multiplies theta by a constant, and no sum can overflow.
    """
    least = np.inf
    for i in range(metric.size):
        room.state[WEIGHT, i] = weights[i]
        room.state[COST, i] = weights[i] / metric[i]
        least = min(least, room.state[COST, i])
    for i in range(metric.size):
        room.state[COST, i] /= least


@kernel()
def cost_of(weighted, i, room):
    """Give c_i."""
    if weighted is None:
        return 1.0
    return room.state[COST, i]


@inlined
def size_of(weighted, i, size):
    """Give the number of entries of a group, with rows of a size."""
    _, start, end = extent(weighted, i, size)
    return end - start


@kernel()
def weight_of(weighted, i, room):
    """Give w_i."""
    if weighted is None:
        return 1.0
    return room.state[WEIGHT, i]


@kernel()
def compensated_sum(n, x, lanes, errors):
    """Sum of n numbers >= 0, with the rounding errors of additions added at the end.

    In many lanes at once, for which there must be room.
    """
    for k in range(LANES):
        lanes[k] = errors[k] = 0.0
    for start in range(0, n, LANES):
        for k in range(min(LANES, n - start)):
            value = x[np.uintp(start + k)]
            new = lanes[k] + value
            rest = new - lanes[k]
            errors[k] += (lanes[k] - (new - rest)) + (value - rest)
            lanes[k] = new
    top = rest_of_all = 0.0
    for k in range(LANES):
        new = top + lanes[k]
        rest = new - top
        rest_of_all += (top - (new - rest)) + (lanes[k] - rest) + errors[k]
        top = new
    return top + rest_of_all if top < np.inf else top


@kernel()
def norm_of_levels(weighted, room):
    """sum_i w_i level_i: the norm of a matrix with these largest entries."""
    n = room.level.size
    for i in range(n):
        room.state[SCRATCH, i] = room.level[i] * weight_of(weighted, i, room)
    return compensated_sum(n, room.state[SCRATCH], room.state[LANE], room.state[ERROR])


# Newton's method ----------------------------------------------------------------


@kernel(fastmath=SUM)
def height_and_slope(n, total, slope, theta):
    """Sum of the tangents at theta, where they are positive, and of their slopes."""
    height = steepness = 0.0
    for g in range(n):
        above = total[g] - theta
        height += above * slope[g] if above > 0.0 else 0.0
        steepness += slope[g] if above > 0.0 else 0.0
    return height, steepness


@inlined
def advance(n, theta, radius, room):
    """Root theta of the sum of the tangents less the radius, from either side.

    The sum is convex and decreasing: a step from the right ends on the left.
    """
    for step in range(MAX_ITER):
        height, slope = height_and_slope(n, room.state[TOTAL], room.state[SLOPE], theta)
        if height < radius and step == 0:
            theta += (height - radius) / slope
            theta = theta if slope > 0.0 and theta > 0.0 else 0.0
        elif not height > radius or theta + (height - radius) / slope <= theta:
            break
        else:
            theta += (height - radius) / slope
    return theta


@inlined
def survivors(n, theta, room):
    """Move the groups that may survive to the front, if that pays; return their number.

    The dead ones that stay do no harm: their levels are 0.
    """
    count = np.intp(0)
    least = theta * (1.0 - 2.0**-20)  # sums are rounded: what is near may survive
    for g in range(np.uintp(n)):
        count += room.state[SUMS, g] > least
    if 4 * count > 3 * n:
        return n
    end = np.uintp(0)
    for g in range(np.uintp(n)):
        room.places[VISIT, end] = g
        end += np.uintp(room.state[SUMS, g] > least)
    for k in range(end):
        g = np.uintp(room.places[VISIT, k])
        room.places[ROWS, k] = room.places[ROWS, g]
        for row in range(MU):
            room.state[row, k] = room.state[row, g]
    return count


@inlined
def set_levels(n, theta, size, weighted, room):
    """Set mu to the higher at theta of the last tangent and the one at 0."""
    for g in range(n):
        i = np.uintp(room.places[ROWS, g])
        last = (
            (room.state[TOTAL, g] - theta)
            * room.state[SLOPE, g]
            / weight_of(weighted, i, room)
        )
        flat = (
            (room.state[SUMS, g] - theta)
            * cost_of(weighted, i, room)
            / size_of(weighted, i, size)
        )
        level = last if last > flat else flat
        room.state[MU, g] = level if flat > 0.0 else 0.0


@kernel()
def list_visits(start, stop, room):
    """List the groups whose tangent may have changed since it was taken.

    It has not where no entry lies between the level that it was taken at and mu. The
    list starts at visit[start]; returns its end.
    """
    end = np.uintp(start)
    for g in range(np.uintp(start), np.uintp(stop)):
        room.places[VISIT, end] = g
        changed = not abs(room.state[MU, g] - room.state[AT, g]) < room.state[GAP, g]
        end += np.uintp((room.state[MU, g] > 0.0) & changed)
    return np.intp(end)


@kernel()
def move(n, step, theta, radius, size, apart, weighted, room):
    """Move theta and the levels to the root of the tangents.

    Returns theta, the number of groups left and the end of the list of those to
    visit. Groups that are not `apart` in memory stay where they are, and all of them
    are visited.
    """
    root = advance(n, theta, radius, room)
    # Only a guess can be too far right: later, a step back is rounding.
    theta = root if step == 0 or root > theta else theta
    if apart:
        n = survivors(n, theta, room)
    set_levels(n, theta, size, weighted, room)
    return theta, n, list_visits(np.intp(0), n, room) if apart else n


@kernel()
def eps_of(itemsize):
    """Relative spacing of the floats of so many bytes."""
    return 2.0**-52 if itemsize == 8 else 2.0**-23


# Tangents that the passes over the groups find ------------------------------------


@inlined
def flat_tangent(g, size, weighted, room):
    """Take the tangent at 0, where all entries are clipped."""
    i = np.uintp(room.places[ROWS, g])
    unit = weight_of(weighted, i, room) * cost_of(weighted, i, room)
    room.state[TOTAL, g] = room.state[SUMS, g]
    room.state[SLOPE, g] = unit / size_of(weighted, i, size)


@inlined
def peak_tangent(g, theta, size, weighted, room):
    """Take the tangent at the largest entry if it is higher at theta."""
    i = np.uintp(room.places[ROWS, g])
    cost = cost_of(weighted, i, room)
    peak = room.level[g] / cost
    if peak - theta > (room.state[SUMS, g] - theta) / size_of(weighted, i, size):
        room.state[TOTAL, g] = peak
        room.state[SLOPE, g] = weight_of(weighted, i, room) * cost


@inlined
def guess_level(g, theta, line, size, weighted, room):
    """Set mu to a guess of the level at theta; 0 where there is no use in one."""
    i = np.uintp(room.places[ROWS, g])
    total = room.state[SUMS, g]
    flat = (total - theta) * cost_of(weighted, i, room) / size_of(weighted, i, size)
    guess = line[0] + line[1] * flat
    guess = guess if guess > flat else flat
    lives = (theta > 0.0) & (theta < total) & (total < np.inf)
    room.state[MU, g] = guess if lives else 0.0
    room.state[AT, g] = room.state[GAP, g] = 0.0


@kernel()
def set_first_tangents(start, stop, top, theta, line, size, peaked, weighted, room):
    """Set tangents and guesses of the level, given the sums of the entries.

    Returns the larger of `top` and of the sums' bits, which are larger than those of
    infinity for NaN.
    """
    start, stop = np.uintp(start), np.uintp(stop)
    for g in range(start, stop):
        as_bits = bits(abs(room.state[SUMS, g]))
        top = as_bits if as_bits > top else top
    for g in range(start, stop):
        room.state[SUMS, g] /= cost_of(weighted, np.uintp(room.places[ROWS, g]), room)
        flat_tangent(g, size, weighted, room)
    for g in range(start, stop if peaked else start):
        peak_tangent(g, theta, size, weighted, room)
    for g in range(start, stop):
        guess_level(g, theta, line, size, weighted, room)
    return top


@kernel()
def base_of(g, level, weighted, room):
    """Give what to subtract from the entries above a level before they are summed.

    The level, where they are near to it: their difference is exact. Where they are far
    above, a difference would be rounded, and none is taken.
    """
    share = 2.0 * level * weight_of(weighted, np.uintp(room.places[ROWS, g]), room)
    return (
        level if share > room.state[TOTAL, g] * room.state[SLOPE, g] else level - level
    )


@kernel()
def update(g, found, level, base, theta, eps, weighted, room):
    """Take a group's new tangent; tell whether it is new beyond rounding.

    It is `found` by a pass: sum over the base and number of the entries above the
    level, and the distance from the level to the nearest entry.
    """
    part, number, nearest = found
    i = np.uintp(room.places[ROWS, g])
    cost, weight = cost_of(weighted, i, room), weight_of(weighted, i, room)
    total_before, slope_before = room.state[TOTAL, g], room.state[SLOPE, g]
    above = part + number * base
    slope = weight * cost / number
    new = slope_before != slope
    last = (total_before - theta) * slope_before / weight
    rise = (above - theta * cost) - number * last
    # A lower one than before is rounding. Without branches, as the answers vary.
    take = (number > 0.0) & ((rise > 0.0) | (not new))
    room.state[TOTAL, g] = above / cost if take else total_before
    room.state[SLOPE, g] = slope if take else slope_before
    room.state[AT, g] = level if take else room.state[AT, g]
    # Differences of floats are rounded.
    room.state[GAP, g] = (1.0 - eps) * nearest if take else room.state[GAP, g]
    return take & new & (abs(rise) > 4.0 * eps * above)


# A sample of the groups -----------------------------------------------------------


@kernel()
def take_every(step, n, room):
    """Set the first rows to every step-th of n, without a guess; give their number."""
    count = (n + step - 1) // step
    for g in range(count):
        room.places[ROWS, g] = g * step
    return count


@kernel()
def fit_levels(n, theta, size, weighted, room):
    """Line, by least squares, of the levels over those if all entries were clipped."""
    number = mean = mean_flat = variance = covariance = 0.0
    for g in range(n):
        i = np.uintp(room.places[ROWS, g])
        flat = (
            (room.state[SUMS, g] - theta)
            * cost_of(weighted, i, room)
            / size_of(weighted, i, size)
        )
        room.state[SCRATCH, g] = flat
        lives = 1.0 if room.state[MU, g] > 0.0 else 0.0
        number += lives
        mean += room.state[MU, g]
        mean_flat += lives * flat
    number = number if number > 0.0 else 1.0
    mean, mean_flat = mean / number, mean_flat / number
    for g in range(n):
        off = room.state[SCRATCH, g] - mean_flat if room.state[MU, g] > 0.0 else 0.0
        variance += off * off
        covariance += off * (room.state[MU, g] - mean)
    slope = covariance / variance if variance > 0.0 else 0.0
    return mean - slope * mean_flat, slope


# The end --------------------------------------------------------------------------


@inlined
def largest_of(n, x):
    """Largest of n numbers >= 0."""
    top = np.int64(0)
    for g in range(np.uintp(n)):
        as_bits = bits(x[g])
        top = as_bits if as_bits > top else top
    return floats(top)


@kernel(fastmath=SUM)
def sum_where_positive(n, x, where):
    """Sum of n numbers, of those where others are positive."""
    total = 0.0
    for g in range(np.uintp(n)):
        total += x[g] if where[g] > 0.0 else 0.0
    return total


@inlined
def settle(n, theta, radius, room):
    """Set mu to the shares at theta, corrected until they add up to the radius.

    Where the radius is tiny, the tangents at theta cancel: what is missing is
    small against the entries, not against the radius.
    """
    theta = min(theta, largest_of(n, room.state[TOTAL]) * (1.0 - 2.0**-53))
    shift = excess = 0.0
    for _ in range(10):
        for g in range(np.uintp(n)):
            above = (room.state[TOTAL, g] - theta) - shift
            room.state[MU, g] = above * room.state[SLOPE, g] if above > 0.0 else 0.0
        slope = sum_where_positive(n, room.state[SLOPE], room.state[MU])
        excess = (
            compensated_sum(n, room.state[MU], room.state[LANE], room.state[ERROR])
            - radius
        )
        if slope == 0.0 or abs(excess) <= 2.0**-51 * radius:
            break
        shift += excess / slope
    if excess > 0.0:  # a rest below the rounding of the entries
        for g in range(np.uintp(n)):
            room.state[MU, g] *= radius / (radius + excess)


@kernel()
def finish(n, theta, radius, scale, weighted, room):
    """Set the final levels, in the dtype of Y and those of Y / scale.

    They are rounded towards zero, and on until their norm is at most the radius.
    """
    settle(n, theta, radius * scale, room)
    level, as_bits = room.level, room.level_bits
    inverse = 1.0 / scale
    for i in range(level.size):
        as_bits[i] = 0
    for g in range(np.uintp(n)):
        i = np.uintp(room.places[ROWS, g])
        top = room.state[MU, g] * inverse / weight_of(weighted, i, room)
        level[i] = top
        as_bits[i] -= level[i] > top  # the next float towards 0
    while norm_of_levels(weighted, room) > radius:
        for i in range(level.size):
            as_bits[i] -= as_bits[i] > 0
