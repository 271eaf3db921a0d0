"""A learning algorithm: everything that turns examples into parameters, fixed but for the examples' weights.

Step s takes the gradient of the mean over a batch of (weight of example i) x (loss on example i), plus a
regulariser that no deletion rescales, and gives it to an optimiser. Deleting an example sets its weight to 0
and changes nothing else: the step still happens, the schedule goes on, the optimiser's moments decay (the
zero-weight sense, the paper's).
"""
import pickle
from functools import cached_property
from hashlib import sha256

import numpy as np

from circuit import DomainError, evaluate, real
from circuit.blas import one_blas_thread
from circuit.progress import Progress
from taylor import Recurrence, Step

from circuit.errors import LearnerError
from circuit.checks import checked_function, kind_of, real_array, real_number
from .examples import batch, checked_examples, checked_schedule, named
from .optimizers import checked_optimizer
from .parameters import Layout
from .recording import changing, check_loss, checked_penalty, recorded, recorded_step
from .retrain import train_block
from .units import Units


class Learner:
    """A learning algorithm, recorded.

    parameters   initial parameters: an array, or a dict of arrays by name
    examples     sequence of examples; each an array or a tuple of arrays, real or whole numbers
    loss         loss(parameters, *arrays) -> loss, written with the functions of `circuit`; see schedule
    optimizer    SGD, Momentum, Adam, or anything with their three methods
    schedule     which examples each step uses. (steps,) whole numbers: one example a step, given to `loss` as
                 it is; the loss is a scalar. (steps, batch): the batch's arrays are stacked along a leading
                 axis; the loss is a vector (batch,), each number of its own example alone (no batch
                 normalisation).
    regularizer  regularizer(parameters) -> scalar, added to the mean loss; no deletion rescales it
    units        what is deleted: a label per example (its user, source, class). Without it each example is
                 its own unit.
    all_units    every unit's label, in order, where some may have no example here; default: those that occur,
                 sorted
    labels       names of the examples: for messages and, where each is its own unit, for deletion sets

    One circuit is recorded per shape of example, twice; afterwards `loss` is not called again. Raises
    LearnerError for a loss, regulariser or optimiser that is not the same the second time, and for a loss
    that couples the examples of a batch; ShapeError, ...
    """

    def __init__(self, parameters, examples, loss, optimizer, schedule, *, regularizer=None, units=None,
                 all_units=None, labels=None):
        self.layout = Layout(parameters)
        self.loss, self.optimizer = loss, checked_optimizer(optimizer)
        self.regularizer = regularizer if regularizer is None else checked_function(regularizer,
                                                                                    "the regularizer", 1)
        self.labels = None if labels is None else [str(x) for x in labels]
        self.examples = checked_examples(examples, self.labels)
        self.schedule = checked_schedule(schedule, self.examples)
        self.grouping = Units(len(self.examples), units, all_units, self.labels)
        self.units, self.unit_of = self.grouping.labels, self.grouping.of
        self.states = [self.layout.initial] + [real_array(x, "the optimizer's state")
                                               for x in optimizer.state(self.layout.size)]
        self.circuits, self._kinds, self._recurrences = [], {}, {}
        self.separate = set()      # kinds of examples whose losses were seen not to act on each other
        self.steps = self._steps()
        self._kept = {}
        self.recipe = None      # how `deletion.recipe.make` makes this learner again, where it did

    def __repr__(self):
        units = "" if self.grouping.examples else f" in {self.unit_count:,} units"
        each = f" of {self.schedule.shape[1]:,}" if self.schedule.ndim == 2 else ""
        return (f"<learner: {self.example_count:,} examples{units}, {self.layout.size:,} parameters, "
                f"{len(self.steps):,} steps{each} by {self.optimizer!r:.60}>")

    def __getstate__(self):
        return self.__dict__ | {"_recurrences": {}, "_kept": {}}      # quicker to make again than to send

    # what a step is -----------------------------------------------------------------------------------------

    def named(self, i):
        """'example 12, 'anna''"""
        return named(i, self.labels)

    def _steps(self):
        steps, batches = [], {}
        for number, chosen in enumerate(self.schedule):
            key = chosen.tobytes()
            if key not in batches:      # equal batches share their arrays
                batches[key] = batch(self.examples, chosen)
            data, constants = batches[key], self._constants(number)
            if list(self.optimizer.constants(number, len(self.schedule))) != constants:
                raise changing(f"the learning rate, or another constant of the optimizer, at step {number}")
            kind = kind_of(data)
            if kind not in self._kinds:
                self._kinds[kind] = len(self.circuits)
                self.circuits.append(recorded_step(self, kind, len(constants)))
            steps.append(Step(self._kinds[kind], np.atleast_1d(chosen), (*map(np.float64, constants), *data)))
        return steps

    def _constants(self, step):
        """The optimiser's numbers at a step."""
        return [real_number(c, f"the optimizer's constants at step {step}")
                for c in self.optimizer.constants(step, len(self.schedule))]

    def penalty(self, parameters):
        """The regulariser of parameters in the form they were given in."""
        return checked_penalty(self.regularizer(parameters))

    def check_loss(self, losses, shape, data):
        """Raise LearnerError unless losses are those of one example, or of a batch, each of its own data."""
        check_loss(self, losses, shape, data)

    # what is deleted ----------------------------------------------------------------------------------------

    @property
    def example_count(self):
        return len(self.examples)

    @property
    def unit_count(self):
        return len(self.units)

    def unit_indices(self, deletion_set):
        """The numbers of the units in a deletion set: a unit's label, or several. Raises LearnerError for
        unknown or repeated ones."""
        return self.deletion_sets([self.grouping.listed(deletion_set)]).units

    def deletion_sets(self, deletion_sets, weight=0.0):
        """Many deletion sets as Sets: a sequence of sequences of units' labels, or an array (sets, size).

        Where every example is its own unit, a name that no other example has stands for it too.
        weight   what is left of the units' weight. Raises LearnerError for unknown units, and for repeated
                 ones in a set.
        """
        return self.grouping.sets(deletion_sets, weight)

    def downweight(self, deletion_set, weight=0.0):
        """h, one number per unit: 1 - weight on the deletion set, 0 elsewhere. weight 0 deletes, 1 changes
        nothing."""
        return self.deletion_sets([self.grouping.listed(deletion_set)], weight).dense(self.unit_count)[0]

    @cached_property
    def used(self):
        """(units,): whether any step uses an example of the unit. If none does, deletion changes nothing."""
        return np.isin(np.arange(self.unit_count), self.unit_of[np.unique(self.schedule)])

    def over_units(self, rows):
        """Numbers (k, used units), for the units that steps use, as (k, units), with zeros for the others."""
        spread = np.zeros((len(rows), self.unit_count), np.asarray(rows).dtype)
        spread[:, self.used] = rows
        return spread

    def first_steps(self):
        """(units,): the step that first uses each unit; the number of steps for those never used."""
        first = np.full(self.unit_count, len(self.steps))
        for number in range(len(self.steps) - 1, -1, -1):
            first[self.unit_of[self.steps[number].weights]] = number
        return first

    def example_weights(self, downweight):
        """1 - h of each example's unit: (..., units) -> (..., examples)."""
        return 1.0 - np.asarray(downweight)[..., self.unit_of]

    # running it ---------------------------------------------------------------------------------------------

    def train(self, weights=None, progress=True):
        """The trained state in plain floats: a list of arrays, the flat parameters first.

        weights   one per example, real or complex, or a batch of such vectors (b, examples): b trainings at
                  once, each array then with a leading axis. Default: ones, the ordinary training.
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
                    state = evaluate(self.circuits[step.circuit],
                                     [*state, weights[..., step.weights], *step.data])
                except DomainError as error:
                    raise DomainError(f"{self.where(number)}: {error}") from None
                report(1)
        return list(state)

    @cached_property
    def trained(self):
        """(parameters,): as trained, with every example, flat. They can be read but not written to."""
        self.recurrence(None)      # compiles before the clock starts
        with Progress(len(self.steps), "train") as report:
            # as retraining does it, so that deleting nothing changes no bit
            theta = train_block(self, np.ones((1, self.example_count)), report=report)[0]
        theta.flags.writeable = False
        return theta

    def parameters(self):
        """The parameters as trained, in the form they were given in: an array or a dict of arrays."""
        return self.layout.split(self.trained)

    def recurrence(self, degree):
        """The training made ready for polynomials of a degree."""
        if degree not in self._recurrences:
            self._recurrences[degree] = Recurrence(self.circuits, self.steps, len(self.states), degree)
        return self._recurrences[degree]

    def where(self, step):
        """'step 7 (example 12, 'anna')'"""
        names = [self.named(i).removeprefix("example ") for i in self.steps[step].weights[:4]]
        more = ", ..." if len(self.steps[step].weights) > 4 else ""
        return f"step {step} (example {'; '.join(names)}{more})"

    def measurement(self, measure):
        """The circuit of a measurement, measure(parameters) -> scalar or vector, of the flat parameters.

        Raises LearnerError for one that draws random numbers.
        """
        checked_function(measure, "a measurement", 1)
        theta = real(self.layout.size, name="theta")
        circuit = recorded(lambda theta: measure(self.layout.split(theta)), "the measurement", theta)
        if len(circuit.outputs) != 1:
            raise LearnerError("a measurement returns one scalar or vector; join several with concatenate")
        if circuit.kinds[circuit.outputs[0]] == "integer":
            raise LearnerError("a measurement of whole numbers does not move with the parameters. Measure a "
                               "loss, a log-probability, a logit " "or a margin")
        if 0 in circuit.shapes[circuit.outputs[0]]:
            raise LearnerError(
                f"a measurement of shape {circuit.shapes[circuit.outputs[0]]} measures nothing")
        return circuit

    def again(self, **changes):
        """A Learner recorded once more from the same fields, some of them changed: again(parameters=...,
        regularizer=...).

        Other units are all the units there are, unless all_units says more.
        """
        fields = {"parameters": self.layout.split(self.layout.initial), "examples": self.examples,
                  "loss": self.loss, "optimizer": self.optimizer, "schedule": self.schedule,
                  "regularizer": self.regularizer, "labels": self.labels}
        if not self.grouping.examples:
            fields["units"] = [self.units[i] for i in self.unit_of]
            fields["all_units"] = None if "units" in changes else self.units
        return Learner(**{**fields, **changes})

    # what it promises ---------------------------------------------------------------------------------------

    def fingerprint_parts(self):
        """Hashes of everything that decides the result, by what it is: circuits (model, loss, regulariser and
        optimiser), data, initial state, schedule, learning rates (all constants of the steps), units."""
        # how many
        constants = [len(step.data) - len(self.examples[step.weights[0]]) for step in self.steps]
        known = {}      # arrays come round again every epoch: each is hashed once

        def hashed(x):
            if id(x) not in known:
                known[id(x)] = sha256(f"{x.shape} {x.dtype.str}".encode() + x.tobytes()).digest()
            return known[id(x)]

        contents = {"circuits": (c.fingerprint().encode() for c in self.circuits),
                    "data": (hashed(x) for step, n in zip(self.steps, constants) for x in step.data[n:]),
                    "initial state": (x.tobytes() for x in self.states),
                    "schedule": (repr(step.circuit).encode() + step.weights.tobytes() for step in self.steps),
                    "learning rates": (np.float64(x).tobytes() for step,
                                       n in zip(self.steps, constants) for x in step.data[:n]),
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
        """Raise LearnerError unless the learner is deterministic, analytic at first, and can be pickled.

        Deterministic: recording it now, which repeats every check of the beginning, gives the circuits of the
        beginning. Analytic: a push of degree 1 through the first `steps` steps meets no kink and no NaN.
        Returns self.
        """
        if [c.fingerprint() for c in self.again().circuits] != [c.fingerprint() for c in self.circuits]:
            raise changing("the learner")
        block = self.recurrence(1).block(self.states, np.ones(self.example_count),
                                         np.ones((1, self.example_count), complex))
        try:
            block.run(0, min(steps, len(self.steps)), look_closely=True)
        except DomainError as error:
            raise LearnerError(f"{self.where(error.step)}: {error}") from None
        try:
            pickle.dumps(self)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise LearnerError(f"the learner cannot be pickled ({error}); write loss, regulariser and "
                               "learning rate as functions at the "
                               "top of a module, not as lambdas or inside other functions") from None
        return self
