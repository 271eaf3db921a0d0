"""Soft weights (Qiao et al. 2505.18783): reweighting training examples to bring a measurement to zero,
instead of deleting some.

Weights 1 + w of the units move the parameters by -H^{-1} sum_j w_j grad l_j, to first order; so a target F
changes by -w . f and a cost U by -w . u, with f_j = grad l_j^T H^{-1} grad F and u_j = grad l_j^T H^{-1} grad
U. w_j = -1 would delete unit j. Where F >= 0 (otherwise the sign of f is flipped),

    minimise  -w . f + c |w|^2    subject to    w . u >= 0,    w . f <= |F|

which lowers |F|, never below 0, and does not raise U. With p = f where f . u >= 0, and f without its part
along u elsewhere, the solution is w = min(1 / (2c), |F| / |p|^2) p.
"""
from dataclasses import dataclass

import numpy as np

from circuit import evaluate, gradient

from circuit.errors import LearnerError
from circuit.checks import real_array, real_number
from ..curvature.objective import Objective
from ..curvature.solvers import solve


@dataclass(frozen=True)
class Soft:
    """Soft weights and what they promise, to first order.

    weights      (units,): w, what is added to each unit's weight of 1
    parameters   (parameters,): those of the reweighted model
    target       predicted change of F;   utility   predicted change of U: not above 0
    """
    weights: np.ndarray
    parameters: np.ndarray
    target: float
    utility: float


def soften(learner, target, utility, *, cost, damping=0.0, curvature="hessian"):
    """The Soft weights that bring `target` to zero at no loss of utility, around the parameters as trained.

    target       F(parameters) -> scalar, to be brought to zero: a gap between groups, a bias
    utility      U(parameters) -> scalar that must not grow: a validation loss
    cost         c > 0: what moving weights costs; weights that overshoot F = 0 are scaled back whatever it is
    curvature    H: "hessian", or "gauss-newton" for losses that are a ModelLoss; plus damping on the scale of
                 sums

    The parameters should be near an optimum. Raises DoesNotApply where the damped curvature is not positive
    definite.
    """
    theta, objective = learner.trained, Objective(learner)
    (value, slope), (_, cost_slope) = at(learner, target, "the target"), at(learner, utility, "the utility")
    matrix = objective.matrix(theta, curvature=curvature)
    moves = solve(matrix, np.array([slope, cost_slope]), damping).x      # H^{-1} grad F, H^{-1} grad U
    pulls = np.zeros((learner.unit_count, len(theta)))
    np.add.at(pulls, learner.unit_of, objective.gradients(theta))
    pulls[~learner.used] = 0.0      # no weight of a unit that no step uses moves anything
    f, u = moves @ pulls.T
    w = soft_weights(f, u, value, cost)
    return Soft(w, theta - solve(matrix, (w @ pulls)[None], damping).x[0], float(-w @ f), float(-w @ u))


def soft_weights(f, u, value, cost):
    """w (units,) for influences f on a target whose value is given, and u on utility, (units,) each; cost c >
    0."""
    f, u = real_array(f, "influences on the target"), real_array(u, "influences on utility")
    value, cost = real_number(value, "the target's value"), real_number(cost, "the cost of weights",
                                                                        above=0.0)
    if f.ndim != 1 or f.shape != u.shape:
        raise LearnerError(
            f"influences are (units,), one shape for target and utility, not {f.shape} and {u.shape}")
    p = f if value >= 0.0 else -f
    if p @ u < 0.0:
        p = p - (p @ u) / (u @ u) * u
    size = p @ p
    return np.zeros_like(p) if size == 0.0 else min(0.5 / cost, abs(value) / size) * p


def at(learner, measurement, what):
    """(value, gradient (parameters,)) of a scalar measurement at the parameters as trained."""
    circuit = learner.measurement(measurement)
    if circuit.shapes[circuit.outputs[0]] != ():
        raise LearnerError(f"{what} is one number, not of shape {circuit.shapes[circuit.outputs[0]]}")
    value, slope = evaluate(gradient(circuit, wrt=[0]), [learner.trained])
    return float(value), slope
