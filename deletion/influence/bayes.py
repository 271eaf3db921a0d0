"""Bayesian influence (Kreer et al. 2509.26544): covariances under a posterior around the trained parameters,
where no Hessian is inverted.

    p(theta) ~ exp(-U(theta)),    U = sum_i w_i l_i + n r + (gamma/2) |theta - theta*|^2

The regulariser r belongs to the prior, gamma keeps the posterior near theta*. The derivative of E[phi] in the
weight w_i is
-Cov(l_i, phi); deletion of a set changes E[phi] by +sum_{i in W} Cov(l_i, phi), to first order. For Bayesian
linear regression with unit noise the derivative of the mean parameters is (X^T X + gamma I)^{-1} x_j r_j: the
influence function with damping gamma.

Langevin dynamics draws: theta' = theta - (step/2) grad U + step^(1/2) noise. As it is - the unadjusted
algorithm, SGLD with the whole training set - its law is off by an amount of order `step`: where U has
curvature H, covariances come out as (H - (step/4) H^2)^{-1} instead of H^{-1}. A Metropolis test of each move
(MALA, the default) removes that, at no further gradient.
"""
import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from circuit import DomainError, evaluate, integer, real, record
from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import DoesNotApply
from circuit.checks import real_number, whole_number
from ..methods.base import Answer, Method
from ..curvature.objective import Objective, blocks, stacked

LOST = 1e3
"""U may exceed that at theta* by so many times the number of parameters (half of it is what a Gaussian has):
more is divergence."""


class BayesianInfluence(Method):
    """Changes of posterior means, by Langevin dynamics in several chains side by side.

    draws      kept of each chain, one every `thin` steps, after `burn_in` steps
    step       of the dynamics, in units of 1 / curvature of U. None takes, with L the largest curvature at
               theta*, 3 / (L parameters^(1/3)); unadjusted 0.2 / L, which makes the covariance at most 5% too
               large
    gamma      > 0: precision of the prior around theta*, on the scale of sums
    chains     at least 4: how they differ is the Monte-Carlo error
    adjusted   False: without the Metropolis test

    Notes tell the step, the acceptance, the effective number of draws, and standard errors beside the
    changes.
    """

    name = "Bayesian influence"

    def __init__(self, draws=500, burn_in=500, step=None, gamma=1.0, chains=8, seed=0, *, thin=5,
                 adjusted=True):
        self.draws, self.burn_in = whole_number(draws, "the number of draws",
                                                2), whole_number(burn_in, "burn_in", 0)
        self.step = None if step is None else real_number(step, "the step", above=0.0)
        self.gamma, self.chains = real_number(gamma, "gamma",
                                              above=0.0), whole_number(chains, "the number of chains", 4)
        self.seed, self.thin, self.adjusted = whole_number(seed, "the seed",
                                                           0), whole_number(thin, "thin", 1), bool(adjusted)

    def _answer(self, learner, h, measurement):
        objective = Objective(learner)
        steps = self.burn_in + self.draws * self.thin
        with Progress(steps, "Langevin dynamics") as report, one_blas_thread():
            theta, accepted, step = self.sample(objective, report)
        losses = losses_at(objective, theta.reshape(-1, objective.size)).reshape(theta.shape[:2] + (-1,))
        # (chains, draws, sets): only what is deleted matters
        losses = losses @ (1.0 - learner.example_weights(h)).T
        circuit = learner.measurement(measurement)
        shape = circuit.shapes[circuit.outputs[0]]
        values = evaluate(circuit, [theta.reshape(-1, objective.size)])[0]
        values = np.broadcast_to(values, (theta[:, :, 0].size,) + shape).reshape(theta.shape[:2] + (-1,))
        change, error = covariance(losses, values)
        moved, _ = covariance(losses, theta)
        notes = (f"step {step:.2g}, {self.chains} chains of {self.draws} draws, {accepted:.0%} of moves "
                 "accepted" if self.adjusted else f"step {step:.2g}, " f"{self.chains} " "chains " "of "
                 f"{self.draws} " "draws, " "unadjusted: biased by the " "step",
                 f"effective draws: {effective(values):.0f} of the measurement, "
                 f"{effective(losses):.0f} of the deleted losses (the least)",
                 f"Monte-Carlo standard errors: {ratio(error, change):.0%} of the changes")
        return Answer(change.reshape((len(h),) + shape), learner.trained + moved, notes)

    def sample(self, objective, report=lambda steps: None):
        """(draws as (chains, draws, parameters), share of accepted moves, step)."""
        rng, centre = np.random.default_rng(self.seed), objective.learner.trained
        step = self.step
        if step is None:
            step = (3.0 / objective.size ** (1.0 / 3.0) if self.adjusted
                    else 0.2) / (stiffest(objective) + self.gamma)
        theta = np.repeat(centre[None], self.chains, axis=0)
        value, slope = self.potential(objective, theta, centre)
        lowest, kept, accepted, steps = value[0], [], 0, self.burn_in + self.draws * self.thin
        for number in range(1, steps + 1):
            noise = rng.normal(size=theta.shape)
            proposed = theta - 0.5 * step * slope + np.sqrt(step) * noise
            try:
                new_value, new_slope = self.potential(objective, proposed, centre)
            except DomainError as error:
                raise too_large(
                    step, f"step {number} of the dynamics left the domain of the loss: {error}") from None
            if self.adjusted:      # log of p(new) q(old | new) / (p(old) q(new | old))
                back = theta - proposed + 0.5 * step * new_slope
                log_ratio = value - new_value - (back ** 2).sum(axis=1) / (2.0 * step) + 0.5 * (
                    noise ** 2).sum(axis=1)
                moves = np.log(rng.uniform(size=self.chains)) < log_ratio
            else:
                moves = np.ones(self.chains, bool)
            accepted += moves.sum()
            theta, value, slope = (np.where(moves.reshape((-1,) + (1,) * (old.ndim - 1)), new, old) for old,
                                   new in ((theta, proposed), (value, new_value), (slope, new_slope)))
            if value.max() - lowest > LOST * objective.size:
                raise too_large(step, f"after {number} steps the potential has risen by "
                                f"{value.max() - lowest:.3g}, for {objective.size} " "parameters")
            if number > self.burn_in and (number - self.burn_in) % self.thin == 0:
                kept.append(theta)
            report(1)
        share = accepted / (steps * self.chains)
        if share < 0.05:
            raise too_large(step, f"{share:.1%} of the moves were accepted")
        return np.stack(kept, axis=1), share, step

    def potential(self, objective, theta, centre):
        """(U, grad U) of the chains: (chains,), (chains, parameters)."""
        value, slope = objective.slope(theta)
        moved = theta - centre
        return value + 0.5 * self.gamma * (moved ** 2).sum(axis=1), slope + self.gamma * moved


