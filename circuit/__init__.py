"""Circuits: what a computation is.

Record an ordinary function over wires, print it, differentiate it (the gradient is a circuit again), evaluate
it on NumPy arrays. Reading order: gate, arithmetic, analytic, bilinear, linear, piecewise (the gates); wire
(recording); ir (the circuit); reverse (gradients); evaluate; functions (sugar); analysis (what depends on
what); advice (what to write instead); progress (lines on stderr during long calls) and blas (threads of
linear algebra), which are here because every other room uses them.
"""
from .gates.analytic import cos, erf, exp, gelu, log, sigmoid, sin, tanh
from .evaluate import evaluate
from .functions import (argmax, broadcast_to, concatenate, cross_entropy, einsum, gather, log_softmax, max,
                        maximum, mean, minimum, reshape, rms_norm, scatter, softmax, softplus, sqrt, square,
                        stack, sum, transpose)
from .errors import CircuitError, DomainError, InputError, ShapeError
from .gates.gate import GATES, Gate, find_gate
from .ir import Circuit, Entry, Input
from .gates.linear import constant_part
from .gates.piecewise import abs_value as abs, relu, step
from .reverse import gradient
from .wire import Wire, integer, real, record

__all__ = [
    "argmax", "broadcast_to", "Circuit", "CircuitError", "concatenate", "constant_part", "cos",
    "cross_entropy", "DomainError", "einsum", "Entry", "erf", "evaluate", "exp", "find_gate", "Gate",
    "GATES", "gather", "gelu", "gradient", "Input", "InputError", "integer", "log", "log_softmax",
    "maximum", "mean", "minimum", "real", "record", "relu", "reshape", "rms_norm", "scatter",
    "ShapeError", "sigmoid", "sin", "softmax", "softplus", "sqrt", "square", "stack", "step", "tanh",
    "transpose", "Wire",
]
"""Without abs, max and sum: a star import must not take the place of Python's own."""
