"""Exact truth: training again with other weights, many trainings side by side."""
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from circuit import DomainError, evaluate
from taylor import TRAININGS

from .learner import LearnerError
from .progress import Progress

CHECKED = 100
"""Steps between two reports of progress."""


def retrain(learner, sets=None, measurement=None, *, weights=None, weight=0.0, threads=None, progress=True):
    """The measurement after exact retraining, for many deletion sets or weights.

    sets          sequence of deletion sets (each a unit's label or several); their examples keep `weight` of their weight
    weights       instead of sets: (b, units) real weights >= 0, 1 being the ordinary one
    measurement   measurement(parameters) -> scalar or vector; without it, the flat parameters themselves are returned

    threads       blocks of trainings run at a time; default: the machine's cores

    Returns (b,) + the measurement's shape. mode "zero-weight": a deleted example's step still happens, with weight 0.
    Raises LearnerError for sets and weights that make no sense, DomainError where a training leaves its domain.
    """
    if (sets is None) == (weights is None):
        raise LearnerError("give deletion sets or weights, one of the two")
    if sets is not None:
        if isinstance(sets, (str, int, np.integer)):
            raise LearnerError(f"sets is a sequence of deletion sets, such as [{sets!r}], not {sets!r}")
        downweights = np.array([learner.downweight(s, weight) for s in sets]).reshape(-1, learner.unit_count)
    else:
        weights = np.asarray(weights, float)
        if weights.ndim != 2 or weights.shape[1] != learner.unit_count:
            raise LearnerError(f"weights of shape {weights.shape}: one row per training, one column per unit ({learner.unit_count})")
        if not np.isfinite(weights).all() or weights.min(initial=0.0) < 0.0:
            raise LearnerError("weights are finite numbers >= 0")
        downweights = 1.0 - weights
    if not len(downweights):
        raise LearnerError("nothing to retrain: no deletion sets")
    circuit = None if measurement is None else learner.measurement(measurement)
    learner.recurrence(None)      # made once, before threads ask for it
    firsts = range(0, len(downweights), TRAININGS)
    with Progress(len(firsts) * len(learner.steps), "retrain", progress) as report, ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        try:
            theta = np.concatenate(list(pool.map(
                lambda first: train_block(learner, learner.example_weights(downweights[first:first + TRAININGS]), first, report), firsts)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return theta if circuit is None else evaluate(circuit, [theta])[0]


def train_block(learner, weights, first=0, report=lambda steps: None):
    """The trained parameters (trainings, parameters) for at most a block of example weights (trainings, examples)."""
    block, count = learner.recurrence(None).block(learner.states, weights, first=first), len(learner.steps)
    for begin in range(0, count, CHECKED):
        try:
            block.run(begin, min(begin + CHECKED, count))
        except DomainError as error:
            raise DomainError(f"{learner.where(error.step)}: {error}") from None
        report(min(CHECKED, count - begin))
    return block.constant(0)
