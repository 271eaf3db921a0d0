"""Indexing of wires, by NumPy's rules, and updates of single elements.

Whole numbers and slices cut a regular part out. What is known while recording (arrays of whole numbers,
masks, slices backwards) takes elements by their positions, which NumPy finds by indexing an array of
positions in the same way. An integer wire gathers rows; beside another array it picks by products with zeros
and a one.
"""
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Union

import numpy as np

from .errors import CircuitError, ShapeError
from .gates.bilinear import einsum_pair
from .gates.gate import plain_array
from .gates.linear import cut, gather_rows, join, reshape_to, scatter_rows, take
from .shapes import Tensor, TensorLike, reshape, tensor, transpose, whole

if TYPE_CHECKING:
    from .wire import Wire


def indexed(x, index):
    """x[index] for a wire x, by NumPy's rules."""
    parts = checked_parts(index)
    if any(map(is_wire, parts)):
        return by_wires(x, written_out(parts, x.shape))
    if any(isinstance(i, np.ndarray) or isinstance(i, slice) and (i.step or 1) < 0 for i in parts):
        return taken(x, positions(x.shape, parts))
    return sliced(x, written_out(parts, x.shape))


def is_wire(i):
    """Whether something is a wire."""
    return hasattr(i, "recorder")


# what an index holds ----------------------------------------------------------------------------------------

def checked_parts(index):
    """The parts of an index: whole numbers, slices, ..., None, arrays of whole numbers or masks, wires."""
    return [checked_part(i) for i in (index if isinstance(index, tuple) else (index,))]


def checked_part(i):
    """One part of an index."""
    if i is None or i is Ellipsis:
        return i
    if is_wire(i):
        if i.kind != "integer":
            raise CircuitError("an index is made of whole numbers, and a real wire is none: give the learner "
                               "ids as y.astype(int)")
        return i
    if isinstance(i, slice):
        i = slice(*(end if end is None else whole(end, "the end of a slice")
                    for end in (i.start, i.stop, i.step)))
        if i.step == 0:
            raise ShapeError("a slice with step 0")
        return i
    if np.ndim(i) or isinstance(i, (list, tuple, range)):
        array = plain_array(i)
        array = array if array.size else array.astype(int)      # [] is an array of floats
        if array.dtype.kind not in "iub":
            raise ShapeError(f"an index: expected whole numbers or a mask, got {array.dtype}: {i!r:.60}")
        return array
    return whole(i[()] if isinstance(i, np.ndarray) else i, "an index")


def written_out(parts, shape):
    """The parts of an index with ... written out: besides None, one for every axis."""
    given = [i for i in parts if i is not None and i is not Ellipsis]
    dots = [at for at, i in enumerate(parts) if i is Ellipsis]
    if len(dots) > 1:
        raise ShapeError("an index has at most one ...")
    if len(given) > len(shape):
        raise ShapeError(f"{len(given)} indices for shape {shape}")
    at = dots[0] if dots else len(parts)
    return parts[:at] + [slice(None)] * (len(shape) - len(given)) + parts[at + 1:]


def positions(shape, parts):
    """The positions, in row-major order, of the elements that an index without wires chooses."""
    try:
        return np.arange(prod(shape)).reshape(shape)[tuple(parts)]
    except IndexError as error:
        raise ShapeError(f"an index of shape {shape}: {error}") from None


# reading ----------------------------------------------------------------------------------------------------

def sliced(x, parts):
    """Basic indexing, by a written-out index of whole numbers, slices with positive step, and None."""
    triples, shape = [], []
    for i in parts:
        if i is None:
            shape.append(1)
            continue
        n = x.shape[len(triples)]
        if isinstance(i, slice):
            start, stop, stride = i.indices(n)
            triples.append((start, max(start, stop), stride))
            shape.append(len(range(*triples[-1])))
        else:
            if not -n <= i < n:
                raise ShapeError(f"index {i} of an axis of length {n}")
            triples.append((i % n, i % n + 1, 1))
    if tuple(triples) != tuple((0, n, 1) for n in x.shape):
        x = cut(x, index=tuple(triples))
    return x if x.shape == tuple(shape) else reshape_to(x, source=x.shape, shape=tuple(shape))


def taken(x, at):
    """The elements of x at an array of positions."""
    at = np.array(at, np.int64)
    at.flags.writeable = False
    return take(x, source=x.shape, positions=at)


def rows(x, ids):
    """x[ids] for whole numbers of any shape, wires or arrays both."""
    chosen = gather_rows(as_real(x), reshape(ids, (prod(ids.shape),)), rank=x.ndim)
    return reshape(chosen, ids.shape + x.shape[1:])


def by_wires(x, parts):
    """Indexing by a written-out index that holds integer wires.

    What is known, or else the first wire, chooses rows; any further wire picks one of n candidates by
    products with zeros and a one.
    """
    arrays = [k for k, i in enumerate(parts) if i is not None and not isinstance(i, slice)]
    shape = broadcast_shape([parts[k] for k in arrays])
    known = [k for k in arrays if not is_wire(parts[k])]
    wires = [k for k in arrays if is_wire(parts[k])]
    rest = [k for k in range(len(parts)) if k not in arrays]
    x = indexed(x, tuple(slice(None) if k in arrays else i for k, i in enumerate(parts)))
    x = transposed(x, known + wires + rest)
    if known:
        x = taken(x, positions(x.shape, [np.broadcast_to(parts[k], shape).reshape(-1) for k in known]))
    else:
        x = rows(x, flat(parts[wires.pop(0)], shape))
    for k in wires:
        count, n, *after = x.shape
        chosen = gather_rows(np.eye(n), flat(parts[k], shape), rank=2)
        x = einsum_pair(reshape(x, (count, n, prod(after))), chosen, spec="bnq,bn->bq")
        x = reshape(x, (count, *after))
    x = reshape(x, shape + x.shape[1:])
    # NumPy puts the axes of arrays that stand side by side in their place, and of others first
    before = arrays[0] if arrays[-1] - arrays[0] == len(arrays) - 1 else 0
    first, rest = range(len(shape)), range(len(shape), x.ndim)
    return transposed(x, [*rest[:before], *first, *rest[before:]])


