"""The table of NumPy's functions: how each is called, one row for each way. Every check of test_numpy.py runs
on every row.

The rows must cover the table of circuit/numpy_functions/ exactly, and every argument of its functions.
"""
from dataclasses import dataclass
from typing import Callable

import numpy as np
from scipy import special

GRID = np.arange(12.0).reshape(3, 4) / 8.0 - 0.7
IDS = np.array([[2, 0], [1, 1]])


@dataclass(frozen=True, eq=False)
class Row:
    """A way to call a function.

    function   NumPy's
    call       call(f, *x) calls f, which is that function, with wires or arrays x
    shapes     of x
    low        the smallest number in x; all are different, `apart` from each other
    moves      whether the function only moves numbers, so that not even the last bit may differ
    analytic   analytic(*x): the function as one of complex numbers, where NumPy's own is not
    """
    function: Callable
    call: Callable
    shapes: tuple = ((2, 3),)
    low: float = 0.6
    moves: bool = False
    analytic: Callable = None
    apart: float = 0.3

    @property
    def name(self):
        return self.function.__name__

    def numbers(self, rng):
        """Constant parts for x."""
        count = sum(int(np.prod(shape)) for shape in self.shapes)
        numbers = list(self.low + self.apart * rng.permutation(count))
        return [np.array([numbers.pop() for _ in range(int(np.prod(shape)))]).reshape(shape)
                for shape in self.shapes]

    def of_complex(self, *x):
        """What the function is for complex numbers."""
        return self.call(self.function, *x) if self.analytic is None else self.analytic(*x)


def plain(f, *x):
    return f(*x)


def squares(x, axis=None, keepdims=False, ddof=0):
    """The variance without conjugates."""
    count = x.size if axis is None else np.prod([x.shape[a] for a in np.ravel(axis)])
    distance = x - x.mean(axis=axis, keepdims=True)
    return (distance ** 2).sum(axis=axis, keepdims=keepdims) / (count - ddof)


def moved(function, call, *shapes):
    return Row(function, call, shapes or ((2, 3, 4),), moves=True)


ABOVE = {"low": -0.75}
TWO, THREE = ((2, 3), (2, 3)), ((2, 3), (3, 4), (4, 2))
OF_THREE = (2, 3, 4),

ELEMENTS = [
    Row(np.add, plain, ((2, 3), (3,))),
    Row(np.add, lambda f, x: f(GRID[:, :3], x), ((3, 3),)),
    Row(np.add, lambda f, x: f(x, 2.5)),
    Row(np.subtract, plain, ((2, 1), (3,))),
    Row(np.subtract, lambda f, x: f(GRID, x), ((4,),)),
    Row(np.subtract, lambda f, x: f([1, 2, 3], x)),
    Row(np.multiply, plain, TWO),
    Row(np.multiply, lambda f, x: f(GRID[:2, :3], x)),
    Row(np.divide, plain, TWO),
    Row(np.divide, lambda f, x: f(1.0, x)),
    Row(np.divide, lambda f, x: f(GRID[:2, :3], x)),
    Row(np.divide, lambda f, x: f(x, 3.0)),
    Row(np.divide, lambda f, x: f(x, GRID[:2, :3])),
    Row(np.power, lambda f, x: f(x, 3)),
    Row(np.power, lambda f, x: f(x, -1.5)),
    Row(np.float_power, lambda f, x: f(x, 0.75)),
    Row(np.negative, plain),
    Row(np.positive, plain),
    Row(np.reciprocal, plain),
    Row(np.square, plain),
    Row(np.sqrt, plain),
    Row(np.exp, plain),
    Row(np.expm1, plain),
    Row(np.log, plain),
    Row(np.log1p, plain),
    Row(np.log2, plain),
    Row(np.log10, plain),
    Row(np.logaddexp, plain, TWO, analytic=lambda a, b: np.log(np.exp(a) + np.exp(b))),
    Row(np.logaddexp, lambda f, x: f(0.0, x), analytic=lambda x: np.log(1.0 + np.exp(x)), **ABOVE),
    Row(np.logaddexp, lambda f, x: f(x, GRID[:2, :3]),
        analytic=lambda x: np.log(np.exp(x) + np.exp(GRID[:2, :3]))),
    Row(np.tanh, plain),
    Row(np.sin, plain),
    Row(np.cos, plain),
    Row(np.arctan, plain, **ABOVE),
    Row(special.erf, plain),
    Row(special.expit, plain, analytic=lambda x: 1.0 / (1.0 + np.exp(-x)), **ABOVE),
    Row(special.log_expit, plain, analytic=lambda x: -np.log(1.0 + np.exp(-x)), **ABOVE),
    Row(special.logit, plain, ((3,),), low=0.2, analytic=lambda x: np.log(x / (1.0 - x))),
    Row(special.expm1, plain),
    Row(special.log1p, plain),
    Row(np.abs, plain, analytic=lambda x: x * np.sign(x.real), **ABOVE),
    Row(np.fabs, plain, analytic=lambda x: x * np.sign(x.real), **ABOVE),
    Row(np.sign, plain, analytic=lambda x: np.sign(x.real), **ABOVE),
    Row(np.heaviside, lambda f, x: f(x, 0.5), analytic=lambda x: 1.0 * (x.real > 0), **ABOVE),
    Row(np.maximum, plain, TWO),
    Row(np.maximum, lambda f, x: f(x, 0.0), **ABOVE),
    Row(np.maximum, lambda f, x: f(0, x), **ABOVE),
    Row(np.maximum, lambda f, x: f(np.array([1.05, 0.75, 1.35]), x)),
    Row(np.minimum, plain, ((2, 3), (3,))),
    Row(np.minimum, lambda f, x: f(x, 0.0), **ABOVE),
    Row(np.minimum, lambda f, x: f([1.05, 0.75, 1.65], x)),
    Row(np.fmax, plain, TWO),
    Row(np.fmin, plain, TWO),
    Row(np.clip, lambda f, x: f(x, 0.7, 1.6)),
    Row(np.clip, lambda f, x: f(x, None, 1.6)),
    Row(np.clip, lambda f, x: f(x, np.array([0.7, 1.6, 1.9]), None)),
    Row(np.clip, lambda f, x, a: f(x, a, a + 0.5), ((2, 3), (3,))),
    Row(np.where, lambda f, x: f(GRID[:2, :3] > -0.4, x, 0.0)),
    Row(np.where, lambda f, x, y: f([True, False, True], x, y), ((2, 3), (2, 1))),
    Row(np.where, lambda f, x, y: f(IDS, x, y), ((2,), (2, 2))),
    Row(np.where, lambda f, x, y: f(x, y, 2.0 * x), TWO, **ABOVE),
]

