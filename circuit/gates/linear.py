"""Linear gates: sum and broadcast, the structural gates and take, which only move elements, and gather with
its adjoint.

Axes are negative (counted from the end), so that a leading batch axis passes through. The public functions,
which accept any axis, are in functions.py; here parameters are already in normal form.
"""
from math import prod

import numpy as np

from .bilinear import permuted
from ..errors import DomainError, ShapeError
from .cost import free, linear
from .gate import BY_VALUE, COMPOSED, MOVES, Gate


# sum and broadcast, each the other's adjoint ----------------------------------------------------------------

def _sum_shape(shape, axes):
    if any(not -len(shape) <= axis < 0 for axis in axes) or len(set(axes)) != len(axes):
        raise ShapeError(f"cannot sum shape {shape} over axes {axes}")
    return tuple(n for axis, n in zip(range(-len(shape), 0), shape) if axis not in axes)


def _broadcast_shape(source, shape):
    if len(source) != len(shape) or any(n not in (1, m) for n, m in zip(source, shape)):
        raise ShapeError(f"shape {source} does not broadcast to {shape}")
    return shape


def _lead(x, trailing):
    return np.shape(x)[:np.ndim(x) - trailing]


def _sum_vjp(g, y, x, axes):
    kept = tuple(1 if axis in axes else n for axis, n in zip(range(-len(x.shape), 0), x.shape))
    return (broadcast_to(reshape_to(g, source=g.shape, shape=kept), shape=x.shape),)


def _broadcast_vjp(g, y, x, shape):
    axes = tuple(axis for axis, n, m in zip(range(-len(shape), 0), x.shape, shape) if n != m)
    return (reshape_to(sum_axes(g, axes=axes), source=_sum_shape(shape, axes), shape=x.shape),)


sum_axes = Gate("sum", 1, _sum_shape, lambda x, axes: np.sum(x, axis=axes) if axes else x, _sum_vjp,
                """Sum over axes. Linear: acts on every coefficient alike.""",
                marks=BY_VALUE, taylor="sum", cost=linear, count=lambda x, axes: prod(x))

broadcast_to = Gate(
    "broadcast", 1, _broadcast_shape, lambda x, shape: np.broadcast_to(x, _lead(x, len(shape)) + shape),
    _broadcast_vjp,
    """Repeat along axes of length 1. Linear; its adjoint is sum.""",
    marks=BY_VALUE, taylor=MOVES, cost=free, kinds="moves", flops=0.0)


# structure: elements move, values do not change -------------------------------------------------------------

def _reshape_shape(actual, source, shape):
    if actual != source or prod(source) != prod(shape):
        raise ShapeError(f"shape {actual} ({prod(actual)} elements) does not reshape to {shape}")
    return shape


def _transpose_shape(shape, axes):
    if sorted(axes) != list(range(-len(shape), 0)):
        raise ShapeError(f"{axes} does not permute the axes of shape {shape}")
    return tuple(shape[axis] for axis in axes)


def _inverse(axes):
    return tuple(int(i) - len(axes) for i in np.argsort(axes))


def slices(index):
    """The NumPy index of a normal-form slice: one (start, stop, step) per trailing axis."""
    return (...,) + tuple(slice(*triple) for triple in index)


def _slice_shape(shape, index):
    if len(index) != len(shape):
        raise ShapeError(f"{len(index)} slices for shape {shape}")
    if any(not (0 <= start <= stop <= n and step > 0) for (start, stop, step), n in zip(index, shape)):
        raise ShapeError(f"slice {index} leaves shape {shape}")
    return tuple(len(range(*triple)) for triple in index)


def _place_shape(piece, index, shape):
    if _slice_shape(shape, index) != piece:
        raise ShapeError(f"a piece of shape {piece} does not fit slice {index} of shape {shape}")
    return shape


def _place_value(x, index, shape):
    y = np.zeros(_lead(x, len(shape)) + shape, np.result_type(x))
    y[slices(index)] = x
    return y


