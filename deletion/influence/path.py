"""The path of the minimiser as a deletion set's weight falls from 1 to 0.

    theta(eps) = argmin R_{-W} + eps l_W,          theta'(eps) = -(C_eps + damping I)^-1 grad l_W(theta(eps))

Sums, not means: l_W = sum_{i in W} h_i l_i, R_{-W} is the rest with the regulariser, and C_eps the Hessian of
the two together. theta'(1) needs only the trained model: minus influence. theta'(0) needs the retrained one.
In between lies a differential equation, and the solution from 1 to 0 is the *homotopy* from the trained model
to the retrained one, exact where every Hessian on the way is positive definite. Hessians are looked at where
the integrator stops: what turns indefinite and back between two stops goes unseen.
"""
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_array, real_number, whole_number
from ..methods.base import Answer, change_at, remaining
from ..curvature.objective import Objective
from .influence import CurvatureMethod
from .newton import newton_steps


LONGEST = 1000
"""Evaluations of theta'(eps) along one path. Smooth ones take 30 to 350, more those that run into a singular
Hessian."""


@dataclass(frozen=True)
class PathDerivative:
    """Derivatives in eps of what stands at theta(eps).

    parameters   (parameters,): theta'(eps)
    objective    of the least value of R_{-W} + eps l_W: it is l_W(theta(eps))
    deleted      of l_W(theta(eps)): it is -grad l_W^T C_eps^-1 grad l_W, never positive
    """
    parameters: np.ndarray
    objective: float
    deleted: float


class Homotopy(CurvatureMethod):
    """The parameters at the end of the path, by scipy's solve_ivp (DOP853) from eps = 1 to 0; measurements
    are taken there.

    accuracy    relative tolerance of the integration: of how far the parameters have moved; and of theta'(1),
                absolutely
    corrector   Newton steps at eps = 0, on the objective of the examples that remain
    Other settings as for every CurvatureMethod. Damping makes it another path, whose end is not the retrained
    minimum.
    """

    name = "homotopy"

    def __init__(self, accuracy=1e-8, corrector=0, damping=0.0, **settings):
        if settings.pop("curvature", "hessian") != "hessian":
            raise LearnerError("the homotopy follows minimisers: the exact Hessian is its only curvature")
        super().__init__("hessian", damping, **settings)
        self.accuracy = real_number(accuracy, "accuracy", low=1e-13, below=1.0)
        self.corrector = whole_number(corrector, "the number of corrector steps", 0)

    def _answer(self, learner, h, measurement):
        objective, theta = Objective(learner), learner.trained
        left, ends, off = objective.gradient(theta), np.empty((len(h), objective.size)), 0.0
        for k, weights in enumerate(remaining(learner, h)):
            try:
                ends[k] = self.path(objective, theta, 1.0 - weights)[-1]
                ends[k], _ = newton_steps(self, objective, ends[k], weights, left, self.corrector)
            except DoesNotApply as error:
                raise DoesNotApply(f"deletion set {k}: {error}") from None
            off = max(off, np.linalg.norm(objective.gradient(ends[k], weights) - left))
        return Answer(change_at(learner, measurement, ends), ends,
                      (f"gradient left at the ends of the paths: at most {off:.1e} long",))

    def path(self, objective, theta, h, eps=(0.0,)):
        """(times, parameters): theta(eps) on the path that starts at theta(1) = theta.

        h     (examples,): downweights, 1 on the deletion set
        eps   where to tell, falling, from 1 at most to 0 at least; the path is followed to the last

        Raises DoesNotApply, naming eps, where the Hessian is not positive definite or the path runs away.
        """
        eps = real_array(eps, "eps")
        if eps.ndim != 1 or not eps.size or (np.diff(eps)
                                             >= 0.0).any() or not 0.0 <= eps[-1] <= eps[0] <= 1.0:
            raise LearnerError(
                f"eps falls from 1 at most to 0 at least, such as [1, 0.5, 0], not {eps.tolist()!r:.60}")
        first, count = np.abs(self.velocity(objective, theta, h, 1.0)).max(), 0
        if not first or eps[-1] == 1.0:      # the path is a point
            return np.repeat(theta[None], len(eps), axis=0)

        def velocity(e, moved):
            nonlocal count
            count += 1
            if count > LONGEST:
                raise DoesNotApply(f"the path cannot be followed below eps = {e:.4g}, where theta has moved by {np.abs(moved).max():.3g}: "
                                   f"{LONGEST} evaluations were not enough. It runs towards a singular Hessian, or the accuracy is too high")
            return self.velocity(objective, theta + moved, h, e)

        found = solve_ivp(velocity, (1.0, eps[-1]), np.zeros_like(theta), method="DOP853", t_eval=eps,
                          first_step=min(0.1, 1.0 - eps[-1]), rtol=self.accuracy, atol=self.accuracy * first)
        if not found.success:
            raise DoesNotApply(f"the path cannot be followed to eps = {eps[-1]:g}: {found.message}")
        return theta + found.y.T

    def velocity(self, objective, theta, h, eps):
        """theta'(eps) (parameters,) at theta = theta(eps), for downweights h (examples,)."""
        slope = objective.gradient(theta, h, regularizer=False)
        try:
            return self.solve(objective, theta, -slope[None], 1.0 - (1.0 - eps) * h).x[0]
        except DoesNotApply as error:
            raise DoesNotApply(f"at eps = {eps:.4g} of the path: {error}") from None

    def derivative(self, objective, theta, h, eps):
        """The PathDerivative at theta = theta(eps), for downweights h (examples,)."""
        h, found = real_array(h, "downweights"), self.velocity(objective, theta, h, real_number(eps, "eps"))
        return PathDerivative(found, float(objective.losses(theta) @ h),
                              float(objective.gradient(theta, h, regularizer=False) @ found))