REDUCTIONS = [
    *[Row(np.sum, lambda f, x, axis=axis, kept=kept: f(x, axis=axis, keepdims=kept), OF_THREE)
      for axis, kept in ((None, False), (0, True), (-1, False), ((0, -1), True))],
    Row(np.sum, lambda f, x: f(x, 1), OF_THREE),
    *[Row(np.mean, lambda f, x, axis=axis, kept=kept: f(x, axis=axis, keepdims=kept), OF_THREE)
      for axis, kept in ((None, True), (1, False), ((-1, 0), False))],
    *[Row(np.var, lambda f, x, axis=axis, kept=kept: f(x, axis=axis, keepdims=kept, ddof=1), OF_THREE,
          analytic=lambda x, axis=axis, kept=kept: squares(x, axis, kept, 1))
      for axis, kept in ((None, False), (-1, True), ((0, 2), False))],
    Row(np.var, plain, analytic=squares),
    Row(np.std, lambda f, x: f(x, axis=-1, ddof=1, keepdims=True),
        analytic=lambda x: squares(x, -1, True, 1) ** 0.5),
    Row(np.std, plain, analytic=lambda x: squares(x) ** 0.5),
    *[Row(np.max, lambda f, x, axis=axis, kept=kept: f(x, axis=axis, keepdims=kept), OF_THREE)
      for axis, kept in ((None, False), (1, True), ((0, -1), False))],
    *[Row(np.min, lambda f, x, axis=axis, kept=kept: f(x, axis=axis, keepdims=kept), OF_THREE)
      for axis, kept in ((None, False), (1, True), ((0, -1), False))],
    Row(np.amax, lambda f, x: f(x, -1, keepdims=True)),
    Row(np.amin, lambda f, x: f(x, -1, keepdims=True)),
    *[Row(np.prod, lambda f, x, axis=axis, kept=kept: f(x, axis=axis, keepdims=kept), OF_THREE)
      for axis, kept in ((None, True), (1, False), ((0, -1), True))],
    Row(np.cumsum, plain),
    Row(np.cumsum, lambda f, x: f(x, axis=1), OF_THREE),
    Row(np.diff, plain),
    Row(np.diff, lambda f, x: f(x, n=2, axis=1), OF_THREE),
    Row(np.linalg.norm, plain, analytic=lambda x: (x ** 2).sum() ** 0.5),
    Row(np.linalg.norm, lambda f, x: f(x, axis=-1, keepdims=True), OF_THREE,
        analytic=lambda x: (x ** 2).sum(axis=-1, keepdims=True) ** 0.5),
    Row(np.linalg.norm, lambda f, x: f(x, ord="fro", axis=(0, 1)), OF_THREE,
        analytic=lambda x: (x ** 2).sum(axis=(0, 1)) ** 0.5),
    Row(np.linalg.norm, lambda f, x: f(x, ord=1, axis=0), analytic=lambda x: x.sum(axis=0)),
    Row(np.linalg.norm, lambda f, x: f(x, 3, 0), analytic=lambda x: (x ** 3).sum(axis=0) ** (1 / 3)),
    Row(np.linalg.norm, lambda f, x: f(x, np.inf, 0), analytic=lambda x: x.max(axis=0)),
]

