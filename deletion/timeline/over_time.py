"""Influence over time: what dropping each visit of each unit changes, from one pass back through the
training."""
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import iterable, whole_number
from circuit.errors import LearnerError

from ..gradients.metagradient import metagradient
from ..learner.learner import Learner
from .visits import Visits, checked_steps, visits


@dataclass(frozen=True, eq=False, repr=False)
class OverTime:
    """What dropping each visit alone changes, predicted for all visits; `influence_over_time` makes it.

    Attributes
    ----------
    visits : Visits
        The training, its visits, and the unit and step of each.
    value : np.ndarray
        f as trained, of the measurement's shape.
    slopes : np.ndarray, (visits,) + the measurement's shape
        df / d(weight of the unit at that step alone).
    finite : np.ndarray, (visits,) + the measurement's shape, or None
        The change when that visit is deleted, exact for its own step and with the later ones linearized. None
        where it was not calculated.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.timeline import influence_over_time
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.1), [0, 1, 2, 0, 1, 2])
    >>> influence_over_time(learner, lambda w: w[0], progress=False)
    <influence over time: 6 visits of 3 units in 6 steps, by finite steps>
    """
    visits: Visits
    value: np.ndarray
    slopes: np.ndarray
    finite: np.ndarray | None = None

    def __repr__(self):
        how = "by slopes" if self.finite is None else "by finite steps"
        return f"<influence over time: {repr(self.visits)[1:-1]}, {how}>"

    @property
    def effects(self) -> np.ndarray:
        """(visits,) + the measurement's shape: the predicted change when a visit is deleted, by finite steps
        where they were calculated."""
        return -self.slopes if self.finite is None else self.finite

    def by_unit(self) -> np.ndarray:
        """Return the predicted change when all visits of a unit are deleted.

        Returns
        -------
        np.ndarray, (units,) + the measurement's shape
        """
        return self.stages(1)[:, 0]

    def stages(self, count: int) -> np.ndarray:
        """Return the effects, added up by unit and by stage of the training: the data of a heat map.

        Parameters
        ----------
        count : int
            The number of stages, at most that of steps. Stage k has the steps t with k <= count t / T < k +
            1.

        Returns
        -------
        np.ndarray, (units, count) + the measurement's shape
            The predicted change when a unit is deleted in one stage only.

        Raises
        ------
        LearnerError
            For a number of stages that is not between 1 and the number of steps.
        """
        steps = len(self.visits.original.steps)
        if whole_number(count, "the number of stages", 1) > steps:
            raise LearnerError(f"{count} stages of a training of {steps} steps: give at most one a step")
        sums = np.zeros((self.visits.original.unit_count, count) + self.value.shape)
        np.add.at(sums, (self.visits.units, self.visits.steps * count // steps), self.effects)
        return sums

    def from_step(self, deletion_sets: Sequence, steps: ArrayLike | None = None) -> np.ndarray:
        """Predict the change if sets had been dropped from a step on: the sum of the effects from there on.

        `dropped_from` retrains the same, and `dropped_before` the complement: dropped before s, a set
        changes from_step(sets, [0]) - from_step(sets, [s]).

        Parameters
        ----------
        deletion_sets : sequence of deletion sets
            Of units of the original learner.
        steps : array_like of int, (k,), optional
            The first steps without the sets, from 0 to the number of steps; by default all of these.

        Returns
        -------
        np.ndarray, (sets, k) + the measurement's shape

        Raises
        ------
        LearnerError
            For unknown units, and for steps that the training does not have.
        """
        since, visited = checked_steps(steps, self.visits), self.visits
        if not iterable(deletion_sets):
            raise LearnerError(f"deletion sets are a sequence of sets, such as [{deletion_sets!r:.60}], not "
                               f"{deletion_sets!r:.60}")
        changes = np.zeros((len(deletion_sets), len(since)) + self.value.shape)
        for change, deletion_set in zip(changes, deletion_sets):
            own = visited.of(deletion_set)
            dropped = visited.steps[own] >= since[:, None]
            change[...] = np.tensordot(dropped.astype(float), self.effects[own], 1)
        return changes


def influence_over_time(learner: Learner | Visits, measurement: Callable, *, finite_step: bool = True,
                        memory: int | None = None, threads: int | None = None,
                        progress: bool = True) -> OverTime:
    """Predict what dropping each unit at each step changes, by one pass backwards through the training.

    The derivative in a unit's weight is a sum over the steps that use it, and each term is the derivative in
    its weight at that step alone (Ilyas & Engstrom, MAGIC, arXiv 2504.16430):

        df / dw_i = sum_t a_{t+1} d step_t / d w_i

    Parameters
    ----------
    learner : Learner or Visits
        The learner, or visits of it that were already made.
    measurement : callable
        measurement(parameters) -> scalar or vector, written with the functions of `circuit`.
    finite_step : bool
        Whether to calculate what deleting a unit changes in its own step exactly. Where the optimizer's
        update is not linear in the gradient (Adam) this predicts deletions better than the derivative.
    memory, threads : int, optional
        As for `metagradient`.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    OverTime

    Raises
    ------
    LearnerError
        For input that makes no sense, and for a measurement that only jumps (an accuracy).
    DomainError
        Wherever a NaN or infinity appears; it names step and example.

    Examples
    --------
    The second of two visits matters more, because later steps forget the first.

    >>> from deletion import SGD, Learner
    >>> from deletion.timeline import influence_over_time
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.1), [0, 1, 2, 0, 1, 2])
    >>> over_time = influence_over_time(learner, lambda w: w[0], progress=False)
    >>> over_time.stages(2)[2].round(3), over_time.from_step([[2]], [0, 3]).round(3)
    (array([-0.557, -0.877]), array([[-1.434, -0.877]]))
    """
    visited = learner if isinstance(learner, Visits) else visits(learner)
    g = metagradient(visited.learner, measurement, finite_step=finite_step, memory=memory, threads=threads,
                     progress=progress)
    return OverTime(visited, g.value, g.gradient, g.finite)
