"""The size effect: what a set changes by its size alone, whichever units it holds.

With fewer examples training ends elsewhere, whichever they are; a finite step takes the rest of training as
linear, and misses a part of that. The mean of what a model misses at random calibration sets is fitted as a
function of the share of the units that is deleted, x = sum_i h_i / n:

    u (a + b sqrt(x) + c x),   u = sum_i h_i^2 / n

u is x for deletions, and leaves slopes at weight 1 as they are. Beyond the largest calibration set nothing
shows how the curve bends: the x in brackets stays there, and the effect grows with u alone. What is missed
varies about as x does, so that every set's square is divided by x^2 in the fit. A set that is predicted by a
fit to the others is off by residual / (1 - leverage). These errors decide whether a model has a size effect,
and give its intervals, for which those of the fit itself would be too small.
"""
from typing import NamedTuple, Optional

import numpy as np

MOST = 0.9
"""The largest leverage of a set: beyond, the others say nothing of it, and there is no fit."""


class SizeEffect(NamedTuple):
    """What sets of a size change besides, for q measurements.

    Attributes
    ----------
    units : int
        n, how many units steps use.
    coefficients : np.ndarray, (3, q)
        a, b and c.
    largest : float
        The share of the largest set that it was fitted to.
    """
    units: int
    coefficients: np.ndarray
    largest: float

    def change(self, sets):
        """Return (sets, q)."""
        return basis(sets, self.units, self.largest) @ self.coefficients


class Candidate(NamedTuple):
    """An estimator, and what it predicts of each calibration set from the others.

    Attributes
    ----------
    estimator : Estimator
    held_out : np.ndarray, (k, q)
        Changes.
    """
    estimator: object
    held_out: np.ndarray


def basis(sets, units, largest=np.inf):
    """Return u, u sqrt(x) and u x of Sets, (sets, 3); x is at most `largest`."""
    def share(values):
        return np.bincount(owner, values, len(sets)) / units

    owner = np.repeat(np.arange(len(sets)), np.diff(sets.starts))
    x = np.minimum(share(sets.values), largest)
    return share(sets.values ** 2)[:, None] * np.stack([np.ones_like(x), np.sqrt(x), x], axis=1)


def fit_size_effect(missed, sets, units) -> Optional[tuple]:
    """Return (SizeEffect, what it is of each set by a fit to the others), None where there are too few sets.

    Parameters
    ----------
    missed : np.ndarray, (k, q)
        Changes of random sets, minus what a model predicts.
    sets : Sets
        These sets.
    units : int
        How many units steps use.
    """
    columns = basis(sets, units)
    size = columns[:, :1]
    inverse = np.linalg.pinv(columns / size)
    leverage = np.einsum("kr,rk->k", columns / size, inverse)
    if not len(sets) or leverage.max() > MOST:
        return None
    largest = float((columns[:, 2] / size[:, 0]).max())
    effect = SizeEffect(units, inverse @ (missed / size), largest)
    residual = missed - columns @ effect.coefficients
    return effect, missed - residual / (1.0 - leverage)[:, None]


def chosen(estimators, true, sets, units):
    """Return the Candidate that predicts calibration sets best, of estimators with and without size effect.

    Parameters
    ----------
    estimators : sequence of Estimator
        Without size effects.
    true : np.ndarray, (k, q)
        What retraining without the random calibration sets changes.
    sets : Sets
        These sets.
    units : int
        How many units steps use.
    """
    candidates = []
    for estimator in estimators:
        change = estimator(sets).change
        candidates.append(Candidate(estimator, change))
        fit = fit_size_effect(true - change, sets, units)
        if fit is not None:
            candidates.append(Candidate(estimator.with_size_effect(fit[0]), change + fit[1]))
    # an error grows about as the square root of a set's size: so small and large sets count alike
    weights = 1.0 / np.sqrt(sets.squares())[:, None] / np.maximum(np.abs(true).mean(axis=0), 1e-300)
    return min(candidates, key=lambda one: (np.abs(one.held_out - true) * weights).sum())
