"""A program: circuits made ready for the machine, as arrays of numbers.

A `Builder` takes circuits that share a state (parameters, the optimizer's moments) and lays them out in one
memory. The result is a `Program`, the same for all blocks. It says where inputs and outputs lie, and which
gate each instruction came from, so that an error can name the gate.
"""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from circuit import Circuit, CircuitError

from .. import tape as k
from ..form import Form
from .gates import rule_of
from .lowering import Instruction, Lowering, Tensor
from .storage import Storage, overlap
from .words import Tables, kernel_of, strip_word, word

ORDER_BY_ORDER = ("combine", "combine_constant", "scale", "shift")
"""Operations that calculate an order from the same order only, and may therefore overwrite their input."""

MOVING = ("state", "weights", "stored", "polynomial")
"""Roles of inputs that differ from lane to lane."""

MOST_PIECES = 64
"""A new state that comes from more buffers than this is copied in one go."""


@dataclass
class Part:
    """One circuit of a program: where its inputs and outputs lie (element numbers), which outputs are active
    (differ from lane to lane), and its row for the machine (see machine.py)."""
    circuit: Circuit
    inputs: list
    outputs: list
    active: list
    row: np.ndarray


@dataclass
class Program:
    """What the machine runs.

    tape          (instructions, WIDTH) int64;   tables, numbers: see tape.Memory
    parts         one Part per circuit
    constants     (elements,) float64: initial constant parts, zero but for the circuits' own constants
    integers      (whole numbers,) int64: likewise
    active        how many elements, from 0 on, may differ from lane to lane
    origins       (instructions,): (circuit, wire) that each came from
    kernels       (instructions,): the kernel of each, see Line
    form          of the polynomials it was made for
    """
    form: Form
    tape: np.ndarray
    tables: np.ndarray
    numbers: np.ndarray
    parts: list
    constants: np.ndarray
    integers: np.ndarray
    active: int
    origins: list
    kernels: list

    def memory(self):
        """A block's memory, its coefficients zero, each order of an element on whole cache lines."""
        return k.Memory(aligned(self.constants), aligned(np.zeros(self.active * self.form.width)),
                        self.integers.copy(), self.tables, self.numbers)

    def bytes(self):
        """How much memory a block needs."""
        return 8 * (len(self.constants) + self.active * self.form.width + len(self.integers))

    def lanes(self, memory):
        """What differs from lane to lane: (active elements,) + form.shape, a view of a block's memory."""
        return memory.coefficients.reshape((self.active,) + self.form.shape)


