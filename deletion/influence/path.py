"""The path of the minimiser as a deletion set's weight falls from 1 to 0.

    theta(eps) = argmin R_{-W} + eps l_W,          theta'(eps) = -(C_eps + damping I)^-1 grad l_W(theta(eps))

These are sums, not means: l_W = sum_{i in W} h_i l_i, R_{-W} is the rest with the regulariser, and C_eps is
the Hessian of the two together. theta'(1) needs only the trained model and is minus influence; theta'(0)
needs the retrained one. In between lies a differential equation, and its solution from 1 to 0 is the
*homotopy* from the trained model to the retrained one, exact where every Hessian on the way is positive
definite. Hessians are computed only where the integrator evaluates them: a Hessian that becomes indefinite
and definite again between two evaluations is not noticed.
"""
from dataclasses import dataclass
from typing import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_array, real_number, whole_number
from ..methods.base import Answer, change_at, remaining
from ..curvature.objective import Objective, objective_of
from .influence import CurvatureMethod
from .newton import newton_steps


MAX_EVALUATIONS = 1000
"""Evaluations of theta'(eps) along one path. Smooth paths take 30 to 350, and more those that run into a
singular Hessian."""


@dataclass(frozen=True)
class PathDerivative:
    """Derivatives in eps at theta(eps).

    Attributes
    ----------
    parameters : (parameters,) array
        theta'(eps).
    objective : float
        Derivative of the least value of R_{-W} + eps l_W, which is l_W(theta(eps)).
    deleted : float
        Derivative of l_W(theta(eps)), which is -grad l_W^T C_eps^-1 grad l_W and never positive.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.influence import PathDerivative
    >>> PathDerivative(np.array([0.5]), 0.5, -0.5).deleted
    -0.5
    """
    parameters: np.ndarray
    objective: float
    deleted: float


