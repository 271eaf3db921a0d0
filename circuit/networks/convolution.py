"""Convolutions and pooling: windows of a tensor, which only moves elements, and one product or reduction.

Tensors are (..., length, channels) or (..., height, width, channels), with any axes before.
"""
from math import prod
from typing import Sequence, Union

from ..errors import ShapeError
from ..functions import concatenate, einsum, max
from ..gates.linear import place
from ..shapes import Tensor, TensorLike, lengths, mean, reshape, tensor, transpose, whole

Lengths = Union[int, Sequence[int]]
"""One length for every axis that a window moves along, or one each."""


def conv1d(x: TensorLike, kernel: TensorLike, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    """Slide a kernel along sequences: y[t, o] = sum of x[t stride + k, c] kernel[k, c, o].

    Parameters
    ----------
    x : Wire or array_like
        (..., length, channels).
    kernel : Wire or array_like
        (size, channels / groups, outputs).
    stride : int
        How far the kernel moves at a time.
    padding : int
        How many zeros are put before and after each sequence.
    groups : int
        How many groups the channels are split into; each makes its own share of the outputs.

    Returns
    -------
    Wire or np.ndarray
        (..., (length + 2 padding - size) // stride + 1, outputs).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or the kernel is longer than the sequence.

    Examples
    --------
    >>> import circuit
    >>> x, difference = [[1.0], [2.0], [4.0], [7.0]], [[[-1.0]], [[1.0]]]
    >>> circuit.conv1d(x, difference).reshape(-1)
    array([1., 2., 3.])
    """
    return _convolution(x, kernel, stride, padding, groups, dimensions=1)


def conv2d(x: TensorLike, kernel: TensorLike, stride: Lengths = 1, padding: Lengths = 0,
           groups: int = 1) -> Tensor:
    """Slide a kernel over images: y[i, j, o] = sum of x[i stride + k, j stride + l, c] kernel[k, l, c, o].

    Parameters
    ----------
    x : Wire or array_like
        (..., height, width, channels).
    kernel : Wire or array_like
        (rows, columns, channels / groups, outputs).
    stride : int or pair of int
        How far the kernel moves at a time, down and to the right.
    padding : int or pair of int
        How many rows of zeros are put above and below, and how many columns to the left and right.
    groups : int
        How many groups the channels are split into; each makes its own share of the outputs.

    Returns
    -------
    Wire or np.ndarray
        (..., height, width, outputs), each length n being (n + 2 padding - size) // stride + 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or the kernel is larger than the image.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> image, kernel = np.arange(12.0).reshape(3, 4, 1), np.ones((2, 2, 1, 1))
    >>> circuit.conv2d(image, kernel)[..., 0]
    array([[10., 14., 18.],
           [26., 30., 34.]])
    """
    return _convolution(x, kernel, stride, padding, groups, dimensions=2)


def average_pool(x: TensorLike, size: Lengths, stride: Union[Lengths, None] = None) -> Tensor:
    """Average over windows.

    Parameters
    ----------
    x : Wire or array_like
        (..., length, channels) or (..., height, width, channels).
    size : int or pair of int
        The lengths of a window: (2, 2) for images, 2 for sequences.
    stride : int or pair of int, optional
        How far it moves at a time; by default its own size, so that windows do not overlap.

    Returns
    -------
    Wire or np.ndarray
        The means of the windows that lie within x, in the place of its lengths.

    Raises
    ------
    ShapeError
        If a window does not fit into x.

    Examples
    --------
    >>> import circuit
    >>> circuit.average_pool([[1.0], [3.0], [5.0], [9.0]], 2).reshape(-1)
    array([2., 7.])
    """
    size = lengths(size)
    x = _windows(tensor(x), size, size if stride is None else _each(stride, len(size), "the stride"))
    return mean(x, [-2 * (i + 1) for i in range(len(size))])


def max_pool(x: TensorLike, size: Lengths, stride: Union[Lengths, None] = None) -> Tensor:
    """Find the largest element of windows. Piecewise analytic: ties are kinks.

    Write relu(max_pool(x)), not max_pool(relu(x)): it is the same, and zeros of relu tie.

    Parameters
    ----------
    x : Wire or array_like
        (..., length, channels) or (..., height, width, channels).
    size : int or pair of int
        The lengths of a window: (2, 2) for images, 2 for sequences.
    stride : int or pair of int, optional
        How far it moves at a time; by default its own size, so that windows do not overlap.

    Returns
    -------
    Wire or np.ndarray
        The maxima of the windows that lie within x, in the place of its lengths.

    Raises
    ------
    ShapeError
        If a window does not fit into x.

    Examples
    --------
    >>> import circuit
    >>> circuit.max_pool([[1.0], [3.0], [5.0], [9.0]], 2).reshape(-1)
    array([3., 9.])
    """
    size = lengths(size)
    x = _windows(tensor(x), size, size if stride is None else _each(stride, len(size), "the stride"))
    within = [-2 * (i + 1) for i in reversed(range(len(size)))]
    x = transpose(x, [axis for axis in range(-x.ndim, 0) if axis not in within] + within)
    # one maximum, not one after the other, which may tie where nothing is largest
    return max(reshape(x, x.shape[:-len(size)] + (prod(size),)))


def _convolution(x, kernel, stride, padding, groups, dimensions):
    """The convolution along the axes before the last, as one einsum over all windows."""
    x, kernel, groups = tensor(x), tensor(kernel), whole(groups, "the number of groups")
    if kernel.ndim != dimensions + 2 or x.ndim < dimensions + 1:
        places = "length" if dimensions == 1 else "height, width"
        raise ShapeError(f"conv{dimensions}d takes x (..., {places}, channels) and a kernel with "
                         f"{dimensions + 2} axes, not {x.shape} and {kernel.shape}")
    size, (channels, outputs) = kernel.shape[:dimensions], kernel.shape[dimensions:]
    if groups < 1 or x.shape[-1] != groups * channels or outputs % groups:
        raise ShapeError(f"{x.shape[-1]} channels in {groups} groups do not fit a kernel {kernel.shape}, "
                         f"which takes {channels} channels a group and makes {outputs} outputs")
    x = _windows(_padded(x, _each(padding, dimensions, "the padding")), size,
                 _each(stride, dimensions, "the stride"))
    lead, places = x.shape[:-2 * dimensions - 1], x.shape[-2 * dimensions - 1:-1]
    x = reshape(x, (prod(lead), *places, groups, channels))
    kernel = reshape(kernel, (*size, channels, groups, outputs // groups))
    spec = "zhkgc,kcgo->zhgo" if dimensions == 1 else "zhkwlgc,klcgo->zhwgo"
    return reshape(einsum(spec, x, kernel), (*lead, *places[::2], outputs))


def _each(x, dimensions, what):
    """One number for each of some axes, given as one for all or one each."""
    numbers = lengths(x)
    if len(numbers) not in (1, dimensions):
        raise ShapeError(f"{what}: expected one number, or one for each of {dimensions} axes, got {x!r}")
    return numbers * (dimensions // len(numbers))


def _padded(x, widths):
    """x with zeros before and after along the axes before the last."""
    if not any(widths):
        return x
    widths = (0,) * (x.ndim - 1 - len(widths)) + widths + (0,)
    return place(x, index=tuple((w, w + n, 1) for w, n in zip(widths, x.shape)),
                 shape=tuple(n + 2 * w for w, n in zip(widths, x.shape)))


def _windows(x, size, strides):
    """x (..., n, m, channels) as (..., places, size, places, size, channels): in place of each axis, the
    places of the window and what it holds there."""
    if x.ndim <= len(size) or 0 in size + strides:
        raise ShapeError(f"windows of size {size} moved by {strides} make no sense over shape {x.shape}, "
                         "whose last axis is the channels")
    for axis, n, stride in zip(range(-len(size) - 1, -1), size, strides):
        last = x.shape[axis] - n
        if last < 0:
            raise ShapeError(f"a window of {n} does not fit into an axis of length {x.shape[axis]}")
        after = (slice(None),) * (-axis - 1)
        shifted = [x[(..., slice(k, k + last + 1, stride)) + after] for k in range(n)]
        x = concatenate([reshape(s, s.shape[:axis + 1] + (1,) + s.shape[axis + 1:]) for s in shifted], axis)
    return x
