"""Data Shapley against its definition by enumeration, and the properties that define it."""
from itertools import permutations
from math import comb

import numpy as np
import pytest
from learners import data, logistic, squared_loss, tiny

from circuit import softplus
from deletion import SGD, DoesNotApply, Learner, LearnerError, retrain
from deletion.influence import shapley_values
from deletion.influence.shapley import PIECE, Game, marginals, summary


def first(w):
    return w[0] + 0.5 * w[1] * w[1]


def total(w):
    return w.sum()


def loss(w):
    x, y = data(30, 3)
    return softplus(-y * (x @ w)).mean()


def enumerated(learner, utility):
    """Exact values, by training on every subset."""
    n = learner.unit_count
    sets = (np.arange(2 ** n)[:, None] >> np.arange(n)) & 1
    v = retrain(learner, weights=sets.astype(float), measurement=utility)
    values = np.zeros(n)
    for number, members in enumerate(sets):
        size = members.sum()
        for i in np.flatnonzero(members == 0):
            values[i] += (v[number + 2 ** i] - v[number]) / (n * comb(n - 1, size))
    return values, v


def test_all_orders_give_the_exact_values():
    learner = tiny()
    expected, v = enumerated(learner, first)
    computed = marginals(Game(learner, first), np.array(list(permutations(range(6)))))
    assert np.abs(computed.mean(axis=0) - expected).max() < 1e-12
    assert np.abs(computed.sum(axis=1) - (v[-1] - v[0])).max() < 1e-12      # every order divides the whole


def test_random_orders_come_within_their_standard_errors():
    """Six values within 4.5 standard errors of the exact ones: a false alarm in 20,000 seeds."""
    learner = tiny()
    expected, v = enumerated(learner, first)
    computed = shapley_values(learner, first, permutations=400, tolerance=0.0, seed=3)
    assert (np.abs(computed.values - expected) < 4.5 * computed.standard_errors).all()
    assert (computed.standard_errors < 0.2 * np.abs(expected).max()).all()
    assert computed.values.sum() == pytest.approx(v[-1] - v[0], abs=1e-12)
    assert computed.permutations == 400 and computed.trainings <= 64 and not computed.settled


def test_standard_errors_are_those_of_random_orders():
    """Of all 720 orders, 25 drawn 4,000 times: squared errors average the variance of such means within 4
    standard errors (a false alarm in 16,000 seeds for each of six units)."""
    game, rng = Game(tiny(), first), np.random.default_rng(7)
    gains = marginals(game, np.array(list(permutations(range(6)))))
    drawn = [summary(gains[rng.integers(720, size=25)], game, False) for _ in range(4000)]
    squares = np.array([computed.standard_errors ** 2 for computed in drawn])
    off = (squares.mean(axis=0) - gains.var(axis=0) / 25) / (squares.std(axis=0) / np.sqrt(4000))
    assert np.abs(off).max() < 4.0


@pytest.mark.parametrize("tolerance", [0.1, 0.02, 0.01, 0.005])
def test_values_have_settled_where_they_are_said_to(tolerance):
    """The first multiple of ten orders, beyond 100, at which no more than the tolerance has changed since 100
    orders ago."""
    rng = np.random.default_rng(5)
    orders = np.array([rng.permutation(6) for _ in range(1500)])
    sums = np.cumsum(marginals(Game(tiny(), first), orders), axis=0)

    def change(count):
        now, before = sums[count - 1] / count, sums[count - 101] / (count - 100)
        return np.abs(now - before).sum() / np.abs(now).sum()
    expected = next(count for count in range(110, 1501, 10) if change(count) < tolerance)
    assert (expected == 110) == (tolerance == 0.1)      # the finer ones take more
    computed = shapley_values(tiny(), first, permutations=1500, tolerance=tolerance, seed=5)
    assert computed.settled and computed.permutations == expected


