"""Every kernel against its slow twin, for all forms of polynomials and all ways in which operands may lie."""
import numpy as np
import pytest
from checks import close
from twins import assert_lane_by_lane, assert_twins, in_plain_lanes, random_polynomial

import circuit as C
from circuit import DomainError, find_gate, real, record
from taylor import Polynomial, evaluate, form
from taylor import tape as k
from taylor.form import LANES, TRAININGS, Form
from taylor.lowering.program import Builder

FORMS = pytest.mark.parametrize("degree", [0, 1, 2, 3, 4, 9, None])
"""Degrees, one for each shape of a product's tile and more; None stands for plain lanes."""

FEW = pytest.mark.parametrize("degree", [0, 2, 9, None])
"""Where there are no tiles: each form and operation takes a third of a second to compile."""


def form_of(degree):
    return Form(0, TRAININGS, shared=False) if degree is None else Form(degree, LANES)


def tape_of(function, shapes, degree, moving=None):
    """[(operation, word), ...] of a function of operands that move, or of those whose numbers are given."""
    builder = Builder(form_of(degree))
    circuit = record(function, *[real(*shape) for shape in shapes])
    builder.add(circuit, ["real" if moving is not None and i not in moving else "polynomial"
                          for i in range(len(shapes))])
    return [(k.OPERATIONS[word[k.OPERATION]], word) for word in builder.build().tape]


def words_of(operation, *arguments):
    """The words of one operation in a tape."""
    return [word for name, word in tape_of(*arguments) if name == operation]


# element by element -----------------------------------------------------------------------------------------

def pieces(x, *bounds):
    return C.concatenate([x[a:b] for a, b in bounds])


def broken(x):
    """The rows of a flat tensor in two halves, columns first: in no order that a stride describes."""
    return x.reshape(3, -1, 2).T.reshape(-1)


