"""What a circuit's outputs can depend on, and where it branches: read off its gates without calculating
anything."""
import numpy as np

from .gates.gate import same_shape


def reached(circuit, marked, walls=()):
    """Which elements of each output may depend on marked elements of the inputs: a boolean array per output.

    marked   an array per input, of its shape: nonzero where it is marked; None for an input without marks
    walls    names of gates through which nothing is followed

    Whatever depends on a mark is reached. What is reached need not depend on one: numbers may cancel.
    """
    marks = [None if m is None or not np.any(m) else np.asarray(m) != 0 for m in marked]
    ids, shapes = constant_ids(circuit), circuit.shapes
    for entry in circuit.entries:
        inputs = [marks[i] for i in entry.inputs]
        if all(m is None for m in inputs) or entry.gate.name in walls:
            marks.append(None)
            continue
        inputs = [np.zeros(shapes[i], bool) if m is None else m for i, m in zip(entry.inputs, inputs)]
        marks.append(_reach(entry, inputs, ids.get(entry.inputs[-1])))
    return [np.zeros(shapes[i], bool) if marks[i] is None else marks[i] for i in circuit.outputs]


def constant_ids(circuit):
    """{wire: value} of the whole numbers that no input decides."""
    known = {}
    for wire, entry in enumerate(circuit.entries, len(circuit.inputs)):
        if entry.kind == "integer" and all(i in known for i in entry.inputs):
            known[wire] = entry.gate.value(*[known[i] for i in entry.inputs], **entry.parameters)
    return known


def _reach(entry, inputs, ids):
    """The marks of what an entry writes.   ids: those of a gather or scatter, where they are known."""
    gate, parameters = entry.gate, entry.parameters
    numbers = [x.astype(float) for x in inputs]
    if gate.name == "einsum":
        a, b = numbers
        found = np.zeros(entry.shape)
        if a.any():
            found = found + gate.value(a, np.ones(b.shape), **parameters)
        if b.any():
            found = found + gate.value(np.ones(a.shape), b, **parameters)
    elif gate.name in ("gather", "scatter"):
        found = _rows(gate, numbers, ids, parameters)
    elif gate.name == "one_hot_max":
        found = np.broadcast_to(inputs[0].max(axis=parameters["axis"], keepdims=True), entry.shape)
    elif gate.shape is same_shape:      # element by element
        return np.logical_or.reduce(inputs)
    else:      # sums, largest elements, and what only moves elements about
        found = gate.value(*numbers, **parameters)
    return found > 0


def _rows(gate, numbers, ids, parameters):
    """Marks of gathered or scattered rows. Where ids are not known, rows may come from, or go, anywhere."""
    rows, of_ids = numbers
    wide = of_ids.reshape(of_ids.shape + (1,) * (rows.ndim - 1))
    if gate.name == "scatter":
        rows = np.maximum(rows, wide)
    if ids is not None:
        return gate.value(rows, ids, **parameters)
    count = parameters["count"] if gate.name == "scatter" else len(of_ids)
    anywhere = np.repeat(rows.max(axis=0, keepdims=True, initial=0.0), count, axis=0)
    return anywhere if gate.name == "scatter" else np.maximum(anywhere, wide)


# jumps and branches -------------------------------------------------------------------------------------

JUMPS = ("step", "one_hot_max", "constant_part")
"""Gates whose result has no derivative by what they read."""


def only_jump(circuit):
    """Of each element of the circuit's first output: whether its inputs reach it, but only through gates that
    jump."""
    every = [np.ones(x.shape) for x in circuit.inputs]
    return reached(circuit, every)[0] & ~reached(circuit, every, JUMPS)[0]


SIGN = {"relu", "abs", "step"}
WINNER = {"max", "one_hot_max"}


def branch_points(circuit, moving):
    """[(wire, axis or None)]: what decides a branch in a circuit: the sign of a wire, or its largest element
    along an axis.

    Only where it matters: gates that something moving enters, and whose result reaches an output other than
    as a constant.
    """
    first = len(circuit.inputs)
    moved = [i in moving for i in range(first)]
    for entry in circuit.entries:
        moved.append(entry.gate.name != "constant_part" and any(moved[i] for i in entry.inputs))
    needed = set(circuit.outputs)
    for wire in range(first + len(circuit.entries) - 1, first - 1, -1):
        entry = circuit.entries[wire - first]
        if wire in needed and entry.gate.name != "constant_part":
            needed.update(entry.inputs)
    points = []
    for wire, entry in enumerate(circuit.entries, first):
        if wire in needed and entry.gate.name in SIGN | WINNER and moved[entry.inputs[0]]:
            points.append((entry.inputs[0], entry.parameters.get("axis") if entry.gate.name in WINNER
                           else None))
    return sorted(set(points), key=str)
