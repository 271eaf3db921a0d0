"""The sketch: the trained parameters as polynomials along every direction, and what can be measured on it.

    sketch = precompute(learner, directions=500, degree=3, seed=0)
    measured = sketch.measure(lambda parameters: ...)
    measured.predict(deletion_set)

Nothing in a sketch depends on what will be deleted or measured.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from circuit import CircuitError, DomainError
from taylor import LANES, Evaluator, checked_degree

from .directions import Directions, given, sphere
from .learner import Learner, LearnerError
from .measured import Measured
from .progress import Progress

CHECKED = 100
"""Steps between two looks at whether every coefficient is still a number."""


@dataclass(frozen=True)
class Sketch:
    """theta(t psi_j) for every direction j, truncated after t^degree.

    directions   the psi, (m, units), and their design
    theta        (parameters,) float64: theta_0, the trained parameters, the same for every direction
    blocks       list of (parameters, degree, 2, lanes) float64: theta_1 .. theta_p of `lanes` directions each: order,
                 real/imaginary part, direction; the last block may have unused lanes
    downweight   (units,): where the expansion is made; zero is ordinary training
    """
    learner: Learner
    directions: Directions
    degree: int
    theta: np.ndarray
    blocks: list
    downweight: np.ndarray

    def measure(self, measurement, threads=None):
        """The coefficients of a measurement along every direction, as a Measured: one inference per direction, once.

        measurement   measurement(parameters) -> a scalar or vector, written with the functions of `circuit`

        Raises CircuitError where the measurement is piecewise constant (an argmax, an accuracy), with advice.
        """
        circuit = self.learner.measurement(measurement)
        shared = Evaluator(circuit, {0}, self.degree)
        if not shared.part.active[0]:
            raise CircuitError("this measurement does not move with the parameters (an accuracy, a step, a constant): nothing can be "
                               "predicted from its series. Measure a loss, a log-probability, a logit or a margin")
        coefficients = np.zeros((len(self.directions), self.degree) + circuit.shapes[circuit.outputs[0]], complex)

        def measure_blocks(first_block, stride):
            evaluator = Evaluator(circuit, {0}, self.degree, shared.program)
            evaluator.set_constants([self.theta])
            for b in range(first_block, len(self.blocks), stride):
                evaluator.set_coefficients(0, self.blocks[b])
                evaluator.run(b * LANES)
                constant, stored = evaluator.outputs()[0]
                here = coefficients[b * LANES:(b + 1) * LANES]
                here[...] = np.moveaxis(stored[..., 0, :len(here)] + 1j * stored[..., 1, :len(here)], (-1, -2), (0, 1))
            return constant

        count = min(threads or os.cpu_count(), len(self.blocks))
        with ThreadPoolExecutor(count) as pool:
            constants = list(pool.map(measure_blocks, range(count), [count] * count))
        return Measured(self.learner, self.directions, constants[0], coefficients, self.downweight)


def precompute(learner, directions=64, degree=3, seed=0, *, downweight=None, threads=None, progress=True):
    """The sketch of a learner.

    directions   how many, drawn uniformly from the complex sphere; or Directions; or an array (directions, units) of given ones
    degree       highest power of t kept, from 0 on
    seed         of the random directions
    downweight   (units,) real: the point h_0 around which to expand; default 0, ordinary training
    threads      blocks of directions pushed at a time; default: the machine's cores

    Raises LearnerError for input that makes no sense, and DomainError, naming step, example, gate and direction, as soon as
    anything is not a number.
    """
    degree = checked_degree(degree)
    if not isinstance(directions, Directions):
        directions = sphere(directions, learner.unit_count, seed) if np.ndim(directions) == 0 else given(directions)
    if directions.psi.shape[1] != learner.unit_count:
        raise LearnerError(f"directions of {directions.psi.shape[1]} units for a learner with {learner.unit_count}")
    base = np.zeros(learner.unit_count) if downweight is None else np.asarray(downweight, float)
    if base.shape != (learner.unit_count,) or not np.isfinite(base).all():
        raise LearnerError(f"a downweight is one real number per unit ({learner.unit_count}), not {base.shape}")
    learner.recurrence(degree)      # made once, before threads ask for it
    firsts = range(0, len(directions), LANES)
    with Progress(len(learner.steps) * len(firsts), "precompute", progress) as report, ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        try:
            results = list(pool.map(lambda first: push(learner, directions.psi[first:first + LANES], degree, base, first, report), firsts))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Sketch(learner, directions, degree, results[0][0], [stored for _, stored in results], base)


def push(learner, psi, degree, downweight, first=0, report=lambda steps: None):
    """Push a block of at most `lanes` directions through the training: every example's weight is 1 - h_0 - t psi.

    Returns (theta_0, coefficients): (parameters,) and (parameters, degree, 2, lanes).
    """
    def start():
        return learner.recurrence(degree).block(learner.states, learner.example_weights(downweight), -psi[:, learner.unit_of], first)

    block, count = start(), len(learner.steps)
    try:
        for begin in range(0, count, CHECKED):
            end = min(begin + CHECKED, count)
            block.run(begin, end)
            if not block.finite():      # somewhere in these steps: go there again and look at every gate
                block = start()
                block.run(0, begin)
                block.run(begin, end, look_closely=True)
            report(end - begin)
    except DomainError as error:
        raise DomainError(f"{learner.where(error.step)}: {error}") from None
    return block.constant(0).copy(), block.coefficients(0).copy()
