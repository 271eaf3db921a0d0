"""Certified removal from regularised logistic regression (Guo et al. 1911.03030): a Newton step, an account,
an order to retrain.

The model minimises, with a random b ~ N(0, s^2 I) drawn once,

    R(theta) = sum_i ln(1 + e^(-z_i.theta)) + n theta.A theta/2 + b.theta,      |z_i| <= 1 (labels included),
    A > 0.

A sum over examples; no deletion rescales n A (where the regulariser is per example, Delta gains |W| A theta).
Removal of W:

    u = H^{-1} Delta,   Delta = sum_{i in W} grad l_i(theta),   H the Hessian of what remains at theta;
                        theta <- theta + u

leaves a gradient of at most gamma |Z|_2 |u| |Z u|, gamma = 1/4, Z the remaining rows: on the way the
curvature of example i changes by at most gamma |z_i.u| <= gamma |u|. Longer rows bring a factor max |z_i|;
without it the bound can fail. Bounds add up over removals, beginning with the gradient that training left.
While the sum is at most s eps/sqrt(2 ln(1.5/delta)) nobody can tell the model from a retrained one, up to
(eps, delta); beyond, `RetrainingDue` is raised.
"""
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import expit

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number, whole_number
from ..methods.base import Answer, Method, change_at, remaining
from .noise import Privacy, checked_privacy
from .rows import logistic_rows, penalty_matrix


class RetrainingDue(DoesNotApply):
    """A removal that the budget no longer covers.   spent: the bound it would bring the account to;   budget:
    what it may hold."""

    def __init__(self, what, spent, budget):
        super().__init__(f"{what}: the bound of the gradient left over would be {spent:.3g}, and the budget "
                         f"is {budget:.3g}. " "Train again on what remains, with a new b")
        self.spent, self.budget = spent, budget


@dataclass(frozen=True)
class Logistic:
    """The objective in numbers.   rows (n, d): z;   penalty (d, d): n A;   linear (d,): b."""
    rows: np.ndarray
    penalty: np.ndarray
    linear: np.ndarray

    def value(self, theta, keep):
        return np.logaddexp(0.0, -self.rows
                            @ theta) @ keep + 0.5 * theta @ self.penalty @ theta + self.linear @ theta

    def gradient(self, theta, keep):
        return -(keep * expit(-self.rows @ theta)) @ self.rows + self.penalty @ theta + self.linear

    def hessian(self, theta, keep):
        q = self.rows @ theta
        return (self.rows.T * (keep * expit(q) * expit(-q))) @ self.rows + self.penalty

    def newton(self, theta, keep, slope):
        return cho_solve(cho_factor(self.hessian(theta, keep)), slope)

    def minimum(self, keep):
        """The minimiser, to rounding: scipy's trust region, and three Newton steps where it stopped."""
        theta = minimize(self.value, np.zeros(len(self.linear)), (keep,), "trust-exact", self.gradient,
                         self.hessian).x
        for _ in range(3):
            theta = theta - self.newton(theta, keep, self.gradient(theta, keep))
        return theta

    def removal(self, theta, keep, gone):
        """(u, bound of the gradient it leaves over): the Newton step that removes `gone`, `keep` being what
        remains."""
        slope = -(gone * expit(-self.rows @ theta)) @ self.rows
        step, rows = self.newton(theta, keep, slope), self.rows[keep > 0]
        return step, 0.25 * np.linalg.norm(rows, 2) * np.linalg.norm(step) * np.linalg.norm(rows @ step)


def logistic_of(learner, linear):
    """The Logistic of a learner, checked. Raises DoesNotApply for another model, rows that are not scaled,
    and missing penalties."""
    rows, penalty = logistic_rows(learner), penalty_matrix(learner)
    longest = np.linalg.norm(rows, axis=1)
    if longest.max() > 1.0 + 1e-9:
        raise DoesNotApply(f"rows must have norm at most 1; that of example {longest.argmax()} is "
                           f"{longest.max():.3g} (the bias's constant "
                           "included): divide all by the largest")
    lowest = np.linalg.eigvalsh(penalty)[0]
    if lowest <= 0.0:
        raise DoesNotApply(
            f"the regulariser must hold every parameter; its smallest curvature is {lowest:.3g}")
    return Logistic(rows, learner.example_count * penalty, linear)


