"""Groups of features: what is read, how they are weighed, selected and ranked."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from estimator_checks import run_check
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl1inf import (
    L1InfFeatureSelector,
    L1InfFeatureSelectorCV,
    L1InfStabilitySelector,
    radius_path,
)
from skl1inf.datasets import _generator as generator
from skl1inf.datasets import make_expression
from skl1inf.estimators import _blocks
from skl1inf.estimators._base import prepare
from skl1inf.estimators._blocks import ColumnBlocks
from skl1inf.estimators._elimination import backward_elimination
from skl1inf.estimators._features import FeatureGroups
from skl1inf.estimators._group_weights import balanced_weights, degrees_of_freedom
from skl1inf.network._network import Network
from skl1inf.network._objective import Objective, loss_and_gradient
from skl1inf.network._problem import Batch

SIZES = np.repeat([1, 2, 5, 10, 20, 50, 100], 4)


def quick(**params):
    """A selector that trains for few passes."""
    params = {"max_iter": 15, "random_state": 0, **params}
    return L1InfFeatureSelector(**params)


def draw(seed=0, n_samples=80, n_features=40):
    """Two classes that differ in the first three features."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n_samples, n_features)), np.arange(n_samples) % 2
    X[y == 1, :3] += 1.0
    return X, y


X, y = draw()
NAMES = [f"gene {j}" for j in range(X.shape[1])]
FRAME = pd.DataFrame(X, columns=NAMES)
PAIRS = np.arange(X.shape[1]) // 2


def fitted(selector):
    """The fitted attributes that say what is selected."""
    names = ("support_", "ranking_", "feature_importances_", "group_ranking_")
    return [getattr(selector, name) for name in names]


# What is read --------------------------------------------------------------------


