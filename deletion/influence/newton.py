"""Newton steps: influence with the curvature of the examples that remain (Koh et al. 1905.13289).

    theta without W  ~  theta + (C - C_W + damping I)^-1 g_W,          C_W = sum_{i in W} h_i times the
                     curvature of l_i

Sums, not means; C and g_W as in influence.py. Exact where losses are quadratic; elsewhere its error is of
second order in the weight removed, as influence's is, with a smaller constant. Every further step squares the
error: after two it is of order four.

Where training stopped short of the minimum, what is minimised is R_{-W}(theta) - theta . grad R(theta*): with
nothing deleted its minimum lies at the trained theta*, so that what training left undone is not mistaken for
what deletion does.
"""
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from circuit.blas import linear_algebra

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import whole_number
from ..methods.base import Answer, change_at, remaining
from ..curvature.objective import Objective
from .influence import CurvatureMethod
from ..curvature.solvers import ADVICE

DENSE = 512
"""Parameters up to which a Newton step assembles each set's curvature: beyond, conjugate gradients need only
products."""


class NewtonStep(CurvatureMethod):
    """theta moves by Newton steps on the objective of the examples that remain; measurements are taken at the
    new parameters.

    steps    how many; the second and later ones take gradient and curvature at the parameters reached
    solver   None: "cholesky" up to 512 parameters, "cg" beyond. Other settings as for every CurvatureMethod.
    """

    name = "Newton step"

    def __init__(self, steps=1, curvature="hessian", damping=0.0, *, solver=None, **settings):
        super().__init__(curvature, damping, solver=solver or "cholesky", **settings)
        self.steps, self.automatic = whole_number(steps, "Newton steps", 1), solver is None

    def _answer(self, learner, h, measurement):
        objective = Objective(learner)
        left = objective.gradient(learner.trained)
        large = self.automatic and objective.size > DENSE
        method = CurvatureMethod(self.curvature, self.damping, solver="cg", **self.options) if large else self
        theta, worst = np.empty((len(h), objective.size)), 0.0
        for k, weights in enumerate(remaining(learner, h)):
            try:
                theta[k], residual = newton_steps(method, objective, learner.trained, weights, left,
                                                  self.steps)
            except DoesNotApply as error:
                raise DoesNotApply(f"without deletion set {k}: {error}") from None
            worst = max(worst, residual)
        return Answer(change_at(learner, measurement, theta), theta,
                      (f"{method.solver}: relative residual {worst:.1e}",))


def newton_steps(method, objective, theta, weights, left, steps):
    """(parameters, largest relative residual of a solve) after Newton steps from theta towards grad R =
    `left` under example weights."""
    worst = 0.0
    for _ in range(steps):
        found = method.solve(objective, theta, (left - objective.gradient(theta, weights))[None], weights)
        theta, worst = theta + found.x[0], max(worst, float(found.residual[0]))
    return theta, worst


@dataclass(frozen=True)
class SelfInfluences:
    """What deletion adds to the deleted sets' own summed loss, to first order along two movements of the
    parameters: (k,) each.

    With S = C^-1/2 C_W C^-1/2 and a = C^-1/2 g_W,   influence = a^T a  <=  newton = a^T (I - S)^-1 a  <=  a^T
    a / (1 - largest), `largest` being the largest eigenvalue of S, at most 1. The first inequality is that of
    convex losses, whose S has no negative eigenvalue. As a regulariser grows, S shrinks and the two meet.
    """
    influence: np.ndarray
    newton: np.ndarray
    largest: np.ndarray

    @property
    def bound(self):
        """The most that newton can be."""
        return self.influence / (1.0 - self.largest)


def self_influences(learner, deletion_sets, method=NewtonStep()):
    """The SelfInfluences of deletion sets, by influence and by a Newton step with a method's curvature and
    damping; dense.

    Raises DoesNotApply where C, or C - C_W, is not positive definite, with its damping.
    """
    if not isinstance(method, CurvatureMethod):
        raise LearnerError("the method is one that solves with a curvature, such as "
                           f"NewtonStep(damping=0.1), not {method!r:.60}")
    method.check(learner)
    h = learner.deletion_sets(deletion_sets).dense(learner.unit_count) * learner.used
    if not len(h):
        raise LearnerError("nothing to answer: no deletion sets")
    objective, theta, options = Objective(learner), learner.trained, {"curvature": method.curvature}
    weights = remaining(learner, h)
    whole = objective.matrix(theta, **options) + method.damping * np.eye(objective.size)
    gradients, condition = objective.gradients(theta), np.linalg.cond(whole)
    rounding = len(theta) * np.finfo(float).eps * condition      # of eigenvalues of S
    found = []
    for k, gone in enumerate(1.0 - weights):
        try:      # V^T C V = I and V^T C_W V = diag(values): V^T g_W is a, in the eigenvectors of S
            matrix = objective.matrix(theta, gone, regularizer=False, **options)
            with linear_algebra(f"decompose a matrix of {len(whole)} x {len(whole)}", len(whole)):
                values, vectors = eigh(matrix, whole)
        except np.linalg.LinAlgError:
            raise DoesNotApply(f"the curvature of all examples is not positive definite; {ADVICE}") from None
        if values[-1] >= 1.0 - rounding:
            raise DoesNotApply(f"the curvature without deletion set {k} is not positive definite: S has the "
                               f"eigenvalue {values[-1]:.6g}, not below 1 by more than rounding; {ADVICE}")
        squares = (vectors.T @ (gone @ gradients)) ** 2
        found.append((squares.sum(), (squares / (1.0 - values)).sum(), values[-1]))
    return SelfInfluences(*np.array(found).T)
