"""Reinforcement learning from recorded episodes: the simulator, the importance weights, the training and the
value of the policy, each beside an independent calculation."""
from itertools import product

import numpy as np
import pytest

from benchmarks import episodes as lake
from deletion import LearnerError, precompute, retrain


@pytest.fixture(scope="module")
def learner():
    return lake.make(np.random.default_rng(7), count=150, epochs=12)


def softmax_rows(w):
    return np.exp(w) / np.exp(w).sum(axis=1, keepdims=True)


def plain_training(learner, weights, bound=10.0):
    """Momentum on the episodes' bounded estimates, one episode and one decision at a time, by hand."""
    w, velocity, steps = lake.BEHAVIOUR.copy(), 0.0, len(learner.schedule)
    for k, batch in enumerate(learner.schedule):
        gradient, policy = 2.0 * 0.003 * (w - lake.BEHAVIOUR), softmax_rows(w)
        for i in batch:
            states, actions, behaviour, rewards, mask = learner.examples[i]
            rho, score = 1.0, np.zeros_like(w)
            for t in range(int(mask.sum())):
                state, action = states[t], actions[t]
                rho *= policy[state, action] / np.exp(behaviour[t])
                score[state] -= policy[state]
                score[state, action] += 1.0
                slope = rho / (1.0 + rho / bound) ** 2      # the bound's derivative, times rho
                gradient -= weights[i] / len(batch) * rewards[t] * slope * score
        velocity = 0.9 * velocity + gradient
        w = w - 0.2 * (1.0 - k / steps) * velocity
    return w


def value_by_paths(policy, horizon):
    """The policy's value as a sum over every sequence of `horizon` actions and slips, without matrices."""
    total = 0.0
    for choices in product(range(4), (-1, 0, 1), repeat=horizon):
        state, chance, reward = 0, 1.0, 0.0
        for t, (action, turn) in enumerate(zip(choices[::2], choices[1::2])):
            chance *= policy[state, action] * (0.8 if turn == 0 else 0.1)
            if lake.LAKE[state] in "HG":
                continue
            up, right = lake.MOVES[(action + turn) % 4]
            row, column = min(max(state // 4 + up, 0), 3), min(max(state % 4 + right, 0), 3)
            state = 4 * row + column
            if lake.LAKE[state] == "G":
                reward = 0.95 ** t
        total += chance * reward
    return total


def test_a_plain_loop_trains_the_same_policy(learner):
    """With every episode, and without twenty of them."""
    sets = [[], list(range(20))]
    for deleted, theta, value in zip(sets, retrain(learner, sets), retrain(learner, sets, lake.value)):
        weights = np.ones(150)
        weights[deleted] = 0.0
        w = plain_training(learner, weights)
        assert np.allclose(theta.reshape(16, 4), w, rtol=0, atol=1e-10)
        assert abs(value - lake.value(w)) < 1e-10


def test_importance_weights_are_ratios_of_probabilities(learner):
    """Probabilities of the first actions of an episode, under the two policies; and they average to one."""
    states, actions, behaviour, _, mask = map(np.array, zip(*learner.examples))
    w = learner.trained.reshape(16, 4)
    rho, policy = lake.importance(w, states, actions, behaviour, mask), softmax_rows(w)
    for i, t in product(range(150), range(lake.HORIZON)):
        taken = range(min(t + 1, int(mask[i].sum())))
        chosen = np.prod([policy[states[i, s], actions[i, s]] for s in taken])
        recorded = np.prod([[0.1, 0.4, 0.4, 0.1][actions[i, s]] for s in taken])
        assert np.isclose(rho[i, t], chosen / recorded, rtol=1e-12)
    states, actions, behaviour, _, mask = lake.episodes(lake.BEHAVIOUR, 50_000, np.random.default_rng(3))
    last = lake.importance(0.5 * (w + lake.BEHAVIOUR), states, actions, behaviour, mask)[:, -1]
    assert abs(last.mean() - 1.0) < 4.0 * last.std() / np.sqrt(50_000)


def test_the_value_is_a_sum_over_paths_and_a_mean_over_episodes(learner, monkeypatch):
    w = learner.trained.reshape(16, 4)
    fresh = lake.episodes(np.log(softmax_rows(w)), 20_000, np.random.default_rng(5))[3].sum(axis=1)
    assert abs(fresh.mean() - lake.value(w)) < 4.0 * fresh.std() / np.sqrt(20_000)
    monkeypatch.setattr(lake, "HORIZON", 4)
    monkeypatch.setattr(lake, "GOAL", np.eye(16)[9])      # nearer than the real one, so that paths reach it
    monkeypatch.setattr(lake, "LAKE", "SFFFFFHFFGFFHFFF")
    monkeypatch.setattr(lake, "ENDS", np.array([x in "HG" for x in lake.LAKE]))
    assert np.isclose(lake.value(w), value_by_paths(softmax_rows(w), 4), rtol=1e-12)


def test_the_policy_improves_on_fresh_episodes(learner):
    w = learner.trained.reshape(16, 4)
    before, after = (lake.episodes(np.log(softmax_rows(x)), 20_000, np.random.default_rng(9))[3].sum(axis=1)
                     for x in (lake.BEHAVIOUR, w))
    assert after.mean() - before.mean() > 10.0 * np.hypot(before.std(), after.std()) / np.sqrt(20_000)


def test_predictions_stand_beside_retraining(learner):
    """By half as many directions as there are episodes, which first order needs."""
    measured = precompute(learner, 75, 3, seed=1).measure(lake.value)
    rng = np.random.default_rng(2)
    sets = [rng.choice(150, 8, replace=False).tolist() for _ in range(60)]
    many, true = measured.predict_many(sets), retrain(learner, sets, lake.value)
    assert np.abs(many.value - true).sum() < 0.1 * np.abs(true - measured.value).sum()
    assert ((many.interval[0] <= true) & (true <= many.interval[1])).mean() > 0.85


def test_weights_normalised_over_a_batch_are_refused(learner):
    def normalised(w, states, actions, behaviour, rewards, mask):
        rho = lake.importance(w, states, actions, behaviour, mask)
        return -(rho / rho.sum(axis=0) * rewards).sum(axis=1)

    with pytest.raises(LearnerError, match="example"):
        learner.again(loss=normalised)
