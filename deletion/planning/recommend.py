"""From an error eps and a failure probability delta to the degree, directions and groups of a sketch."""
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Optional, Sequence, Union

import numpy as np

from circuit.checks import real_number, whole_number
from circuit.errors import LearnerError
from circuit.progress import working

from .needs import Needs
from .pilot import DIRECTIONS, Pilot, pilot_of
from .practice import bound, by_practice
from .theorem import BASE, alpha, by_theorem

if TYPE_CHECKING:
    from ..learner.learner import Learner

MIN_FAILURE = 1e-12
"""The least failure probability of one prediction: beyond, the normal tail's rounding would decide."""


@dataclass(frozen=True)
class Recommendation:
    """The result of `recommend`. Its text is a short report.

    Attributes
    ----------
    eps, delta : float
        The error asked for, in the measurement's units, and the failure probability of all queries.
    queries : int
        For how many predictions delta holds together.
    alpha : float
        The theorem's alpha(4|h|) for the largest of the sets; infinite where its series diverges.
    change : float
        The root mean square of the true changes without the pilot's sets.
    first_order : float
        What the errors of exact first order, as of `metagradient`, stay below, except with that probability.
    theorem, practice : Needs
        What the theorem asks for, and what calibrated practice needs.
    notes : tuple
        What a reader should know before making either sketch, in words.
    pilot : Pilot
        What was measured; it can be given to `recommend` again.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.planning import recommend
    >>> learner = Learner([0.0], [k / 400 for k in range(400)], lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   [range(400)] * 20)
    >>> sets = [[k] for k in range(0, 400, 20)]
    >>> plan = recommend(learner, lambda w: w[0], 0.015, 0.05, sets=sets, progress=False)
    >>> plan.theorem.degree, plan.theorem.groups, plan.practice.directions
    (1, 25, 0)
    """
    eps: float
    delta: float
    queries: int
    alpha: float
    change: float
    first_order: float
    theorem: Needs
    practice: Needs
    notes: tuple
    pilot: Pilot

    def __str__(self):
        pilot = self.pilot
        share = f", {self.eps / self.change:.0%} of their typical change" if self.change else ""
        together = "" if self.queries == 1 else f" for {self.queries:,} predictions together"
        lines = [f"sets up to |h|^2 = {pilot.reach ** 2:.3g} of {pilot.units:,} units: an error of at most "
                 f"{self.eps:.3g}{share}, except with probability {self.delta:.3g}{together}",
                 f"  the theorem: {self.theorem}", f"  in practice: {self.practice}",
                 *(f"  {note}" for note in self.notes),
                 "order    norm                along such sets"]
        along = np.sqrt((pilot.terms ** 2).mean(axis=0))
        for r, (norm, error, term) in enumerate(zip(pilot.norms, pilot.norm_errors, along), 1):
            lines.append(f"{r:5d}    {f'{norm:.3g} +- {error:.1g}':<16}    {term:.3g}")
        return "\n".join(lines)


def recommend(learner: "Learner", measurement: Callable, eps: float, delta: float, *,
              sets: Optional[Sequence] = None, queries: int = 1, pilot: Union[int, Pilot] = DIRECTIONS,
              seed: int = 0, progress: bool = True) -> Recommendation:
    """Plan a sketch: the degree, directions and groups that (eps, delta) takes, by theorem and in practice.

    The theorem holds for every set of the size of these, over the choice of directions. Practice holds for
    random sets like these: it is what calibrated errors of a few retrained sets imply.

    Parameters
    ----------
    learner : Learner
        What will be sketched.
    measurement : callable
        measurement(parameters) -> one number.
    eps : float
        The largest absolute error, in the measurement's units.
    delta : float
        The probability, between 0 and 1, of a larger one.
    sets : sequence of deletion sets, optional
        Sets like those that will be asked about; many are better. Default: 32 random sets of 1% of the units.
    queries : int
        For how many predictions delta is to hold together: each then has delta / queries (union bound).
    pilot : int or Pilot
        The directions of the pilot, or that of an earlier recommendation.
    seed : int
        Of the pilot's directions and random sets.
    progress : bool
        False prints nothing on stderr.

    Returns
    -------
    Recommendation
        `theorem` and `practice`: degree, directions and cost of each, or the reason why there are none.

    Raises
    ------
    LearnerError
        For bad arguments, sets that delete nothing, or retrainings that do not end in numbers.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.planning import recommend
    >>> learner = Learner([0.0], [k / 400 for k in range(400)], lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   [range(400)] * 20)
    >>> sets = [[k] for k in range(0, 400, 20)]
    >>> plan = recommend(learner, lambda w: w[0], 1e-4, 0.05, sets=sets, progress=False)
    >>> plan.practice.design, plan.practice.degree
    ('pairs', 1)
    """
    eps = real_number(eps, "eps, the largest error", above=0.0)
    delta = real_number(delta, "delta, the failure probability", above=0.0, below=1.0)
    if delta / whole_number(queries, "the number of queries", 1) < MIN_FAILURE:
        raise LearnerError(f"delta / queries: expected at least {MIN_FAILURE:g}, got {delta / queries:g}")
    with working("recommend", progress):
        if isinstance(pilot, Pilot):
            check_same(pilot, learner, measurement, sets)
        else:
            pilot = pilot_of(learner, measurement, sets, pilot, seed=seed, progress=progress)
    return planned(pilot, eps, delta, queries)


def check_same(pilot, learner, measurement, sets):
    """Raise unless a pilot is of this learner and measurement, and no sets are given beside it."""
    if pilot.learner is not learner or pilot.measurement is not measurement or sets is not None:
        raise LearnerError("this pilot is of other sets, another learner or another measurement: give those "
                           "it was made with, and no sets")


def planned(pilot, eps, delta, queries):
    """The Recommendation that follows from a pilot."""
    failure = delta / queries
    theorem, practice = (priced(needs, pilot)
                         for needs in (by_theorem(pilot, eps, failure), by_practice(pilot, eps, failure)))
    first_order = bound(pilot.left(1), failure)
    return Recommendation(eps, delta, queries, alpha(pilot.norms, BASE * pilot.reach),
                          float(np.sqrt((pilot.changes ** 2).mean())), first_order, theorem, practice,
                          tuple(notes(pilot.units, theorem, practice, first_order <= eps)), pilot)


def priced(needs, pilot):
    """The Needs with their cost in trainings."""
    if not needs.directions:
        return needs
    return replace(needs, trainings=pilot.trainings(needs.directions, needs.degree))


def notes(units, theorem, practice, by_gradient):
    """What should be known of two Needs, in words.   by_gradient: whether exact first order is within eps"""
    for name, needs in (("theorem", theorem), ("practice", practice)):
        if needs.directions and needs.directions > 2 * units:
            yield (f"{name}: more than twice as many directions as units; {units:,} retrainings give every "
                   "unit's own change")
        if needs.trainings:
            yield f"{name}: retraining costs less for up to {needs.trainings:,.0f} sets"
    if practice.degree is None:
        yield "practice: retrain such sets, or allow a larger eps"
    if by_gradient and practice.directions != 0:
        yield "exact first order is within eps: for this one measurement, metagradient needs no directions"
