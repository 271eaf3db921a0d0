"""The metagradient: a measurement's derivative in every unit's weight, by reverse mode through the whole
training.

A training is s_{t+1} = step_t(s_t, w), s the parameters and the optimiser's state. With a_T the measurement's
gradient at the end,

    a_t = a_{t+1} d step_t / d s,        gradient = sum_t a_{t+1} d step_t / d w            (Ilyas & Engstrom,
    MAGIC, 2504.16430)

a step's transposed derivatives being one more circuit. It is exact, costs a few trainings for a measurement,
however many units there are, and is the whole first order of a prediction: w = 1 - h, so T_1(h) = -h .
gradient. States are needed backwards: some are kept on the way forth, those between two of them calculated
again.
"""
import math
from dataclasses import dataclass

import numpy as np

from circuit import DomainError, evaluate
from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import LearnerError
from circuit.checks import checked_learner, iterable, real_array, whole_number
from circuit.analysis import only_jump
from circuit.reverse import vjp

TOGETHER = 24
"""Elements of a measurement pulled back side by side. On microgpt twenty take 2.6 times as long as one, forty
seven times: they leave the cache."""


@dataclass(frozen=True)
class Metagradient:
    """Of one measurement f of one learner.

    value      f as trained, of the measurement's shape
    gradient   (units,) + shape: df / d(weight of the unit's examples)
    weights    (units,): where the derivative is taken; ones for the ordinary training
    stored     how many states of the training were held at once
    """
    learner: object
    value: np.ndarray
    gradient: np.ndarray
    weights: np.ndarray
    stored: int

    def changes(self, deletion_sets, *, weight=0.0):
        """Degree-1 predictions (sets,) + shape of the measurement's change, for sets of units' labels as
        `retrain` takes them.

        weight   what is left of their weight. Raises LearnerError for unknown or repeated units.
        """
        if np.any(self.weights != 1.0):
            raise LearnerError("this gradient is taken at weights of its own; deletions are predicted from "
                               "one at ordinary weights")
        if not iterable(deletion_sets):
            raise LearnerError(f"deletion sets are a sequence of sets, such as [{deletion_sets!r:.60}], not "
                               f"{deletion_sets!r:.60}")
        downweights = [self.learner.downweight(s, weight) for s in deletion_sets]
        return -np.tensordot(np.reshape(downweights, (-1, self.learner.unit_count)), self.gradient, 1)


def metagradient(learner, measurement, *, weights=None, checkpoints=None, progress=True):
    """The Metagradient of a measurement: its derivative in the weight of every unit, by one run backwards
    through the training.

    measurement   measurement(parameters) -> scalar or vector, written with the functions of `circuit`
    weights       (units,) real, >= 0: where to take the derivative; default ones, the ordinary training
    checkpoints   states kept on the way forth; on the way back those between two are held besides. Default:
                  the root of the number of steps, and so at most twice that are held

    On microgpt it takes the time of about five trainings for a scalar, and of up to ten for twenty elements.
    On a kink the branch in force counts, and a measurement that the parameters do not move has gradient zero.
    Raises LearnerError for input that makes no sense or a measurement that only jumps (an accuracy),
    DomainError, naming step and example, wherever a NaN or infinity appears.
    """
    measured = checked_learner(learner).measurement(measurement)
    if only_jump(measured).any():
        raise LearnerError("this measurement, or an element of it, moves only by jumps (an accuracy, a "
                           "step): its derivative says nothing. "
                           "Measure a loss, a log-probability, a logit or a margin")
    weights, count = checked_weights(learner, weights), len(learner.steps)
    steps = Steps(learner, weights)
    wanted = math.isqrt(count - 1) + 1 if checkpoints is None else whole_number(
        checkpoints, "the number of checkpoints", 1)
    length = -(-count // min(wanted, count))      # of what lies between two checkpoints
    with Progress(2 * count, "metagradient", progress) as report, one_blas_thread():
        state, kept, stored = learner.states, [], 0
        for first in range(0, count, length):
            kept.append(state)
            for number in range(first, min(first + length, count)):
                state = steps.forth(number, state)
                report(1)
        value, cotangents = start(measured, state)
        found = np.zeros((len(cotangents[0]), learner.unit_count))
        while kept:
            first = (len(kept) - 1) * length
            states = [kept.pop()]
            for number in range(first, min(first + length, count) - 1):
                states.append(steps.forth(number, states[-1]))
            stored = max(stored, len(kept) + len(states))
            for number in reversed(range(first, first + len(states))):
                cotangents, slopes = steps.back(number, states.pop(), cotangents)
                # a unit may come twice
                np.add.at(found, (slice(None), learner.unit_of[learner.steps[number].weights]), slopes)
                report(1)
    return Metagradient(learner, value, found.T.reshape((learner.unit_count,) + value.shape), weights, stored)


def checked_weights(learner, weights):
    """One weight per unit."""
    weights = np.ones(learner.unit_count) if weights is None else real_array(weights, "weights")
    if weights.shape != (learner.unit_count,) or weights.min() < 0.0:
        raise LearnerError(f"weights are one number >= 0 per unit ({learner.unit_count}), not {weights.shape}"
                           + (f" with {weights.min():g} among them" if weights.size else ""))
    return weights


def start(measured, state):
    """(the measurement, its gradient as cotangents of a training's last state: one element after the other
    along a leading axis)."""
    try:
        value, = evaluate(measured, state[:1])
        rows = np.eye(value.size).reshape((value.size,) + value.shape)
        pulled = pull(vjp(measured, [0]), [rows], state[:1])
    except DomainError as error:
        raise DomainError(f"the measurement of the trained parameters: {error}") from None
    return value, pulled + [np.zeros((value.size,) + x.shape) for x in state[1:]]


class Steps:
    """A training's steps at given unit weights, forth and back."""

    def __init__(self, learner, weights):
        self.learner, self.weights = learner, learner.example_weights(1.0 - weights)
        self.backward = [vjp(circuit, range(len(learner.states) + 1)) for circuit in learner.circuits]

    def inputs(self, step, state):
        return [*state, self.weights[step.weights], *step.data]

    def forth(self, number, state):
        """The state after a step, from the one before."""
        step = self.learner.steps[number]
        try:
            return evaluate(self.learner.circuits[step.circuit], self.inputs(step, state))
        except DomainError as error:
            raise DomainError(f"{self.learner.where(number)}: {error}") from None

    def back(self, number, state, cotangents):
        """(cotangents of the state before a step, of the step's weights), from those of the state after
        it."""
        step = self.learner.steps[number]
        try:
            *before, slopes = pull(self.backward[step.circuit], cotangents, self.inputs(step, state))
        except DomainError as error:
            raise DomainError(f"{self.learner.where(number)}, backwards: {error}") from None
        return before, slopes


def pull(transposed, cotangents, inputs):
    """What a transposed circuit gives for cotangents with a leading axis, a few dozen at a time; each result
    has that axis."""
    count, shapes = len(cotangents[0]), [transposed.shapes[i] for i in transposed.outputs]
    parts = [evaluate(transposed, [*(a[at:at + TOGETHER] for a in cotangents), *inputs])
             for at in range(0, count, TOGETHER)]
    sizes = [min(TOGETHER, count - at) for at in range(0, count, TOGETHER)]
    return [np.concatenate([np.broadcast_to(part[k], (size,) + shape) for part, size in zip(parts, sizes)])
            for k, shape in enumerate(shapes)]
