"""Data beyond memory: a dask array on disk, with a limit on the memory.

A matrix in float32 is written to a file of numpy, which a memory map opens. Its classes
differ in 20 features. The limit is on the data segment of the process (RLIMIT_DATA):
all memory that it and its libraries allocate, but not the pages of the file.

- Every kind of pass over the data, in wall seconds, as a multiple of the time that dask
  takes to copy each block once, and in processor seconds of all threads. The file is
  dropped from the page cache before every pass, as data beyond memory would be;
  `--warm` leaves it there.
- Every kind of pass over one block in memory, in processor seconds, on one thread.
- One fit: seconds, how often it reads the data, and how many of the 20 features are
  among its 20 best.

    python benchmarks/bench_blocks.py --folder FOLDER [--gigabytes 8] [--features 10000]
        [--limit 2] [--threads 2] [--repeats 3] [--warm] [--only passes|fit]

FOLDER needs that much space. The file stays there, and is used again.
"""

import argparse
import mmap
import os
import resource
from pathlib import Path
from time import perf_counter, process_time

import dask
import dask.array as da
import numpy as np
import torch

from skl1inf import L1InfFeatureSelector
from skl1inf.matrices import _blocks, _standardized_blocks, open_matrix

N_HIDDEN, N_CLASSES, N_INFORMATIVE, N_CHOSEN = 64, 4, 20, 100
BLOCK_BYTES = 2**27


class Counted:
    """An array that counts the entries that are read."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.ndim = X, X.shape, X.dtype, X.ndim
        self.n_read = 0

    def __getitem__(self, index):
        """Return a part, and count its entries."""
        part = self.X[index]
        self.n_read += part.size
        return part


def write(path, n_samples, n_features):
    """Write the matrix, block by block, if it is not there."""
    labels = np.random.default_rng(0).integers(0, N_CLASSES, n_samples)
    if not path.exists():
        rng = np.random.default_rng(1)
        shifts = rng.normal(size=(N_CLASSES, N_INFORMATIVE)).astype(np.float32)
        X = np.lib.format.open_memmap(path, "w+", np.float32, (n_samples, n_features))
        step = max(1, BLOCK_BYTES // (4 * n_features))
        for start in range(0, n_samples, step):
            rows = slice(start, start + step)
            block = rng.standard_normal((len(labels[rows]), n_features), np.float32)
            block[:, :N_INFORMATIVE] += shifts[labels[rows]]
            X[rows] = block
        X.flush()
    return labels


def drop(path, X):
    """Drop the file from the page cache, and the pages that its map holds."""
    X._mmap.madvise(mmap.MADV_DONTNEED)
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(block):
    return np.array(block).size


def passes(X):
    """Return every kind of pass over the data, as functions."""
    n_samples, n_features = X.shape
    rng, matrix, cpu = np.random.default_rng(0), open_matrix(X), torch.device("cpu")
    mean, inverse = np.zeros(n_features), np.ones(n_features)
    index = torch.from_numpy(np.sort(rng.permutation(n_features)[:N_CHOSEN]))
    D = torch.ones((1, n_samples, N_HIDDEN))
    W = torch.zeros((1, n_features, N_HIDDEN))
    W[:, index] = 1

    def standardised():
        return matrix.standardized(mean, inverse, cpu)

    return {
        "read": lambda: matrix.fetch(np.empty(n_samples), read),
        "statistics": lambda: matrix.statistics(np.ones(n_samples)),
        "Z' D, 64 columns": lambda: standardised().adjoint(D),
        "Z W, 100 features": lambda: standardised() @ W,
        "100 features": lambda: standardised().take_features(index[None]),
        "norms": lambda: matrix.squared_norms(mean, inverse),
    }


def costs(X):
    """Return every kind of pass over a block in memory, as functions."""
    n_samples, n_features = X.shape
    mean, inverse = np.zeros(n_features), np.ones(n_features)
    D = np.ones((n_samples, N_HIDDEN), np.float32)
    index = np.arange(0, n_features, n_features // N_CHOSEN)
    scaling = mean[index], inverse[index]
    parts = _standardized_blocks
    return {
        "copy": lambda: read(X),
        "statistics": lambda: _blocks._moments(X, np.ones(n_samples)),
        "Z' D, 64 columns": lambda: parts._adjoint(X, mean, inverse, D),
        "100 features": lambda: parts._standardized(X, index, *scaling),
        "norms": lambda: _blocks._squared_norms(X, mean, inverse),
    }


def seconds(function, repeats, before=lambda: None):
    """Return the medians of wall and processor seconds of some runs."""
    times = []
    for _ in range(repeats):
        before()
        start = perf_counter(), process_time()
        function()
        times.append((perf_counter() - start[0], process_time() - start[1]))
    return np.median(times, axis=0)


def memory(name):
    """Return a figure of this process, in GiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--features", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=2, help="GiB of memory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--only", choices=["passes", "fit"])
    arguments = parser.parse_args()

    n_features = arguments.features
    n_samples = int(arguments.gigabytes * 1e9 / 4 / n_features)
    path = arguments.folder / f"blocks-{n_samples}-{n_features}.npy"
    y = write(path, n_samples, n_features)
    limit = int(arguments.limit * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    torch.set_num_threads(1)

    counted = Counted(np.load(path, mmap_mode="r"))
    rows = max(1, BLOCK_BYTES // (4 * n_features))
    X = da.from_array(counted, chunks=(rows, -1), name=False, lock=False)
    print(f"{n_samples} x {n_features}, {X.numblocks[0]} blocks of {rows} samples")

    with dask.config.set(scheduler="threads", num_workers=arguments.threads):
        if arguments.only != "fit":
            report_costs(np.array(counted.X[:rows]), arguments.repeats)
            before = (lambda: None) if arguments.warm else lambda: drop(path, counted.X)
            report_passes(X, arguments.repeats, before)
        if arguments.only != "passes":
            report_fit(X, y, counted)
    print(f"allocated at the end: {memory('VmData'):.2f} GiB of {arguments.limit:g}")


def report_costs(block, repeats):
    print("\none block in memory: nanoseconds an entry")
    for name, function in costs(block).items():
        _, took = seconds(function, repeats)
        print(f"{name:20} {took / block.size * 1e9:6.2f}")


def report_passes(X, repeats, before):
    print(
        "\na pass over all blocks: seconds, multiple of reading once, processor seconds"
    )
    first = None
    for name, function in passes(X).items():
        took, busy = seconds(function, repeats, before)
        first = first or took
        print(f"{name:20} {took:6.2f} {took / first:6.2f} {busy:6.2f}", flush=True)


def report_fit(X, y, counted):
    counted.n_read, start = 0, perf_counter()
    fitted = L1InfFeatureSelector(random_state=0).fit(X, y)
    n_passes, took = counted.n_read / counted.X.size, perf_counter() - start
    best = np.argsort(fitted.ranking_)[:N_INFORMATIVE]
    print(f"\nfit: {took:.1f} s, reads the data {n_passes:.1f} times")
    print(f"of the 20 best, {(best < N_INFORMATIVE).sum()} are informative")


if __name__ == "__main__":
    main()
