"""How parameters lie in one flat vector: an array, or arrays in dicts, lists and tuples, nested at will."""
from math import prod

import numpy as np

from circuit.checks import data_array
from circuit.errors import LearnerError


class Layout:
    """How named tensors lie in one flat vector, row by row and one behind the other.

    Parameters
    ----------
    parameters : array_like, or dict, list or tuple of such
        The initial parameters. `split` returns the tensors of a vector in the same form.

    Attributes
    ----------
    shapes : dict
        The shape of each tensor, by name: the keys and places that lead to it, as in 'layers.0.weight'; a
        single array has the name ''.
    single : bool
        Whether the parameters are one array.
    size : int
        The number of parameters.
    initial : np.ndarray, (size,)
        The initial parameters.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout({"layers": [{"weight": np.ones((2, 3))}], "bias": np.zeros(2)})
    >>> layout.shapes
    {'layers.0.weight': (2, 3), 'bias': (2,)}
    >>> layout.split(np.arange(8.0))["layers"][0]["weight"].tolist()
    [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    """

    def __init__(self, parameters):
        self.single = not is_nest(parameters)
        self.shapes, pieces = {}, []
        for name, value in named_leaves(parameters):
            if name in self.shapes:
                raise LearnerError(f"two parameters are named {name!r}: a key holds a dot, or is there as a "
                                   "text and as a number")
            value = data_array(value, f"parameter {name!r}" if name else "the parameters")
            self.shapes[name] = value.shape
            pieces.append(value.astype(float).ravel())
        self.size = sum(piece.size for piece in pieces)
        if not self.size:
            raise LearnerError("a learner needs at least one parameter")
        self.initial = np.concatenate(pieces)
        self.names = nest_of(parameters, iter(self.shapes))

    def pieces(self, vector):
        """Yield the tensors of a vector in order; a leading batch axis of an array passes through."""
        at, lead = 0, vector.shape[:-1]
        for shape in self.shapes.values():
            size = prod(shape)
            yield vector[..., at:at + size].reshape(lead + shape)
            at += size

    def split(self, vector):
        """Return the parameters in the form they were given in, of arrays or wires."""
        return self.form(list(self.pieces(vector)))

    def form(self, pieces):
        """Return tensors, in the order of `pieces`, in the form the parameters were given in."""
        return nest_of(self.names, iter(pieces))


def is_nest(x):
    """Whether x is several parameters: a dict, or a list or tuple that holds one or an array. A list of
    numbers, and of lists of numbers, is one array."""
    if isinstance(x, (list, tuple)):
        return any(getattr(i, "shape", ()) != () or isinstance(i, str) or is_nest(i) for i in x)
    return isinstance(x, dict)


def named_leaves(x, name=""):
    """Yield (name, tensor) for the tensors of nested parameters."""
    if not is_nest(x):
        yield name, x
        return
    places = getattr(x, "_fields", range(len(x)))      # those of a named tuple have names
    for key, child in x.items() if isinstance(x, dict) else zip(places, x):
        yield from named_leaves(child, f"{name}.{key}" if name else str(key))


def leaves(parameters):
    """Return the tensors of parameters in the order in which they lie in a flat vector."""
    return [leaf for _, leaf in named_leaves(parameters)]


def nest_of(x, leaves):
    """Return parameters of the form of x, with what the iterator `leaves` yields for its tensors."""
    if not is_nest(x):
        return next(leaves)
    if isinstance(x, dict):
        return {key: nest_of(child, leaves) for key, child in x.items()}
    children = [nest_of(child, leaves) for child in x]
    return type(x)(*children) if hasattr(x, "_fields") else type(x)(children)
