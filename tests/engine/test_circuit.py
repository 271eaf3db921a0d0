"""Recording, checking, printing, transforming and evaluating circuits."""
import math
import pickle

import numpy as np
import pytest
from checks import close
from scipy import special

import circuit as C
from circuit import (CircuitError, DomainError, Entry, ShapeError, evaluate, find_gate, gradient, integer,
                     real, record)
from circuit.reverse import vjp


def finite_differences(function, x, step=1e-6):
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = step
        slope[i] = (function(x + e) - function(x - e)) / (2 * step)
    return slope


# recording --------------------------------------------------------------------------------------------------

def test_a_printed_circuit_is_a_table():
    text = str(record(lambda x, ids: (C.gather(x, ids) * 2.0).sum(), real(4, 3, name="table"),
                      integer(2, name="ids")))
    assert text.splitlines() == [
        "wire  shape   gate    reads    parameters",
        "%0    (4, 3)  input   real     table",
        "%1    (2,)    input   integer  ids",
        "%2    (2, 3)  gather  %0 %1    rank=2",
        "%3    (2, 3)  scale   %2       by=2",
        "%4    ()      sum     %3       axes=(-2, -1)",
        "outputs %4   3 gates   12 flops"]


def test_counts():
    c = record(lambda a, b: (C.exp(a @ b) + a @ b).sum(), real(2, 3), real(3, 4))
    assert c.gate_counts() == {"einsum": 2, "exp": 1, "add": 1, "sum": 1}
    assert c.flops() == 2 * (2 * 2 * 3 * 4) + 20 * 8 + 8 + 8


@pytest.mark.parametrize("function, shapes", [
    (lambda a, b: a + b, ((2, 3), (3,))),
    (lambda a, b: a - b, ((2, 1), (1, 3))),
    (lambda a, b: a * b, ((), (3,))),
    (lambda a, b: a / (b * b + 1.0), ((2, 3), (2, 1))),
    (lambda a, b: 2.0 - a / 4.0 + 1.0 / (b * b + 1.0), ((3,), (3,))),
    (lambda a, b: a @ b, ((2, 3), (3, 4))),
    (lambda a, b: a @ b, ((3,), (3,))),
    (lambda a, b: a @ b, ((3,), (3, 4))),
    (lambda a, b: a @ b, ((5, 2, 3), (3, 4))),
    (lambda a, b: a @ b, ((2, 3), (5, 3, 4))),
    (lambda a, b: -a[1:, ::2] * b[None, 0, ...], ((3, 4), (2, 2))),
    (lambda a, b: a[-1] + b[..., -1], ((2, 3), (3, 2))),
    (lambda a, b: a.T.reshape(-1) * b, ((2, 3), (6,))),
    (lambda a, b: a.sum(axis=0) + b.mean(axis=-1), ((2, 3), (3, 4))),
    (lambda a, b: np.array([1.0, 2.0, 3.0]) * a + b @ np.ones((3, 2)) @ np.ones((2, 3)), ((3,), (3,))),
])
def test_what_is_written_as_for_numpy_is_numpys(function, shapes, rng):
    check_recorded(function, function, shapes, rng)


@pytest.mark.parametrize("function, numpy_function, shapes", [
    (lambda a, b: C.concatenate([a, b], axis=-1),
     lambda a, b: np.concatenate([a, b], -1), ((2, 3), (2, 1))),
    (lambda a, b: C.stack([a, b]),
     lambda a, b: np.stack([a, b]), ((3,), (3,))),
    (lambda a, b: C.transpose(a, (0, 2, 1)) @ b,
     lambda a, b: np.transpose(a, (0, 2, 1)) @ b, ((2, 3, 4), (3, 2))),
    (lambda a, b: C.softmax(a, 0) + C.log_softmax(b),
     lambda a, b: special.softmax(a, 0) + special.log_softmax(b, -1), ((2, 3), (2, 3))),
    (lambda a, b: C.rms_norm(a) * b,
     lambda a, b: a / np.sqrt((a * a).mean(-1, keepdims=True) + 1e-5) * b, ((2, 3), ())),
    (lambda a, b: C.softplus(a * 500.0) + b,
     lambda a, b: np.logaddexp(0.0, a * 500.0) + b, ((7,), ())),
    (lambda a, b: C.maximum(a, b) - C.minimum(a, b),
     lambda a, b: np.maximum(a, b) - np.minimum(a, b), ((4,), (4,))),
    (lambda a, b: C.max(C.abs(a), 0) + C.relu(b),
     lambda a, b: np.abs(a).max(0) + np.maximum(b, 0), ((2, 3), (3,))),
    (lambda a, b: C.sqrt(a * a + 1.0) + C.square(b),
     lambda a, b: np.sqrt(a * a + 1.0) + b * b, ((4,), (4,))),
    (lambda a, b: C.broadcast_to(a, (2, 3)) + b,
     lambda a, b: np.broadcast_to(a, (2, 3)) + b, ((3,), (2, 3))),
])
def test_a_recorded_function_is_numpys(function, numpy_function, shapes, rng):
    check_recorded(function, numpy_function, shapes, rng)


