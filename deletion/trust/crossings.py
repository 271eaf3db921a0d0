"""Kinks that retraining crosses: ReLU, |x| and max have branches, and a Taylor series describes the one it
was made on."""
from dataclasses import replace

import numpy as np

from circuit import evaluate
from circuit.analysis import branch_points
from circuit.blas import one_blas_thread
from circuit.progress import Progress

def crossings(learner, weights):
    """(trainings,): how many branches, over all steps, training at other example weights takes otherwise than
    as trained.

    weights   (trainings, examples) real. Costs nothing where no circuit has kinks.
    """
    moving = range(len(learner.states) + 1)
    points = [branch_points(circuit, moving) for circuit in learner.circuits]
    found = np.zeros(len(weights), int)
    if not any(points):
        return found
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
    watched = [replace(circuit, outputs=circuit.outputs + tuple(wire for wire, _ in at)) for circuit,
               at in zip(learner.circuits, points)]
    state = [np.broadcast_to(x, (len(weights),) + x.shape) for x in learner.states]
    with Progress(len(learner.steps), "look for kinks") as report, one_blas_thread():
        for step in learner.steps:
            outputs = evaluate(watched[step.circuit], [*state, weights[:, step.weights], *step.data])
            state = outputs[:len(learner.states)]
            for x, (_, axis) in zip(outputs[len(learner.states):], points[step.circuit]):
                branch = np.reshape(x > 0 if axis is None else x.argmax(axis=axis), (len(weights), -1))
                found += (branch[1:] != branch[:1]).sum(axis=1)
            report(1)
    return found