def _concatenate_shape(*shapes, axis):
    rest = {shape[:axis] + shape[axis:][1:] for shape in shapes}
    if not shapes or any(not -len(shape) <= axis < 0 for shape in shapes) or len(rest) != 1 \
            or len({len(shape) for shape in shapes}) != 1:
        raise ShapeError(f"cannot concatenate shapes {shapes} along axis {axis}")
    joined = list(shapes[0])
    joined[axis] = sum(shape[axis] for shape in shapes)
    return tuple(joined)


def _concatenate_value(*arrays, axis):
    most = max(np.ndim(x) for x in arrays)
    lead = next(np.shape(x)[:1] for x in arrays if np.ndim(x) == most)
    least = min(np.ndim(x) for x in arrays)
    if most > least:      # some operands carry the batch axis and some do not
        arrays = [x if np.ndim(x) == most else np.broadcast_to(x, lead + np.shape(x)) for x in arrays]
    return np.concatenate(arrays, axis=axis)


def _concatenate_vjp(g, y, *inputs, axis):
    pieces, start = [], 0
    for x in inputs:
        index = [(0, n, 1) for n in g.shape]
        index[axis] = (start, start + x.shape[axis], 1)
        pieces.append(cut(g, index=tuple(index)))
        start += x.shape[axis]
    return tuple(pieces)


reshape_to = Gate(
    "reshape", 1, _reshape_shape, lambda x, source, shape: np.reshape(x, _lead(x, len(source)) + shape),
    lambda g, y, x, source, shape: (reshape_to(g, source=shape, shape=source),),
    """The same elements in row-major order in another shape. Linear.""",
    marks=BY_VALUE, taylor=MOVES, cost=free, kinds="moves", flops=0.0)

permute = Gate(
    "transpose", 1, _transpose_shape, lambda x, axes: permuted(np.asarray(x), axes),
    lambda g, y, x, axes: (permute(g, axes=_inverse(axes)),),
    """Permute the axes. Linear.""",
    marks=BY_VALUE, taylor=MOVES, cost=free, kinds="moves", flops=0.0)

cut = Gate(
    "slice", 1, _slice_shape, lambda x, index: np.asarray(x)[slices(index)],
    lambda g, y, x, index: (place(g, index=index, shape=x.shape),),
    """A regular part of every axis. Linear; its adjoint is place.""",
    marks=BY_VALUE, taylor=MOVES, cost=free, kinds="moves", flops=0.0)

place = Gate(
    "place", 1, _place_shape, _place_value, lambda g, y, x, index, shape: (cut(g, index=index),),
    """Zeros with x put into a slice of them. Linear; the adjoint of slice.""",
    marks=BY_VALUE, taylor=COMPOSED, cost=free, flops=0.0)

join = Gate(
    "concatenate", None, _concatenate_shape, _concatenate_value, _concatenate_vjp,
    """Join tensors along an axis. Linear.""",
    marks=BY_VALUE, taylor=MOVES, cost=free, kinds="moves", flops=0.0)


# elements chosen by numbers that are known while recording --------------------------------------------------

def _take_shape(actual, source, positions):
    if actual != source or positions.size and not 0 <= positions.min() <= positions.max() < prod(source):
        raise ShapeError(f"shape {actual} ({prod(actual)} elements) has no elements at all these positions")
    return positions.shape


def _take_vjp(g, y, x, source, positions):
    g = reshape_to(g, source=g.shape, shape=(positions.size,))
    g = scatter_rows(g, positions.reshape(-1), count=prod(source), rank=1)
    return (reshape_to(g, source=g.shape, shape=source),)


def _take_value(x, source, positions):
    return np.reshape(x, _lead(x, len(source)) + (prod(source),))[..., positions]


take = Gate(
    "take", 1, _take_shape, _take_value, _take_vjp,
    """Elements at given positions in row-major order, each any number of times. Linear; adjoint: scatter.""",
    marks=BY_VALUE, taylor=MOVES, cost=free, kinds="moves", flops=0.0)


