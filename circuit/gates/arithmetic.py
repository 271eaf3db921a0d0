"""Arithmetic gates: constants, sums, products and constant powers. Everything else algebraic is sugar over
these."""
import numpy as np

from ..errors import DomainError, ShapeError
from .gate import Gate, elementwise, real_part


def _integral(exponent):
    return float(exponent).is_integer()


# The exponents met in every training step, without the general power's logarithm.
_QUICK_POWERS = {2.0: np.square, -1.0: np.reciprocal, 0.5: np.sqrt, -0.5: lambda x: 1.0 / np.sqrt(x)}


def principal(x, outside):
    """x, refused where complex numbers leave the right half-plane: a root or logarithm would choose a branch
    there.

    Real numbers need no look: outside the domain NumPy gives NaN."""
    if np.iscomplexobj(x) and not np.all(np.real(x) > 0):
        raise DomainError(
            f"the complex number {np.extract(np.real(x) <= 0, x)[0]} has no positive real part; {outside}")
    return x


def _power_value(x, exponent):
    x = x if np.iscomplexobj(x) else np.asarray(x, float)
    if not _integral(exponent):
        principal(x, power.outside)
    if float(exponent) in _QUICK_POWERS:
        return _QUICK_POWERS[float(exponent)](x)
    return np.power(x, int(exponent) if _integral(exponent) and exponent >= 0 else float(exponent))


def _power_vjp(g, y, x, exponent):
    if exponent == 0:
        return (None,)
    if exponent == 1:
        return (g,)
    return (scale(g * (x if exponent == 2 else power(x, exponent=exponent - 1)), by=float(exponent)),)


def _power_domain(x, exponent):
    if not _integral(exponent):
        return real_part(x) > 0
    return real_part(x) != 0 if exponent < 0 else np.ones(np.shape(x), bool)


def _constant_shape(*, value):
    if not isinstance(value, np.ndarray):
        raise ShapeError("a constant is a NumPy array")
    return value.shape


constant = Gate(
    "constant", 0, _constant_shape, lambda *, value: value, lambda g, y, *, value: (),
    """A fixed array. Derivative 0; a polynomial of degree 0. Integer arrays give integer wires.""",
    kinds="constant", flops=0.0)

add = elementwise(
    "add", lambda a, b: a + b, lambda g, y, a, b: (g, g),
    """a + b. Taylor: y_r = a_r + b_r.""", arity=2)

multiply = elementwise(
    "multiply", lambda a, b: a * b, lambda g, y, a, b: (g * b, g * a),
    """a b, element by element; dy = b da + a db. Taylor: y_r = sum_{j=0..r} a_j b_{r-j}.""", arity=2)

scale = elementwise(
    "scale", lambda x, by: x * by, lambda g, y, x, by: (scale(g, by=by),),
    """c x for a constant real c. Taylor: y_r = c x_r.""")

shift = elementwise(
    "shift", lambda x, by: x + by, lambda g, y, x, by: (g,),
    """x + c for a constant real c. Taylor: y_0 = x_0 + c, y_r = x_r.""")

power = elementwise(
    "power", _power_value, _power_vjp,
    """x^a for a constant a, integer or real; dy = a x^(a-1) dx.
    Taylor, from x y' = a x' y:  r x_0 y_r = sum_{j=1..r} (a j - (r - j)) x_j y_{r-j};  a whole a >= 0 multiplies repeatedly
    instead, so that it may pass through 0. Otherwise analytic for x_0 > 0 (whole a < 0: for x_0 != 0).""",
    domain=_power_domain, flops=4.0,
    outside="a real power needs a positive base (a negative whole power: a base other than zero); shift the base, as Adam's eps does")
