"""Influence functions and their relatives: what deletion does, from gradients and curvature at the trained
parameters.

Reading order: influence, newton, path (around a minimum); pbrf, gaps (around any point); soft, bayes,
shapley. Metagradient and gradient series (gradients), solvers (curvature) and gradient flow (studies) have
rooms of their own; their names can be imported from here too.
"""
from circuit.renamed import former_names

from ..curvature.solvers import Solution, solve
from ..gradients.metagradient import Metagradient, metagradient
from ..gradients.series import GradientSeries, gradient_series
from ..methods.gradients import ByMetagradient, SketchWithMetagradient
from ..studies.fading import Unlearning
from ..studies.flow import Flow
from .bayes import BayesianInfluence
from .gaps import GAPS, STATIONS, Gaps, five_gaps
from .influence import Influence
from .newton import GroupInfluence, NewtonStep, SelfInfluences, self_influences
from .path import Homotopy, PathDerivative
from .pbrf import PBRF
from .shapley import Shapley, shapley_values
from .soft import Soft, soften

__all__ = [
    "BayesianInfluence", "ByMetagradient", "five_gaps", "Flow", "GAPS", "Gaps", "gradient_series",
    "GradientSeries", "GroupInfluence", "Homotopy", "Influence", "Metagradient", "metagradient",
    "NewtonStep", "PathDerivative", "PBRF", "self_influences", "SelfInfluences", "Shapley",
    "shapley_values", "SketchWithMetagradient", "Soft", "soften", "Solution", "solve", "STATIONS",
    "Unlearning",
]

__getattr__ = former_names(__name__, {"SketchedBeyond": "SketchWithMetagradient"})
