"""Gradient ascent on any learner: what is often done, without a guarantee.

    theta <- theta + rate grad sum_{i in W} l_i(theta)          a few times

Losses of the deleted examples rise without bound if this goes on, and nothing holds what was learned from the
others. Where the model is homogeneous and was trained to its margin, one step of the right length has a
guarantee: see ascent.py.
"""
import numpy as np

from circuit.errors import DoesNotApply
from circuit.checks import real_number, whole_number
from ..curvature.eigenvalues import largest_eigenvalue
from ..methods.base import Answer, Method, change_at, remaining
from ..curvature.objective import ModelLoss, Objective


class GradientAscent(Method):
    """Gradient ascent on the deleted examples' summed loss.

    steps   how many
    rate    on the sum scale; None: 1 over the largest eigenvalue of the objective's curvature at the trained
            parameters - Gauss-Newton for a ModelLoss, otherwise the Hessian -, the step with which descent on
            the whole objective is just safe

    There is no guarantee.
    """

    name = "gradient ascent"

    def __init__(self, steps=1, rate=None):
        self.steps, self.rate = (whole_number(steps, "steps of ascent", 0),
                                 rate if rate is None else real_number(rate, "the rate of ascent", low=0.0))

    def _answer(self, learner, h, measurement):
        keep, objective, rate = remaining(learner, h), Objective(learner), self.rate
        if rate is None:
            curvature = "gauss-newton" if isinstance(learner.loss, ModelLoss) else "hessian"
            highest = largest_eigenvalue(
                lambda v: objective.products(learner.trained, v, curvature=curvature), objective.size)
            if not highest:
                raise DoesNotApply("the objective has no curvature at the trained parameters, from which to "
                                   "take a rate: give one")
            rate = 1.0 / highest
        theta = np.repeat(learner.trained[None], len(h), axis=0)
        for row, gone in zip(theta, 1.0 - keep):
            for _ in range(self.steps if gone.any() else 0):
                row += rate * objective.gradient(row, gone, regularizer=False)
        return Answer(change_at(learner, measurement, theta), theta,
                      (f"no guarantee; rate {rate:.3g} on the sum scale",))
