"""Walks through a training on the compiled engine; see `walk` for what they promise."""
import numpy as np

from circuit import DomainError, concatenate, real, record
from taylor import Polynomial, Records, Recurrence, Step, from_lanes, to_lanes

from ..learner.recording import recorded_gradient, recorded_update
from .circuits import backward_circuit, parts_of, removals, several

BASES = 8
"""Bases side by side in a block: a base takes as long as in blocks of 16, and few bases fill all cores."""


class Forward:
    """The way there of both kinds of walks.

    Parameters
    ----------
    block : taylor.Block
        Before the first step.
    """

    def __init__(self, block):
        self.block, self.record_bytes = block, 8 * block.recurrence.record
        self.spare = []      # arrays of records that were released

    @property
    def record(self):
        return self.block.record

    @record.setter
    def record(self, row):
        self.block.record = row

    def forward(self, first, last, keep=False):
        """Take steps; return the states before them if `keep`."""
        if not keep:
            self.spare = []      # a state will be held beside what is held: together no more than is allowed
            self.block.run(first, last)
            return []
        saved = self.rows(last - first)
        self.block.run(first, last, records=Records(first, saved=saved))
        return list(saved)

    def rows(self, count):
        """An array for so many records: one that was released, for which the system has memory already."""
        fitting = [x for x in self.spare if len(x) == count]
        self.spare = [x for x in self.spare if x is not fitting[0]] if fitting else []
        return fitting[0] if fitting else np.empty((count, self.block.recurrence.record))

    def release(self, records):
        """Use the memory of these records again."""
        arrays = [x.base for x in records if x.base is not None and x.base.ndim == 2]
        self.spare += {id(array): array for array in arrays}.values()


class CompiledWalk(Forward):
    """A walk in plain numbers: one training by itself, or several with a base in each lane.

    Parameters
    ----------
    learner : Learner
    weights : np.ndarray, (examples,) or (bases, examples)
    finite : bool
        Whether walks back return finite steps.
    """

    def __init__(self, learner, weights, finite=False):
        self.learner, self.weights, self.finite = learner, weights, finite
        recurrence = learner.recurrence(None, BASES) if weights.ndim == 2 else learner.recurrence(0)
        super().__init__(recurrence.block(learner.states, weights,
                                          count=len(weights) if weights.ndim == 2 else 1))

    @property
    def parameters(self):
        return self.block.constant(0)

    def back(self, cotangent):
        """Return a walk back."""
        return CompiledBack(self, cotangent)


class CompiledBack:
    """The way back.

    With one base the lanes are elements of the measurement, and one element alone takes no lanes; with
    several bases a lane holds a base.
    """

    def __init__(self, walk, cotangent):
        learner, weights = walk.learner, walk.weights
        self.learner, self.removals = learner, None
        self.several, self.constant = len(cotangent) > 1 or weights.ndim == 2, weights.ndim == 1
        lanes = None
        if self.several:      # of elements as many as are needed: 4, 8 or 16
            lanes = next(x for x in (4, 8, 16) if x >= len(cotangent)) if self.constant else BASES
        self.recurrence = backward_recurrence(learner, None if self.several else 0,
                                              self.several and self.constant, walk.finite, lanes)
        zeros = [np.zeros((len(cotangent),) + x.shape) for x in learner.states[1:]]
        self.block = self.recurrence.block([cotangent, *zeros], weights, count=len(cotangent))
        self.finite = walk.finite
        if walk.finite and learner.schedule.shape[1:] not in ((), (1,)):
            self.removals = RemovedSteps(learner, weights)

    def run(self, first, last, records):
        """Go back through steps; return (slopes, finite), each (lanes, steps, b)."""
        read = as_rows(records)
        if self.removals is None:
            written = self.back_through(first, last, read)
            return written[..., 0, :], (written[..., 1, :] if self.finite else None)
        slopes, finite = [], []
        for number in reversed(range(first, last)):
            behind = np.concatenate([self.block.constant(i).reshape(self.block.count, -1)
                                     for i in range(len(self.learner.states))], axis=1)
            row = read[number - first:number - first + 1]
            slopes.append(self.back_through(number, number + 1, row)[:, 0, 0])
            finite.append(self.removals.contributions(number, row[0], behind))
        return np.stack(slopes[::-1], axis=1), np.stack(finite[::-1], axis=1)

    def back_through(self, first, last, read):
        """Take steps back; return what they write: (lanes, steps, 1 or 2, b)."""
        size = self.learner.schedule.shape[1] if self.learner.schedule.ndim == 2 else 1
        outputs, lanes = 1 + (self.finite and self.removals is None), self.recurrence.form.lanes
        written = np.empty((last - first, outputs * size * (lanes if self.several else 1)))
        take_back(self.block, first, last, read, written)
        written = written.reshape(last - first, outputs, size, -1)
        return np.moveaxis(written, -1, 0)[:self.block.count]


