"""Descent-to-Delete (Neel, Roth & Sharifi-Malvajerdi 2007.02923): go on descending, on the data that are
left.

The objective is the MEAN over the remaining examples of f_i = l_i + r (the paper's question: rows are
dropped), M-smooth and m-strongly convex. A projected gradient step of 2/(m + M) shrinks the distance to its
minimiser by gamma = (M - m)/(M + m). A deletion of w of n examples moves the minimiser by at most 2 w L/(m
n), |grad l_i| <= L. So after I steps per request

    |theta - minimiser| <= error,    error <- gamma^I (error + 2 w L/(m n)),

and the state (theta, what is left, error) is carried from request to request, never published: what is
published is noised.
"""
from dataclasses import dataclass
from math import ceil

import numpy as np

from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number, whole_number
from ..methods.base import Answer, Method, change_at, remaining
from ..curvature.objective import Objective
from .constants import checked_constants
from .noise import Privacy, checked_privacy


@dataclass(frozen=True)
class Descended:
    """Between two requests.   theta (parameters,);   downweight (units,): 1 where deleted;   error: bound of
                               |theta - minimiser|."""
    theta: np.ndarray
    downweight: np.ndarray
    error: float


class Descent(Method):
    """Descent-to-Delete.

    constants   Constants; strongly convex. `gradient` may leave the regulariser out: it cancels where
                minimisers are compared
    steps       I, gradient steps per request
    radius      training stays in |theta| <= radius, a ball that holds every minimiser; None: everywhere
    privacy     Privacy(eps, delta), for the noise named in the notes

    Starts from the learner's trained parameters, whose distance to the minimiser is measured; parameters are
    without noise.
    """

    name = "descent-to-delete"

    def __init__(self, constants, steps, radius=None, privacy=Privacy(1.0, 1e-5)):
        self.constants, self.steps, self.privacy = constants, whole_number(steps, "steps per request",
                                                                           1), checked_privacy(privacy)
        self.radius = np.inf if radius is None else real_number(radius, "the radius of the domain", above=0.0)
        self.gamma = contraction(constants)
        self.rate = 2.0 / (constants.convexity + constants.smoothness)

    def begin(self, learner):
        """The state before any request: the trained parameters. Their error follows from one step, |theta -
        step(theta)|/(1 - gamma)."""
        theta, keep = self._projected(learner.trained), np.ones(learner.example_count)
        moved = self._descended(Objective(learner), theta, keep, 1) - theta
        return Descended(theta, np.zeros(learner.unit_count),
                         float(np.linalg.norm(moved)) / (1.0 - self.gamma))

    def train(self, learner, downweight=None):
        """The paper's training, from the learner's initial parameters on what is left, to an error of gamma^I
        2 L/(m n). Needs a radius."""
        downweight = np.zeros(learner.unit_count) if downweight is None else downweight
        keep = remaining(learner, downweight[None])[0]
        if self.radius == np.inf:
            raise LearnerError("the number of first steps needs a bounded domain: give Descent a radius")
        steps = first_steps(self.constants, self.steps, keep.sum(), 2.0 * self.radius)
        theta = self._descended(Objective(learner), self._projected(learner.layout.initial), keep, steps)
        return Descended(theta, downweight, self._of_training(keep))

    def request(self, learner, state, deletion_set):
        """The state after one more request: I steps on what is left. Raises LearnerError for units that are
        gone already."""
        h = learner.downweight(deletion_set)
        if (h * state.downweight).any():
            gone = learner.units[int(np.flatnonzero(h * state.downweight)[0])]
            raise LearnerError(f"unit {gone!r} was deleted by an earlier request")
        return self._requested(learner, Objective(learner), state, h)

    def sensitivity(self, learner, state):
        """A bound of the distance to what the paper's training gives on what is left: both are near its
        minimiser."""
        return state.error + self._of_training(learner.example_weights(state.downweight))

    def _of_training(self, keep):
        return self.gamma ** self.steps * moved_by(1, keep.sum(), self.constants)

    def _requested(self, learner, objective, state, h):
        keep, = remaining(learner, (state.downweight + h)[None])
        if not h.any():
            return state
        before = learner.example_weights(state.downweight).sum()
        error = self.gamma ** self.steps * (state.error
                                            + moved_by(before - keep.sum(), before, self.constants))
        return Descended(self._descended(objective, state.theta, keep, self.steps), state.downweight + h,
                         error)

    def _descended(self, objective, theta, keep, steps):
        """Projected gradient steps on the mean over what is left, plus the regulariser. Steps must shrink as
        the constants say."""
        # of an objective that divides by the whole count
        weights, longest = keep * (objective.count / keep.sum()), np.inf
        with Progress(steps, "descend") as report, one_blas_thread():
            for _ in range(steps):
                there = self._projected(theta
                                        - self.rate / objective.count * objective.gradient(theta, weights))
                length = np.linalg.norm(there - theta)
                if length > longest + 1e-12 * (1.0 + np.linalg.norm(there)):
                    raise DoesNotApply(f"a step of {length:.3g} follows where at most {longest:.3g} is "
                                       "possible: the constants do not hold here. " f"({self.constants})")
                theta, longest = there, self.gamma * length
                report(1)
        return theta

    def _projected(self, theta):
        norm = np.linalg.norm(theta)
        return theta if norm <= self.radius else theta * (self.radius / norm)

    def _answer(self, learner, h, measurement):
        remaining(learner, h)
        objective, start = Objective(learner), self.begin(learner)
        states = [self._requested(learner, objective, start, row) for row in h]
        theta, bound = np.stack([state.theta for state in states]), max(self.sensitivity(learner, state)
                                                                        for state in states)
        notes = (str(self.constants), "drop-row question; distance to the minimiser at first at most "
                 f"{start.error:.2g}", f"sensitivity at most {bound:.3g}; noise sigma "
                 f"{self.privacy.concentrated_sigma(bound):.3g} for {self.privacy}")
        return Answer(change_at(learner, measurement, theta), theta, notes)


