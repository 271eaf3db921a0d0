"""Is the method applicable here? Measured on random sets of the size asked about, or on sets like those asked
about.

The paper's stability - the norms of T_r decay geometrically - is printed where the directions show it, and
decides nothing: tensors are much larger in their worst direction than along sets one asks about. What
decides: the terms along real deletion sets, pushed exactly; how far series and predictions are from exact
retraining; and kinks that retraining crosses.
"""
from dataclasses import dataclass
from typing import Optional

import numpy as np
from scipy.special import gammaln

from circuit import evaluate
from circuit.progress import working

from ..trust.calibration import calibrate
from ..directions.directions import UNITARILY_INVARIANT, given
from ..learner.learner import LearnerError
from .sketch import precompute
from ..trust.verdict import MAX_RAISE_ERROR, MAX_RELATIVE_ERROR, MORE, NOT, RAISE, TRUST, lacking_directions

PROBES = 16

FEW = 8
"""Sets fewer than these say nothing about how often intervals hold."""


@dataclass(frozen=True)
class Stability:
    """What was found, by order r = 1..p where it has orders.

    norms, norm_errors   estimated Frobenius norms of T_r and their standard errors; None unless directions
                         are sphere or Haar
    terms                root mean square of T_r along the probes, exactly
    decay                T_r shrinks by about this factor from order to order along the probes
    series_error         of the exact series: sum |series - retrained| / sum |true change|
    prediction_error     of the sketch's predictions, likewise
    covered              share of retrained values inside the sketch's 95% intervals; None without calibration
    crossings            kinks that retraining crossed, the median over probes
    verdict, reasons     'trust', 'raise degree', 'more directions' or 'do not trust', and why
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


def stability(sketch, measurement, size=None, *, sets=None, probes=PROBES, seed=0, progress=True):
    """Push and retrain a few sets exactly, and say whether predictions for sets like them can be trusted: a
    Stability.

    size       of the random sets; default: 1% of the units that steps use
    sets       instead: deletion sets like those that will be asked about
    probes     how many random sets
    progress   False prints nothing on stderr

    Costs about as much as `probes` directions. Raises LearnerError for sizes and sets that make no sense.
    """
    learner = sketch.learner
    if learner is None:
        raise LearnerError("this sketch was opened without its learner: open it with load(path, learner)")
    sets = learner.deletion_sets(random_sets(learner, size, probes, seed) if sets is None else sets)
    h = sets.among(learner.used).dense(learner.unit_count)
    if not len(h) or not h.any(axis=1).all():
        raise LearnerError("stability is measured on sets that delete something")
    with working("stability", progress):
        measured = sketch.measure(measurement)
        exact = precompute(learner, given(h), sketch.degree,
                           calibration=0).measure(measurement).coefficients.real
        truth, predicted = calibrate(learner, h), measured.predict_downweights(h)
    finite = bool(np.isfinite(truth.values).all())
    changes = evaluate(learner.measurement(measurement),
                       [truth.values])[0] - measured.value if finite else np.full(exact[:, 0].shape, np.nan)
    covered = None
    if predicted.interval is not None:
        low, high = (bound - measured.value for bound in predicted.interval)
        covered = float(np.mean((low <= changes) & (changes <= high)))
    facts = dict(terms=np.sqrt((exact ** 2).mean(axis=(0, *range(2, exact.ndim)))), series_error=relative(
        exact.sum(axis=1), changes), prediction_error=relative(predicted.change, changes), covered=covered,
                 crossings=float(np.median(truth.crossings)))
    facts["decay"] = decay(facts["terms"])
    norms = frobenius(sketch, measured)
    return Stability(float(h.sum(axis=1).mean()), *norms, **facts,
                     **decided(finite, len(h), lacking_directions(measured), **facts))


def random_sets(learner, size, probes, seed):
    used = np.flatnonzero(learner.used)
    size = max(1, len(used) // 100) if size is None else size
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= len(used):
        raise LearnerError(f"a set has 1 to {len(used)} units, not {size!r}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    return [[learner.units[i] for i in rng.choice(used, size, replace=False)] for _ in range(probes)]


def relative(change, true):
    """sum |change - true| / sum |true|"""
    total = np.abs(true).sum()
    return float(np.abs(change - true).sum() / total) if total else 0.0


def decay(terms):
    """The factor from order to order, by least squares of log |T_r| on r; 0 where there is nothing to fit."""
    orders = np.flatnonzero(terms > 0)
    return float(np.exp(np.polyfit(orders, np.log(terms[orders]), 1)[0])) if len(orders) > 1 else 0.0


def frobenius(sketch, measured):
    """(norms, standard errors) by order, from E |c_r|^2 = |T_r|^2 / C(n + r - 1, r); (None, None) for other
    directions."""
    if sketch.directions.design not in UNITARILY_INVARIANT or len(sketch.directions) < 2:
        return None, None
    n, orders = sketch.directions.dimension, np.arange(1, sketch.degree + 1)
    binomials = np.exp(gammaln(n + orders) - gammaln(orders + 1.0) - gammaln(n))
    squares = (np.abs(measured.coefficients) ** 2).reshape(len(measured.coefficients), sketch.degree,
                                                           -1).mean(axis=2) * binomials
    norms = np.sqrt(squares.mean(axis=0))
    return norms, squares.std(axis=0,
                              ddof=1) / np.sqrt(len(squares)) / (2.0 * np.where(norms > 0, norms, 1.0))


def decided(finite, count, lacking, terms, series_error, prediction_error, covered, crossings, decay):
    """{'verdict', 'reasons'}"""
    found = (f"exact series are off by {series_error:.2g} of the true change, predictions by "
             f"{prediction_error:.2g}"
             + ("" if covered is None else f"; 95% intervals held {covered:.0%} of the retrained values"))
    if not finite:
        return {"verdict": NOT, "reasons": ("retraining did not end in numbers",)}
    if crossings > 0:
        return {"verdict": NOT, "reasons": (
            f"retraining crossed {crossings:.0f} kinks (median); Taylor series see one branch", found)}
    if decay >= 1.0:
        return {"verdict": NOT,
                "reasons": (f"the terms grow from order to order, by {decay:.2g}: no degree will do", found)}
    if prediction_error > MAX_RELATIVE_ERROR:
        if lacking and series_error <= 0.5 * prediction_error:
            return {"verdict": MORE, "reasons": (f"{found}: {lacking}",)}
        if series_error > 0.5 * prediction_error and prediction_error <= MAX_RAISE_ERROR:
            return {"verdict": RAISE, "reasons": (found + f"; terms shrink by {decay:.2g} an order",)}
        return {"verdict": NOT, "reasons": (found,)}
    if covered is not None and covered < 0.7 and count >= FEW:
        return {"verdict": NOT,
                "reasons": (found + ": these sets are unlike those the intervals were learned on",)}
    return {"verdict": TRUST, "reasons": (found,)}
