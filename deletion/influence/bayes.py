"""Bayesian influence (Kreer et al. 2509.26544): covariances under a posterior around the trained parameters,
where no Hessian is inverted.

    p(theta) ~ exp(-U(theta)),    U = sum_i w_i l_i + n r + (gamma/2) |theta - theta*|^2

The regulariser r belongs to the prior, and gamma keeps the posterior near theta*. The derivative of E[phi] in
the weight w_i is -Cov(l_i, phi). Deletion of a set W therefore changes E[phi] by +sum_{i in W} Cov(l_i, phi),
to first order. For Bayesian linear regression with unit noise the derivative of the mean parameters is
(X^T X + gamma I)^{-1} x_j r_j: the influence function with damping gamma, on the scale of sums.

Langevin dynamics draws: theta' = theta - (step/2) grad U + step^(1/2) noise. The law of this unadjusted
algorithm - SGLD with the whole training set - is off by an amount of order `step`: where U has curvature H,
covariances come out as (H - (step/4) H^2)^{-1} instead of H^{-1}. A Metropolis test of each move (MALA, the
default) removes this bias, at no further gradient.
"""
from typing import Callable, Optional

import numpy as np

from circuit import DomainError, evaluate, integer, real, record
from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import DoesNotApply
from circuit.checks import real_number, whole_number
from ..methods.base import Answer, Method
from ..curvature.circuits import blocks, stacked
from ..curvature.shared import shared
from ..curvature.eigenvalues import largest_eigenvalue
from ..curvature.objective import Objective, objective_of

MAX_RISE = 1e3
"""How far U may rise above its value at theta*, per parameter: a Gaussian rises by half on average, and a
larger rise than this is divergence."""

MIN_ACCEPTED = 0.05
"""Share of accepted moves below which the chains hardly move."""


class BayesianInfluence(Method):
    """Changes of posterior means, by Langevin dynamics in several chains side by side.

    The answer's `diagnostics` are `step`; `acceptance`, the share of accepted moves; `effective_draws` of the
    measurement and `effective_draws_of_losses` of the deleted losses, the least ones; and `standard_error`,
    the Monte-Carlo error of the change, of its shape.

    Parameters
    ----------
    draws : int
        Draws kept of each chain, one every `thin` steps, after `burn_in` steps.
    burn_in : int
        Steps of each chain before the first draw.
    step : float, optional
        Step of the dynamics, in units of 1 / curvature of U. Default: 3 / (L parameters^(1/3)), with L the
        largest curvature at theta*; unadjusted 0.2 / L, which makes the covariance at most 5% too large.
    gamma : float
        > 0: precision of the prior around theta*, on the scale of sums.
    chains : int
        At least 4: how they differ is the Monte-Carlo error.
    seed : int
        Of the random numbers.
    thin : int
        Steps from one draw to the next.
    adjusted : bool
        False leaves out the Metropolis test.

    Examples
    --------
    >>> from deletion.influence import BayesianInfluence
    >>> BayesianInfluence(100, 50).name
    'Bayesian influence'
    """

    name = "Bayesian influence"

    def __init__(self, draws: int = 500, burn_in: int = 500, step: Optional[float] = None,
                 gamma: float = 1.0, chains: int = 8, seed: int = 0, *, thin: int = 5, adjusted: bool = True):
        self.draws = whole_number(draws, "the number of draws", 2)
        self.burn_in = whole_number(burn_in, "burn_in", 0)
        self.step = None if step is None else real_number(step, "the step", above=0.0)
        self.gamma = real_number(gamma, "gamma", above=0.0)
        self.chains = whole_number(chains, "the number of chains", 4)
        self.seed, self.thin = whole_number(seed, "the seed", 0), whole_number(thin, "thin", 1)
        self.adjusted = bool(adjusted)

    def _answer(self, learner, h, measurement):
        objective, steps = objective_of(learner), self.burn_in + self.draws * self.thin
        with shared(), Progress(steps, "Langevin dynamics") as report, one_blas_thread():
            theta, accepted, step = self.sample(objective, report)
        losses = losses_at(objective, theta.reshape(-1, objective.size)).reshape(theta.shape[:2] + (-1,))
        # (chains, draws, sets): only what is deleted matters
        losses = losses @ (1.0 - learner.example_weights(h)).T
        circuit = learner.measurement(measurement)
        shape = circuit.shapes[circuit.outputs[0]]
        values = evaluate(circuit, [theta.reshape(-1, objective.size)])[0]
        values = np.broadcast_to(values, (theta[:, :, 0].size,) + shape).reshape(theta.shape[:2] + (-1,))
        change, error = covariance(losses, values)
        movement, _ = covariance(losses, theta)
        diagnostics = {"step": step, "acceptance": float(accepted), "effective_draws": effective(values),
                       "effective_draws_of_losses": effective(losses),
                       "standard_error": error.reshape((len(h),) + shape)}
        notes = () if self.adjusted else ("unadjusted: biased by the step",)
        return Answer(change.reshape((len(h),) + shape), learner.trained + movement, notes,
                      diagnostics=diagnostics)

    def sample(self, objective: Objective,
               report: Callable = lambda steps: None) -> tuple[np.ndarray, float, float]:
        """Draw from the posterior.

        Parameters
        ----------
        objective : Objective
            Of the learner whose posterior it is.
        report : Callable
            Called with 1 after every step.

        Returns
        -------
        tuple
            The draws (chains, draws, parameters), the share of accepted moves, and the step.

        Raises
        ------
        DoesNotApply
            If the step is too large for the dynamics to follow the posterior.
        """
        rng, centre = np.random.default_rng(self.seed), objective.learner.trained
        step = self._default_step(objective) if self.step is None else self.step
        theta = np.repeat(centre[None], self.chains, axis=0)
        value, slope = self._potential(objective, theta, centre)
        kept, accepted, lowest = [], 0, value[0]
        steps = self.burn_in + self.draws * self.thin
        for number in range(1, steps + 1):
            noise = rng.normal(size=theta.shape)
            proposed = theta - 0.5 * step * slope + np.sqrt(step) * noise
            try:
                new_value, new_slope = self._potential(objective, proposed, centre)
            except DomainError as error:
                raise too_large(
                    step, f"step {number} of the dynamics left the domain of the loss: {error}") from None
            moves = np.ones(self.chains, bool)
            if self.adjusted:      # log of p(new) q(old | new) / (p(old) q(new | old))
                back = theta - proposed + 0.5 * step * new_slope
                log_ratio = (value - new_value - (back ** 2).sum(axis=1) / (2.0 * step)
                             + 0.5 * (noise ** 2).sum(axis=1))
                moves = np.log(rng.uniform(size=self.chains)) < log_ratio
            accepted += moves.sum()
            theta = np.where(moves[:, None], proposed, theta)
            value = np.where(moves, new_value, value)
            slope = np.where(moves[:, None], new_slope, slope)
            if value.max() - lowest > MAX_RISE * objective.size:
                raise too_large(step, f"after {number} steps the potential has risen by "
                                f"{value.max() - lowest:.3g}, for {objective.size} parameters")
            if number > self.burn_in and (number - self.burn_in) % self.thin == 0:
                kept.append(theta)
            report(1)
        share = accepted / (steps * self.chains)
        if share < MIN_ACCEPTED:
            raise too_large(step, f"{share:.1%} of the moves were accepted")
        return np.stack(kept, axis=1), share, step

    def _default_step(self, objective):
        curvature = stiffest(objective) + self.gamma
        return (3.0 / objective.size ** (1.0 / 3.0) if self.adjusted else 0.2) / curvature

    def _potential(self, objective, theta, centre):
        """(U, grad U) of the chains: (chains,), (chains, parameters)."""
        value, slope = objective.value_and_gradient(theta)
        moved = theta - centre
        return value + 0.5 * self.gamma * (moved ** 2).sum(axis=1), slope + self.gamma * moved


