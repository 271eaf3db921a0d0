"""The metagradient: a measurement's derivative in every unit's weight, by reverse mode through the training.

A training is s_{t+1} = step_t(s_t, w): s holds the parameters and the optimizer's state, w the weights. With
a_T the measurement's gradient at the end,

    a_t = a_{t+1} d step_t / d s,        gradient = sum_t a_{t+1} d step_t / d w

(Ilyas & Engstrom, MAGIC, arXiv 2504.16430), where a step's transposed derivatives are one more circuit. The
gradient is exact, costs a few trainings for a measurement, however many units there are, and is the whole
first order of a prediction: w = 1 - h, so T_1(h) = -h . gradient. States are needed in reverse order: some
are kept on the way forward, and those between two of them are calculated again.
"""
import math
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit import DomainError, evaluate
from circuit.analysis import only_jump
from circuit.blas import one_blas_thread
from circuit.checks import checked_learner, iterable, real_array, whole_number
from circuit.errors import LearnerError
from circuit.progress import Progress
from circuit.reverse import vjp

from ..learner.learner import Learner
from ..learner.replay import PlainTraining, replay

TOGETHER = 24
"""Elements of a measurement whose gradients are taken side by side. On microgpt twenty take 2.6 times as long
as one, forty seven times: they leave the cache."""


@dataclass(frozen=True)
class Metagradient:
    """The derivative of one measurement f of one learner in the weight of every unit.

    Attributes
    ----------
    learner : Learner
        The learner whose training was differentiated.
    value : np.ndarray
        f as trained, of the measurement's shape.
    gradient : np.ndarray, (units,) + the measurement's shape
        df / d(weight of the unit's examples).
    weights : np.ndarray, (units,)
        Where the derivative is taken; ones for the ordinary training.
    stored : int
        How many states of the training were held at once.

    Examples
    --------
    The first order of a deletion is minus the gradient of the units deleted.

    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import metagradient
    >>> learner = Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   np.tile(np.arange(3), (40, 1)))
    >>> metagradient(learner, lambda w: w[0], progress=False).changes([[2], [0, 1]]).round(3)
    array([-1.,  1.])
    """
    learner: Learner
    value: np.ndarray
    gradient: np.ndarray
    weights: np.ndarray
    stored: int

    def changes(self, deletion_sets: Sequence, *, weight: float = 0.0) -> np.ndarray:
        """Return degree-1 predictions of the measurement's change.

        Parameters
        ----------
        deletion_sets : sequence of deletion sets
            Sets of units' labels, as `retrain` takes them.
        weight : float
            What is left of the units' weight.

        Returns
        -------
        np.ndarray, (sets,) + the measurement's shape

        Raises
        ------
        LearnerError
            For unknown or repeated units, and for a gradient taken at weights other than 1.
        """
        if np.any(self.weights != 1.0):
            raise LearnerError("this gradient is taken at weights of its own; deletions are predicted from "
                               "one at ordinary weights")
        if not iterable(deletion_sets):
            raise LearnerError(f"deletion sets are a sequence of sets, such as [{deletion_sets!r:.60}], not "
                               f"{deletion_sets!r:.60}")
        downweights = [self.learner.downweight(s, weight) for s in deletion_sets]
        return -np.tensordot(np.reshape(downweights, (-1, self.learner.unit_count)), self.gradient, 1)


def metagradient(learner: Learner, measurement: Callable, *, weights: ArrayLike | None = None,
                 checkpoints: int | None = None, progress: bool = True) -> Metagradient:
    """Differentiate a measurement in the weight of every unit, by one pass backwards through the training.

    On microgpt it takes the time of about five trainings for a scalar, and of up to ten for twenty elements.
    On a kink the branch in force counts, and a measurement that the parameters do not move has gradient zero.

    Parameters
    ----------
    learner : Learner
        The learner whose training is differentiated.
    measurement : callable
        measurement(parameters) -> scalar or vector, written with the functions of `circuit`.
    weights : array_like, (units,), optional
        Real weights >= 0 at which to take the derivative; by default ones, the ordinary training.
    checkpoints : int, optional
        How many states are kept on the way forward; on the way back those between two of them are held too.
        The default, the root of the number of steps, holds at most twice that many states at once.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    Metagradient

    Raises
    ------
    LearnerError
        For input that makes no sense, and for a measurement that only jumps (an accuracy).
    DomainError
        Wherever a NaN or infinity appears; it names step and example.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import metagradient
    >>> learner = Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   np.tile(np.arange(3), (40, 1)))
    >>> metagradient(learner, lambda w: w[0], progress=False).gradient.round(3)
    array([-0.667, -0.333,  1.   ])
    """
    measured = checked_measurement(learner, measurement)
    weights, length = checked_weights(learner, weights), steps_between(learner, checkpoints)
    forward = PlainTraining(learner, learner.example_weights(1.0 - weights))
    with Progress(2 * len(learner.steps), "metagradient", progress) as report, one_blas_thread():
        kept = [forward.state]
        for first, last in replay(learner, forward, at_once=length):
            kept.append(forward.state)
            report(last - first)
        value, cotangents = at_the_end(measured, kept.pop())
        gradient, stored = back_from(forward, kept, length, cotangents, report)
    shape = (learner.unit_count,) + value.shape
    return Metagradient(learner, value, gradient.T.reshape(shape), weights, stored)