@dataclass(frozen=True)
class Certified:
    """A published model and its account; `remove` returns the next one.

    theta       (parameters,): with b inside; publish it as it is
    downweight  (units,): 1 where deleted, between 0 and 1 where a weight is left
    spent       bound of |grad R(theta)| on what remains, R without b's change
    budget      s eps/sqrt(2 ln(1.5/delta))
    """
    learner: object
    logistic: Logistic
    theta: np.ndarray
    downweight: np.ndarray
    spent: float
    budget: float

    def remove(self, deletion_set):
        """Without a deletion set. Raises RetrainingDue over budget, LearnerError for units unknown, repeated
        or gone already."""
        h = self.learner.downweight(deletion_set)
        if (h * self.downweight).any():
            gone = self.learner.units[int(np.flatnonzero(h * self.downweight)[0])]
            raise LearnerError(f"unit {gone!r} was deleted before")
        return self.without(h)

    def without(self, h):
        """`remove` by downweights h (units,): examples that keep some weight hold on to the parameters no
        more than whole ones."""
        keep, = remaining(self.learner, (self.downweight + h)[None])
        step, bound = self.logistic.removal(self.theta, keep, 1.0 - self.learner.example_weights(h))
        if self.spent + bound > self.budget:
            raise RetrainingDue(f"{np.count_nonzero(h)} more units cannot be removed", self.spent + bound,
                                self.budget)
        return replace(self, theta=self.theta + step, downweight=self.downweight + h,
                       spent=self.spent + bound)

    def residual(self):
        """|grad R(theta)| on what remains, as it is: `spent` bounds it."""
        keep = self.learner.example_weights(self.downweight)
        return float(np.linalg.norm(self.logistic.gradient(self.theta, keep)))


def certify(learner, privacy, scale, seed, without=()):
    """Train a learner's logistic regression with a random linear term: a Certified model with a fresh
    account.

    scale     s > 0, the standard deviation of b on the scale of sums;   seed: of b, a new one for every
              training, kept secret
    without   units that are gone already (b is drawn anew, as the order to retrain says)
    """
    scale = real_number(scale, "the scale of the linear term", above=0.0)
    linear = scale * np.random.default_rng(whole_number(seed, "a seed", 0)).normal(size=learner.layout.size)
    logistic, h = logistic_of(learner, linear), learner.downweight(without)
    keep, = remaining(learner, h[None])
    theta = logistic.minimum(keep)
    return Certified(learner, logistic, theta, h, float(np.linalg.norm(logistic.gradient(theta, keep))),
                     budget(privacy, scale))


def budget(privacy, scale):
    """The gradient that b hides: s eps/sqrt(2 ln(1.5/delta))."""
    return scale * checked_privacy(privacy).eps / np.sqrt(2.0 * np.log(1.5 / privacy.delta))


class CertifiedRemoval(Method):
    """Certified removal as an answer: each set by itself, from the learner's trained parameters, without
    noise (b = 0).

    privacy, scale   of the b that would have hidden what is left over; beyond its budget, RetrainingDue
                     instead of an answer

    The gradient that the learner's own training left counts: one that did not converge has no budget to begin
    with.
    """

    name = "certified removal"

    def __init__(self, privacy=Privacy(1.0, 1e-5), scale=1.0):
        self.privacy, self.scale = checked_privacy(privacy), real_number(
            scale, "the scale of the linear term", above=0.0)

    def check(self, learner):
        logistic_of(learner, 0.0)

    def _answer(self, learner, h, measurement):
        remaining(learner, h)
        logistic, theta = logistic_of(learner, np.zeros(learner.layout.size)), learner.trained
        start = Certified(learner, logistic, theta, np.zeros(learner.unit_count), 0.0,
                          budget(self.privacy, self.scale))
        start = replace(start, spent=start.residual())
        ends = [start.without(row) if row.any() else start for row in h]
        theta = np.stack([end.theta for end in ends])
        notes = (f"gradient left over at most {max(end.spent for end in ends):.3g} (training: "
                 f"{start.spent:.2g}), of a budget of "
                 f"{start.budget:.3g} for {self.privacy}, linear term of scale {self.scale:g}",)
        return Answer(change_at(learner, measurement, theta), theta, notes)
