"""Decoders: from coefficients along directions to the terms T_r(h) of a deletion set.

For directions uniform on the complex unit sphere of C^n, and s(psi) = sum_i conj(psi_i) h_i (the direction is conjugated),

    T_r(h) = C(n + r - 1, r) E[ s(psi)^r c_r(psi) ]          (Gunn, How to sketch a learning algorithm)

because the r-fold symmetric tensors are an irreducible representation of the unitary group; for a real measurement the real
part is taken. n counts the units that directions live in, not those deleted.
"""
import math

import numpy as np
from scipy.special import gammaln

from .directions import UNITARILY_INVARIANT
from .learner import LearnerError


def single_estimates(psi, coefficients, h):
    """The estimate of each T_r(h), r = 1..p, by each direction alone: (directions, degree) + measurement's shape, real.

    psi (m, n) complex;   coefficients (m, p) + shape, complex;   h (n,) real.
    """
    n, (m, p) = psi.shape[1], coefficients.shape[:2]
    s = psi.conj() @ h
    orders = np.arange(1, p + 1)
    # C^(1/r) s to the power r: binomials overflow long before their product with s^r does
    root = np.exp((gammaln(n + orders) - gammaln(orders + 1.0) - gammaln(n)) / orders)
    factors = (s[:, None] * root) ** orders
    return np.real(factors.reshape((m, p) + (1,) * (coefficients.ndim - 2)) * coefficients)


def _invariant(directions, decoder):
    if directions.design not in UNITARILY_INVARIANT:
        raise LearnerError(f"the {decoder} is unbiased only for directions that are uniform on the sphere, or Haar; these are "
                           f"{directions.design!r}")


def mean(directions, coefficients, h, groups=None):
    """(terms, total change, standard error): the average over directions, the paper's estimator."""
    _invariant(directions, "mean")
    if groups is not None:
        raise LearnerError("the mean has no groups; ask for decoder='median of means'")
    each = single_estimates(directions.psi, coefficients, h)
    terms, totals = each.mean(axis=0), each.sum(axis=1)
    error = totals.std(axis=0, ddof=1) / math.sqrt(len(totals)) if len(totals) > 1 else np.full(totals.shape[1:], np.nan)
    return terms, totals.mean(axis=0), error


def group_count(failure):
    """Groups for a failure probability: about 8 log(1 / failure), odd."""
    if not 0.0 < failure < 1.0:
        raise LearnerError(f"a failure probability lies between 0 and 1, not {failure}")
    return 2 * (math.ceil(8.0 * math.log(1.0 / failure)) // 2) + 1


def median_of_means(directions, coefficients, h, groups=None):
    """(terms, total change, standard error): directions in k groups by index, the median of the k means.

    The total is the median of the groups' predictions; the terms are medians of their own and need not add up to it. Its
    standard error is that of a median of k numbers, sqrt(pi/2) sigma / sqrt(k), with sigma from their median deviation.
    """
    _invariant(directions, "median of means")
    m = len(directions)
    k = min(group_count(0.05), m if m % 2 else m - 1) if groups is None else groups
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= m:
        raise LearnerError(f"{groups!r} groups for {m} directions: between 1 and {m}, best odd")
    each = single_estimates(directions.psi, coefficients, h)
    means = np.stack([group.mean(axis=0) for group in np.array_split(each, k)])
    totals = means.sum(axis=1)
    total = np.median(totals, axis=0)
    sigma = 1.4826 * np.median(np.abs(totals - total), axis=0)
    error = math.sqrt(math.pi / 2.0) * sigma / math.sqrt(k) if k > 1 else np.full(total.shape, np.nan)
    return np.median(means, axis=0), total, error


DECODERS = {"mean": mean, "median of means": median_of_means}
