"""Data that the package ships."""

import gzip
from importlib.resources import files
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._sklearn import validate_params

DATA_MODULE = "skl1inf.datasets.data"


def _read_table(filename: str) -> np.ndarray:
    """Return the numbers of a packed file; a line of names starts with ``#``."""
    packed = files(DATA_MODULE) / filename
    with packed.open("rb") as file, gzip.open(file, "rt") as text:
        return np.loadtxt(text, delimiter=",")


def _read_names(filename: str) -> np.ndarray:
    """Return the names of the columns, from the first line of a packed file."""
    packed = files(DATA_MODULE) / filename
    with packed.open("rb") as file, gzip.open(file, "rt") as text:
        return np.array(text.readline().lstrip("# ").rstrip().split(","))


def _describe(name: str) -> dict[str, str]:
    """Return the entries of a Bunch that say where its data are from."""
    text = (files(DATA_MODULE) / f"{name}.rst").read_text(encoding="utf-8")
    return {
        "DESCR": text,
        "filename": f"{name}.csv.gz",
        "data_module": DATA_MODULE,
    }


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
    table = _read_table("srbct.csv.gz")
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
        feature_names=feature_names,
        **_describe("srbct"),
    )


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_transbig(
    *, return_X_y: bool = False, as_frame: bool = False
) -> Bunch | tuple[Any, Any]:
    """Load the TRANSBIG breast cancer data (survival).

    Women with breast cancer whose lymph nodes were free of it and who had no
    systemic treatment, followed until a distant metastasis, by Desmedt et al.
    [1]_. The features are the 76 probes of a published prognostic signature [2]_
    and the clinical findings.

    ====================   ==================================
    Samples                                               198
    Distant metastases                                     51
    Dimensionality                                         82
    Features               real; six clinical, 76 log2 scale
    ====================   ==================================

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch object.

    as_frame : bool, default=False
        If True, the data and the target are pandas DataFrames. Needs pandas.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (198, 82)
            A patient a row, float64. The first six columns are clinical: age in
            years, size of the tumour in cm, oestrogen receptor (1 if positive),
            and an indicator of each of three histological grades; two patients
            have no grade, and zeros in all three. The others are logarithms to
            base 2 of the expression.
        target : {structured ndarray, DataFrame} of shape (198,)
            The fields are ``"event"``, whether a distant metastasis was found,
            and ``"time"``, the days until then or until the last visit.
        feature_names : ndarray of shape (82,)
            The names of the columns: ``"age"``, ``"size"``, ``"er_positive"``,
            ``"grade_1"`` to ``"grade_3"``, and the Affymetrix probes.
        frame : DataFrame of shape (198, 84) or None
            `data` and `target` side by side, if `as_frame` is True.
        DESCR : str
            The full description of the data set, with its licence.
        filename : str
            The name of the file that holds the data.
        data_module : str
            The package that the file is in.

    (data, target) : tuple, if `return_X_y` is True
        The first two of these attributes.

    References
    ----------
    .. [1] C. Desmedt et al., "Strong time dependence of the 76-gene prognostic
       signature for node-negative breast cancer patients in the TRANSBIG
       multicenter independent validation series", Clinical Cancer Research 13,
       3207-3214, 2007. NCBI GEO, accession GSE7390.
    .. [2] Y. Wang et al., "Gene-expression profiles to predict distant metastasis
       of lymph-node-negative primary breast cancer", The Lancet 365, 671-679,
       2005.

    Examples
    --------
    >>> from skl1inf.datasets import load_transbig
    >>> transbig = load_transbig()
    >>> transbig.data.shape
    (198, 82)
    >>> transbig.target.dtype.names
    ('event', 'time')
    >>> int(transbig.target["event"].sum())
    51
    """
    filename = "transbig.csv.gz"
    table = _read_table(filename)
    data = np.ascontiguousarray(table[:, :-2])
    target = np.empty(len(table), dtype=[("event", bool), ("time", float)])
    target["event"], target["time"] = table[:, -2], table[:, -1]
    feature_names = _read_names(filename)[:-2]

    frame = None
    if as_frame:
        import pandas as pd

        data = pd.DataFrame(data, columns=feature_names)
        target = pd.DataFrame(target)
        frame = pd.concat([data, target], axis=1)

    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=feature_names,
        **_describe("transbig"),
    )
