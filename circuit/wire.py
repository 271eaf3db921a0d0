"""Wires, and recording: running an ordinary Python function once over wires to get its circuit.

A wire stands for the tensor that an input or a gate will hold; it knows its shape and whether it is real or
integer. Arithmetic on wires follows NumPy's broadcasting and is written out as gates: numbers become scale
and shift gates, arrays become constants, and operands of unlike shape pass through reshape and broadcast
first.
"""
from dataclasses import dataclass
from math import prod
from numbers import Real

import numpy as np

from . import advice, shapes
from .gates.arithmetic import add, constant, multiply, power, scale, shift
from .gates.bilinear import einsum_pair
from .errors import CircuitError, ShapeError
from .gates.gate import gate_result, plain_array
from .ir import Circuit, Entry, Input
from .gates.linear import broadcast_to, cut, reshape_to


def real(*shape, name=""):
    """An input of real numbers with the given shape: real() is a scalar, real(3, 4) a matrix."""
    return Input(name, shapes.lengths(shape), "real")


def integer(*shape, name=""):
    """An input of whole numbers, such as token ids, with the given shape."""
    return Input(name, shapes.lengths(shape), "integer")


def operand(x):
    """What stands beside a wire in a formula: another wire, a float, or an array of floats; all numbers
    finite."""
    if isinstance(x, Wire):
        return x
    if not isinstance(x, Real):
        return numbers(x).astype(float)
    try:
        value = float(x)
    except OverflowError:
        value = np.inf
    if not np.isfinite(value):
        raise CircuitError(f"a constant is a finite number, not {x!r:.60}")
    return value


@dataclass(frozen=True, eq=False)
class Wire:
    """A tensor in a circuit being recorded.   shape: tuple;   kind: 'real' or 'integer'."""
    recorder: "Recorder"
    index: int
    shape: tuple
    kind: str

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
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
            raise CircuitError(f"the exponent of a power is a constant number, not {exponent!r}; for x**y "
                               "write exp(y * log(x))")
        if abs(exponent) > LARGEST_EXPONENT:
            raise CircuitError(f"the exponent {exponent!r:.60} is too large: up to 2^53 it is known whether "
                               "an exponent is whole")
        exponent = int(exponent) if float(exponent).is_integer() else float(exponent)
        return self if exponent == 1 else power(self, exponent=exponent)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)

    def __getitem__(self, index):
        return sliced(self, index)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    @property
    def T(self):
        return shapes.transpose(self)

    def sum(self, axis=None):
        return shapes.sum(self, axis)

    def mean(self, axis=None):
        return shapes.mean(self, axis)

    def reshape(self, *shape):
        return shapes.reshape(self, shape[0] if len(shape) == 1 else shape)

    def __bool__(self):
        raise advice.number("if, and, or, not, while, assert", advice.MASK)

    def __float__(self):
        raise advice.number("float(), or a function of math", "use circuit.exp for math.exp, and so on")

    def __int__(self):
        raise advice.number("int(), range() or an index", "shapes are known: x.shape[0], len(x)")

    def __array__(self, *arguments, **more):
        raise advice.number("numpy.array, or a function of numpy or scipy",
                            "use the functions of circuit, which take wires and arrays alike")

    def argmax(self, *arguments, **more):
        raise advice.number("argmax and argmin", advice.CHOICE)

    def __abs__(self):
        raise CircuitError("abs() of a wire: use circuit.abs")

    def __lt__(self, other):
        raise advice.comparison("<")

    def __le__(self, other):
        raise advice.comparison("<=")

    def __gt__(self, other):
        raise advice.comparison(">")

    def __ge__(self, other):
        raise advice.comparison(">=")

    def __eq__(self, other):
        raise advice.comparison("==")

    def __ne__(self, other):
        raise advice.comparison("!=")

    __index__, argmin = __int__, argmax
    __hash__ = object.__hash__

    def _no_gate(self, *arguments):
        raise CircuitError("wires have + - * / @ and ** with a constant exponent; //, %, 2 ** x and "
                           "x[i] " "= " "y are not among them. For "
                           "2 ** x write exp(x * np.log(2)); in place of an assignment concatenate "
                           "or scatter")

    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = __rpow__ = __setitem__ = _no_gate

    def __array_ufunc__(self, ufunc, method, *operands, **more):
        """array + wire asks the wire; numpy.exp(wire) is refused."""
        reflected = REFLECTED.get(ufunc) if method == "__call__" and not more else None
        if reflected is None or isinstance(operands[0], Wire):
            raise advice.refused(ufunc)
        return reflected(self, operands[0])

    def __array_function__(self, function, types, arguments, more):
        """What NumPy asks of an array that a wire knows; anything else is refused."""
        known = {np.shape: self.shape, np.ndim: self.ndim, np.size: self.size}
        if function not in known or len(arguments) != 1:
            raise advice.refused(function)
        return known[function]

    def __repr__(self):
        return f"<wire %{self.index} {self.kind} {self.shape}>"


