"""What outputs can depend on, read off the gates: what moves with an input is among what is reached."""
import numpy as np
import pytest
from table import TABLE

import circuit as C
from circuit import GATES, find_gate, integer, real, record
from circuit.analysis import branch_points, only_jump, reached


def marks(shapes, which, at):
    """A mark on one element of one input."""
    marked = [np.zeros(shape) for shape in shapes]
    marked[which][at] = 1.0
    return marked


@pytest.mark.parametrize("row", [row for row in TABLE if row.shapes], ids=lambda row: row.name)
def test_what_moves_is_reached(row, rng):
    circuit = record(row.function, *[real(*shape) for shape in row.shapes])
    for _ in range(4):
        before = [rng.uniform(row.low, row.high, shape) for shape in row.shapes]
        for which, shape in enumerate(row.shapes):
            for at in np.ndindex(shape):
                after = [x.copy() for x in before]
                after[which][at] = rng.uniform(row.low, row.high)
                arrived, = reached(circuit, marks(row.shapes, which, at))
                moved = circuit(*after) != circuit(*before)
                assert arrived.shape == circuit.shapes[circuit.outputs[0]] and not (~arrived & moved).any()


@pytest.mark.parametrize("row", [row for row in TABLE if row.ids is not None], ids=lambda row: row.name)
def test_what_moves_with_ids_is_reached(row, rng):
    shapes, gate, count = [*row.shapes, np.shape(row.ids)], find_gate(row.gate), len(row.ids)
    inputs = real(*row.shapes[0]), integer(count)
    circuit = record(lambda rows, ids: gate(rows, ids, **row.parameters), *inputs)
    rows, ids = rng.normal(size=row.shapes[0]), np.array(row.ids)
    for at in range(count):
        for other in range(4):
            moved = circuit(rows, np.where(np.arange(count) == at, other, ids)) != circuit(rows, ids)
            assert not (~reached(circuit, marks(shapes, 1, at))[0] & moved).any()
    for at in np.ndindex(rows.shape):      # unknown ids: wherever a row might go
        after = rows.copy()
        after[at] += 1.0
        arrived, = reached(circuit, marks(shapes, 0, at))
        for ids in rng.integers(0, 4, (20, count)):
            assert not (~arrived & (circuit(after, ids) != circuit(rows, ids))).any()


EYE, ALL = np.eye(3), np.ones((3, 3))


@pytest.mark.parametrize("function, reach", [
    (lambda x: x * 2.0 + 1.0, EYE),
    (lambda x: C.exp(x) * x, EYE),
    (lambda x: C.softmax(x), ALL),
    (lambda x: C.einsum("i,i->i", x, np.ones(3)), EYE),
    (lambda x: ALL @ x, ALL),
    (lambda x: C.stack([x[2], x[0], 1.0 * x[1]]), EYE[[2, 0, 1]]),
    (lambda x: C.concatenate([x[:1], np.ones(2)]), [[1, 0, 0], [0, 0, 0], [0, 0, 0]]),
    (lambda x: C.gather(x, [1, 1, 2]), EYE[[1, 1, 2]]),
    (lambda x: C.gather(x, C.concatenate([np.array([2, 0]), np.array([1])])), EYE[[2, 0, 1]]),
    (lambda x: C.scatter(x, [1, 1, 2], 3), [[0, 0, 0], [1, 1, 0], [0, 0, 1]]),
])
def test_no_more_is_reached_than_the_gates_need(function, reach):
    circuit = record(function, real(3))
    assert np.array_equal([reached(circuit, [row])[0] for row in EYE], np.array(reach, bool).T)


def test_walls_are_not_passed():
    circuit, ones = record(lambda x: C.constant_part(x) + C.stack([x[0], 0.0, 0.0]), real(3)), [np.ones(3)]
    assert reached(circuit, ones)[0].all() and not reached(circuit, [None])[0].any()
    assert reached(circuit, ones, ("constant_part",))[0].tolist() == [True, False, False]


@pytest.mark.parametrize("row", [row for row in TABLE if row.shapes], ids=lambda row: row.name)
def test_branches_and_jumps_are_those_that_the_gate_declares(row):
    gate, circuit = find_gate(row.gate), record(row.function, *[real(*shape) for shape in row.shapes])
    point = (0, -1 if gate.branch == "winner" else None)
    assert branch_points(circuit, range(len(row.shapes))) == ([point] if gate.branch else [])
    assert only_jump(circuit).all() == gate.jumps and only_jump(circuit).any() == gate.jumps


def test_gates_that_jump_have_no_cotangents():
    jumping = {name for name, gate in GATES.items() if gate.jumps}
    assert jumping == {"step", "one_hot_max", "constant_part"}
    for name in jumping - {"one_hot_max"}:
        assert GATES[name].vjp(None, None, None) == (None,)
