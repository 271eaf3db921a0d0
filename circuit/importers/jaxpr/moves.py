"""What those primitives of JAX become that move elements or choose them by index.

Where constants say which elements are chosen, JAX itself is asked: the primitive is applied to the positions
0, 1, 2, ... of the elements. Where a whole number of the data says it, all that it may choose become the rows
of a table.
"""
from math import prod

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import CircuitError
from ...functions import broadcast_to, concatenate, einsum, scatter
from ...gates.linear import cut
from ...shapes import reshape, transpose
from ...wire import Wire
from ..tensors import expanded, picked
from .values import Whole, narrowed

MIXED = ("an index that follows from several whole numbers, or from real ones: calculate it beforehand and "
         "give it as data")
TWO = "two indices at a time that are whole numbers of the data: choose by one of them, then by the other"

LARGEST_CHOICE = 2 ** 24
"""How many positions are looked at where a whole number chooses among them."""


class Columns:
    """Whole numbers side by side along the last axis, some constant and some of the data: indices.

    Attributes
    ----------
    pieces : list
        One of shape (..., 1) for each column.
    """

    def __init__(self, pieces):
        self.pieces = pieces
        self.shape = (*pieces[0].shape[:-1], len(pieces))


def mover(move):
    """A rule that moves the elements of wires of either kind.   move(equation): a function of the tensor"""
    def rule(reader, equation, x):
        moved = move(equation)
        if isinstance(x, Whole):
            return x.moved(moved)
        return moved(x)
    return rule


def spread(reader, equation, x, *sizes):
    """broadcast_in_dim."""
    shape, axes = equation.params["shape"], equation.params["broadcast_dimensions"]
    return x.spread(shape, axes) if isinstance(x, Whole) else expanded(x, axes, shape)


def sliced(equation):
    p = equation.params
    strides = p["strides"] or (1,) * len(p["start_indices"])
    index = tuple((a, max(a, b), s) for a, b, s in zip(p["start_indices"], p["limit_indices"], strides))
    return lambda x: cut(x, index=index)


def squeezed(equation):
    return lambda x: reshape(x, equation.outvars[0].aval.shape)


def reversed_along(equation):
    def move(x):
        for axis in equation.params["dimensions"]:
            x = concatenate([x[(slice(None),) * axis + (slice(i, i + 1),)]
                             for i in range(x.shape[axis])[::-1]], axis) if x.shape[axis] > 1 else x
        return x
    return move


def split(reader, equation, x):
    axis, at, parts = equation.params["axis"], 0, []
    for size in equation.params["sizes"]:
        index = (slice(None),) * axis + (slice(at, at + size),)
        parts.append(x.moved(lambda y, index=index: y[index]) if isinstance(x, Whole) else x[index])
        at += size
    return parts


def unstacked(reader, equation, x):
    axis, shape = equation.params["axis"], equation.outvars[0].aval.shape
    rows = [lambda y, i=i: reshape(y[(slice(None),) * axis + (i,)], shape) for i in range(x.shape[axis])]
    return [x.moved(row) if isinstance(x, Whole) else row(x) for row in rows]


def stacked(reader, equation, *pieces):
    """stack: each piece gets the new axis, along which they are joined."""
    axis = equation.params["axis"]
    shape = [*pieces[0].shape[:axis], 1, *pieces[0].shape[axis:]]
    return joined_along(axis, [x.moved(lambda y: reshape(y, shape)) if isinstance(x, Whole) else
                               reshape(x, shape) for x in pieces])


def tiled(equation):
    """tile: as many copies along each axis."""
    def move(x):
        for axis, count in enumerate(equation.params["reps"]):
            x = concatenate([x] * count, axis) if count != 1 else x
        return x
    return move


def joined(reader, equation, *pieces):
    """concatenate."""
    return joined_along(equation.params["dimension"], pieces)


def joined_along(axis, pieces):
    """Pieces joined along an axis; whole numbers beside constants along the last one are indices."""
    if any(isinstance(x, Whole) for x in pieces) and not any(isinstance(x, Wire) for x in pieces):
        if axis == len(pieces[0].shape) - 1 and all(x.shape[-1] == 1 for x in pieces):
            return Columns(list(pieces))
        if all(isinstance(x, Whole) and x.plain() for x in pieces) and agree(pieces):
            wire = concatenate([broadcast_to(x.wire, x.shape) for x in pieces], axis)
            return Whole(wire, pieces[0].of, reach=max(x.reach for x in pieces))
    pieces = [x.real() if isinstance(x, Whole) else x if isinstance(x, Wire) else np.asarray(x, float)
              for x in pieces]
    return concatenate(pieces, axis)


