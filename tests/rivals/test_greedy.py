"""Greedy weights of a fading example: against a grid of weights, known answers and the best single step."""
import numpy as np
import pytest

from benchmarks.fading import RULES, greedy, problem, straightest
from deletion.studies.fading import Unlearning
from deletion.studies.flow import Flow
from deletion.studies.schedules import STEPS, step

LONGEST = RULES["greedy, longest way"]


def test_rules_choose_the_best_weight_of_a_grid(rng):
    """Ends are chosen for the longest way; the smallest angle is that of the best of 2,001 weights."""
    weights, inside = np.linspace(0.0, 1.0, 2001), 0
    for _ in range(100):
        velocity, change, aim = rng.normal(size=(3, 2))
        moves = velocity + weights[:, None] * change
        assert LONGEST(velocity, change, aim) == weights[(moves @ aim).argmax()]
        cosines = moves @ aim / np.linalg.norm(moves, axis=1)
        weight = straightest(velocity, change, aim)
        there = velocity + weight * change
        assert there @ aim / np.linalg.norm(there) >= cosines.max() - 1e-12
        inside += 0.0 < weight < 1.0
    assert inside > 10


def test_on_a_line_greedy_is_the_best_step():
    """X = (1, 1), y = (2, 1), start 0: kept until theta is at the optimum 1, at log(3) / 2, and never
    again."""
    unlearning = Unlearning(Flow([[1.0], [1.0]], [2.0, 1.0]), 0, 1.0)
    schedule = greedy(unlearning, "optimum", LONGEST, 400)
    turn = np.log(3.0) / 2.0
    assert schedule([turn - 0.003, turn + 0.003]).tolist() == [1.0, 0.0]
    assert (np.diff(schedule(np.linspace(0.0, 1.0, 500))) <= 0.0).all()
    assert unlearning.distance(schedule, "optimum") < 0.005


def test_where_every_weight_loses_greedy_leaves_at_once():
    """An orthonormal design and one row: from between the optima, keeping it never goes toward the target."""
    unlearning = Unlearning(Flow(np.eye(2), [1.0, 1.0], [1.0, 0.0]), 1, 2.0)
    for to in ("optimum", "trajectory"):
        schedule = greedy(unlearning, to, LONGEST, 50)
        assert set(schedule.values) == {0.0}
        now = unlearning.distance(step(0.0), to)
        assert unlearning.distance(schedule, to) == pytest.approx(now, abs=1e-14)


def test_greedy_is_that_of_small_explicit_steps():
    """The same choice in Euler's method with 4,000 steps, which moves the rows' gradients one by one."""
    unlearning = problem(0, "one")
    schedule, flow = greedy(unlearning, "optimum", LONGEST, 1000), unlearning.flow
    aim, theta = unlearning.retrained.limit(), flow.at(unlearning.asked)
    pace = (unlearning.horizon - unlearning.asked) / 4000
    for _ in range(4000):
        slopes = (flow.y - flow.x @ theta)[:, None] * flow.x
        weights = np.ones(len(flow.x))
        weights[unlearning.rows] = slopes[unlearning.rows].sum(axis=0) @ (aim - theta) > 0.0
        theta = theta + pace * weights @ slopes
    assert unlearning.end(schedule) == pytest.approx(theta, abs=2e-3 * np.linalg.norm(aim))


def test_greedy_by_the_longest_way_never_beats_the_best_step():
    """Of eight problems; and it loses clearly in some. The best step is that of a grid, so that no optimiser
    is trusted, less what its spacing may cost."""
    lost = 0
    for seed in range(4):
        for kind in ("one", "random"):
            unlearning = problem(seed, kind)
            grid = np.linspace(unlearning.asked, unlearning.horizon, 200)
            best = min(unlearning.distance(step(t), "optimum") for t in grid)
            away = unlearning.distance(greedy(unlearning, "optimum", LONGEST), "optimum")
            found = unlearning.distance(unlearning.best(STEPS, "optimum"), "optimum")
            assert found <= best + 1e-12 and away >= found - 1e-9
            lost += away > 1.05 * best
    assert lost >= 4
