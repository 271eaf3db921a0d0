"""Sets that were really retrained: from them error_model.py learns how far predictions are from truth.

A sketch keeps the parameters of a few dozen exact retrainings, of random sets of many sizes and of sets of
the kinds that the user declares (kinds.py). For each measurement the errors of its predictions there tell how
wide an interval must be, which predictions to trust, and which decoder is best. This is evidence, where a
bound would be vacuous. Nothing about later questions enters, so they may be asked freely.
"""
import logging
from dataclasses import dataclass

import numpy as np

from circuit import DomainError
from circuit.checks import whole_number
from circuit.errors import LearnerError

from ..learner.retrain import retrain
from ..learner.units import Sets
from .crossings import crossings
from .kinds import RANDOM, Kind

log = logging.getLogger("deletion")

SETS = 96
"""Calibration sets in a sketch."""

ARRAYS = ("downweights", "values", "crossings")
"""A calibration's arrays, as they are called in a sketch's folder."""

MAX_SHARE = 0.3
"""The largest calibration sets' share of the units."""


def calibration_sets(units, count, seed):
    """Return downweights (count, units) of random sets, their sizes from 1 to MAX_SHARE in equal ratios."""
    count = whole_number(count, "the number of calibration sets", 0)
    sizes = np.rint(np.geomspace(1.0, max(MAX_SHARE * units, 1.0), count)).astype(int)
    downweights = np.zeros((count, units))
    for k, size in enumerate(sizes):
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k, 1)))
        downweights[k, generator.choice(units, size, replace=False)] = 1.0
    return downweights


def sets_of(learner, count, seed, kinds=()):
    """Return downweights (sets, units): `count` random sets of the units that steps use, then each Kind's."""
    used = np.count_nonzero(learner.used)
    random = learner.over_units(calibration_sets(used, count, seed))
    if kinds and not count:
        raise LearnerError("kinds are calibrated beside random sets, and none are asked for: "
                           "calibration is 0, as it is by default with a downweight")
    largest = max(int(MAX_SHARE * used), 2)
    return np.concatenate([random] + [
        kind.draw(learner.unit_count, largest, np.random.SeedSequence(seed, spawn_key=(number, 3)))
        for number, kind in enumerate(kinds)])


@dataclass(frozen=True)
class Calibration:
    """Exact retrainings.

    Attributes
    ----------
    downweights : np.ndarray, (k, units)
        What was retrained.
    values : np.ndarray, (k, ...)
        The parameters there, or a measurement of them.
    crossings : np.ndarray of int, (k,)
        How many kinks each retraining crossed; see crossings.py.
    kinds : tuple of Kind
        The declared kinds. The random sets come first, then those of each kind.
    """
    downweights: np.ndarray
    values: np.ndarray
    crossings: np.ndarray
    kinds: tuple = ()

    def arrays(self):
        """Return {name: array} of all that a folder keeps."""
        return ({f"calibration-{name}": getattr(self, name) for name in ARRAYS}
                | {f"calibration-kind-{k}": kind.members for k, kind in enumerate(self.kinds)})

    @classmethod
    def read(cls, folder):
        """Return the Calibration in a sketch's folder."""
        kinds = [Kind(name, ordered, np.asarray(folder.read(f"calibration-kind-{k}")), sets)
                 for k, (name, ordered, sets, _, _) in enumerate(folder.facts.get("kinds", []))]
        return cls(*(np.asarray(folder.read(f"calibration-{name}")) for name in ARRAYS), tuple(kinds))

    @property
    def parts(self):
        """{kind: its sets, as a slice}; of random sets first."""
        counts = {kind.name: kind.sets for kind in self.kinds}
        counts = {RANDOM: len(self.downweights) - sum(counts.values())} | counts
        return {name: slice(end - count, end)
                for (name, count), end in zip(counts.items(), np.cumsum(list(counts.values())))}

    def of(self, name):
        """Return the Calibration of the sets of one kind, by its name."""
        return Calibration(*(getattr(self, array)[self.parts[name]] for array in ARRAYS))

    @property
    def sets(self):
        """The sets that were retrained, as Sets."""
        return Sets.of(self.downweights)

    @property
    def finite(self):
        """Whether every value is a number; otherwise nothing can be learned from them."""
        return bool(np.isfinite(self.values).all())

    @property
    def reach(self):
        """The largest |h|^2 of the sets: the size of the largest one."""
        return float(np.square(self.downweights).sum(axis=1).max())


def calibrate(learner, downweights, kinds=(), progress=True, bank=None):
    """Return the Calibration of a learner, by exact retraining (or from a bank); None without sets.

    `downweights` are those of random sets and then of each of the Kinds, as sets_of gives them. Values are
    all NaN if one of the trainings leaves the domain of a gate.
    """
    if not len(downweights):
        return None
    try:
        values = retrain(learner, weights=1.0 - downweights, bank=bank, progress=progress)
        crossed = crossings(learner, learner.example_weights(downweights))
    except DomainError as error:
        log.warning("a calibration set cannot be retrained, and no prediction will be trusted: %s", error)
        values = np.full((len(downweights), learner.layout.size), np.nan)
        crossed = np.zeros(len(downweights), int)
    return Calibration(downweights, values, crossed, kinds)
