"""The slow twin of the way back: one element, one step and one unit after the other, every state kept, all in
NumPy. It also works at complex weights."""
from typing import NamedTuple

import numpy as np

from circuit import evaluate
from circuit.reverse import vjp


class Naive(NamedTuple):
    """value: the measurement's shape; gradient and finite (elements, units); slopes (elements, steps, b)."""
    value: np.ndarray
    gradient: np.ndarray
    slopes: np.ndarray
    finite: np.ndarray


def backwards_naive(learner, measure, weights=None, finite=True):
    """Return the Naive metagradient of a measurement at weights (units,), real or complex.

    The finite step is two evaluations of the step, contracted with the adjoints.
    """
    weights = np.ones(learner.unit_count) if weights is None else np.asarray(weights)
    example_weights, moving = weights[learner.unit_of], len(learner.states)
    measured = learner.measurement(measure)

    def taken(number, state, changed=example_weights):
        step = learner.steps[number]
        return list(evaluate(learner.circuits[step.circuit], [*state, changed[step.weights], *step.data]))

    states = [[x.astype(weights.dtype) for x in learner.states]]
    for number in range(len(learner.steps)):
        states.append(taken(number, states[-1]))
    value, = evaluate(measured, [states[-1][0]])
    circuits = [vjp(circuit, range(moving + 1)) for circuit in learner.circuits]
    count, batch = value.size, learner.steps[0].weights.size
    gradient, psi = np.zeros((2, count, learner.unit_count), weights.dtype)
    slopes = np.zeros((count, len(learner.steps), batch), weights.dtype)
    for element, row in enumerate(np.eye(count).reshape((count,) + value.shape)):
        adjoint = [evaluate(vjp(measured, [0]), [row, states[-1][0]])[0]]
        adjoint += [np.zeros(x.shape) for x in learner.states[1:]]
        for number in reversed(range(len(learner.steps))):
            step, state = learner.steps[number], states[number]
            units = learner.unit_of[step.weights]
            for unit in set(units) if finite else ():
                without = taken(number, state, np.where(learner.unit_of == unit, 0.0, example_weights))
                psi[element, unit] += sum((a * (x - y)).sum()
                                          for a, x, y in zip(adjoint, without, states[number + 1]))
            *adjoint, by_weights = evaluate(circuits[step.circuit], [
                *adjoint, *state, example_weights[step.weights], *step.data])
            slopes[element, number] = by_weights
            np.add.at(gradient[element], units, by_weights)
    return Naive(value, gradient, slopes, psi)
