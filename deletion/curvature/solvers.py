"""Solving (C + damping I) x = b for several right-hand sides, C being a curvature: a symmetric matrix, or a
function of vectors.

    cholesky   dense and exact: the matrix is assembled by products with the identity where it is not given
    cg         conjugate gradients, all right-hand sides side by side: products cost least in blocks of 16
    lissa      x_{j+1} = b + (I - (C + damping I) / scale) x_j, a Neumann series: x_j / scale tends to the
               solution wherever the eigenvalues lie strictly between 0 and 2 scale

damping is on the scale of sums everywhere: it is added to the curvature of the sum of losses, not of their
mean. A damping of the mean is n times smaller. A system that cannot be solved is refused, with the number
that shows why. Residuals are calculated anew from the solution.
"""
from dataclasses import dataclass
from typing import Callable, Optional, Union

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh, solve_triangular
from scipy.linalg.lapack import dpocon

from circuit.blas import linear_algebra, one_blas_thread

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import one_of, real_array, real_number, whole_number
from .eigenvalues import largest_eigenvalue

SOLVERS = ("cholesky", "cg", "lissa")

NO_CURVATURE = 1e-14
"""Curvature along a direction that is no more than this share of the largest met is zero, to rounding."""

DRIFT = 10.0
"""The recalculated residual may exceed the tolerance by this factor: the recursion's own residual drifts away
from it by rounding."""

ADVICE = "give (more) damping, or use curvature='gauss-newton', which is never negative"


@dataclass(frozen=True)
class Solution:
    """Solutions of k linear systems.

    Attributes
    ----------
    x : (k, parameters) array
        The solutions, one a row.
    residual : (k,) array
        |b - (C + damping I) x| / |b|, and 0 where b = 0.
    iterations : int
        Iterations taken; 0 of a direct solver.

    Examples
    --------
    >>> from deletion.influence import solve
    >>> solution = solve([[4.0]], [[2.0]])
    >>> print(solution.x, solution.iterations)
    [[0.5]] 0
    """
    x: np.ndarray
    residual: np.ndarray
    iterations: int


@dataclass(frozen=True)
class Options:
    """When an iterative solver stops, and LiSSA's scale; see `solve`."""
    tolerance: float = 1e-10
    limit: int = 1000
    scale: Optional[float] = None

    def __post_init__(self):
        real_number(self.tolerance, "a solver's tolerance", above=0.0, below=1.0)
        whole_number(self.limit, "a solver's limit", 1)
        if self.scale is not None:
            real_number(self.scale, "LiSSA's scale", above=0.0)


def solve(curvature: Union[ArrayLike, Callable], b: ArrayLike, damping: float = 0.0, *,
          solver: str = "cholesky", tolerance: float = 1e-10, limit: int = 1000,
          scale: Optional[float] = None) -> Solution:
    """Solve (C + damping I) x = b for several right-hand sides.

    Parameters
    ----------
    curvature : (parameters, parameters) array_like, or Callable
        C: a symmetric matrix; or a function that returns the products (k, parameters) of C with k real
        vectors (k, parameters).
    b : (k, parameters) array_like
        The right-hand sides, one a row.
    damping : float
        Added to every eigenvalue of C, >= 0: on C's own scale, which is that of sums in this library.
    solver : str
        "cholesky", "cg" or "lissa".
    tolerance : float
        Of iterative solvers: the relative residual at which a right-hand side counts as solved. A large one
        is LiSSA truncated early.
    limit : int
        Of iterative solvers: the largest number of products with each vector.
    scale : float, optional
        Of LiSSA: at least half of the largest eigenvalue of C + damping I. Default: that eigenvalue.

    Returns
    -------
    Solution
        The solutions with their residuals.

    Raises
    ------
    DoesNotApply
        If C + damping I is not positive definite, or an iterative solver ends above its tolerance.
    LearnerError
        If shapes do not fit, or C is not symmetric.

    Examples
    --------
    >>> from deletion.influence import solve
    >>> print(solve([[2.0, 0.0], [0.0, 4.0]], [[1.0, 1.0]], 1.0, solver="cg").x.round(6))
    [[0.333333 0.2     ]]
    """
    b, damping = real_array(b, "right-hand sides"), real_number(damping, "damping", low=0.0)
    options = Options(tolerance, limit, scale)
    if b.ndim != 2 or not b.size:
        raise LearnerError(f"right-hand sides: expected shape (k, parameters), one a row, got {b.shape}")
    one_of(solver, "solver", SOLVERS)
    with one_blas_thread(b.shape[1]):
        if solver == "cholesky":
            return directly(curvature, b, damping)
        return iteratively(curvature, b, damping, solver, options)


