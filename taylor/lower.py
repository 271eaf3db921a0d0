"""From circuit to instructions: where every tensor's elements live, and which loops calculate them.

A tensor is an array of element ids. Gates that only move elements just rearrange ids: the gate's own NumPy
value, applied to ids in place of numbers, is the whole implementation, so transposes, slices and the like
cost nothing when the program runs. Every other gate becomes one instruction, which writes a buffer of new
ids.

Multiplication by a constant is postponed: a tensor carries a factor through products, sums and moves until a
gate must write it. So x - y, a mean, or Adam's 0.85 m + 0.15 g is a single instruction.

An element is *active* if it differs from lane to lane, because it depends on the polynomial inputs or, in plain
trainings, on inputs that each lane has for itself; else it is *constant*: one number. Instructions that read
constants alone are calculated once for all lanes. Products and sums of an active and a constant operand have
rules of their own.
"""
from bisect import bisect_right
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

import numpy as np

from circuit import CircuitError
from circuit.gates.bilinear import einsum_letters, einsum_sizes
from circuit.gates.gate import GATES, MOVES, same_shape

from . import rules
from . import tape as k
from .kernels import KERNELS

ZERO, CONSTANT_ZERO = 0, 1
"""The ids of two elements that are always zero: an active one and a constant."""

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
    """One loop.

    operation   its name
    active      whether it writes what differs from lane to lane
    wire        the gate that it came from
    y, a, b     element ids of the result and the operands, flat, in the order of the loop
    moving      whether a has coefficients, so that it must not be on a kink
    whole       the places of whole numbers that choose rows
    numbers     constant parameters
    columns     further entries of the instruction's word
    axes        relative ids by column of the word, where operands are not addressed in rows
    entry       the circuit's entry whose domain operand a must lie in, if it has one
    """
    operation: str
    active: bool
    wire: int
    y: np.ndarray
    a: np.ndarray
    b: np.ndarray = None
    moving: bool = False
    whole: np.ndarray = None
    numbers: tuple = (0.0, 0.0)
    columns: dict = field(default_factory=dict)
    axes: dict = field(default_factory=dict)
    entry: object = None

    @property
    def elementwise(self):
        return self.operation in k.ELEMENTWISE

    @property
    def reads(self):
        return [x for x in (self.a, self.b) if x is not None]

    def conditions(self, degree):
        """The bits of the conditions that operand a must meet, in polynomials of a degree."""
        finite = k.FINITE_INPUT if self.operation in k.HIDING else 0
        if self.entry is None:
            return finite
        return finite | int(self.entry.gate.conditions(self.moving and degree >= 1, **self.entry.parameters))

    def rename(self, old, new):
        """Read and write elements `new` in place of `old`, both consecutive ids."""
        self.y, self.a = renamed(self.y, old, new), renamed(self.a, old, new)
        self.b = None if self.b is None else renamed(self.b, old, new)


def renamed(ids, old, new):
    inside = (ids >= old[0]) & (ids <= old[-1]) if len(old) else np.zeros(ids.shape, bool)
    return np.where(inside, ids - old[:1] + new[:1], ids) if inside.any() else ids