def check_recorded(function, numpy_function, shapes, rng):
    """A function of wires equals NumPy's, recorded and on plain arrays."""
    inputs = [rng.normal(size=shape) for shape in shapes]
    recorded = record(function, *[real(*shape) for shape in shapes])
    expected = numpy_function(*inputs)
    assert close(recorded(*inputs), expected, 1e-13)
    assert close(np.asarray(function(*inputs)), expected, 1e-13)


def test_whole_numbers_are_moved_and_used_as_ids(rng):
    table = rng.normal(size=(5, 3))
    c = record(lambda table, ids: C.gather(table, C.concatenate([ids[1:], ids[:1]])), real(5, 3), integer(4))
    assert np.array_equal(c(table, np.array([4, 0, 2, 2])), table[[0, 2, 2, 4]])
    with pytest.raises(ShapeError, match="integer wires can be moved about"):
        record(lambda ids: ids + ids, integer(4))


def test_cross_entropy(rng):
    logits, targets = rng.normal(size=(4, 6)), np.array([0, 5, 3, 3])
    c = record(C.cross_entropy, real(4, 6), integer(4))
    np.testing.assert_allclose(c(logits, targets), -special.log_softmax(logits, axis=1)[range(4), targets],
                               rtol=1e-13)


def test_a_circuit_within_a_circuit():
    square = record(lambda x: x * x, real(3))
    twice = record(lambda x: square(square(x)), real(3))
    assert twice.gate_counts() == {"multiply": 2}
    assert np.array_equal(twice(np.arange(3.0)), np.arange(3.0) ** 4)


@pytest.mark.parametrize("function, inputs, words", [
    (lambda x: x if x > 0 else -x, (real(),), "comparisons cannot be recorded"),
    (lambda x: x * float(x), (real(),), "no number while"),
    (lambda x: np.sinh(x), (real(),), "numpy.sinh of a wire cannot be recorded: write"),
    (lambda x: C.argmax(x), (real(3),), "Measure a loss"),
    (lambda x: x.argmax(), (real(3),), "measure a loss"),
    (lambda x: x ** x, (real(),), "exponent of a power: expected a constant number"),
    (lambda x: x[3], (real(3),), "index 3 of an axis of length 3"),
    (lambda x: x[0, 0], (real(3),), "2 indices"),
    (lambda x: x + np.ones(2), (real(3),), "do not broadcast"),
    (lambda x: x * np.array([np.nan]), (real(3),), "NaN"),
    (lambda x: x.reshape(2, 2), (real(3),), "does not reshape"),
    (lambda x: C.mean(x[:0]), (real(3),), "mean of nothing"),
    (lambda x: x @ 2.0, (real(3),), "@ needs operands"),
    (lambda x: C.einsum("ij->i", x, x), (real(3),), "two operands|repeats|shape"),
    (lambda x: x, (3,), "real\\(...\\) or integer"),
])
def test_what_cannot_be_recorded_says_why(function, inputs, words):
    with pytest.raises((CircuitError, TypeError), match=words):
        record(function, *inputs)


def test_wires_of_two_recordings_do_not_mix():
    kept = []
    record(lambda x: kept.append(x) or x, real())
    with pytest.raises(CircuitError, match="another recording"):
        record(lambda x: x + kept[0], real())


# checking, pruning, pickling --------------------------------------------------------------------------------

