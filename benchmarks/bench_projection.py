"""Time the projection against the copy of the matrix and published algorithms.

    python benchmarks/bench_projection.py            # the grid and the figure
    python benchmarks/bench_projection.py --growth   # 10^4 to 10^8 entries as well
    python benchmarks/bench_projection.py --other    # and nothing of the above:
        training weights in place, the first call of a process, threads, memory
    python benchmarks/bench_projection.py --short    # float32 rows of 64 and 100
    python benchmarks/bench_projection.py --groups   # groups and weights, over without
    python benchmarks/bench_projection.py --options  # what numba's options are worth

Single-threaded unless OMP_NUM_THREADS says otherwise. Ratios are medians of runs
that alternate with copies, into an output that is reused.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from published_projections import PUBLISHED

from skl1inf import l1inf_norm, project_l1inf
from skl1inf.ball._l1inf import WeightedL1Inf, l1inf
from skl1inf.ball.kernels import project

GRID = [
    (1000, 1000, "uniform", (0.001, 0.1, 1, 10, 100, 500, 900)),
    (10000, 100, "normal", (0.1, 1, 10, 100, 1000, 10000)),
    (1000, 10000, "normal", (0.1, 1, 10, 100, 1000)),
]
LABELS = {
    "skl1inf": "skl1inf",
    "spams": "SPAMS",
    "chu_semismooth_newton": "Chu et al., Newton",
    "perez_heap": "Perez et al., heaps",
    "quattoni_sort": "Quattoni et al., sorting",
}
COLUMNS = [
    "n_groups",
    "group_size",
    "entries",
    "dtype",
    "radius",
    "share_of_groups_zeroed",
    "algorithm",
    "n_iter",
    "copy_ms",
    "times_copy",
]


def matrix(n_groups, group_size, entries, dtype):
    rng = np.random.default_rng(0)
    draw = {"uniform": rng.random, "normal": rng.standard_normal}[entries]
    return np.abs(draw((n_groups, group_size))).astype(dtype)


def times(function, copy, n_runs):
    """Median seconds of a function and of the copies between its runs."""
    function()
    function_times, copy_times = [], []
    for _ in range(n_runs):
        for run, into in ((copy, copy_times), (function, function_times)):
            start = time.perf_counter()
            run()
            into.append(time.perf_counter() - start)
    return np.median(function_times), np.median(copy_times)


def spams_projection(Y, theta):
    """SPAMS's proximal operator at the penalty whose solution is our projection."""
    import spams

    # SPAMS takes groups as rows of a Fortran-ordered matrix.
    fortran = np.asfortranarray(Y)
    return lambda: spams.proximalFlat(
        fortran, False, lambda1=theta, regul="l1linf", numThreads=1
    )


def measure(n_groups, group_size, entries, dtype, radii, peers, n_runs):
    Y = matrix(n_groups, group_size, entries, dtype)
    out = np.empty_like(Y)
    for radius in radii:
        expected = np.empty_like(Y)
        theta, _, n_iter = project(Y, radius, 1, expected)
        zeroed = 1 - expected.any(axis=1).mean()
        contenders = {"skl1inf": lambda r=radius: project_l1inf(Y, r, out=out)}
        if peers:
            for name, function in PUBLISHED.items():
                contenders[name] = lambda f=function, r=radius: f(Y, r, out)
            contenders["spams"] = spams_projection(Y, theta)
        for name, function in contenders.items():
            runs = n_runs if name.startswith("skl1inf") else 3
            seconds, copy = times(function, lambda: np.copyto(out, Y), runs)
            result = function()
            result = out if result is None else result
            error = np.abs(result - expected).max() / Y.max()
            if error > (1e-4 if name == "spams" else 1e-6) and dtype == "float64":
                raise AssertionError(f"{name} is off by {error}")
            row = (
                *(n_groups, group_size, entries, dtype, radius),
                *(round(zeroed, 3), name, n_iter if name == "skl1inf" else ""),
                *(round(1e3 * copy, 4), round(seconds / copy, 2)),
            )
            print(*(f"{value!s:>12}" for value in row), flush=True)
            yield row


def growth(n_runs):
    """From 10^4 to 10^8 entries, 1000 a group, a tenth of the norm."""
    for exponent in range(4, 9):
        n_groups = 10 ** (exponent - 3)
        Y = matrix(n_groups, 1000, "normal", "float64")
        radius = 0.1 * l1inf_norm(Y)
        del Y
        runs = n_runs if exponent < 8 else 3
        yield from measure(n_groups, 1000, "normal", "float64", (radius,), False, runs)


