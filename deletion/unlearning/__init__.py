"""Unlearning: rules that return parameters, with what they promise and the noise that it takes.

Reading order: noise and constants (on which guarantees depend); checkpoints and rewind, natural;
strongly_convex for the rules that need a strongly convex objective; and gradient_ascent for any learner.
Ascent by KKT multipliers is in the room studies and is shown here too.
"""
from ..studies.ascent import Ascent, Success, ascend, success
from ..studies.homogeneous import Linear, TwoLayerReLU
from ..studies.kkt import KKT, multipliers
from ..studies.margins import Conditions, Trained, conditions, max_margin, train_to_margin
from ..studies.points import Span, homogeneity
from .checkpoints import Trajectory, inverted, trajectory
from .constants import Constants, estimated, logistic_bounds, quadratic_bounds
from .gradient_ascent import GradientAscent
from .natural import MinMax, NaturalGradient
from .noise import AlphaPrivacy, Privacy, leaked, noised
from .rewind import Rewind
from .strongly_convex.alpha import AlphaRemoval
from .strongly_convex.certified import Certified, CertifiedRemoval, RetrainingDue, certify
from .strongly_convex.descent import Descended, Descent
from .strongly_convex.stochastic import StochasticDescent

__all__ = [
    "AlphaPrivacy", "AlphaRemoval", "ascend", "Ascent", "Certified", "CertifiedRemoval", "certify",
    "Conditions", "conditions", "Constants", "Descended", "Descent", "estimated", "GradientAscent",
    "homogeneity", "inverted", "KKT", "leaked", "Linear", "logistic_bounds", "max_margin", "MinMax",
    "multipliers", "NaturalGradient", "noised", "Privacy", "quadratic_bounds", "RetrainingDue", "Rewind",
    "Span", "StochasticDescent", "Success", "success", "train_to_margin", "Trained", "Trajectory",
    "trajectory", "TwoLayerReLU",
]
