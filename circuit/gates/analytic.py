"""Elementwise gates that are analytic functions. Each is given by a differential equation.

The equation makes higher orders cheap: from y' = s(t) x'(t), where s is the slope series,

    y_r = (1/r) sum_{j=1..r} j x_j s_{r-j}            (Griewank & Walther, Evaluating Derivatives, ch. 13)

and a function only has to say how its slope s follows from x and y.
"""
import math

import numpy as np
from scipy import special

from .arithmetic import power, principal, scale, shift
from ..errors import DomainError
from .cost import chain, linear, product
from .gate import Domain, elementwise, real_part


def _sigmoid(x):
    above = real_part(x) > 0
    e = np.exp(np.where(above, -x, x))      # never large
    return np.where(above, 1.0, e) / (1.0 + e)


def _log(x):
    return np.log(principal(x, log.outside))


def _log1p(x):
    principal(1.0 + x, log1p.outside)
    return np.log1p(x)


def _arctan(x):
    principal(1.0 + x * x, "an arc tangent is calculated where 1 + x^2 has a positive real part")
    return np.arctan(x)


def _in_range(y):
    """y, unless SciPy overflowed, for which NumPy raises no flag."""
    if np.iscomplexobj(y) and not np.isfinite(y).all():
        raise DomainError("the function overflows: a complex number is too far from the real line")
    return y


def _gaussian(x):
    """e^(-x^2), in gates."""
    return exp(scale(x * x, by=-1.0))


def _gelu_vjp(g, y, x):
    cumulative = shift(scale(erf(scale(x, by=math.sqrt(0.5))), by=0.5), by=0.5)
    density = scale(_gaussian(scale(x, by=math.sqrt(0.5))), by=1.0 / math.sqrt(2.0 * math.pi))
    return (g * (cumulative + x * density),)


exp = elementwise(
    "exp", np.exp, lambda g, y, x: (g * y,),
    """e^x; y' = y x'. Taylor: slope s = y.""",
    taylor="exp", cost=lambda p, moving: chain(p), flops=20.0)

log = elementwise(
    "log", _log, lambda g, y, x: (g * power(x, exponent=-1),),
    """Natural logarithm; x y' = x'. Analytic for x_0 > 0.
    Taylor: x_0 y_r = x_r - (1/r) sum_{j=1..r-1} j y_j x_{r-j}.""",
    taylor="log", cost=lambda p, moving: chain(p) - 2, domain=Domain.POSITIVE,
    outside="a logarithm needs a positive number", flops=20.0)

expm1 = elementwise(
    "expm1", np.expm1, lambda g, y, x: (g * exp(x),),
    """e^x - 1, exact near 0 too; y' = (y + 1) x'. Taylor: slope s = y + 1.""",
    taylor="expm1", cost=lambda p, moving: chain(p), flops=20.0)

log1p = elementwise(
    "log1p", _log1p, lambda g, y, x: (g * power(shift(x, by=1.0), exponent=-1),),
    """log(1 + x), exact near 0 too; (1 + x) y' = x'. Analytic for x_0 > -1.
    Taylor: (1 + x_0) y_r = x_r - (1/r) sum_{j=1..r-1} j y_j x_{r-j}.""",
    taylor="log1p", cost=lambda p, moving: chain(p) - 2, flops=20.0)

tanh = elementwise(
    "tanh", np.tanh, lambda g, y, x: (g * shift(scale(y * y, by=-1.0), by=1.0),),
    """Hyperbolic tangent; y' = (1 - y^2) x'. Taylor: slope s = 1 - y y.""",
    taylor="tanh", cost=lambda p, moving: chain(p) + product(p), flops=20.0)

sigmoid = elementwise(
    "sigmoid", _sigmoid, lambda g, y, x: (g * (y * shift(scale(y, by=-1.0), by=1.0)),),
    """1 / (1 + e^-x); y' = y (1 - y) x'. Taylor: slope s = y - y y.""",
    taylor="sigmoid", cost=lambda p, moving: chain(p) + product(p) + linear(p), flops=20.0)

sin = elementwise(
    "sin", np.sin, lambda g, y, x: (g * cos(x),),
    """Sine; y' = c x', c' = -y x'. Taylor: slope s = c, carried along.""",
    taylor="sin", cost=lambda p, moving: 2 * chain(p), flops=20.0)

cos = elementwise(
    "cos", np.cos, lambda g, y, x: (scale(g * sin(x), by=-1.0),),
    """Cosine; y' = -s x', s' = y x'. Taylor: slope -s, carried along.""",
    taylor="cos", cost=lambda p, moving: 2 * chain(p), flops=20.0)

arctan = elementwise(
    "arctan", _arctan, lambda g, y, x: (g * power(shift(x * x, by=1.0), exponent=-1),),
    """Arc tangent; (1 + x^2) y' = x'. Taylor: slope s = 1 / (1 + x x).""",
    taylor="arctan", cost=lambda p, moving: product(p) + 2 * chain(p), flops=20.0)

erf = elementwise(
    "erf", lambda x: _in_range(special.erf(x)),
    lambda g, y, x: (scale(g * _gaussian(x), by=2.0 / math.sqrt(math.pi)),),
    """Error function; y' = (2 / sqrt(pi)) e^(-x^2) x'. Taylor: slope by squaring and exp.""",
    taylor="erf", cost=lambda p, moving: product(p) + 2 * chain(p) + 2 * linear(p), flops=20.0)

gelu = elementwise(
    "gelu", lambda x: x * _in_range(special.ndtr(x)), _gelu_vjp,
    """GELU, exact: x Phi(x) with the normal distribution function Phi; y' = (Phi + x phi) x'.
    Taylor: x times Phi, Phi by its slope phi = e^(-x^2/2) / sqrt(2 pi).""",
    taylor="gelu", cost=lambda p, moving: 2 * product(p) + 2 * chain(p) + 2 * linear(p), flops=25.0)
