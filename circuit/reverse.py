"""Reverse mode, as a transform: the gradient of a circuit is a circuit.

One loop over the reversed list of gates calls each gate's vector-Jacobian product, which is written in gates;
so gradients of gradients need no further code, and a Hessian-vector product is the first Taylor coefficient
of a gradient circuit.
"""
from .errors import CircuitError
from .shapes import several, whole
from .wire import Recorder, lifted, widened


def gradient(circuit, wrt=(0,), of=0):
    """The circuit that computes, after the outputs of the given one, the gradient of a scalar output.

    wrt   numbers of the (real) inputs to differentiate by
    of    number of the output to differentiate; its shape is ()

    Same inputs; outputs: the circuit's own, then one gradient per entry of wrt, shaped like that input (zeros
    where the output does not depend on it). Piecewise gates contribute the branch in force; "constant part
    of" contributes nothing.
    """
    wrt = tuple(whole(i, "the number of an input") for i in several(wrt))
    if not 0 <= whole(of, "the number of an output") < len(circuit.outputs):
        raise CircuitError(
            f"there is no output {of}: the circuit has outputs 0 to {len(circuit.outputs) - 1}")
    shape = circuit.shapes[circuit.outputs[of]]
    if shape != ():
        raise CircuitError(f"the gradient is taken of a scalar, not of output {of} with shape {shape}; sum "
                           "or weight it first")
    for i in wrt:
        if not 0 <= i < len(circuit.inputs) or circuit.inputs[i].kind != "real":
            raise CircuitError(
                f"no gradient by input {i}: it is not one of the real inputs of ({circuit.signature()})")
    recorder = Recorder(circuit.inputs)
    wires = recorder.inline(circuit, recorder.wires[:len(circuit.inputs)])
    cotangents = {circuit.outputs[of]: lifted(1.0, recorder)}
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
    gradients = [cotangents[i] if i in cotangents else _zeros(circuit.inputs[i].shape, recorder) for i in wrt]
    return recorder.circuit([wires[i] for i in circuit.outputs] + gradients).pruned()


def _zeros(shape, recorder):
    return widened(lifted(0.0, recorder), shape)
