"""Gradient ascent on any learner: what is often done, without a guarantee.

    theta <- theta + rate grad sum_{i in W} l_i(theta)          a few times

If this continues, the losses of the deleted examples grow without bound, and nothing preserves what was
learned from the others. Where the model is homogeneous and was trained to its margin, one step of the right
length has a guarantee: see studies/ascent.py.
"""
from typing import Optional

import numpy as np

from circuit.errors import DoesNotApply
from circuit.checks import real_number, whole_number
from ..curvature.eigenvalues import largest_eigenvalue
from ..methods.base import Answer, Method, change_at, remaining
from ..curvature.model_loss import ModelLoss
from ..curvature.objective import objective_of


class GradientAscent(Method):
    """Gradient ascent on the deleted examples' summed loss, without a guarantee.

    The answer's `diagnostics` hold `rate`.

    Parameters
    ----------
    steps : int
        How many steps are taken.
    rate : float, optional
        On the scale of sums. Default: 1 over the largest eigenvalue of the objective's curvature at the
        trained parameters (Gauss-Newton for a ModelLoss, otherwise the Hessian). With that step, descent on
        the whole objective would just be safe.

    Raises
    ------
    LearnerError
        If a setting is out of range.
    DoesNotApply
        In `answer`, if no rate is given and the objective has no curvature.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import GradientAscent
    >>> learner = Learner(np.zeros(1), [(1.0,), (2.0,), (6.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1, 2]] * 60)
    >>> answer = GradientAscent().answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> answer.parameters.round(6), round(answer.diagnostics["rate"], 6)
    (array([[2.]]), 0.333333)
    """

    name = "gradient ascent"

    def __init__(self, steps: int = 1, rate: Optional[float] = None):
        self.steps = whole_number(steps, "steps of ascent", 0)
        self.rate = rate if rate is None else real_number(rate, "the rate of ascent", low=0.0)

    def _answer(self, learner, h, measurement):
        kept, objective = remaining(learner, h), objective_of(learner)
        rate = safe_rate(objective) if self.rate is None else self.rate
        theta = np.repeat(learner.trained[None], len(h), axis=0)
        for row, deleted in zip(theta, 1.0 - kept):
            for _ in range(self.steps if deleted.any() else 0):
                row += rate * objective.gradient(row, deleted, regularizer=False)
        return Answer(change_at(learner, measurement, theta), theta,
                      (f"no guarantee; rate {rate:.3g} on the sum scale",), diagnostics={"rate": float(rate)})


def safe_rate(objective):
    """1 over the largest eigenvalue of an Objective's curvature at the trained parameters."""
    learner = objective.learner
    curvature = "gauss-newton" if isinstance(learner.loss, ModelLoss) else "hessian"
    highest = largest_eigenvalue(lambda v: objective.products(learner.trained, v, curvature=curvature),
                                 objective.size)
    if not highest:
        raise DoesNotApply("the objective has no curvature at the trained parameters, from which to take a "
                           "rate: give one")
    return 1.0 / highest
