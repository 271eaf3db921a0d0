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

SETS = 48
"""Calibration sets in a sketch."""

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
    """The Calibration of a learner, by exact retraining; None without sets. NaN in the place of trainings that left their domain."""
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


class ErrorModel:
    """The variance of a prediction's error: a part by sampling, in proportion to the decoder's own, and a part by truncation.

        v(h) = a e(h)^2 + b |h|^(2 g)

    e is the decoder's standard error, |h|^2 the size of the set. a, b, g maximise the normal likelihood of the errors found, over
    a grid of shapes with their scale in closed form. Intervals are those of Student's t with k - 3 degrees of freedom.

    errors (k, q): found at the calibration sets, predicted minus true;   stated (k, q): standard errors;   squares (k,): |h|^2
    """

    def __init__(self, errors, stated, squares):
        sampling, k = np.nan_to_num(stated) ** 2, len(errors)
        tail = squares[:, None] ** GROWTH      # (k, growths)
        means = sampling.mean(axis=0), tail.mean(axis=0)
        unit = sampling / np.where(means[0] > 0, means[0], 1.0)
        shape = SHARES[:, None, None, None] * unit + (1.0 - SHARES[:, None, None, None]) * (tail / means[1]).T[:, :, None]
        shape = np.maximum(shape, 1e-12)      # (shares, growths, k, q)
        scale = (errors ** 2 / shape).mean(axis=2)
        likelihood = -0.5 * np.log(shape).sum(axis=2) - 0.5 * k * np.log(scale + np.finfo(float).tiny)
        best = likelihood.reshape(-1, errors.shape[1]).argmax(axis=0)
        share, growth = np.unravel_index(best, likelihood.shape[:2])
        scale = scale[share, growth, np.arange(errors.shape[1])] * k / max(k - 3, 1)
        self.growth, self.freedom = GROWTH[growth], max(k - 3, 1)
        self.sampling = scale * SHARES[share] / np.where(means[0] > 0, means[0], 1.0)
        self.tail = scale * (1.0 - SHARES[share]) / means[1][growth]

    def deviations(self, stated, squares):
        """(by sampling, by truncation), each (sets, q): standard deviations of the error."""
        return np.sqrt(self.sampling) * np.nan_to_num(stated), np.sqrt(self.tail * squares[:, None] ** self.growth)

    def half_width(self, stated, squares, level):
        """(sets, q): how far to either side the interval of a level reaches."""
        sampling, tail = self.deviations(stated, squares)
        return student.ppf(0.5 + 0.5 * level, self.freedom) * np.hypot(sampling, tail)
