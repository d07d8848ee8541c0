"""Compare the network as a classifier with classifiers that people use.

    python benchmarks/bench_prediction.py --data FOLDER     # .npz files with X and y
    python benchmarks/bench_prediction.py --methods l1inf,forest --repeats 1 --seed 1

Every method gets the raw columns, standardises them itself where it needs that, and
tunes itself on the training samples of a fold where it has something to tune. The
figures are balanced accuracy and log-loss, means over the folds; the expected
calibration error over ten bins of the confidence, of the samples of all folds
together; the mean number of features that a prediction needs; and the median of the
processor seconds of a fit on one thread. Needs the extra `bench`. Results go to a CSV
file.
"""

import time
import warnings

import numpy as np
from bench_selection import data_parser, real_sets, write_table
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from skl1inf import L1InfClassifier, L1InfFeatureSelector, L1InfFeatureSelectorCV

SEVEN = "Khan,colon,ALLAML,Prostate-GE,TOX-171,Breast_metabolomics,madelon"


def calibrated(model):
    """Return a classifier with probabilities from five inner folds."""
    return CalibratedClassifierCV(model, ensemble=False)


def l1inf(seed):
    return L1InfClassifier(random_state=seed)


class RadiusByItself(ClassifierMixin, BaseEstimator):
    """Our classifier, at most 100 features, at the radius that it judges best itself.

    The radius is one of ten, judged by the log-loss of five inner folds.
    """

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        """Choose the radius, then fit at it."""
        network = L1InfClassifier(
            max_features=min(100, X.shape[1]), random_state=self.seed
        )
        search = L1InfFeatureSelectorCV(
            network,
            estimator="self",
            radii=10,
            scoring="neg_log_loss",
            rule="best",
        ).fit(X, y)
        self.model_ = network.set_params(radius=search.radius_).fit(X, y)
        self.support_, self.ranking_ = self.model_.support_, self.model_.ranking_
        return self

    def predict_proba(self, X):
        """Return the probabilities of the classes."""
        return self.model_.predict_proba(X)


def l1inf_cv(seed):
    return RadiusByItself(seed)


def selector_svc(seed):
    """Our selector, then an SVC."""
    selector = L1InfFeatureSelector(random_state=seed)
    return calibrated(make_pipeline(selector, StandardScaler(), SVC()))


def l1_logistic(seed):
    """Choose the penalty by five inner folds; one against the rest for more classes."""
    model = LogisticRegressionCV(
        Cs=np.geomspace(0.01, 10, 6),
        l1_ratios=(1,),
        solver="liblinear",
        scoring="neg_log_loss",
        use_legacy_attributes=False,
        random_state=seed,
    )
    return make_pipeline(StandardScaler(), OneVsRestClassifier(model))


def svc_linear(seed):
    return calibrated(make_pipeline(StandardScaler(), LinearSVC(random_state=seed)))


def svc_rbf(seed):
    return calibrated(make_pipeline(StandardScaler(), SVC()))


def forest(seed):
    return RandomForestClassifier(500, random_state=seed)


def shrunken_centroids(seed):
    """Choose the threshold by five inner folds."""
    grid = {"nearestcentroid__shrink_threshold": [0.5, 1.0, 2.0, 3.0, 4.0]}
    model = make_pipeline(StandardScaler(), NearestCentroid())
    return GridSearchCV(model, grid, scoring="balanced_accuracy")


def boosting(seed):
    return HistGradientBoostingClassifier(random_state=seed)


class LassoNet(ClassifierMixin, BaseEstimator):
    """LassoNet, its penalty chosen by the log-loss of a quarter of the samples.

    The path is coarser than its default, which takes ten times as long.
    """

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        """Follow the path on three quarters of the samples, and keep the best point."""
        from lassonet import LassoNetClassifier

        self.scaler_ = StandardScaler().fit(X)
        Z = self.scaler_.transform(X).astype(np.float32)
        splits = StratifiedKFold(4, shuffle=True, random_state=self.seed).split(Z, y)
        train, held_out = next(splits)
        self.model_ = LassoNetClassifier(
            hidden_dims=(32,),
            n_iters=(300, 50),
            path_multiplier=1.05,
            val_size=0.15,
            random_state=self.seed,
            torch_seed=self.seed,
            verbose=0,
        )
        path = self.model_.path(Z[train], y[train], return_state_dicts=True)
        losses = []
        for point in path:
            self.model_.load(point.state_dict)
            probabilities = self.model_.predict_proba(Z[held_out])
            losses.append(log_loss(y[held_out], probabilities, labels=np.unique(y)))
        best = path[int(np.argmin(losses))]
        self.model_.load(best.state_dict)
        self.best_selected_ = np.asarray(best.selected)
        return self

    def predict_proba(self, X):
        """Return the probabilities of the classes."""
        Z = self.scaler_.transform(X).astype(np.float32)
        return np.asarray(self.model_.predict_proba(Z), dtype=float)


