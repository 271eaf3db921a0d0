"""A measured sketch: the questions that it answers, and how a sketch is measured."""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Callable, Optional

import numpy as np
from numpy.typing import ArrayLike

from circuit import CircuitError, evaluate
from circuit.analysis import only_jump
from circuit.blas import one_blas_thread
from circuit.checks import real_array, whole_number
from circuit.errors import LearnerError
from circuit.progress import Progress
from taylor import LANES, Evaluator
from taylor.polynomial import from_lanes

from ..directions.directions import Directions
from ..predictions.fits import Fits
from ..predictions.prediction import short
from ..predictions.questions import Questions
from ..storage.blocks import DIRECTIONS_PER_BLOCK, filled, parts
from ..trust.calibration import Calibration
from .identity import differing, same_numbers

if TYPE_CHECKING:
    from ..gradients.metagradient import Metagradient
    from ..learner.learner import Learner

MAX_DISAGREEMENT = 1e-4
"""A gradient and a sketch of the same measurement differ less than this, relatively, even if coefficients
were rounded to float32."""


@dataclass(frozen=True, repr=False)
class Measured(Questions):
    """The coefficients c_r(psi_j) of one measurement along every direction. `Sketch.measure` makes it.

    Attributes
    ----------
    learner, directions : Learner, Directions
        Those of the sketch.
    value : np.ndarray
        f(0), the measurement of the model as trained.
    coefficients : np.ndarray
        (directions, degree) + shape of the measurement, complex.
    downweight : np.ndarray
        (units,): the point around which the sketch expands. Predictions need 0.
    calibration : Calibration, optional
        The measurement of the random sets' exactly retrained models, if the sketch has any.
    gradient : np.ndarray, optional
        (units,) + shape of the measurement: the gradient in the units' weights; see `with_gradient`.
    exact : bool
        Whether that gradient is exact. The directions correct one that is not.
    progress : bool
        Whether predictions that take more than two seconds report progress on stderr.

    Examples
    --------
    >>> from deletion import SGD, Learner, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> precompute(learner, 2, degree=2, calibration=0, progress=False).measure(lambda w: w[0])
    <measured: 3. as trained, 2 directions (pairs) of degree 2>
    """
    learner: "Learner"
    directions: Directions
    value: np.ndarray
    coefficients: np.ndarray
    downweight: np.ndarray
    calibration: Optional[Calibration] = None
    gradient: Optional[np.ndarray] = None
    exact: bool = True
    progress: bool = True

    def __repr__(self):
        return (f"<measured: {short(self.value)} as trained, {len(self.directions)} directions "
                f"({self.directions.design}) of degree {self.degree}>")

    @property
    def degree(self):
        """The highest power of t."""
        return self.coefficients.shape[1]

    @cached_property
    def calibrated(self):
        """The decoders and error models fitted to this measurement."""
        return Fits(self.directions, self.value, self.coefficients, self.calibration, self.gradient,
                    self.exact)

    @property
    def choice(self):
        """The name of the decoder that 'auto' takes, and the reason."""
        return self.calibrated.choice

    def with_gradient(self, metagradient: "Metagradient") -> "Measured":
        """Take degree 1 exactly from a metagradient, and only the higher degrees from the directions.

        This helps if there are many more units than twice the directions, which then do not determine
        degree 1. Decoders, intervals and verdicts are those of the combined prediction. Cotangents give a
        gradient too, but for the residual of their fit; the directions correct what they show of that.

        Parameters
        ----------
        metagradient : Metagradient or PulledMeasured
            Of the same learner and measurement: `metagradient(learner, measurement)`, or the measurement of a
            sketch of cotangents.

        Returns
        -------
        Measured
            The same measurement, joined with the gradient.

        Raises
        ------
        LearnerError
            If the gradient is of another learner, other weights or another measurement.
        """
        check_gradient(self, metagradient)
        return replace(self, gradient=metagradient.gradient, exact=is_exact(metagradient))

    def estimator(self, *, decoder: str = "auto", groups: Optional[int] = None) -> Callable:
        """Return the fitted decoder that predictions are made with.

        Parameters
        ----------
        decoder : str
            'auto', 'least squares', 'mean' or 'median of means'; the last two need sphere or Haar directions.
        groups : int, optional
            The number of groups of the median of means. Default: for a failure probability of 5%.

        Returns
        -------
        Callable
            estimator(sets, errors) -> Estimates.

        Raises
        ------
        LearnerError
            For a sketch around another point than the ordinary training, and for a decoder that its
            directions do not allow.
        """
        if np.any(self.downweight):
            raise LearnerError("this sketch expands around a downweight of its own; predictions are made "
                               "from sketches around 0")
        return self.calibrated.decoder(decoder, groups)

    def along(self, direction: int, t: ArrayLike) -> np.ndarray:
        """Evaluate the truncated series along one of the sketch's own directions, at weights 1 - t psi.

        Parameters
        ----------
        direction : int
            The number of the direction.
        t : ArrayLike
            Real numbers, of any shape.

        Returns
        -------
        np.ndarray
            Complex, t's shape (of one number: (1,)) + (degree + 1, ...): the curves of degree 0, 1, ... p.
        """
        return curves_along(self, direction, np.atleast_1d(real_array(t, "t")))


