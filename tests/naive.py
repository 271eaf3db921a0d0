"""The slow twin of Taylor arithmetic: every gate on lists of coefficients, by definitions that share nothing
with the kernels.

A series is an array (p + 1,) + S of complex coefficients. Functions are composed: f(x_0 + u) is the sum of
f^(k)(x_0)/k! u^k with the powers of u multiplied out, whereas the kernels solve differential equations.
"""
import math

import numpy as np
from scipy import special


def add(a, b):
    return a + b


def multiply(a, b):
    y = np.zeros(np.broadcast_shapes(a.shape, b.shape), complex)
    for i in range(len(a)):
        for j in range(len(a) - i):
            y[i + j] += a[i] * b[j]
    return y


def compose(derivatives, x):
    """sum_k derivatives[k](x_0) / k! (x - x_0)^k."""
    u, power, y = x.copy(), np.zeros_like(x), np.zeros_like(x)
    u[0], power[0] = 0.0, 1.0
    for k in range(len(x)):
        y += derivatives(k, x[0].real) / math.factorial(k) * power
        power = multiply(power, u)
    return y


def exp(x):
    return compose(lambda k, x0: np.exp(x0), x)


def reciprocal(x):
    return compose(lambda k, x0: (-1) ** k * math.factorial(k) / x0 ** (k + 1), x)


def log(x):
    return compose(lambda k, x0: np.log(x0) if k == 0 else (-1) ** (k - 1) * math.factorial(k - 1) / x0 ** k,
                   x)


def power(x, exponent):
    if float(exponent).is_integer() and exponent >= 0:
        y = np.zeros_like(x)
        y[0] = 1.0
        for _ in range(int(exponent)):
            y = multiply(y, x)
        return y
    falling = [1.0]
    for k in range(len(x)):
        falling.append(falling[-1] * (exponent - k))
    return compose(lambda k, x0: falling[k] * x0 ** (exponent - k), x)


def constant(number, like):
    y = np.zeros_like(like)
    y[0] = number
    return y


def fixed(value, degree):
    """The gate `constant`."""
    return np.concatenate([value[None].astype(complex), np.zeros((degree,) + value.shape)])


def tanh(x):
    e = exp(2.0 * x)
    return multiply(e - constant(1.0, x), reciprocal(e + constant(1.0, x)))


def sigmoid(x):
    return reciprocal(exp(-x) + constant(1.0, x))


def sin(x):
    return compose(lambda k, x0: np.sin(x0 + k * math.pi / 2), x)


def cos(x):
    return compose(lambda k, x0: np.cos(x0 + k * math.pi / 2), x)


def arctan(x):
    """arctan^(k)(x) = (k-1)! Im[(-1)^(k-1) / (x - i)^k], as 1 / (1 + x^2) = Im 1 / (x - i)."""
    def derivative(k, x0):
        return np.arctan(x0) if k == 0 else (-1) ** (k - 1) * math.factorial(k - 1) * ((x0 - 1j) ** -k).imag
    return compose(derivative, x)


def erf(x):
    """erf^(k)(x) = (2/sqrt(pi)) (-1)^(k-1) H_{k-1}(x) e^(-x^2), with the physicists' Hermite polynomials."""
    def derivative(k, x0):
        if k == 0:
            return special.erf(x0)
        return 2.0 / math.sqrt(math.pi) * (-1) ** (k - 1) * special.eval_hermite(k - 1, x0) * np.exp(-x0 * x0)
    return compose(derivative, x)


def gelu(x):
    return 0.5 * multiply(x, constant(1.0, x) + erf(x * math.sqrt(0.5)))


def frozen(x):
    """The constant part alone."""
    return constant(x[0], x)


def by_order(function):
    """A linear gate: the same for every coefficient."""
    return lambda x, **parameters: np.stack([function(c, **parameters) for c in x])


def einsum(a, b, spec):
    y = [sum(np.einsum(spec, a[j], b[r - j]) for j in range(r + 1)) for r in range(len(a))]
    return np.stack(y)


def max_axis(x, axis):
    best = np.expand_dims(np.argmax(x[0].real, axis=axis), axis)
    return np.stack([np.squeeze(np.take_along_axis(c, best, axis), axis) for c in x])


def one_hot(x, axis):
    y = np.zeros_like(x)
    y[0] = x[0].real == x[0].real.max(axis=axis, keepdims=True)
    return y


def place(x, index, shape):
    y = np.zeros((len(x),) + shape, complex)
    y[(slice(None),) + tuple(slice(*triple) for triple in index)] = x
    return y


def scatter(x, ids, count, rank):
    y = np.zeros((len(x), count) + x.shape[2:], complex)
    for position, row in enumerate(ids):
        y[:, row] += x[:, position]
    return y


def concatenate(*tensors, axis):
    return np.concatenate(tensors, axis=axis)


RULES = {
    "constant": fixed, "add": add, "multiply": multiply, "power": power,
    "scale": lambda x, by: by * x, "shift": lambda x, by: x + constant(by, x),
    "exp": exp, "log": log, "tanh": tanh, "sigmoid": sigmoid, "sin": sin, "cos": cos,
    "expm1": lambda x: exp(x) - constant(1.0, x), "log1p": lambda x: log(x + constant(1.0, x)),
    "arctan": arctan, "erf": erf, "gelu": gelu, "einsum": einsum,
    "sum": by_order(lambda c, axes: c.sum(axis=axes)),
    "broadcast": by_order(lambda c, shape: np.broadcast_to(c, shape)),
    "reshape": by_order(lambda c, source, shape: c.reshape(shape)),
    "transpose": by_order(lambda c, axes: c.transpose([a % c.ndim for a in axes])),
    "slice": by_order(lambda c, index: c[tuple(slice(*triple) for triple in index)]),
    "place": place, "concatenate": concatenate,
    "take": lambda x, source, positions: x.reshape(len(x), -1)[:, positions],
    "gather": lambda x, ids, rank: x[:, ids],
    "scatter": scatter,
    "constant_part": frozen,
    "relu": lambda x: x * (x[0].real > 0), "abs": lambda x: x * np.sign(x[0].real),
    "step": lambda x: constant(x[0].real > 0, x),
    "max": max_axis, "one_hot_max": one_hot,
}
"""The slow rule of every gate."""


def circuit(gates, inputs, degree):
    """A whole circuit by the slow rules: inputs are series (p + 1,) + S, or arrays of whole numbers. Returns
    the outputs."""
    wires = list(inputs)
    for entry in gates.entries:
        gate, parameters = entry.gate, dict(entry.parameters)
        operands = [wires[i] for i in entry.inputs]
        if entry.kind == "integer":
            wires.append(gate.value(*operands, **parameters))
            continue
        if gate.kinds == ("real", "integer"):
            parameters["ids"] = operands.pop()
        if gate.name == "constant":
            parameters["degree"] = degree
        wires.append(RULES[gate.name](*operands, **parameters))
    return [wires[i] for i in gates.outputs]
