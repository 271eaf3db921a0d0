"""Circuits applied again and again to a state: trainings, one block of directions or of plain trainings at a
time, forwards or backwards.

Every circuit of a recurrence has the inputs (state..., stored..., weights, data...) and the outputs
(state..., anything else). Step s replaces the state by what its circuit returns for it. Example weights are
linear in t: weight i is base_i + t line_i, where line_i is complex, one number per direction; plain trainings
have a weight per lane instead. Stored states are what another run has saved before each step, as the way back
through a training needs it. Everything else in a step is data: real or whole numbers, the same for all lanes.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from circuit import Circuit, CircuitError, DomainError

from .evaluate import checked_degree
from .explain import explain
from .form import LANES, TRAININGS, Form
from .linking import link
from .lowering.program import Builder
from .machine import (NO_RECORDS, NOTHING, STATE, STATE_COUNT, STEP_WIDTH, STORED_COUNT, STORED_MOVING,
                      WRITTEN_COUNT, Records, StepTable, Weights, run)
from .polynomial import to_lanes


@dataclass(frozen=True)
class Step:
    """One step of a recurrence.

    Attributes
    ----------
    circuit : int
        Which of the recurrence's circuits is applied.
    weights : np.ndarray
        int64: the numbers of the example weights that enter the step.
    data : tuple
        The other inputs: arrays of real or whole numbers.

    Examples
    --------
    Circuit 0 with the weights of examples 4 and 7, and a minibatch of data:

    >>> import numpy as np
    >>> from taylor import Step
    >>> step = Step(0, np.array([4, 7]), (np.ones((2, 3)), np.array([0, 1])))
    """
    circuit: int
    weights: np.ndarray
    data: tuple


class Recurrence:
    """A sequence of steps, prepared for polynomials of one form.

    Parameters
    ----------
    circuits : sequence of Circuit
        The different circuits.
    steps : sequence of Step
        One per step.
    states : int
        How many leading inputs of a circuit, and leading outputs, are the state.
    degree : int or None
        The highest power of t kept. None stands for plain numbers: each lane is a calculation of its own,
        with a state and, usually, weights of its own.
    lanes : int, optional
        How many directions, or plain calculations, a block has side by side.
    stored : int
        How many inputs behind the state are read from stored states, `records` of another recurrence.
    constant : bool
        Whether stored states and weights are the same for all lanes (in plain numbers).
    writes : bool
        Whether the outputs behind the state are written out at every step.

    Raises
    ------
    CircuitError
        If circuits, steps and degree do not fit.

    Examples
    --------
    x <- x + 0.1 w x, three times, where the weight w of the first step is 1 + t:

    >>> import numpy as np
    >>> from circuit import real, record
    >>> from taylor import Recurrence, Step, from_lanes
    >>> circuit = record(lambda x, w, rate: x + rate * w.sum() * x, real(), real(1), real())
    >>> steps = [Step(0, np.array([i]), (0.1,)) for i in range(3)]
    >>> recurrence = Recurrence([circuit], steps, states=1, degree=3)
    >>> block = recurrence.block([1.0], base=np.ones(3), lines=np.array([[1.0, 0.0, 0.0]]))
    >>> block.run(0, 3)
    >>> block.constant(0).round(4).tolist(), from_lanes(block.coefficients(0), 1).real.round(4).tolist()
    ([1.331], [[[0.121], [0.0], [0.0]]])
    """

    def __init__(self, circuits: Sequence[Circuit], steps: Sequence[Step], states: int, degree: int | None,
                 lanes: int | None = None, *, stored: int = 0, constant: bool = False, writes: bool = False):
        if degree is None:
            self.form = Form(0, lanes or TRAININGS, shared=False)
        else:
            self.form = Form(checked_degree(degree), lanes or LANES)
        self.states, self.writes, self.given = states, writes, states + stored + 1
        builder = Builder(self.form, [x.shape for x in circuits[0].inputs[:states]])
        read = "constant stored" if constant else "stored"
        for circuit in circuits:
            kinds = [x.kind for x in circuit.inputs[self.given:]]
            builder.add(circuit, ["state"] * states + [read] * stored
                        + ["constant weights" if constant else "weights"] + kinds, writes)
        self.program = builder.build()
        self.functions = link(self.program)
        self.schedule = self._table(circuits, steps)

    def _table(self, circuits, steps):
        """The steps as a StepTable."""
        rows = np.concatenate([part.row for part in self.program.parts])
        data = {"real": Ribbon(np.float64), "integer": Ribbon(np.int64), "weights": Ribbon(np.int64)}
        starts = []
        for step in steps:
            inputs = circuits[step.circuit].inputs[self.given:]
            if len(step.data) != len(inputs):
                raise CircuitError(f"circuit {step.circuit}: expected {len(inputs)} data inputs, got "
                                   f"{len(step.data)}")
            given = {kind: [x for x, expected in zip(step.data, inputs) if expected.kind == kind]
                     for kind in ("real", "integer")}
            starts.append((step.circuit, data["real"].add(given["real"]),
                           data["integer"].add(given["integer"]), data["weights"].add([step.weights])))
        return StepTable(rows, np.array(starts, np.int64).reshape(-1), data["real"].array(),
                         data["integer"].array(), data["weights"].array())

    def __len__(self) -> int:
        """How many steps there are."""
        return len(self.schedule.steps) // STEP_WIDTH

    @property
    def record(self) -> int:
        """How many numbers a stored state has."""
        return self.widths[0]

    @property
    def widths(self) -> tuple[int, int, int]:
        """How many numbers are saved, read and written at a step; see Records."""
        row, form = self.program.parts[0].row, self.form
        each = form.width + form.shared
        read = each if row[STORED_MOVING] else 1
        return int(row[STATE_COUNT] * each), int(row[STORED_COUNT] * read), int(row[WRITTEN_COUNT] * each)

    def check_records(self, records: Records, begin: int, end: int) -> None:
        """Raise CircuitError unless records are arrays that steps begin..end can read and write.

        Parameters
        ----------
        records : Records
            Arrays of float64 whose rows follow each other in memory.
        begin, end : int
            Numbers of steps.
        """
        for name, array, width in zip(records._fields[1:], records[1:], self.widths):
            if array is None:
                continue
            if array.dtype != np.float64 or not array.flags.c_contiguous or array.shape[1:] != (width,):
                raise CircuitError(f"records {name}: expected float64 of shape (steps, {width}), row by row, "
                                   f"got {array.dtype} of shape {array.shape}, strides {array.strides}")
            if not records.first <= begin or end - records.first > len(array):
                last = records.first + len(array)
                raise CircuitError(f"records {name} of steps {records.first} to {last} do "
                                   f"not hold steps {begin} to {end}")

    def block(self, state: Sequence[ArrayLike], base: ArrayLike, lines: ArrayLike | None = None,
              first: int = 0, count: int | None = None) -> "Block":
        """Return a Block at the start of the recurrence.

        Parameters
        ----------
        state : sequence of array_like
            The constant parts of the state; in plain numbers (elements,), or (count, elements) where each
            lane has its own.
        base : array_like
            The constant parts of the n weights: (n,); in plain numbers (count, n), with at most as many rows
            as lanes, or (n,) where all lanes have the same.
        lines : array_like, optional
            What multiplies t in the weights: complex, (directions, n), with at most as many directions as
            lanes.
        first : int
            The number of its first direction or training, for messages.
        count : int, optional
            How many lanes are used, where neither base nor lines say it.

        Returns
        -------
        Block
            Its memory; `run` takes it through the steps.
        """
        return Block(self, state, base, lines, first, count)


class Ribbon:
    """Arrays end to end in one; equal ones given as the same objects are stored once."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.pieces = []
        self.starts = {}      # ids of the arrays -> (where they start, the arrays)
        self.size = 0

    def add(self, arrays):
        """Append arrays; return where they start."""
        key = tuple(id(x) for x in arrays)
        if key not in self.starts:
            piece = np.concatenate([np.zeros(0, self.dtype)]
                                   + [np.ravel(x).astype(self.dtype) for x in arrays])
            self.starts[key] = (self.size, arrays)      # holding the arrays keeps their ids from being reused
            self.pieces.append(piece)
            self.size += piece.size
        return self.starts[key][0]

    def array(self):
        """All arrays, and a zero behind them, so that an empty ribbon has an address too."""
        return np.concatenate(self.pieces + [np.zeros(1, self.dtype)])


