"""The prior of kernel least squares: how alike the terms T_r are at two points, and what follows for a set of
directions.

T_r is a homogeneous polynomial of degree r with real coefficients. As a random one,

    E[T_r(x) conj T_r(y)] = s_r kappa(x, y),    kappa(x, y) = (sum_i x_i conj y_i)^r + w sum_i (x_i conj
    y_i)^r

isotropic in the Frobenius norm, and units with themselves w times more. One complex number is known at each
direction, and its conjugate at the conjugate direction: 2 m real observations, first the real parts, then the
imaginary ones.
"""
from functools import cached_property

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import coo_array, csc_array, csr_array, hstack
from scipy.sparse.csgraph import connected_components

from circuit.blas import linear_algebra

CUTOFF = 1e-13
"""Eigenvalues below this share of the largest are rounding: what they belong to is not known."""

SPARSE = 0.1
"""Directions with a smaller share of nonzero entries are multiplied as sparse ones."""


class Kernel:
    """Gram matrices of the observations along directions psi (m, n), by order r and self-weight w.

    Directions without a unit in common know nothing of each other: the matrices fall into one block per
    connected group of them.
    """

    def __init__(self, psi):
        self.psi, self._eigen = psi, {}
        self.turned = psi.conj().T      # (n, m), sparse if that pays
        if np.count_nonzero(psi) < SPARSE * psi.size:
            self.turned = csr_array(self.turned)

    @cached_property
    def groups(self):
        """[(directions,)]: groups that share units."""
        count, label = connected_components(abs(csr_array(self.turned.T)) @ abs(csr_array(self.turned)),
                                            directed=False)
        return np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1])

    @cached_property
    def rows(self):
        """Of the largest matrix that is decomposed."""
        return 2 * max(len(group) for group in self.groups)

    def eigen(self, order, w):
        """(kept eigenvalues (k,), eigenvectors (2m, k), sparse if there are several groups) of the real Gram
        matrix."""
        if (order, w) not in self._eigen:
            with linear_algebra(f"decompose a matrix of {self.rows} x {self.rows}", self.rows):
                found = [eigh(self._gram(self.psi[group], order, w), driver="evd", overwrite_a=True)
                         for group in self.groups]
            values = np.concatenate([values for values, _ in found])
            kept = values > CUTOFF * values.max()
            vectors = found[0][1] if len(found) == 1 else self._together([vectors for _, vectors in found])
            self._eigen[order, w] = values[kept], vectors[:, kept]
        return self._eigen[order, w]

    def _together(self, blocks):
        """The groups' eigenvectors as columns of one sparse matrix; a group's rows are its real observations,
        then its imaginary ones."""
        rows = [np.concatenate([group, group + len(self.psi)]) for group in self.groups]
        ends = np.cumsum([0] + [len(r) for r in rows])
        row = np.concatenate([np.repeat(r, len(r)) for r in rows])
        column = np.concatenate([np.tile(np.arange(a, b), b - a) for a, b in zip(ends, ends[1:])])
        return csc_array(coo_array((np.concatenate([v.ravel() for v in blocks]), (row, column)),
                                   shape=(ends[-1], ends[-1])))

    @staticmethod
    def _gram(psi, order, w):
        powers = psi ** order
        straight, crossed = (psi @ psi.conj().T) ** order, (psi @ psi.T) ** order
        if w:
            straight, crossed = straight + w * (powers @ powers.conj().T), crossed + w * (powers @ powers.T)
        corner = 0.5 * (crossed - straight).imag
        return np.block([[0.5 * (straight + crossed).real, corner],
                         [corner.T, 0.5 * (straight - crossed).real]])

    def condition(self, order, w):
        """Largest over smallest kept eigenvalue."""
        values = self.eigen(order, w)[0]
        return values.max() / values.min()      # of several groups, one behind the other

    def solve(self, order, w, observed):
        """K^+ observed, for observations (m, q) complex, as complex (m, q): real observations in the real
        part."""
        values, vectors = self.eigen(order, w)
        solved = vectors @ ((vectors.T @ np.concatenate([observed.real, observed.imag])) / values[:, None])
        return solved[:len(self.psi)] + 1j * solved[len(self.psi):]

    def likelihood(self, order, w, observed):
        """(log marginal likelihood, s) of each of q measurements, the scale s at its best.   observed: (m, q)
        complex."""
        values, vectors = self.eigen(order, w)
        whitened = (vectors.T @ np.concatenate([observed.real, observed.imag])) ** 2 / values[:, None]
        scale = whitened.mean(axis=0)
        tiny = np.finfo(float).tiny
        return -0.5 * np.log(values).sum() - 0.5 * len(values) * np.log(scale + tiny), scale

    def between(self, sets, order, w):
        """Covariance (sets, 2m), sparse if the directions are, of T_r at real downweights with the
        observations, at s = 1."""
        h = sets.sparse(self.psi.shape[1])
        if isinstance(self.turned, np.ndarray):
            k = (h @ self.turned) ** order
            if w:
                k = k + w * (h.power(order) @ self.turned ** order)
            return np.concatenate([k.real, -k.imag], axis=1)
        k = (h @ self.turned).power(order)
        if w:
            k = k + w * (h.power(order) @ self.turned.power(order))
        return hstack([k.real, -k.imag], format="csr")

    def variance(self, sets, order, w):
        """(sets,): variance of T_r at real downweights given the observations, at s = 1."""
        before = sets.squares() ** order + w * sets.squares(order)
        values, vectors = self.eigen(order, w)
        explained = self.between(sets, order, w) @ vectors
        explained = (explained * explained) @ (1.0 / values)
        rounding = 1e-13 * before * len(values)
        return np.where(before - explained > rounding, before - explained, 0.0)