# how operands lie -> (rows, length, last), strides of a and b, for 24 elements
LAYOUTS = {
    "one after the other": (lambda x: x, lambda y: y, (1, 24, 24), (1, 1)),
    "every second": (lambda x: C.concatenate([x, x])[::2], lambda y: y, (2, 12, 12), (2, 1)),
    "a column": (lambda x: x.reshape(8, 3)[:, 1], lambda y: y.reshape(8, 3)[:, 2], (1, 8, 8), (3, 3)),
    "a transpose": (lambda x: x.reshape(6, 4).T, lambda y: y.reshape(4, 6), (4, 6, 6), (4, 1)),
    "one for all": (lambda x: x, lambda y: y[3], (1, 24, 24), (1, 0)),
    "one for a row": (lambda x: x.reshape(4, 6), lambda y: y[:4].reshape(4, 1), (4, 6, 6), (1, 0)),
    "a row for all": (lambda x: x.reshape(4, 6), lambda y: y[:6], (4, 6, 6), (1, 1)),
    "a shorter last row": (lambda x: pieces(x, (0, 5), (9, 14), (20, 23)), lambda y: y[:13], (3, 5, 3),
                           (1, 1)),
    "short rows": (lambda x: x.reshape(8, 3)[:, :2], lambda y: y.reshape(8, 3)[:, 1:], (1, 16, 16), (-1, -1)),
    "no order": (broken, lambda y: y, (1, 24, 24), (-1, -1)),
    "no order, twice": (lambda x: x, broken, (1, 24, 24), (-1, -1)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_how_operands_are_addressed(layout):
    a, b, rows, strides = LAYOUTS[layout]
    word, = words_of("multiply", lambda x, y: a(x) * b(y), [(24,), (24,)], 2)
    if layout == "every second":      # of two copies: what is joined lies in one buffer twice
        assert word[k.LENGTH] in (12, 24)
        return
    assert (word[k.ROWS], word[k.LENGTH], word[k.LAST]) == rows
    assert (word[k.A_STRIDE], word[k.B_STRIDE]) == strides


def elementwise(a, b):
    """All operations with one or two operands, in one result."""
    def function(x, y):
        p, q = a(x), b(y)
        return (p * q, p * 2.0 + q * -3.0, p + 1.5, (p * p + q) ** -0.5, C.tanh(p) * q, p * 1e7,
                C.tanh(q * 0.5))
    return function


@FEW
@pytest.mark.parametrize("layout", LAYOUTS)
def test_small_elementwise(layout, degree, rng):
    """Both operands move, or one of them."""
    function = elementwise(*LAYOUTS[layout][:2])
    for still in ((), (0,), (1,)):
        assert_twins(function, [(24,), (24,)], degree, rng, still=still)


@FEW
@pytest.mark.parametrize("exponent", [-1, -0.5, -1.5, -2, 0.5, 0, 1, 2, 5])
def test_small_powers(exponent, degree, rng):
    """Those of every training step have kernels of their own."""
    operation = {-1: "inverse", -0.5: "inverse_root", -1.5: "inverse_root_cubed"}.get(
        exponent, "power_whole" if exponent in (0, 1, 2, 5) else "power")

    def function(x):
        return find_gate("power")(x, exponent=exponent)
    assert len(words_of(operation, function, [(7,)], degree)) == 1
    assert_twins(function, [(7,)], degree, rng)


@FEW
def test_small_strips_are_longer_than_a_chunk(degree, rng):
    """Their last chunk is shorter; one operand is read in reverse order of rows, and one result outside."""
    chunk = form_of(degree).chunk
    size = 2 * chunk + chunk // 2

    def function(x, y):
        a = x * y
        b = C.tanh(a) * x + y * 0.5
        return b * b, C.concatenate([b[size // 2:], b[:size // 2]]) * a, (a * b).sum()
    strips = words_of("strip", function, [(size,), (size,)], degree)
    assert [word[k.ROWS] for word in strips] == [3] * len(strips) and strips
    for still in ((), (1,)):
        assert_twins(function, [(size,), (size,)], degree, rng, still=still)


@pytest.mark.parametrize("layout, at", [
    (lambda x: x, 17), (lambda x: x.reshape(8, 3)[:, 1], 16), (lambda x: x.reshape(6, 4).T, 9), (broken, 20),
    (lambda x: pieces(x, (0, 5), (9, 14), (20, 23)), 21)],
    ids=["one after the other", "a column", "a transpose", "no order", "a shorter last row"])
@pytest.mark.parametrize("degree", [0, 2, None])
def test_small_errors_name_the_element(layout, at, degree):
    """Of operands outside the domain, and of results that are not finite."""
    where = int(np.flatnonzero(np.ravel(record(layout, real(24))(np.arange(24.0))) == at)[0])
    shape = record(layout, real(24)).shapes[-1]
    index = tuple(int(i) for i in np.unravel_index(where, shape))
    for gate, function, bad in (("log", lambda x: C.log(layout(x)), -2.0),
                                ("exp", lambda x: C.exp(layout(x)) * 2.0, 1e3)):
        x = np.ones(24)
        x[at] = bad
        with pytest.raises(DomainError) as caught:
            if degree is None:
                in_plain_lanes(function, [np.stack([np.ones(24), x])])
            else:
                evaluate(record(function, real(24)), [Polynomial(x, np.ones((1, degree, 24)))])
        assert str(caught.value).startswith(f"gate {gate} at ") and f"at {index}" in str(caught.value)
        assert degree is not None or "training 1" in str(caught.value)


# products ---------------------------------------------------------------------------------------------------

SPECS = {"matrices": ("ij,kj->ik", lambda b, i, j, k: ((i, j), (k, j))),
         "batches": ("bij,bjk->bik", lambda b, i, j, k: ((b, i, j), (b, j, k))),
         "turned": ("jib,kbj->bki", lambda b, i, j, k: ((j, i, b), (k, b, j))),
         "two inner axes": ("ijm,kmj->ik", lambda b, i, j, k: ((i, j, 3), (k, 3, j))),
         "outer": ("i,k->ik", lambda b, i, j, k: ((i,), (k,)))}
SIZES = [(1, 1, 1, 1), (2, 2, 1, 4), (1, 3, 2, 5), (3, 5, 6, 3), (2, 4, 5, 9), (1, 7, 3, 1), (2, 3, 0, 2)]


@FORMS
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("spec", SPECS)
def test_small_products(spec, sizes, degree, rng):
    """Tiles with lines and columns left over; one operand may be a constant."""
    formula, shapes = SPECS[spec][0], SPECS[spec][1](*sizes)
    for still in ((), (0,), (1,)):
        assert_twins(lambda a, b: C.einsum(formula, a, b), shapes, degree, rng, still=still)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 9, None])
def test_what_a_product_becomes(degree):
    """Constants are b; values are calculated by themselves where lanes share them; columns are the more."""
    for moving, operation in (((0, 1), "einsum"), ((0,), "einsum_constant"), ((1,), "einsum_constant")):
        names = [name for name, _ in tape_of(lambda a, b: a @ b, [(3, 4), (4, 9)], degree, moving)]
        assert names == ["einsum_values"] * (degree is not None) + [operation]
    for lines, columns in ((3, 9), (9, 3)):
        word, = words_of("einsum", lambda a, b: a @ b, [(lines, 4), (4, columns)], degree)
        assert (word[k.LINES], word[k.COLUMNS]) == (3, 9)
    word, = words_of("einsum_values", lambda a, b: a @ b, [(3, 4), (4, 9)], 1, ())
    assert word[k.INNER] == 4


BLOCKS = {"matrices": ("ij,jk->ik", ((5, 40), (40, 21))), "wide": ("ij,jk->ik", ((21, 40), (40, 5))),
          "batches": ("bij,bkj->bik", ((2, 3, 33), (2, 19, 33)))}


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 9, None])
@pytest.mark.parametrize("still", [(), (0,), (1,)])
@pytest.mark.parametrize("name", BLOCKS)
def test_small_blocks_change_nothing(name, still, degree, rng, monkeypatch):
    """Inner indices and columns that are taken in blocks, the last of which are shorter."""
    spec, shapes = BLOCKS[name]
    arrays = [rng.uniform(0.5, 1.5, (3, *shape)) for shape in shapes]
    series = [random_polynomial(rng, shape, degree or 0, 2) for shape in shapes]
    moving = [i for i in (0, 1) if i not in still]

    def product(*wires):
        return C.einsum(spec, *wires)

    def calculated(block):
        monkeypatch.setattr(form, "BLOCKED", block)
        monkeypatch.setattr(form, "FEWEST", 8)
        if degree is None:
            return in_plain_lanes(lambda *wires: product(*(wires[::-1] if still == (0,) else wires)),
                                  [arrays[i] for i in moving], [arrays[i][0] for i in still])[0]
        inputs = [x.constant if i in still else x for i, x in enumerate(series)]
        return evaluate(record(product, *[real(*shape) for shape in shapes]), inputs)[0].all_orders()
    small, whole = calculated(1), calculated(10 ** 6)
    word, = words_of("einsum_constant" if still else "einsum", product, shapes, degree, moving)
    assert word[k.INNER_BLOCK] == word[k.INNER] and word[k.COLUMN_BLOCK] == word[k.COLUMNS]
    monkeypatch.setattr(form, "BLOCKED", 1)
    monkeypatch.setattr(form, "FEWEST", 8)
    word, = words_of("einsum_constant" if still else "einsum", product, shapes, degree, moving)
    assert word[k.INNER_BLOCK] == 16 and word[k.COLUMN_BLOCK] == min(8, word[k.COLUMNS])
    if degree:      # the compiler may reorder sums of coefficients
        assert close(small, whole, 1e-14)
    else:
        assert np.array_equal(small, whole)


@pytest.mark.parametrize("inner", [0, 1, 5, 127, 128, 129, 300])
@pytest.mark.parametrize("lines, columns", [(1, 1), (3, 40), (40, 3), (6, 8), (5, 17)])
def test_small_constant_parts_of_products(lines, columns, inner, rng):
    """Panels of 128 inner indices, in both orientations; the bits are the same in all forms."""
    a, b = rng.normal(size=(2, lines, inner)), rng.normal(size=(2, columns, inner))

    def product(a, b):
        return C.einsum("bij,bkj->bik", a, b)
    circuit = record(product, real(*a.shape), real(*b.shape))
    still = np.zeros((1, 1)) + 0j
    results = [evaluate(circuit, [a, b])[0].constant]
    for moving in ((0,), (1,), (0, 1)):
        inputs = [Polynomial(x, still.reshape((1, 1) + (1,) * x.ndim) * x) if i in moving else x
                  for i, x in enumerate((a, b))]
        results += [evaluate(circuit, inputs, degree)[0].constant for degree in (0, 1)]
    results.append(in_plain_lanes(lambda x, *two: product(*two), [np.ones((2, 1))], [a, b])[0][1])
    assert all(np.array_equal(results[0], x) for x in results)
    expected = np.einsum("bij,bkj->bik", a, b)
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=1e-14 * max(1, inner))


