"""Unlearning: rules that return parameters, with what they promise and the noise that it takes.

Reading order: noise, rows and constants (what guarantees hang on), descent, rewind, certified, natural. Every rule is a Method.
"""
from .certified import Certified, CertifiedRemoval, RetrainingDue, certify
from .constants import Constants, estimated, logistic_bounds, quadratic_bounds
from .descent import Descended, Descent
from .natural import MinMax, NaturalGradient
from .noise import Privacy, leaked, noised
from .rewind import Rewind, Trajectory, inverted, trajectory
