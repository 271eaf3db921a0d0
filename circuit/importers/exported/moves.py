"""What those operations of PyTorch become that move elements, under PyTorch's names of arguments."""
import math

import numpy as np

from ...errors import CircuitError
from ...functions import broadcast_to, concatenate
from ...shapes import reshape, transpose
from ...wire import Wire


def from_end(dim, ndim):
    return dim % ndim if ndim else 0


def view(x, size):
    return reshape(x, size)


def flatten(x, start_dim=0, end_dim=-1):
    a, b = from_end(start_dim, x.ndim), from_end(end_dim, x.ndim)
    return reshape(x, (*x.shape[:a], math.prod(x.shape[a:b + 1]), *x.shape[b + 1:]))


def unflatten(x, dim, sizes):
    dim = from_end(dim, x.ndim)
    return reshape(x, (*x.shape[:dim], *of_length(sizes, x.shape[dim]), *x.shape[dim + 1:]))


def of_length(sizes, length):
    rest = -math.prod(sizes) if -1 in sizes else 1
    return [length // rest if n == -1 else n for n in sizes]


def swap(x, dim0=0, dim1=1):
    axes = list(range(x.ndim))
    if axes:
        axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return transpose(x, axes)


def turned(x):
    return swap(x) if x.ndim == 2 else x


def permute(x, dims):
    return transpose(x, dims)


def squeeze(x, dim=None):
    dims = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    dims = {from_end(d, x.ndim) for d in dims}
    return reshape(x, [n for i, n in enumerate(x.shape) if i not in dims or n != 1])


def unsqueeze(x, dim):
    dim = dim % (x.ndim + 1)
    return reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))


def expand(x, size, implicit=False):
    shape = (1,) * (len(size) - x.ndim) + tuple(x.shape)
    return broadcast_to(x, [n if m == -1 else m for n, m in zip(shape, size)])


def select(x, dim, index):
    return x[(slice(None),) * from_end(dim, x.ndim) + (index,)]


def slices(x, dim=0, start=None, end=None, step=1):
    return x[(slice(None),) * from_end(dim, x.ndim) + (slice(start, end, step),)]


def narrow(x, dim, start, length):
    return slices(x, dim, start, start + length)


def joined(tensors, dim=0):
    if any(isinstance(x, Wire) and x.kind == "real" for x in tensors):
        tensors = [x if isinstance(x, Wire) else np.asarray(x, float) for x in tensors]
    return concatenate(tensors, dim)


def stacked(tensors, dim=0):
    return joined([unsqueeze(np.asarray(x) if not isinstance(x, Wire) else x, dim) for x in tensors], dim)


def parts(x, split_size, dim=0):
    length = x.shape[dim]
    sizes = split_size if isinstance(split_size, (list, tuple)) else [
        min(split_size, length - at) for at in range(0, length, split_size)]
    ends = np.cumsum(sizes).tolist()
    return [slices(x, dim, end - size, end) for size, end in zip(sizes, ends)]


def chunk(x, chunks, dim=0):
    return parts(x, -(-x.shape[dim] // chunks), dim)


def unbind(x, dim=0):
    return [select(x, dim, i) for i in range(x.shape[dim])]


def repeat(x, repeats):
    x = reshape(x, (1,) * (len(repeats) - x.ndim) + tuple(x.shape))
    for axis, count in enumerate(repeats):
        x = concatenate([x] * count, axis) if count != 1 else x
    return x


def flip(x, dims):
    for dim in dims:
        x = concatenate(parts(x, 1, dim)[::-1], dim)
    return x


def roll(x, shifts, dims=()):
    for shift, dim in zip(shifts, dims):
        at = -shift % x.shape[dim]
        x = concatenate([slices(x, dim, at), slices(x, dim, 0, at)], dim) if at else x
    return x


def same(x, *arguments, **options):
    """Copies, and casts of precision: a circuit calculates in float64."""
    dtype = next((a for a in (*arguments, *options.values()) if hasattr(a, "is_floating_point")), None)
    if x.kind == "integer" and dtype is not None and getattr(dtype, "is_floating_point", False):
        raise CircuitError("whole numbers become real ones: give them as real numbers")
    if x.kind == "real" and dtype is not None and dtype.is_floating_point is False:
        raise CircuitError("real numbers are rounded to whole ones, which jumps")
    return x


MOVES = {
    "view": view, "reshape": view, "_unsafe_view": view, "flatten": flatten, "unflatten": unflatten,
    "transpose": swap, "t": turned, "numpy_T": lambda x: transpose(x), "permute": permute, "squeeze": squeeze,
    "unsqueeze": unsqueeze, "expand": expand, "select": select, "slice": slices, "narrow": narrow,
    "cat": joined, "stack": stacked, "split": parts, "split_with_sizes": parts, "chunk": chunk,
    "unbind": unbind, "repeat": repeat, "flip": flip, "roll": roll, "contiguous": same, "clone": same,
    "alias": same, "to": same, "_to_copy": same, "type_as": same, "lift_fresh_copy": same,
    "_assert_tensor_metadata": lambda *arguments, **options: None}
"""Operations by PyTorch's names. Wires of whole numbers can be moved, too."""
