"""Taylor arithmetic: circuits evaluated in truncated polynomials, a block of complex directions at a time.

Reading order: polynomial (what goes in and comes out), rules (the arithmetic), kernels (loops over tensors),
lower, storage and program (a circuit made ready), machine (running it), evaluate and recurrence (what others
call). lanes and plain supply the numbers that rules calculate with, compiled and in plain NumPy. compiling
keeps and announces what is compiled.
"""
from .evaluate import LANES, Evaluator, checked_degree, evaluate
from .flops import flops
from .polynomial import Polynomial
from .recurrence import TRAININGS, Recurrence, Step

__all__ = [
    "checked_degree", "evaluate", "Evaluator", "flops", "LANES", "Polynomial", "Recurrence", "Step",
    "TRAININGS",
]
