"""Influence: what the training itself, not a sketch of it, says of its examples' weights.

Reading order: metagradient.
"""
from .metagradient import Metagradient, metagradient
