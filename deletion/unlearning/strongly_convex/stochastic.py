"""Descent-to-Delete by small batches: projected stochastic gradient descent from the trained parameters
theta_0.

The objective F is the mean of f_i = l_i + r over the n remaining examples (dropped rows), M-smooth and
m-strongly convex. Its minimiser lies within radius = (error of the training) + 2 w L/(m n) of theta_0: see
descent.py. A stage of I steps stays in that ball:

    theta <- projection of  theta - rate_t g,     rate_t = 1/(m (t + t0)),   t = 1 .. I,   t0 = (M - m)/(2 m)
    g = mean over a fresh batch of  grad f_i(theta) - grad f_i(theta_0),  plus  grad F(theta_0)

The second and third term take away most of the batch's noise (Johnson & Zhang 2013). What is left is at
most (M - m) radius for an example, because f_i - (m + M) |theta|^2/4 has an (M - m)/2-Lipschitz gradient.
After a stage, except with probability beta,

    |theta - minimiser| <= radius (t0 + 2 t0 sqrt(2 ln(2/beta) I/B))/(I + t0),     B examples drawn for a
    batch,

and the next stage begins there, with that radius.

Proof. A noise d of mean 0 with |d| <= c satisfies E cosh |a + d| <= cosh |a| cosh c, because cosh(sqrt z) is
convex and increasing and |a + d|^2 <= |a|^2 + c^2 + 2 a.d; the last term lies between -2 |a| c and 2 |a| c
(Pinelis 1994). A step of rate_t shrinks the distance to the minimiser by 1 - rate_t m = (t + t0 - 1)/(t + t0)
before the noise is added, B times rate_t (M - m) radius/B. With cosh c <= e^(c^2/2), E cosh(q |theta -
minimiser|) after I steps is at most cosh(q radius t0/(I + t0)) e^(q^2 V/2), V = ((M - m) radius)^2 I/(B m^2
(I + t0)^2). Markov's inequality at the best q gives the bound.

Plain batches (g without the correction) would not do: their noise is up to 2 L, however near the minimiser
is, so the same proof gives (t0 radius + (2 L/m) sqrt(2 ln(2/beta) I/B))/(I + t0). This is below the radius
that a deletion of w examples begins with, 2 w L/(m n), only once B I > 2 ln(2/beta) (n/w)^2: n^2 gradients
for a single example.
"""
import numpy as np

from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number, whole_number
from ...learner.learner import Learner
from ...methods.base import Answer, Method, change_at, remaining
from ...curvature.objective import objective_of
from ..constants import Constants
from ..noise import Privacy, checked_privacy
from .descent import Descent, contraction, moved_by