class Homotopy(CurvatureMethod):
    """The parameters at the end of the path; measurements are taken there.

    scipy's solve_ivp (DOP853) integrates from eps = 1 to 0. Damping makes it another path, whose end is not
    the retrained minimum. The answer's `diagnostics` have `gradient_norm` (sets,): how long the gradient is
    at the ends of the paths.

    Parameters
    ----------
    accuracy : float
        Tolerance of the integration, between 1e-13 and 1: relative, of how far the parameters have moved; and
        as a share of theta'(1), absolute.
    corrector : int
        Newton steps at eps = 0, on the objective of the examples that remain.
    damping : float
        Added to every eigenvalue of the Hessian of the summed losses, >= 0.
    **settings : object
        solver, optimum, and tolerance, limit and scale of `solve`.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import Homotopy
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 60)
    >>> print(Homotopy().answer(learner, [[1]], lambda w: w[0], progress=False).change.round(6))
    [-1.]
    """

    name = "homotopy"

    def __init__(self, accuracy: float = 1e-8, corrector: int = 0, damping: float = 0.0,
                 **settings: object):
        if settings.pop("curvature", "hessian") != "hessian":
            raise LearnerError("the homotopy follows minimisers: the exact Hessian is its only curvature")
        super().__init__("hessian", damping, **settings)
        self.accuracy = real_number(accuracy, "accuracy", low=1e-13, below=1.0)
        self.corrector = whole_number(corrector, "the number of corrector steps", 0)

    def _answer(self, learner, h, measurement):
        objective, theta = objective_of(learner), learner.trained
        gradient_left = objective.gradient(theta)
        ends, norm = np.empty((len(h), objective.size)), np.empty(len(h))
        for k, weights in enumerate(remaining(learner, h)):
            try:
                end = self.path(objective, theta, 1.0 - weights)[-1]
                ends[k], _ = newton_steps(self, objective, end, weights, gradient_left, self.corrector)
            except DoesNotApply as error:
                raise DoesNotApply(f"deletion set {k}: {error}") from None
            norm[k] = np.linalg.norm(objective.gradient(ends[k], weights) - gradient_left)
        return Answer(change_at(learner, measurement, ends), ends, diagnostics={"gradient_norm": norm})

    def path(self, objective: Objective, theta: np.ndarray, h: np.ndarray,
             eps: Sequence[float] = (0.0,)) -> np.ndarray:
        """Follow the path that starts at theta(1) = theta.

        Parameters
        ----------
        objective : Objective
            The objective whose minimiser moves.
        theta : (parameters,) array
            Its minimiser.
        h : (examples,) array
            Downweights, 1 on the deletion set.
        eps : sequence of float
            Where to report theta(eps), falling, from 1 at most to 0 at least. The path is followed to the
            last.

        Returns
        -------
        (len(eps), parameters) array
            theta(eps).

        Raises
        ------
        DoesNotApply
            If a Hessian is not positive definite or the path runs away; the message names eps.
        """
        eps = real_array(eps, "eps")
        falls = eps.ndim == 1 and eps.size and (np.diff(eps) < 0.0).all()
        if not falls or not 0.0 <= eps[-1] <= eps[0] <= 1.0:
            raise LearnerError("eps falls from 1 at most to 0 at least, such as [1, 0.5, 0]: got "
                               f"{eps.tolist()!r:.60}")
        first, evaluations = np.abs(self.velocity(objective, theta, h, 1.0)).max(), 0
        if not first or eps[-1] == 1.0:      # the path is a point
            return np.repeat(theta[None], len(eps), axis=0)

        def velocity(e, moved):
            nonlocal evaluations
            evaluations += 1
            if evaluations > MAX_EVALUATIONS:
                raise DoesNotApply(f"the path cannot be followed below eps = {e:.4g}, where theta has moved "
                                   f"by {np.abs(moved).max():.3g}: {MAX_EVALUATIONS} evaluations were not "
                                   "enough. It runs towards a singular Hessian, or the accuracy is too high")
            return self.velocity(objective, theta + moved, h, e)

        solution = solve_ivp(velocity, (1.0, eps[-1]), np.zeros_like(theta), method="DOP853", t_eval=eps,
                             first_step=min(0.1, 1.0 - eps[-1]), rtol=self.accuracy,
                             atol=self.accuracy * first)
        if not solution.success:
            raise DoesNotApply(f"the path cannot be followed to eps = {eps[-1]:g}: {solution.message}")
        return theta + solution.y.T

    def velocity(self, objective: Objective, theta: np.ndarray, h: np.ndarray, eps: float) -> np.ndarray:
        """Compute theta'(eps) at theta = theta(eps).

        Parameters
        ----------
        objective : Objective
            The objective whose minimiser moves.
        theta : (parameters,) array
            theta(eps).
        h : (examples,) array
            Downweights, 1 on the deletion set.
        eps : float
            What is left of the deletion set's weight.

        Returns
        -------
        (parameters,) array

        Raises
        ------
        DoesNotApply
            If the Hessian is not positive definite; the message names eps.
        """
        gradient = objective.gradient(theta, h, regularizer=False)
        try:
            return self.solve(objective, theta, -gradient[None], 1.0 - (1.0 - eps) * h).x[0]
        except DoesNotApply as error:
            raise DoesNotApply(f"at eps = {eps:.4g} of the path: {error}") from None

    def derivative(self, objective: Objective, theta: np.ndarray, h: ArrayLike, eps: float) -> PathDerivative:
        """Compute derivatives in eps at theta = theta(eps).

        Parameters
        ----------
        objective, theta, h, eps :
            As for `velocity`.

        Returns
        -------
        PathDerivative
            Of the parameters, of the objective and of the deleted loss.
        """
        h = real_array(h, "downweights")
        velocity = self.velocity(objective, theta, h, real_number(eps, "eps"))
        return PathDerivative(velocity, float(objective.losses(theta) @ h),
                              float(objective.gradient(theta, h, regularizer=False) @ velocity))
