"""Visits and influence over time, against trainings written again in plain NumPy."""
import numpy as np
import pytest
from learners import data, least_squares, logistic_loss, network, ridge, sigmoid, tiny

from deletion import Learner, LearnerError, Momentum, precompute, retrain
from deletion.influence import metagradient
from deletion.studies.schedules import linear, step
from deletion.timeline import Visits, dropped_before, dropped_from, influence_over_time, visits

QUIET = {"progress": False}


# what is compared with --------------------------------------------------------------------------------------

N, STEPS = 6, 8
UNITS = ["a", "a", "b", "b", "c", "d"]
X, Y = data(N, 2, 5)
SCHEDULE = np.array([[0, 1, 2], [3, 4, 0], [1, 1, 5], [2, 3, 4], [0, 5, 2], [4, 0, 1], [3, 2, 1], [4, 4, 0]])


def grouped():
    """Logistic regression with momentum by batches, in which a unit has several examples, or one twice."""
    return Learner(np.array([0.2, -0.1]), list(zip(X, Y)), logistic_loss, Momentum(0.4, 0.8), SCHEDULE,
                   regularizer=ridge, units=UNITS)


def by_hand(weights):
    """The same training in NumPy, with a weight for every place of the schedule (steps, batch)."""
    w, moving = np.array([0.2, -0.1]), np.zeros(2)
    for batch, weight in zip(SCHEDULE, weights):
        slopes = -Y[batch, None] * X[batch] * sigmoid(-Y[batch] * (X[batch] @ w))[:, None]
        moving = 0.8 * moving + (weight[:, None] * slopes).mean(axis=0) + 0.1 * w
        w = w - 0.4 * moving
    return w


def scheduled(deletion_set, eps):
    """The same, with a set's weight at every step."""
    inside = np.isin(np.array(UNITS)[SCHEDULE], deletion_set)
    return by_hand(np.where(inside, np.asarray(eps)[:, None], 1.0))


def second(w):
    return w[0] + w[1] * w[1]


# schedules --------------------------------------------------------------------------------------------------

def test_any_schedule_is_a_row_of_weights(rng):
    visited, eps = visits(grouped()), rng.uniform(0.0, 2.0, (3, STEPS))
    for deletion_set in ("a", ["b", "d"], []):
        ends = retrain(visited.learner, weights=visited.weights(deletion_set, eps), **QUIET)
        assert np.allclose(ends, [scheduled(deletion_set, row) for row in eps], rtol=0, atol=1e-12)


def test_visits_are_units_at_steps():
    visited = visits(grouped())
    assert visited.learner.units == [(grouped().units[unit], step)
                                     for unit, step in zip(visited.units, visited.steps)]
    assert len(set(visited.learner.units)) == len(visited.steps) == 18
    own = [i for i, (unit, _) in enumerate(visited.learner.units) if unit == "a"]
    assert np.array_equal(visited.of("a"), own)
    end = retrain(visited.learner, [[("a", 2)]], **QUIET)[0]
    weights = np.ones(SCHEDULE.shape)
    weights[2, :2] = 0.0      # both places of the step hold an example of this unit
    assert np.allclose(end, by_hand(weights), rtol=0, atol=1e-12)


def test_schedules_of_gradient_flow_are_taken():
    visited, times = visits(tiny()), np.arange(12.0)
    assert np.array_equal(visited.weights([2], step(5.0)), visited.weights([2], 1.0 * (times < 5)))
    assert np.array_equal(visited.weights([2], linear(0.0, 12.0))[visited.of(2)], 1.0 - np.array([2, 8]) / 12)


@pytest.mark.parametrize("make", (network, tiny, grouped))
def test_ordinary_weights_are_the_ordinary_training(make):
    """With Adam, momentum, parameters by name, and examples that no step uses."""
    learner = make()
    visited = visits(learner)
    end = retrain(visited.learner, weights=np.ones((1, len(visited.steps))), **QUIET)[0]
    assert np.allclose(end, learner.trained, rtol=0, atol=1e-12)
    never = visited.weights(learner.units[:1], np.zeros((1, len(learner.steps))))
    without = retrain(visited.learner, weights=never, **QUIET)
    assert np.allclose(without, retrain(learner, [learner.units[:1]], **QUIET), rtol=0, atol=1e-12)


def test_dropped_from_and_before_every_step():
    visited, times, sets = visits(grouped()), np.arange(STEPS), ["c", ["a", "b"]]
    since = np.arange(STEPS + 1)
    late = [[scheduled(s, times < at) for at in since] for s in sets]
    early = [[scheduled(s, times >= at) for at in since] for s in sets]
    assert np.allclose(dropped_from(visited, sets, **QUIET), late, rtol=0, atol=1e-12)
    assert np.allclose(dropped_before(visited, sets, **QUIET), early, rtol=0, atol=1e-12)
    some = dropped_from(visited, sets, second, [3, 0], **QUIET)
    assert np.allclose(some, [[second(row[3]), second(row[0])] for row in late], rtol=0, atol=1e-12)


# predictions ------------------------------------------------------------------------------------------------

def test_slopes_are_differences_of_trainings_by_hand():
    over_time, size = influence_over_time(grouped(), second, finite_step=False, **QUIET), 1e-5
    units = np.array(UNITS)[SCHEDULE]
    for (unit, at), slope in zip(over_time.visits.learner.units, over_time.slopes):
        here = (units == unit) & (np.arange(STEPS)[:, None] == at)
        above, below = (second(by_hand(1.0 + sign * size * here)) for sign in (1.0, -1.0))
        assert abs(slope - (above - below) / (2.0 * size)) < 1e-8
    assert np.array_equal(over_time.effects, -over_time.slopes) and over_time.finite is None


