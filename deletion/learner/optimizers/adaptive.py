"""Steps that are divided by the size of the gradients so far.

eps stands inside the root: sqrt(v) + eps has no Taylor series at v = 0, where every untouched parameter
starts.
"""
from dataclasses import dataclass
from typing import Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import real_number

from .optimizer import Optimizer
from .rates import rate_at


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop: steps along the gradient over the root of the mean of its squares.

    v = beta v + (1 - beta) g^2,   theta -= rate * g / sqrt(v + eps).

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate, >= 0: a number, a list with one for every step, or a function of (step, steps).
    beta : float
        How much of the mean is kept, from 0 to below 1.
    eps : float
        What is added to the mean of the squares, > 0.

    Examples
    --------
    >>> from deletion import RMSprop
    >>> RMSprop(0.1, beta=0.5, eps=1.0).update(3.0, 2.0, (12.0,), (0.5,))
    (2.6666666666666665, (8.0,))
    """
    beta: float = 0.9
    eps: float = 1e-3

    def __post_init__(self):
        super().__post_init__()
        real_number(self.beta, "beta", low=0.0, below=1.0)
        real_number(self.eps, "eps", above=0.0)

    def state(self, size: int) -> tuple:
        return (np.zeros(size),)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        rate, = constants
        v = state[0] * self.beta + gradient * gradient * (1.0 - self.beta)
        return theta - gradient * rate * (v + self.eps) ** -0.5, (v,)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps along the mean of the gradients over the root of the mean of their squares.

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   theta -= rate * m_hat / sqrt(v_hat + eps),
    the hats being corrections for bias.

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate, >= 0: a number, a list with one for every step, or a function of (step, steps).
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
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-3

    def __post_init__(self):
        super().__post_init__()
        real_number(self.beta1, "beta1", low=0.0, below=1.0)
        real_number(self.beta2, "beta2", low=0.0, below=1.0)
        real_number(self.eps, "eps", above=0.0)

    def state(self, size: int) -> tuple:
        return np.zeros(size), np.zeros(size)

    def constants(self, step: int, steps: int) -> tuple:
        # both numbers with the correction for bias
        return (rate_at(self.rate, step, steps) / (1.0 - self.beta1 ** (step + 1)),
                1.0 / (1.0 - self.beta2 ** (step + 1)))

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        m, v = state
        rate, correction = constants
        m = m * self.beta1 + gradient * (1.0 - self.beta1)
        v = v * self.beta2 + gradient * gradient * (1.0 - self.beta2)
        return theta - m * rate * (v * correction + self.eps) ** -0.5, (m, v)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: besides Adam's step, theta -= rate * decay * theta.

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate, >= 0: a number, a list with one for every step, or a function of (step, steps).
    beta1, beta2 : float
        How much of the two means is kept, from 0 to below 1.
    eps : float
        What is added to the mean of the squares, > 0.
    decay : float
        The weight decay, >= 0.

    Examples
    --------
    >>> from deletion import AdamW
    >>> optimizer = AdamW(0.1, eps=1.0, decay=0.5)
    >>> theta, (m, v) = optimizer.update(3.0, 2.0, (0.0, 0.0), optimizer.constants(0, 10))
    >>> round(theta, 3)
    2.761
    """
    decay: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        real_number(self.decay, "decay", low=0.0)

    def constants(self, step: int, steps: int) -> tuple:
        return (*super().constants(step, steps), rate_at(self.rate, step, steps) * self.decay)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        *constants, shrinking = constants
        after, state = super().update(theta, gradient, state, constants)
        return after - theta * shrinking, state