def test_all_forms_of_the_same_groups_select_the_same():
    lists = [np.flatnonzero(g == PAIRS) for g in range(20)]
    forms = [
        (X, PAIRS),
        (X, [f"{g:02}" for g in PAIRS]),
        (X, pd.Series(PAIRS).astype("category")),
        (X, [group.tolist() for group in lists]),
        (X, {f"pair {g}": group for g, group in enumerate(lists)}),
        (FRAME, [[NAMES[j] for j in group] for group in lists]),
    ]
    first, *others = [
        fitted(quick(feature_groups=groups, max_iter=4).fit(data, y))
        for data, groups in forms
    ]
    for other in others:
        for one, two in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_names_of_the_groups():
    lists = quick(feature_groups=[["gene 1", "gene 0"], ["gene 5", "gene 2"]])
    names = lists.fit(FRAME, y).group_names_.tolist()
    assert names[:4] == ["group 0", "group 1", "gene 3", "gene 4"]
    by_name = quick(feature_groups={"p": [0, 1], "q": [5, 2]}).fit(X, y)
    assert by_name.group_names_.tolist()[:4] == ["p", "q", "x3", "x4"]
    labels = quick(feature_groups=10 - PAIRS // 2).fit(X, y).group_names_
    np.testing.assert_array_equal(labels, np.arange(1, 11))


def test_weights_by_name_or_in_the_order_of_the_groups():
    groups = {"p": [0, 1], "q": [5, 2]}
    by_name = quick(feature_groups=groups, group_weights={"q": 3.0}).fit(X, y)
    default = quick(feature_groups=groups).fit(X, y)
    np.testing.assert_array_equal(by_name.group_weights_[1], 3.0)
    others = np.arange(len(by_name.group_weights_)) != 1
    np.testing.assert_array_equal(
        by_name.group_weights_[others], default.group_weights_[others]
    )
    in_order = quick(feature_groups=groups, group_weights=[2.0, 3.0]).fit(X, y)
    assert in_order.group_weights_[:3].tolist() == [2.0, 3.0, 1.0]


def test_a_kept_feature_alone_in_a_group_has_a_weight_that_does_not_count():
    labels = np.append(0, 1 + np.arange(39) // 13)
    by_order = {"feature_groups": labels, "group_weights": [9.0, 1.0, 2.0, 3.0]}
    by_name = {
        "feature_groups": {str(g): np.flatnonzero(g == labels) for g in range(4)},
        "group_weights": {"3": 3.0, "2": 2.0, "1": 1.0, "0": 9.0},
    }
    for params in (by_order, by_name):
        selector = quick(keep_features=[0], max_iter=2, **params).fit(X, y)
        assert selector.group_names_.astype(int).tolist() == [1, 2, 3]
        assert selector.group_weights_.tolist() == [1.0, 2.0, 3.0]


def test_names_are_looked_up_once():
    """Reading groups by name takes a number of comparisons linear in the features."""
    compared = []

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(other)
            return str.__eq__(self, other)

    names = np.array([Name(f"gene {j}") for j in range(500)], dtype=object)
    lists = [[f"gene {j}", f"gene {j + 1}"] for j in range(0, 500, 2)]
    groups = FeatureGroups.read(lists, None, None, 500, names)
    np.testing.assert_array_equal(groups.labels, np.arange(500) // 2)
    assert len(compared) < 3 * 500


def test_a_name_of_several_features_is_refused():
    names = np.array(["a", "b", "a"], dtype=object)
    with pytest.raises(ValueError, match="'a', but 2 features of X"):
        FeatureGroups.read([["a", "b"]], None, None, 3, names)


def test_a_heavy_group_is_not_selected():
    weights = np.ones(20)
    weights[0] = 1000.0
    heavy = quick(feature_groups=PAIRS, group_weights=weights).fit(X, y)
    assert 0 in quick(feature_groups=PAIRS).fit(X, y).selected_groups_
    assert 0 not in heavy.selected_groups_


REFUSED = [
    ({"feature_groups": [["gene 0"], ["gene 99"]]}, "'gene 99', but no feature"),
    ({"feature_groups": [["gene 0", "gene 0"]]}, "'gene 0' more than once"),
    ({"feature_groups": [["gene 0"], []]}, "'group 1', which is empty"),
    ({"feature_groups": {"p": []}}, "'p', which is empty"),
    ({"feature_groups": []}, "0 labels"),
    ({"feature_groups": {}}, "empty"),
    ({"feature_groups": [[0, 40]]}, "index 40, out of range .* n_features=40"),
    ({"feature_groups": [[-1, 2]]}, "index -1, out of range"),
    ({"feature_groups": [[0.0, 1]]}, "neither a name nor an index"),
    ({"feature_groups": [[0, 1], 2]}, "list of names or indices"),
    ({"feature_groups": {"p": "gene 0"}}, "list of names or indices"),
    ({"feature_groups": [0, 1]}, "2 labels, but X has n_features=40"),
    ({"feature_groups": [None, *range(39)]}, "missing label"),
    ({"feature_groups": [1, "1", *range(2, 40)]}, "all strings or all numbers"),
    ({"feature_groups": PAIRS[:, np.newaxis]}, r"shape \(40, 1\) .* one dimension"),
    (
        {"feature_groups": pd.Series([(g, g) for g in PAIRS.tolist()])},
        r"label \(0, 0\), which is neither a string nor a number",
    ),
    ({"feature_groups": [[0, 1], [1, 2]]}, r"X.assign\(.*'gene 1'"),
    ({"feature_groups": {"gene 3": [0, 1]}}, "rename the group"),
    ({"feature_groups": PAIRS, "keep_features": [3]}, "'gene 3', .* group 1 "),
    ({"feature_groups": PAIRS, "group_weights": [1.0]}, "1 weights, .* 20 groups"),
    ({"feature_groups": PAIRS, "group_weights": np.zeros(20)}, "positive"),
    ({"feature_groups": PAIRS, "group_weights": ["a"] * 20}, "numbers"),
    ({"feature_groups": PAIRS, "group_weights": [1e-200] * 20}, "positive, .* 1.2e-38"),
    ({"feature_groups": PAIRS, "group_weights": [1e200] * 20}, "positive, .* 3.4e"),
    ({"feature_groups": PAIRS, "group_weights": {"z": 1.0}}, "'z', which is no group"),
    ({"group_weights": [1.0]}, "None where feature_groups is None"),
    ({"feature_groups": PAIRS, "max_features": 1}, "max_features=1 is too small"),
    ({"feature_groups": PAIRS, "n_features_to_select": 4}, "use max_features"),
]


@pytest.mark.parametrize(("params", "message"), REFUSED)
def test_what_is_refused_leaves_an_earlier_fit_alone(params, message):
    selector = quick(max_iter=2).fit(FRAME, y)
    before = pickle.dumps({k: v for k, v in vars(selector).items() if k[-1] == "_"})
    with pytest.raises(ValueError, match=message):
        selector.set_params(**params).fit(FRAME, y)
    after = pickle.dumps({k: v for k, v in vars(selector).items() if k[-1] == "_"})
    assert before == after


def test_names_need_a_data_frame():
    with pytest.raises(ValueError, match="X has no names"):
        quick(feature_groups=[["gene 0", "gene 1"]]).fit(X, y)
    with pytest.raises(ValueError, match=r"np.column_stack\(\[X, X\[:, 1\]\]\)"):
        quick(feature_groups=[[0, 1], [1, 2]]).fit(X, y)


@parametrize_with_checks([quick(feature_groups=[[0, 1]], max_iter=2)])
@pytest.mark.filterwarnings("ignore")
def test_yielded_check(estimator, check):
    run_check(check, estimator)


# How they are weighed ------------------------------------------------------------


def first_chosen(prepared, options):
    """The size of the group with the largest dual size before training."""
    problem = prepared.problem()
    data = Batch.from_problem(problem, torch.device("cpu"))
    network = Network.initial(
        prepared.n_features, 64, options.n_latent, "silu", 0, torch.device("cpu")
    )
    objective = Objective.of(problem.target, options)
    _, G = loss_and_gradient(network, objective, data)
    first = int(problem.ball.dual_sizes(G)[0].argmax())
    return (prepared.groups.labels == prepared.groups.labels[first]).sum()


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_without_a_signal_groups_of_all_sizes_are_equally_often_the_first(
    n_classes, correlation
):
    rng = np.random.default_rng(n_classes)
    labels = np.repeat(np.arange(len(SIZES)), SIZES)
    classes = np.arange(60) % n_classes
    counts = dict.fromkeys(np.unique(SIZES).tolist(), 0)
    for _ in range(4):
        common = rng.normal(size=(60, len(SIZES)))[:, labels]
        noise = rng.normal(size=(60, len(labels)))
        data = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * noise
        prepared, options = prepare(quick(feature_groups=labels), data, classes, None)
        for _ in range(50):
            shuffled = prepared.data.kind.encode(
                rng.permutation(classes), np.ones(60), None
            )
            draw = replace(prepared, target=shuffled)
            counts[int(first_chosen(draw, options))] += 1
    observed = np.array(list(counts.values()))
    assert stats.chisquare(observed).pvalue > 0.01


@pytest.mark.parametrize("degrees", [1.0, 1.2, 1.6, 2.0, 3.5])
def test_weights_of_any_number_of_responses(degrees):
    """Classes of unequal size count as no whole number of independent responses."""
    rng, freedom = np.random.default_rng(0), 100.0
    sizes = np.repeat([1.0, 10.0], 60)
    weights = balanced_weights(sizes, degrees, freedom)
    share = rng.beta(degrees / 2, (freedom - degrees) / 2, size=(2000, 60, 11))
    norms = np.sqrt(freedom * share)
    singles, groups = norms[:, :, 0], norms[:, :, 1:].sum(axis=2) / weights[-1]
    first = np.count_nonzero(groups.max(axis=1) > singles.max(axis=1))
    assert stats.binomtest(first, 2000, 0.5).pvalue > 0.001


@pytest.mark.parametrize("scale", [1e-90, 1e100])
def test_the_unit_of_the_responses_is_of_no_account(scale):
    rng = np.random.default_rng(0)
    responses, weight = rng.normal(size=(30, 3)), np.ones(30)
    degrees = degrees_of_freedom(scale * responses, weight)
    assert degrees == pytest.approx(degrees_of_freedom(responses, weight))


def test_weights_of_rare_large_groups():
    """Few large groups among many features win as often as by lot."""
    rng = np.random.default_rng(0)
    sizes = np.repeat([1.0, 30.0], [200, 20])
    weights = balanced_weights(sizes, 1.0, 1e6)
    singles = np.abs(rng.normal(size=(4000, 200))).max(axis=1)
    groups = np.abs(rng.normal(size=(4000, 20, 30))).sum(axis=2).max(axis=1)
    first = np.count_nonzero(groups / weights[-1] > singles)
    assert weights[0] == 1.0
    assert stats.binomtest(first, 4000, 20 / 220).pvalue > 0.01


def test_copies_and_constant_columns_do_not_count_in_the_size():
    data = X.copy()
    data[:, 11:13] = data[:, [10]]  # 10 to 12 are one
    data[:, 14:16] = 3.0
    groups = [[10, 11, 12], [13, 14, 15], [20, 21, 22]]
    weights = quick(feature_groups=groups).fit(data, y).group_weights_
    assert weights[0] == pytest.approx(3.0)
    assert weights[1] == 1.0
    assert 1.0 < weights[2] < 3.0


@pytest.mark.parametrize("as_matrix", [sparse.csr_array, sparse.csc_array])
def test_default_weights_of_a_sparse_matrix(as_matrix):
    groups = {"feature_groups": [[30, 2, 5], [9, 4], list(range(10, 20))]}
    data = np.where(np.abs(X) > 1, X, 0.0)
    dense = quick(max_iter=1, **groups).fit(data, y).group_weights_
    thin = quick(max_iter=1, **groups).fit(as_matrix(data), y).group_weights_
    np.testing.assert_allclose(thin, dense, rtol=1e-12)


@pytest.mark.parametrize("n_together", [1, 3, 7, 1000])
def test_columns_of_many_groups_are_fetched_together(n_together, monkeypatch):
    monkeypatch.setattr(_blocks, "_BLOCK", n_together * len(X))
    fetched = []

    def columns(index):
        fetched.append(len(index))
        return X[:, index]

    groups = np.split(np.random.default_rng(0).permutation(40), [2, 5, 7, 20, 24, 38])
    blocks = ColumnBlocks(columns, groups, len(X))
    for group in groups:
        np.testing.assert_array_equal(blocks(group), X[:, group])
    assert sum(fetched) == 40
    assert max(fetched) < n_together + 14  # the last group of a block may pass the end
    assert len(fetched) <= min(len(groups), 40 // n_together + 1)
    for group in groups[::-1]:
        np.testing.assert_array_equal(blocks(group), X[:, group])


# What is selected ----------------------------------------------------------------


def check_whole(selector, labels):
    """Groups are selected whole, in one run of the ranks, and named by rank."""
    for label in np.unique(labels):
        inside = labels == label
        assert len(set(selector.support_[inside])) == 1
        assert np.ptp(selector.ranking_[inside]) == inside.sum() - 1
    best = selector.group_names_[np.argsort(selector.group_ranking_)]
    n_selected = len(np.unique(labels[selector.support_]))
    np.testing.assert_array_equal(selector.selected_groups_, best[:n_selected])
    first = labels[np.argsort(selector.ranking_)]
    np.testing.assert_array_equal(best, first[np.sort(np.unique(first, True)[1])])
    assert sorted(selector.ranking_) == list(range(1, len(labels) + 1))


TARGETS = {"classes": y, "numbers": X[:, :2] + 0.0, "nothing": None}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("second_descent", [True, False])
def test_groups_live_and_die_whole(target, second_descent):
    labels = np.arange(40) // np.array([3] * 20 + [4] * 20)
    selector = quick(feature_groups=labels, second_descent=second_descent)
    selector.fit(X, TARGETS[target])
    assert 0 < selector.n_features_ < 40
    check_whole(selector, labels)
    alive = selector.encoder_weights_.any(axis=1)
    assert (selector.support_ | ~alive).all()
    for label in np.unique(labels):  # rows of a group share its importance
        assert np.ptp(selector.feature_importances_[labels == label]) == 0.0


def test_groups_in_the_working_sets_stay_whole():
    data, classes, _ = make_expression(60, 2000, random_state=0)
    labels = np.arange(2000) // 23
    selector = quick(feature_groups=labels, max_iter=30).fit(data, classes)
    check_whole(selector, labels)


def test_max_features_does_not_cut_a_group():
    labels = np.arange(40) // 3
    free = quick(feature_groups=labels).fit(X, y)
    assert free.n_features_ > 7
    limited = quick(feature_groups=labels, max_features=7).fit(X, y)
    np.testing.assert_array_equal(limited.selected_groups_, free.selected_groups_[:2])
    assert limited.n_features_ == 6


def test_a_best_group_that_is_too_large_is_an_error():
    with pytest.raises(ValueError, match="the best group, which has 3 features"):
        quick(feature_groups=[[0, 1, 2]], max_features=2).fit(X, y)


@pytest.mark.parametrize("data", [X, sparse.csr_array(X), sparse.csc_array(X)])
def test_groups_of_one_feature_are_no_groups(data):
    alone = quick(feature_groups=np.arange(40)).fit(data, y)
    plain = quick().fit(data, y)
    for name in ("support_", "ranking_", "encoder_weights_", "optimality_"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(plain, name))
    assert not hasattr(plain, "group_ranking_")


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_optimality_recomputed(target):
    """The gap over the radius times the dual norm, from the gradient by torch."""
    labels = np.arange(40) // 2
    labels[4:7] = 90, 91, 92
    selector = quick(feature_groups=labels, keep_features=[4, 6], max_iter=40)
    selector.fit(X, TARGETS[target])
    kept = np.isin(np.arange(40), [4, 6])
    W = torch.tensor(selector.encoder_weights_, dtype=torch.float64, requires_grad=True)
    Z = torch.tensor((X - selector.mean_) / selector.scale_)
    _, V = (torch.tensor(a, dtype=torch.float64) for a in selector.coefs_)
    b, c = (torch.tensor(a, dtype=torch.float64) for a in selector.intercepts_)
    code = torch.nn.functional.silu(Z @ W + b) @ V + c
    if target == "classes":
        loss = torch.nn.functional.cross_entropy(code, torch.tensor(y))
    else:
        T = torch.tensor(stats.zscore(TARGETS[target]))
        loss = (code - T).square().mean(0).sum() / 2 / T.shape[1]
    loss.backward()
    G, W = W.grad.numpy(), W.detach().numpy()
    assert np.abs(W[kept]).max() <= selector.radius_ * (1 + 1e-6)
    weights = dict(zip(selector.group_names_, selector.group_weights_, strict=True))
    norm, dual = 0.0, 0.0
    for name, weight in weights.items():
        rows = labels == name
        norm += weight * np.abs(W[rows]).max()
        dual = max(dual, np.abs(G[rows]).sum() / weight)
    assert norm <= selector.radius_ * (1 + 1e-6)
    dual += np.abs(G[kept]).sum()
    gap = (G * W).sum() + selector.radius_ * dual
    expected = gap / (selector.radius_ * dual)
    assert selector.optimality_ == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_modules_as_groups_find_more_true_features():
    """The modules whose genes are all markers are groups; other genes are alone."""
    found = {"alone": 0, "modules": 0}
    for seed in range(2):
        data, classes, informative, module = expression_with_modules(seed)
        lists = [np.flatnonzero(module == m) for m in np.unique(module)]
        lists = [genes for genes in lists if informative[genes].all()]
        for name, groups in {"alone": None, "modules": lists}.items():
            selector = L1InfFeatureSelector(feature_groups=groups, random_state=0)
            selector.fit(data, classes)
            found[name] += informative[selector.ranking_ <= 50].sum()
    assert found["modules"] > found["alone"] + 9


def expression_with_modules(seed):
    """`make_expression`, and the module of every feature."""
    modules, orders = [], []
    assign = generator._assign_modules

    class Recorder(np.random.RandomState):
        def permutation(self, x):
            orders.append(super().permutation(x))
            return orders[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            generator,
            "_assign_modules",
            lambda *args: modules.append(assign(*args)) or modules[-1],
        )
        rng = Recorder(seed)
        drawn = make_expression(80, 1000, random_state=rng)
    module = np.append(modules[0], modules[0].max() + 1 + modules[1])
    return *drawn, module[orders[-1]]  # the columns are shuffled last


def test_an_interacting_feature_brings_its_group():
    """Two features whose signs together tell the classes apart, in groups of three."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(300, 60))
    classes = (data[:, 4] * data[:, 40] > 0).astype(int)
    labels = np.arange(60) // 3
    selector = quick(feature_groups=labels, interactions=True, radius=0.5)
    selector.fit(data, classes)
    assert set(selector.selected_groups_[:2]) == {4 // 3, 40 // 3}
    check_whole(selector, labels)


def test_weights_of_samples_are_repetitions():
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    groups = [[0, 1, 2], list(range(10, 20))]
    weighted = quick(feature_groups=groups).fit(X, y, sample_weight=counts)
    repeated = quick(feature_groups=groups).fit(
        np.repeat(X, counts, axis=0), np.repeat(y, counts)
    )
    np.testing.assert_allclose(
        weighted.group_weights_, repeated.group_weights_, rtol=1e-6
    )


# Elimination ---------------------------------------------------------------------


def test_groups_leave_whole_by_the_variance_they_explain():
    """Against refits of a ridge regression without products."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(100, 8)) @ rng.normal(size=(8, 8))
    T = data[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(100, 2))
    groups, weights = np.array([0, 1, 1, 2, 3, 3, 3, 4]), np.array([1, 2, 1, 3, 1.0])
    order = backward_elimination(
        data,
        T,
        np.ones(100),
        product_scale=0,
        groups=groups,
        group_weights=weights,
    )
    Z, left, expected = stats.zscore(data), [0, 1, 2, 3, 4], []
    while left:
        columns = np.isin(groups, left)
        S = Z[:, columns].T @ Z[:, columns] / 100 + np.eye(columns.sum())
        coef = np.linalg.solve(S, Z[:, columns].T @ (T - T.mean(axis=0)) / 100)
        parts = [Z[:, g == groups] @ coef[g == groups[columns]] for g in left]
        share = {
            g: part.var(axis=0).sum() / weights[g]
            for g, part in zip(left, parts, strict=True)
        }
        expected.append(min(left, key=lambda group: share[group]))
        left.remove(expected[-1])
    assert order.tolist() == expected[::-1]


# With others ---------------------------------------------------------------------


def test_stability_counts_groups():
    labels = np.arange(40) // 4
    stable = L1InfStabilitySelector(
        quick(feature_groups=labels), n_pairs=3, random_state=0
    ).fit(X, y)
    check_whole(stable, labels)
    assert stable.n_selected_ == len(stable.selector_.selected_groups_)
    excess = 2 * stable.threshold_ - 1
    expected = stable.n_selected_**2 / (excess * 10)
    assert stable.false_positives_bound_ == pytest.approx(expected)
    for label in range(10):
        assert np.ptp(stable.selection_probabilities_[labels == label]) == 0.0


def test_path_and_cross_validation_select_whole_groups():
    labels = np.arange(40) // 3
    selector = quick(feature_groups=labels, max_features=12)
    cv = L1InfFeatureSelectorCV(selector, radii=[0.3, 1, 3], cv=3).fit(X, y)
    check_whole(cv, labels)
    path = radius_path(X, y, radii=[0.3, 1, 3], selector=selector)
    for support in path.support:
        for label in np.unique(labels):
            assert len(set(support[labels == label])) == 1
    assert path.n_features.max() <= 12


def test_search_clone_pickle_and_names_out():
    model = make_pipeline(quick(), LogisticRegression())
    grid = {"l1inffeatureselector__feature_groups": [PAIRS, {"p": [0, 1]}]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    selector = quick(feature_groups={"p": ["gene 0", "gene 1"]}).fit(FRAME, y)
    again = pickle.loads(pickle.dumps(clone(selector).fit(FRAME, y)))
    for one, two in zip(fitted(selector), fitted(again), strict=True):
        np.testing.assert_array_equal(one, two)
    names = selector.get_feature_names_out().tolist()
    assert names == [NAMES[j] for j in np.flatnonzero(selector.support_)]
