"""Time to a relative duality gap of linear regression over the l1,inf ball.

Every solver is judged by the gap of its own solution at the radius of that
solution, as a part of the objective at zero. SPAMS (``fistaFlat``, ``l1linf``)
solves the penalised problem at the penalty with the same solution and gets the
fewest iterations, by doubling and bisection, that reach the gap; only the run with
that number is timed. Clarabel (through cvxpy) runs at its own tolerances.
MultiTaskLasso (scikit-learn, and skglm where it is installed) solves ANOTHER
problem, with the l2,1 norm, at the same part of its largest penalty, and is there
for scale alone: its gap is not comparable and not given.

Times are processor seconds of this process on one thread, so that other work on the
machine hardly matters.

    python benchmarks/bench_multitask.py [--quick] [--output benchmarks/results]

With ``--search DIR`` it times cross-validation instead, against MultiTaskLassoCV, at an
equal number of grid points and an equal relative gap. DIR holds data sets NAME.npz with
X (samples, features) and Y (samples, targets). R2 is that of held-out samples, four
folds, standardised by the training samples.

    python benchmarks/bench_multitask.py --search DIR [--sets a,b] [--folds 4]
"""

import argparse
import csv
import tracemalloc
import warnings
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso, MultiTaskLassoCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skl1inf import (
    L1InfMultiTaskRegressor,
    L1InfMultiTaskRegressorCV,
    l1inf_dual_norm,
    l1inf_norm,
    l1inf_path,
)

TOL = 1e-6
REPEATS = 3
MAX_SPAMS = 1600  # iterations; a row without a time says that more are needed
# samples, features, targets, true features, AR coefficient, density, parts kept
CASES = [
    (200, 2000, 10, 20, 0.0, 1, (0.01, 0.05, 0.2)),
    (200, 2000, 10, 20, 0.5, 1, (0.01, 0.05, 0.2)),
    (500, 5000, 20, 50, 0.5, 1, (0.01, 0.02)),
    (100, 100_000, 10, 20, 0.5, 1, (0.0002, 0.001)),
    (2000, 200, 10, 20, 0.9, 1, (0.1, 0.5)),
    (60, 40, 3, 5, 0.5, 1, (0.2,)),
    (20_000, 50_000, 10, 50, 0.0, 0.001, (0.001, 0.005)),
]
QUICK = [(200, 500, 5, 10, 0.5, 1, (0.05,)), (60, 40, 3, 5, 0.5, 1, (0.2,))]


def make_problem(n, d, t, k, rho, density):
    rng = np.random.default_rng(0)
    if density < 1:
        X = sparse.random_array((n, d), density=density, rng=rng, format="csc")
    else:
        X = rng.standard_normal((n, d))
        for left, right in pairwise(range(d)):
            X[:, right] = rho * X[:, left] + np.sqrt(1 - rho**2) * X[:, right]
        X -= X.mean(axis=0)
        X = np.asfortranarray(X)
    W = np.zeros((d, t))
    W[rng.choice(d, k, replace=False)] = rng.standard_normal((k, t))
    Y = X @ W
    Y += Y.std() * rng.standard_normal((n, t))
    return X, np.asfortranarray(Y - Y.mean(axis=0))


def relative_gap(X, Y, W):
    G = -(X.T @ (Y - X @ W))
    gap = np.vdot(G, W) + l1inf_norm(W) * l1inf_dual_norm(G)
    return 2 * gap / np.vdot(Y, Y)


def radius_keeping(X, Y, part):
    """Return a radius at which about that part of the features is kept."""
    low, high = 1e-3, 1e3
    for _ in range(14):
        radius = np.sqrt(low * high)
        _, coefs, _ = l1inf_path(
            X, Y, radii=[radius], fit_intercept=False, standardize_targets=False
        )
        if coefs.any(axis=0).mean() < part:
            low = radius
        else:
            high = radius
    return low


def timed(solve):
    """Return the median time of a few runs, and the last result."""
    times = []
    for _ in range(REPEATS):
        start = process_time()
        result = solve()
        times.append(process_time() - start)
        if sum(times) > 60:
            break
    return np.median(times), result