def test_values_are_turned_where_that_is_quicker():
    """Few columns are few panels; columns that follow each other fill a panel quickly."""
    for lines, columns in ((3, 40), (40, 3), (4, 16)):
        word, = words_of("einsum_values", lambda a, b: a @ b, [(lines, 5), (5, columns)], 0)
        assert (word[k.LINES], word[k.COLUMNS]) == (lines, columns)
    word, = words_of("einsum_values", lambda a, b: a @ b.T, [(3, 5), (40, 5)], 0)
    assert (word[k.LINES], word[k.COLUMNS]) == (40, 3)


# groups and rows --------------------------------------------------------------------------------------------

GROUPS = {
    "rows": lambda x: x.reshape(6, 4), "columns": lambda x: x.reshape(4, 6).T,
    "part": lambda x: x.reshape(4, 6)[1:, ::2],
    "three axes": lambda x: C.transpose(x.reshape(2, 3, 4), (1, 0, 2)),
    "no order": lambda x: broken(x).reshape(4, 6)}


def of_groups(arrange):
    """Sums, largest elements and where they are, along every axis."""
    def function(x, *mixed):
        x = arrange(x)
        results = [x.sum(), x.sum(axis=0), x.sum(axis=-1) * 3.0]
        for axis in range(len(x.shape)):
            results += [C.max(x, axis=axis), find_gate("one_hot_max")(x, axis=axis - len(x.shape)) * x]
        return tuple(results)
    return function