class Lowering:
    """Lowers circuits one after the other into one space of ids.

    form is that of the polynomials. buffers, instructions and integers (the buffers of whole numbers: (first,
    array or None)) grow as circuits are lowered. How each gate is lowered is below the class.
    """

    def __init__(self, form):
        self.form = form
        self.buffers = [Buffer(ZERO, 1, True, True, np.zeros(1)),
                        Buffer(CONSTANT_ZERO, 1, False, True, np.zeros(1))]
        self.instructions = []
        self.size = 2
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

    def number(self, x):
        """The number that a constant of the circuit has in every element, or None."""
        if not x.ids.size or x.ids.min() != x.ids.max():
            return None
        buffer = self.buffers[self.owner(x.ids.flat[0])]
        return None if buffer.content is None else float(buffer.content.flat[x.ids.flat[0] - buffer.first])

    def varies(self, x, gate):
        """Whether the gate's result differs from lane to lane. In polynomials a jump does not; where each lane
        is a calculation of its own, it does."""
        return x.active and not (gate.jumps and self.form.shared)

    def scaled(self, x, by, wire):
        """by x, without calculating anything if it can wait."""
        factor = x.factor * by
        if 1.0 / MODERATE <= abs(factor) <= MODERATE:
            return Tensor(x.ids, x.active, factor)
        return self.written(x, wire, by)

    def written(self, x, wire, by=1.0):
        """by x in a buffer of its own, with the factor multiplied out."""
        return self.emit("scale", x.ids.shape, wire, x, active=x.active, numbers=(x.factor * by, 0.0))

    def plain(self, x, wire):
        """x with no factor left."""
        return x if x.factor == 1.0 else self.written(x, wire)

    def lifted(self, x, wire):
        """x with coefficients: zeros where it was a constant."""
        if x.active:
            return x
        return self.emit("lift", x.ids.shape, wire, self.plain(x, wire), active=True)

    def owner(self, element):
        """The number of the buffer an id belongs to."""
        return bisect_right(self.buffers, element, key=lambda buffer: buffer.first) - 1


# how gates are lowered: rule(lowering, entry, inputs, wire) -> the tensor that the gate writes --------------

def function(lowering, entry, inputs, wire):
    """An elementwise gate with one input, one operation, and at most one number as parameter."""
    x = lowering.plain(inputs[0], wire)
    number = float(*entry.parameters.values())      # float() is 0.0
    return lowering.emit(entry.gate.operations[0], entry.shape, wire, x, entry=entry,
                         active=lowering.varies(x, entry.gate), numbers=(number, 0.0))


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
    x = inputs[0]
    ids = np.full(entry.shape, ZERO if x.active else CONSTANT_ZERO)
    ids[tuple(slice(*triple) for triple in entry.parameters["index"])] = x.ids
    return Tensor(ids, x.active, x.factor)


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
    return Tensor(inputs[0].ids, lowering.varies(inputs[0], entry.gate), inputs[0].factor)


def scale(lowering, entry, inputs, wire):
    return lowering.scaled(inputs[0], float(entry.parameters["by"]), wire)


def shift(lowering, entry, inputs, wire):
    x = inputs[0]
    return lowering.emit("shift", entry.shape, wire, x, active=x.active,
                         numbers=(x.factor, float(entry.parameters["by"])))


EXPONENTS = {-1.0: "inverse", -0.5: "inverse_root", -1.5: "inverse_root_cubed"}
"""Powers that every training step has. They need no logarithm, and become vector instructions."""


def power(lowering, entry, inputs, wire):
    """Whole exponents >= 0 multiply repeatedly."""
    x, exponent = lowering.plain(inputs[0], wire), float(entry.parameters["exponent"])
    operation = "power_whole" if exponent.is_integer() and exponent >= 0 else EXPONENTS.get(exponent, "power")
    return lowering.emit(operation, entry.shape, wire, x, active=x.active, numbers=(exponent, 0.0),
                         entry=entry)


def active_first(a, b):
    """Two operands: a constant one, if there is one, comes second."""
    return (b, a) if b.active and not a.active else (a, b)


def add(lowering, entry, inputs, wire):
    """A sum. Where most elements are zero in one operand or the other, as in sums of placed tensors, it is
    calculated only where neither is, and the rest is moved."""
    a, b = active_first(*inputs)
    both = ~(is_zero(a) | is_zero(b))
    if a.active != b.active or 2 * both.sum() >= both.size:
        return combined(lowering, a, b, wire)
    a, b = nonzero_plain(lowering, a, wire), nonzero_plain(lowering, b, wire)
    ids = np.where(is_zero(a), b.ids, a.ids)
    if both.any():
        ids[both] = combined(lowering, *(Tensor(x.ids[both], x.active) for x in (a, b)), wire).ids
    return Tensor(ids, a.active)


