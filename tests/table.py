"""The table of gates: one row per gate and set of parameters, with the range to sample it in. Every check of
checks.py runs on every row.

The rows must cover the registry exactly.
"""
from dataclasses import dataclass, field
from typing import Callable, Union

import mpmath
import numpy as np

from circuit import find_gate
from taylor import Polynomial

MOVES = "moves or adds numbers, coefficient by coefficient: mpmath would do the same"
PRODUCTS = "a sum of products: mpmath's multiplication is the naive twin's"
BRANCH = "a constant on each branch"


@dataclass(frozen=True)
class Row:
    """A gate with its parameters, and how to check it.

    shapes     of the real inputs
    low, high  range of the constant parts
    ids        whole-number input
    mpmath     the gate as a function of one mpmath number, or the reason why there is none
    contour    the reason for having no contour integral
    kink       a constant part at which degree >= 1 must raise
    span       how far a series moves from its constant part on the unit circle: about half the way to the
               nearest singularity or kink, so that at t = 1 high orders count as much as low ones
    """
    gate: str
    parameters: dict = field(default_factory=dict)
    shapes: tuple = ((2, 3),)
    low: float = -1.5
    high: float = 1.5
    ids: tuple = None
    mpmath: Union[Callable, str] = MOVES
    contour: str = ""
    kink: object = None
    span: float = 0.5

    @property
    def name(self):
        return self.gate + "".join(f" {key}={value}" for key, value in self.parameters.items()
                                   if not isinstance(value, np.ndarray))

    def function(self, *x):
        """The gate as a function of its real inputs, whole numbers filled in."""
        extra = () if self.ids is None else (np.array(self.ids),)
        return find_gate(self.gate)(*x, *extra, **self.parameters)

    def sample(self, rng, degree, directions=2):
        """A random Polynomial per real input, within reach of the gate's domain."""
        inputs = []
        for shape in self.shapes:
            constant = rng.uniform(self.low, self.high, shape)
            branch = find_gate(self.gate).branch
            if branch == "sign":      # away from the kink
                constant += np.where(constant > 0, 0.3, -0.3)
            if branch == "winner":      # away from ties
                constant = rng.permuted(np.arange(np.prod(shape)).reshape(shape) * 0.5, axis=-1)
            inputs.append(self.series(constant, rng, degree, directions))
        return inputs

    def across(self, rng, degree, directions=2):
        """A random Polynomial per real input, whose values on the unit circle lie on both sides of zero."""
        return [self.series(rng.uniform(-0.15, 0.15, shape), rng, degree, directions)
                for shape in self.shapes]

    def series(self, constant, rng, degree, directions):
        """A random Polynomial around a constant part, whose coefficients sum up to `span` at most."""
        full = (directions, degree) + np.shape(constant)
        coefficients = rng.normal(size=full) + 1j * rng.normal(size=full)
        decay = 0.5 ** np.arange(1, degree + 1).reshape((degree,) + (1,) * np.ndim(constant))
        size = np.abs(coefficients * decay).sum(axis=1, keepdims=True)
        return Polynomial(constant, coefficients * decay * self.span / np.where(size > 0, size, 1.0))


