"""What every walk through a training promises; see deletion/gradients/walk.py."""
import numpy as np
import pytest
from batches import ADAM, close, repeated, three_kinds
from learners import logistic, network, tiny
from naive_backward import backwards_naive
from plain_walk import PlainSeriesWalk, PlainWalk

import circuit as C
import taylor
from circuit import DomainError
from deletion import SGD, Learner
from deletion.gradients.walk import series_walk, walk
from taylor import Polynomial

LEARNERS = {"one example a step": tiny, "minibatches": repeated, "three kinds of circuits": three_kinds}


def made(name, form, rng):
    """(learner, a walk, the weights of the units for each lane, how many lanes)."""
    learner = LEARNERS[name]()
    weights = rng.uniform(0.3, 1.5, (5, learner.unit_count))
    if form == "elements":
        return learner, walk(learner, learner.example_weights(1.0 - weights[0]), True), weights[[0] * 3], 3
    return learner, walk(learner, learner.example_weights(1.0 - weights), True), weights, 5


@pytest.mark.parametrize("form", ["elements", "bases"])
@pytest.mark.parametrize("name", LEARNERS)
def test_slopes_and_finite_steps_of_every_lane(name, form, rng):
    """In one piece, in pieces, and by two walks back over the same states."""
    learner, forward, weights, lanes = made(name, form, rng)
    steps, size = len(learner.steps), learner.layout.size
    records = forward.forward(0, steps, keep=True)
    assert len(records) == steps
    assert forward.parameters.shape == ((size,) if form == "elements" else (5, size))
    cotangents = rng.normal(size=(lanes, size))
    first, second = forward.back(cotangents), forward.back(cotangents[::-1] * 1.0)
    whole = first.run(0, steps, records)
    second.run(0, steps, records)
    third, parts = forward.back(cotangents), []
    for a, b in reversed([(0, 1), (1, 7), (7, steps)]):
        parts.insert(0, third.run(a, b, records[a:b]))
    for x, pieces in zip(whole, zip(*parts)):
        assert np.array_equal(x, np.concatenate(pieces, axis=1))
    for lane in range(lanes):
        def measure(p, lane=lane):
            return (flat_wires(p) * cotangents[lane]).sum()
        naive = backwards_naive(learner, measure, weights[lane])
        assert close(whole[0][lane], naive.slopes[0])
        sums = np.zeros(learner.unit_count)
        np.add.at(sums, learner.unit_of[learner.schedule].reshape(steps, -1), whole[1][lane])
        assert close(sums, naive.finite[0])


def flat_wires(p):
    return p if hasattr(p, "shape") else C.concatenate([x.reshape(-1) for x in p.values()])


# against walks that take one gate of one step at a time -----------------------------------------------------

ALL = {**LEARNERS, "minibatches without repetition": lambda: network(optimizer=ADAM, steps=8),
       "full batches, affine updates": lambda: logistic(n=7, steps=6)}
"""Learners of every kind of schedule."""


def there_and_back(forward, cotangents, steps, stop):
    """(the last parameters, slopes, finite steps) of a walk that is taken back in two pieces."""
    records = forward.forward(0, steps, keep=True)
    theta, back = forward.parameters, forward.back(cotangents)
    late, early = (back.run(a, b, records[a:b]) for a, b in ((stop, steps), (0, stop)))
    return [theta, *(None if x is None else np.concatenate([x, y], axis=1) for x, y in zip(early, late))]


@pytest.mark.parametrize("finite", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (8,)])
@pytest.mark.parametrize("name", ALL)
def test_it_agrees_with_the_plain_walk(name, shape, finite, rng):
    """One base or several; one element of a measurement, or as many as go into a block."""
    learner = ALL[name]()
    weights = rng.uniform(0.3, 1.5, (*shape, learner.example_count))
    for lanes in (1, 3, 16) if shape == () else shape:
        cotangents = rng.normal(size=(lanes, learner.layout.size))
        fast, slow = (there_and_back(make(learner, weights, finite), cotangents, len(learner.steps), 5)
                      for make in (walk, PlainWalk))
        assert len(fast) == 3 and (fast[2] is None) == (slow[2] is None) == (not finite)
        for x, expected in zip(fast[:2 + finite], slow):
            assert close(x, expected)