def checked_measurement(learner, measurement):
    """Return the circuit of a measurement that has a derivative to take."""
    measured = checked_learner(learner).measurement(measurement)
    if only_jump(measured).any():
        raise LearnerError("this measurement, or an element of it, moves only by jumps (an accuracy, a "
                           "step), so its derivative says nothing. Measure a loss, a log-probability, a "
                           "logit or a margin")
    return measured


def steps_between(learner, checkpoints):
    """Return how many steps lie between two of so many checkpoints."""
    count = len(learner.steps)
    if checkpoints is None:
        checkpoints = math.isqrt(count - 1) + 1
    return -(-count // min(whole_number(checkpoints, "the number of checkpoints", 1), count))


def checked_weights(learner, weights):
    """Return one weight per unit."""
    weights = np.ones(learner.unit_count) if weights is None else real_array(weights, "weights")
    if weights.shape != (learner.unit_count,) or weights.min() < 0.0:
        raise LearnerError(f"weights are one number >= 0 per unit ({learner.unit_count}), not {weights.shape}"
                           + (f" with {weights.min():g} among them" if weights.size else ""))
    return weights


def at_the_end(measured, state):
    """Return (the measurement, its gradient in the last state of a training, one row for each element)."""
    try:
        value, = evaluate(measured, state[:1])
        rows = np.eye(value.size).reshape((value.size,) + value.shape)
        by_theta = row_products(vjp(measured, [0]), [rows], state[:1])
    except DomainError as error:
        raise DomainError(f"the measurement of the trained parameters: {error}") from None
    return value, by_theta + [np.zeros((value.size,) + x.shape) for x in state[1:]]


def back_from(forward, kept, length, cotangents, report):
    """Go back through a training whose states before every `length` steps were kept.

    Returns the gradient (elements, units) and how many states were held at once.
    """
    learner, backward, stored = forward.learner, Backward(forward, cotangents), 0
    while kept:
        first = (len(kept) - 1) * length
        last = min(first + length, len(learner.steps))
        forward.state = kept.pop()
        backward.states = [forward.state]
        for _ in replay(learner, forward, first, last - 1):
            backward.states.append(forward.state)
        stored = max(stored, len(kept) + len(backward.states))
        for _ in replay(learner, backward, first, last, backwards=True):
            report(1)
    return backward.gradient, stored


class Backward:
    """The way back through a training: `replay` takes its steps, the last first.

    Parameters
    ----------
    forward : PlainTraining
        The training on its way forward.
    cotangents : list of np.ndarray
        The measurement's gradient in the state behind the next step, with a leading axis of its elements.

    Attributes
    ----------
    states : list of np.ndarray
        The states before the steps that will be taken, the next one last; each is given up when it was used.
    gradient : np.ndarray, (elements, units)
        The measurement's gradient in the units' weights, by the steps taken so far.
    """

    def __init__(self, forward, cotangents):
        self.forward, self.cotangents, self.states = forward, cotangents, []
        learner = forward.learner
        moving = range(len(learner.states) + 1)
        self.circuits = [vjp(circuit, moving) for circuit in learner.circuits]
        self.gradient = np.zeros((len(cotangents[0]), learner.unit_count))

    def run(self, first, last):
        """Take the steps from the last to the first back."""
        learner = self.forward.learner
        for number in reversed(range(first, last)):
            step, inputs = learner.steps[number], self.forward.inputs(number, self.states.pop())
            try:
                *self.cotangents, by_weights = row_products(self.circuits[step.circuit], self.cotangents,
                                                            inputs)
            except DomainError as error:
                located = DomainError(f"on the way back, {error}")
                located.step = number
                raise located from None
            # a unit may come twice
            np.add.at(self.gradient, (slice(None), learner.unit_of[step.weights]), by_weights)


def row_products(backward, cotangents, inputs):
    """Evaluate a vjp for rows of cotangents, TOGETHER of them at a time; each result has those rows."""
    count, shapes = len(cotangents[0]), [backward.shapes[i] for i in backward.outputs]
    parts = [evaluate(backward, [*(a[at:at + TOGETHER] for a in cotangents), *inputs])
             for at in range(0, count, TOGETHER)]
    sizes = [min(TOGETHER, count - at) for at in range(0, count, TOGETHER)]
    return [np.concatenate([np.broadcast_to(part[k], (size,) + shape) for part, size in zip(parts, sizes)])
            for k, shape in enumerate(shapes)]
