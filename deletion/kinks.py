"""Kinks that retraining crosses: ReLU, |x| and max have branches, and a Taylor series describes the one it was made on."""
from dataclasses import replace

import numpy as np

from circuit import evaluate
from circuit.blas import one_blas_thread
from circuit.progress import Progress

SIGN = {"relu", "abs", "step"}
WINNER = {"max", "one_hot_max"}


def branch_points(circuit, moving):
    """[(wire, axis or None)]: what decides a branch in a circuit: the sign of a wire, or its largest element along an axis.

    Only where it matters: gates that something moving enters, and whose result reaches an output other than as a constant.
    """
    first = len(circuit.inputs)
    moved = [i in moving for i in range(first)]
    for entry in circuit.entries:
        moved.append(entry.gate.name != "constant_part" and any(moved[i] for i in entry.inputs))
    needed = set(circuit.outputs)
    for wire in range(first + len(circuit.entries) - 1, first - 1, -1):
        entry = circuit.entries[wire - first]
        if wire in needed and entry.gate.name != "constant_part":
            needed.update(entry.inputs)
    points = []
    for wire, entry in enumerate(circuit.entries, first):
        if wire in needed and entry.gate.name in SIGN | WINNER and moved[entry.inputs[0]]:
            points.append((entry.inputs[0], entry.parameters.get("axis") if entry.gate.name in WINNER else None))
    return sorted(set(points), key=str)


def crossings(learner, weights):
    """(trainings,): how many branches, over all steps, training at other example weights takes otherwise than as trained.

    weights   (trainings, examples) real. Costs nothing where no circuit has kinks.
    """
    moving = range(len(learner.states) + 1)
    points = [branch_points(circuit, moving) for circuit in learner.circuits]
    found = np.zeros(len(weights), int)
    if not any(points):
        return found
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
    watched = [replace(circuit, outputs=circuit.outputs + tuple(wire for wire, _ in at)) for circuit, at in zip(learner.circuits, points)]
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
