"""What a wire does when NumPy hands it a call of one of NumPy's functions."""
import inspect
from functools import lru_cache

import numpy as np

from .. import advice
from ..errors import CircuitError
from .table import ACCUMULATED, REDUCED, TABLE


signature_of = lru_cache(maxsize=None)(inspect.signature)
"""The arguments of a function of the table; kept, as a model calls the same functions again and again."""


def ufunc(function, method, operands, more):
    """A function of elements, such as numpy.exp(wire) or numpy.add.reduce(wire)."""
    name = advice.full_name(function)
    if method == "__call__":
        return called(function, name, operands, more)
    if method == "reduce" and function in REDUCED:
        return applied(REDUCED[function], f"{name}.reduce", operands, {"axis": 0} | more)
    if method == "accumulate" and function in ACCUMULATED:
        return applied(ACCUMULATED[function], f"{name}.accumulate", operands, {"axis": 0} | more)
    if method == "outer" and not more:
        a, b = operands
        return called(function, name, (np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b), more)
    raise CircuitError(f"{name}.{method} of a wire has no gates: write out what it does")


def called(function, name, arguments, more):
    """A function that the table may have."""
    if function not in TABLE:
        raise advice.refused(function)
    return applied(TABLE[function], name, arguments, more)


def applied(function, name, arguments, more):
    """A function of the table, with arguments that fit it."""
    more = {key: value for key, value in more.items() if not is_usual(key, value)}
    if more.get("out") is not None:
        raise CircuitError(f"{name} with out=, or an operation such as a += x, writes a wire into an array: "
                           "write a = a + x, and so on")
    try:
        signature_of(function).bind(*arguments, **more)
    except TypeError as error:
        raise CircuitError(f"{name} of a wire: {error}; it takes {signature_of(function)}") from None
    return function(*arguments, **more)


def is_usual(key, value):
    """Whether an argument asks for what wires do anyway."""
    if key == "out":
        return value is None
    if key == "dtype":
        return value is None or value is float or value == np.float64
    return key == "where" and value is True
