"""The training objective as a function of the parameters: sums of losses, their gradients, and products with
their curvature.

    R(theta) = sum_i w_i l_i(theta) + n r(theta)          a sum over n examples, not a mean

The regulariser r is multiplied by n because a learner adds r to the mean of its losses; no deletion rescales
it. Without weights each example counts once, however often the schedule visits it: a training that visits
some examples more often than others minimises another sum, and an example that training never visits has a
gradient here although its deletion changes nothing.

Second derivatives are pushes of the recorded gradient: along theta + t v its first Taylor coefficient is H v,
and a complex direction carries two real vectors. The Gauss-Newton matrix G = sum_i w_i J_i^T (grad^2_out l_i)
J_i + n grad^2 r needs the loss in two parts, a ModelLoss.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Optional

import numpy as np
from numpy.typing import ArrayLike

from circuit import DomainError, evaluate
from circuit.blas import one_blas_thread
from circuit.progress import Progress

from circuit.errors import LearnerError
from circuit.checks import checked_learner, one_of, real_array
from circuit.renamed import warn_renamed
from .circuits import ObjectiveCircuits, blocks
from .model_loss import ModelLoss  # noqa: F401   this is its import path since version 0.1
from .shared import once

if TYPE_CHECKING:
    from ..learner.learner import Learner

CURVATURES = ("hessian", "gauss-newton")

LARGE = 10_000
"""Steps times parameters of a product beyond which it takes longer than starting a thread."""

PIECES = 4
"""A single large product is a sum over so many groups of examples, which threads calculate side by side. The
number does not depend on the machine, so that the sum's bits do not either."""

FEW = 0.5
"""Share of the steps of a product up to which the curvature of the examples that lost weight is subtracted
from that of all: beyond, it takes longer than adding up what is left."""

KEPT = 1 << 28
"""Bytes of the largest curvature matrix that an Objective keeps."""


def objective_of(learner: "Learner") -> "Objective":
    """Return the Objective of a learner. It is recorded once and kept with the learner."""
    if "objective" not in checked_learner(learner)._kept:
        learner._kept["objective"] = Objective(learner)
    return learner._kept["objective"]


