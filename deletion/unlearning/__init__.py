"""Unlearning: rules that return parameters, with what they promise and the noise that it takes.

Reading order: noise, rows and constants (what guarantees hang on), descent, rewind, certified, natural: each is a Method. Then
gradient ascent: homogeneous, kkt, margins and ascent for models whose training has a margin; steps for any learner.
"""
from .ascent import Ascent, Success, ascend, success
from .certified import Certified, CertifiedRemoval, RetrainingDue, certify
from .constants import Constants, estimated, logistic_bounds, quadratic_bounds
from .descent import Descended, Descent
from .homogeneous import Linear, Span, TwoLayerReLU, homogeneity
from .kkt import KKT, multipliers
from .margins import Trained, max_margin, train_to_margin
from .natural import MinMax, NaturalGradient
from .noise import Privacy, leaked, noised
from .rewind import Rewind, Trajectory, inverted, trajectory
from .steps import GradientAscent
