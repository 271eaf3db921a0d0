"""Optimizers, written as circuits: how a gradient changes the parameters.

Reading order: rates, schedules (learning rates over the steps); optimizer (what all optimizers have),
descent, adaptive; wrapped (what may be put around any of them); signs (what is refused).
"""
from .adaptive import Adam, AdamW, RMSprop
from .descent import SGD, Momentum, Nesterov
from .optimizer import Optimizer, checked_optimizer
from .rates import Rate, checked_rate, rate_at
from .schedules import CosineDecay, LinearDecay, OneCycle, StepDecay, WarmUp
from .signs import Lion
from .wrapped import Accumulated, Clipped, WeightDecay
