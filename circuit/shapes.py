"""Sums, shapes and basic indexing: the few functions that wires also offer as methods, and the checks of
their axes and lengths. Axes may be counted from either end."""
import math
from typing import TYPE_CHECKING, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from .checks import is_whole
from .errors import CircuitError, ShapeError
from .gates.gate import plain_array
from .gates.linear import cut, permute, reshape_to, sum_axes

if TYPE_CHECKING:
    from .wire import Wire

Tensor = Union["Wire", np.ndarray]
"""What functions return: a wire if they were given one, else an array."""

TensorLike = Union["Wire", ArrayLike]
"""What functions take."""

Axes = Union[int, Sequence[int], None]


def whole(n, what):
    """n as an int. Nothing is rounded, and True is not 1."""
    if not is_whole(n):
        raise ShapeError(f"{what}: expected a whole number, got {n!r}")
    return int(n)


def several(x):
    """x as a tuple: one thing or several."""
    try:
        return tuple(x)
    except TypeError:
        return (x,)


def lengths(shape):
    """A shape, given as one length or several, as a tuple."""
    shape = tuple(whole(n, "the length of an axis") for n in several(shape))
    if any(n < 0 for n in shape):
        raise ShapeError(f"a shape is made of whole numbers >= 0, got {shape}")
    return shape


def one_axis(axis, ndim):
    """An axis counted from either end, counted from the end."""
    axis = whole(axis, "an axis")
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} of a tensor with {ndim} axes")
    return axis - ndim if axis >= 0 else axis


def negative_axes(axis, ndim):
    """All axes (None), one or several, counted from the end and in order."""
    axes = tuple(sorted(one_axis(a, ndim) for a in (range(ndim) if axis is None else several(axis))))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axis {axis} names an axis twice")
    return axes


def tensor(x):
    """x itself if it is a wire, else as an array."""
    return x if hasattr(x, "recorder") else plain_array(x)


def sum(x: TensorLike, axis: Axes = None) -> Tensor:
    """Sum over all axes, one, or several.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    axis : int, sequence of int or None
        The axes; None for all.

    Returns
    -------
    Wire or np.ndarray
        The sums.

    Examples
    --------
    >>> import circuit
    >>> circuit.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
    """
    x = tensor(x)
    return sum_axes(x, axes=negative_axes(axis, x.ndim))


def mean(x: TensorLike, axis: Axes = None) -> Tensor:
    """Average over all axes, one, or several.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    axis : int, sequence of int or None
        The axes; None for all.

    Returns
    -------
    Wire or np.ndarray
        The means.

    Raises
    ------
    ShapeError
        If there is nothing to average.

    Examples
    --------
    >>> import circuit
    >>> circuit.mean([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([2., 3.])
    """
    x = tensor(x)
    count = math.prod(x.shape[a] for a in negative_axes(axis, x.ndim))
    if count == 0:
        raise ShapeError(f"the mean of nothing: shape {x.shape}, axis {axis}")
    return sum(x, axis) * (1.0 / count)


def reshape(x: TensorLike, shape: Union[int, Sequence[int]]) -> Tensor:
    """Arrange the same elements in another shape.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    shape : int or sequence of int
        The lengths of the new axes; one may be -1.

    Returns
    -------
    Wire or np.ndarray
        The elements in row-major order.

    Raises
    ------
    ShapeError
        If the number of elements does not fit.

    Examples
    --------
    >>> import circuit
    >>> circuit.reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    x = tensor(x)
    shape = tuple(whole(n, "the length of an axis") for n in several(shape))
    if any(n < -1 for n in shape) or shape.count(-1) > 1:
        raise ShapeError(
            f"shape {x.shape} does not reshape to {shape}: lengths are whole numbers >= 0, and one may be -1")
    if -1 in shape:
        rest = math.prod(n for n in shape if n != -1)
        if rest == 0 or x.size % rest:
            raise ShapeError(f"shape {x.shape} does not reshape to {shape}")
        shape = tuple(x.size // rest if n == -1 else n for n in shape)
    return x if x.shape == shape else reshape_to(x, source=x.shape, shape=shape)


def transpose(x: TensorLike, axes: Union[Sequence[int], None] = None) -> Tensor:
    """Permute the axes.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    axes : sequence of int or None
        Which axis of x comes first, second, ...; None reverses them.

    Returns
    -------
    Wire or np.ndarray
        The tensor with its axes permuted.

    Examples
    --------
    >>> import circuit
    >>> circuit.transpose([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 3.],
           [2., 4.]])
    """
    x = tensor(x)
    axes = range(x.ndim)[::-1] if axes is None else several(axes)
    return permute(x, axes=tuple(one_axis(a, x.ndim) for a in axes))


def sliced(x, index):
    """Basic indexing: whole numbers, slices with positive step, ... and None."""
    index = tuple(_checked_index(i) for i in (index if isinstance(index, tuple) else (index,)))
    if index.count(Ellipsis) > 1:
        raise ShapeError("an index has at most one ...")
    given = len([i for i in index if i is not None and i is not Ellipsis])
    if given > x.ndim:
        raise ShapeError(f"{given} indices for shape {x.shape}")
    if Ellipsis not in index:
        index += (Ellipsis,)
    dots = index.index(Ellipsis)
    index = index[:dots] + (slice(None),) * (x.ndim - given) + index[dots + 1:]
    triples, shape, axis = [], [], 0
    for i in index:
        if i is None:
            shape.append(1)
            continue
        n = x.shape[axis]
        axis += 1
        if isinstance(i, slice):
            start, stop, stride = i.indices(n)
            if stride < 0:
                raise ShapeError("slices with a negative step are not supported")
            triples.append((start, max(start, stop), stride))
            shape.append(len(range(*triples[-1])))
        else:
            if not -n <= i < n:
                raise ShapeError(f"index {i} of an axis of length {n}")
            triples.append((i % n, i % n + 1, 1))
    if tuple(triples) != tuple((0, n, 1) for n in x.shape):
        x = cut(x, index=tuple(triples))
    return x if x.shape == tuple(shape) else reshape_to(x, source=x.shape, shape=tuple(shape))


def _checked_index(i):
    """One part of a basic index."""
    if hasattr(i, "recorder") or isinstance(i, (np.ndarray, list, tuple, range)):
        raise CircuitError("rows chosen by an array or wire are read with gather(table, ids)")
    if i is None or i is Ellipsis:
        return i
    if isinstance(i, slice):
        i = slice(*(end if end is None else whole(end, "the end of a slice")
                    for end in (i.start, i.stop, i.step)))
        if i.step == 0:
            raise ShapeError("a slice with step 0")
        return i
    return whole(i, "an index")