def lassonet(seed):
    return LassoNet(seed)


METHODS = {
    function.__name__: function
    for function in (
        l1inf,
        l1inf_cv,
        selector_svc,
        l1_logistic,
        svc_linear,
        svc_rbf,
        forest,
        shrunken_centroids,
        boosting,
        lassonet,
    )
}


def n_features(model, X):
    """Return how many columns a fitted model looks at."""
    if hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    if hasattr(model, "calibrated_classifiers_"):
        (inner,) = model.calibrated_classifiers_
        model = inner.estimator
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(model, "steps") and hasattr(model[0], "support_"):
        return model[0].support_.sum()
    if hasattr(last, "support_") and hasattr(last, "ranking_"):
        return last.support_.sum()
    if hasattr(last, "estimators_") and hasattr(last.estimators_[0], "coef_"):
        return np.any([one.coef_.ravel() for one in last.estimators_], axis=0).sum()
    if hasattr(last, "best_selected_"):
        return int(last.best_selected_.sum())
    if getattr(last, "shrink_threshold", None):
        return np.ptp(last.centroids_, axis=0).astype(bool).sum()
    return X.shape[1]


def calibration_error(y, probabilities, n_bins=10):
    """Return the expected calibration error over equal bins of the confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    place = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    return np.abs(np.bincount(place, right - confidence)).sum() / len(y)


def bench(method, X, y, repeats, seed):
    """Return the figures of a method on a set, over all folds."""
    splits = RepeatedStratifiedKFold(n_splits=4, n_repeats=repeats, random_state=seed)
    accuracy, loss, used, seconds, every_y, everything = [], [], [], [], [], []
    for fold, (train, test) in enumerate(splits.split(X, y)):
        start = time.process_time()
        model = method(fold).fit(X[train], y[train])
        seconds.append(time.process_time() - start)
        probabilities = model.predict_proba(X[test])
        accuracy.append(balanced_accuracy_score(y[test], probabilities.argmax(axis=1)))
        loss.append(log_loss(y[test], probabilities, labels=np.unique(y)))
        used.append(n_features(model, X))
        every_y.append(y[test])
        everything.append(probabilities)
    per_repeat = np.reshape(accuracy, (repeats, -1)).mean(axis=1)
    return {
        "balanced_accuracy": np.mean(accuracy),
        "spread": per_repeat.std(ddof=1) if repeats > 1 else np.nan,
        "log_loss": np.mean(loss),
        "calibration_error": calibration_error(
            np.concatenate(every_y), np.concatenate(everything)
        ),
        "features": np.mean(used),
        "seconds": np.median(seconds),
    }


def main():
    parser = data_parser(__doc__.splitlines()[0], "bench_prediction.csv")
    parser.set_defaults(datasets=SEVEN)
    everything_but = [name for name in METHODS if name != "lassonet"]
    parser.add_argument("--methods", default=",".join(everything_but))
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    threadpool_limits(1)
    l1inf(0).fit(*make_classification(random_state=0))  # imports, and what is compiled
    table = []
    for dataset, X, y in real_sets(arguments.data):
        if dataset not in arguments.datasets.split(","):
            continue
        for name in arguments.methods.split(","):
            method = METHODS[name]
            figures = bench(method, X, y, arguments.repeats, arguments.seed)
            row = {"dataset": dataset, "method": name, **figures}
            values = (f"{v:.3f}" if isinstance(v, float) else v for v in row.values())
            print(*values, flush=True)
            table.append(row)
            write_table(table, arguments.out)


if __name__ == "__main__":
    main()
