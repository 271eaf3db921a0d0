"""Basic indexing of wires, as in NumPy: x[0], x[1:, ::2], x[..., None]."""
import numpy as np

from .errors import CircuitError, ShapeError
from .gates.linear import cut, reshape_to
from .shapes import whole


def sliced(x, index):
    """Basic indexing: whole numbers, slices with positive step, ... and None."""
    index = tuple(_checked_index(i) for i in (index if isinstance(index, tuple) else (index,)))
    if index.count(Ellipsis) > 1:
        raise ShapeError("an index has at most one ...")
    given = sum(i is not None and i is not Ellipsis for i in index)
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
