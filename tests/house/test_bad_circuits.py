"""Bad input to circuits, gates and polynomials: an error, and a message that says what was wrong."""
import numpy as np
import pytest
from checks import close
from refusals import refused

import circuit as C
from circuit import DomainError, ShapeError, evaluate, gradient, real, record
from taylor import Polynomial, checked_degree
from taylor import evaluate as push


def one(function, x):
    """A function of one real input, recorded and evaluated."""
    return record(function, real(*np.shape(x)))(x)


# recording --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function, words", [
    (lambda w: w if w[0] == 1.0 else -w, "comparisons"),
    (lambda w: w if w[0] != 1.0 else -w, "comparisons"),
    (lambda w: w if np.ones(3) == w else -w, "comparisons"),
    (lambda w: w * np.nan, "finite number, got nan"),
    (lambda w: w + np.inf, "finite number, got inf"),
    (lambda w: w - np.inf, "got inf"),
    (lambda w: w / np.nan, "got nan"),
    (lambda w: w * 10 ** 400, "finite number, got 1000"),
    (lambda w: C.rms_norm(w, eps=np.nan), "got nan"),
    (lambda w: w / 0, "division by zero"),
    (lambda w: w / np.float64(0.0), "division by zero"),
    (lambda w: w / np.array([1, 0, 1]), "division by zero"),
    (lambda w: w * 1j, "got complex128: 1j"),
    (lambda w: w * np.array([1 + 5j]), "got complex128"),
    (lambda w: w * "2", "expected.*numbers"),
    (lambda w: w - "2", "expected.*numbers"),
    (lambda w: w + None, "expected.*numbers"),
    (lambda w: w * np.ones(3, bool), r"got bool.*astype\(float\)"),
    (lambda w: C.gather(np.ones((2, 2)) * 1j, w), "got complex128"),
    (lambda w: w * [[1.0], [1.0, 2.0]], "different lengths"),
    (lambda w: 2 ** w, "write np.exp"),
    (lambda w: w // 2, "not among them"),
    (lambda w: w % 2, "not among them"),
    (lambda w: np.ones(3) // w, "not among them"),
    (lambda w: w.__setitem__(0, 1.0), "not among them"),
    (lambda w: w ** 1e30, "too large"),
    (lambda w: w ** 1j, "constant number"),
    (lambda w: w[True], "whole number, got True"),
    (lambda w: w[1.5], "whole number, got 1.5"),
    (lambda w: w["a"], "whole number, got 'a'"),
    (lambda w: w[::0], "step 0"),
    (lambda w: w[..., ...], "one ..."),
    (lambda w: w[1.0:], "whole number, got 1.0"),
    (lambda w: C.gather(w, [True, False, True]), "got bool"),
    (lambda w: np.sinh(w), "numpy.sinh of a wire cannot be recorded"),
    (lambda w: np.sum(w, initial=1.0), "numpy.sum of a wire"),
    (lambda w: np.add(w, 1.0, out=np.ones(3)), "numpy.add with out="),
    (lambda w: np.array(w), "numpy"),
    (lambda w: w.reshape(-2, -2), "one may be -1"),
    (lambda w: w.reshape(-1, -1), "one may be -1"),
    (lambda w: w.reshape(1.5), "whole number"),
    (lambda w: C.scatter(w, np.zeros(3, int), -1), "0 rows or more"),
    (lambda w: C.scatter(w, np.zeros(3, int), 2.7), "whole number, got 2.7"),
    (lambda w: (w, (w, w)), "flat tuple"),
    (lambda w: None, "flat tuple"),
    (lambda w: {"a": w}, "flat tuple"),
])
def test_what_cannot_be_recorded(function, words):
    refused(words, record, function, real(3))


def test_arrays_may_stand_to_the_left_of_wires(rng):
    x, a = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    for function in (lambda x: a + x, lambda x: a - x, lambda x: a * x, lambda x: a / x, lambda x: a @ x,
                     lambda x: np.float64(2.0) * x, lambda x: x - np.array([1, 2, 3], np.uint8),
                     lambda x: x - np.uint8(1), lambda x: C.stack([x, 0 * a]),
                     lambda x: C.stack([x[0, 0], 0]), lambda x: x * np.shape(x)[0] * np.ndim(x)):
        assert close(one(function, x), function(x), 1e-13)


