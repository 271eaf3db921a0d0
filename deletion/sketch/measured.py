"""A measured sketch, and predictions from it."""
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Optional

import numpy as np

from circuit.progress import working

from ..trust.calibration import Calibration
from circuit.checks import real_array, real_number, whole_number
from ..directions.decoders import DECODERS, FirstOrder, LeastSquares, MedianOfMeans
from ..directions.directions import UNITARILY_INVARIANT
from ..trust.error_model import fit_error_model, typical_change
from .identity import differing
from ..learner.learner import LearnerError
from ..learner.units import Sets
from ..trust.verdict import NOT, TRUST, judge, remainder

DENSE = 1000
"""Directions that share units from which 'auto' leaves least squares, with matrices twice as large, to those
who ask for it."""

IDLE = "no step of the training uses these units: deleting them changes nothing, exactly"

AGREE = 1e-4
"""A gradient and a sketch of the same measurement differ less than this, relatively, even where coefficients
were rounded to float32."""


def said(verdict, reasons, idle):
    """Verdicts and reasons of many sets.   idle: the numbers of those that no step uses."""
    for k in idle:
        verdict[k], reasons[k] = TRUST, (IDLE,)
    return {"verdict": verdict, "reasons": reasons}


def short(x):
    """A number or array in a few words."""
    return np.array2string(np.asarray(x), precision=6, threshold=6, edgeitems=2)


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a measurement would be, had the deletion set never been there; in the measurement's own units.

    value            predicted measurement of the retrained model
    change           value - f(0), f(0) being the measurement of the model as trained
    terms            (p + 1, ...): the contribution of each degree; terms[0] = f(0)
    standard_error   of the value by sampling, as the decoder states it
    interval, level  (low, high), which holds the retrained values of random sets with probability `level`
                     (see error_model.CONFIDENCE); None without calibration sets
    sampling, truncation   standard deviations of the error, the two parts of the interval: what the decoder
                           states, and the rest
    decoder          which decoder it was
    verdict          'trust', 'raise degree', 'more directions' or 'do not trust'; None without calibration
                     sets
    reasons          why, in words

    Predictions of many sets are one such object: every array has a leading axis of sets, verdict is a list.
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
        said = [f"value {short(self.value)}", f"change {short(self.change)}"]
        if self.interval is not None:
            said.append(f"{self.level:.0%} interval {short(self.interval[0])} to {short(self.interval[1])}")
        if isinstance(self.verdict, list):
            said += [f"{self.verdict.count(v)} x {v}" for v in dict.fromkeys(self.verdict)]
        elif self.verdict is not None:
            said.append(f"{self.verdict}: {self.reasons[0]}")
        return f"<prediction: {', '.join(said)}>"


