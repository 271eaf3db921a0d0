"""Wires: what a function is given in place of arrays while it is recorded.

A wire stands for the tensor that an input or a gate will hold. It knows its shape and whether it is real or
integer. Arithmetic on wires follows NumPy's broadcasting and is written as gates: numbers become scale and
shift gates, arrays become constants, and operands of different shape pass through reshape and broadcast
first.
"""
from dataclasses import dataclass
from math import prod
from numbers import Real
from typing import TYPE_CHECKING, Sequence, Union

import numpy as np

from . import advice, indexing, shapes
from .errors import CircuitError, ShapeError
from .gates.arithmetic import add, constant, multiply, power, scale, shift
from .gates.bilinear import einsum_pair
from .gates.gate import plain_array
from .gates.linear import broadcast_to, reshape_to

if TYPE_CHECKING:
    from .recording import Recorder

LARGEST_EXPONENT = 2 ** 53
"""Beyond it every float is whole, and neighbours differ by more than 1."""


@dataclass(frozen=True, eq=False)
class Wire(advice.Refusals):
    """A tensor in a circuit that is being recorded.

    Wires have + - * / @, ** with a constant exponent, basic indexing and the methods below; other operands
    may be wires, numbers or arrays. Everything else is a function of `circuit`.

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
                               "x**y write exp(y * log(x))")
        if abs(exponent) > LARGEST_EXPONENT:
            raise CircuitError(f"the exponent {exponent!r:.60} is too large: beyond 2^53 it is not known "
                               "whether an exponent is whole")
        exponent = int(exponent) if float(exponent).is_integer() else float(exponent)
        return self if exponent == 1 else power(self, exponent=exponent)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)

    def __getitem__(self, index):
        return indexing.indexed(self, index)

    @property
    def at(self) -> indexing.At:
        """Elements to be set or added to, in a new wire: x.at[i].set(y), x.at[i].add(y)."""
        return indexing.At(self)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    @property
    def T(self) -> "Wire":
        """The wire with its axes in reverse order."""
        return shapes.transpose(self)

    def sum(self, axis: Union[int, Sequence[int], None] = None) -> "Wire":
        """Sum over all axes, one, or several.

        Parameters
        ----------
        axis : int, sequence of int or None
            The axes; None for all.

        Returns
        -------
        Wire
            The sums.
        """
        return shapes.sum(self, axis)

    def mean(self, axis: Union[int, Sequence[int], None] = None) -> "Wire":
        """Average over all axes, one, or several.

        Parameters
        ----------
        axis : int, sequence of int or None
            The axes; None for all.

        Returns
        -------
        Wire
            The means.
        """
        return shapes.mean(self, axis)

    def reshape(self, *shape: Union[int, Sequence[int]]) -> "Wire":
        """Arrange the same elements in another shape.

        Parameters
        ----------
        *shape : int, or one sequence of int
            The lengths of the new axes; one may be -1.

        Returns
        -------
        Wire
            The elements in row-major order.
        """
        return shapes.reshape(self, shape[0] if len(shape) == 1 else shape)

    def __array_ufunc__(self, ufunc, method, *operands, **more):
        """NumPy calls this for array + wire, which is recorded, and for numpy.exp(wire), which is refused."""
        reflected = REFLECTED.get(ufunc) if method == "__call__" and not more else None
        if reflected is None or isinstance(operands[0], Wire):
            raise advice.refused(ufunc)
        return reflected(self, operands[0])

    def __array_function__(self, function, types, arguments, more):
        """NumPy calls this for its functions: shape, ndim and size are known, others are refused."""
        known = {np.shape: self.shape, np.ndim: self.ndim, np.size: self.size}
        if function not in known or len(arguments) != 1:
            raise advice.refused(function)
        return known[function]

    def __repr__(self):
        return f"<wire %{self.index} {self.kind} {self.shape}>"


REFLECTED = {np.add: Wire.__radd__, np.subtract: Wire.__rsub__, np.multiply: Wire.__rmul__,
             np.true_divide: Wire.__rtruediv__, np.matmul: Wire.__rmatmul__, np.power: Wire.__rpow__,
             np.floor_divide: Wire.__rfloordiv__, np.remainder: Wire.__rmod__}
"""What a wire does as the right operand of an array."""


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


def matmul(a, b):
    """The matrix product of NumPy's @, for operands of one or more axes without batch broadcasting."""
    a, b = both_wires(a, b)
    if not (a.ndim and b.ndim):
        raise ShapeError("@ needs operands with at least one axis; use * for scalars")
    if a.ndim > 2 and b.ndim > 2:
        raise ShapeError("@ of two batches is not supported: use einsum, which names the axes to sum over")
    rows, columns = "efghij"[7 - a.ndim:], "lmnopq"[:b.ndim - 1]
    if b.ndim > 2:        # a (.., k) @ b (batch.., k, n) -> batch.., a's rows, n, as in NumPy
        output = columns[:-1] + rows + columns[-1:]
    else:
        output = rows + columns
    return einsum_pair(a, b, spec=f"{rows}k,{columns[:-1]}k{columns[-1:]}->{output}")
