"""Predictions for deletion sets, and the decoders and error models from which they are made."""
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Optional

import numpy as np

from circuit.checks import one_of, real_number
from circuit.errors import LearnerError

from ..directions.decoders import DECODERS, FirstOrder, LeastSquares, MedianOfMeans
from ..directions.directions import UNITARILY_INVARIANT
from ..trust.error_model import fit_error_model, typical_change
from ..trust.verdict import NOT, TRUST, judge, remainder

MAX_SHARING = 1000
"""Directions that share units up to which 'auto' tries least squares, whose matrices have twice as many rows.
Beyond, decomposing them takes long, and least squares has to be asked for."""

UNUSED = "no step of the training uses these units: deleting them changes nothing, exactly"


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a measurement would be if the deletion set had never been there, in the measurement's own units.

    Predictions for many sets are one such object: every array has a leading axis of sets, and `verdict` and
    `reasons` are lists.

    Attributes
    ----------
    value : np.ndarray
        The predicted measurement of the retrained model.
    change : np.ndarray
        value - f(0), where f(0) is the measurement of the model as trained.
    terms : np.ndarray
        (p + 1, ...): the contribution of each degree; terms[0] is f(0).
    standard_error : np.ndarray, optional
        The standard error of the value by sampling of directions, as the decoder estimates it.
    interval : tuple, optional
        (low, high), which contains the retrained value of a random set with probability `level` (see
        error_model.CONFIDENCE). None if the sketch has no calibration sets.
    level : float, optional
        The probability that the interval is made for.
    sampling : np.ndarray, optional
        The standard deviation of the error by sampling, one part of the interval.
    truncation : np.ndarray, optional
        The standard deviation of the rest of the error, mostly by truncation of the series.
    decoder : str
        The name of the decoder.
    verdict : str, optional
        'trust', 'raise degree', 'more directions' or 'do not trust'. None without calibration sets.
    reasons : tuple
        The reasons for the verdict, in words.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, precompute
    >>> numbers = np.arange(20.0) / 10
    >>> learner = Learner([0.0], list(numbers), lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(20)] * 30)
    >>> measured = precompute(learner, 10, degree=2, progress=False).measure(lambda w: w[0])
    >>> prediction = measured.predict([18, 19])
    >>> print(f"mean {measured.value:.2f}, without the two largest {prediction.value:.2f}")
    mean 0.95, without the two largest 0.85
    >>> prediction.verdict
    'trust'
    """
    value: np.ndarray
    change: np.ndarray
    terms: np.ndarray
    standard_error: Optional[np.ndarray] = None
    interval: Optional[tuple] = None
    level: Optional[float] = None
    sampling: Optional[np.ndarray] = None
    truncation: Optional[np.ndarray] = None
    decoder: str = ""
    verdict: Optional[str] = None
    reasons: tuple = ()

    def __repr__(self):
        parts = [f"value {short(self.value)}", f"change {short(self.change)}"]
        if self.interval is not None:
            parts.append(f"{self.level:.0%} interval {short(self.interval[0])} to {short(self.interval[1])}")
        if isinstance(self.verdict, list):
            parts += [f"{self.verdict.count(v)} x {v}" for v in dict.fromkeys(self.verdict)]
        elif self.verdict is not None:
            parts.append(f"{self.verdict}: {self.reasons[0]}")
        return f"<prediction: {', '.join(parts)}>"


def short(x):
    """A number or an array in a few words."""
    return np.array2string(np.asarray(x), precision=6, threshold=6, edgeitems=2)


class Fits:
    """The decoders and error models that are fitted to one measurement, each made once, when it is needed.

    The arguments are fields of Measured.
    """

    def __init__(self, directions, value, coefficients, calibration, gradient):
        self.directions, self.value, self.coefficients = directions, value, coefficients
        self.calibration, self.gradient = calibration, gradient
        self._decoders, self._error_models = {}, {}

    # decoders -----------------------------------------------------------------------------------------------

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
                fitted = FirstOrder(decoder, self.directions, flat, gradient)
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
        truth = self.calibration_changes
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

    # errors, learned from the calibration sets --------------------------------------------------------------

    @cached_property
    def calibration_changes(self):
        """(k, q): the change of the measurement by exact retraining without each calibration set."""
        return (self.calibration.values - self.value).reshape(len(self.calibration.values), -1)

    @cached_property
    def typical(self):
        """The typical change by exact retraining as a function of a set's size: see typical_change."""
        return typical_change(self.calibration_changes, self.calibration.sets.squares())

    def excess(self, change, squares):
        """(change / typical change)^2"""
        typical = self.typical(squares)
        return (change / np.where(typical > 0, typical, 1.0)) ** 2

    def error_model(self, decoder):
        """The ErrorModel of a fitted decoder."""
        if decoder not in self._error_models:
            estimates, squares = decoder(self.calibration.sets), self.calibration.sets.squares()
            self._error_models[decoder] = fit_error_model(
                estimates.change - self.calibration_changes, self.calibration_changes, estimates.error,
                squares, self.excess(estimates.change, squares))
        return self._error_models[decoder]


