"""Gradient flow: the explicit solution against integration and exponentials, limits, schedules, targets."""
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from benchmarks.flow import REQUEST, around, descending, duels, unit_of, won
from deletion.studies.fading import Unlearning
from deletion.studies.flow import Flow
from deletion.studies.schedules import (
    LINES, STEPS, PiecewiseConstant, PolynomialFade, linear, piecewise, polynomials, step)


def problem(rng, rows=20, size=2):
    return rng.normal(size=(rows, size)), rng.normal(size=rows), rng.normal(size=size)


def integrated(x, y, weights, start, time):
    """The flow by a Runge-Kutta method, from its differential equation; weights are a function of time."""
    solved = solve_ivp(lambda t, theta: x.T @ (weights(t) * (y - x @ theta)), (0.0, time), start, "DOP853",
                       rtol=1e-13, atol=1e-14)
    assert solved.success
    return solved.y[:, -1]


def exponential(x, y, weights, start, time):
    """The flow as one matrix exponential of the affine system."""
    size = x.shape[1]
    generator = np.zeros((size + 1, size + 1))
    generator[:size, :size], generator[:size, size] = -(x.T * weights) @ x, (x.T * weights) @ y
    return (expm(generator * time) @ np.append(start, 1.0))[:size]


def distances(unlearning, to, schedules):
    return np.array([unlearning.distance(s, to) for s in schedules])


