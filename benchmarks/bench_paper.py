"""The published schedule with four balls, beside the selector, on the same network.

    python benchmarks/bench_paper.py [--data FOLDER]     # .npz files with X and y

Perez, Condat and Barlaud (arXiv 2307.09836) train an autoencoder with Adam, project its
first layer once at the end, and retrain it from the same initial weights on the
features that survive (double descent). Here that is done with the l1, l1,2 and l1,inf
balls and with the bi-level relaxation (arXiv 2407.16293), without projection, and with
as many features chosen at random; each with and without the second descent. The
network has the layers of L1InfFeatureSelector: 64 hidden units (SiLU), a code of one
unit a class, a linear decoder.

Every ball gets the radius at which it keeps as many features as the selector does on
that fold, found by bisection; the l1,inf ball is also there at radius 1, where it keeps
more. The figures are balanced accuracies on the samples left out of four folds, of the
network and of an RBF SVC on the features kept; the share of features kept; the l1,inf
norm of the first layer; processor seconds on one thread, the search for the radius left
out. Results go to a CSV file and a figure.
"""

import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from bench_selection import data_parser, real_sets, write_table
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from skl1inf import (
    L1InfFeatureSelector,
    l1inf_norm,
    project_l1,
    project_l1inf,
    project_l1inf_bilevel,
    project_l12,
)

N_HIDDEN = 64
N_EPOCHS = 30  # in each descent
BATCH_SIZE = 8
RECONSTRUCTION_WEIGHT = 1.0

# The first layer of a torch network has a column a feature.
BALLS = {
    "l1": project_l1,
    "l1,2": lambda W, radius: project_l12(W, radius, axis=0),
    "l1,inf": lambda W, radius: project_l1inf(W, radius, axis=0),
    "bi-level": lambda W, radius: project_l1inf_bilevel(W, radius, axis=0),
}


