"""A program: circuits made ready for the machine, as arrays of numbers.

A `Builder` takes circuits that share a state (parameters, the optimizer's moments) and lays them out in one
memory. The result is a `Program`, which serves all directions. It knows where inputs and outputs lie, and
which gate each instruction came from, so that an error can name the gate.
"""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from circuit import Circuit, CircuitError

from . import kernels as k
from .lower import Instruction, Lowering
from .machine import Form
from .storage import Storage

ORDER_BY_ORDER = (k.COMBINE, k.COMBINE_CONSTANT, k.SCALE, k.SHIFT)
"""Operations that calculate an order from the same order only, and may therefore overwrite their input."""


@dataclass
class Part:
    """One circuit of a program: where its inputs and outputs lie (element numbers), which outputs have
    coefficients, and its row for the machine (see machine.py)."""
    circuit: Circuit
    inputs: list
    outputs: list
    active: list
    row: np.ndarray


@dataclass
class Program:
    """What the machine runs.

    tape          (instructions, WIDTH) int64;   tables, numbers: see kernels.Memory
    parts         one Part per circuit
    constants     (elements,) float64: initial constant parts, zero but for the circuits' own constants
    integers      (whole numbers,) int64: likewise
    active        how many elements, from 0 on, have coefficients
    origins       (instructions,): (circuit, wire) that each came from
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

    @property
    def each(self):
        """Numbers per constant part: one, or one per lane where lanes do not share it."""
        return 1 if self.form.shared else self.form.lanes

    def memory(self):
        """A block's memory, its coefficients zero, each order of an element on whole cache lines."""
        size = self.active * 2 * self.form.degree * self.form.lanes
        return k.Memory(aligned(np.repeat(self.constants, self.each)), aligned(np.zeros(size)),
                        self.integers.copy(), self.tables, self.numbers)

    def explain(self, memory, instruction, element, wrong, first_direction=0):
        """A sentence about what went wrong at an element of an instruction: gate, wire, index, order,
        direction, value.

        Raises NotImplementedError where taylor/kernels.py has no branch for the operation.
        """
        row, (number, wire) = self.tape[instruction], self.origins[instruction]
        if wrong == k.NO_BRANCH:
            raise NotImplementedError(f"operation {operation_name(row[k.OPERATION])} has no branch in "
                                      "`elementwise` or `whole` of taylor/kernels.py")
        circuit = self.parts[number].circuit
        first = len(circuit.inputs)
        if wire >= first + len(circuit.entries):
            return f"the new state is not finite at element {element}"
        entry = circuit.entries[wire - first]
        where = f"gate {entry.gate.name} at wire %{wire}"
        if wrong == k.NO_ROW:
            ids = row[k.B] + self.tables[row[k.B_TABLE] + element]
            return f"{where}: row {memory.integers[ids]} of a table with rows 0..{row[k.LIMIT] - 1}"
        if wrong == k.OUTSIDE:
            shape = circuit.shapes[entry.inputs[0]]
            return f"{where}: {self._outside(memory, row, entry, shape, element, first_direction)}"
        return f"{where} gives {self._not_finite(memory, row, entry, element, first_direction)}"

    def _outside(self, memory, row, entry, shape, element, first_direction):
        """Which value, or group of values, is outside the gate's domain, where, and what to do.   shape: of
        the gate's input"""
        group = 1
        if entry.gate.branch == "winner":
            group, shape = row[k.LENGTH], np.delete(shape, entry.parameters["axis"])
        start = row[k.A_TABLE] + element * group
        spots = row[k.A] + self.tables[start:start + group]
        values, training = memory.constants.reshape(-1, self.each)[spots], ""
        if not self.form.shared:      # degree 0, where nothing is a kink: the gate has no value
            with np.errstate(all="ignore"):
                lane = int(np.argmin(np.isfinite(entry.gate.value(values[0], **entry.parameters))))
            values, training = values[:, lane], f", training {first_direction + lane}"
        listed = ", ".join(map(str, values.ravel()[:8]))
        return f"{listed} at {index_of(element, shape)}{training}; {entry.gate.outside}"

    def _not_finite(self, memory, row, entry, element, first_direction):
        """Which constant part or coefficient is not finite, and where."""
        spot = row[k.Y] + self.tables[row[k.Y_TABLE] + element]
        index = index_of(element, entry.shape)
        constants = memory.constants.reshape(-1, self.each)[spot]
        if not np.isfinite(constants).all():
            lane = int(np.argmin(np.isfinite(constants)))
            training = "" if self.form.shared else f", training {first_direction + lane}"
            return f"{constants[lane]} at {index}{training}"
        orders = memory.coefficients.reshape(self.active, self.form.degree, 2, self.form.lanes)[spot]
        order, _, lane = np.argwhere(~np.isfinite(orders))[0]
        value = complex(*orders[order, :, lane])
        return f"{value} at {index}, order {order + 1}, direction {first_direction + lane}"


