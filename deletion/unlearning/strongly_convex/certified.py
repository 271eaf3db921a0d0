"""Certified removal from regularised logistic regression (Guo et al. 1911.03030): a Newton step, an account
of what it leaves over, and an order to retrain when the account is full.

The model minimises, with a random b ~ N(0, s^2 I) drawn once,

    R(theta) = sum_i ln(1 + e^(-z_i.theta)) + n theta.A theta/2 + b.theta,      |z_i| <= 1 (labels included),
    A > 0.

This is a sum over examples, and no deletion rescales n A. (If the regulariser belonged to the examples, Delta
would gain the term |W| A theta.) The removal of W is the step

    u = H^{-1} Delta,   Delta = sum_{i in W} grad l_i(theta),   H the Hessian of what remains at theta;
                        theta <- theta + u

It leaves a gradient of at most gamma |Z|_2 |u| |Z u|, with gamma = 1/4 and Z the remaining rows, because on
the way the curvature of example i changes by at most gamma |z_i.u| <= gamma |u|. Longer rows would add a
factor max |z_i|; without that factor the bound can fail, so longer rows are refused.

The bounds of all removals are added up, beginning with the gradient that training left. While the sum is at
most s eps/sqrt(2 ln(1.5/delta)), nobody can tell the model from a retrained one, up to (eps, delta). Beyond
that, `RetrainingDue` is raised. (This is the published account. It compares densities of b, and leaves out a
determinant that matters for an eps of a thousandth: see alpha.py.)
"""
from dataclasses import dataclass, replace
from typing import Any, Iterable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number, whole_number
from ...learner.learner import Learner
from ...curvature.solvers import Factor
from ...methods.base import Answer, Method, change_at, remaining
from ..constants import logistic_rows, penalty_matrix
from ..noise import Privacy, checked_privacy


class RetrainingDue(DoesNotApply):
    """A removal that the budget no longer covers.

    Parameters
    ----------
    what : str
        What could not be done.
    spent : float
        The bound that the removal would bring the account to.
    budget : float
        What the account may hold.
    """

    def __init__(self, what: str, spent: float, budget: float):
        super().__init__(f"{what}: the bound of the gradient left over would be {spent:.3g}, and the budget "
                         f"is {budget:.3g}. Train again on what remains, with new noise")
        self.spent, self.budget = spent, budget


@dataclass(frozen=True)
class Logistic:
    """The objective R in numbers.

    Attributes
    ----------
    rows : np.ndarray
        z, (n, d).
    penalty : np.ndarray
        n A, (d, d).
    linear : np.ndarray
        b, (d,).
    """
    rows: np.ndarray
    penalty: np.ndarray
    linear: np.ndarray

    def value(self, theta, kept):
        """R(theta) for example weights `kept`."""
        losses = np.logaddexp(0.0, -self.rows @ theta)
        return losses @ kept + 0.5 * theta @ self.penalty @ theta + self.linear @ theta

    def gradient(self, theta, kept):
        """grad R(theta) for example weights `kept`."""
        return -(kept * expit(-self.rows @ theta)) @ self.rows + self.penalty @ theta + self.linear

    def hessian(self, theta, kept):
        """grad^2 R(theta) for example weights `kept`."""
        q = self.rows @ theta
        return (self.rows.T * (kept * expit(q) * expit(-q))) @ self.rows + self.penalty

    def newton(self, theta, kept, gradient):
        """The inverse Hessian times a gradient."""
        return Factor(self.hessian(theta, kept), 0.0, "the Hessian of what remains",
                      "regularise more").solve(gradient)

    def minimum(self, kept):
        """The minimiser, to rounding: by scipy's trust region, then by three more Newton steps."""
        theta = minimize(self.value, np.zeros(len(self.linear)), (kept,), "trust-exact", self.gradient,
                         self.hessian).x
        for _ in range(3):
            theta = theta - self.newton(theta, kept, self.gradient(theta, kept))
        return theta

    def removal(self, theta, kept, deleted):
        """(u, bound of the gradient that it leaves over): the Newton step that removes the weights `deleted`.

        `kept` are the weights that remain.
        """
        gradient = -(deleted * expit(-self.rows @ theta)) @ self.rows
        step, rows = self.newton(theta, kept, gradient), self.rows[kept > 0]
        return step, 0.25 * np.linalg.norm(rows, 2) * np.linalg.norm(step) * np.linalg.norm(rows @ step)