def agree(several):
    """Whether values are the same function of whole numbers, as far as can be told apart."""
    rows = max(x.reach for x in several) + 1
    first = several[0].values(rows).ravel()
    return all(np.array_equal(x.values(rows).ravel(), first) for x in several)


# positions --------------------------------------------------------------------------------------------------

def positions(equation, shape, indices):
    """Which element of a tensor of some shape an equation puts where; -1: none."""
    params = dict(equation.params)
    if "fill_value" in params:
        params["fill_value"] = -1
    at = jnp.arange(prod(shape)).reshape(shape)
    return equation.primitive.bind(at, *indices, **params)


def chosen(x, at, whole):
    """What a single whole number chooses: `at` (numbers, ...) are the positions for each."""
    rows = picked(x, at)
    return reshape(whole.rows(rows), at.shape[1:])


def within(at):
    """Positions as an array, all of which have to exist."""
    at = np.asarray(at)
    if (at < 0).any():
        raise CircuitError("an index outside of the tensor: JAX fills in NaN there")
    return at


def gathered(reader, equation, x, indices):
    """gather, by constants or by whole numbers of the data."""
    numbers = equation.params["dimension_numbers"]
    if isinstance(indices, Wire):
        raise CircuitError(MIXED)
    if not isinstance(indices, (Whole, Columns)):
        x = x.real() if isinstance(x, Whole) else x
        return picked(x, within(positions(equation, x.shape, [jnp.asarray(indices)])))
    x = x.real() if isinstance(x, Whole) else x
    x = x if isinstance(x, Wire) else np.asarray(x, float)
    columns = columns_of(indices)
    moving = [k for k, column in enumerate(columns) if isinstance(column, Whole)]
    if len(moving) > 1:
        raise CircuitError(TWO)
    k = moving[0]
    axis = numbers.start_index_map[k]
    count = x.shape[axis] - equation.params["slice_sizes"][axis] + 1
    constants = [None if i == k else narrowed(column) for i, column in enumerate(columns)]
    alike = not numbers.operand_batching_dims and all(c is None or c.size == 1 for c in constants)
    shape = (1,) * columns[k].ndim if alike else columns[k].shape
    out = equation.outvars[0].aval.shape
    if count * (prod(out) // max(prod(columns[k].shape), 1) if alike else prod(out)) > LARGEST_CHOICE:
        raise CircuitError("a whole number of the data chooses among too many elements")

    def at(n):
        pieces = [jnp.broadcast_to(n if c is None else jnp.asarray(c), shape) for c in constants]
        return positions(equation, x.shape, [jnp.stack(pieces, -1)])

    every = within(jax.vmap(at)(jnp.arange(count)))
    batch = [i for i in range(len(out)) if i not in numbers.offset_dims]
    if alike:
        return by_rows(x, every, columns[k], batch, out)
    return by_places(x, every, columns[k], batch, count)


def columns_of(indices):
    """The columns of indices (..., columns), each without the last axis."""
    if isinstance(indices, Columns):
        pieces = indices.pieces
    else:
        pieces = [indices.moved(lambda x, i=i: x[..., i:i + 1]) for i in range(indices.shape[-1])] \
            if indices.shape[-1] > 1 else [indices]
    return [x.moved(lambda y: reshape(y, y.shape[:-1])) if isinstance(x, Whole) else np.asarray(x)[..., 0]
            for x in pieces]


def by_rows(x, at, whole, batch, shape):
    """Each whole number chooses a row of a table.   at: (numbers, ...) positions, of length 1 along batch"""
    offsets = [i for i in range(len(shape)) if i not in batch]
    rows = whole.rows(picked(x, at.reshape((len(at),) + tuple(shape[i] for i in offsets))))
    y = reshape(rows, whole.shape + tuple(shape[i] for i in offsets))
    return transpose(y, np.argsort(batch + offsets).tolist()) if y.ndim else y


def by_places(x, at, whole, batch, count):
    """Each whole number chooses at its own place: all that it may choose, times a one-hot vector."""
    letters = "abcdefghijklmnopqrstuvwxy"[:at.ndim - 1]
    one_hot = reshape(whole.rows(np.eye(count)), whole.shape + (count,))
    return einsum("".join(letters[i] for i in batch) + f"z,z{letters}->{letters}", one_hot, picked(x, at))


def sliced_at(reader, equation, x, *starts):
    """dynamic_slice."""
    return placed_by(equation, x, x, starts)


def updated_at(reader, equation, x, new, *starts):
    """dynamic_update_slice: elements of one tensor or the other."""
    x, new = real(x), real(new)
    both = concatenate([reshape(x, (-1,)), reshape(new, (-1,))])
    behind = jnp.arange(prod(new.shape)).reshape(new.shape) + prod(x.shape)
    return placed_by(equation, x, both, starts, behind)


def placed_by(equation, x, source, starts, *more):
    """What is chosen of a source by starts, of which at most one is a whole number of the data."""
    source = real(source)
    if any(isinstance(s, Wire) for s in starts):
        raise CircuitError(MIXED)
    moving = [k for k, s in enumerate(starts) if isinstance(s, Whole)]

    def at(n):
        indices = [n if k in moving else jnp.asarray(s) for k, s in enumerate(starts)]
        indices = [jnp.asarray(i, jnp.int64) for i in indices]
        return positions(equation, x.shape, [*more, *indices])

    if not moving:
        return picked(source, np.asarray(at(0)))
    if len(moving) > 1:
        raise CircuitError(TWO)
    count = x.shape[moving[0]]
    if count * prod(equation.outvars[0].aval.shape) > LARGEST_CHOICE:
        raise CircuitError("a whole number of the data chooses among too many elements")
    return chosen(source, np.asarray(jax.vmap(at)(jnp.arange(count))), starts[moving[0]])


def real(x):
    """A tensor of real numbers, wire or array."""
    return x.real() if isinstance(x, Whole) else x if isinstance(x, Wire) else np.asarray(x, float)


def scattered(reader, equation, x, indices, new):
    """scatter: elements of one tensor or the other."""
    x, new = real(x), real(new)
    if isinstance(indices, (Wire, Whole, Columns)):
        raise CircuitError("elements are replaced at whole numbers of the data: write it with jnp.where and "
                           "jax.nn.one_hot, or at[...].add")
    both = concatenate([reshape(x, (-1,)), reshape(new, (-1,))])
    behind = jnp.arange(prod(new.shape)).reshape(new.shape) + prod(x.shape)
    return picked(both, np.asarray(positions(equation, x.shape, [jnp.asarray(indices), behind])))


def added(reader, equation, x, indices, new):
    """scatter-add: x, and new elements added where they belong."""
    x, new, numbers = real(x), real(new), equation.params["dimension_numbers"]
    if isinstance(indices, (Wire, Columns)):
        raise CircuitError("elements are added at more than one whole number of the data at a time")
    if isinstance(indices, Whole):
        rest = tuple(range(len(new.shape) - len(x.shape) + 1, len(new.shape)))
        if numbers.scatter_dims_to_operand_dims != (0,) or numbers.inserted_window_dims != (0,) \
                or numbers.update_window_dims != rest or numbers.operand_batching_dims:
            raise CircuitError("elements are added at whole numbers of the data, but not as rows")
        ids = columns_of(indices)[0]
        if not np.array_equal(ids.values(x.shape[0]).ravel(), np.arange(x.shape[0])):
            raise CircuitError("rows are added at what was made of whole numbers of the data, not at these "
                               "themselves: give as data what is meant")
        rows = reshape(new, (prod(ids.shape),) + x.shape[1:])
        return scatter(rows, reshape(broadcast_to(ids.wire, ids.shape), (-1,)), x.shape[0]) + x
    at = targets(equation, x.shape, new.shape, indices)
    kept = at >= 0
    flat = reshape(new, (-1,))
    if not kept.all():
        flat = picked(flat, np.flatnonzero(kept))
    return reshape(scatter(flat, at[kept], prod(x.shape)), x.shape) + x


def subtracted(reader, equation, x, indices, new):
    return -added(reader, equation, -real(x), indices, new)


def targets(equation, shape, new, indices):
    """The position in a tensor of each element that is added; -1: it is left out.

    It is read off the gradient: element i of the tensor counts i + 1, and where an element that is added
    counts nothing, it went nowhere.
    """
    weights = jnp.arange(1.0, prod(shape) + 1.0).reshape(shape)

    def total(added):
        y = equation.primitive.bind(jnp.zeros(shape), jnp.asarray(indices), added, **equation.params)
        return (y * weights).sum()

    return np.abs(np.asarray(jax.grad(total)(jnp.zeros(new)))).ravel().astype(np.int64) - 1


MOVES = {
    "reshape": mover(squeezed), "squeeze": mover(squeezed), "expand_dims": mover(squeezed),
    "transpose": mover(lambda e: lambda x: transpose(x, e.params["permutation"])),
    "slice": mover(sliced), "rev": mover(reversed_along), "broadcast_in_dim": spread, "split": split,
    "concatenate": joined, "gather": gathered, "dynamic_slice": sliced_at,
    "dynamic_update_slice": updated_at, "scatter": scattered, "scatter-add": added, "scatter-sub": subtracted,
    "stack": stacked, "unstack": unstacked, "tile": mover(tiled),
}
"""Rules that take whole numbers as they are."""
