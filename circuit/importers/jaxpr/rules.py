"""What the primitives of JAX become: one rule each, rule(reader, equation, *values) -> value.

Values are wires or arrays, by NumPy's broadcasting; truth values are wires of zeros and ones. Rules that move
elements and choose them by index are in moves.py.
"""
import math
from functools import reduce
from itertools import accumulate
from operator import add

import numpy as np

from ...errors import CircuitError
from ...functions import broadcast_to, concatenate, maximum, minimum
from ...gates.analytic import arctan, cos, erf, exp, expm1, log, log1p, sigmoid, sin, tanh
from ...gates.linear import constant_part
from ...gates.piecewise import abs_value, max_axis, relu, step
from ...shapes import reshape, sum, transpose
from ...wire import Wire, both_wires
from .moves import MOVES, Columns
from ..tensors import (FAR, contracted, convolution, finite, padded, product_along, running_sum, windowed)
from .values import Late, Whole, calculated


def apply(reader, equation, values):
    """The value of an equation with wires, whole numbers or late numbers among its operands."""
    name = equation.primitive.name
    if not any(isinstance(x, (Wire, Whole)) for x in values):
        return later(equation, values)
    values = [reader.number(x) if isinstance(x, Late) else x for x in values]
    if name in ELEMENTWISE and any(isinstance(x, Whole) for x in values) and not any(
            isinstance(x, Wire) for x in values):
        result = calculated(lambda *arrays: equation.primitive.bind(*arrays, **equation.params), values,
                            [x.aval.dtype for x in equation.invars], equation.outvars[0].aval.shape)
        if result is not None:
            return result
    if name in JUMPS:
        raise CircuitError(JUMPS[name])
    if name in MOVES:
        return MOVES[name](reader, equation, *values)
    if name not in RULES:
        raise CircuitError("this primitive of JAX has no rule: write what it does with others, or calculate "
                           "it from the data beforehand")
    if any(isinstance(x, Columns) for x in values):
        raise CircuitError("indices are calculated with: do so beforehand, and give them as data")
    dtype = equation.outvars[0].aval.dtype
    if name in WRAPPING and dtype.kind in "iu" and (dtype.kind == "u" or dtype.itemsize < 4):
        raise CircuitError(f"arithmetic of {dtype}, which begins again at its end: write x.astype(int) first")
    values = [x.real() if isinstance(x, Whole) else x for x in values]
    return RULES[name](reader, equation, *[x if isinstance(x, Wire) else np.asarray(x) for x in values])


def later(equation, values):
    """The value of an equation, or its values, that is known when a step is taken."""
    def calculate(*arrays):
        return equation.primitive.bind(*arrays, **equation.params)

    if not equation.primitive.multiple_results:
        return Late(equation.outvars[0].aval.shape, calculate, values)
    return [Late(x.aval.shape, lambda *arrays, i=i: calculate(*arrays)[i], values)
            for i, x in enumerate(equation.outvars)]


def plain(function):
    """A rule for a function of the operands alone."""
    return lambda reader, equation, *values: function(*map(number, values))


def number(x):
    """A constant as real numbers, truth values as 0 and 1."""
    return x if isinstance(x, Wire) else np.asarray(x, float)


def masking(x):
    """A constant that is added to scores, to mask them by -infinity."""
    return x if isinstance(x, Wire) else finite(x)


def single(x):
    """The one number that an array consists of, or None."""
    if isinstance(x, Wire) or not np.size(x):
        return None
    first = np.ravel(x)[0]
    return float(first) if np.all(np.asarray(x) == first) else None


# functions of elements --------------------------------------------------------------------------------------

def real_of(equation, what):
    """Refuse whole numbers that are divided or rounded."""
    if np.issubdtype(equation.outvars[0].aval.dtype, np.integer):
        raise CircuitError(f"{what} of whole numbers: calculate it from the data beforehand")


def quotient(reader, equation, a, b):
    real_of(equation, "a quotient")
    return number(a) / number(b)


def power(reader, equation, x, y):
    """x^y: a constant exponent is a gate; otherwise x is positive."""
    exponent = single(y)
    if exponent is not None and isinstance(x, Wire):
        return raised(x, exponent)
    if isinstance(x, Wire) and not isinstance(y, Wire) and np.all(y == np.round(y)):
        wholes = np.unique(y).tolist()      # each at its own places, where x may be negative
        return reduce(add, [raised(x, n) * (y == n).astype(float) for n in wholes])
    x = log(x) if isinstance(x, Wire) else np.log(np.asarray(x, float))
    return exp(number(y) * x)


