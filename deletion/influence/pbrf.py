"""The proximal Bregman response function (Bae et al. 2209.05364): what influence functions approximate where
training has not converged.

Around parameters theta_s, which need not be optimal, and for downweights h of the examples, it is the
minimiser of

    sum_i D_i(f(theta, x_i), f(theta_s, x_i)) - sum_i h_i l_i(theta) + n D_r(theta, theta_s) + (damping/2)
    |theta - theta_s|^2

D_i(y, y') = l_i(y) - l_i(y') - grad l_i(y') . (y - y') is the Bregman divergence of example i's criterion in
*output* space: half the squared distance for squared errors, KL(p' || p) for the cross-entropy of a softmax.
It is 0 at theta_s, and so is its gradient: the remaining examples keep the model's outputs where they were,
and not near the labels. The learner's regulariser r enters as its own divergence in parameters, D_r(theta,
theta_s) = r(theta) - r(theta_s) - grad r(theta_s) . (theta - theta_s): weight decay, say, is one more
proximal term.

The linearisation at theta_s is exactly the damped Gauss-Newton influence, (G + n grad^2 r + damping I)^{-1}
sum_i h_i grad l_i. Where outputs are linear in the parameters, theta_s is the optimum and damping is 0, the
response is exact retraining. All of these are sums, not means: a damping on the scale of means is n times
smaller.
"""
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import NoConvergence, minimize, newton_krylov

from circuit import DomainError
from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import DoesNotApply
from circuit.checks import real_number
from circuit.renamed import former_names
from ..methods.base import Answer, Method, change_at, remaining
from ..curvature.linearized import linearized_learner, linearized_objective  # noqa: F401   `pulled`
from ..curvature.shared import shared
from ..curvature.model_loss import checked_model_loss
from ..curvature.objective import objective_of
from ..curvature.solvers import Factor

if TYPE_CHECKING:
    from ..learner.learner import Learner

__getattr__ = former_names(__name__, {"pulled": "linearized_learner"})

MAX_LBFGS_STEPS = 1000
"""Steps of L-BFGS, before Newton's method takes over; near a minimum some dozens are enough."""

MAX_NEWTON_STEPS = 20
"""Steps of Newton's method after L-BFGS. It converges quadratically, or not at all."""

MAX_INFLUENCE_STEPS = 1e8
"""Distance from theta_s, in lengths of the influence step, beyond which the response counts as having no
minimum."""


class PBRF(Method):
    """The proximal Bregman response around the parameters as trained.

    Answers are refused where the Gauss-Newton matrix with its damping is singular, where the response has no
    minimum (too much is deleted for so little damping), and where the minimiser does not reach its tolerance.
    The answer's `diagnostics` have `gradient_norm` (sets,): the gradient's norm at the minimum relative to
    that at theta_s.

    Parameters
    ----------
    damping : float
        Weight of the proximal term, >= 0, on the scale of sums.
    tolerance : float
        The gradient's norm at the end relative to that at theta_s, both measured by (G + damping I)^{-1}.
        Where what is deleted has a tiny gradient, rounding sets a larger tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, ModelLoss
    >>> from deletion.influence import PBRF
    >>> loss = ModelLoss(lambda w, y: w + 0.0 * y, lambda output, y: (output - y) ** 2 / 2)
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], loss, SGD(0.5), [[0, 1]] * 60)
    >>> print(PBRF().answer(learner, [[1]], lambda w: w[0], progress=False).change.round(6))
    [-1.]
    """

    name = "PBRF"

    def __init__(self, damping: float = 0.0, tolerance: float = 1e-10):
        self.damping = real_number(damping, "damping", low=0.0)
        self.tolerance = real_number(tolerance, "the tolerance of PBRF", above=0.0, below=1.0)

    def check(self, learner: "Learner") -> None:
        """Raise DoesNotApply for a loss that is no ModelLoss.

        Parameters
        ----------
        learner : Learner
            The learner that will be asked.
        """
        super().check(learner)
        checked_model_loss(learner, "PBRF, which compares the model's outputs before and after,")

    def _answer(self, learner, h, measurement):
        with shared():
            response = Response(learner, learner.trained, self.damping)
        theta, norms = minima(response, 1.0 - remaining(learner, h), self.tolerance)
        return Answer(change_at(learner, measurement, theta), theta, diagnostics={"gradient_norm": norms})


def minima(response, downweights, tolerance):
    """(parameters (k, parameters), relative gradient norms (k,)) of a response's minima, for the examples'
    downweights (k, examples)."""
    theta, norms = np.empty((len(downweights), len(response.start))), np.empty(len(downweights))
    with Progress(len(downweights), "sets") as report, one_blas_thread(len(response.start)):
        for k, h in enumerate(downweights):
            theta[k], norms[k] = response.minimum(h, tolerance)
            report(1)
    return theta, norms


