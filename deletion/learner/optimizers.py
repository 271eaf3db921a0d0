"""Optimisers, written as circuits: how a gradient changes the parameters.

Each has `state(size)`, the initial arrays besides the parameters; `constants(step, steps)`, the numbers of a
step that no example weight can move (learning rate, bias corrections); and `update(theta, gradient, state,
constants)`, which is recorded and returns the new parameters and the new state.
"""
from dataclasses import dataclass
from typing import Callable, Union

import numpy as np

from circuit.errors import LearnerError
from circuit.checks import real_number


@dataclass(frozen=True)
class LinearDecay:
    """A learning rate that falls linearly to zero: rate (1 - step / steps), step from 0."""
    rate: float

    def __post_init__(self):
        real_number(self.rate, "a learning rate", low=0.0)

    def __call__(self, step, steps):
        return self.rate * (1.0 - step / steps)


Rate = Union[float, Callable]


def rate_at(rate, step, steps):
    """A learning rate given as a number, or as a function of (step, steps)."""
    return real_number(rate(step, steps) if callable(rate) else rate, f"the learning rate at step {step}",
                       low=0.0)


def checked_rate(rate):
    """A learning rate, as it is given: a number, or a function that can only be asked later."""
    if isinstance(rate, type):
        raise LearnerError(
            f"a learning rate is a number or a function of (step, steps), not a class: {rate.__name__}(0.1)?")
    if not callable(rate):
        real_number(rate, "a learning rate", low=0.0)


def checked_optimizer(optimizer):
    """An optimiser: whatever has the three methods."""
    if isinstance(optimizer, type) or not all(callable(getattr(optimizer, name, None))
                                              for name in ("state", "constants", "update")):
        raise LearnerError("an optimizer has the methods state, constants and update, as SGD(0.1) does; "
                           f"{optimizer!r:.60} is none")
    return optimizer


@dataclass(frozen=True)
class SGD:
    """theta -= rate * gradient."""
    rate: Rate

    def __post_init__(self):
        checked_rate(self.rate)

    def state(self, size):
        return ()

    def constants(self, step, steps):
        return (rate_at(self.rate, step, steps),)

    def update(self, theta, gradient, state, constants):
        rate, = constants
        return theta - gradient * rate, ()


@dataclass(frozen=True)
class Momentum:
    """velocity = momentum * velocity + gradient;  theta -= rate * velocity."""
    rate: Rate
    momentum: float = 0.9

    def __post_init__(self):
        checked_rate(self.rate)
        real_number(self.momentum, "momentum", low=0.0, below=1.0)

    def state(self, size):
        return (np.zeros(size),)

    def constants(self, step, steps):
        return (rate_at(self.rate, step, steps),)

    def update(self, theta, gradient, state, constants):
        rate, = constants
        velocity = state[0] * self.momentum + gradient
        return theta - velocity * rate, (velocity,)


@dataclass(frozen=True)
class Adam:
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  theta -= rate * m_hat / sqrt(v_hat + eps), hats corrected
                             for bias.

    eps stands inside the root: sqrt(v) + eps has no Taylor series at v = 0, where every untouched parameter
    starts.
    """
    rate: Rate
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-3

    def __post_init__(self):
        checked_rate(self.rate)
        real_number(self.beta1, "beta1", low=0.0, below=1.0)
        real_number(self.beta2, "beta2", low=0.0, below=1.0)
        real_number(self.eps, "eps", above=0.0)

    def state(self, size):
        return np.zeros(size), np.zeros(size)

    def constants(self, step, steps):
        return (rate_at(self.rate, step, steps) / (1.0 - self.beta1 ** (step + 1)),
                1.0 / (1.0 - self.beta2 ** (step + 1)))

    def update(self, theta, gradient, state, constants):
        m, v = state
        rate, correction = constants
        m = m * self.beta1 + gradient * (1.0 - self.beta1)
        v = v * self.beta2 + gradient * gradient * (1.0 - self.beta2)
        return theta - m * rate * (v * correction + self.eps) ** -0.5, (m, v)
