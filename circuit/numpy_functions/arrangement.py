"""Functions that only move elements, with the names and arguments of NumPy's.

Most are NumPy's own function, applied to the positions of the elements in place of the elements.
"""
import numpy as np

from .. import functions, shapes
from ..errors import CircuitError, ShapeError
from ..indexing import positions, rows, taken
from ..shapes import one_axis, several, transpose
from ..wire import Wire, lifted, widened
from .products import einsum


def checked(function, *arguments, **more):
    """What a function of NumPy returns, its errors as ShapeError."""
    try:
        return function(*arguments, **more)
    except CircuitError:
        raise
    except (ValueError, TypeError, IndexError) as error:
        raise ShapeError(f"numpy.{function.__name__}: {error}") from None


def at_positions(x, at):
    """The elements of x at an array of positions: the same ones in order are a reshape."""
    in_order = at.size == x.size and np.array_equal(at.reshape(-1), np.arange(x.size))
    return shapes.reshape(x, at.shape) if in_order else taken(x, at)


def moving(function):
    """A function of NumPy that repeats, drops and moves elements."""
    def moved(x, *arguments, **more):
        return at_positions(x, checked(function, positions(x.shape, ()), *arguments, **more))
    return moved


def permuting(function):
    """A function of NumPy that permutes axes. An array whose axis i is i long shows where each axis goes."""
    def permuted(x, *arguments, **more):
        axes = checked(function, np.empty(range(x.ndim)), *arguments, **more).shape
        return x if axes == tuple(range(x.ndim)) else transpose(x, axes)
    return permuted


def joining(function):
    """A function of NumPy that puts several tensors together."""
    def joined(*arguments, **more):
        tensors, arguments = [shapes.tensor(x) for x in several(arguments[0])], arguments[1:]
        ends = np.cumsum([x.size for x in tensors])
        at = [end - x.size + positions(x.shape, ()) for end, x in zip(ends, tensors)]
        line = functions.concatenate([shapes.reshape(x, (x.size,)) for x in tensors])
        return at_positions(line, checked(function, at, *arguments, **more))
    return joined


def filling(function):
    """A function of NumPy that moves elements and fills up with zeros."""
    def filled(x, *arguments, **more):
        return filled_up(x, checked(function, positions(x.shape, ()) + 1, *arguments, **more), 0.0)
    return filled


def filled_up(x, at, number):
    """The elements of x at positions counted from 1, and a number at position 0."""
    first = np.array([number]) if x.kind == "real" else np.array([number]).astype(np.int64)
    return at_positions(functions.concatenate([first, shapes.reshape(x, (x.size,))]), at)


def reshape(x, shape, order="C"):
    return shapes.reshape(x, shape) if order == "C" else moving(np.reshape)(x, shape, order=order)


def concatenate(tensors, axis=0):
    if axis is None:
        tensors, axis = [shapes.reshape(x, (-1,)) for x in several(tensors)], 0
    return functions.concatenate(tensors, axis)


def stack(tensors, axis=0):
    tensors = [shapes.tensor(x) for x in several(tensors)]
    at = one_axis(axis, tensors[0].ndim + 1) + tensors[0].ndim + 1
    return functions.concatenate([shapes.reshape(x, x.shape[:at] + (1,) + x.shape[at:]) for x in tensors], at)


def append(x, values, axis=None):
    return concatenate([x, values], axis)


PADDED = ("edge", "reflect", "symmetric", "wrap")
"""Ways to pad that repeat elements."""


def pad(x, pad_width, mode="constant", *, constant_values=0.0):
    if mode in PADDED:
        return at_positions(x, checked(np.pad, positions(x.shape, ()), pad_width, mode))
    if mode != "constant" or np.ndim(constant_values):
        raise CircuitError(f"numpy.pad of a wire takes one number, or mode= {', '.join(PADDED)}; got "
                           f"mode={mode!r:.60}, constant_values={constant_values!r:.60}")
    return filled_up(x, checked(np.pad, positions(x.shape, ()) + 1, pad_width), constant_values)


def splitting(function):
    """A function of NumPy that cuts an axis into parts."""
    def parts(x, indices_or_sections, axis=0):
        before = (slice(None),) * (one_axis(axis, x.ndim) + x.ndim)
        pieces = checked(function, np.arange(x.shape[len(before)]), indices_or_sections)
        ends = [(piece[0], piece[-1] + 1) if piece.size else (0, 0) for piece in pieces]
        return [x[before + (slice(*both),)] for both in ends]
    return parts


def unstack(x, *, axis=0):
    before = (slice(None),) * (one_axis(axis, x.ndim) + x.ndim)
    return tuple(x[before + (i,)] for i in range(x.shape[len(before)]))


def take(x, indices, axis=None):
    """Elements by whole numbers, in an array or a wire."""
    if axis is None:
        x, axis = shapes.reshape(x, (x.size,)), 0
    before = (slice(None),) * (one_axis(axis, x.ndim) + x.ndim)
    return x[before + (indices if isinstance(indices, Wire) else np.asarray(indices),)]


def take_along_axis(x, indices, axis=-1):
    """An element of each line along an axis, by whole numbers in an array or a wire."""
    if not isinstance(x, Wire):
        x = lifted(x, indices.recorder)
    if axis is None:
        x, axis = shapes.reshape(x, (x.size,)), 0
    axis = one_axis(axis, x.ndim)
    if not isinstance(indices, Wire):
        return taken(x, checked(np.take_along_axis, positions(x.shape, ()), indices, axis))
    order = [a for a in range(-x.ndim, 0) if a != axis] + [axis]
    ones = rows(np.eye(x.shape[axis]), transpose(indices, order))
    return transpose(einsum("...kn,...n->...k", ones, transpose(x, order)), list(np.argsort(order)))


def broadcast_arrays(*tensors):
    recorder = next(x.recorder for x in tensors if isinstance(x, Wire))
    tensors = [lifted(x, recorder) for x in tensors]
    shape = checked(np.broadcast_shapes, *(x.shape for x in tensors))
    return tuple(widened(x, shape) for x in tensors)


def zeros_like(x):
    return np.zeros(x.shape, x.dtype)


def ones_like(x):
    return np.ones(x.shape, x.dtype)


def full_like(x, fill_value):
    return np.full(x.shape, fill_value, x.dtype)


def shape(x):
    return x.shape


def ndim(x):
    return x.ndim


def size(x, axis=None):
    return x.size if axis is None else x.shape[one_axis(axis, x.ndim)]