def test_check_finds_gates_out_of_order_and_wrong_shapes():
    exp = find_gate("exp")
    with pytest.raises(CircuitError, match="exp at wire %1 reads .*not all written before"):
        C.Circuit((real(2),), (Entry(exp, (1,), {}, (2,), "real"),), (1,))
    with pytest.raises(ShapeError, match="exp at wire %1 writes"):
        C.Circuit((real(2),), (Entry(exp, (0,), {}, (3,), "real"),), (1,))
    with pytest.raises(CircuitError, match="outputs"):
        C.Circuit((real(2),), (), (7,))
    with pytest.raises(CircuitError, match="no gate is named 'foo'; the registry has"):
        find_gate("foo")


def test_dead_gates_are_removed_and_inputs_stay():
    def function(x, y):
        C.exp(y)
        return C.log(x)
    c = record(function, real(), real())
    assert c.gate_counts() == {"log": 1} and len(c.inputs) == 2


def test_a_pickled_circuit_is_the_same_and_its_fingerprint_tells_what_it_computes(rng):
    def function(x):
        return (C.gelu(x @ np.eye(3)) ** 2).sum()
    c = record(function, real(3))
    again = pickle.loads(pickle.dumps(c))
    x = rng.normal(size=3)
    assert again(x) == pytest.approx(c(x), rel=1e-14)
    assert again.fingerprint() == c.fingerprint() == record(function, real(3)).fingerprint()
    others = [record(lambda x: (C.gelu(x @ np.eye(3)) ** 3).sum(), real(3)),
              record(lambda x: (C.gelu(x @ (2 * np.eye(3))) ** 2).sum(), real(3)),
              record(lambda x: (C.tanh(x @ np.eye(3)) ** 2).sum(), real(3))]
    assert len({c.fingerprint(), *(other.fingerprint() for other in others)}) == 4


# reverse mode -----------------------------------------------------------------------------------------------

def network(w, x, ids):
    h = C.gelu(C.rms_norm(x @ w)) + C.tanh(x @ w)
    return C.cross_entropy(C.concatenate([h, C.softmax(h) * C.max(h, 1).reshape(-1, 1)], axis=1)[:, 1:],
                           ids).mean()


def test_the_gradient_is_that_of_finite_differences(rng):
    w, x, ids = rng.normal(size=(3, 4)), rng.normal(size=(5, 3)), np.array([0, 6, 3, 3, 1])
    c = record(network, real(3, 4), real(5, 3), integer(5))
    value, by_w, by_x = gradient(c, wrt=(0, 1))(w, x, ids)
    assert value == pytest.approx(c(w, x, ids), rel=1e-14)
    np.testing.assert_allclose(by_w, finite_differences(lambda w: c(w, x, ids), w), atol=1e-8)
    np.testing.assert_allclose(by_x, finite_differences(lambda x: c(w, x, ids), x), atol=1e-8)


def test_gradients_of_gradients(rng):
    w, x, ids = rng.normal(size=(3, 4)), rng.normal(size=(5, 3)), np.array([0, 6, 3, 3, 1])
    v = rng.normal(size=(3, 4))
    once = gradient(record(network, real(3, 4), real(5, 3), integer(5)))
    along = record(lambda w, x, ids, v: (once(w, x, ids)[1] * v).sum(), real(3, 4), real(5, 3), integer(5),
                   real(3, 4))
    product = gradient(along)(w, x, ids, v)[1]      # reverse over reverse: a Hessian-vector product
    step = 1e-6
    expected = (once(w + step * v, x, ids)[1] - once(w - step * v, x, ids)[1]) / (2 * step)
    np.testing.assert_allclose(product, expected, atol=1e-7)
    third = gradient(record(lambda x: gradient(record(lambda y: C.exp(y * 2.0), real()))(x)[1], real()))(0.0)
    assert third[1] == pytest.approx(4.0)


