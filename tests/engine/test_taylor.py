"""Whole circuits in polynomials: storage, strips, states that are fed back, blocks, errors."""
import naive
import numpy as np
import pytest
from checks import assert_close, close
from twins import assert_lane_by_lane, assert_naive, constant_series, random_polynomial

import circuit as C
from circuit import CircuitError, DomainError, ShapeError, gradient, integer, real, record
from taylor import LANES, Polynomial, Recurrence, Step, evaluate, from_lanes, to_lanes


def random_circuit(rng, length, size):
    """A random circuit of elementwise, structural and reducing gates, with a few outputs."""
    def function(x, y, data):
        pool = [x, y, x * data, y + data]
        for _ in range(length):
            a, b = (pool[i] for i in rng.integers(len(pool), size=2))
            kinds = [lambda: a * b * 0.3, lambda: a + b, lambda: C.tanh(a), lambda: C.sin(a) * 0.5,
                     lambda: C.concatenate([a[size // 2:], b[:size // 2]]),
                     lambda: a.reshape(2, -1).T.reshape(-1), lambda: a - b.mean(),
                     lambda: (a * a + 1.5) ** -0.5, lambda: C.exp(a * -0.2)]
            pool.append(kinds[rng.integers(len(kinds))]())
        return pool[-1], pool[-2], (pool[-3] * pool[-4]).sum()
    return record(function, real(size), real(size), real(size))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [4, 150])
def test_storage_is_reused_without_harm(seed, size):
    """Random circuits, of tensors below and above the size from which instructions run as strips."""
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 40, size)
    inputs = [random_polynomial(rng, (size,), 3, 2), random_polynomial(rng, (size,), 3, 2),
              rng.normal(size=size)]
    assert_naive(circuit, inputs, 3)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [4, 150])
def test_storage_is_reused_without_harm_in_plain_lanes(seed, size):
    """Where what no lane changes is calculated first, and once for all; and without lanes, at degree 0."""
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 40, size)
    x, y, data = rng.uniform(0.5, 1.5, (3, 16, size))
    assert_lane_by_lane(circuit, [x, y], [data[0]], 1e-12)
    assert_lane_by_lane(circuit, [x], [y[0], data[0]], 1e-12)
    for result, expected in zip(evaluate(circuit, [x[0], y[0], data[0]], 0), circuit(x[0], y[0], data[0])):
        assert close(result.constant, expected, 1e-12)


@pytest.mark.parametrize("degree", [0, 1, 2, 6])
def test_a_gradient_circuit_with_every_kind_of_operand(degree, rng):
    def loss(table, w, x, ids):
        h = C.gather(table, ids) + x[:, :3] @ np.ones((3, 3))
        h = C.concatenate([C.rms_norm(h) @ w, C.relu(h + 3.0)], axis=1)
        return C.cross_entropy(C.softmax(h) * 3.0, ids).mean() + C.max(h, axis=0).sum() + C.abs(w).sum()
    circuit = gradient(record(loss, real(6, 3), real(3, 4), real(5, 4), integer(5)), wrt=(0, 1))
    ids = np.array([0, 5, 2, 2, 3])
    for moving in ((True, True), (True, False), (False, True)):
        inputs = [random_polynomial(rng, shape, degree, 2) for shape in ((6, 3), (3, 4))]
        inputs = [x if move else x.constant for x, move in zip(inputs, moving)]
        assert_naive(circuit, [*inputs, rng.normal(size=(5, 4)), ids], degree)


def test_operands_that_are_scattered_over_memory(rng):
    def function(a, b):
        joined = C.concatenate([a, b])                       # rows from two buffers
        corner = C.concatenate([a[1:, :2], b[:1, 1:]]).T     # and pieces of them
        return (joined[:, :2] @ corner, C.einsum("ji,kj->ki", corner, b[::2, 1:]),
                joined.reshape(2, 9) @ joined.T.reshape(9, 2))
    assert_naive(record(function, real(3, 3), real(3, 3)),
                 [random_polynomial(rng, (3, 3), 3, 2) for _ in range(2)], 3)


