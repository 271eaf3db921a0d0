"""Steps along the gradient, or along a mean of the gradients so far."""
from dataclasses import dataclass
from typing import Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import real_number

from .optimizer import Optimizer


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: theta -= rate * gradient.

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate, >= 0: a number, a list with one for every step, or a function of (step, steps).

    Examples
    --------
    >>> from deletion import SGD
    >>> SGD(0.5).update(3.0, 2.0, (), (0.5,))
    (2.0, ())
    """

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        rate, = constants
        return theta - gradient * rate, ()


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Heavy-ball momentum: velocity = momentum * velocity + gradient; theta -= rate * velocity.

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate, >= 0: a number, a list with one for every step, or a function of (step, steps).
    momentum : float
        How much of the velocity is kept, from 0 to below 1.

    Examples
    --------
    >>> from deletion import Momentum
    >>> Momentum(0.5, 0.9).update(3.0, 2.0, (10.0,), (0.5,))
    (-2.5, (11.0,))
    """
    momentum: float = 0.9

    def __post_init__(self):
        super().__post_init__()
        real_number(self.momentum, "momentum", low=0.0, below=1.0)

    def state(self, size: int) -> tuple:
        return (np.zeros(size),)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        rate, = constants
        velocity = state[0] * self.momentum + gradient
        return theta - velocity * rate, (velocity,)


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Momentum that looks ahead: the velocity of Momentum; theta -= rate * (gradient + momentum * velocity).

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate, >= 0: a number, a list with one for every step, or a function of (step, steps).
    momentum : float
        How much of the velocity is kept, from 0 to below 1.

    Examples
    --------
    >>> from deletion import Nesterov
    >>> Nesterov(0.5, 0.5).update(3.0, 2.0, (8.0,), (0.5,))
    (0.5, (6.0,))
    """

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        rate, = constants
        velocity = state[0] * self.momentum + gradient
        return theta - (velocity * self.momentum + gradient) * rate, (velocity,)