class Response:
    """The response of a learner around parameters `start` (parameters,): its value, its gradient, its
    minimum.

    curvature   (parameters, parameters): G + n grad^2 r at `start`, without damping
    factor      the Factor of curvature + damping I
    """

    def __init__(self, learner, start, damping):
        self.objective, self.start, self.damping = objective_of(learner), np.array(start), damping
        self.tangent = linearized_objective(learner, self.start)
        # n grad r at theta_s
        self.regularizer_gradient = self.objective.gradient(self.start, np.zeros(learner.example_count))
        self.curvature = self.objective.matrix(self.start, curvature="gauss-newton")
        self.factor = Factor(self.curvature, damping, "the Gauss-Newton matrix", "give (more) damping")
        # of a gradient that sums the examples' gradients
        whitened = self.factor.whiten(self.objective.gradients(self.start).T)
        self.rounding = np.finfo(float).eps * np.linalg.norm(whitened, axis=0).sum()

    def divergences(self, theta):
        """(n,): D_i(f(theta, x_i), f(theta_s, x_i)), without weights."""
        return (self.objective.losses(theta) - self.objective.losses(self.start)
                - (self.tangent.losses(theta) - self.tangent.losses(self.start)))

    def value_and_gradient(self, theta, h):
        """(value but for a constant, gradient) at theta, for the examples' downweights h."""
        value, gradient = self.objective.value_and_gradient(theta, 1.0 - h)
        linear, linear_gradient = self.tangent.value_and_gradient(theta)
        moved = theta - self.start
        return (value - linear - self.regularizer_gradient @ moved + 0.5 * self.damping * moved @ moved,
                gradient - linear_gradient - self.regularizer_gradient + self.damping * moved)

    def minimum(self, h, tolerance=1e-10):
        """(theta, norm of the gradient there relative to that at theta_s).

        L-BFGS goes first; its line search stops at the rounding of values, and Newton's method, which uses
        gradients only, does the rest. Raises DoesNotApply where there is no minimum, or it is not reached.
        """
        if not h.any():
            return self.start.copy(), 0.0
        scaled = Scaled(self, h)
        if scaled.size == 0.0:
            return self.start.copy(), 0.0      # the deleted losses have no gradient
        tolerance = max(tolerance, self.rounding / scaled.size)      # of tiny gradients no more is known
        try:
            z = scaled.minimum(tolerance)
        except DomainError as error:
            raise DoesNotApply(f"the response leaves the domain of the loss on its way down ({error}): give "
                               "more damping or delete less") from None
        norm = np.linalg.norm(scaled(z)[1])
        if not norm <= tolerance:
            raise DoesNotApply("the response did not converge: at the end the gradient's norm is "
                               f"{norm:.2g} of that at the start, above the tolerance {tolerance:g}. Give "
                               "more damping, delete less, or use a larger tolerance")
        return scaled.theta(z), float(norm)


class Scaled:
    """A response in the variable z, with theta = theta_s + size L^{-T} z and L L^T = G + damping I.

    In z the quadratic part of the divergences is |z|^2 / 2, and size gives the influence step length 1.
    """

    def __init__(self, response, h):
        self.response, self.h = response, h
        self.origin, gradient = response.value_and_gradient(response.start, h)
        self.size = np.linalg.norm(response.factor.whiten(gradient))

    def theta(self, z):
        """The parameters at z."""
        return self.response.start + self.size * self.response.factor.unwhiten(z)

    def __call__(self, z):
        """(value, gradient) at z."""
        if np.linalg.norm(z) > MAX_INFLUENCE_STEPS:
            raise DoesNotApply("the response has no minimum: its value is still falling "
                               f"{MAX_INFLUENCE_STEPS:g} influence steps away. Too much is deleted for the "
                               f"damping {self.response.damping:g}: give more damping or delete less")
        value, gradient = self.response.value_and_gradient(self.theta(z), self.h)
        return (value - self.origin) / self.size ** 2, self.response.factor.whiten(gradient) / self.size

    def minimum(self, tolerance):
        """z where minimisation ended, at the tolerance or not."""
        z = minimize(self, np.zeros(len(self.response.start)), jac=True, method="L-BFGS-B",
                     options={"maxiter": MAX_LBFGS_STEPS, "maxfun": 2 * MAX_LBFGS_STEPS, "ftol": 0.0,
                              "gtol": 0.1 * tolerance, "maxcor": 20}).x
        if np.linalg.norm(self(z)[1]) <= tolerance:
            return z
        try:
            return newton_krylov(lambda z: self(z)[1], z, f_tol=tolerance, maxiter=MAX_NEWTON_STEPS,
                                 tol_norm=np.linalg.norm)
        except NoConvergence as error:
            return error.args[0]
