"""The folds of the choice of the radius: whether they can be used, and their scores."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from .._sklearn import _fit_and_score, _warn_or_raise_about_fit_failures
from .._warn import warn_the_caller
from ._base import Data
from ._network_judge import NetworkJudge
from ._path import follow
from ._selector import L1InfFeatureSelector

# The estimator is tried on so many columns before any training.
_N_TRIED = 5

# An error names so many folds.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Folds:
    """All that is needed to follow the path in any of the folds, and to score it.

    Attributes
    ----------
    data : Data
        All samples.
    splits : list of tuple of ndarray
        The indices of the training and of the test samples of every fold.
    selector : L1InfFeatureSelector
        The settings of the selection.
    radii : ndarray of shape (n_radii,)
        The radii, ascending.
    options : Options
        The settings of the training.
    estimator : estimator
        What the features are for.
    scorer : callable
        Its score.
    fit_params, score_params : dict
        What the estimator and the scorer are given, of all samples.
    error_score : "raise" or float
        The score where the estimator fails, or where its score is undefined.
    """

    data: Data
    splits: list[tuple[np.ndarray, np.ndarray]]
    selector: L1InfFeatureSelector
    radii: np.ndarray
    options: Any
    estimator: BaseEstimator
    scorer: Any
    fit_params: dict
    score_params: dict
    error_score: float | str

    def check(self):
        """Raise ValueError where a fold cannot be used, before any training."""
        undefined = {}
        for k, (train, test) in enumerate(self.splits):
            try:
                if len(test) == 0:
                    raise ValueError("it has no test samples.")
                prepared = self.data.prepare(self.selector, train)
            except ValueError as error:
                raise ValueError(
                    f"Fold {k}, of folds 0 to {len(self.splits) - 1}, cannot be "
                    f"trained on: {error}"
                ) from error
            columns = np.flatnonzero(~prepared.scaling.constant)
            failure = self._failure(columns, train, test)
            if failure is not None:
                undefined[k] = failure
        if undefined:
            self._refuse(undefined)

    def run(self, chosen):
        """Return the paths, trained at once, and what the chosen folds come to.

        The path, the scores at the radii, and the results of the fits behind them.
        """
        from ..network import Silent

        splits = [self.splits[fold] for fold in chosen]
        datasets = [self.data.prepare(self.selector, train) for train, _ in splits]
        paths = follow(self.selector, datasets, self.radii, self.options, Silent())
        with warnings.catch_warnings():
            # "auto" has warned of many classes, if the user has not asked for them.
            warnings.filterwarnings("ignore", "The number of unique classes")
            return [
                (path, *self._scores(path, *split))
                for path, split in zip(paths, splits, strict=True)
            ]

    def _scores(self, path, train, test):
        """Return the score of the estimator at each of the radii, and its fits."""
        results = {}  # neighbouring radii often select the same
        nothing = {"test_scores": np.nan}
        scores = []
        for support, ranking in zip(path.support, path.rankings, strict=True):
            columns = np.flatnonzero(support)
            if isinstance(self.estimator, NetworkJudge):
                columns = columns[ranking[columns].argsort()]
            key = columns.tobytes()
            if support.any() and key not in results:
                results[key] = self._evaluate(columns, train, test, self.error_score)
            scores.append(results.get(key, nothing)["test_scores"])
        return np.array(scores, dtype=float), list(results.values())

    def _evaluate(self, columns, train, test, error_score):
        """Return what scikit-learn's searches know of one fit and its score."""
        y = self.data.y
        if y.ndim == 2 and y.shape[1] == 1:  # as estimators expect a single target
            y = y[:, 0]
        result = _fit_and_score(
            clone(self.estimator),
            self.data.matrix.take_columns(columns),
            y,
            scorer=self.scorer,
            train=train,
            test=test,
            verbose=0,
            parameters=None,
            fit_params=self.fit_params,
            score_params=self.score_params,
            error_score=error_score,
        )
        if np.isnan(result["test_scores"]) and error_score != "raise":
            result["test_scores"] = error_score
        return result

    def _failure(self, columns, train, test):
        """Return the result of a fold whose score is undefined, None if it is defined.

        Few columns tell in most cases. Where the score is undefined on them, all are
        tried too: it may depend on what is selected.
        """
        last = "raise" if self.error_score == "raise" else np.nan
        tries = [(columns[:_N_TRIED], np.nan), (columns, last)]
        for tried, error_score in tries[len(columns) <= _N_TRIED :]:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = self._evaluate(tried, train, test, error_score)
            if not np.isnan(result["test_scores"]):
                return None
        said = [str(warning.message) for warning in caught] or ["it is NaN"]
        result["reason"] = (result["fit_error"] or said[-1]).strip().splitlines()[-1]
        return result

    def _refuse(self, undefined):
        """Raise ValueError unless `error_score` stands in for the undefined scores."""
        all_of_them = len(undefined) == len(self.splits)
        results = list(undefined.values())
        if all_of_them and all(result["fit_error"] for result in results):
            _warn_or_raise_about_fit_failures(results, self.error_score)
        stands_in = self.error_score != "raise" and not np.isnan(self.error_score)
        if stands_in and not all_of_them:
            return
        folds = ", ".join(str(k) for k in list(undefined)[:_MOST_NAMED])
        if len(undefined) > _MOST_NAMED:
            folds += f" and {len(undefined) - _MOST_NAMED} more"
        raise ValueError(
            f"The score is undefined whatever is selected, in fold {folds} of folds "
            f"0 to {len(self.splits) - 1}: {results[0]['reason']} Pass other folds as "
            "`cv` or another score as `scoring`"
            + ("." if all_of_them else ", or a number as `error_score`.")
        )


def summarise(paths, scores, results, error_score):
    """Return the mean and the deviation of the scores, NaN where one is NaN.

    Warns of fits that have failed, as scikit-learn's searches do. Raises ValueError
    where no radius has a score in every fold.
    """
    _warn_or_raise_about_fit_failures(results, error_score)
    scores = np.array(scores)
    empty = np.array([path.n_features == 0 for path in paths])
    undefined = np.isnan(scores) & ~empty
    if undefined.any():
        of_folds = [f"{n} in fold {k}" for k, n in enumerate(undefined.sum(1)) if n]
        warn_the_caller(
            f"The score is NaN at some of the {scores.shape[1]} radii, none of which "
            f"can be chosen: at {', at '.join(of_folds)}."
        )
    if np.isnan(scores).any(axis=0).all():
        nan = ["the score is NaN"] if undefined.any() else []
        nothing = ["nothing is selected"] if empty.any() else []
        raise ValueError(
            f"At every radius there is a fold in which {' or '.join(nan + nothing)}."
        )
    return scores.mean(axis=0), scores.std(axis=0)