PRODUCTS = [
    *[Row(np.matmul, plain, shapes) for shapes in (
        ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 2, 3), (3, 2)),
        ((2, 3), (2, 3, 2)), ((3,), (2, 3, 2)), ((2, 1, 2, 3), (2, 3, 2)))],
    Row(np.matmul, lambda f, x: f(GRID, x), ((4, 2),)),
    *[Row(np.dot, plain, shapes) for shapes in (
        ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((), (2, 3)), ((2, 3), (2, 3, 2)))],
    Row(np.dot, lambda f, x: f(x, GRID), ((2, 3),)),
    Row(np.inner, plain, ((2, 3), (4, 3))),
    Row(np.inner, plain, ((), (2,))),
    Row(np.outer, plain, ((2, 2), (3,))),
    Row(np.vdot, plain, TWO, analytic=lambda a, b: (a * b).sum()),
    Row(np.tensordot, plain, ((2, 3, 2), (3, 2, 2))),
    Row(np.tensordot, lambda f, a, b: f(a, b, axes=1), ((2, 3), (3, 2))),
    Row(np.tensordot, lambda f, a, b: f(a, b, axes=0), ((2,), (3,))),
    Row(np.tensordot, lambda f, a, b: f(a, b, ([0, -1], [1, 0])), ((2, 3, 4), (4, 2))),
    Row(np.tensordot, lambda f, a: f(a, GRID, (-1, 0))),
    *[Row(np.einsum, lambda f, *x, spec=spec: f(spec, *x), shapes) for spec, shapes in (
        ("ij,jk,kl->il", THREE), ("ij,jk,kl", THREE), ("ij->ji", ((2, 3),)), ("ij->", ((2, 3),)),
        ("ii->i", ((3, 3),)), ("ii", ((3, 3),)), ("iji->j", ((2, 3, 2),)), ("ij, j -> i", ((2, 3), (3,))),
        ("ij,kl->jl", ((2, 3), (2, 2))), ("ba", ((2, 3),)), ("...i,...i->...", ((2, 3), (3,))),
        ("...ij,jk", ((2, 2, 3), (3, 2))), ("b...,b...->...b", ((2, 3), (2, 1))), (",i->i", ((), (3,))),
        ("i,j,k,i->jk", ((2,), (2,), (3,), (2,))))],
    Row(np.einsum, lambda f, x: f("ij,jk,k->i", x, GRID, GRID[0], optimize=True)),
    Row(np.trace, plain, ((3, 3),)),
    Row(np.trace, lambda f, x: f(x, offset=1, axis1=2, axis2=0), ((3, 2, 4),)),
]

