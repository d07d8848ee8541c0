"""Tests of the shipped matrices and of the generator."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse, stats
from sklearn.feature_selection import f_classif
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skl1inf.datasets import load_srbct, load_transbig, make_expression

DATA = os.environ.get("SKL1INF_DATA")
# SHA-256 of the probes and of the outcomes as float64, in the order of the rows.
PROBES = "499f5cd065a554fd0a1e64d8911466660e8eba6724bc7808b2acb1d036f85cc8"
OUTCOMES = "6b33949cb5032f0ee1d5232bd7dda84027f16e43c12086a6af4e226c07c77641"


class TestLoadSrbct:
    def test_shapes_names_and_classes(self):
        srbct = load_srbct()
        assert srbct.data.shape == (83, 2308)
        assert list(srbct.target_names) == ["BL", "EWS", "NB", "RMS"]
        assert list(srbct.feature_names[[0, -1]]) == ["G0001", "G2308"]
        assert "Khan" in srbct.DESCR

    def test_samples_per_class_are_those_of_the_publication(self):
        y = load_srbct().target
        assert_array_equal(np.bincount(y[:63]), [8, 23, 12, 20])
        assert_array_equal(np.bincount(y[63:]), [3, 6, 6, 5])

    def test_values(self):
        X = load_srbct().data
        assert_array_equal(X[0, :3], [0.7733437, -2.438405, -0.4825622])

    def test_as_frame(self):
        srbct = load_srbct()
        framed = load_srbct(as_frame=True)
        X, y = load_srbct(as_frame=True, return_X_y=True)
        pd.testing.assert_frame_equal(X, framed.data)
        pd.testing.assert_series_equal(y, framed.target)
        assert_array_equal(X, srbct.data)
        assert_array_equal(y, srbct.target)
        assert list(X.columns) == list(srbct.feature_names)
        assert list(framed.frame.columns) == [*srbct.feature_names, "target"]

    @pytest.mark.skipif(DATA is None, reason="SKL1INF_DATA names no folder of data")
    def test_equals_the_copy_in_the_data_folder(self):
        X, y = load_srbct(return_X_y=True)
        with np.load(Path(DATA) / "Khan.npz") as copy:
            assert_array_equal(X.astype(np.float32), copy["X"])
            assert_array_equal(y, copy["y"])


def median_follow_up(event, time):
    """The reverse Kaplan-Meier estimate: censoring is the event."""
    order = np.lexsort((~event, time))
    at_risk = len(time) - np.arange(len(time))
    still_followed = np.cumprod(1 - ~event[order] / at_risk)
    return time[order][still_followed <= 0.5][0]


class TestLoadTransbig:
    def test_counts_are_those_of_the_publication(self):
        """Desmedt et al.: 198 women below 61, 51 metastases, 14.0 years."""
        X, y = load_transbig(return_X_y=True)
        assert X.shape == (198, 6 + 76)
        assert len(y) == 198
        assert y["event"].sum() == 51
        assert X[:, 0].max() < 61
        years = median_follow_up(y["event"], y["time"]) / 365.25
        assert years == pytest.approx(14.0, abs=0.5)

    def test_values_are_those_of_the_source(self):
        """The sums were taken of the copy that scikit-survival distributes."""
        transbig = load_transbig()
        probes = np.char.endswith(transbig.feature_names, "_at")
        assert probes.sum() == 76
        assert_array_equal(np.flatnonzero(~probes), range(6))
        sha256 = hashlib.sha256(transbig.data[:, probes].tobytes()).hexdigest()
        assert sha256 == PROBES
        numbers = np.column_stack([transbig.target["event"], transbig.target["time"]])
        assert hashlib.sha256(numbers.tobytes()).hexdigest() == OUTCOMES

    def test_clinical_columns(self):
        transbig = load_transbig()
        names = ["age", "size", "er_positive", "grade_1", "grade_2", "grade_3"]
        assert list(transbig.feature_names[:6]) == names
        assert_array_equal(transbig.data[:, 2:6].sum(axis=0), [134, 30, 83, 83])
        assert_array_equal(
            np.bincount(transbig.data[:, 3:6].sum(axis=1).astype(int)), [2, 196]
        )
        assert_array_equal(transbig.data[0, :2], [57, 3])

    def test_names_stand_over_their_values(self):
        transbig = load_transbig(as_frame=True)
        assert transbig.data.loc[0, "219340_s_at"] == 7.01410950575358
        assert transbig.data.loc[3, "202418_at"] == 11.6270662067868

    def test_target(self):
        y = load_transbig().target
        assert y.dtype == [("event", bool), ("time", float)]
        assert y["time"].min() == 125
        assert y["time"].max() == 9108

    def test_as_frame(self):
        transbig = load_transbig()
        framed = load_transbig(as_frame=True)
        X, y = load_transbig(as_frame=True, return_X_y=True)
        pd.testing.assert_frame_equal(X, framed.data)
        pd.testing.assert_frame_equal(y, framed.target)
        assert_array_equal(X, transbig.data)
        assert list(X.columns) == list(transbig.feature_names)
        assert_array_equal(y["event"], transbig.target["event"])
        assert_array_equal(y["time"], transbig.target["time"])
        assert list(y.dtypes) == [bool, float]
        assert list(framed.frame.columns) == [*X.columns, "event", "time"]

    def test_the_description_names_source_and_licence(self):
        text = load_transbig().DESCR
        for word in ("GSE7390", "Desmedt", "Licence", "scikit-survival"):
            assert word in text


@pytest.mark.parametrize("load", [load_srbct, load_transbig])
class TestEveryLoader:
    def test_as_tuple(self, load):
        bunch = load()
        X, y = load(return_X_y=True)
        assert_array_equal(X, bunch.data)
        assert_array_equal(y, bunch.target)

    def test_callers_share_nothing(self, load):
        load().data[:] = 0
        assert load().data.any()

    def test_every_column_is_finite_and_varies(self, load):
        bunch = load()
        assert bunch.data.dtype == np.float64
        assert bunch.data.flags.c_contiguous
        assert np.isfinite(bunch.data).all()
        assert bunch.data.std(axis=0).min() > 0
        assert len(set(bunch.feature_names)) == bunch.data.shape[1]
        assert bunch.frame is None

    @pytest.mark.parametrize("name", ["return_X_y", "as_frame"])
    def test_bad_parameter(self, load, name):
        with pytest.raises(ValueError, match=name):
            load(**{name: "yes"})


class TestMakeExpression:
    def test_defaults(self):
        X, y, informative = make_expression(random_state=0)
        assert X.shape == (200, 10000)
        assert X.dtype == np.float64
        assert np.isfinite(X).all()
        assert X.min() >= 0
        assert_array_equal(np.bincount(y), [100, 100])
        assert informative.dtype == bool
        assert informative.sum() == 50

    def test_frozen(self):
        """Selectors are compared on this matrix: it must not drift."""
        X, y, informative = make_expression(20, 50, n_informative=5, random_state=0)
        assert_array_equal(y[:8], [0, 1, 1, 0, 0, 1, 0, 1])
        assert_array_equal(np.flatnonzero(informative), [3, 11, 21, 24, 30])
        np.testing.assert_allclose(
            X[0, :4], [5.479081, 8.820652, 6.6777, 5.493322], rtol=1e-6
        )

    def test_same_seed_same_matrix_another_seed_another(self):
        first, again = (make_expression(30, 90, random_state=3) for _ in range(2))
        other = make_expression(30, 90, random_state=4)
        for a, b in zip(first, again, strict=True):
            assert_array_equal(a, b)
        assert not np.array_equal(first[0], other[0])

    def test_leaves_the_global_random_state_alone(self):
        np.random.seed(0)
        make_expression(10, 10, n_informative=2, random_state=0)
        assert np.random.randint(2**30) == np.random.RandomState(0).randint(2**30)

    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_mask_is_the_truth(self, n_classes):
        """With many samples every marker shows, and nothing else does."""
        X, y, informative = make_expression(
            5000, 400, n_informative=41, n_classes=n_classes, random_state=0
        )
        p_values = f_classif(X, y)[1]
        assert p_values[informative].max() < 1e-3
        uniform = stats.kstest(p_values[~informative], "uniform")
        assert p_values[~informative].min() > 1e-3 / 400
        assert uniform.pvalue > 1e-3

    def test_every_class_has_markers(self):
        X, y, informative = make_expression(
            3000, 60, n_informative=20, n_classes=4, random_state=0
        )
        for label in range(4):
            p_values = f_classif(X[:, informative], y == label)[1]
            assert p_values.min() < 1e-20

    def test_without_effect_nothing_tells_the_classes_apart(self):
        X, y, _ = make_expression(2000, 300, effect_size=0, random_state=0)
        assert f_classif(X, y)[1].min() > 1e-3 / 300

    def test_effect_size_is_the_mean_difference(self):
        effects = []
        for seed in range(15):
            X, y, informative = make_expression(
                1000, 300, n_informative=200, effect_size=1, random_state=seed
            )
            first, second = X[y == 0][:, informative], X[y == 1][:, informative]
            gap = np.abs(first.mean(axis=0) - second.mean(axis=0))
            effects.append(gap / np.minimum(first.std(axis=0), second.std(axis=0)))
        # The samples of a class show half of its effects on average; the absolute
        # value and the skewness add a few percent.
        assert np.mean(effects) == pytest.approx(0.5, rel=0.2)

    def test_looks_like_a_real_matrix(self):
        """The statistics that settled the defaults stay where they were."""
        X, _, _ = make_expression(random_state=0)
        rng = np.random.RandomState(0)
        sample = rng.choice(X.shape[1], 1000, replace=False)
        correlation = np.abs(np.corrcoef(X[:, sample], rowvar=False))
        pairs = correlation[np.triu_indices_from(correlation, 1)]
        assert np.quantile(pairs, [0.5, 0.9, 0.99]) == pytest.approx(
            [0.12, 0.30, 0.50], abs=0.05
        )
        assert np.quantile(stats.skew(X), [0.1, 0.5, 0.9]) == pytest.approx(
            [-0.9, 0.3, 1.5], abs=0.15
        )
        spectrum = np.linalg.svd(StandardScaler().fit_transform(X), compute_uv=False)
        share = np.cumsum(spectrum**2) / np.sum(spectrum**2)
        assert share[[0, 4, 9]] == pytest.approx([0.13, 0.36, 0.46], abs=0.05)

    def test_neither_trivial_nor_impossible(self):
        X, y, informative = make_expression(random_state=0)
        svc = make_pipeline(StandardScaler(), SVC(kernel="linear"))
        everything = cross_val_score(svc, X, y).mean()
        truth = cross_val_score(svc, X[:, informative], y).mean()
        assert 0.65 < everything < 0.85 < truth < 0.98

    def test_no_coexpression_is_independence(self):
        X, _, _ = make_expression(
            2000, 100, n_informative=0, coexpression=0, random_state=0
        )
        correlation = np.corrcoef(X, rowvar=False)[np.triu_indices(100, 1)]
        assert correlation.std() == pytest.approx(2000**-0.5, rel=0.1)

    @pytest.mark.parametrize("dropout", [0.3, 0.9])
    def test_dropout(self, dropout):
        dense, _, _ = make_expression(300, 500, random_state=0)
        X, _, _ = make_expression(300, 500, dropout=dropout, random_state=0)
        assert (X == 0).mean() == pytest.approx(dropout, abs=0.02)
        kept = X != 0
        assert_array_equal(X[kept], dense[kept])
        assert dense[~kept].mean() < dense[kept].mean() - 0.5
        assert kept.mean(axis=1).std() > 0.02  # samples differ in depth

    def test_sparse_output(self):
        dense, y, mask = make_expression(50, 60, dropout=0.8, random_state=0)
        X, y_sparse, mask_sparse = make_expression(
            50, 60, dropout=0.8, sparse_output=True, random_state=0
        )
        assert sparse.issparse(X)
        assert X.format == "csr"
        assert_array_equal(X.toarray(), dense)
        assert_array_equal(y_sparse, y)
        assert_array_equal(mask_sparse, mask)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"n_features": 1, "n_informative": 1},
            {"n_features": 1, "n_informative": 0},
            {"n_features": 5, "n_informative": 5},
            {"n_samples": 2, "n_features": 3, "n_informative": 2},
            {"n_features": 30, "n_informative": 4, "coexpression": 1},
        ],
    )
    def test_corners(self, parameters):
        X, y, informative = make_expression(
            **{"n_samples": 12, "random_state": 0} | parameters
        )
        assert X.shape == (len(y), parameters["n_features"])
        assert np.isfinite(X).all()
        assert informative.sum() == parameters["n_informative"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n_samples", 1),
            ("n_samples", 10.0),
            ("n_features", 0),
            ("n_informative", -1),
            ("n_informative", 10001),
            ("n_classes", 1),
            ("n_classes", 201),
            ("effect_size", -1.0),
            ("effect_size", np.nan),
            ("coexpression", 1.1),
            ("dropout", 1.0),
            ("dropout", -0.1),
            ("sparse_output", "csr"),
            ("random_state", "seed"),
        ],
    )
    def test_bad_parameter(self, name, value):
        with pytest.raises(ValueError, match=name):
            make_expression(**{name: value})
