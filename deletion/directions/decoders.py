"""Decoders: from coefficients along directions to the terms T_r(h) of deletion sets.

The paper's: for directions uniform on the complex unit sphere of C^n, and s(psi) = sum_i conj(psi_i) h_i,

    T_r(h) = C(n + r - 1, r) E[ s(psi)^r c_r(psi) ]          (Gunn, How to sketch a learning algorithm)

because the r-fold symmetric tensors are an irreducible representation of the unitary group; for a real
measurement the real part is taken. n counts the units that directions live in, not those deleted. The average
over directions is unbiased. The median of the averages of k groups withstands a minority of directions that
are wildly off, and is consistent: its error vanishes as the groups grow. It is not unbiased: where the
directions' estimates are skewed, it lies towards their bulk. And one of ours:

    least squares: the posterior mean under the prior of kernel.py. It is exact wherever the directions
    determine the answer, and shrinks towards zero, without adding noise, where they say nothing.

A decoder is fitted to coefficients (m, p, q) of q measurements, and called with Sets. Where the gradient of
the measurements in the units' weights is known, FirstOrder takes degree 1 from it and leaves the other
degrees to the decoder.
"""
import math
from typing import NamedTuple, Optional

import numpy as np
from scipy.special import gammaln

from circuit.blas import one_blas_thread

from .directions import UNITARILY_INVARIANT
from ..learner.learner import LearnerError
from ..learner.units import Sets
from .terms import Tables, terms

SELF_WEIGHTS = (0.0, 1.0, 10.0, 100.0, 1000.0)
"""The prior's w: how much more a unit interacts with itself than with others. Integrated over."""

LARGEST_LOG = 690.0
"""Of numbers that still can be multiplied by the largest w, and added up."""


class Estimates(NamedTuple):
    """terms (sets, p, q);   change (sets, q);   error (sets, q): the standard error of the change, or None
                             where nobody asked."""
    terms: np.ndarray
    change: np.ndarray
    error: Optional[np.ndarray]


def scaled(psi, coefficients):
    """(root psi, alpha): the paper's estimate of each direction alone is Re sum_r s^r alpha_r.

    alpha_r = C(n+r-1, r) root^-r c_r, with n the units that directions live in. Binomials overflow long
    before their product with s^r does; root, the p-th root of the last of them, balances the two.
    """
    n, orders = np.count_nonzero(psi.any(axis=0)), np.arange(1, coefficients.shape[1] + 1)
    logs = gammaln(n + orders) - gammaln(orders + 1.0) - gammaln(n)
    root = logs[-1] / orders[-1] if len(logs) else 0.0
    with np.errstate(over="ignore"):
        balanced = coefficients * np.exp(logs - orders * root)[:, None]
    if not np.isfinite(balanced).all():
        raise LearnerError(f"degree {len(orders)} is too high for {n} units: the estimator's binomials "
                           "leave the range of numbers")
    return psi * math.exp(root), balanced


class Mean:
    """The average over directions, the paper's estimator; its standard error from their spread."""
    name, virtue = "mean", "unbiased"

    def __init__(self, directions, coefficients):
        _invariant(directions, self)
        psi, alpha = scaled(directions.psi, coefficients)
        self.tables, self.count, self.psi = Tables.of(psi, alpha / len(psi)), len(psi), directions.psi

    def __call__(self, sets, errors=True):
        found, squares = terms(sets, self.tables, spread=errors)
        found = found[:, 0]
        change, error = found.sum(axis=1), None
        if errors:      # of X_j / m: their squares' sum, less m times the square of their mean
            spread = np.maximum(squares - change ** 2 / self.count, 0.0)
            error = np.sqrt(spread * self.count
                            / (self.count - 1)) if self.count > 1 else np.full(change.shape, np.nan)
        return Estimates(found, change, error)

    def weights(self, downweight):
        """What each coefficient counts at a downweight (n,): g (m, p) complex, T_r = Re sum_j g_jr
        c_r(psi_j)."""
        degree = self.tables.alpha.shape[1]
        psi, binomials = scaled(self.psi, np.ones((self.count, degree, 1)))
        return (psi.conj() @ downweight)[:, None] ** np.arange(1, degree + 1) * binomials[..., 0] / self.count


