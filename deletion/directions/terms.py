"""Sums over directions and units: the terms T_r(h) of thousands of deletion sets in one pass.

Every linear decoder ends in the same form. With s_j(h) = sum_i conj(psi_ij) h_i (the direction is
conjugated),

    T_r(h) = Re sum_j s_j(h)^r alpha_rj + sum_i h_i^r beta_ri                                      r = 1 .. p

where alpha holds what was measured along each direction, and beta what is known of each unit with itself.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from taylor.compiling import compiled


class Tables(NamedTuple):
    """What a linear decoder knows, laid out so that directions lie side by side in memory.

    real, imaginary   (units, directions): psi, unit by unit
    alpha             (2, p, values, directions): real and imaginary parts
    beta              (p, values, units)
    groups            (k + 1,): group g of directions is groups[g] to groups[g + 1]; sums are taken group by
                      group
    """
    real: np.ndarray
    imaginary: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, psi, alpha, beta=None, groups=None):
        """From psi (m, n), alpha (m, p, q) complex and beta (n, p, q) real, zero if left out."""
        m, p, q = alpha.shape
        # contiguous below, whatever the shape: each layout would be compiled for
        turned = np.moveaxis(alpha, 0, -1)
        beta = np.zeros((p, q, 0)) if beta is None else np.moveaxis(beta, 0, -1)
        return cls(np.ascontiguousarray(psi.real.T), np.ascontiguousarray(psi.imag.T),
                   np.ascontiguousarray(np.stack([turned.real, turned.imag])), np.ascontiguousarray(beta),
                   np.array([0, m] if groups is None else groups))


# Sums may be reordered into vector lanes; NaN and infinity keep their meaning.
@compiled(lambda *types: ("the sums over directions", "a few seconds"),
          fastmath={"reassoc", "contract", "nsz", "arcp"})
def add_terms(sets, tables, terms, squares):
    """terms[k, g, r, q] += T of order r + 1 from group g;   squares[k, q] += sum over directions of (Re sum_r
    s^r alpha_r)^2.

    terms   (sets, groups, p, values);   squares   (sets, values), or (0, 0) where nobody asks
    """
    m, (p, values) = tables.real.shape[1], terms.shape[2:]
    s_re, s_im, power_re, power_im = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    each = np.empty((len(squares) and values, m))
    for k in range(len(sets.starts) - 1):
        s_re[:], s_im[:], each[:] = 0.0, 0.0, 0.0
        for at in range(sets.starts[k], sets.starts[k + 1]):
            h, re, im = sets.values[at], tables.real[sets.units[at]], tables.imaginary[sets.units[at]]
            for j in range(m):
                s_re[j] += h * re[j]
                s_im[j] -= h * im[j]
        power_re[:], power_im[:] = s_re, s_im
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
                power_re[j], power_im[j] = power_re[j] * s_re[j] - power_im[j] * s_im[j], power_re[j] * s_im[
                    j] + power_im[j] * s_re[j]
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
    """(terms (sets, groups, p, values), squares (sets, values) or None): see add_terms. Sets are shared out
    among threads."""
    p, values = tables.alpha.shape[1:3]
    found = np.zeros((len(sets), len(tables.groups) - 1, p, values))
    squares = np.zeros((len(sets), values) if spread else (0, 0))
    count = max(1, min(threads or os.cpu_count(), len(sets) // 64))      # a few sets are not worth a thread
    ends = np.linspace(0, len(sets), count + 1).astype(int)
    parts = [(sets.some(a, b), tables, found[a:b], squares[a:b]) for a, b in zip(ends, ends[1:])]
    if count == 1:
        add_terms(*parts[0])
    else:
        add_terms(sets.some(0, 0), tables, found[:0], squares[:0])      # compiles once, before threads do
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(add_terms, *zip(*parts)))
    return found, squares if spread else None