def directly(curvature, b, damping):
    """`solve` by a Cholesky factor."""
    size = b.shape[1]
    factor = Factor(curvature(np.eye(size)) if callable(curvature) else curvature, damping, size=size)
    x = factor.solve(b)
    return Solution(x, residuals(lambda v: v @ factor.matrix, b, x), 0)


def iteratively(curvature, b, damping, solver, options):
    """`solve` by conjugate gradients or LiSSA."""
    product = damped_product(curvature, b.shape[1], damping)
    if solver == "cg":
        x, iterations = conjugate_gradients(product, b, options)
    else:
        x, iterations = lissa(product, b, options)
    residual = residuals(product, b, x)
    if not (residual <= DRIFT * options.tolerance).all():
        raise DoesNotApply(f"{solver} ends with a relative residual of {residual.max():.2g}, above the "
                           f"tolerance {options.tolerance:g}: the curvature is nearly singular; {ADVICE}, or "
                           "use a larger tolerance")
    return Solution(x, residual, iterations)


def damped_product(curvature, size, damping):
    """The function v -> (C + damping I) v of vectors (k, size), which checks what C's function returns."""
    if not callable(curvature):
        matrix = damped(curvature, size, damping)
        return lambda v: v @ matrix

    def product(v):
        products = real_array(curvature(v), "a curvature's products")
        if products.shape != v.shape:
            raise LearnerError("a curvature's products: expected the shape of its vectors, "
                               f"{v.shape}, got {products.shape}")
        return products + damping * v
    return product


def damped(matrix, size, damping):
    """C + damping I as a matrix, symmetric to the bit."""
    matrix = real_array(matrix, "a curvature matrix")
    if matrix.shape != (size, size):
        raise LearnerError(f"a curvature matrix: expected shape ({size}, {size}), as the right-hand sides "
                           f"are long, got {matrix.shape}")
    asymmetry = np.abs(matrix - matrix.T).max()
    if asymmetry > 1e-8 * np.abs(matrix).max():
        raise LearnerError("a curvature matrix: expected a symmetric one, got one that differs from its "
                           f"transpose by {asymmetry:.3g}")
    matrix = 0.5 * (matrix + matrix.T)
    matrix[np.diag_indices(size)] += damping
    return matrix


def residuals(product, b, x):
    """(k,): |b - (C + damping I) x| / |b|."""
    size = norms(b)
    return norms(b - product(x)) / np.where(size > 0, size, 1.0)


def norms(rows):
    """(k,): Euclidean norms of rows."""
    return np.linalg.norm(rows, axis=1)


def dots(a, b):
    """(k,): inner products of rows."""
    return np.einsum("ij,ij->i", a, b)


# three ways -------------------------------------------------------------------------------------------------

