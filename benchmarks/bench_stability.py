"""What stability selection costs, and whether it keeps its promise.

    python benchmarks/bench_stability.py cost --data FOLDER      # Khan and ALLAML
    python benchmarks/bench_stability.py noise --repeats 200     # no signal at all
    python benchmarks/bench_stability.py signal --repeats 200    # 20 true features
    python benchmarks/bench_stability.py expression --repeats 20
    python benchmarks/bench_stability.py quality --data FOLDER   # seven real sets

FOLDER holds .npz files with X and y. `cost` is the time of 50 halves relative to one
fit of the selector, on one thread. The next three simulate data whose true features are
known, and set the mean number of false selections beside the reported bound; the noise
of the first two is independent and exchangeable, as the bound assumes, and that of
`make_expression` is not. `quality` measures the stability of the 20 best features over
folds (the index of Nogueira, Sechidis and Brown, JMLR 2018) and the balanced accuracy
of a linear and an RBF SVC on the k best, of the ranking by selection probability and
of that of a single fit. Results are printed as they come, as comma-separated values.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from bench_selection import KS, accuracy, stability
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.preprocessing import StandardScaler

from skl1inf import L1InfFeatureSelector, L1InfStabilitySelector
from skl1inf.datasets import make_expression

SETS = (
    "colon",
    "ALLAML",
    "Prostate-GE",
    "Khan",
    "TOX-171",
    "Breast_metabolomics",
    "madelon",
)
CONTROLS = {"threshold=0.7": {}, "max_false_positives=1": {"max_false_positives": 1}}


def report(*row):
    cells = (f"{v:.3f}" if isinstance(v, float) else v for v in row)
    print(*cells, sep=",", flush=True)


def load(folder, name):
    with np.load(Path(folder) / f"{name}.npz") as data:
        return data["X"].astype(float), data["y"].astype(int)


def seconds(estimator, X, y):
    start = time.perf_counter()
    estimator.fit(X, y)
    return time.perf_counter() - start


def cost(arguments):
    """Report the time of 50 halves relative to that of one fit."""
    report("dataset", "fit_seconds", "ratio")
    for name in arguments.sets or ("Khan", "ALLAML"):
        X, y = load(arguments.data, name)
        one = L1InfFeatureSelector(random_state=0)
        many = L1InfStabilitySelector(one)
        seconds(clone(many).set_params(n_pairs=5), X, y)  # warm up
        times = np.array(
            [
                (seconds(clone(one), X, y), seconds(many, X, y))
                for _ in range(arguments.repeats)
            ]
        )
        ratio = np.median(times[:, 1] / times[:, 0])
        report(name, float(np.median(times[:, 0])), float(ratio))


def draw_noise(seed):
    """Two classes of 50 samples, which none of 500 features tells apart."""
    X = np.random.default_rng(seed).standard_normal((100, 500))
    return X, np.arange(100) % 2, np.zeros(500, dtype=bool)


def draw_signal(seed):
    """Shift the second class by one standard deviation in the first 20 features."""
    X, y, _ = draw_noise(seed)
    X[y == 1, :20] += 1
    return X, y, np.arange(500) < 20


def draw_expression(seed):
    return make_expression(100, 2000, random_state=seed)


def promise(arguments, draw):
    """Report the true and false selections beside the bound, over many draws."""
    report("control", "draws", "selected_a_half", "true", "false", "error", "bound")
    counts = {control: [] for control in CONTROLS}
    for seed in range(arguments.repeats):
        X, y, informative = draw(seed)
        for control, params in CONTROLS.items():
            stable = L1InfStabilitySelector(**params, random_state=seed).fit(X, y)
            n_true = (stable.support_ & informative).sum()
            n_false = (stable.support_ & ~informative).sum()
            bound = stable.false_positives_bound_
            counts[control].append((stable.n_selected_, n_true, n_false, bound))
        if (seed + 1) % 20 == 0 or seed + 1 == arguments.repeats:
            for control, rows in counts.items():
                means = np.mean(rows, axis=0)
                error = np.std(rows, axis=0, ddof=1)[2] / np.sqrt(len(rows))
                report(control, len(rows), *map(float, [*means[:3], error, means[3]]))


def quality(arguments):
    """Report stability and accuracy of the rankings, set by set and on average."""
    report("dataset", "ranking", *(f"k{k}" for k in KS), "mean", "stability")
    totals = {}
    for name in arguments.sets or SETS:
        X, y = load(arguments.data, name)
        scores, tops = {}, {}
        folds = RepeatedStratifiedKFold(
            n_splits=4, n_repeats=arguments.repeats, random_state=arguments.seed
        )
        for fold, (train, test) in enumerate(folds.split(X, y)):
            scaler = StandardScaler().fit(X[train])
            known, new = ((scaler.transform(X[i]), y[i]) for i in (train, test))
            selector = L1InfFeatureSelector(random_state=fold)
            stable = L1InfStabilitySelector(selector, random_state=fold).fit(*known)
            for ranking, fitted in (
                ("one fit", stable.selector_),
                ("50 halves", stable),
            ):
                order = np.argsort(fitted.ranking_)
                by_k = [accuracy(known, new, order[:k]) for k in KS]
                scores.setdefault(ranking, []).append(by_k)
                tops.setdefault(ranking, []).append(order[:20])
        for ranking in scores:
            by_k = np.mean(scores[ranking], axis=0)
            index = stability(np.array(tops[ranking]), X.shape[1])
            row = [*map(float, by_k), float(by_k.mean()), float(index)]
            report(name, ranking, *row)
            totals.setdefault(ranking, []).append(row)
    for ranking, rows in totals.items():
        report("mean", ranking, *map(float, np.mean(rows, axis=0)))


TASKS = {
    "cost": (cost, 7),
    "noise": (lambda arguments: promise(arguments, draw_noise), 200),
    "signal": (lambda arguments: promise(arguments, draw_signal), 200),
    "expression": (lambda arguments: promise(arguments, draw_expression), 20),
    "quality": (quality, 2),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--data", help="folder of .npz files with X and y")
    parser.add_argument("--sets", nargs="+", help="real sets; default: those above")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the folds of `quality`")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task, repeats = TASKS[arguments.task]
    arguments.repeats = arguments.repeats or repeats
    task(arguments)


if __name__ == "__main__":
    main()
