"""What went wrong where: the machine's numbers as a sentence that names gate, wire, index, value and
direction."""
import numpy as np

from . import tape as k


def explain(program, memory, instruction, element, wrong, first_direction=0):
    """A sentence about what went wrong at an element of an instruction: gate, wire, index, order, direction,
    value."""
    word, (number, wire) = program.tape[instruction], program.origins[instruction]
    circuit = program.parts[number].circuit
    first = len(circuit.inputs)
    if wire >= first + len(circuit.entries):
        return f"the new state is not finite at element {element}"
    entry = circuit.entries[wire - first]
    where = f"gate {entry.gate.name} at wire %{wire}"
    if wrong == k.NO_ROW:
        ids = word[k.B] + program.tables[word[k.B_ROWS] + element]
        return f"{where}: row {memory.integers[ids]} of a table with rows 0..{word[k.LIMIT] - 1}"
    if wrong == k.OUTSIDE:
        shape = circuit.shapes[entry.inputs[0]]
        return f"{where}: {outside(program, memory, word, entry, shape, element, first_direction)}"
    return f"{where} gives {not_finite(program, memory, word, entry, element, first_direction)}"


def outside(program, memory, word, entry, shape, element, first_direction):
    """Which value, or group of values, is outside the gate's domain, where, and what to do.

    shape    of the gate's input
    """
    if entry.gate.branch == "winner" and word[k.CONDITIONS] & k.NO_TIE:
        members = program.tables[word[k.MEMBERS]:word[k.MEMBERS] + word[k.LENGTH]]
        spots = word[k.A] + program.tables[word[k.A_ROWS] + element] + members
        shape = np.delete(shape, entry.parameters["axis"])
    else:
        spots = spot(program.tables, word, k.A, word[k.A_STRIDE], element)
    values, training = memory.constants[spots], ""
    if word[k.MOVING_A] and not program.form.shared:      # nothing is a kink here: the gate has no value
        values = program.lanes(memory)[spots]
        with np.errstate(all="ignore"):
            lane = int(np.argmin(np.isfinite(entry.gate.value(values, **entry.parameters))))
        values, training = values[lane], f", training {first_direction + lane}"
    listed = ", ".join(map(str, np.ravel(values)[:8]))
    return f"{listed} at {index_of(element, shape)}{training}; {entry.gate.outside}"


def not_finite(program, memory, word, entry, element, first_direction):
    """Which constant part or coefficient of a result is not finite, and where."""
    place = (spot(program.tables, word, k.Y, 1, element) if word[k.OPERATION] < k.EINSUM
             else word[k.Y] + element)
    index = index_of(element, entry.shape)
    if program.form.shared or not word[k.MOVING_Y]:
        if not np.isfinite(memory.constants[place]):
            return f"{memory.constants[place]} at {index}"
        order, _, lane = np.argwhere(~np.isfinite(program.lanes(memory)[place]))[0]
        value = complex(*program.lanes(memory)[place][order, :, lane])
        return f"{value} at {index}, order {order + 1}, direction {first_direction + lane}"
    values = program.lanes(memory)[place]
    lane = int(np.argmin(np.isfinite(values)))
    return f"{values[lane]} at {index}, training {first_direction + lane}"


def spot(tables, word, base, stride, element):
    """Where an element of an operand lies."""
    row, i = divmod(int(element), max(1, int(word[k.LENGTH])))
    if stride == k.SCATTERED:
        return word[base] + tables[word[base + 1] + element]
    return word[base] + tables[word[base + 1] + row] + i * stride


def index_of(element, shape):
    """The index of an element, counted in row-major order, as a tuple of ints."""
    return tuple(int(i) for i in np.unravel_index(element, shape))