def test_wires_may_be_kept_in_sets():
    record(lambda x: (len({x, x}) == 1) * x, real())


# functions on plain arrays, and their circuits --------------------------------------------------------------

@pytest.mark.parametrize("a, b",
                         [(-1e30, 1.0), (-1.0, 1e-20), (np.array([1.0, -3.0]), np.array([[2.0], [-5.0]]))])
def test_maximum_and_minimum_keep_every_digit(a, b):
    for function, expected in ((C.maximum, np.maximum), (C.minimum, np.minimum)):
        assert np.array_equal(function(a, b), expected(a, b))
        recorded = record(function, real(*np.shape(a)), real(*np.shape(b)))
        assert np.array_equal(recorded(a, b), expected(a, b))
        slope = record(lambda a, b: function(a, b).sum(), real(*np.shape(a)), real(*np.shape(b)))
        assert np.isfinite(gradient(slope)(a, b)[1]).all()


A, B, IDS = np.arange(6.0).reshape(2, 3), np.ones((3, 2)), np.array([0, 1])


@pytest.mark.parametrize("calculate, words", [
    (lambda: C.log(-1.0), "gate log gives nan.*positive"),
    (lambda: C.relu(np.nan), "gate relu is given nan"),
    (lambda: C.exp(1e4), "gate exp gives inf"),
    (lambda: C.exp(np.array([0.0, np.inf])), r"given inf at \(1,\)"),
    (lambda: C.softmax([1.0, -np.inf]), "given -inf"),
    (lambda: C.rms_norm(A, eps=np.nan), "given nan"),
    (lambda: C.log(-2 + 0j), "gate log.*no positive real part"),
    (lambda: C.einsum("ij,ij->", A, B), "gate einsum.*3 and 2|2 and 3"),
    (lambda: C.einsum("ij,jk->ik", A, A), "gate einsum"),
    (lambda: C.einsum(None, A, B), "got None"),
    (lambda: C.transpose(np.ones((2, 3, 4)), (1, 2)), "gate transpose"),
    (lambda: C.transpose(A, (0.0, 1)), "whole number"),
    (lambda: C.scatter(A, IDS, 2.7), "whole number, got 2.7"),
    (lambda: C.reshape(A, (2.9, 3.2)), "whole number, got 2.9"),
    (lambda: C.reshape(A, (4, 2)), "gate reshape"),
    (lambda: C.broadcast_to(A, 3), "does not broadcast"),
    (lambda: C.broadcast_to(A, (3, 3)), "does not"),
    (lambda: C.gather(A, [True, False]), "gate gather"),
    (lambda: C.gather(A, [0.0, 1.0]), "gate gather"),
    (lambda: C.gather(A, [0, 5]), "gather.*row 5"),
    (lambda: C.cross_entropy(A, np.array([True, False])), "gate gather"),
    (lambda: C.cross_entropy(A, [0, 3]), "row 3"),
    (lambda: C.cross_entropy(A, [0]), "gate einsum"),
    (lambda: C.concatenate([A, B]), "gate concatenate"),
    (lambda: C.stack([A, B]), "gate concatenate"),
    (lambda: C.concatenate(3.0), "at least one axis"),
    (lambda: C.softmax([]), "no maximum"),
    (lambda: C.sum(A, axis=(0, 0)), "twice"),
    (lambda: C.sum(A, axis=(0, -2)), "twice"),
    (lambda: C.maximum(A, B), "do not broadcast"),
    (lambda: C.exp("a"), "expected.*numbers"),
    (lambda: C.exp([[1.0], [1.0, 2.0]]), "different lengths"),
])
def test_functions_on_plain_arrays_refuse_what_circuits_refuse(calculate, words):
    refused(words, calculate)


