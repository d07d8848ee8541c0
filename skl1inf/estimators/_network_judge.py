"""The network that predicts as the judge of features that are selected already."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from sklearn.utils.validation import validate_data

from ..targets import TARGETS, Target
from ._base import Data, own_errstate, training_options
from ._classifier import L1InfClassifier
from ._cox import L1InfCoxRegressor
from ._predictors import L1InfPredictor
from ._regressor import L1InfRegressor

# The settings of a selector that the network that predicts has too.
_SETTINGS = (
    "alpha",
    "n_hidden",
    "activation",
    "reconstruction_weight",
    "standardize",
    "class_weight",
    "device",
    "random_state",
)

# So many iterations tell the radii apart; with some hundred samples, more of them
# change nothing.
_MOST_ITERATIONS = 50


class NetworkJudge(L1InfPredictor):
    """A predictor that selects nothing: the columns are selected, the best first."""

    @own_errstate
    def fit(
        self,
        X: ArrayLike | spmatrix | sparray,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the network that predicts, on all columns."""
        from ..network import Silent

        prepared = Data.validate(self, X, y, sample_weight).prepare(self)
        options = training_options(self, prepared.target, prepared.n_features)
        columns = np.arange(prepared.n_features)
        found = self._read_out(prepared, columns, options, Silent())
        self.support_ = np.ones(prepared.n_features, dtype=bool)
        if found.target.classes is not None:
            self.classes_ = found.target.classes
        self._set_predicting(found, prepared)
        self._one_column = np.asarray(y).ndim == 1
        validate_data(self, X, skip_check_array=True)  # names and number
        return self


class L1InfClassifierJudge(NetworkJudge, L1InfClassifier):
    """The judge of a selection for classes."""


class L1InfRegressorJudge(NetworkJudge, L1InfRegressor):
    """The judge of a selection for numbers."""


class L1InfCoxRegressorJudge(NetworkJudge, L1InfCoxRegressor):
    """The judge of a selection for survival."""


_JUDGES = {
    TARGETS[judge._target]: judge
    for judge in (L1InfClassifierJudge, L1InfRegressorJudge, L1InfCoxRegressorJudge)
}


def network_judge(selector: Any, kind: type[Target]) -> NetworkJudge:
    """Return the judge of what a selector selects for a kind of target."""
    judge, given = _JUDGES[kind], selector.get_params(deep=False)
    names = set(_SETTINGS) & set(given) & set(judge._get_param_names())
    most = min(selector.max_iter, _MOST_ITERATIONS)
    return judge(**{name: given[name] for name in names}, max_iter=most)
