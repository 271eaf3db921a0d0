"""Taylor arithmetic: circuits evaluated in truncated polynomials, a block of complex directions at a time.

Reading order: polynomial (what goes in and comes out), rules (the arithmetic), form (degree and lanes), tape
(what an instruction is), kernels (loops over tensors), lowering/ (it prepares a circuit), machine (it runs
programs), linking and compiling (kernels are compiled once and kept on disk), evaluate and recurrence (what
other folders call). vectors/ defines the numbers that the rules calculate with, compiled and in plain NumPy.
"""
from .evaluate import Evaluator, checked_degree, evaluate
from .flops import flops
from .form import LANES, TRAININGS
from .machine import Records
from .polynomial import Polynomial, from_lanes, to_lanes
from .recurrence import Recurrence, Step

__all__ = [
    "checked_degree", "evaluate", "Evaluator", "flops", "from_lanes", "LANES", "Polynomial", "Records",
    "Recurrence", "Step", "to_lanes", "TRAININGS",
]