def too_large(step, seen):
    return DoesNotApply(f"Langevin dynamics with step {step:.3g} does not follow the posterior: {seen}. "
                        "Take a smaller step, or a larger " "gamma")


def stiffest(objective):
    """The largest curvature of the learner's objective at the trained parameters, in modulus."""
    size, theta = objective.size, objective.learner.trained
    if size <= 16:      # no more products than the iteration would take
        return np.abs(np.linalg.eigvalsh(objective.matrix(theta))).max()
    operator = LinearOperator((size, size), dtype=float,
                              matvec=lambda v: objective.products(theta, v.reshape(1, -1))[0])
    # along no direction that a model may leave flat on purpose
    start = np.random.default_rng(0).normal(size=size)
    return abs(eigsh(operator, 1, tol=1e-2, v0=start,
                     return_eigenvectors=False)[0]) if operator.matvec(start).any() else 0.0


def losses_at(objective, thetas):
    """(draws, examples): every example's loss at each of many parameters."""
    if not objective.batched:
        return np.array([objective.losses(theta) for theta in thetas])
    learner, found = objective.learner, np.empty((len(thetas), objective.count))
    for members in objective.kinds.values():
        data = stacked([learner.examples[i] for i in members])
        inputs = [(integer if np.issubdtype(x.dtype, np.integer) else real)(*x.shape) for x in data]
        circuit = record(lambda theta, *data: learner.loss(learner.layout.split(theta), *data),
                         real(objective.size), *inputs)
        for chosen in blocks(np.arange(len(thetas)), 64):
            found[np.ix_(chosen, members)] = evaluate(circuit, [thetas[chosen], *data])[0]
    return found


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


def ratio(error, change):
    """Root mean square of standard errors over that of changes."""
    return float(np.sqrt((error ** 2).sum() / max((change ** 2).sum(), np.finfo(float).tiny)))
