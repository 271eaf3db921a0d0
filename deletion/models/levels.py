"""Levels: gradients at the size of the question.

Deleting many units changes what each of them contributes. A level is a share x of the units; at bases without
random sets h_k of that size the units' finite steps psi_k show it. With self-terms S, finite steps psi(0) of
the ordinary training and interactions M (0 without groups), the change by a set h of share x is

    h . S + kappa(x) h' M h / 2 + (h - x) . D(x) + x min(x, last level) phi(x)

    kappa(level) = what least squares of psi_k - psi(0) on M h_k leaves of the interactions,
    D(level) = c (mean over its bases of psi_k - psi(0) - kappa M h_k),
    phi(level) such that the mean over its bases of what is predicted is the mean of f(h_k) - f(0), or 0

where h - x subtracts x from every entry. Interactions found beside the ordinary training fade with the size;
what they say of the units' contributions at a level needs no bases of the level, so that D, which does, has
only the rest to say. kappa and D are linear in x between levels, from 1 and 0 at x = 0, and phi as well; all
are constant beyond the last level, and phi before the first. Beyond the last level nothing says that the
change goes on bending, so that the mean grows with x and no longer with x^2. The shrinkage c is what predicts
bases held out of a level best. phi corrects a mean that the self-terms miss, and adds noise where they miss
none: it is kept only if bases held out are predicted better with it. So is the whole level; if it is the
last, kappa is 1 there, and D and phi are 0.
"""
from typing import NamedTuple

import numpy as np


class Level(NamedTuple):
    """What a level adds, for q measurements.

    Attributes
    ----------
    share : float
        The size of its sets, as a share of the used units.
    slopes : np.ndarray, (units, q)
        D.
    curvature : np.ndarray, (q,)
        phi.
    left : float
        kappa, what is left of the interactions.
    """
    share: float
    slopes: np.ndarray
    curvature: np.ndarray
    left: float


class Bases(NamedTuple):
    """What is known at the bases of one level.

    Attributes
    ----------
    h : np.ndarray, (bases, units)
        The downweights there.
    change : np.ndarray, (bases, q)
        The measurement there minus the one as trained.
    finite : np.ndarray, (bases, units, q)
        psi there, minus psi of the ordinary training, without what is left of the interactions, kappa M h.
    rest : np.ndarray, (bases, q)
        The change without h . S and kappa h' M h / 2: what the level has to explain.
    left : float
        kappa.
    """
    h: np.ndarray
    change: np.ndarray
    finite: np.ndarray
    rest: np.ndarray
    left: float

    def without(self, k):
        """The others."""
        return Bases(*(np.delete(x, k, axis=0) for x in self[:-1]), self.left)

    def mean(self):
        """(units, q): the mean of `finite` over the bases where each unit is present; 0 where it never is."""
        present = (self.h == 0.0).astype(float)
        total = np.einsum("kn,knq->nq", present, self.finite)
        return total / np.maximum(present.sum(axis=0), 1.0)[:, None]


def fit_level(bases, used, share):
    """Return (the Level, the error of held-out bases with it): sum |predicted - true| over bases and q."""
    shrinkage = shrinkage_of(bases, used)
    errors = [held_out_error(bases, used, share, shrinkage, curved) for curved in (False, True)]
    return level_of(bases, used, share, shrinkage, errors[1] < errors[0]), min(errors)


def held_out_error(bases, used, share, shrinkage, curved):
    """Return sum |predicted - true| over bases, each predicted from the others, and over q."""
    error = 0.0
    for k in range(len(bases.h)):
        level = level_of(bases.without(k), used, share, shrinkage, curved)
        error += np.abs(predicted(level, bases.h[k:k + 1], used) - bases.rest[k]).sum()
    return error


def level_of(bases, used, share, shrinkage, curved):
    """Return the Level of some bases.   curved: whether phi is fitted; otherwise it is 0"""
    slopes = shrinkage * bases.mean() * used[:, None]
    left = bases.rest - centred(bases.h, share, used) @ slopes
    return Level(share, slopes, curved * left.mean(axis=0) / share ** 2, bases.left)


