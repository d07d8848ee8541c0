"""What a target is: classes, numbers or nothing."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets


@dataclass(frozen=True)
class Target:
    """A target that can be trained on.

    Attributes
    ----------
    kind : {"classification", "regression", "unsupervised"}
        What the target is.
    values : ndarray or None
        Class indices (n_samples,), or standardised numbers (n_samples, n_targets).
    weight : ndarray of shape (n_samples,)
        The weights of the samples in the loss, those of their classes included.
    classes : ndarray or None
        The class labels.
    """

    kind: str
    values: np.ndarray | None
    weight: np.ndarray
    classes: np.ndarray | None = None

    @property
    def n_latent(self):
        """Number of units that the code needs, None where there is no target."""
        if self.kind == "unsupervised":
            return None
        return self.values.shape[1] if self.classes is None else len(self.classes)


def check_target(y, target, estimator):
    """Return `y` as an array with what it is.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_targets), or None
        The target as it was given.
    target : {"auto", "classification", "regression", "unsupervised"}
        What the user says it is.
    estimator : estimator
        Named in the errors.

    Returns
    -------
    y : ndarray or None
        The validated target.
    kind : {"classification", "regression", "unsupervised"}
        What it is.

    Raises
    ------
    ValueError
        If `y` is not of a form that can be trained on.
    """
    if y is None or target == "unsupervised":
        return None, "unsupervised"
    # Validation makes pandas' nullable integers and booleans floating-point numbers.
    given = {"b": bool, "i": np.int64, "u": np.uint64}.get(_dtype_kind(y))
    y = check_array(
        y,
        accept_sparse=False,
        ensure_2d=False,
        dtype=None,
        ensure_min_samples=0,
        input_name="y",
        estimator=estimator,
    )
    if y.dtype.kind in "mM":
        raise ValueError(
            f"y of dtype {y.dtype} is neither classes nor numbers: convert it to one "
            "of them."
        )
    if given is not None:
        y = y.astype(given, copy=False)
    kind = _guess_kind(y) if target == "auto" else target
    return (_check_labels(y) if kind == "classification" else _check_numbers(y)), kind


def _dtype_kind(y):
    """Return the kind of the dtype of an array, a series or a frame of one column."""
    dtypes = getattr(y, "dtypes", getattr(y, "dtype", None))
    if getattr(dtypes, "shape", None) == (1,):
        dtypes = dtypes.iloc[0]
    return getattr(dtypes, "kind", None)


def _guess_kind(y):
    if y.dtype.kind != "f":
        return "classification"
    if y.size == len(y) and len(np.unique(y)) == 2:
        warnings.warn(
            "y is a floating-point array of only two values and is taken as a "
            'regression target. Pass target="classification" if they are classes, or '
            'target="regression" to silence this warning.',
            UserWarning,
            stacklevel=7,  # the caller of fit
        )
    return "regression"


def _check_labels(y):
    if y.ndim > 1 and y.shape[1] > 1:
        raise ValueError(
            f"y of shape {y.shape} and dtype {y.dtype} cannot be classes, which need "
            'one column. Pass target="regression" if its columns are several numeric '
            "targets."
        )
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "O" and not all(isinstance(label, str) for label in y):
        raise ValueError("Unknown label type: y holds other objects than strings.")
    check_classification_targets(y)
    return y


def _check_numbers(y):
    y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    return y.reshape(len(y), -1)


def prepare_target(y, kind, sample_weight, class_weight):
    """Encode the classes or standardise the numbers of a validated target.

    Parameters
    ----------
    y : ndarray or None
        The target, as `check_target` returns it.
    kind : {"classification", "regression", "unsupervised"}
        What it is.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights, which act as repetitions of the samples.
    class_weight : dict, "balanced" or None
        As in scikit-learn's classifiers.

    Returns
    -------
    target : Target

    Raises
    ------
    ValueError
        If there is nothing to learn: a single class, or only constant numbers.
    """
    if kind == "unsupervised":
        return Target(kind, None, sample_weight)
    if kind == "regression":
        return Target(kind, _standardize(y, sample_weight), sample_weight)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "y has only one class among the samples of positive weight "
            f"({classes[0]!r}): at least two are needed to select features."
        )
    weights = compute_class_weight(
        class_weight, classes=classes, y=y, sample_weight=sample_weight
    )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            f"class_weight={class_weight!r} must give finite weights, none negative "
            "and not all zero."
        )
    return Target(kind, codes, sample_weight * weights[codes], classes)


def _standardize(y, sample_weight):
    if np.all(y == y[:1]):
        raise ValueError("y is constant: there is nothing to select features for.")
    # Whatever output the user has configured globally, this one is ours.
    scaler = StandardScaler().set_output(transform="default")
    with np.errstate(over="ignore", invalid="ignore"):
        scaler.fit(y, sample_weight=sample_weight)
    if not np.isfinite(scaler.scale_).all():
        raise ValueError("y has entries too large to standardise.")
    return scaler.transform(y).astype(np.float32)
