"""Backward elimination by fits of scikit-learn's Ridge."""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import PolynomialFeatures, StandardScaler


def elimination_with_sklearn(X, T, weight, product_scale=1.0):
    """Return the features, the last to leave first."""
    left, leaving = list(range(X.shape[1])), []
    while left:
        Z = StandardScaler().fit_transform(X[:, left], sample_weight=weight)
        terms = PolynomialFeatures(2, include_bias=False).fit(Z)
        F = StandardScaler().fit_transform(terms.transform(Z), sample_weight=weight)
        F[:, len(left) :] *= product_scale
        model = Ridge(alpha=weight.sum(), solver="cholesky")
        coef = np.atleast_2d(model.fit(F, T, sample_weight=weight).coef_)
        squares = np.square(coef).sum(axis=0)
        saliency = (terms.powers_ > 0).T @ squares
        leaving.append(left.pop(int(saliency.argmin())))
    return leaving[::-1]
