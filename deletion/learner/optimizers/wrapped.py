"""What may be put around any optimizer: weight decay, clipping, accumulation. Around each other, too:
`Accumulated(Clipped(WeightDecay(Momentum(0.1), 1e-3), 1.0), 4)`."""
from dataclasses import dataclass, field
from typing import Any, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import real_number, whole_number
from circuit.errors import LearnerError

from .optimizer import Optimizer, checked_optimizer
from .rates import rate_at


@dataclass(frozen=True)
class Wrapped(Optimizer):
    """An optimizer around another, which it passes everything on to.

    Attributes
    ----------
    optimizer : object
        The optimizer within.
    rate : float, sequence of float, callable or None
        The learning rate of the optimizer within; None if it has none of that name.
    """
    optimizer: Any
    rate: Any = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "rate", getattr(checked_optimizer(self.optimizer), "rate", None))

    def state(self, size: int) -> tuple:
        return self.optimizer.state(size)

    def constants(self, step: int, steps: int) -> tuple:
        return self.optimizer.constants(step, steps)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        return self.optimizer.update(theta, gradient, state, constants)


@dataclass(frozen=True)
class WeightDecay(Wrapped):
    """Decoupled weight decay: besides an optimizer's step, theta -= rate * decay * theta.

    A regularizer of the loss goes through momentum and the divisions of Adam; this does not.

    Attributes
    ----------
    optimizer : SGD, Momentum, Nesterov, RMSprop, Adam or object
        The optimizer within; it has a learning rate.
    decay : float
        The weight decay, >= 0.

    Examples
    --------
    >>> from deletion import SGD, WeightDecay
    >>> WeightDecay(SGD(0.5), 0.25).constants(0, 10)
    (0.5, 0.125)
    >>> WeightDecay(SGD(0.5), 0.25).update(4.0, 2.0, (), (0.5, 0.125))
    (2.5, ())
    """
    decay: float

    def __post_init__(self):
        super().__post_init__()
        real_number(self.decay, "decay", low=0.0)
        if self.rate is None:
            raise LearnerError(f"weight decay is multiplied by a learning rate, and {self.optimizer!r:.60} "
                               "has none for every step; decay belongs within Accumulated")

    def constants(self, step: int, steps: int) -> tuple:
        return (*super().constants(step, steps), rate_at(self.rate, step, steps) * self.decay)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        *constants, shrinking = constants
        after, state = super().update(theta, gradient, state, constants)
        return after - theta * shrinking, state


@dataclass(frozen=True)
class Clipped(Wrapped):
    """Smooth clipping: an optimizer is given g / sqrt(1 + |g|^2 / norm^2) in place of the gradient g.

    Its norm is below `norm` whatever that of g, and nearly that of g where it is small. Clipping by a minimum
    has a kink where |g| = norm, which every training meets; this is analytic.

    Attributes
    ----------
    optimizer : SGD, Momentum, Nesterov, RMSprop, Adam or object
        The optimizer within.
    norm : float
        What the norm of the gradient stays below, > 0.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Clipped
    >>> Clipped(SGD(1.0), 1.0).update(np.zeros(2), np.array([30.0, 40.0]), (), (1.0,))[0].round(3)
    array([-0.6, -0.8])
    """
    norm: float

    def __post_init__(self):
        super().__post_init__()
        real_number(self.norm, "the norm that gradients are clipped to", above=0.0)

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        shorter = ((gradient * gradient).sum() * self.norm ** -2 + 1.0) ** -0.5
        return super().update(theta, gradient * shorter, state, constants)


@dataclass(frozen=True)
class Accumulated(Wrapped):
    """Accumulation: an optimizer takes every k-th step only, by the mean of the last k gradients.

    Learning rates and corrections for bias count the steps that are taken. Gradients behind the last of them
    change nothing.

    Attributes
    ----------
    optimizer : SGD, Momentum, Nesterov, RMSprop, Adam or object
        The optimizer within.
    every : int
        How many gradients make a step.

    Examples
    --------
    >>> from deletion import SGD, Accumulated
    >>> optimizer = Accumulated(SGD([0.5, 0.1]), 3)
    >>> [optimizer.constants(step, 6) for step in range(6)]
    [(0.5, 0.0), (0.5, 0.0), (0.5, 1.0), (0.1, 0.0), (0.1, 0.0), (0.1, 1.0)]
    >>> optimizer.update(4.0, 2.0, (4.0,), (0.5, 1.0))
    (3.0, (0.0,))
    """
    every: int

    def __post_init__(self):
        super().__post_init__()
        whole_number(self.every, "how many gradients make a step", 1)
        object.__setattr__(self, "rate", None)      # a step is not a gradient: its rates are counted apart

    def state(self, size: int) -> tuple:
        return (np.zeros(size), *super().state(size))

    def constants(self, step: int, steps: int) -> tuple:
        taken = steps // self.every
        if not taken:
            raise LearnerError(f"every {self.every} gradients make a step, and the training has only "
                               f"{steps}: no step would be taken")
        numbers = super().constants(min(step // self.every, taken - 1), taken)
        return (*numbers, float((step + 1) % self.every == 0))

    def update(self, theta: ArrayLike, gradient: ArrayLike, state: Sequence, constants: Sequence) -> tuple:
        (total, *state), (*constants, taken) = state, constants
        waits, total = 1.0 - taken, total + gradient
        after, new = super().update(theta, total * (1.0 / self.every), state, constants)

        def chosen(before, after):      # a product with 1 and a sum with 0 round nothing
            return before * waits + after * taken
        return chosen(theta, after), (total * waits, *map(chosen, state, new))
