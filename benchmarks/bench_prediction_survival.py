"""Compare the network as a model of survival with models that people use.

    python benchmarks/bench_prediction_survival.py
    python benchmarks/bench_prediction_survival.py --methods lassonet --datasets NSBCD

The sets, the folds and the treatment of missing numbers are those of bench_survival.py.
Every method gets all columns, and tunes itself on the training samples of a fold where
it has something to tune. The figures are the concordance of Harrell and that of Uno,
means over the folds; the spread of Harrell's over the repeats; the mean number of
features that a prediction needs; and the median of the processor seconds of a fit on
one thread. The results go to a CSV file as they come, and a program that was stopped
goes on where it stopped. Needs the extra `bench`.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from bench_selection import print_row
from bench_survival import SETS, append, finished, harrell, load, uno
from sklearn.impute import SimpleImputer
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from threadpoolctl import threadpool_limits

from skl1inf import L1InfCoxRegressor, L1InfFeatureSelector

# Every method is a function of standardised columns, outcomes and a seed. It returns
# the function that predicts the risks, and how many columns that one looks at.


def l1inf(X, y, seed):
    model = L1InfCoxRegressor(random_state=seed).fit(X, y)
    return model.predict, model.n_features_


def selector_ridge(X, y, seed):
    """Our selector, then a Cox model of a ridge penalty: one for each feature."""
    selector = L1InfFeatureSelector(target="survival", random_state=seed).fit(X, y)
    n_chosen = selector.n_features_
    model = CoxPHSurvivalAnalysis(alpha=n_chosen, ties="efron")
    model.fit(selector.transform(X), y)
    return lambda X: model.predict(selector.transform(X)), n_chosen


def coxnet(X, y, seed, l1_ratio=1.0):
    """Choose the penalty by the concordance of Harrell of five inner folds."""
    settings = {"l1_ratio": l1_ratio, "max_iter": 10**6}
    path = CoxnetSurvivalAnalysis(**settings, alpha_min_ratio=0.05).fit(X, y)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y["event"])
    scores = np.zeros(len(path.alphas_))
    for train, test in folds:
        model = CoxnetSurvivalAnalysis(**settings, alphas=path.alphas_)
        model.fit(X[train], y[train])
        found = np.full(len(scores), 0.5)  # a path may end early
        risks = (X[test] @ model.coef_).T
        found[: len(risks)] = [harrell(y[test], risk) for risk in risks]
        scores += found
    coef = path.coef_[:, scores.argmax()]
    return lambda X: X @ coef, np.count_nonzero(coef)


def coxnet_half(X, y, seed):
    return coxnet(X, y, seed, l1_ratio=0.5)


def forest(X, y, seed):
    model = RandomSurvivalForest(300, low_memory=True, random_state=seed).fit(X, y)
    return model.predict, X.shape[1]


def lassonet(X, y, seed):
    """Choose the penalty by the concordance of Harrell of a quarter of the samples.

    The path is coarser than its default, which takes ten times as long.
    """
    from lassonet import LassoNetCoxRegressor

    folds = StratifiedKFold(4, shuffle=True, random_state=seed).split(X, y["event"])
    train, held_out = next(folds)
    outcome = np.column_stack([y["time"], y["event"]]).astype(np.float32)
    X = X.astype(np.float32)
    model = LassoNetCoxRegressor(
        tie_approximation="efron",
        hidden_dims=(32,),
        n_iters=(300, 50),
        path_multiplier=1.05,
        val_size=0.15,
        random_state=seed,
        torch_seed=seed,
        verbose=0,
    )
    path = model.path(X[train], outcome[train], return_state_dicts=True)
    scores = []
    for point in path:
        model.load(point.state_dict)
        scores.append(harrell(y[held_out], model.predict(X[held_out]).ravel()))
    best = path[int(np.argmax(scores))]
    model.load(best.state_dict)
    n_used = int(best.selected.sum())
    return lambda X: model.predict(X.astype(np.float32)).ravel(), n_used


METHODS = {
    function.__name__: function
    for function in (
        l1inf,
        selector_ridge,
        coxnet,
        coxnet_half,
        forest,
        lassonet,
    )
}


def bench(method, X, y, repeats, seed):
    """Return the figures of a method on a set, over all folds."""
    splits = RepeatedStratifiedKFold(n_splits=4, n_repeats=repeats, random_state=seed)
    scores, used, seconds = [], [], []
    for fold, (train, test) in enumerate(splits.split(X, y["event"])):
        imputer = SimpleImputer(strategy="median").fit(X[train])
        parts = imputer.transform(X[train]), imputer.transform(X[test])
        scaler = StandardScaler().fit(parts[0])
        Z, Z_test = (scaler.transform(part) for part in parts)
        start = time.process_time()
        predict, n_used = method(Z, y[train], fold)
        seconds.append(time.process_time() - start)
        risk = predict(Z_test)
        scores.append([harrell(y[test], risk), uno(y[train], y[test], risk)])
        used.append(n_used)
    scores = np.array(scores)
    per_repeat = scores[:, 0].reshape(repeats, -1).mean(axis=1)
    return {
        "harrell": scores[:, 0].mean(),
        "uno": scores[:, 1].mean(),
        "spread": per_repeat.std(ddof=1) if repeats > 1 else np.nan,
        "features": np.mean(used),
        "seconds": np.median(seconds),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", default=",".join(SETS))
    everything_but = [name for name in METHODS if name != "lassonet"]
    parser.add_argument("--methods", default=",".join(everything_but))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--output", type=Path, default=Path("bench_prediction_survival.csv")
    )
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    threadpool_limits(1)
    done = finished(arguments.output, "method")
    for dataset in arguments.datasets.split(","):
        X, y = load(dataset)
        for name in arguments.methods.split(","):
            if (dataset, name) in done:
                continue
            figures = bench(METHODS[name], X, y, arguments.repeats, arguments.seed)
            row = {"dataset": dataset, "method": name, **figures}
            append([row], arguments.output)
            print_row(row)


if __name__ == "__main__":
    main()
