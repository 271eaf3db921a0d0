"""Elements of a measurement that depend on the parameters only through jumps: their series are zero, and say nothing."""
import numpy as np

from circuit.gate import same_shape

JUMPS = ("step", "one_hot_max", "constant_part")
"""Gates whose result has no derivative by what they read."""


def only_jump(circuit):
    """Of each element of the circuit's first output: whether its inputs reach it, but only through gates that jump."""
    return reached(circuit, ()) & ~reached(circuit, JUMPS)


def reached(circuit, walls):
    """Which elements of the first output depend on the inputs by ways that pass through none of the gates named."""
    wires = [np.ones(x.shape) for x in circuit.inputs]      # 1 where the inputs reach, 0 elsewhere; whole numbers as they are
    for entry in circuit.entries:
        wires.append(reach(entry, [wires[i] for i in entry.inputs], walls))
    return wires[circuit.outputs[0]] > 0


def reach(entry, inputs, walls):
    if entry.kind == "integer":
        return entry.gate.value(*inputs, **entry.parameters)
    if entry.gate.name == "constant" or entry.gate.name in walls:
        return np.zeros(entry.shape)
    if entry.gate.name == "einsum":
        a, b = inputs
        every = entry.gate.value(a, np.ones(b.shape), **entry.parameters) + entry.gate.value(np.ones(a.shape), b, **entry.parameters)
    elif entry.gate.name == "one_hot_max":
        every = np.broadcast_to(inputs[0].max(axis=entry.parameters["axis"], keepdims=True), entry.shape)
    elif entry.gate.shape is same_shape:      # element by element
        every = sum(inputs)
    else:      # sums, largest elements, and what only moves elements about
        every = entry.gate.value(*inputs, **entry.parameters)
    return (every > 0).astype(float)
