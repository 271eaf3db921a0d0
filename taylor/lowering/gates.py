"""How each gate is lowered: rule(lowering, entry, inputs, wire) -> the tensor that the gate writes."""
from math import prod

import numpy as np

from circuit import CircuitError
from circuit.gates.gate import GATES, MOVES, same_shape

from .. import rules
from .. import tape as k
from ..kernels import KERNELS
from .lowering import CONSTANT_ZERO, ZERO, Instruction, Tensor
from .products import einsum


def rule_of(gate):
    """The rule of a gate."""
    return LOWERED.get(gate.name, moved if gate.taylor == MOVES else function)


def function(lowering, entry, inputs, wire):
    """An elementwise gate with one input, one operation, and at most one number as parameter."""
    x = lowering.plain(inputs[0], wire)
    number = float(*entry.parameters.values())      # float() is 0.0
    return lowering.emit(entry.gate.operations[0], entry.shape, wire, x, entry=entry,
                         active=lowering.varies(x, entry.gate), numbers=(number, 0.0))


def moved(lowering, entry, inputs, wire):
    """A gate that only moves elements: its value, of ids."""
    if len({x.active for x in inputs}) > 1:
        inputs = [lowering.lifted(x, wire) for x in inputs]
    if len({x.factor for x in inputs}) > 1:
        inputs = [lowering.plain(x, wire) for x in inputs]
    return Tensor(entry.gate.value(*[x.ids for x in inputs], **entry.parameters), inputs[0].active,
                  inputs[0].factor)


def placed(lowering, entry, inputs, wire):
    """Elements among zeros."""
    x = inputs[0]
    ids = np.full(entry.shape, ZERO if x.active else CONSTANT_ZERO)
    ids[tuple(slice(*triple) for triple in entry.parameters["index"])] = x.ids
    return Tensor(ids, x.active, x.factor)


def constant(lowering, entry, inputs, wire):
    """A buffer that is filled when the program starts; equal constants share it."""
    value = entry.parameters["value"]
    if np.issubdtype(value.dtype, np.integer):
        return lowering.new_integers(value.shape, value)
    key = (value.shape, value.tobytes())
    if key not in lowering.constants:
        lowering.constants[key] = lowering.new(value.shape, False, True, value)
    return lowering.constants[key]


def constant_part(lowering, entry, inputs, wire):
    """The same elements, of which only the constant parts may be read."""
    return Tensor(inputs[0].ids, lowering.varies(inputs[0], entry.gate), inputs[0].factor)


def scale(lowering, entry, inputs, wire):
    return lowering.scaled(inputs[0], float(entry.parameters["by"]), wire)


def shift(lowering, entry, inputs, wire):
    x = inputs[0]
    return lowering.emit("shift", entry.shape, wire, x, active=x.active,
                         numbers=(x.factor, float(entry.parameters["by"])))


EXPONENTS = {-1.0: "inverse", -0.5: "inverse_root", -1.5: "inverse_root_cubed"}
"""Powers that every training step has. They need no logarithm, and become vector instructions."""


def power(lowering, entry, inputs, wire):
    """Whole exponents >= 0 multiply repeatedly."""
    x, exponent = lowering.plain(inputs[0], wire), float(entry.parameters["exponent"])
    operation = "power_whole" if exponent.is_integer() and exponent >= 0 else EXPONENTS.get(exponent, "power")
    return lowering.emit(operation, entry.shape, wire, x, active=x.active, numbers=(exponent, 0.0),
                         entry=entry)


def active_first(a, b):
    """Two operands: a constant one, if there is one, comes second."""
    return (b, a) if b.active and not a.active else (a, b)