def test_the_vector_jacobian_product_is_the_transposed_jacobian(rng):
    """Of a circuit with two outputs, one of them a gather, by the columns of its Jacobian."""
    c = record(lambda x, ids, a: (a * C.gather(x, ids), (x * x).sum()), real(3), integer(4), real())
    product = vjp(c, [0, 2])
    x, ids, a, g, h = rng.normal(size=3), np.array([0, 2, 2, 1]), 1.5, rng.normal(size=4), 0.7
    by_x, by_a = product(g, h, x, ids, a)
    assert [spec.kind for spec in product.inputs] == ["real", "real", "real", "integer", "real"]
    np.testing.assert_allclose(by_x, [a * g[ids == i].sum() + 2.0 * h * x[i] for i in range(3)], rtol=1e-13)
    np.testing.assert_allclose(by_a, g @ x[ids], rtol=1e-13)


def test_what_has_no_gradient():
    c = record(lambda x, i: C.gather(x, i), real(4), integer(2))
    with pytest.raises(CircuitError, match="taken of a scalar"):
        gradient(c)
    with pytest.raises(CircuitError, match="no gradient by input 1"):
        gradient(record(lambda x, i: C.gather(x, i).sum(), real(4), integer(2)), wrt=1)
    unused = gradient(record(lambda x, y: x * 2.0, real(), real(3)), wrt=(0, 1))
    assert np.array_equal(unused(1.0, np.ones(3))[2], np.zeros(3))


# evaluation -------------------------------------------------------------------------------------------------

def test_a_leading_batch_axis_passes_through(rng):
    c = gradient(record(network, real(3, 4), real(5, 3), integer(5)))
    w, x, ids = rng.normal(size=(7, 3, 4)), rng.normal(size=(5, 3)), rng.integers(0, 7, size=(7, 5))
    value, slope = c(w, x, ids)
    assert value.shape == (7,) and slope.shape == (7, 3, 4)
    for i in range(7):
        one = c(w[i], x, ids[i])
        assert value[i] == pytest.approx(one[0], rel=1e-13) and close(slope[i], one[1], 1e-12)


def test_complex_evaluation_differentiates(rng):
    c = record(network, real(3, 4), real(5, 3), integer(5))
    w, x, ids = rng.normal(size=(3, 4)), rng.normal(size=(5, 3)), np.array([0, 6, 3, 3, 1])
    v = rng.normal(size=(3, 4))
    slope = gradient(c)(w, x, ids)[1]
    assert (c(w + 1e-30j * v, x, ids).imag / 1e-30) == pytest.approx((slope * v).sum(), rel=1e-12)


@pytest.mark.parametrize("inputs, words", [
    ((np.ones(3),), "1 inputs given; the circuit takes 2"),
    ((np.ones(4), np.zeros(2, int)), "input x0 has shape"),
    ((np.ones(3), np.zeros(2)), "input x1 takes whole numbers"),
    ((np.array(["a"] * 3), np.zeros(2, int)), "input x0 takes real numbers"),
    ((np.array([1.0, np.inf, 0.0]), np.zeros(2, int)), r"input x0 holds inf at \(1,\)"),
    ((np.ones((2, 3)), np.zeros((3, 2), int)), "batches of different length"),
    ((np.ones(3, bool), np.zeros(2, int)), "takes real numbers"),
    ((np.ones(3), np.array([0, 3])), "gate gather at wire %2: row 3 of a table with rows 0..2"),
])
def test_inputs_that_do_not_fit(inputs, words):
    with pytest.raises(CircuitError, match=words):
        evaluate(record(lambda x, i: C.gather(x, i), real(3), integer(2)), inputs)


def test_nan_and_infinity_name_the_gate():
    c = record(lambda x: 1.0 / C.exp(x * 1000.0), real(2))
    with pytest.raises(DomainError, match=r"gate exp at wire %2 gives inf at \(1,\) for 2000.0"):
        c(np.array([-1.0, 2.0]))      # 1 / inf = 0 would have looked like a number
    with pytest.raises(DomainError, match="gate multiply"):
        record(lambda x: x * x, real())(1e200)


def test_softmax_does_not_overflow_and_gelu_keeps_its_tail():
    # e^0 and e^-1e4 are exact
    assert np.array_equal(record(C.softmax, real(3))(np.array([1e4, 0.0, -1e4])), [1.0, 0.0, 0.0])
    assert record(C.gelu, real())(-10.0) == pytest.approx(-10.0 * 0.5 * math.erfc(10.0 / math.sqrt(2.0)),
                                                          rel=1e-12)
