"""Influence functions and their relatives: what deletion does, from gradients and curvature at the trained parameters.

Reading order: metagradient (through the whole training); solvers, influence, newton, path (around a minimum); pbrf, gaps (around any
point); soft, bayes, shapley; flow, schedules (gradient flow of least squares).
"""
from .bayes import BayesianInfluence
from .flow import Flow, Unlearning
from .gaps import GAPS, STATIONS, Gaps, five_gaps
from .influence import Influence
from .metagradient import ByMetagradient, Metagradient, SketchedBeyond, metagradient
from .newton import NewtonStep, SelfInfluences, self_influences
from .path import Homotopy, PathDerivative
from .pbrf import PBRF
from .shapley import Shapley, shapley_values
from .soft import Soft, soften
from .solvers import Solution, solve
