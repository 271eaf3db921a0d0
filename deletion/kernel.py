"""The prior of kernel least squares: how alike the terms T_r are at two points, and what follows for a set of directions.

T_r is a homogeneous polynomial of degree r with real coefficients. As a random one,

    E[T_r(x) conj T_r(y)] = s_r kappa(x, y),    kappa(x, y) = (sum_i x_i conj y_i)^r + w sum_i (x_i conj y_i)^r

isotropic in the Frobenius norm, and units with themselves w times more. One complex number is known at each direction, and its
conjugate at the conjugate direction: 2 m real observations, first the real parts, then the imaginary ones.
"""
import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_array

CUTOFF = 1e-13
"""Eigenvalues below this share of the largest are rounding: what they belong to is not known."""


class Kernel:
    """Gram matrices of the observations along directions psi (m, n), by order r and self-weight w."""

    def __init__(self, psi):
        self.psi, self._eigen = psi, {}

    def eigen(self, order, w):
        """(kept eigenvalues (k,), eigenvectors (2m, k)) of the real Gram matrix."""
        if (order, w) not in self._eigen:
            values, vectors = eigh(self._gram(order, w), driver="evd", overwrite_a=True)
            kept = values > CUTOFF * values[-1]
            self._eigen[order, w] = values[kept], np.ascontiguousarray(vectors[:, kept])
        return self._eigen[order, w]

    def _gram(self, order, w):
        psi, powers = self.psi, self.psi ** order
        straight, crossed = (psi @ psi.conj().T) ** order, (psi @ psi.T) ** order
        if w:
            straight, crossed = straight + w * (powers @ powers.conj().T), crossed + w * (powers @ powers.T)
        corner = 0.5 * (crossed - straight).imag
        return np.block([[0.5 * (straight + crossed).real, corner], [corner.T, 0.5 * (straight - crossed).real]])

    def condition(self, order, w):
        """Largest over smallest kept eigenvalue."""
        values = self.eigen(order, w)[0]
        return values[-1] / values[0]

    def solve(self, order, w, observed):
        """K^+ observed, for observations (m, q) complex, as complex (m, q): real observations in the real part."""
        values, vectors = self.eigen(order, w)
        solved = vectors @ ((vectors.T @ np.concatenate([observed.real, observed.imag])) / values[:, None])
        return solved[:len(self.psi)] + 1j * solved[len(self.psi):]

    def likelihood(self, order, w, observed):
        """(log marginal likelihood, s) of each of q measurements, the scale s at its best.   observed: (m, q) complex."""
        values, vectors = self.eigen(order, w)
        whitened = (vectors.T @ np.concatenate([observed.real, observed.imag])) ** 2 / values[:, None]
        scale = whitened.mean(axis=0)
        tiny = np.finfo(float).tiny
        return -0.5 * np.log(values).sum() - 0.5 * len(values) * np.log(scale + tiny), scale

    def between(self, sets, order, w):
        """Covariance (sets, 2m) of T_r at real downweights with the observations, at s = 1.   sets: Sets."""
        h = csr_array((sets.values, sets.units, sets.starts), shape=(len(sets), self.psi.shape[1]))
        k = (h @ self.psi.conj().T) ** order
        if w:
            k = k + w * (h.power(order) @ self.psi.conj().T ** order)
        return np.concatenate([k.real, -k.imag], axis=1)

    def variance(self, sets, order, w):
        """(sets,): variance of T_r at real downweights given the observations, at s = 1."""
        squares = sets.squares()
        before = squares ** order + w * sets.squares(order)
        values, vectors = self.eigen(order, w)
        explained = np.square(self.between(sets, order, w) @ (vectors / np.sqrt(values))).sum(axis=1)
        rounding = 1e-13 * before * len(values)
        return np.where(before - explained > rounding, before - explained, 0.0)
