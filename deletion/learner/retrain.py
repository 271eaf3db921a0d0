"""Exact truth: training again with other weights, many trainings side by side."""
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event

import numpy as np

from circuit import DomainError, evaluate
from circuit.progress import Progress
from taylor import TRAININGS

from circuit.errors import LearnerError
from circuit.checks import checked_learner, checked_threads, iterable, real_array

CHECKED = 100
"""Steps between two reports of progress."""


def retrain(learner, sets=None, measurement=None, *, weights=None, weight=0.0, threads=None, progress=True):
    """The measurement after exact retraining, for many deletion sets or weights.

    sets          sequence of deletion sets (each a unit's label or several); their examples keep `weight` of
                  their weight
    weights       instead of sets: (b, units) real weights >= 0, 1 being the ordinary one
    measurement   measurement(parameters) -> scalar or vector; without it, the flat parameters themselves are
                  returned

    threads       blocks of trainings run at a time; default: the machine's cores
    progress      False prints nothing on stderr

    Returns (b,) + the measurement's shape. In the zero-weight sense: a deleted example's step still happens,
    with weight 0. Raises LearnerError for sets and weights that make no sense, DomainError where a training
    leaves its domain.
    """
    checked_learner(learner)
    if (sets is None) == (weights is None):
        raise LearnerError("give deletion sets or weights, one of the two")
    threads = checked_threads(threads)
    if sets is not None:
        if not iterable(sets):
            raise LearnerError(f"sets is a sequence of deletion sets, such as [{sets!r}], not {sets!r}")
        downweights = np.array([learner.downweight(s, weight) for s in sets]).reshape(-1, learner.unit_count)
    else:
        if weight != 0.0:
            raise LearnerError(f"weight={weight!r:.60} is what deletion sets keep; weights already say what "
                               "every unit keeps")
        weights = real_array(weights, "weights")
        if weights.ndim != 2 or weights.shape[1] != learner.unit_count:
            raise LearnerError(f"weights of shape {weights.shape}: one row per training, one column per "
                               f"unit ({learner.unit_count})")
        if weights.min(initial=0.0) < 0.0:
            raise LearnerError(f"weights are numbers >= 0, not {weights.min():g}")
        downweights = 1.0 - weights
    if not len(downweights):
        raise LearnerError("nothing to retrain: no deletion sets")
    circuit = None if measurement is None else learner.measurement(measurement)
    stopped = Event()

    def watched(steps):
        if stopped.is_set():
            raise CancelledError      # another block failed, or the user wants to stop
        report(steps)

    firsts = range(0, len(downweights), TRAININGS)
    with Progress(len(firsts) * len(learner.steps), "retrain",
                  progress) as report, ThreadPoolExecutor(threads) as pool:
        learner.recurrence(None)      # made and compiled once, before threads ask for it
        report.begin()
        try:
            theta = np.concatenate(list(pool.map(lambda first: train_block(
                learner, learner.example_weights(downweights[first:first + TRAININGS]), first, watched),
                                                 firsts)))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    if circuit is None:
        return theta
    shape = circuit.shapes[circuit.outputs[0]]      # a constant is measured once, for all trainings
    return np.broadcast_to(evaluate(circuit, [theta])[0], (len(theta),) + shape).copy()


def train_block(learner, weights, first=0, report=lambda steps: None):
    """The trained parameters (trainings, parameters) for at most a block of example weights (trainings,
    examples)."""
    block, count = learner.recurrence(None).block(learner.states, weights, first=first), len(learner.steps)
    for begin in range(0, count, CHECKED):
        try:
            block.run(begin, min(begin + CHECKED, count))
        except DomainError as error:
            raise DomainError(f"{learner.where(error.step)}: {error}") from None
        report(min(CHECKED, count - begin))
    return block.constant(0)
