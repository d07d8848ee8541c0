"""Compare selectors at equal numbers of features, on real and on artificial data.

    python benchmarks/bench_selection.py --data FOLDER     # .npz files with X and y
    python benchmarks/bench_selection.py --truth           # known informative features
    python benchmarks/bench_selection.py --selectors l1inf,forest --repeats 5 --seed 1

The shipped srbct matrix is always among the real sets. Every fold is standardised on
its training part; a linear and an RBF SVC are fitted on the k best features of each
selector, and the figure is balanced accuracy. Stability is the index of Nogueira,
Sechidis and Brown (JMLR 2018) of the 20 best features over the folds. With --truth,
the figures are the precision among the first 50 features and the area under the ROC
curve of the ranking, over independent draws. Times are processor seconds on one
thread: other work on the machine matters less. Needs the extra `bench`.
Results go to a CSV file and a figure.
"""

import argparse
import csv
import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import load_srbct, make_expression

KS = (5, 10, 20, 50, 100)
N_TRUE = 50


def l1inf(X, y, seed):
    return L1InfFeatureSelector(random_state=seed).fit(X, y).ranking_.argsort()


def f_test(X, y, seed):
    return np.nan_to_num(f_classif(X, y)[0]).argsort()[::-1]


def l1_logistic(X, y, seed):
    model = LogisticRegression(l1_ratio=1, solver="liblinear", random_state=seed)
    model = OneVsRestClassifier(model).fit(X, y)
    weights = sum(np.abs(binary.coef_[0]) for binary in model.estimators_)
    return np.lexsort((-np.nan_to_num(f_classif(X, y)[0]), -weights))


def mrmr(X, y, seed):
    """F-test over mean absolute correlation; the features after the first 100 tie."""
    import polars as pl
    from mrmrs import mrmr

    frame = pl.from_numpy(X, schema=[str(column) for column in range(X.shape[1])])
    chosen = mrmr(
        X=frame,
        y=pl.Series("target", y),
        number_of_features=min(max(KS), X.shape[1]),
        task_type="classification",
    )
    first = np.array([int(feature.name) for feature in chosen])
    return np.append(first, np.setdiff1d(np.arange(X.shape[1]), first))


def forest(X, y, seed):
    model = RandomForestClassifier(1000, random_state=seed).fit(X, y)
    return model.feature_importances_.argsort()[::-1]


def svm_rfe(X, y, seed):
    model = LinearSVC(C=0.01, dual=True, random_state=seed)
    rfe = RFE(model, n_features_to_select=5, step=0.1).fit(X, y)
    return rfe.ranking_.argsort(kind="stable")


def lassonet(X, y, seed):
    """LassoNet along a path coarser than its default, which takes ten times as long."""
    from lassonet import LassoNetClassifier

    model = LassoNetClassifier(
        hidden_dims=(32,),
        n_iters=(300, 50),
        path_multiplier=1.05,
        val_size=0.15,
        random_state=seed,
        torch_seed=seed,
        verbose=0,
    )
    model.path(X.astype(np.float32), y)
    return model.feature_importances_.numpy().argsort(kind="stable")[::-1]


def relieff(X, y, seed):
    from skrebate import ReliefF

    n_neighbors = min(10, np.bincount(y).min() - 1)
    model = ReliefF(n_neighbors=n_neighbors).fit(X, y)
    return model.feature_importances_.argsort()[::-1]


def random(X, y, seed):
    """No selector at all: what as many features drawn at random give."""
    return np.random.default_rng(seed).permutation(X.shape[1])


SELECTORS = {
    function.__name__: function
    for function in (
        l1inf,
        f_test,
        l1_logistic,
        mrmr,
        forest,
        svm_rfe,
        lassonet,
        relieff,
        random,
    )
}


def stability(tops, n_features):
    """Nogueira's index of subsets of equal size, given as rows of indices."""
    n_sets, k = tops.shape
    share = np.bincount(tops.ravel(), minlength=n_features) / n_sets
    variance = n_sets / (n_sets - 1) * (share * (1 - share)).mean()
    return 1 - variance / (k / n_features * (1 - k / n_features))


def accuracy(Xy_train, Xy_test, features):
    """Mean balanced accuracy of a linear and an RBF SVC on some features."""
    (X, y), (X_test, y_test) = Xy_train, Xy_test
    models = [SVC(kernel=kernel).fit(X[:, features], y) for kernel in ("linear", "rbf")]
    scores = [
        balanced_accuracy_score(y_test, model.predict(X_test[:, features]))
        for model in models
    ]
    return np.mean(scores)


def timed_order(select, X, y, seed):
    start = time.process_time()
    order = np.asarray(select(X, y, seed))
    return order, time.process_time() - start


def real_sets(folder):
    """Yield the name, X and y of srbct and of the .npz files of a folder."""
    X, names = load_srbct(return_X_y=True)
    yield "srbct", X, np.unique(names, return_inverse=True)[1]
    for path in sorted(Path(folder).glob("*.npz")) if folder else ():
        with np.load(path) as data:
            yield path.stem, data["X"].astype(float), data["y"].astype(int)


def averages(scores, repeats):
    """Return the averages of scores, a row a fold and a column a number of features."""
    by_k = scores.mean(axis=0)
    per_repeat = scores.mean(axis=1).reshape(repeats, -1).mean(axis=1)
    return {
        **{f"k{k}": value for k, value in zip(KS, by_k, strict=True)},
        "mean": by_k.mean(),
        "spread": per_repeat.std(ddof=1) if repeats > 1 else np.nan,
    }