REFLECTED = {np.add: Wire.__radd__, np.subtract: Wire.__rsub__, np.multiply: Wire.__rmul__,
             np.true_divide: Wire.__rtruediv__, np.matmul: Wire.__rmatmul__, np.power: Wire.__rpow__,
             np.floor_divide: Wire.__rfloordiv__, np.remainder: Wire.__rmod__}
"""What an array asks of the wire to its right."""


class Recorder:
    """Collects gates as they are called."""

    def __init__(self, inputs):
        self.inputs = tuple(inputs)
        self.entries = []
        self.wires = [Wire(self, i, x.shape, x.kind) for i, x in enumerate(self.inputs)]

    def record(self, gate, inputs, parameters):
        """Append one gate and return the wire it writes."""
        inputs = [lifted(x, self) for x in inputs]
        entry = Entry(gate, tuple(x.index for x in inputs), parameters,
                      *gate_result(gate, [x.shape for x in inputs], [x.kind for x in inputs], parameters))
        self.entries.append(entry)
        self.wires.append(Wire(self, len(self.wires), entry.shape, entry.kind))
        return self.wires[-1]

    def inline(self, circuit, inputs):
        """Record a whole circuit on these wires; returns the wires of all its inputs and gates, in order."""
        wires = [lifted(x, self) for x in inputs]
        circuit.check_inputs([(w.shape, w.kind) for w in wires])
        for entry in circuit.entries:
            wires.append(self.record(entry.gate, [wires[i] for i in entry.inputs], entry.parameters))
        return wires

    def circuit(self, outputs):
        return Circuit(self.inputs, tuple(self.entries), tuple(w.index for w in outputs))


def lifted(x, recorder):
    """x as a wire of this recorder: a wire as it is, an array or number as a constant gate."""
    if isinstance(x, Wire):
        if x.recorder is not recorder:
            raise CircuitError("a wire of another recording; pass it in as an input")
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
            f"a constant is made of real or whole numbers, not {array.dtype}: {x!r:.60}{advice}")
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
        raise ShapeError("@ of two batches: write an einsum, which says which axes go together")
    rows, columns = "efghij"[7 - a.ndim:], "lmnopq"[:b.ndim - 1]
    if b.ndim > 2:        # a (.., k) @ b (batch.., k, n) -> batch.., a's rows, n, as in NumPy
        output = columns[:-1] + rows + columns[-1:]
    else:
        output = rows + columns
    return einsum_pair(a, b, spec=f"{rows}k,{columns[:-1]}k{columns[-1:]}->{output}")


def sliced(x, index):
    """Basic indexing: whole numbers, slices with positive step, ... and None."""
    index = tuple(_checked_index(i) for i in (index if isinstance(index, tuple) else (index,)))
    if index.count(Ellipsis) > 1:
        raise ShapeError("an index has one ... at most")
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
    if isinstance(i, (Wire, np.ndarray, list, tuple, range)):
        raise CircuitError("rows chosen by an array or wire are read with gather(table, ids)")
    if i is None or i is Ellipsis:
        return i
    if isinstance(i, slice):
        i = slice(*(end if end is None else shapes.whole(end, "the end of a slice")
                    for end in (i.start, i.stop, i.step)))
        if i.step == 0:
            raise ShapeError("a slice with step 0")
        return i
    return shapes.whole(i, "an index")


LARGEST_EXPONENT = 2 ** 53
"""Beyond it every float is whole, and neighbours differ by more than 1."""


def record(function, *inputs):
    """The circuit of an ordinary Python function.

    function   takes one wire per input and returns a wire, or a tuple or list of them (a number or array
               becomes a constant)
    inputs     real(...) and integer(...) inputs; an unnamed one is called x0, x1, ...

        norm = record(lambda x: (x * x).sum(), real(3))

    Returns a Circuit without dead gates. Raises CircuitError (ShapeError, ...) naming what does not fit.
    """
    if not all(isinstance(x, Input) for x in inputs):
        raise CircuitError("inputs are given as real(...) or integer(...), one per argument of the function")
    recorder = Recorder(Input(x.name or f"x{i}", x.shape, x.kind) for i, x in enumerate(inputs))
    outputs = function(*recorder.wires)
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    if any(x is None or isinstance(x, (tuple, list, dict, str)) for x in outputs):
        raise CircuitError(
            f"a recorded function returns a wire, or a flat tuple or list of them, not {outputs!r:.100}")
    return recorder.circuit([lifted(x, recorder) for x in outputs]).pruned()
