"""Learning rates: a number, a list with one for every step, or a function of (step, steps)."""
from typing import Callable, Sequence, Union

from circuit.checks import iterable, real_number
from circuit.errors import LearnerError

Rate = Union[float, Sequence[float], Callable]


def checked_rate(rate):
    """Return a learning rate, a list as a tuple that cannot change; raise LearnerError for anything else."""
    if isinstance(rate, type):
        raise LearnerError("a learning rate is a number, a list or a function of (step, steps), not a class: "
                           f"{rate.__name__}(0.1)?")
    if callable(rate):
        return rate
    if iterable(rate) and getattr(rate, "ndim", 1) == 1:
        return tuple(real_number(x, f"the learning rate at step {step}", low=0.0)
                     for step, x in enumerate(rate))
    real_number(rate, "a learning rate", low=0.0)
    return rate


def rate_at(rate, step, steps):
    """Return the number that a learning rate is at a step."""
    if isinstance(rate, tuple) and len(rate) != steps:
        raise LearnerError(f"a list of {len(rate)} learning rates for {steps} steps: expected one for each")
    number = rate(step, steps) if callable(rate) else rate[step] if isinstance(rate, tuple) else rate
    return real_number(number, f"the learning rate at step {step}", low=0.0)
