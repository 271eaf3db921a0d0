"""Sums and shapes: the few functions that wires also offer as methods, and the checks of their axes and
lengths. Axes may be counted from either end."""
import math
from typing import TYPE_CHECKING, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from .checks import is_whole
from .errors import ShapeError
from .gates.gate import plain_array
from .gates.linear import permute, reshape_to, sum_axes

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
