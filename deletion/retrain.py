"""Exact truth: training again with other weights, many trainings at once."""
import numpy as np

from circuit import evaluate

from .learner import LearnerError
from .progress import Progress

BATCH = 64
"""Trainings evaluated side by side: enough to hide Python's share, few enough to stay in cache."""


def retrain(learner, sets=None, measurement=None, *, weights=None, weight=0.0, progress=True):
    """The measurement after exact retraining, for many deletion sets or weights.

    sets          sequence of deletion sets (each a unit's label or several); their examples keep `weight` of their weight
    weights       instead of sets: (b, units) real weights >= 0, 1 being the ordinary one
    measurement   measurement(parameters) -> scalar or vector; without it, the flat parameters themselves are returned

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
    results = []
    with Progress(len(downweights) * len(learner.steps), "retrain", progress) as report:
        for first in range(0, len(downweights), BATCH):
            batch = learner.example_weights(downweights[first:first + BATCH])
            theta = learner.train(batch, progress=lambda steps: report(steps * len(batch)))[0]
            results.append(theta if circuit is None else evaluate(circuit, [theta])[0])
    return np.concatenate(results)
