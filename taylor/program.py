"""A program: circuits made ready for the machine, as arrays of numbers.

A `Builder` takes circuits that share a state (parameters, optimiser's moments) and lays them out in one
memory; the result is a `Program`, which holds for any directions. It knows where inputs and outputs lie, and
which gate each instruction came from, so that an error can name it.
"""
from dataclasses import dataclass

import numpy as np

from circuit import CircuitError

from . import kernels as k
from .lower import Instruction, Lowering
from .machine import Form
from .storage import Storage

ORDER_BY_ORDER = (k.COMBINE, k.COMBINE_CONSTANT, k.SCALE, k.SHIFT)
"""Operations whose result of an order needs only that order, and which may therefore write over what they
read."""

ROLES = ("state", "weights", "polynomial", "real", "integer")


@dataclass
class Part:
    """One circuit of a program: where its inputs and outputs lie (element numbers), which outputs have
    coefficients, and its row for the machine (see machine.py)."""
    circuit: object
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
        direction, value."""
        row, (number, wire) = self.tape[instruction], self.origins[instruction]
        circuit = self.parts[number].circuit
        first = len(circuit.inputs)
        if wire >= first + len(circuit.entries):
            return f"the new state is not finite at element {element}"
        entry = circuit.entries[wire - first]
        where = f"gate {entry.gate.name} at wire %{wire}"
        if wrong == k.NO_ROW:
            ids = row[k.B] + self.tables[row[k.B_TABLE] + element]
            return f"{where}: row {memory.integers[ids]} of a table with rows 0..{row[k.LIMIT] - 1}"
        constants = memory.constants.reshape(-1, self.each)
        if wrong == k.OUTSIDE:
            group = row[k.LENGTH] if entry.gate.name in ("max", "one_hot_max") else 1
            seen, which = constants[row[k.A] + self.tables[row[k.A_TABLE] + element * group:][:group]], ""
            if not self.form.shared:      # degree 0, where nothing is a kink: the value is not a number
                with np.errstate(all="ignore"):
                    lane = int(np.argmin(np.isfinite(entry.gate.value(seen[0], **entry.parameters))))
                seen, which = seen[:, lane], f", training {first_direction + lane}"
            shape = entry.shape if entry.gate.name != "one_hot_max" else np.delete(entry.shape,
                                                                                   entry.parameters["axis"])
            index = tuple(int(i) for i in np.unravel_index(element, shape))
            return f"{where}: {', '.join(map(str, seen.ravel()[:8]))} at {index}{which}; {entry.gate.outside}"
        spot = row[k.Y] + self.tables[row[k.Y_TABLE] + element]
        index = tuple(int(i) for i in np.unravel_index(element, entry.shape))
        if not np.isfinite(constants[spot]).all():
            lane = int(np.argmin(np.isfinite(constants[spot])))
            return (f"{where} gives {constants[spot, lane]} at {index}"
                    + f", training {first_direction + lane}" * (not self.form.shared))
        orders = memory.coefficients.reshape(self.active, self.form.degree, 2, self.form.lanes)[spot]
        order, _, lane = np.argwhere(~np.isfinite(orders))[0]
        return f"{where} gives {complex(*orders[order, :, lane])} at {index}, order {order + 1}, direction {first_direction + lane}"


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
    state    shapes of the state tensors: the first inputs of every circuit, and what its first outputs
             replace
    """

    def __init__(self, form, state=()):
        self.form, self.chunk = form, chunk_size(form)
        self.lowering = Lowering()
        self.state = [self.lowering.new(shape, True, lasting=True) for shape in state]
        self.pending = []

    def add(self, circuit, roles):
        """Append a circuit. roles: per input 'state', 'weights' (one tensor of example weights), 'polynomial'
        (given with coefficients), 'real' or 'integer' (data)."""
        lowering, inputs = self.lowering, list(self.state)
        if [role for role in roles
            if role == "state"] != ["state"] * len(self.state) or len(roles) != len(circuit.inputs):
            raise CircuitError(
                f"{len(self.state)} state tensors and roles {roles} for inputs ({circuit.signature()})")
        for x, role in list(zip(circuit.inputs, roles))[len(self.state):]:
            if (role == "integer") != (x.kind == "integer"):
                raise CircuitError(f"input {x.name} is {x.kind} and given as {role}")
            inputs.append(lowering.new_integers(x.shape) if role == "integer"
                          else lowering.new(x.shape, role in ("weights", "polynomial"), lasting=True))
        first = len(lowering.instructions)
        outputs = lowering.lower(circuit, inputs)
        outputs = [x if i < len(self.state) else lowering.plain(x, wire) for i,
                   (x, wire) in enumerate(zip(outputs, circuit.outputs))]
        if self.state:
            self.feed_back(outputs, first, len(circuit.inputs) + len(circuit.entries))
        self.pending.append((circuit, roles, inputs, outputs, first, len(lowering.instructions)))

    def feed_back(self, outputs, first, wire):
        """Let the new state replace the old, after everything else has read it."""
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
        """Whether the instruction that calculates a new state may write it over the old one at once: it takes
        order by order, reads the old state, if at all, element by element, and nobody reads the old state
        after it."""
        later = self.lowering.instructions[first:]
        at = next((i for i, x in enumerate(later) if np.array_equal(x.y, new)), None)
        if at is None or later[at].operation not in ORDER_BY_ORDER or any(np.isin(new, s.ids).any()
                                                                          for s in self.state):
            return False      # the last: it is already another state's place
        return all(np.array_equal(ids, old) and i == 0 or not np.isin(ids, old).any()
                   for i, x in enumerate(later[at:]) for ids in x.reads)

    def build(self):
        """The finished Program."""
        storage, words, tables = Storage(self.lowering, self.chunk), [], Tables()
        parts, numbers, origins, placed = [], [], [], []
        for circuit, roles, inputs, outputs, first, last in self.pending:
            ends = np.concatenate([np.zeros(0, np.int64)] + [x.ids.ravel() for x in outputs])
            placed.append(storage.program(first, last, ends))
        offset = storage.sizes[True]      # constants lie behind all active elements
        place = storage.place.copy()
        for buffer in self.lowering.buffers:
            if not buffer.active:
                place[buffer.first:buffer.first + buffer.size] += offset
        for number, ((circuit, roles, inputs, outputs, first, last),
                     runs) in enumerate(zip(self.pending, placed)):
            begin, heads = len(words), {run.first: run for run in runs}
            for i in range(first, last):
                if i in heads:
                    words.append(strip_word(heads[i], self.lowering.instructions[i].y.size, self.chunk))
                    numbers.append((0.0, 0.0))
                    origins.append((number, -1))
                words.append(word(self.lowering.instructions[i], place, tables, self.form.degree >= 1))
                numbers.append(self.lowering.instructions[i].numbers)
                origins.append((number, self.lowering.instructions[i].wire))
            spots = [x.ids if role == "integer" else place[x.ids] for x, role in zip(inputs, roles)]
            row = [begin, len(words), *span(spots, roles, "real"), *span(spots, roles, "integer"),
                   *span(spots, roles, "weights")]
            parts.append(Part(circuit, spots, [place[x.ids] for x in outputs], [x.active for x in outputs],
                              np.array(row, np.int64)))
        constants = np.zeros(offset + storage.sizes[False])
        for buffer in self.lowering.buffers:
            if buffer.content is not None:
                constants[place[buffer.first:buffer.first + buffer.size]] = buffer.content.ravel()
        integers = np.zeros(self.lowering.integer_size, np.int64)
        for start, content in self.lowering.integers:
            if content is not None:
                integers[start:start + content.size] = content.ravel()
        tape = np.array(words, np.int64).reshape(-1, k.WIDTH)
        return Program(self.form, tape, tables.array(), np.array(numbers).reshape(-1, 2), parts, constants,
                       integers, offset, origins)


def span(spots, roles, role):
    """(first element, number of elements) of the inputs with a role; they lie end to end."""
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
    row = np.zeros(k.WIDTH, np.int64)
    row[k.OPERATION], row[k.COUNT], row[k.LENGTH], row[k.CHUNK] = k.STRIP, count, run.last - run.first, chunk
    return row


def word(instruction, place, tables, smooth):
    """The machine's row for an instruction."""
    row = np.zeros(k.WIDTH, np.int64)
    row[k.OPERATION], row[k.ACTIVE], row[
        k.SMOOTH] = instruction.operation, instruction.active, smooth and instruction.moving
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
