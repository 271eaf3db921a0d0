"""What is predicted: values, intervals and verdicts; and how they are made of an estimator's changes."""
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Optional, Union

import numpy as np

from circuit.checks import real_number
from circuit.errors import LearnerError

from ..trust.kinds import RANDOM, kinds_of
from ..trust.verdict import NOT, TRUST, judge, remainder
from .columns import frame, html

if TYPE_CHECKING:
    from pandas import DataFrame

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
        (p + 1, ...): the contribution of each degree, terms[0] being f(0); of a gradient model: as trained,
        additive, interactions. Their sum is the value.
    standard_error : np.ndarray, optional
        The standard error of the value by sampling of directions, as the decoder estimates it.
    interval : tuple, optional
        (low, high), which contains the retrained value of a set of its kind with probability `level` (see
        error_model.CONFIDENCE). None if the sketch has no calibration sets.
    level : float, optional
        The probability that the interval is made for.
    sampling : np.ndarray, optional
        The standard deviation of the error by sampling, one part of the interval.
    truncation : np.ndarray, optional
        The standard deviation of the rest of the error, mostly by truncation of the series.
    decoder : str
        The name of the decoder, or of another estimator of the change.
    source : str or list of str
        Where the value comes from, in words: what was fitted, or that it was retrained.
    verdict : str, optional
        'trust', 'raise degree', 'more directions' or 'do not trust'. None without calibration sets.
    reasons : tuple
        The reasons for the verdict, in words.
    kind : str or list of str, optional
        The kind of sets, random or declared, whose calibration sets gave interval and verdict.
    strategy : Strategy, optional
        Of an answer of `ask`: what was done, why, and what it cost.

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
    source: Union[str, list] = ""
    verdict: Optional[str] = None
    reasons: tuple = ()
    kind: Union[str, list, None] = None
    strategy: Optional[object] = None

    def row(self, number: int) -> "Prediction":
        """Return one of several predictions by itself.

        Parameters
        ----------
        number : int
            The number of its set.

        Returns
        -------
        Prediction
            Without the leading axis of sets.
        """
        def one(x):
            return None if x is None else x[number]

        several = isinstance(self.source, list)
        return replace(self, value=self.value[number], change=self.change[number], terms=self.terms[number],
                       standard_error=one(self.standard_error),
                       interval=self.interval and tuple(bound[number] for bound in self.interval),
                       sampling=one(self.sampling), truncation=one(self.truncation),
                       source=self.source[number] if several else self.source, verdict=one(self.verdict),
                       reasons=self.reasons[number] if self.verdict else self.reasons, kind=one(self.kind))

    def to_frame(self) -> "DataFrame":
        """Return the prediction as a data frame; it needs pandas.

        Returns
        -------
        pandas.DataFrame
            Columns value, change, low and high (the interval), verdict, reason, source: a row for each set
            and each element of the measurement, whose numbers are the index.
        """
        return frame(self)

    def _repr_html_(self):
        return html(self)

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


# how a prediction is made -----------------------------------------------------------------------------------

def predict(answers, sets, estimator, level, intervals, kind=None):
    """Return predictions for Sets: one Prediction whose arrays have a leading axis of sets.

    Parameters
    ----------
    answers : Questions
        What is asked: its learner, its value as trained, and what calibrates it.
    sets : Sets
    estimator : callable
        estimator(sets, errors) -> Estimates, with a `name`.
    level : float
        The probability that intervals are made for.
    intervals : bool
        Whether to make intervals and verdicts.
    kind : str or sequence of str, optional
        The kind of all sets, or of each; None finds it. See kinds_of.
    """
    real_number(level, "the level of an interval lies between 0 and 1", above=0.0, below=1.0)
    used, value = sets.among(answers.learner.used), answers.value
    refuse_weights(answers, used)
    unused = np.flatnonzero((np.diff(sets.starts) > 0) & (np.diff(used.starts) == 0))
    estimates, shape = estimator(used, errors=intervals), (len(sets),) + value.shape
    change = estimates.change.reshape(shape)
    terms = estimates.terms.reshape((len(sets), estimates.terms.shape[1]) + value.shape)
    start = np.broadcast_to(value, shape)[:, None]
    prediction = Prediction(value + change, change, np.concatenate([start, terms], axis=1),
                            decoder=estimator.name, source=[estimator.name] * len(sets))
    calibrated = answers.calibrated
    kinds = kinds_of(used, kind, calibrated.declared, np.count_nonzero(answers.learner.used))
    if not intervals:
        return prediction
    if estimates.error is not None:
        prediction = replace(prediction, standard_error=estimates.error.reshape(shape))
    if calibrated.calibration is None:
        return replace(prediction, reasons=(
            "no interval and no verdict: it was made without calibration sets",))
    prediction = replace(prediction, kind=kinds)
    failed = [name for name in dict.fromkeys([RANDOM, *kinds]) if not calibrated.of(name).calibration.finite]
    if failed:
        reason = f"retraining a set of kind {failed[0]!r} did not end in numbers: no interval"
        return judged(prediction, [NOT] * len(sets), [(reason,)] * len(sets), unused)
    return with_intervals(prediction, calibrated, estimator, used, estimates, level, unused)


def refuse_weights(answers, sets):
    """Raise LearnerError for weights above those that can be asked about."""
    base = 0.0 if answers.downweight is None else answers.downweight[sets.units]
    weight = (1.0 - base - sets.values).max(initial=0.0)
    if weight > answers.most:
        raise LearnerError(f"weights up to {answers.most:g} can be asked about here, got {weight:g}"
                           + (": a sketch answers up to 2" if answers.most < 2.0 else ""))


def with_intervals(prediction, calibrated, estimator, sets, estimates, level, unused):
    """Return the Prediction with intervals and verdicts, by the estimator's errors at sets of each kind."""
    squares, change, stated = sets.squares(), estimates.change, calibrated.stated(estimates)
    rest = remainder(estimates.terms) if calibrated.series and estimates.terms.shape[1] > 1 else None
    half, sampling, truncation = (np.zeros(change.shape) for _ in range(3))
    verdicts, reasons, kinds = [None] * len(sets), [None] * len(sets), np.array(prediction.kind, object)
    for kind in dict.fromkeys(prediction.kind):
        part, here = calibrated.of(kind), np.flatnonzero(kinds == kind)
        model, size, moved = part.error_model(estimator), squares[here], change[here]
        of_rest = None if rest is None else rest[here]
        parts = model.deviations(stated[here], size, part.excess(moved, size), of_rest)
        sampling[here], truncation[here] = parts
        half[here] = model.half_width(*parts, size, level)
        for k, *judgement in zip(here, *judge(part, model, size, moved, of_rest, *parts)):
            verdicts[k], reasons[k] = judgement
    shape = prediction.value.shape
    half = half.reshape(shape)
    prediction = replace(
        prediction, interval=(prediction.value - half, prediction.value + half), level=level,
        sampling=sampling.reshape(shape), truncation=truncation.reshape(shape))
    return judged(prediction, verdicts, reasons, unused)


def judged(prediction, verdicts, reasons, unused):
    """A Prediction with a verdict and reasons for each set; no step uses any unit of the `unused` sets."""
    for k in unused:
        verdicts[k], reasons[k] = TRUST, (UNUSED,)
    return replace(prediction, verdict=verdicts, reasons=reasons)