# the flow ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rows, size", [(20, 3), (3, 5), (1, 2)])
def test_the_explicit_solution(rng, rows, size):
    """Also with fewer rows than parameters, where some directions never move."""
    x, y, start = problem(rng, rows, size)
    for weights in (np.ones(rows), rng.uniform(size=rows), (np.arange(rows) % 3 == 0).astype(float)):
        flow, times = Flow(x, y, start), np.array([0.0, 0.01, 0.3, 2.0])
        path = flow.at(times, weights)
        assert (path[0] == start).all() and flow.at(0.3, weights).shape == (size,)      # e^0 - 1 is 0
        for t, theta in zip(times, path):
            np.testing.assert_allclose(theta, exponential(x, y, weights, start, t), rtol=0, atol=1e-12)
            if t:
                np.testing.assert_allclose(theta, integrated(x, y, lambda t: weights, start, t), rtol=0,
                                           atol=1e-10)
    np.testing.assert_allclose(flow.at(times), flow.at(times, np.ones(rows)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("rows, size", [(20, 3), (4, 7)])
def test_the_limit(rng, rows, size):
    """(X^T X)^+ X^T y + (I - X^T (X X^T)^+ X) start: of all minimisers, the nearest to the start."""
    x, y, start = problem(rng, rows, size)
    flow = Flow(x, y, start)
    formula = np.linalg.pinv(x.T @ x) @ x.T @ y + (np.eye(size) - x.T @ np.linalg.pinv(x @ x.T) @ x) @ start
    np.testing.assert_allclose(flow.limit(), formula, rtol=0, atol=1e-10)
    np.testing.assert_allclose(flow.limit(), start + np.linalg.lstsq(x, y - x @ start)[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(flow.at(1e6), flow.limit(), rtol=0, atol=1e-10)
    weights = rng.uniform(size=rows)
    np.testing.assert_allclose(flow.limit(weights, np.zeros(size)),
                               np.linalg.lstsq(np.sqrt(weights)[:, None] * x, np.sqrt(weights) * y)[0],
                               rtol=0, atol=1e-10)


def test_repeated_columns_and_zeros_are_lost_rank(rng):
    x, y, start = problem(rng, 8, 2)
    x = np.column_stack([x, x[:, 0], np.zeros(8)])
    start = np.append(start, [1.0, 5.0])
    theta = Flow(x, y, start).limit()
    assert [theta[3], theta[0] - theta[2]] == pytest.approx([5.0, start[0] - start[2]], abs=1e-12)
    # there is nothing to add
    assert (Flow(np.zeros((3, 2)), np.ones(3), [1.0, 2.0]).at([0.0, 9.0]) == [1.0, 2.0]).all()


def test_slow_directions_are_no_lost_rank():
    """A singular value of 1e-11: its rate is 1e-22, and at infinity its target is reached all the same."""
    flow = Flow(np.diag([1.0, 1e-11]), [1.0, 1.0], [0.0, 5.0])
    assert flow.limit() == pytest.approx([1.0, 1e11], rel=1e-4)
    assert flow.at(1e3)[1] == pytest.approx(5.0 + 1e-8, abs=1e-12)


@pytest.mark.parametrize("rows", [4, [4], [0, 7, 11]])
def test_deletion_is_weight_zero_and_ends_at_the_closed_form(rng, rows):
    x, y, start = problem(rng, 20, 3)
    flow, weights = Flow(x, y, start), np.ones(20)
    weights[rows] = 0.0
    kept = weights > 0.0
    closed = np.linalg.inv(x[kept].T @ x[kept]) @ x[kept].T @ y[kept]
    for theta in (flow.without(rows).limit(), flow.limit(weights), flow.at(1e5, weights)):
        np.testing.assert_allclose(theta, closed, rtol=0, atol=1e-10)
    np.testing.assert_allclose(flow.without(rows).at(0.2), flow.at(0.2, weights), rtol=0, atol=1e-13)
    if rows == 4:      # and the leverage formula
        inverse = np.linalg.inv(x.T @ x)
        residual, leverage = y[4] - x[4] @ flow.limit(), x[4] @ inverse @ x[4]
        np.testing.assert_allclose(flow.limit() - closed, inverse @ x[4] * residual / (1.0 - leverage),
                                   rtol=0, atol=1e-10)


def test_gradient_descent_follows_the_flow_at_first_order(rng):
    """A Learner's SGD along the mean of n examples: a step takes time rate / n. With and without two
    examples."""
    x, y, start = problem(rng, 10, 3)
    flow, time, weights, errors = Flow(x, y, start), 0.2, np.ones((2, 10)), []
    weights[1, [2, 5]] = 0.0
    for steps in (100, 200, 400, 800):
        errors.append(np.linalg.norm(descending(flow, time, steps).train(weights)[0]
                                     - np.stack([flow.at(time, w) for w in weights]), axis=1))
    slopes = np.diff(np.log(errors), axis=0) / -np.log(2.0)
    assert (np.abs(slopes - 1.0) < 0.02).all() and (np.abs(slopes[-1] - 1.0) < np.abs(slopes[0] - 1.0)).all()


# schedules --------------------------------------------------------------------------------------------------

def test_what_schedules_are(rng):
    t = np.array([0.0, 0.2, 0.35, 0.6, 0.99, 1.0, 3.0])
    np.testing.assert_array_equal(step(0.6)(t), [1, 1, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(linear(0.2, 1.0)(t), [1, 1, 0.8125, 0.5, 0.0125, 0, 0], atol=1e-15)
    np.testing.assert_array_equal(PiecewiseConstant([0.2, 0.5, 1.0], [0.3, 0.9])(t),
                                  [1, 0.3, 0.3, 0.9, 0.9, 0, 0])
    # smooth at both ends
    np.testing.assert_allclose(PolynomialFade(0.0, 1.0, [1.0, 0.0])(t[:-1]),
                               1 - 3 * t[:-1] ** 2 + 2 * t[:-1] ** 3, atol=1e-14)
    assert linear(0.5, 0.5)(0.4999) == 1.0 and linear(0.5, 0.5)(0.5) == 0.0
    for _ in range(20):
        values = PolynomialFade(0.1, 0.9, rng.uniform(size=rng.integers(0, 6)))(np.linspace(0.0, 1.0, 101))
        assert values.min() >= -1e-15 and values.max() <= 1.0 + 1e-15


def test_following_pieces_is_exact_and_agrees_with_integration(rng):
    x, y, start = problem(rng, 12, 3)
    rows = [3, 8]
    unlearning = Unlearning(Flow(x, y, start), rows, 0.9, asked=0.1)
    edges, values = np.array([0.1, 0.3, 0.45, 0.9]), [0.7, 0.0, 0.25]
    path = unlearning.follow(PiecewiseConstant(edges, values), [1.2, 0.0, 0.3, 0.05, 0.9])      # in any order
    theta, begin, corners = start, 0.0, {}
    for end, weight in zip([*edges, 1.2], [1.0, *values, 0.0]):
        weights = np.ones(12)
        weights[rows] = weight
        theta, begin = integrated(x, y, lambda t: weights, theta, end - begin), end
        corners[end] = theta
    np.testing.assert_allclose(path[[2, 4, 0]], [corners[0.3], corners[0.9], corners[1.2]], rtol=0,
                               atol=1e-10)
    np.testing.assert_allclose(path[[1, 3]], Flow(x, y, start).at([0.0, 0.05]), rtol=0, atol=1e-13)


def test_continuous_schedules_are_the_limit_of_pieces(rng):
    """Midpoint pieces converge at second order; extrapolated three times they reach the integrated end."""
    x, y, start = problem(rng, 12, 3)
    unlearning = Unlearning(Flow(x, y, start), [3, 8], 1.0, asked=0.1)
    for schedule in (linear(0.1, 0.9), PolynomialFade(0.2, 0.9, (0.9, 0.2, 0.6))):
        ends = []
        for count in (100, 200, 400, 800):
            edges = np.linspace(schedule.s, schedule.t1, count + 1)
            ends.append(unlearning.end(PiecewiseConstant(edges, schedule((edges[1:] + edges[:-1]) / 2.0))))
        misses = np.linalg.norm(np.array(ends) - unlearning.end(schedule), axis=1)
        np.testing.assert_allclose(misses[:-1] / misses[1:], 4.0, rtol=0.01)
        for factor in (4.0, 16.0, 64.0):
            ends = [(factor * fine - coarse) / (factor - 1.0) for coarse, fine in zip(ends, ends[1:])]
        np.testing.assert_allclose(ends[0], unlearning.end(schedule), rtol=0, atol=1e-12)
        times = np.linspace(0.0, 1.5, 7)
        path = unlearning.follow(schedule, times)
        np.testing.assert_allclose(path, [unlearning.follow(schedule, t) for t in times], rtol=0, atol=1e-12)
        np.testing.assert_allclose(path[-1], Flow(x, y, path[4]).without([3, 8]).at(times[-1] - times[4]),
                                   rtol=0, atol=1e-12)


def test_rows_may_be_a_generator():
    """Read once: the retrained flow is without the same rows."""
    unlearning = Unlearning(Flow([[1.0], [1.0], [1.0]], [3.0, 2.0, 1.0]), (row for row in (0, 1)), 1.0)
    assert unlearning.rows.tolist() == [0, 1] and unlearning.retrained.limit() == pytest.approx([1.0])


def test_nothing_deleted_changes_nothing(rng):
    x, y, start = problem(rng)
    unlearning = Unlearning(Flow(x, y, start), [], 0.5)
    times = np.linspace(0.0, 0.7, 5)
    for schedule in (step(0.2), linear(0.1, 0.4), PiecewiseConstant([0.1, 0.3], [0.5])):
        path = unlearning.follow(schedule, times)
        np.testing.assert_allclose(path, Flow(x, y, start).at(times), rtol=0, atol=1e-13)
        assert unlearning.distance(schedule, "trajectory") < 1e-13


# targets ----------------------------------------------------------------------------------------------------

def test_the_three_targets(rng):
    """Of a point on the orbit its time is found; of any other, no point of a dense orbit is nearer."""
    x, y, start = problem(rng, 8, 4)
    unlearning = Unlearning(Flow(x, y, 3.0 * start), 2, 0.4, asked=0.05)
    orbit = unlearning.retrained
    for t in (0.0, 1e-7, 0.01, 0.3, 2.0):
        time, point = unlearning.nearest(orbit.at(t))
        np.testing.assert_allclose(time, t, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(point, orbit.at(t), rtol=0, atol=1e-13)
    dense = np.vstack([orbit.at(np.concatenate([[0.0], np.geomspace(1e-6, 100.0, 100000)])), orbit.limit()])
    for theta in [orbit.limit() + s * rng.normal(size=4) for s in np.geomspace(0.01, 10.0, 30)]:
        time, point = unlearning.nearest(theta)
        near, brute = np.linalg.norm(point - theta), np.linalg.norm(dense - theta, axis=1).min()
        assert near <= brute + 1e-13 and brute <= near + 1e-6 * (1.0 + near)
        np.testing.assert_allclose(point, orbit.limit() if time == np.inf else orbit.at(time), rtol=0,
                                   atol=1e-13)
    schedule = linear(0.05, 0.3)
    end = unlearning.end(schedule)
    assert unlearning.distance(schedule, "optimum") == pytest.approx(np.linalg.norm(end - orbit.limit()),
                                                                     rel=1e-13)
    assert unlearning.distance(schedule, "trajectory") == pytest.approx(np.linalg.norm(end - orbit.at(0.4)),
                                                                        rel=1e-13)
    near = unlearning.distance(schedule, "orbit")
    assert near == pytest.approx(np.linalg.norm(dense - end, axis=1).min(), rel=1e-6)
    assert near < min(unlearning.distance(schedule, to) for to in ("optimum", "trajectory"))


def test_good_unlearning_is_reached_before_the_horizon():
    """X = (1, 1)^T, y = (2, 1), T = 1/2, the row y = 2 kept to the end: theta(T) = 1.5 (1 - 1/e). Training
    without it goes along 1 - (1 - a) e^-t from a start a: from 0 it comes there at t = 2.96, which is too
    late, and from a = .93 in time."""
    unlearning, end = Unlearning(Flow([[1.0], [1.0]], [2.0, 1.0]), 0, 0.5), 1.5 * -np.expm1(-1.0)
    kept, away = step(0.5), end + np.expm1(-0.5)
    assert -np.log1p(-end) == pytest.approx(2.96, abs=0.001) and unlearning.distance(kept, "orbit") < 1e-12
    assert not unlearning.good(kept, 1e-3)
    assert not unlearning.good(kept, 0.999 * away) and unlearning.good(kept, 1.001 * away)
    assert unlearning.good(kept, 1e-12, [0.93]) and unlearning.good(kept, 1e-12, [[0.0], [0.9], [0.93]])
    assert not unlearning.good(kept, 1e-3, [[0.0], [0.9]])      # which comes to 1 - .1 e^-.5 = .939 of .948
    assert unlearning.good(step(0.0), 1e-9)
    assert Unlearning(unlearning.flow, 0, 50.0).good(step(0.1), 1e-9)      # time heals


@pytest.mark.parametrize("rows, size", [(8, 3), (3, 5)])
def test_good_unlearning_against_a_grid_of_times(rng, rows, size):
    """From one start and from three, T inside and beyond the time at which training without the row is
    nearest."""
    early = 0
    for horizon in np.geomspace(0.02, 2.0, 12):
        x, y, start = problem(rng, rows, size)
        unlearning = Unlearning(Flow(x, y, 3.0 * start), 1, horizon)
        schedule, grid = linear(0.0, 0.8 * horizon), np.linspace(0.0, horizon, 20_001)[:-1]
        end = unlearning.end(schedule)
        early += unlearning.nearest(end)[0] < horizon
        for starts in (None, end + 0.3 * rng.normal(size=(3, size))):
            from_each = unlearning.flow.start[None] if starts is None else starts
            paths = [unlearning.retrained.at(grid, start=a) for a in from_each]
            least = min(np.linalg.norm(path - end, axis=1).min() for path in paths)
            # two times of the grid
            between = max(np.linalg.norm(np.diff(path, axis=0), axis=1).max() for path in paths)
            assert unlearning.good(schedule, least + 1e-12, starts)
            assert not unlearning.good(schedule, max(least - between, 0.0), starts)
    assert 0 < early < 12


# facts ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rows, size", [(3, 3), (9, 4), (30, 6)])
def test_an_orthonormal_design_is_best_left_at_once(rng, rows, size):
    """H = I, |x_j| = 1: the derivative of half the squared distance in tau is e^-tau (1 - e^-tau) |(I -
    P)(theta* - start)|^2."""
    unit, rest = np.split(np.linalg.qr(rng.normal(size=(size, size)))[0], [1], axis=1)
    # of the complement: its rows are not orthogonal to one another
    frame = np.linalg.qr(rng.normal(size=(rows - 1, size - 1)))[0]
    x, y, start = np.vstack([unit.T, frame @ rest.T]), rng.normal(size=rows), rng.normal(size=size)
    np.testing.assert_allclose(x.T @ x, np.eye(size), rtol=0, atol=1e-14)
    projector = x[1:].T @ x[1:]
    np.testing.assert_allclose(projector @ projector, projector, rtol=0, atol=1e-14)
    unlearning = Unlearning(Flow(x, y, start), 0, 3.0)
    off = np.linalg.norm((np.eye(size) - projector) @ (unlearning.flow.limit() - start)) ** 2
    for tau in (0.01, 0.5, 1.0, 2.5):
        after, before = 0.5 * distances(unlearning, "optimum", [step(tau + 1e-4), step(tau - 1e-4)]) ** 2
        assert (after - before) / 2e-4 == pytest.approx(np.exp(-tau) * -np.expm1(-tau) * off, rel=1e-6)
    # around tau = 0 the distance is flat: of tau 1e-6, only 1e-12 can be seen
    best = unlearning.best(STEPS, "optimum")
    assert best.edges[0] < 1e-5
    assert (np.diff(distances(unlearning, "optimum", [step(t) for t in np.linspace(0.0, 3.0, 31)]))
            > 0.0).all()


@pytest.mark.parametrize("row, optimum", [(0, 1.0), (1, 2.0)])
def test_a_case_in_which_keeping_the_example_helps(row, optimum):
    """X = (1, 1)^T, y = (2, 1), start 0: keeping to the end beats deleting at once while T < log 3; the best
    step is log(3) / 2."""
    flow, turn = Flow([[1.0], [1.0]], [2.0, 1.0]), np.log(3.0)
    for horizon in (0.05, 0.5, 0.999 * turn, 1.001 * turn, 3.0):
        unlearning = Unlearning(flow, row, horizon)
        assert unlearning.retrained.limit() == pytest.approx([optimum], abs=1e-14)
        kept, deleted = distances(unlearning, "optimum", [step(horizon), step(0.0)])
        assert kept == pytest.approx(abs(1.5 * -np.expm1(-2.0 * horizon) - optimum), abs=1e-13)
        assert deleted == pytest.approx(optimum * np.exp(-horizon), abs=1e-13)
        assert (kept < deleted) == (horizon < turn)
        best = unlearning.best(STEPS, "optimum")
        assert best.edges[0] == pytest.approx(min(horizon, turn / 2.0), abs=1e-6)
        assert unlearning.distance(best, "optimum") < deleted
        assert unlearning.distance(step(0.0), "trajectory") < 1e-14


def test_no_schedule_beats_the_best_step_there(rng):
    """Theta grows fastest with the row y = 1 kept while theta < 1: the best of all schedules."""
    unlearning = Unlearning(Flow([[1.0], [1.0]], [2.0, 1.0]), 1, np.log(3.0))
    least = unlearning.distance(step(np.log(3.0) / 2.0), "optimum")
    assert least == pytest.approx(1.0 / np.sqrt(3.0), rel=1e-13)
    best = unlearning.best(piecewise(4), "optimum")      # an edge lies at log(3) / 2
    assert best.values == pytest.approx([1.0, 1.0, 0.0, 0.0], abs=1e-6)
    assert unlearning.distance(best, "optimum") == pytest.approx(least, rel=1e-6)
    others = [unlearning.best(LINES, "optimum"), unlearning.best(polynomials(3), "optimum"),
              unlearning.best(piecewise(5), "optimum"),
              *(PiecewiseConstant(np.linspace(0.0, np.log(3.0), 7), rng.uniform(size=6)) for _ in range(50))]
    assert distances(unlearning, "optimum", others).min() > least * (1.0 - 1e-12)


@pytest.mark.parametrize("far", [0.2, 1.0])
def test_starts_from_which_every_weight_loses(rng, far):
    """From points between the retrained optimum and the old one, keeping the row ends farther away."""
    unlearning = Unlearning(*around(rng, 0.0, far), 0.25)      # 20 points, 2 parameters
    now = unlearning.distance(step(0.0), "optimum")
    constant = [PiecewiseConstant([0.0, 0.25], [eps]) for eps in np.geomspace(1e-4, 1.0, 30)]
    steps = [step(t) for t in np.linspace(0.0, 0.25, 31)[1:]]
    lines = [linear(0.0, t) for t in np.linspace(0.01, 0.25, 10)]
    random = [PiecewiseConstant(np.linspace(0.0, 0.25, 6), rng.uniform(size=5)) for _ in range(100)]
    others = distances(unlearning, "optimum", constant + steps + lines + random)
    assert others.min() > (1.0 + 1e-8) * now      # the nearest is 1e-4 of the weight
    assert unlearning.best(piecewise(5), "optimum").values == pytest.approx([0.0] * 5, abs=1e-6)


def test_starts_from_which_switching_late_loses_badly(rng):
    """Beyond the retrained optimum the row pulls to where one wants to go, and then past it."""
    unlearning = Unlearning(*around(rng, 180.0, 1.0), 0.25)
    best_step = unlearning.best(STEPS, "optimum")
    best, now, late = distances(unlearning, "optimum", [best_step, step(0.0), step(0.25)])
    assert 0.01 < best_step.edges[0] < 0.2 and best < 0.5 * now and late > 10.0 * best and late > 2.0 * now


@pytest.mark.parametrize("seed, better", [(0, "line"), (4, "step"), (13, "neither")])
def test_neither_steps_nor_lines_are_better_in_general(seed, better):
    """Of the benchmark's problems: a line that no step of a grid comes near, steps that no line does, and one
    best left at once."""
    unlearning = Unlearning(*around(np.random.default_rng(seed), *REQUEST), 0.25, asked=0.06)
    grid = np.linspace(0.06, 0.25, 96)
    steps = distances(unlearning, "optimum", [step(t) for t in grid])
    lines = distances(unlearning, "optimum", [linear(0.06, t) for t in grid])
    of_step, of_line = duels([seed])[0] * unit_of(unlearning)
    assert of_step <= steps.min() + 1e-7 and of_line <= lines.min() + 1e-7
    if better == "neither":
        assert steps.argmin() == lines.argmin() == 0 and of_step == pytest.approx(of_line, abs=1e-7)
    else:
        assert (lines.min() < 0.95 * of_step) if better == "line" else (steps.min() < 0.95 * of_line)
    counts = won(np.array([[1.0, 0.9], [0.9, 1.0], [0.9, 1.0], [1.0, 1.0 + 1e-9]]))
    assert counts == {"step": 2, "line": 1, "tie": 1}


def test_when_the_flows_commute(rng):
    """H and H_{-j} commute exactly when x_j is an eigenvector of H_{-j}."""
    def commutator(x):
        return Unlearning(Flow(x, np.ones(len(x))), 0, 1.0).commutator()
    x = problem(rng, 6, 3)[0]
    generic, v = commutator(x), (x[1:].T @ x[1:]) @ x[0]
    assert generic == pytest.approx(np.linalg.norm(np.outer(x[0], v) - np.outer(v, x[0])), rel=1e-12)
    assert generic > 0.1
    axes = np.linalg.eigh(x[1:].T @ x[1:])[1]
    for axis in axes.T:
        x[0] = 1.7 * axis
        assert commutator(x) < 1e-13 * np.linalg.norm(x) ** 4
    # parallel or orthogonal is sufficient; sums and products of small whole numbers are exact
    assert commutator([[1.0, 2.0], [-2.0, -4.0], [2.0, -1.0]]) == 0.0
    assert commutator([[1.0, 0.0], [1.0, 1.0], [1.0, -1.0]]) == 0.0      # neither: not necessary
    assert commutator([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]) > 1.0


def test_larger_families_end_nearer(rng):
    """After a late request, for every target: optimised families contain, and so beat, simpler ones; a grid
    does not beat the optimiser."""
    unlearning = Unlearning(*around(rng, 230.0, 5.0), 0.25, asked=0.05)
    for to in ("optimum", "trajectory", "orbit"):
        families = {"steps": STEPS, "lines": LINES} | {count: piecewise(count) for count in (2, 4, 8)}
        least = {name: unlearning.distance(unlearning.best(family, to, 2), to)
                 for name, family in families.items()}
        slack = 1e-7
        assert least[8] <= least[4] + slack and least[4] <= least[2] + slack
        grid = np.linspace(0.05, 0.25, 41)
        assert least["steps"] <= distances(unlearning, to, [step(t) for t in grid]).min() + slack
        assert least["lines"] <= distances(unlearning, to, [linear(0.05, t) for t in grid[::4]]).min() + slack


def test_the_benchmark_prints_tables_and_draws(tmp_path):
    result = subprocess.run([sys.executable, "-m", "benchmarks.flow", "--quick", "--out", str(tmp_path)],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for words in ("8 pieces", "order in the step", "the best step is nearer in"):
        assert words in result.stdout
    assert {path.name for path in tmp_path.glob("*.[jp]*")} == {"flow.json", "flow_portraits.png",
                                                                "flow_trajectories.png", "flow_switching.png"}
    results = json.loads((tmp_path / "flow.json").read_text())
    assert sum(results["step_against_line"].values()) == 4
    assert results["order"] == pytest.approx(1.0, abs=0.05)
    assert results["distances"]["8 pieces"]["orbit"] < results["distances"]["at once"]["orbit"]
