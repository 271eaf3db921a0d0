"""What lanes.py defines, in plain NumPy: used when numba's compiler is switched off (NUMBA_DISABLE_JIT=1), to step through
the rules in a debugger or to read what they mean. Lanes are complex arrays; a polynomial is a pair of views.
"""
import numpy as np


class Form:
    def __init__(self, degree, lanes):
        self.degree, self.lanes = degree, lanes


def rule(function):
    return function


class Polynomial:
    """constant: a view of one number;   parts: a view of shape (degree, 2, lanes)."""

    def __init__(self, constant, parts):
        self._constant, self._parts = constant, parts

    @property
    def constant(self):
        return float(self._constant[0])

    @constant.setter
    def constant(self, number):
        self._constant[0] = number

    def __getitem__(self, r):
        return self._parts[r - 1, 0] + 1j * self._parts[r - 1, 1]

    def __setitem__(self, r, lanes):
        self._parts[r - 1, 0], self._parts[r - 1, 1] = lanes.real, lanes.imag


def at(form, memory, element):
    width = 2 * form.degree * form.lanes
    parts = memory.coefficients[element * width:(element + 1) * width]
    # an element that is only ever a constant has no coefficients, and nobody asks for them
    return Polynomial(memory.constants[element:element + 1], parts.reshape(-1, 2, form.lanes) if parts.size else parts)


def local(form):
    return Polynomial(np.zeros(1), np.zeros((form.degree, 2, form.lanes)))


def zero(form):
    return np.zeros(form.lanes, complex)
