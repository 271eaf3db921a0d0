"""What calibrated practice needs: least squares, judged by exact retraining of a few sets.

Three facts say how the error falls with the directions (`python -m benchmarks.directions_needed` measures
them). Least squares determines the share 2 m / n of the first order of n units from m directions, so that the
square of the error falls linearly, to n/2 directions. Pairs then know every unit's own curve up to half of
the interaction with its companion, and n of them without it: what remains is the error of sums over units,
which retraining units and pairs tells. Between n/2 and n fewer units have companions, but other ones: the
error does not lie between those at the ends, and no such number is recommended. Dense directions determine
order r, interactions too, from C(n+r-1, r) / 2 of them.
"""
import math

import numpy as np

from ..directions.decoders import LeastSquares
from ..directions.terms import log_binomials
from ..trust.error_model import ErrorModel
from .needs import Needs
from .theorem import tail_decay

MAX_LOG_DIRECTIONS = math.log(1e15)
"""Directions beyond are not counted."""


def bound(errors, failure):
    """Return what errors (sets,) of random sets stay below, except with a failure probability.

    It is the half width of a calibrated interval at the level 1 - failure: that of normal errors, or of the
    errors themselves where these have heavier tails; both count how few sets there are.
    """
    sizes = np.abs(errors)[:, None]
    model = ErrorModel(None, sizes, sizes, np.ones(len(sizes)), sizes, np.argsort(sizes, axis=0))
    return float(model.half_width(np.ones((1, 1)), np.zeros((1, 1)), np.ones(1), 1.0 - failure)[0, 0])


def by_pairs(pilot, degree, failure):
    """Return [(directions, bound of the error)] of pairs and least squares, by rising directions."""
    units, left = pilot.units, pilot.left(degree)
    points = {0: pilot.changes, pilot.directions: pilot.changes - pilot.predicted[:, :degree].sum(axis=1)}
    for count, predicted in ((-(-units // 2), pilot.paired), (units, pilot.additive)):
        if count > pilot.directions:
            points[count] = np.hypot(pilot.changes - predicted, left)
    return [(count, bound(errors, failure)) for count, errors in points.items()]


def crossing(points, eps, linear):
    """Return the smallest number of directions whose bound is at most eps, or None.

    Between two points the square of the bound is linear in the directions, up to `linear` of them; beyond,
    only the points themselves count.
    """
    if points[0][1] <= eps:
        return points[0][0]
    for (fewer, above), (more, below) in zip(points, points[1:]):
        if below <= eps:
            if more > linear:
                return more
            share = (above ** 2 - eps ** 2) / (above ** 2 - below ** 2)
            return fewer + math.ceil(share * (more - fewer))
    return None


def by_practice(pilot, eps, failure):
    """Return the Needs of least squares: the smallest degree of pairs, or else of dense directions."""
    for degree in range(1, pilot.degree + 1):
        points = by_pairs(pilot, degree, failure)
        directions = crossing(points, eps, -(-pilot.units // 2))
        if directions is not None:
            reason = "predicting no change is within eps" if not directions else (
                f"errors stay below {points[-1][1]:.2g} with {points[-1][0]:,} directions")
            return Needs(LeastSquares.name, "pairs", degree, directions, reason=reason)
    for order, log in enumerate(log_binomials(pilot.units, pilot.degree)[1:], 2):
        left = bound(pilot.left(order), failure)
        if left <= eps and log < MAX_LOG_DIRECTIONS:
            return Needs(LeastSquares.name, "sphere", order, math.ceil(math.exp(log) / 2.0),
                         reason=f"so many dense directions determine all interactions up to order {order}; "
                                f"errors stay below {left:.2g}")
    return Needs(LeastSquares.name, "pairs", reason=why_not(pilot, eps, failure))


def why_not(pilot, eps, failure):
    """Why no sketch reaches eps, in words."""
    bounds = [bound(pilot.left(degree), failure) for degree in range(1, pilot.degree + 1)]
    falls = tail_decay(bounds)
    if bounds[-1] <= eps:
        additive = bound(pilot.changes - pilot.additive, failure)
        return (f"every unit's own curve leaves errors up to {additive:.2g} by interactions, which too many "
                "directions would be needed to determine")
    errors = f"exact series of degree {pilot.degree} leave errors up to {bounds[-1]:.2g}"
    if falls >= 1.0:
        return f"{errors}, which do not fall with the degree: for such sets the series does not converge"
    more = math.ceil(math.log(eps / bounds[-1]) / math.log(falls))
    return (f"{errors}, which change by a factor of {falls:.2g} an order: degree {pilot.degree + more} may "
            "reach eps, if this goes on")
