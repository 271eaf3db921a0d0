"""From circuit to instructions: where every tensor's elements live, and which loops calculate them.

A tensor is an array of element ids. Gates that only move elements just rearrange ids: the gate's own NumPy
value, applied to ids in place of numbers, is the whole implementation, so transposes, slices and the like
cost nothing when the program runs. Every other gate becomes one instruction, which writes a buffer of new
ids.

Multiplication by a constant is postponed: a tensor carries a factor through products, sums and moves until a
gate must write it. So x - y, a mean, or Adam's 0.85 m + 0.15 g is a single instruction.

An element is *active* if it depends on the polynomial inputs, else *constant*: only its constant part exists,
and an instruction that reads constants alone is calculated in degree 0. Products and sums of an active and a
constant operand have rules of their own.
"""
from dataclasses import dataclass, field
from math import prod

import numpy as np

from circuit import CircuitError
from circuit.gates.bilinear import einsum_letters, einsum_sizes
from circuit.gates.gate import GATES, MOVES, same_shape

from . import kernels as k
from . import rules

ZERO = 0
"""The id of an element that is always zero, active."""

MODERATE = 1e6
"""Factors above this, or below its inverse, are multiplied out at once, so that no product overflows for want
of its factor."""


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
    row; axes: for einsum, relative ids by column in place of y, a and b; entry: the circuit's entry whose
    domain operand a must lie in, if it has one; moving: whether a has coefficients, so that it must not be on
    a kink; wire: the gate that the instruction came from."""
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
    entry: object = None

    @property
    def reads(self):
        return [x for x in (self.a, self.b) if x is not None]

    def conditions(self, degree):
        """The bits of the Domain that operand a must lie in, in polynomials of a degree."""
        if self.entry is None:
            return 0
        return int(self.entry.gate.conditions(self.moving and degree >= 1, **self.entry.parameters))

    def rename(self, old, new):
        """Read and write elements `new` in place of `old`, both consecutive ids."""
        self.y, self.a = renamed(self.y, old, new), renamed(self.a, old, new)
        self.b = None if self.b is None else renamed(self.b, old, new)


def renamed(ids, old, new):
    inside = (ids >= old[0]) & (ids <= old[-1]) if len(old) else np.zeros(ids.shape, bool)
    return np.where(inside, ids - old[:1] + new[:1], ids) if inside.any() else ids


class Lowering:
    """Lowers circuits one after the other into one space of ids.

    buffers, instructions and integers (the buffers of whole numbers: (first, array or None)) grow as circuits
    are lowered. How each gate is lowered is below the class.
    """

    def __init__(self):
        self.buffers = [Buffer(ZERO, 1, True, True, np.zeros(1))]
        self.instructions = []
        self.size = 1
        self.integers = []
        self.integer_size = 0
        self.constants = {}

    def new(self, shape, active, lasting=False, content=None):
        """A tensor in a new buffer."""
        size = prod(shape)
        self.buffers.append(Buffer(self.size, size, active, lasting, content))
        self.size += size
        return Tensor(np.arange(self.size - size, self.size).reshape(shape), active)

    def new_integers(self, shape, content=None):
        """A tensor of whole numbers in a new buffer."""
        size = prod(shape)
        self.integers.append((self.integer_size, content))
        self.integer_size += size
        return Tensor(np.arange(self.integer_size - size, self.integer_size).reshape(shape))

    def lower(self, circuit, inputs):
        """Append a circuit's instructions; inputs and outputs are tensors."""
        wires = list(inputs)
        for entry in circuit.entries:
            gate_rule = LOWERED.get(entry.gate.name, moved if entry.gate.taylor == MOVES else function)
            wires.append(gate_rule(self, entry, [wires[i] for i in entry.inputs], len(wires)))
        return [wires[i] for i in circuit.outputs]

    def emit(self, operation, shape, wire, a, b=None, *, active, **fields):
        """Append an instruction that writes a new buffer."""
        y = self.new(shape, active)
        self.instructions.append(Instruction(operation, active, wire, y.ids.ravel(), a.ids.ravel(),
                                             None if b is None else b.ids.ravel(), moving=a.active, **fields))
        return y

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

    def owner(self, element):
        """The number of the buffer an id belongs to."""
        firsts = [b.first for b in self.buffers]
        return int(np.searchsorted(firsts, element, side="right")) - 1


# how gates are lowered: rule(lowering, entry, inputs, wire) -> the tensor that the gate writes --------------

def function(lowering, entry, inputs, wire):
    """An elementwise gate with one input, one operation, and at most one number as parameter."""
    x = lowering.plain(inputs[0], wire)
    number = float(*entry.parameters.values())      # float() is 0.0
    return lowering.emit(number_of(entry.gate.operations[0]), entry.shape, wire, x, entry=entry,
                         active=x.active and not entry.gate.jumps, numbers=(number, 0.0))