def add(lowering, entry, inputs, wire):
    """A sum. Where most elements are zero in one operand or the other, as in sums of placed tensors, it is
    calculated only where neither is, and the rest is moved."""
    a, b = active_first(*inputs)
    both = ~(is_zero(a) | is_zero(b))
    if a.active != b.active or 2 * both.sum() >= both.size:
        return combined(lowering, a, b, wire)
    a, b = nonzero_plain(lowering, a, wire), nonzero_plain(lowering, b, wire)
    ids = np.where(is_zero(a), b.ids, a.ids)
    if both.any():
        ids[both] = combined(lowering, *(Tensor(x.ids[both], x.active) for x in (a, b)), wire).ids
    return Tensor(ids, a.active)


def nonzero_plain(lowering, x, wire):
    """x with no factor left, written only where it is not zero."""
    if x.factor == 1.0:
        return x
    ids, some = x.ids.copy(), ~is_zero(x)
    ids[some] = lowering.written(Tensor(x.ids[some], x.active, x.factor), wire).ids
    return Tensor(ids, x.active)


def is_zero(x):
    """Which elements are always zero."""
    return x.ids <= CONSTANT_ZERO


def combined(lowering, a, b, wire):
    """The sum of two tensors as one instruction."""
    operation = "combine" if a.active == b.active else "combine_constant"
    return lowering.emit(operation, a.ids.shape, wire, a, b, active=a.active, numbers=(a.factor, b.factor))


def multiply(lowering, entry, inputs, wire):
    """A product; by a constant that is the same everywhere it is a factor that waits."""
    a, b = active_first(*inputs)
    by = None if b.active else lowering.number(b)
    if by is not None:
        return lowering.scaled(a, by * b.factor, wire)
    y = lowering.emit("multiply" if a.active == b.active else "multiply_constant", entry.shape, wire, a, b,
                      active=a.active)
    return lowering.scaled(lowering.scaled(y, a.factor, wire), b.factor, wire)


def groups_along(lowering, x, axes, wire):
    """(x, how its axes were ordered, columns, axes of the word): groups of elements along these axes."""
    ndim = x.ids.ndim
    order = [i for i in range(ndim) if i - ndim not in axes] + [a + ndim for a in axes]
    at = ndim - len(axes)
    grid = in_grid(lowering, x.ids.transpose(order), at)
    if grid is None:
        x = lowering.written(x, wire)
        grid = in_grid(lowering, x.ids.transpose(order), at)
    groups, members = grid
    ids = x.ids.transpose(order).ravel()
    return (Tensor(ids, x.active, x.factor), order, {k.LENGTH: len(members), k.GROUPS: len(groups)},
            {k.A_ROWS: groups, k.MEMBERS: members})


def in_grid(lowering, ids, at):
    """(rows, columns) with id = first id + rows[i] + columns[j], where i counts the first `at` axes and j the
    others; None where the ids lie otherwise, or in several buffers."""
    ids = ids.reshape(prod(ids.shape[:at]), prod(ids.shape[at:]))
    if ids.size == 0:
        return np.zeros(ids.shape[0], np.int64), np.zeros(ids.shape[1], np.int64)
    first = ids[0, 0]
    rows, columns = ids[:, 0] - first, ids[0] - first
    one_buffer = lowering.owner(ids.min()) == lowering.owner(ids.max())
    if not one_buffer or not np.array_equal(first + rows[:, None] + columns, ids):
        return None
    return rows, columns


def sum_axes(lowering, entry, inputs, wire):
    """A sum of each group; the factor waits."""
    x, _, columns, axes = groups_along(lowering, inputs[0], entry.parameters["axes"], wire)
    y = lowering.emit("sum", entry.shape, wire, x, active=x.active, columns=columns, axes=axes)
    return lowering.scaled(y, x.factor, wire)


def max_axis(lowering, entry, inputs, wire):
    """The winner of each group."""
    x = lowering.plain(inputs[0], wire)
    x, _, columns, axes = groups_along(lowering, x, (entry.parameters["axis"],), wire)
    return lowering.emit("max", entry.shape, wire, x, active=x.active, columns=columns, axes=axes,
                         entry=entry)