class Block:
    """The state of one block of directions, or of plain calculations, between two steps of a recurrence.

    The parameters are those of `Recurrence.block`.
    """

    def __init__(self, recurrence, state, base, lines, first, count):
        self.recurrence, self.program, self.first = recurrence, recurrence.program, first
        form, base = recurrence.form, np.asarray(base, float)
        if not count:
            count = len(base) if not form.shared else 1 if lines is None else len(lines)
        self.count = count
        if not 1 <= self.count <= form.lanes:
            raise CircuitError(f"{self.count} {'directions' if form.shared else 'trainings'} for a block of "
                               f"{form.lanes} lanes")
        self.memory = self.program.memory()
        self.lanes = self.program.lanes(self.memory)
        self.spots = [spots.ravel() for spots in self.program.parts[0].inputs[:recurrence.states]]
        for i, value in enumerate(state):
            self.set_state(i, value)
        self.weights = self._weights(base, lines)

    def _weights(self, base, lines):
        """The example weights as the machine takes them."""
        form = self.recurrence.form
        if form.shared:
            if form.degree == 0 or lines is None:
                return Weights(np.array(base), np.zeros(0))
            return Weights(np.array(base), to_lanes(np.asarray(lines, complex)[:, None], form.lanes))
        if base.ndim == 1:
            return Weights(np.array(base), np.repeat(base, form.lanes))
        stored = np.repeat(base[:1].T, form.lanes, axis=1)      # unused lanes do what the first one does
        stored[:, :self.count] = base.T
        return Weights(np.ones(base.shape[1]), stored.ravel())

    def set_state(self, i: int, constant: ArrayLike, stored: np.ndarray | None = None) -> None:
        """Set state tensor i.

        Parameters
        ----------
        i : int
            Its number.
        constant : array_like
            Its constant part, (elements,); in plain numbers also (count, elements).
        stored : np.ndarray, optional
            Its coefficients, (elements, degree, 2, lanes), see `to_lanes`; zero by default.
        """
        spots, form = self.spots[i], self.recurrence.form
        if form.shared:
            self.memory.constants[spots] = np.ravel(constant)
            self.lanes[spots] = 0.0 if stored is None else stored
        elif np.ndim(constant) == 2 and len(constant) == self.count and np.shape(constant)[1] == len(spots):
            self.lanes[spots, :self.count] = np.transpose(constant)
            self.lanes[spots, self.count:] = np.transpose(constant)[:, :1]
        else:
            self.lanes[spots] = np.reshape(constant, (-1, 1))

    def constant(self, i: int) -> np.ndarray:
        """The constant part of state tensor i: (elements,), or (count, elements) where each lane has its
        own."""
        if self.recurrence.form.shared:
            return self.memory.constants[self.spots[i]]
        return self.lanes[self.spots[i], :self.count].T

    def coefficients(self, i: int) -> np.ndarray:
        """The stored coefficients of state tensor i, a view: (elements, degree, 2, lanes), see
        `from_lanes`."""
        spots = self.spots[i]
        return self.lanes[spots[0]:spots[0] + len(spots)] if len(spots) else self.lanes[:0]

    def run(self, begin: int, end: int, look_closely: bool = False, clock: np.ndarray = NOTHING, *,
            backwards: bool = False, records: Records = NO_RECORDS) -> None:
        """Take the block through steps begin..end (exclusive).

        Parameters
        ----------
        begin, end : int
            Numbers of steps.
        look_closely : bool
            Whether every result is checked at once. Otherwise that happens after an error, from `begin` on,
            so that the first bad gate is named.
        clock : np.ndarray
            (operations,) int64: each operation's time, in the processor's ticks, is added to it. None is
            measured if it is empty.
        backwards : bool
            Whether the last step is taken first.
        records : Records
            Stored states that are read or saved, and outputs that are written out.

        Raises
        ------
        DomainError
            Naming step, gate and direction; `error.step` is the step's number.
        """
        recurrence = self.recurrence
        if not 0 <= begin <= end <= len(recurrence):
            raise CircuitError(f"steps {begin} to {end} of a recurrence with {len(recurrence)} steps")
        recurrence.check_records(records, begin, end)

        def attempt(closely):
            return run(self.program, recurrence.functions, self.memory, recurrence.schedule, (begin, end),
                       weights=self.weights, records=records, backwards=backwards, closely=closely,
                       clock=clock)

        before = None if look_closely else self.record
        wrong, step, instruction, element = attempt(look_closely)
        rows = slice(begin - records.first, end - records.first)
        written = records.written is None or np.isfinite(records.written[rows]).all()
        if not look_closely and (wrong or not written or not self.finite()):
            self.record = before
            wrong, step, instruction, element = attempt(True)
        if wrong:
            error = DomainError(explain(self.program, self.memory, instruction, element, wrong, self.first))
            error.step = step
            raise error

    @property
    def record(self) -> np.ndarray:
        """The whole state as one vector, as a run saves it: the constant parts, where lanes share them, then
        the lanes."""
        constants, lanes = self._state
        return np.concatenate([constants, lanes.ravel()])

    @record.setter
    def record(self, row: np.ndarray) -> None:
        constants, lanes = self._state
        constants[:] = row[:constants.size]
        lanes[:] = np.reshape(row[constants.size:], lanes.shape)

    @property
    def _state(self):
        """Views of the state in the memory: constant parts (none where lanes do not share them), and
        lanes."""
        first, count = self.program.parts[0].row[STATE], self.program.parts[0].row[STATE_COUNT]
        shared = count if self.recurrence.form.shared else 0
        return self.memory.constants[first:first + shared], self.lanes[first:first + count]

    def finite(self) -> bool:
        """Whether every number of the state is finite."""
        return all(np.isfinite(x).all() for x in self._state)
