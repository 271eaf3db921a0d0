"""Optimizers, written as circuits: how a gradient changes the parameters.

Each has `state(size)`, the initial arrays besides the parameters; `constants(step, steps)`, the numbers of a
step that no example weight can move (learning rate, bias corrections); and `update(theta, gradient, state,
constants)`, which is recorded and returns the new parameters and the new state.
"""
from dataclasses import dataclass
from typing import Callable, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import real_number
from circuit.errors import LearnerError

Rate = Union[float, Callable]


@dataclass(frozen=True)
class LinearDecay:
    """A learning rate that falls linearly to zero: rate (1 - step / steps), with steps counted from 0.

    Attributes
    ----------
    rate : float
        The learning rate of the first step, >= 0.

    Examples
    --------
    >>> from deletion import LinearDecay
    >>> [round(LinearDecay(0.4)(step, 4), 3) for step in range(4)]
    [0.4, 0.3, 0.2, 0.1]
    """
    rate: float

    def __post_init__(self):
        real_number(self.rate, "a learning rate", low=0.0)

    def __call__(self, step, steps):
        return self.rate * (1.0 - step / steps)


def rate_at(rate, step, steps):
    """Return a learning rate given as a number, or as a function of (step, steps), at a step."""
    return real_number(rate(step, steps) if callable(rate) else rate, f"the learning rate at step {step}",
                       low=0.0)


def check_rate(rate):
    """Raise LearnerError for a learning rate that is neither a number >= 0 nor a function."""
    if isinstance(rate, type):
        raise LearnerError("a learning rate is a number or a function of (step, steps), not a class: "
                           f"{rate.__name__}(0.1)?")
    if not callable(rate):
        real_number(rate, "a learning rate", low=0.0)


def checked_optimizer(optimizer):
    """Return an optimizer, which is whatever has the three methods."""
    if isinstance(optimizer, type) or not all(callable(getattr(optimizer, name, None))
                                              for name in ("state", "constants", "update")):
        raise LearnerError("an optimizer has the methods state, constants and update, as SGD(0.1) does; "
                           f"{optimizer!r:.60} is none")
    return optimizer


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: theta -= rate * gradient.

    Attributes
    ----------
    rate : float or callable
        The learning rate, >= 0, or a function of (step, steps) such as LinearDecay.

    Examples
    --------
    >>> from deletion import SGD
    >>> SGD(0.5).update(3.0, 2.0, (), (0.5,))
    (2.0, ())
    """
    rate: Rate

    def __post_init__(self):
        check_rate(self.rate)

    def state(self, size: int) -> tuple:
        """Return the initial arrays besides the parameters: none.

        Parameters
        ----------
        size : int
            The number of parameters.

        Returns
        -------
        tuple
        """
        return ()

    def constants(self, step: int, steps: int) -> tuple:
        """Return the numbers of a step that no example weight can move: the learning rate.

        Parameters
        ----------
        step, steps : int
            The step's number, from 0, and the number of steps.

        Returns
        -------
        tuple of float
        """
        return (rate_at(self.rate, step, steps),)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        """Take one step.

        Parameters
        ----------
        theta, gradient : wire or array, (parameters,)
        state, constants : sequence
            As `state` and `constants` return them, or as the step before left them.

        Returns
        -------
        (theta, state) : (wire or array, tuple)
        """
        rate, = constants
        return theta - gradient * rate, ()


@dataclass(frozen=True)
class Momentum:
    """Heavy-ball momentum: velocity = momentum * velocity + gradient; theta -= rate * velocity.

    Attributes
    ----------
    rate : float or callable
        The learning rate, >= 0, or a function of (step, steps) such as LinearDecay.
    momentum : float
        How much of the velocity is kept, from 0 to below 1.

    Examples
    --------
    >>> from deletion import Momentum
    >>> Momentum(0.5, 0.9).update(3.0, 2.0, (10.0,), (0.5,))
    (-2.5, (11.0,))
    """
    rate: Rate
    momentum: float = 0.9

    def __post_init__(self):
        check_rate(self.rate)
        real_number(self.momentum, "momentum", low=0.0, below=1.0)

    def state(self, size: int) -> tuple:
        """Return the initial arrays besides the parameters: a velocity of zero.

        Parameters
        ----------
        size : int
            The number of parameters.

        Returns
        -------
        tuple of np.ndarray
        """
        return (np.zeros(size),)

    def constants(self, step: int, steps: int) -> tuple:
        """Return the numbers of a step that no example weight can move: the learning rate.

        Parameters
        ----------
        step, steps : int
            The step's number, from 0, and the number of steps.

        Returns
        -------
        tuple of float
        """
        return (rate_at(self.rate, step, steps),)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        """Take one step.

        Parameters
        ----------
        theta, gradient : wire or array, (parameters,)
        state, constants : sequence
            As `state` and `constants` return them, or as the step before left them.

        Returns
        -------
        (theta, state) : (wire or array, tuple)
        """
        rate, = constants
        velocity = state[0] * self.momentum + gradient
        return theta - velocity * rate, (velocity,)


@dataclass(frozen=True)
class Adam:
    """Adam: steps along the mean of the gradients over the root of the mean of their squares.

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   theta -= rate * m_hat / sqrt(v_hat + eps),
    the hats being corrections for bias. eps stands inside the root: sqrt(v) + eps has no Taylor series at
    v = 0, where every untouched parameter starts.

    Attributes
    ----------
    rate : float or callable
        The learning rate, >= 0, or a function of (step, steps) such as LinearDecay.
    beta1, beta2 : float
        How much of the two means is kept, from 0 to below 1.
    eps : float
        What is added to the mean of the squares, > 0.

    Examples
    --------
    >>> from deletion import Adam
    >>> theta, (m, v) = Adam(0.1, eps=1.0).update(3.0, 2.0, (0.0, 0.0), Adam(0.1).constants(0, 10))
    >>> round(theta, 3), round(m, 3), round(v, 3)
    (2.911, 0.2, 0.004)
    """
    rate: Rate
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-3

    def __post_init__(self):
        check_rate(self.rate)
        real_number(self.beta1, "beta1", low=0.0, below=1.0)
        real_number(self.beta2, "beta2", low=0.0, below=1.0)
        real_number(self.eps, "eps", above=0.0)

    def state(self, size: int) -> tuple:
        """Return the initial arrays besides the parameters: the two means, both zero.

        Parameters
        ----------
        size : int
            The number of parameters.

        Returns
        -------
        tuple of np.ndarray
        """
        return np.zeros(size), np.zeros(size)

    def constants(self, step: int, steps: int) -> tuple:
        """Return the numbers of a step that no example weight can move.

        They are the learning rate divided by 1 - b1^(step + 1), and 1 / (1 - b2^(step + 1)).

        Parameters
        ----------
        step, steps : int
            The step's number, from 0, and the number of steps.

        Returns
        -------
        tuple of float
        """
        return (rate_at(self.rate, step, steps) / (1.0 - self.beta1 ** (step + 1)),
                1.0 / (1.0 - self.beta2 ** (step + 1)))

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        """Take one step.

        Parameters
        ----------
        theta, gradient : wire or array, (parameters,)
        state, constants : sequence
            As `state` and `constants` return them, or as the step before left them.

        Returns
        -------
        (theta, state) : (wire or array, tuple)
        """
        m, v = state
        rate, correction = constants
        m = m * self.beta1 + gradient * (1.0 - self.beta1)
        v = v * self.beta2 + gradient * gradient * (1.0 - self.beta2)
        return theta - m * rate * (v * correction + self.eps) ** -0.5, (m, v)