@pytest.mark.parametrize("directions", [1, 7, 8, 9, 20])
def test_directions_do_not_depend_on_their_block(directions, rng):
    circuit = record(lambda x: (C.gelu(x) @ x.T, C.exp(x)), real(3, 4))
    x = random_polynomial(rng, (3, 4), 4, directions)
    together = evaluate(circuit, [x])
    for j in range(directions):
        alone = evaluate(circuit, [Polynomial(x.constant, x.coefficients[j:j + 1])])
        for one, many in zip(alone, together):
            np.testing.assert_allclose(one.coefficients[0], many.coefficients[j], rtol=1e-14, atol=1e-300)
            assert np.array_equal(one.constant, many.constant)      # the same compiled loop


def test_constant_parts_depend_on_neither_degree_nor_direction(rng):
    """To the bit: they are floats, which the compiler may neither fuse nor reorder (see vectors/lanes.py)."""
    circuit = record(lambda x: C.softmax(C.gelu(x) @ x.T), real(3, 4))
    x = random_polynomial(rng, (3, 4), 6, 9)
    constants = [evaluate(circuit, [x], degree)[0].constant for degree in (0, 1, 2, 6)]
    assert all(np.array_equal(constants[0], c) for c in constants)


def test_coefficients_do_not_depend_on_the_degree(rng):
    circuit = record(lambda x: C.softmax(C.gelu(x) @ x.T), real(3, 4))
    x = random_polynomial(rng, (3, 4), 9, 2, 0.02)
    full = evaluate(circuit, [x])[0].coefficients
    for degree in (1, 3, 6):
        np.testing.assert_allclose(evaluate(circuit, [x], degree)[0].coefficients, full[:, :degree],
                                   rtol=1e-11, atol=1e-18)


def test_an_output_may_be_an_input_or_a_constant(rng):
    circuit = record(lambda x, y: (x, y * 2.0, np.array([1.0, 2.0]), x.reshape(1, 2), C.constant_part(x)),
                     real(2), real(2))
    x, y = random_polynomial(rng, (2,), 2, 3), np.array([3.0, 4.0])
    out = evaluate(circuit, [x, y])
    assert np.array_equal(out[0].coefficients, x.coefficients) and np.array_equal(out[1].constant, [6.0, 8.0])
    assert not out[1].coefficients.any() and np.array_equal(out[2].constant, [1.0, 2.0])
    assert not out[4].coefficients.any()
    assert np.array_equal(out[3].coefficients[:, :, 0], x.coefficients)


def test_lanes_are_coefficients(rng):
    """to_lanes and from_lanes are inverse, and agree with the layout of vectors/elements.py."""
    coefficients = rng.normal(size=(3, 2, 4, 5)) + 1j * rng.normal(size=(3, 2, 4, 5))
    stored = to_lanes(coefficients, LANES).reshape(4, 5, 2, 2, LANES)
    assert np.array_equal(from_lanes(stored, 3), coefficients)
    assert from_lanes(stored).shape == (LANES, 2, 4, 5) and not from_lanes(stored)[3:].any()
    assert stored[1, 2, 0, 1, 2] == coefficients[2, 0, 1, 2].imag


def test_bad_polynomials():
    circuit = record(lambda x, y: x + y, real(2), real(2))
    x = Polynomial(np.ones(2), np.ones((2, 3, 2), complex))
    with pytest.raises(ShapeError, match="different directions and degrees"):
        evaluate(circuit, [x, Polynomial(np.ones(2), np.ones((2, 4, 2)))])
    with pytest.raises(CircuitError, match="1 inputs given"):
        evaluate(circuit, [x])
    with pytest.raises(ShapeError, match="comes before the tensor's shape"):
        Polynomial(np.ones(2), np.ones((3, 2)))
    with pytest.raises(CircuitError, match="constant part of a polynomial is real"):
        Polynomial(np.ones(2, complex), np.ones((1, 3, 2)))
    with pytest.raises(CircuitError, match="along no direction"):
        evaluate(circuit, [Polynomial(np.ones(2), np.ones((0, 3, 2))), np.ones(2)])
    with pytest.raises(ShapeError, match="the only batch"):
        evaluate(circuit, [x, np.ones((5, 2))])
    with pytest.raises(CircuitError, match="whole numbers"):
        evaluate(record(lambda i: i[::2], integer(4)), [np.arange(4)])


