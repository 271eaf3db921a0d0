"""The verdict: whether a prediction may be trusted, what would help where it may not, and why.

It is decided by measurement, not by bounds: by how large the error of random sets of this size is beside the
change; by whether sets so large, or that move the model so far, were ever retrained; by whether the
prediction's own terms have converged; and by whether retraining crossed kinks, which no Taylor coefficient
shows.

What 'trust' claims: of random sets as large as this one, trusted predictions as a group are off by less than
half of the change, and few lie outside their interval (`python -m benchmarks.trust` measures both). Sets
chosen by a rule are judged likewise where their kind was declared (kinds.py); otherwise no such set was
retrained, and the verdict says that too.
"""
from typing import NamedTuple

import numpy as np

from .kinds import RANDOM

TRUST, RAISE = "trust", "raise degree"
MORE, NOT = "more directions", "do not trust"

MAX_RELATIVE_ERROR = 0.4
"""Predictions are trusted while the calibrated error, and one standard error of it more, is at most this
share of the change. Their group is to stay below one half: the distance between is for what the calibration
cannot know."""

MAX_WORST_ERROR = 0.8
"""The same of the worst of several measurements: nearly as bad as 'no change'."""

MAX_RAISE_ERROR = 0.7
"""An error by truncation up to this share of the change may fall with a higher degree; beyond, the series is
of no use."""

MAX_LACKING_ERROR = 1.5
"""An error by sampling up to this share of the change, as large as that of 'no change', falls with more
directions; a larger one means that the series itself does not hold."""

MAX_SIZE = 1.5
"""Sets may be this much larger than the largest that was retrained."""

MAX_MOVED = 1.1
"""Sets may move the model so many times as far as any that was retrained and is at most twice as large."""

MAX_REST = 0.6
"""What a prediction's own terms imply beyond the last may be at most this share of the typical change."""

SMALL_REST = 0.2
"""Up to this share of the typical change, such a rest is accepted, whatever the calibrated error."""

MAX_SURPRISE = 8.0
"""Above that share, such a rest may be at most so many times the calibrated error."""

MAX_RATIO = 0.9
"""The ratio of the last two terms is taken to be at most this: a larger one implies no finite rest."""

NEIGHBOURS = 5
"""Calibration sets, the nearest in size, whose median tells how many kinks a set crosses."""


class Evidence(NamedTuple):
    """What is known of the prediction of one set.

    Attributes
    ----------
    square : float
        |h|^2, the size of the set.
    error, spread, worst : float
        The calibrated error of random sets of this size beside the change, its standard error, and the error
        of the worst measurement.
    truncated : bool
        Whether a series was cut off, and more of the error is by that than by sampling.
    moved : float
        How far the set moves the measurements, in units of the farthest of the calibration sets.
    rest : float
        What the series' last terms imply beyond the last, as a share of the typical change.
    kinks : float
        How many kinks retraining sets of this size crossed.
    """
    square: float
    error: float
    spread: float
    worst: float
    truncated: bool
    moved: float
    rest: float
    kinks: float


def judge(calibrated, model, squares, change, rest, sampling, truncation):
    """Return (verdicts, reasons) of many sets, two lists.

    Parameters
    ----------
    calibrated : Calibrated
        The calibration by sets of one kind, and what is known of the estimator.
    model : ErrorModel
        That of the estimator.
    squares : np.ndarray, (sets,)
        |h|^2 of each set.
    change : np.ndarray, (sets, q)
        The predicted change.
    rest : np.ndarray, (sets, q), optional
        What a series' last terms imply beyond the last, where there are enough of them.
    sampling, truncation : np.ndarray, (sets, q)
        Standard deviations of the two parts of the error.
    """
    if not len(squares):
        return [], []
    calibration = calibrated.calibration
    typical = calibrated.typical(squares)
    typical = np.where(typical > 0, typical, 1.0)
    truncated = ((truncation / typical) ** 2).sum(axis=1) > ((sampling / typical) ** 2).sum(axis=1)
    beyond = np.zeros(len(squares)) if rest is None else np.sqrt(((rest / typical) ** 2).mean(axis=1))
    evidence = map(Evidence, squares, *model.relative_error(squares), truncated & calibrated.series,
                   moved_beside(calibrated, change, squares), beyond, crossed(calibration, squares))
    reach, lacking, said = calibration.reach, calibrated.lacking, words_of(calibrated)
    verdicts, reasons = zip(*(judge_one(one, reach, lacking, *said) for one in evidence))
    return list(verdicts), [(reason,) for reason in reasons]


