"""Every gate, by every check of the table; and declarations of gates that lack something."""
import numpy as np
import pytest
from checks import adjoint, against_mpmath, chain, close, contour, naive, subject_of
from naive import RULES
from table import TABLE

from circuit import GATES, CircuitError, DomainError, Gate, ShapeError, find_gate, real, record
from circuit.gates.cost import free
from circuit.gates.gate import BY_VALUE, COMPOSED, elementwise
from taylor import Polynomial, Recurrence, Step, evaluate
from taylor import tape as k
from taylor.lowering.gates import check_rules

DEGREE = 6
ROWS = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


def naive_parameters(row, degree):
    extra = {"ids": row.ids} if row.ids is not None else {}
    return row.parameters | extra | ({"degree": degree} if row.gate == "constant" else {})


def test_the_table_and_the_slow_twins_cover_the_registry_exactly():
    assert {row.gate for row in TABLE} == set(GATES) == set(RULES)


def test_exemptions_are_counted_and_have_reasons():
    without_mpmath = [row.mpmath for row in TABLE if isinstance(row.mpmath, str)]
    without_contour = [row.contour for row in TABLE if row.contour]
    assert (len(without_mpmath), len(without_contour)) == (29, 1)
    assert all(len(reason) > 10 for reason in without_mpmath + without_contour)


@pytest.mark.parametrize("row", [row for row in TABLE if not row.contour], ids=lambda row: row.name)
def test_contour_integral(row, rng):
    contour(subject_of(row, DEGREE), row.sample(rng, DEGREE), DEGREE)


@pytest.mark.parametrize("row", [row for row in TABLE if not row.contour and not find_gate(row.gate).branch
                                 and not find_gate(row.gate).conditions(True, **row.parameters)],
                         ids=lambda row: row.name)
def test_a_gate_that_declares_no_branch_and_no_domain_has_none_at_zero(row, rng):
    contour(subject_of(row, DEGREE), row.across(rng, DEGREE), DEGREE)


@ROWS
def test_slow_twin(row, rng):
    naive(RULES[row.gate], subject_of(row, DEGREE), row.sample(rng, DEGREE), naive_parameters(row, DEGREE))


@pytest.mark.parametrize("row", [row for row in TABLE if callable(row.mpmath)], ids=lambda row: row.name)
def test_mpmath(row, rng):
    against_mpmath(row.mpmath, subject_of(row, DEGREE), row.sample(rng, DEGREE), DEGREE)


@ROWS
def test_chain_rule(row, rng):
    chain(subject_of(row, DEGREE), row.sample(rng, DEGREE), DEGREE, rng)


@ROWS
def test_adjoint(row, rng):
    adjoint(subject_of(row, DEGREE), row.sample(rng, DEGREE), rng)


@ROWS
@pytest.mark.parametrize("degree, directions", [(0, 1), (1, 1), (1, 9)])
def test_degree_0_and_1_one_lane_and_more_than_a_block(row, rng, degree, directions):
    inputs = row.sample(rng, degree, directions)
    naive(RULES[row.gate], subject_of(row, degree), inputs, naive_parameters(row, degree))
    plain = row.function(*[x.constant for x in inputs])
    assert close(subject_of(row, degree).taylor(inputs).constant, np.asarray(plain), 1e-13)


@ROWS
def test_a_zero_direction_stays_zero(row, rng):
    still = [Polynomial(x.constant, 0.0 * x.coefficients) for x in row.sample(rng, DEGREE)]
    assert not subject_of(row, DEGREE).taylor(still).coefficients.any()


@ROWS
def test_a_batch_is_its_items_one_by_one(row, rng):
    circuit = record(row.function, *[real(*shape) for shape in row.shapes])
    batch = [np.stack([x.constant for x in inputs])
             for inputs in zip(*(row.sample(rng, 0) for _ in range(3)))]
    if batch:
        each = np.stack([circuit(*items) for items in zip(*batch)])
        assert close(circuit(*batch), each, 1e-14)


@pytest.mark.parametrize("row", [row for row in TABLE if len(row.shapes) == 1
                                 and set(find_gate(row.gate).operations) & set(k.ELEMENTWISE)],
                         ids=lambda row: row.name)
def test_trainings_side_by_side(row, rng):
    """Lanes with constant parts of their own, as retraining has them."""
    circuit = record(lambda x, w: row.function(x * w), real(2, 3), real(1))
    x, weights = row.sample(rng, 0)[0].constant, rng.uniform(0.9, 1.0, (3, 1))
    block = Recurrence([circuit], [Step(0, np.array([0]), ())], 1, None).block([x], weights)
    block.run(0, 1)
    assert close(block.constant(0).reshape(3, 2, 3), np.stack([circuit(x, w) for w in weights]), 1e-13)


