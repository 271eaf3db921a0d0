"""The checks themselves: rules that are wrong on purpose must fail them."""
from dataclasses import replace

import numpy as np
import pytest
from checks import adjoint, against_mpmath, chain, contour, naive, subject_of
from naive import RULES
from table import TABLE

from taylor import Polynomial

DEGREE = 6
BY_GATE = {row.gate: row for row in TABLE}


def changed(taylor, change):
    """A Taylor rule whose coefficients (directions, orders 1..p, ...) are changed."""
    def rule(inputs):
        y = taylor(inputs)
        orders = np.arange(1, y.degree + 1).reshape((-1,) + (1,) * len(y.shape))
        return Polynomial(y.constant, change(y.coefficients, orders))
    return rule


FACTORIALS = np.cumprod(np.arange(1, DEGREE + 1)).astype(float)

WRONG_TAYLOR = {
    "a factor at one order": lambda c, r: c * np.where(r == 4, 1.0 + 1e-8, 1.0),
    "a factor everywhere": lambda c, r: c * 0.5,
    "derivatives in place of coefficients": lambda c, r: c * FACTORIALS.reshape(r.shape),
    "a sign": lambda c, r: np.where(r == 2, -c, c),
    "conjugated": lambda c, r: c.conj(),
    "real directions only": lambda c, r: c.real + 0j,
    "the highest order dropped": lambda c, r: c * (r < DEGREE),
    "orders out of place": lambda c, r: np.roll(c, 1, axis=1),
    "directions exchanged": lambda c, r: c[::-1],
    "NaN": lambda c, r: c * np.where(r == 6, np.nan, 1.0),
}


@pytest.mark.parametrize("gate", ["exp", "gelu", "multiply", "power"])
@pytest.mark.parametrize("wrong", WRONG_TAYLOR)
def test_a_wrong_taylor_rule_fails(gate, wrong, rng):
    row = BY_GATE[gate]
    right = subject_of(row, DEGREE)
    subject, inputs = replace(right,
                              taylor=changed(right.taylor, WRONG_TAYLOR[wrong])), row.sample(rng, DEGREE)
    with pytest.raises(AssertionError):
        contour(subject, inputs, DEGREE)
    with pytest.raises(AssertionError):
        naive(RULES[gate], subject, inputs, row.parameters)
    with pytest.raises(AssertionError):
        chain(subject, inputs, DEGREE, rng)
    if callable(row.mpmath) and wrong != "a factor at one order":
        with pytest.raises(AssertionError):
            against_mpmath(row.mpmath, subject, inputs, DEGREE)


@pytest.mark.parametrize("wrong", [np.conj, np.real, np.abs])
def test_a_value_that_is_not_analytic_fails(wrong, rng):
    row = BY_GATE["exp"]
    right = subject_of(row, DEGREE)
    with pytest.raises(AssertionError):
        contour(replace(right, value=lambda x: right.value(wrong(x))), row.sample(rng, DEGREE), DEGREE)


@pytest.mark.parametrize("gate", ["relu", "abs", "step", "max", "one_hot_max"])
def test_a_branch_that_is_not_declared_fails(gate, rng):
    """The check that gates without a branch pass, by one that has one."""
    row = BY_GATE[gate]
    with pytest.raises(AssertionError):
        contour(subject_of(row, DEGREE), row.across(rng, DEGREE), DEGREE)


def scaled(polynomial, factor):
    return Polynomial(polynomial.constant * factor, polynomial.coefficients * factor)


WRONG_SLOPES = {
    "a factor": lambda slopes: [scaled(s, 1.0 + 1e-8) for s in slopes],
    "a sign": lambda slopes: [scaled(s, -1.0) for s in slopes],
    "an input dropped": lambda slopes: [*slopes[:-1], scaled(slopes[-1], 0.0)],
    "inputs exchanged": lambda slopes: slopes[::-1],
}


@pytest.mark.parametrize("gate", ["multiply", "einsum"])
@pytest.mark.parametrize("wrong", WRONG_SLOPES)
def test_a_wrong_reverse_rule_fails(gate, wrong, rng):
    row = next(r for r in TABLE if r.gate == gate and r.shapes[0] == r.shapes[1])
    right = subject_of(row, DEGREE)
    subject, inputs = replace(right, slopes=lambda x,
                              g: WRONG_SLOPES[wrong](list(right.slopes(x, g)))), row.sample(rng, DEGREE)
    with pytest.raises(AssertionError):
        chain(subject, inputs, DEGREE, rng)
    with pytest.raises(AssertionError):
        adjoint(subject, inputs, rng)


def test_a_reverse_rule_that_forgets_higher_orders_fails_the_chain_check_alone(rng):
    row = BY_GATE["exp"]
    right, inputs = subject_of(row, DEGREE), row.sample(rng, DEGREE)

    def still(x, g):
        return [Polynomial(s.constant, 0.0 * s.coefficients) for s in right.slopes(x, g)]
    adjoint(replace(right, slopes=still), inputs, rng)
    with pytest.raises(AssertionError):
        chain(replace(right, slopes=still), inputs, DEGREE, rng)
