"""The autoencoder and its training, in torch."""

from ._network import encode
from ._options import Options
from ._problem import Problem
from ._progress import Observer, Silent, Step
from ._recipes import rank, retrain, trace, train
from ._results import Selection, Trained

__all__ = [
    "Observer",
    "Options",
    "Problem",
    "Selection",
    "Silent",
    "Step",
    "Trained",
    "encode",
    "rank",
    "retrain",
    "trace",
    "train",
]