def test_one_visit_less_of_least_squares_is_predicted_exactly():
    """Behind the visit the training is affine, and so is the measurement: nothing is lost by linearizing."""
    learner = least_squares(n=5, steps=6)

    def linear_measurement(w):
        return w @ np.array([1.0, -2.0, 0.5])

    over_time = influence_over_time(learner, linear_measurement, **QUIET)
    x, y = data(5, 3, 1)
    for (unit, at), effect in zip(over_time.visits.learner.units, over_time.effects):
        w = np.zeros(3)
        for number in range(6):
            weights = np.where((np.arange(5) == unit) & (number == at), 0.0, 1.0)
            w = w - 0.3 * ((weights * (x @ w - y)) @ x / 5 + 0.1 * w)
        assert abs(effect - (linear_measurement(w) - over_time.value)) < 1e-12


def test_the_finite_step_of_the_last_visit_is_exact_under_adam():
    """No step follows it; the slope says something else."""
    visited = visits(tiny())
    over_time = influence_over_time(visited, lambda w: w[1], **QUIET)
    true = retrain(visited.learner, [[visited.learner.units[-1]]], lambda w: w[1], **QUIET)[0]
    assert abs(over_time.effects[-1] - (true - over_time.value)) < 1e-12
    assert abs(-over_time.slopes[-1] - (true - over_time.value)) > 1e-3


def test_sums_over_units_stages_and_steps():
    def both(w):
        return np.array([1.0, 2.0]) * w

    learner = grouped()
    over_time = influence_over_time(learner, both, finite_step=False, **QUIET)
    gradient = metagradient(learner, both, **QUIET)
    assert np.allclose(over_time.by_unit(), -gradient.gradient, rtol=0, atol=1e-14)
    assert np.array_equal(over_time.value, gradient.value)
    stages, each = over_time.stages(4), over_time.stages(STEPS)
    assert np.allclose(stages, each.reshape(4, 4, 2, 2).sum(axis=2), rtol=0, atol=1e-14)
    from_step = over_time.from_step(["a", ["b", "d"]])
    behind = each[::, ::-1].cumsum(axis=1)[:, ::-1]      # of steps from s on
    assert np.allclose(from_step[0, :-1], behind[0], rtol=0, atol=1e-14) and not from_step[:, -1].any()
    assert np.allclose(from_step[1, :-1], behind[1] + behind[3], rtol=0, atol=1e-14)
    assert np.array_equal(over_time.from_step(["a"], [3, 0]), from_step[:1, [3, 0]])


def test_a_sketch_of_visits_predicts_a_schedule():
    """With a direction for each visit, one visit's weight is predicted up to the truncation: at degree 3 the
    error falls as the fourth power of what the visit loses."""
    visited, eps = visits(tiny()), np.ones((2, 12))
    measured = precompute(visited.learner, np.eye(12), 3, calibration=0, **QUIET).measure(lambda w: w[0])
    eps[:, 7] = 0.5, 0.75
    rows = visited.weights([1], eps)
    true = retrain(visited.learner, weights=rows, measurement=lambda w: w[0], **QUIET)
    errors = np.abs(measured.predict_downweights(1.0 - rows).value - true)
    assert 1e-9 < errors[0] < 1e-3 and errors[1] < errors[0] / 8.0


# what makes no sense ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("steps", ([9], [-1], [0.5], [], [[1]], 3, ["x"], [True, None]))
def test_steps_that_do_not_exist(steps):
    visited = visits(grouped())
    over_time = influence_over_time(visited, second, **QUIET)
    for ask in (lambda: dropped_from(visited, ["a"], second, steps, **QUIET),
                lambda: dropped_before(visited, ["a"], second, steps, **QUIET),
                lambda: over_time.from_step(["a"], steps)):
        with pytest.raises(LearnerError, match="steps"):
            ask()


@pytest.mark.parametrize("eps", (np.ones(7), -np.ones(8), np.ones((0, 8)), np.ones((1, 1, 8)), [np.nan] * 8,
                                 lambda times: times[:3], "half"))
def test_schedules_that_are_none(eps):
    with pytest.raises(LearnerError, match="weight schedule"):
        visits(grouped()).weights("a", eps)


def test_other_mistakes():
    visited = visits(grouped())
    over_time = influence_over_time(visited, second, **QUIET)
    with pytest.raises(LearnerError, match="expected a Learner"):
        visits(3)
    with pytest.raises(LearnerError, match="no unit 'z'"):
        over_time.from_step(["z"])
    for many in (0, 9, 2.0):
        with pytest.raises(LearnerError, match="stages"):
            over_time.stages(many)
    for sets in (3, "a"):
        with pytest.raises(LearnerError, match="sequence of sets"):
            over_time.from_step(sets)
        with pytest.raises(LearnerError, match="sequence of sets"):
            dropped_from(visited, sets, **QUIET)
    with pytest.raises(LearnerError, match="expected Visits"):
        dropped_from(grouped(), ["a"], **QUIET)
    with pytest.raises(LearnerError, match="nothing to retrain"):
        dropped_from(visited, [], **QUIET)
    assert isinstance(visited, Visits) and "18 visits of 4 units in 8 steps" in repr(over_time)
