"""Draw figures and write tables of the documentation from benchmarks/results.

    python benchmarks/plot_results.py

No measurement is made here. What made the results:

    D=ALLAML,Breast_metabolomics,Khan,Prostate-GE,TOX-171,colon,madelon
    python benchmarks/bench_selection.py --data FOLDER --datasets $D --repeats 2 \
        --selectors l1inf --out benchmarks/results/selection_l1inf.csv
    python benchmarks/bench_selection.py --data FOLDER --datasets $D --repeats 2 \
        --selectors f_test,l1_logistic,mrmr,forest,svm_rfe,random \
        --out benchmarks/results/selection_peers.csv
    python benchmarks/bench_projection.py
    python benchmarks/bench_survival.py --selectors l1inf \
        --output benchmarks/results/survival_l1inf.csv
    python benchmarks/bench_survival.py \
        --selectors variance,cox_score,coxnet,coxnet_half,random,forest \
        --output benchmarks/results/survival_peers.csv
    python benchmarks/bench_survival.py --selectors lassonet \
        --datasets NSBCD,GSE7390 --output benchmarks/results/survival_peers.csv

The figures go to docs/_static, the tables to docs/_tables; tests/test_docs.py holds the
README to the same results.
"""

import csv
from operator import itemgetter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"
KS = (5, 10, 20, 50, 100)
TEXTS = ("dataset", "selector", "measure")
STYLES = {
    "l1inf": ("skl1inf", "#0072b2", "o-"),
    "l1_logistic": ("l1 logistic", "#d55e00", "s--"),
    "forest": ("random forest", "#009e73", "^--"),
    "mrmr": ("mRMR", "#cc79a7", "v--"),
    "f_test": ("F-test", "#e69f00", "D--"),
    "svm_rfe": ("SVM-RFE", "#56b4e9", "P--"),
    "random": ("random features", "0.6", ".:"),
}
SURVIVAL = {
    "l1inf": ("skl1inf", "#0072b2", "o-"),
    "coxnet": ("Coxnet, l1", "#d55e00", "s--"),
    "coxnet_half": ("Coxnet, l1 ratio .5", "#f0c200", "X--"),
    "forest": ("survival forest", "#009e73", "^--"),
    "cox_score": ("Cox score", "#cc79a7", "v--"),
    "variance": ("variance", "#56b4e9", "P--"),
    "random": ("random features", "0.6", ".:"),
}
MEASURES = {
    "cox_harrell": "Ridge Cox, Harrell's C",
    "cox_uno": "Ridge Cox, Uno's C",
    "forest_harrell": "Forest, Harrell's C",
    "forest_uno": "Forest, Uno's C",
}
EXACT = ("quattoni_sort", "chu_semismooth_newton", "perez_heap")


def read(name):
    """Return the rows of a file of results as dictionaries."""
    with open(RESULTS / name, newline="") as file:
        return list(csv.DictReader(file))


def by_selector(rows, styles):
    """Return figures[selector][dataset][column], selectors in the order of styles."""
    figures = {name: {} for name in styles}
    for row in rows:
        if row["selector"] in styles:
            numbers = {key: float(row[key]) for key in row if key not in TEXTS}
            figures[row["selector"]][row["dataset"]] = numbers
    return figures


def sets_of(figures):
    """Return the names of the sets."""
    return sorted(figures["l1inf"], key=str.lower)


def selection():
    """Return the figures of the selectors on classes."""
    rows = read("selection_l1inf.csv") + read("selection_peers.csv")
    return by_selector(rows, STYLES)


def survival():
    """Return the figures of each measure, and their means under the name "mean"."""
    rows = read("survival_l1inf.csv") + read("survival_peers.csv")
    figures = {
        name: by_selector([row for row in rows if row["measure"] == name], SURVIVAL)
        for name in MEASURES
    }
    figures["mean"] = {
        selector: {
            dataset: {
                column: np.mean(
                    [figures[m][selector][dataset][column] for m in MEASURES]
                )
                for column in numbers
            }
            for dataset, numbers in by_set.items()
        }
        for selector, by_set in figures["cox_harrell"].items()
    }
    return figures


def averaged(figures, selector, column):
    """Return a figure of a selector, averaged over the sets."""
    return np.mean([numbers[column] for numbers in figures[selector].values()])


def draw_means(figures, styles, ylabel, ax):
    """Draw the mean score over the sets against the number of features."""
    for name, (label, color, style) in styles.items():
        scores = [averaged(figures, name, f"k{k}") for k in KS]
        ours = name == "l1inf"
        ax.plot(
            *(KS, scores, style),
            **{"color": color, "lw": 2.6 if ours else 1.3, "zorder": 3 if ours else 2},
            label=f"{label} ({np.mean(scores):.3f})",
        )
    ax.set(xscale="log", xlabel="features kept", ylabel=ylabel)
    ax.set_xticks(KS, KS)
    ax.minorticks_off()
    ax.legend(title="selector (mean)", fontsize="small", frameon=False)


def draw_sets(figures, styles, ylabel, shape, path):
    """Draw the scores on every set, each on a scale of its own, in a grid of axes."""
    size = (2.75 * shape[1], 2.6 * shape[0])
    figure, axes = plt.subplots(*shape, figsize=size, layout="constrained")
    for ax, dataset in zip(axes.flat, sets_of(figures), strict=False):
        for name, (label, color, style) in styles.items():
            if name != "random":
                scores = [figures[name][dataset][f"k{k}"] for k in KS]
                width = 2.4 if name == "l1inf" else 1.1
                ax.plot(KS, scores, style, color=color, lw=width, ms=4, label=label)
        ax.set(xscale="log", title=dataset)
        ax.set_xticks(KS, KS)
        ax.minorticks_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel)
    figure.supxlabel("features kept")
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(*axes.flat[0].get_legend_handles_labels(), loc="center")
    figure.savefig(path, dpi=130)


