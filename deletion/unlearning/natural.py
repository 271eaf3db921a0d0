"""Natural-gradient unlearning (Lev & Wilson 2407.08169, version 1): a step against the retained data's Fisher
matrix, and noise.

    theta = theta* + (F + grad^2 r')^{-1} g_W / n',     F = (1/n') sum over the n' retained examples of Fisher
    matrices at theta*

F is the expected outer product of gradients under the MODEL's labels, which for softmax and logistic losses
is the Gauss-Newton matrix. The library's regulariser is not rescaled, so r' = (n/n') r; on the scale of sums
the step is (G_retained + n grad^2 r)^{-1} g_W. For generalised linear models with canonical link it is the
Newton step.

The step and the bound of `sensitivity` were read from a reproduction of the paper, not from the paper itself.
The min/max version for networks, `MinMax`, is our own formulation: the paper's exact objective was not at
hand.
"""
import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from circuit.blas import linear_algebra

from circuit.errors import DoesNotApply
from circuit.checks import real_number, whole_number
from ..curvature.linearized import linearized_learner
from ..methods.base import Answer, Method, change_at, remaining
from ..curvature.model_loss import checked_model_loss
from ..curvature.objective import Objective
from .constants import checked_constants
from .noise import Privacy, checked_privacy


class NaturalGradient(Method):
    """Natural-gradient unlearning.

    damping     added to F (mean scale): where F plus regulariser is singular. The noise's bound knows nothing
                of it
    constants   Constants with convexity and bend, or None: no bound is named
    features    K, bound of the features' gradients (linear models: of |x|); needed for the bound
    privacy     Privacy(eps, delta)

    The loss must be a ModelLoss. Parameters are without noise.
    """

    name = "natural gradient"

    def __init__(self, damping=0.0, constants=None, features=None, privacy=Privacy(1.0, 1e-5)):
        self.damping, self.constants, self.privacy = real_number(damping, "damping",
                                                                 low=0.0), constants, checked_privacy(privacy)
        self.features = features if constants is None else real_number(
            features, "the bound of the features' gradients", above=0.0)
        if constants is not None:
            sensitivity(1, 2, constants, self.features)

    def check(self, learner):
        checked_model_loss(learner, "the Fisher matrix")

    def _answer(self, learner, h, measurement):
        keep, objective, start = remaining(learner, h), Objective(learner), learner.trained
        theta = np.array([start + self._step(objective, start, row) if (row < 1.0).any() else start
                          for row in keep])
        left = np.linalg.norm(objective.gradient(start)) / objective.count
        return Answer(change_at(learner, measurement, theta), theta,
                      (f"gradient of the mean as trained: {left:.2g}", *self._promise(keep)))

    def _step(self, objective, theta, keep):
        return Fisher(objective, theta, keep,
                      self.damping).solve(objective.gradient(theta, 1.0 - keep, regularizer=False))

    def _promise(self, keep):
        if self.constants is None:
            return ("no constants given: no bound, no noise",)
        bound = max(sensitivity((1.0 - row).sum(), len(row), self.constants, self.features) for row in keep)
        return str(self.constants), f"sensitivity at most {bound:.3g}; noise sigma {self.privacy.sigma(bound):.3g} for {self.privacy}"


class Fisher:
    """G_retained + n grad^2 r + n damping, factored.   keep (examples,): 1 where retained. Raises
    DoesNotApply where it is singular."""

    def __init__(self, objective, theta, keep, damping):
        matrix = objective.matrix(theta, keep, curvature="gauss-newton")
        matrix[np.diag_indices_from(matrix)] += damping * objective.count
        try:
            with linear_algebra(f"factor a matrix of {len(matrix)} x {len(matrix)}", len(matrix)):
                self.factor = cho_factor(matrix)
        except LinAlgError:
            raise DoesNotApply("the retained Fisher matrix plus regulariser is not positive definite: give "
                               "a damping > 0") from None

    def solve(self, slope):
        return cho_solve(self.factor, slope)


def sensitivity(deleted, count, constants, features):
    """M w^2 C^2/(mu^3 n^2) + 2 w^2 C Q K/(mu^2 n^2), w of n examples (or of their weight) deleted: bound of
    the distance to retraining (mean scale).

    mu convexity, M bend, C gradient, Q smoothness of the Constants, K = features. Read from a reproduction of
    the paper.
    """
    if checked_constants(constants).convexity <= 0.0 or constants.bend is None:
        raise DoesNotApply("the bound of natural-gradient unlearning needs convexity > 0 and the Hessian's "
                           "Lipschitz constant (bend)")
    mu, c, share = constants.convexity, constants.gradient, (deleted / count) ** 2
    return share * (constants.bend * c ** 2 / mu ** 3 + 2.0 * c * constants.smoothness * features / mu ** 2)


# networks ---------------------------------------------------------------------------------------------------

class MinMax(NaturalGradient):
    """Min/max natural gradient, for models that are not convex. The formulation is ours.

    It starts with the natural-gradient step, and then takes turns, both directions by the retained Fisher
    matrix at theta*:

        down   theta <- theta - cut(rate  F^{-1} grad (sum over retained l_i + n r))
        up     theta <- theta + cut(push  F^{-1} grad sum_{i in W} h_i D_i(theta))

    D_i(theta) is the divergence of the model's outputs on a deleted example from those of the original model,
    in the loss's own (Bregman) geometry: KL(original || model) for cross-entropy, half the squared distance
    for squared error. It is unbounded, so the turns are few and the push small; and every step is cut to the
    length of the first one, without which the parameters of a network ran away: five turns on digits, all
    threes deleted, ended at 1e12 of the true change.

    turns, rate, push: as above;   damping: as for NaturalGradient. No bound is known.
    """

    name = "min/max natural gradient"

    def __init__(self, turns=5, rate=0.5, push=0.1, damping=1e-3):
        super().__init__(damping)
        self.turns = whole_number(turns, "turns", 0)
        self.rate, self.push = (real_number(x, what, low=0.0) for x,
                                what in ((rate, "the rate down"), (push, "the push up")))

    def _step(self, objective, theta, keep):
        fisher, away = Fisher(objective, theta, keep, self.damping), divergence(objective, theta, 1.0 - keep)
        first = fisher.solve(objective.gradient(theta, 1.0 - keep, regularizer=False))
        here = theta + first
        for _ in range(self.turns):
            here = here - cut(self.rate * fisher.solve(objective.gradient(here, keep)), first)
            here = here + cut(self.push * fisher.solve(away(here)[1]), first)
        return here - theta

    def _promise(self, keep):
        return ("no bound is known; the formulation is ours",)


def cut(step, first):
    """A step, no longer than the first one."""
    length, most = np.linalg.norm(step), np.linalg.norm(first)
    return step if length <= most else step * (most / length)


def divergence(objective, theta, gone):
    """here -> (value, gradient) of sum_i gone_i D_i(here) around theta, up to a constant; gone
    (examples,)."""
    tangent = Objective(linearized_learner(objective.learner, theta))

    def at(here):
        value, slope = objective.value_and_gradient(here, gone, regularizer=False)
        linear, pull = tangent.value_and_gradient(here, gone)
        return value - linear, slope - pull
    return at
