"""The verdict: whether a prediction may be trusted, what would help where it may not, and why.

Decided by measurement, not by bounds: by how large the error of random sets of this size is beside the
change; by whether sets so large, or that move the model so far, were ever retrained; by whether the
prediction's own terms have settled; and by whether retraining crossed kinks, which no Taylor coefficient can
see.

What 'trust' claims: of random sets as large as this one, trusted predictions as a group are off by less than
half of the change, and few lie outside their interval (`python -m benchmarks.trust` measures both). Of sets
chosen by a rule nothing was retrained, and the verdict says that too.
"""
import numpy as np

TRUST, RAISE, MORE, NOT = "trust", "raise degree", "more directions", "do not trust"

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

MAX_REST, SMALL_REST, SURPRISE = 0.6, 0.2, 8.0
"""What a prediction's own terms foretell beyond the last may be this share of the typical change; above the
small share, it may be at most SURPRISE times the calibrated error."""

MAX_RATIO = 0.9
"""A series whose last term is not below this share of the one before is taken to fall off by it."""


def judge(measured, model, sets, change, terms, sampling, truncation):
    """(verdict, reasons) for each set: lists.

    model                  the ErrorModel of the decoder
    change, terms          (sets, q), (sets, p, q): predicted, and by degree
    sampling, truncation   (sets, q): standard deviations of the two parts of the error
    """
    if not len(sets):
        return [], []
    squares, calibration = sets.squares(), measured.calibration
    typical = measured.typical(squares)
    typical = np.where(typical > 0, typical, 1.0)
    truncated = ((truncation / typical) ** 2).sum(axis=1) > ((sampling / typical) ** 2).sum(axis=1)
    rest = np.zeros(len(sets)) if terms.shape[1] < 2 else np.sqrt(((remainder(terms)
                                                                    / typical) ** 2).mean(axis=1))
    facts = zip(squares, zip(*model.relative_error(squares)), truncated,
                moved_beside(measured, change, squares), rest, crossed(calibration, squares))
    lacking, reach = lacking_directions(measured), calibration.reach
    verdicts, reasons = zip(*(_one(reach, lacking, *fact) for fact in facts))
    return list(verdicts), list(reasons)


def lacking_directions(measured):
    """How many directions would determine first order, as a text; None where those there are do, or where a
    gradient does."""
    units, count = measured.directions.dimension, len(measured.directions)
    if measured.gradient is not None or 2 * count >= units:
        return None
    return f"{count} directions do not determine the first order of {units} units; {-(-units // 2)} do, or join the metagradient"


def moved_beside(measured, change, squares):
    """(sets,): how far a set moves the measurements together, beside the farthest that any calibration set up
    to twice as large does."""
    sizes, found = measured.calibration.sets.squares(), np.zeros(len(squares))
    for square in np.unique(squares[squares > 0]):
        usual, here = measured.typical(np.array([square])), squares == square
        usual = np.where(usual > 0, usual, 1.0)
        small = sizes <= max(2.0 * square, sizes.min())
        farthest = np.sqrt(np.mean((measured.calibration_changes[small] / usual) ** 2, axis=1)).max()
        moved = np.sqrt(np.mean((change[here] / usual) ** 2, axis=1))
        found[here] = moved / farthest if farthest > np.finfo(float).tiny else np.where(moved > 0, np.inf,
                                                                                        0.0)
    return found


def remainder(terms):
    """(sets, q): the rest that a series' own last terms imply, |T_p| rho / (1 - rho) with rho = |T_p| /
    |T_p-1|.

    terms   (sets, p, q), p at least 2
    """
    last, before = np.abs(terms[:, -1]), np.abs(terms[:, -2])
    rho = np.minimum(last / np.where(before > 0, before, np.inf), MAX_RATIO)
    return last * rho / (1.0 - rho)


def crossed(calibration, squares):
    """(sets,): how many kinks retraining crossed, the median of the five calibration sets nearest in size."""
    if not calibration.crossings.any():
        return np.zeros(len(squares))
    sizes = np.log(np.square(calibration.downweights).sum(axis=1))
    nearest = np.argsort(np.abs(sizes - np.log(np.maximum(squares, 1e-300))[:, None]), axis=1,
                         kind="stable")[:, :5]
    return np.median(calibration.crossings[nearest], axis=1)


def _one(reach, lacking, square, relative, truncated, moved, rest, kinks):
    error, spread, worst = relative
    if not square:
        return TRUST, ("nothing is deleted",)
    if square > MAX_SIZE * reach:
        return NOT, (f"the set has size {square:.3g}; the largest that was retrained to learn the error had "
                     f"size {reach:.3g}",)
    if kinks:
        return NOT, (f"retraining sets of about this size crossed {kinks:.0f} kinks (median); Taylor series "
                     "see one branch",)
    found = f"for random sets of this size the calibrated error is {error:.2g} of the change"
    if error + spread > MAX_RELATIVE_ERROR or worst > MAX_WORST_ERROR:
        found += f", {worst:.2g} for the worst measurement" if worst > MAX_WORST_ERROR >= error else ""
        found += f", known to +-{spread:.1g}" if error <= MAX_RELATIVE_ERROR else ""
        if lacking and not truncated and error <= MAX_LACKING_ERROR:
            return MORE, (f"{found}, mostly by sampling: {lacking}",)
        if max(error, worst) > MAX_RAISE_ERROR:
            return NOT, (f"{found}: the series does not predict such sets",)
        if truncated:
            return RAISE, (f"{found}, mostly by truncation of the series",)
        return NOT, (f"{found}, mostly by interactions that the directions do not determine",)
    if moved > MAX_MOVED:
        return NOT, (f"this set moves the model {moved:.2g} times as far as any calibration set of its "
                     "size: the calibrated error " "does not apply to it",)
    if rest > MAX_REST or rest > max(SURPRISE * error, SMALL_REST):
        return RAISE, (f"the series has not settled: its last two terms imply a remainder of {rest:.2g} of "
                       "the change typical of the " f"size, where the calibrated error is {error:.2g}",)
    return TRUST, (
        f"{found}; sets chosen by a rule (a class, neighbours) were not retrained and may be worse",)
