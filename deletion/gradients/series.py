"""The gradient along a direction, as a Taylor series: interactions of one unit with all others at once.

Along the downweights h = t psi, psi complex, the weights of a training are 1 - t psi, and the gradient of a
measurement f in the downweights is a power series in t. Its coefficient of t^r is

    (r + 1) T_{r+1}(psi, ..., psi, .),

with T_{r+1} the symmetric form of degree r + 1 of f's own expansion: n numbers, where a push along psi gives
the single number T_{r+1}(psi, ..., psi). State and cotangents are polynomials on the way there and back; the
constant part of the cotangents is that of the plain metagradient, with the sign of h = 1 - w.
"""
from dataclasses import dataclass
from typing import Callable

import numpy as np
from numpy.typing import ArrayLike

import taylor
from circuit.blas import one_blas_thread
from circuit.checks import array_of, checked_threads
from circuit.errors import LearnerError
from circuit.progress import Progress
from circuit.reverse import vjp
from taylor import LANES, checked_degree

from ..learner.learner import Learner
from .metagradient import checked_measurement, measuring
from .passes import Pass, run_passes
from .walk import series_walk


@dataclass(frozen=True)
class GradientSeries:
    """The Taylor series of a scalar measurement f, and of its gradient, along directions of downweights.

    Attributes
    ----------
    learner : Learner
        The learner whose training was differentiated.
    directions : np.ndarray, (directions, units)
        psi, complex: weights are 1 - t psi.
    value : np.ndarray, (directions, degree + 1)
        The coefficients of t^0 ... t^degree of f, complex.
    coefficients : np.ndarray, (directions, degree + 1, units)
        The coefficients of t^0 ... t^degree of df / dh, complex. That of t^0 is minus the metagradient.
    stored : int
        How many states of a training were held at once.

    Examples
    --------
    The series of f itself follows from that of its gradient: df/dt = psi . df/dh.

    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import gradient_series
    >>> learner = Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   np.tile(np.arange(3), (40, 1)))
    >>> psi = np.array([[1.0, 0.5, -0.5]])
    >>> series = gradient_series(learner, lambda w: w[0], psi, 2, progress=False)
    >>> (series.coefficients @ psi[0]).real.round(4), series.value.real.round(4)
    (array([[1.3333, 0.8889, 0.4444]]), array([[3.    , 1.3333, 0.4444]]))
    """
    learner: Learner
    directions: np.ndarray
    value: np.ndarray
    coefficients: np.ndarray
    stored: int


def gradient_series(learner: Learner, measurement: Callable, directions: ArrayLike, degree: int, *,
                    memory: int | None = None, threads: int | None = None,
                    progress: bool = True) -> GradientSeries:
    """Expand a scalar measurement's gradient in the units' downweights along complex directions.

    Parameters
    ----------
    learner : Learner
        The learner whose training is differentiated.
    measurement : callable
        measurement(parameters) -> scalar, written with the functions of `circuit`.
    directions : array_like, (directions, units)
        Real or complex: the units' downweights are t times a row.
    degree : int
        The highest power of t kept, >= 0. That of t^r tells how r + 1 units act together.
    memory : int, optional
        The bytes that stored states of the training may take, by default 1 GiB. Where they do not all fit,
        some are calculated again.
    threads : int, optional
        How many blocks of directions run at a time; by default the machine's cores.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    GradientSeries

    Raises
    ------
    LearnerError
        For input that makes no sense, such as a measurement of several numbers.
    DomainError
        Wherever a NaN or infinity appears, or a value is on a kink; it names step and example.

    Examples
    --------
    The gradient of a weighted mean, (mean - x_i) / (sum of the weights), as the first weight falls:

    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import gradient_series
    >>> learner = Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   np.tile(np.arange(3), (40, 1)))
    >>> series = gradient_series(learner, lambda w: w[0], [[1.0, 0.0, 0.0]], 1, progress=False)
    >>> series.coefficients.real.round(4)
    array([[[ 0.6667,  0.3333, -1.    ],
            [ 0.4444,  0.3333, -0.1111]]])
    """
    measured, degree = checked_measurement(learner, measurement), checked_degree(degree)
    shape, threads = measured.shapes[measured.outputs[0]], checked_threads(threads)
    if shape != ():
        raise LearnerError(f"a series is of one number, and this measurement has the shape {shape}: give one "
                           "element at a time")
    directions = checked_directions(learner, directions)
    sums = SeriesSums(learner, measured, directions, degree)
    with Progress(None, "gradient series", progress) as report, one_blas_thread():
        stored = run_passes(learner, sums.passes(), threads, memory, report)
    return GradientSeries(learner, directions, sums.value, sums.total, stored)


class SeriesSums:
    """The series of all blocks of directions, added up."""

    def __init__(self, learner, measured, directions, degree):
        self.learner, self.measured, self.degree = learner, measured, degree
        self.directions, self.backward = directions, vjp(measured, [0])
        self.units = learner.unit_of[learner.schedule.reshape(len(learner.steps), -1)]
        self.value = np.zeros((len(directions), degree + 1), complex)
        self.total = np.zeros((len(directions), degree + 1, learner.unit_count), complex)

    def passes(self):
        """Return a Pass for each block of directions."""
        return [self.one_pass(slice(at, at + LANES))
                for at in range(0, len(self.directions), LANES)]

    def one_pass(self, block):
        """Return the Pass of a slice of directions."""
        lines = -self.directions[block][:, self.learner.unit_of]

        def turn(walk):
            with measuring():
                here, = taylor.evaluate(self.measured, [walk.parameters], self.degree)
                cotangent, = taylor.evaluate(self.backward, [1.0, walk.parameters], self.degree)
            self.value[block] = here.all_orders()
            return [walk.back(cotangent)]

        def collect(number, first, last, result):
            # (directions, degree + 1, steps, b), the last step first: memory changes no bit of the sums
            slopes = np.moveaxis(result[0][:, ::-1], -1, 1)
            units = self.units[first:last][::-1].reshape(-1)
            contributions = -slopes.reshape(slopes.shape[:2] + (-1,))      # h = 1 - w
            np.add.at(self.total[block], (slice(None), slice(None), units), contributions)

        return Pass(lambda: series_walk(self.learner, lines, self.degree), turn, collect, 1)


def checked_directions(learner, directions):
    """Return complex directions (directions, units), at least one."""
    directions = array_of(directions, "directions", "iufc", "real or complex numbers").astype(complex)
    if directions.ndim != 2 or directions.shape[1] != learner.unit_count or not len(directions):
        raise LearnerError(f"directions of shape {directions.shape}: expected one row per direction, one "
                           f"column per unit ({learner.unit_count})")
    return directions