def training_weights(n_runs):
    """Microseconds to project float32 weights (n_features, 64) in place, radius 1.

    As a training step leaves them: a few strong rows, the others small and not zero.
    """
    import torch

    rng = np.random.default_rng(0)
    for n_features in (50, 200, 500, 2000, 5000, 10000):
        Y = rng.gamma(0.5, 1e-3, (n_features, 1)) * rng.standard_normal((1, 64))
        Y *= rng.standard_normal(Y.shape)
        Y[:: n_features // 20] += 0.02 * rng.standard_normal(64)
        Y = torch.from_numpy(Y.astype(np.float32))
        W, seconds = Y.clone(), []
        _, copy = times(lambda: None, lambda w=W, y=Y: w.copy_(y), 20 * n_runs)
        for _ in range(20 * n_runs):
            W.copy_(Y)
            start = time.perf_counter()
            project_l1inf(W, 1.0, out=W)
            seconds.append(time.perf_counter() - start)
        alive = int(W.any(1).sum())
        print(f"{n_features:6} x 64 float32 in place, {alive} rows alive:", end=" ")
        print(f"{1e6 * np.median(seconds):.1f} us, copy {1e6 * copy:.1f} us")


def short_rows(n_runs):
    """Time over copy for short rows of float32, into an array and in place."""
    for n_groups, group_size in product((500, 10_000, 1_000_000), (64, 100)):
        Y = matrix(n_groups, group_size, "normal", "float32")
        out, norm, n = np.empty_like(Y), l1inf_norm(Y), n_runs
        n = max(n_runs // 2, 1) if n_groups == 1_000_000 else 200_000 // n_groups + n
        for share in (1e-4, 4e-3, 4e-2, 0.4):
            project = partial(project_l1inf, Y, share * norm, out=out)
            found, copy = times(project, partial(np.copyto, out, Y), n)
            project()
            zeroed, in_place = 1 - out.any(axis=1).mean(), []
            for _ in range(n):
                np.copyto(out, Y)
                start = time.perf_counter()
                project_l1inf(out, share * norm, out=out)
                in_place.append(time.perf_counter() - start)
            print(
                f"{n_groups:8} x {group_size:3}, {100 * zeroed:5.1f} % zeroed:", end=""
            )
            print(f" {found / copy:5.2f} copies, in place", end=" ")
            print(f"{np.median(in_place) / copy:5.2f}; copy {1e6 * copy:.1f} us")


def grouped(n_runs):
    """Time with groups or weights over that of the plain ball, a step's in place.

    Groups of equal sizes are compared with as many rows that are as long; their rows
    are scattered over the matrix.
    """
    rng = np.random.default_rng(0)
    for n_rows, size in product((300, 3000, 10000), (1, 2, 10, 100)):
        n_groups = n_rows // size
        Y = (0.02 * rng.standard_normal((n_rows, 64))).astype(np.float32)
        group = rng.permutation(np.repeat(np.arange(n_groups), size))
        of_rows = WeightedL1Inf(np.ones(n_groups), None if size == 1 else group)
        long = Y[np.argsort(group)].reshape(n_groups, -1)
        print_ratio(f"groups of {size}", of_rows, Y, l1inf, long, n_runs)
    half = np.maximum(np.arange(10000) - 5000, 0)  # of the last Y
    for name, weight in ("1", 1.0), ("its square root", 5000**0.5), ("its size", 5000):
        weights = np.where(np.arange(5000) == 0, weight, 1.0)
        ball = WeightedL1Inf(weights, rng.permutation(half))
        name = f"half in a group of weight {name}"
        print_ratio(name, ball, Y, l1inf, Y, n_runs)


def print_ratio(name, ball, Y, plain_ball, Y_of_plain, n_runs):
    def project(ball, Y, W):
        W[:] = Y
        ball(W, 1.0, 1, W)

    found, plain = times(
        partial(project, ball, Y, np.empty_like(Y)),
        partial(project, plain_ball, Y_of_plain, np.empty_like(Y_of_plain)),
        n_runs,
    )
    print(f"{len(Y)} x 64, {name}: {found / plain:.2f} times the plain ball")


def first_call():
    """Seconds of the first projection of a process, kernels not in numba's cache."""
    code = (
        "import sys, time, numpy as np\n"
        "start = time.perf_counter()\n"
        "from skl1inf import project_l1inf\n"
        "Y = np.ones((200, 64), sys.argv[1])\n"
        "project_l1inf(Y, 1.0)\n"
        "print(f'{sys.argv[1]}: {time.perf_counter() - start:.2f} s', flush=True)"
    )
    for dtype in ("float32", "float64"):
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | {"NUMBA_CACHE_DIR": cache}
            for state in ("empty", "full"):
                print(f"first call, {state} cache,", end=" ", flush=True)
                command = [sys.executable, "-c", code, dtype]
                subprocess.run(command, env=environment, check=True)


WITHOUT = """
import sys, time
import numba, numpy as np
option, compile_kernels = sys.argv[1], numba.njit
numba.njit = lambda *given, **options: compile_kernels(
    *given, **{name: options[name] for name in options if name != option}
)
from skl1inf.ball.kernels import project
start = time.process_time()
project(np.ones((200, 64), np.float32), 1.0, 1, np.empty((200, 64), np.float32))
print(f"{option or 'nothing':18} {time.process_time() - start:9.2f} s", end="")
for shape in ((50, 64), (2000, 64), (300, 1000)):
    Y = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    out, seconds = np.empty_like(Y), []
    for _ in range(300):
        start = time.perf_counter()
        project(Y, 0.1 * abs(Y).max(1).sum(), 1, out)
        seconds.append(time.perf_counter() - start)
    print(f" {1e6 * min(seconds):9.1f} us", end="")
print(flush=True)
"""
PRIVATE_OPTIONS = ("_nrt", "no_cpython_wrapper", "no_cfunc_wrapper")


def options():
    """Compile without one of numba's options: seconds to compile, time of a call."""
    print("without               compile     50 x 64   2000 x 64  300 x 1000")
    for option in ("", *PRIVATE_OPTIONS, "inline", "fastmath", "error_model"):
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | {"NUMBA_CACHE_DIR": cache}
            command = [sys.executable, "-c", WITHOUT, option]
            subprocess.run(command, env=environment, check=True)


def threads(n_runs):
    """Time of one thread over that of two, and the same of the copy."""
    import torch

    Y = matrix(1000, 10000, "normal", "float64")
    out = np.empty_like(Y)

    def copy(pool, n):
        halves = np.array_split(out, n), np.array_split(Y, n)
        list(pool.map(np.copyto, *halves))

    found = []
    with ThreadPoolExecutor(2) as pool:
        for n in (1, 2):
            torch.set_num_threads(n)
            project = partial(project_l1inf, Y, 1000.0, out=out)
            found.append(times(project, partial(copy, pool, n), n_runs))
    gain = np.divide(*found)
    print(f"two threads, 1000 x 10000: {gain[0]:.2f} faster, copy {gain[1]:.2f}")


def tensor_memory():
    """Most that torch holds at once, beyond Y and the output, over the size of Y."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from skl1inf.ball.kernels import _torch

    for dtype in (torch.float64, torch.float32):
        Y = torch.from_numpy(matrix(400, 500, "normal", "float64")).to(dtype)
        out = torch.empty_like(Y)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
            _torch.project(Y, 30.0, 1, out)
        events = [e for e in record.profiler.kineto_results.events() if e.nbytes()]
        events.sort(key=lambda event: event.start_ns())
        most = np.cumsum([event.nbytes() for event in events]).max() / Y.nbytes
        print(f"vectorised path, {dtype}: {most:.2f} times the matrix")


def draw(rows, path):
    """Draw times of the copy against the share of groups zeroed.

    Of radii that zero the same share, the slowest.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(GRID), figsize=(11, 3.6), sharey=True, layout="constrained"
    )
    for axis, (n_groups, group_size, entries, _) in zip(axes, GRID, strict=True):
        chosen = [
            r for r in rows if r[:4] == (n_groups, group_size, entries, "float64")
        ]
        for name, label in LABELS.items():
            slowest = {}
            for row in sorted(row for row in chosen if row[6] == name):
                slowest[row[5]] = max(row[9], slowest.get(row[5], 0.0))
            points = sorted(slowest.items())
            axis.plot(*zip(*points, strict=True), "o-", label=label, markersize=4)
        axis.axhline(1, color="gray", linewidth=0.8)
        axis.set(yscale="log", title=f"{n_groups} x {group_size} {entries}")
        axis.set_xlabel("share of groups zeroed")
    axes[0].set_ylabel("time / copy of the matrix")
    lines = axes[0].get_lines()[:-1]
    figure.legend(handles=lines, loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--other", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--groups", action="store_true")
    parser.add_argument("--options", action="store_true")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    if arguments.other:
        training_weights(arguments.runs)
        first_call()
        threads(arguments.runs)
        tensor_memory()
        return
    if arguments.short:
        short_rows(arguments.runs)
        return
    if arguments.groups:
        grouped(arguments.runs)
        return
    if arguments.options:
        options()
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    print(*(f"{name[:12]:>12}" for name in COLUMNS))
    rows = []
    for n_groups, group_size, entries, radii in GRID:
        for dtype in ("float64", "float32"):
            peers = not arguments.no_peers and dtype == "float64"
            rows += measure(
                n_groups, group_size, entries, dtype, radii, peers, arguments.runs
            )
    if arguments.growth:
        rows += growth(arguments.runs)
    with open(arguments.output / "projection.csv", "w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    if not arguments.no_peers:
        draw(rows, arguments.output / "projection.png")


if __name__ == "__main__":
    main()