def without_effect(level):
    """Return a Level in the place of one that held-out bases do not confirm; nothing is added there."""
    return Level(level.share, np.zeros_like(level.slopes), np.zeros_like(level.curvature), 1.0)


def predicted(level, h, used):
    """Return the rest (sets, q) that a level predicts for sets of its own size."""
    return level.share ** 2 * level.curvature + centred(h, level.share, used) @ level.slopes


def centred(h, share, used):
    """Return h minus a share, at the units that steps use."""
    return h - share * used


def shrinkage_of(bases, used):
    """Return c: by what the mean of a level's bases must be multiplied to predict another base best.

    It is least squares of each base on the mean of the others, corrected for one more base in the mean, and
    every measurement counts alike. Without a second base nothing is known, and c is 0.
    """
    count = len(bases.h)
    if count < 2:
        return 0.0
    size = inverse_size(bases.finite)
    product, norm = 0.0, 0.0
    for k in range(count):
        others = bases.without(k)
        seen = used & (bases.h[k] == 0.0) & (others.h == 0.0).any(axis=0)
        mean = (others.mean() * size)[seen]
        product += (mean * (bases.finite[k] * size)[seen]).sum()
        norm += (mean ** 2).sum()
    slope = min(max(product / norm, 0.0), 1.0) if norm > 0.0 else 0.0
    return 0.0 if slope == 0.0 else 1.0 / (1.0 + (count - 1.0) / count * (1.0 / slope - 1.0))


def left_of_interactions(finite, expected):
    """Return kappa >= 0, by what `expected` must be multiplied to come nearest to `finite`.

    Both are (bases, units, q), and every measurement counts alike: least squares of all numbers together.
    """
    size = inverse_size(finite)
    expected = expected * size
    norm = (expected ** 2).sum()
    return max((expected * finite * size).sum() / norm, 0.0) if norm > 0.0 else 0.0


def inverse_size(finite):
    """Return (q,): what makes the mean square of (bases, units, q) one for every measurement."""
    square = (finite ** 2).mean(axis=(0, 1))
    return 1.0 / np.sqrt(np.where(square > 0.0, square, 1.0))


class Levels:
    """Several levels, and the interactions if there are any.

    Parameters
    ----------
    levels : sequence of Level
        In rising order of their shares.
    interactions : Interactions or None
    used : np.ndarray of bool, (units,)
        The units that steps use.
    """

    def __init__(self, levels, interactions, used):
        self.levels, self.interactions, self.used = list(levels), interactions, used
        self.shares = np.array([level.share for level in self.levels])

    def change(self, sets):
        """Return what is added to the self-terms, (sets, q)."""
        inside = 0.0 if self.interactions is None else self.interactions.change(sets)
        if not self.levels:
            return inside
        h = sets.sparse(len(self.used))
        x = np.asarray(h.sum(axis=1)).reshape(-1) / self.used.sum()
        left, parts = np.array([level.left for level in self.levels]), self.parts(x)
        curvature = np.stack([np.interp(x, self.shares, each)
                              for each in np.transpose([level.curvature for level in self.levels])], axis=1)
        bend = (x * np.minimum(x, self.shares[-1]))[:, None] * curvature
        change = (parts[:, :1] + parts[:, 1:] @ left[:, None]) * inside + bend
        for number, level in enumerate(self.levels):
            part = h @ level.slopes - x[:, None] * level.slopes.sum(axis=0)
            change += parts[:, number + 1, None] * part
        return change

    def parts(self, x):
        """Return (sets, levels + 1): how much there is of the ordinary training, and of each level, at x."""
        nodes, unit = np.concatenate([[0.0], self.shares]), np.eye(len(self.shares) + 1)
        return np.stack([np.interp(x, nodes, one) for one in unit], axis=1)
