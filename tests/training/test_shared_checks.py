"""What every learner, optimizer and schedule must do: a table of each, and the same checks for every row.

The recipes of deletion/README.md are held to the same checks, in test_recipes.py.
"""
import inspect
import pickle
from typing import Callable, NamedTuple

import numpy as np
import pytest
from checks import close
from learners import converged, data, least_squares, logistic, network, squared_loss, tiny

import deletion
from circuit import concatenate
from deletion import (SGD, Accumulated, Adam, AdamW, Clipped, CosineDecay, Learner, LinearDecay, Momentum,
                      Nesterov, OneCycle, RMSprop, StepDecay, WarmUp, WeightDecay, given, precompute, retrain)
from deletion.influence import metagradient
from deletion.learner.optimizers import schedules

LEARNERS = {"logistic": (lambda: logistic(steps=10), 4.0), "network": (lambda: network(steps=10), 1.5),
            "adam": (tiny, 0.5), "ridge": (lambda: least_squares(steps=50), 4.0),
            "model and loss": (lambda: converged(steps=20), 4.0),
            "users": (lambda: network(steps=10, units=[i % 3 for i in range(20)]), 0.5)}
"""A function that makes each learner, and a length of directions at which high orders count like low ones."""


class Row(NamedTuple):
    """An optimizer, and its update written again: plain(theta, gradient, memory, step, steps)."""
    optimizer: object
    memory: tuple
    plain: Callable


def plain_sgd(theta, gradient, memory, step, steps):
    return theta - 0.2 * (1.0 - step / steps) * gradient, memory


def plain_momentum(theta, gradient, memory, step, steps):
    velocity = 0.8 * memory[0] + gradient
    return theta - 0.05 * velocity, (velocity,)


def plain_adam(theta, gradient, memory, step, steps):
    m, v = 0.85 * memory[0] + 0.15 * gradient, 0.99 * memory[1] + 0.01 * gradient ** 2
    rate = 0.05 * (1.0 - step / steps) / (1.0 - 0.85 ** (step + 1))
    return theta - rate * m / np.sqrt(v / (1.0 - 0.99 ** (step + 1)) + 0.5), (m, v)


def plain_nesterov(theta, gradient, memory, step, steps):
    velocity = 0.8 * memory[0] + gradient
    return theta - 0.05 * (gradient + 0.8 * velocity), (velocity,)


def plain_rmsprop(theta, gradient, memory, step, steps):
    v = 0.8 * memory[0] + 0.2 * gradient ** 2
    return theta - 0.05 * gradient / np.sqrt(v + 0.5), (v,)


def plain_adamw(theta, gradient, memory, step, steps):
    after, memory = plain_adam(theta, gradient, memory, step, steps)
    return after - 0.05 * (1.0 - step / steps) * 0.7 * theta, memory


def plain_decay(theta, gradient, memory, step, steps):
    after, memory = plain_momentum(theta, gradient, memory, step, steps)
    return after - 0.05 * 0.7 * theta, memory


def plain_clipped(theta, gradient, memory, step, steps):
    return theta - 0.3 * gradient / np.sqrt(1.0 + np.linalg.norm(gradient) ** 2 / 0.5 ** 2), memory