class Objective:
    """The sum of a learner's losses and its regulariser, R(theta) = sum_i w_i l_i(theta) + n r(theta).

    Weights are one per example; without them every weight is 1.

    Parameters
    ----------
    learner : Learner
        The learner whose losses and regulariser are summed.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, Objective
    >>> x, y = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 2.0])
    >>> learner = Learner(np.zeros(1), list(zip(x, y)), lambda w, x, y: (x @ w - y) ** 2 * 0.5, SGD(0.1),
    ...                   np.tile([0, 1, 2], (100, 1)))
    >>> objective = Objective(learner)
    >>> print(objective.gradient([1.0]), objective.matrix([1.0]))
    [3.] [[14.]]
    """

    def __init__(self, learner: "Learner"):
        self.learner = checked_learner(learner)
        self.size, self.count = learner.layout.size, learner.example_count
        self._circuits = ObjectiveCircuits(learner)
        self.kinds, self.batched = self._circuits.kinds, self._circuits.batched
        self._kept = {}      # {curvature: the matrix of all examples at the parameters as trained}

    # one evaluation at a time -------------------------------------------------------------------------------

    def value(self, theta: ArrayLike, weights: Optional[ArrayLike] = None) -> float:
        """Compute R(theta).

        Parameters
        ----------
        theta : (parameters,) array_like
        weights : (examples,) array_like, optional

        Returns
        -------
        float
        """
        total = self.losses(theta) @ one_each(weights, self.count)
        penalty = self._circuits.penalty
        return float(total + evaluate(penalty, [theta])[0] if penalty else total)

    def losses(self, theta: ArrayLike) -> np.ndarray:
        """Compute each example's loss, without weights and regulariser.

        Parameters
        ----------
        theta : (parameters,) array_like

        Returns
        -------
        (examples,) array
        """
        return each(self._circuits, flat(theta, self.size), 0)

    def gradients(self, theta: ArrayLike) -> np.ndarray:
        """Compute the gradient of each example's loss, without weights and regulariser.

        Parameters
        ----------
        theta : (parameters,) array_like

        Returns
        -------
        (examples, parameters) array
        """
        return each(self._circuits, flat(theta, self.size), 1)

    def gradient(self, theta: ArrayLike, weights: Optional[ArrayLike] = None, *,
                 regularizer: bool = True) -> np.ndarray:
        """Compute grad R(theta).

        Parameters
        ----------
        theta, weights, regularizer :
            As for `value_and_gradient`.

        Returns
        -------
        (parameters,) array
        """
        return self.value_and_gradient(theta, weights, regularizer=regularizer)[1]

    @one_blas_thread()
    def value_and_gradient(self, theta: ArrayLike, weights: Optional[ArrayLike] = None, *,
                           regularizer: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Compute R and grad R by one evaluation.

        Parameters
        ----------
        theta : (parameters,) or (b, parameters) array_like
            The parameters; or b of them, evaluated side by side.
        weights : (examples,) array_like, optional
            The examples' weights; ones by default.
        regularizer : bool
            Whether n r is part of R.

        Returns
        -------
        tuple of arrays
            R, () or (b,), and grad R, of theta's shape.
        """
        theta, weights = real_array(theta, "parameters"), one_each(weights, self.count)
        if theta.ndim == 2 and not self.batched:      # the batch axis is taken by the examples
            values, slopes = zip(*(self.value_and_gradient(row, weights, regularizer=regularizer)
                                   for row in theta))
            return np.array(values), np.array(slopes)
        flat(theta[0] if theta.ndim == 2 and len(theta) else theta, self.size)
        return summed(self._circuits, theta, weights, regularizer)

    def slope(self, theta: ArrayLike, weights: Optional[ArrayLike] = None, **options: bool) -> tuple:
        """Former name of `value_and_gradient`.

        Parameters
        ----------
        theta, weights, **options :
            As for `value_and_gradient`.

        Returns
        -------
        tuple of arrays
        """
        warn_renamed("Objective.slope", "Objective.value_and_gradient")
        return self.value_and_gradient(theta, weights, **options)

    # curvature ----------------------------------------------------------------------------------------------

    def products(self, theta: ArrayLike, vectors: ArrayLike, weights: Optional[ArrayLike] = None, *,
                 curvature: str = "hessian", regularizer: bool = True) -> np.ndarray:
        """Multiply the curvature of R at theta by each of k real vectors, by pushes of degree 1.

        Parameters
        ----------
        theta : (parameters,) array_like
        vectors : (k, parameters) array_like
            The vectors, one a row.
        weights : (examples,) array_like, optional
            The examples' weights; ones by default.
        curvature : str
            "hessian"; or "gauss-newton", for losses that are a ModelLoss.
        regularizer : bool
            Whether n grad^2 r is part of the curvature. Leave it out where weights single out a deletion set.

        Returns
        -------
        (k, parameters) array

        Raises
        ------
        LearnerError
            If the Gauss-Newton matrix is asked for and the loss is no ModelLoss.
        DomainError
            If a gate leaves its domain or is evaluated on a kink.
        """
        theta, weights = flat(theta, self.size), one_each(weights, self.count)
        vectors = real_array(vectors, "vectors")
        if vectors.ndim != 2 or vectors.shape[1] != self.size:
            raise LearnerError(f"vectors: expected shape (k, {self.size}), one row per product, got "
                               f"{vectors.shape}")
        recurrence, uses = self._circuits.recurrence(one_of(curvature, "curvature", CURVATURES))
        if not len(vectors):
            return np.empty_like(vectors)
        return products(recurrence, uses, theta, np.append(weights, float(regularizer)), vectors)

    def matrix(self, theta: ArrayLike, weights: Optional[ArrayLike] = None, *, curvature: str = "hessian",
               regularizer: bool = True) -> np.ndarray:
        """Assemble the curvature of R at theta as a matrix, symmetric to the bit.

        That of all examples at the parameters as trained is kept, up to KEPT bytes: several methods ask for
        it, and where few examples have another weight than 1, only theirs is calculated and subtracted.

        Parameters
        ----------
        theta, weights, curvature, regularizer :
            As for `products`.

        Returns
        -------
        (parameters, parameters) array
        """
        theta, weights = flat(theta, self.size), one_each(weights, self.count)
        one_of(curvature, "curvature", CURVATURES)
        assembled = partial(assemble, self, theta, curvature=curvature)
        if not regularizer or not kept_at(self, theta):
            return assembled(weights, regularizer=regularizer)
        lost, (_, uses) = 1.0 - weights, self._circuits.recurrence(curvature)
        if len(uses.steps(np.append(lost, 0.0))) > FEW * len(uses):
            return assembled(weights)
        whole = once(self._kept, curvature, assembled)
        return whole - assembled(lost, regularizer=False) if lost.any() else whole.copy()


# what the methods share -------------------------------------------------------------------------------------

def flat(theta, size):
    """Parameters as one flat vector of so many."""
    theta = real_array(theta, "parameters")
    if theta.shape != (size,):
        raise LearnerError(f"parameters: expected one flat vector ({size},), got shape {theta.shape}")
    return theta


def one_each(weights, count):
    """One weight per example; None stands for ones."""
    weights = np.ones(count) if weights is None else real_array(weights, "weights")
    if weights.shape != (count,):
        raise LearnerError(f"weights: expected one per example ({count},), got shape {weights.shape}")
    return weights


@one_blas_thread()
def each(circuits, theta, output):
    """(n,) + shape: output 0 of every example's gradient circuit, its loss, or output 1, its gradient.
    Examples are the batch axis of plain evaluation."""
    results = np.empty((circuits.learner.example_count,) + theta.shape * output)
    for kind, chosen, data in circuits.groups():
        if circuits.batched:
            data = [x[:, None] for x in data]
        inputs = [theta, np.ones((len(chosen), 1)), *data]
        results[chosen] = evaluate(circuits.of_one(kind, output), inputs)[0]
    return results


def summed(circuits, theta, weights, regularizer):
    """(R, grad R) at theta (parameters,); or, of a learner with batches, (b, parameters)."""
    value, total = np.zeros(theta.shape[:-1]), np.zeros(theta.shape)
    if circuits.penalty and regularizer:
        value, total = evaluate(circuits.penalty, [theta])
    if circuits.batched:      # all examples of a kind are one batch: matrix products do the sum
        for kind, members in circuits.kinds.items():
            inputs = [theta, weights[members], *circuits.data(kind)]
            loss, slope = evaluate(circuits.gradient(kind, len(members)), inputs)
            value, total = value + loss, total + slope
        return value, total
    layout = circuits.learner.layout
    tensors = list(layout.pieces(theta))
    for kind, chosen, data in circuits.groups(weights):
        loss, *slopes = evaluate(circuits.slopes(kind, 1), [*tensors, weights[chosen, None], *data])
        # what does not depend on the example comes without the batch axis
        slopes = [np.broadcast_to(x, (len(chosen), *shape)).sum(axis=0).ravel()
                  for x, shape in zip(slopes, layout.shapes.values())]
        value, total = value + loss.sum(axis=0), total + np.concatenate(slopes)
    return value, total


def kept_at(objective, theta):
    """Whether the matrix of all examples at theta is kept: at the parameters as trained, if it is small."""
    trained = vars(objective.learner).get("trained")
    return trained is not None and 8 * objective.size ** 2 <= KEPT and np.array_equal(trained, theta)


def assemble(objective, theta, weights=None, **options):
    """The curvature as a matrix, by products with the identity; arguments as for `Objective.products`."""
    size = objective.size
    matrix, identity = np.empty((size, size)), np.eye(size)
    with Progress(size, "curvature matrix") as report:
        for rows in blocks(np.arange(size), 256):
            matrix[rows] = objective.products(theta, identity[rows], weights, **options)
            report(len(rows))
    return 0.5 * (matrix + matrix.T)


def products(recurrence, uses, theta, weights, vectors):
    """The products (k, parameters) with vectors (k, parameters), as many side by side as there are cores.

    weights   of the examples, and that of the regulariser
    """
    taken, parts = uses.steps(weights), blocks(vectors, 2 * recurrence.form.lanes)
    large = len(taken) * len(theta) > LARGE
    pieces = np.array_split(taken, PIECES if large and len(parts) == 1 else 1)
    jobs = [(part, spans(piece)) for part in parts for piece in pieces]
    multiply = partial(multiplied, recurrence, theta, weights)
    if len(jobs) == 1 or not large:
        sums = [multiply(*job) for job in jobs]
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sums = list(pool.map(multiply, *zip(*jobs)))
    return sum(sums) if len(pieces) > 1 else np.concatenate(sums)


def spans(steps):
    """Numbers of steps, rising, as the (first, last) of those that follow each other, last excluded."""
    runs = np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1)
    return [(run[0], run[-1] + 1) for run in runs if len(run)]


def multiplied(recurrence, theta, base, vectors, taken):
    """Products with at most two vectors a lane, by one block of complex directions.   base: the weights, and
    that of the regulariser;   taken: the spans of steps to take."""
    lanes = -(-len(vectors) // 2)
    block = recurrence.block([theta, np.zeros_like(theta)], base, np.zeros((lanes, len(base))))
    inputs, results = (block.coefficients(i)[:, 0] for i in (0, 1))      # (parameters, 2, lanes) each
    inputs[:, 0, :lanes], inputs[:, 1, :len(vectors) - lanes] = vectors[:lanes].T, vectors[lanes:].T
    try:
        for look_closely in (False, True):
            for first, last in taken:
                block.run(first, last, look_closely)
            if block.finite():
                break
    except DomainError as error:
        raise DomainError(f"the curvature at these parameters: {error}") from None
    return np.concatenate([results[:, 0, :lanes].T, results[:, 1, :len(vectors) - lanes].T])
