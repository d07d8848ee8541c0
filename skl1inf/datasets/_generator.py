"""Artificial expression matrices that look like real ones."""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.utils import check_random_state

from .._sklearn import Interval, validate_params

# What the columns look like, settled once by comparing with real matrices. The
# defaults of make_expression are part of it: results are compared across
# versions, so neither these nor the order of the random draws may change.
N_PROGRAMS = 8  # influences that the whole sample shares
SHARE_OF_PROGRAMS = 0.8  # of the variance of a module's activity
MODULE_SIZE = 20  # genes in a module, on average; heavy-tailed
MARKER_MODULE_SIZE = 8  # the same for the modules that tell classes apart
SHARE_OF_OPPOSITE = 0.2  # genes that go down when their module goes up
WEAKEST_EFFECT = 0.1  # as a share of effect_size, the average
SKEWNESS = (-0.4, 0.6)  # range of Tukey's g
LEVEL = (5, 12)  # range of the genes' levels, log2 units
SPREAD = 0.4  # median standard deviation of a gene, log2 units
DEPTH_SPREAD = 0.5  # of the samples, where values drop out


@validate_params(
    {
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "n_informative": [Interval(Integral, 0, None, closed="left")],
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "effect_size": [Interval(Real, 0, None, closed="left")],
        "coexpression": [Interval(Real, 0, 1, closed="both")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "sparse_output": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_expression(
    n_samples: int = 200,
    n_features: int = 10000,
    *,
    n_informative: int = 50,
    n_classes: int = 2,
    effect_size: float = 3.0,
    coexpression: float = 0.55,
    dropout: float = 0.0,
    sparse_output: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray | sparse.csr_array, np.ndarray, np.ndarray]:
    r"""Generate a gene-expression matrix and say which genes are informative.

    Genes belong to co-expressed modules, the modules follow a few programs that
    the whole sample shares, and a few modules and single genes are markers of a
    class. Every other column is independent of `y`, all of them jointly.

    Parameters
    ----------
    n_samples : int, default=200
        The number of samples. The classes are of equal size, up to one sample.

    n_features : int, default=10000
        The number of features (genes).

    n_informative : int, default=50
        The number of features whose distribution depends on the class, the
        markers. Half of them, rounded down, make up a few modules; the others
        are single genes spread over the ordinary modules.

    n_classes : int, default=2
        The number of classes. Each marker module and each single marker has one
        class, in which it goes up, or down.

    effect_size : float, default=3.0
        Average effect of the markers: the difference between the mean of a gene
        in their class, in samples that show it in full, and in the other
        classes, in standard deviations of the gene without it. A marker's own
        effect is between 10 % and, in rare cases, several times this average; a
        sample shows a share of it that is uniform between 0 and 1.

    coexpression : float, default=0.55
        Average share of a gene's variance that it owes to its module. The share
        is uniform, as wide as fits between 0 and 1. With 0, all features but the
        markers are independent.

    dropout : float, default=0.0
        The share of the entries that are replaced by zeros, as in single-cell
        data: low values sooner than high ones, and more in some samples than in
        others.

    sparse_output : bool, default=False
        If True, `X` is a sparse array in CSR format. Of use with `dropout`.

    random_state : int, RandomState instance or None, default=None
        Determines the random numbers. Pass an int for the same output in every
        call.

    Returns
    -------
    X : {ndarray, csr_array} of shape (n_samples, n_features)
        The expression, not negative, on a log2 scale: a gene's mean is
        between 5 and 12, its standard deviation about 0.4.

    y : ndarray of shape (n_samples,)
        The class of each sample, from 0 to ``n_classes - 1``.

    informative : ndarray of shape (n_features,)
        Mask of the features whose distribution depends on the class.

    See Also
    --------
    load_srbct : A real matrix.
    sklearn.datasets.make_classification : Gaussian clusters.

    Notes
    -----
    With :math:`P_i` the programs in sample i, standard normal, module m has the
    activity :math:`F_{im} = \sqrt{.8}\, a_m^\top P_i + \sqrt{.2}\,
    \varepsilon_{im}`, :math:`\|a_m\| = 1`, and gene j of that module, a share
    :math:`h_j` of whose variance it is, :math:`z_{ij} = \pm (\sqrt{h_j} F_{im}
    + \sqrt{1 - h_j}\, \varepsilon_{ij} + s_i d_{jc})`, where :math:`s_i` is the
    share of its class's effects that sample i shows and :math:`d_{jc}` the
    effect of class c: 0 but for a marker of that class, one number for all genes
    of a marker module. The expression is :math:`x_{ij} = \max(\mu_j + \sigma_j
    (e^{g_j z_{ij}} - 1) / g_j, 0)`, Tukey's g transform [1]_, which makes it
    skewed. A value drops out with a probability that is logistic in
    :math:`x_{ij}` less the depth of sample i. The columns are shuffled.

    The defaults were settled by comparing with real matrices: see the page on
    data in the user guide. They will not change.

    References
    ----------
    .. [1] D. C. Hoaglin, "Summarizing shape numerically: the g-and-h
       distributions", in "Exploring Data Tables, Trends, and Shapes", Wiley,
       1985.

    Examples
    --------
    >>> from skl1inf.datasets import make_expression
    >>> X, y, informative = make_expression(random_state=0)
    >>> X.shape
    (200, 10000)
    >>> int(informative.sum())
    50
    """
    if n_informative > n_features:
        raise ValueError(
            f"n_informative={n_informative} is greater than n_features={n_features}."
        )
    if n_classes > n_samples:
        raise ValueError(
            f"n_classes={n_classes} is greater than n_samples={n_samples}."
        )
    rng = check_random_state(random_state)
    y = rng.permutation(np.arange(n_samples) % n_classes)
    shown = rng.uniform(size=n_samples)[:, np.newaxis]

    # Until they are shuffled, the columns are the genes of the marker modules, the
    # single markers, all others.
    n_in_modules = n_informative // 2
    markers = _assign_modules(n_in_modules, MARKER_MODULE_SIZE, rng)
    others = _assign_modules(n_features - n_in_modules, MODULE_SIZE, rng)
    n_modules = markers.max(initial=-1) + 1
    module = np.concatenate([markers, n_modules + others])
    singles = n_modules + np.arange(n_informative - n_in_modules)
    marker = np.concatenate([markers, singles])

    share = rng.uniform(
        max(0, 2 * coexpression - 1), min(1, 2 * coexpression), size=n_features
    )
    Z = _module_activity(n_samples, module.max() + 1, rng)[:, module] * np.sqrt(share)
    Z += rng.standard_normal(Z.shape) * np.sqrt(1 - share)
    effects = _marker_effects(n_modules + len(singles), n_classes, effect_size, rng)
    Z[:, :n_informative] += shown * effects[y][:, marker]
    Z *= np.where(rng.uniform(size=n_features) < SHARE_OF_OPPOSITE, -1, 1)

    X = _expression_levels(Z, rng)
    order = rng.permutation(n_features)
    X, informative = X[:, order], (np.arange(n_features) < n_informative)[order]
    if dropout > 0:  # last, so that the values that stay are those without dropout
        X[_dropped(X, dropout, rng)] = 0
    return (sparse.csr_array(X) if sparse_output else X), y, informative


def _assign_modules(n_features, mean_size, rng):
    """Give each feature the number of its module; log-normal module sizes."""
    n_modules = max(1, round(n_features / mean_size))
    weight = rng.lognormal(size=n_modules)
    return rng.choice(n_modules, size=n_features, p=weight / weight.sum())


def _module_activity(n_samples, n_modules, rng):
    """Draw activities of unit variance, correlated through shared programs."""
    loadings = rng.standard_normal((N_PROGRAMS, n_modules))
    loadings /= np.sqrt(np.arange(1, N_PROGRAMS + 1))[:, np.newaxis]
    # The strongest program moves all modules one way, like the quality of a
    # sample does.
    loadings[0] = np.abs(loadings[0])
    loadings /= np.linalg.norm(loadings, axis=0)
    programs = rng.standard_normal((n_samples, N_PROGRAMS))
    own = rng.standard_normal((n_samples, n_modules))
    return (
        np.sqrt(SHARE_OF_PROGRAMS) * programs @ loadings
        + np.sqrt(1 - SHARE_OF_PROGRAMS) * own
    )


def _marker_effects(n_markers, n_classes, effect_size, rng):
    """Draw the effect of each class on each marker; a marker has one class."""
    strength = WEAKEST_EFFECT + (1 - WEAKEST_EFFECT) * rng.exponential(size=n_markers)
    effects = np.zeros((n_classes, n_markers))
    marker = np.arange(n_markers)
    effects[marker % n_classes, marker] = (
        effect_size * strength * rng.choice([-1, 1], size=n_markers)
    )
    return effects


def _expression_levels(Z, rng):
    """Turn standard scores, in place, into levels with skewed noise."""
    n_features = Z.shape[1]
    g = rng.uniform(*SKEWNESS, size=n_features)
    level = rng.uniform(*LEVEL, size=n_features)
    spread = SPREAD * rng.lognormal(sigma=0.4, size=n_features)
    Z *= g
    np.expm1(Z, out=Z)
    Z *= spread / g
    Z += level
    return np.maximum(Z, 0, out=Z)


def _dropped(X, dropout, rng):
    """Draw the mask of the entries that drop out."""
    height = X - DEPTH_SPREAD * rng.standard_normal((len(X), 1))
    # The level at which half of the values drop out, such that a share
    # `dropout` of all does.
    middle = brentq(
        lambda middle: expit(middle - height).mean() - dropout,
        height.min() - 40,
        height.max() + 40,
    )
    return rng.uniform(size=X.shape) < expit(middle - height)
