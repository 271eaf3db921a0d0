"""A learning algorithm: everything that turns examples into parameters, fixed but for the examples' weights.

Step s takes the gradient of the mean over a batch of (weight of example i) x (loss on example i), plus a regulariser that no
deletion rescales, and gives it to an optimiser. Deleting an example sets its weight to 0 and changes nothing else: the step
still happens, the schedule goes on, the optimiser's moments decay (mode "zero-weight", the paper's).
"""
import pickle
from collections.abc import Hashable
from hashlib import sha256
from itertools import chain

import numpy as np

from circuit import CircuitError, DomainError, concatenate, evaluate, gradient, integer, real, record
from taylor import Recurrence, Step

from .parameters import Layout
from .terms import Sets


class LearnerError(CircuitError):
    """A learner that cannot be recorded, or does not keep what it promises."""


class Learner:
    """A learning algorithm, recorded.

    parameters   initial parameters: an array, or a dict of arrays by name
    examples     sequence of examples; each an array or a tuple of arrays, real or whole numbers
    loss         loss(parameters, *arrays) -> loss, written with the functions of `circuit`; see schedule
    optimizer    SGD, Momentum, Adam, or anything with their three methods
    schedule     which examples each step uses. (steps,) whole numbers: one example a step, given to `loss` as it is; the loss is
                 a scalar. (steps, batch): the batch's arrays are stacked along a leading axis; the loss is a vector (batch,).
    regularizer  regularizer(parameters) -> scalar, added to the mean loss; no deletion rescales it
    units        what is deleted: a label per example (its user, source, class). Without it each example is its own unit.
    all_units    every unit's label, in order, where some may have no example here; default: those that occur, sorted
    labels       names of the examples, for messages

    One circuit is recorded per shape of example; afterwards `loss` is not called again. Raises LearnerError, ShapeError, ...
    """

    def __init__(self, parameters, examples, loss, optimizer, schedule, *, regularizer=None, units=None, all_units=None,
                 labels=None):
        self.layout = Layout(parameters)
        self.loss, self.optimizer, self.regularizer = loss, optimizer, regularizer
        self.examples = [tuple(np.asarray(x) for x in (e if isinstance(e, tuple) else (e,))) for e in examples]
        self.schedule = self._checked_schedule(schedule)
        self.labels = None if labels is None else [str(x) for x in labels]
        self.units, self.unit_of = self._units(units, all_units)
        self._place = {label: i for i, label in enumerate(self.units)}
        self.states = [self.layout.initial] + [np.asarray(x, float) for x in optimizer.state(self.layout.size)]
        self.circuits, self._kinds, self._recurrences = [], {}, {}
        self.steps = self._steps()
        self.recipe = None      # how `deletion.recipe.make` makes this learner again, where it did

    def __getstate__(self):
        return self.__dict__ | {"_recurrences": {}}      # quicker to make again than to send

    # what a step is --------------------------------------------------------------------------------------------------

    def _checked_schedule(self, schedule):
        schedule = np.asarray(schedule)
        if not self.examples or schedule.size == 0:
            raise LearnerError("a learner needs at least one example and one step")
        if schedule.ndim not in (1, 2) or not np.issubdtype(schedule.dtype, np.integer):
            raise LearnerError(f"a schedule is (steps,) or (steps, batch) whole numbers, not {schedule.shape} {schedule.dtype}")
        if schedule.min() < 0 or schedule.max() >= len(self.examples):
            bad = schedule[(schedule < 0) | (schedule >= len(self.examples))][0]
            raise LearnerError(f"the schedule names example {bad}; there are examples 0 to {len(self.examples) - 1}")
        return schedule

    def _units(self, units, all_units):
        if units is None:
            return list(range(len(self.examples))), np.arange(len(self.examples))
        if len(units) != len(self.examples):
            raise LearnerError(f"{len(units)} unit labels for {len(self.examples)} examples")
        labels = np.unique(np.asarray(units)).tolist() if all_units is None else list(all_units)
        place = {label: i for i, label in enumerate(labels)}
        missing = [unit for unit in units if unit not in place]
        if missing or len(place) != len(labels):
            raise LearnerError(f"unit {missing[0]!r} is not among all_units" if missing else "all_units names a unit twice")
        return labels, np.array([place[unit] for unit in units])

    def _steps(self):
        steps, batches = [], {}
        for number, chosen in enumerate(self.schedule):
            key = chosen.tobytes()
            if key not in batches:      # equal batches share their arrays
                batches[key] = self._data(chosen)
            data, constants = batches[key], self.optimizer.constants(number, len(self.schedule))
            kind = tuple((x.shape, "integer" if np.issubdtype(x.dtype, np.integer) else "real") for x in data)
            if kind not in self._kinds:
                self._kinds[kind] = len(self.circuits)
                self.circuits.append(self._record(kind, len(constants)))
            steps.append(Step(self._kinds[kind], np.atleast_1d(chosen), (*(np.float64(c) for c in constants), *data)))
        return steps

    def _data(self, chosen):
        """The arrays of one step: those of the example, or of a batch, stacked."""
        if chosen.ndim == 0:
            return self.examples[int(chosen)]
        columns = list(zip(*(self.examples[i] for i in chosen)))
        if len({len(self.examples[i]) for i in chosen}) > 1 or any(len({x.shape for x in column}) > 1 for column in columns):
            raise LearnerError(f"examples {chosen.tolist()} have different shapes and cannot be one batch")
        return tuple(np.stack(column) for column in columns)

    def _record(self, kind, constants):
        """The circuit of one step: (theta, optimiser's state..., weights, constants..., data...) -> (theta, state...)."""
        inputs = [(real if k == "real" else integer)(*shape) for shape, k in kind]
        weights = real(*(self.schedule.shape[1:] or (1,)), name="weights")
        layout = self.layout

        def objective(*wires):
            pieces, weight, data = wires[:len(layout.shapes)], wires[len(layout.shapes)], wires[len(layout.shapes) + 1:]
            losses = self.loss(layout.form(list(pieces)), *data)
            self._check_loss(losses, weights.shape)
            total = (weight * losses).mean()
            return total if self.regularizer is None else total + self.regularizer(layout.form(list(pieces)))

        shapes = [real(*shape, name=name or "parameters") for name, shape in layout.shapes.items()]
        slope = gradient(record(objective, *shapes, weights, *inputs), wrt=range(len(shapes)))

        def step(theta, *rest):
            count = len(self.states) - 1
            state, weight, numbers, data = rest[:count], rest[count], rest[count + 1:count + 1 + constants], rest[count + 1 + constants:]
            gradients = slope(*layout.pieces(theta), weight, *data)[1:]
            theta, state = self.optimizer.update(theta, concatenate([g.reshape(-1) for g in gradients]), state, numbers)
            return (theta, *state)

        states = [real(x.size, name=name) for name, x in zip(["theta"] + ["state"] * len(self.states), self.states)]
        return record(step, *states, weights, *[real() for _ in range(constants)], *inputs)

    def _check_loss(self, losses, shape):
        wanted = shape if self.schedule.ndim == 2 else ()
        if getattr(losses, "shape", None) != wanted:
            raise LearnerError(f"the loss has shape {getattr(losses, 'shape', None)}, not {wanted}: " + (
                "with a schedule of batches it is one number per example of the batch" if wanted else
                "with one example a step it is a scalar (take the mean over tokens, say)"))

    # what is deleted -------------------------------------------------------------------------------------------------

    @property
    def example_count(self):
        return len(self.examples)

    @property
    def unit_count(self):
        return len(self.units)

    def unit_indices(self, deletion_set):
        """The numbers of the units in a deletion set: a unit's label, or several. Raises LearnerError for unknown or repeated ones."""
        return self.deletion_sets([[deletion_set] if isinstance(deletion_set, (str, int, np.integer)) else deletion_set]).units

    def deletion_sets(self, deletion_sets, weight=0.0):
        """Many deletion sets as Sets: a sequence of sequences of units' labels, or an array (sets, size).

        weight   what is left of the units' weight. Raises LearnerError for unknown units, and for repeated ones in a set.
        """
        if not np.isfinite(weight) or not 0.0 <= weight <= 1.0:
            raise LearnerError(f"a deleted unit keeps a weight from 0 to 1, not {weight}")
        if isinstance(deletion_sets, str) or any(isinstance(s, (str, int, np.integer)) for s in deletion_sets):
            raise LearnerError(f"deletion sets are a sequence of sets, each a sequence of units, such as [[{self.units[0]!r}]], not {deletion_sets!r:.60}")
        listed = [s.tolist() if isinstance(s, np.ndarray) else list(s) for s in deletion_sets]
        flat = [x.item() if isinstance(x, np.generic) else x for x in chain.from_iterable(listed)]
        units = np.array([self._number(x) for x in flat], np.int64)
        if units.min(initial=0) < 0:
            known = f"0 to {self.unit_count - 1}" if self.units == list(range(self.unit_count)) else ", ".join(map(repr, self.units[:30]))
            raise LearnerError(f"no unit {flat[units.argmin()]!r} to delete; the learner's units are {known}")
        starts = np.concatenate([[0], np.cumsum([len(s) for s in listed], dtype=np.int64)])
        inside = np.sort(np.repeat(np.arange(len(listed)), np.diff(starts)) * self.unit_count + units)
        if (inside[1:] == inside[:-1]).any():
            twice = inside[1:][inside[1:] == inside[:-1]][0] % self.unit_count
            raise LearnerError(f"unit {self.units[twice]!r} stands in a deletion set more than once")
        return Sets(starts, units, np.full(len(units), 1.0 - weight))

    def _number(self, label):
        """A unit's number by its label, -1 if there is none."""
        if isinstance(label, bool) and not isinstance(self.units[0], bool) or not isinstance(label, Hashable):
            return -1      # True is not unit 1
        return self._place.get(label, -1)

    def downweight(self, deletion_set, weight=0.0):
        """h, one number per unit: 1 - weight on the deletion set, 0 elsewhere. weight 0 deletes, 1 changes nothing."""
        if isinstance(deletion_set, (str, int, np.integer)):
            deletion_set = [deletion_set]
        return self.deletion_sets([deletion_set], weight).dense(self.unit_count)[0]

    def first_steps(self):
        """(units,): the step that first uses each unit; the number of steps for those never used."""
        first = np.full(self.unit_count, len(self.steps))
        for number in range(len(self.steps) - 1, -1, -1):
            first[self.unit_of[self.steps[number].weights]] = number
        return first

    def example_weights(self, downweight):
        """1 - h of each example's unit: (..., units) -> (..., examples)."""
        return 1.0 - np.asarray(downweight)[..., self.unit_of]

    # running it ------------------------------------------------------------------------------------------------------

    def train(self, weights=None, progress=None):
        """The trained state in plain floats: a list of arrays, the flat parameters first.

        weights   one per example, real or complex, or a batch of such vectors (b, examples): b trainings at once, each array
                  then with a leading axis. Default: ones, the ordinary training.
        """
        weights = np.ones(self.example_count) if weights is None else np.asarray(weights)
        if weights.ndim not in (1, 2) or weights.shape[-1] != self.example_count:
            raise LearnerError(f"weights of shape {weights.shape} for {self.example_count} examples")
        state = self.states
        if np.iscomplexobj(weights):
            state = [x.astype(complex) for x in state]
        for number, step in enumerate(self.steps):
            try:
                state = evaluate(self.circuits[step.circuit], [*state, weights[..., step.weights], *step.data])
            except DomainError as error:
                raise DomainError(f"{self.where(number)}: {error}") from None
            if progress is not None:
                progress(1)
        return list(state)

    def recurrence(self, degree):
        """The training made ready for polynomials of a degree."""
        if degree not in self._recurrences:
            self._recurrences[degree] = Recurrence(self.circuits, self.steps, len(self.states), degree)
        return self._recurrences[degree]

    def where(self, step):
        """'step 7 (example 12, 'anna')'"""
        names = [f"{i}" + (f", {self.labels[i]!r}" if self.labels else "") for i in self.steps[step].weights[:4]]
        more = ", ..." if len(self.steps[step].weights) > 4 else ""
        return f"step {step} (example {'; '.join(names)}{more})"

    def measurement(self, measure):
        """The circuit of a measurement: measure(parameters) -> scalar or vector, as a function of the flat parameters."""
        circuit = record(lambda theta: measure(self.layout.split(theta)), real(self.layout.size, name="theta"))
        if len(circuit.outputs) != 1:
            raise LearnerError("a measurement returns one scalar or vector; join several with concatenate")
        return circuit

    # what it promises ------------------------------------------------------------------------------------------------

    def fingerprint_parts(self):
        """Hashes of everything that decides the result, by what it is: circuits (model, loss, regulariser and optimiser), data,
        initial state, schedule, learning rates (all constants of the steps), units."""
        constants = [len(self.optimizer.constants(s, len(self.steps))) for s in range(len(self.steps))]
        known = {}      # arrays come round again every epoch: each is hashed once

        def hashed(x):
            if id(x) not in known:
                known[id(x)] = sha256(f"{x.shape} {x.dtype.str}".encode() + x.tobytes()).digest()
            return known[id(x)]

        contents = {
            "circuits": (c.fingerprint().encode() for c in self.circuits),
            "data": (hashed(x) for step, n in zip(self.steps, constants) for x in step.data[n:]),
            "initial state": (x.tobytes() for x in self.states),
            "schedule": (repr(step.circuit).encode() + step.weights.tobytes() for step in self.steps),
            "learning rates": (np.float64(x).tobytes() for step, n in zip(self.steps, constants) for x in step.data[:n]),
            "units": (repr(self.units).encode(), self.unit_of.tobytes())}
        parts = {}
        for name, pieces in contents.items():
            digest = sha256()
            for piece in pieces:
                digest.update(piece)
            parts[name] = digest.hexdigest()
        return parts

    def fingerprint(self):
        """A hash of everything that decides the result."""
        return sha256("".join(self.fingerprint_parts().values()).encode()).hexdigest()

    def check(self, steps=20):
        """Raise LearnerError unless the learner is deterministic, analytic along its first steps, and can be pickled.

        Deterministic: recording it again gives the same circuits. Analytic: a push of degree 1 through the first `steps` steps
        meets no kink and no NaN. Returns self.
        """
        again = Learner(self.layout.form(list(self.layout.pieces(self.layout.initial))), self.examples, self.loss, self.optimizer,
                        self.schedule, regularizer=self.regularizer)
        if [c.fingerprint() for c in again.circuits] != [c.fingerprint() for c in self.circuits]:
            raise LearnerError("recording the learner twice gave two different circuits: its loss is not deterministic (does it draw "
                               "random numbers, or read something that changes?)")
        block = self.recurrence(1).block(self.states, np.ones(self.example_count), np.ones((1, self.example_count), complex))
        try:
            block.run(0, min(steps, len(self.steps)), look_closely=True)
        except DomainError as error:
            raise LearnerError(f"{self.where(error.step)}: {error}") from None
        try:
            pickle.dumps(self)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise LearnerError(f"the learner cannot be pickled ({error}); write loss, regulariser and learning rate as functions at the "
                               "top of a module, not as lambdas or inside other functions") from None
        return self