def run_ours(X, Y, radius):
    model = L1InfMultiTaskRegressor(radius, tol=TOL, fit_intercept=False)
    seconds, model = timed(lambda: model.fit(X, Y))
    return seconds, model.coef_.T, model


def run_spams(X, Y, alpha):
    import spams

    start = np.zeros((X.shape[1], Y.shape[1]), order="F")

    def solve(n_iter):
        return spams.fistaFlat(
            Y,
            X,
            start,
            False,
            loss="square",
            regul="l1linf",
            lambda1=alpha * X.shape[0],
            max_it=n_iter,
            tol=1e-16,
            numThreads=1,
        )

    high = 25
    while relative_gap(X, Y, solve(high)) > TOL:
        high *= 2
        if high > MAX_SPAMS:
            return np.nan, None
    low = high // 2
    while high - low > max(1, low // 10):
        middle = (low + high) // 2
        if relative_gap(X, Y, solve(middle)) > TOL:
            low = middle
        else:
            high = middle
    return timed(lambda: solve(high))


def run_clarabel(X, Y, radius):
    import cvxpy as cp

    W = cp.Variable((X.shape[1], Y.shape[1]))
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(Y - X @ W)),
        [cp.sum(cp.max(cp.abs(W), axis=1)) <= radius],
    )
    start = process_time()
    problem.solve(solver="CLARABEL")
    return process_time() - start, W.value


def lasso_penalty(X, Y, part):
    return part * np.sqrt(((X.T @ Y) ** 2).sum(axis=1)).max() / X.shape[0]


def run_multi_task_lasso(make, X, Y, part):
    model = make(alpha=lasso_penalty(X, Y, part), tol=TOL, fit_intercept=False)
    return timed(lambda: model.fit(X, Y))[0]


def run_case(n, d, t, k, rho, density, parts):
    X, Y = make_problem(n, d, t, k, rho, density)
    null = l1inf_dual_norm(X.T @ Y) / n
    for part in parts:
        radius = radius_keeping(X, Y, part)
        seconds, W, model = run_ours(X, Y, radius)
        case = {
            "samples": n,
            "features": d,
            "targets": t,
            "correlation": rho,
            "density": density,
            "radius": f"{radius:.4g}",
            "kept": int(W.any(axis=1).sum()),
        }

        def row(solver, seconds, W, case=case):
            gap = np.nan if W is None else relative_gap(X, Y, W)
            return case | {"solver": solver, "seconds": seconds, "gap": gap}

        yield row("skl1inf", seconds, W)
        if density == 1:
            yield row("SPAMS", *run_spams(X, Y, model.alpha_))
            if n * d * t <= 10_000:
                yield row("Clarabel", *run_clarabel(X, Y, l1inf_norm(W)))
            if n * d <= 3_000_000:
                for name, make in lasso_makers().items():
                    seconds = run_multi_task_lasso(make, X, Y, model.alpha_ / null)
                    yield row(name, seconds, None)


def lasso_makers():
    makers = {"MultiTaskLasso (l2,1), scikit-learn": MultiTaskLasso}
    try:
        from skglm import MultiTaskLasso as SkglmMultiTaskLasso
    except ImportError:
        return makers
    return makers | {"MultiTaskLasso (l2,1), skglm": SkglmMultiTaskLasso}


def bench_path():
    """Time of a path of 50 radii as a multiple of its dearest single fit."""
    for n, d, t, k in [(200, 2000, 10, 20), (2000, 200, 10, 20), (100, 20_000, 10, 30)]:
        X, Y = make_problem(n, d, t, k, 0.5, 1)
        start = process_time()
        radii, _, _ = l1inf_path(X, Y, radii=50, standardize_targets=False)
        path = process_time() - start
        singles = []
        for radius in radii:
            start = process_time()
            L1InfMultiTaskRegressor(radius).fit(X, Y)
            singles.append(process_time() - start)
        yield f"{n} x {d} x {t}: {path:.3g} s, {path / max(singles):.2f} x the dearest"