# states that are fed back -----------------------------------------------------------------------------------

def run_naive(circuits, steps, state, base, line, degree):
    """A recurrence by the slow rules, along one direction."""
    state = [constant_series(x, degree) for x in state]
    weight = np.zeros((degree + 1, len(base)), complex)
    weight[0] = base
    weight[1] = line
    for step in steps:
        data = [constant_series(x, degree) for x in step.data]
        inputs = [*state, weight[:, step.weights], *data]
        state = naive.circuit(circuits[step.circuit], inputs, degree)[:len(state)]
    return state


def all_orders(block, i, direction):
    """(degree + 1, elements): the series of state tensor i along a direction."""
    return np.concatenate([block.constant(i)[None], from_lanes(block.coefficients(i))[direction]])


@pytest.mark.parametrize("size", [5, 200])
@pytest.mark.parametrize("step", [
    # both are exchanged
    lambda a, b, w, x: (b, a),
    # one is read in another order than it is written
    lambda a, b, w, x: (C.concatenate([a[1:], a[:1]]) * w.mean(), b + a * x),
    # the old value is kept
    lambda a, b, w, x: (a + b * w.sum(), a),
    # one is unchanged
    lambda a, b, w, x: (a, C.tanh(a * w[0] + b * x)),
    # one is summed
    lambda a, b, w, x: (b * 0.5 + a.sum() * w.mean() * 0.1, x + b * 0.0),
    # one is partly the other, and the other is data
    lambda a, b, w, x: (C.concatenate([b[:2], a[2:] * w.mean()]), x),
    # one is calculated from the other
    lambda a, b, w, x: (lambda new: (new, new * x))(a * w.mean() - b * 2.0),
    # both are the same
    lambda a, b, w, x: (lambda new: (new, new))(a * 0.5 + b * x),
    # one is replaced while it is still read
    lambda a, b, w, x: (lambda new: (new, b + C.tanh(a) * x))(a * 0.5 + b * x),
    lambda a, b, w, x: (C.tanh(a) * w.mean(), b * 0.99 + C.tanh(a) * x * 0.01),
])
def test_state_is_read_before_it_is_replaced(step, size, rng):
    circuit = record(step, real(size), real(size), real(2), real(size))
    steps = [Step(0, np.array([i % 3, (i + 1) % 3]), (rng.normal(size=size),)) for i in range(4)]
    state, base = [rng.normal(size=size), rng.normal(size=size)], np.array([1.0, 0.5, 0.0])
    lines = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    block = Recurrence([circuit], steps, 2, 3).block(state, base, lines)
    block.run(0, 2)
    block.run(2, 4)
    for j in range(3):
        expected = run_naive([circuit], steps, state, base, lines[j], 3)
        for i in range(2):
            assert_close(all_orders(block, i, j)[None], expected[i][None], 1e-11, f"state {i}, direction {j}")