def bench_real(select, X, y, repeats, seed):
    """Return the figures of a selector on a real set, over all folds."""
    splits = RepeatedStratifiedKFold(n_splits=4, n_repeats=repeats, random_state=seed)
    scores, tops, seconds = [], [], []
    for fold, (train, test) in enumerate(splits.split(X, y)):
        scaler = StandardScaler().fit(X[train])
        Xy_train, Xy_test = (
            (scaler.transform(X[index]), y[index]) for index in (train, test)
        )
        order, elapsed = timed_order(select, *Xy_train, fold)
        scores.append([accuracy(Xy_train, Xy_test, order[:k]) for k in KS])
        tops.append(order[:20])
        seconds.append(elapsed)
    return {
        **averages(np.array(scores), repeats),
        "stability": stability(np.array(tops), X.shape[1]),
        "seconds": np.median(seconds),
    }


def draw_classification(n_features, seed):
    """Shuffled columns of make_classification, and which ones are informative."""
    X, y = make_classification(
        200,
        n_features,
        n_informative=N_TRUE,
        n_redundant=0,
        shuffle=False,
        random_state=seed,
    )
    columns = np.random.default_rng(seed).permutation(n_features)
    return X[:, columns], y, columns < N_TRUE


def draw_expression(n_features, seed):
    return make_expression(n_features=n_features, random_state=seed)


def truth_sets(sizes):
    """Yield name and draw(seed) of the artificial sets."""
    for n_features in sizes:
        for draw in (draw_expression, draw_classification):
            name = f"{draw.__name__.removeprefix('draw_')}-{n_features}"
            yield name, lambda seed, d=draw, n=n_features: d(n, seed)


def bench_truth(select, draw, repeats, seed):
    """Return the figures of a selector against the truth, over independent draws."""
    precision, auc, seconds = [], [], []
    for i in range(repeats):
        X, y, informative = draw(seed + i)
        order, elapsed = timed_order(select, scale(X), y, i)
        precision.append(informative[order[:N_TRUE]].mean())
        auc.append(roc_auc_score(informative[order], -np.arange(len(order))))
        seconds.append(elapsed)
    return {
        "precision": np.mean(precision),
        "spread": np.std(precision, ddof=1) if repeats > 1 else np.nan,
        "auc": np.mean(auc),
        "auc_spread": np.std(auc, ddof=1) if repeats > 1 else np.nan,
        "seconds": np.median(seconds),
    }


def rows(arguments):
    """Yield a row of figures for every set and selector."""
    options = (arguments.repeats, arguments.seed)
    if arguments.truth:
        sets = ((name, (draw,)) for name, draw in truth_sets(arguments.sizes))
        bench = bench_truth
    else:
        sets = ((name, (X, y)) for name, X, y in real_sets(arguments.data))
        bench = bench_real
    for dataset, data in sets:
        if arguments.datasets and dataset not in arguments.datasets.split(","):
            continue
        for name in arguments.selectors.split(","):
            figures = bench(SELECTORS[name], *data, *options)
            yield {"dataset": dataset, "selector": name, **figures}


def print_row(row):
    """Print the values of a row, a dictionary, when they come."""
    values = (f"{v:.3f}" if isinstance(v, float) else v for v in row.values())
    print(*values, flush=True)


def write_table(table, path):
    """Write rows, as dictionaries, to a CSV file."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


def plot(table, figure, path):
    """Draw a figure of every selector on every set, with its spread."""
    import matplotlib.pyplot as plt

    datasets = list(dict.fromkeys(row["dataset"] for row in table))
    selectors = list(dict.fromkeys(row["selector"] for row in table))
    _, ax = plt.subplots(figsize=(8, 1.2 + 0.6 * len(datasets)), layout="constrained")
    for i, selector in enumerate(selectors):
        chosen = [row for row in table if row["selector"] == selector]
        shift = 0.6 * ((i + 0.5) / len(selectors) - 0.5)
        ax.errorbar(
            [row[figure] for row in chosen],
            [datasets.index(row["dataset"]) + shift for row in chosen],
            xerr=[row["spread"] for row in chosen],
            fmt="o",
            label=selector,
        )
    ax.set_yticks(range(len(datasets)), datasets)
    ax.invert_yaxis()
    ax.set_xlabel(figure)
    ax.grid(axis="x", alpha=0.3)
    ax.figure.legend(loc="outside upper center", ncols=5)
    plt.savefig(path, dpi=150)


def data_parser(description, out):
    """Return a parser that knows of sets of data, a seed and an output file."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data",
        default=os.environ.get("SKL1INF_DATA"),
        help="folder of .npz files with X and y (default: $SKL1INF_DATA)",
    )
    parser.add_argument("--datasets", help="of the sets, only those named (a,b,...)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=out, help="the CSV file; the figure is beside")
    return parser


def main():
    parser = data_parser(__doc__.splitlines()[0], "bench_selection.csv")
    parser.add_argument("--truth", action="store_true", help="artificial sets instead")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000, 50000])
    parser.add_argument("--selectors", default="l1inf,f_test,l1_logistic,mrmr,forest")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    threadpool_limits(1)
    l1inf(*make_classification(random_state=0), 0)  # imports, and loads what it needs
    table = []
    for row in rows(arguments):
        print_row(row)
        table.append(row)
    write_table(table, arguments.out)
    figure = "precision" if arguments.truth else "mean"
    plot(table, figure, Path(arguments.out).with_suffix(".png"))


if __name__ == "__main__":
    main()
