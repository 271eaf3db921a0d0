"""Unlearning by gradient ascent, with a guarantee (Melamed et al., arXiv 2510.14844).

At a KKT point (kkt.py) theta is a sum of one term per point, and the gradient of a point's loss is parallel
to its term. One step

    theta + beta grad l_r(theta),     beta = -lambda_r / l'(q_r),     q_r = y_r N(x_r, theta)

so takes away exactly what point r contributed - exponential loss: beta = lambda_r e^q_r, logistic: lambda_r
(1 + e^q_r) -, and what remains is almost a KKT point of the other points, if they are nearly orthogonal.
Several points: the sum of their steps.
"""
from dataclasses import dataclass

import numpy as np

from circuit.errors import LearnerError
from circuit.checks import checked_labels, iterable, real_number
from .homogeneous import checked_points, checked_theta
from .kkt import KKT, multipliers
from .margins import angle, checked_loss

ZERO = 1e-9
"""A term below this part of theta is none."""


@dataclass(frozen=True)
class Ascent:
    """Parameters after the steps.

    theta      (size,), at the scale of the parameters given
    deleted    (k,) numbers of the points;   kept (n - k,)
    betas      (k,) full steps, for parameters scaled so that the smallest margin is 1
    before     KKT of the parameters given
    notes      what a reader should know: points whose step is zero
    """
    theta: np.ndarray
    deleted: np.ndarray
    kept: np.ndarray
    betas: np.ndarray
    before: KKT
    notes: tuple


@dataclass(frozen=True)
class Success:
    """(eps, delta, tau): the parameters have cosine 1 - tau with an (eps, delta)-approximate KKT point of the
    remaining data.

    reference   KKT of that point;   itself: KKT of the unlearned parameters, which are their own reference at
                tau = 0
    """
    eps: float
    delta: float
    tau: float
    reference: KKT
    itself: KKT


def ascend(model, theta, x, y, delete, fraction=1.0, loss="exponential", tolerance=0.05):
    """One step of gradient ascent for every deleted point, as an Ascent.

    theta       (size,) trained until its direction stood still
    delete      numbers of points, from 0
    fraction    of the steps; 1 is what the theory wants
    loss        what theta was trained with: "exponential" or "logistic"; it decides the betas, not what they
                lead to
    tolerance   on what theta misses of a KKT point, relative to its norm: LearnerError above it
    """
    x, y = checked_points(model, x, y)
    theta = checked_theta(model, theta)
    deleted, fraction = checked_deletion(delete, len(x)), real_number(fraction, "a fraction of the step", 0.0)
    log_slope = checked_loss(loss)
    before = multipliers(model, theta, x, y)
    if before.relative_eps > real_number(tolerance, "tolerance", above=0.0):
        raise LearnerError(f"the parameters miss a KKT point of these data by {before.relative_eps:.2g} "
                           "of " "their norm, more than " f"{tolerance:g}: " "gradient "
                           "ascent takes away what a point contributed only where training has "
                           "converged in direction (train_to_margin)")
    scale = np.linalg.norm(theta) / np.linalg.norm(before.theta)
    lambdas, terms = before.lambdas[deleted], before.terms[deleted]
    supports = np.linalg.norm(terms, axis=1) > ZERO * np.linalg.norm(before.theta)      # or it is rounding
    slopes = np.exp(log_slope(before.margins[deleted]))      # 0 at margins of hundreds, which support nothing
    betas = np.divide(lambdas, slopes, out=np.zeros_like(lambdas), where=supports)
    notes = tuple(f"point {i} has multiplier 0 (margin {before.margins[i]:.3g}): it supports nothing, and "
                  "its step is zero" for i in deleted[~supports])
    after = theta - fraction * scale * terms[supports].sum(axis=0)
    return Ascent(after, deleted, np.delete(np.arange(len(x)), deleted), betas, before, notes)


def success(model, forgotten, x, y, reference=None):
    """How well unlearning succeeded, as a Success.

    forgotten   (size,) the unlearned parameters;   x, y: the remaining data
    reference   (size,) parameters near a KKT point of the remaining data: those retrained on them. Default:
                the unlearned ones
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
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < count:
            raise LearnerError(f"points to delete are whole numbers from 0 to {count - 1}, not {i!r:.60}")
        if labels.count(i) > 1:
            raise LearnerError(f"point {i} is to be deleted more than once")
    if len(labels) == count:
        raise LearnerError(
            f"all {count} points are to be deleted: nothing remains that a model could be trained on")
    return np.array(labels, int)
