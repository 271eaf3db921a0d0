"""What the way back needs of the engine: a walk through a training, forwards with stored states, and back.

A walk takes one block of lanes. What its lanes are is decided by the form:

1. **many elements of a measurement at one base** (`walk` with weights of one training). The states are shared
   by the lanes; each lane has cotangents of its own. Everything that does not depend on a cotangent is
   calculated once for all lanes.
2. **many bases, one element** (`walk` with weights of several trainings). Each lane has weights, states and
   cotangents of its own. Several elements are several walks back over the same states.
3. **a Taylor series along several directions** (`series_walk`). States, weights and cotangents are
   polynomials, a direction in each lane; their constant parts are shared, so there is one scalar measurement.

An implementation provides the two classes below. `deletion.gradients.passes` decides when which steps are
taken, by the plan in `states`; `metagradient` and `series` split bases, elements and directions into blocks
and add up what they return.

The circuits
------------
The way back through a step evaluates `circuits.backward_circuit(learner, step.circuit, finite)` on
(cotangents..., stored state..., weights, constants..., data...). Its first outputs are the next cotangents
and the slopes in the weights of the step's examples.

Finite steps
------------
With one example a step they are one more output of that circuit. With a batch that circuit returns, behind
the slopes, the gradient G that the optimizer is given and the state behind the step; `circuits.removals`
holds, for each step, one circuit and its data for each unit in the batch. They are evaluated one after the
other, like further steps of a recurrence whose state is (cotangents behind the step..., state before it...,
G, state behind it...) and stays as it is. They need the cotangents *behind* the step: the backward circuit
must write the next ones to another place, or run last. This was preferred to forward steps with the units of
a batch as lanes, because each of those evaluates the gradient of the whole batch (b times the work), and a
removal only that of the unit's own examples. In form 1 no removal depends on the lane but for the last
product with the cotangents. No finite step is asked for if the optimizer's update is affine in the gradient.

Threads
-------
Whatever must be recorded or compiled, for the way back too, is done when a walk is made: the first one is
made before threads start. `circuits.backward_circuit` and `circuits.removals` keep what they made.

Errors
------
A DomainError that a walk raises has the attribute `step`, the number of the step. On the way back its message
begins with "on the way back, ".
"""
from typing import Any, Protocol, Sequence

import numpy as np

from taylor import Polynomial

from ..learner.learner import Learner
from .compiled_walk import CompiledSeriesWalk, CompiledWalk


class Walk(Protocol):
    """A training on its way forward, and the source of walks back through it.

    Attributes
    ----------
    record : object
        The present state, in any form: what it is set to is what it once was, or what `forward` returned. A
        record that was handed out does not change when the walk goes on.
    record_bytes : int
        The bytes that a record takes.
    parameters : np.ndarray or Polynomial
        The flat parameters of the present state: (parameters,) in form 1, (bases, parameters) in form 2, a
        Polynomial of shape (parameters,) in form 3.
    """
    record: Any
    record_bytes: int
    parameters: np.ndarray | Polynomial

    def forward(self, first: int, last: int, keep: bool = False) -> list:
        """Take the steps first..last (last excluded); `record` is the state before the first of them.

        Returns the records before each of these steps if `keep`, else an empty list.
        """

    def release(self, records: Sequence) -> None:
        """Take back records that are not needed any more, so that their memory can be used again."""

    def back(self, cotangent: np.ndarray | Polynomial) -> "Back":
        """Return a walk back from the end of the training.

        `cotangent` is the measurement's gradient in the last parameters, the optimizer's own state having
        none: (elements, parameters) in form 1, (bases, parameters) in form 2, a Polynomial of shape
        (parameters,) in form 3. Several walks back may be made, and run in different threads.
        """


class Back(Protocol):
    """A walk back through a training."""

    def run(self, first: int, last: int, records: Sequence) -> tuple[np.ndarray, np.ndarray | None]:
        """Go back through the steps first..last (last excluded), the last of them first.

        `records` are those before each of these steps. Returns (slopes, finite):

        slopes (lanes, last - first, b): the derivative in the weight of each example of each step; in form 3
        complex, (directions, last - first, b, degree + 1), the coefficients of t^0 ... t^degree.

        finite, of the same shape: at a unit's first place in the batch its finite step, at other places 0;
        None unless finite steps were asked for.
        """


def walk(learner: Learner, weights: np.ndarray, finite: bool = False) -> Walk:
    """Return a walk in plain numbers, before the first step.

    Parameters
    ----------
    learner : Learner
        The learner.
    weights : np.ndarray, (examples,) or (bases, examples)
        The weight of each example: form 1, or form 2 with at most compiled_walk.BASES bases.
    finite : bool
        Whether walks back return finite steps.

    Returns
    -------
    Walk
    """
    return CompiledWalk(learner, weights, finite)


def series_walk(learner: Learner, lines: np.ndarray, degree: int) -> Walk:
    """Return a walk in polynomials, before the first step.

    Parameters
    ----------
    learner : Learner
        The learner.
    lines : np.ndarray, (directions, examples)
        Complex: the weight of example i along a direction is 1 + t line_i. At most taylor.LANES.
    degree : int
        The highest power of t kept, >= 0.

    Returns
    -------
    Walk
    """
    return CompiledSeriesWalk(learner, lines, degree)