def curves_along(measured, direction, t):
    """The truncated series of degree 0 .. p along a direction, at t (...): t's shape + (degree + 1, ...)."""
    count = len(measured.coefficients)
    if whole_number(direction, "the number of a direction", 0) >= count:
        raise LearnerError(f"there is no direction {direction}: the sketch has directions 0 to {count - 1}")
    orders, value = np.arange(1, measured.degree + 1), measured.value
    with np.errstate(over="ignore", invalid="ignore"):      # overflow raises an error below
        powers = (t[..., None] ** orders).reshape(t.shape + orders.shape + (1,) * value.ndim)
        terms = powers * measured.coefficients[direction]
        start = np.broadcast_to(value, t.shape + (1,) + value.shape).astype(complex)
        curves = np.cumsum(np.concatenate([start, terms], axis=t.ndim), axis=t.ndim)
    if not np.isfinite(curves).all():
        raise LearnerError(f"the series overflows at t up to {np.abs(t).max():g}: choose t nearer to 0")
    return curves


def is_exact(metagradient):
    """Whether a gradient is exact: that of cotangents leaves a residual."""
    return not hasattr(metagradient, "residual")


def check_gradient(measured, metagradient):
    """Raise LearnerError unless a metagradient is of the sketch's learner, weights and measurement.

    Along every direction psi it must be what the sketch found, c_1 = -psi . gradient; or, of cotangents, be
    nearer to it than nothing.
    """
    if not hasattr(metagradient, "gradient"):
        raise LearnerError("expected a Metagradient, as metagradient(learner, measurement) returns "
                           f"it, got {metagradient!r:.60}")
    if not measured.degree:
        raise LearnerError(
            "a sketch of degree 0 predicts no change: there is no degree 1 to take from a gradient")
    other = metagradient.learner is not measured.learner and differing(
        measured.learner.fingerprint_parts(), metagradient.learner.fingerprint_parts())
    if other:
        raise LearnerError(f"the gradient is of another learner: {other}")
    if not same_numbers(metagradient.weights, 1.0 - measured.downweight):
        raise LearnerError("the gradient is taken at other weights than the sketch")
    value = metagradient.value
    if value.shape != measured.value.shape:
        raise LearnerError(f"the gradient is of another measurement: expected shape {measured.value.shape}, "
                           f"got shape {value.shape}")
    slopes = measured.coefficients[:, 0]
    gaps = slopes + np.tensordot(measured.directions.psi, metagradient.gradient, 1)
    difference = np.abs(gaps).max()
    if (is_exact(metagradient) and difference > MAX_DISAGREEMENT * np.abs(slopes).max()
            or np.linalg.norm(gaps) > np.linalg.norm(slopes)
            or not np.allclose(value, measured.value, rtol=MAX_DISAGREEMENT, atol=1e-9)):
        raise LearnerError(f"the gradient is of another measurement: its value as trained is {value!r:.60}, "
                           f"the sketch's {measured.value!r:.60}; the first coefficients along the "
                           f"directions, of up to {np.abs(slopes).max():.3g}, differ by up to "
                           f"{difference:.3g}")


