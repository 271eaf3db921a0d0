"""Piecewise analytic gates: the real constant part chooses the branch, and each branch has a Taylor rule.

Taylor coefficients describe one branch exactly and cannot see the other. Exactly on a kink there is no
Taylor series: degree >= 1 raises an error that names the gate, and a plain evaluation takes the branch
written below.
"""
import numpy as np

from ..errors import ShapeError
from .cost import free, linear
from .gate import BY_VALUE, Gate, elementwise, real_part
from .linear import broadcast_to, reshape_to

_KINK = ("the function has a kink there and no Taylor series; move the value off the kink, or use a smooth "
         "gate (gelu for relu)")


def _reduced(shape, axis):
    if not -len(shape) <= axis < 0 or shape[axis] == 0:
        raise ShapeError(f"no maximum of shape {shape} along axis {axis}")
    return shape[:axis] + shape[axis:][1:]


def _winner(x, axis):
    return np.expand_dims(np.argmax(real_part(x), axis=axis), axis)


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
    taylor="step", cost=free, branch="sign", jumps=True, outside=_KINK)

relu = elementwise(
    "relu", lambda x: np.where(real_part(x) > 0, x, 0.0), lambda g, y, x: (g * step(x),),
    """x where x > 0, else 0; kink at 0. Taylor: y_r = x_r or 0, by the sign of x_0.""",
    taylor="relu", cost=linear, branch="sign", outside=_KINK)

abs_value = elementwise(
    "abs", lambda x: np.where(real_part(x) > 0, x, -x), lambda g, y, x: (g * (step(x) * 2.0 - 1.0),),
    """|x| = x or -x, by the sign of the real part; kink at 0. Taylor: y_r = x_r or -x_r.""",
    taylor="abs", cost=linear, branch="sign", outside=_KINK)

one_hot_max = Gate(
    "one_hot_max", 1, _one_hot_shape, _one_hot_value, lambda g, y, x, axis: (None,),
    """1 at the first largest element along an axis, else 0; jumps at ties. Taylor: a constant.""",
    marks=lambda x, ids, axis: np.broadcast_to(x.max(axis=axis, keepdims=True), x.shape),
    taylor="one_hot_max", cost=free, branch="winner", jumps=True, outside=_KINK)

max_axis = Gate(
    "max", 1, _reduced,
    lambda x, axis: np.squeeze(np.take_along_axis(np.asarray(x), _winner(x, axis), axis), axis), _max_vjp,
    """The largest element along an axis, by the constant part; kinks at ties. Taylor: the winner's
    coefficients.""",
    marks=BY_VALUE, taylor="max", cost=free, branch="winner", outside=_KINK)
