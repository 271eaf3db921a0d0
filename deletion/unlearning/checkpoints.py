"""Checkpoints of a learner's training: kept while it trains, or recovered by undoing its last steps."""
from dataclasses import dataclass
from typing import Iterable, Optional

import numpy as np

from circuit import evaluate

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import iterable, real_number, whole_number
from ..learner.learner import Learner
from ..learner.optimizers import SGD, rate_at
from ..learner.replay import advance


@dataclass(frozen=True)
class Trajectory:
    """States of a learner's ordinary training, as `trajectory` and `inverted` return them.

    Attributes
    ----------
    fingerprint : str
        That of the learner.
    states : dict
        {step: the optimiser's arrays before that step, flat}, parameters first.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import Trajectory
    >>> Trajectory("...", {0: (np.zeros(2),)}).before(0)
    (array([0., 0.]),)
    """
    fingerprint: str
    states: dict

    def before(self, step: int) -> tuple[np.ndarray, ...]:
        """Return the state before a step.

        Parameters
        ----------
        step : int
            The number of a step, from 0; the number of steps stands for the end.

        Returns
        -------
        tuple of np.ndarray
            The parameters, and what the optimiser keeps.

        Raises
        ------
        DoesNotApply
            If there is no checkpoint there.
        """
        if step not in self.states:
            raise DoesNotApply(f"no checkpoint before step {step}; there are some before steps "
                               f"{', '.join(map(str, sorted(self.states)))}")
        return self.states[step]


def trajectory(learner: Learner, every: Optional[int] = None, at: Iterable[int] = ()) -> Trajectory:
    """Train as usual and keep checkpoints.

    Parameters
    ----------
    learner : Learner
        The learner to train.
    every : int, optional
        Keep the state before every step whose number is a multiple of this.
    at : iterable of int
        Keep the state before these steps too. The state before step 0 is always kept.

    Returns
    -------
    Trajectory
        The checkpoints.

    Raises
    ------
    LearnerError
        If a step lies beyond the end of the training.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import trajectory
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 4)
    >>> kept = trajectory(learner, every=2)
    >>> sorted(kept.states), kept.before(2)      # half of the way to 2, and half of the rest
    ([0, 2], (array([1.5]),))
    """
    steps = len(learner.steps)
    if not iterable(at):
        raise LearnerError("at: expected a sequence of steps before which to keep the state, such as "
                           f"[{at!r:.60}], got {at!r:.60}")
    numbers = {0} | {whole_number(step, "a step to keep", 0) for step in at}
    if every is not None:
        numbers |= set(range(0, steps, whole_number(every, "steps between checkpoints", 1)))
    if max(numbers) > steps:
        raise LearnerError(f"no checkpoint before step {max(numbers)} of a training of {steps} steps")
    block = learner.recurrence(None).block(learner.states, np.ones((1, learner.example_count)))
    states, here = {}, 0
    for step in sorted(numbers):
        advance(learner, block, here, step)
        states[step], here = tuple(block.constant(i)[0] for i in range(len(learner.states))), step
    return Trajectory(learner.fingerprint(), states)


def inverted(learner: Learner, steps: int, smoothness: float, tolerance: float = 1e-14) -> Trajectory:
    """Undo the last K steps of plain SGD, without a checkpoint.

    A step theta' = theta - eta grad F(theta) is the proximal point of -F: theta = argmin |x - theta'|^2/2 -
    eta F(x). It is unique while eta < 1/smoothness, and is found by the iteration x <- x + theta' - step(x),
    which contracts by eta * smoothness. Every step that is undone multiplies rounding errors by up to 1/(1 -
    eta * smoothness).

    Parameters
    ----------
    learner : Learner
        Trained by plain SGD.
    steps : int
        K, how many steps are undone.
    smoothness : float
        A bound of the curvature of the mean objective.
    tolerance : float
        Of the fixed point, relative to 1 + |theta|.

    Returns
    -------
    Trajectory
        With one state, the one before the last K steps.

    Raises
    ------
    DoesNotApply
        If a rate is too large, the optimiser is not plain SGD, or a step does not contract (then the
        smoothness given was too small).

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import inverted
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 4)
    >>> inverted(learner, 2, smoothness=1.0).before(2)[0].round(9)
    array([1.5])
    """
    begin, rates = start_of(learner, steps), sgd_rates(learner)
    tolerance = real_number(tolerance, "the tolerance of inverted steps", above=0.0, below=1.0)
    worst = rates[begin:].max(initial=0.0) * real_number(smoothness, "smoothness", above=0.0)
    if worst >= 1.0:
        raise DoesNotApply(f"steps can be inverted while rate * smoothness < 1, not {worst:.3g}")
    theta = learner.trained
    for number in range(len(rates) - 1, begin - 1, -1):
        theta = undone(learner, number, theta, rates[number] * smoothness, tolerance)
    return Trajectory(learner.fingerprint(), {begin: (theta,)})


def undone(learner, number, after, contraction, tolerance):
    """The parameters from which step `number` leads to `after`."""
    step, x = learner.steps[number], after
    for _ in range(20 + int(np.log(tolerance) / np.log(max(contraction, 0.01)))):
        moved = after - evaluate(learner.circuits[step.circuit],
                                 [x, np.ones(len(step.weights)), *step.data])[0]
        x = x + moved
        if np.linalg.norm(moved) <= tolerance * (1.0 + np.linalg.norm(x)):
            return x
    raise DoesNotApply(f"{learner.where(number)} cannot be inverted: |step(x) - after| stays at "
                       f"{np.linalg.norm(moved):.2g}. Is the smoothness larger than stated?")


# of a learner's steps ---------------------------------------------------------------------------------------


def start_of(learner, steps):
    """The step before which K steps are left."""
    if whole_number(steps, "steps taken again", 0) > len(learner.steps):
        raise DoesNotApply(f"{steps} steps cannot be taken again: the training has {len(learner.steps)}")
    return len(learner.steps) - steps


def sgd_rates(learner):
    """(T,): the learning rates of plain SGD."""
    if not isinstance(learner.optimizer, SGD):
        raise DoesNotApply("the bound and the inversion of steps are those of plain SGD, not of "
                           f"{type(learner.optimizer).__name__}")
    return np.array([rate_at(learner.optimizer.rate, s, len(learner.steps))
                     for s in range(len(learner.steps))])
