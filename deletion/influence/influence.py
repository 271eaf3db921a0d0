"""Influence functions: what deletion does to first order, from gradients and curvature at the trained
parameters theta.

    theta without W  ~  theta + (C + damping I)^-1 g_W,          g_W = sum_{i in W} h_i grad l_i(theta)

These are sums, not means: C is the curvature of R = sum_i l_i + n r with every weight 1, and damping is added
to it as it is. The sign is that of deletion: theta moves by C^-1 grad l_i as example i's weight falls from 1
to 0, and by minus that as it rises.

Where theta minimises R, C is the Hessian, and the formula is the derivative of the minimiser in the weights.
Around any theta, C may be the Gauss-Newton matrix. The formula is then, to first order, the minimiser of the
losses' Bregman divergences from theta in output space, minus the deleted losses, plus damping/2 |movement|^2
(Bae et al. 2209.05364), which is not what retraining minimises.

Least squares, l_i = (y_i - x_i w)^2 / 2, shows what influence leaves out. With the leverage P_ii = x_i (X^T
X)^-1 x_i^T and the residual e_i = y_i - x_i w, influence moves w by -(X^T X)^-1 x_i^T e_i, and deletion by
1 / (1 - P_ii) times as much; the self-influence Q_i is e_i^2 P_ii.
"""
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from circuit.errors import DoesNotApply
from circuit.checks import checked_learner, one_of, real_number
from ..methods.base import Answer, Method, change_at, linear_change, remaining
from ..curvature.model_loss import checked_model_loss
from ..curvature.objective import CURVATURES, objective_of
from ..curvature.solvers import SOLVERS, Options, solve

if TYPE_CHECKING:
    from ..learner.learner import Learner

MAX_OPTIMUM_GRADIENT = 1e-2
"""How long the gradient of R may be at an optimum, in lengths of a typical example's gradient (their root
mean square)."""


class CurvatureMethod(Method):
    """A method that solves linear systems with the curvature at the trained parameters.

    Parameters
    ----------
    curvature : str
        "hessian", which needs a minimum; or "gauss-newton", for losses that are a ModelLoss.
    damping : float
        Added to every eigenvalue of the curvature of the summed losses, >= 0.
    solver : str
        "cholesky", "cg" or "lissa".
    optimum : float
        With the Hessian: |grad R| is at most this many root mean squares of the examples' |grad l_i|.
    **options : object
        tolerance, limit and scale of `solve`.
    """

    def __init__(self, curvature: str = "hessian", damping: float = 0.0, *, solver: str = "cholesky",
                 optimum: float = MAX_OPTIMUM_GRADIENT, **options: float):
        self.curvature = one_of(curvature, "curvature", CURVATURES)
        self.solver = one_of(solver, "solver", SOLVERS)
        self.options = asdict(Options(**options))
        self.damping = real_number(damping, "damping", low=0.0)
        self.optimum = real_number(optimum, "optimum", above=0.0)

    def check(self, learner: "Learner") -> None:
        """Raise DoesNotApply for a loss without outputs (Gauss-Newton), or away from a minimum (Hessian)."""
        super().check(learner)
        if self.curvature == "gauss-newton":
            checked_model_loss(learner, "the Gauss-Newton matrix")
        else:
            self._check_minimum(learner)

    def _check_minimum(self, learner):
        objective = objective_of(learner)
        length = np.linalg.norm(objective.gradient(learner.trained))
        typical = np.sqrt((objective.gradients(learner.trained) ** 2).sum(axis=1).mean())
        if length <= self.optimum * typical:
            return
        visits = np.bincount(learner.schedule.ravel(), minlength=learner.example_count)
        equally = "" if visits.min() == visits.max() else (
            f", visit examples equally often (now {visits.min()} to {visits.max()} times, where the sum "
            "counts each once)")
        raise DoesNotApply("the trained parameters are no minimum: the gradient of the summed losses is "
                           f"{length:.3g} long there, {length / typical:.2g} times a typical example's, "
                           f"where {self.optimum:g} is allowed. Train longer{equally}, or use "
                           "curvature='gauss-newton'")

    def solve(self, objective, theta, b, weights=None):
        """The Solution for right-hand sides b (k, parameters), with the curvature at theta under example
        weights."""
        if self.solver == "cholesky":
            curvature = objective.matrix(theta, weights, curvature=self.curvature)
        else:
            def curvature(v):
                return objective.products(theta, v, weights, curvature=self.curvature)
        return solve(curvature, b, self.damping, solver=self.solver, **self.options)


class Influence(CurvatureMethod):
    """Influence functions: theta moves by (C + damping I)^-1 g_W.

    A measurement changes by its derivative along this movement. The answer's `diagnostics` are `residual`
    (sets,), the relative residuals of the linear systems, and `iterations`.

    Parameters
    ----------
    curvature : str
        "hessian", which needs a minimum; or "gauss-newton", for losses that are a ModelLoss.
    damping : float
        Added to every eigenvalue of the curvature of the summed losses, >= 0.
    linear : bool
        False takes the measurement at the new parameters instead of its derivative.
    **settings : object
        solver, optimum, and tolerance, limit and scale of `solve`.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import Influence
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 60)
    >>> print(Influence().answer(learner, [[1]], lambda w: w[0], progress=False).change.round(6))
    [-0.5]
    """

    name = "influence"

    def __init__(self, curvature: str = "hessian", damping: float = 0.0, *, linear: bool = True,
                 **settings: object):
        super().__init__(curvature, damping, **settings)
        self.linear = linear

    def _answer(self, learner, h, measurement):
        objective, theta = objective_of(learner), learner.trained
        gradients = (1.0 - remaining(learner, h)) @ objective.gradients(theta)
        solution = self.solve(objective, theta, gradients)
        change = (linear_change(learner, measurement, solution.x) if self.linear
                  else change_at(learner, measurement, theta + solution.x))
        return Answer(change, theta + solution.x, diagnostics={"residual": solution.residual,
                                                               "iterations": solution.iterations})

    def self_influence(self, learner: "Learner") -> np.ndarray:
        """Compute what each unit's own deletion adds to its own loss, to first order.

        It is Q(z) = g^T (C + damping I)^-1 g, with g the unit's gradient; 0 for units that no step uses.

        Parameters
        ----------
        learner : Learner
            It is trained if it has not been.

        Returns
        -------
        (units,) array

        Raises
        ------
        DoesNotApply
            As `answer` does.
        """
        self.check(checked_learner(learner))
        objective = objective_of(learner)
        g = unit_sums(learner, objective.gradients(learner.trained))
        return np.einsum("ij,ij->i", g, self.solve(objective, learner.trained, g).x)


def unit_sums(learner, gradients):
    """(units, parameters): sums of the examples' gradients; zero for units that no step uses, whose deletion
    changes nothing."""
    sums = np.zeros((learner.unit_count, gradients.shape[1]))
    np.add.at(sums, learner.unit_of, gradients)
    sums[~learner.used] = 0.0
    return sums