def broadcast_shape(arrays):
    """The shape that the arrays of an index have together."""
    if any(isinstance(i, np.ndarray) and i.dtype == bool for i in arrays):
        raise CircuitError("a mask beside a wire in one index: give np.flatnonzero(mask)")
    shapes = [np.shape(i) for i in arrays]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError("the arrays of an index do not broadcast together: "
                         f"{', '.join(map(str, shapes))}") from None


def transposed(x, axes):
    """x with its axes in this order."""
    return x if axes == list(range(x.ndim)) else transpose(x, axes)


def flat(ids, shape):
    """A wire of whole numbers, broadcast to a shape, as a vector."""
    if ids.shape != shape:
        ids = taken(ids, np.broadcast_to(positions(ids.shape, ()), shape))
    return reshape(ids, (prod(shape),))


# updates ----------------------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Elements:
    """Some elements of a tensor, which can be set or added to; the tensor itself does not change.

    Attributes
    ----------
    x : Wire or np.ndarray
        The tensor.
    index : object
        What stands between the brackets.
    """
    x: Union["Wire", np.ndarray]
    index: object

    def set(self, y: TensorLike) -> Tensor:
        """Return the tensor with these elements replaced.

        Parameters
        ----------
        y : Wire or array_like
            What they become; it broadcasts to their shape. An element that is named twice takes the last.

        Returns
        -------
        Wire or np.ndarray
            A tensor of the same shape.
        """
        x, y, parts = self.x, tensor(y), checked_parts(self.index)
        if any(map(is_wire, parts)):
            raise CircuitError("x.at[i].set(y) with a wire i: an id that comes twice would be set twice, and "
                               "no circuit knows that. Where ids differ, write x.at[i].add(y - x[i])")
        where, order = positions(x.shape, parts), np.arange(prod(x.shape)).reshape(x.shape)
        order[tuple(parts)] = x.size + broadcast(positions(y.shape, ()), where.shape)
        return taken(join(*of_one_kind([reshape(x, (-1,)), reshape(y, (-1,))]), axis=-1), order)

    def add(self, y: TensorLike) -> Tensor:
        """Return the tensor with numbers added to these elements.

        Parameters
        ----------
        y : Wire or array_like
            What is added; it broadcasts to their shape. An element that is named twice is added to twice.

        Returns
        -------
        Wire or np.ndarray
            A tensor of the same shape.
        """
        x, y, parts = self.x, tensor(y), checked_parts(self.index)
        if any(map(is_wire, parts)):
            if len(parts) > 1:
                raise CircuitError("x.at[i].add(y) with a wire takes it as the only index, of rows; bring "
                                   "its axis to the front with transpose")
            ids, row = parts[0], x.shape[1:]
            y = taken(y, broadcast(positions(y.shape, ()), ids.shape + row).reshape((-1,) + row))
            return x + scatter_rows(y, reshape(ids, (-1,)), count=x.shape[0], rank=x.ndim)
        where = positions(x.shape, parts)
        y = taken(y, broadcast(positions(y.shape, ()), where.shape).reshape(-1))
        return x + reshape(scatter_rows(y, where.reshape(-1), count=x.size, rank=1), x.shape)


@dataclass(frozen=True, eq=False)
class At:
    """What `x.at` is: index it, and set the elements or add to them.

    Attributes
    ----------
    x : Wire or np.ndarray
        The tensor.

    Examples
    --------
    >>> from circuit import real, record
    >>> record(lambda x: x.at[1].set(0.0), real(3))([1.0, 2.0, 3.0])
    array([1., 0., 3.])
    """
    x: Union["Wire", np.ndarray]

    def __getitem__(self, index):
        return Elements(self.x, index)


def at(x: TensorLike) -> At:
    """Elements of a tensor, to be set or added to in a new one: what `x.at` is for wires, for arrays too.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.

    Returns
    -------
    At
        To be indexed; the elements have the methods set(y) and add(y).

    Examples
    --------
    >>> import numpy as np, circuit
    >>> circuit.at(np.zeros(4))[1:3].set([5.0, 6.0])
    array([0., 5., 6., 0.])
    >>> circuit.at(np.zeros(4))[[0, 0, 3]].add(1.0)
    array([2., 0., 0., 1.])
    """
    return At(tensor(x))


def broadcast(at, shape):
    """Positions of a value's elements, broadcast to the shape of the elements they are meant for."""
    try:
        return np.broadcast_to(at, shape)
    except ValueError:
        raise ShapeError(f"a value of shape {at.shape} does not fit elements of shape {shape}") from None


def of_one_kind(tensors):
    """Tensors, whole numbers among real ones as real numbers."""
    whole_numbers = all(x.kind == "integer" if is_wire(x) else x.dtype.kind in "iu" for x in tensors)
    return tensors if whole_numbers else [as_real(x) for x in tensors]


def as_real(x):
    """An array of whole numbers as floats; anything else as it is."""
    return x.astype(float) if not is_wire(x) and x.dtype.kind in "iu" else x