def nonzero_plain(lowering, x, wire):
    """x with no factor left, written only where it is not zero."""
    if x.factor == 1.0:
        return x
    ids, some = x.ids.copy(), ~is_zero(x)
    ids[some] = lowering.written(Tensor(x.ids[some], x.active, x.factor), wire).ids
    return Tensor(ids, x.active)


def is_zero(x):
    """Which elements are always zero."""
    return x.ids <= CONSTANT_ZERO


def combined(lowering, a, b, wire):
    """The sum of two tensors as one instruction."""
    operation = "combine" if a.active == b.active else "combine_constant"
    return lowering.emit(operation, a.ids.shape, wire, a, b, active=a.active, numbers=(a.factor, b.factor))


def multiply(lowering, entry, inputs, wire):
    """A product; by a constant that is the same everywhere it is a factor that waits."""
    a, b = active_first(*inputs)
    by = None if b.active else lowering.number(b)
    if by is not None:
        return lowering.scaled(a, by * b.factor, wire)
    y = lowering.emit("multiply" if a.active == b.active else "multiply_constant", entry.shape, wire, a, b,
                      active=a.active)
    return lowering.scaled(lowering.scaled(y, a.factor, wire), b.factor, wire)


def groups_along(lowering, x, axes, wire):
    """(x, how its axes were ordered, columns, axes of the word): groups of elements along these axes."""
    ndim = x.ids.ndim
    order = [i for i in range(ndim) if i - ndim not in axes] + [a + ndim for a in axes]
    at = ndim - len(axes)
    grid = in_grid(lowering, x.ids.transpose(order), at)
    if grid is None:
        x = lowering.written(x, wire)
        grid = in_grid(lowering, x.ids.transpose(order), at)
    groups, members = grid
    ids = x.ids.transpose(order).ravel()
    return (Tensor(ids, x.active, x.factor), order, {k.LENGTH: len(members), k.GROUPS: len(groups)},
            {k.A_ROWS: groups, k.MEMBERS: members})


def in_grid(lowering, ids, at):
    """(rows, columns) with id = first id + rows[i] + columns[j], where i counts the first `at` axes and j the
    others; None where the ids lie otherwise, or in several buffers."""
    ids = ids.reshape(prod(ids.shape[:at]), prod(ids.shape[at:]))
    if ids.size == 0:
        return np.zeros(ids.shape[0], np.int64), np.zeros(ids.shape[1], np.int64)
    first = ids[0, 0]
    rows, columns = ids[:, 0] - first, ids[0] - first
    one_buffer = lowering.owner(ids.min()) == lowering.owner(ids.max())
    if not one_buffer or not np.array_equal(first + rows[:, None] + columns, ids):
        return None
    return rows, columns


def sum_axes(lowering, entry, inputs, wire):
    """A sum of each group; the factor waits."""
    x, _, columns, axes = groups_along(lowering, inputs[0], entry.parameters["axes"], wire)
    y = lowering.emit("sum", entry.shape, wire, x, active=x.active, columns=columns, axes=axes)
    return lowering.scaled(y, x.factor, wire)


def max_axis(lowering, entry, inputs, wire):
    """The winner of each group."""
    x = lowering.plain(inputs[0], wire)
    x, _, columns, axes = groups_along(lowering, x, (entry.parameters["axis"],), wire)
    return lowering.emit("max", entry.shape, wire, x, active=x.active, columns=columns, axes=axes, entry=entry)


