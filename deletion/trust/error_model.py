"""How far predictions are from the truth, learned at the calibration sets.

Two questions are answered separately. How wide is an interval? A variance for every prediction, fitted to the
errors at the calibration sets. How large is the error of random sets of a size, as a group, beside the
change? The errors at calibration sets of about that size, added up.
"""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import binom, chi2, norm

SHARES = np.concatenate([[0.0, 1.0], 1.0 / (1.0 + 10.0 ** np.linspace(-4.0, 8.0, 49))])
"""Shares of the variance by sampling that the fit tries: none, all, and ratios from 10^4 to 10^-8."""

GROWTH = np.linspace(0.5, 8.0, 16)
"""Powers g of |h| by which the fit lets errors grow: a series cut off at degree p leaves order p + 1."""

CONFIDENCE = 0.9
"""How sure an interval is to hold its level: of calibrations drawn anew, this share gives intervals that are
wide enough."""

NEAR = 0.4
"""Calibration sets count for the error of a size by a normal weight of this width in the logarithm of |h|^2:
about a third of 96 of them do."""

NEAR_ENOUGH = 0.6
"""The same for intervals, whose deviations follow the size already: what is missing hardly depends on it."""

LEAST = 1e-12
"""The least variance of an error beside the mean variance."""

TINY = np.finfo(float).tiny
"""Added where a logarithm or a quotient would meet zero."""


def typical_change(changes, squares):
    """Return how far retraining moves q measurements, as a function of |h|^2 (sets,) that gives (sets, q).

    It is a power law for each measurement: least squares of log |change| on log |h|^2, at the level of the
    root mean square. `changes` (k, q) are true, `squares` (k,) the sizes |h|^2.
    """
    log = np.log(squares)
    size = np.log(np.maximum(np.abs(changes), TINY))
    spread = ((log - log.mean()) ** 2).sum()
    slope = np.zeros(changes.shape[1])
    if spread:
        slope = ((log - log.mean())[:, None] * (size - size.mean(axis=0))).sum(axis=0) / spread
    # between that of a few outliers and that of examples that all act in one direction
    slope = np.clip(slope, 0.25, 1.0)
    level = np.sqrt((changes ** 2 / squares[:, None] ** (2.0 * slope)).mean(axis=0))
    return lambda squares: level * squares[:, None] ** slope


def rank(count, level):
    """Return which of `count` errors, in rising order from 1, bounds the share `level` with CONFIDENCE.

    The share below the r-th of k independent errors is larger than the level with probability P(Binomial(k,
    level) < r). Where even the largest is not enough, it is the largest.
    """
    ranks = np.arange(1, count + 1)
    enough = binom.cdf(ranks - 1, count, level) >= CONFIDENCE
    return int(ranks[enough][0]) if enough.any() else count


def effective_count(weight):
    """Return how many sets of equal weight would say as much as sets of weights (..., k)."""
    return weight.sum(axis=-1) ** 2 / (weight ** 2).sum(axis=-1)


class Variance(NamedTuple):
    """The variance of a prediction's error: v(h) = a e(h)^2 + b |h|^(2 g) (1 + excess).

    Attributes
    ----------
    sampling, tail, growth : np.ndarray, (q,)
        a, b and g of each measurement.
    """
    sampling: np.ndarray
    tail: np.ndarray
    growth: np.ndarray

    def deviation(self, stated, squares, excess):
        """Return the standard deviation (sets, q) for e = `stated`, |h|^2 = `squares` and an excess."""
        tail = self.tail * squares[:, None] ** self.growth * (1.0 + excess)
        return np.sqrt(self.sampling * np.nan_to_num(stated) ** 2 + tail)


def fit_variance(errors, stated, squares, excess):
    """Return the Variance that maximises the normal likelihood of errors (k, q).

    The search runs over a grid of shapes (SHARES and GROWTH), with the scale of each in closed form.
    """
    sampling, (k, q) = np.nan_to_num(stated) ** 2, errors.shape
    best, measurements = np.full(q, -np.inf), np.arange(q)
    fitted = Variance(np.zeros(q), np.zeros(q), np.zeros(q))
    mean = np.where(sampling.mean(axis=0) > 0, sampling.mean(axis=0), 1.0)
    share = SHARES[:, None, None]
    for growth in GROWTH:
        tail = squares[:, None] ** growth * (1.0 + excess)
        level = tail.mean(axis=0)
        # (shares, k, q)
        mixed = share * (sampling / mean) + (1.0 - share) * (tail / level)
        shape = np.maximum(np.where(sampling.any(axis=0), mixed, tail / level), LEAST)
        scale = (errors ** 2 / shape).mean(axis=1)
        likelihood = -0.5 * np.log(shape).sum(axis=1) - 0.5 * k * np.log(scale + TINY)
        at, highest = likelihood.argmax(axis=0), likelihood.max(axis=0)
        better = highest > best
        best = np.where(better, highest, best)
        scale = scale[at, measurements] * k / freedom(k)
        fitted.sampling[better] = (scale * SHARES[at] / mean)[better]
        fitted.tail[better] = (scale * (1.0 - SHARES[at]) / level)[better]
        fitted.growth[better] = growth
    return fitted


def freedom(count):
    """Return the degrees of freedom left of `count` calibration sets by the three numbers of a Variance."""
    return max(count - 3, 1)