SHAPES = [
    moved(np.reshape, lambda f, x: f(x, (4, -1))),
    moved(np.reshape, lambda f, x: f(x, 24)),
    moved(np.reshape, lambda f, x: f(x, (6, 4), order="F")),
    moved(np.ravel, plain),
    moved(np.ravel, lambda f, x: f(x, order="F")),
    moved(np.squeeze, plain, (1, 3, 1)),
    moved(np.squeeze, lambda f, x: f(x, axis=-1), (1, 3, 1)),
    moved(np.expand_dims, lambda f, x: f(x, (0, -1))),
    moved(np.atleast_1d, plain, ()),
    moved(np.atleast_2d, plain, (3,)),
    moved(np.transpose, plain),
    moved(np.transpose, lambda f, x: f(x, (1, -1, 0))),
    moved(np.swapaxes, lambda f, x: f(x, 0, -1)),
    moved(np.moveaxis, lambda f, x: f(x, -1, 0)),
    moved(np.moveaxis, lambda f, x: f(x, [0, 1], [-1, 0])),
    moved(np.broadcast_to, lambda f, x: f(x, (4, 2, 3)), (2, 1)),
    moved(np.broadcast_arrays, plain, (2, 1), (3,)),
    moved(np.copy, plain),
    moved(np.concatenate, lambda f, a, b: f([a, b]), (2, 3), (1, 3)),
    moved(np.concatenate, lambda f, a, b: f((a, GRID[:2], b), axis=-1), (2, 3), (2, 1)),
    moved(np.concatenate, lambda f, a, b: f([a, b], axis=None), (2, 3), (2,)),
    *[moved(np.stack, lambda f, a, b, axis=axis: f([a, b], axis=axis), (2, 3), (2, 3))
      for axis in (0, 1, -1)],
    moved(np.vstack, lambda f, a, b: f([a, b]), (3,), (2, 3)),
    moved(np.hstack, lambda f, a: f([a, GRID[:2], [[1], [2]]]), (2, 3)),
    moved(np.dstack, lambda f, a, b: f([a, b]), (2, 3), (2, 3)),
    moved(np.column_stack, lambda f, a, b: f([a, b]), (3,), (3, 2)),
    moved(np.append, lambda f, x: f(x, 1.0)),
    moved(np.append, lambda f, x: f(x, GRID[:2, :2], axis=1), (2, 3)),
    moved(np.split, lambda f, x: f(x, 2, axis=-1)),
    moved(np.split, lambda f, x: f(x, [1, 1, 2]), (3, 2)),
    moved(np.array_split, lambda f, x: f(x, 3, axis=2)),
    moved(np.take, lambda f, x: f(x, IDS)),
    moved(np.take, lambda f, x: f(x, [-1, 0, 2], axis=-1)),
    moved(np.take_along_axis, lambda f, x: f(x, IDS, axis=1), (2, 3)),
    moved(np.take_along_axis, lambda f, x: f(x, IDS[0], axis=None), (2, 3)),
    moved(np.repeat, lambda f, x: f(x, 2, axis=1)),
    moved(np.repeat, lambda f, x: f(x, [1, 0, 2]), (3,)),
    moved(np.tile, lambda f, x: f(x, (2, 1, 2)), (3, 2)),
    moved(np.flip, lambda f, x: f(x, axis=(0, -1))),
    moved(np.roll, lambda f, x: f(x, 2, axis=-1)),
    moved(np.roll, lambda f, x: f(x, -3)),
    moved(np.delete, lambda f, x: f(x, [0, -1], axis=2)),
    moved(np.diagonal, lambda f, x: f(x, 1, axis1=2, axis2=0), (3, 2, 4)),
    moved(np.diag, plain, (3,)),
    moved(np.diag, lambda f, x: f(x, k=-1), (3, 3)),
    moved(np.triu, lambda f, x: f(x, k=1), (3, 3)),
    moved(np.tril, plain, (2, 3, 3)),
    moved(np.pad, lambda f, x: f(x, 1)),
    moved(np.pad, lambda f, x: f(x, ((0, 1), (2, 0)), mode="constant", constant_values=0.5), (2, 3)),
    *[moved(np.pad, lambda f, x, mode=mode: f(x, 1, mode), (2, 3))
      for mode in ("edge", "reflect", "symmetric", "wrap")],
]

KNOWN = [
    Row(np.shape, lambda f, x: f(x)[0] * x),
    Row(np.ndim, lambda f, x: f(x) * x),
    Row(np.size, lambda f, x: f(x) * x),
    Row(np.size, lambda f, x: f(x, axis=-1) * x),
    Row(np.zeros_like, lambda f, x: f(x) + x),
    Row(np.ones_like, lambda f, x: f(x) + x),
    Row(np.full_like, lambda f, x: f(x, 2.5) + x),
]

SINCE_NUMPY_2 = {
    "vecdot": [Row(np.vecdot, plain, ((2, 3), (3,)), analytic=lambda a, b: (a * b).sum(axis=-1)),
               Row(np.vecdot, lambda f, a, b: f(a, b, axis=0), ((3, 2), (3, 2)),
                   analytic=lambda a, b: (a * b).sum(axis=0))] if hasattr(np, "vecdot") else [],
    "matrix_transpose": [moved(np.matrix_transpose, plain)] if hasattr(np, "matrix_transpose") else [],
    "unstack": [moved(np.unstack, lambda f, x: f(x, axis=1))] if hasattr(np, "unstack") else [],
}
"""Rows of functions that older versions lack."""

TABLE = ELEMENTS + REDUCTIONS + PRODUCTS + SHAPES + KNOWN + sum(SINCE_NUMPY_2.values(), [])