@pytest.mark.parametrize("axis", [True, 1.0, "0", 2, -3, None, (0, 1)])
@pytest.mark.parametrize("function", [C.softmax, C.log_softmax, C.max, C.sum, C.mean, C.rms_norm, lambda x,
                                      axis: C.concatenate([x, x], axis)])
def test_axes(function, axis):
    if function in (C.sum, C.mean) and axis in (None, (0, 1)):
        return
    refused("axis", function, A, axis=axis, error=ShapeError)
    refused("axis", record, lambda x: function(x, axis=axis), real(2, 3), error=ShapeError)


@pytest.mark.parametrize("function, x", [
    (C.log, -2 + 0j),
    (C.log, 1j),
    (C.sqrt, -1 + 1j),
    (lambda x: x ** 1.5, 0j),
    (C.erf, 40j),
    (C.gelu, 1 + 60j),
    (lambda x: C.exp(C.erf(x) * C.erf(x)), 40j),
    (C.sqrt, -1.0),
    (C.log, 0.0),
])
def test_values_outside_a_domain_raise_in_circuits(function, x):
    refused("gate (log|power|erf|gelu|scale|multiply)", one, function, x, error=DomainError)


def test_complex_numbers_in_the_right_half_plane_and_real_zeros_are_in_order():
    for function in (C.log, C.sqrt, lambda x: x ** -0.5):
        assert one(function,
                   0.1 + 3j) == pytest.approx(np.log(0.1 + 3j) if function is C.log
                                              else (0.1 + 3j) ** (0.5 if function is C.sqrt else -0.5))
    assert one(C.sqrt, 0.0) == 0.0 and one(lambda x: x ** -1, 2j) == -0.5j


# circuits and polynomials -----------------------------------------------------------------------------------

CUBE = record(lambda x: (x ** 3).sum(), real(3))
SERIES = Polynomial([1.0, 2.0, 3.0], np.ones((1, 2, 3)).tolist())


@pytest.mark.parametrize("calculate, words", [
    (lambda: gradient(CUBE, of=3), "no output 3"),
    (lambda: gradient(CUBE, of=-1), "no output -1"),
    (lambda: gradient(CUBE, wrt="x"), "got 'x'"),
    (lambda: gradient(CUBE, wrt=1.0), "got 1.0"),
    (lambda: gradient(CUBE, wrt=True), "got True"),
    (lambda: evaluate(CUBE, 2.0), "are a sequence"),
    (lambda: push(CUBE, SERIES), "are a sequence"),
    (lambda: evaluate(np.exp, [A]), "expected a circuit"),
    (lambda: push(np.exp, [A]), "expected a circuit"),
    (lambda: CUBE([[1.0], [1.0, 2.0]]), "different lengths"),
    (lambda: CUBE(A, A), "2 inputs given"),
    (lambda: Polynomial("a", np.ones((1, 2))), "expected.*numbers"),
    (lambda: Polynomial(np.ones(2), [[[1.0], [1.0, 2.0]]]), "different lengths"),
    (lambda: push(CUBE, [Polynomial(np.ones(3), np.full((1, 2, 3), np.nan))]),
     r"x0 holds .*nan.* at \(0,\), order 1, direction 0"),
    (lambda: checked_degree(10_000), "1000 is the highest"),
])
def test_circuits_and_polynomials(calculate, words):
    refused(words, calculate)


def test_what_is_given_as_iterators_lists_and_numpy_numbers():
    assert evaluate(CUBE, (x for x in [np.ones(3)]))[0] == 3.0
    assert gradient(CUBE, wrt=np.int64(0), of=np.int64(0))(np.ones(3))[1].sum() == 9.0
    assert push(CUBE, [SERIES])[0].coefficients[0, 0] == pytest.approx(3 * (1 + 4 + 9))


def test_messages_say_where_with_an_index():
    refused(r"gate log at wire %1: -1.0 at \(1, 0\)", push, record(C.log, real(2, 2)),
            [np.array([[1.0, 1.0], [-1.0, 1.0]])], error=DomainError)
