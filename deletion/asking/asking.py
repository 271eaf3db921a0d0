"""The state of one question: what is asked, what is known exactly, what estimates the rest, the budget."""
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Callable

import numpy as np

from circuit import Circuit, evaluate
from circuit.checks import real_number

from ..learner.learner import Learner
from ..learner.retrain import retrain
from ..learner.units import Sets
from ..predictions.prediction import predict
from .costs import measured_costs
from .expected import Expected, expected_of
from .strategy import Stage

AT_ONCE = 64
"""Sets that are retrained before the limits are looked at again."""


@dataclass(frozen=True)
class Question:
    """A measurement of a learner without each of several sets.

    Attributes
    ----------
    learner : Learner
    measurement : Callable
    circuit : Circuit
        Of the measurement.
    sets : Sets
        The k different ones, of units that steps use.
    place : np.ndarray of int
        For each set asked about, in order, the number of the different one.
    """
    learner: Learner
    measurement: Callable
    circuit: Circuit
    sets: Sets
    place: np.ndarray

    @classmethod
    def of(cls, learner, sets, measurement, weight):
        """Return the Question. Raises LearnerError for bad sets and measurements."""
        circuit = learner.measurement(measurement)
        real_number(weight, "ask: the weight that the units of a set keep", 0.0, 1.0)
        asked = learner.deletion_sets(sets, weight).among(learner.used)
        numbers, place, firsts = {}, np.empty(len(asked), int), []
        for k in range(len(asked)):
            one = asked.some(k, k + 1)
            order = np.argsort(one.units)
            key = hashlib.sha256(one.units[order].tobytes() + one.values[order].tobytes()).digest()
            place[k] = numbers.setdefault(key, len(numbers))
            if place[k] == len(firsts):
                firsts.append(k)
        return cls(learner, measurement, circuit, chosen(asked, firsts), place)

    def __len__(self):
        return len(self.sets)

    @cached_property
    def counts(self):
        """(k,): how often each different set was asked about."""
        return np.bincount(self.place, minlength=len(self))

    @cached_property
    def value(self):
        """The measurement as trained."""
        return np.asarray(evaluate(self.circuit, [self.learner.trained])[0])

    @property
    def unit_count(self):
        """The number of units that steps use."""
        return int(np.count_nonzero(self.learner.used))

    def weights(self, numbers):
        """The units' weights (sets, units) without some of the different sets."""
        return 1.0 - chosen(self.sets, numbers).dense(self.learner.unit_count)

    def retrained(self, numbers, bank, threads):
        """The measurement, flat, (sets, q), retrained without some of the different sets."""
        values = retrain(self.learner, None, self.measurement, weights=self.weights(numbers), bank=bank,
                         threads=threads)
        return values.reshape(len(values), -1)


def chosen(sets, numbers):
    """Some of Sets, in the order of their numbers."""
    numbers = np.asarray(numbers, int)
    counts = np.diff(sets.starts)[numbers]
    starts = np.concatenate([[0], np.cumsum(counts)])
    entries = np.repeat(sets.starts[numbers] - starts[:-1], counts) + np.arange(starts[-1])
    return Sets(starts, sets.units[entries], sets.values[entries])


