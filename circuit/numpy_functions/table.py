"""The table: what each function of NumPy and of scipy.special is, called with wires.

A gate is recorded as it is; anything else is a function over gates. A function that is not listed here is
refused; circuit/advice.py says what to write in its place.
"""
import numpy as np
from scipy import special

from .. import functions
from ..gates import analytic, piecewise
from ..wire import Wire
from . import arrangement, elementwise, products, reductions
from .arrangement import filling, joining, moving, permuting, splitting
from .elementwise import operator

TABLE = {
    # functions of elements
    np.add: operator(Wire.__add__, Wire.__radd__),
    np.subtract: operator(Wire.__sub__, Wire.__rsub__),
    np.multiply: operator(Wire.__mul__, Wire.__rmul__),
    np.true_divide: operator(Wire.__truediv__, Wire.__rtruediv__),
    np.power: operator(Wire.__pow__, Wire.__rpow__),
    np.float_power: operator(Wire.__pow__, Wire.__rpow__),
    np.negative: Wire.__neg__,
    np.positive: elementwise.positive,
    np.reciprocal: elementwise.reciprocal,
    np.square: functions.square,
    np.sqrt: functions.sqrt,
    np.exp: analytic.exp,
    np.expm1: analytic.expm1,
    np.log: analytic.log,
    np.log1p: analytic.log1p,
    np.log2: elementwise.log2,
    np.log10: elementwise.log10,
    np.logaddexp: elementwise.logaddexp,
    np.tanh: analytic.tanh,
    np.sin: analytic.sin,
    np.cos: analytic.cos,
    np.arctan: analytic.arctan,
    special.erf: analytic.erf,
    special.expit: analytic.sigmoid,
    special.log_expit: elementwise.log_expit,
    special.logit: elementwise.logit,
    special.expm1: analytic.expm1,
    special.log1p: analytic.log1p,
    # with branches
    np.absolute: piecewise.abs_value,
    np.fabs: piecewise.abs_value,
    np.sign: elementwise.sign,
    np.heaviside: elementwise.heaviside,
    np.maximum: elementwise.maximum,
    np.minimum: elementwise.minimum,
    np.fmax: elementwise.maximum,
    np.fmin: elementwise.minimum,
    np.clip: elementwise.clip,
    np.where: elementwise.where,
    # reductions
    np.sum: reductions.sum,
    np.mean: reductions.mean,
    np.var: reductions.var,
    np.std: reductions.std,
    np.max: reductions.max,
    np.min: reductions.min,
    np.amax: reductions.max,
    np.amin: reductions.min,
    np.prod: reductions.prod,
    np.cumsum: reductions.cumsum,
    np.diff: reductions.diff,
    np.linalg.norm: reductions.norm,
    # products
    np.matmul: products.matmul,
    np.dot: products.dot,
    np.inner: products.inner,
    np.outer: products.outer,
    np.vdot: products.vdot,
    np.tensordot: products.tensordot,
    np.einsum: products.einsum,
    np.trace: products.trace,
    # shapes
    np.reshape: arrangement.reshape,
    np.ravel: moving(np.ravel),
    np.squeeze: moving(np.squeeze),
    np.expand_dims: moving(np.expand_dims),
    np.atleast_1d: moving(np.atleast_1d),
    np.atleast_2d: moving(np.atleast_2d),
    np.transpose: permuting(np.transpose),
    np.swapaxes: permuting(np.swapaxes),
    np.moveaxis: permuting(np.moveaxis),
    np.broadcast_to: functions.broadcast_to,
    np.broadcast_arrays: arrangement.broadcast_arrays,
    np.copy: elementwise.positive,
    # joining and splitting
    np.concatenate: arrangement.concatenate,
    np.stack: arrangement.stack,
    np.vstack: joining(np.vstack),
    np.hstack: joining(np.hstack),
    np.dstack: joining(np.dstack),
    np.column_stack: joining(np.column_stack),
    np.append: arrangement.append,
    np.split: splitting(np.split),
    np.array_split: splitting(np.array_split),
    # choosing and repeating elements
    np.take: arrangement.take,
    np.take_along_axis: arrangement.take_along_axis,
    np.repeat: moving(np.repeat),
    np.tile: moving(np.tile),
    np.flip: moving(np.flip),
    np.roll: moving(np.roll),
    np.delete: moving(np.delete),
    np.diagonal: moving(np.diagonal),
    np.diag: filling(np.diag),
    np.triu: filling(np.triu),
    np.tril: filling(np.tril),
    np.pad: arrangement.pad,
    # what is known of a wire
    np.shape: arrangement.shape,
    np.ndim: arrangement.ndim,
    np.size: arrangement.size,
    np.zeros_like: arrangement.zeros_like,
    np.ones_like: arrangement.ones_like,
    np.full_like: arrangement.full_like,
}
"""By the function itself."""

SINCE_NUMPY_2 = {"vecdot": products.vecdot, "unstack": arrangement.unstack,
                 "matrix_transpose": permuting(lambda x: np.swapaxes(x, -1, -2))}
TABLE |= {getattr(np, name): function for name, function in SINCE_NUMPY_2.items() if hasattr(np, name)}

REDUCED = {np.add: reductions.sum, np.multiply: reductions.prod, np.maximum: reductions.max,
           np.minimum: reductions.min, np.logaddexp: reductions.logsumexp}
"""What `numpy.add.reduce` and the like are."""

ACCUMULATED = {np.add: reductions.cumsum}
"""What `numpy.add.accumulate` is."""
