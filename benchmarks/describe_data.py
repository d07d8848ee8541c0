"""Describe real matrices and those of make_expression, as the page on data does.

    python benchmarks/describe_data.py --data FOLDER       # .npz files with X and y

Prints two tables in Markdown. The first looks at 1500 random columns of each matrix
(correlations, in brackets those of independent Gaussian columns) and at all of them.
The second says, over eight draws of make_expression, how hard it is to find the
informative features and to predict from them, in five folds.
"""

import numpy as np
from bench_selection import data_parser, real_sets
from scipy.stats import kurtosis, skew
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from skl1inf.datasets import make_expression

SETS = ("ALLAML", "Prostate-GE", "colon", "TOX-171")
LEVELS = (50, 90, 99, 99.9)


def correlations(X):
    """Return the absolute correlations of pairs of columns, and the highest of each."""
    found = np.abs(np.corrcoef(X, rowvar=False))
    np.fill_diagonal(found, 0)
    return found[np.triu_indices_from(found, 1)], found.max(axis=0)


def p_values(X, y):
    return np.nan_to_num(f_classif(X, y)[1], nan=1.0)


def accuracy(model, X, y):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return cross_val_score(
        make_pipeline(StandardScaler(), model), X, y, cv=folds
    ).mean()


def describe(X, y, rng):
    """Yield what a matrix looks like, a name and a text each."""
    X = X[:, X.std(axis=0) > 0]
    columns = rng.permutation(X.shape[1])[:1500]
    pairs, highest = correlations(X[:, columns])
    chance, _ = correlations(rng.standard_normal((len(X), len(columns))))
    yield "samples, features", f"{X.shape[0]}, {X.shape[1]}"
    for level in LEVELS:
        of_chance = np.percentile(chance, level)
        name = f"absolute correlation, {level} %"
        yield name, f"{np.percentile(pairs, level):.2f} ({of_chance:.2f})"
    yield "highest correlation of a column, median", f"{np.median(highest):.2f}"
    variances = np.linalg.svd(scale(X), compute_uv=False) ** 2
    shares = np.cumsum(variances) / variances.sum()
    yield "share of the first principal component", f"{shares[0]:.2f}"
    for number in (5, 10):
        name = f"share of the first {number} principal components"
        yield name, f"{shares[number - 1]:.2f}"
    for level in (10, 50, 90):
        yield f"skewness of a column, {level} %", f"{np.percentile(skew(X), level):.2f}"
    yield "excess kurtosis, 90 %", f"{np.percentile(kurtosis(X), 90):.1f}"
    yield "columns with p < .001 in an F test", f"{(p_values(X, y) < 0.001).mean():.1%}"
    yield "accuracy of an RBF SVC on all columns", f"{accuracy(SVC(), X, y):.2f}"


def difficulty(seed, n_informative):
    """Return how hard a draw of make_expression is, numbers by name."""
    X, y, true = make_expression(n_informative=n_informative, random_state=seed)
    p = p_values(X, y)
    best = make_pipeline(SelectKBest(k=n_informative), SVC())
    return {
        "SVC, linear kernel, all columns": accuracy(SVC(kernel="linear"), X, y),
        "SVC, RBF kernel, all columns": accuracy(SVC(), X, y),
        "SVC, RBF kernel, the true columns": accuracy(SVC(), X[:, true], y),
        "SVC, RBF kernel, the best of an F test in each fold": accuracy(best, X, y),
        "columns with p < .001 in an F test": (p < 0.001).mean(),
        "true columns with p < .001 in an F test": (p[true] < 0.001).mean(),
        "true columns among the best of an F test": true[
            p.argsort()[:n_informative]
        ].mean(),
    }


def print_table(header, columns):
    """Print columns, dictionaries with the same keys, as a table."""
    print(f"\n| | {' | '.join(header)} |\n| --- |{' --- |' * len(header)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")


def main():
    arguments = data_parser(__doc__.splitlines()[0], None).parse_args()
    threadpool_limits(1)
    matrices = {name: (X, y) for name, X, y in real_sets(arguments.data)}
    matrices = {name: matrices[name] for name in SETS}
    matrices["`make_expression`"] = make_expression(random_state=0)[:2]
    rng = np.random.default_rng(arguments.seed)
    print_table(matrices, [dict(describe(X, y, rng)) for X, y in matrices.values()])

    sizes = (50, 500)
    columns = []
    for n_informative in sizes:
        draws = [difficulty(seed, n_informative) for seed in range(8)]
        means = {name: np.mean([draw[name] for draw in draws]) for name in draws[0]}
        columns.append({name: f"{mean:.3f}" for name, mean in means.items()})
    print_table([f"`n_informative={number}`" for number in sizes], columns)


if __name__ == "__main__":
    main()
