"""Whether sets like those asked about can be predicted here: a few of them are pushed and retrained exactly.

The paper calls a training stable if the norms of T_r decay geometrically. Estimated norms are printed where
the directions show them, but they decide nothing: a tensor is much larger in its worst direction than along
the sets that are asked about. What decides: the terms along real deletion sets, pushed exactly; how far
series and predictions are from exact retraining; and kinks that retraining crosses.
"""
from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional, Sequence

import numpy as np

from circuit import evaluate
from circuit.checks import whole_number
from circuit.errors import LearnerError
from circuit.progress import working

from ..directions.directions import UNITARILY_INVARIANT, given
from ..directions.terms import log_binomials
from ..trust.calibration import calibrate
from ..trust.verdict import MAX_RAISE_ERROR, MAX_RELATIVE_ERROR, MORE, NOT, RAISE, TRUST
from .sketch import Sketch, precompute, require_learner

PROBES = 16
"""Random sets that are pushed and retrained: about the work of as many directions."""

MIN_SETS = 8
"""With fewer sets, the share of values inside their intervals says nothing."""

MIN_COVERED = 0.7
"""The share of retrained values that 95% intervals must contain: far below 95%, as there are few sets."""

MAX_SERIES_SHARE = 0.5
"""Up to this share of the prediction's error, the exact series is not to blame: the error is from
sampling."""


@dataclass(frozen=True)
class Stability:
    """The result of `stability`: how well sets of one kind can be predicted. Its text is a short report.

    Attributes
    ----------
    size : float
        The mean size of the sets.
    norms, norm_errors : np.ndarray, optional
        (p,): the estimated Frobenius norms of T_1 .. T_p and their standard errors. None unless the
        directions are of design 'sphere' or 'haar'.
    terms : np.ndarray
        (p,): the root mean square of T_1 .. T_p along the sets, exactly.
    decay : float
        The factor by which terms change from order to order along the sets.
    series_error : float
        The error of the exact series: sum |series - retrained| / sum |true change|.
    prediction_error : float
        The error of the sketch's predictions, measured likewise.
    covered : float, optional
        The share of retrained values inside the sketch's 95% intervals. None without calibration sets.
    crossings : float
        The number of kinks that retraining crossed, the median over the sets.
    verdict : str
        'trust', 'raise degree', 'more directions' or 'do not trust'.
    reasons : tuple
        The reasons for the verdict, in words.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, precompute, stability
    >>> numbers = np.arange(20.0) / 10
    >>> learner = Learner([0.0], list(numbers), lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(20)] * 30)
    >>> sketch = precompute(learner, 10, degree=2, progress=False)
    >>> print(stability(sketch, lambda w: w[0], sets=[[18, 19]], progress=False).verdict)
    trust
    """
    size: float
    norms: Optional[np.ndarray]
    norm_errors: Optional[np.ndarray]
    terms: np.ndarray
    decay: float
    series_error: float
    prediction_error: float
    covered: Optional[float]
    crossings: float
    verdict: str
    reasons: tuple

    def __str__(self):
        lines = [f"sets of size {self.size:.3g}: {self.verdict}", *(f"  {reason}" for reason in self.reasons),
                 "order    along such sets" + ("" if self.norms is None else "    norm (not decided by)")]
        for r, term in enumerate(self.terms):
            norm = "" if self.norms is None else f"    {self.norms[r]:.3g} +- {self.norm_errors[r]:.1g}"
            lines.append(f"{r + 1:5d}    {term:15.3g}{norm}")
        return "\n".join(lines)


class Evidence(NamedTuple):
    """What decides the verdict: six fields of Stability; how many sets; whether retraining gave numbers."""
    terms: np.ndarray
    decay: float
    series_error: float
    prediction_error: float
    covered: Optional[float]
    crossings: float
    count: int
    finite: bool


def stability(sketch: Sketch, measurement: Callable, size: Optional[int] = None, *,
              sets: Optional[Sequence] = None, probes: int = PROBES, seed: int = 0,
              progress: bool = True) -> Stability:
    """Push and retrain a few sets exactly, to find out whether predictions for such sets can be trusted.

    The cost is about that of as many directions as there are sets.

    Parameters
    ----------
    sketch : Sketch
        The sketch, with its learner.
    measurement : Callable
        As for `Sketch.measure`.
    size : int, optional
        The size of random sets. Default: 1% of the units that steps use.
    sets : sequence of deletion sets, optional
        Sets like those that will be asked about, in place of random ones.
    probes, seed : int
        The number of random sets, and their seed.
    progress : bool
        False prints nothing on stderr.

    Returns
    -------
    Stability
        Errors, terms by order, and a verdict.

    Raises
    ------
    LearnerError
        If the sketch has no learner, or sizes or sets make no sense.

    Examples
    --------
    >>> from deletion import SGD, Learner, precompute, stability
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> sketch = precompute(learner, 2, degree=2, calibration=0, progress=False)
    >>> stability(sketch, lambda w: w[0], sets=[[0], [1]], progress=False).terms.round(2)
    array([0.53, 0.18])
    """
    if not isinstance(sketch, Sketch):
        raise LearnerError(f"stability is that of a series along directions, got {sketch!r:.60}")
    require_learner(sketch)
    learner = sketch.learner
    sets = learner.deletion_sets(random_probes(learner, size, probes, seed) if sets is None else sets)
    h = sets.among(learner.used).dense(learner.unit_count)
    if not len(h) or not h.any(axis=1).all():
        raise LearnerError("stability is measured on sets that delete something")
    with working("stability", progress):
        measured = sketch.measure(measurement)
        evidence = collected(sketch, measured, measurement, h)
    norms, norm_errors = frobenius(sketch, measured)
    verdict, reasons = decided(evidence, measured.calibrated.lacking)
    return Stability(float(h.sum(axis=1).mean()), norms, norm_errors, *evidence[:6], verdict, reasons)


