"""What to write in place of what cannot be recorded: NumPy's functions, comparisons, branches, numbers."""
import inspect

import numpy as np

from .errors import CircuitError

MASK = ("choose by a mask from the data, np.where(mask, a, b); where the parameters choose, use np.maximum, "
        "np.minimum, np.abs or circuit.relu")
CHOICE = "in place of an accuracy or argmax measure a loss, a log-probability, a logit or a margin"
OPERATORS = ("wires have + - * / @ and ** with a constant exponent; //, %, 2 ** x and x[i] = y are not among "
             "them. For 2 ** x write np.exp(x * np.log(2)), for x[i] = y write x = x.at[i].set(y)")
NO_GATE = ("no gate solves systems of equations, or finds eigenvalues: do so with the data beforehand, or "
           "write out the formula of a small matrix")
NO_VALUE = ("a wire has no number while its function is recorded: ask this of the data beforehand, and give "
            "the learner the result as an array")

INSTEAD = {
    "exp2": "write np.exp(x * np.log(2))",
    "sinh": "write (np.expm1(x) - np.expm1(-x)) / 2",
    "cosh": "write (np.exp(x) + np.exp(-x)) / 2",
    "tan": "write np.sin(x) / np.cos(x)",
    "arcsin": "write np.arctan(x / np.sqrt(1 - x * x))",
    "arccos": "write np.pi / 2 - np.arctan(x / np.sqrt(1 - x * x))",
    "arctan2": "write np.arctan(a / b) (where b > 0)",
    "arcsinh": "write np.log(x + np.sqrt(x * x + 1))",
    "arccosh": "write np.log(x + np.sqrt(x * x - 1))",
    "arctanh": "write (np.log1p(x) - np.log1p(-x)) / 2",
    "hypot": "write np.sqrt(a * a + b * b)",
    "cbrt": "write x ** (1 / 3) (where x > 0)",
    "ptp": "write np.max(x) - np.min(x)",
    "average": "write (x * a).sum() / a.sum()",
    "cumprod": "write np.stack([np.prod(x[:i + 1]) for i in range(len(x))])",
    "convolve": "use circuit.conv1d",
    "softmax": "use circuit.softmax",
    "log_softmax": "use circuit.log_softmax",
    "logsumexp": "use circuit.logsumexp or np.logaddexp.reduce",
    "ndtr": "write 0.5 * (1 + special.erf(x / np.sqrt(2)))",
    "erfc": "write 1 - special.erf(x)",
    "xlogy": "write a * np.log(b)",
} | dict.fromkeys(("floor_divide", "remainder", "fmod", "divmod"), OPERATORS) \
  | dict.fromkeys(("inv", "solve", "lstsq", "pinv", "det", "slogdet", "cholesky", "qr", "svd", "eig",
                   "eigh", "eigvals", "eigvalsh", "matrix_power", "matrix_rank"), NO_GATE) \
  | dict.fromkeys(("any", "all", "isnan", "isinf", "isfinite", "isclose", "allclose", "array_equal",
                   "nonzero", "count_nonzero", "logical_and", "logical_or", "logical_not", "logical_xor",
                   "searchsorted", "unique", "histogram", "bincount", "digitize", "isin"), NO_VALUE)
"""Functions of NumPy and SciPy by name, and what to write for them."""

COMPARISONS = {"equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">",
               "greater_equal": ">="}
CHOICES = ("argmax", "argmin", "argsort", "sort", "partition", "argpartition", "median", "percentile",
           "quantile", "round", "floor", "ceil", "rint", "trunc", "fix")
"""Functions that jump or choose: nothing replaces them."""

OTHER = "circuit/README.md lists the functions of NumPy that wires take; write it with those"


def full_name(function):
    """The name of a function of NumPy or SciPy, with its module."""
    name = function.__name__
    module = "numpy" if getattr(np, name, None) is function else getattr(function, "__module__", None)
    return f"{(module or 'scipy.special').split('._')[0]}.{name}"


def refused(function):
    """The CircuitError for a call of a function of NumPy or SciPy with a wire."""
    name = function.__name__
    if name in COMPARISONS:
        return comparison(COMPARISONS[name])
    what = f"{full_name(function)} of a wire cannot be recorded"
    if name in CHOICES:
        return CircuitError(f"{what}: it jumps, or chooses; {CHOICE}")
    return CircuitError(f"{what}: {INSTEAD.get(name, OTHER)}")


def array_refused(kind):
    """The CircuitError for a wire that is made an array: by the user, or by a function that does so first."""
    frame = inspect.currentframe()
    while frame is not None:
        name, module = frame.f_code.co_name, frame.f_globals.get("__name__", "")
        if module.startswith("scipy.") and name in INSTEAD:
            return CircuitError(f"scipy.special.{name} of a wire cannot be recorded: {INSTEAD[name]}")
        frame = frame.f_back
    rows = "; for array[ids] with a wire of ids write circuit.embedding(array, ids)" * (kind == "integer")
    return number("numpy.array, or a function that makes an array of what it is given",
                  "use NumPy's own functions, which take wires: for np.array([x, y]) write np.stack([x, y])"
                  + rows)


def comparison(sign):
    """The CircuitError for wire == 1 and the like."""
    return CircuitError(f"comparisons cannot be recorded ({sign} of a wire): compare the data beforehand "
                        f"and give the learner the result as an array, (y {sign} 1).astype(float); where the "
                        f"parameters choose, use np.maximum, np.minimum, np.abs or circuit.relu; {CHOICE}")


def number(use, advice):
    """The CircuitError for a wire used as a number."""
    return CircuitError(f"{use}: a wire has no number while its function is recorded; {advice}")


class Refusals:
    """What Python may ask of a number and cannot ask of a wire: each raises an error that says what to write.
    The base class of Wire."""

    def __bool__(self):
        raise number("if, and, or, not, while, assert", MASK)

    def __float__(self):
        raise number("float(), or a function of math", "use np.exp for math.exp, and so on")

    def __int__(self):
        raise number("int(), range() or an index", "shapes are known: x.shape[0], len(x)")

    def __array__(self, *arguments, **more):
        raise array_refused(self.kind)

    def argmax(self, *arguments, **more):
        raise number("argmax and argmin, sort and round", CHOICE)

    def item(self, *arguments, **more):
        raise number("item, tolist, any and all", MASK)

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

    __index__, tolist, any, all = __int__, item, item, item
    argmin = argsort = sort = round = argmax
    __hash__ = object.__hash__

    def _no_gate(self, *arguments):
        raise CircuitError(OPERATORS)

    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = _no_gate
    __rpow__ = __setitem__ = _no_gate