def group_count(failure):
    """Groups for a failure probability: about 8 log(1 / failure), odd."""
    if not 0.0 < failure < 1.0:
        raise LearnerError(f"a failure probability lies between 0 and 1, not {failure}")
    return 2 * (math.ceil(8.0 * math.log(1.0 / failure)) // 2) + 1


class MedianOfMeans:
    """Directions in k groups by index; the median of the k means. Consistent and robust, but biased for
    skewed estimates.

    The change is the median of the groups' predictions; the terms are medians of their own and need not add
    up to it. Its standard error is that of a median of k numbers, sqrt(pi/2) sigma / sqrt(k), with sigma from
    their median deviation.
    """
    name, virtue = "median of means", "consistent"

    def __init__(self, directions, coefficients, groups=None):
        _invariant(directions, self)
        m = len(directions)
        self.groups = k = min(group_count(0.05), m if m % 2 else m - 1) if groups is None else groups
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= m:
            raise LearnerError(f"{groups!r} groups for {m} directions: between 1 and {m}, best odd")
        sizes = np.array([len(group) for group in np.array_split(np.arange(m), k)])
        psi, alpha = scaled(directions.psi, coefficients)
        self.tables = Tables.of(psi, alpha / np.repeat(sizes, sizes)[:, None, None],
                                groups=np.concatenate([[0], np.cumsum(sizes)]))

    def __call__(self, sets, errors=True):
        means, _ = terms(sets, self.tables)
        totals = means.sum(axis=2)
        change, error = np.median(totals, axis=1), None
        if errors:
            sigma = 1.4826 * np.median(np.abs(totals - change[:, None]), axis=1)
            error = math.sqrt(math.pi / 2.0
                              / self.groups) * sigma if self.groups > 1 else np.full(change.shape, np.nan)
        return Estimates(np.median(means, axis=1), change, error)


class LeastSquares:
    """Kernel least squares at every order, its scales by marginal likelihood; see kernel.py."""
    name = "least squares"

    def __init__(self, directions, coefficients):
        self.kernel = directions.kernel
        m, p, q = coefficients.shape
        norm = np.linalg.norm(directions.psi, axis=1).max()
        if norm == 0.0:
            raise LearnerError("every direction is zero at all units that steps use: they predict nothing")
        if 2 * p * math.log(max(norm, 1.0)) > LARGEST_LOG:
            raise LearnerError(f"degree {p} is too high for directions of norm {norm:.3g} "
                               f"({directions.psi.shape[1]} units): their powers "
                               "leave the range of numbers")
        alpha, beta = np.zeros((m, p, q), complex), np.zeros((directions.psi.shape[1], p, q))
        self.fits = []      # per order: [(w, its probability, s (q,))]
        with one_blas_thread(self.kernel.rows):
            for r in range(p):
                observed, fits = coefficients[:, r], self._fit(r + 1, coefficients[:, r])
                for w, probability, _ in fits:
                    solved = self.kernel.solve(r + 1, w, observed) * probability
                    alpha[:, r] += solved
                    if w:
                        beta[:, r] += w * (directions.psi.conj().T ** (r + 1) @ solved).real
                self.fits.append(fits)
        self.tables = Tables.of(directions.psi, alpha, beta)

    @property
    def conditions(self):
        """(p,): condition number of each order's matrix, over the eigenvalues kept, at the most probable
        w."""
        return np.array([self.kernel.condition(r + 1, max(fits, key=lambda fit: fit[1])[0]) for r,
                         fits in enumerate(self.fits)])

    def _fit(self, order, observed):
        """[(w, probability, s (q,))]: the posterior of w under equal odds, pooled over measurements; what is
        negligible left out."""
        choices = SELF_WEIGHTS if order > 1 else (0.0,)
        found = [self.kernel.likelihood(order, w, observed) for w in choices]
        pooled = np.array([likelihood.sum() for likelihood, _ in found])
        odds = np.exp(pooled - pooled.max())
        odds[odds < 0.01] = 0.0
        return [(w, odd, scale) for w, odd, (_, scale) in zip(choices, odds / odds.sum(), found) if odd]

    def __call__(self, sets, errors=True):
        found = terms(sets, self.tables)[0][:, 0]
        error = None
        if errors:
            variance = np.zeros((len(sets), found.shape[2]))
            with one_blas_thread(self.kernel.rows):
                for r, fits in enumerate(self.fits):
                    # calibration sees to what the other w would add
                    w, _, scale = max(fits, key=lambda fit: fit[1])
                    variance += self.kernel.variance(sets, r + 1, w)[:, None] * scale
            error = np.sqrt(variance)
        return Estimates(found, found.sum(axis=1), error)

    def weights(self, downweight):
        """What each coefficient counts at a downweight (n,): g (m, p) complex, T_r = Re sum_j g_jr
        c_r(psi_j)."""
        sets, m = Sets.of(downweight), len(self.kernel.psi)
        g = np.zeros((m, len(self.fits)), complex)
        for r, fits in enumerate(self.fits):
            for w, probability, _ in fits:
                k = self.kernel.between(sets, r + 1, w)
                k = k[0] if isinstance(k, np.ndarray) else k.toarray()[0]
                g[:, r] += probability * self.kernel.solve(r + 1, w,
                                                           (k[:m] + 1j * k[m:])[:, None])[:, 0].conj()
        return g


class FirstOrder:
    """T_1(h) = -h . gradient, exactly; the other degrees, and all of the standard error, from another
    decoder.

    decoder    made from (directions, coefficients);   gradient   (n, q): of the measurements in the units'
               weights
    """

    def __init__(self, decoder, directions, coefficients, gradient):
        others = coefficients.copy()
        # linear decoders, and the median of their means: of nothing comes nothing, without error
        others[:, 0] = 0.0
        self.decoder, self.gradient = decoder(directions, others), gradient
        self.name = self.decoder.name

    @property
    def conditions(self):
        return self.decoder.conditions

    def __call__(self, sets, errors=True):
        found, first = self.decoder(sets, errors), -(sets.sparse(len(self.gradient)) @ self.gradient)
        return Estimates(np.concatenate([first[:, None], found.terms[:, 1:]], axis=1), found.change + first,
                         found.error)


def _invariant(directions, decoder):
    if directions.design not in UNITARILY_INVARIANT:
        raise LearnerError(f"the {decoder.name} is {decoder.virtue} only for directions that are uniform on "
                           f"the sphere, or Haar; these are {directions.design!r}")


DECODERS = {decoder.name: decoder for decoder in (Mean, MedianOfMeans, LeastSquares)}
