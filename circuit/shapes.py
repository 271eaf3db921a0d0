"""Sums and shapes: the few functions that wires also offer as methods. Axes may be counted from either end."""
import math

import numpy as np

from .gate import ShapeError
from .linear import permute, reshape_to, sum_axes


def negative_axes(axis, ndim):
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else axis
    if any(not -ndim <= a < ndim for a in axes):
        raise ShapeError(f"axis {axis} of a tensor with {ndim} axes")
    return tuple(sorted(int(a) - ndim if a >= 0 else int(a) for a in axes))


def tensor(x):
    """x itself if it is a wire, else as an array."""
    return x if hasattr(x, "recorder") else np.asarray(x)


def sum(x, axis=None):
    """Sum over all axes, one, or several."""
    x = tensor(x)
    return sum_axes(x, axes=negative_axes(axis, x.ndim))


def mean(x, axis=None):
    """Mean over all axes, one, or several."""
    x = tensor(x)
    count = math.prod(x.shape[a] for a in negative_axes(axis, x.ndim))
    if count == 0:
        raise ShapeError(f"the mean of nothing: shape {x.shape}, axis {axis}")
    return sum(x, axis) * (1.0 / count)


def reshape(x, shape):
    """The same elements in another shape; one length may be -1."""
    x = tensor(x)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    if shape.count(-1) == 1:
        rest = math.prod(n for n in shape if n != -1)
        if rest == 0 or x.size % rest:
            raise ShapeError(f"shape {x.shape} does not reshape to {shape}")
        shape = tuple(x.size // rest if n == -1 else n for n in shape)
    return x if x.shape == shape else reshape_to(x, source=x.shape, shape=shape)


def transpose(x, axes=None):
    """Permute the axes; without axes, reverse them."""
    x = tensor(x)
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple(axes)
    return permute(x, axes=tuple(int(a) - x.ndim if a >= 0 else int(a) for a in axes))
