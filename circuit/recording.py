"""Recording: an ordinary Python function is run once over wires, which gives its circuit."""
from typing import Callable

from . import shapes
from .errors import CircuitError
from .gates.gate import gate_result
from .ir import Circuit, Entry, Input, pruned
from .wire import Wire, lifted


def real(*shape: int, name: str = "") -> Input:
    """Declare an input of real numbers.

    Parameters
    ----------
    *shape : int
        The lengths of its axes: real() is a scalar, real(3, 4) a matrix.
    name : str
        Its name in messages and in the printed circuit.

    Returns
    -------
    Input
        For `record`.

    Examples
    --------
    >>> from circuit import real
    >>> real(3, 4, name="x")
    Input(name='x', shape=(3, 4), kind='real')
    """
    return Input(name, shapes.lengths(shape), "real")


def integer(*shape: int, name: str = "") -> Input:
    """Declare an input of whole numbers, such as token ids or class labels.

    Parameters
    ----------
    *shape : int
        The lengths of its axes.
    name : str
        Its name in messages and in the printed circuit.

    Returns
    -------
    Input
        For `record`.

    Examples
    --------
    >>> from circuit import integer
    >>> integer(8, name="ids")
    Input(name='ids', shape=(8,), kind='integer')
    """
    return Input(name, shapes.lengths(shape), "integer")


class Recorder:
    """Collects gates as they are called."""

    def __init__(self, inputs):
        self.inputs = tuple(inputs)
        self.entries = []
        self.wires = [Wire(self, i, x.shape, x.kind) for i, x in enumerate(self.inputs)]

    def record(self, gate, inputs, parameters):
        """Append one gate and return the wire it writes."""
        inputs = [lifted(x, self) for x in inputs]
        shape, kind = gate_result(gate, [x.shape for x in inputs], [x.kind for x in inputs], parameters)
        return self.append(gate, inputs, parameters, shape, kind)

    def append(self, gate, inputs, parameters, shape, kind):
        """Append a gate whose result is known to have this shape and kind."""
        self.entries.append(Entry(gate, tuple(x.index for x in inputs), parameters, shape, kind))
        self.wires.append(Wire(self, len(self.wires), shape, kind))
        return self.wires[-1]

    def inline(self, circuit, inputs):
        """Record a whole circuit on these wires; returns the wires of all its inputs and gates, in order."""
        wires = [lifted(x, self) for x in inputs]
        circuit.check_inputs([(w.shape, w.kind) for w in wires])
        for entry in circuit.entries:
            wires.append(self.append(entry.gate, [wires[i] for i in entry.inputs], entry.parameters,
                                     entry.shape, entry.kind))
        return wires

    def circuit(self, outputs):
        """The Circuit of what these wires need of all that is recorded."""
        return Circuit(self.inputs, *pruned(len(self.inputs), self.entries, [w.index for w in outputs]))


def record(function: Callable, *inputs: Input) -> Circuit:
    """Record an ordinary Python function as a circuit.

    The function is called once, with wires. What it calculates with them is recorded; Python's own control
    flow is followed and leaves no trace. Gates that no output needs are dropped.

    Parameters
    ----------
    function : callable
        Takes one wire per input and returns a wire, or a tuple or list of them. A number or array becomes a
        constant.
    *inputs : Input
        What `real` and `integer` give, one per argument; an unnamed one is called x0, x1, ...

    Returns
    -------
    Circuit
        The circuit; call it on arrays to evaluate it, print it to read it.

    Raises
    ------
    CircuitError
        For what cannot be recorded, saying what to write instead; ShapeError where shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from circuit import real, record
    >>> norm = record(lambda x: (x * x).sum(), real(3))
    >>> float(norm(np.array([1.0, 2.0, 3.0])))
    14.0
    """
    if not all(isinstance(x, Input) for x in inputs):
        raise CircuitError("inputs: expected real(...) or integer(...), one per argument of the function")
    recorder = Recorder(Input(x.name or f"x{i}", x.shape, x.kind) for i, x in enumerate(inputs))
    outputs = function(*recorder.wires)
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    if any(x is None or isinstance(x, (tuple, list, dict, str)) for x in outputs):
        raise CircuitError(
            f"the recorded function: expected a wire, or a flat tuple or list of them, got {outputs!r:.100}")
    return recorder.circuit([lifted(x, recorder) for x in outputs])
