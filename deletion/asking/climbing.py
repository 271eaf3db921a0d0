"""Which estimate is made next, what each costs and usually brings, and whether it is kept.

A rung is a gradient model. Its usual error beside that of the cheapest, the finite step, decides only which
one is tried; what an answer is worth is judged by exact retrainings afterwards.
"""
from typing import NamedTuple

import numpy as np

from circuit.errors import LearnerError

from ..directions.decoders import Estimates
from ..models.gradient_model import RETRAINED, designed, gradient_model
from ..predictions.calibrated import Calibrated
from ..predictions.questions import Questions
from ..sketch.identity import differing
from ..sketch.measured import measured_calibration
from ..sketch.pulled import PulledSketch
from ..sketch.sketch import Sketch
from ..trust.calibration import calibrate, sets_of
from ..trust.kinds import RANDOM
from .checking import checked, look_at_some
from .expected import Expected

SHARES = np.array([0.01, 0.05, 0.2])
"""The sizes of sets, as shares of the units, at which errors are stated below."""

FINITE_ERROR = np.array([0.1, 0.17, 0.29])
"""The usual error of the finite step, with size effect, at these sizes; see `benchmarks.frontier`."""


class Rung(NamedTuple):
    """A gradient model that could be made.

    Attributes
    ----------
    name : str
        In words.
    settings : dict
        Arguments of `gradient_model`.
    retrained : bool
        Whether it needs every unit's retrained leave-one-out.
    usual : np.ndarray, (3,)
        Its usual error at SHARES, as a share of that of the finite step.
    """
    name: str
    settings: dict
    retrained: bool
    usual: np.ndarray

    def bases(self, used, seed):
        """Return the weights (bases, units) at which it needs gradients."""
        design = {"groups": 0, "levels": (), "bases": 2} | self.settings
        return np.concatenate(designed(used, design["groups"], design["levels"], design["bases"], seed)[1])

    def gain(self, shares):
        """Return its usual error for sets of these sizes, as a share of that of the finite step."""
        return np.interp(np.log(shares), np.log(SHARES), self.usual)


def ladder(units, bases=8, levels=(0.05, 0.2)):
    """Return the rungs for a learner of so many used units, roughly each dearer than the one before."""
    # a level takes round(share * units) units: two sets must differ, and a unit must stay
    levels = tuple(share for share in levels if 2 <= round(share * units) < units)
    alone = {"levels": ()}
    several, retrained = {"levels": levels, "bases": bases, "groups": 16}, {"self_terms": RETRAINED} | alone
    rungs = [Rung("finite step", alone, False, np.ones(3)),
             Rung("7 groups", alone | {"groups": 7}, False, np.array([1.0, 0.93, 0.82])),
             Rung("16 groups", alone | {"groups": 16}, False, np.array([0.95, 0.85, 0.75])),
             Rung("levels and 16 groups", several, False, np.array([0.95, 0.86, 0.75])),
             Rung("leave-one-outs", retrained, True, np.array([0.5, 0.75, 0.92]))]
    for groups, usual in ((16, (0.49, 0.67, 0.71)), (50, (0.45, 0.62, 0.67)), (100, (0.42, 0.56, 0.64))):
        rungs.append(Rung(f"leave-one-outs and {groups} groups", retrained | {"groups": groups}, True,
                          np.array(usual)))
    return [rung for rung in rungs if 2 * rung.settings.get("groups", 0) <= units
            and (levels or "levels" not in rung.name)]


def usual_error(shares):
    """Return the usual error of the finite step for sets of these sizes."""
    return np.interp(np.log(shares), np.log(SHARES), FINITE_ERROR)


# the way up ------------------------------------------------------------------------------------------------

CAREFUL = 1.5
"""A way of estimating is tried under a tolerance only if it pays even with so many times its usual error."""

NEVER = np.inf, np.inf
"""What a rung promises that cannot be paid."""


def climb(asking):
    """Make one model after the other, as long as the next one promises more than it costs.

    Where a calibration set could not be trained, nothing tells one model from another: the first one stays.
    """
    while asking.calibration is None or asking.finite:
        best = best_rung(asking)
        if best is None:
            return
        asking.rungs = asking.rungs[asking.rungs.index(best) + 1:]
        make(asking, best)
        if asking.check is None:
            look_at_some(asking)


def best_rung(asking):
    """Return the rung that promises most, None for no other model."""
    expected = asking.expected()
    return min([None, *asking.rungs], key=lambda rung: promise(asking, rung, expected))


def promise(asking, rung, expected):
    """Return what would be reached with a rung, None for no other model: (the error, or what of it is beyond
    the tolerance; the cost in trainings). `expected` is what is Expected of the answers now."""
    cost, left = 0.0 if rung is None else asking.cost(rung), asking.budget.left
    if cost > left:
        return NEVER
    left, expected = left - cost, outlook(asking, rung, expected)
    if asking.tolerance is None:
        return expected.after(left), cost
    if rung is None and asking.rung is None:      # nothing estimates: everything is retrained
        needed = len(asking.unknown)
        return max(1.0 - left / max(needed, 1), 0.0), needed
    needed = expected.needed(asking.tolerance)
    if rung is not None and asking.capped and expected.scaled(CAREFUL).needed(asking.tolerance) > left:
        return NEVER
    return max(expected.after(min(needed, left)) - asking.tolerance, 0.0), needed + cost