def logistic_of(learner, linear):
    """The Logistic of a learner, checked.

    Raises DoesNotApply for another model, rows that are not scaled, and missing penalties.
    """
    rows, penalty = logistic_rows(learner), penalty_matrix(learner)
    norms = np.linalg.norm(rows, axis=1)
    if norms.max() > 1.0 + 1e-9:
        raise DoesNotApply(f"rows must have norm at most 1; that of example {norms.argmax()} is "
                           f"{norms.max():.3g} (the bias's constant included): divide all by the largest")
    lowest = np.linalg.eigvalsh(penalty)[0]
    if lowest <= 0.0:
        raise DoesNotApply(f"the regulariser must hold every parameter: expected a smallest curvature > 0, "
                           f"got {lowest:.3g}")
    return Logistic(rows, learner.example_count * penalty, linear)


@dataclass(frozen=True)
class Certified:
    """A published model and its account; `certify` makes the first one, `remove` returns the next one.

    Attributes
    ----------
    learner : Learner
        The learner whose logistic regression this is.
    logistic : Logistic
        The objective, with its random linear term.
    theta : np.ndarray
        The parameters, (parameters,). The noise b is inside: publish them as they are.
    downweight : np.ndarray
        (units,): 1 where deleted, between 0 and 1 where a weight is left.
    spent : float
        A bound of |grad R(theta)| on what remains.
    budget : float
        The most that `spent` may be: s eps/sqrt(2 ln(1.5/delta)).

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import Privacy, certify
    >>> learner = Learner(np.zeros(1), [(1.0,), (0.5,), (-0.5,)], lambda w, z: np.logaddexp(0, -(w * z)),
    ...                   SGD(0.5), [[0, 1, 2]], regularizer=lambda w: (w * w).sum() / 2)
    >>> model = certify(learner, Privacy(1.0, 1e-5), scale=1.0, seed=0)
    >>> after = model.remove([2])
    >>> after.downweight, bool(after.residual() <= after.spent <= after.budget)
    (array([0., 0., 1.]), True)
    """
    learner: Learner
    logistic: Logistic
    theta: np.ndarray
    downweight: np.ndarray
    spent: float
    budget: float

    def remove(self, deletion_set: Iterable[Any]) -> "Certified":
        """Remove a deletion set.

        Parameters
        ----------
        deletion_set : iterable of labels
            Units, none of which was removed before.

        Returns
        -------
        Certified
            The model without them, and its account.

        Raises
        ------
        RetrainingDue
            If the budget does not cover it.
        LearnerError
            If a unit is unknown, repeated or already gone.
        """
        h = self.learner.downweight(deletion_set)
        if (h * self.downweight).any():
            gone = self.learner.units[int(np.flatnonzero(h * self.downweight)[0])]
            raise LearnerError(f"unit {gone!r} was deleted before")
        return self.without(h)

    def without(self, h: np.ndarray) -> "Certified":
        """Remove units by their downweights.

        The bound holds too for examples that keep some weight: their curvature is no larger than that of
        whole ones.

        Parameters
        ----------
        h : np.ndarray
            (units,): how much weight each unit loses.

        Returns
        -------
        Certified
            The model without them, and its account.

        Raises
        ------
        RetrainingDue
            If the budget does not cover it.
        """
        kept, = remaining(self.learner, (self.downweight + h)[None])
        step, bound = self.logistic.removal(self.theta, kept, 1.0 - self.learner.example_weights(h))
        if self.spent + bound > self.budget:
            raise RetrainingDue(f"{np.count_nonzero(h)} more units cannot be removed", self.spent + bound,
                                self.budget)
        return replace(self, theta=self.theta + step, downweight=self.downweight + h,
                       spent=self.spent + bound)

    def residual(self) -> float:
        """Measure |grad R(theta)| on what remains, which `spent` bounds.

        Returns
        -------
        float
            The norm of the gradient.
        """
        kept = self.learner.example_weights(self.downweight)
        return float(np.linalg.norm(self.logistic.gradient(self.theta, kept)))


