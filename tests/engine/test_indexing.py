"""Indexing and updates of wires are NumPy's, element for element; their series and gradients are exact."""
import numpy as np
import pytest
from checks import adjoint, chain, close, contour, subject_of
from table import Row

import circuit as C
from circuit import CircuitError, DomainError, ShapeError, gradient, integer, real, record
from taylor import Polynomial, evaluate

X = np.arange(60.0).reshape(3, 4, 5) + 0.5
I, J = np.array([2, 0, 2]), np.array([[1, 2, 0], [2, 2, 1]])
MASK = X[:, :, 0] % 3 > 1


# by what is known while recording ---------------------------------------------------------------------------

@pytest.mark.parametrize("index", [
    I, J, [2, -1], range(2), [], np.array(1), (I, 2), (I, slice(1, 3)), (slice(None), I), (..., I),
    (I, ..., I),
    (0, slice(None), I), (slice(None), 0, I), (I, slice(None), 1), (I, None, J), (J, I), (None, I, ..., None),
    (slice(None), J, 2), np.ones(3, bool), MASK, (MASK, 1), (slice(None), [True, False, True, True]),
    slice(None, None, -1), (slice(2, 0, -1), ..., slice(None, None, -2)), np.ix_(I, [0, 1], [3]),
    [[0, 1], [1, 0]], np.array([1, 2], np.uint8)], ids=str)
def test_reading_is_numpys(index):
    recorded = record(lambda x: x[index], real(*X.shape))
    assert np.array_equal(recorded(X), X[index])
    batch = np.stack([X, -X])
    assert np.array_equal(recorded(batch), np.stack([X[index], -X[index]]))
    g = np.random.default_rng(0).normal(size=X[index].shape)
    slope = gradient(record(lambda x: (x[index] * g).sum(), real(*X.shape)))(X)[1]
    expected = np.zeros(X.shape)
    np.add.at(expected, index, g)
    np.testing.assert_allclose(slope, expected, rtol=1e-14, atol=1e-14)


def test_whole_numbers_are_reordered_too():
    ids = np.array([4, 1, 3])
    assert record(lambda ids: ids[::-1][[0, 0, 2]], integer(3))(ids).tolist() == [3, 3, 4]


# by wires ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("index", [
    lambda i: i, lambda i: (slice(None), i), lambda i: (..., i), lambda i: (slice(1, 3), i, None),
    lambda i: (None, slice(None), slice(None), i), lambda i: (i, [1, 0, 3]), lambda i: ([1, 0, 2], i),
    lambda i: (0, i), lambda i: (0, slice(None), i), lambda i: (i, slice(None), [1, 0, 3]),
    lambda i: (slice(None), i, np.arange(3)), lambda i: (slice(None), [[1], [0]], i),
    lambda i: ([[1], [0]], i, 2), lambda i: (i, None, 3), lambda i: ([1], [2], i), lambda i: (i, i),
    lambda i: (i, slice(None), i), lambda i: (slice(1, 3), i, None, i), lambda i: (i, i, i),
    lambda i: (i, 2, i), lambda i: (slice(None, None, -2), i, ..., slice(None, None, -1))])
@pytest.mark.parametrize("ids", [np.array([2, 0, 1]), np.array([[2, 0, 1], [1, 1, 0]]), np.array(1)],
                         ids=["vector", "matrix", "scalar"])
def test_reading_by_a_wire_is_numpys(index, ids):
    recorded = record(lambda x, i: x[index(i)], real(*X.shape), integer(*ids.shape))
    assert np.array_equal(recorded(X, ids), X[index(ids)])
    batch = np.stack([ids, (ids + 1) % 3])
    assert np.array_equal(recorded(X, batch), np.stack([X[index(i)] for i in batch]))
    g = np.random.default_rng(0).normal(size=X[index(ids)].shape)
    weighted = record(lambda x, i: (x[index(i)] * g).sum(), real(*X.shape), integer(*ids.shape))
    expected = np.zeros(X.shape)
    np.add.at(expected, index(ids), g)
    np.testing.assert_allclose(gradient(weighted)(X, ids)[1], expected, rtol=1e-13, atol=1e-14)


def test_the_logit_of_a_class_and_an_entry_of_a_matrix():
    logits, y = X[0], np.array([4, 0, 3, 3])
    chosen = record(lambda x, y: x[np.arange(4), y], real(4, 5), integer(4))
    assert np.array_equal(chosen(logits, y), logits[np.arange(4), y])
    one = record(lambda x, y: x[y], real(5), integer())
    assert one(X[0, 0], np.array(3)) == X[0, 0, 3]
    two = record(lambda x, i, j: x[i, j], real(4, 5), integer(4), integer(4))
    assert np.array_equal(two(logits, y % 4, y), logits[y % 4, y])


# updates ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("index, shape", [
    (1, (4, 5)), (slice(0, 2), (2, 4, 5)), ((..., 2), ()), (I[:2], (2, 4, 5)), ((I[:2], 3), (5,)),
    (MASK, (5,)),
    ((slice(None), 1, [4, 0]), (3, 2)), (slice(None, None, -1), (4, 1)), ((0, 0, 0), ())], ids=str)
