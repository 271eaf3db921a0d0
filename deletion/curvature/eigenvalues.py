"""The extreme eigenvalues of a curvature that is given by its products with vectors."""
import numpy as np
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import LinearOperator, eigsh

from circuit.blas import MAX_DENSE

FEW = 16
"""Rows up to which the largest eigenvalue alone is taken from the matrix: Lanczos iteration would need no
fewer products."""

ROUNDING = 1e-13
"""A smallest eigenvalue that is no more than this share of the largest is zero, to rounding."""

TOLERANCE = 1e-3
"""Relative, of Lanczos iteration. Rates, steps and scales follow from these eigenvalues, with a margin of
several per cent."""


def largest_eigenvalue(product, size):
    """The largest eigenvalue in modulus of a symmetric matrix (size, size); 0 where products vanish.

    product   (k, size) vectors -> (k, size) products
    """
    return float(np.abs(extremes(product, size, FEW, 1, "LM")).max())


def eigenvalue_range(product, size):
    """(smallest, largest) eigenvalue of a symmetric matrix (size, size); as `largest_eigenvalue`."""
    values = extremes(product, size, MAX_DENSE, 2, "BE")
    low, high = float(values.min()), float(values.max())
    return 0.0 if abs(low) < ROUNDING * abs(high) else low, high


def extremes(product, size, dense, count, which):
    """Eigenvalues, the extreme ones among them: all of them from a matrix up to `dense` rows, beyond that
    `count` by Lanczos iteration."""
    if size <= dense:
        matrix = product(np.eye(size))
        return eigvalsh(0.5 * (matrix + matrix.T))
    operator = LinearOperator((size, size), dtype=float, matvec=lambda v: product(v.reshape(1, -1))[0])
    # along no direction that a model may leave flat on purpose
    start = np.random.default_rng(0).normal(size=size)
    if not operator.matvec(start).any():
        return np.zeros(1)
    return eigsh(operator, count, which=which, tol=TOLERANCE, v0=start, return_eigenvectors=False)