class Autoencoder(torch.nn.Module):
    """The network, which may see some of the features only and reconstructs all."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.first = torch.nn.Linear(n_features, N_HIDDEN)
        self.second = torch.nn.Linear(N_HIDDEN, n_classes)
        self.decoder = torch.nn.Linear(n_classes, n_features)

    def forward(self, X):
        """Return the code, from which the classes are told."""
        return self.second(F.silu(self.first(X)))

    def with_first_layer(self, W):
        """Return a copy with other weights in the first layer, maybe of fewer rows."""
        network = deepcopy(self)
        network.first.weight = torch.nn.Parameter(W.detach().clone())
        return network


def train(network, seen, X, y):
    """Train by Adam to classify and to reconstruct X, given the features `seen`."""
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(N_EPOCHS):
        for batch in torch.randperm(len(X)).split(BATCH_SIZE):
            code = network(seen[batch])
            huber = F.huber_loss(network.decoder(code), X[batch])
            loss = F.cross_entropy(code, y[batch]) + RECONSTRUCTION_WEIGHT * huber
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def survivors(W):
    return W.detach().any(dim=0)


def radius_keeping(project, W, n_kept):
    """Return the radius, found by bisection, at which so many features survive."""
    low, high = 0.0, float(W.abs().sum())  # W is inside all of the balls of `high`
    for _ in range(60):
        radius = (low + high) / 2
        n_alive = int(survivors(project(W, radius)).sum())
        if n_alive == n_kept:
            return radius
        low, high = (radius, high) if n_alive < n_kept else (low, radius)
    return high


def timed(function, *args):
    start = time.process_time()
    result = function(*args)
    return result, time.process_time() - start


class Fold:
    """One split of a set, and what is reported of a method on it."""

    def __init__(self, X, y, train_index, test_index, seed):
        scaler = StandardScaler().fit(X[train_index])
        self.X, self.y = scaler.transform(X[train_index]), y[train_index]
        self.X_test, self.y_test = scaler.transform(X[test_index]), y[test_index]
        self.seed = seed
        self.as_tensors = (
            torch.as_tensor(self.X, dtype=torch.float32),
            torch.as_tensor(self.y),
        )
        torch.manual_seed(seed)
        self.initial = Autoencoder(X.shape[1], len(np.unique(y)))

    def report(self, name, code, kept, W, seconds):
        """Return the figures, given the code of the test samples, from 0 on a class."""
        svc = SVC().fit(self.X[:, kept], self.y).predict(self.X_test[:, kept])
        return {
            "method": name,
            "network": balanced_accuracy_score(self.y_test, code.argmax(1)),
            "svc": balanced_accuracy_score(self.y_test, svc),
            "n_kept": int(kept.sum()),
            "share": kept.mean(),
            "norm": l1inf_norm(W),
            "seconds": seconds,
        }

    def report_network(self, name, network, kept, seconds):
        """Return the figures of a network that sees the features `kept`, or all."""
        X = torch.as_tensor(self.X_test, dtype=torch.float32)
        with torch.no_grad():
            W = network.first.weight.detach().T.numpy()
            code = network(X if len(W) == len(kept) else X[:, kept]).numpy()
        return self.report(name, code, kept.numpy(), W, seconds)

    def first_descent(self):
        """Return the network trained on all features, and the time that it took."""
        X, y = self.as_tensors
        return timed(train, deepcopy(self.initial), X, X, y)

    def second_descent(self, name, kept, seconds):
        """Retrain from the initial weights on the features `kept`; report it."""
        X, y = self.as_tensors
        network = self.initial.with_first_layer(self.initial.first.weight[:, kept])
        network, more = timed(train, network, X[:, kept], X, y)
        return self.report_network(name, network, kept, seconds + more)

    def ball(self, name, network, project, radius, seconds):
        """Return the figures of a ball, without and with the second descent."""
        W, more = timed(project, network.first.weight.detach(), radius)
        kept, seconds = survivors(W), seconds + more
        projected = network.with_first_layer(W)
        return [
            self.report_network(f"{name}, one descent", projected, kept, seconds),
            self.second_descent(f"{name}, two descents", kept, seconds),
        ]

    def selector(self, radius, second_descent):
        """Return the figures of the selector."""
        selector = L1InfFeatureSelector(
            radius, second_descent=second_descent, random_state=self.seed
        )
        _, seconds = timed(selector.fit, self.X, self.y)
        return self.report(
            f"selector, {'two descents' if second_descent else 'one descent'}",
            selector.encode(self.X_test),
            selector.support_,
            selector.encoder_weights_,
            seconds,
        )


def bench_fold(fold, radii):
    """Yield the figures of all methods on a fold."""
    network, seconds = fold.first_descent()
    W = network.first.weight.detach()
    everything = torch.ones(W.shape[1], dtype=torch.bool)
    whatever_the_radius = [
        fold.report_network("no projection", network, everything, seconds),
        *fold.ball("l1,inf at radius 1", network, BALLS["l1,inf"], 1.0, seconds),
    ]
    for radius in radii:
        once, twice = (fold.selector(radius, second) for second in (False, True))
        n_kept = twice["n_kept"]
        chance = torch.zeros_like(everything)
        chance[torch.randperm(len(chance))[:n_kept]] = True
        rows = [*whatever_the_radius, fold.second_descent("random", chance, 0.0)]
        for name, project in BALLS.items():
            ball_radius = radius_keeping(project, W, n_kept)
            rows += fold.ball(name, network, project, ball_radius, seconds)
        for row in (*rows, once, twice):
            yield {"radius": radius, **row}


def bench(X, y, radii, seed):
    """Return the figures of all methods, averaged over the folds of a set."""
    found = {}
    splits = StratifiedKFold(4, shuffle=True, random_state=seed).split(X, y)
    for i, (train_index, test_index) in enumerate(splits):
        for row in bench_fold(Fold(X, y, train_index, test_index, i), radii):
            key = row.pop("radius"), row.pop("method")
            found.setdefault(key, []).append(row)
    return [
        {"radius": radius, "method": method}
        | {name: np.mean([row[name] for row in rows]) for name in rows[0]}
        for (radius, method), rows in found.items()
    ]


def artificial(seed):
    """Return a set like that of the papers: 64 informative features of 2,000."""
    return make_classification(
        1000,
        2000,
        n_informative=64,
        n_redundant=0,
        class_sep=0.8,
        random_state=seed,
    )


# Column, marker and label of what is drawn.
LINES = (("network", "o", "the network"), ("svc", "|", "an SVC on the features kept"))


def plot(table, path):
    """Draw the accuracies of all methods, a panel a set, at the first radius."""
    import matplotlib.pyplot as plt

    table = [row for row in table if row["radius"] == table[0]["radius"]]
    datasets = list(dict.fromkeys(row["dataset"] for row in table))
    figure, axes = plt.subplots(
        -(-len(datasets) // 4),
        min(4, len(datasets)),
        figsize=(11, 3 * -(-len(datasets) // 4)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, dataset in zip(axes.flat, datasets, strict=False):
        rows = [row for row in table if row["dataset"] == dataset]
        methods = [row["method"] for row in rows]
        for figures, marker, label in LINES:
            values = [row[figures] for row in rows]
            ax.plot(values, methods, marker, mew=2, label=label)
        ax.set_title(dataset, fontsize="medium")
        ax.grid(alpha=0.3)
    for ax in axes.flat[len(datasets) :]:
        ax.set_visible(False)
    axes[0, 0].invert_yaxis()
    figure.supxlabel("balanced accuracy on samples left out")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=150)


def main():
    parser = data_parser(__doc__.splitlines()[0], "bench_paper.csv")
    parser.add_argument("--radii", type=float, nargs="+", default=[1.0, 4.0])
    arguments = parser.parse_args()
    threadpool_limits(1)
    torch.set_num_threads(1)
    L1InfFeatureSelector().fit(*make_classification(random_state=0))  # compiles
    sets = [("artificial", *artificial(arguments.seed)), *real_sets(arguments.data)]
    table = []
    for dataset, X, y in sets:
        if arguments.datasets and dataset not in arguments.datasets.split(","):
            continue
        for row in bench(X, y, arguments.radii, arguments.seed):
            values = (f"{v:.3f}" if isinstance(v, float) else v for v in row.values())
            print(dataset, *values, sep="\t", flush=True)
            table.append({"dataset": dataset, **row})
    write_table(table, arguments.out)
    plot(table, Path(arguments.out).with_suffix(".png"))


if __name__ == "__main__":
    main()
