"""Circuits: what a computation is.

Record an ordinary function over wires, print it, differentiate it (the gradient is a circuit again), evaluate
it on NumPy arrays. Reading order: gates/ (gate, arithmetic, analytic, bilinear, linear, piecewise); wire and
recording; ir (the circuit); reverse (gradients); evaluate; functions, indexing and networks/ (what users
call); numpy_functions/ (NumPy's own functions); analysis (what depends on what); advice (what to write
instead). errors, checks, progress (lines on
stderr during long calls) and blas (threads of linear algebra) are here because every other folder uses them.
"""
from .gates.analytic import arctan, cos, erf, exp, expm1, gelu, log, log1p, sigmoid, sin, tanh
from .evaluate import evaluate
from .functions import (argmax, broadcast_to, concatenate, einsum, gather, max, maximum, minimum, scatter,
                        sqrt, square, stack)
from .errors import CircuitError, DomainError, InputError, ShapeError
from .gates.gate import GATES, Gate, find_gate
from .ir import Circuit, Entry, Input
from .gates.linear import constant_part
from .gates.piecewise import abs_value as abs, relu, step
from .indexing import at
from .networks.activations import elu, leaky_relu, silu, softplus
from .networks.attention import attention, embedding
from .networks.convolution import average_pool, conv1d, conv2d, max_pool
from .networks.norms import group_norm, layer_norm, rms_norm
from .networks.softmax import cross_entropy, log_softmax, logsumexp, softmax
from .recording import integer, real, record
from .reverse import gradient
from .shapes import mean, reshape, sum, transpose
from .wire import Wire

__all__ = [
    "arctan", "argmax", "at", "attention", "average_pool", "broadcast_to", "Circuit", "CircuitError",
    "concatenate", "constant_part", "conv1d", "conv2d", "cos", "cross_entropy", "DomainError", "einsum",
    "elu", "embedding", "Entry", "erf", "evaluate", "exp", "expm1", "find_gate", "Gate", "GATES", "gather",
    "gelu", "gradient", "group_norm", "Input", "InputError", "integer", "layer_norm", "leaky_relu",
    "log", "log1p", "log_softmax", "logsumexp", "max_pool", "maximum", "mean", "minimum", "real", "record",
    "relu", "reshape", "rms_norm", "scatter", "ShapeError", "sigmoid", "silu", "sin", "softmax",
    "softplus", "sqrt", "square", "stack", "step", "tanh", "transpose", "Wire",
]
"""Without abs, max and sum: a star import must not take the place of Python's own."""