@dataclass(frozen=True, repr=False)
class Measured:
    """The coefficients c_r(psi_j) of one measurement along every direction.

    value          f(0), the measurement of the model as trained
    coefficients   (directions, degree) + shape of the measurement, complex
    downweight     (units,): where the sketch expands; predictions need 0
    calibration    the measurement of the sketch's exactly retrained random sets; or None
    gradient       (units,) + shape of the measurement: in the units' weights, exactly, where that is known;
                   see with_gradient
    progress       whether predictions that take over two seconds say so on stderr
    """
    learner: object
    directions: object
    value: np.ndarray
    coefficients: np.ndarray
    downweight: np.ndarray
    calibration: Optional[Calibration] = None
    gradient: Optional[np.ndarray] = None
    progress: bool = True
    _fitted: dict = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self):
        return f"<measured: {short(self.value)} as trained, {len(self.directions)} directions ({self.directions.design}) of degree {self.degree}>"

    @property
    def degree(self):
        return self.coefficients.shape[1]

    def with_gradient(self, metagradient):
        """The same, predicting degree 1 exactly from a measurement's Metagradient, and the higher degrees
        from the directions.

        For many more units than twice the directions, which then do not determine degree 1. Calibration,
        decoders, intervals and verdicts are those of the combined prediction. Raises LearnerError for the
        gradient of another learner or measurement: along every direction psi it must be what the sketch
        found, c_1 = -psi . gradient.
        """
        if not hasattr(metagradient, "gradient"):
            raise LearnerError("expected a Metagradient, as metagradient(learner, measurement) returns "
                               f"it, got {metagradient!r:.60}")
        if not self.degree:
            raise LearnerError(
                "a sketch of degree 0 predicts no change: there is no degree 1 to take from a gradient")
        difference = metagradient.learner is not self.learner and differing(
            self.learner.fingerprint_parts(), metagradient.learner.fingerprint_parts())
        if difference:
            raise LearnerError(f"the gradient is of another learner: {difference}")
        if not np.array_equal(metagradient.weights, 1.0 - self.downweight):
            raise LearnerError("the gradient is taken at other weights than the sketch")
        if metagradient.value.shape != self.value.shape:
            raise LearnerError("the gradient is of another measurement: one of shape "
                               f"{metagradient.value.shape}, not {self.value.shape}")
        slopes = self.coefficients[:, 0]
        off = np.abs(slopes + np.tensordot(self.directions.psi, metagradient.gradient, 1)).max()
        if off > AGREE * np.abs(slopes).max() or not np.allclose(metagradient.value, self.value, rtol=AGREE,
                                                                 atol=1e-9):
            raise LearnerError(f"the gradient is of another measurement: as trained it is {metagradient.value!r:.60}, the sketch's {self.value!r:.60}; "
                               f"along the directions slopes, of up to {np.abs(slopes).max():.3g}, differ by up to {off:.3g}")
        return replace(self, gradient=metagradient.gradient, _fitted={})

    # questions ----------------------------------------------------------------------------------------------

    def predict(self, deletion_set, *, weight=0.0, decoder="auto", groups=None, level=0.95):
        """The measurement with a deletion set's examples at another weight: a Prediction.

        deletion_set   a unit's label, or several, each at most once; nothing deleted predicts exactly f(0)
        weight         what is left of their weight: 0 deletes them, 1 changes nothing
        decoder        'auto', 'least squares', 'mean' or 'median of means' (the last two for sphere and Haar
                       directions)
        groups         number of groups of the median of means; default: decoders.group_count(0.05), for a
                       failure probability of 5%
        level          of the interval

        Raises LearnerError for unknown or repeated units.
        """
        return self.predict_downweights(self.learner.downweight(deletion_set, weight), decoder=decoder,
                                        groups=groups, level=level)

    def predict_downweights(self, h, *, decoder="auto", groups=None, level=0.95):
        """Predictions for any real downweights: (units,), or (k, units) for k predictions at once."""
        h = real_array(h, "downweights")
        if h.ndim not in (1, 2) or h.shape[-1] != self.learner.unit_count:
            raise LearnerError("downweights are finite, (units,) or (k, units) with "
                               f"{self.learner.unit_count} units, not {h.shape}")
        with working("predict", self.progress):
            many = self._predict(Sets.of(h), decoder, groups, level, True)
        return many if h.ndim == 2 else self._only(many)

    def predict_many(self, deletion_sets, *, weight=0.0, decoder="auto", groups=None, level=0.95,
                     intervals=True):
        """Predictions for many deletion sets at once: one Prediction whose arrays have a leading axis of
        sets.

        deletion_sets   sequence of sequences of units' labels, or an array (sets, size)
        intervals       False leaves out standard errors, intervals and verdicts, and is faster
        """
        sets = self.learner.deletion_sets(deletion_sets, weight)
        with working("predict", self.progress):
            return self._predict(sets, decoder, groups, level, intervals)

    def leave_one_out(self, **options):
        """Predictions for every unit alone, in the order of the learner's units: as predict_many."""
        return self.predict_many([[unit] for unit in self.learner.units], **options)

    def curve(self, deletion_set, weights=np.linspace(0.0, 1.0, 11), **options):
        """Predictions of one set at several weights: arrays with a leading axis of weights."""
        weights = np.atleast_1d(real_array(weights, "weights"))
        return self.predict_downweights(np.stack([self.learner.downweight(deletion_set, w) for w in weights]),
                                        **options)

    def along(self, direction, t):
        """The truncated series along one of the sketch's own directions, for weights 1 - t psi: t real, any
        shape.

        Returns t's shape (one number: (1,)) + (degree + 1, ...): the curves of degree 0, 1, ... p; along real
        directions these are real.
        """
        t = np.atleast_1d(real_array(t, "t"))
        if whole_number(direction, "the number of a direction", 0) >= len(self.coefficients):
            raise LearnerError(f"there is no direction {direction}: the sketch has directions 0 to "
                               f"{len(self.coefficients) - 1}")
        orders = np.arange(1, self.degree + 1)
        with np.errstate(over="ignore", invalid="ignore"):      # whatever overflows is told below
            terms = (t[..., None] ** orders).reshape(t.shape + orders.shape
                                                     + (1,) * self.value.ndim) * self.coefficients[direction]
            start = np.broadcast_to(self.value, t.shape + (1,) + self.value.shape)
            curves = np.cumsum(np.concatenate([start.astype(complex), terms], axis=t.ndim), axis=t.ndim)
        if not np.isfinite(curves).all():
            raise LearnerError(f"the series overflows at t up to {np.abs(t).max():g}: choose t nearer to 0")
        return curves

    # how they are answered ----------------------------------------------------------------------------------

    @cached_property
    def choice(self):
        """(the decoder that 'auto' takes, why): the one whose predictions of the calibration sets are nearest
        to the truth.

        A set's error counts in proportion to 1 / |h|, so that small and large sets count alike. Without
        calibration sets it is least squares, which never adds noise.
        """
        invariant = self.directions.design in UNITARILY_INVARIANT
        if self.calibration is None or not self.calibration.finite or not invariant or not self.degree:
            why = "nothing to calibrate by" if invariant else "other decoders need directions of the sphere"
            return LeastSquares.name, why + self._conditions()
        truth, each = self.calibration_changes, 1.0 / np.sqrt(
            np.square(self.calibration.downweights).sum(axis=1))
        error = {}
        wide = max(len(group) for group in self.directions.kernel.groups) > DENSE
        for name in DECODERS:
            if wide and name == LeastSquares.name:
                continue
            found = self._decoder(name, None)(self.calibration.sets, errors=False).change
            error[name] = (np.abs(found - truth) * each[:, None]).sum() / (np.abs(truth)
                                                                           * each[:, None]).sum()
        best = min(error, key=error.get)
        said = "relative error on the calibration sets: " + ", ".join(f"{name} {e:.3g}" for name,
                                                                      e in error.items())
        said += self._conditions() if best == LeastSquares.name else ""
        return best, said + (
            f" (least squares was not tried: it takes long with more than {DENSE} dense directions)" if wide
                             else "")

    def _conditions(self):
        found = self._decoder(LeastSquares.name, None).conditions
        return "; condition numbers by order " + ", ".join(f"{x:.1g}" for x in found) if len(found) else ""

    def decoder(self, name="auto", groups=None):
        """A decoder fitted to this measurement, kept for the next question."""
        if name == "auto":
            name = self.choice[0]
        if not isinstance(name, str) or name not in DECODERS:
            raise LearnerError(f"no decoder {name!r}; there are 'auto', {', '.join(map(repr, DECODERS))}")
        if groups is not None and name != MedianOfMeans.name:
            raise LearnerError(f"groups are for the median of means, not for decoder {name!r}")
        return self._decoder(name, groups)

    def _decoder(self, name, groups):
        if (name, groups) not in self._fitted:
            flat = self.coefficients.reshape(self.coefficients.shape[:2] + (self.value.size,))
            decoder = DECODERS[name] if groups is None else partial(DECODERS[name], groups=groups)
            self._fitted[name, groups] = (decoder(self.directions, flat) if self.gradient is None
                                          else FirstOrder(decoder, self.directions, flat,
                                                          self.gradient.reshape(len(self.gradient), -1)))
        return self._fitted[name, groups]

    @cached_property
    def calibration_changes(self):
        """(k, q): how far the calibration sets really moved the measurement."""
        return (self.calibration.values - self.value).reshape(len(self.calibration.values), -1)

    def error_model(self, decoder="auto", groups=None):
        """The ErrorModel of a decoder, from the calibration sets."""
        fitted = self.decoder(decoder, groups)
        if (fitted, "errors") not in self._fitted:
            found, squares = fitted(self.calibration.sets), self.calibration.sets.squares()
            self._fitted[fitted, "errors"] = fit_error_model(found.change - self.calibration_changes,
                                                             self.calibration_changes, found.error, squares,
                                                             self._excess(found.change, squares))
        return self._fitted[fitted, "errors"]

    @cached_property
    def typical(self):
        """How far exact retraining moves the measurement, by size of the set: see typical_change."""
        return typical_change(self.calibration_changes, self.calibration.sets.squares())

    def _excess(self, change, squares):
        """(change / typical change)^2"""
        typical = self.typical(squares)
        return (change / np.where(typical > 0, typical, 1.0)) ** 2

    def _predict(self, sets, decoder, groups, level, intervals):
        if np.any(self.downweight):
            raise LearnerError("this sketch expands around a downweight of its own; predictions are made "
                               "from sketches around 0")
        real_number(level, "the level of an interval lies between 0 and 1", above=0.0, below=1.0)
        fitted, given = self.decoder(decoder, groups), np.diff(sets.starts)
        sets = sets.among(self.learner.used)
        idle = np.flatnonzero((given > 0) & (np.diff(sets.starts) == 0))      # of units that no step uses
        found, shape = fitted(sets, errors=intervals), (len(sets),) + self.value.shape
        change = found.change.reshape(shape)
        start = np.broadcast_to(self.value, shape)[:, None]
        terms = np.concatenate([start, found.terms.reshape((len(sets), self.degree) + self.value.shape)],
                               axis=1)
        if not intervals:
            return Prediction(self.value + change, change, terms, decoder=fitted.name)
        error = found.error.reshape(shape)
        if self.calibration is None:
            return Prediction(self.value + change, change, terms,
                              error, decoder=fitted.name, reasons=(
                                  "no interval and no verdict: the sketch was made without calibration sets",
                                       ))
        if not self.calibration.finite:
            reasons = [("retraining a random set did not end in numbers: no interval",)] * len(sets)
            return Prediction(self.value + change, change, terms, error, decoder=fitted.name,
                              **said([NOT] * len(sets), reasons, idle))
        model, squares = self.error_model(decoder, groups), sets.squares()
        rest = remainder(found.terms) if self.degree > 1 else None
        sampling, truncation = model.deviations(found.error, squares, self._excess(found.change, squares),
                                                rest)
        half = model.half_width(sampling, truncation, squares, level).reshape(shape)
        verdict = judge(self, model, sets, found.change, found.terms, sampling, truncation)
        return Prediction(self.value + change, change, terms, error,
                          (self.value + change - half, self.value + change + half), level,
                          sampling.reshape(shape), truncation.reshape(shape), fitted.name,
                          **said(*verdict, idle))

    @staticmethod
    def _only(many):
        """The one prediction among many."""
        def first(x):
            return x if x is None else x[0]

        return Prediction(many.value[0], many.change[0], many.terms[0], first(many.standard_error),
                          many.interval and tuple(x[0] for x in many.interval), many.level,
                          first(many.sampling), first(many.truncation), many.decoder, first(many.verdict),
                          many.reasons[0] if many.verdict else many.reasons)
