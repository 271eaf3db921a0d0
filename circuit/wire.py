"""Wires: what a function is given in place of arrays while it is recorded.

A wire stands for the tensor that an input or a gate will hold. It knows its shape and whether it is real or
integer. Arithmetic on wires follows NumPy's broadcasting and is written as gates: numbers become scale and
shift gates, arrays become constants, and operands of different shape pass through reshape and broadcast
first. NumPy's functions of wires are those of numpy_functions/.
"""
from dataclasses import dataclass
from math import prod
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from . import advice, indexing
from .errors import CircuitError, ShapeError
from .gates.arithmetic import add, constant, multiply, power, scale, shift
from .gates.gate import plain_array
from .gates.linear import broadcast_to, reshape_to
from .numpy_functions.methods import Methods

if TYPE_CHECKING:
    from .recording import Recorder

LARGEST_EXPONENT = 2 ** 53
"""Beyond it every float is whole, and neighbours differ by more than 1."""


@dataclass(frozen=True, eq=False)
class Wire(Methods, advice.Refusals):
    """A tensor in a circuit that is being recorded.

    Wires have + - * / @, ** with a constant exponent, indexing, and the methods of NumPy's arrays; other
    operands may be wires, numbers or arrays. NumPy's own functions take wires and record gates.

    Attributes
    ----------
    recorder : Recorder
        The recording that the wire belongs to.
    index : int
        Its number in the circuit.
    shape : tuple
        The shape of the tensor.
    kind : {"real", "integer"}
        What the tensor holds.

    Examples
    --------
    >>> from circuit import real, record
    >>> print(record(lambda x: 2.0 * x[0] + 1.0, real(3, name="x")))
    wire  shape  gate     reads  parameters
    %0    (3,)   input    real   x
    %1    (1,)   slice    %0     index=((0, 1, 1),)
    %2    ()     reshape  %1     source=(1,) shape=()
    %3    ()     scale    %2     by=2
    %4    ()     shift    %3     by=1
    outputs %4   4 gates   2 flops
    """
    recorder: "Recorder"
    index: int
    shape: tuple
    kind: str

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    def __len__(self):
        if not self.shape:
            raise TypeError("a scalar wire has no length")
        return self.shape[0]

    def __add__(self, other):
        other = operand(other)
        return shift(self, by=other) if isinstance(other, float) else add(*aligned(self, other))

    def __mul__(self, other):
        other = operand(other)
        return scale(self, by=other) if isinstance(other, float) else multiply(*aligned(self, other))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return scale(self, by=-1.0)

    def __sub__(self, other):
        return self + -operand(other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        other = operand(other)
        if isinstance(other, Wire):
            return self * other ** -1
        if np.any(other == 0.0):
            raise CircuitError(f"division by zero: {other!r:.60}")
        return self * (1.0 / other)

    def __rtruediv__(self, other):
        return self ** -1 * other

    def __pow__(self, exponent):
        if not isinstance(exponent, Real) or not np.isfinite(exponent):
            raise CircuitError(f"the exponent of a power: expected a constant number, got {exponent!r}; for "
                               "x**y write np.exp(y * np.log(x))")
        if abs(exponent) > LARGEST_EXPONENT:
            raise CircuitError(f"the exponent {exponent!r:.60} is too large: beyond 2^53 it is not known "
                               "whether an exponent is whole")
        exponent = int(exponent) if float(exponent).is_integer() else float(exponent)
        return self if exponent == 1 else power(self, exponent=exponent)

    def __matmul__(self, other):
        return np.matmul(self, other)

    def __rmatmul__(self, other):
        return np.matmul(other, self)

    def __getitem__(self, index):
        return indexing.indexed(self, index)

    @property
    def at(self) -> indexing.At:
        """Elements to be set or added to, in a new wire: x.at[i].set(y), x.at[i].add(y)."""
        return indexing.At(self)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(self, ufunc, method, *operands, **more):
        """NumPy calls this for its functions of elements, as in numpy.exp(wire), and for array + wire."""
        from .numpy_functions import calls      # here, because what it imports needs wires
        return calls.ufunc(ufunc, method, operands, more)

    def __array_function__(self, function, types, arguments, more):
        """NumPy calls this for its other functions, as in numpy.sum(wire)."""
        from .numpy_functions import calls
        return calls.called(function, advice.full_name(function), arguments, more)

    def __repr__(self):
        return f"<wire %{self.index} {self.kind} {self.shape}>"


def operand(x):
    """The other operand of a formula with a wire: a wire, a float, or an array of floats, all finite."""
    if isinstance(x, Wire):
        return x
    if not isinstance(x, Real):
        return numbers(x).astype(float)
    try:
        value = float(x)
    except OverflowError:
        value = np.inf
    if not np.isfinite(value):
        raise CircuitError(f"a constant: expected a finite number, got {x!r:.60}")
    return value


def lifted(x, recorder):
    """x as a wire of this recorder: a wire as it is, an array or number as a constant gate."""
    if isinstance(x, Wire):
        if x.recorder is not recorder:
            raise CircuitError("a wire of another recording was used: pass it in as an input")
        return x
    array = numbers(x)
    array = array.astype(np.int64 if np.issubdtype(array.dtype, np.integer) else np.float64)
    array.flags.writeable = False
    return recorder.record(constant, (), {"value": array})


def numbers(x):
    """x as an array of finite real or whole numbers: what a constant may be."""
    array = plain_array(x)
    if array.dtype.kind not in "iuf":
        advice = "; write x.astype(float) for 0 and 1" if array.dtype == bool else ""
        raise CircuitError(
            f"a constant: expected real or whole numbers, got {array.dtype}: {x!r:.60}{advice}")
    if not np.all(np.isfinite(array)):
        raise CircuitError("a constant holds NaN or infinity")
    return array


def real_constant(x, recorder):
    """An array or number as a constant gate of real numbers."""
    return lifted(numbers(x).astype(float), recorder)


def both_wires(a, b):
    """Two operands, at least one of them a wire; the other may be an array of real numbers."""
    recorder = a.recorder if isinstance(a, Wire) else b.recorder
    return [x if isinstance(x, Wire) else real_constant(x, recorder) for x in (a, b)]


def aligned(a, b):
    """Two operands as wires of one shape, by NumPy's broadcasting rules."""
    a, b = both_wires(a, b)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(f"shapes {a.shape} and {b.shape} do not broadcast together") from None
    return widened(a, shape), widened(b, shape)


def widened(x, shape):
    """x broadcast to a shape, by NumPy's rules."""
    if x.shape == shape:
        return x
    ones = (1,) * (len(shape) - x.ndim) + x.shape
    if ones != x.shape:
        x = reshape_to(x, source=x.shape, shape=ones)
    return x if ones == shape else broadcast_to(x, shape=shape)