# measuring --------------------------------------------------------------------------------------------------

def coefficients_of(sketch, circuit, threads, report):
    """A measurement's value as trained, and its coefficients (directions, degree) + its shape."""
    shared = Evaluator(circuit, {0}, sketch.degree)
    if not shared.part.active[0] or only_jump(circuit).any():
        raise CircuitError("this measurement, or an element of it, does not move with the parameters "
                           "(an accuracy, a step, a constant): nothing can be predicted from its series. "
                           "Measure a loss, a log-probability, a logit or a margin")
    coefficients = np.zeros((len(sketch.directions), sketch.degree) + circuit.shapes[circuit.outputs[0]],
                            complex)
    report.begin()      # everything is compiled now

    def measure_blocks(first, stride):
        evaluator = Evaluator(circuit, {0}, sketch.degree, shared.program)
        evaluator.set_constants([sketch.theta])
        for b in range(first, len(sketch.blocks), stride):
            block, at = sketch.blocks[b], b * DIRECTIONS_PER_BLOCK
            of_block = coefficients[at:at + DIRECTIONS_PER_BLOCK]
            for j in parts(len(of_block), LANES):
                evaluator.set_coefficients(0, filled(block[..., j], LANES))
                evaluator.run(at + j.start)
                value, stored = evaluator.outputs()[0]
                of_block[j] = from_lanes(stored, j.stop - j.start)
            report(1)
        return value

    count = min(threads, len(sketch.blocks))
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(measure_blocks, range(count), [count] * count))[0], coefficients


def measured_calibration(calibration, circuit):
    """The Calibration whose values are a measurement of the retrained parameters."""
    finite = np.isfinite(calibration.values).all(axis=1)
    values = np.full((len(finite),) + circuit.shapes[circuit.outputs[0]], np.nan)
    if finite.any():
        values[finite] = evaluate(circuit, [calibration.values[finite]])[0]
    return replace(calibration, values=values)


def measured_coordinates(sketch, indices):
    """A few of the parameters themselves, as a Measured."""
    lanes = np.concatenate([from_lanes(sketch.blocks[b][indices]) for b in range(len(sketch.blocks))])
    calibration = sketch.calibration and replace(sketch.calibration,
                                                 values=sketch.calibration.values[:, indices])
    return Measured(sketch.learner, sketch.directions, sketch.theta[indices], lanes[:len(sketch.directions)],
                    sketch.downweight, calibration)


def parameters_at(sketch, h, decoder):
    """Flat parameters (k, parameters) at downweights h (k, units), by a fitted linear decoder."""
    if not hasattr(decoder, "weights"):
        raise LearnerError(
            f"the {decoder.name} gives no parameters: it is not linear. Use 'least squares' or 'mean'")
    if np.any(sketch.downweight):
        raise LearnerError("this sketch expands around a downweight of its own; parameters are "
                           "predicted from sketches around 0")
    weights = np.stack([decoder.weights(x) for x in h * sketch.learner.used])      # (k, directions, degree)
    theta = np.repeat(sketch.theta[None], len(h), axis=0)
    with Progress(len(sketch.blocks), "blocks") as report, one_blas_thread():
        for b in range(len(sketch.blocks)):
            g = np.moveaxis(weights[:, b * DIRECTIONS_PER_BLOCK:(b + 1) * DIRECTIONS_PER_BLOCK], 1, 2)
            block = sketch.blocks[b][..., :g.shape[2]]
            theta += np.tensordot(np.stack([g.real, -g.imag], axis=2), block, axes=((1, 2, 3), (1, 2, 3)))
            report(1)
    return theta
