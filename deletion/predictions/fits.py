"""The decoders that are fitted to one measurement of a sketch, and the choice among them."""
from functools import cached_property, partial

import numpy as np

from circuit.checks import one_of
from circuit.errors import LearnerError

from ..directions.decoders import DECODERS, FirstOrder, LeastSquares, MedianOfMeans
from ..directions.directions import UNITARILY_INVARIANT
from .calibrated import Calibrated

MAX_SHARING = 1000
"""Directions that share units up to which 'auto' tries least squares, whose matrices have twice as many rows.
Beyond, decomposing them takes long, and least squares has to be asked for."""


def lacking_directions(directions, gradient):
    """Say how many directions would determine first order; None where it is determined, or a gradient is."""
    units, count = directions.dimension, len(directions)
    if gradient is not None or 2 * count >= units:
        return None
    return (f"{count} directions do not determine the first order of {units} units; take at least "
            f"{-(-units // 2)}, or join the metagradient")


class Fits(Calibrated):
    """The decoders and error models that are fitted to one measurement, each made once, when it is needed.

    The arguments are fields of Measured.
    """

    def __init__(self, directions, value, coefficients, calibration, gradient, exact=True):
        super().__init__(value, calibration, series=True, lacking=lacking_directions(directions, gradient))
        self.directions, self.coefficients = directions, coefficients
        self.gradient, self.exact = gradient, exact
        self._decoders = {}

    def decoder(self, name="auto", groups=None):
        """The decoder of this name, fitted. 'auto' stands for the one of `choice`."""
        if one_of(name, "decoder", ("auto", *DECODERS)) == "auto":
            name = self.choice[0]
        if groups is not None and name != MedianOfMeans.name:
            raise LearnerError(f"groups are for the median of means, not for decoder {name!r}")
        return self._decoder(name, groups)

    def _decoder(self, name, groups=None):
        if (name, groups) not in self._decoders:
            flat = self.coefficients.reshape(self.coefficients.shape[:2] + (self.value.size,))
            decoder = DECODERS[name] if groups is None else partial(DECODERS[name], groups=groups)
            if self.gradient is None:
                fitted = decoder(self.directions, flat)
            else:
                gradient = self.gradient.reshape(len(self.gradient), -1)
                fitted = FirstOrder(decoder, self.directions, flat, gradient, self.exact)
            self._decoders[name, groups] = fitted
        return self._decoders[name, groups]

    @cached_property
    def choice(self):
        """The name of the decoder that 'auto' takes, and the reason.

        It is the decoder whose predictions of the calibration sets are nearest to the truth. The error of a
        set is divided by |h|, so that small and large sets have equal weight. Without calibration sets it is
        least squares, which never adds noise.
        """
        invariant = self.directions.design in UNITARILY_INVARIANT
        if not invariant:
            return LeastSquares.name, "the other decoders need directions of the sphere" + self._conditions()
        if self.calibration is None or not self.calibration.finite or not self.coefficients.shape[1]:
            return LeastSquares.name, "nothing to calibrate by" + self._conditions()
        weights = 1.0 / np.sqrt(np.square(self.calibration.downweights).sum(axis=1))[:, None]
        truth = self.changes
        dense = max(len(group) for group in self.directions.kernel.groups) > MAX_SHARING
        errors = {}
        for name in DECODERS:
            if not (dense and name == LeastSquares.name):
                change = self._decoder(name)(self.calibration.sets, errors=False).change
                errors[name] = (np.abs(change - truth) * weights).sum() / (np.abs(truth) * weights).sum()
        best = min(errors, key=errors.get)
        reason = ("relative error on the calibration sets: "
                  + ", ".join(f"{name} {error:.3g}" for name, error in errors.items()))
        if best == LeastSquares.name:
            reason += self._conditions()
        if dense:
            reason += (f" (least squares was not tried: it takes long with more than {MAX_SHARING} dense "
                       "directions)")
        return best, reason

    def _conditions(self):
        """The condition numbers of least squares, in words."""
        conditions = self._decoder(LeastSquares.name).conditions
        return ("; condition numbers by order " + ", ".join(f"{x:.1g}" for x in conditions) if len(conditions)
                else "")