def moved(lowering, entry, inputs, wire):
    """A gate that only moves elements: its value, of ids."""
    if len({x.active for x in inputs}) > 1:
        inputs = [lowering.lifted(x, wire) for x in inputs]
    if len({x.factor for x in inputs}) > 1:
        inputs = [lowering.plain(x, wire) for x in inputs]
    return Tensor(entry.gate.value(*[x.ids for x in inputs], **entry.parameters), inputs[0].active,
                  inputs[0].factor)


def placed(lowering, entry, inputs, wire):
    """Elements among zeros."""
    x = lowering.lifted(inputs[0], wire)
    ids = np.full(entry.shape, ZERO)
    ids[tuple(slice(*triple) for triple in entry.parameters["index"])] = x.ids
    return Tensor(ids, True, x.factor)


def constant(lowering, entry, inputs, wire):
    """A buffer that is filled when the program starts; equal constants share it."""
    value = entry.parameters["value"]
    if np.issubdtype(value.dtype, np.integer):
        return lowering.new_integers(value.shape, value)
    key = (value.shape, value.tobytes())
    if key not in lowering.constants:
        lowering.constants[key] = lowering.new(value.shape, False, True, value)
    return lowering.constants[key]


def constant_part(lowering, entry, inputs, wire):
    """The same elements, of which only the constant parts may be read."""
    return Tensor(inputs[0].ids, False, inputs[0].factor)


def scale(lowering, entry, inputs, wire):
    return lowering.scaled(inputs[0], float(entry.parameters["by"]), wire)


def shift(lowering, entry, inputs, wire):
    x = inputs[0]
    return lowering.emit(k.SHIFT, entry.shape, wire, x, active=x.active,
                         numbers=(x.factor, float(entry.parameters["by"])))


def power(lowering, entry, inputs, wire):
    """Whole exponents >= 0 multiply repeatedly."""
    x, exponent = lowering.plain(inputs[0], wire), float(entry.parameters["exponent"])
    operation = k.POWER_WHOLE if exponent.is_integer() and exponent >= 0 else k.POWER
    return lowering.emit(operation, entry.shape, wire, x, active=x.active, numbers=(exponent, 0.0),
                         entry=entry)


def active_first(a, b):
    """Two operands: a constant one, if there is one, comes second."""
    return (b, a) if b.active and not a.active else (a, b)


def add(lowering, entry, inputs, wire):
    a, b = active_first(*inputs)
    return lowering.emit(k.COMBINE if a.active == b.active else k.COMBINE_CONSTANT, entry.shape, wire, a, b,
                         active=a.active, numbers=(a.factor, b.factor))


def multiply(lowering, entry, inputs, wire):
    a, b = active_first(*inputs)
    y = lowering.emit(k.MULTIPLY if a.active == b.active else k.MULTIPLY_CONSTANT, entry.shape, wire, a, b,
                      active=a.active)
    return lowering.scaled(lowering.scaled(y, a.factor, wire), b.factor, wire)


def groups_along(x, axes):
    """(x with some axes last, how axes were ordered, columns): groups of elements along these axes."""
    ndim = x.ids.ndim
    order = [i for i in range(ndim) if i - ndim not in axes] + [a + ndim for a in axes]
    grouped = Tensor(x.ids.transpose(order), x.active)
    at = ndim - len(axes)
    shape = grouped.ids.shape
    return grouped, order, {k.LENGTH: prod(shape[at:]), k.GROUPS: prod(shape[:at])}


def sum_axes(lowering, entry, inputs, wire):
    """A sum of each group; the factor waits."""
    x = inputs[0]
    grouped, _, columns = groups_along(x, entry.parameters["axes"])
    y = lowering.emit(k.SUM, entry.shape, wire, grouped, active=x.active, columns=columns)
    return lowering.scaled(y, x.factor, wire)


def max_axis(lowering, entry, inputs, wire):
    """The winner of each group."""
    x = lowering.plain(inputs[0], wire)
    grouped, _, columns = groups_along(x, (entry.parameters["axis"],))
    return lowering.emit(k.MAX, entry.shape, wire, grouped, active=x.active, columns=columns, entry=entry)


def one_hot_max(lowering, entry, inputs, wire):
    """Where the winner of each group is: constants, in the order of the groups."""
    x = lowering.plain(inputs[0], wire)
    grouped, order, columns = groups_along(x, (entry.parameters["axis"],))
    y = lowering.new(entry.shape, False)
    lowering.instructions.append(
        Instruction(k.ONE_HOT_MAX, False, wire, y.ids.transpose(order).ravel(), grouped.ids.ravel(),
                    moving=x.active, columns=columns, entry=entry))
    return y


def rows(lowering, entry, inputs, wire):
    """gather and scatter: rows chosen by whole numbers."""
    x, ids = inputs
    length, limit = prod(entry.shape[1:]), entry.parameters.get("count", x.ids.shape[0])
    y = lowering.emit(number_of(entry.gate.taylor), entry.shape, wire, x, active=x.active, whole=ids.ids,
                      count=ids.ids.size * length, columns={k.LENGTH: length, k.LIMIT: limit})
    return lowering.scaled(y, x.factor, wire)