def backward_recurrence(learner, degree, constant, finite, lanes=None):
    """Return the way back through a learner's training as a recurrence, whose state are the cotangents.

    `degree` None stands for plain numbers in lanes; `constant` says that the lanes share the states.
    """
    key = "backward recurrence", degree, constant, finite, lanes
    if key not in learner._kept:
        alone = learner.schedule.shape[1:] in ((), (1,))
        circuits = [backward_circuit(learner, i, finite and alone) for i in range(len(learner.circuits))]
        states = len(learner.states)
        learner._kept[key] = Recurrence(circuits, learner.steps, states, degree, lanes, stored=states,
                                        constant=constant, writes=True)
    return learner._kept[key]


def take_back(block, first, last, read, written):
    """Take a block back through steps, by their records; what they give is written out."""
    try:
        block.run(first, last, backwards=True, records=Records(first, read=read, written=written))
    except DomainError as error:
        located = DomainError(f"on the way back, {error}")
        located.step = error.step
        raise located from None


def as_rows(records):
    """Records as one array; without copying where they are rows of one that follow each other."""
    base, size = records[0].base, records[0].size
    if base is not None and base.ndim == 2 and all(x.base is base for x in records):
        starts = [(x.ctypes.data - base.ctypes.data) // (8 * size) for x in (records[0], records[-1])]
        if starts[1] - starts[0] == len(records) - 1:
            return base[starts[0]:starts[1] + 1]
    return np.stack(records)


# the finite steps of batches --------------------------------------------------------------------------------

class RemovedSteps:
    """The steps of a training without one unit of their batch after the other.

    They are a recurrence whose state is (the state before a step..., the gradient G of the whole batch). For
    each step there is first one that calculates G and writes out the state behind the step, then one for each
    unit in the batch, which writes out the state behind the step without the unit.

    Parameters
    ----------
    learner : Learner
    weights : np.ndarray, (examples,) or (bases, examples)
    """

    def __init__(self, learner, weights):
        self.learner, self.lanes = learner, weights.ndim == 2
        form = (None, BASES) if self.lanes else (0, None)
        self.recurrence, self.begins = removal_recurrence(learner, *form)
        self.count = len(weights) if self.lanes else 1
        self.size = sum(x.size for x in learner.states)
        self.block = self.recurrence.block([*learner.states, np.zeros(learner.layout.size)], weights,
                                           count=self.count)

    def contributions(self, number, row, behind):
        """Return the finite steps (lanes, b) of a step: at each unit's first place in the batch, else 0.

        `row` is the record of the state before the step, `behind` (lanes, state) the cotangents of the state
        behind it.
        """
        begin, end = self.begins[number], self.begins[number + 1]
        self.block.record = np.concatenate([row, self.block.record[row.size:]])
        written = np.empty((end - begin, self.size * (self.recurrence.form.lanes if self.lanes else 1)))
        self.block.run(begin, end, records=Records(begin, written=written))
        changes = written[1:] - written[0]
        if self.lanes:
            changes = changes.reshape(len(changes), self.size, -1)[..., :self.count]
            each = np.einsum("ls,usl->lu", behind, changes)
        else:
            each = behind @ changes.T
        places = [removal.place for removal in removals(self.learner).of(number)]
        finite = np.zeros((len(behind), len(self.learner.steps[number].weights)))
        finite[:, places] = each
        return finite


def removal_recurrence(learner, degree, lanes):
    """Return (the recurrence of RemovedSteps, where the steps of each step of the training begin)."""
    key = "removal recurrence", degree, lanes
    if key not in learner._kept:
        own = removals(learner)
        steps, begins = [], [0]
        for number, step in enumerate(learner.steps):
            steps.append(step)
            steps += [Step(len(learner.circuits) + x.step.circuit, x.step.weights, x.step.data)
                      for x in own.of(number)]
            begins.append(len(steps))
        circuits = [gradient_of_batch(learner, i) for i in range(len(learner.circuits))]
        circuits += [without_unit(learner, circuit) for circuit in own.circuits]
        recurrence = Recurrence(circuits, steps, len(learner.states) + 1, degree, lanes, writes=True)
        learner._kept[key] = recurrence, begins
    return learner._kept[key]


def gradient_of_batch(learner, number):
    """Return the circuit (state..., G, weights, constants..., data...) -> (state..., the batch's G, the state
    behind the step...)."""
    layout, moving = learner.layout, len(learner.states)
    constants, kind = parts_of(learner, number)
    slope, update = recorded_gradient(learner, kind), recorded_update(learner, constants)

    def step(*wires):
        (theta, *state), (_, weights, *rest) = wires[:moving], wires[moving:]
        pieces = list(layout.pieces(theta))
        descended = concatenate([x.reshape(-1) for x in slope(*pieces, weights, *rest[constants:])[1:]])
        return (theta, *state, descended, *several(update(theta, descended, *state, *rest[:constants])))

    circuit = learner.circuits[number]
    return record(step, *circuit.inputs[:moving], real(layout.size), *circuit.inputs[moving:])


def without_unit(learner, removal):
    """Return the circuit (state..., G, weights, constants..., share, arrays...) -> (state..., G, the state
    behind the step without a unit...), of a circuit of the removals."""
    moving = len(learner.states)

    def step(*wires):
        return (*wires[:moving + 1], *several(removal(*wires)))

    return record(step, *removal.inputs)


# series -----------------------------------------------------------------------------------------------------

class CompiledSeriesWalk(Forward):
    """A walk in polynomials: the weight of example i is 1 + t line_i, one line (examples,) a direction."""

    def __init__(self, learner, lines, degree):
        self.learner, self.lines, self.degree = learner, lines, degree
        block = learner.recurrence(degree).block(learner.states, np.ones(learner.example_count), lines)
        super().__init__(block)

    @property
    def parameters(self):
        return Polynomial(self.block.constant(0), from_lanes(self.block.coefficients(0), len(self.lines)))

    def back(self, cotangent):
        """Return a walk back."""
        return CompiledSeriesBack(self, cotangent)


class CompiledSeriesBack:
    """The way back in polynomials."""

    def __init__(self, walk, cotangent):
        learner, degree = walk.learner, walk.degree
        self.learner, self.count, self.degree = learner, len(walk.lines), degree
        self.recurrence = backward_recurrence(learner, degree, False, False)
        zeros = [np.zeros(x.shape) for x in learner.states[1:]]
        self.block = self.recurrence.block([cotangent.constant, *zeros], np.ones(learner.example_count),
                                           walk.lines)
        form = self.recurrence.form
        stored = to_lanes(cotangent.coefficients, form.lanes).reshape(learner.layout.size, *form.shape)
        self.block.set_state(0, cotangent.constant, stored)

    def run(self, first, last, records):
        """Go back through steps; return (slopes (directions, steps, b, degree + 1), None)."""
        size = self.learner.schedule.shape[1] if self.learner.schedule.ndim == 2 else 1
        form = self.recurrence.form
        written = np.empty((last - first, size * (1 + form.width)))
        take_back(self.block, first, last, as_rows(records), written)
        slopes = np.empty((self.count, last - first, size, self.degree + 1), complex)
        slopes[..., 0] = written[:, :size]
        stored = written[:, size:].reshape(last - first, size, *form.shape)
        slopes[..., 1:] = np.moveaxis(from_lanes(stored, self.count), 1, -1)
        return slopes, None
