"""Taylor arithmetic: circuits evaluated in truncated polynomials, a block of complex directions at a time.

Reading order: polynomial (what goes in and comes out), rules (the arithmetic), kernels (loops over tensors),
then lower, storage and program (they prepare a circuit), machine (it runs programs), evaluate and recurrence
(what other folders call). lanes and plain define the numbers that the rules calculate with, compiled and in
plain NumPy. compiling keeps compiled code on disk and announces what is compiled.
"""
from .evaluate import Evaluator, checked_degree, evaluate
from .flops import flops
from .form import LANES, TRAININGS
from .machine import Records
from .polynomial import Polynomial, from_lanes, to_lanes
from .recurrence import Recurrence, Step

__all__ = [
    "checked_degree", "evaluate", "Evaluator", "flops", "from_lanes", "LANES", "Polynomial", "Records", "Recurrence",
    "Step", "to_lanes", "TRAININGS",
]
