"""Plain evaluation on NumPy arrays: real or complex, one input at a time or a batch of them along a leading
axis."""
from functools import lru_cache
from typing import TYPE_CHECKING, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .errors import CircuitError, DomainError, ShapeError
from .gates.gate import first_bad

if TYPE_CHECKING:
    from .ir import Circuit


def evaluate(circuit: "Circuit", inputs: Sequence[ArrayLike]) -> tuple:
    """Evaluate a circuit on NumPy arrays.

    Complex inputs are calculated with as they are; branches (relu, abs, max) and `constant_part` go by the
    real part.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    inputs : sequence of array_like
        One array per input, of the recorded shape: real (float64), complex (complex128) or whole numbers. Any
        of them may have one more leading axis, a batch of the same length for all that do.

    Returns
    -------
    tuple of np.ndarray
        The outputs. Those that depend on a batch have its axis.

    Raises
    ------
    CircuitError
        For inputs that do not fit.
    DomainError
        Where a NaN or infinity appears; the message names the gate.

    Examples
    --------
    >>> import numpy as np
    >>> from circuit import evaluate, real, record
    >>> double = record(lambda x: 2.0 * x, real(2))
    >>> evaluate(double, [np.array([1.0, 2.0])])
    (array([2., 4.]),)
    """
    arrays = [checked_input(x, spec) for x, spec in zip(listed_inputs(circuit, inputs), circuit.inputs)]
    if len({len(x) for x, spec in zip(arrays, circuit.inputs) if x.ndim > len(spec.shape)}) > 1:
        raise ShapeError(f"batches of different length: {[x.shape for x in arrays]}")
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
            outputs = _run(circuit, arrays)
        if all(np.isfinite(x).all() for x in outputs):      # not every special function raises NumPy's flags
            return outputs
    except (FloatingPointError, DomainError):
        pass
    with np.errstate(all="ignore"):      # once more, gate by gate, to name the one that went wrong
        return _run_carefully(circuit, arrays)


def listed_inputs(circuit, inputs):
    """The inputs as a list, one per input of the circuit."""
    if not hasattr(circuit, "entries"):
        raise CircuitError(
            f"expected a circuit, as record(function, real(...), ...) makes it, got {circuit!r:.60}")
    try:
        inputs = list(inputs)
    except TypeError:
        raise CircuitError(
            f"the inputs are a sequence, one per input of the circuit; got {inputs!r:.60}") from None
    if len(inputs) != len(circuit.inputs):
        raise CircuitError(
            f"{len(inputs)} inputs given; the circuit takes {len(circuit.inputs)}: {circuit.signature()}")
    return inputs


def checked_input(x, spec):
    """x as an array that fits an input, with at most one batch axis more.   spec: the Input"""
    try:
        array = np.asarray(x)
    except ValueError:
        raise ShapeError(f"input {spec.name}: rows of different lengths make no array: {x!r:.60}") from None
    if spec.kind == "integer":
        if not np.issubdtype(array.dtype, np.integer):
            raise ShapeError(f"input {spec.name} takes whole numbers, got {array.dtype}")
    elif array.dtype not in (np.float64, np.complex128):
        if array.dtype == bool or not np.issubdtype(array.dtype, np.number):
            raise ShapeError(f"input {spec.name} takes real numbers, got {array.dtype}")
        array = array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
    lead = array.ndim - len(spec.shape)
    if not 0 <= lead <= 1 or array.shape[lead:] != spec.shape:
        raise ShapeError(f"input {spec.name} has shape {spec.shape} (one batch axis may come before it), "
                         f"got {array.shape}")
    if not np.isfinite(array).all():
        raise DomainError(f"input {spec.name} holds {first_bad(array)}")
    return array


@lru_cache(maxsize=256)
def _last_use(circuit):
    """For each gate, the wires that no later gate reads."""
    first = len(circuit.inputs)
    last = {}
    for number, entry in enumerate(circuit.entries, first):
        last.update({i: number for i in entry.inputs} | {number: number})
    keep = set(circuit.outputs)
    dead = [[] for _ in circuit.entries]
    for wire, number in last.items():
        if wire not in keep:
            dead[number - first].append(wire)
    return dead


def _run(circuit, arrays):
    """The outputs. Arrays that no later gate reads are dropped."""
    wires = arrays + [None] * len(circuit.entries)
    dead = _last_use(circuit)
    for number, entry in enumerate(circuit.entries):
        wires[len(arrays) + number] = entry.gate.value(*[wires[i] for i in entry.inputs], **entry.parameters)
        for i in dead[number]:
            wires[i] = None
    return tuple(wires[i] for i in circuit.outputs)


def _run_carefully(circuit, arrays):
    """The outputs, or a DomainError that names the first gate whose result is not finite."""
    wires = list(arrays)
    for entry in circuit.entries:
        inputs = [wires[i] for i in entry.inputs]
        where = f"gate {entry.gate.name} at wire %{len(wires)}"
        try:
            value = entry.gate.value(*inputs, **entry.parameters)
        except DomainError as error:
            raise DomainError(f"{where}: {error}") from None
        if entry.kind == "real" and not np.isfinite(value).all():
            advice = f"; {entry.gate.outside}" if entry.gate.outside else ""
            raise DomainError(f"{where} gives {first_bad(value, inputs)}{advice}")
        wires.append(value)
    return tuple(wires[i] for i in circuit.outputs)
