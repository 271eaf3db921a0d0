"""What all optimizers have: three methods, of which a new one needs to write `update` only."""
from dataclasses import dataclass
from typing import Sequence

from numpy.typing import ArrayLike

from circuit.errors import LearnerError

from .rates import Rate, checked_rate, rate_at


def checked_optimizer(optimizer):
    """Return an optimizer, which is whatever has the three methods."""
    if isinstance(optimizer, type) or not all(callable(getattr(optimizer, name, None))
                                              for name in ("state", "constants", "update")):
        raise LearnerError("an optimizer has the methods state, constants and update, as SGD(0.1) does; "
                           f"{optimizer!r:.60} is none")
    return optimizer


@dataclass(frozen=True)
class Optimizer:
    """A learning rate, and no state: what the optimizers have in common.

    Attributes
    ----------
    rate : float, sequence of float or callable
        The learning rate, >= 0: a number, a list with one for every step, or a function of (step, steps).
    """
    rate: Rate

    def __post_init__(self):
        object.__setattr__(self, "rate", checked_rate(self.rate))

    def state(self, size: int) -> tuple:
        """Return the initial arrays besides the parameters, as a tuple.

        Parameters
        ----------
        size : int
            The number of parameters.

        Returns
        -------
        tuple of np.ndarray
        """
        return ()

    def constants(self, step: int, steps: int) -> tuple:
        """Return the numbers of a step that no example weight can move, such as the learning rate.

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
        """Take one step. This is recorded.

        Parameters
        ----------
        theta, gradient : wire or array, (parameters,)
        state, constants : sequence
            As `state` and `constants` return them, or as the step before left them.

        Returns
        -------
        (theta, state) : (wire or array, tuple)
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it takes a step")
