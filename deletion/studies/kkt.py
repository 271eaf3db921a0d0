"""How close parameters are to a KKT point of  min |theta|^2 / 2  subject to  y_i N(x_i, theta) >= 1,  and the
multipliers that show it.

At a KKT point every point of the training data contributes a term of its own:

    theta = sum_i lambda_i y_i grad N(x_i, theta),     lambda_i >= 0,     lambda_i (y_i N(x_i, theta) - 1) = 0

A point is an (eps, delta)-approximate one if the first equation is missed by eps in norm, no product is above
delta, and all margins are at least 1 (Melamed et al., arXiv 2510.14844). Lyu & Li 2020 and Ji & Telgarsky
2020 show that training converges to such directions.
"""
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from circuit.checks import real_number
from .homogeneous import NEAR, Linear, TwoLayerReLU
from .points import Span, checked_points, checked_theta, separated

TIE = 1e-6
"""The weight of slackness beside stationarity; relative eps grows by about its square at most."""

MIN_COSINE = 1e-12
"""A ray with a smaller cosine to the residual is orthogonal to it but for rounding."""


@dataclass(frozen=True)
class KKT:
    """How far theta, scaled so that the smallest margin is 1, is from a KKT point; `multipliers` makes it.

    Attributes
    ----------
    theta : np.ndarray
        (size,), scaled.
    margins : np.ndarray
        (n,): y_i N(x_i, theta), the smallest of them 1.
    lambdas : np.ndarray
        (n,), at least 0.
    terms : np.ndarray
        (n, size): what each point contributes to theta, its neurons at kinks with shares of their own.
    eps : float
        |theta - sum of terms|. The property `relative_eps` is eps over |theta|.
    delta : float
        The largest lambda_i (margin_i - 1).
    kinks : int
        How many pairs of neuron and point are at a kink.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import KKT
    >>> KKT(np.array([3.0, 4.0]), np.ones(1), np.ones(1), np.array([[3.0, 3.5]]), 0.5, 0.0, 0).relative_eps
    0.1
    """
    theta: np.ndarray
    margins: np.ndarray
    lambdas: np.ndarray
    terms: np.ndarray
    eps: float
    delta: float
    kinks: int

    @property
    def relative_eps(self):
        """eps over |theta|."""
        return self.eps / float(np.linalg.norm(self.theta))


def multipliers(model: Linear | TwoLayerReLU, theta: ArrayLike, x: ArrayLike, y: ArrayLike,
                near: float = NEAR) -> KKT:
    """Find the multipliers that bring theta closest to a KKT point of these data.

    Parameters
    ----------
    model : Linear or TwoLayerReLU
        Or another model with their methods.
    theta : array_like
        Its parameters, (size,).
    x : array_like
        Points, (n, inputs).
    y : array_like
        Labels 1 or -1, (n,).
    near : float
        Neurons with |z| <= near * max |z| count as being at a kink. 0 gives the derivative 1[z > 0] of usual
        automatic differentiation.

    Returns
    -------
    KKT
        The multipliers, and what they miss.

    Raises
    ------
    LearnerError
        If a margin is not positive.

    Examples
    --------
    >>> from deletion.unlearning import Linear, multipliers
    >>> kkt = multipliers(Linear(2), [5.0, -10.0], [[2.0, 0.0], [0.0, 1.0]], [1.0, -1.0])
    >>> kkt.theta.round(6), kkt.lambdas.round(6)
    (array([ 0.5, -1. ]), array([0.25, 1.  ]))
    """
    x, y = checked_points(model, x, y)
    theta = checked_theta(model, theta)
    near = real_number(near, "how near to a kink neurons count as being at it", 0.0, below=1.0)
    margins = separated(model, theta, x, y)
    theta, margins = theta / margins.min() ** (1.0 / model.degree), margins / margins.min()
    span = Span(model, x)
    pieces = span.model.pieces(span.inside(theta), span.points, near)
    signs = y[pieces.owner]
    lambdas, shares = project(np.append(span.inside(theta), 0.0),
                              np.column_stack([y[:, None] * pieces.gradients, slack(pieces, margins)]),
                              np.column_stack([signs[:, None] * pieces.kinked, np.zeros(len(signs))]),
                              pieces.owner)
    terms = (lambdas * y)[:, None] * pieces.gradients
    np.add.at(terms, pieces.owner, (shares * signs)[:, None] * pieces.kinked)
    terms = span.whole(terms)
    return KKT(theta, margins, lambdas, terms, float(np.linalg.norm(theta - terms.sum(axis=0))),
               float((lambdas * (margins - 1.0)).max()), len(pieces.owner))


def slack(pieces, margins):
    """(n,): one more coordinate, 0 in theta, which decides between multipliers that are equally close: in
    favour of points whose margin is 1."""
    return TIE * np.linalg.norm(pieces.gradients, axis=1) * (margins - 1.0)


def project(target, fixed, optional, owner):
    """(lambdas, shares) minimising |target - sum_i lambda_i fixed_i - sum_j share_j optional_j|, with 0 <=
    share_j <= lambda_(owner j).

    The sums are a cone. Its rays are a fixed_i with any selection of its optional pieces, which are too many
    to list. So non-negative least squares is solved on a few rays. Of each i, the ray that correlates most
    with the residual takes just those pieces that correlate with it positively; these rays are added. When no
    new ray correlates with the residual, the residual is the smallest.
    """
    # all inner products, in fewer numbers
    columns = np.linalg.qr(np.vstack([fixed, optional, target[None]]).T, mode="r")
    fixed, optional, target = columns[:, :len(fixed)], columns[:, len(fixed):-1], columns[:, -1]
    size, residual = np.linalg.norm(target), target
    rays, chosen, weights = [], {}, np.zeros(0)
    while True:
        # (points, pieces)
        selected = (optional.T @ residual > 0.0) & (owner == np.arange(fixed.shape[1])[:, None])
        candidates = fixed + optional @ selected.T
        better = residual @ candidates > MIN_COSINE * size * np.linalg.norm(candidates, axis=0)
        new = [i for i in np.flatnonzero(better) if (i, selected[i].tobytes()) not in chosen]
        if not new:
            break
        for i in new:
            chosen[i, selected[i].tobytes()] = selected[i]
            rays.append(candidates[:, i])
        matrix = np.stack(rays, axis=1)
        weights, _ = nnls(matrix, target, maxiter=100 * len(rays))
        residual = target - matrix @ weights
    lambdas, shares = np.zeros(fixed.shape[1]), np.zeros(len(owner))
    for weight, ((i, _), selection) in zip(weights, chosen.items()):
        lambdas[i] += weight
        shares += weight * selection
    return lambdas, shares