def one_hot_max(lowering, entry, inputs, wire):
    """Where the winner of each group is: constants, in the order of the groups."""
    x = lowering.plain(inputs[0], wire)
    x, order, columns, axes = groups_along(lowering, x, (entry.parameters["axis"],), wire)
    y = lowering.new(entry.shape, lowering.varies(x, entry.gate))
    groups, members = in_grid(lowering, y.ids.transpose(order), len(order) - 1)
    lowering.instructions.append(
        Instruction("one_hot_max", y.active, wire, y.ids.ravel(), x.ids, moving=x.active, columns=columns,
                    axes={**axes, k.Y_ROWS: groups, k.Y_MEMBERS: members}, entry=entry))
    return y


def rows(lowering, entry, inputs, wire):
    """gather and scatter: rows chosen by whole numbers."""
    x, ids = inputs
    length, limit = prod(entry.shape[1:]), entry.parameters.get("count", x.ids.shape[0])
    at = 1 if entry.gate.taylor == "gather" else ids.ids.ndim
    grid = regular(in_grid(lowering, x.ids, at))
    if grid is None:
        x = lowering.written(x, wire)
        grid = regular(in_grid(lowering, x.ids, at))
    pitch, stride = grid
    y = lowering.emit(entry.gate.taylor, entry.shape, wire, x, active=x.active, whole=ids.ids.ravel(),
                      columns={k.LENGTH: length, k.LIMIT: limit, k.LINES: ids.ids.size, k.A_PITCH: pitch,
                               k.A_STRIDE: stride})
    return lowering.scaled(y, x.factor, wire)


def regular(grid):
    """(distance of two rows, distance of two columns) of a grid whose distances are all the same, or None."""
    if grid is None:
        return None
    steps = [int(ids[1]) if len(ids) > 1 else 1 for ids in grid]
    same = all(np.array_equal(ids, step * np.arange(len(ids))) for ids, step in zip(grid, steps))
    return steps if same else None


def einsum(lowering, entry, inputs, wire):
    """A product of matrices, by roles of the axes: of what differs from lane to lane, and of constant parts.

    A tile of a product takes more columns than lines, so the columns are the axes of the larger operand: less
    is left over. Of operands that differ from lane to lane a constant one is always b.
    """
    (a, b), spec = inputs, entry.parameters["spec"]
    letters_a, letters_b = spec.split("->")[0].split(",")
    batch, row, column, inner = einsum_letters(spec)
    sizes = einsum_sizes(spec, a.ids.shape, b.ids.shape)
    counts = [prod(sizes[c] for c in letters) for letters in (batch, row, column, inner)]
    y = lowering.new(entry.shape, a.active or b.active)
    y_axes = separated(lowering, y.ids, spec.split("->")[1], (batch, row, column))
    a, a_axes = with_axes(lowering, a, letters_a, (batch, row, inner), wire)
    b, b_axes = with_axes(lowering, b, letters_b, (batch, column, inner), wire)
    straight, turned = (Product(y, y_axes, a, a_axes, b, b_axes, counts),
                        Product(y, [y_axes[0], y_axes[2], y_axes[1]], b, b_axes, a, a_axes,
                                [counts[0], counts[2], counts[1], counts[3]]))
    if lowering.form.shared or not y.active:
        better = min((straight, turned), key=Product.cost_of_values)
        lowering.instructions.append(better.instruction("einsum_values", False, wire))
    if y.active and (lowering.form.degree or not lowering.form.shared):
        turn = b.active and not a.active or (a.active == b.active and counts[1] > counts[2])
        operation = "einsum" if a.active == b.active else "einsum_constant"
        lowering.instructions.append((turned if turn else straight).instruction(operation, True, wire))
    return lowering.scaled(lowering.scaled(y, a.factor, wire), b.factor, wire)


APART = 512
"""Numbers this far apart lie in different pages, and push each other out of the cache."""