class StochasticDescent(Method):
    """Descent-to-Delete by small batches: projected stochastic gradient descent with less noise.

    The answer's parameters carry no noise. Its `diagnostics` hold `sensitivity` (per set: the bound of the
    distance to the minimiser of what is left, which fails with probability `failure`), `sigma` (for the
    largest), `error_at_start`, `evaluations` (gradients of examples, per set) and the constants.

    Parameters
    ----------
    constants : Constants
        Of every f_i = l_i + r, strongly convex.
    steps : int
        I, the steps of a stage.
    batch : int
        B, how many examples are drawn for a step, with replacement.
    stages : int
        Each begins with the full gradient where the last one ended.
    seed : int
        Of the draws, for every set the same.
    failure : float
        The probability with which the bound may fail, below the delta of the promise. The noise is
        calculated for (eps, delta - failure), so the promise covers it.
    privacy : Privacy
        The promise for which the noise is stated.

    Raises
    ------
    LearnerError
        If a setting is out of range.
    DoesNotApply
        If the constants are not those of a strongly convex objective, or if the bound does not shrink in a
        stage of so few steps.

    Examples
    --------
    The model is the mean of three numbers:

    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import Constants, StochasticDescent
    >>> learner = Learner(np.zeros(1), [(1.0,), (2.0,), (6.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1, 2]] * 60)
    >>> rule = StochasticDescent(Constants(smoothness=1.5, gradient=5.0, convexity=0.75), steps=100, batch=2,
    ...                          stages=4)
    >>> answer = rule.answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> answer.parameters.round(4), bool(abs(answer.change[0] + 1.5) < answer.diagnostics["sensitivity"][0])
    (array([[1.5]]), True)
    """

    name = "stochastic descent"

    def __init__(self, constants: Constants, steps: int, batch: int, stages: int = 1, seed: int = 0,
                 failure: float = 1e-6, privacy: Privacy = Privacy(1.0, 1e-5)):
        contraction(constants)
        self.constants = constants
        self.steps, self.batch = whole_number(steps, "steps of a stage", 1), whole_number(batch, "a batch", 1)
        self.stages, self.seed = whole_number(stages, "stages", 1), whole_number(seed, "a seed", 0)
        self.privacy = checked_privacy(privacy)
        self.failure = real_number(failure, "the probability of failure", above=0.0)
        if self.failure >= privacy.delta:
            raise LearnerError("the probability of failure: expected less than the promise's delta, "
                               f"{privacy.delta:g}, got {failure:g}")
        self.shrink = shrink(constants, steps, batch, self.failure / stages)
        if self.shrink >= 1.0:
            raise DoesNotApply(f"{steps} steps with batches of {batch} do not shrink the bound: it becomes "
                               f"{self.shrink:.3g} times as large. Take more steps, or larger batches")

    def sensitivity(self, radius: float) -> float:
        """Bound the distance to the minimiser after all stages, except with probability `failure`.

        Parameters
        ----------
        radius : float
            The bound before the first stage.

        Returns
        -------
        float
            The bound.
        """
        return radius * self.shrink ** self.stages

    def radius(self, learner: Learner, kept: np.ndarray, error: float) -> float:
        """Bound the distance of the trained parameters to the minimiser of what is left.

        Parameters
        ----------
        learner : Learner
            The learner.
        kept : np.ndarray
            The weights of its examples, (examples,).
        error : float
            A bound of the distance to the minimiser of all examples.

        Returns
        -------
        float
            error + 2 w L/(m n).
        """
        return error + moved_by(learner.example_count - kept.sum(), learner.example_count, self.constants)

    def _answer(self, learner, h, measurement):
        kept, error = remaining(learner, h), Descent(self.constants, 1).begin(learner).error
        radii = [self.radius(learner, row, error) if asked.any() else 0.0 for row, asked in zip(kept, h)]
        theta = np.stack([self._descended(learner, row, radius) for row, radius in zip(kept, radii)])
        bounds = np.array([self.sensitivity(radius) for radius in radii])
        covered = Privacy(self.privacy.eps, self.privacy.delta - self.failure)
        sigma = float(covered.concentrated_sigma(bounds.max()))
        evaluations = self.stages * (np.count_nonzero(kept, axis=1) + 2 * self.steps * self.batch)
        notes = (str(self.constants), "drop-row question; distance to the minimiser at first at most "
                 f"{error:.2g}", f"sensitivity at most {bounds.max():.3g}, except with probability "
                 f"{self.failure:g}; noise sigma {sigma:.3g} for {self.privacy}")
        return Answer(change_at(learner, measurement, theta), theta, notes,
                      diagnostics={**self.constants.numbers(), "error_at_start": error, "sensitivity":
                      bounds,
                                   "sigma": sigma, "evaluations": evaluations})

    def _descended(self, learner, kept, radius):
        """(parameters,): all stages, in balls that shrink from `radius` on."""
        theta, rng = learner.trained, np.random.default_rng(self.seed)
        if not radius:      # nothing is deleted
            return theta
        with Progress(self.stages * self.steps, "descend") as report, one_blas_thread():
            for _ in range(self.stages):
                theta = self._stage(objective_of(learner), theta, kept, radius, rng, report)
                radius *= self.shrink
        return theta

    def _stage(self, objective, anchor, kept, radius, rng, report):
        """(parameters,): I steps from an anchor, within a ball around it."""
        share, theta = kept / kept.sum(), anchor
        full = objective.gradient(anchor, share * objective.count) / objective.count
        m, t0 = self.constants.convexity, first_step(self.constants)
        for t in range(1, self.steps + 1):
            drawn = rng.choice(objective.count, self.batch, p=share)
            weights = np.bincount(drawn, minlength=objective.count) * (objective.count / self.batch)
            here, there = objective.value_and_gradient(np.stack([theta, anchor]), weights)[1]
            step = (here - there) / objective.count + full
            moved = theta - step / (m * (t + t0)) - anchor
            theta = anchor + moved * min(1.0, radius / max(np.linalg.norm(moved), 1e-300))
            report(1)
        return theta


def first_step(constants):
    """t0 = (M - m)/(2 m): the first rate, 1/(m (1 + t0)), is then 2/(m + M), the longest that shrinks
    distances."""
    return (constants.smoothness - constants.convexity) / (2.0 * constants.convexity)


def shrink(constants, steps, batch, failure):
    """How the bound of the distance shrinks in a stage, except with a probability of failure."""
    t0, noise = first_step(constants), np.sqrt(2.0 * np.log(2.0 / failure) * steps / batch)
    return t0 * (1.0 + 2.0 * noise) / (steps + t0)
