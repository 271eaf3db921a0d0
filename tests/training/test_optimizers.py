"""What optimizers, schedules and dropout refuse, and what they say; the shared checks are in
test_shared_checks.py."""
from dataclasses import dataclass

import numpy as np
import pytest
from checks import close
from learners import data, squared_loss

from circuit import abs as magnitude
from circuit import softplus, step, tanh
from circuit.errors import InputError
from deletion import (SGD, Accumulated, Adam, AdamW, Clipped, CosineDecay, Learner, LearnerError, LinearDecay,
                      Lion, Momentum, OneCycle, RMSprop, StepDecay, WarmUp, WeightDecay, dropout, retrain)
from deletion.learner.optimizers import Optimizer


def learner(optimizer, steps=6):
    x, y = data(4, 2)
    return Learner(np.ones(2), list(zip(x, y)), squared_loss, optimizer, np.arange(steps) % 4)


@dataclass(frozen=True)
class By(Optimizer):
    """Steps by any function of the gradient and a mean of gradients, the first state."""
    direction: object = None

    def state(self, size):
        return (np.zeros(size),)

    def update(self, theta, gradient, state, constants):
        mean = state[0] * 0.9 + gradient
        return theta - self.direction(gradient, mean) * constants[0], (mean,)


# signs ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("direction", [lambda g, m: 2.0 * step(g) - 1.0, lambda g, m: 2.0 * step(m) - 1.0,
                                       lambda g, m: step(m * 0.5 + g)])
def test_sign_methods_are_refused_with_the_reason(direction):
    with pytest.raises(LearnerError, match="only through a sign or a step: a sign is flat and jumps.*Adam"):
        learner(By(0.1, direction))


@pytest.mark.parametrize("direction", [lambda g, m: g, lambda g, m: magnitude(g), lambda g, m: tanh(m * 1e3),
                                       lambda g, m: m * step(g)])
def test_what_is_no_sign_method_is_not(direction):
    assert learner(By(0.1, direction)).trained.shape == (2,)


def test_lion_is_refused_with_the_reason():
    with pytest.raises(LearnerError, match="Lion steps by the sign.*a sign is flat and jumps"):
        Lion(1e-4, beta1=0.9)


# around each other ------------------------------------------------------------------------------------------

