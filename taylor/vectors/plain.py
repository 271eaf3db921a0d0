"""The definitions of lanes.py and elements.py in plain NumPy. They are used when numba's compiler is switched
off (NUMBA_DISABLE_JIT=1), to step through the rules in a debugger or to read what they mean. Lanes are
complex arrays, Reals are real ones, and a polynomial is a pair of views of the memory.
"""
import inspect
import time
import types
from functools import partial

import numpy as np
from scipy import special

from ..form import Form
from ..tape import CONSTANT_A, CONSTANT_B

exponential = np.exp
math = types.SimpleNamespace(log=np.log, log1p=np.log1p, expm1=np.expm1, tanh=np.tanh, sin=np.sin,
                             cos=np.cos, atan=np.arctan, sqrt=np.sqrt, erf=special.erf, erfc=special.erfc,
                             pi=np.pi)


def rule(function):
    """A rule is an ordinary function here."""
    return function


class PolynomialView:
    """constant: a view of one number, or of one per lane;   parts: a view of shape (degree, 2, lanes)."""

    def __init__(self, constant, parts):
        self._constant, self._parts = constant, parts

    @property
    def constant(self):
        # a NumPy number: its division by zero gives infinity, as the machine's does
        return self._constant[0] if len(self._constant) == 1 else self._constant.copy()

    @constant.setter
    def constant(self, number):
        self._constant[:] = number

    def __getitem__(self, r):
        return self._parts[r - 1, 0] + 1j * self._parts[r - 1, 1]

    def __setitem__(self, r, lanes):
        self._parts[r - 1, 0], self._parts[r - 1, 1] = lanes.real, lanes.imag


def at(form, memory, element):
    """The polynomial of one element of a block's memory: (constants, coefficients)."""
    constants, coefficients = memory
    lanes = coefficients[element * form.width:(element + 1) * form.width]
    if not form.shared:
        return PolynomialView(lanes, lanes[:0])
    # an element that is only ever a constant has no coefficients, and no rule reads them
    return PolynomialView(constants[element:element + 1], lanes.reshape(form.shape) if lanes.size else lanes)


def room(form, count):
    """A memory for some polynomials."""
    return np.zeros(count), np.zeros(count * form.width)


def local(form):
    """A polynomial for intermediate results."""
    return at(form, room(form, 1), 0)


# what an operation makes of a kernel ------------------------------------------------------------------------

def kernel(function):
    """A kernel is an ordinary function here."""
    return function


def height(form, operation):
    """Lines of a tile."""
    return form.tile(operation in CONSTANT_B)[0]


def breadth(form, operation):
    """Columns of a tile."""
    return form.tile(operation in CONSTANT_B)[1]


def panel_length(form, operation):
    """Inner indices of a panel of operand a of a product."""
    return form.panel(operation in CONSTANT_B)


def panel_room(form, operation):
    """A memory for such a panel."""
    return room(form, panel_length(form, operation) * height(form, operation))


def tile_room(form, operation):
    """A memory for a tile of a product."""
    return room(form, height(form, operation) * breadth(form, operation))


def a_at(form, operation, memory, e):
    """Element e as operand a: a polynomial, or a constant where the operation takes one."""
    return at(Form(0, form.lanes) if operation in CONSTANT_A else form, memory, e)


def b_at(form, operation, memory, e):
    """Element e as operand b."""
    return at(Form(0, form.lanes) if operation in CONSTANT_B else form, memory, e)


def apply(form, operation, y, a, b, numbers):
    """y = the operation's rule of a, or of a and b, with as many constant parameters as the rule takes."""
    chosen = getattr(rules(), operation)
    operands = list(inspect.signature(chosen).parameters)[2:]
    given = (a, b) if "b" in operands else (a,)
    chosen(form, y, *given, *numbers[:len(operands) - len(given)])


def product(form, operation, y, a, b):
    """y += a b, of what differs from lane to lane."""
    add = rules().multiply_add_constant_lanes if operation in CONSTANT_B else rules().multiply_add_lanes
    add(form, y, a, b)


def rules():
    """The module of rules, which imports this one."""
    from .. import rules
    return rules


def compiled_kernel(kernel, form, operation):
    """A kernel as a function of what the machine gives it."""
    return partial(kernel, form, operation)


class Sources:
    """Nothing is compiled here, so there is nothing to compile anew."""


def pointers(arrays):
    """Arrays are what they point to."""
    return arrays


def behind(array, count):
    """The array from a number on."""
    return array[count:]


def copy(target, start, source, begin, count):
    """Copy some numbers, from source[begin] on, to target[start] and the following."""
    target[start:start + count] = source[begin:begin + count]


def call(function, *arguments):
    """Call a kernel."""
    with np.errstate(all="ignore"):
        function(*arguments)


def fused(a, b, c):
    """a b + c."""
    return a * b + c


def zero(form):
    """Lanes of zeros."""
    return np.zeros(form.lanes, complex)


def larger(a, b):
    """The larger of two numbers in every lane; a where they are equal."""
    return np.where(b > a, b, a)


def positive(x):
    """1.0 where x > 0, else 0.0."""
    return np.where(x > 0.0, 1.0, 0.0) if np.ndim(x) else 1.0 if x > 0.0 else 0.0


def ticks():
    """A clock."""
    return time.perf_counter_ns()
