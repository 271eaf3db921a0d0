"""Influence through time: what a unit's weight does at every step, and what dropping it from some step on
does."""
from .over_time import OverTime, influence_over_time
from .visits import Visits, dropped_before, dropped_from, visits

__all__ = ["dropped_before", "dropped_from", "influence_over_time", "OverTime", "Visits", "visits"]
