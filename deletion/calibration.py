"""What is left over: how far predictions are from truth, learned from random sets that were really retrained.

A sketch keeps the parameters of a few dozen exact retrainings, of random sets of many sizes. For each measurement the errors of its
predictions there tell how wide an interval must be, and which decoder is best: evidence, where a bound would be vacuous.
Nothing about later questions enters, so they may be asked freely.
"""
import logging
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from circuit import DomainError

from .kinks import crossings
from .learner import LearnerError
from .retrain import retrain
from .terms import Sets

log = logging.getLogger("deletion")

SETS = 96
"""Calibration sets in a sketch."""

ARRAYS = ("downweights", "values", "crossings")
"""A calibration's arrays, as they are called in a sketch's folder."""

LARGEST = 0.3
"""The largest calibration sets' share of the units."""

SHARES = np.concatenate([[0.0, 1.0], 1.0 / (1.0 + 10.0 ** np.linspace(-4.0, 8.0, 49))])
GROWTH = np.linspace(0.5, 8.0, 16)


def random_sets(units, count, seed):
    """Downweights (count, units) of random sets, their sizes from 1 to 0.3 of the units in equal ratios."""
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
        raise LearnerError(f"the number of calibration sets is a whole number >= 0, not {count!r}")
    sizes = np.rint(np.geomspace(1.0, max(LARGEST * units, 1.0), count)).astype(int)
    downweights = np.zeros((count, units))
    for k, size in enumerate(sizes):
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k, 1)))
        downweights[k, generator.choice(units, size, replace=False)] = 1.0
    return downweights


@dataclass(frozen=True)
class Calibration:
    """Exact retrainings.

    downweights   (k, units)
    values        (k, ...): the parameters there, or a measurement of them
    crossings     (k,): how many kinks each crossed, see kinks.py
    """
    downweights: np.ndarray
    values: np.ndarray
    crossings: np.ndarray

    def write(self, folder):
        """Into a sketch's folder; all of it, as another version may have drawn the sets of what is there."""
        for name in ARRAYS:
            folder.write(f"calibration-{name}", getattr(self, name))

    @classmethod
    def read(cls, folder):
        return cls(*(np.asarray(folder.read(f"calibration-{name}")) for name in ARRAYS))

    @property
    def sets(self):
        return Sets.of(self.downweights)

    @property
    def finite(self):
        """Whether all of it is numbers: otherwise nothing can be learned from it."""
        return bool(np.isfinite(self.values).all())

    @property
    def reach(self):
        """The largest |h|^2 there is: the size of the largest set."""
        return float(np.square(self.downweights).sum(axis=1).max())


def calibrate(learner, downweights, progress=True):
    """The Calibration of a learner, by exact retraining; None without sets. All NaN if one of the trainings leaves its domain."""
    if not len(downweights):
        return None
    try:
        values = retrain(learner, weights=1.0 - downweights, progress=progress)
        crossed = crossings(learner, learner.example_weights(downweights))
    except DomainError as error:
        log.warning("a calibration set cannot be retrained, and no prediction will be trusted: %s", error)
        values = np.full((len(downweights), learner.layout.size), np.nan)
        crossed = np.zeros(len(downweights), int)
    return Calibration(downweights, values, crossed)


def typical_change(changes, squares):
    """How far retraining moves q measurements, by size: a function of |h|^2 (sets,) that gives (sets, q).

    A power law for each measurement: least squares of log |change| on log |h|^2, at the level of its root mean square.
    """
    log = np.log(squares)
    size = np.log(np.maximum(np.abs(changes), np.finfo(float).tiny))
    spread = ((log - log.mean()) ** 2).sum()
    slope = ((log - log.mean())[:, None] * (size - size.mean(axis=0))).sum(axis=0) / spread if spread else np.zeros(changes.shape[1])
    slope = np.clip(slope, 0.25, 1.0)      # between that of a few outliers and that of examples that all pull together
    level = np.sqrt((changes ** 2 / squares[:, None] ** (2.0 * slope)).mean(axis=0))
    return lambda squares: level * squares[:, None] ** slope


class ErrorModel:
    """The variance of a prediction's error: a part by sampling, in proportion to the decoder's own, and a part by truncation.

        v(h) = a e(h)^2 + b |h|^(2 g) (1 + (change / typical change)^2)

    e is the decoder's standard error, |h|^2 the size of the set; a set that pulls in one direction more than a random one of its
    size has more interactions that were not seen. a, b, g maximise the normal likelihood of the errors found, over a grid of shapes with
    their scale in closed form. Intervals are those of Student's t with k - 3 degrees of freedom, or, where the errors found have
    heavier tails than that, of the errors found.

    errors (k, q): found at the calibration sets, predicted minus true;   stated (k, q): standard errors;   squares (k,): |h|^2
    excess (k, q): (change / typical change)^2, of predicted changes
    """

    def __init__(self, errors, stated, squares, excess):
        sampling, (k, q) = np.nan_to_num(stated) ** 2, errors.shape
        self.freedom, best = max(k - 3, 1), np.full(q, -np.inf)
        self.sampling, self.tail, self.growth = np.zeros(q), np.zeros(q), np.zeros(q)
        mean, every = np.where(sampling.mean(axis=0) > 0, sampling.mean(axis=0), 1.0), np.arange(q)
        share = SHARES[:, None, None]
        for growth in GROWTH:
            tail = squares[:, None] ** growth * (1.0 + excess)
            level = tail.mean(axis=0)
            shape = np.maximum(share * (sampling / mean) + (1.0 - share) * (tail / level), 1e-12)      # (shares, k, q)
            scale = (errors ** 2 / shape).mean(axis=1)
            likelihood = -0.5 * np.log(shape).sum(axis=1) - 0.5 * k * np.log(scale + np.finfo(float).tiny)
            at, better = likelihood.argmax(axis=0), likelihood.max(axis=0) > best
            best, scale = np.where(better, likelihood.max(axis=0), best), scale[at, every] * k / self.freedom
            for kept, found in ((self.sampling, scale * SHARES[at] / mean), (self.tail, scale * (1.0 - SHARES[at]) / level),
                                (self.growth, np.full(q, growth))):
                kept[better] = found[better]
        self.found = np.abs(errors) / np.maximum(np.hypot(*self.deviations(stated, squares, excess)), np.finfo(float).tiny)

    def deviations(self, stated, squares, excess):
        """(by sampling, by truncation), each (sets, q): standard deviations of the error."""
        tail = self.tail * squares[:, None] ** self.growth * (1.0 + excess)
        return np.sqrt(self.sampling) * np.nan_to_num(stated), np.sqrt(tail)

    def half_width(self, sampling, truncation, level):
        """(sets, q): how far to either side the interval of a level reaches, from the two deviations."""
        k = len(self.found)
        rank = min(np.ceil((k + 1) * level) / k, 1.0)      # as for a new one among k + 1 that are exchangeable
        reach = np.maximum(np.quantile(self.found, rank, axis=0), student.ppf(0.5 + 0.5 * level, self.freedom))
        return reach * np.hypot(sampling, truncation)