def random_probes(learner, size, count, seed):
    """Random deletion sets of a size, as lists of labels, of units that steps use."""
    used = np.flatnonzero(learner.used)
    size = max(1, len(used) // 100) if size is None else whole_number(size, "the size of a set", 1)
    if size > len(used):
        raise LearnerError(f"the size of a set: expected 1 to {len(used)} units, as steps use, got {size}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    return [[learner.units[i] for i in rng.choice(used, size, replace=False)] for _ in range(count)]


def collected(sketch, measured, measurement, h):
    """The Evidence of sets h (sets, units): pushed exactly, retrained exactly, and predicted."""
    learner = sketch.learner
    pushed = precompute(learner, given(h), sketch.degree, calibration=0).measure(measurement)
    exact, retrained = pushed.coefficients.real, calibrate(learner, h)
    predicted = measured.predict_downweights(h)
    finite = bool(np.isfinite(retrained.values).all())
    changes = np.full(exact[:, 0].shape, np.nan)
    if finite:
        changes = evaluate(learner.measurement(measurement), [retrained.values])[0] - measured.value
    covered = None
    if predicted.interval is not None:
        low, high = (bound - measured.value for bound in predicted.interval)
        covered = float(np.mean((low <= changes) & (changes <= high)))
    terms = np.sqrt((exact ** 2).mean(axis=(0, *range(2, exact.ndim))))
    return Evidence(terms, decay(terms), relative(exact.sum(axis=1), changes),
                    relative(predicted.change, changes), covered, float(np.median(retrained.crossings)),
                    len(h), finite)


def relative(change, true):
    """sum |change - true| / sum |true|"""
    total = np.abs(true).sum()
    return float(np.abs(change - true).sum() / total) if total else 0.0


def decay(terms):
    """The factor from order to order, by least squares of log |T_r| on r; 0 if there is only one term."""
    orders = np.flatnonzero(terms > 0)
    return float(np.exp(np.polyfit(orders, np.log(terms[orders]), 1)[0])) if len(orders) > 1 else 0.0


def frobenius(sketch, measured):
    """Estimated Frobenius norms (p,) of T_r and their standard errors; (None, None) for other directions.

    They follow from E |c_r|^2 = |T_r|^2 / C(n + r - 1, r).
    """
    if sketch.directions.design not in UNITARILY_INVARIANT or len(sketch.directions) < 2:
        return None, None
    squares = np.abs(measured.coefficients) ** 2
    squares = squares.reshape(len(squares), sketch.degree, -1).mean(axis=2)
    squares = squares * np.exp(log_binomials(sketch.directions.dimension, sketch.degree))
    norms = np.sqrt(squares.mean(axis=0))
    errors = squares.std(axis=0, ddof=1) / np.sqrt(len(squares))      # of the squared norms
    return norms, errors / (2.0 * np.where(norms > 0, norms, 1.0))


def decided(evidence, lacking):
    """(verdict, reasons).   lacking: what more directions would determine, in words; None if nothing."""
    error, series_error, covered = evidence.prediction_error, evidence.series_error, evidence.covered
    summary = f"exact series are off by {series_error:.0%} of the true change, predictions by {error:.0%}"
    if covered is not None:
        summary += f"; 95% intervals held {covered:.0%} of the retrained values"
    if not evidence.finite:
        return NOT, ("retraining did not end in numbers",)
    if evidence.crossings > 0:
        return NOT, (f"retraining crossed {evidence.crossings:.0f} kinks (median); Taylor series see one "
                     "branch", summary)
    if evidence.decay >= 1.0:
        return NOT, (f"the terms do not shrink from order to order (ratio {evidence.decay:.2g}): no higher "
                     "degree will help", summary)
    if error > MAX_RELATIVE_ERROR:
        series_is_off = series_error > MAX_SERIES_SHARE * error
        if lacking and not series_is_off:
            return MORE, (f"{summary}: {lacking}",)
        if series_is_off and error <= MAX_RAISE_ERROR:
            return RAISE, (f"{summary}; terms shrink by {evidence.decay:.2g} an order",)
        return NOT, (summary,)
    if covered is not None and covered < MIN_COVERED and evidence.count >= MIN_SETS:
        return NOT, (f"{summary}: these sets are unlike those the intervals were learned on",)
    return TRUST, (summary,)
