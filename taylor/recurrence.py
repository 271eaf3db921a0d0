"""Circuits applied again and again to a state: a training, pushed through in polynomials one block of
directions at a time.

Every circuit of a recurrence has the inputs (state..., weights, data...) and the outputs (state..., anything
else). Step s takes the state and replaces it. Example weights are linear in t: weight i is base_i + t line_i,
line_i complex, one number per direction. Everything else in a step is data: real or whole numbers that no
direction moves.
"""
from dataclasses import dataclass

import numpy as np

from circuit import CircuitError, DomainError

from . import kernels as k
from .evaluate import LANES, checked_degree
from .machine import Forms, Schedule, ready, repeat
from .polynomial import to_lanes
from .program import Builder

TRAININGS = 16
"""Plain trainings side by side in a block."""

NO_CLOCK = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Step:
    """circuit: which of the circuits;   weights: the number of each example weight that enters;   data: the
    other inputs."""
    circuit: int
    weights: np.ndarray
    data: tuple


class Recurrence:
    """A sequence of steps, made ready for polynomials of one form.

    circuits   the different circuits;   steps: sequence of Step;   states: how many leading inputs are state
    degree     of the polynomials; or None for trainings in plain numbers, each lane with weights of its own
    """

    def __init__(self, circuits, steps, states, degree):
        plain = degree is None
        self.forms = Forms.of(0, TRAININGS,
                              shared=False) if plain else Forms.of(checked_degree(degree), LANES)
        self.form, self.states = self.forms.block, states
        ready(self.forms)
        builder = Builder(self.form, [x.shape for x in circuits[0].inputs[:states]])
        for circuit in circuits:
            kinds = [x.kind for x in circuit.inputs[states + 1:]]
            builder.add(circuit, ["state"] * states + ["weights"] + kinds)
        self.program = builder.build()
        self.schedule = self._schedule(circuits, steps)

    def _schedule(self, circuits, steps):
        rows = np.array([part.row for part in self.program.parts]).reshape(-1, 8)
        data = {"real": Ribbon(np.float64), "integer": Ribbon(np.int64), "weights": Ribbon(np.int64)}
        starts = []
        for step in steps:
            inputs = circuits[step.circuit].inputs[self.states + 1:]
            if len(step.data) != len(inputs):
                raise CircuitError(
                    f"{len(step.data)} data for the {len(inputs)} data inputs of circuit {step.circuit}")
            given = {kind: [x for x, want in zip(step.data, inputs) if want.kind == kind]
                     for kind in ("real", "integer")}
            starts.append((step.circuit, data["real"].add(given["real"]),
                           data["integer"].add(given["integer"]), data["weights"].add([step.weights])))
        return Schedule(rows, np.array(starts, np.int64).reshape(-1, 4), data["real"].array(),
                        data["integer"].array(), data["weights"].array())

    def block(self, state, base, lines=None, first=0):
        """A Block at the start of the recurrence.

        state   arrays, the state's constant parts
        base    constant parts of the weights: (n,), or, for trainings in plain numbers, (trainings <= lanes,
                n)
        lines   what multiplies t in the weights: (directions <= lanes, n) complex
        first   the number of its first direction or training, for messages
        """
        return Block(self, state, base, lines, first)


class Ribbon:
    """Arrays end to end in one; equal ones given as the same objects are stored once."""

    def __init__(self, dtype):
        self.dtype, self.pieces, self.starts, self.size = dtype, [], {}, 0

    def add(self, arrays):
        key = tuple(id(x) for x in arrays)
        if key not in self.starts:
            piece = np.concatenate([np.zeros(0, self.dtype)]
                                   + [np.ravel(x).astype(self.dtype) for x in arrays])
            self.starts[key] = (self.size, arrays)      # holding the arrays keeps their ids from being reused
            self.pieces.append(piece)
            self.size += piece.size
        return self.starts[key][0]

    def array(self):
        return np.concatenate(self.pieces + [np.zeros(1, self.dtype)])


class Block:
    """The state of one block of directions, or of trainings in plain numbers, on its way through a
    recurrence."""

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
            constants, stored = base, to_lanes(np.asarray(lines, complex)[:, None, :], form.lanes)
        else:      # unused lanes train with weight 1
            constants, stored = np.ones((base.shape[1], form.lanes)), np.zeros(0)
            constants[:, :self.count] = base.T
        self.weights = k.Memory(np.ascontiguousarray(constants).ravel(), stored, *self.memory[2:])

    def constant(self, i):
        """The constant part of state tensor i: (elements,), or (trainings, elements) where each has its
        own."""
        constants = self.memory.constants.reshape(-1, self.program.each)[self.spots[i]]
        return constants[:, 0] if self.recurrence.form.shared else constants[:, :self.count].T

    def coefficients(self, i):
        """The coefficients of state tensor i: a view, (elements, degree, 2, lanes)."""
        form, spots = self.recurrence.form, self.spots[i]
        every = self.memory.coefficients.reshape(self.program.active, form.degree, 2, form.lanes)
        return every[spots[0]:spots[0] + len(spots)] if len(spots) else every[:0]

    def run(self, begin, end, look_closely=False, clock=NO_CLOCK):
        """Steps begin..end. Raises DomainError naming step, gate and direction; `error.step` is the step's
        number.

        clock   (number of operations,) int64: each operation's time, in the processor's ticks, is added to it
        """
        wrong, step, instruction, element = repeat(self.recurrence.forms, self.memory, self.weights,
                                                   self.program.tape, self.recurrence.schedule, begin, end,
                                                   look_closely, clock)
        if wrong:
            error = DomainError(self.program.explain(self.memory, instruction, element, wrong, self.first))
            error.step = step
            raise error

    def finite(self):
        """Whether every coefficient of the state is a number."""
        return all(np.isfinite(self.coefficients(i)).all() for i in range(len(self.spots)))