def outlook(asking, rung, expected):
    """Return what is Expected of the answers with a rung, from what is without it."""
    shares = asking.shares
    if rung is None:
        return expected
    if asking.rung is None:
        errors = np.where(asking.known, 0.0, expected.changes * usual_error(shares) * rung.gain(shares))
        return Expected(errors, expected.changes, errors, expected.counts)
    return expected.scaled(rung.gain(shares) / asking.rung.gain(shares))


def calibration_of(asking):
    """Retrain random sets and those of kinds, once; until there is a model, nothing changes."""
    question = asking.question
    if asking.calibration is None and asking.calibration_count:
        sets = sets_of(question.learner, asking.calibration_count, asking.seed, asking.kinds)
        asking.calibration = calibrate(question.learner, sets, asking.kinds, bank=asking.bank)
    if asking.model is None:
        values = asking.calibration and measured_calibration(asking.calibration, question.circuit)
        asking.model = Unchanged(question.learner, question.value, values)


def make(asking, rung):
    """Make a rung's model; keep it if the calibration says that it is better than the one there is."""
    calibration_of(asking)
    question, before, cost = asking.question, (asking.model, asking.rung, asking.check), asking.cost(rung)
    expected = np.inf if asking.rung is None else asking.expected().pooled
    asking.model = gradient_model(
        question.learner, question.measurement, calibration=asking.calibration or 0, bank=asking.bank,
        seed=asking.seed, threads=asking.threads, **rung.settings)
    asking.rung, asking.budget.spent = rung, asking.budget.spent + cost
    asking.costs.clear()      # what was made stands in the bank
    vars(asking).pop("leave_one_outs", None)
    if asking.check is not None:
        asking.check = checked(asking, asking.check.numbers)
    now, why = asking.expected().pooled, f"one gradient costs {asking.unit_costs.ratio:.3g} trainings"
    if not now < expected:
        asking.model, asking.rung, asking.check = before
        why = f"expected error {now:.2g}: not better than before, and not used"
    asking.note(rung.name, cost, why)


# a sketch that is there already ----------------------------------------------------------------------------

def checked_sketch(sketch, learner, kinds):
    """Raise LearnerError unless this is None, or a calibrated sketch of the learner."""
    if sketch is None:
        return
    if not isinstance(sketch, (Sketch, PulledSketch)):
        raise LearnerError(f"sketch: expected what precompute returns, got {sketch!r:.60}")
    if sketch.learner is None:
        raise LearnerError("this sketch was opened without its learner: open it by load(folder, learner)")
    if sketch.learner is not learner:
        other = differing(sketch.learner.fingerprint_parts(), learner.fingerprint_parts())
        if other:
            raise LearnerError(f"the sketch is of another learner: {other}")
    if sketch.calibration is None:
        raise LearnerError("this sketch has no calibration sets, and so nothing says how far to trust it: "
                           "precompute(..., calibration=96) makes some")
    if kinds:
        raise LearnerError("a sketch has kinds of its own: give them to precompute, not to ask")


def answer_by(asking, sketch):
    """Let a sketch answer; what is made next must be expected to be better."""
    question = asking.question
    measured = sketch.measure(question.measurement, asking.threads, progress=False)
    # it has calibrated what follows, too, and nothing more is retrained for that
    asking.calibration, asking.calibration_count, asking.model = sketch.calibration, 0, measured
    asking.rung = Rung("sketch", {}, False, usual_error_of(measured, question.unit_count))
    asking.note("sketch", 0.0, "it is there already")
    if asking.finite:
        look_at_some(asking)


def usual_error_of(measured, units):
    """Return a Measured's calibrated error (3,) at SHARES of the units, as a share of the finite step's."""
    calibrated = measured.calibrated.of(RANDOM)
    if not calibrated.calibration.finite:
        return np.ones(3)
    model = calibrated.error_model(measured.estimator())
    error, *_ = model.relative_error(np.maximum(SHARES * units, 1.0))
    return np.maximum(error, 1e-3) / FINITE_ERROR


# no model --------------------------------------------------------------------------------------------------

class Unchanged(Questions):
    """Answers that the measurement stays as it is.

    Parameters
    ----------
    learner : Learner
    value : np.ndarray
        The measurement as trained.
    calibration : Calibration or None
        The measurement of exactly retrained models.
    """

    progress, downweight = False, None

    def __init__(self, learner, value, calibration):
        self.learner, self.value = learner, value
        self.calibrated = Calibrated(value, calibration)
        self._estimator = NoEffect(value.size)

    def estimator(self):
        """Return the estimator."""
        return self._estimator


class NoEffect:
    """The estimator of zero change, of so many elements."""
    name = "not estimated"

    def __init__(self, size):
        self.size = size

    def __call__(self, sets, errors=True):
        nothing = np.zeros((len(sets), self.size))
        return Estimates(nothing[:, None], nothing, None)