# gather rows and its adjoint --------------------------------------------------------------------------------

def _gather_shape(table, ids, rank):
    if len(ids) != 1 or len(table) != rank or rank < 1:
        raise ShapeError(f"gather reads rows of a table by a vector of ids, not shapes {table} and {ids}")
    return ids + table[1:]


def _check_ids(ids, count):
    if ids.size and (ids.min() < 0 or ids.max() >= count):
        bad = ids[(ids < 0) | (ids >= count)].flat[0]
        raise DomainError(f"row {bad} of a table with rows 0..{count - 1}")


def _gather_value(table, ids, rank):
    table, ids = np.asarray(table), np.asarray(ids)
    _check_ids(ids, table.shape[-rank])
    if ids.ndim == 2 and table.ndim > rank:      # every item of the batch has a table and ids of its own
        return table[np.arange(len(ids))[:, None], ids]
    return np.take(table, ids, axis=-rank)


def _scatter_shape(rows, ids, count, rank):
    if len(ids) != 1 or len(rows) != rank or rows[:1] != ids:
        raise ShapeError(f"scatter adds one row per id, not shapes {rows} and {ids}")
    return (count,) + rows[1:]


def _scatter_value(rows, ids, count, rank):
    rows, ids = np.asarray(rows), np.asarray(ids)
    _check_ids(ids, count)
    if ids.ndim == 2 and rows.ndim == rank:
        rows = np.broadcast_to(rows, ids.shape[:1] + rows.shape)
    y = np.zeros(_lead(rows, rank) + (count,) + rows.shape[rows.ndim - rank + 1:], rows.dtype)
    own = (np.arange(len(ids))[:, None],) if ids.ndim == 2 else (slice(None),) * (rows.ndim - rank)
    np.add.at(y, own + (ids,), rows)
    return y


def _of_rows(of_ids, rows):
    """Marks of ids, one per row, in a shape that fits the rows."""
    return of_ids.reshape(of_ids.shape + (1,) * (rows.ndim - 1))


def _gather_marks(table, of_ids, ids, rank):
    """Where the ids are not known, any row may come to any place."""
    if ids is not None:
        return _gather_value(table, ids, rank)
    anywhere = np.repeat(table.max(axis=0, keepdims=True, initial=0.0), len(of_ids), axis=0)
    return np.maximum(anywhere, _of_rows(of_ids, table))


def _scatter_marks(rows, of_ids, ids, count, rank):
    """Where the ids are not known, any row may go to any place."""
    rows = np.maximum(rows, _of_rows(of_ids, rows))
    if ids is not None:
        return _scatter_value(rows, ids, count, rank)
    return np.repeat(rows.max(axis=0, keepdims=True, initial=0.0), count, axis=0)


gather_rows = Gate(
    "gather", 2, _gather_shape, _gather_value,
    lambda g, y, table, ids, rank: (scatter_rows(g, ids, count=table.shape[0], rank=rank), None),
    """Rows of a table by integer ids. Linear in the table; its adjoint is scatter.""",
    marks=_gather_marks, taylor="gather", cost=free, kinds=("real", "integer"), flops=0.0)

scatter_rows = Gate(
    "scatter", 2, _scatter_shape, _scatter_value,
    lambda g, y, rows, ids, count, rank: (gather_rows(g, ids, rank=rank), None),
    """Zeros with each row added at its id. Linear in the rows; the adjoint of gather.""",
    marks=_scatter_marks, taylor="scatter", cost=linear, kinds=("real", "integer"), flops=0.0,
    count=lambda rows, ids, count, rank: prod(rows))

constant_part = Gate(
    "constant_part", 1, lambda shape: shape, lambda x: np.real(x), lambda g, y, x: (None,),
    """The constant part of x as a constant: what softmax subtracts. Derivative 0.
    Taylor: y_0 = x_0, y_r = 0.""",
    marks=BY_VALUE, taylor=COMPOSED, cost=free, jumps=True, flops=0.0)