OF_UFUNCS = [
    Row(np.add.reduce, plain, OF_THREE),
    Row(np.add.reduce, lambda f, x: f(x, axis=(0, -1), keepdims=True), OF_THREE),
    Row(np.multiply.reduce, lambda f, x: f(x, axis=None)),
    Row(np.maximum.reduce, lambda f, x: f(x, axis=-1)),
    Row(np.minimum.reduce, plain),
    Row(np.logaddexp.reduce, lambda f, x: f(x, axis=1), OF_THREE,
        analytic=lambda x: np.log(np.exp(x).sum(axis=1))),
    Row(np.logaddexp.reduce, lambda f, x: f(x, axis=None, keepdims=True),
        analytic=lambda x: np.log(np.exp(x).sum(keepdims=True))),
    Row(np.add.accumulate, plain),
    Row(np.subtract.outer, plain, ((2, 2), (3,))),
    Row(np.multiply.outer, lambda f, x: f(GRID[0], x)),
]
"""Methods of functions of elements."""

METHODS = {
    "dtype": lambda x: x * np.ones(3, x.dtype),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT if hasattr(x, "mT") else np.swapaxes(x, -1, -2),
    "__abs__": lambda x: abs(x - 1.5),
    "sum": lambda x: x.sum(axis=(0, -1), keepdims=True),
    "mean": lambda x: x.mean(axis=0, keepdims=True),
    "var": lambda x: x.var(axis=1, ddof=1, keepdims=True),
    "std": lambda x: x.std(axis=1, ddof=1, keepdims=True),
    "max": lambda x: x.max(axis=-1, keepdims=True),
    "min": lambda x: x.min(axis=-1, keepdims=True),
    "prod": lambda x: x.prod(axis=0, keepdims=True),
    "cumsum": lambda x: x.cumsum(axis=0),
    "trace": lambda x: x.trace(1, 2, 1),
    "clip": lambda x: x.clip(1.0, 2.0),
    "dot": lambda x: x.dot(GRID),
    "reshape": lambda x: x.reshape(2, -1) + x.reshape((2, 9), order="F"),
    "ravel": lambda x: x.ravel() + x.ravel("F"),
    "flatten": lambda x: x.flatten(),
    "transpose": lambda x: x.transpose() + x.transpose(2, 1, 0) + x.transpose((2, 1, 0)),
    "swapaxes": lambda x: x.swapaxes(0, -1),
    "squeeze": lambda x: x[:1].squeeze(axis=0),
    "diagonal": lambda x: x.diagonal(1, 2, 1),
    "repeat": lambda x: x.repeat(2, axis=1),
    "take": lambda x: x.take([2, 0], axis=-1),
    "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype(float),
}
"""Methods of wires and arrays x of shape (2, 3, 3)."""

EDGES = [
    (np.log1p, (1e-300, -1e-20, 1e-9, -0.999999, 1e300)),
    (np.expm1, (1e-300, -1e-20, 1e-9, -800.0, 700.0)),
    (np.arctan, (1e-300, -1e-20, 1e9, 1e200)),
    (np.exp, (-745.0, -1e-20, 709.0)),
    (np.log, (1e-300, 1e300)),
    (np.sqrt, (0.0, 1e-300, 1e300)),
    (np.abs, (0.0, -1e-300)),
    (np.sign, (0.0, -1e-300, 5.0)),
    (lambda x: np.heaviside(x, 0.25), (0.0, -1e-300, 5.0)),
    (lambda x: np.maximum(x, 0.0), (0.0, -5.0, 1e-300)),
    (lambda x: np.maximum(x, 1e-20), (0.0, -1e30, 1e30)),
    (lambda x: np.minimum(x, 1e-20), (0.0, -1e30, 1e30)),
    (lambda x: np.logaddexp(0.0, x), (-700.0, -50.0, -1e-20, 0.0, 1e-20, 50.0, 1e6)),
    (lambda x: np.logaddexp(x, -1e8), (-1e-3, -1e8, -1e9)),
    (lambda x: np.logaddexp.reduce(x), (1e-20, -50.0, -50.0, -1000.0)),
    (lambda x: np.logaddexp.reduce(x), (1000.0, 1000.0, 3.0)),
    (special.expit, (-700.0, -40.0, -1.0, 0.0, 40.0)),
    (special.log_expit, (-1e6, -40.0, 0.0, 40.0, 700.0)),
    (special.logit, (1e-300, 1e-9, 0.999)),
    (special.erf, (1e-300, -1e-9, 6.0)),
    (lambda x: np.where(x > 0 if isinstance(x, np.ndarray) else [1, 0, 1], x, 7.0), (5e-324, -1e300, 1e300)),
]
"""(function, numbers): where formulas lose digits, each result has all of them."""