def draw_projection(rows, axes):
    """Draw the time of the projection, in copies of the matrix, against the radius."""
    matrix = itemgetter("n_groups", "group_size", "entries", "dtype")
    compared = {matrix(row) for row in rows if row["algorithm"] in EXACT}
    rows = [row for row in rows if matrix(row) in compared]
    shapes = [(row["n_groups"], row["group_size"]) for row in rows]
    for ax, shape in zip(axes, dict.fromkeys(shapes), strict=True):
        times = {}
        for row, its_shape in zip(rows, shapes, strict=True):
            if its_shape == shape:
                ratios = times.setdefault(float(row["radius"]), {})
                ratios[row["algorithm"]] = float(row["times_copy"])
        radii = sorted(times)
        best = [min(times[radius][name] for name in EXACT) for radius in radii]
        ours = [times[radius]["skl1inf"] for radius in radii]
        ax.plot(
            radii, best, "s--", color="#d55e00", label="best of three exact methods"
        )
        ax.plot(radii, ours, "o-", color="#0072b2", lw=2.6, label="skl1inf")
        ax.axhline(1, color="black", lw=0.8)
        ax.set(xscale="log", yscale="log", title=" x ".join(shape), xlabel="radius")
    axes[0].set_yticks((1, 2, 5, 10, 20, 50), (1, 2, 5, 10, 20, 50))
    axes[0].minorticks_off()
    axes[0].set_ylabel("time, in copies of the matrix")
    axes[0].legend(fontsize="small", frameon=False)


def short(value, digits):
    """Return a figure without the zero in front of its point."""
    return f"{value:z.{digits}f}".replace("0.", ".", 1)


def table(figures, styles, column, digits, spread=False):
    """Return the lines of a table of the selectors on every set, in Markdown."""
    yield f"| set | {' | '.join(label for label, _, _ in styles.values())} |"
    yield "| --- |" + " --- |" * len(styles)
    for dataset in sets_of(figures):
        numbers = [figures[name][dataset] for name in styles]
        cells = [short(n[column], digits) for n in numbers]
        if spread:
            pairs = zip(cells, numbers, strict=True)
            cells = [f"{cell} ± {short(n['spread'], digits)}" for cell, n in pairs]
        yield f"| {dataset} | {' | '.join(cells)} |"
    means = (short(averaged(figures, name, column), digits) for name in styles)
    yield f"| **mean** | {' | '.join(means)} |"


def costs(figures, styles):
    """Return the lines of the tables of stability and of seconds."""
    return [
        "Stability of the 20 best (Nogueira, Sechidis and Brown, JMLR 2018; 1: the",
        "same on every fold, 0: as at random):",
        "",
        *table(figures, styles, "stability", 2),
        "",
        "Processor seconds of one fit, median:",
        "",
        *table(figures, styles, "seconds", 3),
    ]


def write_tables(figures, path):
    """Write what the page of benchmarks includes."""
    lines = [
        "Balanced accuracy, mean over the numbers of features and eight folds (four,",
        "repeated twice), ± the standard deviation of the two repeats:",
        "",
        *table(figures, STYLES, "mean", 3, spread=True),
        "",
        *costs(figures, STYLES),
    ]
    path.write_text("\n".join(lines) + "\n")


def write_survival_tables(figures, path):
    """Write the part on survival."""
    lines = [
        "Mean of the four measures, over the numbers of features and eight folds",
        "(four, repeated twice):",
        "",
        *table(figures["mean"], SURVIVAL, "mean", 3),
        "",
    ]
    for name, title in MEASURES.items():
        lines += [
            f"{title}, ± the standard deviation of the two repeats:",
            "",
            *table(figures[name], SURVIVAL, "mean", 3, spread=True),
            "",
        ]
    lines += [
        "Mean of the four measures over the five sets, by number of features:",
        "",
    ]
    lines += ["| features | " + " | ".join(s[0] for s in SURVIVAL.values()) + " |"]
    lines += ["| --- |" + " --- |" * len(SURVIVAL)]
    for k in KS:
        cells = [
            short(averaged(figures["mean"], name, f"k{k}"), 3) for name in SURVIVAL
        ]
        lines += [f"| {k} | {' | '.join(cells)} |"]
    lines += ["", *costs(figures["mean"], SURVIVAL)]
    path.write_text("\n".join(lines) + "\n")


def main():
    figures = selection()
    write_tables(figures, DOCS / "_tables/selectors.md")
    path = DOCS / "_static/accuracy_of_each_set.png"
    draw_sets(figures, STYLES, "balanced accuracy", (2, 4), path)

    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    draw_means(figures, STYLES, "balanced accuracy", ax)
    ax.set_title(f"Mean over {len(sets_of(figures))} public data sets")
    figure.savefig(DOCS / "_static/accuracy.png", dpi=150)

    figures = survival()
    write_survival_tables(figures, DOCS / "_tables/survival.md")
    path = DOCS / "_static/survival_of_each_set.png"
    draw_sets(figures["mean"], SURVIVAL, "concordance", (2, 3), path)

    figure, axes = plt.subplots(
        1, 3, figsize=(10, 3.6), sharey=True, layout="constrained"
    )
    draw_projection(read("projection.csv"), axes)
    figure.savefig(DOCS / "_static/projection_time.png", dpi=130)


if __name__ == "__main__":
    main()