class Product(NamedTuple):
    """y[batch, line, column] = sum over inner of a[batch, line, inner] b[batch, column, inner].

    Each operand comes with the relative ids of its three axes; counts are those of batch, lines, columns and
    inner.
    """
    y: Tensor
    y_axes: list
    a: Tensor
    a_axes: list
    b: Tensor
    b_axes: list
    counts: list

    def cost_of_values(self):
        """About how long einsum_values takes: numbers brought into panels, and products of vectors."""
        _, lines, columns, inner = self.counts
        filling = 2 if (np.diff(self.b_axes[1]) == 1).all() else 12      # as vectors, or one by one
        apart = np.abs(np.diff(self.a_axes[2])).max(initial=0) >= APART
        return -(-columns // 8) * inner * (filling + (6 if apart else 4) * -(-lines // 4))

    def instruction(self, operation, active, wire):
        """The Instruction, of an operation."""
        axes = dict(zip((k.BATCH_Y, k.LINES_Y, k.COLUMNS_Y), self.y_axes))
        axes.update(zip((k.BATCH_A, k.LINES_A, k.INNER_A), self.a_axes))
        axes.update(zip((k.BATCH_B, k.COLUMNS_B, k.INNER_B), self.b_axes))
        return Instruction(operation, active, wire, self.y.ids.ravel(), self.a.ids.ravel(), self.b.ids.ravel(),
                           moving=self.a.active, axes=axes,
                           columns=dict(zip((k.BATCH, k.LINES, k.COLUMNS, k.INNER), self.counts)))


def with_axes(lowering, x, letters, roles, wire):
    """(x, its relative ids by role); x is written anew where its elements do not lie in a grid."""
    axes = separated(lowering, x.ids, letters, roles)
    if axes is None:
        x = lowering.written(x, wire)
        axes = separated(lowering, x.ids, letters, roles)
    return x, axes


def separated(lowering, ids, letters, roles):
    """Relative ids by role, where id = first id + sum over roles; None where the elements lie otherwise."""
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
    one_buffer = lowering.owner(grouped.min()) == lowering.owner(grouped.max())
    return parts if one_buffer and np.array_equal(rebuilt, grouped) else None


LOWERED = {"constant": constant, "constant_part": constant_part, "place": placed, "scale": scale,
           "shift": shift, "power": power, "add": add, "multiply": multiply, "sum": sum_axes, "max": max_axis,
           "one_hot_max": one_hot_max, "gather": rows, "scatter": rows, "einsum": einsum}
"""Rules of gates that are neither moves nor functions of one input."""


# gates and operations fit ----------------------------------------------------------------------------------

MACHINERY = {"strip", "lift", "einsum_values"}
"""Operations that belong to no gate."""


def check_rules(gates, operations=k.OPERATIONS):
    """Raise CircuitError, naming the missing line, where gates and operations do not fit each other."""
    owners = {operation: gate for gate in gates for operation in gate.operations}
    for operation, gate in owners.items():
        if operation not in operations:
            raise CircuitError(f"gate {gate.name}: its Taylor rule is the operation {operation!r}, which is "
                               "missing from OPERATIONS in taylor/tape.py")
    for operation in operations:
        if operation not in owners and operation not in MACHINERY:
            raise CircuitError(f"operation {operation!r} of taylor/tape.py belongs to no gate: the line "
                               f"`taylor={operation!r}` is missing from a gate")
        elementwise = operations.index(operation) < operations.index("einsum") and operation != "strip"
        if elementwise and not hasattr(rules, operation):
            raise CircuitError(f"operation {operation!r} has no rule: a function of this name is missing "
                               "from taylor/rules.py")
        if not elementwise and operation != "strip" and operation not in KERNELS:
            raise CircuitError(f"operation {operation!r} has no kernel: a line is missing from KERNELS in "
                               "taylor/kernels.py")
    for gate in gates:
        function_like = gate.shape is same_shape and gate.arity == 1 and len(gate.operations) == 1
        if gate.name not in LOWERED and gate.taylor != MOVES and not function_like:
            raise CircuitError(f"gate {gate.name}: with `taylor={gate.taylor!r}` a line is missing from "
                               "LOWERED in taylor/lower.py, which says how the gate becomes instructions")


check_rules(GATES.values())