@pytest.mark.parametrize("degree, directions", [(0, 1), (1, 3), (3, 8)])
@pytest.mark.parametrize("name", ALL)
def test_series_agree_with_the_plain_walk(name, degree, directions, rng):
    learner = ALL[name]()
    size, shape = learner.layout.size, (directions, degree, learner.layout.size)
    lines = 0.1 * (rng.normal(size=(directions, learner.example_count)) + 1j)
    cotangent = Polynomial(rng.normal(size=size), rng.normal(size=shape) + 1j * rng.normal(size=shape))
    fast, slow = (there_and_back(make(learner, lines, degree), cotangent, len(learner.steps), 5)
                  for make in (series_walk, PlainSeriesWalk))
    assert fast[2] is None and slow[2] is None
    for x, expected in ((fast[0].all_orders(), slow[0].all_orders()), (fast[1], slow[1])):
        assert close(x, expected)


@pytest.mark.parametrize("make", [lambda learner: walk(learner, np.ones(learner.example_count)),
                                  lambda learner: walk(learner, np.ones((3, learner.example_count))),
                                  lambda learner: series_walk(learner, np.eye(2, learner.example_count), 2)])
@pytest.mark.parametrize("name", LEARNERS)
def test_records_stay_and_can_be_set(name, make):
    learner = LEARNERS[name]()
    forward = make(learner)

    def parameters():
        now = forward.parameters
        return np.copy(now.all_orders() if isinstance(now, Polynomial) else now)
    start, begin = forward.record, parameters()
    assert forward.forward(0, 4) == [] and forward.record_bytes >= 8 * sum(x.size for x in learner.states)
    records = forward.forward(4, 8, keep=True)
    end = parameters()
    forward.record = records[2]
    assert forward.forward(6, 8) == [] and np.array_equal(parameters(), end)
    forward.record = start
    assert np.array_equal(parameters(), begin)
    forward.forward(0, 8)
    assert np.array_equal(parameters(), end)


def test_series_are_of_the_weights_along_lines(rng):
    """The constant part is that of the plain walk, and slopes have all orders."""
    learner = logistic(n=6, steps=4)
    lines = rng.normal(size=(3, 6)) + 1j * rng.normal(size=(3, 6))
    forward = series_walk(learner, lines, 2)
    records = forward.forward(0, 4, keep=True)
    theta = forward.parameters
    assert close(theta.constant, learner.train()[0], 1e-13) and theta.coefficients.shape == (3, 2, 3)
    slopes, finite = forward.back(Polynomial(np.ones(3), np.zeros((3, 2, 3), complex))).run(0, 4, records)
    assert slopes.shape == (3, 4, 6, 3) and finite is None
    naive = backwards_naive(learner, lambda w: w.sum())
    assert close(slopes[1, ..., 0], naive.slopes[0] + 0j)
    value, = taylor.evaluate(learner.measurement(lambda w: w.sum()), [theta])
    # d/dt of the sum of the parameters, twice: by the state, and by slope and line
    rate = np.einsum("dsbr,db->dr", slopes, lines)
    assert close(rate[:, 0], value.coefficients[:, 0], 1e-12)
    assert close(rate[:, 1], 2.0 * value.coefficients[:, 1], 1e-12)


def steep_loss(w, x):
    return (w[0] - x + 1.0) ** 1.5


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_errors_have_the_number_of_the_step(shape):
    learner = Learner(np.ones(1), [1.0, 2.0, 0.5], steep_loss, SGD(0.0), np.array([0, 1, 2]))
    forward = walk(learner, np.ones(shape))
    records = forward.forward(0, 3, keep=True)
    with pytest.raises(DomainError, match="^on the way back, gate power") as caught:
        forward.back(np.ones((2, 1))).run(0, 3, records)
    assert caught.value.step == 1
    learner = Learner(np.ones(1), [1.0, 0.5, 9.0], steep_loss, SGD(0.0), np.array([0, 1, 2]))
    with pytest.raises(DomainError, match="gate power") as caught:
        walk(learner, np.ones(shape)).forward(0, 3)
    assert caught.value.step == 2
