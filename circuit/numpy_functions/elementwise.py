"""Functions of single elements, with the names and arguments of NumPy's and SciPy's."""
import math

import numpy as np

from .. import functions
from ..gates.analytic import exp, log
from ..gates.analytic import log1p as log1p_gate
from ..gates.linear import constant_part
from ..gates.piecewise import relu, step
from ..indexing import rows
from ..wire import Wire, operand


def operator(forward, backward):
    """An operator as a function of two operands, of which at least one is a wire."""
    def apply(a, b):
        return forward(a, b) if isinstance(a, Wire) else backward(b, a)
    return apply


def positive(x):
    return x


def reciprocal(x):
    return x ** -1


def log2(x):
    return log(x) * (1.0 / math.log(2.0))


def log10(x):
    return log(x) * (1.0 / math.log(10.0))


def sign(x):
    """1, 0 or -1: it jumps."""
    return step(x) - step(-x)


def heaviside(x, at_zero):
    """0, `at_zero` or 1: it jumps."""
    above, below = step(x), step(-x)
    return above + (1.0 - above - below) * operand(at_zero)


def maximum(a, b):
    """The larger element: relu where the other operand is the number 0, else the gate max."""
    a, b = (operand(a), operand(b)) if isinstance(a, Wire) else (operand(b), operand(a))
    return relu(a) if isinstance(b, float) and b == 0.0 else functions.maximum(a, b)


def minimum(a, b):
    return -maximum(-operand(a), -operand(b))


def clip(x, a_min=None, a_max=None, *, min=None, max=None):
    """x between two bounds, each of which may be left out."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


def where(condition, x, y):
    """x where a mask from the data holds, else y."""
    mask = zeros_and_ones(condition)
    return mask * operand(x) + (1.0 - mask) * operand(y)


def zeros_and_ones(condition):
    """A condition as real numbers. Whole numbers in a wire are read as rows of [0, 1], so that others than 0
    and 1 are refused when the circuit is evaluated."""
    if not isinstance(condition, Wire):
        return np.where(condition, 1.0, 0.0)
    if condition.kind == "integer":
        return rows(np.array([0.0, 1.0]), condition)
    return step(condition) + step(-condition)


def logaddexp(a, b):
    """log(e^a + e^b), by the larger one: of two formulas for the same analytic function, the constant parts
    choose the one that rounds less."""
    a, b = operand(a), operand(b)
    difference = a - b
    first = step(constant_part(difference))
    return first * a + (1.0 - first) * b + log1p_gate(exp((1.0 - 2.0 * first) * difference))


def logit(x):
    return log(x) - log1p_gate(-x)


def log_expit(x):
    return -logaddexp(0.0, -x)
