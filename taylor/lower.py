"""From circuit to instructions: where every tensor's elements live, and which loops calculate them.

A tensor is an array of element ids. Structural gates only rearrange ids - the gate's own NumPy value, applied
to ids instead of numbers, is the whole implementation - so transposes, slices and the like cost nothing when
the program runs. Every other gate becomes one instruction that writes a buffer of fresh ids.

Multiplication by a constant is not calculated either: a tensor carries a factor that travels on through
products, sums and moves until a gate must write it. So x - y, a mean, or Adam's 0.85 m + 0.15 g is a single
instruction.

An element is *active* if it depends on the polynomial inputs, else *constant*: only its constant part exists,
and whatever reads constants alone is calculated in degree 0. Products and sums of an active and a constant
operand have rules of their own.
"""
from dataclasses import dataclass, field
from math import prod

import numpy as np

from circuit.gates.bilinear import einsum_letters, einsum_sizes

from . import kernels as k

UNARY = {"exp": k.EXP, "log": k.LOG, "tanh": k.TANH, "sigmoid": k.SIGMOID, "sin": k.SIN,
         "cos": k.COS, "erf": k.ERF, "gelu": k.GELU, "relu": k.RELU, "abs": k.ABS}
MOVES = {"broadcast", "reshape", "transpose", "slice", "concatenate", "place"}

ZERO = 0
"""The id of an element that is always zero, active."""

MODERATE = 1e6
"""Factors beyond this, either way, are multiplied out at once, so that no product overflows for want of its
factor."""


@dataclass
class Tensor:
    """factor times the elements with these ids, in the tensor's shape.   active: whether coefficients exist
    (else only constant parts may be read)."""
    ids: np.ndarray
    active: bool = False
    factor: float = 1.0

    def rename(self, old, new):
        self.ids = renamed(self.ids, old, new)


@dataclass
class Buffer:
    """Consecutive ids first..first + size - 1 written by one instruction, or given (`lasting`) when the
    program starts."""
    first: int
    size: int
    active: bool
    lasting: bool
    content: np.ndarray = None


@dataclass
class Instruction:
    """One loop. y, a, b: element ids of the operands, flat; columns: further entries of the instruction's
    row; axes: for einsum, relative ids by column in place of y, a and b; moving: a has coefficients, so that
    kinks matter; wire: the gate it came from."""
    operation: int
    active: bool
    wire: int
    y: np.ndarray
    a: np.ndarray
    b: np.ndarray = None
    moving: bool = False
    whole: np.ndarray = None
    numbers: tuple = (0.0, 0.0)
    count: int = None
    columns: dict = field(default_factory=dict)
    axes: dict = field(default_factory=dict)

    @property
    def reads(self):
        return [x for x in (self.a, self.b) if x is not None]

    def rename(self, old, new):
        """Read and write elements `new` in place of `old`, both consecutive ids."""
        self.y, self.a = renamed(self.y, old, new), renamed(self.a, old, new)
        self.b = None if self.b is None else renamed(self.b, old, new)


def renamed(ids, old, new):
    inside = (ids >= old[0]) & (ids <= old[-1]) if len(old) else np.zeros(ids.shape, bool)
    return np.where(inside, ids - old[:1] + new[:1], ids) if inside.any() else ids


