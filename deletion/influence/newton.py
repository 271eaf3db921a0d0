"""Newton steps: influence with the curvature of the examples that remain (Koh et al. 1905.13289), and its
series, cut off after second order (Basu et al. 1911.00418).

    theta without W  ~  theta + (C - C_W + damping I)^-1 g_W,          C_W = sum_{i in W} h_i times the
                     curvature of l_i

These are sums, not means; C, g_W and damping are those of influence.py. A Newton step is exact where losses
are quadratic. Elsewhere its error is of second order in the weight removed, like that of influence, with a
smaller constant. Every further step squares the error: after two steps it is of order four.

With a = (C + damping I)^-1 g_W and b = (C + damping I)^-1 C_W a, the step's series in C_W begins a + b + ...:
a is influence, b how the members of the set act together. Neither has the third derivatives of the losses, by
which the minimiser moves in second order, too.

Where training stopped short of the minimum, the steps minimise R_{-W}(theta) - theta . grad R(theta*). With
nothing deleted its minimum lies at the trained theta*, so what training left undone is not mistaken for an
effect of the deletion.
"""
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterable, Optional

import numpy as np
from scipy.linalg import eigh

from circuit.blas import MAX_DENSE, linear_algebra

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import whole_number
from ..methods.base import Answer, change_at, linear_change, remaining
from ..curvature.objective import objective_of
from .influence import CurvatureMethod
from ..curvature.solvers import ADVICE

if TYPE_CHECKING:
    from ..learner.learner import Learner


class NewtonStep(CurvatureMethod):
    """Newton steps on the objective of the remaining examples; measurements are taken at the new parameters.

    The answer's `diagnostics` are `residual` (sets,), the largest relative residual of each set's linear
    systems, and `iterations`, the largest number that an iterative solver took; 0 of a direct one.

    Parameters
    ----------
    steps : int
        The number of steps; the second and later ones take gradient and curvature at the parameters reached.
    curvature : str
        "hessian", which needs a minimum; or "gauss-newton", for losses that are a ModelLoss.
    damping : float
        Added to every eigenvalue of the curvature of the summed losses, >= 0.
    solver : str, optional
        "cholesky", "cg" or "lissa". Default: "cholesky" up to 1,000 parameters, and beyond that "cg", which
        needs only products.
    **settings : object
        optimum, and tolerance, limit and scale of `solve`.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import NewtonStep
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 60)
    >>> print(NewtonStep().answer(learner, [[1]], lambda w: w[0], progress=False).change.round(6))
    [-1.]
    """

    name = "Newton step"

    def __init__(self, steps: int = 1, curvature: str = "hessian", damping: float = 0.0, *,
                 solver: Optional[str] = None, **settings: object):
        super().__init__(curvature, damping, solver=solver or "cholesky", **settings)
        self.steps = whole_number(steps, "Newton steps", 1)
        self.automatic = solver is None

    def _answer(self, learner, h, measurement):
        objective, method = objective_of(learner), self
        gradient_left = objective.gradient(learner.trained)
        if self.automatic and objective.size > MAX_DENSE:
            method = CurvatureMethod(self.curvature, self.damping, solver="cg", **self.options)
        theta, residual, iterations = np.empty((len(h), objective.size)), np.zeros(len(h)), 0
        for k, weights in enumerate(remaining(learner, h)):
            try:
                theta[k], solutions = newton_steps(method, objective, learner.trained, weights, gradient_left,
                                                   self.steps)
            except DoesNotApply as error:
                raise DoesNotApply(f"without deletion set {k}: {error}") from None
            residual[k] = max(solution.residual[0] for solution in solutions)
            iterations = max(iterations, *(solution.iterations for solution in solutions))
        return Answer(change_at(learner, measurement, theta), theta,
                      diagnostics={"residual": residual, "iterations": iterations})


def newton_steps(method, objective, theta, weights, gradient_left, steps):
    """(parameters, the Solution of each step) after Newton steps from theta towards grad R = `gradient_left`
    under example weights."""
    solutions = []
    for _ in range(steps):
        gradient = gradient_left - objective.gradient(theta, weights)
        solutions.append(method.solve(objective, theta, gradient[None], weights))
        theta = theta + solutions[-1].x[0]
    return theta, solutions


