"""Training of homogeneous models until their direction stops moving, and the exact answer for linear ones.

On separable data the parameters grow without bound, and their direction converges to that of a KKT point
(kkt.py). With plain gradient descent the distance falls as 1 / log(steps). Steps divided by the loss follow
the same path, and it falls as 1 / steps.
"""
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls
from scipy.special import log_expit

from circuit.blas import one_blas_thread
from circuit.progress import working

from circuit.errors import LearnerError
from circuit.checks import real_array, real_number, whole_number
from circuit.renamed import warn_renamed
from .homogeneous import Linear, TwoLayerReLU
from .kkt import multipliers
from .points import Span, checked_points, checked_theta, separated

LOG_SLOPES = {"exponential": np.negative, "logistic": lambda q: log_expit(-q)}
"""log(-l'(q)) of a point with margin q: the logarithm of its weight in the gradient."""

FIRST_STEPS = 500
"""Steps before the direction is looked at for the first time; later after twice as many each."""


@dataclass(frozen=True)
class Trained:
    """Parameters trained until their direction stops moving, as `train_to_margin` returns them.

    Attributes
    ----------
    theta : np.ndarray
        (size,), scaled so that the smallest margin is 1.
    steps : int
        How many steps were taken.
    angle : float
        By which the second half of the steps turned theta, in radians.
    relative_eps : float
        What stationarity misses, over |theta|.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import Trained
    >>> Trained(theta=np.array([0.5, -1.0]), steps=1000, angle=0.01, relative_eps=0.005).steps
    1000
    """
    theta: np.ndarray
    steps: int
    angle: float
    relative_eps: float


def train_to_margin(model: Linear | TwoLayerReLU, x: ArrayLike, y: ArrayLike, loss: str = "exponential",
                    start: Optional[ArrayLike] = None, tolerance: float = 1e-2, limit: int = 200_000, *,
                    progress: bool = True) -> Trained:
    """Train by gradient descent, with steps divided by the loss, until the direction stops moving.

    Parameters
    ----------
    model : Linear or TwoLayerReLU
        Or another model with their methods.
    x, y : array_like
        Points (n, inputs), and labels 1 or -1 (n,).
    loss : {"exponential", "logistic"}
        The loss of a margin.
    start : array_like, optional
        Where to start, (size,). Default: model.start().
    tolerance : float
        On the angle of the second half of training, and on what stationarity misses relative to |theta|.
    limit : int
        The most steps that may be taken.
    progress : bool
        False prints nothing on stderr.

    Returns
    -------
    Trained
        The parameters, and how well they converged.

    Raises
    ------
    LearnerError
        If the limit is reached, or if the model does not separate the points.

    Examples
    --------
    >>> from deletion.unlearning import Linear, train_to_margin
    >>> trained = train_to_margin(Linear(2), [[2.0, 0.0], [0.0, 1.0]], [1.0, -1.0], progress=False)
    >>> trained.theta.round(1)
    array([ 0.5, -1. ])
    """
    (x, y), log_slope = checked_points(model, x, y), checked_loss(loss)
    theta = model.start() if start is None else checked_theta(model, start)
    tolerance = real_number(tolerance, "tolerance", above=0.0)
    limit = whole_number(limit, "the limit on steps", 1)
    check_no_zeros(x)
    span = Span(model, x)      # where training moves theta
    inside, outside = span.inside(theta), theta - span.whole(span.inside(theta))
    steps, total = 0, min(FIRST_STEPS, limit)
    while True:
        with working(f"descend, {steps} steps taken", progress), one_blas_thread():
            inside = descend(span.model, inside, span.points, y, log_slope, total - steps)
        before, theta = theta, span.whole(inside) + outside
        steps, turned, missing = total, angle(before, theta), np.inf
        if turned <= tolerance or steps == limit:
            theta = theta / separated(model, theta, x, y).min() ** (1.0 / model.degree)
            missing = multipliers(model, theta, x, y).relative_eps
        if turned <= tolerance and missing <= tolerance:
            return Trained(theta, steps, turned, missing)
        if steps == limit:
            raise unfinished(steps, turned, missing, tolerance)
        total = min(2 * steps, limit)


