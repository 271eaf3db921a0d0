"""Descent-to-Delete (Neel, Roth & Sharifi-Malvajerdi 2007.02923): continue the descent on the remaining data.

The objective is the MEAN over the remaining examples of f_i = l_i + r (as in the paper, rows are dropped). It
is M-smooth and m-strongly convex. A projected gradient step of 2/(m + M) shrinks the distance to its
minimiser by the factor gamma = (M - m)/(M + m). A deletion of w of n examples moves the minimiser by at most
2 w L/(m n), where |grad l_i| <= L. So after I steps per request

    |theta - minimiser| <= error,    error <- gamma^I (error + 2 w L/(m n)).

In a domain (the ball |theta| <= radius) the same holds for the minimiser within the domain, also where the
ball cuts the other one off: projections bring no two points further apart, and the minimiser within the
domain stays where it is. A domain is needed where gradients are bounded nowhere else, as those of quadratic
losses.

The state (theta, what is left, error) is carried from request to request and is never published. What is
published gets noise.
"""
from dataclasses import dataclass
from math import ceil
from typing import Any, Iterable, Optional

import numpy as np

from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number, whole_number
from ...learner.learner import Learner
from ...methods.base import Answer, Method, change_at, remaining
from ...curvature.objective import objective_of
from ..constants import Constants, checked_constants
from ..noise import Privacy, checked_privacy


@dataclass(frozen=True)
class Descended:
    """The state between two requests, as `Descent.begin`, `train` and `request` return it.

    Attributes
    ----------
    theta : np.ndarray
        The parameters without noise, (parameters,).
    downweight : np.ndarray
        (units,): 1 where deleted.
    error : float
        A bound of |theta - minimiser|.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import Descended
    >>> Descended(theta=np.zeros(2), downweight=np.zeros(5), error=0.1).error
    0.1
    """
    theta: np.ndarray
    downweight: np.ndarray
    error: float


class Descent(Method):
    """Descent-to-Delete: I projected gradient steps per request, from the trained parameters.

    The distance of the trained parameters from the minimiser is measured. The answer's parameters carry no
    noise. Its `diagnostics` hold `sensitivity` (per set), `sigma` (for the largest), `error_at_start` and the
    constants.

    Parameters
    ----------
    constants : Constants
        Of a strongly convex objective. `gradient` may leave the regulariser out, because it cancels where
        minimisers are compared.
    steps : int
        I, the gradient steps per request.
    radius : float, optional
        Parameters stay in the ball |theta| <= radius, and "minimiser" means the one within it. Default: no
        limit.
    privacy : Privacy
        The promise for which the noise is stated.

    Raises
    ------
    DoesNotApply
        If the constants are not those of a strongly convex objective; in `answer`, if a step is longer than
        the constants allow.

    Examples
    --------
    The model is the mean of three numbers:

    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import Constants, Descent
    >>> learner = Learner(np.zeros(1), [(1.0,), (2.0,), (6.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1, 2]] * 60)
    >>> rule = Descent(Constants(smoothness=2.0, gradient=5.0, convexity=0.5), steps=100)
    >>> answer = rule.answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> answer.parameters.round(6)
    array([[1.5]])
    """

    name = "descent-to-delete"

    def __init__(self, constants: Constants, steps: int, radius: Optional[float] = None,
                 privacy: Privacy = Privacy(1.0, 1e-5)):
        self.constants = constants
        self.steps = whole_number(steps, "steps per request", 1)
        self.privacy = checked_privacy(privacy)
        self.radius = np.inf if radius is None else real_number(radius, "the radius of the domain", above=0.0)
        self.gamma = contraction(constants)
        self.rate = 2.0 / (constants.convexity + constants.smoothness)

    def begin(self, learner: Learner) -> Descended:
        """Return the state before any request: the trained parameters.

        One step gives their error: |theta - step(theta)|/(1 - gamma).

        Parameters
        ----------
        learner : Learner
            It is trained if it has not been.

        Returns
        -------
        Descended
            The state.
        """
        theta, kept = self._projected(learner.trained), np.ones(learner.example_count)
        moved = self._descended(objective_of(learner), theta, kept, 1) - theta
        return Descended(theta, np.zeros(learner.unit_count),
                         float(np.linalg.norm(moved)) / (1.0 - self.gamma))

    def train(self, learner: Learner, downweight: Optional[np.ndarray] = None) -> Descended:
        """Train as in the paper, from the learner's initial parameters to an error of gamma^I 2 L/(m n).

        Parameters
        ----------
        learner : Learner
            Its own training is not used.
        downweight : np.ndarray, optional
            (units,): 1 where deleted. Default: nothing is deleted.

        Returns
        -------
        Descended
            The state.

        Raises
        ------
        LearnerError
            If this Descent has no radius, on which the number of steps depends.
        """
        downweight = np.zeros(learner.unit_count) if downweight is None else downweight
        kept = remaining(learner, downweight[None])[0]
        if self.radius == np.inf:
            raise LearnerError("the number of first steps needs a bounded domain: give Descent a radius")
        steps = first_steps(self.constants, self.steps, kept.sum(), 2.0 * self.radius)
        theta = self._descended(objective_of(learner), self._projected(learner.layout.initial), kept, steps)
        return Descended(theta, downweight, self._error_of_training(kept))

    def request(self, learner: Learner, state: Descended, deletion_set: Iterable[Any]) -> Descended:
        """Carry out one more request, by I steps on what is left.

        Parameters
        ----------
        learner : Learner
            The learner of the state.
        state : Descended
            The state after the requests before.
        deletion_set : iterable of labels
            Units, none of which was deleted before.

        Returns
        -------
        Descended
            The next state.

        Raises
        ------
        LearnerError
            If a unit is unknown, repeated or already gone.
        """
        h = learner.downweight(deletion_set)
        if (h * state.downweight).any():
            gone = learner.units[int(np.flatnonzero(h * state.downweight)[0])]
            raise LearnerError(f"unit {gone!r} was deleted by an earlier request")
        return self._requested(learner, objective_of(learner), state, h)

    def sensitivity(self, learner: Learner, state: Descended) -> float:
        """Bound the distance of a state to what the paper's training gives on what is left.

        Both are near the same minimiser, so the bound is the sum of their errors.

        Parameters
        ----------
        learner : Learner
            The learner of the state.
        state : Descended
            A state.

        Returns
        -------
        float
            The bound.
        """
        return state.error + self._error_of_training(learner.example_weights(state.downweight))

    def _error_of_training(self, kept):
        """gamma^I 2 L/(m n), with n the sum of the example weights `kept`."""
        return self.gamma ** self.steps * moved_by(1, kept.sum(), self.constants)

    def _requested(self, learner, objective, state, h):
        """The state after one more request, by downweights h (units,)."""
        kept, = remaining(learner, (state.downweight + h)[None])
        if not h.any():
            return state
        before = learner.example_weights(state.downweight).sum()
        error = self.gamma ** self.steps * (state.error
                                            + moved_by(before - kept.sum(), before, self.constants))
        return Descended(self._descended(objective, state.theta, kept, self.steps), state.downweight + h,
                         error)

    def _descended(self, objective, theta, kept, steps):
        """Projected gradient steps on the mean over what is left, plus the regulariser.

        Raises DoesNotApply where a step does not shrink as the constants promise.
        """
        # the objective sums; dividing it by the whole count gives the mean over what is left
        weights, limit = kept * (objective.count / kept.sum()), np.inf
        with Progress(steps, "descend") as report, one_blas_thread():
            for _ in range(steps):
                moved = self._projected(theta
                                        - self.rate / objective.count * objective.gradient(theta, weights))
                length = np.linalg.norm(moved - theta)
                if length > limit + 1e-12 * (1.0 + np.linalg.norm(moved)):
                    raise DoesNotApply(f"a step of {length:.3g} follows where at most {limit:.3g} is "
                                       f"possible: the constants do not hold here. ({self.constants})")
                theta, limit = moved, self.gamma * length
                report(1)
        return theta

    def _projected(self, theta):
        norm = np.linalg.norm(theta)
        return theta if norm <= self.radius else theta * (self.radius / norm)

    def _answer(self, learner, h, measurement):
        remaining(learner, h)
        objective, start = objective_of(learner), self.begin(learner)
        states = [self._requested(learner, objective, start, row) for row in h]
        theta = np.stack([state.theta for state in states])
        bounds = np.array([self.sensitivity(learner, state) for state in states])
        sigma = float(self.privacy.concentrated_sigma(bounds.max()))
        notes = (str(self.constants), "drop-row question; distance to the minimiser at first at most "
                 f"{start.error:.2g}",
                 f"sensitivity at most {bounds.max():.3g}; noise sigma {sigma:.3g} for {self.privacy}")
        diagnostics = {**self.constants.numbers(), "error_at_start": start.error, "sensitivity": bounds,
                       "sigma": sigma}
        return Answer(change_at(learner, measurement, theta), theta, notes, diagnostics=diagnostics)


