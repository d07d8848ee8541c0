"""The path of radii and the choice among them: what it costs, what it is worth.

Cost: a path of 20 radii, the cross-validation over it and a grid search over the same
radii, as multiples of one fit. Processor seconds of this process on one thread, so that
other work on the machine hardly matters; medians.

Worth: in every outer fold (four, stratified), the balanced accuracy of an estimator on
what is selected, for every radius of the grid and for both rules. The radius that is
best for all sets together is the one to compare with.

    python benchmarks/bench_path.py --data FOLDER [--datasets Khan,ALLAML] [--cost]
        [--output benchmarks/results]

FOLDER holds .npz files with the arrays X and y.
"""

import argparse
import csv
import os
from pathlib import Path
from time import process_time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from skl1inf import L1InfFeatureSelector, L1InfFeatureSelectorCV, radius_path

SETS = "colon,ALLAML,Prostate-GE,Khan,TOX-171,Breast_metabolomics,madelon"
REPEATS = 5


def load(folder, name):
    with np.load(Path(folder) / f"{name}.npz") as arrays:
        return arrays["X"].astype(np.float64), arrays["y"].astype(int)


def cost(X, y):
    """Return processor seconds of each of the jobs."""
    radii = np.geomspace(0.1, 5, 20)
    judge = make_pipeline(StandardScaler(), LogisticRegression())
    grid = GridSearchCV(
        make_pipeline(L1InfFeatureSelector(random_state=0), judge),
        {"l1inffeatureselector__radius": radii},
        cv=5,
    )
    jobs = {
        "fit": L1InfFeatureSelector(random_state=0).fit,
        "path": lambda X, y: radius_path(X, y, radii=radii, random_state=0),
        "cv": L1InfFeatureSelectorCV(radii=radii, cv=5, random_state=0).fit,
        "grid search": grid.fit,
    }
    seconds = {name: [] for name in jobs}
    for repeat in range(REPEATS):
        for name, job in jobs.items():
            if name == "grid search" and repeat > 0:
                continue
            start = process_time()
            job(X, y)
            seconds[name].append(process_time() - start)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def supports(X, y):
    """Return what every way selects: each fixed radius, and both rules of the choice.

    One cross-validation serves both rules: they differ in the radius alone.
    """
    radii = np.geomspace(0.1, 5, 20)
    chosen = {
        f"{radius:.3g}": L1InfFeatureSelector(radius, random_state=0).fit(X, y).support_
        for radius in radii
    }
    model = L1InfFeatureSelectorCV(radii=radii, random_state=0).fit(X, y)
    best = np.nanargmax(model.cv_results_["mean_test_score"])
    return {**chosen, "1se": model.support_, "best": model.path_.support[best]}


def worth(X, y):
    """Yield the accuracies and numbers of features of every way to select."""
    judges = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "svc": make_pipeline(StandardScaler(), SVC()),
    }
    folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
    of_folds = [supports(X[train], y[train]) for train, _ in folds]
    for name in of_folds[0]:
        masks = [of_fold[name] for of_fold in of_folds]
        scores = {judge: [] for judge in judges}
        for (train, test), mask in zip(folds, masks, strict=True):
            for judge, model in judges.items():
                model.fit(X[train][:, mask], y[train])
                predicted = model.predict(X[test][:, mask])
                scores[judge].append(balanced_accuracy_score(y[test], predicted))
        arrays = {judge: np.array(values) for judge, values in scores.items()}
        yield name, arrays, [int(mask.sum()) for mask in masks]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", default=os.environ.get("SKL1INF_DATA"), required=False
    )
    parser.add_argument("--datasets", default=SETS)
    parser.add_argument("--cost", action="store_true", help="measure the cost alone")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    if args.data is None:
        parser.error("--data or the environment variable SKL1INF_DATA is needed")
    args.output.mkdir(parents=True, exist_ok=True)
    names = args.datasets.split(",")
    with threadpool_limits(1):
        import torch

        torch.set_num_threads(1)
        if args.cost:
            report_cost(args, names)
        else:
            report_worth(args, names)


def report_cost(args, names):
    with (args.output / "path_cost.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for name in names:
            seconds = cost(*load(args.data, name))
            ratios = {job: s / seconds["fit"] for job, s in seconds.items()}
            writer.writerow([name, *seconds.values()])
            figures = "  ".join(f"{job} {ratio:.1f}" for job, ratio in ratios.items())
            print(f"{name}: one fit {seconds['fit']:.3f} s; {figures}", flush=True)


def report_worth(args, names):
    with (args.output / "path_worth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for name in names:
            for way, scores, sizes in worth(*load(args.data, name)):
                for judge, values in scores.items():
                    error = values.std(ddof=1) / np.sqrt(len(values))
                    row = [name, way, judge, values.mean(), error, np.mean(sizes)]
                    writer.writerow(row)
                    print("{} {} {} {:.3f} ± {:.3f} {:.0f}".format(*row), flush=True)


if __name__ == "__main__":
    main()
