"""Time and memory of fits over samples, features, classes and kinds of storage.

Every fit has a process of its own, which makes the data. So its peak memory is that of
the case. It computes on one thread; a cluster has two workers, each a process of one
thread. A small fit before loads the libraries and compiles.

- Seconds: wall, and of the processor in all processes of the case.
- Memory: the peak of the resident memory as a multiple of X, X itself included. Of X
  on disk the pages count that the system holds for the process.
- The number of selected features, and the gap of the optimality.

The peers get the same data: the F-test, the Wilcoxon test of scanpy
(`rank_genes_groups`), l1 logistic regression by liblinear (one class against the rest)
and by saga, and a random forest of 100 trees. All have a limit of processor seconds.

    python benchmarks/bench_scale.py [--cases csr,million] [--peers f_test,saga]
        [--repeats 2] [--limit 120] [--output benchmarks/results/scale.csv]

It prints the table of the cases and the exponents of growth. Rows are added to the file
as they come; `--cases none` prints the tables of the file.
"""

import argparse
import csv
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np

BLOCK_BYTES = 2**26
N_INFORMATIVE, N_WORKERS = 30, 2
ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"],
    "1",
)
KEYS = ("case", "storage", "samples", "features", "classes", "method")
FIGURES = ("wall", "processor", "mebibytes", "memory", "selected", "optimality")
COLUMNS = (*KEYS, "repeat", *FIGURES, "status")


class Case(NamedTuple):
    """The data of a fit, and its parameters. No classes: no target."""

    samples: int
    features: int
    classes: int
    storage: str = "dense"
    strength: float = 1.0
    parameters: dict = {}  # noqa: RUF012, never changed


TABLE = {
    "csr": Case(100_000, 20_000, 10, "CSR, 3 %"),
    "million": Case(1_000_000, 200, 2),
    "few features": Case(100_000, 5, 3),
    "wide": Case(200, 500_000, 2),
    "ten classes": Case(20_000, 5_000, 10),
    "no target": Case(5_000, 5_000, 0),
    "batches": Case(2_000, 5_000, 60, strength=4.0, parameters={"batch_size": 256}),
}
STORAGE = {
    storage: Case(20_000, 5_000, 10, storage)
    for storage in ("memory map", "dask on disk", "dask on a cluster")
}
# By default, the smallest of them alone would screen the pairs of features.
SAMPLES = {
    f"samples {n}": Case(n, 200, 2, parameters={"interactions": False})
    for n in (50_000, 100_000, 200_000, 400_000)
}
FEATURES = {f"features {p}": Case(20_000, p, 10) for p in (1_000, 4_000, 16_000)}
CLASSES = {f"classes {k}": Case(20_000, 1_000, k) for k in (2, 8, 32)}
CASES = TABLE | STORAGE | SAMPLES | FEATURES | CLASSES
GROWTH = {"samples": SAMPLES, "features": FEATURES, "classes": CLASSES}


# The data.


