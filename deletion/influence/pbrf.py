"""The proximal Bregman response function (Bae et al. 2209.05364): what influence functions approximate where
training has not converged.

Around parameters theta_s, which need not be optimal, and for downweights h of the examples, it is the
minimiser of

    sum_i D_i(f(theta, x_i), f(theta_s, x_i)) - sum_i h_i l_i(theta) + n D_r(theta, theta_s) + (damping/2)
    |theta - theta_s|^2

D_i(y, y') = l_i(y) - l_i(y') - grad l_i(y') . (y - y') is the Bregman divergence of example i's criterion in
*output* space: half the squared distance for squared errors, KL(p' || p) for the cross-entropy of a softmax.
It is 0 at theta_s, and so is its gradient: the remaining examples hold on to what the model says, not to
their labels. The learner's regulariser r enters as its own divergence in parameters, D_r(theta, theta_s) =
r(theta) - r(theta_s) - grad r(theta_s) . (theta - theta_s): weight decay, say, is one more proximal term. So
the linearisation at theta_s is exactly the damped Gauss-Newton influence, (G + n grad^2 r + damping I)^{-1}
sum_i h_i grad l_i; and where outputs are linear in the parameters, theta_s is the optimum and damping is 0,
the response is exact retraining. All sums, no means: a damping on the scale of means is n times smaller.
"""
from dataclasses import dataclass
from typing import Callable

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.optimize import NoConvergence, minimize, newton_krylov

from circuit import DomainError, evaluate, gradient, real, record
from circuit.blas import linear_algebra, one_blas_thread
from circuit.progress import Progress

from circuit.errors import DoesNotApply
from circuit.checks import real_number
from ..learner.learner import Learner
from ..methods.base import Answer, Method, change_at, remaining
from ..curvature.objective import ModelLoss, Objective, stacked
from ..learner.optimizers import SGD

ITERATIONS = 1000
"""Of L-BFGS at most, before Newton's method takes over; near a minimum some dozens are enough."""

FAR = 1e8
"""So many times the influence step away from theta_s, the response is said to have no minimum."""


class PBRF(Method):
    """The proximal Bregman response around the parameters as trained.

    damping     lambda >= 0, on the scale of sums
    tolerance   the gradient's norm at the end relative to that at theta_s, both measured by (G + damping
                I)^{-1}; where what is deleted hardly pulls, rounding sets a higher one

    Answers are refused where the Gauss-Newton matrix with its damping is singular, where the response has no
    minimum (too much is deleted for so little damping), and where the minimiser does not reach its tolerance.
    """

    name = "PBRF"

    def __init__(self, damping=0.0, tolerance=1e-10):
        self.damping = real_number(damping, "damping", low=0.0)
        self.tolerance = real_number(tolerance, "the tolerance of PBRF", above=0.0, below=1.0)

    def refuses(self, learner):
        if not isinstance(learner.loss, ModelLoss):
            return ("it compares what the model says before and after: give the learner "
                    "deletion.ModelLoss(outputs, criterion) as its loss")

    def _answer(self, learner, h, measurement):
        downweights = 1.0 - remaining(learner, h)
        response = Response(learner, learner.trained, self.damping)
        found = []
        with Progress(len(h), "sets") as report, one_blas_thread(len(response.start)):
            for row in downweights:
                found.append(response.minimum(row, self.tolerance))
                report(1)
        theta = np.array([theta for theta, _ in found])
        return Answer(change_at(learner, measurement, theta), theta,
                      ("gradient norm at the minimum at "
                       f"most {max(norm for _, norm in found):.1g} of that where it began",))


