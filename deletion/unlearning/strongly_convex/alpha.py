"""Certified removal with a promise alpha alone, without a delta: the Newton step, and noise on its
parameters.

The model minimises R(theta) = sum_i ln(1 + e^(-z_i.theta)) + n theta.A theta/2 with |z_i| <= 1, the objective
of certified.py without a random linear term. With m the smallest eigenvalue of A, the sum is n m-strongly
convex whatever is deleted. So the gradient that a removal leaves over bounds the distance to the retrained
model,

    |theta_u - theta_r| <= spent/(n m),

and noise with a density proportional to e^(-|z|/scale) on the parameters hides it up to alpha
(`AlphaPrivacy`), while spent <= alpha scale n m.

Why not a linear term b with that density, as in Guo et al.? The usual argument compares the densities of
the two b that lead to the same parameters: their ratio is at most e^(|u|/s), with u the gradient left over
and s the scale of b. But the densities of parameters are those of b times a Jacobian determinant, that of
one training and removal against that of one retraining. Its logarithm is about trace(H^{-1} du/dtheta),
which no s makes smaller: 0.003 in small logistic regressions (python -m benchmarks.guarantees). Without a
delta into which it could disappear, an alpha below that is not kept. Noise on the parameters has no such
term.
"""
from dataclasses import replace

import numpy as np

from circuit.errors import LearnerError
from ..noise import AlphaPrivacy
from .certified import CertifiedRemoval


class AlphaRemoval(CertifiedRemoval):
    """Certified removal as an answer, with a promise alpha that needs no delta.

    The answer's parameters carry no noise: publish them with `privacy.noised`. Its `diagnostics` hold
    `spent` (per set), `spent_by_training` and `budget`, bounds of the gradient left over, and `sensitivity`
    (per set), the bound of the distance to the retrained model.

    Parameters
    ----------
    privacy : AlphaPrivacy
        The promise.
    scale : float
        That of the noise on the parameters. Where a removal could need more, RetrainingDue is raised
        instead of an answer: the scale must not depend on the data.

    Raises
    ------
    DoesNotApply
        In `check`, if the learner is not regularised logistic regression with rows of norm at most 1.
    RetrainingDue
        In `answer`, if a set exceeds the budget alpha scale n m.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import AlphaPrivacy, AlphaRemoval
    >>> learner = Learner(np.zeros(1), [(1.0,), (0.5,), (-0.5,)], lambda w, z: np.logaddexp(0, -(w * z)),
    ...                   SGD(0.5), [[0, 1, 2]] * 60, regularizer=lambda w: (w * w).sum() / 2)
    >>> rule = AlphaRemoval(AlphaPrivacy(1.0), scale=0.1)
    >>> answer = rule.answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> published = rule.privacy.noised(answer.parameters, sensitivity=0.1, seed=0)      # alpha * scale
    >>> answer.change.round(4), bool(answer.diagnostics["sensitivity"][0] <= 0.1), published.shape
    (array([0.0783]), True, (1, 1))
    """

    name = "certified removal, alpha"
    noise = "noise on the parameters"

    def __init__(self, privacy: AlphaPrivacy = AlphaPrivacy(1.0), scale: float = 0.1):
        if not isinstance(privacy, AlphaPrivacy):
            raise LearnerError(f"privacy: expected AlphaPrivacy(alpha), got {privacy!r:.60}")
        super().__init__(scale=scale)
        self.privacy = privacy

    def _budget(self, logistic):
        """The norm of the gradient that may be left over: alpha scale n m."""
        return float(self.privacy.alpha * self.scale * np.linalg.eigvalsh(logistic.penalty)[0])

    def _answer(self, learner, h, measurement):
        answer = super()._answer(learner, h, measurement)
        account = answer.diagnostics      # of gradients: its budget hides a distance of alpha * scale
        distances = account["spent"] * (self.privacy.alpha * self.scale / account["budget"])
        return replace(answer, diagnostics={**account, "sensitivity": distances})