def test_an_additive_utility_gives_exactly_the_leave_one_outs():
    rng = np.random.default_rng(2)
    learner = Learner(np.zeros(2), list(zip(rng.normal(size=(9, 2)), rng.normal(size=9))), squared_loss,
                      SGD(0.1), [list(range(9))])
    # one step from zero: linear in the weights
    computed = shapley_values(learner, total, permutations=200, tolerance=1e-6)
    alone = retrain(learner, weights=np.ones((1, 9)),
                    measurement=total) - retrain(learner, list(range(9)), total)
    assert np.abs(computed.values - alone).max() < 1e-13 and computed.standard_errors.max() < 1e-13
    assert computed.settled and computed.permutations == 110


def test_duplicates_are_worth_the_same():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(5, 2)), np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    x[3], y[3] = x[0], y[0]
    learner = Learner(np.zeros(2), list(zip(x, y)), squared_loss, SGD(0.4), np.tile(np.arange(5), (8, 1)))
    values = marginals(Game(learner, first), np.array(list(permutations(range(5))))).mean(axis=0)
    assert abs(values[0] - values[3]) < 1e-13 < abs(values[0] - values[1])


def test_truncation_saves_trainings_and_keeps_the_sum():
    learner = logistic(n=40, steps=20)
    whole = shapley_values(learner, loss, permutations=10)
    cut = shapley_values(learner, loss, permutations=10, truncation=0.1)
    assert cut.trainings < 0.8 * whole.trainings
    assert cut.values.sum() == pytest.approx(whole.values.sum(), rel=1e-10)
    assert 1e-6 < np.abs(cut.values - whole.values).max() < 0.1


def cut_short(value, order, truncation):
    """What each unit adds in one order, by the definition: after every PIECE-th unit, whether v is within
    `truncation` of v(all); if so, the next unit gets what is left, and those after it nothing."""
    added, before = np.zeros(len(order)), value(())
    for place, unit in enumerate(order):
        if place and place % PIECE == 0 and abs(before - value(order)) < truncation:
            added[unit] = value(order) - before
            return added
        now = value(order[:place + 1])
        added[unit], before = now - before, now
    return added


@pytest.mark.parametrize("truncation", [0.0, 0.02, 0.05])
def test_orders_are_cut_short_where_they_are_said_to_be(truncation):
    """Ten random orders of 40 units, prefix after prefix, each by a training of its own."""
    learner, known = logistic(n=40, steps=20), {}

    def value(members):
        key = frozenset(members)
        if key not in known:
            weights = np.isin(np.arange(40), list(key)).astype(float)
            known[key] = retrain(learner, weights=weights[None], measurement=loss)[0]
        return known[key]
    orders = np.array([np.random.default_rng(k).permutation(40) for k in range(10)])
    expected = np.array([cut_short(value, tuple(order.tolist()), truncation) for order in orders])
    assert np.abs(marginals(Game(learner, loss), orders, truncation) - expected).max() < 1e-12
    seen = [order[:size].tolist() for order in orders for size in (PIECE, 2 * PIECE)]
    ends = np.array([abs(value(members) - value(range(40))) for members in seen])
    assert truncation == 0.0 or 3 <= (ends < truncation).sum() <= 17      # some are cut and some are not


def test_units_are_valued_and_seeds_decide():
    learner = logistic(n=30, units=np.arange(30) % 3)
    a, b = (shapley_values(learner, first, permutations=5, seed=1) for _ in range(2))
    assert a.values.shape == (3,) and (a.values == b.values).all()


def test_what_is_refused():
    with pytest.raises(DoesNotApply, match="201 units.*At most 200"):
        shapley_values(logistic(n=201, steps=2), first)
    learner = tiny()
    with pytest.raises(LearnerError, match="a utility is one number"):
        shapley_values(learner, lambda w: w)
    for bad in ({"permutations": 0}, {"permutations": 2.5}, {"tolerance": -1.0}, {"truncation": float("nan")},
                {"seed": -1}):
        with pytest.raises(LearnerError):
            shapley_values(learner, first, **bad)