class GroupInfluence(CurvatureMethod):
    """Second-order influence of a group of examples, without third derivatives (Basu et al. 1911.00418).

    With p the share of the examples that is deleted, a = (C + damping I)^-1 g_W, influence, and b = (C +
    damping I)^-1 C_W a, how the set's members act together, theta moves by

        ((1 - 2 p) a + b) / (1 - p)^2          normalized, the paper's formula
        a + b                                  otherwise

    The paper takes the mean over the examples that remain, so that their weights rise to 1 / (1 - p) while
    those of the deleted fall to 0. Here the regulariser's weight rises with them: the minimiser at the end of
    that path is that of the sum over the remaining examples, which retraining approaches. The two are series
    of the same movement, cut off along different paths. Influence alone, the sum of first-order effects, is
    the group effect of Koh et al. 1905.13289. Measurements change by their derivative along the movement. The
    answer's `diagnostics` are `residual` (sets,) and `iterations`, the larger of two linear systems.

    Parameters
    ----------
    curvature : str
        "hessian", which needs a minimum; or "gauss-newton", for losses that are a ModelLoss.
    damping : float
        Added to every eigenvalue of the curvature of the summed losses, >= 0.
    normalized : bool
        Whether the weights of the remaining examples rise along the path, as in the paper.
    linear : bool
        False takes the measurement at the new parameters instead of its derivative.
    **settings : object
        solver, optimum, and tolerance, limit and scale of `solve`.

    Examples
    --------
    Without the last of three numbers their mean falls by 2/3. The paper's path ends there; otherwise first
    order is 4/9 and second order adds 4/27.

    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence.newton import GroupInfluence
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,), (4.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1, 2]] * 60)
    >>> for normalized in (False, True):
    ...     method = GroupInfluence(normalized=normalized)
    ...     print(method.answer(learner, [[2]], lambda w: w[0], progress=False).change.round(6))
    [-0.592593]
    [-0.666667]
    """

    name = "second-order group influence"

    def __init__(self, curvature: str = "hessian", damping: float = 0.0, *, normalized: bool = True,
                 linear: bool = True, **settings: object):
        super().__init__(curvature, damping, **settings)
        self.normalized, self.linear = normalized, linear

    def _answer(self, learner, h, measurement):
        objective, theta = objective_of(learner), learner.trained
        deleted = 1.0 - remaining(learner, h)
        first = self.solve(objective, theta, deleted @ objective.gradients(theta))
        turned = [objective.products(theta, a[None], weights, curvature=self.curvature, regularizer=False)[0]
                  for a, weights in zip(first.x, deleted)]
        second = self.solve(objective, theta, np.array(turned))
        share = deleted.mean(axis=1, keepdims=True) * self.normalized
        movement = ((1.0 - 2.0 * share) * first.x + second.x) / (1.0 - share) ** 2
        change = (linear_change(learner, measurement, movement) if self.linear
                  else change_at(learner, measurement, theta + movement))
        return Answer(change, theta + movement,
                      diagnostics={"residual": np.maximum(first.residual, second.residual),
                                   "iterations": max(first.iterations, second.iterations)})


@dataclass(frozen=True)
class SelfInfluences:
    """What deletion adds to the deleted sets' own summed loss, to first order along two movements.

    With S = C^-1/2 C_W C^-1/2 and a = C^-1/2 g_W,

        influence = a^T a  <=  newton = a^T (I - S)^-1 a  <=  a^T a / (1 - largest)

    The first inequality is that of convex losses, whose S has no negative eigenvalue. As a regulariser grows,
    S shrinks and the two sides meet.

    Attributes
    ----------
    influence : (k,) array
        Along influence's movement.
    newton : (k,) array
        Along a Newton step.
    largest : (k,) array
        The largest eigenvalue of S, below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.influence import SelfInfluences
    >>> SelfInfluences(np.array([1.0]), np.array([1.5]), np.array([0.5])).bound
    array([2.])
    """
    influence: np.ndarray
    newton: np.ndarray
    largest: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        """(k,): an upper bound of `newton`, influence / (1 - largest)."""
        return self.influence / (1.0 - self.largest)


def self_influences(learner: "Learner", deletion_sets: Iterable,
                    method: CurvatureMethod = NewtonStep()) -> SelfInfluences:
    """Compute the self-influence of deletion sets, by influence and by a Newton step, with dense matrices.

    Parameters
    ----------
    learner : Learner
        It is trained if it has not been.
    deletion_sets : iterable
        Deletion sets, each a sequence of units' labels.
    method : CurvatureMethod
        Its curvature and its damping are used.

    Returns
    -------
    SelfInfluences
        For the sets in their order.

    Raises
    ------
    DoesNotApply
        If C or C - C_W, with damping, is not positive definite, or where the method does not apply.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import self_influences
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 60)
    >>> both = self_influences(learner, [[1]])
    >>> print(both.influence.round(6), both.newton.round(6))
    [0.5] [1.]
    """
    if not isinstance(method, CurvatureMethod):
        raise LearnerError("method: expected one that solves with a curvature, such as "
                           f"NewtonStep(damping=0.1), got {method!r:.60}")
    method.check(learner)
    h = learner.deletion_sets(deletion_sets).dense(learner.unit_count) * learner.used
    if not len(h):
        raise LearnerError("nothing to answer: no deletion sets")
    objective, theta = objective_of(learner), learner.trained
    weights = remaining(learner, h)
    whole = objective.matrix(theta, curvature=method.curvature) + method.damping * np.eye(objective.size)
    gradients, condition = objective.gradients(theta), np.linalg.cond(whole)
    rounding = len(theta) * np.finfo(float).eps * condition      # of eigenvalues of S
    rows = []
    for k, deleted in enumerate(1.0 - weights):
        matrix = objective.matrix(theta, deleted, regularizer=False, curvature=method.curvature)
        values, vectors = joint_eigenvectors(matrix, whole)      # V^T g_W is a, in the eigenvectors of S
        if values[-1] >= 1.0 - rounding:
            raise DoesNotApply(f"the curvature without deletion set {k} is not positive definite: S has the "
                               f"eigenvalue {values[-1]:.6g}, not below 1 by more than rounding; {ADVICE}")
        squares = (vectors.T @ (deleted @ gradients)) ** 2
        rows.append((squares.sum(), (squares / (1.0 - values)).sum(), values[-1]))
    return SelfInfluences(*np.array(rows).T)


def joint_eigenvectors(part, whole):
    """(values, V) with V^T whole V = I and V^T part V = diag(values). DoesNotApply where `whole` is not
    positive definite."""
    try:
        with linear_algebra(f"decompose a matrix of {len(whole)} x {len(whole)}", len(whole)):
            return eigh(part, whole)
    except np.linalg.LinAlgError:
        raise DoesNotApply(f"the curvature of all examples is not positive definite; {ADVICE}") from None