def operation_name(number):
    """The name of an operation, or its number where it has none."""
    return repr(k.OPERATIONS[number]) if 0 <= number < len(k.OPERATIONS) else str(number)


def index_of(element, shape):
    """The index of an element, counted in row-major order, as a tuple of ints."""
    return tuple(int(i) for i in np.unravel_index(element, shape))


def aligned(array):
    """The same numbers, starting on a cache line."""
    room = np.empty(array.size + 8)
    start = (-room.ctypes.data // 8) % 8
    room[start:start + array.size] = array
    return room[start:start + array.size]


def chunk_size(form):
    """Elements in a strip's turn: intermediate results of about 8 KiB each."""
    per_element = 2 * form.degree * form.lanes + (1 if form.shared else form.lanes)
    return max(1, 1024 // per_element)


class Builder:
    """Builds a Program.

    form     of the polynomials
    state    shapes of the state tensors: the first inputs of every circuit, which its first outputs replace
    """

    def __init__(self, form, state=()):
        self.form, self.chunk = form, chunk_size(form)
        self.lowering = Lowering()
        self.state = [self.lowering.new(shape, True, lasting=True) for shape in state]
        self.pending = []

    def add(self, circuit, roles):
        """Append a circuit. roles: per input 'state', 'weights' (one tensor of example weights), 'polynomial'
        (given with coefficients), 'real' or 'integer' (data)."""
        lowering, inputs, states = self.lowering, list(self.state), len(self.state)
        if len(roles) != len(circuit.inputs) or [i for i, role in enumerate(roles) if role == "state"] \
                != list(range(states)):
            raise CircuitError(f"{states} state tensors and roles {roles} for inputs ({circuit.signature()})")
        for x, role in list(zip(circuit.inputs, roles))[states:]:
            if (role == "integer") != (x.kind == "integer"):
                raise CircuitError(f"input {x.name} is {x.kind} and given as {role}")
            inputs.append(lowering.new_integers(x.shape) if role == "integer"
                          else lowering.new(x.shape, role in ("weights", "polynomial"), lasting=True))
        first = len(lowering.instructions)
        outputs = lowering.lower(circuit, inputs)
        for i in range(states, len(outputs)):
            outputs[i] = lowering.plain(outputs[i], circuit.outputs[i])
        if self.state:
            self.feed_back(outputs, first, len(circuit.inputs) + len(circuit.entries))
        self.pending.append(Lowered(circuit, roles, inputs, outputs, first, len(lowering.instructions)))

    def feed_back(self, outputs, first, wire):
        """Replace the old state by the new one, after everything else has read it."""
        lowering = self.lowering
        old = np.concatenate([s.ids.ravel() for s in self.state])
        for i, state in enumerate(self.state):
            new = lowering.lifted(outputs[i], wire)
            # (part of) the old state must be read before it is replaced
            if new.factor != 1.0 or np.isin(new.ids, old).any():
                new = lowering.written(new, wire)
            outputs[i] = new
        for i, state in enumerate(self.state):
            new, old = outputs[i].ids.ravel(), state.ids.ravel()
            if self.in_place(new, old, first):
                for x in lowering.instructions[first:] + outputs:
                    x.rename(new, old)
            else:
                lowering.instructions.append(Instruction(k.SCALE, True, wire, old, new, numbers=(1.0, 0.0)))
        outputs[:len(self.state)] = self.state

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
        storage, tables = Storage(self.lowering, self.chunk), Tables()
        strips = [storage.program(x.first, x.last, flat(x.outputs)) for x in self.pending]
        offset = storage.sizes[True]      # constants lie behind all active elements
        place = storage.place.copy()
        for buffer in self.lowering.buffers:
            if not buffer.active:
                place[buffer.first:buffer.first + buffer.size] += offset
        lines, parts = [], []
        for number, (part, runs) in enumerate(zip(self.pending, strips)):
            begin = len(lines)
            lines += self.lines(part, number, runs, place, tables)
            parts.append(part.placed(place, begin, len(lines)))
        tape = np.array([line.word for line in lines], np.int64).reshape(-1, k.WIDTH)
        numbers = np.array([line.numbers for line in lines]).reshape(-1, 2)
        constants, integers = self.contents(place, offset + storage.sizes[False])
        return Program(self.form, tape, tables.array(), numbers, parts, constants, integers, offset,
                       [line.origin for line in lines])

    def lines(self, part, number, runs, place, tables):
        """The Lines of one circuit, the heads of its strips among them."""
        heads = {run.first: run for run in runs}
        for i in range(part.first, part.last):
            instruction = self.lowering.instructions[i]
            if i in heads:
                yield Line(strip_word(heads[i], instruction.y.size, self.chunk), (0.0, 0.0), (number, -1))
            yield Line(word(instruction, place, tables, self.form.degree), instruction.numbers,
                       (number, instruction.wire))

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
    """A line of the tape: the machine's row, its constant parameters, the (circuit, wire) it came from."""
    word: np.ndarray
    numbers: tuple
    origin: tuple


@dataclass
class Lowered:
    """A circuit that is lowered and not yet placed: the roles of its inputs, the tensors of its inputs and
    outputs, and its instructions first..last."""
    circuit: Circuit
    roles: list
    inputs: list
    outputs: list
    first: int
    last: int

    def placed(self, place, begin, end):
        """The Part, at lines begin..end of the tape.   place: the element of each id"""
        spots = [x.ids if role == "integer" else place[x.ids] for x, role in zip(self.inputs, self.roles)]
        row = [begin, end]
        for role in ("real", "integer", "weights"):
            row += span(spots, self.roles, role)
        return Part(self.circuit, spots, [place[x.ids] for x in self.outputs],
                    [x.active for x in self.outputs], np.array(row, np.int64))


def flat(tensors):
    """The ids of several tensors, end to end."""
    return np.concatenate([np.zeros(0, np.int64)] + [x.ids.ravel() for x in tensors])


def span(spots, roles, role):
    """(first element, number of elements) of the inputs with a role, which lie end to end."""
    ids = np.concatenate([np.zeros(0, np.int64)] + [s.ravel() for s, r in zip(spots, roles) if r == role])
    if ids.size and not np.array_equal(ids, np.arange(ids[0], ids[0] + ids.size)):
        raise CircuitError(f"the {role} inputs of a circuit must follow each other")
    return (int(ids[0]), ids.size) if ids.size else (0, 0)


class Tables:
    """Address tables, each stored once."""

    def __init__(self):
        self.pieces, self.starts, self.size = [], {}, 0

    def add(self, table):
        """Where this table starts; equal ones share their place."""
        table = np.ascontiguousarray(table, np.int64)
        key = table.tobytes()
        if key not in self.starts:
            self.starts[key] = self.size
            self.pieces.append(table)
            self.size += table.size
        return self.starts[key]

    def array(self):
        return np.concatenate(self.pieces) if self.pieces else np.zeros(1, np.int64)


def strip_word(run, count, chunk):
    """The machine's row at the head of a strip."""
    row = np.zeros(k.WIDTH, np.int64)
    row[k.OPERATION], row[k.COUNT] = k.STRIP, count
    row[k.LENGTH], row[k.CHUNK] = run.last - run.first, chunk
    return row


def word(instruction, place, tables, degree):
    """The machine's row for an instruction, in polynomials of a degree."""
    row = np.zeros(k.WIDTH, np.int64)
    row[k.OPERATION], row[k.ACTIVE] = instruction.operation, instruction.active
    row[k.CONDITIONS] = instruction.conditions(degree)
    row[k.COUNT] = instruction.y.size if instruction.count is None else instruction.count
    bases = ((k.Y, instruction.y), (k.A, instruction.a), (k.B, instruction.b))
    for column, ids in bases:
        if ids is None or ids.size == 0:
            continue
        elements = place[ids]
        row[column] = elements[0] if instruction.axes else elements.min()
        if not instruction.axes or column == k.Y:
            row[column + 1] = tables.add(elements - row[column])
    if instruction.whole is not None:
        row[k.B] = instruction.whole.min() if instruction.whole.size else 0
        row[k.B_TABLE] = tables.add(instruction.whole - row[k.B])
    for column, value in instruction.columns.items():
        row[column] = value
    for column, relative in instruction.axes.items():
        row[column] = tables.add(relative)
    return row