TABLE = [
    Row("constant", {"value": np.array([1.5, -2.0])}, shapes=(), mpmath="no input at all"),
    Row("add", shapes=((2, 3), (2, 3))),
    Row("multiply", shapes=((2, 3), (2, 3)), mpmath=PRODUCTS),
    Row("scale", {"by": -1.75}),
    Row("scale", {"by": 3}),
    Row("shift", {"by": 0.25}),
    Row("shift", {"by": -2}),
    Row("power", {"exponent": 0}, mpmath=lambda x: x ** 0),
    Row("power", {"exponent": 1}, mpmath=lambda x: x),
    Row("power", {"exponent": 2}, mpmath=lambda x: x ** 2),
    Row("power", {"exponent": 3}, mpmath=lambda x: x ** 3),
    Row("power", {"exponent": 7}, mpmath=lambda x: x ** 7),
    Row("power", {"exponent": -1}, low=0.5, high=2.0, span=0.25, mpmath=lambda x: 1 / x),
    Row("power", {"exponent": -3}, low=-2.0, high=-0.5, span=0.25, mpmath=lambda x: x ** -3),
    Row("power", {"exponent": 0.5}, low=0.5, high=2.0, span=0.25, mpmath=mpmath.sqrt),
    Row("power", {"exponent": -0.5}, low=0.5, high=2.0, span=0.25, mpmath=lambda x: 1 / mpmath.sqrt(x)),
    Row("power", {"exponent": 2.75}, low=0.5, high=2.0, span=0.25, mpmath=lambda x: x ** mpmath.mpf("2.75")),
    Row("exp", mpmath=mpmath.exp),
    Row("log", low=0.5, high=2.0, span=0.25, mpmath=mpmath.log),
    Row("expm1", mpmath=mpmath.expm1),
    Row("log1p", low=-0.5, high=1.0, span=0.25, mpmath=mpmath.log1p),
    Row("tanh", mpmath=mpmath.tanh),
    Row("sigmoid", mpmath=lambda x: 1 / (1 + mpmath.exp(-x))),
    Row("sin", mpmath=mpmath.sin),
    Row("cos", mpmath=mpmath.cos),
    Row("arctan", mpmath=mpmath.atan),
    Row("erf", mpmath=mpmath.erf),
    Row("gelu", mpmath=lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2),
    Row("einsum", {"spec": "ij,jk->ik"}, shapes=((2, 3), (3, 5)), mpmath=PRODUCTS),
    Row("einsum", {"spec": "thd,shd->hts"}, shapes=((3, 2, 4), (5, 2, 4)), mpmath=PRODUCTS),
    Row("einsum", {"spec": "i,i->"}, shapes=((4,), (4,)), mpmath=PRODUCTS),
    Row("einsum", {"spec": "i,j->ji"}, shapes=((4,), (3,)), mpmath=PRODUCTS),
    Row("einsum", {"spec": ",j->j"}, shapes=((), (3,)), mpmath=PRODUCTS),
    Row("einsum", {"spec": "bi,bi->bi"}, shapes=((2, 3), (2, 3)), mpmath=PRODUCTS),
    Row("sum", {"axes": (-1,)}),
    Row("sum", {"axes": (-3, -1)}, shapes=((2, 3, 2),)),
    Row("sum", {"axes": ()}),
    Row("broadcast", {"shape": (4, 3)}, shapes=((1, 3),)),
    Row("reshape", {"source": (2, 3), "shape": (3, 2)}),
    Row("transpose", {"axes": (-2, -1, -3)}, shapes=((2, 3, 4),)),
    Row("slice", {"index": ((0, 2, 1), (1, 6, 2))}, shapes=((2, 6),)),
    Row("place", {"index": ((1, 3, 1), (0, 5, 2)), "shape": (4, 6)}, shapes=((2, 3),)),
    Row("concatenate", {"axis": -2}, shapes=((2, 3), (1, 3), (3, 3))),
    Row("take", {"source": (2, 3), "positions": np.array([[4, 0], [1, 4], [5, 5]])}),
    Row("gather", {"rank": 2}, shapes=((4, 3),), ids=(2, 0, 2, 3, 1)),
    Row("scatter", {"count": 4, "rank": 2}, shapes=((5, 3),), ids=(2, 0, 2, 3, 1)),
    Row("constant_part",
        contour="not analytic, on purpose: along a circle it is the constant part of each point"),
    Row("relu", mpmath=lambda x: x if x.real > 0 else 0 * x, kink=0.0, span=0.15),
    Row("abs", mpmath=lambda x: x if x.real > 0 else -x, kink=0.0, span=0.15),
    Row("step", mpmath=BRANCH, kink=0.0, span=0.15),
    Row("max", {"axis": -1}, kink=1.0, span=0.15),
    Row("one_hot_max", {"axis": -1}, kink=1.0, span=0.15),
]
