"""Influence functions and their relatives: what deletion does, from gradients and curvature at the trained parameters.

Reading order: solvers, influence, newton, path.
"""
from .influence import Influence
from .newton import NewtonStep, SelfInfluences, self_influences
from .path import Homotopy, PathDerivative
from .solvers import Solution, solve
