"""Gaussian noise that hides a difference: sigma for an (eps, delta) promise, and the noise itself.

An unlearned model theta_u and a retrained one theta_r are at most Delta (the sensitivity) apart. If each is
published with noise N(0, sigma^2 I), they cannot be told apart: for every set S of models

    P(theta_u + noise in S) <= e^eps P(theta_r + noise in S) + delta,    and the same with u and r exchanged.

Without a delta the promise is alpha = eps, and no Gaussian keeps it, because the ratio of two Gaussian
densities has no bound. Noise with a density proportional to e^(-|z|/scale) keeps it: see `AlphaPrivacy`.
"""
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import log_ndtr

from circuit.errors import LearnerError
from circuit.checks import array_of, real_array, real_number, whole_number


@dataclass(frozen=True)
class Privacy:
    """The promise (eps, delta).

    Parameters
    ----------
    eps : float
        Above 0.
    delta : float
        Above 0 and below 1.

    Raises
    ------
    LearnerError
        If a number is out of range.

    Examples
    --------
    >>> from deletion.unlearning import Privacy
    >>> promise = Privacy(eps=1.0, delta=1e-5)
    >>> print(f"{promise.sigma(0.1):.4f} {promise.analytic_sigma(0.1):.4f}")
    0.4845 0.3731
    """
    eps: float
    delta: float

    def __post_init__(self):
        real_number(self.eps, "eps", above=0.0)
        real_number(self.delta, "delta", above=0.0, below=1.0)

    def sigma(self, sensitivity: ArrayLike) -> float | np.ndarray:
        """Calculate the noise's standard deviation, in the parameters' units.

        It is Delta sqrt(2 ln(1.25/delta)) / eps while eps <= 1. For a larger eps that formula promises too
        much, and the analytic mechanism is used.

        Parameters
        ----------
        sensitivity : array_like
            Delta >= 0, a number or an array of them.

        Returns
        -------
        float or np.ndarray
            sigma, of the same shape.
        """
        if self.eps > 1.0:
            return self.analytic_sigma(sensitivity)
        return checked_sensitivity(sensitivity) * np.sqrt(2.0 * np.log(1.25 / self.delta)) / self.eps

    def analytic_sigma(self, sensitivity: ArrayLike) -> float | np.ndarray:
        """Calculate the smallest sigma that keeps the promise: leaked(sigma / Delta, eps) = delta.

        Source: Balle & Wang 1805.06530, theorem 8.

        Parameters
        ----------
        sensitivity : array_like
            Delta >= 0, a number or an array of them.

        Returns
        -------
        float or np.ndarray
            sigma, of the same shape.
        """
        def excess(log_ratio):      # decreases from 1 - delta to -delta
            return leaked(np.exp(log_ratio), self.eps) - self.delta
        # at sigma = Delta / eps and below, nearly everything leaks
        low = -30.0 - np.log(max(self.eps, 1.0))
        return checked_sensitivity(sensitivity) * np.exp(brentq(excess, low, 30.0, xtol=1e-14))

    def concentrated_sigma(self, sensitivity: ArrayLike) -> float | np.ndarray:
        """Calculate sigma by way of zero-concentrated privacy, for every eps.

        It is Delta / (sqrt 2 (sqrt(ln(1/delta) + eps) - sqrt(ln(1/delta)))).

        Parameters
        ----------
        sensitivity : array_like
            Delta >= 0, a number or an array of them.

        Returns
        -------
        float or np.ndarray
            sigma, of the same shape.
        """
        log = np.log(1.0 / self.delta)
        # the formula expanded by the sum of the two roots: nothing cancels
        return checked_sensitivity(sensitivity) * (np.sqrt(log + self.eps)
                                                   + np.sqrt(log)) / (np.sqrt(2.0) * self.eps)


