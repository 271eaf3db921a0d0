"""Soft weights (Qiao et al. 2505.18783): reweighting training examples to bring a measurement to zero,
instead of deleting some.

To first order, weights 1 + w of the units move the parameters by -H^{-1} sum_j w_j grad l_j. A target F then
changes by -w . f and a utility loss U by -w . u, with f_j = grad l_j^T H^{-1} grad F and u_j = grad l_j^T
H^{-1} grad U. w_j = -1 would delete unit j. Where F >= 0 (otherwise the sign of f is flipped),

    minimise  -w . f + c |w|^2    subject to    w . u >= 0,    w . f <= |F|

lowers |F|, never below 0, and does not raise U. With p = f where f . u >= 0, and f without its part along u
elsewhere, the solution is w = min(1 / (2c), |F| / |p|^2) p.
"""
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import numpy as np

from circuit import evaluate, gradient

from circuit.errors import LearnerError
from circuit.checks import real_array, real_number
from ..curvature.objective import objective_of
from ..curvature.solvers import Factor
from .influence import unit_sums

if TYPE_CHECKING:
    from ..learner.learner import Learner


@dataclass(frozen=True)
class Soft:
    """Soft weights and what they promise, to first order.

    Attributes
    ----------
    weights : (units,) array
        w, which is added to each unit's weight of 1.
    parameters : (parameters,) array
        The parameters of the reweighted model.
    target : float
        Predicted change of F.
    utility : float
        Predicted change of U, not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.influence import Soft
    >>> Soft(np.array([-0.5, 0.0]), np.array([1.5]), -0.25, 0.0).target
    -0.25
    """
    weights: np.ndarray
    parameters: np.ndarray
    target: float
    utility: float


def soften(learner: "Learner", target: Callable, utility: Callable, *, cost: float, damping: float = 0.0,
           curvature: str = "hessian") -> Soft:
    """Find soft weights that bring `target` to zero at no loss of utility, around the parameters as trained.

    The parameters should be near an optimum.

    Parameters
    ----------
    learner : Learner
        It is trained if it has not been.
    target : Callable
        F(parameters) -> scalar, to be brought to zero: a gap between groups, a bias.
    utility : Callable
        U(parameters) -> scalar that must not grow: a validation loss.
    cost : float
        c > 0: what moving weights costs. Weights that would take F beyond 0 are scaled back whatever it is.
    damping : float
        Added to every eigenvalue of H, >= 0, on the scale of sums.
    curvature : str
        H: "hessian", or "gauss-newton" for losses that are a ModelLoss.

    Returns
    -------
    Soft
        The weights, the parameters and the predicted changes.

    Raises
    ------
    DoesNotApply
        If the damped curvature is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import soften
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 60)
    >>> soft = soften(learner, lambda w: w[0] - 1.75, lambda w: w[0] ** 2, cost=0.1)
    >>> print(soft.weights.round(6), soft.parameters.round(6), round(soft.target, 6))
    [ 0.25 -0.25] [1.75] -0.25
    """
    theta, objective = learner.trained, objective_of(learner)
    value, target_gradient = value_and_gradient(learner, target, "the target")
    _, utility_gradient = value_and_gradient(learner, utility, "the utility")
    damping = real_number(damping, "damping", low=0.0)
    factor = Factor(objective.matrix(theta, curvature=curvature), damping)
    gradients = unit_sums(learner, objective.gradients(theta))
    f, u = factor.solve(np.array([target_gradient, utility_gradient])) @ gradients.T
    w = soft_weights(f, u, value, cost)
    return Soft(w, theta - factor.solve(w @ gradients), float(-w @ f), float(-w @ u))


def soft_weights(f, u, value, cost):
    """w (units,) for influences f on a target whose value is given, and u on utility, (units,) each; cost c >
    0."""
    f, u = real_array(f, "influences on the target"), real_array(u, "influences on utility")
    value = real_number(value, "the target's value")
    cost = real_number(cost, "the cost of weights", above=0.0)
    if f.ndim != 1 or f.shape != u.shape:
        raise LearnerError("influences: expected one shape (units,) for target and utility, got "
                           f"{f.shape} and {u.shape}")
    p = f if value >= 0.0 else -f
    if p @ u < 0.0:
        p = p - (p @ u) / (u @ u) * u
    size = p @ p
    return np.zeros_like(p) if size == 0.0 else min(0.5 / cost, abs(value) / size) * p


def value_and_gradient(learner, measurement, what):
    """(value, gradient (parameters,)) of a scalar measurement at the parameters as trained."""
    circuit = learner.measurement(measurement)
    if circuit.shapes[circuit.outputs[0]] != ():
        raise LearnerError(f"{what} is one number: got shape {circuit.shapes[circuit.outputs[0]]}")
    value, slope = evaluate(gradient(circuit, wrt=[0]), [learner.trained])
    return float(value), slope
