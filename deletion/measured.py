"""A measured sketch, and predictions from it."""
from dataclasses import dataclass
from typing import Optional

import numpy as np

from . import decoders
from .learner import LearnerError


@dataclass(frozen=True)
class Prediction:
    """What a measurement would be, had the deletion set never been there.

    value            predicted measurement of the retrained model
    change           value - f(0), f(0) being the measurement of the model as trained
    terms            (p + 1, ...): the contribution of each degree; terms[0] = f(0)
    standard_error   of the value, from the spread over directions
    interval, level  (low, high) at a stated level, where known
    verdict, reasons whether to trust it, where known
    """
    value: np.ndarray
    change: np.ndarray
    terms: np.ndarray
    standard_error: np.ndarray
    interval: Optional[tuple] = None
    level: Optional[float] = None
    verdict: Optional[str] = None
    reasons: tuple = ()


@dataclass(frozen=True)
class Measured:
    """The coefficients c_r(psi_j) of one measurement along every direction.

    value          f(0), the measurement of the model as trained
    coefficients   (directions, degree) + shape of the measurement, complex
    """
    learner: object
    directions: object
    value: np.ndarray
    coefficients: np.ndarray
    downweight: np.ndarray

    @property
    def degree(self):
        return self.coefficients.shape[1]

    def predict(self, deletion_set, *, weight=0.0, decoder="mean", groups=None):
        """The measurement with a deletion set's examples at another weight.

        deletion_set   a unit's label, or several, each at most once; nothing deleted predicts exactly f(0)
        weight         what is left of their weight: 0 deletes them, 1 changes nothing
        decoder        'mean' or 'median of means' (for sphere and Haar directions)
        groups         number of groups of the median of means; default: for a failure probability of 5%

        Returns a Prediction, in the measurement's own units. Raises LearnerError for unknown or repeated units.
        """
        h = self.learner.downweight(deletion_set, weight)
        if np.any(self.downweight):
            raise LearnerError("this sketch expands around a downweight of its own; predictions are made from sketches around 0")
        if decoder not in decoders.DECODERS:
            raise LearnerError(f"no decoder {decoder!r}; there are {', '.join(map(repr, decoders.DECODERS))}")
        terms, total, error = decoders.DECODERS[decoder](self.directions, self.coefficients, h, groups)
        change = total if np.any(h) else np.zeros_like(total)
        return Prediction(self.value + change, change, np.concatenate([self.value[None], terms]), error)

    def along(self, direction, t):
        """The truncated series along one of the sketch's own directions, for weights 1 - t psi: t real, any shape.

        Returns (len(t), degree + 1, ...): the curves of degree 0, 1, ... p; along real directions these are real.
        """
        t = np.atleast_1d(np.asarray(t, float))
        orders = np.arange(1, self.degree + 1)
        c = self.coefficients[direction]
        terms = (t[:, None] ** orders).reshape(t.shape + orders.shape + (1,) * self.value.ndim) * c
        start = np.broadcast_to(self.value, (len(t), 1) + self.value.shape)
        return np.cumsum(np.concatenate([start.astype(complex), terms], axis=1), axis=1)
