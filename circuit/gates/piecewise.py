"""Piecewise analytic gates: the branch is chosen by the real constant part, and each branch is a polynomial
rule of its own.

Taylor coefficients describe one branch perfectly and cannot see the other, so exactly on a kink there is
nothing to describe: degree >= 1 refuses, naming the gate; a plain evaluation takes the branch written below.
"""
import numpy as np

from ..errors import ShapeError
from .gate import Gate, elementwise, real_part
from .linear import broadcast_to, reshape_to

_KINK = "the function has a kink there and no Taylor series; move the value off the kink, or use a smooth gate (gelu for relu)"


def _not_zero(x):
    return real_part(x) != 0


def _reduced(shape, axis):
    if not -len(shape) <= axis < 0 or shape[axis] == 0:
        raise ShapeError(f"no maximum of shape {shape} along axis {axis}")
    return shape[:axis] + shape[axis:][1:]


def _winner(x, axis):
    return np.expand_dims(np.argmax(real_part(x), axis=axis), axis)


def _one_winner(x, axis):
    parts = real_part(x)
    return np.sum(parts == np.max(parts, axis=axis, keepdims=True), axis=axis) == 1


def _one_hot_value(x, axis):
    y = np.zeros(np.shape(x))
    np.put_along_axis(y, _winner(x, axis), 1.0, axis=axis)
    return y


def _one_hot_shape(shape, axis):
    _reduced(shape, axis)
    return shape


def _max_vjp(g, y, x, axis):
    kept = list(x.shape)
    kept[axis] = 1
    spread = broadcast_to(reshape_to(g, source=g.shape, shape=tuple(kept)), shape=x.shape)
    return (spread * one_hot_max(x, axis=axis),)


step = elementwise(
    "step", lambda x: np.where(real_part(x) > 0, 1.0, 0.0), lambda g, y, x: (None,),
    """1 where x > 0, else 0; constant on both sides of its jump at 0. Taylor: a constant.""",
    domain=_not_zero, outside=_KINK)

relu = elementwise(
    "relu", lambda x: np.where(real_part(x) > 0, x, 0.0), lambda g, y, x: (g * step(x),),
    """x where x > 0, else 0; kink at 0. Taylor: y_r = x_r or 0, by the sign of x_0.""",
    domain=_not_zero, outside=_KINK)

abs_value = elementwise(
    "abs", lambda x: np.where(real_part(x) > 0, x, -x), lambda g, y, x: (g * (step(x) * 2.0 - 1.0),),
    """|x| = x or -x, by the sign of the real part; kink at 0. Taylor: y_r = x_r or -x_r.""",
    domain=_not_zero, outside=_KINK)

one_hot_max = Gate(
    "one_hot_max", 1, _one_hot_shape, _one_hot_value, lambda g, y, x, axis: (None,),
    """1 at the first largest element along an axis, else 0; jumps at ties. Taylor: a constant.""",
    domain=_one_winner, outside=_KINK)

max_axis = Gate(
    "max", 1, _reduced, lambda x, axis: np.squeeze(np.take_along_axis(np.asarray(x), _winner(x, axis), axis), axis),
    _max_vjp,
    """The largest element along an axis, by the constant part; kinks at ties. Taylor: the winner's coefficients.""",
    domain=_one_winner, outside=_KINK)
