"""The circuits of a learner's objective: one per kind of example and number of rows, recorded when first
asked for."""

import numpy as np

from circuit import concatenate, constant_part, gradient, integer, real, record
from taylor import Recurrence, Step

from circuit.checks import kind_of
from .model_loss import checked_model_loss

AT_ONCE = 256
"""Examples whose gradients are evaluated side by side in plain numbers: enough to hide what calling NumPy
takes, and few enough for the caches."""

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
            self.penalty = slope_circuit(learner.layout,
                                         lambda parameters: learner.penalty(parameters) * count)
        self._gradients, self._recurrences, self._stacked = {}, {}, {}

    def data(self, kind):
        """The arrays of all examples of a kind, stacked along a leading axis, once."""
        if kind not in self._stacked:
            self._stacked[kind] = stacked([self.learner.examples[i] for i in self.kinds[kind]])
        return self._stacked[kind]

    def groups(self, weights=None):
        """Yield (kind, numbers of examples, their arrays), at most AT_ONCE of a kind at a time; with weights
        (examples,) only those examples whose weight is not 0."""
        for kind, members in self.kinds.items():
            members, data = np.asarray(members), self.data(kind)
            if weights is not None and not weights[members].all():
                chosen = np.flatnonzero(weights[members])
                members, data = members[chosen], [x[chosen] for x in data]
            for first in range(0, len(members), AT_ONCE):
                group = slice(first, first + AT_ONCE)
                yield kind, members[group], [x[group] for x in data]

    def gradient(self, kind, rows):
        """The circuit (theta, weights (rows,), data...) -> (sum_i w_i l_i, its gradient)."""
        if (kind, rows) not in self._gradients:
            self._gradients[kind, rows] = joined(self.learner.layout, self.slopes(kind, rows))
        return self._gradients[kind, rows]

    def slopes(self, kind, rows):
        """The same of the tensors of the parameters: (tensors..., weights, data...) -> (value, slopes...)."""
        if (kind, rows, "slopes") not in self._gradients:
            def total(parameters, weights, *data):
                losses = self.learner.loss(parameters, *data)
                self.learner.check_loss(losses, (rows,), data)      # no step may have seen this kind
                return (weights * losses).sum()
            self._gradients[kind, rows, "slopes"] = slopes_by_tensor(
                self.learner.layout, total, real(rows, name="weights"), *self._inputs(kind, rows))
        return self._gradients[kind, rows, "slopes"]

    def of_one(self, kind, output):
        """The circuit (theta, weight, data...) -> an example's loss, output 0, or its gradient, output 1."""
        if (kind, "of one", output) not in self._gradients:
            self._gradients[kind, "of one", output] = alone(self.gradient(kind, 1), output)
        return self._gradients[kind, "of one", output]

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

        def inner_product(parameters, outputs, *data):
            return (loss.checked_outputs(parameters, data, rows if self.batched else None) * outputs).sum()
        transposed_jacobian = slope_circuit(layout, inner_product, outputs, *inputs)

        def linearized(theta, weights, *data):
            slopes = cost(model(theta, *data), weights, *data)[1]
            return transposed_jacobian(constant_part(theta), slopes, *data)[1]
        return record(linearized, theta, weights, *inputs)

    def recurrence(self, curvature):
        """(recurrence, uses): the gradients of all examples and of the regulariser, added up one after the
        other, as a recurrence of the states (theta, sum), ready for pushes of degree 1; and its Uses."""
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
        self._recurrences[curvature] = Recurrence(circuits, steps, 2, 1), Uses(steps)
        return self._recurrences[curvature]

    def _step_data(self, group):
        examples = [self.learner.examples[i] for i in group]
        return tuple(stacked(examples)) if self.batched else examples[0]

    def _theta(self):
        return real(self.size, name="theta")

    def _inputs(self, kind, rows):
        """The data wires of an example, or of a batch of so many rows."""
        lead = (rows,) if self.batched else ()
        return [(real if number == "real" else integer)(*lead, *shape) for shape, number in kind]


class Uses:
    """Which weights enter the steps of a recurrence."""

    def __init__(self, steps):
        self.weights = np.concatenate([step.weights for step in steps])
        self.starts = np.cumsum([0] + [len(step.weights) for step in steps[:-1]])

    def __len__(self):
        return len(self.starts)

    def steps(self, weights):
        """The numbers of the steps with a weight that is not 0: the others add nothing."""
        return np.flatnonzero(np.logical_or.reduceat(weights[self.weights] != 0.0, self.starts))


def slope_circuit(layout, function, *inputs):
    """The circuit (theta, inputs...) -> (value, gradient in theta) of a scalar function(parameters, *inputs).

    It is differentiated by each tensor of the parameters, and the slopes are joined once. By the flat vector,
    the slope of every tensor would be padded to its length, and all of them added up.
    """
    return joined(layout, slopes_by_tensor(layout, function, *inputs))


def slopes_by_tensor(layout, function, *inputs):
    """The circuit (tensors of the parameters..., inputs...) -> (value, its slope in each tensor...)."""
    tensors = [real(*shape, name="parameters") for shape in layout.shapes.values()]

    def of_tensors(*wires):
        return function(layout.form(list(wires[:len(tensors)])), *wires[len(tensors):])
    return gradient(record(of_tensors, *tensors, *inputs), wrt=range(len(tensors)))


def joined(layout, slopes):
    """A circuit of `slopes_by_tensor` as one of flat parameters."""
    def of_theta(theta, *rest):
        value, *tensors = slopes(*layout.pieces(theta), *rest)
        return value, concatenate([x.reshape(-1) for x in tensors])
    return record(of_theta, real(layout.size, name="theta"), *slopes.inputs[len(layout.shapes):])


def alone(circuit, output):
    """A circuit with one of its outputs only, and what that needs."""
    return circuit.pruned((circuit.outputs[output],))


def adding(circuit, output):
    """(theta, rest...) -> an output shaped like theta, as the step (theta, sum, rest...) -> (theta, sum +
    output)."""
    theta, *rest = circuit.inputs
    chosen = alone(circuit, output)
    return record(lambda theta, total, *rest: (theta, total + chosen(theta, *rest)), theta,
                  real(*theta.shape, name="sum"), *rest)


def stacked(examples):
    """Tuples of arrays as a list of arrays, one example a row."""
    return [np.stack(column) for column in zip(*examples)]


def blocks(members, size):
    """Members in groups of at most `size`."""
    members = np.asarray(members)
    return [members[first:first + size] for first in range(0, len(members), size)]
