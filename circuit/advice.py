"""What to write in place of what cannot be recorded: NumPy's functions, comparisons, branches, numbers."""
import numpy as np

from .errors import CircuitError

MASK = ("choose by a mask of zeros and ones from the data: mask * a + (1 - mask) * b; where the parameters "
        "choose, use maximum, minimum, relu or abs of circuit")
CHOICE = "in place of an accuracy or argmax measure a loss, a log-probability, a logit or a margin"
SAME = ("exp", "log", "tanh", "sin", "cos", "sqrt", "square", "erf", "maximum", "minimum", "max", "sum",
        "mean", "einsum", "concatenate", "stack", "reshape", "transpose", "broadcast_to")
"""Functions that have the same name in circuit as in NumPy or SciPy."""

INSTEAD = {name: f"use circuit.{name}" for name in SAME} | {
    "absolute": "use circuit.abs", "fabs": "use circuit.abs", "expit": "use circuit.sigmoid",
    "heaviside": "use circuit.step", "sign": "write 2 * circuit.step(x) - 1", "where": MASK,
    "amax": "use circuit.max", "amin": "write -circuit.max(-x, axis)", "min": "write -circuit.max(-x, axis)",
    "clip": "use circuit.maximum and circuit.minimum",
    "add": "write a + b", "subtract": "write a - b", "multiply": "write a * b", "divide": "write a / b",
    "negative": "write -x", "reciprocal": "write 1 / x",
    "power": "write x ** a", "float_power": "write x ** a",
    "matmul": "write a @ b", "dot": "write a @ b", "inner": "write a @ b.T", "vdot": "write (a * b).sum()",
    "outer": "write circuit.einsum('i,j->ij', a, b)", "tensordot": "use circuit.einsum",
    "exp2": "write circuit.exp(x * np.log(2))", "expm1": "write circuit.exp(x) - 1",
    "log2": "write circuit.log(x) / np.log(2)", "log10": "write circuit.log(x) / np.log(10)",
    "log1p": "write circuit.log(1 + x)", "logaddexp": "write b + circuit.softplus(a - b)",
    "sinh": "write (circuit.exp(x) - circuit.exp(-x)) / 2", "tan": "write circuit.sin(x) / circuit.cos(x)",
    "cosh": "write (circuit.exp(x) + circuit.exp(-x)) / 2",
    "norm": "write circuit.sqrt((x * x).sum() + eps)", "var": "write circuit.square(x - x.mean()).mean()",
    "std": "write circuit.sqrt(circuit.square(x - x.mean()).mean() + eps)", "take": "use circuit.gather",
    "vstack": "use circuit.concatenate", "hstack": "use circuit.concatenate",
    "expand_dims": "write x[:, None]", "squeeze": "use circuit.reshape", "ravel": "write x.reshape(-1)",
    "swapaxes": "use circuit.transpose", "moveaxis": "use circuit.transpose"}
"""Functions of NumPy and SciPy by name, and what to write for them."""

COMPARISONS = {"equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">",
               "greater_equal": ">="}
CHOICES = ("argmax", "argmin", "argsort", "sort", "argpartition", "median", "round", "floor", "ceil", "rint")
"""Functions that jump or choose: nothing replaces them."""


def refused(function):
    """The CircuitError for a call of a function of NumPy or SciPy with a wire."""
    name = function.__name__
    if name in COMPARISONS:
        return comparison(COMPARISONS[name])
    numpys = getattr(np, name, None) is function
    module = "numpy" if numpys else getattr(function, "__module__", None) or "scipy.special"
    what = f"{module}.{name} of a wire cannot be recorded"
    if name in CHOICES:
        return CircuitError(f"{what}: it jumps, or chooses; {CHOICE}")
    return CircuitError(f"{what}: {INSTEAD.get(name, 'use the functions that circuit/__init__.py lists')}")


def comparison(sign):
    """The CircuitError for wire == 1 and the like."""
    return CircuitError(f"comparisons cannot be recorded ({sign} of a wire): compare the data beforehand "
                        f"and give the learner the result as an array, (y {sign} 1).astype(float); where the "
                        f"parameters choose, use maximum, minimum, relu or abs of circuit; {CHOICE}")


def number(use, advice):
    """The CircuitError for a wire used as a number."""
    return CircuitError(f"{use}: a wire has no number while its function is recorded; {advice}")


class Refusals:
    """What Python may ask of a number and cannot ask of a wire: each raises an error that says what to write.
    The base class of Wire."""

    def __bool__(self):
        raise number("if, and, or, not, while, assert", MASK)

    def __float__(self):
        raise number("float(), or a function of math", "use circuit.exp for math.exp, and so on")

    def __int__(self):
        raise number("int(), range() or an index", "shapes are known: x.shape[0], len(x)")

    def __array__(self, *arguments, **more):
        raise number("numpy.array, or a function of numpy or scipy",
                     "use the functions of circuit, which take wires and arrays alike; for array[ids] with a "
                     "wire of ids write circuit.embedding(array, ids)")

    def argmax(self, *arguments, **more):
        raise number("argmax and argmin", CHOICE)

    def __abs__(self):
        raise CircuitError("abs() of a wire: use circuit.abs")

    def __lt__(self, other):
        raise comparison("<")

    def __le__(self, other):
        raise comparison("<=")

    def __gt__(self, other):
        raise comparison(">")

    def __ge__(self, other):
        raise comparison(">=")

    def __eq__(self, other):
        raise comparison("==")

    def __ne__(self, other):
        raise comparison("!=")

    __index__, argmin = __int__, argmax
    __hash__ = object.__hash__

    def _no_gate(self, *arguments):
        raise CircuitError("wires have + - * / @ and ** with a constant exponent; //, %, 2 ** x and "
                           "x[i] = y are not among them. For 2 ** x write exp(x * np.log(2)), for x[i] = y "
                           "write x = x.at[i].set(y)")

    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = _no_gate
    __rpow__ = __setitem__ = _no_gate
