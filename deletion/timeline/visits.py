"""Visits: a unit at one step of the training, so that its weight there can differ from its weight elsewhere.

The weight of an example is one number for the whole training. If every example is copied for each of its
places in the schedule, and the copies of a unit at one step are a unit of their own, a visit, then any weight
schedule eps(t) of any unit is a row of weights. All that is known of units - exact retraining, gradients,
sketches with intervals - holds of visits.
"""
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import checked_learner, iterable, real_array
from circuit.errors import LearnerError

from ..learner.learner import Learner
from ..learner.retrain import retrain


@dataclass(frozen=True, eq=False, repr=False)
class Visits:
    """A training whose units are visits, and the unit and step of each; `visits` makes it.

    Attributes
    ----------
    original : Learner
        The learner whose units are visited.
    learner : Learner
        The same training with a copy of an example for each of its places in the schedule. Its units are
        labelled (label of the unit, step), in the order of the steps.
    units : np.ndarray of int, (visits,)
        The number of the original's unit.
    steps : np.ndarray of int, (visits,)
        The step.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.timeline import visits
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.1), [0, 1, 2, 0, 1, 2])
    >>> visits(learner)
    <6 visits of 3 units in 6 steps>
    """
    original: Learner
    learner: Learner
    units: np.ndarray
    steps: np.ndarray

    def __repr__(self):
        return (f"<{len(self.steps):,} visits of {self.original.unit_count:,} units in "
                f"{len(self.original.steps):,} steps>")

    def of(self, deletion_set: Any) -> np.ndarray:
        """Return the numbers of the visits of a set of the original's units, in the order of the steps.

        Parameters
        ----------
        deletion_set : label or sequence of labels
            Of units of the original learner.

        Returns
        -------
        np.ndarray of int
        """
        return np.flatnonzero(np.isin(self.units, self.original.unit_indices(deletion_set)))

    def weights(self, deletion_set: Any, eps: ArrayLike | Callable) -> np.ndarray:
        """Return the weights of all visits when those of a set follow a weight schedule; others have 1.

        Parameters
        ----------
        deletion_set : label or sequence of labels
            Of units of the original learner.
        eps : array_like, (steps,) or (schedules, steps), or callable
            The set's weight >= 0 at every step; a callable is given the numbers of all steps, as the
            schedules `step` and `linear` of gradient flow are.

        Returns
        -------
        np.ndarray, (visits,) or (schedules, visits)
            `retrain(visits.learner, weights=...)` takes rows of it, and `predict_downweights` one minus it.

        Raises
        ------
        LearnerError
            For unknown units, and for schedules that are not one number >= 0 for each step.
        """
        own, eps = self.of(deletion_set), checked_eps(eps, len(self.original.steps))
        weights = np.ones(eps.shape[:-1] + self.steps.shape)
        weights[..., own] = eps[..., self.steps[own]]
        return weights


def visits(learner: Learner) -> Visits:
    """Make every visit of a unit a unit of its own.

    Parameters
    ----------
    learner : Learner
        Any learner. Its examples are copied once for each of their places in the schedule.

    Returns
    -------
    Visits

    Raises
    ------
    LearnerError
        If this is not a learner.

    Examples
    --------
    The weight of 6 is halved in the first of its two visits.

    >>> from deletion import SGD, Learner, retrain
    >>> from deletion.timeline import visits
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.1), [0, 1, 2, 0, 1, 2])
    >>> visited = visits(learner)
    >>> rows = visited.weights([2], [[1, 1, 1, 1, 1, 1], [1, 1, 0.5, 1, 1, 1]])
    >>> retrain(visited.learner, weights=rows, measurement=lambda w: w[0], progress=False).round(3)
    array([2.492, 2.213])
    """
    schedule = checked_learner(learner).schedule
    places = schedule.reshape(len(schedule), -1)
    step_of_place = np.repeat(np.arange(len(places)), places.shape[1])
    unit_of_place = learner.unit_of[places.ravel()]
    # steps first: visits are numbered in the order in which they happen
    numbers, visit_of_place = np.unique(step_of_place * learner.unit_count + unit_of_place,
                                        return_inverse=True)
    steps, units = np.divmod(numbers, learner.unit_count)
    labels = [(learner.units[unit], int(step)) for unit, step in zip(units, steps)]
    by_visit = Learner(
        learner.layout.split(learner.layout.initial), [learner.examples[i] for i in places.ravel()],
        learner.loss, learner.optimizer, np.arange(schedule.size).reshape(schedule.shape),
        regularizer=learner.regularizer, units=[labels[visit] for visit in visit_of_place.ravel()],
        all_units=labels, labels=[f"{learner.named(i)} at step {step}"
                                  for i, step in zip(places.ravel(), step_of_place)])
    return Visits(learner, by_visit, units, steps)


# exact truth ------------------------------------------------------------------------------------------------

