"""What guarantees need to know of a learner: whether it is logistic or quadratic, its rows, its regulariser.

Nothing is read from the loss's source. A learner counts as logistic if its losses and their gradients are
those of logistic regression at random parameters, and as quadratic if its gradients are linear there. A
formula that agrees at these points is treated as the same one.
"""
import numpy as np
from scipy.special import expit

from circuit.errors import DoesNotApply
from ..curvature.objective import Objective

MAX_ROUNDING = 1e-9
"""The largest relative difference that is put down to rounding."""


def probes(size):
    """(2, size): random parameters of norm 3, always the same."""
    points = np.random.default_rng(7).normal(size=(2, size))
    return 3.0 * points / np.linalg.norm(points, axis=1, keepdims=True)


def close(actual, expected):
    """Whether two arrays agree but for rounding."""
    scale = 1.0 + np.abs(expected).max(initial=0.0)
    return np.abs(actual - expected).max(initial=0.0) <= MAX_ROUNDING * scale


def logistic_rows(learner):
    """(examples, parameters): rows z_i with l_i(theta) = ln(1 + e^(-z_i . theta)), label included.

    Raises DoesNotApply if the losses are others.
    """
    objective = Objective(learner)
    # the derivative of ln(1 + e^-q) at 0 is -1/2
    rows = -2.0 * objective.gradients(np.zeros(objective.size))
    for theta in probes(objective.size):
        margins = rows @ theta
        if not (close(objective.losses(theta), np.logaddexp(0.0, -margins))
                and close(objective.gradients(theta), -expit(-margins)[:, None] * rows)):
            raise DoesNotApply(
                "the loss is not that of logistic regression, ln(1 + e^(-y x.theta)) of each example")
    return rows


def quadratic_parts(learner):
    """(gradients at 0, (examples, parameters); Hessians, (examples, parameters, parameters)).

    Raises DoesNotApply if the losses are not quadratic.
    """
    objective = Objective(learner)
    zero = objective.gradients(np.zeros(objective.size))
    hessians = np.stack([objective.gradients(e) - zero for e in np.eye(objective.size)], axis=-1)
    for theta in probes(objective.size):
        if not close(objective.gradients(theta), zero + hessians @ theta):
            raise DoesNotApply("the losses are not quadratic in the parameters")
    return zero, hessians


def penalty_matrix(learner):
    """(parameters, parameters): A of the regulariser r(theta) = theta . A theta / 2, on the scale of means,
    as the learner adds it.

    Raises DoesNotApply if the regulariser has another form.
    """
    objective = Objective(learner)
    slope = lambda theta: objective.gradient(theta, np.zeros(objective.count)) / objective.count
    if learner.regularizer is None:
        return np.zeros((objective.size, objective.size))
    matrix = np.stack([slope(e) for e in np.eye(objective.size)])
    if not all(close(slope(theta), matrix @ theta) for theta in probes(objective.size)):
        raise DoesNotApply(
            "the regulariser is not quadratic: theta . A theta / 2, such as half of the squares")
    return 0.5 * (matrix + matrix.T)