class Factor:
    """C + damping I = L L^T by Cholesky: the one way in which this library factors a dense curvature.

    matrix    C + damping I, symmetric to the bit
    name      what messages call C;   advice: what they tell the user to do

    Raises DoesNotApply where the matrix is indefinite, or singular to rounding.
    """

    def __init__(self, curvature, damping=0.0, name="the curvature", advice=ADVICE, size=None):
        self.matrix = damped(curvature, len(curvature) if size is None else size, damping)
        rows = len(self.matrix)
        try:
            with linear_algebra(f"factor a matrix of {rows} x {rows}", rows):
                self.lower = cho_factor(self.matrix, lower=True)[0]
            reciprocal_condition = dpocon(self.lower, np.abs(self.matrix).sum(axis=0).max(), uplo="L")[0]
            definite = reciprocal_condition > rows * np.finfo(float).eps
        except LinAlgError:
            definite = False
        if not definite:
            values = eigvalsh(self.matrix)
            raise DoesNotApply(f"{name} is not positive definite: with damping {damping:g}, the smallest "
                               f"eigenvalue is {values[0]:.3g}, the largest {values[-1]:.3g}; {advice}")

    def solve(self, b):
        """(C + damping I)^-1 of one vector (size,), or of rows (k, size)."""
        return cho_solve((self.lower, True), b.T, check_finite=False).T

    def whiten(self, gradient):
        """L^-1 of one vector, or of the columns of a matrix."""
        return solve_triangular(self.lower, gradient, lower=True, check_finite=False)

    def unwhiten(self, z):
        """L^-T of one vector, or of the columns of a matrix."""
        return solve_triangular(self.lower, z, lower=True, trans="T", check_finite=False)


def conjugate_gradients(product, b, options):
    """(x, iterations): conjugate gradients for every row of b; rows that are solved are left out of the
    products."""
    x, r, p = np.zeros_like(b), b.copy(), b.copy()
    squares, largest = dots(b, b), 0.0
    enough = options.tolerance ** 2 * squares
    for iteration in range(options.limit + 1):
        active = np.flatnonzero(squares > enough)
        if not len(active):
            return x, iteration
        if iteration == options.limit:
            break
        q = product(p[active])
        curvature = dots(p[active], q) / dots(p[active], p[active])
        largest = max(largest, curvature.max())
        if not (curvature > NO_CURVATURE * largest).all():
            raise DoesNotApply(f"conjugate gradients met the curvature {curvature.min():.3g} in iteration "
                               f"{iteration + 1}, where the largest is {largest:.3g}: the curvature is not "
                               f"positive definite; {ADVICE}")
        length = (squares[active] / dots(p[active], q))[:, None]
        x[active] += length * p[active]
        r[active] -= length * q
        before, squares[active] = squares[active], dots(r[active], r[active])
        p[active] = r[active] + (squares[active] / before)[:, None] * p[active]
    raise unfinished("conjugate gradients", options, np.sqrt(squares[active] / dots(b[active], b[active])))


def lissa(product, b, options):
    """(x, iterations): what one iteration adds to x_j is the residual, which never grows while all
    eigenvalues lie between 0 and 2 scale."""
    scale = largest_eigenvalue(product, b.shape[1]) if options.scale is None else options.scale
    if not scale:
        raise DoesNotApply(f"the curvature is zero; {ADVICE}")
    x, size = b.copy(), np.where(norms(b) > 0, norms(b), 1.0)
    least = np.full(len(b), np.inf)
    for iteration in range(options.limit):
        r = b - product(x) / scale
        residual = norms(r) / size
        if residual.max() <= options.tolerance:
            return x / scale, iteration + 1
        least = np.minimum(least, residual)
        if not (residual <= 2.0 * least).all():
            raise diverging(product, r[np.argmax(residual)], residual.max(), iteration, scale)
        x += r
    raise unfinished("LiSSA", options, residual)


def diverging(product, worst, residual, iteration, scale):
    """What to raise where LiSSA's residual grows; the curvature along it tells why."""
    curvature = float(worst @ product(worst[None])[0] / (worst @ worst))
    reason = (f"is negative; {ADVICE}" if curvature < 0
              else f"is more than twice the scale {scale:.3g}: give a larger scale, or none")
    return DoesNotApply(f"LiSSA diverges: its residual has grown to {residual:.2g} by iteration "
                        f"{iteration + 1}, along a direction of curvature {curvature:.3g}, which {reason}")


def unfinished(name, options, residual):
    """What to raise where an iterative solver has reached its limit."""
    return DoesNotApply(f"{name} did not converge: after {options.limit} iterations the relative residual is "
                        f"{residual.max():.2g}, above the tolerance {options.tolerance:g}; give more "
                        "damping, a higher limit or a larger tolerance")
