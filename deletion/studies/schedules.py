"""Weight schedules: how much examples still count, from 1 when their deletion is asked for to 0 when it has
to be done.

`step`, `linear`, `Polynomial` and `Pieces` make a schedule; `STEPS`, `LINES`, `polynomials(degree)` and
`pieces(count)` are the families that `Unlearning.best` chooses from.
"""
from dataclasses import dataclass
from typing import Callable

import numpy as np
from scipy.interpolate import BPoly

from circuit.errors import LearnerError
from circuit.checks import real_array, real_number, whole_number


def moments(times):
    """Times as floats >= 0."""
    times = real_array(times, "times")
    if times.min(initial=0.0) < 0.0:
        raise LearnerError(f"times are >= 0, not {times.min():g}: the flow begins at 0")
    return times


class Schedule:
    """A weight eps(t) in [0, 1]: 1 first, 0 in the end.

    `phases()` lists (end, weight) in order, the weight being a number or a function of time; the last phase
    ends at infinity.
    """

    def __call__(self, times):
        """eps at times: an array of their shape. At a jump, the later value."""
        times, begin = moments(times), 0.0
        weights = np.zeros(times.shape)
        for end, weight in self.phases():
            value = weight(np.clip(times, begin, end)) if callable(weight) else weight
            weights = np.where((begin <= times) & (times < end), value, weights)
            begin = end
        return weights


@dataclass(frozen=True)
class Pieces(Schedule):
    """Piecewise constant: 1 until edges[0], values[k] from edges[k] to edges[k + 1], 0 from the last edge
    on."""
    edges: tuple
    values: tuple = ()

    def __post_init__(self):
        edges, values = real_array(self.edges, "edges"), real_array(self.values, "values")
        if edges.ndim != 1 or values.shape != (len(edges) - 1,):
            raise LearnerError(f"pieces need one edge more than values, not {edges.shape} and {values.shape}")
        if edges[0] < 0.0 or (np.diff(edges) <= 0.0).any():
            raise LearnerError(f"edges are >= 0 and increase, unlike {edges.tolist()!s:.60}")
        in_unit_interval(values, "values")
        object.__setattr__(self, "edges", tuple(edges.tolist()))
        object.__setattr__(self, "values", tuple(values.tolist()))

    def phases(self):
        return list(zip((*self.edges, np.inf), (1.0, *self.values, 0.0)))


@dataclass(frozen=True)
class Polynomial(Schedule):
    """1 until s, 0 from t1 on, a polynomial in between: sum_k b_k B_k((t - s) / (t1 - s)), Bernstein's of
    degree len(inner) + 1.

    inner   b_1, b_2, ... in [0, 1], which keeps the polynomial there; b_0 = 1 and the last is 0. Without: a
            straight line
    """
    s: float
    t1: float
    inner: tuple = ()

    def __post_init__(self):
        s = real_number(self.s, "s", low=0.0)
        t1 = real_number(self.t1, "t1, where the weight reaches 0,", low=s)
        inner = real_array(self.inner, "inner coefficients")
        if inner.ndim != 1:
            raise LearnerError(f"inner coefficients are a sequence of numbers, not of shape {inner.shape}")
        in_unit_interval(inner, "inner coefficients")
        for name, value in (("s", s), ("t1", t1), ("inner", tuple(inner.tolist()))):
            object.__setattr__(self, name, value)

    def phases(self):
        between = [(self.t1, BPoly(np.array([1.0, *self.inner, 0.0])[:, None],
                                   [self.s, self.t1]))] if self.s < self.t1 else []
        return [(self.s, 1.0), *between, (np.inf, 0.0)]


def in_unit_interval(x, what):
    if x.min(initial=0.0) < 0.0 or x.max(initial=1.0) > 1.0:
        raise LearnerError(f"{what} are weights from 0 to 1, not {x.tolist()!s:.60}")


def step(tau):
    """1 until tau, then 0."""
    return Pieces((tau,))


def linear(s, t1):
    """1 until s, 0 from t1 on, a straight line in between."""
    return Polynomial(s, t1)


# families ---------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Family:
    """Schedules to choose from.   make(u, s, T): the one at u in [0, 1]^unknowns, 1 until s and 0 from T
                                   on."""
    unknowns: int
    make: Callable


def between(u, s, end):
    """The time at share u of the way from s to end; not past it by rounding."""
    return min(s + u * (end - s), end)


STEPS = Family(1, lambda u, s, end: step(between(u[0], s, end)))
LINES = Family(1, lambda u, s, end: linear(s, between(u[0], s, end)))


def polynomials(degree):
    """Polynomials of a degree from s to some t1."""
    whole_number(degree, "the degree", 1)
    return Family(degree, lambda u, s, end: Polynomial(s, between(u[0], s, end), u[1:]))


def pieces(count):
    """Piecewise constant weights on equal parts of [s, T]."""
    whole_number(count, "the number of pieces", 1)
    return Family(count, lambda u, s, end: Pieces(np.linspace(s, end, count + 1), u))
