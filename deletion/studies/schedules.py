"""Weight schedules: how much examples still count, from 1 when their deletion is asked for to 0 when it has
to be done.

`step`, `linear`, `PolynomialFade` and `PiecewiseConstant` make a schedule. `STEPS`, `LINES`,
`polynomials(degree)` and `piecewise(count)` are the families from which `Unlearning.best` chooses.
"""
from dataclasses import dataclass
from typing import Callable

import numpy as np
from scipy.interpolate import BPoly

from circuit.errors import LearnerError
from circuit.checks import real_array, real_number, whole_number
from circuit.renamed import former_names

__getattr__ = former_names(__name__, {"Schedule": "WeightSchedule", "Pieces": "PiecewiseConstant",
                                      "Polynomial": "PolynomialFade", "pieces": "piecewise"})


def moments(times):
    """Times as floats >= 0."""
    times = real_array(times, "times")
    if times.min(initial=0.0) < 0.0:
        raise LearnerError(f"times are >= 0, because the flow begins at 0: got {times.min():g}")
    return times


class WeightSchedule:
    """A weight eps(t) in [0, 1]: 1 first, 0 in the end.

    `phases()` lists (end, weight) in order. A weight is a number or a function of time, and the last phase
    ends at infinity.
    """

    def __call__(self, times):
        """eps at times: an array of their shape. At a jump it is the later value."""
        times, begin = moments(times), 0.0
        weights = np.zeros(times.shape)
        for end, weight in self.phases():
            value = weight(np.clip(times, begin, end)) if callable(weight) else weight
            weights = np.where((begin <= times) & (times < end), value, weights)
            begin = end
        return weights


@dataclass(frozen=True)
class PiecewiseConstant(WeightSchedule):
    """1 until edges[0], then values[k] from edges[k] to edges[k + 1], and 0 from the last edge on."""
    edges: tuple
    values: tuple = ()

    def __post_init__(self):
        edges, values = real_array(self.edges, "edges"), real_array(self.values, "values")
        if edges.ndim != 1 or values.shape != (len(edges) - 1,):
            raise LearnerError("a piecewise constant weight needs one edge more than values: got shapes "
                               f"{edges.shape} and {values.shape}")
        if edges[0] < 0.0 or (np.diff(edges) <= 0.0).any():
            raise LearnerError(f"edges are >= 0 and increase: got {edges.tolist()!s:.60}")
        in_unit_interval(values, "values")
        object.__setattr__(self, "edges", tuple(edges.tolist()))
        object.__setattr__(self, "values", tuple(values.tolist()))

    def phases(self):
        """[(end, weight)], all weights numbers."""
        return list(zip((*self.edges, np.inf), (1.0, *self.values, 0.0)))


@dataclass(frozen=True)
class PolynomialFade(WeightSchedule):
    """1 until s, 0 from t1 on, and between them a polynomial sum_k b_k B_k((t - s) / (t1 - s)), with
    Bernstein's B_k of degree len(inner) + 1.

    inner   b_1, b_2, ... in [0, 1], which keeps the polynomial there; b_0 is 1 and the last one is 0.
            Without inner coefficients it is a straight line.
    """
    s: float
    t1: float
    inner: tuple = ()

    def __post_init__(self):
        s = real_number(self.s, "s", low=0.0)
        t1 = real_number(self.t1, "t1, where the weight reaches 0,", low=s)
        inner = real_array(self.inner, "inner coefficients")
        if inner.ndim != 1:
            raise LearnerError(
                f"inner coefficients: expected a sequence of numbers, got an array of shape {inner.shape}")
        in_unit_interval(inner, "inner coefficients")
        for name, value in (("s", s), ("t1", t1), ("inner", tuple(inner.tolist()))):
            object.__setattr__(self, name, value)

    def phases(self):
        """[(end, weight)], the weight of the second phase a function of time."""
        fading = [(self.t1, BPoly(np.array([1.0, *self.inner, 0.0])[:, None],
                                  [self.s, self.t1]))] if self.s < self.t1 else []
        return [(self.s, 1.0), *fading, (np.inf, 0.0)]


def in_unit_interval(x, what):
    """Raise LearnerError unless all of x are weights."""
    if x.min(initial=0.0) < 0.0 or x.max(initial=1.0) > 1.0:
        raise LearnerError(f"{what} are weights from 0 to 1: got {x.tolist()!s:.60}")


def step(tau):
    """1 until tau, then 0."""
    return PiecewiseConstant((tau,))


def linear(s, t1):
    """1 until s, 0 from t1 on, a straight line in between."""
    return PolynomialFade(s, t1)


# families ---------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Family:
    """Schedules to choose from.

    make(u, s, T) is the schedule at u in [0, 1]^unknowns that is 1 until s and 0 from T on.
    """
    unknowns: int
    make: Callable


def between(u, s, end):
    """The time at share u of the way from s to end, and not past it by rounding."""
    return min(s + u * (end - s), end)


STEPS = Family(1, lambda u, s, end: step(between(u[0], s, end)))
LINES = Family(1, lambda u, s, end: linear(s, between(u[0], s, end)))


def polynomials(degree):
    """The family of polynomials of a degree from s to some t1."""
    whole_number(degree, "the degree", 1)
    return Family(degree, lambda u, s, end: PolynomialFade(s, between(u[0], s, end), u[1:]))


def piecewise(count):
    """The family of weights that are constant on `count` equal parts of [s, T]."""
    whole_number(count, "the number of pieces", 1)
    return Family(count, lambda u, s, end: PiecewiseConstant(np.linspace(s, end, count + 1), u))
