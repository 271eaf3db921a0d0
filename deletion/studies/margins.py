"""Training of homogeneous models until their direction stops moving, the exact answer for linear ones, and
the conditions on data under which a point can be removed from them by a step of gradient ascent (ascent.py).

On separable data the parameters grow without bound, and their direction converges to that of a KKT point
(kkt.py). With plain gradient descent the distance falls as 1 / log(steps). Steps divided by the loss follow
the same path, and it falls as 1 / steps.
"""
from dataclasses import dataclass, replace
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

MIN_EIGENVALUE = 1e-12
"""Of the matrix of cosines; points with a smaller one are dependent but for rounding."""

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


# the conditions under which a step of gradient ascent removes a point ---------------------------------------

@dataclass(frozen=True)
class Conditions:
    """What data are like, and what a step of gradient ascent is promised on them; `conditions` makes it.

    With s and S the smallest and largest |x_i|^2 and phi the largest |<x_i, x_j>| of a pair, the coherence is
    rho = (n - 1) phi/s. In the matrix of the y_i y_j <x_i, x_j> the sum of a row besides its diagonal is at
    most rho s. So for every choice of labels

    * below 1 the points are independent, and every multiplier is at most 1/(s (1 - rho));
    * below 1/2 every multiplier is at least (1 - 2 rho)/((1 - rho) S) > 0: all have the sign of their labels.
      Every point supports the maximum margin, with or without others, and the properties below are promised.

    Attributes
    ----------
    count, dimension : int
        The points n, and the numbers d in each.
    norms : np.ndarray
        (n,): |x_i|.
    product : float
        phi, the largest |<x_i, x_j>| of two points.
    multipliers : np.ndarray, optional
        (n,): those that give every point the margin 1; None without labels, or where points are dependent.

    Examples
    --------
    >>> from deletion.unlearning import conditions
    >>> print(conditions([[2.0, 0.0, 0.2], [0.0, 1.0, 0.2]], [1.0, -1.0]))
    2 points in 3 dimensions
    norms from 1.02 to 2.01, largest product of a pair 0.04, coherence 0.0385
    holds: dimensions for every point
    holds: independent points (coherence below 1)
    holds: near orthogonality (coherence below 1/2)
    holds: all multipliers have the sign of their labels
    """
    count: int
    dimension: int
    norms: np.ndarray
    product: float
    multipliers: Optional[np.ndarray] = None

    @property
    def coherence(self) -> float:
        """rho = (n - 1) phi/s."""
        return (self.count - 1) * self.product / float(self.norms.min()) ** 2

    @property
    def consistent(self) -> bool:
        """Whether all multipliers are positive; without labels, whether they are for every choice of
        labels."""
        if self.multipliers is None:
            return self.coherence < 0.5
        return bool((self.multipliers > 0.0).all())

    @property
    def holds(self) -> dict[str, bool]:
        """{condition: whether it holds}."""
        return {"dimensions for every point": self.dimension >= self.count,
                "independent points (coherence below 1)": self.coherence < 1.0,
                "near orthogonality (coherence below 1/2)": self.coherence < 0.5,
                "all multipliers have the sign of their labels": self.consistent}

    def margin_change(self, deleted: int = 1) -> float:
        """Bound by how much deleting k points by ascent changes a margin of another point.

        It is k (phi/s)/(1 - rho): each step takes a term of at most 1/(s (1 - rho)) away.

        Parameters
        ----------
        deleted : int
            k.

        Returns
        -------
        float
            The bound; infinite where the points are not nearly orthogonal.
        """
        if self.coherence >= 0.5:
            return np.inf
        product = self.product / float(self.norms.min()) ** 2
        return whole_number(deleted, "points deleted", 0) * product / (1.0 - self.coherence)

    def tau(self, deleted: int = 1) -> float:
        """Bound 1 - cosine between a linear model after k steps of ascent and the one retrained without them.

        The steps leave theta' = sum_i lambda_i z_i, with z_i = y_i x_i, over the other points. Their margins
        are 1 - e with |e_i| at most `margin_change`. Retraining has margins 1 on the same z, so the
        difference is Z G^{-1} e with G the Gram matrix. Its squared length is at most |e|^2/(s (1 - rho)),
        and that of the retrained model at least (n - k)/(S + rho s). Hence

            sin^2 <= margin_change^2 (S/s + rho)/(1 - rho),       tau <= 1 - sqrt(1 - sin^2).

        Parameters
        ----------
        deleted : int
            k.

        Returns
        -------
        float
            The bound; 1 where the points are not nearly orthogonal.
        """
        if self.coherence >= 0.5:
            return 1.0
        ratio = float(self.norms.max() / self.norms.min()) ** 2
        squared = self.margin_change(deleted) ** 2 * (ratio + self.coherence) / (1.0 - self.coherence)
        return float(squared / (1.0 + np.sqrt(1.0 - squared))) if squared < 1.0 else 1.0

    def __str__(self):
        lines = [f"{self.count} points in {self.dimension} dimensions",
                 f"norms from {self.norms.min():.3g} to {self.norms.max():.3g}, largest product of a pair "
                 f"{self.product:.3g}, coherence {self.coherence:.3g}"]
        lines += [f"{'holds' if held else 'fails'}: {name}" for name, held in self.holds.items()]
        return "\n".join(lines)


def conditions(x: ArrayLike, y: Optional[ArrayLike] = None) -> Conditions:
    """Report whether data are such that a step of gradient ascent removes a point and nothing else.

    The theorem asks for points of similar norms that are nearly orthogonal, which high dimensions give, and
    for consistent signs. Its constants were not available. Those here are derived for linear models and
    sufficient; a step may succeed where they fail.

    Source: Melamed et al., arXiv 2510.14844, the assumptions on the data.

    Parameters
    ----------
    x : array_like
        Points, (n, inputs), at least two and none of them zero.
    y : array_like, optional
        Labels 1 or -1, (n,). With them the multipliers are calculated; without them the signs count as
        consistent only if they are for every choice of labels.

    Returns
    -------
    Conditions
        Numbers, which conditions hold, and the bounds that follow.

    Raises
    ------
    LearnerError
        If a point is zero, there are fewer than two, or labels are not 1 or -1.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import conditions
    >>> x = np.random.default_rng(0).normal(size=(5, 20_000))
    >>> facts = conditions(x)
    >>> round(facts.coherence, 3), facts.consistent, round(facts.tau(deleted=1), 5)
    (0.059, True, 0.00014)
    """
    x = real_array(x, "points")
    x, labels = checked_points(Linear(x.shape[1] if x.ndim == 2 else 1), x,
                               np.ones(len(x)) if y is None else y)
    if len(x) < 2:
        raise LearnerError("conditions compare points with each other: expected at least two, got 1")
    check_no_zeros(x)
    gram = x @ x.T
    products = np.abs(gram)[~np.eye(len(x), dtype=bool)]
    facts = Conditions(*x.shape, np.sqrt(np.diag(gram)), float(products.max()))
    # whether points are dependent does not hang on their lengths
    scaled = gram / np.outer(facts.norms, facts.norms)
    if y is None or np.linalg.eigvalsh(scaled)[0] <= MIN_EIGENVALUE:
        return facts
    return replace(facts, multipliers=np.linalg.solve(np.outer(labels, labels) * gram, np.ones(len(x))))
