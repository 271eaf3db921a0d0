"""NumPy's functions of wires, by every row of numpy_table.py: values to the last bits, derivatives as contour
integrals of NumPy's own function; and deliberately wrong functions, which must fail."""
import inspect
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checks import chain, contour, subject_of
from numpy_table import EDGES, METHODS, OF_UFUNCS, TABLE

import circuit as C
from circuit import ShapeError, real, record
from circuit.numpy_functions import table
from circuit.numpy_functions.methods import Methods
from taylor import Polynomial

ROOT = Path(C.__file__).parent.parent
DEGREE, SPAN, POINTS = 3, 0.1, 64
ROWS = pytest.mark.parametrize("row", TABLE + OF_UFUNCS, ids=lambda row: row.name)


# checks -----------------------------------------------------------------------------------------------------

def outputs(y):
    """One result or several, as a list."""
    return list(y) if isinstance(y, (list, tuple)) else [y]


def in_a_line(y):
    """All numbers of one result or several."""
    return C.concatenate([C.reshape(part, -1) for part in outputs(y)])


def same(actual, expected, moves=False):
    """Up to the last bits: of each number, or, where numbers are added up, of the largest."""
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected):
        assert np.shape(a) == np.shape(b) and np.isfinite(a).all()
        assert np.abs(a - b).max(initial=0.0) <= (0.0 if moves else 4e-15) * np.abs(b).max(initial=0.0)


def check_values(row, rng):
    """The recorded function gives what NumPy's own gives for arrays."""
    x = row.numbers(rng)
    circuit = record(lambda *x: tuple(outputs(row.call(row.function, *x))), *[real(*s) for s in row.shapes])
    same(outputs(circuit(*x)), outputs(row.call(row.function, *x)), row.moves)


def check_derivatives(row, rng):
    """Taylor coefficients are contour integrals of NumPy's function, and the reverse rules fit them."""
    inputs = []
    for x in row.numbers(rng):
        coefficients = rng.normal(size=(2, 1, DEGREE) + x.shape)
        coefficients = coefficients[0] + 1j * coefficients[1]
        sums = np.abs(coefficients).sum(axis=1, keepdims=True)
        inputs.append(Polynomial(x, SPAN * coefficients / sums))
    subject = subject_of(SimpleNamespace(function=lambda *x: in_a_line(row.call(row.function, *x)),
                                         shapes=row.shapes), DEGREE)

    def value(*batches):
        items = [[batch[k] for batch in batches] for k in range(POINTS)]
        return np.stack([np.concatenate([np.ravel(y) for y in outputs(row.of_complex(*x))]) for x in items])

    contour(replace(subject, value=value), inputs, DEGREE, points=POINTS)
    chain(subject, inputs, DEGREE, rng)


@ROWS
def test_values_are_those_of_numpy(row, rng):
    check_values(row, rng)


@ROWS
def test_derivatives_are_those_of_numpy(row, rng):
    check_derivatives(row, rng)


def check_digits(function, numbers):
    """Each number by itself is right."""
    x = np.array(numbers)
    np.testing.assert_allclose(record(function, real(len(x)))(x), function(x), rtol=4e-15, atol=0.0)


@pytest.mark.parametrize("function, numbers", EDGES)
def test_each_number_has_all_digits_where_formulas_lose_them(function, numbers):
    check_digits(function, numbers)


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_those_of_arrays(name, rng):
    x = rng.permutation(18).reshape(2, 3, 3) * 0.3 + 0.2
    same([record(METHODS[name], real(2, 3, 3))(x)], [METHODS[name](x)])


# coverage ---------------------------------------------------------------------------------------------------

def test_the_rows_cover_the_table_exactly():
    assert {row.function for row in TABLE} == set(table.TABLE)
    named = {row.function.__self__ for row in OF_UFUNCS if row.name == "reduce"}
    assert named == set(table.REDUCED)
    assert {row.function.__self__ for row in OF_UFUNCS if row.name == "accumulate"} == set(table.ACCUMULATED)
    public = {name for name in vars(Methods) if not name.startswith("_") or name == "__abs__"}
    assert set(METHODS) == public


def test_the_page_names_every_function():
    """The lists of circuit/README.md, without and with the functions that older versions of NumPy lack."""
    page = (ROOT / "circuit" / "README.md").read_text(encoding="utf-8")
    lists = page[page.index("* of elements:"):page.index("Wires have the methods")]
    named = set(re.findall(r"`(?:linalg\.)?(\w+)`", lists)) - {"reduce"}
    recorded = {function.__name__ for function in table.TABLE}
    assert recorded <= named and named - recorded <= set(table.SINCE_NUMPY_2)


def test_only_wires_import_the_room():
    files = [path for folder in ("circuit", "taylor", "deletion", "microgpt")
             for path in (ROOT / folder).rglob("*.py") if path.parent.name != "numpy_functions"]
    assert [path.name for path in files if re.search(r"import.*numpy_functions|numpy_functions.* import",
                                                     path.read_text(encoding="utf-8"))] == ["wire.py"]


def test_nothing_is_reduced_as_by_numpy():
    for function in (np.sum, np.prod, np.ravel, lambda x: np.sum(x, axis=0), lambda x: np.prod(x, axis=0),
                     lambda x: np.cumsum(x, axis=0), lambda x: np.concatenate([x, np.ones((1, 3))]),
                     lambda x: x @ np.ones((3, 2)), lambda x: np.array_split(x, 2)[0]):
        assert np.array_equal(record(function, real(0, 3))(np.ones((0, 3))), function(np.ones((0, 3))))
    for function in (np.max, np.min, np.mean, np.std, np.amax):
        with pytest.raises(ShapeError, match="no maximum|mean of nothing|variance of 0"):
            record(function, real(0, 3))


