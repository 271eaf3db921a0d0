"""What a circuit's outputs can depend on, and where it branches, read off its gates without calculating
anything. How marks travel through a gate, and how it branches, is declared by the gate."""
import numpy as np

from .gates.gate import BY_VALUE, GATES


def reached(circuit, marked, walls=()):
    """Which elements of each output may depend on marked elements of the inputs: a boolean array per output.

    Whatever depends on a mark is reached. What is reached need not depend on one, because numbers may cancel.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    marked : sequence
        An array per input, of its shape: nonzero where it is marked; None for an input without marks.
    walls : collection of str
        Names of gates through which no mark passes.

    Returns
    -------
    list of np.ndarray
        A boolean array per output.
    """
    marks = [None if m is None or not np.any(m) else np.asarray(m) != 0 for m in marked]
    ids, shapes = constant_ids(circuit), circuit.shapes
    for entry in circuit.entries:
        inputs = [marks[i] for i in entry.inputs]
        if all(m is None for m in inputs) or entry.gate.name in walls:
            marks.append(None)
            continue
        inputs = [np.zeros(shapes[i], bool) if m is None else m for i, m in zip(entry.inputs, inputs)]
        marks.append(_written(entry, inputs, ids.get(entry.inputs[-1])))
    return [np.zeros(shapes[i], bool) if marks[i] is None else marks[i] for i in circuit.outputs]


def constant_ids(circuit):
    """{wire: value} of the whole numbers that no input decides."""
    known = {}
    for wire, entry in enumerate(circuit.entries, len(circuit.inputs)):
        if entry.kind == "integer" and all(i in known for i in entry.inputs):
            known[wire] = entry.gate.value(*[known[i] for i in entry.inputs], **entry.parameters)
    return known


def _written(entry, inputs, ids):
    """The marks of what an entry writes.   ids: those of a gather or scatter, where they are known."""
    gate, numbers = entry.gate, [x.astype(float) for x in inputs]
    if gate.marks == BY_VALUE:
        return gate.value(*numbers, **entry.parameters) > 0
    return np.asarray(gate.marks(*numbers, ids=ids, **entry.parameters)) > 0


# jumps and branches -------------------------------------------------------------------------------------

def only_jump(circuit, inputs=None):
    """Which elements of the circuit's first output some inputs reach only through gates that jump.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    inputs : collection of int, optional
        Numbers of the inputs; by default all.

    Returns
    -------
    np.ndarray
        Booleans of the output's shape. Where True, the derivative by each of these inputs is zero or does not
        exist.
    """
    everything = [np.ones(x.shape) if inputs is None or i in inputs else None
                  for i, x in enumerate(circuit.inputs)]
    jumping = [gate.name for gate in GATES.values() if gate.jumps]
    return reached(circuit, everything)[0] & ~reached(circuit, everything, jumping)[0]


def branch_points(circuit, moving):
    """What decides a branch in a circuit: the sign of a wire, or its largest element along an axis.

    Only branches that matter are listed: those of gates that something moving enters, and whose result
    reaches an output other than as a constant.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    moving : collection of int
        Numbers of the inputs that move.

    Returns
    -------
    list of tuple
        Pairs (wire, axis), where the axis is None if the sign of the wire decides.
    """
    first = len(circuit.inputs)
    moved = [i in moving for i in range(first)]
    for entry in circuit.entries:
        moved.append(not entry.gate.frozen and any(moved[i] for i in entry.inputs))
    needed = set(circuit.outputs)
    for wire in range(first + len(circuit.entries) - 1, first - 1, -1):
        entry = circuit.entries[wire - first]
        if wire in needed and not entry.gate.frozen:
            needed.update(entry.inputs)
    points = set()
    for wire, entry in enumerate(circuit.entries, first):
        if wire in needed and entry.gate.branch and moved[entry.inputs[0]]:
            axis = entry.parameters["axis"] if entry.gate.branch == "winner" else None
            points.add((entry.inputs[0], axis))
    return sorted(points, key=str)
