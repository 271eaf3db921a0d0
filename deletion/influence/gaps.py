"""Why influence functions are not retraining: five gaps between the two, by successive substitution (Bae et
al. 2209.05364).

    cold-start retraining     training again from the initial parameters, weight 0 and the schedule unchanged
      | warm start            the same training begun at theta_s, the parameters as trained
    warm-start retraining
      | proximity             (damping/2) |theta - theta_s|^2 added to the sum of losses
    proximal retraining
      | non-convergence       losses replaced by Bregman divergences from what the model said at theta_s, and
                              minimised
    PBRF
      | linearisation         the Gauss-Newton matrix at theta_s in the place of the divergences
    damped solve
      | solver                an iterative solver stopped early
    iterative solve

The first is the truth, the last what an influence computation returns.
"""
from dataclasses import dataclass
from functools import partial

import numpy as np

from circuit.progress import working

from circuit.errors import LearnerError
from circuit.checks import iterable, real_number
from ..methods.base import change_at
from ..learner.retrain import retrain
from .pbrf import PBRF, Response
from ..curvature.solvers import solve

STATIONS = ("cold-start retraining", "warm-start retraining", "proximal retraining", "PBRF", "damped solve",
            "iterative solve")
GAPS = ("warm start", "proximity", "non-convergence", "linearisation", "solver")


@dataclass(frozen=True)
class Gaps:
    """The six stations and the distances between neighbours, for k deletion sets.

    parameters        (6, k, parameters) at each of STATIONS
    change            (6, k) + shape of the measurement: its value there minus that as trained
    in_parameters     (5, k): Euclidean distances, one for each of GAPS
    in_measurements   (5, k): distances of the measurement, the mean over its entries
    residual          (k,): the relative residual at which the iterative solver stopped
    """
    parameters: np.ndarray
    change: np.ndarray
    residual: np.ndarray

    @property
    def in_parameters(self):
        return np.linalg.norm(np.diff(self.parameters, axis=0), axis=2)

    @property
    def in_measurements(self):
        gaps = np.abs(np.diff(self.change, axis=0))
        return gaps.reshape(gaps.shape[:2] + (-1,)).mean(axis=2)


def five_gaps(learner, deletion_sets, measurement, *, damping, solver="lissa", tolerance=0.01, limit=10_000,
              progress=True):
    """The Gaps of deletion sets (as `retrain` takes them) and measurement(parameters) -> scalar or vector.

    damping   lambda >= 0, on the scale of sums
    solver    the iterative one, "lissa" or "cg": stopped at a relative residual of `tolerance`, after at most
              `limit` products
    progress  False prints nothing on stderr

    Raises DoesNotApply where one of the stations cannot be reached, with the reason.
    """
    damping = real_number(damping, "damping", low=0.0)
    if not isinstance(solver, str) or solver not in ("lissa", "cg"):
        raise LearnerError(f"{solver!r:.60} is no iterative solver; there are 'lissa' and 'cg'")
    sets = [[learner.units[i] for i in learner.unit_indices(s)]
            for s in deletion_sets] if iterable(deletion_sets) else []
    if not sets:
        raise LearnerError(f"deletion sets are a sequence of sets, such as [[{learner.units[0]!r}]], not "
                           f"{deletion_sets!r:.60}")
    early = {"solver": solver, "tolerance": tolerance, "limit": limit}
    with working("five gaps", progress):
        return stations(learner, sets, measurement, damping, early)


def stations(learner, sets, measurement, damping, early):
    """The Gaps between all stations.   early: the solver that is stopped early, with its options."""
    # what is refused is told before any training
    bregman = PBRF(damping).answer(learner, sets, measurement).parameters
    response = Response(learner, learner.trained, damping)
    h = np.array([(learner.downweight(s) * learner.used)[learner.unit_of] for s in sets])
    pulls = h @ response.objective.gradients(learner.trained)
    exact = solve(response.curvature, pulls, damping)
    early = solve(response.curvature, pulls, damping, **early)
    theta = [retrain(each, sets) for each in (learner, begun_at(learner), begun_at(learner, damping))]
    theta = np.array([*theta, bregman, learner.trained + exact.x, learner.trained + early.x])
    change = change_at(learner, measurement, theta.reshape(-1, theta.shape[2]))
    return Gaps(theta, change.reshape(theta.shape[:2] + change.shape[1:]), early.residual)


def begun_at(learner, damping=0.0):
    """The same learning algorithm begun at the parameters as trained, and held there by (damping/2) |theta -
    theta_s|^2."""
    start = list(learner.layout.pieces(learner.trained))
    held = partial(proximal, learner.regularizer, start,
                   0.5 * damping / learner.example_count) if damping else learner.regularizer
    return learner.again(parameters=learner.layout.split(learner.trained), regularizer=held)


def proximal(regularizer, start, half, parameters):
    """A regulariser plus half |parameters - start|^2; it is added to the mean of losses, not to their sum."""
    tensors = parameters.values() if isinstance(parameters, dict) else [parameters]
    moved = sum(((x - s) ** 2).sum() for x, s in zip(tensors, start)) * half
    return moved if regularizer is None else moved + regularizer(parameters)