def aligned(array):
    """The same numbers, starting on a cache line."""
    room = np.empty(array.size + 8)
    start = (-room.ctypes.data // 8) % 8
    room[start:start + array.size] = array
    return room[start:start + array.size]


class Builder:
    """Builds a Program.

    form     of the polynomials
    state    shapes of the state tensors: the first inputs of every circuit, which its first outputs replace
    """

    def __init__(self, form, state=()):
        self.form = form
        self.lowering = Lowering(form, rule_of)
        self.state = [self.lowering.new(shape, True, lasting=True) for shape in state]
        self.pending = []

    def add(self, circuit, roles, writes=False):
        """Append a circuit.

        roles    per input 'state', 'weights' (one tensor of example weights), 'stored' (read from stored
                 states), 'polynomial' (given with coefficients), 'real' or 'integer' (data); 'constant
                 weights' and 'constant stored' are the same for all lanes
        writes   whether the outputs behind the state are written out at each step
        """
        lowering, inputs, states = self.lowering, list(self.state), len(self.state)
        if len(roles) != len(circuit.inputs) or [i for i, role in enumerate(roles) if role == "state"] \
                != list(range(states)):
            raise CircuitError(f"{states} state tensors and roles {roles} for inputs ({circuit.signature()})")
        for x, role in list(zip(circuit.inputs, roles))[states:]:
            if (role == "integer") != (x.kind == "integer"):
                raise CircuitError(f"input {x.name} is {x.kind} and given as {role}")
            inputs.append(lowering.new_integers(x.shape) if role == "integer"
                          else lowering.new(x.shape, role in MOVING, lasting=True))
        first, wire = len(lowering.instructions), len(circuit.inputs) + len(circuit.entries)
        outputs = lowering.lower(circuit, inputs)
        for i in range(states, len(outputs)):
            outputs[i] = lowering.plain(outputs[i], circuit.outputs[i])
        written = self.write_out(outputs[states:], wire) if writes else None
        if not self.form.shared:
            # constants need nothing that lanes calculate; behind them, the others form longer strips
            lowering.instructions[first:] = sorted(lowering.instructions[first:], key=lambda x: x.active)
        if self.state:
            self.feed_back(outputs, first, wire)
        last = len(lowering.instructions)
        self.pending.append(Lowered(circuit, roles, inputs, outputs, written, first, last))

    def write_out(self, outputs, wire):
        """One tensor of all these outputs, end to end."""
        lowering = self.lowering
        ids = flat([lowering.lifted(x, wire) for x in outputs])
        return lowering.written(Tensor(ids, True), wire)

    def feed_back(self, outputs, first, wire):
        """Replace the old state by the new one, after everything else has read it."""
        lowering = self.lowering
        old = np.concatenate([s.ids.ravel() for s in self.state])
        for i, state in enumerate(self.state):
            if outputs[i].ids.shape != state.ids.shape:
                raise CircuitError(f"state tensor {i} of shape {state.ids.shape} is followed by one of shape "
                                   f"{outputs[i].ids.shape}")
            new = lowering.lifted(outputs[i], wire)
            if new.factor == 1.0 and np.array_equal(new.ids, state.ids):      # it stays as it is
                continue
            # (part of) the old state must be read before it is replaced
            if new.factor != 1.0 or np.isin(new.ids, old).any():
                new = lowering.written(new, wire)
            outputs[i] = new
        for i, state in enumerate(self.state):
            for new, old in self.pieces(outputs[i].ids.ravel(), state.ids.ravel()):
                if np.array_equal(new, old):
                    continue
                if self.in_place(new, old, first):
                    for x in lowering.instructions[first:] + outputs:
                        x.rename(new, old)
                else:
                    self.write_back(new, old, first, wire)
        outputs[:len(self.state)] = self.state

    def pieces(self, new, old):
        """Yield (part of the new state, the same part of the old), each from one buffer."""
        firsts = np.array([b.first for b in self.lowering.buffers])
        owners = np.searchsorted(firsts, new, side="right")
        ends = [0, *np.flatnonzero(np.diff(owners)) + 1, new.size] if new.size else []
        if len(ends) > MOST_PIECES:
            ends = [0, new.size]
        for begin, end in zip(ends, ends[1:]):
            yield new[begin:end], old[begin:end]

    def write_back(self, new, old, first, wire):
        """Copy a new state over the old one, as soon as it is there and nothing reads the old one any
        more."""
        instructions = self.lowering.instructions
        at = len(instructions)
        while at > first and not any(overlap(ids, part) for part in (new, old)
                                     for ids in (instructions[at - 1].y, *instructions[at - 1].reads)):
            at -= 1
        instructions.insert(at, Instruction("scale", True, wire, old, new, numbers=(1.0, 0.0)))

    def in_place(self, new, old, first):
        """Whether the instruction that calculates a new state may write it over the old one at once.

        It may if it works order by order, reads the old state, if at all, element by element, and no later
        instruction reads the old state."""
        later = self.lowering.instructions[first:]
        at = next((i for i, x in enumerate(later) if np.array_equal(x.y, new)), None)
        if at is None or later[at].operation not in ORDER_BY_ORDER:
            return False
        if any(np.isin(new, s.ids).any() for s in self.state):      # already the place of another state
            return False
        return all(np.array_equal(ids, old) and i == 0 or not np.isin(ids, old).any()
                   for i, x in enumerate(later[at:]) for ids in x.reads)

    def build(self):
        """The finished Program."""
        storage, tables = Storage(self.lowering, self.form.chunk), Tables()
        strips = [storage.program(x.first, x.last, flat(x.results)) for x in self.pending]
        offset = storage.sizes[True]      # constants lie behind all active elements
        place = storage.place.copy()
        for buffer in self.lowering.buffers:
            if not buffer.active:
                place[buffer.first:buffer.first + buffer.size] += offset
        lines, parts = [], []
        for number, (part, runs) in enumerate(zip(self.pending, strips)):
            begin = len(lines)
            lines += self.lines(part, number, runs, place, tables)
            parts.append(part.placed(place, self.state, begin, len(lines)))
        tape = np.array([line.word for line in lines], np.int64).reshape(-1, k.WIDTH)
        numbers = np.array([line.numbers for line in lines]).reshape(-1, 2)
        constants, integers = self.contents(place, offset + storage.sizes[False])
        return Program(self.form, tape, tables.array(), numbers, parts, constants, integers, offset,
                       [line.origin for line in lines], [line.kernel for line in lines])

    def lines(self, part, number, runs, place, tables):
        """The Lines of one circuit, the heads of its strips among them."""
        run_of = {i: run for run in runs for i in range(run.first, run.last)}
        for i in range(part.first, part.last):
            instruction, run = self.lowering.instructions[i], run_of.get(i)
            if run is not None and run.first == i:
                head = strip_word(run, instruction.y.size, self.form.chunk)
                yield Line(head, (0.0, 0.0), (number, -1), None)
            row = word(instruction, place, tables, self.form, self.form.chunk if run else None)
            if row[k.COUNT]:      # an instruction without elements does nothing
                yield Line(row, instruction.numbers, (number, instruction.wire), kernel_of(instruction, row))

    def contents(self, place, size):
        """(constants, integers): what the memory holds when the program starts."""
        constants, integers = np.zeros(size), np.zeros(self.lowering.integer_size, np.int64)
        for buffer in self.lowering.buffers:
            if buffer.content is not None:
                constants[place[buffer.first:buffer.first + buffer.size]] = buffer.content.ravel()
        for start, content in self.lowering.integers:
            if content is not None:
                integers[start:start + content.size] = content.ravel()
        return constants, integers


class Line(NamedTuple):
    """An instruction on the tape: its word, its constant parameters, the (circuit, wire) it came from, and
    its kernel: (a function of kernels.py, operation, whether the result differs from lane to lane); None for
    the head of a strip."""
    word: np.ndarray
    numbers: tuple
    origin: tuple
    kernel: tuple


@dataclass
class Lowered:
    """A circuit that is lowered and not yet placed: the roles of its inputs, the tensors of its inputs and
    outputs, the tensor that is written out, and its instructions first..last."""
    circuit: Circuit
    roles: list
    inputs: list
    outputs: list
    written: Tensor
    first: int
    last: int

    @property
    def results(self):
        """The tensors that are read after the last instruction."""
        return self.outputs + ([] if self.written is None else [self.written])

    def placed(self, place, state, begin, end):
        """The Part, at lines begin..end of the tape.   place: the element of each id"""
        spots = [x.ids if role == "integer" else place[x.ids] for x, role in zip(self.inputs, self.roles)]
        weights, stored = ("constant " * (f"constant {role}" in self.roles) + role
                           for role in ("weights", "stored"))
        row = [begin, end]
        for role in ("real", "integer", weights):
            row += span(spots, self.roles, role)
        row += [weights in MOVING, *consecutive([place[x.ids] for x in state], "state")]
        row += [*span(spots, self.roles, stored), stored in MOVING]
        row += consecutive([] if self.written is None else [place[self.written.ids]], "outputs")
        return Part(self.circuit, spots, [place[x.ids] for x in self.outputs],
                    [x.active for x in self.outputs], np.array(row, np.int64))


def flat(tensors):
    """The ids of several tensors, end to end."""
    return np.concatenate([np.zeros(0, np.int64)] + [x.ids.ravel() for x in tensors])


def span(spots, roles, role):
    """(first element, number of elements) of the inputs with a role, which lie end to end."""
    return consecutive([s for s, r in zip(spots, roles) if r == role], f"{role} inputs of a circuit")


def consecutive(spots, what):
    """(first element, number of elements) of elements that follow each other."""
    ids = np.concatenate([np.zeros(0, np.int64)] + [s.ravel() for s in spots])
    if ids.size and not np.array_equal(ids, np.arange(ids[0], ids[0] + ids.size)):
        raise CircuitError(f"the {what} must follow each other")
    return (int(ids[0]), ids.size) if ids.size else (0, 0)
