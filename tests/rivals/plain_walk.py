"""The slow twins of the compiled walks: a training in the numbers of NumPy, one gate and one step at a time,
there and back. deletion/gradients/walk.py says what a walk promises."""
import numpy as np

import taylor
from circuit import DomainError, evaluate
from deletion.gradients.circuits import backward_circuit, removals
from deletion.learner.replay import PlainTraining
from taylor import Polynomial


class PlainWalk:
    """A walk with real or complex weights: (examples,), or (bases, examples) with states of their own."""

    def __init__(self, learner, weights, finite=False):
        self.training, self.finite = PlainTraining(learner, weights), finite
        self.circuits = [backward_circuit(learner, i, finite) for i in range(len(learner.circuits))]
        batches = learner.schedule.shape[1:] not in ((), (1,))
        self.removals = removals(learner) if finite and batches else None
        lanes, item = np.prod(weights.shape[:-1], dtype=int), np.result_type(weights, float).itemsize
        self.record_bytes = int(lanes) * item * sum(x.size for x in learner.states)

    @property
    def record(self):
        return self.training.state

    @record.setter
    def record(self, state):
        self.training.state = self.training.outputs = list(state)

    @property
    def parameters(self):
        return self.training.state[0]

    def forward(self, first, last, keep=False):
        """Take steps; return the states before them if `keep`."""
        records = []
        for number in range(first, last):
            records += [self.training.state] * keep
            self.training.run(number, number + 1)
        return records

    def release(self, records):
        """Nothing is used again."""

    def back(self, cotangent):
        """Return a walk back."""
        zeros = [np.zeros((len(cotangent),) + x.shape) for x in self.training.learner.states[1:]]
        return PlainBack(self, [cotangent, *zeros])


class PlainBack:
    """The way back of a PlainWalk, which is not changed."""

    def __init__(self, walk, cotangents):
        self.walk, self.cotangents, self.learner = walk, cotangents, walk.training.learner

    def run(self, first, last, records):
        """Go back through steps; return (slopes, finite)."""
        slopes, finite = [], []
        for number in reversed(range(first, last)):
            try:
                slope, own = self.step(number, records[number - first])
            except DomainError as error:
                located = DomainError(f"on the way back, {error}")
                located.step = number
                raise located from None
            slopes.append(slope)
            finite.append(own)
        return np.stack(slopes[::-1], axis=1), np.stack(finite[::-1], axis=1) if self.walk.finite else None

    def step(self, number, state):
        """Go back through one step; return its (slopes, finite steps), each (lanes, b)."""
        step, moving, lanes = self.learner.steps[number], len(self.learner.states), len(self.cotangents[0])
        inputs, circuit = self.walk.training.inputs(number, state), self.walk.circuits[step.circuit]
        outputs = evaluate(circuit, [*self.cotangents, *inputs])
        shapes = [circuit.shapes[i] for i in circuit.outputs]
        *cotangents, slopes = [np.broadcast_to(y, (lanes,) + shape)
                               for y, shape in zip(outputs, shapes[:moving + 1])]
        own = None
        if self.walk.removals:
            own = self.removed(number, [*state, outputs[moving + 1]], outputs[moving + 2:], slopes)
        elif self.walk.finite:
            own = np.broadcast_to(outputs[-1], (lanes, 1))
        self.cotangents = cotangents
        return slopes, own

    def removed(self, number, before, behind, slopes):
        """Return the finite steps of a batch: at each unit's first place, else 0."""
        own, walk = np.zeros_like(slopes), self.walk
        for place, step in walk.removals.of(number):
            weights = walk.training.weights[..., step.weights]
            without = evaluate(walk.removals.circuits[step.circuit], [*before, weights, *step.data])
            own[:, place] = sum((c * (x - y)).sum(axis=-1)
                                for c, x, y in zip(self.cotangents, without, behind))
        return own


class PlainSeriesWalk:
    """A walk in polynomials: the weight of example i is 1 + t line_i, one line (examples,) a direction."""

    def __init__(self, learner, lines, degree):
        self.learner, self.degree = learner, degree
        self.circuits = [backward_circuit(learner, i) for i in range(len(learner.circuits))]
        self.lines = np.zeros((len(lines), degree) + lines.shape[1:], complex)
        self.lines[:, :1] = lines[:, None][:, :degree]
        self.record = [self.polynomial(x) for x in learner.states]
        self.record_bytes = sum(x.constant.nbytes + x.coefficients.nbytes for x in self.record)

    def polynomial(self, constant):
        """Return an array as polynomials along all directions."""
        return Polynomial(constant, np.zeros(self.lines.shape[:2] + np.shape(constant), complex))

    @property
    def parameters(self):
        return self.record[0]

    def inputs(self, number, state):
        """Return the inputs of a step's circuit."""
        step = self.learner.steps[number]
        weights = Polynomial(np.ones(len(step.weights)), self.lines[..., step.weights])
        return [*state, weights, *step.data]

    def forward(self, first, last, keep=False):
        """Take steps; return the states before them if `keep`."""
        records = []
        for number in range(first, last):
            records += [self.record] * keep
            self.record = located(number, self.learner.circuits[self.learner.steps[number].circuit],
                                  self.inputs(number, self.record), self.degree)[:len(self.record)]
        return records

    def release(self, records):
        """Nothing is used again."""

    def back(self, cotangent):
        """Return a walk back."""
        return PlainSeriesBack(self, [cotangent, *(self.polynomial(np.zeros(x.shape))
                                                   for x in self.learner.states[1:])])


class PlainSeriesBack:
    """The way back in polynomials."""

    def __init__(self, walk, cotangents):
        self.walk, self.cotangents = walk, list(cotangents)

    def run(self, first, last, records):
        """Go back through steps; return (slopes, None)."""
        learner, slopes = self.walk.learner, []
        for number in reversed(range(first, last)):
            circuit = self.walk.circuits[learner.steps[number].circuit]
            inputs = [*self.cotangents, *self.walk.inputs(number, records[number - first])]
            *self.cotangents, by_weights = located(number, circuit, inputs, self.walk.degree,
                                                   "on the way back, ")
            slopes.append(np.moveaxis(by_weights.all_orders(), 1, -1))
        return np.stack(slopes[::-1], axis=1), None


def located(number, circuit, inputs, degree, where=""):
    """Evaluate a step's circuit in polynomials; an error has the step's number."""
    try:
        return list(taylor.evaluate(circuit, inputs, degree))
    except DomainError as error:
        named = DomainError(f"{where}{error}")
        named.step = number
        raise named from None