class Response:
    """The response of a learner around parameters `start` (parameters,): its value, its slope, its minimum.

    curvature   (parameters, parameters): G + n grad^2 r at `start`, without damping
    """

    def __init__(self, learner, start, damping):
        self.objective, self.start, self.damping = Objective(learner), np.array(start), damping
        self.tangent = Objective(pulled(learner, self.start))
        # n grad r at theta_s
        self.decay = self.objective.gradient(self.start, np.zeros(learner.example_count))
        self.curvature = self.objective.matrix(self.start, curvature="gauss-newton")
        try:
            with linear_algebra(f"factor a matrix of {len(start)} x {len(start)}", len(start)):
                self.root = cholesky(self.curvature + damping * np.eye(len(start)), lower=True)
        except LinAlgError:
            raise DoesNotApply(f"the Gauss-Newton matrix with damping {damping:g} is not positive definite: "
                               "give (more) damping") from None
        gradients = self.objective.gradients(self.start)
        # of a gradient that sums them
        self.rounding = np.finfo(float).eps * np.linalg.norm(self._inner(gradients.T), axis=0).sum()

    def divergences(self, theta):
        """(n,): D_i(f(theta, x_i), f(theta_s, x_i)), without weights."""
        return (self.objective.losses(theta) - self.objective.losses(self.start)
                - (self.tangent.losses(theta) - self.tangent.losses(self.start)))

    def slope(self, theta, h):
        """(value but for a constant, gradient) at theta; h: (examples,) downweights."""
        value, grad = self.objective.slope(theta, 1.0 - h)
        linear, pull = self.tangent.slope(theta)
        moved = theta - self.start
        return (value - linear - self.decay @ moved + 0.5 * self.damping * moved @ moved,
                grad - pull - self.decay + self.damping * moved)

    def minimum(self, h, tolerance=1e-10):
        """(theta, norm of the gradient there relative to that at theta_s); DoesNotApply where there is none,
        or it is not reached.

        theta = theta_s + size L^{-T} z with L L^T = G + damping I: in z the quadratic part of the divergences
        is |z|^2 / 2, and size makes the influence step one of length 1. L-BFGS goes down; its line search
        stops at the rounding of values, and Newton's method, which looks at gradients only, does the rest.
        """
        if not h.any():
            return self.start.copy(), 0.0
        origin, grad = self.slope(self.start, h)
        size = np.linalg.norm(self._inner(grad))
        if size == 0.0:
            return self.start.copy(), 0.0      # what is deleted pulls nowhere

        tolerance = max(tolerance, self.rounding / size)      # of tiny gradients no more is known

        def slope(z):
            if np.linalg.norm(z) > FAR:
                raise DoesNotApply(f"the response has no minimum: its value is still falling {FAR:g} "
                                   "influence steps away. Too " "much " "is "
                                   f"deleted for the damping {self.damping:g}: give more damping or "
                                   "delete less")
            value, grad = self.slope(self.start + size * self._outer(z), h)
            return (value - origin) / size ** 2, self._inner(grad) / size

        try:
            z = minimize(slope, np.zeros(len(grad)), jac=True, method="L-BFGS-B",
                         options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "ftol": 0.0,
                                  "gtol": 0.1 * tolerance, "maxcor": 20}).x
            if not np.linalg.norm(slope(z)[1]) <= tolerance:
                z = newton_krylov(lambda z: slope(z)[1], z, f_tol=tolerance, maxiter=20,
                                  tol_norm=np.linalg.norm)
        except NoConvergence as error:
            z = error.args[0]
        except DomainError as error:
            raise DoesNotApply(f"the response leaves the domain of the loss on its way down ({error}): give "
                               "more damping or delete " "less") from None
        norm = np.linalg.norm(slope(z)[1])
        if not norm <= tolerance:
            raise DoesNotApply("the response did not converge: at the end the gradient's norm is "
                               f"{norm:.2g} of that at the start, not "
                               f"{tolerance:g}. Give more damping, delete less, or ask for less")
        return self.start + size * self._outer(z), float(norm)

    def _inner(self, gradient):
        return solve_triangular(self.root, gradient, lower=True)

    def _outer(self, z):
        return solve_triangular(self.root, z, lower=True, trans="T")


# the linear part of the divergences, as the losses of a learner ---------------------------------------------

@dataclass(frozen=True)
class Pull:
    """A loss: grad_out l_i(f(theta_s, x_i)) . f(theta, x_i), the first factor being the last array of an
    example."""
    outputs: Callable
    batched: bool

    def __call__(self, parameters, *arrays):
        *data, slope = arrays
        product = self.outputs(parameters, *data) * slope
        return product.reshape(len(slope), -1).sum(axis=1) if self.batched else product.sum()


def pulled(learner, theta):
    """A learner whose losses are the Pull of every example at parameters theta. It is not for training: it
    has no steps to speak of."""
    objective, slopes = Objective(learner), [None] * learner.example_count
    for members in objective.kinds.values():
        if objective.batched:
            found = output_slopes(learner, theta, stacked([learner.examples[i] for i in members]),
                                  len(members))
        else:
            found = [output_slopes(learner, theta, learner.examples[i]) for i in members]
        for i, slope in zip(members, found):
            slopes[i] = slope
    examples = [(*example, slope) for example, slope in zip(learner.examples, slopes)]
    form = learner.layout.split(learner.layout.initial)
    return Learner(form, examples, Pull(learner.loss.outputs, objective.batched), SGD(0.0),
                   learner.schedule[:1])


def output_slopes(learner, theta, data, rows=None):
    """The gradient of the criterion with respect to what the model says of an example (or batch) at
    parameters theta."""
    said = np.asarray(learner.loss.said(learner.layout.split(theta), data, rows))
    cost = record(lambda outputs: learner.loss.criterion(outputs, *data).sum(),
                  real(*said.shape, name="outputs"))
    return evaluate(gradient(cost, wrt=[0]), [said])[1]
