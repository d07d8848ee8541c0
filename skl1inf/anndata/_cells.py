"""What is read of an AnnData object: the matrix, the classes and the batches."""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_scalar

from .._warn import warn_the_caller
from ._matrix import read, with_columns

# An error names so many columns.
_MOST_NAMED = 8


@dataclass(frozen=True)
class Cells:
    """The labelled cells of an AnnData object, of the genes that may be selected.

    Attributes
    ----------
    X : ndarray, sparse matrix or dask array of shape (n_cells, n_genes)
        Their expression.
    codes : ndarray of shape (n_cells,)
        Their classes, as indices into `classes`.
    classes : ndarray of shape (n_classes,)
        The names of the classes, strings.
    batches : ndarray of shape (n_cells,) or None
        Their batches, as indices.
    genes : ndarray of shape (n_genes,)
        The columns of `X` as indices into the genes of the object.
    """

    X: Any
    codes: np.ndarray
    classes: np.ndarray
    batches: np.ndarray | None
    genes: np.ndarray

    @property
    def of_classes(self):
        """The indicators of the classes, sparse, (n_cells, n_classes)."""
        return _indicators(self.codes)

    @property
    def of_batches(self):
        """The indicators of the batches, sparse; no column for a single batch."""
        codes = np.zeros_like(self.codes) if self.batches is None else self.batches
        indicators = _indicators(np.unique(codes, return_inverse=True)[1])
        return indicators if indicators.shape[1] > 1 else indicators[:, :0]

    @property
    def design(self):
        """The indicators of the classes, then those of the batches."""
        return sparse.hstack([self.of_classes, self.of_batches], format="csr")

    def take(self, index):
        """Return the cells of the indices `index`, with the classes that they have."""
        present, codes = np.unique(self.codes[index], return_inverse=True)
        batches = None if self.batches is None else self.batches[index]
        return replace(
            self,
            X=self.X[index],
            codes=codes,
            classes=self.classes[present],
            batches=batches,
        )

    def fit(self, make):
        """Fit the selector that `make` returns for the columns `kept`.

        The batches are columns after the genes, which are kept.
        """
        X, columns, kept = self.X, self.of_batches, None
        if columns.shape[1]:
            X = with_columns(X, columns)
            kept = np.arange(self.X.shape[1], X.shape[1])
        return make(kept=kept).fit(X, self.classes[self.codes])


@dataclass(frozen=True)
class Request:
    """What is asked of an AnnData object: checked, before the matrix is read.

    Attributes
    ----------
    adata : AnnData
        The object.
    X : ndarray, sparse matrix, dask array or data set in a file
        Its matrix, or that of a layer.
    labelled : ndarray of shape (n_obs,)
        Mask of the cells with a class.
    codes, classes, batches : ndarray
        As of `Cells`.
    genes : ndarray of shape (n_vars,)
        Mask of the genes that may be selected.
    """

    adata: Any
    X: Any
    labelled: np.ndarray
    codes: np.ndarray
    classes: np.ndarray
    batches: np.ndarray | None
    genes: np.ndarray

    @classmethod
    def check(cls, adata, groupby, layer, batch_key, mask_var):
        """Check the parameters that name parts of an AnnData object."""
        _check_adata(adata)
        if layer is not None and layer not in adata.layers:
            raise ValueError(
                f"layer={layer!r} is not in adata.layers, which has "
                f"{_some(adata.layers)}."
            )
        labelled, codes, classes = _read_codes(adata, "groupby", groupby)
        if len(classes) < 2:
            raise ValueError(
                f"groupby={groupby!r} must have at least two classes, got "
                f"{len(classes)}."
            )
        batches = None
        if batch_key is not None:
            batches = _read_batches(adata, batch_key, labelled)
        genes = _read_mask(adata, mask_var)
        X = adata.X if layer is None else adata.layers[layer]
        if X is None:
            raise ValueError("adata has no matrix X: name a layer.")
        return cls(adata, X, labelled, codes, classes, batches, genes)

    def check_output(self, key_added, copy):
        """Check where the results go."""
        if not isinstance(key_added, str) or not key_added:
            raise ValueError(f"key_added must be a name, got {key_added!r}.")
        if copy and self.adata.isbacked:
            raise ValueError("copy must be False where adata is backed by a file.")
        if self.adata.isbacked and self.adata.is_view:
            raise ValueError(
                "adata must not be a view of an object that is backed by a file: pass "
                "adata.to_memory()."
            )

    def check_number(self, n_genes):
        """Check a number of genes to select."""
        n_eligible = int(np.count_nonzero(self.genes))
        check_scalar(n_genes, "n_genes", Integral, min_val=1, max_val=n_eligible)

    def read(self):
        """Return the labelled cells, with a warning that counts the others."""
        n_cells = len(self.labelled)
        if len(self.codes) < n_cells:
            warn_the_caller(
                f"{n_cells - len(self.codes)} of {n_cells} cells have no label and are "
                "left out."
            )
        X = read(self.X, self.labelled, self.genes)
        return Cells(
            X, self.codes, self.classes, self.batches, np.flatnonzero(self.genes)
        )