def too_large(step, reason):
    """What to raise where the step is too large."""
    return DoesNotApply(f"Langevin dynamics with step {step:.3g} does not follow the posterior: {reason}. "
                        "Take a smaller step, or a larger gamma")


def stiffest(objective):
    """The largest curvature of the learner's objective at the trained parameters, in modulus."""
    theta = objective.learner.trained
    return largest_eigenvalue(lambda v: objective.products(theta, v), objective.size)


def losses_at(objective, thetas):
    """(draws, examples): every example's loss at each of many parameters."""
    if not objective.batched:
        return np.array([objective.losses(theta) for theta in thetas])
    learner, losses = objective.learner, np.empty((len(thetas), objective.count))
    for members in objective.kinds.values():
        data = stacked([learner.examples[i] for i in members])
        inputs = [(integer if np.issubdtype(x.dtype, np.integer) else real)(*x.shape) for x in data]
        circuit = record(lambda theta, *data: learner.loss(learner.layout.split(theta), *data),
                         real(objective.size), *inputs)
        for chosen in blocks(np.arange(len(thetas)), 64):
            losses[np.ix_(chosen, members)] = evaluate(circuit, [thetas[chosen], *data])[0]
    return losses


def covariance(a, b):
    """(covariance (p, q), its standard error) of draws a (chains, draws, p) and b (chains, draws, q).

    Of all draws together, about their common mean. The error: the covariance is a mean of products, and the
    chains' means of them differ by what Monte Carlo leaves open.
    """
    a, b = (x - x.mean(axis=(0, 1)) for x in (a, b))
    chains = np.einsum("cdp,cdq->cpq", a, b) / a.shape[1]
    return chains.mean(axis=0), chains.std(axis=0, ddof=1) / np.sqrt(len(chains))


def effective(x):
    """The least effective number of draws among the columns of x (chains, draws, p): variance of draws over
    that of the overall mean."""
    error = x.mean(axis=1).var(axis=0, ddof=1) / len(x)
    moving = error > 0.0
    return float((x.var(axis=(0, 1))[moving] / error[moving]).min(initial=x[:, :, 0].size))
