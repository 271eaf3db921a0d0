"""Functions that reduce axes, with the names and arguments of NumPy's. `axis` is one, several or None."""
import math

import numpy as np

from .. import functions, shapes
from ..checks import is_whole
from ..errors import CircuitError, ShapeError
from ..gates.analytic import exp, log1p
from ..gates.linear import constant_part
from ..gates.piecewise import abs_value, one_hot_max
from ..networks.softmax import kept
from ..shapes import negative_axes, one_axis, reshape, transpose
from ..wire import lifted
from .products import einsum


def with_axes(y, x, axis, keepdims):
    """What is left of x, with the reduced axes as axes of length 1 if they are kept."""
    return reshape(y, kept(x, negative_axes(axis, x.ndim))) if keepdims else y


def lined_up(x, axis):
    """x with some axes joined to one, which is the last."""
    axes = negative_axes(axis, x.ndim)
    others = tuple(a for a in range(-x.ndim, 0) if a not in axes)
    order = others + axes
    x = x if order == tuple(range(-x.ndim, 0)) else transpose(x, order)
    rest = x.shape[:len(others)]
    return reshape(x, rest + (math.prod(x.shape[len(others):]),))


def sum(x, axis=None, *, keepdims=False):
    return with_axes(shapes.sum(x, axis), x, axis, keepdims)


def mean(x, axis=None, *, keepdims=False):
    return with_axes(shapes.mean(x, axis), x, axis, keepdims)


def var(x, axis=None, *, ddof=0, keepdims=False):
    count = math.prod(x.shape[a] for a in negative_axes(axis, x.ndim))
    if not count > ddof:
        raise ShapeError(f"the variance of {count} numbers with ddof={ddof}: it needs more than ddof")
    distance = x - mean(x, axis, keepdims=True)
    return sum(distance * distance, axis, keepdims=keepdims) * (1.0 / (count - ddof))


def std(x, axis=None, *, ddof=0, keepdims=False):
    return var(x, axis, ddof=ddof, keepdims=keepdims) ** 0.5


def max(x, axis=None, *, keepdims=False):
    return with_axes(functions.max(lined_up(x, axis), -1), x, axis, keepdims)


def min(x, axis=None, *, keepdims=False):
    return -max(-x, axis, keepdims=keepdims)


def prod(x, axis=None, *, keepdims=False):
    """The product along axes, of halves of them again and again."""
    y = lined_up(x, axis)
    if y.shape[-1] == 0:
        return with_axes(lifted(np.ones(y.shape[:-1]), x.recorder), x, axis, keepdims)
    while y.shape[-1] > 1:
        half = y.shape[-1] // 2
        product = y[..., :half] * y[..., half:2 * half]
        y = product if y.shape[-1] % 2 == 0 else functions.concatenate([product, y[..., 2 * half:]], axis=-1)
    return with_axes(y[..., 0], x, axis, keepdims)


def logsumexp(x, axis=None, *, keepdims=False):
    """log sum e^x. The largest element, chosen by the constant parts, is left out of the sum and added
    behind the logarithm."""
    y = lined_up(x, axis)
    largest = one_hot_max(constant_part(y), axis=-1)
    top = shapes.sum(largest * y, -1)
    others = (1.0 - largest) * exp(y - reshape(top, top.shape + (1,)))
    return with_axes(top + log1p(shapes.sum(others, -1)), x, axis, keepdims)


def cumsum(x, axis=None):
    if axis is None:
        x, axis = reshape(x, (x.size,)), 0
    axis = one_axis(axis, x.ndim)
    order = [a for a in range(-x.ndim, 0) if a != axis] + [axis]
    sums = einsum("...i,ij->...j", transpose(x, order), np.triu(np.ones((x.shape[axis],) * 2)))
    return transpose(sums, list(np.argsort(order)))


def diff(x, n=1, axis=-1):
    if not is_whole(n) or n < 0:
        raise ShapeError(f"numpy.diff: expected n, a whole number >= 0, got {n!r}")
    axis = one_axis(axis, x.ndim)
    index = (Ellipsis,), (slice(None),) * (-axis - 1)
    for _ in range(n):
        x = x[index[0] + (slice(1, None),) + index[1]] - x[index[0] + (slice(-1),) + index[1]]
    return x


def norm(x, ord=None, axis=None, keepdims=False):
    """Norms of vectors, and the Frobenius norm of matrices."""
    axes = negative_axes(axis, x.ndim)
    if axis is not None and len(axes) > 2:
        raise ShapeError(f"numpy.linalg.norm: expected one axis or two, got {axis}")
    if ord is None or len(axes) == 2 and isinstance(ord, str) and ord == "fro" or len(axes) == 1 and ord == 2:
        return sum(x * x, axis, keepdims=keepdims) ** 0.5
    if len(axes) != 1 or isinstance(ord, str) or not ord > 0:
        raise CircuitError(f"numpy.linalg.norm of a wire: ord={ord!r} over {len(axes)} axes has no gate; "
                           "vectors have norms of order ord > 0, matrices that of Frobenius")
    size = abs_value(x)
    if ord == np.inf:
        return max(size, axis, keepdims=keepdims)
    return sum(size ** ord, axis, keepdims=keepdims) ** (1.0 / ord)
