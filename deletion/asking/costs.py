"""What a training and a gradient cost, measured on a few steps side by side, and what may be spent."""
import time
from typing import NamedTuple

import numpy as np

from circuit.blas import one_blas_thread
from taylor import TRAININGS

from ..gradients.circuits import update_is_affine
from ..gradients.metagradient import Sums

SAMPLE = 20
"""Steps that are taken forwards and back to measure them."""

REPEATS = 3
"""How often they are taken; the shortest time counts."""


class Costs(NamedTuple):
    """Seconds of one core.

    Attributes
    ----------
    training : float
        One training, of many side by side.
    gradient : float
        One gradient of the measurement at one base, with its finite step.
    """
    training: float
    gradient: float

    @property
    def ratio(self):
        """The cost of a gradient in trainings."""
        return self.gradient / self.training


def measured_costs(learner, circuit):
    """Return the Costs of a learner and a measurement's circuit, by a few steps of each, in turn."""
    steps = min(SAMPLE, len(learner.steps))
    weights = np.ones((TRAININGS, learner.example_count))
    recurrence = learner.recurrence(None)
    finite = not update_is_affine(learner)
    one = Sums(learner, circuit, np.ones(learner.unit_count), False, finite).passes()[0]
    training, gradient = [], []
    with one_blas_thread():
        for _ in range(1 + REPEATS):      # the first time compiles
            block = recurrence.block(learner.states, weights)
            training.append(seconds_of(lambda: block.run(0, steps)) / TRAININGS)
            gradient.append(seconds_of(lambda: few_steps(one, steps)))
    scale = len(learner.steps) / steps
    return Costs(min(training[1:]) * scale, min(gradient[1:]) * scale)


def few_steps(one, steps):
    """Take a Pass through the first steps and back."""
    walk = one.make()
    records = walk.forward(0, steps, keep=True)
    for back in one.turn(walk):
        back.run(0, steps, records)


def seconds_of(function):
    """The time that a function takes, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Budget:
    """What may be spent, and what was: in trainings made side by side, and in seconds.

    Parameters
    ----------
    trainings : float
        How many trainings may be spent.
    seconds : float or None
        When everything ends, in seconds from now.
    training_seconds : float
        The time that one training takes when all cores work.
    """

    def __init__(self, trainings, seconds, training_seconds):
        self.trainings, self.training_seconds = trainings, training_seconds
        self.begin, self.seconds, self.spent = time.perf_counter(), seconds, 0.0

    @property
    def elapsed(self):
        """The seconds since it was made."""
        return time.perf_counter() - self.begin

    @property
    def left(self):
        """How many trainings may still be spent, by both limits."""
        left = self.trainings - self.spent
        if self.seconds is not None:
            left = min(left, (self.seconds - self.elapsed) / self.training_seconds)
        return max(left, 0.0)