@FEW
@pytest.mark.parametrize("arrange", GROUPS)
def test_small_groups(arrange, degree, rng):
    assert_twins(of_groups(GROUPS[arrange]), [(24,)], degree, rng)


def test_small_groups_where_lanes_differ(rng):
    """Each lane has a winner of its own, the first of equal ones; some elements are the same for all."""
    x = rng.normal(size=(16, 6, 4))
    x[1], x[2, :, 1:3], x[3] = 0.0, 5.0, -x[4]

    def function(x, y):
        joined = C.concatenate([x, y])
        hot = find_gate("one_hot_max")(joined, axis=-1)
        return C.max(joined, axis=0), hot, hot * joined, joined.sum(axis=0), C.max(y, axis=1), find_gate(
            "one_hot_max")(y, axis=-2), C.max(x * y[0], axis=1)
    y = rng.normal(size=(3, 4))
    y[1] = 2.0
    assert_lane_by_lane(function, [x], [y])
    winners = in_plain_lanes(function, [x], [y])[1]
    assert len({lane.tobytes() for lane in winners}) > 8 and (winners.sum(axis=-1) == 1.0).all()


ROWS = [0, 3, 3, 1, 0, 3]


@FEW
def test_small_rows(degree, rng):
    """gather and scatter: rows several times and never, of tables and rows that lie in several ways."""
    def function(table, rows, ids):
        many = C.gather(rows.T, ids[:3])
        return (C.gather(table, ids) * 2.0, C.gather(table.T, ids[:4]), C.scatter(rows, ids, 5) * 3.0,
                C.scatter(many, ids[1:4], 4), C.gather(table.reshape(-1), ids),
                C.scatter(C.gather(table, ids) * rows, ids, 4), C.gather(table[:, 1:3], ids),
                C.scatter(rows[:, 1:4], ids, 4), C.scatter(rows[::2], ids[:3], 5),
                C.scatter(rows.T, ids[:5], 4), C.scatter(rows[:, 2], ids, 4),
                C.gather(C.concatenate([table[2:], table[:2]]), ids))
    for still in ((), (0,), (1,)):
        assert_twins(function, [(4, 5), (6, 5)], degree, rng, [np.array(ROWS)], still)