def raised(x, exponent):
    """x to the power of a number; x^0 is 1 everywhere."""
    return x ** exponent if exponent else x * 0.0 + 1.0


def largest(reader, equation, a, b):
    """max(a, b), and relu where one of them is zero."""
    a, b = (a, b) if isinstance(a, Wire) else (b, a)
    if not isinstance(b, Wire) and np.all(np.isneginf(b)):
        return a
    if single(b) == 0.0 and a.shape == np.broadcast_shapes(a.shape, b.shape):
        return relu(a)
    return maximum(a, number(b))


def smallest(reader, equation, a, b):
    a, b = (a, b) if isinstance(a, Wire) else (b, a)
    if not isinstance(b, Wire) and np.all(np.isposinf(b)):
        return a
    return minimum(a, number(b))


def clamped(reader, equation, low, x, high):
    return smallest(reader, equation, largest(reader, equation, x, low), high)


def converted(reader, equation, x):
    """Precision does not matter; real numbers are not rounded, and as truth values they ask x != 0."""
    source, target = equation.invars[0].aval.dtype, np.dtype(equation.params["new_dtype"])
    if target == bool and source != bool:
        return different(x, np.zeros(()))
    if np.issubdtype(source, np.floating) and np.issubdtype(target, np.integer):
        raise CircuitError("real numbers are rounded to whole ones, which jumps: give whole numbers as data")
    if np.issubdtype(target, np.complexfloating):
        raise CircuitError("complex numbers have no gates: write real and imaginary part as real numbers")
    return x


def logaddexp(a, b):
    """log(e^a + e^b), whose definition by |a - b| has a kink where none is."""
    a, b = both_wires(a, b)
    top = constant_part(maximum(constant_part(a), constant_part(b)))
    return log(exp(a - top) + exp(b - top)) + top


def arcsin(x):
    return arctan(x * (1.0 - x * x) ** -0.5)


# truth values -----------------------------------------------------------------------------------------------

def greater(a, b):
    """1 where a > b, else 0."""
    for x, sign in ((a, 1.0), (b, -1.0)):
        if not isinstance(x, Wire) and np.isinf(x).any():
            if not np.all(np.isinf(x) & (np.sign(x) == np.ravel(np.sign(x))[0])):
                raise CircuitError("a comparison with infinity at some places and numbers at others")
            shape = np.broadcast_shapes(a.shape, b.shape)
            return np.full(shape, np.ravel(x)[0] * sign > 0)
    return step(number(a) - number(b))


def negated(x):
    return 1.0 - x if isinstance(x, Wire) else np.logical_not(x)


def both(a, b):
    return number(a) * number(b)


def either(a, b):
    a, b = number(a), number(b)
    return a + b - a * b


def different(a, b):
    """1 where a != b, else 0."""
    if a is b:      # NaN alone differs from itself, and a wire holds none
        return np.zeros(a.shape, bool)
    return either(greater(a, b), greater(b, a))


def compared(function):
    """A rule for a comparison."""
    return lambda reader, equation, a, b: function(a, b)


def finite_everywhere(reader, equation, x):
    return np.ones(x.shape, bool)


def exclusive(a, b):
    a, b = number(a), number(b)
    return a + b - a * b * 2.0


def logical(function, bits):
    """A rule for and, or, xor, which are defined for truth values."""
    def rule(reader, equation, *values):
        if equation.outvars[0].aval.dtype != bool:
            raise CircuitError("bits of whole numbers: calculate them from the data beforehand")
        return function(*values)
    return rule


def selected(reader, equation, which, *cases):
    """The case that `which` names at each place: a sum of cases, each times the mask of its places."""
    shape = np.broadcast_shapes(*[x.shape for x in cases], which.shape)
    which = which.real() if isinstance(which, Whole) else which
    cases = [x.real() if isinstance(x, Whole) else x for x in cases]
    if not isinstance(which, Wire):
        which = np.asarray(which).astype(int)
        if single(which) is not None:
            return cases[int(which.flat[0])]
        masks = [(which == k).astype(float) for k in range(len(cases))]
    elif len(cases) == 2:
        masks = [1.0 - which, which]
    else:
        masks = [negated(different(which, np.full((), float(k)))) for k in range(len(cases))]
    total = None
    for mask, case in zip(masks, cases):
        if not isinstance(case, Wire):
            case = np.asarray(case, float)
            case = finite(np.where(mask > 0, case, 0.0) if not isinstance(mask, Wire) else case)
            if not case.any():
                continue
        total = case * mask if total is None else total + case * mask
    if total is None:
        return np.zeros(shape)
    return broadcast_to(total, shape)