def dense(case, seed=0):
    """Return normal numbers in float32 whose classes differ in the first features."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((case.samples, case.features), np.float32)
    if not case.classes:
        return X, None
    y = rng.integers(0, case.classes, case.samples)
    n_informative = min(case.features, N_INFORMATIVE)
    means = rng.standard_normal((case.classes, n_informative))
    means *= 0.4 * case.strength * np.geomspace(2, 0.1, n_informative)
    X[:, :n_informative] += means[y].astype(np.float32)
    return X, y


def sparse(case, density=0.03, n_markers=100, seed=0):
    """Return logarithms of counts in float32, CSR, with markers of the classes.

    A marker is more often in the samples of its class. A repeated column of a sample
    makes one larger entry.
    """
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(seed)
    n, per_sample = case.samples, int(case.features * density)
    y = rng.integers(0, case.classes, n)
    columns = rng.integers(0, case.features, (n, per_sample), dtype=np.int32)
    for marker, strength in enumerate(np.geomspace(0.3, 0.03, n_markers)):
        of_class = y == marker % case.classes
        columns[of_class & (rng.random(n) < strength), marker % per_sample] = marker
    columns.sort(axis=1)
    counts = rng.poisson(2, n * per_sample).astype(np.float32) + 2
    starts = np.arange(0, counts.size + 1, per_sample, dtype=np.int32)
    parts = np.log(counts), columns.ravel(), starts
    X = csr_matrix(parts, shape=(n, case.features))
    X.sum_duplicates()
    return X, y


def stored(X, storage, folder):
    """Return X as it is stored, and its bytes in memory before the fit."""
    if storage.startswith("CSR"):
        return X, X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    if storage == "dense":
        return X, X.nbytes
    if storage == "memory map":
        np.save(folder / "X.npy", X)
        return np.load(folder / "X.npy", mmap_mode="r"), 0
    import dask.array as da

    rows = max(1, BLOCK_BYTES // (X.shape[1] * X.itemsize))
    da.to_npy_stack(folder, da.from_array(X, chunks=(rows, -1)))
    return da.from_npy_stack(folder), 0


# The methods. Each returns the number of selected features and the gap, or None.


def l1inf(X, y, **parameters):
    from skl1inf import L1InfFeatureSelector

    fitted = L1InfFeatureSelector(random_state=0, **parameters).fit(X, y)
    return fitted.n_features_, fitted.optimality_


def f_test(X, y):
    from sklearn.feature_selection import f_classif

    f_classif(X, y)
    return None, None


def wilcoxon(X, y):
    import anndata
    import scanpy

    data = anndata.AnnData(X)
    data.obs["kind"] = y.astype(str)
    scanpy.tl.rank_genes_groups(data, "kind", method="wilcoxon")
    return None, None


def logistic(solver):
    """Return a method that counts the features with a weight in any class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    def method(X, y):
        model = LogisticRegression(l1_ratio=1, solver=solver, random_state=0)
        if solver == "liblinear":
            fitted = OneVsRestClassifier(model).fit(X, y)
            weights = np.concatenate([each.coef_ for each in fitted.estimators_])
        else:
            weights = model.fit(X, y).coef_
        return int(weights.any(0).sum()), None

    return method


def forest(X, y):
    from sklearn.ensemble import RandomForestClassifier

    RandomForestClassifier(random_state=0).fit(X, y)
    return None, None


METHODS = {
    "skl1inf": lambda: l1inf,
    "f_test": lambda: f_test,
    "wilcoxon": lambda: wilcoxon,
    "liblinear": lambda: logistic("liblinear"),
    "saga": lambda: logistic("saga"),
    "forest": lambda: forest,
}
PEERS = [name for name in METHODS if name != "skl1inf"]


# One fit, in a process of its own.


class Processes:
    """The current process and its workers: their processor seconds and their memory."""

    def __init__(self, pids=()):
        self.folders = [Path("/proc/self"), *(Path(f"/proc/{pid}") for pid in pids)]

    def seconds(self):
        """Return the processor seconds of all."""
        ticks = 0
        for folder in self.folders[1:]:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return process_time() + ticks / os.sysconf("SC_CLK_TCK")

    def forget_peaks(self):
        """Let the peaks of the resident memory begin anew."""
        for folder in self.folders:
            (folder / "clear_refs").write_text("5")

    def mebibytes(self, name):
        """Return the sum of a figure of memory: VmRSS, or VmHWM, its peak."""
        status = [(folder / "status").read_text() for folder in self.folders]
        return sum(int(each.split(f"{name}:")[1].split()[0]) for each in status) / 2**10


def measure(name, method, limit, folder):
    """Fit once, and return the figures."""
    import torch

    torch.set_num_threads(1)
    case, function = CASES[name], METHODS[method]()
    X, y = sparse(case) if case.storage.startswith("CSR") else dense(case)
    n_bytes = X.data.nbytes + X.indices.nbytes if hasattr(X, "indices") else X.nbytes
    X, held = stored(X, case.storage, folder)
    parameters = case.parameters if method == "skl1inf" else {}
    function(*dense(Case(60, 30, 2)))  # loads and compiles
    with warnings.catch_warnings(), workers(case.storage) as pids:
        warnings.simplefilter("ignore")
        processes = Processes(pids)
        before = processes.mebibytes("VmRSS")
        processes.forget_peaks()
        start, busy = perf_counter(), processes.seconds()
        stop_after(limit)
        selected, optimality = function(X, y, **parameters)
        wall, busy = perf_counter() - start, processes.seconds() - busy
        peak = processes.mebibytes("VmHWM") - before + held / 2**20
    figures = wall, busy, peak, peak * 2**20 / n_bytes, selected, optimality
    return {name: rounded(value) for name, value in zip(FIGURES, figures, strict=True)}


def rounded(value):
    return value if value is None else float(f"{value:.4g}")