def contraction(constants):
    """gamma = (M - m)/(M + m). Raises DoesNotApply where the objective is not strongly convex."""
    if checked_constants(constants).convexity <= 0.0:
        raise DoesNotApply("descent-to-delete needs a strongly convex objective: convexity > 0 (a "
                           "regulariser of every parameter gives it)")
    gamma = (constants.smoothness - constants.convexity) / (constants.smoothness + constants.convexity)
    if gamma == 1.0:
        raise DoesNotApply("descent-to-delete does not move: to rounding, a step with convexity "
                           f"{constants.convexity:g} and smoothness "
                           f"{constants.smoothness:g} shrinks nothing. Regularise more")
    return gamma


def moved_by(deleted, count, constants):
    """2 w L/(m n): how far deleting w of n examples (or of their weight) moves the minimiser of the mean at
    most."""
    return 2.0 * deleted * constants.gradient / (constants.convexity * count)


def first_steps(constants, steps, count, diameter):
    """I + ln(D m n/(2 L))/ln(1/gamma), rounded up, at least I: the initial training, in a domain of diameter
    D."""
    gamma, moved = contraction(constants), moved_by(1, count, constants)
    if moved == 0.0:
        raise DoesNotApply("no number of first steps is enough where gradients are bounded by 0: their "
                           "error is to be in proportion to that")
    ratio = real_number(diameter, "the diameter of the domain (twice a Descent's radius)", above=0.0) / moved
    return steps + max(0, ceil(np.log(ratio) / np.log(1.0 / gamma))) if gamma > 0.0 else steps


def published_sigma(constants, steps, count, privacy):
    """The paper's noise, for single examples:   4 sqrt2 L gamma^I / (m n (1 - gamma^I) (sqrt(ln(1/delta) +
    eps) - sqrt(ln(1/delta)))).

    That of the sensitivity 8 L gamma^I/(m n (1 - gamma^I)): twice what `Descent.sensitivity` comes to over
    many requests while n stands still, so it lasts while at least half of the n examples are left.
    """
    shrink = contraction(constants) ** whole_number(steps, "steps per request", 1)
    return checked_privacy(privacy).concentrated_sigma(4.0 * moved_by(1, count, constants) * shrink
                                                       / (1.0 - shrink))
