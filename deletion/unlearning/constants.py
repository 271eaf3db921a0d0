"""The constants that guarantees hang on, where they come from, and what may be said with them.

All on the scale of MEANS, as the papers have them: of f_i = l_i + r, one example's loss plus the regulariser,
so of the mean over any remaining examples. A promise made with estimated constants is an estimate, and says
so.
"""
from dataclasses import dataclass

import numpy as np

from circuit.errors import LearnerError
from circuit.checks import real_number
from ..curvature.eigenvalues import eigenvalue_range
from ..curvature.objective import objective_of
from .rows import logistic_rows, penalty_matrix, quadratic_parts


@dataclass(frozen=True)
class Constants:
    """What is known of every example's f = l + r, on the domain in which training stays.

    smoothness   |grad f(a) - grad f(b)| <= smoothness |a - b|, of r alone too    (M in Descent-to-Delete, L
                 in Rewind-to-Delete)
    gradient     |grad l| <= gradient: the loss without r, which no deletion rescales    (L there; G; C in
                 natural gradient)
    convexity    f(a + b) >= f(a) + grad f(a).b + convexity |b|^2/2; 0: not strongly convex, or not known to
                 be    (m; mu)
    bend         |grad^2 f(a) - grad^2 f(b)| <= bend |a - b|; None: not known    (M in natural gradient)
    how          "given", or "estimated" and how
    """
    smoothness: float
    gradient: float
    convexity: float = 0.0
    bend: float = None
    how: str = "given"

    def __post_init__(self):
        real_number(self.smoothness, "smoothness", above=0.0)
        real_number(self.gradient, "the bound of gradients", low=0.0)
        real_number(self.convexity, "strong convexity", low=0.0)
        if self.bend is not None:
            real_number(self.bend, "the Lipschitz constant of the Hessian", low=0.0)
        if self.convexity > self.smoothness:
            raise LearnerError(f"strong convexity {self.convexity:g} exceeds smoothness "
                               f"{self.smoothness:g}: no function has both")

    def __str__(self):
        bend = "" if self.bend is None else f", bend {self.bend:.3g}"
        return f"constants {self.how}: smoothness {self.smoothness:.3g}, gradient {self.gradient:.3g}, convexity {self.convexity:.3g}{bend}"


def checked_constants(constants):
    """What a rule was given, if they are Constants."""
    if not isinstance(constants, Constants):
        raise LearnerError(f"constants are Constants(smoothness, gradient, convexity), not {constants!r:.60}")
    return constants


def logistic_bounds(learner):
    """Constants of logistic regression with a quadratic regulariser, for all parameters:   |z|^2/4, |z|,
    lambda, |z|^3/(6 sqrt 3)."""
    longest = np.linalg.norm(logistic_rows(learner), axis=1).max()
    low, high = spectrum(penalty_matrix(learner))
    return Constants(longest ** 2 / 4.0 + high, longest, low, longest ** 3 / (6.0 * np.sqrt(3.0)),
                     "given: bounds of logistic regression")


def quadratic_bounds(learner, radius):
    """Constants of quadratic losses and regulariser, for parameters of norm at most `radius`; bend is 0."""
    radius = real_number(radius, "the radius of the domain", above=0.0)
    slopes, hessians = quadratic_parts(learner)
    penalty = penalty_matrix(learner)
    steepest = np.linalg.norm(slopes, axis=1) + radius * np.linalg.norm(hessians, 2, axis=(1, 2))
    curvatures = np.linalg.eigvalsh(hessians + penalty)
    return Constants(max(np.abs(curvatures).max(), spectrum(penalty)[1]), steepest.max(),
                     max(curvatures.min(), 0.0), 0.0,
                     f"given: bounds of quadratic losses for parameters of norm at most {radius:g}")


def estimated(learner):
    """Constants read off at the trained parameters: the Hessian's spectrum, the steepest example. Nothing
    bounds them elsewhere."""
    objective, theta = objective_of(learner), learner.trained
    low, high = eigenvalue_range(lambda v: objective.products(theta, v) / objective.count, objective.size)
    return Constants(max(abs(low), abs(high)),
                     np.linalg.norm(objective.gradients(theta), axis=1).max(), max(low, 0.0),
                     how="estimated at the trained parameters, by the spectrum of the mean Hessian "
                     "and the steepest example")


def spectrum(matrix):
    """The (smallest, largest) eigenvalue of a symmetric matrix; rounding below 0 is 0."""
    values = np.linalg.eigvalsh(matrix)
    return (0.0 if abs(values[0]) < 1e-13 * abs(values[-1]) else values[0]), values[-1]
