"""Interactions between pairs of units, from gradients without one group of units after the other.

How much more unit i contributes when group k is gone, y_ik, is the sum over j in k of its interactions M_ij.
The symmetric M without diagonal that minimises

    sum_{i<j} M_ij^2 / (s_i s_j)
        + sum_k sum_{i not in k} (y_ik - sum_{j in k} M_ij)^2 / (RIDGE sum_{j in k} s_i s_j)

has a closed form (s_i s_j is the prior variance of M_ij). With sigma_k the sum of s over group k, and Y_lk
the sum of y_ik over i in l,

    B_lk = ((1 + RIDGE) Y_lk - Y_kl) / (((1 + RIDGE)^2 - 1) sigma_k)
    A_ik = (y_ik / s_i - B_k,k(i)) / ((1 + RIDGE) sigma_k),      0 for i in k
    M_ij = s_i s_j (A_i,k(j) + A_j,k(i))

A measurement takes units x groups numbers, and a set as many operations as it has units, times groups. Pairs
inside a group are never observed, and count as 0.
"""
import numpy as np

from ..learner.units import Sets

RIDGE = 0.1
"""The variance of what a group's gradient shows beside the interactions, as a share of theirs."""

AT_ONCE = 256
"""Sets whose interactions are calculated together, which bounds the memory."""


class Interactions:
    """M of q measurements.

    Parameters
    ----------
    groups : np.ndarray of int, (units,)
        The group of each unit; -1 for units that no step uses.
    y : np.ndarray, (units, groups, q)
        How much more each unit contributes without each group; entries of units inside a group are not used.
    """

    def __init__(self, groups, y):
        units, count, self.q = y.shape
        self.groups = groups
        self.member = (groups[:, None] == np.arange(count)).astype(float)      # (units, groups)
        outside = (groups >= 0)[:, None] * (1.0 - self.member)
        y = y * outside[:, :, None]
        self.scale = scales(y)
        sigma = self.scale @ self.member
        y_of_groups = np.einsum("il,ikq->lkq", self.member, y)
        b = ((1.0 + RIDGE) * y_of_groups - np.swapaxes(y_of_groups, 0, 1)) / (
            ((1.0 + RIDGE) ** 2 - 1.0) * sigma[:, None])
        shared = np.swapaxes(b, 0, 1)[groups]      # (units, groups, q): B_k,k(i)
        self.a = outside[:, :, None] * (y / self.scale[:, None, None] - shared) / (
            (1.0 + RIDGE) * sigma[:, None])

    def matrix(self, measurement):
        """Return M (units, units) of one measurement, by its number."""
        a = self.a[:, self.groups, measurement]
        used = self.groups >= 0
        known = (self.groups[:, None] != self.groups) & used & used[:, None]
        return np.outer(self.scale, self.scale) * (a + a.T) * known

    def change(self, sets):
        """Return h' M h / 2, (sets, q): what the interactions inside each of the Sets contribute."""
        out = np.empty((len(sets), self.q))
        for first in range(0, len(sets), AT_ONCE):
            some = sets.some(first, min(first + AT_ONCE, len(sets)))
            scaled = self.scaled(some)
            sums = scaled @ self.member      # (sets, groups)
            weighted = (scaled @ self.a.reshape(len(self.a), -1)).reshape(len(some), -1, self.q)
            out[first:first + AT_ONCE] = np.einsum("bkq,bk->bq", weighted, sums)
        return out

    def partners(self, sets):
        """Return M h, (sets, units, q): how much more each unit contributes without each of the Sets."""
        scaled = self.scaled(sets)
        sums = scaled @ self.member
        weighted = (scaled @ self.a.reshape(len(self.a), -1)).reshape(len(sets), -1, self.q)
        both = np.einsum("ikq,bk->biq", self.a, sums) + weighted[:, self.groups]
        return self.scale[:, None] * both * (self.groups >= 0)[:, None]

    def scaled(self, sets):
        """Return s h (sets, units), sparse."""
        return Sets(sets.starts, sets.units, sets.values * self.scale[sets.units]).sparse(len(self.scale))


def scales(y):
    """Return s (units,) > 0, of mean square 1, in proportion to the mean square of what a unit shows.

    Every measurement counts alike.
    """
    of_measurements = (y ** 2).mean(axis=(0, 1))
    square = (y ** 2 / np.where(of_measurements > 0.0, of_measurements, 1.0)).mean(axis=(1, 2))
    largest = square.max(initial=0.0)
    if not largest:
        return np.ones(len(y))
    square = np.maximum(square, 1e-6 * largest)      # a unit without interactions divides by nothing
    return square / np.sqrt((square ** 2).mean())
