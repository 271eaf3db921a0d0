"""Natural-gradient unlearning (Lev & Wilson 2407.08169, version 1): one step against the Fisher matrix of the
retained data, and noise.

The paper works on the scale of means. With n' retained examples and F their mean Fisher matrix at the trained
parameters theta*, it takes the step

    theta = theta* + (F + grad^2 r')^{-1} g_W / n',     g_W the summed gradient of the deleted losses.

F is the expected outer product of gradients under the MODEL's labels. For softmax and logistic losses it is
the Gauss-Newton matrix. This library does not rescale its regulariser when examples are deleted, so r' =
(n/n') r. Written with sums, which is what the code does, the step is

    theta = theta* + (G_retained + n grad^2 r + damping I)^{-1} g_W,     damping = n * (damping of a mean).

For generalised linear models with canonical link it is the Newton step.

The step and the bound of `sensitivity` were taken from a reproduction of the paper, not from the paper
itself. The min/max version for networks, `MinMax`, is our own formulation, because the paper's exact
objective was not available.
"""
from typing import Optional

import numpy as np

from circuit.errors import DoesNotApply
from circuit.checks import real_number, whole_number
from ..learner.learner import Learner
from ..methods.base import Answer, Method, change_at, remaining
from ..curvature.linearized import linearized_objective
from ..curvature.model_loss import checked_model_loss
from ..curvature.objective import objective_of
from ..curvature.solvers import Factor
from .constants import Constants, checked_constants
from .noise import Privacy, checked_privacy

DAMPING_PER_EXAMPLE = 1e-3
"""The default damping of `MinMax`, for each of the learner's examples."""


class NaturalGradient(Method):
    """Natural-gradient unlearning: one step with the Fisher matrix of the retained examples.

    The answer's parameters carry no noise. Its `diagnostics` hold `gradient_norm` (of the mean objective at
    the trained parameters) and, where constants are given, those constants, `sensitivity` and `sigma`.

    Parameters
    ----------
    damping : float
        At least 0. It is added to the diagonal of the curvature of the SUM of losses, as in every method of
        this library (n times what would be added to a mean). It is needed where the Fisher matrix plus
        regulariser is singular. The bound does not take it into account.
    constants : Constants, optional
        With `convexity` > 0 and `hessian_lipschitz`. Without constants no bound is stated.
    features : float, optional
        K, a bound of the features' gradients (for linear models, of |x|). The bound needs it.
    privacy : Privacy
        The promise for which the noise is stated.

    Raises
    ------
    LearnerError
        If a setting is out of range.
    DoesNotApply
        If the constants are not enough for the bound; in `check`, if the loss is not a ModelLoss; in
        `answer`, if the matrix is not positive definite.

    Examples
    --------
    The line through 0 that fits three points at x = 1 has the slope 3, and 1.5 without the third point:

    >>> import numpy as np
    >>> from deletion import SGD, Learner, ModelLoss
    >>> from deletion.unlearning import NaturalGradient
    >>> loss = ModelLoss(lambda w, x, y: w * x, lambda fit, x, y: (fit - y) ** 2 / 2)
    >>> examples = [(1.0, 1.0), (1.0, 2.0), (1.0, 6.0)]
    >>> learner = Learner(np.zeros(1), examples, loss, SGD(0.5), [[0, 1, 2]] * 60)
    >>> answer = NaturalGradient().answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> answer.parameters.round(6)
    array([[1.5]])
    """

    name = "natural gradient"

    def __init__(self, damping: float = 0.0, constants: Optional[Constants] = None,
                 features: Optional[float] = None, privacy: Privacy = Privacy(1.0, 1e-5)):
        self.damping = real_number(damping, "damping", low=0.0)
        self.constants, self.features = constants, features
        self.privacy = checked_privacy(privacy)
        if constants is not None:
            self.features = real_number(features, "the bound of the features' gradients", above=0.0)
            sensitivity(1, 2, constants, self.features)

    def check(self, learner: Learner) -> None:
        """Require a loss in two parts.

        Parameters
        ----------
        learner : Learner
            The learner to be asked.

        Raises
        ------
        DoesNotApply
            If the learner's loss is not a ModelLoss.
        """
        super().check(learner)
        checked_model_loss(learner, "the Fisher matrix")

    def _answer(self, learner, h, measurement):
        kept, objective, start = remaining(learner, h), objective_of(learner), learner.trained
        theta = np.array([start + self._step(objective, start, row) if (row < 1.0).any() else start
                          for row in kept])
        norm = float(np.linalg.norm(objective.gradient(start))) / objective.count
        notes, diagnostics = self._promise(kept)
        return Answer(change_at(learner, measurement, theta), theta,
                      (f"gradient of the mean as trained: {norm:.2g}", *notes),
                      diagnostics={"gradient_norm": norm, **diagnostics})

    def _damping(self, objective):
        return self.damping

    def _step(self, objective, theta, kept):
        """The movement of the parameters, for example weights `kept`."""
        fisher = retained_fisher(objective, theta, kept, self._damping(objective))
        return fisher.solve(objective.gradient(theta, 1.0 - kept, regularizer=False))

    def _promise(self, kept):
        """(notes, diagnostics): the bound and its noise, for the worst of the sets."""
        if self.constants is None:
            return ("no constants given: no bound, no noise",), {}
        bound = max(sensitivity((1.0 - row).sum(), len(row), self.constants, self.features) for row in kept)
        sigma = self.privacy.sigma(bound)
        notes = (str(self.constants),
                 f"sensitivity at most {bound:.3g}; noise sigma {sigma:.3g} for {self.privacy}")
        return notes, {**self.constants.numbers(), "sensitivity": float(bound), "sigma": float(sigma)}


