"""The prior of kernel least squares: the covariance of the terms T_r at two points, and the Gram matrices
that follow for a set of directions.

T_r is a homogeneous polynomial of degree r with real coefficients. The prior takes it as random, with

    E[T_r(x) conj T_r(y)] = s_r kappa(x, y)
    kappa(x, y) = (sum_i x_i conj y_i)^r + w sum_i (x_i conj y_i)^r

The first part is isotropic in the Frobenius norm; the second adds w times as much variance to the interaction
of each unit with itself. One complex number is observed at each direction, and therefore its conjugate at the
conjugate direction. That makes 2 m real observations: first the real parts, then the imaginary parts.
"""
from functools import cached_property

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import coo_array, csc_array, csr_array, hstack
from scipy.sparse.csgraph import connected_components

from circuit.blas import linear_algebra

CUTOFF = 1e-13
"""Eigenvalues below this share of the largest are rounding errors, whose eigenvectors say nothing."""

SPARSE = 0.1
"""Directions with a smaller share of nonzero entries are stored as a sparse matrix."""


class Kernel:
    """Gram matrices of the observations along directions psi (m, n), by order r and self-weight w.

    Directions with disjoint units are uncorrelated, so that the Gram matrix is block diagonal, with one block
    for every connected group of directions.
    """

    def __init__(self, psi):
        self.psi, self._eigen = psi, {}
        self.adjoint = psi.conj().T      # (n, m), sparse if that is faster
        if np.count_nonzero(psi) < SPARSE * psi.size:
            self.adjoint = csr_array(self.adjoint)

    @cached_property
    def groups(self):
        """The connected groups of directions that share units, each an array of indices."""
        shared = abs(csr_array(self.adjoint.T)) @ abs(csr_array(self.adjoint))
        _, label = connected_components(shared, directed=False)
        return np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1])

    @cached_property
    def rows(self):
        """The number of rows of the largest matrix that is decomposed."""
        return 2 * max(len(group) for group in self.groups)

    def eigen(self, order, w):
        """The eigenvalues kept (k,) and the eigenvectors (2m, k) of the real Gram matrix.

        The eigenvectors are sparse if there are several groups.
        """
        if (order, w) not in self._eigen:
            with linear_algebra(f"decompose a matrix of {self.rows} x {self.rows}", self.rows):
                by_group = [eigh(self._gram(self.psi[group], order, w), driver="evd", overwrite_a=True)
                            for group in self.groups]
            values = np.concatenate([values for values, _ in by_group])
            kept = values > CUTOFF * values.max()
            vectors = [vectors for _, vectors in by_group]
            vectors = vectors[0] if len(vectors) == 1 else self._block_diagonal(vectors)
            self._eigen[order, w] = values[kept], vectors[:, kept]
        return self._eigen[order, w]

    def _block_diagonal(self, vectors):
        """The groups' eigenvectors as columns of one sparse matrix.

        The rows of a group are its real observations, then its imaginary ones.
        """
        rows = [np.concatenate([group, group + len(self.psi)]) for group in self.groups]
        ends = np.cumsum([0] + [len(r) for r in rows])
        row = np.concatenate([np.repeat(r, len(r)) for r in rows])
        column = np.concatenate([np.tile(np.arange(a, b), b - a) for a, b in zip(ends, ends[1:])])
        entries = np.concatenate([v.ravel() for v in vectors])
        return csc_array(coo_array((entries, (row, column)), shape=(ends[-1], ends[-1])))

    @staticmethod
    def _gram(psi, order, w):
        """The real Gram matrix (2m, 2m) of the observations along directions psi, at s = 1."""
        powers = psi ** order
        straight, crossed = (psi @ psi.conj().T) ** order, (psi @ psi.T) ** order
        if w:
            straight, crossed = straight + w * (powers @ powers.conj().T), crossed + w * (powers @ powers.T)
        corner = 0.5 * (crossed - straight).imag
        return np.block([[0.5 * (straight + crossed).real, corner],
                         [corner.T, 0.5 * (straight - crossed).real]])

    def condition(self, order, w):
        """The largest over the smallest eigenvalue kept."""
        values = self.eigen(order, w)[0]
        return values.max() / values.min()      # several groups' eigenvalues are not sorted together

    def solve(self, order, w, observed):
        """K^+ observed, complex (m, q), for complex observations (m, q)."""
        values, vectors = self.eigen(order, w)
        solved = vectors @ ((vectors.T @ np.concatenate([observed.real, observed.imag])) / values[:, None])
        return solved[:len(self.psi)] + 1j * solved[len(self.psi):]

    def likelihood(self, order, w, observed):
        """The log marginal likelihood (q,) of observations (m, q), and the scale s (q,) that maximizes it."""
        values, vectors = self.eigen(order, w)
        whitened = (vectors.T @ np.concatenate([observed.real, observed.imag])) ** 2 / values[:, None]
        scale = whitened.mean(axis=0)
        tiny = np.finfo(float).tiny
        return -0.5 * np.log(values).sum() - 0.5 * len(values) * np.log(scale + tiny), scale

    def between(self, sets, order, w):
        """The covariance (sets, 2m) of T_r at real downweights with the observations, at s = 1.

        It is a sparse matrix if the directions are sparse.
        """
        h = sets.sparse(self.psi.shape[1])
        if isinstance(self.adjoint, np.ndarray):
            k = (h @ self.adjoint) ** order
            if w:
                k = k + w * (h.power(order) @ self.adjoint ** order)
            return np.concatenate([k.real, -k.imag], axis=1)
        k = (h @ self.adjoint).power(order)
        if w:
            k = k + w * (h.power(order) @ self.adjoint.power(order))
        return hstack([k.real, -k.imag], format="csr")

    def variance(self, sets, order, w):
        """The variance (sets,) of T_r at real downweights given the observations, at s = 1."""
        prior = sets.squares() ** order + w * sets.squares(order)
        values, vectors = self.eigen(order, w)
        explained = self.between(sets, order, w) @ vectors
        explained = (explained * explained) @ (1.0 / values)
        rounding = 1e-13 * prior * len(values)
        return np.where(prior - explained > rounding, prior - explained, 0.0)
