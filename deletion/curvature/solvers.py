"""Solving (C + damping I) x = b for several right-hand sides, C being a curvature: a symmetric matrix, or a
function of vectors.

    cholesky   dense and exact: the matrix is assembled by products with the identity where it is not given
    cg         conjugate gradients, all right-hand sides side by side: products cost least in blocks of 16
    lissa      x_{j+1} = b + (I - (C + damping I) / scale) x_j, a Neumann series: x_j / scale tends to the
               solution wherever the eigenvalues lie strictly between 0 and 2 scale

What cannot be solved is refused, with the number that shows why; residuals are calculated anew from the
solution.
"""
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh
from scipy.linalg.lapack import dpocon

from circuit.blas import linear_algebra, one_blas_thread

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import one_of, real_array, real_number, whole_number

SOLVERS = ("cholesky", "cg", "lissa")

POWER_STEPS = 20
"""Power iterations for the largest eigenvalue, on 16 vectors at once. An estimate below half of it would be
too small for LiSSA."""

FLAT = 1e-14
"""Curvature along a direction that is no more than this share of the largest met is zero, to rounding."""

ADVICE = "give (more) damping, or use curvature='gauss-newton', which is never negative"


@dataclass(frozen=True)
class Solution:
    """x (k, parameters);   residual (k,): |b - (C + damping I) x| / |b|, 0 where b = 0;   iterations: 0 of a
                            direct solver."""
    x: np.ndarray
    residual: np.ndarray
    iterations: int


def checked_options(tolerance=1e-10, limit=1000, scale=None):
    """The options of iterative solvers; see `solve`."""
    return {"tolerance": real_number(tolerance, "a solver's tolerance", above=0.0, below=1.0),
            "limit": whole_number(limit, "a solver's limit", 1),
            "scale": None if scale is None else real_number(scale, "LiSSA's scale", above=0.0)}


def solve(curvature, b, damping=0.0, *, solver="cholesky", tolerance=1e-10, limit=1000, scale=None):
    """The Solution x of (C + damping I) x = b.

    curvature   C: a symmetric matrix (parameters, parameters), or a function (k, parameters) -> (k,
                parameters) of real vectors
    b           (k, parameters): one right-hand side a row
    solver      "cholesky", "cg" or "lissa"
    tolerance   of iterative solvers: the relative residual at which each right-hand side is solved. LiSSA
                truncated early is a large one
    limit       of iterative solvers: at most so many products with each vector
    scale       of LiSSA: at least half of the largest eigenvalue; default: that eigenvalue, by power
                iteration

    Raises DoesNotApply where C + damping I is not positive definite, and where an iterative solver ends above
    its tolerance.
    """
    b, damping = real_array(b, "right-hand sides"), real_number(damping, "damping", low=0.0)
    tolerance, limit, scale = checked_options(tolerance, limit, scale).values()
    if b.ndim != 2 or not b.size:
        raise LearnerError(f"right-hand sides are (k, parameters), one a row, not of shape {b.shape}")
    one_of(solver, "solver", SOLVERS)
    with one_blas_thread(b.shape[1]):
        return solved(curvature, b, damping, solver, tolerance, limit, scale)


def solved(curvature, b, damping, solver, tolerance, limit, scale):
    """`solve`, of what was checked."""
    size, dense = b.shape[1], solver == "cholesky" or not callable(curvature)
    if dense:
        matrix = damped(curvature(np.eye(size)) if callable(curvature) else curvature, size, damping)

    def product(v):
        if dense:
            return v @ matrix
        found = real_array(curvature(v), "a curvature's products")
        if found.shape != v.shape:
            raise LearnerError(
                f"a curvature's products have the shape of its vectors, {v.shape}, not {found.shape}")
        return found + damping * v

    if solver == "cholesky":
        return solution(product, b, cholesky(matrix, b), 0)
    if solver == "cg":
        found = solution(product, b, *conjugate_gradients(product, b, tolerance, limit))
    else:
        found = solution(product, b, *lissa(product, b, tolerance, limit,
                                            largest(product, size) if scale is None else scale))
    # what the recursion says and what is true drift apart by rounding
    if not (found.residual <= 10.0 * tolerance).all():
        raise DoesNotApply(f"{solver} ends with a relative residual of {found.residual.max():.2g} where "
                           f"{tolerance:g} was asked for: the "
                           f"curvature is nearly singular; {ADVICE}, or ask for less")
    return found


