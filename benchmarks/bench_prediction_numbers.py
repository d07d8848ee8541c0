"""Compare the network as a regressor with regressors that people use.

    python benchmarks/bench_prediction_numbers.py --data FOLDER   # .npz with X and Y
    python benchmarks/bench_prediction_numbers.py --methods l1inf,lasso --repeats 1

Every method gets the raw columns, and tunes itself on the training samples of a fold
where it has something to tune. There are two draws of four folds, and four made sets
beside those of the folder: diabetes with 500 columns of noise, Friedman's function of 5
of 1005 columns, and 15 of 2000 columns with one target and with five. A made set is
another one in each draw. The figures are R^2, the mean over targets and folds; the mean
number of features that a prediction needs; and the median of the processor seconds of a
fit on one thread. The results go to a CSV file as they come. Needs the extra `bench`.
"""

import time
import warnings
from pathlib import Path

import numpy as np
from bench_selection import data_parser, print_row, write_table
from sklearn.datasets import load_diabetes, make_friedman1, make_regression
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LassoCV, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skl1inf import L1InfFeatureSelector, L1InfRegressor


def l1inf(seed):
    return L1InfRegressor(random_state=seed)


def ridge_model():
    return RidgeCV(np.logspace(-2, 4, 13), alpha_per_target=True)


def selector_ridge(seed):
    """Our selector, then a ridge regression."""
    selector = L1InfFeatureSelector(target="regression", random_state=seed)
    return make_pipeline(selector, StandardScaler(), ridge_model())


def lasso(seed):
    """Choose the penalty of every target by five inner folds.

    The path is shorter than its default, which takes five times as long.
    """
    model = LassoCV(eps=1e-2, alphas=30, cv=5)
    return make_pipeline(StandardScaler(), MultiOutputRegressor(model))


def ridge(seed):
    """Choose the penalty of every target by leaving out one sample at a time."""
    return make_pipeline(StandardScaler(), ridge_model())


def forest(seed):
    return RandomForestRegressor(200, max_features=1 / 3, random_state=seed)


METHODS = {
    function.__name__: function
    for function in (l1inf, selector_ridge, lasso, ridge, forest)
}


def diabetes500(draw):
    X, y = load_diabetes(return_X_y=True)
    noise = np.random.default_rng(draw).standard_normal((len(X), 500))
    return np.hstack([X, noise]), y


def friedman(draw):
    return make_friedman1(300, 1005, noise=1.0, random_state=draw)


def wide(draw):
    return make_regression(150, 2000, n_informative=15, noise=30, random_state=draw)


def multi(draw):
    return make_regression(
        150, 2000, n_informative=15, n_targets=5, noise=60, random_state=draw
    )


MADE = {
    function.__name__: function for function in (diabetes500, friedman, wide, multi)
}


def of_file(path):
    """Return a function that draws the set of a file, always the same."""
    with np.load(path) as data:
        X, Y = data["X"].astype(float), data["Y"].astype(float)
    X = X[:, X.std(axis=0) > 0]
    return lambda draw: (X, Y.reshape(len(Y), -1))


def all_sets(folder):
    """Return the sets, functions of the number of the draw, by name."""
    paths = sorted(Path(folder).glob("*.npz")) if folder else ()
    return {path.stem: of_file(path) for path in paths} | MADE


def n_features(model, X):
    """Return how many columns a fitted model looks at."""
    first, last = (model[0], model[-1]) if hasattr(model, "steps") else (model, model)
    if hasattr(first, "support_"):
        return first.support_.sum()
    if isinstance(last, MultiOutputRegressor):
        return np.any([one.coef_ for one in last.estimators_], axis=0).sum()
    return X.shape[1]


def bench(method, draw_set, repeats, seed):
    """Return the figures of a method on a set, over all folds."""
    scores, used, seconds = [], [], []
    for draw in range(seed, seed + repeats):
        X, Y = draw_set(draw)
        Y = Y.reshape(len(Y), -1)
        splits = KFold(4, shuffle=True, random_state=draw).split(X)
        for fold, (train, test) in enumerate(splits):
            start = time.process_time()
            model = method(fold).fit(X[train], Y[train])
            seconds.append(time.process_time() - start)
            predicted = model.predict(X[test]).reshape(Y[test].shape)
            scores.append(r2_score(Y[test], predicted))
            used.append(n_features(model, X))
    per_repeat = np.reshape(scores, (repeats, -1)).mean(axis=1)
    return {
        "r2": np.mean(scores),
        "spread": per_repeat.std(ddof=1) if repeats > 1 else np.nan,
        "features": np.mean(used),
        "seconds": np.median(seconds),
    }


def main():
    parser = data_parser(__doc__.splitlines()[0], "bench_prediction_numbers.csv")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    threadpool_limits(1)
    l1inf(0).fit(*make_regression(60, 20, random_state=0))  # imports, and compiles
    table = []
    for dataset, draw_set in all_sets(arguments.data).items():
        if arguments.datasets and dataset not in arguments.datasets.split(","):
            continue
        for name in arguments.methods.split(","):
            figures = bench(METHODS[name], draw_set, arguments.repeats, arguments.seed)
            table.append({"dataset": dataset, "method": name, **figures})
            print_row(table[-1])
            write_table(table, arguments.out)


if __name__ == "__main__":
    main()
