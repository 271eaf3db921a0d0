"""Levels: gradients at the size of the question.

Deleting many units changes what each of them contributes. A level is a share x of the units; at bases without
random sets h_k of that size the mean P of the units' finite steps shows it. With self-terms S, finite steps
psi(0) of the ordinary training and interactions M (0 without groups), the change by a set h of share x is

    h . S + x^2 phi(x) + (h - x) . D(x) + (h - x)' M (h - x) / 2
    D(level) = c (mean over its bases of psi_k - M (h_k - x) - psi(0)),
    phi(level) such that the mean over its bases of what is predicted is the mean of f(h_k) - f(0)

where h - x subtracts x from every entry. D is linear in x between levels, from 0 at x = 0, and phi as well;
both are constant beyond the last level, and phi before the first. The shrinkage c is what predicts bases held
out of a level best, and a level is used only if it predicts held-out bases better than is done without it.
"""
from typing import NamedTuple

import numpy as np

from ..learner.units import Sets


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
    """
    share: float
    slopes: np.ndarray
    curvature: np.ndarray


class Bases(NamedTuple):
    """What is known at the bases of one level.

    Attributes
    ----------
    h : np.ndarray, (bases, units)
        The downweights there.
    change : np.ndarray, (bases, q)
        The measurement there minus the one as trained.
    finite : np.ndarray, (bases, units, q)
        psi there, minus psi of the ordinary training, without the part M (h - x) of the interactions.
    rest : np.ndarray, (bases, q)
        The change without h . S and (h - x)' M (h - x) / 2: what the level has to explain.
    """
    h: np.ndarray
    change: np.ndarray
    finite: np.ndarray
    rest: np.ndarray

    def without(self, k):
        """The others."""
        return Bases(*(np.delete(x, k, axis=0) for x in self))

    def mean(self):
        """(units, q): the mean of `finite` over the bases where each unit is present; 0 where it never is."""
        present = (self.h == 0.0).astype(float)
        total = np.einsum("kn,knq->nq", present, self.finite)
        return total / np.maximum(present.sum(axis=0), 1.0)[:, None]


def fit_level(bases, used, share):
    """Return (the Level, the error of held-out bases with it): sum |predicted - true| over bases and q."""
    shrinkage, error = shrinkage_of(bases, used), 0.0
    for k in range(len(bases.h)):
        level = level_of(bases.without(k), used, share, shrinkage)
        error += np.abs(predicted(level, bases.h[k:k + 1], used) - bases.rest[k]).sum()
    return level_of(bases, used, share, shrinkage), error


def level_of(bases, used, share, shrinkage):
    """Return the Level of some bases."""
    slopes = shrinkage * bases.mean() * used[:, None]
    left = bases.rest - centred(bases.h, share, used) @ slopes
    return Level(share, slopes, left.mean(axis=0) / share ** 2)


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
    square = (bases.finite ** 2).mean(axis=(0, 1))
    size = 1.0 / np.sqrt(np.where(square > 0.0, square, 1.0))
    product, norm = 0.0, 0.0
    for k in range(count):
        others = bases.without(k)
        seen = used & (bases.h[k] == 0.0) & (others.h == 0.0).any(axis=0)
        mean = (others.mean() * size)[seen]
        product += (mean * (bases.finite[k] * size)[seen]).sum()
        norm += (mean ** 2).sum()
    slope = min(max(product / norm, 0.0), 1.0) if norm > 0.0 else 0.0
    return 0.0 if slope == 0.0 else 1.0 / (1.0 + (count - 1.0) / count * (1.0 / slope - 1.0))


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
        if interactions is not None:
            everything = Sets.of(used[None].astype(float))
            self.partners = interactions.partners(everything)[0]      # M 1
            self.total = interactions.change(everything)[0]      # 1' M 1 / 2

    def change(self, sets):
        """Return what is added to the self-terms, (sets, q)."""
        inside = 0.0 if self.interactions is None else self.interactions.change(sets)
        if not self.levels:
            return inside
        h, count = sets.sparse(len(self.used)), self.used.sum()
        x = np.asarray(h.sum(axis=1)).reshape(-1) / count
        curvature = np.stack([np.interp(x, self.shares, each)
                              for each in np.transpose([level.curvature for level in self.levels])], axis=1)
        change = inside + x[:, None] ** 2 * curvature
        for number, level in enumerate(self.levels):
            part = h @ level.slopes - x[:, None] * level.slopes.sum(axis=0)
            change += self.shares_of(x)[:, number, None] * part
        if self.interactions is not None:
            change += x[:, None] ** 2 * self.total - x[:, None] * (h @ self.partners)
        return change

    def shares_of(self, x):
        """Return how much of each level's D there is at shares x: (sets, levels)."""
        nodes, unit = np.concatenate([[0.0], self.shares]), np.eye(len(self.shares) + 1)[1:]
        return np.stack([np.interp(x, nodes, one) for one in unit], axis=1)
