"""Decoders: from coefficients along directions to the terms T_r(h) of deletion sets.

The paper's: for directions uniform on the complex unit sphere of C^n, and s(psi) = sum_i conj(psi_i) h_i,

    T_r(h) = C(n + r - 1, r) E[ s(psi)^r c_r(psi) ]          (Gunn, How to sketch a learning algorithm)

because the r-fold symmetric tensors are an irreducible representation of the unitary group; for a real
measurement the real part is taken. n is the number of units at which directions are nonzero, not the number
of deleted units. The average over directions is unbiased. The median of the averages of k groups tolerates a
minority of directions whose estimates are far off. It is consistent, as its error vanishes when the groups
grow, but it is biased towards the bulk of skewed estimates. The third decoder is this library's own:

    least squares: the posterior mean under the prior of kernel.py. It is exact wherever the directions
    determine the answer; elsewhere it shrinks towards zero and adds no noise.

A decoder is fitted to coefficients (m, p, q) of q measurements and called with Sets. If the gradient of the
measurements in the units' weights is known, FirstOrder takes degree 1 from the gradient and the other degrees
from a decoder.
"""
import math
from typing import NamedTuple, Optional

import numpy as np

from circuit.blas import one_blas_thread
from circuit.checks import real_number, whole_number
from circuit.errors import LearnerError

from ..learner.units import Sets
from .directions import UNITARILY_INVARIANT
from .terms import Tables, log_binomials, terms

SELF_WEIGHTS = (0.0, 1.0, 10.0, 100.0, 1000.0)
"""The values of the prior's w, the weight of a unit's interaction with itself. The decoder averages over
them with their posterior probabilities."""

LARGEST_LOG = 690.0
"""The largest logarithm of a number that can be multiplied by the largest w, and summed, without overflow:
the largest double is exp(709)."""

NEGLIGIBLE_ODDS = 0.01
"""A value of w whose odds against the best are smaller than this is left out: it would change no prediction
visibly, and its matrix would have to be decomposed."""


class Estimates(NamedTuple):
    """What a decoder estimates for every set.

    terms    (sets, p, q)
    change   (sets, q)
    error    (sets, q): the standard error of the change; None if it was not asked for
    """
    terms: np.ndarray
    change: np.ndarray
    error: Optional[np.ndarray]


def scaled(psi, coefficients):
    """Return (root psi, alpha): the paper's estimate from each direction alone is Re sum_r s^r alpha_r.

    alpha_r = C(n+r-1, r) root^-r c_r, where n is the number of units at which directions are nonzero. The
    binomials overflow long before their product with s^r does; root, the p-th root of the last binomial,
    balances the two factors.
    """
    n, orders = np.count_nonzero(psi.any(axis=0)), np.arange(1, coefficients.shape[1] + 1)
    logs = log_binomials(n, len(orders))
    root = logs[-1] / orders[-1] if len(logs) else 0.0
    with np.errstate(over="ignore"):
        balanced = coefficients * np.exp(logs - orders * root)[:, None]
    if not np.isfinite(balanced).all():
        raise LearnerError(f"degree {len(orders)} is too high for {n} units: the estimator's binomials "
                           "overflow")
    return psi * math.exp(root), balanced


class Mean:
    """The average over directions, the paper's estimator. Its standard error comes from their spread."""
    name, virtue = "mean", "unbiased"

    def __init__(self, directions, coefficients):
        _invariant(directions, self)
        psi, alpha = scaled(directions.psi, coefficients)
        self.tables = Tables.of(psi, alpha / len(psi))
        self.count, self.psi = len(psi), directions.psi

    def __call__(self, sets, errors=True):
        summed, squares = terms(sets, self.tables, spread=errors)
        by_order = summed[:, 0]
        change, error = by_order.sum(axis=1), None
        if errors:      # from the sum of (X_j / m)^2, less m times the square of their mean
            spread = np.maximum(squares - change ** 2 / self.count, 0.0)
            error = (np.sqrt(spread * self.count / (self.count - 1)) if self.count > 1
                     else np.full(change.shape, np.nan))
        return Estimates(by_order, change, error)

    def weights(self, downweight):
        """The weights g (m, p) of the coefficients at a downweight (n,): T_r = Re sum_j g_jr c_r(psi_j)."""
        degree = self.tables.alpha.shape[1]
        psi, binomials = scaled(self.psi, np.ones((self.count, degree, 1)))
        return (psi.conj() @ downweight)[:, None] ** np.arange(1, degree + 1) * binomials[..., 0] / self.count


