"""Gaussian noise that hides a difference: sigma for an (eps, delta) promise, and the noise itself.

An unlearned model theta_u and a retrained one theta_r, at most Delta (the sensitivity) apart, each published
with noise N(0, sigma^2 I), cannot be told apart: for every set S of models

    P(theta_u + noise in S) <= e^eps P(theta_r + noise in S) + delta,    and the same with u and r exchanged.
"""
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr

from circuit.errors import LearnerError
from circuit.checks import array_of, real_array, real_number


@dataclass(frozen=True)
class Privacy:
    """The promise (eps, delta).   eps > 0;   0 < delta < 1."""
    eps: float
    delta: float

    def __post_init__(self):
        real_number(self.eps, "eps", above=0.0)
        real_number(self.delta, "delta", above=0.0, below=1.0)

    def sigma(self, sensitivity):
        """The noise's standard deviation for a sensitivity (or an array of them), in the parameters' units.

        Delta sqrt(2 ln(1.25/delta)) / eps while eps <= 1; beyond, where that promises too much, the analytic
        mechanism.
        """
        if self.eps > 1.0:
            return self.analytic_sigma(sensitivity)
        return checked_sensitivity(sensitivity) * np.sqrt(2.0 * np.log(1.25 / self.delta)) / self.eps

    def analytic_sigma(self, sensitivity):
        """The smallest sigma that keeps the promise: leaked(sigma / Delta, eps) = delta   (Balle & Wang
        1805.06530, theorem 8)."""
        def excess(log_ratio):      # falls from 1 - delta to -delta
            return leaked(np.exp(log_ratio), self.eps) - self.delta
        # at sigma = Delta / eps and below, nearly everything leaks
        low = -30.0 - np.log(max(self.eps, 1.0))
        return checked_sensitivity(sensitivity) * np.exp(brentq(excess, low, 30.0, xtol=1e-14))

    def concentrated_sigma(self, sensitivity):
        """Delta / (sqrt 2 (sqrt(ln(1/delta) + eps) - sqrt(ln(1/delta)))), for every eps: by way of
        zero-concentrated privacy."""
        log = np.log(1.0 / self.delta)
        # nothing cancels
        return checked_sensitivity(sensitivity) * (np.sqrt(log + self.eps)
                                                   + np.sqrt(log)) / (np.sqrt(2.0) * self.eps)


def checked_sensitivity(sensitivity):
    """One sensitivity, or an array of them, all >= 0."""
    sensitivity = real_array(sensitivity, "sensitivity")
    if sensitivity.min(initial=0.0) < 0.0:
        raise LearnerError(f"a sensitivity is a distance >= 0, not {sensitivity.min():g}")
    return sensitivity


def checked_privacy(privacy):
    """What a rule was given, if it is a Privacy."""
    if not isinstance(privacy, Privacy):
        raise LearnerError(f"a promise is Privacy(eps, delta), not {privacy!r:.60}")
    return privacy


def leaked(ratio, eps):
    """The least delta of Gaussian noise with sigma = ratio * Delta:   Phi(1/2r - eps r) - e^eps Phi(-1/2r -
    eps r)."""
    high, low = (log_ndtr(sign / (2.0 * ratio) - eps * ratio) for sign in (1.0, -1.0))
    return float(np.exp(high) - np.exp(eps + low))


def noised(theta, sigma, seed):
    """Parameters (parameters,) or (k, parameters) plus N(0, sigma^2), sigma a number or one per row. What may
    be published."""
    theta, sigma = real_array(theta, "parameters"), real_array(sigma, "sigma")
    if sigma.min(initial=0.0) < 0.0 or sigma.ndim and sigma.shape != theta.shape[:1]:
        raise LearnerError("sigma is a number >= 0, or one for each of the rows of parameters "
                           f"{theta.shape}, not {sigma!r:.60}")
    seed = array_of(seed, "a seed", "iu", "a whole number >= 0")
    if seed.ndim or seed < 0:
        raise LearnerError(f"a seed is a whole number >= 0, not {seed!r:.60}")
    return theta + sigma.reshape(sigma.shape + (1,) * (theta.ndim - 1)) * np.random.default_rng(
        int(seed)).normal(size=theta.shape)
