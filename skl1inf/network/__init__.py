"""The autoencoder and its training, in torch."""

from ._network import encode
from ._options import Options
from ._problem import Problem
from ._progress import Observer, Silent, Step
from ._readout import (
    Readout,
    collapsing_decay,
    encode_double,
    integrated_gradients,
    read_out,
    standardised_columns,
)
from ._recipes import rank, retrain, trace, train
from ._results import Selection, Trained
from ._samples import draw

__all__ = [
    "Observer",
    "Options",
    "Problem",
    "Readout",
    "Selection",
    "Silent",
    "Step",
    "Trained",
    "collapsing_decay",
    "draw",
    "encode",
    "encode_double",
    "integrated_gradients",
    "rank",
    "read_out",
    "retrain",
    "standardised_columns",
    "trace",
    "train",
]
