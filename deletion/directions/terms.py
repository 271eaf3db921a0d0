"""Sums over directions and units: the terms T_r(h) of thousands of deletion sets in one pass.

Every linear decoder has the same form. With s_j(h) = sum_i conj(psi_ij) h_i (the direction is
conjugated),

    T_r(h) = Re sum_j s_j(h)^r alpha_rj + sum_i h_i^r beta_ri                                      r = 1 .. p

where alpha comes from the coefficients along each direction, and beta from the interaction of each unit with
itself.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from taylor.compiling import compiled


def log_binomials(units, degree):
    """log C(units + r - 1, r) for r = 1 .. degree: the logarithms of the dimensions of symmetric tensors.

    C(units + r - 1, r) = Gamma(units + r) / (Gamma(r + 1) Gamma(units)), which overflows at moderate degrees.
    """
    orders = np.arange(1, degree + 1)
    return gammaln(units + orders) - gammaln(orders + 1.0) - gammaln(units)


class Tables(NamedTuple):
    """The coefficients of a linear decoder, laid out so that directions are adjacent in memory.

    real, imaginary   (units, directions): psi, unit by unit
    alpha             (2, p, values, directions): real and imaginary parts
    beta              (p, values, units)
    groups            (k + 1,): group g holds directions groups[g] to groups[g + 1] and has its own sum
    """
    real: np.ndarray
    imaginary: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, psi, alpha, beta=None, groups=None):
        """Tables from psi (m, n), alpha (m, p, q) complex and beta (n, p, q) real, by default zero."""
        m, p, q = alpha.shape
        alpha = np.moveaxis(alpha, 0, -1)
        beta = np.zeros((p, q, 0)) if beta is None else np.moveaxis(beta, 0, -1)
        # all contiguous: numba would compile add_terms again for every other layout
        return cls(np.ascontiguousarray(psi.real.T), np.ascontiguousarray(psi.imag.T),
                   np.ascontiguousarray(np.stack([alpha.real, alpha.imag])), np.ascontiguousarray(beta),
                   np.array([0, m] if groups is None else groups))


# The compiler may reorder sums into vector lanes; NaN and infinity keep their meaning.
@compiled(lambda *types: ("the sums over directions", "a few seconds"),
          fastmath={"reassoc", "contract", "nsz", "arcp"})
def add_terms(sets, tables, terms, squares):
    """Add the terms of every set to terms, and the squares of the directions' shares to squares.

    terms     (sets, groups, p, values): terms[k, g, r, q] += T of order r + 1 from group g
    squares   (sets, values): squares[k, q] += sum over directions of (Re sum_r s^r alpha_r)^2;
              (0, 0) if the squares are not needed
    """
    m, (p, values) = tables.real.shape[1], terms.shape[2:]
    s_re, s_im = np.empty(m), np.empty(m)
    power_re, power_im = np.empty(m), np.empty(m)
    each = np.empty((len(squares) and values, m))
    for k in range(len(sets.starts) - 1):
        s_re.fill(0.0)
        s_im.fill(0.0)
        each.fill(0.0)
        for at in range(sets.starts[k], sets.starts[k + 1]):
            h, re, im = sets.values[at], tables.real[sets.units[at]], tables.imaginary[sets.units[at]]
            for j in range(m):
                s_re[j] += h * re[j]
                s_im[j] -= h * im[j]
        for j in range(m):
            power_re[j], power_im[j] = s_re[j], s_im[j]
        for r in range(p):
            for q in range(values):
                alpha_re, alpha_im = tables.alpha[0, r, q], tables.alpha[1, r, q]
                for g in range(terms.shape[1]):
                    total = 0.0
                    for j in range(tables.groups[g], tables.groups[g + 1]):
                        total += power_re[j] * alpha_re[j] - power_im[j] * alpha_im[j]
                    terms[k, g, r, q] += total
                if len(squares):
                    for j in range(m):
                        each[q, j] += power_re[j] * alpha_re[j] - power_im[j] * alpha_im[j]
            for j in range(m):
                power_re[j], power_im[j] = (power_re[j] * s_re[j] - power_im[j] * s_im[j],
                                            power_re[j] * s_im[j] + power_im[j] * s_re[j])
        if tables.beta.shape[2]:
            for at in range(sets.starts[k], sets.starts[k + 1]):
                h, i = sets.values[at], sets.units[at]
                for r in range(p):
                    for q in range(values):
                        terms[k, 0, r, q] += h ** (r + 1) * tables.beta[r, q, i]
        for q in range(len(each)):
            for j in range(m):
                squares[k, q] += each[q, j] * each[q, j]


def terms(sets, tables, spread=False, threads=None):
    """Return (terms (sets, groups, p, values), squares (sets, values) or None), as in `add_terms`.

    The sets are divided among threads.
    """
    p, values = tables.alpha.shape[1:3]
    summed = np.zeros((len(sets), len(tables.groups) - 1, p, values))
    squares = np.zeros((len(sets), values) if spread else (0, 0))
    count = max(1, min(threads or os.cpu_count(), len(sets) // 64))      # a few sets are not worth a thread
    ends = np.linspace(0, len(sets), count + 1).astype(int)
    parts = [(sets.some(a, b), tables, summed[a:b], squares[a:b]) for a, b in zip(ends, ends[1:])]
    if count == 1:
        add_terms(*parts[0])
    else:
        add_terms(sets.some(0, 0), tables, summed[:0], squares[:0])      # compiles once, before threads run
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(add_terms, *zip(*parts)))
    return summed, squares if spread else None
