"""Time fits and the projection on a CUDA device.

    python benchmarks/bench_device.py [--output FILE] [--small]

Projection: float32, as a multiple of a copy on the device, with the memory allocated
beside Y and the result; medians of nine calls. Fits: seconds of the second of two, and
for small data the same on the CPU beside it.
"""

import argparse
import csv
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy import sparse

from skl1inf import L1InfFeatureSelector, project_l1inf
from skl1inf.datasets import load_srbct, make_expression

SHAPES = [(1_000_000, 100), (100_000, 1_000), (10_000, 10_000)]
SHARES = 0.001, 0.1, 0.5  # radius over the norm of the matrix


def seconds(function):
    """Seconds of one call, the device idle before and after it."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def projections(shapes):
    """Yield a row a shape and radius."""
    for shape in shapes:
        Y = torch.randn(shape, device="cuda")
        out = torch.empty_like(Y)
        norm = float(Y.abs().amax(1).double().sum())
        for share in SHARES:

            def project(Y=Y, out=out, radius=share * norm):
                project_l1inf(Y, radius, out=out)

            project()
            dead = float((out == 0).all(1).float().mean())
            pairs = [
                (seconds(project), seconds(lambda Y=Y, out=out: out.copy_(Y)))
                for _ in range(9)
            ]
            times, copies = (median(each) for each in zip(*pairs, strict=True))
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            project()
            extra = torch.cuda.max_memory_allocated() - before
            yield {
                "what": f"projection {shape[0]} x {shape[1]}",
                "setting": f"radius {share} of the norm, {dead:.0%} of the rows die",
                "cuda_s": times,
                "copy_s": copies,
                "times": times / copies,
                "extra_memory": extra / Y.nbytes,
            }


def made(n, p, n_classes, seed=0):
    """Draw classes that differ in a few columns of float32 noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p), dtype=np.float32)
    y = rng.integers(n_classes, size=n)
    informative = min(p, 20)
    X[:, :informative] += rng.standard_normal((n_classes, informative))[y]
    return X, y


def counts(n, p, density, n_classes, seed=0):
    """Draw a sparse matrix whose first columns tell the classes apart."""
    rng = np.random.default_rng(seed)
    per_row = int(p * density)
    indices = rng.integers(p, size=(n, per_row), dtype=np.int32)
    y = rng.integers(n_classes, size=n)
    indices[:, :3] = 3 * y[:, None] + np.arange(3)
    values = rng.gamma(2.0, size=indices.shape).astype(np.float32)
    pointers = np.arange(0, n * per_row + 1, per_row)
    X = sparse.csr_array((values.ravel(), indices.ravel(), pointers), shape=(n, p))
    X.sum_duplicates()
    return X, y


CASES = {
    "SRBCT 83 x 2308": (lambda: load_srbct(return_X_y=True), {}),
    "100 x 10,000": (
        lambda: make_expression(100, 10_000, random_state=0)[:2],
        {},
    ),
    "20,000 x 5,000, 10 classes": (lambda: made(20_000, 5_000, 10), {}),
    "200 x 500,000": (lambda: made(200, 500_000, 2), {}),
    "100,000 x 5, 3 classes": (lambda: made(100_000, 5, 3), {}),
    "5,000 x 5,000 without a target": (lambda: (made(5_000, 5_000, 2)[0], None), {}),
    "2,000 x 5,000, 60 classes, batches of 256": (
        lambda: made(2_000, 5_000, 60),
        {"batch_size": 256},
    ),
    "CSR 100,000 x 20,000, 3 %, 10 classes": (
        lambda: counts(100_000, 20_000, 0.03, 10),
        {},
    ),
    "1,000,000 x 200": (lambda: made(1_000_000, 200, 2), {}),
}
SMALL = list(CASES)[:2]


def fits(names):
    """Yield a row a case."""
    for name in names:
        draw, params = CASES[name]
        X, y = draw()
        selectors = {
            device: L1InfFeatureSelector(device=device, random_state=0, **params)
            for device in ("cuda", "cpu")
        }
        first = seconds(lambda s=selectors["cuda"], X=X, y=y: s.fit(X, y))
        torch.cuda.reset_peak_memory_stats()
        row = {
            "what": name,
            "setting": f"first {first:.2f} s",
            "cuda_s": seconds(lambda s=selectors["cuda"], X=X, y=y: s.fit(X, y)),
        }
        size = X.data.nbytes + X.indices.nbytes if sparse.issparse(X) else X.nbytes
        row["extra_memory"] = torch.cuda.max_memory_allocated() / size
        if name in SMALL:
            selectors["cpu"].fit(X, y)
            row["cpu_s"] = seconds(lambda s=selectors["cpu"], X=X, y=y: s.fit(X, y))
            best = [set(np.argsort(s.ranking_)[:20]) for s in selectors.values()]
            row["setting"] += f", {len(best[0] & best[1])} of 20 as on the CPU"
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    columns = ["what", "setting", "cuda_s", "cpu_s", "copy_s", "times", "extra_memory"]
    rows = []
    shapes, names = (SHAPES[:1], SMALL) if args.small else (SHAPES, CASES)
    for source in (projections(shapes), fits(names)):
        for row in source:
            rows.append(row)
            print(
                "; ".join(
                    f"{k} {v:.4g}" if isinstance(v, float) else str(v)
                    for k, v in row.items()
                ),
                flush=True,
            )
    if args.output:
        with args.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