@pytest.mark.parametrize("row", [row for row in TABLE if row.kink is not None], ids=lambda row: row.name)
def test_the_kink_raises_and_names_the_gate(row, rng):
    circuit = record(row.function, *[real(*shape) for shape in row.shapes])
    on_kink = Polynomial(np.full(row.shapes[0], row.kink), np.ones((1, 2) + row.shapes[0], complex))
    with pytest.raises(DomainError, match=f"gate {row.gate} .*kink"):
        evaluate(circuit, [on_kink])
    evaluate(circuit, [on_kink.constant])      # degree 0 takes a branch


@pytest.mark.parametrize("name, parameters, x, word",
                         [("log", {}, 0.0, "logarithm"), ("log", {}, -1.0, "logarithm"),
                          ("power", {"exponent": 0.5}, -1.0, "positive base"),
                          ("power", {"exponent": 0.5}, 0.0, "positive base"),
                          ("power", {"exponent": -1}, 0.0, "positive base")])
def test_outside_the_domain_raises_and_names_gate_and_value(name, parameters, x, word):
    circuit = record(lambda x: find_gate(name)(x, **parameters), real(2))
    with pytest.raises(DomainError, match=rf"gate {name} at wire %1.*{x}.*{word}"):
        evaluate(circuit, [Polynomial(np.array([1.0, x]), np.ones((1, 1, 2)))])
    plain = (lambda: circuit(np.array([1.0, x]))), (lambda: evaluate(circuit, [np.array([1.0, x])]))
    for calculate in plain:
        if x < 0 or parameters.get("exponent") != 0.5:      # sqrt(0) is a plain number, without a derivative
            with pytest.raises(DomainError, match=f"gate {name}"):
                calculate()
        else:
            calculate()


@pytest.mark.parametrize("degree", [0, 1, 6])
def test_a_whole_power_passes_through_zero(degree):
    circuit = record(lambda x: x ** 3, real())      # of whole numbers, and so exact
    series = evaluate(circuit, [Polynomial(np.float64(0.0), np.array([[2.0 + 1.0j] + [0.0] * 5]))], degree)[0]
    expected = np.zeros(7, complex)
    expected[3] = (2.0 + 1.0j) ** 3
    np.testing.assert_allclose(series.all_orders()[0], expected[:degree + 1], rtol=1e-15)


@pytest.mark.parametrize("name, whole, real_number",
                         [("scale", {"by": 2}, {"by": 2.0}), ("shift", {"by": 2}, {"by": 2.0}),
                          ("power", {"exponent": 3}, {"exponent": 3.0})])
def test_whole_and_real_parameters_agree(name, whole, real_number, rng):
    x = [Polynomial(rng.normal(size=4), rng.normal(size=(2, 3, 4)) + 0j)]
    one, other = (evaluate(record(lambda x: find_gate(name)(x, **p), real(4)), x)[0]
                  for p in (whole, real_number))
    # the same instruction with the same number
    assert np.array_equal(one.all_orders(), other.all_orders())


@pytest.mark.parametrize("name, shapes, parameters", [
    ("add", ((2,), (3,)), {}),
    ("multiply", ((2, 3), (3, 2)), {}),
    ("einsum", ((2, 3), (4, 5)), {"spec": "ij,jk->ik"}),
    ("einsum", ((2, 3), (3, 5)), {"spec": "ij,jk->k"}),
    ("einsum", ((2, 2), (2,)), {"spec": "ii,i->i"}),
    ("sum", ((2, 3),), {"axes": (-4,)}),
    ("broadcast", ((2, 3),), {"shape": (4, 3)}),
    ("max", ((2, 0),), {"axis": -1}),
    ("reshape", ((2, 3),), {"source": (2, 3), "shape": (7,)}),
    ("transpose", ((2, 3),), {"axes": (-1, -1)}),
    ("slice", ((4,),), {"index": ((0, 9, 1),)}),
    ("place", ((4,),), {"index": ((0, 3, 1),), "shape": (5,)}),
    ("concatenate", ((2, 3), (2, 4)), {"axis": -2}),
    ("log", ((2,), (2,)), {})])
def test_a_wrong_shape_raises_and_names_the_gate(name, shapes, parameters):
    with pytest.raises(ShapeError, match=f"gate {name}"):
        record(lambda *x: find_gate(name)(*x, **parameters), *[real(*shape) for shape in shapes])


# declarations -----------------------------------------------------------------------------------------------

DECLARED = {"value": np.sinh, "vjp": lambda g, y, x: (None,), "doc": "", "taylor": "exp", "cost": free}
"""What `elementwise` needs, but for a name."""


