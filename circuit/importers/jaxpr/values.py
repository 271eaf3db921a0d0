"""Values that are no wires yet.

`Whole`: whole numbers of the data while they are calculated with, compared, turned into real numbers. A
circuit moves whole numbers about and reads rows of tables by them, and has no arithmetic for them. So what a
function makes of one is kept as a function, and becomes a table of its values where real numbers are needed.

`Late`: what is known when a step is taken.
"""
from math import prod

import numpy as np

from ...errors import CircuitError
from ...functions import broadcast_to, einsum, gather
from ...shapes import reshape, transpose
from ..tensors import picked

TABLE = 2 ** 16
"""How many numbers a table holds, at least: the largest whole number that can be told apart, where nothing
else limits it. A larger one is refused when the circuit is evaluated."""

LARGEST_TABLE = 2 ** 24


class Whole:
    """Numbers or truth values that follow, element by element, from a wire of whole numbers.

    Attributes
    ----------
    wire : Wire
        The whole numbers; its axes have the lengths of `shape`, or 1.
    of : callable
        of(n) -> array (rows, ...): the values where the whole number is n, (rows, 1, ...); axes of length 1
        where the place makes no difference.
    shape : tuple
        The shape of the values.
    reach : int
        How many whole numbers, from 0, have to be told apart at least.
    limit : int
        How many there are in the type of the data.
    """

    def __init__(self, wire, of=None, shape=None, reach=1, limit=2 ** 31):
        self.wire, self.shape, self.reach = wire, wire.shape if shape is None else tuple(shape), reach
        self.of, self.limit = (lambda n: n) if of is None else of, limit

    @classmethod
    def given(cls, wire, dtype):
        """Whole numbers, or truth values, as they are given."""
        if dtype == bool:
            return cls(wire, lambda n: n != 0, limit=2)
        return cls(wire, limit=min(int(np.iinfo(dtype).max) + 1, 2 ** 31))

    @property
    def ndim(self):
        """The number of axes."""
        return len(self.shape)

    def values(self, rows):
        """The values (rows, ...) for the first whole numbers."""
        return self.of(np.arange(rows).reshape((rows,) + (1,) * self.ndim))

    def plain(self):
        """Whether the place makes no difference: then the wire can be moved about."""
        return prod(self.values(1).shape[1:]) == 1

    def moved(self, move):
        """The same values in other places.   move: what moves the elements of a wire or array"""
        if not self.plain():
            return move(self.real())
        wire, of, ndim = move(broadcast_to(self.wire, self.shape)), self.of, self.ndim
        return Whole(wire, lambda n: of(n.reshape((len(n),) + (1,) * ndim)).reshape(n.shape),
                     reach=self.reach, limit=self.limit)

    def spread(self, shape, axes):
        """The values with their axes put at the places `axes` of a shape, repeated along the others."""
        def at(x, lead):
            ones = list(x.shape[:lead]) + [1] * len(shape)
            for axis, n in zip(axes, x.shape[lead:]):
                ones[lead + axis] = n
            return tuple(ones)

        of, ndim = self.of, self.ndim

        def spread(n):
            y = of(n.reshape((len(n),) + (1,) * ndim))
            return y.reshape(at(y, 1))

        return Whole(reshape(self.wire, at(self.wire, 0)), spread, shape, self.reach, self.limit)

    def real(self):
        """The values as a wire of real numbers; truth values are 0 and 1."""
        width = prod(self.values(1).shape[1:])
        rows = min(max(self.reach, TABLE // max(width, 1)), self.limit)
        if rows * width > LARGEST_TABLE:
            raise CircuitError(f"whole numbers up to {self.reach - 1:,} are compared with {width:,} others: "
                               "choose elements by them, as in x[i] or take_along_axis, not by comparing")
        table = self.values(rows).astype(float)
        read = [i for i, n in enumerate(self.wire.shape) if n > 1]
        varied = [i for i, n in enumerate(table.shape[1:]) if n > 1]
        ids = reshape(self.wire, (-1,))
        if not set(read) & set(varied):
            y = gather(table.reshape(rows, width), ids)
            y = reshape(y, [self.wire.shape[i] for i in read] + [table.shape[1 + i] for i in varied])
            order = np.argsort(read + varied)
            y = transpose(y, order.tolist()) if len(order) else y
        else:
            letters = "abcdefghijklmnopqrstuvw"
            which = reshape(gather(np.eye(rows), ids), [self.wire.shape[i] for i in read] + [rows])
            y = einsum("".join(letters[i] for i in read) + "z,z" + "".join(letters[i] for i in varied) + "->"
                       + "".join(letters[i] for i in sorted({*read, *varied})),
                       which, table.reshape([rows] + [table.shape[1 + i] for i in varied]))
        ones = [n if i in {*read, *varied} else 1 for i, n in enumerate(self.shape)]
        return broadcast_to(reshape(y, ones), self.shape)

    def rows(self, table):
        """Rows of a table (n, ...) that the values choose, as (elements, ...).   table: a wire or array"""
        count = table.shape[0]
        if not self.plain():
            raise CircuitError("whole numbers that choose rows have to be the same function of the data at "
                               "every place: calculate them beforehand and give them as data")
        ids = reshape(broadcast_to(self.wire, self.shape), (-1,))
        rows = min(max(count, self.reach), self.limit)
        chosen = self.values(rows).reshape(rows)
        if np.array_equal(chosen[:count], np.arange(min(count, rows))):
            return gather(table, ids)
        outside = np.flatnonzero((chosen < 0) | (chosen >= count))
        chosen = chosen[:outside[0] if len(outside) else rows]
        if not len(chosen):
            raise CircuitError(f"the whole number 0 already chooses a row outside of 0 to {count - 1}")
        if isinstance(table, np.ndarray):
            return gather(table[chosen], ids)
        width = prod(table.shape[1:])
        return gather(picked(table, chosen.reshape((-1,) + (1,) * (table.ndim - 1)) * width
                             + np.arange(width).reshape(table.shape[1:])), ids)


def narrowed(x):
    """An array with length 1 along axes on which nothing depends."""
    x = np.asarray(x)
    for axis, n in enumerate(x.shape):
        first = x.take([0], axis) if n else x
        if n > 1 and (x == first).all():
            x = first
    return x


def calculated(function, values, dtypes, shape):
    """What an elementwise function makes of whole numbers, at least one of them a Whole, or None if they
    follow from different wires.   function: of arrays of one shape and these types"""
    several = [x for x in values if isinstance(x, Whole)]
    first = several[0]
    if any(x.wire is not first.wire and not same_place(x.wire, first.wire) for x in several):
        return None
    ndim, reach = len(shape), max(x.reach for x in several)
    parts = []
    for x in values:
        if isinstance(x, Whole):
            parts.append((x.of, x.ndim))
        else:
            x = narrowed(x)
            if x.size and x.dtype.kind in "iu":
                reach = max(reach, min(int(x.max()) + 2, 2 ** 20))
            parts.append((x, x.ndim))

    def of(n):
        rows = []
        for part, own in parts:
            if callable(part):
                y = part(n.reshape((len(n),) + (1,) * own))
                rows.append(y.reshape(y.shape[:1] + (1,) * (ndim - own) + y.shape[1:]))
            else:
                rows.append(part.reshape((1,) + (1,) * (ndim - own) + part.shape))
        return np.asarray(function(*[x.astype(t) for x, t in zip(np.broadcast_arrays(*rows), dtypes)]))

    wire = first.wire
    if wire.ndim < ndim:
        wire = reshape(wire, (1,) * (ndim - wire.ndim) + wire.shape)
    return Whole(wire, of, shape, reach, first.limit)


def same_place(a, b):
    """Whether two wires of whole numbers were made alike from the same wire."""
    entries, first = a.recorder.entries, len(a.recorder.inputs)

    def alike(i, j):
        if i == j:
            return True
        if i < first or j < first:
            return False
        x, y = entries[i - first], entries[j - first]
        return (x.gate is y.gate and x.shape == y.shape and len(x.inputs) == len(y.inputs)
                and x.gate.name != "constant" and repr(x.parameters) == repr(y.parameters)
                and all(map(alike, x.inputs, y.inputs)))

    return alike(a.index, b.index)


class Late:
    """Numbers that are known when a step is taken and that follow from no parameter: a step's count, what
    a schedule makes of it.

    Attributes
    ----------
    shape : tuple
        Their shape.
    function, values : callable, sequence
        They are function(*values), where values may be late, too; without a function they are given.
    """

    def __init__(self, shape, function=None, values=()):
        self.shape, self.function, self.values = shape, function, values

    def value(self, known):
        """The numbers.   known: {id: value}, those given and, from now on, those calculated"""
        if id(self) not in known:
            values = [x.value(known) if isinstance(x, Late) else x for x in self.values]
            known[id(self)] = self.function(*values)
        return known[id(self)]
