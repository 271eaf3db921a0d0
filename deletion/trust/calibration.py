"""Random sets that were really retrained: the evidence from which error_model.py learns how far predictions
are from truth.

A sketch keeps the parameters of a few dozen exact retrainings, of random sets of many sizes. For each
measurement the errors of its predictions there tell how wide an interval must be, which predictions to trust,
and which decoder is best: evidence, where a bound would be vacuous. Nothing about later questions enters, so
they may be asked freely.
"""
import logging
from dataclasses import dataclass

import numpy as np

from circuit import DomainError

from .crossings import crossings
from ..learner.learner import LearnerError
from ..learner.retrain import retrain
from ..learner.units import Sets

log = logging.getLogger("deletion")

SETS = 96
"""Calibration sets in a sketch."""

ARRAYS = ("downweights", "values", "crossings")
"""A calibration's arrays, as they are called in a sketch's folder."""

LARGEST = 0.3
"""The largest calibration sets' share of the units."""


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
    """The Calibration of a learner, by exact retraining; None without sets. All NaN if one of the trainings
    leaves its domain."""
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