class Asking:
    """One question on its way.

    Parameters
    ----------
    question : Question
    rungs : list of Rung
        The estimates that may be made; see climbing.py.
    bank : Bank
    seed : int
        Of everything that is drawn.
    calibration : (int, tuple of Kind)
        How many random sets calibrate, and sets of which kinds besides.
    level : float
        That of intervals.
    threads : int

    Attributes
    ----------
    exact : np.ndarray, (k, q)
        The measurement, flat, where a set is `known`.
    known : np.ndarray of bool, (k,)
        Whether the answer is exact.
    sources : list of str
        Where the answer to each of the k different sets comes from.
    stages : list of Stage
        What was done.
    model : Questions or None
        What estimates.
    check : Check or None
        How it does on sets asked about.
    """

    def __init__(self, question, rungs, bank, seed, calibration, level, threads):
        self.question, self.bank, self.seed, self.threads, self.level = question, bank, seed, threads, level
        self.exact = np.zeros((len(question), question.value.size))
        self.known = np.zeros(len(question), bool)
        self.sources = [""] * len(question)
        self.squares = question.sets.squares()
        self.shares = np.maximum(self.squares, 1e-3) / question.unit_count
        self.calibration, (self.calibration_count, self.kinds) = None, calibration
        self.stages, self.model, self.rung, self.check, self.costs = [], None, None, None, {}
        self.rungs = rungs

    def start(self, budget, tolerance, capped):
        """Set what may be spent; `capped` says that it is what retraining everything costs."""
        self.budget, self.tolerance, self.capped = budget, tolerance, capped

    @cached_property
    def unit_costs(self):
        """The Costs of a training and of a gradient, measured when something first depends on them."""
        return measured_costs(self.question.learner, self.question.circuit)

    @property
    def calibrating(self):
        """How many trainings calibrate: random sets, and those of kinds."""
        return self.calibration_count + sum(kind.sets for kind in self.kinds)

    @property
    def training_seconds(self):
        """The time that one training takes when all cores work."""
        return self.unit_costs.training / self.threads

    def note(self, what, trainings, why):
        """Note a stage that is done."""
        self.stages.append(Stage(what, trainings, self.expected().pooled, why))

    def cost(self, rung):
        """The trainings that a rung takes, without what the bank knows."""
        used = self.question.learner.used
        if rung.name not in self.costs:
            known = self.bank.of(self.question.learner, self.question.circuit).contains
            missing = np.count_nonzero(~known(rung.bases(used, self.seed)))
            self.costs[rung.name] = self.unit_costs.ratio * missing
        return self.costs[rung.name] + rung.retrained * self.leave_one_outs

    @cached_property
    def leave_one_outs(self):
        """How many leave-one-outs the bank does not know."""
        learner, missing = self.question.learner, 0
        known, units = self.bank.of(learner).contains, np.flatnonzero(learner.used)
        for at in range(0, len(units), AT_ONCE):
            rows = np.ones((len(units[at:at + AT_ONCE]), learner.unit_count))
            rows[np.arange(len(rows)), units[at:at + AT_ONCE]] = 0.0
            missing += np.count_nonzero(~known(rows))
        return missing

    # what is exact ------------------------------------------------------------------------------------------

    @property
    def unknown(self):
        """The numbers of the sets whose answer is not exact."""
        return np.flatnonzero(~self.known)

    def look_up(self):
        """Take what the bank knows; a set of units that no step uses changes nothing."""
        self.enter(np.flatnonzero(self.squares == 0.0), self.question.value.reshape(-1), "unchanged")
        of_learner = self.bank.of(self.question.learner)
        for at in range(0, len(self.question), AT_ONCE):
            some = np.arange(at, min(at + AT_ONCE, len(self.question)))
            some = some[~self.known[some]]
            if len(some):
                some = some[of_learner.contains(self.question.weights(some))]
            if len(some):
                self.enter(some, self.question.retrained(some, self.bank, self.threads), "from the bank")

    def enter(self, numbers, values, source):
        """Take exact values of some sets."""
        self.exact[numbers], self.known[numbers] = values, True
        for k in numbers:
            self.sources[k] = source

    def retrain(self, numbers):
        """Retrain without some sets, and return how many there were time and trainings for."""
        done = 0
        while done < len(numbers) and self.budget.left >= 1.0:
            some = numbers[done:done + int(min(AT_ONCE, self.budget.left))]
            self.enter(some, self.question.retrained(some, self.bank, self.threads), "retrained")
            self.budget.spent += len(some)
            done += len(some)
        return done

    # what is expected ---------------------------------------------------------------------------------------

    def prediction(self):
        """The model's Prediction for all sets."""
        return predict(self.model, self.question.sets, self.model.estimator(), self.level, True)

    def expected(self):
        """What is Expected of the answers as they are; without calibration, that they are wrong."""
        if self.model is None or not self.finite:
            changes = np.sqrt(self.squares)
            wrong = np.where(self.known, 0.0, changes)
            return Expected(wrong, changes, wrong, self.question.counts)
        prediction = self.prediction()
        expected = expected_of(prediction, self.model, self.squares, self.known, self.question.counts)
        true = np.abs(self.exact - self.question.value.reshape(-1)).sum(axis=1)
        expected = expected._replace(changes=np.where(self.known, true, expected.changes))
        return expected if self.check is None else expected.scaled(self.check.beside)

    @property
    def finite(self):
        """Whether all calibration sets ended in numbers."""
        return self.calibration is not None and self.calibration.finite
