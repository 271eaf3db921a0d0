"""How close parameters are to a KKT point of  min |theta|^2 / 2  subject to  y_i N(x_i, theta) >= 1,  and the
multipliers that say so.

At a KKT point every point of the training data contributes a term of its own:

    theta = sum_i lambda_i y_i grad N(x_i, theta),     lambda_i >= 0,     lambda_i (y_i N(x_i, theta) - 1) = 0

(eps, delta)-approximately: the first equation misses by eps in norm, no product is above delta, and all
margins are at least 1 (Melamed et al., arXiv 2510.14844; Lyu & Li 2020 and Ji & Telgarsky 2020 show that
training converges to such directions).
"""
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from circuit.checks import real_number
from .homogeneous import NEAR, Span, checked_points, checked_theta, separated


TIE = 1e-6
"""How much slackness counts beside stationarity; relative eps grows by about its square at most."""


@dataclass(frozen=True)
class KKT:
    """How far theta, scaled so that the smallest margin is 1, is from a KKT point.

    theta      (size,) scaled
    margins    (n,) y_i N(x_i, theta), the smallest 1
    lambdas    (n,) >= 0
    terms      (n, size): what each point contributes to theta, its neurons at kinks with shares of their own
    eps        |theta - sum of terms|;   relative_eps: over |theta|
    delta      the largest lambda_i (margin_i - 1)
    kinks      how many pairs of neuron and point stand at a kink
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
        return self.eps / float(np.linalg.norm(self.theta))


def multipliers(model, theta, x, y, near=NEAR):
    """The multipliers that bring theta closest to a KKT point of these data, as a KKT. LearnerError where a
    margin is not positive.

    near   neurons with |z| <= near * max |z| stand at a kink; 0 is the derivative 1[z > 0] of every-day
           autodiff
    """
    x, y = checked_points(model, x, y)
    theta = checked_theta(model, theta)
    near = real_number(near, "how near to a kink neurons stand at it", 0.0, below=1.0)
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
    """(n,): one coordinate more, 0 in theta, that decides between multipliers equally close: for points whose
    margin is 1."""
    return TIE * np.linalg.norm(pieces.gradients, axis=1) * (margins - 1.0)


def project(target, fixed, optional, owner):
    """(lambdas, shares) minimising |target - sum_i lambda_i fixed_i - sum_j share_j optional_j|, 0 <= share_j
    <= lambda_(owner j).

    The sums are a cone, whose rays are a fixed_i with any selection of its optional pieces: too many to list.
    Non-negative least squares on a few rays leaves a residual; the ray of each i that correlates with it most
    takes just those pieces that correlate with it positively; when no ray does, the residual is the smallest.
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
        better = residual @ candidates > 1e-12 * size * np.linalg.norm(candidates, axis=0)
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