@dataclass(frozen=True)
class AlphaPrivacy:
    """The promise alpha, without a delta: P(S) <= e^alpha Q(S) for every set S of models, and vice versa.

    The noise has a density proportional to e^(-|z|/scale) with scale = Delta/alpha. By the triangle
    inequality no ratio of two such densities, Delta apart, exceeds e^(Delta/scale) = e^alpha. The length |z|
    follows a Gamma distribution of shape d, the number of parameters, so it is d Delta/alpha on average; a
    Gaussian's is about sqrt(d) sigma. This is the price of having no delta.

    Source: Chaudhuri, Monteleoni & Sarwate 2011, algorithm 1, for the noise.

    Parameters
    ----------
    alpha : float
        Above 0.

    Raises
    ------
    LearnerError
        If alpha is out of range.

    Examples
    --------
    >>> from deletion.unlearning import AlphaPrivacy
    >>> promise = AlphaPrivacy(0.5)
    >>> promise.scale(0.1), promise.noised([1.0, 2.0], sensitivity=0.0, seed=0).tolist()
    (0.2, [1.0, 2.0])
    """
    alpha: float

    def __post_init__(self):
        real_number(self.alpha, "alpha", above=0.0)

    def scale(self, sensitivity: ArrayLike) -> float | np.ndarray:
        """Calculate the noise's scale, in the parameters' units: Delta / alpha.

        Parameters
        ----------
        sensitivity : array_like
            Delta >= 0, a number or an array of them: a bound that is certain, not one of some probability.

        Returns
        -------
        float or np.ndarray
            The scale, of the same shape.
        """
        scale = checked_sensitivity(sensitivity) / self.alpha
        return scale if scale.ndim else float(scale)

    def noised(self, theta: ArrayLike, sensitivity: float, seed: int) -> np.ndarray:
        """Add noise to parameters, which may then be published.

        Parameters
        ----------
        theta : array_like
            Parameters (parameters,), or (k, parameters), each row with noise of its own.
        sensitivity : float
            Delta >= 0.
        seed : int
            At least 0. It must stay secret.

        Returns
        -------
        np.ndarray
            Of the shape of theta.
        """
        theta, rng = real_array(theta, "parameters"), np.random.default_rng(whole_number(seed, "a seed", 0))
        if theta.ndim not in (1, 2):
            raise LearnerError("parameters: expected shape (parameters,) or (k, parameters), got "
                               f"{theta.shape}")
        scale = self.scale(real_number(sensitivity, "sensitivity", low=0.0))
        direction = rng.normal(size=theta.shape)
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        return theta + scale * rng.gamma(theta.shape[-1], size=theta.shape[:-1] + (1,)) * direction


def checked_sensitivity(sensitivity):
    """One sensitivity, or an array of them, all >= 0."""
    sensitivity = real_array(sensitivity, "sensitivity")
    if sensitivity.min(initial=0.0) < 0.0:
        raise LearnerError(f"sensitivity: expected a distance >= 0, got {sensitivity.min():g}")
    return sensitivity


def checked_privacy(privacy):
    """What a rule was given, if it is a Privacy."""
    if not isinstance(privacy, Privacy):
        raise LearnerError(f"privacy: expected Privacy(eps, delta), got {privacy!r:.60}")
    return privacy


def leaked(ratio: float, eps: float) -> float:
    """Calculate the least delta that Gaussian noise with sigma = ratio * Delta keeps.

    It is Phi(1/(2 ratio) - eps ratio) - e^eps Phi(-1/(2 ratio) - eps ratio), with the normal distribution
    function Phi.

    Parameters
    ----------
    ratio : float
        sigma / Delta > 0.
    eps : float
        The promise's eps.

    Returns
    -------
    float
        delta.

    Examples
    --------
    >>> from deletion.unlearning import leaked
    >>> print(f"{leaked(3.7306, 1.0):.2g}")
    1e-05
    """
    high, low = (log_ndtr(sign / (2.0 * ratio) - eps * ratio) for sign in (1.0, -1.0))
    return float(np.exp(high) - np.exp(eps + low))


def noised(theta: ArrayLike, sigma: ArrayLike, seed: int) -> np.ndarray:
    """Add noise N(0, sigma^2) to parameters, which may then be published.

    Parameters
    ----------
    theta : array_like
        Parameters (parameters,) or (k, parameters).
    sigma : array_like
        At least 0: a number, or one for each of k rows.
    seed : int
        At least 0. It must stay secret.

    Returns
    -------
    np.ndarray
        Of the shape of theta.

    Raises
    ------
    LearnerError
        If sigma is negative or of another shape, or the seed is no seed.

    Examples
    --------
    >>> from deletion.unlearning import noised
    >>> noised([1.0, 2.0], sigma=0.0, seed=0)
    array([1., 2.])
    """
    theta, sigma = real_array(theta, "parameters"), real_array(sigma, "sigma")
    if sigma.min(initial=0.0) < 0.0 or sigma.ndim and sigma.shape != theta.shape[:1]:
        raise LearnerError("sigma: expected a number >= 0, or one for each of the rows of parameters "
                           f"{theta.shape}, got {sigma!r:.60}")
    seed = array_of(seed, "a seed", "iu", "a whole number >= 0")
    if seed.ndim or seed < 0:
        raise LearnerError(f"a seed: expected a whole number >= 0, got {seed!r:.60}")
    noise = np.random.default_rng(int(seed)).normal(size=theta.shape)
    return theta + sigma.reshape(sigma.shape + (1,) * (theta.ndim - 1)) * noise