def certify(learner: Learner, privacy: Privacy, scale: float, seed: int,
            without: Iterable[Any] = ()) -> Certified:
    """Train a learner's logistic regression with a random linear term.

    Parameters
    ----------
    learner : Learner
        Regularised logistic regression whose rows have norm at most 1.
    privacy : Privacy
        The promise (eps, delta).
    scale : float
        s > 0, the standard deviation of b, on the scale of sums.
    seed : int
        The seed of b. It must be new for every training, and stay secret.
    without : iterable of labels
        Units that are already gone. (After RetrainingDue, b has to be drawn anew.)

    Returns
    -------
    Certified
        The model, with a fresh account.

    Raises
    ------
    DoesNotApply
        If the learner is no such model.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import Privacy, certify
    >>> learner = Learner(np.zeros(1), [(1.0,), (0.5,), (-0.5,)], lambda w, z: np.logaddexp(0, -(w * z)),
    ...                   SGD(0.5), [[0, 1, 2]], regularizer=lambda w: (w * w).sum() / 2)
    >>> model = certify(learner, Privacy(1.0, 1e-5), scale=1.0, seed=0)
    >>> round(model.budget, 4), bool(model.spent < 1e-12)
    (0.2048, True)
    """
    scale = real_number(scale, "the scale of the linear term", above=0.0)
    linear = scale * np.random.default_rng(whole_number(seed, "a seed", 0)).normal(size=learner.layout.size)
    logistic, h = logistic_of(learner, linear), learner.downweight(without)
    kept, = remaining(learner, h[None])
    theta = logistic.minimum(kept)
    return Certified(learner, logistic, theta, h, float(np.linalg.norm(logistic.gradient(theta, kept))),
                     budget(privacy, scale))


def budget(privacy, scale):
    """The norm of the gradient that b hides: s eps/sqrt(2 ln(1.5/delta))."""
    return float(scale * checked_privacy(privacy).eps / np.sqrt(2.0 * np.log(1.5 / privacy.delta)))


class CertifiedRemoval(Method):
    """Certified removal as an answer: each set by itself, from the learner's trained parameters.

    The answer's parameters carry no noise (b = 0). The gradient that the learner's own training left is
    spent at the beginning, so a training that did not converge leaves no budget. The answer's `diagnostics`
    hold `spent` (per set), `spent_by_training` and `budget`.

    Parameters
    ----------
    privacy : Privacy
        The promise (eps, delta).
    scale : float
        The standard deviation of the b that would hide what is left over. Beyond its budget, RetrainingDue
        is raised instead of an answer.

    Raises
    ------
    DoesNotApply
        In `check`, if the learner is not regularised logistic regression with rows of norm at most 1.
    RetrainingDue
        In `answer`, if a set exceeds the budget.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import CertifiedRemoval
    >>> learner = Learner(np.zeros(1), [(1.0,), (0.5,), (-0.5,)], lambda w, z: np.logaddexp(0, -(w * z)),
    ...                   SGD(0.5), [[0, 1, 2]] * 60, regularizer=lambda w: (w * w).sum() / 2)
    >>> answer = CertifiedRemoval().answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> answer.change.round(4), bool(answer.diagnostics["spent"][0] <= answer.diagnostics["budget"])
    (array([0.0783]), True)
    """

    name = "certified removal"
    noise = "linear term"

    def __init__(self, privacy: Privacy = Privacy(1.0, 1e-5), scale: float = 1.0):
        self.privacy = checked_privacy(privacy)
        self.scale = real_number(scale, "the scale of the linear term", above=0.0)

    def check(self, learner: Learner) -> None:
        """Require regularised logistic regression whose rows have norm at most 1.

        Parameters
        ----------
        learner : Learner
            The learner to be asked.

        Raises
        ------
        DoesNotApply
            With what is missing.
        """
        super().check(learner)
        logistic_of(learner, 0.0)

    def _budget(self, logistic):
        """The norm of the gradient that may be left over."""
        return budget(self.privacy, self.scale)

    def _answer(self, learner, h, measurement):
        remaining(learner, h)
        logistic, theta = logistic_of(learner, np.zeros(learner.layout.size)), learner.trained
        start = Certified(learner, logistic, theta, np.zeros(learner.unit_count), 0.0, self._budget(logistic))
        start = replace(start, spent=start.residual())
        ends = [start.without(row) if row.any() else start for row in h]
        theta, spent = np.stack([end.theta for end in ends]), np.array([end.spent for end in ends])
        notes = (f"gradient left over at most {spent.max():.3g} (training: {start.spent:.2g}), of a budget "
                 f"of {start.budget:.3g} for {self.privacy}, {self.noise} of scale {self.scale:g}",)
        return Answer(change_at(learner, measurement, theta), theta, notes,
                      diagnostics={"spent": spent, "spent_by_training": start.spent,
                                   "budget": start.budget})
