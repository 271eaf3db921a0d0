"""Unlearning: rules that return parameters, with what they promise and the noise that it takes.

Reading order: noise and constants (on which guarantees depend); descent, checkpoints and rewind, certified,
natural, each of which has a Method; and gradient_ascent for any learner. Ascent by KKT multipliers is in the
room studies and is shown here too.
"""
from ..studies.ascent import Ascent, Success, ascend, success
from ..studies.homogeneous import Linear, TwoLayerReLU
from ..studies.kkt import KKT, multipliers
from ..studies.margins import Trained, max_margin, train_to_margin
from ..studies.points import Span, homogeneity
from .certified import Certified, CertifiedRemoval, RetrainingDue, certify
from .checkpoints import Trajectory, inverted, trajectory
from .constants import Constants, estimated, logistic_bounds, quadratic_bounds
from .descent import Descended, Descent
from .gradient_ascent import GradientAscent
from .natural import MinMax, NaturalGradient
from .noise import Privacy, leaked, noised
from .rewind import Rewind

__all__ = [
    "ascend", "Ascent", "Certified", "CertifiedRemoval", "certify", "Constants", "Descended", "Descent",
    "estimated", "GradientAscent", "homogeneity", "inverted", "KKT", "leaked", "Linear",
    "logistic_bounds", "max_margin", "MinMax", "multipliers", "NaturalGradient", "noised", "Privacy",
    "quadratic_bounds", "RetrainingDue", "Rewind", "Span", "Success", "success", "train_to_margin",
    "Trained", "Trajectory", "trajectory", "TwoLayerReLU",
]
