"""The projection of an array: Newton's method on theta and all levels together.

`project` and its like are what the rest of the package calls. Where groups are rows
and one thread does, the whole of it is one compiled function, `drive`. Else the
interpreter runs the same function, and only the kernels that it calls are compiled.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from . import _columns, _rows
from ._compile import kernel
from ._levels import (
    LANES,
    MAX_ITER,
    SLOPE,
    SUMS,
    TOTAL,
    compensated_sum,
    finish,
    fit_levels,
    height_and_slope,
    make_room,
    move,
    norm_of_levels,
    set_weights,
    take_every,
)

# One row in so many is projected first, for a guess of theta, from so many rows on;
# of very many rows about as many as the last says.
SAMPLE_STEP, SAMPLE_FROM, SAMPLE_SIZE = 64, 512, 4096
# Threads pay for their start from this many entries on, and then for a pass.
ENTRIES_PER_THREAD, ENTRIES_PER_PASS = 2**20, 2**18


# The passes over the groups -----------------------------------------------------


class Groups:
    """Rows (axis 1) or columns (axis 0) whose passes run in one or more threads."""

    def __init__(self, Y, axis, n_groups, pool, parts):
        self.Y = Y
        self.kernels = _rows if axis == 1 else _columns
        self.size = Y.size // n_groups
        self.pool, self.parts = pool, parts

    def measure(self, *arguments):
        """Measure the groups; give the largest sum."""
        return self._in_parts(self.kernels.measure, *arguments)

    def refine(self, *arguments):
        """Take new tangents; tell whether there are any."""
        return self._in_parts(self.kernels.refine, *arguments)

    def clip(self, *arguments):
        """Clip the groups."""
        self._in_parts(self.kernels.clip, *arguments)

    def _in_parts(self, function, start, stop, *arguments):
        """Run a kernel over blocks of groups; give the largest of its results."""
        n = stop - start
        parts = max(1, min(self.parts, n * self.size // ENTRIES_PER_PASS))
        bounds = [start + n * part // parts for part in range(parts + 1)]

        def run(first, last):
            return function(self.Y, first, last, *arguments) or 0

        others = [self.pool.submit(run, *each) for each in pairwise(bounds[1:])]
        return max([run(*bounds[:2])] + [other.result() for other in others])


def threads_that_pay(Y, n_groups):
    """Give the number of threads to use on Y."""
    parts = min(Y.size // ENTRIES_PER_THREAD, n_groups)
    return min(parts, threads_allowed()) if parts > 1 else 1


def threads_allowed():
    """As many threads as torch is allowed, where it is loaded, or else OpenMP."""
    if "torch" in sys.modules:
        return sys.modules["torch"].get_num_threads()
    from ..._sklearn import _openmp_effective_n_threads

    return _openmp_effective_n_threads()


# The method -----------------------------------------------------------------------


@kernel()
def limits(itemsize):
    """Range of the largest sum where neither sums nor steps lose digits."""
    return (2.0**-958, 2.0**959) if itemsize == 8 else (2.0**-62, 2.0**63)


@kernel()
def drive(Y, groups, axis, radius, scale, metric, weights, weighted, out, room):
    """Project Y, which was multiplied by a scale, into out if this is 1 and out given.

    Where `groups` is None they are rows in one thread: this is how it is compiled.
    Sets the levels to those of what they were; to their largest entries if they are in
    the ball or if the largest sum is out of the limits. Returns this sum, theta and the
    number of iterations, which is 0 in these two cases.
    """
    level = room.level
    if metric is not None:
        set_weights(metric, weights, room)
    low, high = limits(Y.itemsize)
    size, apart = Y.shape[axis], axis == 1
    step = max(SAMPLE_STEP, level.size // SAMPLE_SIZE)
    step = step if apart and level.size >= SAMPLE_FROM else 1
    # Variables: numba would compile a kernel again for the constants 0 and True.
    first, peaked = np.intp(0), np.bool_(True)
    theta, line = 0.0, (0.0, 1.0)
    while True:
        # A sample of the groups first, for a guess of theta; then all of them.
        n = take_every(step, level.size, room)
        share = radius * scale * (n / level.size)
        if groups is None:
            highest = _rows.measure(Y, first, n, theta, line, peaked, weighted, room)
        else:
            highest = groups.measure(0, n, theta, line, peaked, weighted, room)
        usual = scale != 1.0 or low <= highest <= high
        # A group's largest entry is no less than the mean of those above a level: if
        # these means do not fit the ball, the largest entries need not be known.
        means, _ = height_and_slope(n, room.state[TOTAL], room.state[SLOPE], 0.0)
        if step == 1 and not (usual and means > 1.00001 * share):
            if not peaked:
                peaked = np.bool_(True)
                continue
            if norm_of_levels(weighted, room) <= share or not usual:
                return highest, 0.0, 0
        n_iter, changed = first, True
        while changed and n_iter < MAX_ITER:
            theta, n, end = move(n, n_iter, theta, share, size, apart, weighted, room)
            if groups is None:
                changed = _rows.refine(Y, first, end, theta, weighted, room)
            else:
                changed = groups.refine(0, end, theta, weighted, room)
            n_iter += 1
        if step == 1:
            break
        line = fit_levels(n, theta, size, weighted, room)
        theta = theta if theta < np.inf else 0.0
        step, peaked = 1, theta == 0.0
    finish(n, theta, radius, scale, weighted, room)
    if out is not None and scale == 1.0:
        if groups is None:
            _rows.clip(Y, first, level.size, level, out)
        else:
            groups.clip(0, level.size, level, out)
    return highest, theta / scale, n_iter


def run_drive(Y, axis, *arguments):
    """Run `drive`: compiled as a whole, or with kernels in threads."""
    n_groups = arguments[-1].level.size
    parts = threads_that_pay(Y, n_groups)
    if axis == 1 and parts == 1:
        return drive(Y, None, axis, *arguments)
    with ThreadPoolExecutor(max(1, parts - 1)) as pool:
        return drive.__wrapped__(
            Y, Groups(Y, axis, n_groups, pool, parts), axis, *arguments
        )


# What the package calls -------------------------------------------------------------


@np.errstate(all="ignore")
def compensated(x):
    """Sum of non-negative floats with the rounding errors of its additions added."""
    x = _read_only(x.astype(np.float64, copy=False))
    return float(compensated_sum(x.size, x, *np.empty((2, LANES))))


@np.errstate(all="ignore")
def statistics(Y, axis):
    """L1 norm, in float64, and largest absolute entry of every group of C-contiguous Y.

    Groups are rows where the axis is 1 and columns where it is 0.
    """
    level = np.zeros(Y.shape[1 - axis], Y.dtype)
    n_groups = level.size
    if Y.size == 0:
        return np.zeros(n_groups), level
    room = make_room(level)
    take_every(1, n_groups, room)
    parts = threads_that_pay(Y, n_groups)
    with ThreadPoolExecutor(max(1, parts - 1)) as pool:
        groups = Groups(_read_only(Y), axis, n_groups, pool, parts)
        highest = groups.measure(0, n_groups, 0.0, (0.0, 1.0), True, None, room)
    _check_finite(Y, highest)
    return room.state[SUMS, :n_groups], level


@np.errstate(all="ignore")
def project(Y, radius, axis, out, metric=None, weights=None, members=None):
    """Project C-contiguous Y into C-contiguous out, which may be Y.

    Parameters
    ----------
    Y, out : ndarray of shape (n_groups, group_size) if axis is 1, else transposed
        Float32 or float64.
    radius : float
        Radius of the ball.
    axis : {0, 1}
        Axis along which the maximum is taken.
    metric, weights : ndarray of shape (n_groups,), default=None
        Float64 and positive: the weights of the groups in the squared distance and in
        the norm. None where all are 1.
    members : Members, default=None
        The rows of each group, for axis 1; rows of no group go to out as they are. None
        where every row or column is a group.

    Returns
    -------
    theta : float
        What each group that survives loses, where it has no weights; 0 if Y is in the
        ball.
    level : ndarray of shape (n_groups,)
        Largest entries of the groups of the result.
    n_iter : int
        Newton's iterations: 0 if none was needed.

    Raises
    ------
    ValueError
        If Y is not finite. Out is as it was then.
    """
    Y = _read_only(Y)
    if Y.size == 0 or radius == 0:
        return _project_trivially(Y, axis, out)
    n_groups = Y.shape[1 - axis] if members is None else members.starts.size - 1
    if metric is not None or weights is not None or members is not None:
        ones = np.ones(n_groups)
        metric = _read_only(ones if metric is None else metric)
        weights = _read_only(ones if weights is None else weights)
    laid, weighted, into = Y, metric, out
    if members is not None:  # the result is clipped where the rows were
        (laid, weighted), into = members.side_by_side(Y), None
        laid = _read_only(laid)
    level = np.empty(n_groups, Y.dtype)
    rest = metric, weights, weighted, into, make_room(level)
    highest, theta, n_iter = run_drive(laid, axis, radius, 1.0, *rest)
    if n_iter == 0:
        _check_finite(laid, highest)
        if compensated(level if weights is None else level * weights) <= radius:
            if out.ctypes.data != Y.ctypes.data:
                np.copyto(out, Y)
            return 0.0, level, 0
        scale = scale_of(highest, Y.dtype)
        scaled = _read_only(laid * Y.dtype.type(scale))
        _, theta, n_iter = run_drive(scaled, axis, radius, scale, *rest)
        into = None
    if into is None:
        clip(Y, axis, level if members is None else members.spread(level, np.inf), out)
    return theta, level, n_iter


def clip(Y, axis, level, out):
    """Clip rows or columns at their levels."""
    passes = _rows if axis == 1 else _columns
    passes.clip(Y, 0, level.size, level, out)


class ProjectionInMetric:
    """Projections of float64 rows, one after the other, in one metric.

    For many small matrices: the room that the kernels need is made once.
    """

    def __init__(self, metric, weights=None, members=None):
        weights = np.ones(metric.size) if weights is None else weights
        self.metric, self.weights = _read_only(metric), _read_only(weights)
        self.members = members
        self.room = make_room(np.empty(metric.size))

    def __call__(self, Y, radius):
        """Return the projection of C-contiguous Y."""
        out = np.empty_like(Y)
        if not Y.size:
            return out
        laid, weighted, into, members = Y, self.metric, out, self.members
        if members is not None:
            (laid, weighted), into = members.side_by_side(Y), None
        rest = self.metric, self.weights, weighted, into, self.room
        *_, n_iter = drive(_read_only(laid), None, 1, radius, 1.0, *rest)
        if n_iter == 0:  # in the ball, or out of the range of the kernels
            project(Y, radius, 1, out, self.metric, self.weights, members)
        elif members is not None:
            clip(_read_only(Y), 1, members.spread(self.room.level, np.inf), out)
        return out


def _project_trivially(Y, axis, out):
    """Project a matrix without entries, or onto the ball of radius 0."""
    sums, level = statistics(Y, axis)
    if level.any():
        out[...] = level[:] = 0
    elif out.ctypes.data != Y.ctypes.data:
        np.copyto(out, Y)
    return float(sums.max(initial=0)), level, 0


@np.errstate(all="ignore")
def final_levels(total, slope, theta, radius, scale, dtype, weights=None):
    """Levels mu, rounded to the dtype, that l1inf_norm adds up to the radius at most.

    The tangents and theta are those of the matrix times scale.
    """
    n = total.size
    room = make_room(np.empty(n, dtype))
    take_every(1, n, room)
    room.state[TOTAL, :n], room.state[SLOPE, :n] = total, slope
    if weights is not None:
        weights = _read_only(weights)
        set_weights(weights, weights, room)
    finish(n, theta, radius, scale, weights, room)
    return room.level


def scale_of(largest, dtype):
    """Power of 2 that brings the largest entry or sum into the limits."""
    low, high = limits(dtype.itemsize)
    return 2.0**64 if largest < low else 1.0 if largest <= high else 2.0**-64


def _read_only(Y):
    """Kernels are compiled for read-only arrays: once for all."""
    Y = Y.view()
    Y.flags.writeable = False
    return Y


def _check_finite(Y, highest):
    # A sum may overflow without.
    if not highest < np.inf and not np.isfinite(Y).all():
        raise ValueError("Y contains NaN or infinity.")
