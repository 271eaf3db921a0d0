"""What the paper's theorem asks for.

Let F_r be the Frobenius norm of T_r and alpha(B) = sum_r B^r F_r. For directions that are uniform on the
complex sphere, the estimate X_r = C(n+r-1, r) Re(s^r c_r) of one direction has mean T_r(h), and

    E X_r^2 <= C(n+r-1, r)^2 / C(n+2r-1, 2r) |h|^2r F_r^2 <= C(2r, r) |h|^2r F_r^2 <= (2^r |h|^r F_r)^2

because |s^r c_r| is that of one homogeneous polynomial of degree 2 r. So sum_r X_r has a standard deviation
of at most alpha(2|h|) <= alpha(4|h|) / 2. The terms beyond degree p come to at most 4^-(p+1) alpha(4|h|).
Of k groups of m/k directions, each mean is off by more than two standard deviations, alpha(4|h|) sqrt(k/m),
with probability 1/4 at most (Chebyshev), and half of them with probability exp(-k/8) at most (Hoeffding):

    |median of means - f(h)| <= alpha(4|h|) (4^-(p+1) + sqrt(k/m))      except with probability exp(-k/8)

This is the theorem of Gunn, How to sketch a learning algorithm, O(log 1/eps) degrees and
O(log(1/delta)/eps^2) directions, with constants as derived here. alpha is estimated, from a few
directions and by a geometric series beyond the last order: the numbers are what the theorem asks for, not a
proof.
"""
import math

import numpy as np

from ..directions.decoders import MedianOfMeans, group_count
from ..sketch.stability import decay
from .needs import Needs

BASE = 4.0
"""The theorem takes alpha at four times |h|."""

MAX_RATIO = 1e8
"""alpha / eps up to which directions are counted: beyond, more than 10^16 would be needed."""


def tail_decay(sizes):
    """Return the factor from order to order of (p,) sizes, by the later half of the orders."""
    return decay(np.asarray(sizes)[(len(sizes) - 1) // 2:])


def alpha(norms, radius):
    """Return alpha(B) = sum_r B^r F_r at B = `radius` from the first norms; infinite where it diverges.

    Orders beyond the last continue the fitted decay of the norms.
    """
    norms = np.asarray(norms)
    grown, ratio = norms * radius ** np.arange(1, len(norms) + 1), radius * tail_decay(norms)
    if ratio >= 1.0:
        return math.inf
    return float(grown.sum() + grown[-1] * ratio / (1.0 - ratio))


def by_theorem(pilot, eps, failure):
    """Return the Needs of the median of means by the theorem, half of eps being left to the truncation."""
    total = alpha(pilot.norms, BASE * pilot.reach)
    missing = lacking(pilot, total, eps)
    if missing:
        return Needs(MedianOfMeans.name, "sphere", reason=missing)
    degree = max(1, math.ceil(math.log(2.0 * total / eps, BASE)) - 1) if total else 1
    truncated, groups = total * BASE ** -(degree + 1), group_count(failure)
    directions = groups * max(1, math.ceil((total / (eps - truncated)) ** 2))
    return Needs(MedianOfMeans.name, "sphere", degree, directions, groups,
                 reason=f"alpha(4|h|) is {total:.3g}")


def lacking(pilot, total, eps):
    """Why the theorem promises nothing, in words; None if it does.   total: alpha(4|h|)"""
    if pilot.crossings:
        return (f"retraining crosses {pilot.crossings:.3g} kinks (median), and the theorem is about analytic "
                "learners")
    if total == math.inf:
        ratio, radius = tail_decay(pilot.norms), BASE * pilot.reach
        return (f"norms change by a factor of {ratio:.2g} an order, and alpha(4|h|) is finite only below "
                f"1 / (4|h|) = {1.0 / radius:.2g}")
    if total > MAX_RATIO * eps:
        return f"alpha(4|h|) is {total:.3g}, more than {MAX_RATIO:.0e} times eps"
    return None