def test_wrapped_optimizers_may_be_wrapped():
    """Clipping before the mean is taken, or after it; what is printed can be read."""
    within = Accumulated(Clipped(WeightDecay(Momentum(LinearDecay(0.3), 0.8), 0.1), 0.5), 2)
    assert "Clipped(optimizer=WeightDecay(optimizer=Momentum(rate=LinearDecay(rate=0.3)" in repr(within)
    x, y = data(4, 2)
    theta, velocity, gradients = np.ones(2), np.zeros(2), []
    for number in range(6):
        i = number % 4
        gradients.append(x[i] * (x[i] @ theta - y[i]))
        if number % 2:
            g = np.mean(gradients[-2:], axis=0)
            rate = 0.3 * (1.0 - number // 2 / 3)
            velocity = 0.8 * velocity + g / np.sqrt(1.0 + g @ g / 0.25)
            theta = theta - rate * velocity - rate * 0.1 * theta
    assert close(learner(within).trained, theta, 1e-13)


def test_adamw_is_adam_with_weight_decay():
    decayed = WeightDecay(Adam(LinearDecay(0.1), eps=0.1), 0.3)
    itself = AdamW(LinearDecay(0.1), eps=0.1, decay=0.3)
    assert close(learner(itself).trained, learner(decayed).trained, 1e-15)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_clipping_bounds_the_norm_and_leaves_small_gradients(size):
    gradient = np.array([0.6, -0.8]) * size
    moved, _ = Clipped(SGD(1.0), 2.0).update(np.zeros(2), gradient, (), (1.0,))
    assert np.linalg.norm(moved) <= 2.0 and np.linalg.norm(moved) < size
    assert size > 1e-2 or close(-moved, gradient, 1e-6)


def test_schedules_begin_and_end_where_they_say():
    """Warming up twice, cycles of one and two steps, and rates of zero."""
    assert [WarmUp(WarmUp(0.4, 2), 2)(s, 6) for s in range(6)] == [0.1, 0.2, 0.2, 0.4, 0.4, 0.4]
    assert [WarmUp([0.3, 0.1], 1)(s, 3) for s in range(3)] == [0.3, 0.3, 0.1]
    cycle = OneCycle(0.4, first=0.5, last=0.25)
    assert cycle(0, 1) == pytest.approx(0.1) and 0.1 < cycle(0, 2) < 0.4 and cycle(1, 2) == pytest.approx(0.1)
    assert cycle(0, 100) == pytest.approx(0.2) and cycle(29, 100) == pytest.approx(0.4)
    assert CosineDecay(0.0)(3, 4) == StepDecay(0.4, 1, 0.0)(1, 4) == 0.0


def test_a_list_of_rates_is_copied():
    rates = [0.1] * 6
    made = learner(SGD(rates))
    rates[0] = 5.0
    assert made.again().fingerprint() == made.fingerprint() == learner(SGD(np.full(6, 0.1))).fingerprint()


# refusals ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("make, words", [
    (lambda: SGD([0.1, -0.1]), "learning rate at step 1: .*>= 0"),
    (lambda: SGD(["a"]), "learning rate at step 0"),
    (lambda: SGD([[0.1, 0.2]]), "learning rate at step 0"),
    (lambda: learner(SGD([0.1, 0.2])), "2 learning rates for 6 steps"),
    (lambda: learner(SGD(WarmUp([0.1, 0.2], 2))), "2 learning rates for 4 steps"),
    (lambda: learner(SGD(WarmUp(0.1, 6))), "warms up for 6 steps, and the training has only 6"),
    (lambda: WarmUp(CosineDecay, 2), "not a class"),
    (lambda: WarmUp(0.1, -1), "whole number >= 0"),
    (lambda: CosineDecay(0.1, 2.0), "last share.*<= 1"),
    (lambda: StepDecay(0.1, 0), "whole number >= 1"),
    (lambda: StepDecay(0.1, 2, -0.5), "factor"),
    (lambda: OneCycle(0.1, 1.0), "below|< 1"),
    (lambda: OneCycle(0.1, last=-1.0), "share"),
    (lambda: RMSprop(0.1, 1.0), "beta"),
    (lambda: RMSprop(0.1, eps=0.0), "eps"),
    (lambda: AdamW(0.1, decay=-1.0), "decay"),
    (lambda: WeightDecay(SGD, 0.1), "has the methods"),
    (lambda: WeightDecay(SGD(0.1), np.nan), "decay"),
    (lambda: WeightDecay(Accumulated(SGD(0.1), 2), 0.1), "decay belongs within Accumulated"),
    (lambda: Clipped(SGD(0.1), 0.0), "clipped to: .*> 0"),
    (lambda: Clipped(None, 1.0), "None is none"),
    (lambda: Accumulated(SGD(0.1), 0), "whole number >= 1"),
    (lambda: learner(Accumulated(SGD(0.1), 7)), "every 7 gradients make a step, and the training has only 6"),
    (lambda: dropout([1.0], [0], 1.0, 3), "the share that is dropped: .*< 1"),
    (lambda: dropout([1.0], [1], 0.5, 3), "names example 1"),
    (lambda: dropout([1.0], [0], 0.5, 2.5), "whole number"),
])
def test_what_makes_no_sense_is_named(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_weight_decay_needs_a_rate():
    class Bare:
        state, constants, update = SGD(0.1).state, SGD(0.1).constants, SGD(0.1).update
    with pytest.raises(LearnerError, match="has none for every step"):
        WeightDecay(Bare(), 0.1)


# dropout ----------------------------------------------------------------------------------------------------

def dropped_loss(p, x, y, mask):
    return softplus(-y * ((tanh(x @ p["in"]) * mask) @ p["out"]))


def test_dropout_is_a_loop_with_new_masks_at_every_visit():
    """Three epochs, by batches of two; without example 1 all its visits have weight 0."""
    x, y = data(6, 2)
    rng = np.random.default_rng(1)
    start, schedule = (rng.normal(size=(2, 5)), rng.normal(size=5)), np.arange(18).reshape(9, 2) % 6
    examples, visits, units = dropout(list(zip(x, y)), schedule, 0.4, 5, seed=3)
    learner = Learner(dict(zip(("in", "out"), start)), examples, dropped_loss, SGD(0.5), visits, units=units)
    assert learner.unit_count == 6 and learner.example_count == 18
    for deleted in ([], [1]):
        (a, b), masks = start, iter(np.random.default_rng(3).random((18, 5)) >= 0.4)
        for chosen in schedule:
            by_a, by_b = np.zeros_like(a), np.zeros_like(b)
            for i in chosen:
                mask, hidden = next(masks) / 0.6, np.tanh(x[i] @ a)
                pull = 0.0 if i in deleted else -0.5 * y[i] / (1.0 + np.exp(y[i] * ((hidden * mask) @ b)))
                by_b = by_b + pull * hidden * mask
                by_a = by_a + pull * np.outer(x[i], b * mask * (1.0 - hidden ** 2))
            a, b = a - 0.5 * by_a, b - 0.5 * by_b
        theta = retrain(learner, [deleted], progress=False)[0]
        assert close(theta, np.concatenate([a.ravel(), b]), 1e-12)


def test_masks_keep_the_mean():
    """Of 40,000 elements 30% are dropped, within 4 standard errors (false alarms: 1 in 15,000)."""
    examples, _, _ = dropout([0.0], np.zeros(100, int), 0.3, (20, 10), 200, seed=1)
    masks = np.concatenate([np.ravel(mask) for example in examples for mask in example[1:]])
    assert set(masks) == {0.0, 1.0 / 0.7} and len(masks) == 40000
    assert abs(np.mean(masks == 0.0) - 0.3) < 4.0 * np.sqrt(0.21 / 40000)
