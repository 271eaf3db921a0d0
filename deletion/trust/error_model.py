"""How far predictions are from the truth, learned at the calibration sets: widths of intervals, and errors
beside the change.

Two questions are answered apart. How wide is an interval? A variance for every prediction, fitted to the
errors found. How large is the error of random sets of a size, as a group, beside the change? The errors found
at calibration sets of about that size, added up.
"""
import numpy as np
from scipy.stats import binom
from scipy.stats import t as student

SHARES = np.concatenate([[0.0, 1.0], 1.0 / (1.0 + 10.0 ** np.linspace(-4.0, 8.0, 49))])
GROWTH = np.linspace(0.5, 8.0, 16)

CONFIDENCE = 0.9
"""How sure an interval is to hold its level: of calibrations drawn anew, this share gives intervals that are
wide enough."""

NEAR = 0.4
"""Calibration sets count for a size by a normal weight of this width in the logarithm of |h|^2: about a third
of 96 of them do."""

TINY = np.finfo(float).tiny


def typical_change(changes, squares):
    """How far retraining moves q measurements, by size: a function of |h|^2 (sets,) that gives (sets, q).

    A power law for each measurement: least squares of log |change| on log |h|^2, at the level of its root
    mean square.
    """
    log = np.log(squares)
    size = np.log(np.maximum(np.abs(changes), TINY))
    spread = ((log - log.mean()) ** 2).sum()
    slope = ((log - log.mean())[:, None]
             * (size - size.mean(axis=0))).sum(axis=0) / spread if spread else np.zeros(changes.shape[1])
    # between that of a few outliers and that of examples that all pull together
    slope = np.clip(slope, 0.25, 1.0)
    level = np.sqrt((changes ** 2 / squares[:, None] ** (2.0 * slope)).mean(axis=0))
    return lambda squares: level * squares[:, None] ** slope


def rank(count, level):
    """Which of `count` errors, in rising order and counted from 1, bounds the share `level` of all with
    probability CONFIDENCE.

    The share below the r-th of k independent errors is larger than the level with probability P(Binomial(k,
    level) < r). Where even the largest is not enough, it is the largest.
    """
    ranks = np.arange(1, count + 1)
    enough = binom.cdf(ranks - 1, count, level) >= CONFIDENCE
    return int(ranks[enough][0]) if enough.any() else count


def effective(weight):
    """How many sets of equal weight would say as much.   weight: (..., k)"""
    return weight.sum(axis=-1) ** 2 / (weight ** 2).sum(axis=-1)