def check_no_zeros(x):
    """Raise LearnerError for a point that no parameters can separate."""
    if not x.any(axis=1).all():
        raise LearnerError(f"point {x.any(axis=1).argmin()} is all zero: the output of a homogeneous model "
                           "is 0 there, whatever its parameters")


def unfinished(steps, turned, missing, tolerance):
    """The error of a training that did not converge."""
    return LearnerError(f"after {steps} steps the direction has not converged: the second half of them "
                        f"turned it by {turned:.2g}, and a KKT point is missed by {missing:.2g} of its norm; "
                        f"the tolerance is {tolerance:g}. Allow more steps (limit=)")


def descend(model, theta, x, y, log_slope, steps):
    """theta after so many steps along the gradient of the loss, each divided by the sum of |slopes| and by
    the largest squared gradient there is."""
    rate, weighted_gradient = 1.0 / model.steepest(x), gradient_of(model)
    for _ in range(steps):
        weights = log_slope(y * model.output(theta, x))
        weights = np.exp(weights - weights.max())
        theta = theta + weighted_gradient(theta, x, rate / weights.sum() * weights * y)
    return theta


def gradient_of(model):
    """A model's weighted_gradient; of a model that was written for version 0.1, its method `pull`."""
    if hasattr(model, "weighted_gradient"):
        return model.weighted_gradient
    warn_renamed("the method pull of a model", "weighted_gradient")
    return model.pull


def max_margin(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Solve  min |theta|^2 / 2  subject to  y_i <theta, x_i> >= 1  exactly.

    This is a support vector machine through the origin. It is solved by non-negative least squares (Lawson &
    Hanson 1974, ch. 23): the residual of (0, ..., 0, 1) on the rows (y_i x_i, 1) is parallel to (-theta, 1).

    Parameters
    ----------
    x : array_like
        Points, (n, inputs).
    y : array_like
        Labels 1 or -1, (n,).

    Returns
    -------
    np.ndarray
        theta, (inputs,).

    Raises
    ------
    LearnerError
        If no theta has all margins positive.

    Examples
    --------
    >>> from deletion.unlearning import max_margin
    >>> max_margin([[2.0, 0.0], [0.0, 1.0], [8.0, 0.0]], [1.0, -1.0, 1.0]).round(6)
    array([ 0.5, -1. ])
    """
    x = real_array(x, "points")
    model = Linear(x.shape[1] if x.ndim == 2 else 1)
    x, y = checked_points(model, x, y)
    longest = np.linalg.norm(x, axis=1).max() or 1.0
    rows = np.vstack([(y[:, None] * x).T / longest, np.ones(len(x))])
    target = np.append(np.zeros(model.size), 1.0)
    weights, _ = nnls(rows, target, maxiter=100 * len(x))
    residual = rows @ weights - target
    if -residual[-1] <= 1e-12:
        raise LearnerError(
            "no linear model through the origin separates these points: there is no largest margin")
    return -residual[:-1] / residual[-1] / longest


def checked_loss(name):
    """The log slope of a loss by its name."""
    if not isinstance(name, str) or name not in LOG_SLOPES:
        raise LearnerError(f"loss: expected {' or '.join(map(repr, LOG_SLOPES))}, got {name!r:.60}")
    return LOG_SLOPES[name]


def angle(a, b):
    """The angle between two vectors in radians; pi where one is zero.

    It is calculated from their difference, which resolves angles whose cosine rounds to 1.
    """
    norms = np.linalg.norm(a), np.linalg.norm(b)
    if not all(norms):
        return np.pi
    return float(2.0 * np.arcsin(min(1.0, np.linalg.norm(a / norms[0] - b / norms[1]) / 2.0)))