@contextmanager
def workers(storage):
    """Let dask compute on one thread or on a cluster; give the ids of its processes."""
    import dask

    if storage != "dask on a cluster":
        with dask.config.set(scheduler="synchronous"):
            yield []
        return
    from distributed import Client, LocalCluster

    options = {"threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(n_workers=N_WORKERS, **options) as cluster, Client(cluster) as it:
        it.run(__import__, "skl1inf")
        yield it.run(os.getpid).values()


def stop_after(seconds):
    """Let the system end this process after so many more seconds of the processor."""
    if seconds:
        last = int(process_time() + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (last, last + 1))


def run(name, method, limit):
    """Fit once in a new process, and return its figures and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, __file__, "--one", name, method, str(limit), folder]
        child = subprocess.run(
            call, env=os.environ | ONE_THREAD, capture_output=True, text=True
        )
    if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return {"status": f"over the limit of {limit:g} s"}
    if child.returncode:
        error = child.stderr.strip().splitlines()
        return {"status": error[-1] if error else f"ended by {child.returncode}"}
    return json.loads(child.stdout.splitlines()[-1]) | {"status": "done"}


def rows_of(names, peers, repeats, limit):
    """Fit, and yield the rows of the results."""
    fits = [(name, "skl1inf", repeat) for repeat in range(repeats) for name in names]
    with_target = [name for name in names if name in TABLE and CASES[name].classes]
    fits += [(name, peer, 0) for name in with_target for peer in peers]
    for name, method, repeat in fits:
        case = CASES[name]
        facts = name, case.storage, case.samples, case.features, case.classes, method
        row = dict(zip(KEYS, facts, strict=True)) | {"repeat": repeat}
        yield row | run(name, method, 0 if method == "skl1inf" else limit)


# The tables.


def report(path):
    """Print the tables of the results as Markdown, and the exponents of growth."""
    with path.open(newline="") as file:
        fits = defaultdict(list)
        for row in csv.DictReader(file):
            fits[row["case"], row["method"]].append(row)
    print_table(
        fits,
        ["case", "wall s", "processor s", "MiB", "× X", "selected", "gap"],  # noqa: RUF001
        lambda name: figures_of(fits[name, "skl1inf"]),
    )
    print_table(
        fits,
        ["case", "skl1inf", *PEERS],
        lambda name: [seconds_of(fits[name, method]) for method in METHODS],
        TABLE,
    )
    for kind, series in GROWTH.items():
        names = [name for name in series if fits[name, "skl1inf"]]
        if len(names) > 1:
            sizes = [getattr(CASES[name], kind) for name in names]
            took = [middle(fits[name, "skl1inf"], "processor") for name in names]
            slope = np.polyfit(np.log(sizes), np.log(took), 1)[0]
            print(f"exponent in {kind}: {slope:.2f}")


def print_table(fits, heads, cells, names=CASES):
    lines = [
        [name, *cells(name)]
        for name in names
        if any(row["status"] == "done" for row in fits[name, "skl1inf"])
    ]
    for line in [heads, ["---"] * len(heads), *lines]:
        print("|", " | ".join(line), "|")
    print()


def figures_of(rows):
    """Return the medians of a case as text."""
    wall, busy, mebibytes, memory, selected, gap = (
        middle(rows, name) for name in FIGURES
    )
    texts = f"{wall:.1f}", f"{busy:.1f}", f"{mebibytes:.0f}", f"{memory:.2f}"
    return [*texts, f"{selected:.0f}", f"{gap:.3f}"]


def seconds_of(rows):
    """Return the processor seconds of a method as text."""
    if not rows:
        return ""
    if rows[0]["status"] != "done":
        return rows[0]["status"].replace("over the limit of", ">")
    return f"{middle(rows, 'processor'):.2f}"


def middle(rows, name):
    return median(float(row[name]) for row in rows if row["status"] == "done")


def chosen(text, known):
    """Return the names of an option, of which each must be known."""
    names = [] if text == "none" else text.split(",")
    unknown = set(names) - set(known)
    if unknown:
        raise SystemExit(f"unknown: {unknown}; known are {', '.join(known)}, none")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--repeats", type=int, default=2, help="of ours")
    parser.add_argument("--limit", type=float, default=120, help="seconds of a peer")
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/scale.csv")
    )
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        name, method, limit, folder = args.one
        print(json.dumps(measure(name, method, float(limit), Path(folder))))
        return
    names, peers = chosen(args.cases, CASES), chosen(args.peers, PEERS)
    is_new = not args.output.exists()
    with args.output.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        for row in rows_of(names, peers, args.repeats, args.limit):
            writer.writerow(row)
            file.flush()
            print(*row.values(), flush=True)
    report(args.output)


if __name__ == "__main__":
    main()
