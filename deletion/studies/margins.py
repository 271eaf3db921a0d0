"""Training homogeneous models until their direction stands still, and the exact answer for linear ones.

On separable data the parameters grow for ever, and their direction converges to that of a KKT point (kkt.py)
- with plain gradient descent as 1 / log(steps). Steps divided by the loss follow the same path and arrive as
  1 / steps.
"""
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.special import log_expit

from circuit.blas import one_blas_thread
from circuit.progress import working

from circuit.errors import LearnerError
from circuit.checks import real_array, real_number, whole_number
from .homogeneous import Linear, Span, checked_points, checked_theta, separated
from .kkt import multipliers

LOG_SLOPES = {"exponential": np.negative, "logistic": lambda q: log_expit(-q)}
"""log(-l'(q)) of a point with margin q: how hard it pulls."""

ROUND = 500


@dataclass(frozen=True)
class Trained:
    """Parameters trained until their direction stands still.

    theta          (size,) scaled so that the smallest margin is 1
    steps          how many
    angle          by which the second half of the steps turned theta, radians
    relative_eps   what stationarity misses, over |theta|
    """
    theta: np.ndarray
    steps: int
    angle: float
    relative_eps: float


def train_to_margin(model, x, y, loss="exponential", start=None, tolerance=1e-2, limit=200_000, *,
                    progress=True):
    """Train by gradient descent with steps divided by the loss, until the direction stands still: Trained.

    loss        "exponential" or "logistic"
    start       (size,) where to start; default: model.start()
    tolerance   on the angle of the second half of training, and on what stationarity misses relative to
                |theta|
    limit       on the steps; where it does not suffice, LearnerError says what is missing
    progress    False prints nothing on stderr
    """
    x, y = checked_points(model, x, y)
    log_slope = checked_loss(loss)
    theta = model.start() if start is None else checked_theta(model, start)
    tolerance, limit = real_number(tolerance, "tolerance",
                                   above=0.0), whole_number(limit, "the limit on steps", 1)
    if not x.any(axis=1).all():
        raise LearnerError(f"point {x.any(axis=1).argmin()} is all zero: a homogeneous model says 0 there, "
                           "whatever its parameters")
    span = Span(model, x)      # where training moves theta
    inside, outside = span.inside(theta), theta - span.whole(span.inside(theta))
    steps, total = 0, min(ROUND, limit)
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
            raise LearnerError(f"after {steps} steps the direction has not converged: the second half " "of "
                               "them turned it by " f"{turned:.2g}, " "and " "a " "KKT "
                               f"point is missed by {missing:.2g} of its norm; the tolerance is "
                               f"{tolerance:g}. Allow more steps (limit=)")
        total = min(2 * steps, limit)


def descend(model, theta, x, y, log_slope, steps):
    """theta after so many steps: down the gradient of the loss, over its sum of |slopes| and the largest
    squared gradient there is."""
    rate = 1.0 / model.steepest(x)
    for _ in range(steps):
        weights = log_slope(y * model.output(theta, x))
        weights = np.exp(weights - weights.max())
        theta = theta + model.pull(theta, x, rate / weights.sum() * weights * y)
    return theta


def max_margin(x, y):
    """The exact solution of  min |theta|^2 / 2  subject to  y_i <theta, x_i> >= 1  (a support vector machine
                              through the origin).

    By non-negative least squares (Lawson & Hanson 1974, ch. 23): the residual of (0, ..., 0, 1) on the rows
    (y_i x_i, 1) is parallel to (-theta, 1). LearnerError where no theta has all margins positive.
    """
    x = real_array(x, "points")
    model = Linear(x.shape[1] if x.ndim == 2 else 1)
    x, y = checked_points(model, x, y)
    longest = np.linalg.norm(x, axis=1).max() or 1.0
    rows = np.vstack([(y[:, None] * x).T / longest, np.ones(len(x))])
    wanted = np.append(np.zeros(model.size), 1.0)
    weights, _ = nnls(rows, wanted, maxiter=100 * len(x))
    residual = rows @ weights - wanted
    if -residual[-1] <= 1e-12:
        raise LearnerError(
            "no linear model through the origin separates these points: there is no largest margin")
    return -residual[:-1] / residual[-1] / longest


def checked_loss(name):
    """The log slope of a loss by its name."""
    if not isinstance(name, str) or name not in LOG_SLOPES:
        raise LearnerError(f"loss is {' or '.join(map(repr, LOG_SLOPES))}, not {name!r:.60}")
    return LOG_SLOPES[name]


def angle(a, b):
    """Between two vectors, radians: by their difference, which sees angles whose cosine rounds to 1. pi where
    one is zero."""
    sizes = np.linalg.norm(a), np.linalg.norm(b)
    return float(2.0 * np.arcsin(min(1.0, np.linalg.norm(a / sizes[0] - b / sizes[1])
                                     / 2.0))) if all(sizes) else np.pi
