"""python -m benchmarks.episodes: reinforcement learning from recorded episodes, and what the learnt policy
would be worth without some of them.

A walk over a frozen lake, where one may slip. A fixed policy, the behaviour policy, records episodes; a
softmax policy then climbs the importance-weighted estimate of its value, decision by decision:

    estimate(w) = mean over episodes of sum_t bounded(rho_t) reward_t,      bounded(x) = x / (1 + x / bound)
    rho_t = product over s <= t of pi_w(action_s | state_s) / behaviour(action_s | state_s)

rho is a product of softmax probabilities, hence analytic. A clipped ratio has kinks, and one that is
normalised by the sum over a batch couples its episodes; so the bound is a smooth one, which rho approaches
and never reaches. With --bound inf there is none: then a few episodes decide everything, and the series in
the weights of episodes does not converge. Units are episodes; the measurement is the policy's exact value, by
dynamic programming over the lake.
"""
from argparse import ArgumentParser
from functools import partial

import numpy as np

from circuit import log_softmax, softmax
from deletion import Learner, LinearDecay, Momentum, precompute, retrain

LAKE = "SFFF" "FFHF" "FFFF" "HFFG"      # start, frozen, hole, goal: rows of four cells
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))      # up, right, down, left
HORIZON, DISCOUNT, SLIP = 10, 0.95, 0.2
ENDS, GOAL = np.array([x in "HG" for x in LAKE]), np.array([float(x == "G") for x in LAKE])
BEHAVIOUR = np.log(np.tile([0.1, 0.4, 0.4, 0.1], (16, 1)))      # (states, actions), log-probabilities


def moves():
    """The probabilities (states, actions, states) of the next cell; who slips moves to a side; ends keep."""
    chances = np.zeros((16, 4, 16))
    for state, action in np.ndindex(16, 4):
        for turn, chance in ((0, 1.0 - SLIP), (1, SLIP / 2), (3, SLIP / 2)):
            row, column = np.clip(np.array(divmod(state, 4)) + MOVES[(action + turn) % 4], 0, 3)
            chances[state, action, state if ENDS[state] else 4 * row + column] += chance
    return chances


CHANCES = moves()


def episodes(log_policy, count, rng):
    """Simulate: states, actions, behaviour log-probabilities, discounted rewards, mask, each (count,
    HORIZON). The mask is 1.0 before an episode ends."""
    states, actions = np.zeros((2, count, HORIZON), int)
    rewards, mask, here = np.zeros((count, HORIZON)), np.zeros((count, HORIZON)), np.zeros(count, int)
    for t in range(HORIZON):
        action = drawn(np.exp(log_policy)[here], rng)
        following = drawn(CHANCES[here, action], rng)
        states[:, t], actions[:, t], mask[:, t] = here, action, ~ENDS[here]
        rewards[:, t] = DISCOUNT ** t * GOAL[following] * mask[:, t]
        here = following
    return states, actions, log_policy[states, actions], rewards, mask


def drawn(probabilities, rng):
    """One choice for each row of probabilities (rows, choices)."""
    below = probabilities.cumsum(axis=1)[:, :-1] < rng.random((len(probabilities), 1))
    return below.sum(axis=1)


def importance(w, states, actions, behaviour, mask):
    """The importance weights rho (episodes, HORIZON) of a softmax policy with logits w (states, actions)."""
    return np.exp(np.cumsum((log_softmax(w)[states, actions] - behaviour) * mask, axis=1))


def loss(bound, w, states, actions, behaviour, rewards, mask):
    """A batch of episodes -> minus the return of each, by bounded importance weights."""
    rho = importance(w, states, actions, behaviour, mask)
    return -(rho / (1.0 + rho * (1.0 / bound)) * rewards).sum(axis=1)


def penalty(w):
    """Keeps the policy near the behaviour policy; added to the mean loss."""
    return 0.003 * ((w - BEHAVIOUR) ** 2).sum()


def value(w):
    """The question: the policy's expected discounted reward, exactly."""
    step = np.einsum("sa,sat->st", softmax(w), CHANCES * ~ENDS[:, None, None])
    here, total = np.eye(16)[0], 0.0
    for t in range(HORIZON):
        here = here @ step
        total = total + DISCOUNT ** t * (here @ GOAL)
    return total


def make(rng, count=300, epochs=20, bound=10.0):
    """A Learner of `count` recorded episodes, in batches of 50 by momentum."""
    schedule = np.concatenate([rng.permutation(count).reshape(-1, 50) for _ in range(epochs)])
    return Learner(BEHAVIOUR, list(zip(*episodes(BEHAVIOUR, count, rng))), partial(loss, bound),
                   Momentum(LinearDecay(0.2)), schedule, regularizer=penalty)


def study(seed, count, sets, bound):
    """Print what one seed's learner has learnt, and its predictions beside retraining."""
    rng = np.random.default_rng(seed)
    learner = make(rng, count, bound=bound)
    states, actions, behaviour, rewards, mask = map(np.array, zip(*learner.examples))
    w = learner.trained.reshape(BEHAVIOUR.shape)
    start, last = value(w), importance(w, states, actions, behaviour, mask)[:, -1]
    fresh = episodes(log_softmax(w), 10_000, rng)[3].sum(axis=1)
    print(f"\nseed {seed}, bound {bound:g}: value of the behaviour policy {value(BEHAVIOUR):.4f}, as trained "
          f"{start:.4f}; on 10,000 fresh episodes {fresh.mean():.4f} +- {1.96 * fresh.std() / 100:.4f}; "
          f"ratios up to {last.max():.0f}, effective episodes {last.sum() ** 2 / (last ** 2).sum():.0f}")
    measured = precompute(learner, count // 2, degree=3, seed=seed).measure(value)
    print("deleted   error  first order  correlation  in 95% interval  trusted   change")
    for share in (0.01, 0.05, 0.1, 0.2):
        some = [rng.choice(count, round(share * count), replace=False).tolist() for _ in range(sets)]
        p, true = measured.predict_many(some), retrain(learner, some, value)
        first, moved = p.terms[:, :2].sum(axis=1), np.abs(true - start).sum()
        held = (p.interval[0] <= true) & (true <= p.interval[1])
        print(f"{share:7.0%} {np.abs(p.value - true).sum() / moved:7.3g} "
              f"{np.abs(first - true).sum() / moved:12.3g} {np.corrcoef(p.value, true)[0, 1]:12.3f} "
              f"{held.mean():16.0%} {np.mean(np.array(p.verdict) == 'trust'):8.0%} {moved / sets:8.4f}")
    alone = measured.leave_one_out().change
    exact = retrain(learner, [[i] for i in range(count)], value) - start
    error = np.abs(alone - exact).sum() / np.abs(exact).sum()
    print(f"each episode alone: error {error:.3g}; the three that help most, and the three that harm most "
          "(change without it, predicted and retrained):")
    order = np.argsort(alone)
    for i in [*order[:3], *order[:-4:-1]]:
        path = "".join("urdl"[a] for a, live in zip(actions[i], mask[i]) if live)
        print(f"  {alone[i]:+.4f} {exact[i]:+.4f}  {path:10}  ratio {last[i]:5.1f}  "
              f"{'goal' if rewards[i].any() else 'no goal'}")


def main():
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--bound", type=float, nargs="+", default=[10.0, np.inf], help="of ratios")
    options = parser.parse_args()
    for bound in options.bound:
        for seed in options.seeds[:1] if options.quick else options.seeds:
            study(seed, *((100, 10) if options.quick else (300, 100)), bound)


if __name__ == "__main__":
    main()