def test_circuits_of_different_shape_share_the_state(rng):
    def step(theta, w, x, ids):
        total = (C.gather(theta.reshape(4, 2), ids) * x).sum(axis=0).reshape(1, 2).reshape(2)
        return theta - total[0] * w[0] * theta * 0.1
    circuits = [record(step, real(8), real(1), real(n, 2), integer(n)) for n in (2, 5)]
    counts = [2, 5, 2, 5, 2, 5]
    steps = [Step(i % 2, np.array([i]), (rng.normal(size=(n, 2)), rng.integers(0, 4, n)))
             for i, n in enumerate(counts)]
    lines = rng.normal(size=(1, 6)) + 0j
    state = [rng.normal(size=8)]
    block = Recurrence(circuits, steps, 1, 4).block(state, np.ones(6), lines)
    block.run(0, 6)
    expected = run_naive(circuits, steps, state, np.ones(6), lines[0], 4)[0]
    assert_close(all_orders(block, 0, 0)[None], expected[None], 1e-11, "state")


def test_trainings_side_by_side_are_one_by_one(rng):
    """Lanes that do not share their constant parts: every kind of gate, weights of their own."""
    def step(theta, w, x, ids):
        rows = C.gather(theta.reshape(4, 3), ids)
        h = (C.tanh(rows) * C.sigmoid(x) + C.erf(rows) + C.gelu(rows) * w.reshape(-1, 1)
             + C.sin(rows) * C.cos(x) + C.abs(rows) + C.relu(x * rows))
        y = (C.softmax(h) + C.log(C.exp(h) + 1.0) * (h * h + 0.5) ** -0.5 + C.step(rows) * h ** 3
             + (h * h + 1.0) ** 0.3 / (2.0 + h * h))
        top = C.max(y, axis=1).reshape(-1, 1) * one_hot(y)
        return theta - C.scatter(y + top @ np.eye(3), ids, 4).reshape(-1) * (0.01 + 0.001 * w.mean())

    def one_hot(y):
        return C.find_gate("one_hot_max")(y, axis=-1)
    circuit = record(step, real(12), real(2), real(2, 3), integer(2))
    steps = [Step(0, np.array([i % 3, (i + 1) % 3]), (rng.normal(size=(2, 3)), rng.integers(0, 4, 2)))
             for i in range(5)]
    state, weights = rng.normal(size=12), rng.uniform(0.0, 1.0, (5, 3))
    block = Recurrence([circuit], steps, 1, None).block([state], weights)
    block.run(0, 5)
    assert block.constant(0).shape == (5, 12)
    for i in range(5):
        theta = state
        for s in steps:
            theta = circuit(theta, weights[i][s.weights], *s.data)
        assert close(block.constant(0)[i], theta, 1e-12)


def test_an_error_in_a_training_names_it():
    circuit = record(lambda a, w: C.log(a * w.mean()), real(1), real(1))
    recurrence = Recurrence([circuit], [Step(0, np.array([0]), ())] * 3, 1, None)
    with pytest.raises(DomainError, match="gate log .*-50.0.*logarithm"):
        recurrence.block([np.array([50.0])], np.array([[1.0], [-1.0]]), first=4).run(0, 3)
    with pytest.raises(DomainError, match="gate exp .*inf at .*training 5"):
        big = Recurrence([record(lambda a, w: C.exp(a * w.mean()), real(1), real(1))],
                         [Step(0, np.array([0]), ())] * 3, 1, None)
        big.block([np.array([5.0])], np.array([[0.0], [100.0]]), first=4).run(0, 3)


def test_an_error_in_a_step_names_the_step():
    circuit = record(lambda a, w: C.log(a) * w.mean(), real(1), real(1))
    recurrence = Recurrence([circuit], [Step(0, np.array([0]), ())] * 5, 1, 2)
    block = recurrence.block([np.array([50.0])], np.ones(1), np.ones((1, 1)))
    with pytest.raises(DomainError, match="gate log at wire %2: .*logarithm") as error:
        block.run(0, 5)
    assert error.value.step == 4
    with pytest.raises(CircuitError, match="9 directions for a block"):
        Recurrence([circuit], [], 1, 2).block([np.array([1.0])], np.ones(1), np.ones((LANES + 1, 1)))
    # the compiler would fail on it
    with pytest.raises(CircuitError, match="degree: expected a whole number >= 0, got -1"):
        Recurrence([circuit], [], 1, -1)
