"""Influence functions and their relatives: what deletion does, from curvature and gradients at the trained parameters."""
from .solvers import Solution, solve
