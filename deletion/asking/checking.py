"""How an estimate does on some of the sets asked about, which are drawn at random and retrained."""
import math
from typing import NamedTuple

import numpy as np

from ..predictions.prediction import predict
from .expected import expected_of
from .asking import chosen

CHECKED, FEWEST_CHECKED, MOST_CHECKED = 0.1, 8, 48
"""The share of the sets asked about that are checked; how many at least and at most."""

CONFIDENT = 1.28
"""Standard errors that are added to the error at these sets: one time in ten it is larger than that."""

TINY = 1e-300
"""The least that is divided by."""


class Check(NamedTuple):
    """How the estimate does on sets asked about that were drawn at random and retrained.

    Attributes
    ----------
    numbers : np.ndarray of int
        Which sets.
    error, spread : float
        sum |predicted - true| / sum |true change| over them, and its standard error.
    beside : float
        This error, CONFIDENT standard errors added, beside the one that calibration expected.
    reach : float
        So many times as wide as they are, intervals hold the share of them that they should.
    """
    numbers: np.ndarray
    error: float
    spread: float
    beside: float
    reach: float


def look_at_some(asking):
    """Retrain some of the sets asked about, drawn at random: they are answers, and a check of the rest."""
    unknown = asking.unknown
    count = min(max(FEWEST_CHECKED, math.ceil(CHECKED * len(unknown))), MOST_CHECKED, len(unknown),
                int(asking.budget.left / 2.0))
    if count < FEWEST_CHECKED:
        return
    numbers = np.random.default_rng([asking.seed, 7]).choice(unknown, count, replace=False)
    done = asking.retrain(numbers)
    if done >= FEWEST_CHECKED:
        asking.check = checked(asking, numbers[:done])
    error = ("" if asking.check is None else
             f"; there the estimate is off by {asking.check.error:.2g} of the change")
    asking.note("check", done, f"{done} of the sets asked about, drawn at random{error}")


def checked(asking, numbers):
    """Return the Check of the model at some sets that were retrained."""
    question, model = asking.question, asking.model
    p = predict(model, chosen(question.sets, numbers), model.estimator(), asking.level, True)
    true = asking.exact[numbers] - question.value.reshape(-1)
    errors = np.abs(p.change.reshape(true.shape) - true)
    error, spread = ratio_and_spread(errors.sum(axis=1), np.abs(true).sum(axis=1))
    if p.interval is None:
        return Check(numbers, error, spread, 1.0, 1.0)
    nothing = np.zeros(len(numbers), bool)
    expected = expected_of(p, model, asking.squares[numbers], nothing, question.counts[numbers])
    half = (p.interval[1] - p.interval[0]).reshape(true.shape) / 2.0
    reach = float(np.quantile(errors / np.maximum(half, TINY), asking.level))
    return Check(numbers, error, spread, (error + CONFIDENT * spread) / max(expected.pooled, TINY),
                 max(1.0, reach))


def ratio_and_spread(errors, changes):
    """Return sum errors / sum changes over independent sets, and its standard error."""
    total, count = max(changes.sum(), TINY), len(errors)
    error = errors.sum() / total
    spread = np.sqrt(((errors - error * changes) ** 2).sum() * count / max(count - 1, 1)) / total
    return float(error), float(spread)