def plain_accumulated(theta, gradient, memory, step, steps):
    """Three gradients make a step; 20 make 6, and the last two are not used."""
    total, velocity = memory[0] + gradient, memory[1]
    if step % 3 < 2:
        return theta, (total, velocity)
    velocity = 0.8 * velocity + total / 3.0
    return theta - 0.3 * (1.0 - (step // 3) / 6.0) * velocity, (0.0 * total, velocity)


OPTIMIZERS = {"SGD": Row(SGD(LinearDecay(0.2)), (), plain_sgd),
              "Momentum": Row(Momentum(0.05, 0.8), (0.0,), plain_momentum),
              "Nesterov": Row(Nesterov(0.05, 0.8), (0.0,), plain_nesterov),
              "RMSprop": Row(RMSprop(0.05, 0.8, 0.5), (0.0,), plain_rmsprop),
              "Adam": Row(Adam(LinearDecay(0.05), 0.85, 0.99, 0.5), (0.0, 0.0), plain_adam),
              "AdamW": Row(AdamW(LinearDecay(0.05), 0.85, 0.99, 0.5, decay=0.7), (0.0, 0.0), plain_adamw),
              "WeightDecay": Row(WeightDecay(Momentum(0.05, 0.8), 0.7), (0.0,), plain_decay),
              "Clipped": Row(Clipped(SGD(0.3), 0.5), (), plain_clipped),
              "Accumulated": Row(Accumulated(Momentum(LinearDecay(0.3), 0.8), 3), (0.0, 0.0),
                                 plain_accumulated)}

QUARTER = np.pi / 2.0

SCHEDULES = {
    "LinearDecay": (LinearDecay(0.2), np.linspace(0.2, 0.0, 21)[:20]),
    "CosineDecay": (CosineDecay(0.3, 0.1), 0.03 + 0.27 * np.cos(QUARTER * np.arange(20) / 20) ** 2),
    "StepDecay": (StepDecay(0.2, 6, 0.5), np.repeat([0.2, 0.1, 0.05, 0.025], 6)[:20]),
    "OneCycle": (OneCycle(0.3, 0.4, 0.1, 0.01),
                 np.concatenate([0.03 + 0.27 * np.sin(QUARTER * np.arange(7) / 7) ** 2,
                                 0.003 + 0.297 * np.cos(QUARTER * np.arange(13) / 12) ** 2])),
    "WarmUp": (WarmUp(LinearDecay(0.2), 5),
               np.concatenate([0.04 * np.arange(1, 6), np.linspace(0.2, 0.0, 16)[:15]])),
    "a list": (np.geomspace(0.2, 0.01, 20), np.geomspace(0.2, 0.01, 20)),
    "any function": (lambda step, steps: 0.2 / (1 + step), 0.2 / np.arange(1, 21))}
"""Learning rates, and the numbers that they are in 20 steps."""


def trained_by(optimizer):
    """A learner of 20 steps, one of eight examples each."""
    x, y = data(8, 3)
    return Learner(np.ones(3), list(zip(x, y)), squared_loss, optimizer, np.arange(20) % 8)


# the checks -------------------------------------------------------------------------------------------------

def check_pushing_is_a_contour_integral(learner, radius):
    """Orders 1 to 5 along a complex direction, from 64 plain trainings at complex weights."""
    rng = np.random.default_rng(0)
    psi = rng.normal(size=learner.unit_count) + 1j * rng.normal(size=learner.unit_count)
    psi *= radius / np.linalg.norm(psi)
    t = np.exp(2j * np.pi * np.arange(64) / 64)
    theta = learner.train(learner.example_weights(t[:, None] * psi), progress=False)[0]
    expected = np.fft.fft(theta, axis=0)[1:6].T / 64
    sketch = precompute(learner, given(psi), 5, calibration=0, progress=False)
    pushed = sketch.measure(learner_parameters(learner)).coefficients[0].T
    assert (np.abs(pushed - expected).max(axis=0) / np.abs(expected).max(axis=0)).max() < 1e-10


def check_first_order_is_differences_of_retraining(learner, radius):
    """The first order of halving one unit's weight, pushed, from the metagradient, and from differences."""
    measure, h, step = learner_parameters(learner), learner.downweight(learner.units[1], 0.5), 1e-4
    weights = 1.0 - np.array([-step, step])[:, None] * h
    low, high = retrain(learner, weights=weights, measurement=measure, progress=False)
    pushed = precompute(learner, given(h), 1, calibration=0, progress=False).measure(measure).coefficients
    assert close(pushed[0, 0].real, (high - low) / (2.0 * step), 1e-5)
    backward = metagradient(learner, measure, progress=False).changes([learner.units[1]], weight=0.5)
    assert close(backward[0], pushed[0, 0].real, 1e-9)


def check_retraining_is_the_plain_loop(learner, radius):
    """Deleting the first and the last unit used, and nothing: compiled and plain trainings agree."""
    used = [unit for unit, is_used in zip(learner.units, learner.used) if is_used]
    sets = [[used[0]], [used[0], used[-1]], []]
    weights = np.stack([learner.example_weights(learner.downweight(s)) for s in sets])
    theta = retrain(learner, sets, progress=False)
    assert close(theta, learner.train(weights, progress=False)[0], 1e-11)
    assert np.array_equal(theta[2], learner.trained)


def check_promises(learner, radius):
    """It passes its own check, survives pickling with its fingerprint, and says what it is."""
    kept = learner.check()._kept
    again = pickle.loads(pickle.dumps(learner))
    assert kept and not again._kept and not learner.again()._kept
    assert again.fingerprint() == learner.fingerprint() == learner.again().fingerprint()
    for words in (f"{learner.example_count} examples", f"{len(learner.steps)} steps", learner.optimizer):
        assert str(words)[:40] in repr(learner)


CHECKS = [check_pushing_is_a_contour_integral, check_first_order_is_differences_of_retraining,
          check_retraining_is_the_plain_loop, check_promises]


def learner_parameters(learner):
    """The measurement of all parameters, flat."""
    return lambda p: concatenate([x.reshape(-1) for x in (p.values() if isinstance(p, dict) else [p])])


def check_training_is_the_plain_update(row):
    """Against NumPy; a step of weight 0 happens with gradient 0, so that moments decay."""
    learner = trained_by(row.optimizer)
    x, y = (np.array(column) for column in zip(*learner.examples))
    weights = np.where(np.arange(8) == 5, 0.0, 1.0)
    theta, memory = np.ones(3), row.memory
    for step in range(20):
        i = step % 8
        gradient = weights[i] * x[i] * (x[i] @ theta - y[i])
        theta, memory = row.plain(theta, gradient, memory, step, 20)
    assert close(retrain(learner, [[5]], progress=False)[0], theta, 1e-12)
    state = learner.train(weights, progress=False)
    assert len(state) == 1 + len(memory) and all(close(a, b, 1e-12) for a, b in zip(state, (theta, *memory)))


# the tables -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", LEARNERS)
def test_learners(name, check):
    make, radius = LEARNERS[name]
    check(make(), radius)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learners_by_every_optimizer(name, check):
    check(trained_by(OPTIMIZERS[name].optimizer), 0.5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_their_formulas(name):
    check_training_is_the_plain_update(OPTIMIZERS[name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_their_numbers(name):
    rate, numbers = SCHEDULES[name]

    def plain(theta, gradient, memory, step, steps):
        return theta - numbers[step] * gradient, memory
    check_training_is_the_plain_update(Row(SGD(rate), (), plain))


def test_the_table_holds_every_schedule():
    classes = [name for name, x in vars(schedules).items()
               if inspect.isclass(x) and x.__module__ == schedules.__name__]
    assert set(classes) == set(SCHEDULES) - {"a list", "any function"}
    for schedule in map(SCHEDULES.get, classes):
        again = pickle.loads(pickle.dumps(schedule[0]))
        assert again == schedule[0] and again(3, 20) == schedule[0](3, 20)


def test_the_table_holds_every_optimizer():
    methods = ("state", "constants", "update")
    classes = [x for x in map(deletion.__dict__.get, deletion.__all__) if inspect.isclass(x)]
    assert {x.__name__ for x in classes if all(hasattr(x, name) for name in methods)} == set(OPTIMIZERS)