def group_count(failure):
    """The number of groups for a failure probability: about 8 log(1 / failure), odd."""
    real_number(failure, "the failure probability", above=0.0, below=1.0)
    return 2 * (math.ceil(8.0 * math.log(1.0 / failure)) // 2) + 1


class MedianOfMeans:
    """The median of the means of k groups of directions, formed by index.

    It is consistent and robust, but biased for skewed estimates. The change is the median of the groups'
    predictions; each term is a median of its own, so that the terms need not add up to the change. The
    standard error is that of a median of k numbers, sqrt(pi/2) sigma / sqrt(k), with sigma estimated from
    their median absolute deviation.
    """
    name, virtue = "median of means", "consistent"

    def __init__(self, directions, coefficients, groups=None):
        _invariant(directions, self)
        m = len(directions)
        self.groups = min(group_count(0.05), m if m % 2 else m - 1) if groups is None else groups
        if whole_number(self.groups, "the number of groups", 1) > m:
            raise LearnerError(f"the number of groups: expected at most {m}, the number of directions, "
                               f"got {groups}")
        sizes = np.array([len(group) for group in np.array_split(np.arange(m), self.groups)])
        psi, alpha = scaled(directions.psi, coefficients)
        self.tables = Tables.of(psi, alpha / np.repeat(sizes, sizes)[:, None, None],
                                groups=np.concatenate([[0], np.cumsum(sizes)]))

    def __call__(self, sets, errors=True):
        means, _ = terms(sets, self.tables)
        totals = means.sum(axis=2)
        change, error = np.median(totals, axis=1), None
        if errors:
            sigma = 1.4826 * np.median(np.abs(totals - change[:, None]), axis=1)
            error = (math.sqrt(math.pi / 2.0 / self.groups) * sigma if self.groups > 1
                     else np.full(change.shape, np.nan))
        return Estimates(np.median(means, axis=1), change, error)


class LeastSquares:
    """Kernel least squares at every order; its scales maximize the marginal likelihood (see kernel.py)."""
    name = "least squares"

    def __init__(self, directions, coefficients):
        self.kernel = directions.kernel
        m, p, q = coefficients.shape
        norm = np.linalg.norm(directions.psi, axis=1).max()
        if norm == 0.0:
            raise LearnerError("every direction is zero at all units that the training uses: there is "
                               "nothing to predict from")
        if 2 * p * math.log(max(norm, 1.0)) > LARGEST_LOG:
            raise LearnerError(f"degree {p} is too high for directions of norm {norm:.3g} "
                               f"({directions.psi.shape[1]} units): their powers overflow")
        alpha, beta = np.zeros((m, p, q), complex), np.zeros((directions.psi.shape[1], p, q))
        self.fits = []      # for each order: [(w, its probability, s (q,))]
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
        """(p,): the condition number of each order's matrix at the likeliest w, of the eigenvalues kept."""
        return np.array([self.kernel.condition(r + 1, likeliest(fits)[0])
                         for r, fits in enumerate(self.fits)])

    def _fit(self, order, observed):
        """[(w, probability, s (q,))]: the posterior of w under equal odds, pooled over the measurements."""
        choices = SELF_WEIGHTS if order > 1 else (0.0,)
        likelihoods, scales = zip(*(self.kernel.likelihood(order, w, observed) for w in choices))
        pooled = np.array([likelihood.sum() for likelihood in likelihoods])
        odds = np.exp(pooled - pooled.max())
        odds[odds < NEGLIGIBLE_ODDS] = 0.0
        return [(w, odd, scale) for w, odd, scale in zip(choices, odds / odds.sum(), scales) if odd]

    def __call__(self, sets, errors=True):
        by_order, error = terms(sets, self.tables)[0][:, 0], None
        if errors:
            variance = np.zeros((len(sets), by_order.shape[2]))
            with one_blas_thread(self.kernel.rows):
                for r, fits in enumerate(self.fits):
                    # at the likeliest w alone: calibration widens intervals by what the others would add
                    w, _, scale = likeliest(fits)
                    variance += self.kernel.variance(sets, r + 1, w)[:, None] * scale
            error = np.sqrt(variance)
        return Estimates(by_order, by_order.sum(axis=1), error)

    def weights(self, downweight):
        """The weights g (m, p) of the coefficients at a downweight (n,): T_r = Re sum_j g_jr c_r(psi_j)."""
        sets, m = Sets.of(downweight), len(self.kernel.psi)
        g = np.zeros((m, len(self.fits)), complex)
        for r, fits in enumerate(self.fits):
            for w, probability, _ in fits:
                k = self.kernel.between(sets, r + 1, w)
                k = k[0] if isinstance(k, np.ndarray) else k.toarray()[0]
                solved = self.kernel.solve(r + 1, w, (k[:m] + 1j * k[m:])[:, None])[:, 0]
                g[:, r] += probability * solved.conj()
        return g


def likeliest(fits):
    """The fit (w, probability, s) of largest probability."""
    return max(fits, key=lambda fit: fit[1])


class FirstOrder:
    """Degree 1 from a gradient, T_1(h) = -h . gradient; the rest from another decoder, standard errors too.

    decoder    a function that makes the decoder from (directions, coefficients)
    gradient   (n, q): the gradient of the measurements in the units' weights
    exact      False adds to degree 1 what the directions show of the gradient's error
    """

    def __init__(self, decoder, directions, coefficients, gradient, exact=True):
        others = coefficients.copy()
        if exact:
            others[:, 0] = 0.0      # every decoder gives degree 1 of zero coefficients as zero, with no error
        else:
            others[:, 0] += directions.psi @ gradient
        self.decoder, self.gradient = decoder(directions, others), gradient
        self.name = self.decoder.name

    @property
    def conditions(self):
        return self.decoder.conditions

    def __call__(self, sets, errors=True):
        others, first = self.decoder(sets, errors), -(sets.sparse(len(self.gradient)) @ self.gradient)
        by_order = others.terms.copy()
        by_order[:, 0] += first
        return Estimates(by_order, others.change + first, others.error)


def _invariant(directions, decoder):
    """Raise LearnerError unless the directions are of a design for which the decoder has its virtue."""
    if directions.design not in UNITARILY_INVARIANT:
        raise LearnerError(f"the {decoder.name} is {decoder.virtue} only for directions that are uniform on "
                           f"the sphere, or Haar; these are {directions.design!r}")


DECODERS = {decoder.name: decoder for decoder in (Mean, MedianOfMeans, LeastSquares)}