class Lowering:
    """Lowers circuits one after the other into one space of ids.

    buffers, instructions, whole (the buffers of whole numbers: (first, array or None)) grow as circuits are
    lowered.
    """

    def __init__(self):
        self.buffers = [Buffer(ZERO, 1, True, True, np.zeros(1))]
        self.instructions = []
        self.size = 1
        self.integers = []
        self.integer_size = 0
        self.constants = {}

    def new(self, shape, active, lasting=False, content=None):
        """A tensor in a fresh buffer."""
        size = prod(shape)
        self.buffers.append(Buffer(self.size, size, active, lasting, content))
        self.size += size
        return Tensor(np.arange(self.size - size, self.size).reshape(shape), active)

    def new_integers(self, shape, content=None):
        size = prod(shape)
        self.integers.append((self.integer_size, content))
        self.integer_size += size
        return Tensor(np.arange(self.integer_size - size, self.integer_size).reshape(shape))

    def lower(self, circuit, inputs):
        """Append a circuit's instructions; inputs and outputs are tensors."""
        wires = list(inputs)
        for entry in circuit.entries:
            wires.append(self.entry(entry, [wires[i] for i in entry.inputs], len(wires)))
        return [wires[i] for i in circuit.outputs]

    def entry(self, entry, inputs, wire):
        """The tensor one gate writes."""
        name, parameters = entry.gate.name, entry.parameters
        if name == "constant":
            return self.constant(parameters["value"])
        if name == "scale":
            return self.scaled(inputs[0], float(parameters["by"]), wire)
        if name == "constant_part":
            return Tensor(inputs[0].ids, False, inputs[0].factor)
        if name in MOVES:
            return self.move(entry, inputs, wire)
        if name == "add":
            return self.add(entry.shape, *inputs, wire)
        if name == "multiply":
            return self.multiply(entry.shape, *inputs, wire)
        if name == "einsum":
            return self.einsum(entry, *inputs, wire)
        if name in ("gather", "scatter"):
            return self.rows(entry, *inputs, wire)
        if name in ("sum", "max", "one_hot_max"):
            return self.groups(entry, inputs[0], wire)
        return self.function(entry, inputs[0], wire)

    def function(self, entry, x, wire):
        """An elementwise gate with one input."""
        name, parameters = entry.gate.name, entry.parameters
        if name == "shift":
            return self.emit(k.SHIFT, entry.shape, wire, x, active=x.active,
                             numbers=(x.factor, float(parameters["by"])))
        x = self.plain(x, wire)
        if name == "step":
            return self.emit(k.STEP, entry.shape, wire, x, active=False)
        if name == "power":
            exponent = float(parameters["exponent"])
            operation = k.POWER_WHOLE if exponent.is_integer() and exponent >= 0 else k.POWER
            return self.emit(operation, entry.shape, wire, x, active=x.active, numbers=(exponent, 0.0))
        if name not in UNARY:
            raise NotImplementedError(f"gate {name} has no Taylor rule")
        return self.emit(UNARY[name], entry.shape, wire, x, active=x.active)

    def emit(self, operation, shape, wire, a, b=None, *, active, **fields):
        """Append an instruction that writes a fresh buffer."""
        y = self.new(shape, active)
        self.instructions.append(Instruction(operation, active, wire, y.ids.ravel(), a.ids.ravel(),
                                             None if b is None else b.ids.ravel(), moving=a.active, **fields))
        return y

    def constant(self, value):
        if np.issubdtype(value.dtype, np.integer):
            return self.new_integers(value.shape, value)
        key = (value.shape, value.tobytes())
        if key not in self.constants:
            self.constants[key] = self.new(value.shape, False, True, value)
        return self.constants[key]

    def scaled(self, x, by, wire):
        """by x, without calculating anything if it can wait."""
        factor = x.factor * by
        if 1.0 / MODERATE <= abs(factor) <= MODERATE:
            return Tensor(x.ids, x.active, factor)
        return self.written(x, wire, by)

    def written(self, x, wire, by=1.0):
        """by x in a buffer of its own, with the factor multiplied out."""
        return self.emit(k.SCALE, x.ids.shape, wire, x, active=x.active, numbers=(x.factor * by, 0.0))

    def plain(self, x, wire):
        """x with no factor left."""
        return x if x.factor == 1.0 else self.written(x, wire)

    def lifted(self, x, wire):
        """x with coefficients: zeros where it was a constant."""
        if x.active:
            return x
        return self.emit(k.LIFT, x.ids.shape, wire, self.plain(x, wire), active=True)

    def move(self, entry, inputs, wire):
        if len({x.active for x in inputs}) > 1:
            inputs = [self.lifted(x, wire) for x in inputs]
        if len({x.factor for x in inputs}) > 1:
            inputs = [self.plain(x, wire) for x in inputs]
        if entry.gate.name == "place":
            x = self.lifted(inputs[0], wire)
            ids = np.full(entry.shape, ZERO)
            ids[tuple(slice(*triple) for triple in entry.parameters["index"])] = x.ids
            return Tensor(ids, True, x.factor)
        return Tensor(entry.gate.value(*[x.ids for x in inputs], **entry.parameters), inputs[0].active,
                      inputs[0].factor)

    def add(self, shape, a, b, wire):
        if a.active != b.active and not a.active:
            a, b = b, a
        return self.emit(k.COMBINE if a.active == b.active else k.COMBINE_CONSTANT, shape, wire, a, b,
                         active=a.active, numbers=(a.factor, b.factor))

    def multiply(self, shape, a, b, wire):
        if a.active != b.active and not a.active:
            a, b = b, a
        y = self.emit(k.MULTIPLY if a.active == b.active else k.MULTIPLY_CONSTANT, shape, wire, a, b,
                      active=a.active)
        return self.scaled(self.scaled(y, a.factor, wire), b.factor, wire)

    def groups(self, entry, x, wire):
        """sum, max, one_hot_max: reduce groups of elements."""
        name, axes = entry.gate.name, entry.parameters.get("axes", (entry.parameters.get("axis"),))
        if name != "sum":
            x = self.plain(x, wire)
        ndim = x.ids.ndim
        order = [i for i in range(ndim) if i - ndim not in axes] + [a + ndim for a in axes]
        grouped = Tensor(x.ids.transpose(order), x.active)
        length = prod(grouped.ids.shape[ndim - len(axes):])
        columns = {k.LENGTH: length}
        if name == "one_hot_max":
            y = self.new(x.ids.shape, False)
            self.instructions.append(Instruction(k.ONE_HOT_MAX, False, wire, y.ids.transpose(order).ravel(),
                                                 grouped.ids.ravel(), moving=x.active, columns=columns))
            return y
        y = self.emit(k.SUM if name == "sum" else k.MAX, entry.shape, wire, grouped, active=x.active,
                      columns=columns)
        return self.scaled(y, x.factor, wire)

    def rows(self, entry, x, ids, wire):
        """gather and scatter: move rows chosen by whole numbers."""
        limit = entry.parameters.get("count", x.ids.shape[0])
        length = prod(entry.shape[1:])
        scatter = entry.gate.name == "scatter"
        y = self.emit(k.SCATTER if scatter else k.GATHER, entry.shape, wire, x, active=x.active,
                      whole=ids.ids, count=ids.ids.size * length, columns={k.LENGTH: length, k.LIMIT: limit})
        return self.scaled(y, x.factor, wire)

    def einsum(self, entry, a, b, wire):
        spec = entry.parameters["spec"]
        letters_a, letters_b = spec.split("->")[0].split(",")
        batch, row, column, inner = einsum_letters(spec)
        sizes = einsum_sizes(spec, a.ids.shape, b.ids.shape)
        rows, columns = prod(sizes[c] for c in row), prod(sizes[c] for c in column)
        # Columns go two by two, so they are the larger operand's axes: less is left over. A constant operand
        # is always b.
        if (b.active and not a.active) or (a.active == b.active and rows > columns):
            a, b, letters_a, letters_b, row, column = b, a, letters_b, letters_a, column, row
        roles = {"y": (batch, row, column), "a": (batch, row, inner), "b": (batch, column, inner)}
        y = self.new(entry.shape, a.active)
        axes = {}
        operands = {"y": (y, spec.split("->")[1]), "a": (a, letters_a), "b": (b, letters_b)}
        for name, (x, letters) in operands.items():
            parts = self.separated(x.ids, letters, roles[name])
            if parts is None:
                x = self.written(x, wire)
                operands[name] = (x, letters)
                parts = self.separated(x.ids, letters, roles[name])
            axes[name] = parts
        instruction = Instruction(k.EINSUM if a.active == b.active else k.EINSUM_CONSTANT, a.active, wire,
                                  y.ids.ravel(), operands["a"][0].ids.ravel(), operands["b"][0].ids.ravel())
        names = {"y": (k.BATCH_Y, k.ROWS_Y, k.COLUMNS_Y), "a": (k.BATCH_A, k.ROWS_A, k.INNER_A),
                 "b": (k.BATCH_B, k.COLUMNS_B, k.INNER_B)}
        for name, columns_of in names.items():
            instruction.axes.update(zip(columns_of, axes[name]))
        for column_of, letters in ((k.BATCH, batch), (k.ROWS, row), (k.COLUMNS, column), (k.INNER, inner)):
            instruction.columns[column_of] = prod(sizes[c] for c in letters)
        self.instructions.append(instruction)
        return self.scaled(self.scaled(y, operands["a"][0].factor, wire), operands["b"][0].factor, wire)

    def separated(self, ids, letters, roles):
        """Relative ids by role, where id = first + sum over roles; None where the elements lie otherwise."""
        flat = [list(role) for role in roles]
        grouped = ids.transpose([letters.index(c) for role in flat for c in role])
        shape, at = [], 0
        for role in flat:
            shape.append(prod(grouped.shape[at:at + len(role)]))
            at += len(role)
        grouped = grouped.reshape(shape)
        if grouped.size == 0:
            return [np.zeros(n, np.int64) for n in shape]
        first = grouped[0, 0, 0]
        parts = [grouped[:, 0, 0] - first, grouped[0, :, 0] - first, grouped[0, 0, :] - first]
        rebuilt = first + parts[0][:, None, None] + parts[1][:, None] + parts[2]
        owners = {self.owner(i) for i in (grouped.min(), grouped.max())}
        return parts if len(owners) == 1 and np.array_equal(rebuilt, grouped) else None

    def owner(self, element):
        """The number of the buffer an id belongs to."""
        firsts = [b.first for b in self.buffers]
        return int(np.searchsorted(firsts, element, side="right")) - 1