def one_hot_max(lowering, entry, inputs, wire):
    """Where the winner of each group is: constants, in the order of the groups."""
    x = lowering.plain(inputs[0], wire)
    x, order, columns, axes = groups_along(lowering, x, (entry.parameters["axis"],), wire)
    y = lowering.new(entry.shape, lowering.varies(x, entry.gate))
    groups, members = in_grid(lowering, y.ids.transpose(order), len(order) - 1)
    lowering.instructions.append(
        Instruction("one_hot_max", y.active, wire, y.ids.ravel(), x.ids, moving=x.active, columns=columns,
                    axes={**axes, k.Y_ROWS: groups, k.Y_MEMBERS: members}, entry=entry))
    return y


def rows(lowering, entry, inputs, wire):
    """gather and scatter: rows chosen by whole numbers."""
    x, ids = inputs
    length, limit = prod(entry.shape[1:]), entry.parameters.get("count", x.ids.shape[0])
    at = 1 if entry.gate.taylor == "gather" else ids.ids.ndim
    grid = regular(in_grid(lowering, x.ids, at))
    if grid is None:
        x = lowering.written(x, wire)
        grid = regular(in_grid(lowering, x.ids, at))
    pitch, stride = grid
    y = lowering.emit(entry.gate.taylor, entry.shape, wire, x, active=x.active, whole=ids.ids.ravel(),
                      columns={k.LENGTH: length, k.LIMIT: limit, k.LINES: ids.ids.size, k.A_PITCH: pitch,
                               k.A_STRIDE: stride})
    return lowering.scaled(y, x.factor, wire)


def regular(grid):
    """(distance of two rows, distance of two columns) of a grid whose distances are all the same, or None."""
    if grid is None:
        return None
    steps = [int(ids[1]) if len(ids) > 1 else 1 for ids in grid]
    same = all(np.array_equal(ids, step * np.arange(len(ids))) for ids, step in zip(grid, steps))
    return steps if same else None


LOWERED = {"constant": constant, "constant_part": constant_part, "place": placed, "scale": scale,
           "shift": shift, "power": power, "add": add, "multiply": multiply, "sum": sum_axes, "max": max_axis,
           "one_hot_max": one_hot_max, "gather": rows, "scatter": rows, "einsum": einsum}
"""Rules of gates that are neither moves nor functions of one input."""


# gates and operations fit ----------------------------------------------------------------------------------

MACHINERY = {"strip", "lift", "einsum_values"}
"""Operations that belong to no gate."""


def check_rules(gates, operations=k.OPERATIONS):
    """Raise CircuitError, naming the missing line, where gates and operations do not fit each other."""
    owners = {operation: gate for gate in gates for operation in gate.operations}
    for operation, gate in owners.items():
        if operation not in operations:
            raise CircuitError(f"gate {gate.name}: its Taylor rule is the operation {operation!r}, which is "
                               "missing from OPERATIONS in taylor/tape.py")
    for operation in operations:
        if operation not in owners and operation not in MACHINERY:
            raise CircuitError(f"operation {operation!r} of taylor/tape.py belongs to no gate: the line "
                               f"`taylor={operation!r}` is missing from a gate")
        elementwise = operations.index(operation) < operations.index("einsum") and operation != "strip"
        if elementwise and not hasattr(rules, operation):
            raise CircuitError(f"operation {operation!r} has no rule: a function of this name is missing "
                               "from taylor/rules.py")
        if not elementwise and operation != "strip" and operation not in KERNELS:
            raise CircuitError(f"operation {operation!r} has no kernel: a line is missing from KERNELS in "
                               "taylor/kernels.py")
    for gate in gates:
        function_like = gate.shape is same_shape and gate.arity == 1 and len(gate.operations) == 1
        if gate.name not in LOWERED and gate.taylor != MOVES and not function_like:
            raise CircuitError(f"gate {gate.name}: with `taylor={gate.taylor!r}` a line is missing from "
                               "LOWERED in taylor/lowering/gates.py, which says how the gate becomes "
                               "instructions")


check_rules(GATES.values())
