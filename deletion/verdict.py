"""The honest word: whether a prediction may be trusted, raised in degree, or not trusted, and why.

Decided by measurement, not by bounds: by the size of the calibrated error beside the change, predicted or typical of sets of this
size; by whether sets so large, or that move the model so far, were ever retrained; by whether the prediction's own terms have settled;
and by whether retraining crossed kinks, which no Taylor coefficient can see.
"""
import numpy as np

TRUST, RAISE, NOT = "trust", "raise degree", "do not trust"

HOPELESS = 0.7
"""Error, beside the change predicted or typical of the size, from which a prediction says little more than 'no change'."""

COARSE = 0.35
"""From here on a higher degree is worth its price, if truncation is what is wrong."""

BEYOND = 1.5
"""Sets may be this much larger than the largest that was retrained."""


UNUSUAL = 1.1
"""Sets may move the model so many times as far as any that was retrained and is at most twice as large."""


SETTLED, SURPRISE = 0.05, 3.0
"""What a prediction's own terms foretell beyond the last is small up to this share of the change, or this multiple of the calibrated error."""

SLOWEST = 0.9
"""A series whose last term is not below this share of the one before is taken to fall off by it."""


def judge(measured, sets, change, terms, sampling, truncation):
    """(verdict, reasons) for each set: lists.

    change, terms          (sets, q), (sets, p, q): predicted, and by degree
    sampling, truncation   (sets, q): standard deviations of the two parts of the error
    """
    squares, calibration, every = sets.squares(), measured.calibration, np.arange(len(sets))
    typical = measured.typical(squares)
    known = np.minimum(np.abs(change), typical * measured.largest_excess)      # as far as truth is known to go: a prediction may run wild
    scale = np.hypot(typical, known)
    ratio = np.hypot(sampling, truncation) / np.where(scale > 0, scale, 1.0)
    worst = ratio.argmax(axis=1)
    facts = zip(squares, ratio[every, worst], (truncation > sampling)[every, worst], unusual(measured, change, squares),
                unsettled(terms, scale), crossed(calibration, squares))
    reach = calibration.reach
    verdicts, reasons = zip(*(_one(reach, *fact) for fact in facts)) if len(sets) else ((), ())
    return list(verdicts), list(reasons)


def unusual(measured, change, squares):
    """(sets,): how far a set moves the measurements together, beside the farthest that any calibration set up to twice as large does."""
    sizes, found = measured.calibration.sets.squares(), np.zeros(len(squares))
    for square in np.unique(squares[squares > 0]):
        usual, here = measured.typical(np.array([square])), squares == square
        usual = np.where(usual > 0, usual, 1.0)
        small = sizes <= max(2.0 * square, sizes.min())
        farthest = np.sqrt(np.mean((measured.calibration_changes[small] / usual) ** 2, axis=1)).max()
        found[here] = np.sqrt(np.mean((change[here] / usual) ** 2, axis=1)) / max(farthest, np.finfo(float).tiny)
    return found


def unsettled(terms, scale):
    """(sets,): the rest that a series' own last terms foretell, |T_p| rho / (1 - rho) with rho = |T_p| / |T_p-1|, beside the scale of the
    change; root mean square over measurements. 0 below degree 2."""
    if terms.shape[1] < 2:
        return np.zeros(len(terms))
    last, before = np.abs(terms[:, -1]), np.abs(terms[:, -2])
    rho = np.minimum(last / np.where(before > 0, before, np.inf), SLOWEST)
    return np.sqrt(np.mean((last * rho / (1.0 - rho) / np.where(scale > 0, scale, 1.0)) ** 2, axis=1))


def crossed(calibration, squares):
    """(sets,): how many kinks retraining crossed, the median of the five calibration sets nearest in size."""
    if not calibration.crossings.any():
        return np.zeros(len(squares))
    sizes = np.log(np.square(calibration.downweights).sum(axis=1))
    nearest = np.argsort(np.abs(sizes - np.log(np.maximum(squares, 1e-300))[:, None]), axis=1, kind="stable")[:, :5]
    return np.median(calibration.crossings[nearest], axis=1)


def _one(reach, square, ratio, truncated, moved, rest, kinks):
    if not square:
        return TRUST, ("nothing is deleted",)
    if square > BEYOND * reach:
        return NOT, (f"the set has size {square:.3g}; the largest that was retrained to learn the error had {reach:.3g}",)
    if kinks:
        return NOT, (f"retraining sets of about this size crossed {kinks:.0f} kinks (median); Taylor series see one branch",)
    said = f"calibrated error about {ratio:.2g} of the change usual for the size, mostly by " + ("truncation" if truncated else "sampling")
    if ratio > HOPELESS:
        return NOT, (said,)
    if moved > UNUSUAL:
        return NOT, (f"for its size the set moves the model {moved:.2g} times as far as any that was retrained: the error was not learned on its like",)
    if ratio > COARSE and truncated:
        return RAISE, (said,)
    if rest > COARSE or rest > max(SURPRISE * ratio, SETTLED):
        return RAISE, (f"its own terms have not settled: by the last two, those beyond come to about {rest:.2g} of the change, where the "
                       f"calibrated error is {ratio:.2g}",)
    return TRUST, (said,)
