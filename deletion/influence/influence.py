"""Influence functions: what deletion does to first order, from gradients and curvature at the trained
parameters theta.

    theta without W  ~  theta + (C + damping I)^-1 g_W,          g_W = sum_{i in W} h_i grad l_i(theta)

Sums, not means: C is the curvature of R = sum_i l_i + n r with every weight 1. The sign is deletion's: theta
moves by C^-1 grad l_i as example i's weight falls from 1 to 0, and by minus that as it rises.

C is the Hessian, where theta minimises R; the formula is then the derivative of the minimiser in the weights.
Or C is the Gauss-Newton matrix, around any theta: the minimiser, to first order, of the losses' Bregman
divergences from theta in output space, minus the deleted losses, plus damping/2 |movement|^2 (Bae et al.
2209.05364) - which is not what retraining minimises.

Least squares, l_i = (y_i - x_i w)^2 / 2, shows what is missing. With the leverage P_ii = x_i (X^T X)^-1 x_i^T
and the residual e_i = y_i - x_i w, influence moves w by -(X^T X)^-1 x_i^T e_i, and deletion by 1 / (1 - P_ii)
times as much; Q_i = e_i^2 P_ii.
"""
import numpy as np

from circuit.checks import one_of, real_number
from ..methods.base import Answer, Method, change_at, linear_change, remaining
from ..curvature.objective import CURVATURES, ModelLoss, Objective
from ..curvature.solvers import SOLVERS, checked_options, solve

OPTIMUM = 1e-2
"""How long the gradient of R may be at an optimum, in lengths of a typical example's gradient (their root
mean square)."""


class CurvatureMethod(Method):
    """A method that solves with the curvature at the trained parameters.

    curvature   "hessian", which asks for a minimum; or "gauss-newton", for losses that are a ModelLoss
    damping     added to every eigenvalue, on the sum scale
    solver      "cholesky", "cg" or "lissa";   options: tolerance, limit and scale of `solve`
    optimum     with the Hessian: |grad R| is at most this many root mean squares of the examples' |grad l_i|
    """

    def __init__(self, curvature="hessian", damping=0.0, *, solver="cholesky", optimum=OPTIMUM, **options):
        self.curvature, self.solver = one_of(curvature, "curvature",
                                             CURVATURES), one_of(solver, "solver", SOLVERS)
        self.options = checked_options(**options)
        self.damping, self.optimum = real_number(damping, "damping",
                                                 low=0.0), real_number(optimum, "optimum", above=0.0)

    def refuses(self, learner):
        if self.curvature == "gauss-newton":
            return (None if isinstance(learner.loss, ModelLoss)
                    else ("the Gauss-Newton matrix needs the loss in two parts: give the learner "
                          "deletion.ModelLoss(outputs, criterion) as its loss"))
        objective = Objective(learner)
        left = np.linalg.norm(objective.gradient(learner.trained))
        typical = np.sqrt((objective.gradients(learner.trained) ** 2).sum(axis=1).mean())
        if left > self.optimum * typical:
            visits = np.bincount(learner.schedule.ravel(), minlength=learner.example_count)
            advice = ("Train longer"
                      + ("" if visits.min() == visits.max()
                         else f", visit examples equally often (now {visits.min()} to {visits.max()} "
                         "times, where the sum counts each once)"))
            return ("the trained parameters are no minimum: the gradient of the summed losses is "
                    f"{left:.3g} long there, " f"{left / typical:.2g} "
                    f"times a typical example's, where {self.optimum:g} is allowed. "
                    f"{advice}, or use curvature='gauss-newton'")
        return None

    def solve(self, objective, theta, b, weights=None):
        """The Solution for right-hand sides b (k, parameters), with the curvature at theta under example
        weights."""
        return solve(lambda v: objective.products(theta, v, weights, curvature=self.curvature), b,
                     self.damping, solver=self.solver, **self.options)


class Influence(CurvatureMethod):
    """theta moves by (C + damping I)^-1 g_W; a measurement changes by its derivative along that.

    linear   False: the change of a measurement is that between the new parameters and the old, and not its
             derivative
    Other settings as for every CurvatureMethod.
    """

    name = "influence"

    def __init__(self, curvature="hessian", damping=0.0, *, linear=True, **settings):
        super().__init__(curvature, damping, **settings)
        self.linear = linear

    def _answer(self, learner, h, measurement):
        objective, theta = Objective(learner), learner.trained
        found = self.solve(objective, theta, (1.0 - remaining(learner, h)) @ objective.gradients(theta))
        change = linear_change(learner, measurement,
                               found.x) if self.linear else change_at(learner, measurement, theta + found.x)
        return Answer(change, theta + found.x,
                      (f"{self.solver}: relative residual {found.residual.max():.1e}",))

    def self_influence(self, learner):
        """(units,): Q(z) = g^T (C + damping I)^-1 g, g a unit's gradient: what its own deletion adds to its
        own loss, to first order.

        Raises DoesNotApply as `answer` does.
        """
        self.check(learner)
        objective = Objective(learner)
        g = np.zeros((learner.unit_count, objective.size))
        np.add.at(g, learner.unit_of, objective.gradients(learner.trained))
        g[~learner.used] = 0.0      # deleting what no step uses changes nothing
        return np.einsum("ij,ij->i", g, self.solve(objective, learner.trained, g).x)
