"""What is written into an AnnData object."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._cells import Cells
from ._markers import Scores

# The columns of `adata.var` that an earlier call may have left.
_COLUMNS = "selected", "rank", "importance", "probability"


@dataclass(frozen=True)
class Results:
    """What was found out about the genes of some cells.

    Attributes
    ----------
    cells : Cells
        The cells.
    columns : dict
        Arrays of shape (n_genes,) for `adata.var`.
    best_first : ndarray of shape (n_selected,)
        The selected genes, as columns of `cells.X`.
    scores : Scores
        The means and scores of all genes.
    params : dict
        The parameters of the call.
    more : dict
        More for `adata.uns`.
    """

    cells: Cells
    columns: dict[str, np.ndarray]
    best_first: np.ndarray
    scores: Scores
    params: dict[str, Any]
    more: dict[str, Any]

    def write(self, adata, key, copy):
        """Write all at once into an object or a copy of it, which is returned."""
        entry = {"params": self._described(), **self._of_classes(adata), **self.more}
        names = [f"{key}_{name}" for name in _COLUMNS]
        var = adata.var.drop(columns=names, errors="ignore")
        var = var.assign(
            **{
                f"{key}_{name}": self._of_all(values, adata.n_vars)
                for name, values in self.columns.items()
            }
        )
        if copy:
            adata = adata.copy()
        adata.var = var
        adata.uns[key] = entry
        return adata if copy else None

    def _described(self):
        """Return the parameters as a file can hold them: no objects, but their text."""
        kinds = (str, int, float, bool, type(None))
        return {
            **{
                name: value if isinstance(value, kinds) else repr(value)
                for name, value in self.params.items()
            },
            "n_cells": len(self.cells.codes),
            # For the pictures of scanpy.
            "method": "l1inf",
            "reference": "rest",
            "use_raw": False,
        }

    def _of_all(self, values, n_vars):
        """Return values of all genes: False or NaN where they are not of the cells'."""
        genes = self.cells.genes
        if len(genes) == n_vars:
            return values
        missing = False if values.dtype == bool else np.nan
        of_all = np.full(n_vars, missing)
        of_all[genes] = values
        return of_all

    def _of_classes(self, adata):
        """Return what the selected genes say of the classes.

        "names" and "scores" are in the form of scanpy's ``rank_genes_groups``: a field
        a class, the genes with the highest scores first.
        """
        import pandas as pd

        classes, best_first = self.cells.classes, self.best_first
        columns = self.cells.genes[best_first]
        names = adata.var_names.to_numpy(dtype=object)[columns]
        scores = self.scores.scores[:, best_first]
        speaks_for = self.scores.speaks_for[best_first]
        up = self.scores.up[best_first]
        markers = pd.DataFrame(
            {
                "name": names,
                "column": columns,
                "class": classes[speaks_for],
                "direction": np.where(up, "up", "down").astype(object),
                "score": scores[speaks_for, np.arange(len(columns))],
            },
            index=[str(rank) for rank in range(1, len(columns) + 1)],
        )
        order = np.argsort(-scores, axis=1, kind="stable")
        highest_first = np.take_along_axis(scores, order, axis=1)
        nothing = _record(np.full_like(scores, np.nan), classes, np.float32)
        return {
            "names": _record(names[order], classes, object),
            "scores": _record(highest_first, classes, np.float32),
            # The functions of scanpy read these too.
            **dict.fromkeys(("pvals", "pvals_adj", "logfoldchanges"), nothing),
            "classes": classes,
            "markers": markers,
        }


def _record(rows, classes, dtype):
    """Return a record array with a field a class, each of which is a row."""
    record = np.empty(rows.shape[1], dtype=[(name, dtype) for name in classes])
    for name, row in zip(classes, rows, strict=True):
        record[name] = row
    return record.view(np.recarray)
