"""Parameters as one flat vector and as the tensors a user's functions see."""
from math import prod

import numpy as np

from circuit import CircuitError

from circuit.checks import data_array


class Layout:
    """How named tensors lie in one vector, row by row, one behind the other.

    Built from the initial parameters: an array, or a dict of arrays by name. `split` gives a vector's tensors
    in the same form.
    """

    def __init__(self, parameters):
        self.single = not isinstance(parameters, dict)
        tensors = {"": parameters} if self.single else parameters
        self.shapes, pieces = {}, []
        for name, value in tensors.items():
            value = data_array(value, "the parameters" if self.single else f"parameter {name!r}")
            self.shapes[name] = value.shape
            pieces.append(value.astype(float).ravel())
        self.size = sum(piece.size for piece in pieces)
        if not self.size:
            raise CircuitError("a learner needs at least one parameter")
        self.initial = np.concatenate(pieces)

    def pieces(self, vector):
        """The tensors, in order; a leading batch axis of an array passes through."""
        at, lead = 0, vector.shape[:-1]
        for shape in self.shapes.values():
            size = prod(shape)
            yield vector[..., at:at + size].reshape(lead + shape)
            at += size

    def split(self, vector):
        """The parameters in the form they were given in: an array or wire, or a dict of them."""
        pieces = list(self.pieces(vector))
        return self.form(pieces)

    def form(self, pieces):
        """Tensors in the order of `pieces`, in the form they were given in."""
        return pieces[0] if self.single else dict(zip(self.shapes, pieces))
