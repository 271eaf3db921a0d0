"""What a training descends, as a function of its parameters: sums of losses, their gradients, and products
with their curvature.

    R(theta) = sum_i w_i l_i(theta) + n r(theta)          a sum over n examples, not a mean; no deletion
    rescales the regulariser r

n r(theta) because a learner adds r to the mean of its losses. Without weights each example counts once,
however often the schedule visits it: a training that visits some more often than others descends another sum,
and one that it never visits has a gradient here although its deletion changes nothing. Second derivatives are
pushes of the recorded gradient: along theta + t v its first Taylor coefficient is H v, and a complex
direction carries two real vectors. The Gauss-Newton matrix G = sum_i w_i J_i^T (grad^2_out l_i) J_i + n
grad^2 r needs the loss in two parts, a ModelLoss.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable

import numpy as np

from circuit import DomainError, constant_part, evaluate, gradient, integer, real, record
from circuit.blas import one_blas_thread
from circuit.progress import Progress
from taylor import LANES, Recurrence, Step

from circuit.errors import LearnerError
from circuit.checks import checked_learner, one_of, real_array

ROWS = 32
"""Examples in one evaluation of a loss that takes batches, when it is pushed: their polynomials then stay in
the cache."""

AT_ONCE = 512
"""Examples whose gradients are evaluated side by side in plain numbers."""

CURVATURES = ("hessian", "gauss-newton")


@dataclass(frozen=True)
class ModelLoss:
    """A loss in two parts, for methods that look at what the model says and not only at what it costs.

    outputs     outputs(parameters, *arrays) -> what the model says: any shape; with batches, one row per
                example
    criterion   criterion(outputs, *arrays) -> loss, convex in the outputs: a scalar; with batches, one number
                per example
    """
    outputs: Callable
    criterion: Callable

    def __post_init__(self):
        for name in ("outputs", "criterion"):
            if not callable(getattr(self, name)):
                raise LearnerError(
                    f"the {name} of a ModelLoss are functions, not {getattr(self, name)!r:.60}")

    def __call__(self, parameters, *arrays):
        return self.criterion(self.outputs(parameters, *arrays), *arrays)

    def said(self, parameters, arrays, rows=None):
        """The outputs, checked.   rows: of a batch; None: arrays are those of one example."""
        found = self.outputs(parameters, *arrays)
        if isinstance(found, (tuple, list)) or rows is not None and np.shape(found)[:1] != (rows,):
            shape = f"{len(found)} things" if isinstance(found, (tuple, list)) else f"shape {np.shape(found)}"
            raise LearnerError("the outputs of a ModelLoss are one array"
                               + (f", with a row for each of {rows} examples," * (rows is not None))
                               + f" not {shape}; join several with concatenate")
        return found


class Objective:
    """The sum of a learner's losses plus its regulariser. Weights are per example, (n,); without them every
    weight is 1."""

    def __init__(self, learner):
        self.learner, self.size, self.count = (checked_learner(learner), learner.layout.size,
                                               learner.example_count)
        self._recorded, self._recurrences = {}, {}
        self.kinds = {}      # shapes of an example -> numbers of the examples that have them
        for i, example in enumerate(learner.examples):
            kind = tuple((x.shape, "integer" if np.issubdtype(x.dtype, np.integer) else "real")
                         for x in example)
            self.kinds.setdefault(kind, []).append(i)
        if learner.regularizer is None:
            self._penalty = None
        else:
            penalty = record(lambda theta: learner.penalty(learner.layout.split(theta)) * float(self.count),
                             real(self.size, name="theta"))
            self._penalty = gradient(penalty, wrt=[0])

    # one evaluation at a time -------------------------------------------------------------------------------

    def value(self, theta, weights=None):
        """R(theta)."""
        losses, weights = self.losses(theta), self._weights(weights)
        return float(losses @ weights + (evaluate(self._penalty, [theta])[0] if self._penalty else 0.0))

    def losses(self, theta):
        """(n,): each example's loss, without weight or regulariser."""
        return self._each(theta, 0, ())

    def gradients(self, theta):
        """(n, parameters): each example's gradient, without weight or regulariser."""
        return self._each(theta, 1, (self.size,))

    def gradient(self, theta, weights=None, *, regularizer=True):
        """(parameters,): grad R.   regularizer: whether n grad r is part of it, as for products."""
        return self.slope(theta, weights, regularizer=regularizer)[1]

    @one_blas_thread()
    def slope(self, theta, weights=None, *, regularizer=True):
        """(R, grad R) by one evaluation; at parameters (b, parameters), b of each side by side."""
        theta, weights = real_array(theta, "parameters"), self._weights(weights)
        if theta.ndim == 2 and not self.batched:      # the batch axis is taken by the examples
            values, slopes = zip(*(self.slope(row, weights, regularizer=regularizer) for row in theta))
            return np.array(values), np.array(slopes)
        self._theta(theta[0] if theta.ndim == 2 and len(theta) else theta)
        value, total = np.zeros(theta.shape[:-1]), np.zeros(theta.shape)
        if self._penalty and regularizer:
            value, total = evaluate(self._penalty, [theta])
        for kind, members in self.kinds.items():
            if self.batched:      # all examples of a kind are one batch: matrix products do the sum
                found = evaluate(self._slope(kind, len(members)),
                                 [theta, weights[members], *self._data(members)])
                value, total = value + found[0], total + found[1]
                continue
            for chosen in blocks(members, AT_ONCE):
                found = evaluate(self._slope(kind, 1), [theta, weights[chosen, None], *self._data(chosen)])
                value, total = value + found[0].sum(axis=0), total + found[1].sum(axis=0)
        return value, total

    # curvature ----------------------------------------------------------------------------------------------

    def products(self, theta, vectors, weights=None, *, curvature="hessian", regularizer=True):
        """(k, parameters): the curvature of R at theta times each of k real vectors, by pushes of degree 1.

        curvature     "hessian", or "gauss-newton" for losses that are a ModelLoss
        regularizer   whether n grad^2 r is part of it: not where weights single out a deletion set

        Raises LearnerError for a loss without outputs, DomainError where a gate leaves its domain or stands
        on a kink.
        """
        theta, weights, vectors = self._theta(theta), self._weights(weights), real_array(vectors, "vectors")
        if vectors.ndim != 2 or vectors.shape[1] != self.size:
            raise LearnerError(
                f"vectors are (k, {self.size}), one row per product, not of shape {vectors.shape}")
        recurrence, base = self._recurrence(curvature), np.append(weights, float(regularizer))
        out, work = np.empty_like(vectors), partial(self._pushed, recurrence, theta, base)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            firsts = range(0, len(vectors), 2 * LANES)
            # starting a thread takes longer than a small product
            each = pool.map if len(firsts) > 1 else map
            for first, found in zip(firsts,
                                    each(work, [vectors[first:first + 2 * LANES] for first in firsts])):
                out[first:first + len(found)] = found
        return out

    def _pushed(self, recurrence, theta, base, vectors):
        """Products with at most 2 * LANES vectors: one block of complex directions."""
        steps, lanes = len(recurrence.schedule.steps), -(-len(vectors) // 2)
        block = recurrence.block([theta, np.zeros(self.size)], base, np.zeros((lanes, len(base))))
        inputs, results = (block.coefficients(i)[:, 0] for i in (0, 1))      # (parameters, 2, lanes) each
        inputs[:, 0, :lanes], inputs[:, 1, :len(vectors) - lanes] = vectors[:lanes].T, vectors[lanes:].T
        try:
            block.run(0, steps)
            if not block.finite():
                block.run(0, steps, look_closely=True)
        except DomainError as error:
            raise DomainError(f"the curvature at these parameters: {error}") from None
        return np.concatenate([results[:, 0, :lanes].T, results[:, 1, :len(vectors) - lanes].T])

    def matrix(self, theta, weights=None, **options):
        """(parameters, parameters): the curvature itself, symmetric to the bit; options as for products."""
        found = np.empty((self.size, self.size))
        with Progress(self.size, "curvature matrix") as report:
            for rows in blocks(np.arange(self.size), 256):
                found[rows] = self.products(theta, np.eye(self.size)[rows], weights, **options)
                report(len(rows))
        return 0.5 * (found + found.T)

    # how it is recorded -------------------------------------------------------------------------------------

    @property
    def batched(self):
        return self.learner.schedule.ndim == 2

    def _theta(self, theta):
        theta = real_array(theta, "parameters")
        if theta.shape != (self.size,):
            raise LearnerError(f"parameters are one flat vector ({self.size},), not of shape {theta.shape}")
        return theta

    def _weights(self, weights):
        weights = np.ones(self.count) if weights is None else real_array(weights, "weights")
        if weights.shape != (self.count,):
            raise LearnerError(f"weights are one per example ({self.count},), not of shape {weights.shape}")
        return weights

    def _data(self, chosen):
        """The arrays of examples, stacked along a leading axis."""
        return stacked([self.learner.examples[i] for i in chosen])

    @one_blas_thread()
    def _each(self, theta, output, shape):
        """An output of every example's slope circuit: examples are the batch axis of plain evaluation."""
        theta, found = self._theta(theta), np.empty((self.count,) + shape)
        for kind, members in self.kinds.items():
            for chosen in blocks(members, AT_ONCE):
                data = [x[:, None] for x in self._data(chosen)] if self.batched else self._data(chosen)
                found[chosen] = evaluate(self._slope(kind, 1),
                                         [theta, np.ones((len(chosen), 1)), *data])[output]
        return found

    def _inputs(self, kind, rows):
        lead = (rows,) if self.batched else ()
        return [(real if k == "real" else integer)(*lead, *shape) for shape, k in kind]

    def _slope(self, kind, rows):
        """(theta, weights (rows,), data...) -> (sum_i w_i l_i, its gradient)."""
        if (kind, rows) not in self._recorded:
            def total(theta, weights, *data):
                losses = self.learner.loss(self.learner.layout.split(theta), *data)
                self.learner.check_loss(losses, (rows,), data)      # no step may have seen this kind
                return (weights * losses).sum()
            inputs = [real(self.size, name="theta"), real(rows, name="weights"), *self._inputs(kind, rows)]
            self._recorded[kind, rows] = gradient(record(total, *inputs), wrt=[0])
        return self._recorded[kind, rows]

    def _linearized(self, kind, rows):
        """(theta, weights, data...) -> J(theta_0)^T grad_out l(f(theta)): its first coefficient along v is G
        v."""
        loss, layout, inputs = self.learner.loss, self.learner.layout, self._inputs(kind, rows)
        if not isinstance(loss, ModelLoss):
            raise LearnerError("the Gauss-Newton matrix needs the loss in two parts, what the model says "
                               "and what that costs: "
                               "give the learner deletion.ModelLoss(outputs, criterion) as its loss")
        theta, weights = real(self.size, name="theta"), real(rows, name="weights")
        model = record(lambda theta, *data: loss.said(layout.split(theta), data,
                                                      rows if self.batched else None), theta, *inputs)
        outputs = real(*model.shapes[model.outputs[0]], name="outputs")
        cost = gradient(record(lambda outputs, weights,
                               *data: (weights * loss.criterion(outputs, *data)).sum(), outputs, weights,
                               *inputs), wrt=[0])
        pull = gradient(record(lambda theta, outputs, *data: (model(theta, *data) * outputs).sum(), theta,
                               outputs, *inputs), wrt=[0])
        return record(lambda theta, weights,
                      *data: pull(constant_part(theta), cost(model(theta, *data), weights, *data)[1],
                                  *data)[1], theta, weights, *inputs)

    def _recurrence(self, curvature):
        """All examples and the regulariser, one after the other, add their gradients up: a recurrence of
        states (theta, sum)."""
        if one_of(curvature, "curvature", CURVATURES) not in self._recurrences:
            circuits, steps = [], []
            for kind, members in self.kinds.items():
                groups = blocks(members, ROWS if self.batched else 1)
                for rows in sorted({len(group) for group in groups}):
                    circuits.append(adding(self._slope(kind, rows), 1) if curvature == "hessian"
                                    else adding(self._linearized(kind, rows), 0))
                    steps += [Step(len(circuits) - 1, group, tuple(self._data(group)) if self.batched
                                   else self.learner.examples[group[0]])
                              for group in groups if len(group) == rows]
            if self._penalty:
                weighted = record(lambda theta, weight: self._penalty(theta)[1] * weight,
                                  self._penalty.inputs[0], real(1, name="weight"))
                circuits.append(adding(weighted, 0))
                steps.append(Step(len(circuits) - 1, np.array([self.count]), ()))
            self._recurrences[curvature] = Recurrence(circuits, steps, 2, 1)
        return self._recurrences[curvature]


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
