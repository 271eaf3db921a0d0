"""Why influence functions are not retraining: five gaps between the two, by successive substitution (Bae et
al. 2209.05364).

    cold-start retraining     training again from the initial parameters, weight 0 and the schedule unchanged
      | warm start            the same training begun at theta_s, the parameters as trained
    warm-start retraining
      | proximity             (damping/2) |theta - theta_s|^2 added to the sum of losses
    proximal retraining
      | non-convergence       losses replaced by Bregman divergences from the outputs at theta_s, and
                              minimised
    PBRF
      | linearisation         the Gauss-Newton matrix at theta_s in the place of the divergences
    damped solve
      | solver                an iterative solver stopped early
    iterative solve

Cold-start retraining is the truth; the iterative solve is what an influence computation returns.
"""
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Callable, Iterable

import numpy as np

from circuit.progress import working

from circuit.errors import LearnerError
from circuit.checks import checked_learner, iterable, real_number
from ..methods.base import change_at, remaining
from ..learner.layout import leaves
from ..learner.retrain import retrain
from .pbrf import PBRF, Response, minima
from ..curvature.solvers import solve

if TYPE_CHECKING:
    from ..learner.learner import Learner

STATIONS = ("cold-start retraining", "warm-start retraining", "proximal retraining", "PBRF", "damped solve",
            "iterative solve")
GAPS = ("warm start", "proximity", "non-convergence", "linearisation", "solver")


@dataclass(frozen=True)
class Gaps:
    """The six stations between retraining and an influence computation, for k deletion sets.

    Attributes
    ----------
    parameters : (6, k, parameters) array
        The parameters at each of STATIONS.
    change : (6, k) + shape array
        The measurement there minus its value as trained; `shape` is that of the measurement.
    residual : (k,) array
        The relative residual at which the iterative solver stopped.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.influence import Gaps
    >>> gaps = Gaps(np.arange(6.0).reshape(6, 1, 1) ** 2, np.arange(6.0).reshape(6, 1), np.zeros(1))
    >>> print(gaps.in_parameters[:, 0], gaps.in_measurements[:, 0])
    [1. 3. 5. 7. 9.] [1. 1. 1. 1. 1.]
    """
    parameters: np.ndarray
    change: np.ndarray
    residual: np.ndarray

    @property
    def in_parameters(self) -> np.ndarray:
        """(5, k): Euclidean distances between neighbouring stations, one for each of GAPS."""
        return np.linalg.norm(np.diff(self.parameters, axis=0), axis=2)

    @property
    def in_measurements(self) -> np.ndarray:
        """(5, k): distances of the measurement between neighbouring stations, the mean over its entries."""
        gaps = np.abs(np.diff(self.change, axis=0))
        return gaps.reshape(gaps.shape[:2] + (-1,)).mean(axis=2)


def five_gaps(learner: "Learner", deletion_sets: Iterable, measurement: Callable, *, damping: float,
              solver: str = "lissa", tolerance: float = 0.01, limit: int = 10_000,
              progress: bool = True) -> Gaps:
    """Compute the gaps between retraining and an influence computation.

    Parameters
    ----------
    learner : Learner
        Its loss is a ModelLoss. It is trained if it has not been.
    deletion_sets : iterable
        Deletion sets, each a sequence of units' labels, as `retrain` takes them.
    measurement : Callable
        measurement(parameters) -> scalar or vector.
    damping : float
        Damping of the influence computation and weight of the proximal term, >= 0, on the scale of sums.
    solver : str
        The iterative solver, "lissa" or "cg".
    tolerance : float
        The relative residual at which the iterative solver stops.
    limit : int
        The largest number of its products with each vector.
    progress : bool
        False prints nothing on stderr.

    Returns
    -------
    Gaps
        For the sets in their order.

    Raises
    ------
    DoesNotApply
        If one of the stations cannot be reached, with the reason.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, ModelLoss
    >>> from deletion.influence import five_gaps
    >>> loss = ModelLoss(lambda w, y: w + 0.0 * y, lambda output, y: (output - y) ** 2 / 2)
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], loss, SGD(0.5), [[0, 1]] * 60)
    >>> gaps = five_gaps(learner, [[1]], lambda w: w[0], damping=2.0, progress=False)
    >>> print(gaps.change[:5, 0].round(3))
    [-1.    -1.    -0.333 -0.333 -0.25 ]
    """
    damping = real_number(damping, "damping", low=0.0)
    if not isinstance(solver, str) or solver not in ("lissa", "cg"):
        raise LearnerError(f"no iterative solver {solver!r:.60}; there are 'lissa' and 'cg'")
    sets = []
    if iterable(deletion_sets):
        sets = [[learner.units[i] for i in learner.unit_indices(s)] for s in deletion_sets]
    if not sets:
        raise LearnerError(f"deletion sets are a sequence of sets, such as [[{learner.units[0]!r}]]: got "
                           f"{deletion_sets!r:.60}")
    with working("five gaps", progress):
        return stations(learner, sets, measurement, PBRF(damping),
                        {"solver": solver, "tolerance": tolerance, "limit": limit})


def stations(learner, sets, measurement, method, early):
    """The Gaps between all stations.   method: the PBRF;   early: the iterative solver, with its options."""
    # refusals come before any training
    method.check(checked_learner(learner))
    h = np.array([learner.downweight(s) * learner.used for s in sets])
    downweights, response = 1.0 - remaining(learner, h), Response(learner, learner.trained, method.damping)
    bregman, _ = minima(response, downweights, method.tolerance)
    gradients = downweights @ response.objective.gradients(learner.trained)
    exact = response.factor.solve(gradients)
    iterative = solve(response.curvature, gradients, method.damping, **early)
    theta = [retrain(each, sets) for each in (learner, begun_at(learner), begun_at(learner, method.damping))]
    theta = np.array([*theta, bregman, learner.trained + exact, learner.trained + iterative.x])
    change = change_at(learner, measurement, theta.reshape(-1, theta.shape[2]))
    return Gaps(theta, change.reshape(theta.shape[:2] + change.shape[1:]), iterative.residual)


def begun_at(learner, damping=0.0):
    """The same learning algorithm begun at the parameters as trained, and held there by (damping/2) |theta -
    theta_s|^2."""
    start = list(learner.layout.pieces(learner.trained))
    regularizer = learner.regularizer
    if damping:
        regularizer = partial(proximal, regularizer, start, 0.5 * damping / learner.example_count)
    return learner.again(parameters=learner.layout.split(learner.trained), regularizer=regularizer)


def proximal(regularizer, start, half, parameters):
    """A regulariser plus half |parameters - start|^2; it is added to the mean of losses, not to their sum."""
    proximity = sum(((x - s) ** 2).sum() for x, s in zip(leaves(parameters), start)) * half
    return proximity if regularizer is None else proximity + regularizer(parameters)