def test_products_of_random_letters_are_those_of_numpy(rng):
    """einsum: operands, repeated and lone letters, axes of length 1, outputs in any order."""
    for _ in range(60):
        sizes = dict(zip("abcd", rng.integers(1, 4, 4)))
        parts = ["".join(rng.choice(list("abcd"), rng.integers(0, 4))) for _ in range(rng.integers(1, 4))]
        used = sorted(set("".join(parts)))
        spec = f"{','.join(parts)}->{''.join(rng.permutation(used)[:rng.integers(0, len(used) + 1)])}"
        x = [rng.normal(size=[sizes[c] if part.count(c) > 1 or rng.random() < 0.8 else 1 for c in part])
             for part in parts]
        expected = np.einsum(spec, *x)
        circuit = record(lambda *x: np.einsum(spec, *x), *[real(*y.shape) for y in x])
        np.testing.assert_allclose(circuit(*x), expected, rtol=1e-12, atol=1e-13)


def test_every_argument_is_tested(rng):
    missing = {function: set(inspect.signature(of_wires).parameters) - {"arguments", "more", "min", "max"}
               for function, of_wires in table.TABLE.items()}
    for row in TABLE:
        signature = inspect.signature(table.TABLE[row.function])

        def spy(*arguments, **more):
            missing[row.function] -= set(signature.bind(*arguments, **more).arguments)
            return row.function(*arguments, **more)
        row.call(spy, *row.numbers(rng))
    assert not any(missing.values()), missing


def test_bounds_have_the_names_of_two_versions():
    for bounds in ({"a_min": 1.0, "a_max": 2.0}, {"a_min": 1.0, "max": 2.0}, {"min": 1.0, "a_max": 2.0}):
        clipped = record(lambda x: table.TABLE[np.clip](x, **bounds), real(3))
        assert np.array_equal(clipped([0.0, 1.5, 3.0]), [1.0, 1.5, 2.0])


# wrong functions --------------------------------------------------------------------------------------------

def without_digits(x):
    return C.log(1.0 + x)


def half_still(a, b):
    """A product whose derivative by the second factor is lost."""
    return C.Wire.__mul__(a, C.constant_part(b)) if isinstance(b, C.Wire) else C.Wire.__rmul__(b, a)


RIGHT = dict(table.TABLE)

WRONG_VALUES = {
    "an axis ignored": (np.sum, lambda x, axis=None, keepdims=False: C.sum(x)),
    "axes not kept": (np.sum, lambda x, axis=None, keepdims=False: C.sum(x, axis)),
    "a sum in place of a mean": (np.mean, RIGHT[np.sum]),
    "degrees of freedom ignored": (np.var, lambda x, axis=None, ddof=0, keepdims=False: RIGHT[np.var](
        x, axis, keepdims=keepdims)),
    "a smooth maximum": (np.maximum, RIGHT[np.logaddexp]),
    "nearly right": (np.exp, lambda x: C.exp(x) * (1.0 + 1e-14)),
    "the wrong branch": (np.abs, C.relu),
    "rows in the wrong order": (np.take, lambda x, indices, axis=None: RIGHT[np.flip](x, 0)[:2]),
    "column by column": (np.reshape, lambda x, shape, order="C": C.reshape(x, shape)),
    "a dot in place of a matrix product": (np.matmul, RIGHT[np.dot]),
    "an operand left out": (np.einsum, lambda spec, *x, optimize=None: RIGHT[np.einsum](
        spec, *[2.0 * x[0], *x[1:]])),
    "another way round": (np.roll, lambda x, shift, axis=None: RIGHT[np.roll](x, -shift, axis)),
}
WRONG_DERIVATIVES = {
    "none": (np.tanh, lambda x: C.tanh(C.constant_part(x))),
    "of one factor only": (np.multiply, half_still),
    "of another function": (np.exp, lambda x: C.exp(C.constant_part(x)) * (1.0 + x - C.constant_part(x))),
}
WRONG_EDGES = {
    "log(1 + x)": (np.log1p, without_digits),
    "a larger one that is rounded": (np.logaddexp, lambda a, b: b + C.softplus(a - b)),
}


def fails(check, cases, *more):
    """Whether a check fails for one of several cases."""
    for case in cases:
        try:
            check(*case, *more)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_wrong_values_fail(name, rng, monkeypatch):
    function, wrong = WRONG_VALUES[name]
    monkeypatch.setitem(table.TABLE, function, wrong)
    assert fails(check_values, [(row,) for row in TABLE if row.function is function], rng)


@pytest.mark.parametrize("name", WRONG_DERIVATIVES)
def test_wrong_derivatives_fail(name, rng, monkeypatch):
    function, wrong = WRONG_DERIVATIVES[name]
    monkeypatch.setitem(table.TABLE, function, wrong)
    rows = [(row,) for row in TABLE if row.function is function]
    assert not fails(check_values, rows, rng) and fails(check_derivatives, rows, rng)


@pytest.mark.parametrize("name", WRONG_EDGES)
def test_lost_digits_fail(name, monkeypatch):
    function, wrong = WRONG_EDGES[name]
    assert not fails(check_digits, EDGES)
    monkeypatch.setitem(table.TABLE, function, wrong)
    assert fails(check_digits, EDGES)
