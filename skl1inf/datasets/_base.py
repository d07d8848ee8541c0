"""Data that the package ships."""

import gzip
from importlib.resources import files
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._sklearn import validate_params

DATA_MODULE = "skl1inf.datasets.data"


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_srbct(
    *, return_X_y: bool = False, as_frame: bool = False
) -> Bunch | tuple[Any, Any]:
    """Load the small-round-blue-cell-tumour expression matrix (classification).

    Four childhood cancers that look alike under the microscope, told apart by
    their gene expression, measured with cDNA microarrays by Khan et al. [1]_.

    =================   ==============
    Classes                          4
    Samples per class   11, 29, 18, 25
    Samples total                   83
    Dimensionality                2308
    Features            real, log scale
    =================   ==============

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch object.

    as_frame : bool, default=False
        If True, the data is a pandas DataFrame and the target a pandas Series.
        Needs pandas.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (83, 2308)
            Natural logarithm of the relative red intensities, float64, a
            sample a row. The first 63 rows are the authors' training samples.
        target : {ndarray, Series} of shape (83,)
            The class of each sample, an index into `target_names`.
        feature_names : ndarray of shape (2308,)
            The names of the columns, ``"G0001"`` to ``"G2308"``: the public
            copy of the data does not tell what the genes are.
        target_names : ndarray of shape (4,)
            The names of the classes: BL (Burkitt lymphoma), EWS (Ewing family
            of tumours), NB (neuroblastoma), RMS (rhabdomyosarcoma).
        frame : DataFrame of shape (83, 2309) or None
            `data` and `target` side by side, if `as_frame` is True.
        DESCR : str
            The full description of the data set.
        filename : str
            The name of the file that holds the data.
        data_module : str
            The package that the file is in.

    (data, target) : tuple, if `return_X_y` is True
        The first two of these attributes.

    References
    ----------
    .. [1] J. Khan et al., "Classification and diagnostic prediction of cancers
       using gene expression profiling and artificial neural networks", Nature
       Medicine 7, 673-679, 2001.

    Examples
    --------
    >>> from skl1inf.datasets import load_srbct
    >>> srbct = load_srbct()
    >>> srbct.data.shape
    (83, 2308)
    >>> [str(name) for name in srbct.target_names[srbct.target[[0, 25, 60]]]]
    ['EWS', 'RMS', 'BL']
    """
    folder = files(DATA_MODULE)
    filename = "srbct.csv.gz"
    with (folder / filename).open("rb") as packed, gzip.open(packed, "rt") as text:
        table = np.loadtxt(text, delimiter=",")
    data = np.ascontiguousarray(table[:, :-1])
    target = table[:, -1].astype(int)
    feature_names = np.array([f"G{i:04d}" for i in range(1, data.shape[1] + 1)])

    frame = None
    if as_frame:
        import pandas as pd

        data = pd.DataFrame(data, columns=feature_names)
        target = pd.Series(target, name="target")
        frame = pd.concat([data, target], axis=1)

    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        target_names=np.array(["BL", "EWS", "NB", "RMS"]),
        DESCR=(folder / "srbct.rst").read_text(encoding="utf-8"),
        feature_names=feature_names,
        filename=filename,
        data_module=DATA_MODULE,
    )
