"""The circuits of a learner's objective: one per kind of example and number of rows, recorded when first
asked for."""
from dataclasses import replace

import numpy as np

from circuit import constant_part, gradient, integer, real, record
from taylor import Recurrence, Step

from circuit.checks import kind_of
from .model_loss import checked_model_loss

ROWS = 32
"""Examples in one evaluation of a loss that takes batches, when it is pushed: their polynomials then stay in
the cache."""


class ObjectiveCircuits:
    """Circuits of the examples' losses, of their gradients and of products with their curvature.

    kinds     {kind of example (shapes and types): numbers of the examples of this kind}
    batched   whether the loss takes a batch of examples
    penalty   the circuit theta -> (n r, n grad r); None without a regulariser
    """

    def __init__(self, learner):
        self.learner, self.size = learner, learner.layout.size
        self.batched = learner.schedule.ndim == 2
        self.kinds = {}
        for i, example in enumerate(learner.examples):
            self.kinds.setdefault(kind_of(example), []).append(i)
        self.penalty = None
        if learner.regularizer is not None:
            count = float(learner.example_count)
            self.penalty = gradient(record(
                lambda theta: learner.penalty(learner.layout.split(theta)) * count, self._theta()), wrt=[0])
        self._gradients, self._recurrences = {}, {}

    def data(self, chosen):
        """The arrays of the examples numbered `chosen`, stacked along a leading axis."""
        return stacked([self.learner.examples[i] for i in chosen])

    def gradient(self, kind, rows):
        """The circuit (theta, weights (rows,), data...) -> (sum_i w_i l_i, its gradient)."""
        if (kind, rows) not in self._gradients:
            def total(theta, weights, *data):
                losses = self.learner.loss(self.learner.layout.split(theta), *data)
                self.learner.check_loss(losses, (rows,), data)      # no step may have seen this kind
                return (weights * losses).sum()
            recorded = record(total, self._theta(), real(rows, name="weights"), *self._inputs(kind, rows))
            self._gradients[kind, rows] = gradient(recorded, wrt=[0])
        return self._gradients[kind, rows]

    def gauss_newton(self, kind, rows):
        """The circuit (theta, weights, data...) -> J(theta_0)^T grad_out l(f(theta)), theta_0 being theta's
        constant part: its first coefficient along v is G v."""
        loss = checked_model_loss(self.learner, "the Gauss-Newton matrix")
        layout, inputs = self.learner.layout, self._inputs(kind, rows)
        theta, weights = self._theta(), real(rows, name="weights")

        def outputs_of(theta, *data):
            return loss.checked_outputs(layout.split(theta), data, rows if self.batched else None)
        model = record(outputs_of, theta, *inputs)
        outputs = real(*model.shapes[model.outputs[0]], name="outputs")

        def weighted(outputs, weights, *data):
            return (weights * loss.criterion(outputs, *data)).sum()
        cost = gradient(record(weighted, outputs, weights, *inputs), wrt=[0])

        def inner_product(theta, outputs, *data):
            return (model(theta, *data) * outputs).sum()
        transposed_jacobian = gradient(record(inner_product, theta, outputs, *inputs), wrt=[0])

        def linearized(theta, weights, *data):
            slopes = cost(model(theta, *data), weights, *data)[1]
            return transposed_jacobian(constant_part(theta), slopes, *data)[1]
        return record(linearized, theta, weights, *inputs)

    def recurrence(self, curvature):
        """The gradients of all examples and of the regulariser, added up one after the other: a recurrence
        of the states (theta, sum), ready for pushes of degree 1."""
        if curvature in self._recurrences:
            return self._recurrences[curvature]
        circuits, steps = [], []
        for kind, members in self.kinds.items():
            groups = blocks(members, ROWS if self.batched else 1)
            for rows in sorted({len(group) for group in groups}):
                circuits.append(adding(self.gradient(kind, rows), 1) if curvature == "hessian"
                                else adding(self.gauss_newton(kind, rows), 0))
                steps += [Step(len(circuits) - 1, group, self._step_data(group)) for group in groups
                          if len(group) == rows]
        if self.penalty:
            weighted = record(lambda theta, weight: self.penalty(theta)[1] * weight,
                              self.penalty.inputs[0], real(1, name="weight"))
            circuits.append(adding(weighted, 0))
            steps.append(Step(len(circuits) - 1, np.array([self.learner.example_count]), ()))
        self._recurrences[curvature] = Recurrence(circuits, steps, 2, 1)
        return self._recurrences[curvature]

    def _step_data(self, group):
        return tuple(self.data(group)) if self.batched else self.learner.examples[group[0]]

    def _theta(self):
        return real(self.size, name="theta")

    def _inputs(self, kind, rows):
        """The data wires of an example, or of a batch of so many rows."""
        lead = (rows,) if self.batched else ()
        return [(real if number == "real" else integer)(*lead, *shape) for shape, number in kind]


def adding(circuit, output):
    """(theta, rest...) -> an output shaped like theta, as the step (theta, sum, rest...) -> (theta, sum +
    output)."""
    theta, *rest = circuit.inputs
    chosen = replace(circuit, outputs=(circuit.outputs[output],)).pruned()
    return record(lambda theta, total, *rest: (theta, total + chosen(theta, *rest)), theta,
                  real(*theta.shape, name="sum"), *rest)


def stacked(examples):
    """Tuples of arrays as a list of arrays, one example a row."""
    return [np.stack(column) for column in zip(*examples)]


def blocks(members, size):
    """Members in groups of at most `size`."""
    members = np.asarray(members)
    return [members[first:first + size] for first in range(0, len(members), size)]