def damped(matrix, size, damping):
    """C + damping I as a matrix, symmetric to the bit."""
    matrix = real_array(matrix, "a curvature matrix")
    if matrix.shape != (size, size):
        raise LearnerError(
            f"a curvature matrix is ({size}, {size}), as the right-hand sides are long, not {matrix.shape}")
    if np.abs(matrix - matrix.T).max() > 1e-8 * np.abs(matrix).max():
        raise LearnerError("a curvature matrix is symmetric: this one and its transpose differ by "
                           f"{np.abs(matrix - matrix.T).max():.3g}")
    matrix = 0.5 * (matrix + matrix.T)
    matrix[np.diag_indices(size)] += damping
    return matrix


def solution(product, b, x, iterations):
    """A Solution with its residuals as they are."""
    size = norms(b)
    return Solution(x, norms(b - product(x)) / np.where(size > 0, size, 1.0), iterations)


def norms(rows):
    return np.linalg.norm(rows, axis=1)


def dots(a, b):
    return np.einsum("ij,ij->i", a, b)


# three ways -------------------------------------------------------------------------------------------------

def cholesky(matrix, b):
    """x by a Cholesky factor; refused where the matrix is indefinite, or singular to rounding."""
    try:
        with linear_algebra(f"factor a matrix of {len(matrix)} x {len(matrix)}", len(matrix)):
            factor = cho_factor(matrix)
        known = dpocon(factor[0], np.abs(matrix).sum(axis=0).max())[0] > len(matrix) * np.finfo(float).eps
    except LinAlgError:
        known = False
    if not known:
        values = eigvalsh(matrix)
        raise DoesNotApply("the curvature is not positive definite: with its damping, the smallest "
                           f"eigenvalue is {values[0]:.3g}, the " f"largest {values[-1]:.3g}; {ADVICE}")
    return cho_solve(factor, b.T).T


def conjugate_gradients(product, b, tolerance, limit):
    """(x, iterations): conjugate gradients for every row of b, those that are solved left out of the
    products."""
    x, r, p, steepest = np.zeros_like(b), b.copy(), b.copy(), 0.0
    squares, wanted = dots(b, b), tolerance ** 2 * dots(b, b)
    for iteration in range(limit + 1):
        at = np.flatnonzero(squares > wanted)
        if not len(at):
            return x, iteration
        if iteration == limit:
            break
        q = product(p[at])
        curvature = dots(p[at], q) / dots(p[at], p[at])
        steepest = max(steepest, curvature.max())
        if not (curvature > FLAT * steepest).all():
            raise DoesNotApply(f"conjugate gradients met the curvature {curvature.min():.3g} in iteration "
                               f"{iteration + 1}, where {steepest:.3g} "
                               f"is the largest: it is not positive definite; {ADVICE}")
        length = (squares[at] / dots(p[at], q))[:, None]
        x[at] += length * p[at]
        r[at] -= length * q
        before, squares[at] = squares[at], dots(r[at], r[at])
        p[at] = r[at] + (squares[at] / before)[:, None] * p[at]
    raise unfinished("conjugate gradients", limit, np.sqrt(squares[at] / dots(b[at], b[at])), tolerance)


def lissa(product, b, tolerance, limit, scale):
    """(x, iterations): what one iteration adds to x_j is the residual, which never grows while all
    eigenvalues are right."""
    x, size = b.copy(), np.where(norms(b) > 0, norms(b), 1.0)
    least = np.full(len(b), np.inf)
    for iteration in range(limit):
        r = b - product(x) / scale
        residual = norms(r) / size
        if residual.max() <= tolerance:
            return x / scale, iteration + 1
        least = np.minimum(least, residual)
        if not (residual <= 2.0 * least).all():
            worst = r[np.argmax(residual)]
            rayleigh = float(worst @ product(worst[None])[0] / (worst @ worst))
            raise DoesNotApply(f"LiSSA diverges: its residual has grown to {residual.max():.2g} by "
                               f"iteration {iteration + 1}, " "along " "a " "direction of curvature "
                               f"{rayleigh:.3g}, " "which "
                               + (f"is negative; {ADVICE}" if rayleigh < 0
                                  else f"is more than twice the scale {scale:.3g}: give a larger scale, or "
                                  "none"))
        x += r
    raise unfinished("LiSSA", limit, residual, tolerance)


def largest(product, size):
    """The largest eigenvalue in modulus, from below, by power iteration on up to 16 vectors."""
    v = np.random.default_rng(0).normal(size=(min(16, size), size))
    for _ in range(POWER_STEPS):
        v /= norms(v)[:, None]
        v = product(v)
        if not norms(v).all():
            raise DoesNotApply(f"the curvature is zero along some direction; {ADVICE}")
    return float(norms(v).max())


def unfinished(name, limit, residual, tolerance):
    return DoesNotApply(f"{name} did not converge: after {limit} iterations the relative residual is "
                        f"{residual.max():.2g}, not "
                        f"{tolerance:g}; give more damping, a higher limit or a larger tolerance")