def _indicators(codes):
    """Return the matrix with a 1 in every row, at the code."""
    rows = np.arange(len(codes))
    shape = len(codes), codes.max() + 1
    return sparse.csr_array((np.ones(len(codes)), (rows, codes)), shape)


def _check_adata(adata):
    """Raise TypeError unless `adata` is an AnnData object."""
    try:
        from anndata import AnnData
    except ImportError as error:
        raise ImportError(
            "skl1inf.anndata needs the package anndata: pip install 'skl1inf[anndata]'."
        ) from error
    if not isinstance(adata, AnnData):
        raise TypeError(f"adata must be an AnnData object, got {type(adata).__name__}.")


def _read_codes(adata, parameter, key):
    """Return which cells have a value, the codes of these, and the distinct values.

    The values are strings, in the order of the categories or sorted.
    """
    import pandas as pd

    if key not in adata.obs.columns:
        raise ValueError(
            f"{parameter}={key!r} is no column of adata.obs, which has "
            f"{_some(adata.obs.columns)}."
        )
    values = adata.obs[key]
    if pd.api.types.is_float_dtype(values.dtype):
        raise ValueError(
            f"{parameter}={key!r} holds floating-point numbers, which are no classes: "
            "make it categorical."
        )
    filled = values.notna().to_numpy()
    values = values[filled].astype("category").cat.remove_unused_categories()
    names = values.cat.categories.astype(str).to_numpy(dtype=object)
    if len(np.unique(names)) < len(names):
        raise ValueError(f"{parameter}={key!r} has values that read the same as text.")
    return filled, values.cat.codes.to_numpy().astype(np.intp), names


def _read_batches(adata, batch_key, labelled):
    """Return the batches of the labelled cells, as indices."""
    filled, codes, _ = _read_codes(adata, "batch_key", batch_key)
    n_missing = np.count_nonzero(labelled & ~filled)
    if n_missing:
        raise ValueError(
            f"batch_key={batch_key!r} has no value for {n_missing} of the labelled "
            "cells."
        )
    batches = codes[labelled[filled]]
    if len(np.unique(batches)) < 2:
        raise ValueError(
            f"batch_key={batch_key!r} must have at least two values among the labelled "
            "cells."
        )
    return batches


def _read_mask(adata, mask_var):
    """Return the mask of the genes that may be selected."""
    if mask_var is None:
        return np.ones(adata.n_vars, dtype=bool)
    if isinstance(mask_var, str):
        if mask_var not in adata.var.columns:
            raise ValueError(
                f"mask_var={mask_var!r} is no column of adata.var, which has "
                f"{_some(adata.var.columns)}."
            )
        mask_var = adata.var[mask_var]
    mask = np.asarray(mask_var)
    if mask.shape != (adata.n_vars,) or mask.dtype != bool:
        raise ValueError(
            f"mask_var must be a mask of the {adata.n_vars} genes or the name of one, "
            f"got shape {mask.shape} and dtype {mask.dtype}."
        )
    if not mask.any():
        raise ValueError("mask_var must be True for at least one gene.")
    return mask


def _some(names):
    """Return the first names as text."""
    names = [repr(name) for name in names]
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more if names else "none"