def dropped_from(visited: Visits, deletion_sets: Sequence, measurement: Callable | None = None,
                 steps: ArrayLike | None = None, *, threads: int | None = None,
                 progress: bool = True) -> np.ndarray:
    """Train again with sets that have weight 0 from some step on, and weight 1 before.

    This is theta(T, s) for every set and every first step s without it; s = 0 is training without the set,
    s = T the ordinary training. Between two visits of a set nothing changes with s, and nothing is trained
    twice.

    Parameters
    ----------
    visited : Visits
        What `visits(learner)` returned.
    deletion_sets : sequence of deletion sets
        Of units of the original learner.
    measurement : callable, optional
        measurement(parameters) -> scalar or vector; by default the flat parameters themselves.
    steps : array_like of int, (k,), optional
        The first steps without the sets, each from 0 to the number of steps; by default all of these.
    threads : int, optional
        As for `retrain`.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    np.ndarray, (sets, k) + the measurement's shape
        The measurement after each training.

    Raises
    ------
    LearnerError
        For unknown units, and for steps that the training does not have.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.timeline import dropped_from, visits
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.1), [0, 1, 2, 0, 1, 2])
    >>> dropped_from(visits(learner), [[2]], lambda w: w[0], [0, 3, 6], progress=False).round(3)
    array([[0.918, 1.615, 2.492]])
    """
    since = checked_steps(steps, visited)
    eps = np.arange(len(visited.original.steps)) < since[:, None]
    return trained_by(visited, deletion_sets, eps, measurement, threads, progress)


def dropped_before(visited: Visits, deletion_sets: Sequence, measurement: Callable | None = None,
                   steps: ArrayLike | None = None, *, threads: int | None = None,
                   progress: bool = True) -> np.ndarray:
    """Train again with sets that have weight 0 before some step, and weight 1 from there on.

    s = 0 is the ordinary training, s = T training without the set.

    Parameters
    ----------
    visited : Visits
        What `visits(learner)` returned.
    deletion_sets : sequence of deletion sets
        Of units of the original learner.
    measurement : callable, optional
        As for `dropped_from`.
    steps : array_like of int, (k,), optional
        The first steps with the sets, each from 0 to the number of steps; by default all of these.
    threads : int, optional
        As for `retrain`.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    np.ndarray, (sets, k) + the measurement's shape
        The measurement after each training.

    Raises
    ------
    LearnerError
        For unknown units, and for steps that the training does not have.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.timeline import dropped_before, visits
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.1), [0, 1, 2, 0, 1, 2])
    >>> dropped_before(visits(learner), [[2]], lambda w: w[0], [0, 3, 6], progress=False).round(3)
    array([[2.492, 1.935, 0.918]])
    """
    since = checked_steps(steps, visited)
    eps = np.arange(len(visited.original.steps)) >= since[:, None]
    return trained_by(visited, deletion_sets, eps, measurement, threads, progress)


def trained_by(visited, deletion_sets, eps, measurement, threads, progress):
    """Return a measurement (sets, schedules, ...) after every set followed every schedule (schedules,
    steps)."""
    if not iterable(deletion_sets):
        raise LearnerError(f"deletion sets are a sequence of sets, such as [{deletion_sets!r:.60}], not "
                           f"{deletion_sets!r:.60}")
    rows, places, count = [], [], 0
    for deletion_set in deletion_sets:
        # schedules that agree at the set's visits are one training
        own = visited.of(deletion_set)
        different, which = np.unique(eps[:, visited.steps[own]], axis=0, return_inverse=True)
        weights = np.ones((len(different), len(visited.steps)))
        weights[:, own] = different
        rows.append(weights)
        places.append(count + which.ravel())
        count += len(different)
    if not rows:
        raise LearnerError("nothing to retrain: no deletion sets")
    trained = retrain(visited.learner, weights=np.concatenate(rows), measurement=measurement,
                      threads=threads, progress=progress)
    return trained[np.stack(places)]


# what users give --------------------------------------------------------------------------------------------

def checked_steps(steps, visited):
    """Return step numbers (k,) from 0 to the number of steps; None stands for all of these."""
    if not isinstance(visited, Visits):
        raise LearnerError(f"expected Visits, as visits(learner) makes them, got {visited!r:.60}")
    last = len(visited.original.steps)
    if steps is None:
        return np.arange(last + 1)
    numbers = real_array(steps, "steps")
    if numbers.ndim != 1 or not len(numbers) or np.any(numbers != np.rint(numbers)) \
            or numbers.min() < 0 or numbers.max() > last:
        raise LearnerError(f"steps are a sequence of whole numbers from 0 to {last}, got {steps!r:.60}")
    return numbers.astype(int)


def checked_eps(eps, steps):
    """Return weights (steps,) or (schedules, steps), all >= 0."""
    eps = real_array(eps(np.arange(steps)) if callable(eps) else eps, "a weight schedule")
    if eps.ndim not in (1, 2) or eps.shape[-1] != steps or not eps.size or eps.min() < 0.0:
        raise LearnerError(f"a weight schedule is one number >= 0 for each of {steps} steps, or rows of "
                           f"them, not {eps.shape}" + (f" with {eps.min():g} among them" if eps.size else ""))
    return eps