@dataclass(frozen=True)
class ErrorModel:
    """What the calibration sets say of the errors of q measurements' predictions.

    Intervals are those of normal errors at the level of the calibration sets of about the size asked about,
    or, where the errors of these have heavier tails, those of the errors themselves, by `rank`. Both count
    how few sets tell it.

    Attributes
    ----------
    variance : Variance
        The variance of a prediction's error.
    errors, changes : np.ndarray, (k, q)
        The sizes of the errors and of the true changes at the calibration sets.
    squares : np.ndarray, (k,)
        |h|^2 of the calibration sets.
    standardised, order : np.ndarray, (k, q)
        The errors in standard deviations, and the calibration sets in rising order of these.
    """
    variance: Variance
    errors: np.ndarray
    changes: np.ndarray
    squares: np.ndarray
    standardised: np.ndarray
    order: np.ndarray

    def deviations(self, stated, squares, excess, rest=None):
        """Return standard deviations of the error by sampling and by truncation; the squares add up to v(h).

        The fit cannot separate the two where both grow alike with the size, as they do where directions are
        few. So sampling is what the decoder itself states, or what is left of v(h) beside the rest of the
        series, whichever is more; truncation is the remainder.

        Parameters
        ----------
        stated, excess : np.ndarray, (sets, q)
            The decoder's standard errors, and (change / typical change)^2 of the predicted changes.
        squares : np.ndarray, (sets,)
            |h|^2.
        rest : np.ndarray, (sets, q), optional
            What the series' own last terms imply beyond the last, where there are enough of them.

        Returns
        -------
        (sampling, truncation) : (np.ndarray, np.ndarray), each (sets, q)
        """
        total = self.variance.deviation(stated, squares, excess)
        sampling = np.minimum(np.nan_to_num(stated), total)
        if rest is not None:
            sampling = np.maximum(sampling, np.sqrt(total ** 2 - np.minimum(rest, total) ** 2))
        return sampling, np.sqrt(total ** 2 - sampling ** 2)

    def half_width(self, sampling, truncation, squares, level):
        """Return half the width (sets, q) of intervals of a level, from the two deviations and |h|^2."""
        sizes, place = np.unique(squares, return_inverse=True)
        reach = np.array([np.maximum(self._normal_reach(weight, level), self._ranked_reach(weight, level))
                          for weight in self._near(sizes, NEAR_ENOUGH)]).reshape(len(sizes), -1)
        return reach[place] * np.hypot(sampling, truncation)

    def _normal_reach(self, weight, level):
        """Return how many deviations (q,) bound a level of normal errors, by sets of weights (k,).

        Their mean square, over the least that of so many normal errors is with CONFIDENCE, bounds the square
        of the true deviation.
        """
        count = effective_count(weight)
        mean = weight @ self.standardised ** 2 / weight.sum()
        return norm.ppf(0.5 + 0.5 * level) * np.sqrt(mean * count / chi2.ppf(1.0 - CONFIDENCE, count))

    def _ranked_reach(self, weight, level):
        """Return the standardised error (q,) that bounds a level among calibration sets of weights (k,).

        The r-th of n sets of equal weight lies where the weights up to it first exceed (r - 1/2) / n of all.
        """
        count = round(effective_count(weight))
        below = np.cumsum(weight[self.order], axis=0)      # of the weight, from the smallest error on
        at = (below < (rank(count, level) - 0.5) / count * below[-1]).sum(axis=0)
        measurements = np.arange(len(at))
        return self.standardised[self.order[at, measurements], measurements]

    def _near(self, sizes, width):
        """Return how much each calibration set counts for sizes |h|^2: (sizes, k), the nearest 1."""
        distance = (np.log(np.maximum(sizes, TINY))[:, None] - np.log(self.squares)) / width
        return np.exp(-0.5 * (distance ** 2 - (distance ** 2).min(axis=1, keepdims=True)))

    def relative_error(self, squares):
        """Return the error of random sets of a size beside the change: (error, standard error, worst).

            sum |predicted - true| / sum |true change|

        over the calibration sets, weighted by how near their size is, for each measurement. `error` is the
        mean over measurements, `worst` the largest, each (sets,). The standard error is that of a ratio of
        sums over independent sets; it is infinite where hardly more than one set is near.
        """
        sizes, place = np.unique(squares, return_inverse=True)
        weight = self._near(sizes, NEAR)      # (sizes, k)
        total = np.maximum(weight @ self.changes, TINY)
        ratio = (weight @ self.errors) / total
        each = ((self.errors - ratio[:, None] * self.changes) / total[:, None]).mean(axis=2)      # (sizes, k)
        count = effective_count(weight)
        spread = np.sqrt((weight ** 2 * each ** 2).sum(axis=1))
        spread = np.where(count > 1.5, spread * np.sqrt(count / np.maximum(count - 1.0, 0.5)), np.inf)
        return ratio.mean(axis=1)[place], spread[place], ratio.max(axis=1)[place]


def fit_error_model(errors, changes, stated, squares, excess):
    """Fit the ErrorModel of a decoder to its predictions of the calibration sets.

    Parameters
    ----------
    errors, changes : np.ndarray, (k, q)
        Predicted minus true changes, and the true changes.
    stated : np.ndarray, (k, q)
        The decoder's standard errors.
    squares : np.ndarray, (k,)
        |h|^2, the sizes of the sets.
    excess : np.ndarray, (k, q)
        (change / typical change)^2 of the predicted changes. A set that moves the measurement farther than a
        random one of its size has more interactions that were not seen.

    Returns
    -------
    ErrorModel
    """
    variance = fit_variance(errors, stated, squares, excess)
    sizes = np.abs(errors)
    least = np.sqrt(LEAST * (errors ** 2).mean(axis=0)) + TINY
    standardised = sizes / np.maximum(variance.deviation(stated, squares, excess), least)
    order = np.argsort(standardised, axis=0, kind="stable")
    return ErrorModel(variance, sizes, np.abs(changes), squares, standardised, order)
