"""Schedules: learning rates as functions of (step, steps), with steps counted from 0.

Any function will do in their place. These can be compared, printed and pickled.
"""
from dataclasses import dataclass
from math import cos, pi

from circuit.checks import real_number, whole_number
from circuit.errors import LearnerError

from .rates import Rate, checked_rate, rate_at


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


@dataclass(frozen=True)
class CosineDecay:
    """A learning rate that falls as a cosine: rate (last + (1 - last) (1 + cos(pi step / steps)) / 2).

    Attributes
    ----------
    rate : float
        The learning rate of the first step, >= 0.
    last : float
        What it falls to, as a share of `rate`, from 0 to 1.

    Examples
    --------
    >>> from deletion import CosineDecay
    >>> [round(CosineDecay(0.4)(step, 4), 3) for step in range(4)]
    [0.4, 0.341, 0.2, 0.059]
    """
    rate: float
    last: float = 0.0

    def __post_init__(self):
        real_number(self.rate, "a learning rate", low=0.0)
        real_number(self.last, "the last share of a learning rate", low=0.0, high=1.0)

    def __call__(self, step, steps):
        return between(self.rate, self.rate * self.last, step / steps)


@dataclass(frozen=True)
class StepDecay:
    """A learning rate that is multiplied by a factor every so many steps.

    Attributes
    ----------
    rate : float
        The learning rate of the first step, >= 0.
    every : int
        After how many steps it changes.
    factor : float
        What it is multiplied by, >= 0.

    Examples
    --------
    >>> from deletion import StepDecay
    >>> [round(StepDecay(0.4, every=2)(step, 5), 4) for step in range(5)]
    [0.4, 0.4, 0.04, 0.04, 0.004]
    """
    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self):
        real_number(self.rate, "a learning rate", low=0.0)
        whole_number(self.every, "after how many steps the learning rate changes", 1)
        real_number(self.factor, "the factor of a learning rate", low=0.0)

    def __call__(self, step, steps):
        return self.rate * self.factor ** (step // self.every)


@dataclass(frozen=True)
class OneCycle:
    """A learning rate that rises and falls once, both as cosines, as in Smith & Topin (1708.07120).

    Counted as PyTorch's OneCycleLR does: the largest rate is that of step rise * steps - 1, the last that of
    step steps - 1.

    Attributes
    ----------
    rate : float
        The largest learning rate, >= 0.
    rise : float
        The share of the steps in which it rises, from 0 to below 1.
    first, last : float
        The first and the last learning rate, as shares of `rate`.

    Examples
    --------
    >>> from deletion import OneCycle
    >>> [round(OneCycle(0.4, rise=0.5)(step, 6), 3) for step in range(6)]
    [0.016, 0.208, 0.4, 0.3, 0.1, 0.0]
    """
    rate: float
    rise: float = 0.3
    first: float = 0.04
    last: float = 4e-6

    def __post_init__(self):
        real_number(self.rate, "a learning rate", low=0.0)
        real_number(self.rise, "the share of steps in which a learning rate rises", low=0.0, below=1.0)
        for share in (self.first, self.last):
            real_number(share, "the first and last share of a learning rate", low=0.0, high=1.0)

    def __call__(self, step, steps):
        top = self.rise * steps - 1.0
        if step < top:
            return between(self.rate * self.first, self.rate, step / top)
        return between(self.rate, self.rate * self.last, (step - top) / (steps - 1.0 - top))


@dataclass(frozen=True)
class WarmUp:
    """A learning rate that begins small: it rises linearly to the first number of another, which then runs.

    Step s of the first `steps` has (s + 1) / steps of it; the other begins behind them, with the steps left.

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate after warming up: a number, a list for the steps left, or a schedule.
    steps : int
        How many steps warm up.

    Examples
    --------
    >>> from deletion import LinearDecay, WarmUp
    >>> [round(WarmUp(LinearDecay(0.4), 2)(step, 6), 3) for step in range(6)]
    [0.2, 0.4, 0.4, 0.3, 0.2, 0.1]
    """
    rate: Rate
    steps: int

    def __post_init__(self):
        object.__setattr__(self, "rate", checked_rate(self.rate))
        whole_number(self.steps, "the number of steps that warm up", 0)

    def __call__(self, step, steps):
        if self.steps >= steps:
            raise LearnerError(f"a learning rate warms up for {self.steps} steps, and the training has only "
                               f"{steps}")
        if step < self.steps:
            return rate_at(self.rate, 0, steps - self.steps) * (step + 1) / self.steps
        return rate_at(self.rate, step - self.steps, steps - self.steps)


def between(start, end, share):
    """Return what lies a share of the way from one number to another, along half a wave of a cosine."""
    return end + (start - end) * 0.5 * (1.0 + cos(pi * share))