def bench_memory():
    """Peak extra memory of a sparse fit, and what the issue allows it."""
    n, d, t = 20_000, 50_000, 10
    X, Y = make_problem(n, d, t, 50, 0.0, 0.001)
    for name in ("csc", "csr"):
        X = X.asformat(name)
        own = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
        for radius in (1.0, 20.0, 100.0):
            model = L1InfMultiTaskRegressor(radius)
            tracemalloc.start()
            model.fit(X, Y)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            kept = int(model.coef_.any(axis=0).sum())
            allowed = 2 * own + 6 * model.coef_.nbytes
            yield (
                f"{name}, radius {radius:g}: {kept} kept, peak {peak / 2**20:.1f} MiB, "
                f"limit {allowed / 2**20:.1f} MiB"
            )


def bench_search(folder, names, n_folds):
    """Seconds and held-out R2 of cross-validation along 50 grid points."""
    models = {
        # scikit-learn's gap is relative to twice the objective at zero.
        "skl1inf": L1InfMultiTaskRegressorCV(radii=50, tol=2e-4),
        "MultiTaskLassoCV": MultiTaskLassoCV(alphas=50, tol=1e-4),
    }
    for path in sorted(folder.glob("*.npz")):
        data = np.load(path)
        X, Y = data["X"].astype(float), data["Y"].astype(float)
        if (names and path.stem not in names) or Y.ndim == 1 or Y.shape[1] == 1:
            continue
        folds = list(KFold(4, shuffle=True, random_state=0).split(X))[:n_folds]
        for name, model in models.items():
            runs = [search_once(model, X, Y, *fold) for fold in folds]
            yield path.stem, name, *np.round(np.transpose(runs), 4).tolist()


def search_once(model, X, Y, train, test):
    """Return processor seconds, R2 and the number of grid points tried."""
    rows, targets = StandardScaler().fit(X[train]), StandardScaler().fit(Y[train])
    A, T = rows.transform(X[train]), targets.transform(Y[train])
    start = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(A, T)
    seconds = process_time() - start
    predicted = model.predict(rows.transform(X[test]))
    return (
        seconds,
        r2_score(targets.transform(Y[test]), predicted),
        len(model.mse_path_),
    )


def draw(rows, path):
    import matplotlib.pyplot as plt

    cases = {}
    for row in rows:
        key = (
            f"{row['samples']} x {row['features']} x {row['targets']}, "
            f"AR {row['correlation']}, {row['kept']} kept"
        )
        cases.setdefault(key, {})[row["solver"]] = row["seconds"]
    figure, axes = plt.subplots(figsize=(8, 1 + 0.35 * len(cases)))
    for solver in dict.fromkeys(row["solver"] for row in rows):
        places = [i for i, times in enumerate(cases.values()) if solver in times]
        times = [times[solver] for times in cases.values() if solver in times]
        axes.plot(times, places, "o", label=solver)
    axes.set(xscale="log", xlabel=f"processor seconds to a relative gap of {TOL:g}")
    axes.set_yticks(range(len(cases)), list(cases))
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=150, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--skip-extras", action="store_true")
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--search", type=Path)
    parser.add_argument("--sets", type=lambda names: names.split(","))
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    threadpool_limits(1)
    X, Y = make_problem(*QUICK[0][:-1])
    L1InfMultiTaskRegressorCV(radii=5).fit(X, Y)  # compiles, or loads compiled code
    if options.search:
        for row in bench_search(options.search, options.sets, options.folds):
            print(*row, sep="\t", flush=True)
        return
    cases = QUICK if options.quick else CASES
    if options.only is not None:
        cases = [cases[i] for i in options.only]
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for case in cases:
        for row in run_case(*case):
            rows.append(row)
            print(*row.values(), sep="\t", flush=True)
    with (options.output / "multitask.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.output / "multitask.png")
    if not (options.quick or options.skip_extras):
        for line in (*bench_path(), *bench_memory()):
            print(line, flush=True)


if __name__ == "__main__":
    main()