# sums, products, maxima -------------------------------------------------------------------------------------

def largest_along(reader, equation, x):
    """The largest element along several axes. Where the outputs do not depend on it, as where a softmax
    subtracts it, it is a constant and ties are no kinks."""
    free = reader.moves(x) and reader.is_free(equation)
    y = max_over(constant_part(x) if free and reader.free is not None else x, equation.params["axes"])
    return reader.open(equation, y) if free else y


def max_over(x, axes):
    kept = [i for i in range(x.ndim) if i not in axes]
    x = transpose(x, (*kept, *axes))
    return max_axis(reshape(x, (*x.shape[:len(kept)], math.prod(x.shape[len(kept):]))), axis=-1)


def smallest_along(reader, equation, x):
    return -max_over(-x, equation.params["axes"])


def multiplied(x, axes):
    for axis in sorted(axes, reverse=True):
        x = product_along(x, axis)
    return x


def without_gradient(reader, equation, x):
    """stop_gradient: of data it is the data; elsewhere nothing may depend on the value."""
    if not reader.moves(x):
        return x
    if not reader.is_free(equation):
        raise CircuitError("a gradient is stopped at a value that the result depends on: retraining moves "
                           "the value, and its derivative is that of no function. Where the value is a "
                           "constant, give it as data")
    return reader.open(equation, constant_part(x))


def product_of(reader, equation, a, b):
    inner, batch = equation.params["dimension_numbers"]
    return contracted(number(a), number(b), inner, batch)


def convolved(reader, equation, x, kernel):
    p = equation.params
    if p["batch_group_count"] != 1:
        raise CircuitError("a convolution in groups of the batch (the gradient of one): has no rule")
    lhs, rhs, out = p["dimension_numbers"]
    low, high = zip(*p["padding"]) if p["padding"] else ((), ())
    y = convolution(transpose(number(x), lhs), transpose(number(kernel), rhs), p["window_strides"], low, high,
                    p["rhs_dilation"], p["lhs_dilation"], p["feature_group_count"])
    return transpose(y, np.argsort(out).tolist())


def in_windows(x, p, missing):
    low, high = zip(*p["padding"])
    return windowed(x, p["window_dimensions"], p["window_strides"], low, high, p["window_dilation"],
                    p["base_dilation"], missing)


def cumulative(reader, equation, x):
    return running_sum(x, equation.params["axis"], equation.params["reverse"])


def cumulative_product(reader, equation, x):
    """The products of the elements up to each place, one place after the other."""
    axis, reverse = equation.params["axis"], equation.params["reverse"]
    places = [x[(slice(None),) * axis + (slice(i, i + 1),)] for i in range(x.shape[axis])]
    products = list(accumulate(places[::-1] if reverse else places, lambda a, b: a * b))
    return concatenate(products[::-1] if reverse else products, axis)


def pad(reader, equation, x, value):
    if isinstance(value, Wire):
        raise CircuitError("padding with a value that is not a constant")
    return padded(number(x), *zip(*equation.params["padding_config"]), float(finite(value)))


def unchanged(reader, equation, *values):
    return list(values) if equation.primitive.multiple_results else values[0]


FUNCTIONS = {"logaddexp": logaddexp}
"""Functions of JAX whose definition has kinks that they have not: their own circuits."""

