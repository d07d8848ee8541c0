"""Compare selectors at equal numbers of features on survival data.

    python benchmarks/bench_survival.py
    python benchmarks/bench_survival.py --selectors l1inf --output l1inf.csv
    python benchmarks/bench_survival.py --datasets NSBCD --selectors cox_score,coxnet

On each training part, every selector ranks the features. A ridge Cox model and a random
survival forest are fitted on its 5, 10, 20, 50 and 100 best (all, if there are fewer),
and judged on the test part by the concordance of Harrell and by that of Uno. The folds
are stratified by event. The settings, the same for all selectors and sets:

* The ridge Cox model is scikit-survival's on standardised columns, ties by Efron. Its
  alpha is the number of features: so the prior variance of the log-risk is 1, however
  many independent features there are. The forest is scikit-survival's with 100 trees.
* Uno's concordance weighs by the censoring of the training part, and takes the times
  below the 90th percentile of the training times.
* Missing numbers become the median of the training part, categories indicators.

The results go to a CSV file as they come, four rows a set and selector: one for each
model and concordance. A program that was stopped goes on where it stopped. Stability
and seconds are those of bench_selection.py. Needs the extra `bench`.
"""

import argparse
import csv
import warnings
from pathlib import Path

import numpy as np
from bench_selection import KS, averages, print_row, random, stability, timed_order
from sklearn.impute import SimpleImputer
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.preprocessing import StandardScaler, scale
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
from threadpoolctl import threadpool_limits

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import load_transbig

SETS = ("GSE7390", "DBCD", "vdv", "gse1992", "NSBCD")
MEASURES = ("cox_harrell", "cox_uno", "forest_harrell", "forest_uno")


def l1inf(X, y, seed):
    selector = L1InfFeatureSelector(target="survival", random_state=seed)
    return selector.fit(X, y).ranking_.argsort()


def variance(X, y, seed):
    """Order the columns by their variance as they are, not standardised."""
    return X.var(axis=0).argsort(kind="stable")[::-1]


def cox_chi2(X, y):
    """Score test of a Cox model of each column alone, ties by Efron.

    With r at risk at the time of d events, the l-th event sees the mean
    (sum of those at risk - l/d sum of the events) / (r - l), and likewise the mean of
    the squares. The statistic is U^2 / V, with U the sum of x_i less that mean, and V
    the sum of the variances.
    """
    order = np.argsort(-y["time"], kind="stable")
    time, event, X = y["time"][order], y["event"][order], scale(X)[order]
    last = np.searchsorted(-time, -time, side="right")  # those at risk come first
    sums, squares = X.cumsum(axis=0), (X**2).cumsum(axis=0)
    score, information = np.zeros((2, X.shape[1]))
    for n_at_risk in np.unique(last[event]):
        died = event & (last == n_at_risk)
        gone = np.arange(died.sum())[:, None]
        share = gone / len(gone)
        mean = (sums[n_at_risk - 1] - share * X[died].sum(axis=0)) / (n_at_risk - gone)
        square = squares[n_at_risk - 1] - share * (X[died] ** 2).sum(axis=0)
        score += X[died].sum(axis=0) - mean.sum(axis=0)
        information += (square / (n_at_risk - gone) - mean**2).sum(axis=0)
    return np.divide(score**2, information, where=information > 0, out=score * 0)


def cox_score(X, y, seed):
    return cox_chi2(X, y).argsort(kind="stable")[::-1]


def first_by(importance, X, y):
    """Order by importance; the score test settles the order of those that tie."""
    return np.lexsort((-cox_chi2(X, y), -importance))


def coxnet(X, y, seed, l1_ratio=1.0):
    """Order the features as they enter the path of 100 penalties."""
    path = CoxnetSurvivalAnalysis(l1_ratio=l1_ratio, max_iter=10**6).fit(scale(X), y)
    alive = path.coef_ != 0
    alive = np.column_stack([alive, np.ones(len(alive), dtype=bool)])
    return first_by(-alive.argmax(axis=1), X, y)


def coxnet_half(X, y, seed):
    return coxnet(X, y, seed, l1_ratio=0.5)


def forest(X, y, seed, n_trees=300):
    """Random survival forest: the loss of concordance out of bag by permutation.

    Only the columns that a tree uses can change its predictions, so only those are
    permuted, tree by tree.
    """
    X = X.astype(np.float32)
    model = RandomSurvivalForest(n_trees, low_memory=True, random_state=seed).fit(X, y)
    rng = np.random.default_rng(seed)
    importance = np.zeros(X.shape[1])
    for tree, drawn in zip(model.estimators_, model.estimators_samples_, strict=True):
        left_out = np.setdiff1d(np.arange(len(X)), drawn)
        outcome, columns = y[left_out], X[left_out]
        if not outcome["event"].any():
            continue
        used = np.unique(tree.tree_.feature)
        concordance = harrell(outcome, tree.predict(columns, check_input=False))
        for feature in used[used >= 0]:
            permuted = columns.copy()
            permuted[:, feature] = rng.permutation(permuted[:, feature])
            risk = tree.predict(permuted, check_input=False)
            importance[feature] += concordance - harrell(outcome, risk)
    return first_by(importance, X, y)


