"""From circuit to instructions: the elements of every tensor, and the loops that calculate them.

A tensor is an array of element ids. Gates that only move elements just rearrange ids: the gate's own NumPy
value, applied to ids in place of numbers, is the whole implementation, so transposes, slices and the like
cost nothing when the program runs. Every other gate becomes one instruction, which writes a buffer of new
ids.

Multiplication by a constant is postponed: a tensor carries a factor through products, sums and moves until a
gate must write it. So x - y, a mean, or Adam's 0.85 m + 0.15 g is a single instruction.

An element is *active* if it differs from lane to lane, because it depends on the polynomial inputs or, in
plain trainings, on inputs that each lane has for itself; else it is *constant*: one number. Instructions that
read constants alone are calculated once for all lanes. Products and sums of an active and a constant operand
have rules of their own.
"""
from bisect import bisect_right
from dataclasses import dataclass, field
from math import prod

import numpy as np

from .. import tape as k

ZERO, CONSTANT_ZERO = 0, 1
"""The ids of two elements that are always zero: an active one and a constant."""

MODERATE = 1e6
"""Factors above this, or below its inverse, are multiplied out at once: no product overflows because its
factor waits."""


@dataclass
class Tensor:
    """factor times the elements with these ids, in the tensor's shape.

    active    whether they may be read as differing from lane to lane; else only constant parts may be read
    """
    ids: np.ndarray
    active: bool = False
    factor: float = 1.0

    def rename(self, old, new):
        self.ids = renamed(self.ids, old, new)


@dataclass
class Buffer:
    """Consecutive ids first..first + size - 1: written by one instruction, or, if `lasting`, given when the
    program starts and kept in a place of their own."""
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
    moving      whether a differs from lane to lane; polynomials of degree 1 and above must not be on a kink
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
    """ids with `new` in place of `old`, both consecutive."""
    inside = (ids >= old[0]) & (ids <= old[-1]) if len(old) else np.zeros(ids.shape, bool)
    return np.where(inside, ids - old[:1] + new[:1], ids) if inside.any() else ids


class Lowering:
    """Lowers circuits one after the other into one space of ids.

    form      of the polynomials
    rule_of   rule_of(gate) is how a gate is lowered: rule(lowering, entry, inputs, wire) -> tensor

    buffers, instructions and integers (the buffers of whole numbers: (first, array or None)) grow as circuits
    are lowered.
    """

    def __init__(self, form, rule_of):
        self.form, self.rule_of = form, rule_of
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
            wires.append(self.rule_of(entry.gate)(self, entry, [wires[i] for i in entry.inputs], len(wires)))
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
        """Whether the gate's result differs from lane to lane. In polynomials a jump does not; where each
        lane is a calculation of its own, it does."""
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
        """x as an active tensor."""
        if x.active:
            return x
        return self.emit("lift", x.ids.shape, wire, self.plain(x, wire), active=True)

    def owner(self, element):
        """The number of the buffer an id belongs to."""
        return bisect_right(self.buffers, element, key=lambda buffer: buffer.first) - 1