class ErrorModel:
    """The variance of a prediction's error, fitted to the calibration sets:

        v(h) = a e(h)^2 + b |h|^(2 g) (1 + (change / typical change)^2)

    e is the decoder's standard error, |h|^2 the size of the set; a set that pulls in one direction more than
    a random one of its size has more interactions that were not seen. a, b, g maximise the normal likelihood
    of the errors found, over a grid of shapes with their scale in closed form. Intervals are those of
    Student's t with k - 3 degrees of freedom, or, where the errors found have heavier tails than that, of the
    errors found, by `rank`: at all calibration sets, and at those of about the size asked about.

    errors (k, q): found at the calibration sets, predicted minus true;   changes (k, q): the true changes
    there
    stated (k, q): standard errors;   squares (k,): |h|^2;   excess (k, q): (change / typical change)^2, of
                                      predicted changes
    """

    def __init__(self, errors, changes, stated, squares, excess):
        self.errors, self.changes, self.squares = np.abs(errors), np.abs(changes), squares
        sampling, (k, q) = np.nan_to_num(stated) ** 2, errors.shape
        self.freedom, best = max(k - 3, 1), np.full(q, -np.inf)
        self.sampling, self.tail, self.growth = np.zeros(q), np.zeros(q), np.zeros(q)
        mean, every = np.where(sampling.mean(axis=0) > 0, sampling.mean(axis=0), 1.0), np.arange(q)
        share = SHARES[:, None, None]
        for growth in GROWTH:
            tail = squares[:, None] ** growth * (1.0 + excess)
            level = tail.mean(axis=0)
            # (shares, k, q)
            shape = np.maximum(share * (sampling / mean) + (1.0 - share) * (tail / level), 1e-12)
            scale = (errors ** 2 / shape).mean(axis=1)
            likelihood = -0.5 * np.log(shape).sum(axis=1) - 0.5 * k * np.log(scale + TINY)
            at, better = likelihood.argmax(axis=0), likelihood.max(axis=0) > best
            best, scale = np.where(better, likelihood.max(axis=0), best), scale[at, every] * k / self.freedom
            for kept, found in ((self.sampling, scale * SHARES[at] / mean),
                                (self.tail, scale * (1.0 - SHARES[at]) / level),
                                (self.growth, np.full(q, growth))):
                kept[better] = found[better]
        standardised = self.errors / np.maximum(self._total(stated, squares, excess), TINY)
        self.order = np.argsort(standardised, axis=0, kind="stable")
        self.standardised = np.take_along_axis(standardised, self.order, axis=0)

    def _total(self, stated, squares, excess):
        tail = self.tail * squares[:, None] ** self.growth * (1.0 + excess)
        return np.sqrt(self.sampling * np.nan_to_num(stated) ** 2 + tail)

    def deviations(self, stated, squares, excess, rest=None):
        """(by sampling, by truncation), each (sets, q): standard deviations of the error, whose squares add
        up to v(h).

        rest   (sets, q): what the series' own last terms imply beyond the last; None where no series tells

        The fit cannot tell the two apart where both grow alike with the size, as they do where directions are
        few. So sampling is what the decoder itself states, or what is left of v(h) beside the rest of the
        series, whichever is more; truncation is the remainder.
        """
        total = self._total(stated, squares, excess)
        sampling = np.minimum(np.nan_to_num(stated), total)
        if rest is not None:
            sampling = np.maximum(sampling, np.sqrt(total ** 2 - np.minimum(rest, total) ** 2))
        return sampling, np.sqrt(total ** 2 - sampling ** 2)

    def half_width(self, sampling, truncation, squares, level):
        """(sets, q): how far to either side the interval of a level reaches, from the two deviations and the
        sizes."""
        sizes, place = np.unique(squares, return_inverse=True)
        reach = np.maximum(self.standardised[rank(len(self.squares), level) - 1],
                           student.ppf(0.5 + 0.5 * level, self.freedom))
        near = np.array([self._reach_near(weight, level)
                         for weight in self._near(sizes)]).reshape(len(sizes), -1)
        return np.maximum(near, reach)[place] * np.hypot(sampling, truncation)

    def _reach_near(self, weight, level):
        """(q,): the standardised error that bounds a level among calibration sets of these weights (k,).

        The r-th of n sets of equal weight lies where the weights up to it first exceed (r - 1/2) / n of all.
        """
        count = round(effective(weight))
        below = np.cumsum(weight[self.order], axis=0)      # of the weight, from the smallest error on
        at = (below < (rank(count, level) - 0.5) / count * below[-1]).sum(axis=0)
        return self.standardised[at, np.arange(len(at))]

    def _near(self, sizes):
        """(sizes, k): how much each calibration set counts for a size |h|^2, the nearest 1."""
        distance = (np.log(np.maximum(sizes, TINY))[:, None] - np.log(self.squares)) / NEAR
        return np.exp(-0.5 * (distance ** 2 - (distance ** 2).min(axis=1, keepdims=True)))

    def relative_error(self, squares):
        """(error, its standard error, the worst measurement's), each (sets,): of random sets of a size,
        beside the change.

            sum |predicted - true| / sum |true change|

        over the calibration sets, those of about that size first, for each measurement; the mean over
        measurements. The standard error is that of a ratio of sums over independent sets; infinite where
        hardly more than one set is near.
        """
        sizes, place = np.unique(squares, return_inverse=True)
        weight = self._near(sizes)      # (sizes, k)
        total = np.maximum(weight @ self.changes, TINY)
        ratio = (weight @ self.errors) / total
        each = ((self.errors - ratio[:, None] * self.changes) / total[:, None]).mean(axis=2)      # (sizes, k)
        count = effective(weight)
        spread = np.sqrt((weight ** 2 * each ** 2).sum(axis=1))
        spread = np.where(count > 1.5, spread * np.sqrt(count / np.maximum(count - 1.0, 0.5)), np.inf)
        return ratio.mean(axis=1)[place], spread[place], ratio.max(axis=1)[place]