def test_updates_are_assignments(index, shape, rng):
    y, changed, added = rng.normal(size=shape), X.copy(), X.copy()
    changed[index] = y
    np.add.at(added, index, y)
    for function, expected in ((lambda x, y: C.at(x)[index].set(y), changed),
                               (lambda x, y: C.at(x)[index].add(y), added)):
        both = record(function, real(*X.shape), real(*shape))
        assert np.array_equal(both(X, y), expected) and np.array_equal(function(X, y), expected)
        assert np.array_equal(record(lambda y: function(X, y), real(*shape))(y), expected)
        assert np.array_equal(record(lambda x: function(x, y), real(*X.shape))(X), expected)
    method = record(lambda x, y: x.at[index].set(y), real(*X.shape), real(*shape))
    assert np.array_equal(method(X, y), changed)


def test_an_id_that_comes_twice_is_set_once_and_added_twice():
    x, y = np.zeros(3), [5.0, 7.0]
    assert record(lambda x: x.at[[1, 1]].set(y), real(3))(x).tolist() == [0.0, 7.0, 0.0]
    assert record(lambda x: x.at[[1, 1]].add(y), real(3))(x).tolist() == [0.0, 12.0, 0.0]
    assert record(lambda x, i: x.at[i].add(y), real(3), integer(2))(x, I[[0, 2]]).tolist() == [0.0, 0.0, 12.0]
    assert record(lambda i: i.at[0].set(9), integer(3))(I).tolist() == [9, 0, 2]


def test_adding_at_rows_that_a_wire_names(rng):
    y, expected = rng.normal(size=(2, 3, 1, 5)), X.copy()
    np.add.at(expected, J, y)
    recorded = record(lambda x, i, y: x.at[i].add(y), real(*X.shape), integer(2, 3), real(2, 3, 1, 5))
    assert close(recorded(X, J, y), expected, 1e-14)


# series -----------------------------------------------------------------------------------------------------

class Function(Row):
    """A function of one or two tensors in place of a gate."""

    def function(self, *x):
        return self.parameters["of"](*x)


@pytest.mark.parametrize("function, shapes", [
    (lambda x: x[[2, 0, 2], ::-1] ** 2, ((3, 4),)),
    (lambda x, y: (x.at[[2, 0]].set(y) ** 2)[..., None], ((3, 4), (4,))),
    (lambda x, y: x.at[:, [1, 1]].add(y) ** 3, ((3, 4), (3, 2)))])
def test_series_are_contour_integrals(function, shapes, rng):
    row = Function("add", {"of": function}, shapes)
    inputs = row.sample(rng, 5)
    contour(subject_of(row, 5), inputs, 5)
    chain(subject_of(row, 5), inputs, 5, rng)
    adjoint(subject_of(row, 5), inputs, rng)


@pytest.mark.parametrize("function", [
    lambda x, i: x[i], lambda x, i: x[:, i], lambda x, i: x[[1, 0, 2], i], lambda x, i: x[i[::-1], None, 2],
    lambda x, i: C.embedding(x, i.reshape(3, 1)), lambda x, i: C.at(np.zeros((3, 4)))[i].add(x[i])])
def test_coefficients_are_indexed_one_by_one(function, rng):
    """By a wire, in the compiled machine: each order and direction as NumPy indexes it."""
    ids, x = np.array([2, 0, 2]), Polynomial(rng.normal(size=(3, 4)), rng.normal(size=(2, 3, 3, 4)) + 0j)
    series = evaluate(record(function, real(3, 4), integer(3)), [x, ids])[0].all_orders()
    plain = [[function(c, ids) for c in orders] for orders in x.all_orders().real]
    assert close(series.real, np.array(plain), 1e-13)


# refusals ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function, words", [
    (lambda x, i: x[[0, 3]], "index 3 is out of bounds for axis 0 with size 3"),
    (lambda x, i: x[[0.5]], "whole numbers or a mask, got float64"),
    (lambda x, i: x[[True, False]], "boolean index did not match"),
    (lambda x, i: x[[0, 1], [0, 1, 2]], "could not be broadcast"),
    (lambda x, i: x[0, 0, [0]], "too many indices"),
    (lambda x, i: x[x], "a real wire is none"),
    (lambda x, i: x[i, [True] * 4], "flatnonzero"),
    (lambda x, i: x[i, [0, 1, 2]], r"do not broadcast together: \(2,\), \(3,\)"),
    (lambda x, i: x[i, 0, 0], "3 indices for shape"),
    (lambda x, i: x.at[0].set(np.ones(3)), r"shape \(3,\) does not fit elements of shape \(4,\)"),
    (lambda x, i: x.at[[0, 5]].add(1.0), "out of bounds"),
    (lambda x, i: x.at[i].set(1.0), "an id that comes twice"),
    (lambda x, i: x.at[i, 0].add(1.0), "only index"),
    (lambda x, i: x.at[i].add(np.ones(3)), "does not fit"),
    (lambda x, i: x.at[0].set(1j), "expected real"),
    (lambda x, i: x.at[0].set(np.nan), "given nan"),
])
def test_what_is_no_index_is_named(function, words):
    with pytest.raises((CircuitError, ShapeError), match=words):
        record(function, real(3, 4), integer(2))


def test_an_id_that_is_not_there_is_named():
    for function in (lambda x, i: x[:, i], lambda x, i: x[[0, 1], i], lambda x, i: x.T.at[i].add(1.0)):
        with pytest.raises(DomainError, match="row (4|-1) of a table with rows 0..3"):
            record(function, real(3, 4), integer(2))(X[:, :, 0], np.array([4, -1]))
