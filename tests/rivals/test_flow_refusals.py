"""What gradient flow, schedules and unlearning refuse, and what they say then."""
import numpy as np
import pytest

from deletion import LearnerError
from deletion.studies import schedules
from deletion.studies.fading import Unlearning
from deletion.studies.flow import Flow
from deletion.studies.schedules import (
    STEPS, PiecewiseConstant, PolynomialFade, linear, piecewise, polynomials, step)

X, Y = [[1.0, 0.0], [0.5, 1.0], [1.0, -1.0]], [1.0, 2.0, 0.0]


@pytest.mark.parametrize("call, words", [
    (lambda: Flow([[1.0, np.nan]], [1.0]), "finite"),
    (lambda: Flow(X, [1.0, np.inf, 0.0]), "finite"),
    (lambda: Flow(X, Y[:2]), r"y: expected shape \(3,\)"),
    (lambda: Flow([1.0, 2.0], [1.0, 2.0]), "rows, parameters"),
    (lambda: Flow([], []), "rows, parameters"),
    (lambda: Flow([["a"]], [1.0]), "real numbers"),
    (lambda: Flow(X, Y, [1.0]), r"start: expected shape \(2,\)"),
    (lambda: Flow([[1.0], [2.0, 3.0]], Y), "different lengths"),
    (lambda: Flow(X, np.array(Y) * 1j), "real"),
    (lambda: Flow(1e200 * np.array(X), Y), "too large"),
    (lambda: Flow(X, Y).at(-1.0), "times are >= 0"),
    (lambda: Flow(X, Y).at(np.inf), "finite"),
    (lambda: Flow(X, Y).at("soon"), "real numbers"),
    (lambda: Flow(X, Y).at(1.0, [1.0, 1.0]), r"weights: expected shape \(3,\)"),
    (lambda: Flow(X, Y).at(1.0, [1.0, 1.1, 1.0]), "from 0 to 1: got 1.1"),
    (lambda: Flow(X, Y).limit([1.0, -0.1, 1.0]), "from 0 to 1: got -0.1"),
    (lambda: Flow(X, Y).limit([0.0, 0.0, 0.0]), "all weights are 0"),
    (lambda: Flow(X, Y).without([0, 1, 2]), "all 3 rows"),
    (lambda: Flow(X, Y).without(3), "rows 0 to 2"),
    (lambda: Flow(X, Y).without(-1), ">= 0"),
    (lambda: Flow(X, Y).without([1, 1]), "more than once"),
    (lambda: Flow(X, Y).without(True), "whole number"),
    (lambda: Flow(X, Y).without("1"), "whole number"),
    (lambda: Flow(X, Y).without(1.0), "whole number"),
    (lambda: Flow(X, Y).without(np.array([True, False, False])), "whole number"),
])
def test_a_flow_says_what_is_wrong(call, words):
    with pytest.raises(LearnerError, match=words):
        call()


@pytest.mark.parametrize("call, words", [
    (lambda u: step(-0.1), "edges are >= 0"),
    (lambda u: step(np.nan), "finite"),
    (lambda u: step("now"), "real numbers"),
    (lambda u: PiecewiseConstant([]), "one edge more"),
    (lambda u: PiecewiseConstant([0.2, 0.1], [0.5]), "increase"),
    (lambda u: PiecewiseConstant([0.2, 0.2], [0.5]), "increase"),
    (lambda u: PiecewiseConstant([0.1, 0.2], [1.5]), "from 0 to 1"),
    (lambda u: PiecewiseConstant([0.1, 0.2], [0.5, 0.5]), "one edge more"),
    (lambda u: linear(0.5, 0.2), "t1.*>= 0.5"),
    (lambda u: linear(-0.1, 0.2), "s: .*>= 0"),
    (lambda u: PolynomialFade(0.1, 0.2, [-0.1]), "from 0 to 1"),
    (lambda u: PolynomialFade(0.1, 0.2, 0.5), "sequence"),
    (lambda u: step(0.3)(-1.0), "times are >= 0"),
    (lambda u: u.end(step(1.1)), "horizon 1"),
    (lambda u: u.end(step(0.1)), "from 0.2, when deletion was asked"),
    (lambda u: u.end(linear(0.3, 1.2)), "horizon 1"),
    (lambda u: u.end(0.5), "a schedule is"),
    (lambda u: u.follow(step(0.5), [0.1, np.nan]), "finite"),
    (lambda u: u.follow(step(0.5), -0.1), "times are >= 0"),
    (lambda u: u.distance(step(0.5), "moon"), "a target is 'optimum', 'trajectory' or 'orbit'"),
    (lambda u: u.good(step(0.5), -1.0), "beta"),
    (lambda u: u.nearest([1.0]), r"theta: expected shape \(2,\)"),
    (lambda u: u.good(step(0.5), 1.0, [1.0]), "admissible starts"),
    (lambda u: u.good(step(0.5), 1.0, []), "admissible starts"),
    (lambda u: u.good(step(0.5), 1.0, [[np.nan, 0.0]]), "finite"),
    (lambda u: u.nearest([1.0, 1.0], [1.0]), "start: expected shape"),
    (lambda u: u.best("steps", "orbit"), "a family is"),
    (lambda u: u.best(STEPS, ["orbit"]), "a target is"),
    (lambda u: u.best(STEPS, "orbit", 0), ">= 1"),
    (lambda u: piecewise(0), ">= 1"),
    (lambda u: polynomials(2.0), "whole number"),
    (lambda u: Unlearning(u.flow, 0, 0.0), "horizon"),
    (lambda u: Unlearning(u.flow, 0, 1.0, asked=1.0), "horizon"),
    (lambda u: Unlearning(X, 0, 1.0), "a Flow"),
    (lambda u: Unlearning(u.flow, 0, 1.0, asked=-1.0), "asking"),
    (lambda u: Unlearning(u.flow, [0, 1, 2], 1.0), "all 3 rows"),
])
def test_schedules_and_unlearning_say_what_is_wrong(call, words):
    with pytest.raises(LearnerError, match=words):
        call(Unlearning(Flow(X, Y), 0, 1.0, asked=0.2))


@pytest.mark.parametrize("former, present", [
    ("Schedule", schedules.WeightSchedule),
    ("Pieces", PiecewiseConstant),
    ("Polynomial", PolynomialFade),
    ("pieces", piecewise),
])
def test_former_names_of_schedules_warn(former, present):
    with pytest.warns(DeprecationWarning, match=f"is now called {present.__name__}"):
        assert getattr(schedules, former) is present
    with pytest.raises(AttributeError, match="no attribute 'hexagons'"):
        schedules.hexagons
