"""Unlearning by gradient ascent, with a guarantee (Melamed et al., arXiv 2510.14844).

At a KKT point (kkt.py) theta is a sum of one term per point, and the gradient of a point's loss is parallel
to its term. So one step

    theta + beta grad l_r(theta),     beta = -lambda_r / l'(q_r),     q_r = y_r N(x_r, theta)

takes away exactly what point r contributed. For the exponential loss beta = lambda_r e^q_r, for the logistic
one lambda_r (1 + e^q_r). What remains is almost a KKT point of the other points, if these are nearly
orthogonal. For several points, the steps are added.
"""
from dataclasses import dataclass
from typing import Iterable, Optional

import numpy as np
from numpy.typing import ArrayLike

from circuit.errors import LearnerError
from circuit.checks import checked_labels, is_whole, iterable, real_number
from .homogeneous import Linear, TwoLayerReLU
from .kkt import KKT, multipliers
from .margins import angle, checked_loss
from .points import checked_points, checked_theta

MIN_TERM = 1e-9
"""A term of a smaller norm, relative to that of theta, counts as zero."""


@dataclass(frozen=True)
class Ascent:
    """Parameters after the steps, as `ascend` returns them.

    Attributes
    ----------
    theta : np.ndarray
        (size,), at the scale of the parameters given.
    deleted : np.ndarray
        (k,), the numbers of the deleted points.
    kept : np.ndarray
        (n - k,), the numbers of the others.
    betas : np.ndarray
        (k,): the full steps, for parameters scaled so that the smallest margin is 1.
    before : KKT
        Of the parameters given.
    notes : tuple of str
        The points whose step is zero.

    Examples
    --------
    >>> from deletion.unlearning import Linear, ascend
    >>> step = ascend(Linear(2), [0.5, -1.0], [[2.0, 0.0], [0.0, 1.0]], [1.0, -1.0], delete=[1])
    >>> step.deleted, step.kept
    (array([1]), array([0]))
    """
    theta: np.ndarray
    deleted: np.ndarray
    kept: np.ndarray
    betas: np.ndarray
    before: KKT
    notes: tuple


@dataclass(frozen=True)
class Success:
    """How well unlearning succeeded: (eps, delta, tau), as `success` returns them.

    The parameters have cosine 1 - tau with an (eps, delta)-approximate KKT point of the remaining data.

    Attributes
    ----------
    eps : float
        What stationarity misses at that KKT point.
    delta : float
        What slackness misses there.
    tau : float
        1 - cosine.
    reference : KKT
        That point.
    itself : KKT
        Of the unlearned parameters, which are their own reference at tau = 0.

    Examples
    --------
    >>> from deletion.unlearning import Linear, success
    >>> result = success(Linear(2), [0.5, 0.0], [[2.0, 0.0]], [1.0])
    >>> round(result.eps, 6), result.delta, result.tau
    (0.0, 0.0, 0.0)
    """
    eps: float
    delta: float
    tau: float
    reference: KKT
    itself: KKT


