"""Bad input: nothing wrong passes silently, and every message says what was wrong."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checks import close
from learners import squared_loss

import circuit as C
from benchmarks import parity
from circuit import CircuitError, DomainError, ShapeError, evaluate, gradient, real, record
from deletion import (
    SGD, Adam, Directions, Learner, LearnerError, LinearDecay, Momentum, NoChange, Objective, given,
    precompute, retrain, sphere)
from deletion.directions.decoders import LeastSquares, Mean
from deletion.influence import metagradient
from microgpt import NameLearner, Shape, Tokenizer, logits, loss, names, read_names, sample
from taylor import Polynomial, checked_degree
from taylor import evaluate as push


def one(function, x):
    """A function of one real input, recorded and evaluated."""
    return record(function, real(*np.shape(x)))(x)


def refused(words, calculate, *arguments, error=CircuitError, **more):
    with pytest.raises(error, match=words):
        calculate(*arguments, **more)


# recording --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function, words", [
    (lambda w: w if w[0] == 1.0 else -w, "comparisons"), (lambda w: w if w[0] != 1.0 else -w, "comparisons"),
    (lambda w: w if np.ones(3) == w else -w, "comparisons"),
    (lambda w: w * np.nan, "finite number, not nan"), (lambda w: w + np.inf, "finite number, not inf"), (lambda w: w - np.inf, "not inf"),
    (lambda w: w / np.nan, "not nan"), (lambda w: w * 10 ** 400, "finite number, not 1000"), (lambda w: C.rms_norm(w, eps=np.nan), "not nan"),
    (lambda w: w / 0, "division by zero"), (lambda w: w / np.float64(0.0), "division by zero"), (lambda w: w / np.array([1, 0, 1]), "division by zero"),
    (lambda w: w * 1j, "not complex128: 1j"), (lambda w: w * np.array([1 + 5j]), "not complex128"), (lambda w: w * "2", "expected.*numbers"),
    (lambda w: w - "2", "expected.*numbers"), (lambda w: w + None, "expected.*numbers"), (lambda w: w * np.ones(3, bool), r"not bool.*astype\(float\)"),
    (lambda w: C.gather(np.ones((2, 2)) * 1j, w), "not complex128"), (lambda w: w * [[1.0], [1.0, 2.0]], "different lengths"),
    (lambda w: 2 ** w, "write exp"), (lambda w: w // 2, "not among them"), (lambda w: w % 2, "not among them"), (lambda w: np.ones(3) // w, "not among them"),
    (lambda w: w.__setitem__(0, 1.0), "not among them"), (lambda w: w ** 1e30, "too large"), (lambda w: w ** 1j, "constant number"),
    (lambda w: w[True], "whole number, not True"), (lambda w: w[1.5], "whole number, not 1.5"), (lambda w: w["a"], "whole number, not 'a'"),
    (lambda w: w[::0], "step 0"), (lambda w: w[..., ...], "one ..."), (lambda w: w[range(2)], "gather"), (lambda w: w[1.0:], "whole number, not 1.0"),
    (lambda w: C.gather(w, [True, False, True]), "not bool"),
    (lambda w: np.exp(w), "numpy"), (lambda w: np.sum(w), "numpy"), (lambda w: np.mean(w), "numpy"), (lambda w: np.dot(w, w), "numpy"),
    (lambda w: np.copy(w), "numpy"), (lambda w: np.add(w, 1.0), "numpy"), (lambda w: np.concatenate([w, w]), "numpy"), (lambda w: np.array(w), "numpy"),
    (lambda w: w.reshape(-2, -2), "one may be -1"), (lambda w: w.reshape(-1, -1), "one may be -1"), (lambda w: w.reshape(1.5), "whole number"),
    (lambda w: C.scatter(w, np.zeros(3, int), -1), "0 rows or more"), (lambda w: C.scatter(w, np.zeros(3, int), 2.7), "whole number, not 2.7"),
    (lambda w: (w, (w, w)), "flat tuple"), (lambda w: None, "flat tuple"), (lambda w: {"a": w}, "flat tuple"),
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
    for function, wanted in ((C.maximum, np.maximum), (C.minimum, np.minimum)):
        assert np.array_equal(function(a, b), wanted(a, b))
        recorded = record(function, real(*np.shape(a)), real(*np.shape(b)))
        assert np.array_equal(recorded(a, b), wanted(a, b))
        slope = record(lambda a, b: function(a, b).sum(), real(*np.shape(a)), real(*np.shape(b)))
        assert np.isfinite(gradient(slope)(a, b)[1]).all()


A, B, IDS = np.arange(6.0).reshape(2, 3), np.ones((3, 2)), np.array([0, 1])


@pytest.mark.parametrize("calculate, words", [
    (lambda: C.log(-1.0), "gate log gives nan.*positive"), (lambda: C.relu(np.nan), "gate relu is given nan"), (lambda: C.exp(1e4), "gate exp gives inf"),
    (lambda: C.exp(np.array([0.0, np.inf])), r"given inf at \(1,\)"), (lambda: C.softmax([1.0, -np.inf]), "given -inf"),
    (lambda: C.rms_norm(A, eps=np.nan), "given nan"), (lambda: C.log(-2 + 0j), "gate log.*no positive real part"),
    (lambda: C.einsum("ij,ij->", A, B), "gate einsum.*3 and 2|2 and 3"), (lambda: C.einsum("ij,jk->ik", A, A), "gate einsum"),
    (lambda: C.einsum(None, A, B), "not None"),
    (lambda: C.transpose(np.ones((2, 3, 4)), (1, 2)), "gate transpose"), (lambda: C.transpose(A, (0.0, 1)), "whole number"),
    (lambda: C.scatter(A, IDS, 2.7), "whole number, not 2.7"), (lambda: C.reshape(A, (2.9, 3.2)), "whole number, not 2.9"),
    (lambda: C.reshape(A, (4, 2)), "gate reshape"), (lambda: C.broadcast_to(A, 3), "does not broadcast"), (lambda: C.broadcast_to(A, (3, 3)), "does not"),
    (lambda: C.gather(A, [True, False]), "gate gather"), (lambda: C.gather(A, [0.0, 1.0]), "gate gather"), (lambda: C.gather(A, [0, 5]), "gather.*row 5"),
    (lambda: C.cross_entropy(A, np.array([True, False])), "gate gather"), (lambda: C.cross_entropy(A, [0, 3]), "row 3"),
    (lambda: C.cross_entropy(A, [0]), "gate einsum"), (lambda: C.concatenate([A, B]), "gate concatenate"), (lambda: C.stack([A, B]), "gate concatenate"),
    (lambda: C.concatenate(3.0), "at least one axis"), (lambda: C.softmax([]), "no maximum"), (lambda: C.sum(A, axis=(0, 0)), "twice"),
    (lambda: C.sum(A, axis=(0, -2)), "twice"), (lambda: C.maximum(A, B), "do not broadcast"), (lambda: C.exp("a"), "expected.*numbers"),
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


@pytest.mark.parametrize("function, x",
                         [(C.log, -2 + 0j), (C.log, 1j), (C.sqrt, -1 + 1j), (lambda x: x ** 1.5, 0j),
                          (C.erf, 40j), (C.gelu, 1 + 60j), (lambda x: C.exp(C.erf(x) * C.erf(x)), 40j),
                          (C.sqrt, -1.0), (C.log, 0.0)])
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
    (lambda: gradient(CUBE, of=3), "no output 3"), (lambda: gradient(CUBE, of=-1), "no output -1"), (lambda: gradient(CUBE, wrt="x"), "not 'x'"),
    (lambda: gradient(CUBE, wrt=1.0), "not 1.0"), (lambda: gradient(CUBE, wrt=True), "not True"),
    (lambda: evaluate(CUBE, 2.0), "are a sequence"), (lambda: push(CUBE, SERIES), "are a sequence"), (lambda: evaluate(np.exp, [A]), "expected a circuit"),
    (lambda: push(np.exp, [A]), "expected a circuit"), (lambda: CUBE([[1.0], [1.0, 2.0]]), "different lengths"), (lambda: CUBE(A, A), "2 inputs given"),
    (lambda: Polynomial("a", np.ones((1, 2))), "expected.*numbers"), (lambda: Polynomial(np.ones(2), [[[1.0], [1.0, 2.0]]]), "different lengths"),
    (lambda: push(CUBE, [Polynomial(np.ones(3), np.full((1, 2, 3), np.nan))]), r"x0 holds .*nan.* at \(0,\), order 1, direction 0"),
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


# learners ---------------------------------------------------------------------------------------------------

X, Y = np.random.default_rng(5).normal(size=(2, 4, 2))
EXAMPLES = list(zip(X, Y[:, 0]))


def learner(w=np.zeros(2), examples=EXAMPLES, loss=squared_loss, optimizer=SGD(0.1), schedule=(0, 1, 2, 3),
            **fields):
    return Learner(w, examples, loss, optimizer, schedule, **fields)


def with_first(x):
    return [(x, 1.0)] + EXAMPLES[1:]


class Custom(SGD):
    """An optimiser that returns whatever it is given a function for."""

    def __init__(self, result, state=(), constants=(0.1,)):
        self.__dict__.update(result=result, kept=state, numbers=constants)

    def state(self, size):
        return self.kept

    def constants(self, step, steps):
        return self.numbers

    def update(self, theta, gradient, state, constants):
        return self.result(theta, gradient)


@pytest.mark.parametrize("fields, words", [
    (dict(examples=with_first([1j, 1.0])), "example 0.*not complex128"), (dict(examples=with_first([np.inf, 1.0])), r"example 0.*inf at \(0,\)"),
    (dict(examples=with_first(["a", "b"])), "example 0.*expected.*numbers"), (dict(examples=with_first([True, False])), "example 0.*not bool"),
    (dict(examples=with_first([np.nan, 1.0]), labels=list("abcd")), "example 0, 'a'.*nan"), (dict(examples=with_first([[1.0], [1.0, 2.0]])), "different lengths"),
    (dict(examples=[list(e) for e in EXAMPLES]), "is a tuple, such as"), (dict(examples=5), "sequence of arrays"), (dict(examples=None), "sequence"),
    (dict(examples=list(X)), "cannot be called with 2 arguments.*'y'"), (dict(labels=["a"]), "1 labels for 4 examples"),
    (dict(w=[[1.0], [1.0, 2.0]]), "the parameters.*different lengths"), (dict(w={"a": np.zeros(2) * 1j}), "parameter 'a'.*complex"),
    (dict(schedule=[[0], [1, 2]]), "different lengths"), (dict(schedule="abc"), "whole numbers"), (dict(schedule=[True]), "whole numbers"),
    (dict(loss=None), "the loss.*: expected a function, got None"), (dict(regularizer=3.0), "the regularizer: expected a function"),
    (dict(loss=lambda w, x, y: np.float64(1.0)), "does not depend on the parameters"), (dict(loss=lambda w, x, y: w.sum() * np.nan), "not nan"),
    (dict(regularizer=lambda w: None), "one number.*not None"), (dict(regularizer=lambda w: w), "one number"),
    (dict(regularizer=lambda w: w.sum() + np.nan), "not nan"),
    (dict(optimizer=None), "None is none"), (dict(optimizer="sgd"), "'sgd' is none"), (dict(optimizer=SGD), "has the methods"),
    (dict(optimizer=Custom(lambda theta, g: theta)), r"returns \(theta, state\)"), (dict(optimizer=Custom(lambda theta, g: (theta.sum(), ()))), "returns shapes"),
    (dict(optimizer=Custom(lambda theta, g: (theta, (g,)))), "returns shapes"), (dict(optimizer=Custom(lambda theta, g: (theta, ()), state=([1j],))), "state.*complex"),
    (dict(optimizer=Custom(lambda theta, g: (theta, ()), constants=(np.nan,))), "constants at step 0.*nan"),
    (dict(optimizer=SGD(lambda step, steps: 0.1 - step)), "learning rate at step 1.*not -0.9"), (dict(optimizer=SGD(lambda step, steps: None)), "at step 0.*None"),
    (dict(all_units=[1, 2]), "it needs units"), (dict(units="x"), "not 'x'"), (dict(units=5), "sequence of labels"), (dict(units=[1, 2, [3], 4]), "label 2"),
    (dict(units=[1, None, 2, 3]), "label 1 is None"), (dict(units=[1, np.nan, 2, 3]), "label 1 is nan"),
])
def test_learners(fields, words):
    refused(words, learner, **fields)


@pytest.mark.parametrize(
    "make, words", [(lambda: SGD(-1.0), "learning rate.*>= 0"),
                    (lambda: SGD("0.1"), "learning rate"), (lambda: SGD(None), "learning rate"),
                    (lambda: SGD(1j), "complex"), (lambda: SGD(np.ones(2)), "one number"),
                    (lambda: SGD(np.nan), "nan"), (lambda: SGD(LinearDecay), "not a class"),
                    (lambda: Momentum(0.1, -3.0), "momentum"), (lambda: Momentum(0.1, 1.0), "momentum.*< 1"),
                    (lambda: Momentum(0.1, np.ones(2)), "momentum.*one number"),
                    (lambda: Momentum(0.1, np.nan), "nan"), (lambda: Adam(0.1, beta1=-0.5), "beta1"),
                    (lambda: Adam(0.1, 1.0), "beta1"), (lambda: Adam(0.1, beta2=1.5), "beta2"),
                    (lambda: Adam(0.1, eps=0.0), "eps.*> 0"), (lambda: LinearDecay(-1), "learning rate"),
                    (lambda: LinearDecay("a"), "learning rate")])
def test_optimizers(make, words):
    refused(words, make, error=LearnerError)


def test_what_a_learner_was_given_may_change_afterwards():
    x, schedule = X.copy(), np.array([0, 1, 2, 3])
    made = learner(examples=list(zip(x, Y[:, 0])), schedule=schedule)
    before = made.fingerprint()
    x[:], schedule[:] = 7.0, 0
    assert made.fingerprint() == before and made.schedule.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        made.examples[0][0][0] = 1.0


def test_labels_of_units_of_any_kind():
    for units in ([("b", 1), ("a", 1), ("b", 1), ("a", 2)], [1, "a", 1, 2.5], [True, False, True, True],
                  list(np.array([1, 0, 1, 1]) > 0)):
        made = learner(units=units)
        assert made.unit_indices(units[0]).tolist() == [made.units.index(units[0])] == made.unit_indices(
            [units[0]]).tolist()
    assert learner(units=[("b", 1), ("a", 1), ("b", 1), ("a", 2)]).units == [("a", 1), ("a", 2), ("b", 1)]


# questions --------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def sketch():
    return precompute(learner(), directions=8, degree=2, calibration=0)


def total(w):
    return w.sum()


ONES = np.ones((1, 4))


@pytest.mark.parametrize("ask, words", [
    (lambda s: retrain(s.learner, weights=1j * ONES), "weights.*complex"), (lambda s: retrain(s.learner, weights=[["1"] * 4]), "weights.*expected.*numbers"),
    (lambda s: retrain(s.learner, weights=ONES, weight=0.3), "weight=0.3"), (lambda s: retrain(s.learner, 2.5), "sequence of deletion sets"),
    (lambda s: retrain(s.learner, [None]), "no unit None"), (lambda s: retrain(s.learner, [[0]], total, threads=0), "number of threads"),
    (lambda s: retrain(s.learner, [[0]], total, threads=1.5), "number of threads"), (lambda s: retrain(s.learner, [[0]], 3), "measurement is a function"),
    (lambda s: retrain(s.learner, [[0]], lambda w: w.sum() * np.nan), "not nan"), (lambda s: s.measure(total, threads=-1), "number of threads"),
    (lambda s: s.measure(total, threads="a"), "number of threads"), (lambda s: precompute(s.learner, threads=np.nan), "number of threads"),
    (lambda s: precompute(s.learner, downweight=1j * np.ones(4)), "downweight.*complex"), (lambda s: precompute(s.learner, downweight=[np.nan] * 4), "downweight.*nan"),
    (lambda s: precompute(s.learner, downweight=np.full(4, 1.5)), "negative weight"), (lambda s: precompute(s.learner, degree=10_000), "1000 is the highest"),
    (lambda s: precompute(s.learner, np.ones((1, 4, 2))), "not of shape"), (lambda s: precompute(s.learner, [["a"] * 4]), "expected.*numbers"),
    (lambda s: s.measure(lambda w: w[:0]), "measures nothing"), (lambda s: s.measure(lambda w: 1), "[Mm]easure a loss"), (lambda s: s.measure(None), "is a function"),
    (lambda s: s.measure(lambda w: C.stack([C.step(w[0] + 1.25), w[1]])), "an element of it, does not move"),
    (lambda s: s.measure(lambda w: C.concatenate([w, C.constant_part(w)])), "does not move"),
])
def test_retraining_and_sketching(sketch, ask, words):
    refused(words, ask, sketch)


@pytest.mark.parametrize("ask, words", [
    (lambda m: m.predict(2.5), "no unit 2.5"), (lambda m: m.predict(None), "no unit None"), (lambda m: m.predict([[0]]), "no unit"),
    (lambda m: m.predict(0, weight="a"), "weight"), (lambda m: m.predict(0, weight=None), "weight"), (lambda m: m.predict(0, weight=[0, 0.5]), "weight"),
    (lambda m: m.predict(0, weight=1j), "weight"), (lambda m: m.predict(0, decoder=["mean"]), "no decoder"), (lambda m: m.predict(0, decoder=3), "no decoder"),
    (lambda m: m.predict(0, level="a"), "level"), (lambda m: m.predict_many(3), "sequence of sets"), (lambda m: m.predict_downweights(1j * np.ones(4)), "complex"),
    (lambda m: m.curve(0, weights="a"), "weights"),
    (lambda m: m.along(0, [1j]), "t: real numbers"), (lambda m: m.along(0, "1"), "t: real numbers"), (lambda m: m.along(0, np.nan), "nan"),
    (lambda m: m.along(0, None), "t: real"), (lambda m: m.along(0, 1e200), "overflows at t up to 1e"), (lambda m: m.along([0, 1], 1.0), "number of a direction"),
    (lambda m: m.along(-1, 1.0), "number of a direction"), (lambda m: m.along(True, 1.0), "number of a direction"), (lambda m: m.along(8, 1.0), "directions 0 to 7"),
])
def test_questions(sketch, ask, words):
    refused(words, ask, sketch.measure(total), error=LearnerError)


@pytest.mark.parametrize("make, words",
                         [(lambda: given(np.ones((1, 2, 2))), "not of shape"),
                          (lambda: given([[1.0], [1.0, 2.0]]), "different lengths"),
                          (lambda: given(None), "expected.*numbers"),
                          (lambda: Directions(np.zeros((0, 6)), "sphere"), "at least one direction"),
                          (lambda: Directions(None, "given"), "expected.*numbers"),
                          (lambda: Directions(np.eye(2), "spheer"), "no design 'spheer'"),
                          (lambda: Directions(np.eye(2) * 2.0, "sphere"), "norm 2"),
                          (lambda: Directions([[np.nan, 0.0]], "given"), "direction 0 holds nan")])
def test_directions(make, words):
    refused(words, make, error=LearnerError)


def test_questions_in_other_forms(sketch):
    measured, t = sketch.measure(lambda w: C.concatenate([w, np.ones(1)])), np.linspace(0.0, 1.0,
                                                                                        6).reshape(2, 3)
    assert close(measured.along(0, t).reshape(6, 3, 3), measured.along(0, t.ravel()), 1e-14)
    assert np.array_equal(measured.predict_downweights(np.array([True, False, False, False])).value,
                          measured.predict(0).value)
    assert measured.predict(np.int64(0)).value[2] == 1.0      # a constant stays what it is
    assert np.array_equal(retrain(sketch.learner, [[0], [1]], lambda w: 2.5), [2.5, 2.5])


def test_retraining_that_leaves_a_domain_names_the_training():
    x = np.array([[1.0], [3.0]])
    made = Learner(np.ones(1), list(x), lambda w, x: -((w * x).sum() ** 1.5), SGD(0.1), [0, 1, 0],
                   regularizer=lambda w: (w * w).sum() * 5.5)
    refused(r"step 1 .*gate power .*: -\d.* at \(\), training 1", retrain, made,
            weights=[[1.0, 1.0], [0.0, 0.0]], error=DomainError)


def test_degrees_too_high_for_a_decoder():
    psi, c = np.ones((2, 2000)), np.ones((2, 400, 1), complex)
    refused("degree 400 is too high for directions of norm 44.7", LeastSquares, given(psi), c,
            error=LearnerError)
    refused("degree 400 is too high for 2000 units", Mean, sphere(2, 2000, 0), c * 1e300, error=LearnerError)


# microgpt and parity ----------------------------------------------------------------------------------------

SMALL = Shape(vocabulary=4, embedding=4, heads=2, context=16)
TENSORS = {name: np.full(size, 0.1) for name, size in SMALL.parameters().items()}
ABC = Tokenizer("abc")


@pytest.mark.parametrize("calculate, words", [
    (lambda: read_names(""), "cannot read names"), (lambda: read_names(5), "cannot read names"), (lambda: read_names(["a"]), "cannot read names"),
    (lambda: read_names("a\0b"), "cannot read names"), (lambda: names(units="x"), "units is a function"), (lambda: names(seed=-1), "seed"),
    (lambda: Tokenizer("aab"), "stands once"), (lambda: Tokenizer(""), "stands once"), (lambda: Tokenizer("abc", context=-5), "context"),
    (lambda: ABC.encode(["a"]), "a name is a text"), (lambda: ABC.encode(5), "a name is a text"), (lambda: ABC.decode([-1]), "no token -1"),
    (lambda: ABC.decode([7]), "tokens are 0 to 3"), (lambda: ABC.decode([1.0]), "no token 1.0"),
    (lambda: Shape(heads=3), "multiple"), (lambda: Shape(heads=0), "heads"), (lambda: Shape(layers=1.5), "layers"),
    (lambda: logits(TENSORS, np.zeros(17, int), SMALL), "1 to 16 tokens"), (lambda: loss(TENSORS, np.zeros(1, int), SMALL), "1 to 16 tokens"),
    (lambda: logits(TENSORS, np.zeros(3), SMALL), "gate gather"),
    (lambda: sample(TENSORS, ABC, SMALL, temperature=-1), "temperature.*> 0"), (lambda: sample(TENSORS, ABC, SMALL, temperature=0), "temperature"),
    (lambda: sample(TENSORS, ABC, SMALL, count=2.5), "number of samples"), (lambda: sample(TENSORS, ABC, SMALL, seed=-1), "seed"),
    (lambda: sample(np.zeros(9), ABC, SMALL), "by name"), (lambda: NameLearner("abc", ABC, {}), "sequence of names"),
    (lambda: NameLearner(["abc"], ABC, TENSORS), "'wte' has shape"), (lambda: NameLearner(["abc"], ABC, np.zeros(3)), "'wte' has shape None"),
    (lambda: NameLearner(["abc"], ABC, {n: np.zeros(s) for n, s in Shape(vocabulary=4).parameters().items()} | {"more": np.zeros(2)}), "'more' has shape"),
])
def test_microgpt(calculate, words):
    refused(words, calculate)


def test_files_of_names_are_split_at_line_ends_only(tmp_path):
    (tmp_path / "names.txt").write_bytes("\ufeffann\r\nbob\x0bby\n".encode())
    assert read_names(tmp_path / "names.txt") == ["ann", "bob\x0bby"]
    (tmp_path / "nul.txt").write_bytes(b"ann\nb\0b\n")
    refused("NUL in line 2", read_names, tmp_path / "nul.txt")


def test_the_command_line_ends_with_one_line():
    for arguments, words in ((["--seed", "-1"], "a seed"), (["--temperature", "0"], "a temperature"),
                             (["--steps", "0"], "at least one step")):
        result = subprocess.run([sys.executable, "-m", "microgpt", *arguments], capture_output=True,
                                text=True)
        assert result.returncode == 2 and words in result.stderr and result.stderr.count("\n") == 1


def test_parity_of_files_that_are_none(tmp_path, golden):
    good = golden("census_12steps_degree6")
    whole = (Path(__file__).parent.parent / "golden" / "census_12steps_degree6.npz").read_bytes()
    for name, content in (("empty", b""), ("cut", whole[:5000]), ("garbage", b"PK\3\4" + bytes(100)),
                          ("damaged", whole[:3000] + bytes(900) + whole[3900:])):
        (tmp_path / f"{name}.npz").write_bytes(content)
        refused("cannot read", parity.load, tmp_path / f"{name}.npz")
    np.save(tmp_path / "array.npy", np.ones(3))
    refused("lacks", parity.load, tmp_path / "array.npy")
    for change, words in ((dict(degree=6.7), "degree"), (dict(init=np.append(good["init"], 1.0)), "init"),
                          (dict(alphabet="aab"), "stands once"),
                          (dict(downweight_constant=good["downweight_constant"] * 1j), "downweight_constant"),
                          (dict(downweight_direction=np.ones((2, 12))), "downweight_direction"),
                          (dict(docs=np.arange(12)), "docs")):
        np.savez(tmp_path / "other.npz", **good | change)
        refused(words, parity.load, tmp_path / "other.npz")
    assert np.isnan(parity.largest((np.array([1.0, np.nan]), np.array([2.0]))))


@pytest.mark.parametrize("call", [lambda x: retrain(x, [[0]]), lambda x: precompute(x, 8), Objective,
                                  lambda x: metagradient(x, max), lambda x: NoChange().answer(x, [[0]], max)])
@pytest.mark.parametrize("thing", [None, "microgpt", Learner, np.zeros(3)])
def test_what_is_no_learner_is_named(call, thing):
    with pytest.raises(LearnerError, match="expected a Learner"):
        call(thing)
