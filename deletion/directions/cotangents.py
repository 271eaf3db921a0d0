"""Cotangents: directions among the parameters, from which a sketch is made from the other side."""
from dataclasses import dataclass
from typing import Callable, Optional, Sequence, Union

import numpy as np

from circuit import evaluate
from circuit.analysis import only_jump
from circuit.blas import one_blas_thread
from circuit.checks import checked_learner, iterable, real_array, whole_number
from circuit.errors import LearnerError
from circuit.reverse import vjps_of_parts

from ..learner.learner import Learner


ORTHONORMAL = 1e-8
"""How far products of cotangents may be from those of orthonormal vectors, tried on a few sums of them."""


@dataclass(frozen=True, repr=False)
class Cotangents:
    """Orthonormal vectors of the trained parameters' space; see `cotangents`.

    Attributes
    ----------
    vectors : np.ndarray, (cotangents, parameters)
        The vectors, at least one.

    Raises
    ------
    LearnerError
        For vectors that are not orthonormal, with which measurements would be expressed wrongly.

    Examples
    --------
    >>> from deletion import SGD, Learner, cotangents
    >>> learner = Learner([0.0, 0.0], [1.0, 2.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(2)] * 9)
    >>> cotangents(learner)
    <cotangents: 2 of 2 parameters>
    """
    vectors: np.ndarray

    def __post_init__(self):
        vectors = real_array(self.vectors, "cotangents")
        if vectors.ndim != 2 or not len(vectors):
            raise LearnerError("cotangents are an array (cotangents, parameters) with at least one row, not "
                               f"of shape {vectors.shape}")
        sums = np.random.default_rng(0).normal(size=(8, len(vectors)))
        if not np.abs((sums @ vectors) @ vectors.T - sums).max() < ORTHONORMAL * np.sqrt(len(vectors)):
            raise LearnerError("cotangents are orthonormal vectors, and these are not: "
                               "give the rows of numpy.linalg.qr(vectors.T)[0].T")
        object.__setattr__(self, "vectors", vectors)

    def __repr__(self):
        return f"<cotangents: {len(self.vectors):,} of {self.vectors.shape[1]:,} parameters>"

    def __len__(self):
        return len(self.vectors)


def cotangents(learner: Learner, panel: Union[Callable, Sequence[Callable], None] = None,
               count: Optional[int] = None) -> Cotangents:
    """Return the directions among the parameters in which a panel of measurements moves most.

    They are the leading right singular vectors of the panel's gradients at the trained parameters. Without a
    panel they are all parameters, with which a sketch has every measurement's first order exactly.

    Parameters
    ----------
    learner : Learner
        It is trained if it has not been.
    panel : Callable or sequence of Callable, optional
        panel(parameters) -> a vector of measurements like those that will be asked about; or several such,
        which are differentiated one after the other. Of a long vector that takes less time.
    count : int, optional
        How many; by default as many as the gradients have directions.

    Returns
    -------
    Cotangents

    Raises
    ------
    LearnerError
        For a panel that the parameters do not move, and a count that it does not have.

    Examples
    --------
    >>> from deletion import SGD, Learner, cotangents
    >>> learner = Learner([0.0, 0.0], [1.0, 2.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(2)] * 9)
    >>> abs(cotangents(learner, lambda w: w[:1] * 3.0).vectors)
    array([[1., 0.]])
    """
    size = checked_learner(learner).layout.size
    if panel is None:
        count = size if count is None else whole_number(count, "the number of cotangents", 1)
        if count != size:
            raise LearnerError(f"without a panel the cotangents are all {size} parameters; a panel says "
                               f"which {count} of their directions matter")
        return Cotangents(np.eye(size))
    gradients = gradients_of_panel(learner, panel)
    with one_blas_thread():
        values, vectors = np.linalg.svd(gradients, full_matrices=False)[1:]
    rank = int(np.count_nonzero(values > values.max(initial=0.0) * max(gradients.shape) * 1e-16))
    if not rank:
        raise LearnerError("the parameters do not move this panel: its gradients are zero")
    count = rank if count is None else whole_number(count, "the number of cotangents", 1)
    if count > rank:
        raise LearnerError(f"the number of cotangents: the panel's gradients have {rank} directions, got "
                           f"{count}")
    return Cotangents(vectors[:count])


def gradients_of_panel(learner, panel):
    """Return the gradients (q, parameters) of all measurements of a panel at the trained parameters."""
    if not callable(panel) and not iterable(panel):
        raise LearnerError(f"a panel: expected a measurement, or several, got {panel!r:.60}")
    gradients = []
    for measurement in [panel] if callable(panel) else panel:
        circuit = learner.measurement(measurement)
        if only_jump(circuit).any():
            raise LearnerError("this panel, or an element of it, moves only by jumps, so that it has no "
                               "gradient")
        gradients.append(gradients_of(circuit, learner.trained))
    if not gradients:
        raise LearnerError("a panel needs at least one measurement")
    return np.concatenate(gradients)


def gradients_of(circuit, theta):
    """Return the gradient (q, parameters) of every element of a measurement's circuit at parameters theta."""
    rows = []
    for _, backward in vjps_of_parts(circuit):
        shape = backward.inputs[0].shape
        units = np.eye(int(np.prod(shape))).reshape((-1,) + shape)
        gradient, = evaluate(backward, [units, theta])
        rows.append(np.broadcast_to(gradient, (len(units), len(theta))))
    return np.concatenate(rows)
