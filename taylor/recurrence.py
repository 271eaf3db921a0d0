"""Circuits applied again and again to a state: trainings in polynomials, one block of directions at a time.

Every circuit of a recurrence has the inputs (state..., weights, data...) and the outputs (state..., anything
else). Step s replaces the state by what its circuit returns for it. Example weights are linear in t: weight i
is base_i + t line_i, where line_i is complex, one number per direction. Everything else in a step is data:
real or whole numbers, the same for all directions.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from circuit import Circuit, CircuitError, DomainError

from . import kernels as k
from .evaluate import LANES, checked_degree
from .machine import Forms, StepTable, ready, repeat
from .polynomial import to_lanes
from .program import Builder

TRAININGS = 16
"""Plain trainings side by side in a block."""

NO_CLOCK = np.zeros(0, np.int64)


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
        The highest power of t kept. None stands for trainings in plain numbers, each lane with weights of its
        own.

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

    def __init__(self, circuits: Sequence[Circuit], steps: Sequence[Step], states: int, degree: int | None):
        if degree is None:
            self.forms = Forms.of(0, TRAININGS, shared=False)
        else:
            self.forms = Forms.of(checked_degree(degree), LANES)
        self.form, self.states = self.forms.block, states
        ready(self.forms)
        builder = Builder(self.form, [x.shape for x in circuits[0].inputs[:states]])
        for circuit in circuits:
            kinds = [x.kind for x in circuit.inputs[states + 1:]]
            builder.add(circuit, ["state"] * states + ["weights"] + kinds)
        self.program = builder.build()
        self.schedule = self._table(circuits, steps)

    def _table(self, circuits, steps):
        """The steps as a StepTable."""
        rows = np.array([part.row for part in self.program.parts]).reshape(-1, 8)
        data = {"real": Ribbon(np.float64), "integer": Ribbon(np.int64), "weights": Ribbon(np.int64)}
        starts = []
        for step in steps:
            inputs = circuits[step.circuit].inputs[self.states + 1:]
            if len(step.data) != len(inputs):
                raise CircuitError(f"circuit {step.circuit}: expected {len(inputs)} data inputs, got "
                                   f"{len(step.data)}")
            given = {kind: [x for x, expected in zip(step.data, inputs) if expected.kind == kind]
                     for kind in ("real", "integer")}
            starts.append((step.circuit, data["real"].add(given["real"]),
                           data["integer"].add(given["integer"]), data["weights"].add([step.weights])))
        return StepTable(rows, np.array(starts, np.int64).reshape(-1, 4), data["real"].array(),
                         data["integer"].array(), data["weights"].array())

    def block(self, state: Sequence[ArrayLike], base: ArrayLike, lines: ArrayLike | None = None,
              first: int = 0) -> "Block":
        """Return a Block at the start of the recurrence.

        Parameters
        ----------
        state : sequence of array_like
            The constant parts of the state.
        base : array_like
            The constant parts of the n weights: (n,); for trainings in plain numbers (trainings, n), with at
            most as many trainings as lanes.
        lines : array_like, optional
            What multiplies t in the weights: complex, (directions, n), with at most as many directions as
            lanes.
        first : int
            The number of its first direction or training, for messages.

        Returns
        -------
        Block
            Its memory; `run` takes it through the steps.
        """
        return Block(self, state, base, lines, first)


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
    """The state of one block of directions, or of trainings in plain numbers, between two steps of a
    recurrence.

    The parameters are those of `Recurrence.block`.
    """

    def __init__(self, recurrence, state, base, lines, first):
        self.recurrence, self.program, self.first = recurrence, recurrence.program, first
        form, base = recurrence.form, np.asarray(base, float)
        self.count = len(lines) if form.shared else len(base)
        if not 1 <= self.count <= form.lanes:
            raise CircuitError(f"{self.count} {'directions' if form.shared else 'trainings'} for a block of "
                               f"{form.lanes} lanes")
        self.memory = self.program.memory()
        self.spots = [spots.ravel() for spots in self.program.parts[0].inputs[:recurrence.states]]
        for spots, value in zip(self.spots, state):
            self.memory.constants.reshape(-1, self.program.each)[spots] = np.reshape(value, (-1, 1))
        if form.shared:
            constants = base
            stored = to_lanes(np.asarray(lines, complex)[:, None, :], form.lanes)
        else:
            constants = np.ones((base.shape[1], form.lanes))      # unused lanes train with weight 1
            constants[:, :self.count] = base.T
            stored = np.zeros(0)
        self.weights = k.Memory(np.ascontiguousarray(constants).ravel(), stored, *self.memory[2:])

    def constant(self, i: int) -> np.ndarray:
        """The constant part of state tensor i: (elements,), or (trainings, elements) where each has its
        own."""
        constants = self.memory.constants.reshape(-1, self.program.each)[self.spots[i]]
        return constants[:, 0] if self.recurrence.form.shared else constants[:, :self.count].T

    def coefficients(self, i: int) -> np.ndarray:
        """The stored coefficients of state tensor i, a view: (elements, degree, 2, lanes), see
        `from_lanes`."""
        form, spots = self.recurrence.form, self.spots[i]
        stored = self.memory.coefficients.reshape(self.program.active, form.degree, 2, form.lanes)
        return stored[spots[0]:spots[0] + len(spots)] if len(spots) else stored[:0]

    def run(self, begin: int, end: int, look_closely: bool = False, clock: np.ndarray = NO_CLOCK) -> None:
        """Take the block through steps begin..end (exclusive).

        Parameters
        ----------
        begin, end : int
            Numbers of steps.
        look_closely : bool
            Whether every result is checked, so that the first bad gate is found.
        clock : np.ndarray
            (operations,) int64: each operation's time, in the processor's ticks, is added to it. None is
            measured if it is empty.

        Raises
        ------
        DomainError
            Naming step, gate and direction; `error.step` is the step's number.
        """
        recurrence = self.recurrence
        wrong, step, instruction, element = repeat(
            recurrence.forms, self.memory, self.weights, self.program.tape, recurrence.schedule, begin, end,
            look_closely, clock)
        if wrong:
            error = DomainError(self.program.explain(self.memory, instruction, element, wrong, self.first))
            error.step = step
            raise error

    def finite(self) -> bool:
        """Whether every coefficient of the state is finite."""
        return all(np.isfinite(self.coefficients(i)).all() for i in range(len(self.spots)))
