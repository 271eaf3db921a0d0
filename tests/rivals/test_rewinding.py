"""Rewind to delete: some last steps taken again without the deleted examples, against retraining. Its bound:
test_rules.py and test_guarantees.py."""
import numpy as np
import pytest
from answers import SETS, answered
from learners import network, tiny
from scipy.special import expit

from benchmarks.guarantees import PENALTY, logistic, whole
from deletion import LinearDecay, retrain
from deletion.unlearning import Rewind, inverted, logistic_bounds, trajectory


def flat(p):
    """The measurement that is one parameter of a dictionary."""
    return p["w2"].sum()


def without_rows(learner, chosen):
    """Training on what is left: the same batches, rows struck out, by a loop of its own."""
    theta, rate = np.zeros(learner.layout.size), learner.optimizer.rate
    rows = np.array([x * y for x, y in learner.examples])
    for batch in learner.schedule:
        left = rows[[i for i in batch if i not in chosen]]
        theta = theta - rate * (PENALTY * theta
                                - (expit(-left @ theta) @ left / len(left) if len(left) else 0.0))
    return theta


@pytest.mark.parametrize("batch", [None, 6, 2])
def test_rewinding_all_steps_is_retraining(batch):
    """Zero weight: to the bit, by the same compiled steps; dropped rows: to 1e-12, also where batch 7 loses
    all its rows (of 2 and 6)."""
    learner = logistic(1, steps=60, rate=0.3, batch=batch)
    assert np.array_equal(answered(Rewind(60), learner), retrain(learner, SETS, progress=False))
    for chosen, theta in zip(SETS, answered(Rewind(60, rows="dropped"), learner)):
        assert np.abs(theta - without_rows(learner, chosen)).max() < 1e-12
    emptied = learner.schedule[7].tolist()[:12]
    assert np.abs(answered(Rewind(60, rows="dropped"), learner, [emptied])[0]
                  - without_rows(learner, emptied)).max() < 1e-12


def test_twenty_sets_side_by_side_are_twenty_alone():
    """A block has as many lanes whoever is in them, and no lane looks at another."""
    learner = logistic(1, steps=30, rate=0.3, batch=6)
    sets = [[i] for i in range(20)]      # more than one block of trainings
    for rows in ("zero weight", "dropped"):
        rule = Rewind(12, rows=rows)
        assert np.array_equal(answered(rule, learner, sets),
                              np.concatenate([answered(rule, learner, [s]) for s in sets]))


@pytest.mark.parametrize("learner, measure", [(network(), flat), (tiny(), whole)], ids=["momentum", "adam"])
def test_rewinding_restores_the_whole_state(learner, measure):
    """K = 0 is the model as it is, and K = T retraining, whatever the optimiser keeps; no K harms a set that
    was used before."""
    total = len(learner.steps)
    kept = trajectory(learner, every=5, at=[total])
    truth = retrain(learner, [[1], [2, 4]], progress=False)
    assert np.array_equal(Rewind(total, kept).answer(learner, [[1], [2, 4]], measure).parameters, truth)
    assert np.array_equal(Rewind(0, kept).answer(learner, [[1]], measure).parameters[0], learner.trained)
    if total % 5 == 0:
        assert np.array_equal(Rewind(10, kept).answer(learner, [[]], measure).parameters[0], learner.trained)
    # the first use of unit 1
    last = int(np.flatnonzero((learner.schedule.reshape(total, -1) == 1).any(axis=1))[0])
    assert np.array_equal(Rewind(total - last).answer(learner, [[1]], measure).parameters, truth[:1])


def test_the_error_falls_to_zero_as_more_steps_are_taken_again():
    learner = logistic(0, steps=60, rate=0.3)
    truth = retrain(learner, [[3, 5, 7]], progress=False)[0]
    kept = trajectory(learner, every=10)
    errors = [np.linalg.norm(answered(Rewind(k, kept), learner, [[3, 5, 7]])[0] - truth)
              for k in (10, 20, 30, 40, 50, 60)]
    assert all(b < a for a, b in zip(errors, errors[1:])) and errors[-1] == 0.0 < errors[-2]


@pytest.mark.parametrize("batch", [None, 6])
def test_steps_are_undone(batch):
    """Each step undone multiplies rounding by at most 1/(1 - rate * smoothness), here 1.2 and 20 times."""
    learner = logistic(2, steps=60, rate=LinearDecay(0.5), batch=batch)
    smoothness = logistic_bounds(learner).smoothness
    expected = trajectory(learner, at=[40]).before(40)[0]
    assert np.linalg.norm(expected - learner.trained) > 1e-3
    undone = inverted(learner, 20, smoothness)
    assert np.abs(undone.before(40)[0] - expected).max() < 1e-12
    difference = answered(Rewind(20, undone), learner, [[1, 2]]) - answered(Rewind(20), learner, [[1, 2]])
    assert np.abs(difference).max() < 1e-12