def test_small_rows_of_trainings_that_differ(rng):
    def function(x, table, ids):
        return C.scatter(C.gather(x, ids[:5]) * C.gather(table, ids[1:]), ids[:5], 4)
    assert_lane_by_lane(function, [rng.normal(size=(16, 4, 3))], [rng.normal(size=(4, 3)), np.array(ROWS)])


# sums of placed tensors -------------------------------------------------------------------------------------

def placed(x, first, size):
    """A flat tensor among zeros."""
    return find_gate("place")(x, index=((first, first + x.shape[0], 1),), shape=(size,))


PLACED = {
    "apart": lambda x, y: placed(x, 0, 20) + placed(y, 10, 20),
    "overlapping": lambda x, y: placed(x, 0, 20) + placed(y, 3, 20),
    "with factors": lambda x, y: placed(x * 2.0, 1, 20) + placed(y, 6, 20) * -0.5,
    "dense": lambda x, y: placed(x, 0, 9) + placed(y, 1, 9),
    "three": lambda x, y: (placed(x, 0, 30) + placed(y, 6, 30)) * 3.0 + placed(x * y, 14, 30),
    "then used": lambda x, y: (C.tanh(placed(x, 0, 24) + placed(y, 12, 24)) + (
        placed(y, 2, 24) + placed(x, 14, 24)).sum()),
    "zeros": lambda x, y: (placed(x, 0, 20) * 0.0 + placed(y, 10, 20)) * 2.0,
}


@FEW
@pytest.mark.parametrize("name", PLACED)
def test_small_sums_of_placed_tensors(name, degree, rng):
    for still in ((), (0,), (1,)):
        assert_twins(PLACED[name], [(8,), (8,)], degree, rng, still=still)


def test_only_what_overlaps_is_added():
    for name, count in (("apart", []), ("overlapping", [5]), ("with factors", [3]), ("dense", [9])):
        words = words_of("combine", PLACED[name], [(8,), (8,)], 2)
        assert [word[k.COUNT] for word in words] == count


def test_small_gradients_of_slices(rng):
    """Where sums of placed tensors come from."""
    def loss(x):
        return (x[:5] * x[3:8]).sum() + C.exp(x[1:11:3]).sum() + (x[10:] ** 3).sum()
    gradient = C.gradient(record(loss, real(16)), [0])
    for degree in (0, 2, None):
        assert_twins(lambda x: gradient(x)[1], [(16,)], degree, rng)


# what is hidden ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["max", "one_hot_max"])
@pytest.mark.parametrize("degree", [0, 2, None])
def test_small_infinities_do_not_hide_in_groups(name, degree):
    """A number that is not finite and loses is an error all the same."""
    def function(x):
        return find_gate(name)(C.exp(x) * -1.0, axis=-1)
    x = np.array([1.0, 1000.0, 2.0])
    with pytest.raises(DomainError, match="gate exp .*inf"):
        if degree is None:
            in_plain_lanes(function, [np.stack([np.ones(3) * [1, 2, 3], x])])
        else:
            evaluate(record(function, real(3)), [Polynomial(x, np.zeros((1, degree, 3)) + 1e-300)])


def test_small_tensors_without_elements(rng):
    def function(x, y):
        return (x[:0] * y[:0], C.concatenate([x[:0], y]) * 2.0, x[:0].sum() + y.sum(),
                C.einsum("i,j->ij", x[:0], y))
    for degree in (0, 2, None):
        assert_twins(function, [(4,), (4,)], degree, rng)