def contraction(constants):
    """gamma = (M - m)/(M + m). Raises DoesNotApply where the objective is not strongly convex."""
    if checked_constants(constants).convexity <= 0.0:
        raise DoesNotApply("descent-to-delete needs a strongly convex objective: convexity > 0 (a "
                           "regulariser of every parameter gives it)")
    gamma = (constants.smoothness - constants.convexity) / (constants.smoothness + constants.convexity)
    if gamma == 1.0:
        raise DoesNotApply("descent-to-delete does not move: to rounding, a step with convexity "
                           f"{constants.convexity:g} and smoothness {constants.smoothness:g} shrinks "
                           "nothing. Regularise more")
    return gamma


def moved_by(deleted, count, constants):
    """2 w L/(m n): the most by which deleting w of n examples (or of their weight) moves the minimiser."""
    return 2.0 * deleted * constants.gradient / (constants.convexity * count)


def first_steps(constants, steps, count, diameter):
    """The steps of the initial training in a domain of diameter D: I + ln(D m n/(2 L))/ln(1/gamma), rounded
    up, at least I."""
    gamma, moved = contraction(constants), moved_by(1, count, constants)
    if moved == 0.0:
        raise DoesNotApply("no number of first steps is enough where gradients are bounded by 0, because "
                           "their error is to be proportional to that bound")
    ratio = real_number(diameter, "the diameter of the domain (twice a Descent's radius)", above=0.0) / moved
    return steps + max(0, ceil(np.log(ratio) / np.log(1.0 / gamma))) if gamma > 0.0 else steps


def published_sigma(constants, steps, count, privacy):
    """The paper's noise, for single examples:   4 sqrt2 L gamma^I / (m n (1 - gamma^I) (sqrt(ln(1/delta) +
    eps) - sqrt(ln(1/delta)))).

    It belongs to the sensitivity 8 L gamma^I/(m n (1 - gamma^I)), which is twice what `Descent.sensitivity`
    reaches over many requests with constant n. So it is enough while at least half of the n examples are
    left.
    """
    shrink = contraction(constants) ** whole_number(steps, "steps per request", 1)
    return checked_privacy(privacy).concentrated_sigma(4.0 * moved_by(1, count, constants) * shrink
                                                       / (1.0 - shrink))