def retained_fisher(objective, theta, kept, damping):
    """The Factor of G_retained + n grad^2 r + damping I, for example weights `kept` (examples,).

    Raises DoesNotApply where it is not positive definite.
    """
    return Factor(objective.matrix(theta, kept, curvature="gauss-newton"), damping,
                  "the retained Fisher matrix plus regulariser", "give (more) damping")


def sensitivity(deleted, count, constants, features):
    """Bound the distance to retraining when `deleted` of `count` examples (or of their weight) are deleted:

        M w^2 C^2/(mu^3 n^2) + 2 w^2 C Q K/(mu^2 n^2),

    with mu = convexity, M = hessian_lipschitz, C = gradient, Q = smoothness of the Constants and K =
    features. The constants are those of means. The formula was taken from a reproduction of the paper.
    """
    if checked_constants(constants).convexity <= 0.0 or constants.hessian_lipschitz is None:
        raise DoesNotApply("the bound of natural-gradient unlearning needs convexity > 0 and the Hessian's "
                           "Lipschitz constant: Constants(..., hessian_lipschitz=...)")
    mu, c, share = constants.convexity, constants.gradient, (deleted / count) ** 2
    return share * (constants.hessian_lipschitz * c ** 2 / mu ** 3
                    + 2.0 * c * constants.smoothness * features / mu ** 2)


# networks ---------------------------------------------------------------------------------------------------

class MinMax(NaturalGradient):
    """Min/max natural gradient, for models that are not convex. The formulation is ours, without a bound.

    It starts with the natural-gradient step and then alternates between two steps, both with the retained
    Fisher matrix F at theta*:

        down   theta <- theta - cut(rate  F^{-1} grad (sum over retained l_i + n r))
        up     theta <- theta + cut(push  F^{-1} grad sum_{i in W} h_i D_i(theta))

    D_i(theta) is the divergence of the model's outputs on a deleted example from those of the original model,
    in the loss's own (Bregman) geometry: KL(original || model) for cross-entropy, half the squared distance
    for squared error. It is unbounded, so the turns are few and the push is small. `cut` shortens every step
    to the length of the first one. Without it, five turns on the digits network with all threes deleted ended
    at 1e12 times the true change.

    Parameters
    ----------
    turns : int
        How often both steps are taken.
    rate : float
        The length of a step down, at least 0.
    push : float
        The length of a step up, at least 0.
    damping : float, optional
        As for `NaturalGradient`, on the scale of sums. The curvature of a sum grows with the number of
        examples n, so no fixed number fits every learner: the default is n / 1000.

    Raises
    ------
    LearnerError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, ModelLoss
    >>> from deletion.unlearning import MinMax
    >>> loss = ModelLoss(lambda w, x, y: w * x, lambda fit, x, y: (fit - y) ** 2 / 2)
    >>> examples = [(1.0, 1.0), (1.0, 2.0), (1.0, 6.0)]
    >>> learner = Learner(np.zeros(1), examples, loss, SGD(0.5), [[0, 1, 2]] * 60)
    >>> answer = MinMax(turns=0, damping=1.0).answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> answer.parameters.round(6)      # without damping 3 - 3 / 2, with damping 3 - 3 / (2 + 1)
    array([[2.]])
    """

    name = "min/max natural gradient"

    def __init__(self, turns: int = 5, rate: float = 0.5, push: float = 0.1,
                 damping: Optional[float] = None):
        super().__init__(0.0 if damping is None else damping)
        self.damping = None if damping is None else self.damping
        self.turns = whole_number(turns, "turns", 0)
        self.rate = real_number(rate, "the rate down", low=0.0)
        self.push = real_number(push, "the push up", low=0.0)

    def _damping(self, objective):
        return DAMPING_PER_EXAMPLE * objective.count if self.damping is None else self.damping

    def _step(self, objective, theta, kept):
        fisher = retained_fisher(objective, theta, kept, self._damping(objective))
        away = divergence(objective, theta, 1.0 - kept)
        first = fisher.solve(objective.gradient(theta, 1.0 - kept, regularizer=False))
        here = theta + first
        for _ in range(self.turns):
            here = here - cut(self.rate * fisher.solve(objective.gradient(here, kept)), first)
            here = here + cut(self.push * fisher.solve(away(here)[1]), first)
        return here - theta

    def _promise(self, kept):
        return ("no bound is known; the formulation is ours",), {}


def cut(step, first):
    """A step, shortened to the length of the first one where it is longer."""
    length, longest = np.linalg.norm(step), np.linalg.norm(first)
    return step if length <= longest else step * (longest / length)


def divergence(objective, theta, deleted):
    """The function here -> (value, gradient) of sum_i deleted_i D_i(here) around theta, up to a constant.

    `deleted` (examples,) is the weight that each example lost.
    """
    tangent = linearized_objective(objective.learner, theta)

    def at(here):
        value, gradient = objective.value_and_gradient(here, deleted, regularizer=False)
        tangent_value, tangent_gradient = tangent.value_and_gradient(here, deleted)
        return value - tangent_value, gradient - tangent_gradient
    return at