RULES = {
    "add": plain(lambda a, b: masking(a) + masking(b)), "add_any": plain(lambda a, b: a + b),
    "sub": plain(lambda a, b: masking(a) - masking(b)),
    "mul": plain(lambda a, b: a * b), "neg": plain(lambda x: -x), "div": quotient,
    "integer_pow": lambda r, e, x: raised(x, e.params["y"]), "pow": power, "square": plain(lambda x: x ** 2),
    "sqrt": plain(lambda x: x ** 0.5), "rsqrt": plain(lambda x: x ** -0.5),
    "cbrt": plain(lambda x: x ** (1.0 / 3.0)), "exp": plain(exp),
    "exp2": plain(lambda x: exp(x * math.log(2))),
    "expm1": plain(expm1), "log": plain(log), "log1p": plain(log1p), "tanh": plain(tanh),
    "atan": plain(arctan), "asin": plain(arcsin), "acos": plain(lambda x: 0.5 * math.pi - arcsin(x)),
    "logistic": plain(sigmoid), "sin": plain(sin), "cos": plain(cos), "tan": plain(lambda x: sin(x) / cos(x)),
    "sinh": plain(lambda x: (exp(x) - exp(-x)) * 0.5), "cosh": plain(lambda x: (exp(x) + exp(-x)) * 0.5),
    "asinh": plain(lambda x: log(x + (x * x + 1.0) ** 0.5)),
    "acosh": plain(lambda x: log(x + (x * x - 1.0) ** 0.5)),
    "atanh": plain(lambda x: (log1p(x) - log1p(-x)) * 0.5),
    "erf": plain(erf), "erfc": plain(lambda x: 1.0 - erf(x)), "abs": plain(abs_value),
    "max": largest, "min": smallest, "clamp": clamped, "convert_element_type": converted,
    "is_finite": finite_everywhere, "stop_gradient": without_gradient,
    "gt": compared(greater), "lt": compared(lambda a, b: greater(b, a)),
    "ge": compared(lambda a, b: negated(greater(b, a))), "le": compared(lambda a, b: negated(greater(a, b))),
    "eq": compared(lambda a, b: negated(different(a, b))), "ne": compared(different),
    "not": logical(negated, "not"), "and": logical(both, "and"), "or": logical(either, "or"),
    "xor": logical(exclusive, "xor"), "select_n": selected,
    "reduce_sum": lambda r, e, x: sum(x, e.params["axes"]), "reduce_max": largest_along,
    "reduce_min": smallest_along, "reduce_prod": lambda r, e, x: multiplied(x, e.params["axes"]),
    "reduce_and": lambda r, e, x: multiplied(x, e.params["axes"]),
    "reduce_or": lambda r, e, x: 1.0 - multiplied(1.0 - x, e.params["axes"]),
    "cumsum": cumulative,
    "cumprod": cumulative_product, "dot_general": product_of, "conv_general_dilated": convolved, "pad": pad,
    "reduce_window_sum": lambda r, e, x: sum(in_windows(x, e.params, 0.0), -1),
    "reduce_window_max": lambda r, e, x: max_axis(in_windows(x, e.params, -FAR), axis=-1),
    "copy": unchanged, "copy_p": unchanged, "device_put": unchanged, "optimization_barrier": unchanged,
    "reduce_precision": unchanged, "name": unchanged, "sharding_constraint": unchanged, "pvary": unchanged,
}
"""Rules by the names of primitives."""

ELEMENTWISE = {
    "add", "sub", "mul", "neg", "div", "rem", "integer_pow", "pow", "square", "sqrt", "exp", "log", "max",
    "min", "clamp", "abs", "sign", "floor", "ceil", "round", "convert_element_type", "is_finite", "gt", "lt",
    "ge", "le", "eq", "ne", "not", "and", "or", "xor", "select_n", "copy", "stop_gradient", "shift_left",
    "shift_right_logical", "shift_right_arithmetic", "sin", "cos", "tanh", "logistic"}
"""Functions of elements, which JAX itself calculates where they are made of one whole number."""

WRAPPING = {"add", "sub", "mul", "neg", "integer_pow", "reduce_sum", "cumsum", "dot_general"}
"""Arithmetic whose results a small type of whole numbers may not hold."""

CHOICE = "it jumps, or chooses, and no Taylor series predicts it; a loss, logit or margin has one"
JUMPS = {name: CHOICE for name in ("argmax", "argmin", "sort", "top_k", "approx_top_k")} | {
    name: "it jumps and is flat in between: a training that depends on it has no Taylor series"
    for name in ("round", "floor", "ceil", "rem", "nextafter")} | {
    "sign": "the sign of a gradient or parameter jumps, as in Lion and signSGD: use an optimizer that is "
            "analytic, such as Adam with eps_root"}
"""Primitives that are refused, and why. Of data alone they are calculated."""
