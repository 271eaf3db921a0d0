"""Arithmetic gates: constants, sums, products and constant powers. Everything else algebraic is written with
these."""
import numpy as np

from ..errors import DomainError, ShapeError
from .cost import chain, free, linear, product, whole_power
from .gate import BY_VALUE, COMPOSED, Domain, Gate, elementwise


def _integral(exponent):
    return float(exponent).is_integer()


# The exponents met in every training step, without the general power's logarithm.
_QUICK_POWERS = {2.0: np.square, -1.0: np.reciprocal, 0.5: np.sqrt, -0.5: lambda x: 1.0 / np.sqrt(x)}


def principal(x, outside):
    """x, or DomainError where a complex number is outside the right half-plane: a root or logarithm would
    have to choose a branch there.

    Real numbers need no check: outside the domain NumPy gives NaN."""
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


def _power_domain(exponent):
    """Where x^a has a value: 0^0.5 is a plain number."""
    domain = Domain.EVERYWHERE if _integral(exponent) else Domain.NOT_NEGATIVE
    return domain | Domain.NOT_ZERO if exponent < 0 else domain


def _power_analytic(exponent):
    """Where x^a has a Taylor series: a whole a >= 0 multiplies repeatedly, and may pass through 0."""
    if not _integral(exponent):
        return Domain.POSITIVE
    return Domain.NOT_ZERO if exponent < 0 else Domain.EVERYWHERE


def _power_cost(p, moving, exponent):
    return whole_power(p, exponent) if _integral(exponent) and exponent >= 0 else chain(p)


def _constant_shape(*, value):
    if not isinstance(value, np.ndarray):
        raise ShapeError("a constant is a NumPy array")
    return value.shape


constant = Gate(
    "constant", 0, _constant_shape, lambda *, value: value, lambda g, y, *, value: (),
    """A fixed array. Derivative 0; a polynomial of degree 0. Integer arrays give integer wires.""",
    marks=BY_VALUE, taylor=COMPOSED, cost=free, kinds="constant", flops=0.0)

add = elementwise(
    "add", lambda a, b: a + b, lambda g, y, a, b: (g, g),
    """a + b. Taylor: y_r = a_r + b_r.""",
    arity=2, taylor=("combine", "combine_constant"), cost=lambda p, a, b: 2 * p if a and b else 0)

multiply = elementwise(
    "multiply", lambda a, b: a * b, lambda g, y, a, b: (g * b, g * a),
    """a b, element by element; dy = b da + a db. Taylor: y_r = sum_{j=0..r} a_j b_{r-j}.""",
    arity=2, taylor=("multiply", "multiply_constant"), cost=lambda p, a, b: product(p) if a and b else 2 * p)

scale = elementwise(
    "scale", lambda x, by: x * by, lambda g, y, x, by: (scale(g, by=by),),
    """c x for a constant real c. Taylor: y_r = c x_r.""",
    taylor="scale", cost=linear)

shift = elementwise(
    "shift", lambda x, by: x + by, lambda g, y, x, by: (g,),
    """x + c for a constant real c. Taylor: y_0 = x_0 + c, y_r = x_r.""",
    taylor="shift", cost=free)

power = elementwise(
    "power", _power_value, _power_vjp,
    """x^a for a constant a, integer or real; dy = a x^(a-1) dx.
    Taylor, from x y' = a x' y:  r x_0 y_r = sum_{j=1..r} (a j - (r - j)) x_j y_{r-j};  a whole a >= 0
    multiplies repeatedly instead, so that it may pass through 0. Otherwise analytic for x_0 > 0 (whole a < 0:
    for x_0 != 0).""",
    taylor=("power", "power_whole", "inverse", "inverse_root", "inverse_root_cubed"), cost=_power_cost,
    domain=_power_domain, analytic=_power_analytic,
    outside="a real power needs a positive base (a negative whole power: a base other than zero); shift the "
            "base, as Adam's eps does", flops=4.0)
