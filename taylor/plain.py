"""The definitions of lanes.py and elements.py in plain NumPy. They are used when numba's compiler is switched
off (NUMBA_DISABLE_JIT=1), to step through the rules in a debugger or to read what they mean. Lanes are
complex arrays, Reals are real ones, and a polynomial is a pair of views of the memory.
"""
import time
import types

import numpy as np
from scipy import special

math = types.SimpleNamespace(exp=np.exp, log=np.log, tanh=np.tanh, sin=np.sin, cos=np.cos, sqrt=np.sqrt,
                             erf=special.erf, erfc=special.erfc, pi=np.pi)


class Form:
    """Degree, lanes, and whether the lanes share the constant parts: see lanes.Form."""

    def __init__(self, degree, lanes, shared=True):
        self.degree, self.lanes, self.shared = degree, lanes, shared


def rule(function):
    """A rule is an ordinary function here."""
    return function


class PolynomialView:
    """constant: a view of one number, or of one per lane;   parts: a view of shape (degree, 2, lanes)."""

    def __init__(self, constant, parts):
        self._constant, self._parts = constant, parts

    @property
    def constant(self):
        return float(self._constant[0]) if len(self._constant) == 1 else self._constant.copy()

    @constant.setter
    def constant(self, number):
        self._constant[:] = number

    def __getitem__(self, r):
        return self._parts[r - 1, 0] + 1j * self._parts[r - 1, 1]

    def __setitem__(self, r, lanes):
        self._parts[r - 1, 0], self._parts[r - 1, 1] = lanes.real, lanes.imag


def at(form, memory, element):
    """The polynomial of one element of a block's memory."""
    width, each = 2 * form.degree * form.lanes, 1 if form.shared else form.lanes
    parts = memory.coefficients[element * width:(element + 1) * width]
    # an element that is only ever a constant has no coefficients, and no rule reads them
    return PolynomialView(memory.constants[element * each:(element + 1) * each],
                          parts.reshape(-1, 2, form.lanes) if parts.size else parts)


def local(form):
    """A polynomial for intermediate results."""
    return PolynomialView(np.zeros(1 if form.shared else form.lanes), np.zeros((form.degree, 2, form.lanes)))


def zero(form):
    """Lanes of zeros."""
    return np.zeros(form.lanes, complex)


def positive(x):
    """1.0 where x > 0, else 0.0."""
    return np.where(x > 0.0, 1.0, 0.0) if np.ndim(x) else 1.0 if x > 0.0 else 0.0


def ticks():
    """A clock."""
    return time.perf_counter_ns()