def words_of(calibrated):
    """What verdicts say: of which sets the calibration is, and which sets it says nothing about."""
    if calibrated.kind != RANDOM:
        return f"sets of kind {calibrated.kind!r}", "Sets of this kind were retrained."
    kinds = ", ".join(repr(kind.name) for kind in calibrated.declared)
    rule = f"another rule than the kinds declared ({kinds})" if kinds else "a rule (a class, neighbours)"
    return "random sets", (f"Sets chosen by {rule} were not retrained and may be far off: "
                           "stability(sketch, f, sets=[set]) tries them.")


def judge_one(evidence, reach, lacking, sets, known):
    """Return (verdict, reason) of one set.

    `reach` is the size of the largest calibration set, `lacking` what more directions would determine, and
    `sets` and `known` come from words_of.
    """
    _, error, spread, worst, truncated, moved, rest, kinks = evidence
    if not evidence.square:
        return TRUST, "Nothing is deleted."
    if evidence.square > MAX_SIZE * reach:
        return NOT, (f"The set has size {evidence.square:.3g}; the largest calibration set has size "
                     f"{reach:.3g}, so the error estimate does not apply.")
    if kinks:
        return NOT, (f"Retraining sets of this size crossed {kinks:.0f} kinks (median); a Taylor series "
                     "describes one branch only.")
    calibrated = f"Calibrated error for {sets} of this size: {percent(error)} of the change"
    if error + spread > MAX_RELATIVE_ERROR or worst > MAX_WORST_ERROR:
        if worst > MAX_WORST_ERROR >= error:
            calibrated += f" ({percent(worst)} for the worst measurement)"
        if error <= MAX_RELATIVE_ERROR:
            calibrated += f", standard error {percent(spread)}"
        if lacking and not truncated and error <= MAX_LACKING_ERROR:
            return MORE, f"{calibrated}, mostly by sampling: {lacking}."
        if max(error, worst) > MAX_RAISE_ERROR:
            return NOT, f"{calibrated}. The estimate does not predict such sets."
        if truncated:
            return RAISE, f"{calibrated}, mostly by truncation of the series."
        return NOT, f"{calibrated}, mostly by interactions that were not seen."
    if moved > MAX_MOVED:
        return NOT, (f"This set changes the model {moved:.2g} times as much as any calibration set of its "
                     "size, so the error estimate does not apply.")
    if rest > MAX_REST or rest > max(MAX_SURPRISE * error, SMALL_REST):
        return RAISE, (f"Series not converged: extrapolated remainder {percent(rest)} of the change typical "
                       f"of this size (calibrated error {percent(error)}).")
    return TRUST, f"{calibrated}. {known}"


def percent(share):
    """Return a share in percent, with two digits: '1.5%', '35%', '480%'."""
    return f"{100.0 * share:.2g}%" if share < 0.995 else f"{100.0 * share:.0f}%"


def moved_beside(calibrated, change, squares):
    """Return (sets,): how far a set moves the measurements together, beside calibration sets of its size.

    The unit is the farthest that any calibration set up to twice as large moves them.
    """
    sizes, ratios = calibrated.calibration.sets.squares(), np.zeros(len(squares))
    for square in np.unique(squares[squares > 0]):
        usual, here = calibrated.typical(np.array([square])), squares == square
        usual = np.where(usual > 0, usual, 1.0)
        small = sizes <= max(2.0 * square, sizes.min())
        farthest = np.sqrt(np.mean((calibrated.changes[small] / usual) ** 2, axis=1)).max()
        moved = np.sqrt(np.mean((change[here] / usual) ** 2, axis=1))
        if farthest > np.finfo(float).tiny:
            ratios[here] = moved / farthest
        else:      # no calibration set moves anything
            ratios[here] = np.where(moved > 0, np.inf, 0.0)
    return ratios


def remainder(terms):
    """Return (sets, q): the rest implied by the last of terms (sets, p, q), p at least 2.

    It is that of a geometric series: |T_p| rho / (1 - rho) with rho = |T_p| / |T_p-1|.
    """
    last, before = np.abs(terms[:, -1]), np.abs(terms[:, -2])
    rho = np.minimum(last / np.where(before > 0, before, np.inf), MAX_RATIO)
    return last * rho / (1.0 - rho)


def crossed(calibration, squares):
    """Return (sets,): how many kinks retraining crossed, the median of calibration sets nearest in size."""
    if not calibration.crossings.any():
        return np.zeros(len(squares))
    sizes = np.log(np.square(calibration.downweights).sum(axis=1))
    distance = np.abs(sizes - np.log(np.maximum(squares, 1e-300))[:, None])
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :NEIGHBOURS]
    return np.median(calibration.crossings[nearest], axis=1)
