"""Kinks that retraining crosses: ReLU, |x| and max have branches, and a Taylor series describes only the one
on which it was expanded."""
from dataclasses import replace

import numpy as np

from circuit.analysis import branch_points
from circuit.blas import one_blas_thread
from circuit.progress import Progress

from ..learner.replay import PlainTraining, replay


def crossings(learner, weights):
    """Count the branches, over all steps, on which trainings with other weights differ from the ordinary one.

    Parameters
    ----------
    learner : Learner
    weights : np.ndarray, (trainings, examples)
        Real example weights. The count costs nothing where no circuit has kinks.

    Returns
    -------
    np.ndarray of int, (trainings,)

    Raises
    ------
    DomainError
        Where a training leaves the domain of a gate; it names step, examples and gate.
    """
    states = len(learner.states)
    points = [branch_points(circuit, range(states + 1)) for circuit in learner.circuits]
    crossed = np.zeros(len(weights), int)
    if not any(points):
        return crossed
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])      # the ordinary training first
    watched = [replace(circuit, outputs=circuit.outputs + tuple(wire for wire, _ in branches))
               for circuit, branches in zip(learner.circuits, points)]
    together = [np.broadcast_to(x, (len(weights),) + x.shape) for x in learner.states]
    training = PlainTraining(learner, weights, together, watched)
    with Progress(len(learner.steps), "look for kinks") as report, one_blas_thread():
        for number, _ in replay(learner, training):
            branches = points[learner.steps[number].circuit]
            for x, (_, axis) in zip(training.outputs[states:], branches):
                branch = np.reshape(x > 0 if axis is None else x.argmax(axis=axis), (len(weights), -1))
                crossed += (branch[1:] != branch[:1]).sum(axis=1)
            report(1)
    return crossed