# how a prediction is made -----------------------------------------------------------------------------------

def predict(measured, sets, decoder, groups, level, intervals):
    """Predictions of a Measured for Sets: one Prediction whose arrays have a leading axis of sets."""
    if np.any(measured.downweight):
        raise LearnerError("this sketch expands around a downweight of its own; predictions are made "
                           "from sketches around 0")
    real_number(level, "the level of an interval lies between 0 and 1", above=0.0, below=1.0)
    fits, fitted = measured.fits, measured.fits.decoder(decoder, groups)
    used = sets.among(measured.learner.used)
    unused = np.flatnonzero((np.diff(sets.starts) > 0) & (np.diff(used.starts) == 0))
    estimates, shape = fitted(used, errors=intervals), (len(sets),) + measured.value.shape
    change = estimates.change.reshape(shape)
    by_degree = estimates.terms.reshape((len(sets), measured.degree) + measured.value.shape)
    start = np.broadcast_to(measured.value, shape)[:, None]
    prediction = Prediction(measured.value + change, change, np.concatenate([start, by_degree], axis=1),
                            decoder=fitted.name)
    if not intervals:
        return prediction
    prediction = replace(prediction, standard_error=estimates.error.reshape(shape))
    if measured.calibration is None:
        return replace(prediction, reasons=(
            "no interval and no verdict: the sketch was made without calibration sets",))
    if not measured.calibration.finite:
        reason = "retraining a random set did not end in numbers: no interval"
        return judged(prediction, [NOT] * len(sets), [(reason,)] * len(sets), unused)
    model, squares = fits.error_model(fitted), used.squares()
    rest = remainder(estimates.terms) if measured.degree > 1 else None
    sampling, truncation = model.deviations(estimates.error, squares, fits.excess(estimates.change, squares),
                                            rest)
    half = model.half_width(sampling, truncation, squares, level).reshape(shape)
    prediction = replace(
        prediction, interval=(prediction.value - half, prediction.value + half), level=level,
        sampling=sampling.reshape(shape), truncation=truncation.reshape(shape))
    return judged(prediction, *judge(fits, model, used, estimates.change, estimates.terms, sampling,
                                     truncation), unused)


def judged(prediction, verdicts, reasons, unused):
    """A Prediction with a verdict and reasons for each set; no step uses any unit of the `unused` sets."""
    for k in unused:
        verdicts[k], reasons[k] = TRUST, (UNUSED,)
    return replace(prediction, verdict=verdicts, reasons=reasons)


def only(many):
    """The single Prediction among predictions for one set."""
    def first(x):
        return None if x is None else x[0]

    return Prediction(many.value[0], many.change[0], many.terms[0], first(many.standard_error),
                      many.interval and tuple(bound[0] for bound in many.interval), many.level,
                      first(many.sampling), first(many.truncation), many.decoder, first(many.verdict),
                      many.reasons[0] if many.verdict else many.reasons)