def lassonet(X, y, seed):
    """LassoNet along a path coarser than its default, which takes ten times as long."""
    from lassonet import LassoNetCoxRegressor

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
    outcome = np.column_stack([y["time"], y["event"]])
    model.path(scale(X).astype(np.float32), outcome.astype(np.float32))
    return first_by(model.feature_importances_.numpy(), X, y)


SELECTORS = {
    function.__name__: function
    for function in (
        l1inf,
        variance,
        cox_score,
        coxnet,
        coxnet_half,
        forest,
        lassonet,
        random,
    )
}


def harrell(y, risk):
    return concordance_index_censored(y["event"], y["time"], risk)[0]


def uno(y_train, y_test, risk):
    limit = np.quantile(y_train["time"], 0.9)
    return concordance_index_ipcw(y_train, y_test, risk, tau=limit)[0]


def load(name):
    """Return the numbers of a set, which may be missing, and its outcomes."""
    if name == "GSE7390":
        return load_transbig(return_X_y=True)
    import pandas as pd
    from SurvSet.data import SurvLoader

    frame = SurvLoader().load_dataset(name)["df"]
    outcome = np.empty(len(frame), dtype=[("event", bool), ("time", float)])
    outcome["event"], outcome["time"] = frame["event"] == 1, frame["time"]
    features = frame.drop(columns=["pid", "event", "time"])
    categories = [column for column in features if column.startswith("fac_")]
    numbers = pd.get_dummies(features, columns=categories)
    return numbers.to_numpy(float), outcome


def judge(train, test, features):
    """Return the concordances of both models on some features, in order of MEASURES."""
    (X, y), (X_test, y_test) = train, test
    scaler = StandardScaler().fit(X[:, features])
    X, X_test = (scaler.transform(part[:, features]) for part in (X, X_test))
    models = (
        CoxPHSurvivalAnalysis(alpha=len(features), ties="efron"),
        RandomSurvivalForest(100, low_memory=True, random_state=0),
    )
    scores = []
    for model in models:
        risk = model.fit(X, y).predict(X_test)
        scores += [harrell(y_test, risk), uno(y, y_test, risk)]
    return scores


def bench(select, X, y, repeats, seed):
    """Yield the figures of a selector on a set over all folds, a row a measure."""
    splits = RepeatedStratifiedKFold(n_splits=4, n_repeats=repeats, random_state=seed)
    scores, tops, seconds = [], [], []
    for fold, (train, test) in enumerate(splits.split(X, y["event"])):
        imputer = SimpleImputer(strategy="median").fit(X[train])
        Xy_train, Xy_test = ((imputer.transform(X[i]), y[i]) for i in (train, test))
        order, elapsed = timed_order(select, *Xy_train, fold)
        scores.append([judge(Xy_train, Xy_test, order[:k]) for k in KS])
        tops.append(order[:20])
        seconds.append(elapsed)
    shared = {
        "stability": stability(np.array(tops), X.shape[1]),
        "seconds": np.median(seconds),
    }
    for measure, values in zip(MEASURES, np.moveaxis(scores, 2, 0), strict=True):
        yield {"measure": measure, **averages(values, repeats), **shared}


def finished(path, column="selector"):
    """Return the pairs of set and selector, or method, that a file of results has."""
    if not path.exists():
        return set()
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["dataset"], row[column]) for row in rows}


def append(table, path):
    """Add rows, as dictionaries, to a CSV file, which may be new."""
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        if new:
            writer.writeheader()
        writer.writerows(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", default=",".join(SETS))
    parser.add_argument("--selectors", default=",".join(SELECTORS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("bench_survival.csv"))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    threadpool_limits(1)
    done = finished(arguments.output)
    for dataset in arguments.datasets.split(","):
        X, y = load(dataset)
        for name in arguments.selectors.split(","):
            if (dataset, name) in done:
                continue
            figures = bench(SELECTORS[name], X, y, arguments.repeats, arguments.seed)
            table = [{"dataset": dataset, "selector": name, **row} for row in figures]
            append(table, arguments.output)
            for row in table:
                print_row(row)


if __name__ == "__main__":
    main()