@pytest.mark.parametrize("changes, words", [
    ({"cost": None}, "gate new: the line `cost=` is missing: cost.p, .*circuit/gates/cost.py"),
    ({"taylor": None}, "gate new: the line `taylor=` is missing: the name of the machine's operation"),
    ({"branch": "signs"}, "gate new: expected `branch=` None, 'sign' or 'winner', got 'signs'"),
    ({"branch": "sign"}, "gate new: the line `outside=` is missing"),
    ({"branch": "sign", "arity": 2}, "gate new: a domain or a branch is that of a gate with one input"),
    ({"name": "exp"}, "two gates named 'exp'"),
])
def test_a_declaration_that_lacks_a_line_is_refused(changes, words):
    with pytest.raises(CircuitError, match=words):
        elementwise(**{"name": "new"} | DECLARED | changes)
    assert "new" not in GATES


def test_marks_are_declared():
    with pytest.raises(CircuitError, match="gate new: the line `marks=` is missing"):
        Gate("new", 1, lambda x: x, np.sinh, lambda g, y, x: (None,), "", taylor="exp", cost=free)


class Declared(Gate):
    """A gate that is not entered in the registry."""

    def __post_init__(self):
        pass


@pytest.mark.parametrize("gates, operations, words", [
    ([("new", 1, "new")], (), "gate new: .* operation 'new', which is missing from OPERATIONS"),
    ([], ("new",), "operation 'new' of taylor/tape.py belongs to no gate: the line `taylor='new'`"),
    ([("new", 1, "new")], ("new",), "operation 'new' has no rule: .* missing from taylor/rules.py"),
    ([("max2", 2, COMPOSED)], (), "gate max2: with `taylor='composed'` a line is missing from LOWERED"),
])
def test_gates_without_an_operation_and_operations_without_a_rule_are_refused(gates, operations, words):
    new = [Declared(name, arity, np.shape, np.sinh, None, "", BY_VALUE, taylor)
           for name, arity, taylor in gates]
    with pytest.raises(CircuitError, match=words):
        check_rules([*GATES.values(), *new], (*operations, *k.OPERATIONS))


def test_an_operation_without_a_kernel_is_refused():
    """Behind einsum no operation works element by element, and each needs a kernel of its own."""
    new = Declared("new", 1, np.shape, np.sinh, None, "", BY_VALUE, "new")
    with pytest.raises(CircuitError, match="operation 'new' has no kernel: .* KERNELS in taylor/kernels.py"):
        check_rules([*GATES.values(), new], (*k.OPERATIONS, "new"))


def test_rows_that_a_table_does_not_have_raise():
    for name, parameters, shape in (("gather", {"rank": 2}, (4, 3)),
                                    ("scatter", {"rank": 2, "count": 4}, (2, 3))):
        for ids in ((0, 4), (-1, 0)):
            circuit = record(lambda x: find_gate(name)(x, np.array(ids), **parameters), real(*shape))
            with pytest.raises(DomainError, match=f"gate {name} .*row (4|-1) of a table with rows 0..3"):
                circuit(np.ones(shape))
            with pytest.raises(DomainError, match=f"gate {name} .*row (4|-1) of a table with rows 0..3"):
                evaluate(circuit, [Polynomial(np.ones(shape), np.ones((1, 2) + shape))])


@pytest.mark.parametrize("degree", [30, 100])
def test_high_degrees_keep_every_order(degree):
    orders = np.arange(degree + 1)
    step = np.zeros((1, degree), complex)
    step[0, 0] = 1j

    def coefficients(function, start, step):
        return evaluate(record(function, real()), [Polynomial(np.float64(start), step)])[0].all_orders()[0]

    halves = np.cumprod(np.concatenate([[1.0], 1j * (-0.5 - orders[:-1]) / orders[1:]]))
    exponential = np.cumprod(np.concatenate([[1.0], 30.0j / orders[1:]]))
    for function, start, rate, expected in ((lambda x: x ** -1, 1.0, 1.0, (-1j) ** orders),
                                            (lambda x: (1.0 - x).mean() ** -1, 0.0, 1.0, 1j ** orders),
                                            (lambda x: x ** -0.5, 1.0, 1.0, halves),
                                            (find_gate("exp"), 0.0, 30.0, exponential)):
        np.testing.assert_allclose(coefficients(function, start, step * rate), expected, rtol=1e-12)


def test_errors_name_a_nan_with_gate_order_and_direction():
    circuit = record(lambda x: x * x, real(2))
    huge = np.zeros((9, 3, 2), complex)
    huge[8, 0, 1] = 1e200
    with pytest.raises(DomainError,
                       match=r"gate multiply at wire %1 gives .*inf.* at \(1,\), order 2, direction 8"):
        evaluate(circuit, [Polynomial(np.ones(2), huge)])
    with pytest.raises(DomainError, match="input x0 holds nan"):
        evaluate(circuit, [np.array([1.0, np.nan])])


def test_a_degree_is_a_whole_number():
    for degree in (-1, 1.5, True):
        with pytest.raises(CircuitError, match="degree.*whole number"):
            evaluate(record(lambda x: x, real()), [np.float64(1.0)], degree)
