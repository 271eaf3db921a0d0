"""The pilot: a few sets pushed and retrained, and a few directions, before a sketch is planned."""
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Callable, Optional, Sequence

import numpy as np

from circuit import evaluate
from circuit.checks import checked_learner, whole_number
from circuit.errors import LearnerError

from ..directions.directions import draw, given
from ..learner.retrain import retrain
from ..sketch.sketch import precompute
from ..sketch.stability import frobenius, random_probes
from ..storage.blocks import DIRECTIONS_PER_BLOCK
from ..trust.calibration import SETS, calibrate

if TYPE_CHECKING:
    from ..learner.learner import Learner

DIRECTIONS, DEGREE = 16, 6
"""Of the pilot: norms from 16 directions are known to about a tenth; by order 6 terms show how they decay."""

PROBES = 32
"""Random sets that are pushed and retrained: their errors must tell a tail, not only a mean."""


@dataclass(frozen=True, repr=False)
class Pilot:
    """What a plan is made from. `recommend` makes it, and takes it again for another eps or delta.

    Attributes
    ----------
    learner, measurement : Learner, callable
        What was tried: the measurement is one number.
    value : float
        The measurement of the model as trained.
    downweights : np.ndarray
        (sets, units): the sets that were pushed and retrained.
    changes : np.ndarray
        (sets,): how far retraining without each really moves the measurement.
    terms : np.ndarray
        (sets, p): T_1 .. T_p along the sets, exactly.
    paired, additive : np.ndarray
        (sets,): what n/2 and n pairs would predict of whole series. Additive are the sums of the exact
        changes without each unit of a set alone; paired adds half of every unit's interaction with its
        companion.
    norms, norm_errors : np.ndarray
        (p,): the estimated Frobenius norms of T_1 .. T_p, and their standard errors.
    directions : int
        How many directions were pushed: of the sphere for the norms, and as many pairs.
    predicted : np.ndarray
        (sets, p): the terms along the sets by least squares from those pairs.
    crossings : float
        The number of kinks that retraining crossed, the median over the sets.
    cost : float
        What a direction of degree p costs, in trainings made side by side, as measured on a few steps.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.planning.pilot import pilot_of
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> pilot_of(learner, lambda w: w[0], [[0], [1]], directions=2, degree=3, progress=False)
    <pilot: 2 sets of 3 units, degree 3>
    """
    learner: "Learner"
    measurement: Callable
    value: float
    downweights: np.ndarray
    changes: np.ndarray
    terms: np.ndarray
    paired: np.ndarray
    additive: np.ndarray
    norms: np.ndarray
    norm_errors: np.ndarray
    directions: int
    predicted: np.ndarray
    crossings: float
    cost: float

    def __repr__(self):
        return f"<pilot: {len(self.changes)} sets of {self.units:,} units, degree {self.degree}>"

    @property
    def degree(self):
        """The highest order that the pilot knows."""
        return self.terms.shape[1]

    @cached_property
    def units(self):
        """The number of units that steps use: the n of the paper's estimator."""
        return int(np.count_nonzero(self.learner.used))

    @cached_property
    def reach(self):
        """The largest |h| of the sets."""
        return float(np.linalg.norm(self.downweights, axis=1).max())

    def trainings(self, directions, degree):
        """Return the cost in trainings of a sketch, calibration included; products take (p+1)(p+2)/2 each."""
        share = (degree + 1) * (degree + 2) / ((self.degree + 1) * (self.degree + 2))
        return directions * self.cost * share + SETS

    def left(self, degree):
        """Return what the exact series of a degree leaves of the changes, (sets,)."""
        return self.changes - self.terms[:, :degree].sum(axis=1)


def pilot_of(learner: "Learner", measurement: Callable, sets: Optional[Sequence] = None,
             directions: int = DIRECTIONS, degree: int = DEGREE, seed: int = 0,
             progress: bool = True) -> Pilot:
    """Make the Pilot of a learner and a measurement.

    Parameters
    ----------
    learner, measurement : Learner, callable
        As for `recommend`.
    sets : sequence of deletion sets, optional
        Sets like those that will be asked about. Default: 32 random sets of 1% of the units.
    directions, degree, seed : int
        Directions of each design, the highest order (at least 2), and the seed of directions and sets.
    progress : bool
        False prints nothing on stderr.

    Returns
    -------
    Pilot

    Raises
    ------
    LearnerError
        If the measurement is no single number, the sets delete nothing, or retraining gives no numbers.
    """
    directions = whole_number(directions, "the directions of a pilot", 2)
    degree = whole_number(degree, "the degree of a pilot", 2)
    circuit = checked_learner(learner).measurement(measurement)
    if circuit.shapes[circuit.outputs[0]] != ():
        raise LearnerError("the measurement: expected one number, whose error eps bounds, got an array of "
                           f"shape {circuit.shapes[circuit.outputs[0]]}; plan for each element")
    asked = learner.deletion_sets(random_probes(learner, None, PROBES, seed) if sets is None else sets)
    h = asked.among(learner.used).dense(learner.unit_count)
    if not len(h) or not h.any(axis=1).all():
        raise LearnerError("sets: expected at least one, and that each deletes a unit that a step uses")
    retrained = calibrate(learner, h, progress=progress)
    if not retrained.finite:
        raise LearnerError("sets: retraining without one of them does not end in numbers, so nothing can be "
                           "planned; try smaller sets, or a smaller learning rate")

    def pushed(psi, design="sphere"):
        sketch = precompute(learner, psi, degree, seed, design=design, calibration=0, progress=progress)
        return sketch, sketch.measure(measurement, progress=progress)

    measured = pushed(given(h))[1]
    norms, norm_errors = frobenius(*pushed(directions))
    pairs = pushed(directions, "pairs")[1].estimator(decoder="least squares")
    predicted = pairs(asked.among(learner.used), errors=False).terms[..., 0]
    value = float(measured.value)
    paired, additive = by_units(learner, measurement, h, value, progress)
    return Pilot(learner, measurement, value, h, evaluate(circuit, [retrained.values])[0] - value,
                 measured.coefficients.real, paired, additive, norms, norm_errors, directions, predicted,
                 float(np.median(retrained.crossings)), cost_of_a_direction(learner, degree))


def by_units(learner, measurement, h, value, progress):
    """What n/2 and n pairs would predict of whole series, each (sets,), by retraining units and pairs.

    One direction e_a + e^{i phi} e_b leaves open whose the interaction of a and b is: each is given half.
    """
    half = -(-int(np.count_nonzero(learner.used)) // 2)
    pairs = draw("pairs", half, learner, 1, 0).psi != 0.0
    pairs = pairs[(pairs & h.any(axis=0)).any(axis=1)].astype(float)
    units = np.flatnonzero(pairs.any(axis=0))
    weights = 1.0 - np.concatenate([np.eye(learner.unit_count)[units], pairs])
    changes = retrain(learner, None, measurement, weights=weights, progress=progress) - value
    own = np.zeros(learner.unit_count)
    own[units] = changes[:len(units)]
    interactions, additive = changes[len(units):] - pairs @ own, h @ own
    return additive + 0.5 * (h @ pairs.T) @ interactions, additive


def cost_of_a_direction(learner, degree):
    """What one direction of a degree costs, in trainings made side by side, measured on a few steps."""
    cost = precompute(learner, DIRECTIONS_PER_BLOCK, degree, design="sphere", dry_run=True, threads=1,
                      progress=False)
    pushing = cost.steps * cost.seconds_per_step / DIRECTIONS_PER_BLOCK
    return pushing / (cost.retraining / SETS)
