"""Operations that several importers need, each a few gates: elements chosen by their positions, convolutions,
windows, running sums. They take wires; positions and shapes are plain arrays and numbers."""
from math import gcd, prod
from string import ascii_letters

import numpy as np

from ..errors import CircuitError
from ..functions import broadcast_to, concatenate, einsum, gather
from ..gates.linear import place
from ..shapes import reshape, transpose

FAR = 1e300
"""What stands for infinity in a constant that is masked away: e^-FAR is 0, and FAR times a few is finite."""


def picked(x, positions):
    """The elements of x, in row-major order, at positions (an array of whole numbers), in its shape. A
    position of -1 gives 0.   x: a wire or array of at least one element"""
    positions = np.asarray(positions)
    flat, size = positions.ravel().astype(np.int64), x.size
    if size == flat.size and np.array_equal(flat, np.arange(size)):
        return reshape(x, positions.shape)
    length = row_length(flat, size)
    rows, ids = reshape(x, (-1, length)), flat[::length] // length
    if (ids < 0).any():
        rows, ids = concatenate([rows, np.zeros((1, length))]), np.where(ids < 0, size // length, ids)
    return reshape(gather(rows, ids), positions.shape)


def row_length(flat, size):
    """The length of the longest rows, a divisor of the size, of which all positions that are chosen, or are
    -1, consist."""
    common = gcd(flat.size, size)
    for length in range(common, 1, -1):
        if common % length == 0:
            rows = flat.reshape(-1, length)
            whole = (rows[:, :1] % length == 0) & (rows == rows[:, :1] + np.arange(length))
            if (whole | (rows == -1)).all(axis=1).all():
                return length
    return 1


def expanded(x, axes, shape):
    """x with its axes put at the places `axes` of a shape, and repeated along the others."""
    ones = [1] * len(shape)
    for axis, n in zip(axes, x.shape):
        ones[axis] = n
    return broadcast_to(reshape(x, ones), shape)


def padded(x, low, high, inside, value=0.0):
    """x with a constant around it: low and high elements at each axis's ends, `inside` between neighbours.
    Negative lengths cut."""
    index, shape = [], []
    for n, a, b, k in zip(x.shape, low, high, inside):
        length = max(n + k * (n - 1), 0)
        index.append((a, a + length, k + 1))
        shape.append(length + a + b)
    if any(a < 0 or b < 0 for a, b in zip(low, high)):
        wide = padded(x, [max(a, 0) for a in low], [max(b, 0) for b in high], inside, value)
        return wide[tuple(slice(max(-a, 0), n - max(-b, 0)) for a, b, n in zip(low, high, wide.shape))]
    if all(triple == (0, n, 1) for triple, n in zip(index, x.shape)) and tuple(shape) == x.shape:
        return x
    y = place(x, index=tuple(index), shape=tuple(shape))
    if not value:
        return y
    outside = np.ones(shape)
    outside[tuple(slice(*triple) for triple in index)] = 0.0
    return y + outside * value


def window_positions(lengths, windows, strides, low, high, dilation, spread):
    """(places, members) positions in row-major order of the elements in each window; -1 in the padding.

    `spread` is the step between neighbours of the tensor (base dilation), `dilation` that in the window.
    Also returns the shape of the places.
    """
    axes, counts = [], []
    for n, w, stride, a, b, k, s in zip(lengths, windows, strides, low, high, dilation, spread):
        wide, reach = (n - 1) * s + 1 + a + b, (w - 1) * k + 1
        count = max((wide - reach) // stride + 1, 0)
        at = np.arange(count)[:, None] * stride + np.arange(w) * k - a
        axes.append(np.where((at % s == 0) & (at >= 0) & (at <= (n - 1) * s), at // s, -1))
        counts.append(count)
    total = np.zeros(counts + list(windows), np.int64)
    missing = np.zeros(total.shape, bool)
    for i, at in enumerate(axes):
        shape = [1] * (2 * len(axes))
        shape[i], shape[len(axes) + i] = at.shape
        at = at.reshape(shape)
        total = total + at * prod(lengths[i + 1:])
        missing = missing | (at < 0)
    return np.where(missing, -1, total).reshape(prod(counts), prod(windows)), tuple(counts)


def convolution(x, kernel, strides, low, high, dilation, spread, groups):
    """The correlation of x (batch, channels, lengths...) with a kernel (filters, channels / groups,
    windows...), as (batch, filters, places...).

    Elements are gathered into windows, and each window is multiplied with the kernel: an einsum.
    """
    batch, channels, *lengths = x.shape
    filters, inner, *windows = kernel.shape
    at, counts = window_positions(lengths, windows, strides, low, high, dilation, spread)
    rows = reshape(transpose(x, (*range(2, x.ndim), 0, 1)), (prod(lengths), batch * channels))
    if (at < 0).any():
        rows = concatenate([rows, np.zeros((1, batch * channels))])
        at = np.where(at < 0, prod(lengths), at)
    parts = reshape(gather(rows, at.ravel()), (*at.shape, batch, groups, inner))
    kernel = reshape(kernel, (groups, filters // groups, inner, prod(windows)))
    y = einsum("pwbgc,gfcw->bgfp", parts, kernel)
    return reshape(y, (batch, filters, *counts))


def windowed(x, windows, strides, low, high, dilation, spread, missing):
    """(places..., members): the elements of x in each window; `missing` stands in the padding."""
    at, counts = window_positions(x.shape, windows, strides, low, high, dilation, spread)
    y = reshape(picked(x, at), (*counts, at.shape[1]))
    if missing and (at < 0).any():
        y = y + np.where(at < 0, missing, 0.0).reshape(y.shape)
    return y


def along(x, matrix, axis):
    """The product of a matrix (m, n) with x along an axis of length n."""
    letters = ascii_letters[:x.ndim]
    output = letters.replace(letters[axis], "Z")
    return einsum(f"Z{letters[axis]},{letters}->{output}", matrix, x)


def running_sum(x, axis, reverse=False):
    """Sums of the elements up to each place of an axis; from each place on if reversed."""
    matrix = np.tri(x.shape[axis])
    return along(x, matrix.T if reverse else matrix, axis)


def product_along(x, axis):
    """The product of the elements along an axis, by halving."""
    x = transpose(x, (axis, *(i for i in range(x.ndim) if i != axis)))
    if not len(x):
        raise CircuitError("a product of nothing")
    while len(x) > 1:
        half = len(x) // 2
        rest = [x[2 * half:]] if len(x) % 2 else []
        x = concatenate([x[:half] * x[half:2 * half], *rest])
    return reshape(x, x.shape[1:])


def contracted(a, b, inner, batch):
    """The product of two tensors, summed over pairs of axes `inner` and side by side over pairs `batch`, each
    (axes of a, axes of b): axes of the batch first, then those left of a, then those left of b."""
    letters = iter(ascii_letters)
    of_a, of_b = [""] * np.ndim(a), [""] * np.ndim(b)
    for i, j in (*zip(*inner), *zip(*batch)):
        of_a[i] = of_b[j] = next(letters)
    both = [of_a[i] for i in batch[0]]
    of_a, of_b = ([letter or next(letters) for letter in axes] for axes in (of_a, of_b))
    shared = set(of_a) & set(of_b)
    output = both + [x for x in of_a if x not in shared] + [x for x in of_b if x not in shared]
    return einsum(f"{''.join(of_a)},{''.join(of_b)}->{''.join(output)}", a, b)


def finite(x):
    """A constant without infinities, for places that are masked away or added to a score."""
    x = np.asarray(x, float)
    if np.isnan(x).any():
        raise CircuitError("a constant holds NaN")
    return np.clip(x, -FAR, FAR)
