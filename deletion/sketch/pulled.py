"""The sketch from the other side: cotangents of the trained parameters pulled back to every unit's weight.

Forward directions live among the units: first order needs half as many of them as there are units. Cotangents
v_k live among the parameters. A measurement chosen later has a gradient at the trained parameters, grad f =
sum_k c_k v_k + res. What deleting a unit changes is then sum_k c_k psi_k, where psi_k are the finite steps of
v_k . theta. The cost does not depend on the number of units.

The residual moves the measurement by res . (theta(h) - theta_T), which no cotangent tells. The calibration
sets were really retrained, so that this is a part of the errors there, and of every interval.
"""
from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Optional

import numpy as np

from circuit import evaluate
from circuit.analysis import only_jump
from circuit.checks import checked_learner, whole_number
from circuit.errors import LearnerError
from circuit.progress import working

from ..directions.cotangents import Cotangents, gradients_of
from ..gradients.pull import pull
from ..learner.learner import Learner
from ..predictions.additive import Additive
from ..predictions.calibrated import Calibrated
from ..predictions.questions import Questions
from ..trust.calibration import SETS, Calibration, calibrate, sets_of
from .measured import measured_calibration


@dataclass(frozen=True, repr=False)
class PulledSketch:
    """Finite steps and slopes of cotangents; `precompute(learner, cotangents(...))` makes it.

    Attributes
    ----------
    learner : Learner
        The learner.
    cotangents : Cotangents
        The v_k.
    theta : np.ndarray, (parameters,)
        The trained parameters.
    finite, slopes : np.ndarray, (cotangents, units)
        psi_k, and the derivatives of v_k . theta in the units' weights.
    calibration : Calibration, optional
        Exact retrainings of random sets.

    Examples
    --------
    >>> from deletion import SGD, Learner, cotangents, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> sketch = precompute(learner, cotangents(learner), calibration=0, progress=False)
    >>> print(sketch.measure(lambda w: w[0] * 2.0).predict([2]).value.round(2))
    4.0
    """
    learner: Learner
    cotangents: Cotangents
    theta: np.ndarray
    finite: np.ndarray
    slopes: np.ndarray
    calibration: Optional[Calibration] = None

    def __repr__(self):
        return f"<pulled sketch: {self.cotangents!r} over {self.finite.shape[1]:,} units>"

    def measure(self, measurement: Callable, progress: bool = True) -> "PulledMeasured":
        """Express a measurement's gradient in the cotangents.

        Parameters
        ----------
        measurement : Callable
            measurement(parameters) -> a scalar or a vector, written with the functions of `circuit`.
        progress : bool
            Whether predictions that take long report progress on stderr.

        Returns
        -------
        PulledMeasured
            Of which predictions can be asked.

        Raises
        ------
        LearnerError
            If the measurement moves only by jumps.
        """
        circuit = self.learner.measurement(measurement)
        if only_jump(circuit).any():
            raise LearnerError("this measurement, or an element of it, moves only by jumps, so that it has "
                               "no gradient. Measure a loss, a log-probability, a logit or a margin")
        gradients = gradients_of(circuit, self.theta)
        value = np.asarray(evaluate(circuit, [self.theta])[0])
        return PulledMeasured(self, value, gradients, self.calibration and measured_calibration(
            self.calibration, circuit), progress)


class PulledMeasured(Questions):
    """A measurement expressed in cotangents; `PulledSketch.measure` makes it.

    Parameters
    ----------
    sketch : PulledSketch
        The sketch.
    value : np.ndarray
        The measurement as trained.
    gradients : np.ndarray, (q, parameters)
        Of its elements.
    calibration : Calibration or None
        The measurement of exactly retrained models.
    progress : bool
        Whether predictions that take long report progress on stderr.

    Examples
    --------
    >>> from deletion import SGD, Learner, cotangents, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> sketch = precompute(learner, cotangents(learner), calibration=0, progress=False)
    >>> sketch.measure(lambda w: w[0]).residual
    array([0.])
    """

    def __init__(self, sketch: PulledSketch, value: np.ndarray, gradients: np.ndarray,
                 calibration: Optional[Calibration], progress: bool = True):
        self.learner, self.value, self.progress = sketch.learner, value, progress
        self.sketch, self.gradients = sketch, gradients
        self.coefficients = gradients @ sketch.cotangents.vectors.T      # (q, cotangents)
        self.calibrated = Calibrated(value, calibration)

    def __repr__(self):
        return f"<measured by {self.sketch.cotangents!r}>"

    @property
    def residual(self) -> np.ndarray:
        """The length of what the cotangents leave of each element's gradient, as a share of it.

        Returns
        -------
        np.ndarray, (q,)
            0 where the gradient is a sum of cotangents.
        """
        left = np.linalg.norm(self.gradients - self.coefficients @ self.sketch.cotangents.vectors, axis=1)
        length = np.linalg.norm(self.gradients, axis=1)
        return left / np.where(length > 0.0, length, 1.0)

    @cached_property
    def _additive(self):
        return Additive("cotangents", (self.coefficients @ self.sketch.finite).T,
                        (self.coefficients @ self.sketch.slopes).T)

    def estimator(self) -> Additive:
        """Return the additive estimator of these finite steps.

        Returns
        -------
        Additive
            estimator(sets, errors) -> Estimates.
        """
        return self._additive


def pulled(learner, cotangents, seed, calibration, threads, progress, **refused):
    """Return the PulledSketch of a learner and Cotangents, with `calibration` random sets retrained.

    Raises LearnerError for the arguments that only a sketch of directions takes, if any is not None.
    """
    for name, value in refused.items():
        if value is not None:
            raise LearnerError(f"{name}= is for sketches of directions; cotangents are pulled back in "
                               "memory, in this process and from the ordinary training")
    size = checked_learner(learner).layout.size
    if cotangents.vectors.shape[1] != size:
        raise LearnerError(f"cotangents of {cotangents.vectors.shape[1]} parameters for a learner with "
                           f"{size}")
    count = SETS if calibration is None else whole_number(calibration, "the number of calibration sets", 0)
    sets = sets_of(learner, count, whole_number(seed, "a seed", 0))
    with working("precompute", progress):
        back = pull(learner, cotangents.vectors, threads=threads, progress=progress)
        return PulledSketch(learner, cotangents, back.parameters, back.finite, back.slopes,
                            calibrate(learner, sets))
