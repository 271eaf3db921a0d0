"""The honest word: whether a prediction may be trusted, raised in degree, or not trusted, and why.

Decided by measurement, not by bounds: by the size of the calibrated error beside the size of the change that retraining typically
makes at this size of set, by whether sets so large were ever retrained, and by whether retraining crossed kinks, which no Taylor
coefficient can see.
"""
import numpy as np

TRUST, RAISE, NOT = "trust", "raise degree", "do not trust"

HOPELESS = 0.7
"""Error beside typical change from which a prediction says little more than 'no change'."""

COARSE = 0.35
"""From here on a higher degree is worth its price, if truncation is what is wrong."""

BEYOND = 1.5
"""Sets may be this much larger than the largest that was retrained."""


def judge(measured, sets, sampling, truncation):
    """(verdict, reasons) for each set: lists.   sampling, truncation (sets, q): standard deviations of the two parts of the error."""
    squares, calibration = sets.squares(), measured.calibration
    change = measured.typical.deviations(np.zeros_like(sampling), squares)[1]
    ratio = np.hypot(sampling, truncation) / np.where(change > 0, change, 1.0)
    worst = ratio.argmax(axis=1)
    verdicts, reasons = [], []
    for k, q in enumerate(worst):
        verdict, why = _one(squares[k], ratio[k, q], truncation[k, q] > sampling[k, q], calibration)
        verdicts.append(verdict)
        reasons.append(why)
    return verdicts, reasons


def _one(square, ratio, truncated, calibration):
    if not square:
        return TRUST, ("nothing is deleted",)
    if square > BEYOND * calibration.reach:
        return NOT, (f"the set has size {square:.3g}; the largest that was retrained to learn the error had {calibration.reach:.3g}",)
    near = np.abs(np.log(np.square(calibration.downweights).sum(axis=1) / square))
    crossed = calibration.crossings[np.argsort(near, kind="stable")[:5]]
    if np.median(crossed) > 0:
        return NOT, (f"retraining sets of about this size crossed {np.median(crossed):.0f} kinks (median); Taylor series see one branch",)
    said = f"calibrated error about {ratio:.2g} of the typical change at this size, mostly by " + ("truncation" if truncated else "sampling")
    if ratio > HOPELESS:
        return NOT, (said,)
    if ratio > COARSE and truncated:
        return RAISE, (said,)
    return TRUST, (said,)
