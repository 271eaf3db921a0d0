"""Reverse mode, as a transform: the gradient of a circuit is a circuit.

One loop over the reversed list of gates calls each gate's vector-Jacobian product, which is written in gates;
so gradients of gradients need no further code, and a Hessian-vector product is the first Taylor coefficient
of a gradient circuit.
"""
from math import prod
from typing import Sequence, Union

from .errors import CircuitError
from .ir import Circuit, Input
from .recording import Recorder
from .shapes import several, whole
from .wire import lifted, widened


def gradient(circuit: Circuit, wrt: Union[int, Sequence[int]] = (0,), of: int = 0) -> Circuit:
    """Make the circuit that computes, after the outputs of the given one, the gradient of a scalar output.

    Piecewise gates contribute the branch in force; `constant_part` contributes nothing.

    Parameters
    ----------
    circuit : Circuit
        The circuit to differentiate.
    wrt : int or sequence of int
        Numbers of the (real) inputs to differentiate by.
    of : int
        Number of the output to differentiate; its shape is ().

    Returns
    -------
    Circuit
        A circuit with the same inputs. Its outputs are the circuit's own, then one gradient per entry of
        `wrt`, of the shape of that input: zeros where the output does not depend on it.

    Raises
    ------
    CircuitError
        If the output is no scalar, or an input or output with that number does not exist or is not real.

    Examples
    --------
    >>> from circuit import gradient, real, record
    >>> cube = record(lambda x: x ** 3, real())
    >>> value, slope = gradient(cube)(2.0)
    >>> float(value), float(slope)
    (8.0, 12.0)
    """
    wrt = _checked(circuit, wrt, of)
    recorder = Recorder(circuit.inputs)
    wires = recorder.inline(circuit, recorder.wires)
    gradients = swept(circuit, wires, {circuit.outputs[of]: lifted(1.0, recorder)}, wrt)
    return recorder.circuit([wires[i] for i in circuit.outputs] + gradients)


def swept(circuit, wires, cotangents, wrt):
    """The cotangents of a circuit's inputs `wrt`, from those of some of its wires.   wires: all of them"""
    for number in range(len(wires) - 1, len(circuit.inputs) - 1, -1):
        entry = circuit.entries[number - len(circuit.inputs)]
        if number not in cotangents or entry.kind != "real":
            continue
        parts = entry.gate.vjp(cotangents.pop(number), wires[number], *[wires[i] for i in entry.inputs],
                               **entry.parameters)
        if len(parts) != len(entry.inputs):
            raise CircuitError(
                f"gate {entry.gate.name}: {len(parts)} cotangents for {len(entry.inputs)} inputs")
        for i, part in zip(entry.inputs, parts):
            if part is not None:
                cotangents[i] = cotangents[i] + part if i in cotangents else part
    return [cotangents[i] if i in cotangents else _zeros(circuit.inputs[i].shape, wires[i].recorder)
            for i in wrt]


def vjp(circuit: Circuit, wrt: Sequence[int]) -> Circuit:
    """Make the circuit of a vector-Jacobian product: (cotangents of the outputs..., inputs...) -> cotangents
    of the inputs numbered in `wrt`.

    Parameters
    ----------
    circuit : Circuit
        A circuit with real outputs.
    wrt : sequence of int
        Numbers of the (real) inputs whose cotangents are the outputs.

    Returns
    -------
    Circuit
        Its inputs are one cotangent per output of the circuit, then the circuit's inputs.

    Raises
    ------
    CircuitError
        If an input with that number does not exist or is not real, or an output is not real.

    Examples
    --------
    >>> from circuit import real, record
    >>> from circuit.reverse import vjp
    >>> square = record(lambda x: x * x, real(2))
    >>> vjp(square, [0])([1.0, 10.0], [3.0, 4.0])
    array([ 6., 80.])
    """
    wrt = _real_inputs(circuit, wrt)
    for i, k in enumerate(circuit.outputs):
        if circuit.kinds[k] != "real":
            raise CircuitError(f"output {i} consists of whole numbers, which have no cotangents")
    recorder = Recorder([Input(f"cotangent{i}", circuit.shapes[k], "real")
                         for i, k in enumerate(circuit.outputs)] + list(circuit.inputs))
    count = len(circuit.outputs)
    wires, cotangents = recorder.inline(circuit, recorder.wires[count:]), {}
    for number, given in zip(circuit.outputs, recorder.wires[:count]):
        cotangents[number] = cotangents[number] + given if number in cotangents else given
    return recorder.circuit(swept(circuit, wires, cotangents, wrt))


def _checked(circuit, wrt, of):
    """wrt as a tuple of ints: numbers of real inputs, if `of` is the number of a scalar output."""
    if not 0 <= whole(of, "the number of an output") < len(circuit.outputs):
        raise CircuitError(
            f"there is no output {of}: the circuit has outputs 0 to {len(circuit.outputs) - 1}")
    shape = circuit.shapes[circuit.outputs[of]]
    if shape != ():
        raise CircuitError(f"the gradient is taken of a scalar, and output {of} has shape {shape}; sum or "
                           "weight it first")
    return _real_inputs(circuit, wrt)


def _real_inputs(circuit, wrt):
    """wrt as a tuple of ints, if they are numbers of real inputs."""
    wrt = tuple(whole(i, "the number of an input") for i in several(wrt))
    for i in wrt:
        if not 0 <= i < len(circuit.inputs) or circuit.inputs[i].kind != "real":
            raise CircuitError(
                f"no gradient by input {i}: it is not one of the real inputs of ({circuit.signature()})")
    return wrt


def _zeros(shape, recorder):
    return widened(lifted(0.0, recorder), shape)


def vjps_of_parts(circuit):
    """Yield (number of its first element, vector-Jacobian product) for each part of a circuit's one output.

    Parts that the output joins to a vector are taken apart again: the gradient of one passes only through its
    own gates. An output that joins nothing is one part.
    """
    output, inputs, first = circuit.outputs[0], len(circuit.inputs), 0
    entry = circuit.entries[output - inputs] if output >= inputs else None
    joined = entry is not None and entry.gate.name == "concatenate" and len(entry.shape) == 1
    for i in entry.inputs if joined else [output]:
        yield first, vjp(circuit.pruned((i,)), [0])
        first += prod(circuit.shapes[i])
