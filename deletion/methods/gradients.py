"""Answers from a metagradient: first order alone, and joined to a sketch."""
import numpy as np

from ..gradients.metagradient import metagradient
from .base import Answer, Method, Sketched


class ByMetagradient(Method):
    """Degree 1 exactly: what each unit's weight does to the measurement through the training, added up over
    the set."""

    name = "metagradient"

    def _answer(self, learner, h, measurement):
        found = metagradient(learner, measurement)
        return Answer(-np.tensordot(h, found.gradient, 1), notes=(f"{found.stored} states stored",))


class SketchedBeyond(Sketched):
    """A sketch for the degrees above 1 beside the metagradient for degree 1: for many more units than twice
    the directions."""

    name = "sketch + metagradient"

    def _measured(self, sketch, learner, measurement):
        return sketch.measure(measurement).with_gradient(metagradient(learner, measurement))
