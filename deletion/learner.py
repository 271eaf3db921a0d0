"""A learning algorithm: everything that turns examples into parameters, fixed but for the examples' weights.

Step s takes the gradient of the mean over a batch of (weight of example i) x (loss on example i), plus a regulariser that no
deletion rescales, and gives it to an optimiser. Deleting an example sets its weight to 0 and changes nothing else: the step
still happens, the schedule goes on, the optimiser's moments decay (the zero-weight sense, the paper's).
"""
import pickle
from functools import cached_property
from numbers import Real
from hashlib import sha256
from itertools import chain

import numpy as np

from circuit import DomainError, Wire, concatenate, evaluate, gradient, integer, real, record
from circuit.blas import one_blas_thread
from circuit.progress import Progress
from taylor import Recurrence, Step

from .checks import LearnerError, checked_function, checked_labels, data_array, hashable, in_order, iterable, real_array, real_number
from .optimizer import checked_optimizer
from .parameters import Layout
from .retrain import train_block
from .terms import Sets


class Learner:
    """A learning algorithm, recorded.

    parameters   initial parameters: an array, or a dict of arrays by name
    examples     sequence of examples; each an array or a tuple of arrays, real or whole numbers
    loss         loss(parameters, *arrays) -> loss, written with the functions of `circuit`; see schedule
    optimizer    SGD, Momentum, Adam, or anything with their three methods
    schedule     which examples each step uses. (steps,) whole numbers: one example a step, given to `loss` as it is; the loss is
                 a scalar. (steps, batch): the batch's arrays are stacked along a leading axis; the loss is a vector (batch,), each
                 number of its own example alone (no batch normalisation).
    regularizer  regularizer(parameters) -> scalar, added to the mean loss; no deletion rescales it
    units        what is deleted: a label per example (its user, source, class). Without it each example is its own unit.
    all_units    every unit's label, in order, where some may have no example here; default: those that occur, sorted
    labels       names of the examples, for messages

    One circuit is recorded per shape of example; afterwards `loss` is not called again. Raises LearnerError, ShapeError, ...
    """

    def __init__(self, parameters, examples, loss, optimizer, schedule, *, regularizer=None, units=None, all_units=None,
                 labels=None):
        self.layout = Layout(parameters)
        self.loss, self.optimizer = loss, checked_optimizer(optimizer)
        self.regularizer = regularizer if regularizer is None else checked_function(regularizer, "the regularizer", 1)
        self.labels = None if labels is None else [str(x) for x in labels]
        self.examples = self._checked_examples(examples)
        self.schedule = self._checked_schedule(schedule)
        self.units, self.unit_of = self._units(units, all_units)
        self._place = {label: i for i, label in enumerate(self.units)}
        self.states = [self.layout.initial] + [real_array(x, "the optimizer's state") for x in optimizer.state(self.layout.size)]
        self.circuits, self._kinds, self._recurrences = [], {}, {}
        self.steps = self._steps()
        self.recipe = None      # how `deletion.recipe.make` makes this learner again, where it did

    def __getstate__(self):
        return self.__dict__ | {"_recurrences": {}}      # quicker to make again than to send

    # what a step is --------------------------------------------------------------------------------------------------

    def _checked_examples(self, examples):
        """Every example as a tuple of arrays, copied: what a learner learns from does not change any more."""
        if not iterable(examples):
            raise LearnerError(f"examples are a sequence of arrays or tuples of arrays, not {examples!r:.60}")
        examples = [e if isinstance(e, tuple) else (e,) for e in examples]
        if self.labels is not None and len(self.labels) != len(examples):
            raise LearnerError(f"{len(self.labels)} labels for {len(examples)} examples")
        hint = " (a list: an example of several arrays is a tuple, such as (x, y))"
        return [tuple(data_array(x, self._named(i) + hint * isinstance(x, list)) for x in e) for i, e in enumerate(examples)]

    def _named(self, i):
        """'example 12, 'anna''"""
        return f"example {i}" + (f", {self.labels[i]!r}" if self.labels else "")

    def _checked_schedule(self, schedule):
        try:
            schedule = np.array(schedule)
        except ValueError:
            raise LearnerError("a schedule is (steps,) or (steps, batch) whole numbers, not rows of different lengths") from None
        schedule.flags.writeable = False
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
            if all_units is not None:
                raise LearnerError("all_units lists the units that examples may have: it needs units, a label per example")
            return list(range(len(self.examples))), np.arange(len(self.examples))
        units = checked_labels(units, "units")
        if len(units) != len(self.examples):
            raise LearnerError(f"{len(units)} unit labels for {len(self.examples)} examples")
        labels = in_order(units) if all_units is None else checked_labels(all_units, "all_units")
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
            data, constants = batches[key], self._constants(number)
            kind = tuple((x.shape, "integer" if np.issubdtype(x.dtype, np.integer) else "real") for x in data)
            if kind not in self._kinds:
                self._kinds[kind] = len(self.circuits)
                self.circuits.append(self._record(kind, len(constants)))
            steps.append(Step(self._kinds[kind], np.atleast_1d(chosen), (*map(np.float64, constants), *data)))
        return steps

    def _constants(self, step):
        """The optimiser's numbers at a step."""
        return [real_number(c, f"the optimizer's constants at step {step}") for c in self.optimizer.constants(step, len(self.schedule))]

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
        checked_function(self.loss, "the loss, of parameters and the arrays of an example,", 1 + len(kind))

        def objective(*wires):
            pieces, weight, data = wires[:len(layout.shapes)], wires[len(layout.shapes)], wires[len(layout.shapes) + 1:]
            losses = self.loss(layout.form(list(pieces)), *data)
            self.check_loss(losses, weights.shape)
            total = (weight * losses).mean()
            return total if self.regularizer is None else total + self.penalty(layout.form(list(pieces)))

        shapes = [real(*shape, name=name or "parameters") for name, shape in layout.shapes.items()]
        slope = gradient(record(objective, *shapes, weights, *inputs), wrt=range(len(shapes)))

        def step(theta, *rest):
            count = len(self.states) - 1
            state, weight, numbers, data = rest[:count], rest[count], rest[count + 1:count + 1 + constants], rest[count + 1 + constants:]
            gradients = slope(*layout.pieces(theta), weight, *data)[1:]
            updated = self.optimizer.update(theta, concatenate([g.reshape(-1) for g in gradients]), state, numbers)
            if not isinstance(updated, tuple) or len(updated) != 2 or not isinstance(updated[1], (tuple, list)):
                raise LearnerError(f"the optimizer's update returns (theta, state), state a tuple, not {updated!r:.100}")
            return (updated[0], *updated[1])

        states = [real(*x.shape, name=name) for name, x in zip(["theta"] + ["state"] * len(self.states), self.states)]
        circuit = record(step, *states, weights, *[real() for _ in range(constants)], *inputs)
        found, wanted = [circuit.shapes[i] for i in circuit.outputs], [x.shape for x in self.states]
        if found != wanted:
            raise LearnerError(f"the optimizer's update returns shapes {found} for theta and its state, which have shapes {wanted}")
        return circuit

    def penalty(self, parameters):
        """The regulariser of parameters in the form they were given in."""
        penalty = self.regularizer(parameters)
        if not isinstance(penalty, Real) and (not isinstance(penalty, Wire) or penalty.shape != ()):
            raise LearnerError(f"the regularizer returns one number, such as (w * w).sum(), not {penalty!r:.60}")
        return penalty

    def check_loss(self, losses, shape):
        """Raise LearnerError unless losses are those of a batch of `shape`, or of the one example of a step."""
        if not isinstance(losses, Wire):
            raise LearnerError(f"the loss does not depend on the parameters: it returns {losses!r:.60}")
        wanted = shape if self.schedule.ndim == 2 else ()
        if losses.shape != wanted:
            raise LearnerError(f"the loss has shape {losses.shape}, not {wanted}: " + (
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
        return self.deletion_sets([self._listed(deletion_set)]).units

    def _listed(self, deletion_set):
        """A deletion set as a sequence of labels; a label that is itself a tuple stands for one unit."""
        one = not iterable(deletion_set) or isinstance(deletion_set, tuple) and self._number(deletion_set) >= 0
        return [deletion_set] if one else deletion_set

    def deletion_sets(self, deletion_sets, weight=0.0):
        """Many deletion sets as Sets: a sequence of sequences of units' labels, or an array (sets, size).

        weight   what is left of the units' weight. Raises LearnerError for unknown units, and for repeated ones in a set.
        """
        weight = real_number(weight, "a deleted unit keeps a weight from 0 to 1", 0.0, 1.0)
        deletion_sets = list(deletion_sets) if iterable(deletion_sets) else deletion_sets
        if not isinstance(deletion_sets, list) or not all(iterable(s) for s in deletion_sets):
            raise LearnerError(f"deletion sets are a sequence of sets, each a sequence of units, such as [[{self.units[0]!r}]], not {deletion_sets!r:.60}")
        listed = [s.tolist() if isinstance(s, np.ndarray) else list(s) for s in deletion_sets]
        flat = list(chain.from_iterable(listed))
        plain = set(map(type, flat)) <= {int, str}      # most often; then all are looked up at once
        units = np.array([self._place.get(x, -1) for x in flat] if plain else [self._number(x) for x in flat], np.int64)
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
        label = label.item() if isinstance(label, np.generic) else label
        if isinstance(label, bool) and not isinstance(self.units[0], bool) or not hashable(label):
            return -1      # True is not unit 1
        return self._place.get(label, -1)

    def downweight(self, deletion_set, weight=0.0):
        """h, one number per unit: 1 - weight on the deletion set, 0 elsewhere. weight 0 deletes, 1 changes nothing."""
        return self.deletion_sets([self._listed(deletion_set)], weight).dense(self.unit_count)[0]

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

    def train(self, weights=None, progress=True):
        """The trained state in plain floats: a list of arrays, the flat parameters first.

        weights   one per example, real or complex, or a batch of such vectors (b, examples): b trainings at once, each array
                  then with a leading axis. Default: ones, the ordinary training.
        progress  False prints nothing on stderr
        """
        weights = np.ones(self.example_count) if weights is None else np.asarray(weights)
        if weights.ndim not in (1, 2) or weights.shape[-1] != self.example_count:
            raise LearnerError(f"weights of shape {weights.shape} for {self.example_count} examples")
        state = self.states
        if np.iscomplexobj(weights):
            state = [x.astype(complex) for x in state]
        with Progress(len(self.steps), "train", progress) as report, one_blas_thread():
            for number, step in enumerate(self.steps):
                try:
                    state = evaluate(self.circuits[step.circuit], [*state, weights[..., step.weights], *step.data])
                except DomainError as error:
                    raise DomainError(f"{self.where(number)}: {error}") from None
                report(1)
        return list(state)

    @cached_property
    def trained(self):
        """(parameters,): the parameters as trained, with every example. They can be read but not written to."""
        self.recurrence(None)      # compiles before the clock starts
        with Progress(len(self.steps), "train") as report:
            # as retraining does it, so that deleting nothing changes no bit
            theta = train_block(self, np.ones((1, self.example_count)), report=report)[0]
        theta.flags.writeable = False
        return theta

    def recurrence(self, degree):
        """The training made ready for polynomials of a degree."""
        if degree not in self._recurrences:
            self._recurrences[degree] = Recurrence(self.circuits, self.steps, len(self.states), degree)
        return self._recurrences[degree]

    def where(self, step):
        """'step 7 (example 12, 'anna')'"""
        names = [self._named(i).removeprefix("example ") for i in self.steps[step].weights[:4]]
        more = ", ..." if len(self.steps[step].weights) > 4 else ""
        return f"step {step} (example {'; '.join(names)}{more})"

    def measurement(self, measure):
        """The circuit of a measurement: measure(parameters) -> scalar or vector, as a function of the flat parameters."""
        checked_function(measure, "a measurement", 1)
        circuit = record(lambda theta: measure(self.layout.split(theta)), real(self.layout.size, name="theta"))
        if len(circuit.outputs) != 1:
            raise LearnerError("a measurement returns one scalar or vector; join several with concatenate")
        if circuit.kinds[circuit.outputs[0]] == "integer":
            raise LearnerError("a measurement of whole numbers does not move with the parameters. Measure a loss, a log-probability, a logit "
                               "or a margin")
        if 0 in circuit.shapes[circuit.outputs[0]]:
            raise LearnerError(f"a measurement of shape {circuit.shapes[circuit.outputs[0]]} measures nothing")
        return circuit

    def again(self, **changes):
        """A Learner recorded once more from the same fields, some of them changed: again(parameters=..., regularizer=...).

        Other units are all the units there are, unless all_units says more.
        """
        fields = {"parameters": self.layout.split(self.layout.initial), "examples": self.examples, "loss": self.loss, "optimizer": self.optimizer,
                  "schedule": self.schedule, "regularizer": self.regularizer, "units": [self.units[i] for i in self.unit_of],
                  "all_units": None if "units" in changes else self.units, "labels": self.labels}
        return Learner(**{**fields, **changes})

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
        if [c.fingerprint() for c in self.again().circuits] != [c.fingerprint() for c in self.circuits]:
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
