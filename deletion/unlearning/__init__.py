"""Unlearning rules: they return parameters that shall be like those of a model that never saw the deleted examples.

Gradient ascent on homogeneous models: homogeneous, kkt, margins, ascent, in this order.
"""
from .ascent import Ascent, Success, ascend, success
from .homogeneous import Linear, Span, TwoLayerReLU, homogeneity
from .kkt import KKT, multipliers
from .margins import Trained, max_margin, train_to_margin