def einsum(lowering, entry, inputs, wire):
    """A product of matrices, by roles of the axes."""
    (a, b), spec = inputs, entry.parameters["spec"]
    letters_a, letters_b = spec.split("->")[0].split(",")
    batch, row, column, inner = einsum_letters(spec)
    sizes = einsum_sizes(spec, a.ids.shape, b.ids.shape)
    # Columns are taken two by two, so they are the axes of the larger operand: less is left over. A constant
    # operand is always b.
    larger = prod(sizes[c] for c in row) > prod(sizes[c] for c in column)
    if (b.active and not a.active) or (a.active == b.active and larger):
        a, b, letters_a, letters_b, row, column = b, a, letters_b, letters_a, column, row
    y = lowering.new(entry.shape, a.active)
    y_axes = separated(lowering, y.ids, spec.split("->")[1], (batch, row, column))
    a, a_axes = with_axes(lowering, a, letters_a, (batch, row, inner), wire)
    b, b_axes = with_axes(lowering, b, letters_b, (batch, column, inner), wire)
    instruction = Instruction(k.EINSUM if a.active == b.active else k.EINSUM_CONSTANT, a.active, wire,
                              y.ids.ravel(), a.ids.ravel(), b.ids.ravel())
    instruction.axes.update(zip((k.BATCH_Y, k.ROWS_Y, k.COLUMNS_Y), y_axes))
    instruction.axes.update(zip((k.BATCH_A, k.ROWS_A, k.INNER_A), a_axes))
    instruction.axes.update(zip((k.BATCH_B, k.COLUMNS_B, k.INNER_B), b_axes))
    for count, letters in ((k.BATCH, batch), (k.ROWS, row), (k.COLUMNS, column), (k.INNER, inner)):
        instruction.columns[count] = prod(sizes[c] for c in letters)
    lowering.instructions.append(instruction)
    return lowering.scaled(lowering.scaled(y, a.factor, wire), b.factor, wire)


def with_axes(lowering, x, letters, roles, wire):
    """(x, its relative ids by role); x is written anew where its elements do not lie in a grid."""
    axes = separated(lowering, x.ids, letters, roles)
    if axes is None:
        x = lowering.written(x, wire)
        axes = separated(lowering, x.ids, letters, roles)
    return x, axes


def separated(lowering, ids, letters, roles):
    """Relative ids by role, where id = first + sum over roles; None where the elements lie otherwise."""
    grouped = ids.transpose([letters.index(c) for role in roles for c in role])
    shape, at = [], 0
    for role in roles:
        shape.append(prod(grouped.shape[at:at + len(role)]))
        at += len(role)
    grouped = grouped.reshape(shape)
    if grouped.size == 0:
        return [np.zeros(n, np.int64) for n in shape]
    first = grouped[0, 0, 0]
    parts = [grouped[:, 0, 0] - first, grouped[0, :, 0] - first, grouped[0, 0, :] - first]
    rebuilt = first + parts[0][:, None, None] + parts[1][:, None] + parts[2]
    owners = {lowering.owner(i) for i in (grouped.min(), grouped.max())}
    return parts if len(owners) == 1 and np.array_equal(rebuilt, grouped) else None


LOWERED = {"constant": constant, "constant_part": constant_part, "place": placed, "scale": scale,
           "shift": shift, "power": power, "add": add, "multiply": multiply, "sum": sum_axes, "max": max_axis,
           "one_hot_max": one_hot_max, "gather": rows, "scatter": rows, "einsum": einsum}
"""Rules of gates that are neither moves nor functions of one input."""


# gates and operations fit ----------------------------------------------------------------------------------

def number_of(operation):
    """The number of an operation, by its name."""
    return k.OPERATIONS.index(operation)


MACHINERY = {"strip", "lift"}
"""Operations that belong to no gate."""


def check_rules(gates, operations=k.OPERATIONS):
    """Raise CircuitError, naming the missing line, where gates and operations do not fit each other."""
    owners = {operation: gate for gate in gates for operation in gate.operations}
    for operation, gate in owners.items():
        if operation not in operations:
            raise CircuitError(f"gate {gate.name}: its Taylor rule is the operation {operation!r}, which is "
                               "missing from OPERATIONS in taylor/kernels.py")
    for operation in operations:
        if operation not in owners and operation not in MACHINERY:
            raise CircuitError(f"operation {operation!r} of taylor/kernels.py belongs to no gate: the line "
                               f"`taylor={operation!r}` is missing from a gate")
        elementwise = operations.index(operation) < operations.index("einsum") and operation != "strip"
        if elementwise and not hasattr(rules, operation):
            raise CircuitError(f"operation {operation!r} has no rule: a function of this name is missing "
                               "from taylor/rules.py")
    for gate in gates:
        function_like = gate.shape is same_shape and gate.arity == 1 and len(gate.operations) == 1
        if gate.name not in LOWERED and gate.taylor != MOVES and not function_like:
            raise CircuitError(f"gate {gate.name}: with `taylor={gate.taylor!r}` a line is missing from "
                               "LOWERED in taylor/lower.py, which says how the gate becomes instructions")


check_rules(GATES.values())
