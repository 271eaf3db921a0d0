"""What to write in place of what cannot be recorded: NumPy's functions, comparisons, branches, numbers."""
import numpy as np

from .errors import CircuitError

MASK = ("choose by a mask of zeros and ones from the data: mask * a + (1 - mask) * b; where the parameters "
        "choose, use maximum, minimum, relu or abs of circuit")
CHOICE = "in place of an accuracy or argmax measure a loss, a log-probability, a logit or a margin"
OWN = ("exp", "log", "tanh", "sin", "cos", "sqrt", "square", "erf", "maximum", "minimum", "max", "sum",
       "mean", "einsum", "concatenate", "stack", "reshape", "transpose", "broadcast_to")
"""What circuit calls as NumPy or SciPy do."""

INSTEAD = {name: f"use circuit.{name}" for name in OWN} | {
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


def refused(function):
    """The CircuitError for a function of NumPy or SciPy that is given a wire."""
    name = function.__name__
    if name in COMPARISONS:
        return comparison(COMPARISONS[name])
    own = getattr(np, name, None) is function
    module = "numpy" if own else getattr(function, "__module__", None) or "scipy.special"
    what = f"{module}.{name} of a wire cannot be recorded"
    if name in CHOICES:
        return CircuitError(f"{what}: it jumps, or chooses; {CHOICE}")
    return CircuitError(f"{what}: {INSTEAD.get(name, 'use the functions that circuit/__init__.py lists')}")


def comparison(sign):
    """The CircuitError for wire == 1 and the like."""
    return CircuitError(f"comparisons cannot be recorded ({sign} of a wire): compare before, in the data, "
                        f"and give the learner the result as an array, (y {sign} 1).astype(float); where the "
                        f"parameters choose, use maximum, minimum, relu or abs of circuit; {CHOICE}")


def number(use, advice):
    """The CircuitError for a wire used as a number."""
    return CircuitError(f"{use}: a wire has no number while its function is recorded; {advice}")