def ascend(model: Linear | TwoLayerReLU, theta: ArrayLike, x: ArrayLike, y: ArrayLike,
           delete: int | Iterable[int], fraction: float = 1.0, loss: str = "exponential",
           tolerance: float = 0.05) -> Ascent:
    """Take one step of gradient ascent for every deleted point.

    Parameters
    ----------
    model : Linear or TwoLayerReLU
        Or another model with their methods.
    theta : array_like
        Parameters (size,), trained until their direction stopped moving.
    x : array_like
        Points, (n, inputs).
    y : array_like
        Labels 1 or -1, (n,).
    delete : int or iterable of int
        Numbers of points, from 0.
    fraction : float
        Of the steps. The theory requires 1.
    loss : {"exponential", "logistic"}
        What theta was trained with. It decides the betas, not what they lead to.
    tolerance : float
        On what theta misses of a KKT point, relative to its norm.

    Returns
    -------
    Ascent
        The parameters after the steps.

    Raises
    ------
    LearnerError
        If theta misses a KKT point by more than the tolerance.

    Examples
    --------
    >>> from deletion.unlearning import Linear, ascend
    >>> step = ascend(Linear(2), [0.5, -1.0], [[2.0, 0.0], [0.0, 1.0]], [1.0, -1.0], delete=[1])
    >>> abs(step.theta.round(6)), step.betas.round(4)
    (array([0.5, 0. ]), array([2.7183]))
    """
    x, y = checked_points(model, x, y)
    theta = checked_theta(model, theta)
    deleted, fraction = checked_deletion(delete, len(x)), real_number(fraction, "a fraction of the step", 0.0)
    log_slope = checked_loss(loss)
    before = multipliers(model, theta, x, y)
    if before.relative_eps > real_number(tolerance, "tolerance", above=0.0):
        raise LearnerError(f"the parameters miss a KKT point of these data by {before.relative_eps:.2g} of "
                           f"their norm, more than {tolerance:g}: gradient ascent takes away what a point "
                           "contributed only where training has converged in direction (train_to_margin)")
    scale = np.linalg.norm(theta) / np.linalg.norm(before.theta)
    lambdas, terms = before.lambdas[deleted], before.terms[deleted]
    supports = np.linalg.norm(terms, axis=1) > MIN_TERM * np.linalg.norm(before.theta)
    slopes = np.exp(log_slope(before.margins[deleted]))      # 0 at margins of hundreds, which support nothing
    betas = np.divide(lambdas, slopes, out=np.zeros_like(lambdas), where=supports)
    notes = tuple(f"point {i} has multiplier 0 (margin {before.margins[i]:.3g}): it supports nothing, and "
                  "its step is zero" for i in deleted[~supports])
    after = theta - fraction * scale * terms[supports].sum(axis=0)
    return Ascent(after, deleted, np.delete(np.arange(len(x)), deleted), betas, before, notes)


def success(model: Linear | TwoLayerReLU, forgotten: ArrayLike, x: ArrayLike, y: ArrayLike,
            reference: Optional[ArrayLike] = None) -> Success:
    """Measure how well unlearning succeeded.

    Parameters
    ----------
    model : Linear or TwoLayerReLU
        Or another model with their methods.
    forgotten : array_like
        The unlearned parameters, (size,).
    x : array_like
        The remaining points, (n, inputs).
    y : array_like
        Their labels, (n,).
    reference : array_like, optional
        Parameters (size,) near a KKT point of the remaining data, such as those retrained on them. Default:
        the unlearned ones.

    Returns
    -------
    Success
        (eps, delta, tau).

    Examples
    --------
    >>> from deletion.unlearning import Linear, success
    >>> result = success(Linear(2), [0.5, 0.5], [[2.0, 0.0]], [1.0], reference=[0.5, 0.0])
    >>> round(result.tau, 4)      # 1 - cos(45 degrees)
    0.2929
    """
    itself = multipliers(model, forgotten, x, y)
    if reference is None:
        return Success(itself.eps, itself.delta, 0.0, itself, itself)
    target = multipliers(model, reference, x, y)
    return Success(target.eps, target.delta,
                   float(2.0 * np.sin(angle(itself.theta, target.theta) / 2.0) ** 2), target, itself)


def checked_deletion(delete, count):
    """Numbers of points to delete, all different and not all there are."""
    labels = checked_labels(delete if iterable(delete) else [delete], "the points to delete")
    for i in labels:
        if not is_whole(i) or not 0 <= i < count:
            raise LearnerError(f"points to delete are whole numbers from 0 to {count - 1}: got {i!r:.60}")
        if labels.count(i) > 1:
            raise LearnerError(f"point {i} is to be deleted more than once")
    if len(labels) == count:
        raise LearnerError(
            f"all {count} points are to be deleted: nothing remains that a model could be trained on")
    return np.array(labels, int)
