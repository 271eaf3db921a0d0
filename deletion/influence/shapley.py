"""Data Shapley by truncated Monte Carlo (Ghorbani & Zou 1904.02868): what each unit is worth to a utility of
the trained model.

A unit's value is the mean, over all orders in which units may arrive, of what the utility gains when the unit
joins those before it. It is the only division of v(all) - v(none) that is symmetric, additive in utilities,
and gives nothing to units that never matter. A set's utility v(S) is that of a training in which the other
units have weight 0 and the schedule is unchanged; v(none) is that of a training by the regulariser alone. An
exact value takes 2^n trainings; random orders estimate it without bias, each by at most n - 1 trainings of
its prefixes, which are evaluated side by side.

Shapley values are not a Method: they say what units are worth on average over sets of every size, and their
sum over a deletion set does not predict what deleting it from all examples does.
"""
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import numpy as np

from circuit.progress import Progress

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import checked_learner, real_number, whole_number
from ..learner.retrain import retrain

if TYPE_CHECKING:
    from ..learner.learner import Learner

MAX_UNITS = 200
"""The orders needed grow with the number of units, and the trainings of each order as well."""

SIDE_BY_SIDE = 10
"""Orders whose prefixes are trained side by side."""

PIECE = 16
"""Prefixes of each order between two looks at whether it can be cut short."""

WINDOW = 100
"""Values have settled when they move less than the tolerance over so many orders."""


@dataclass(frozen=True)
class Shapley:
    """Data Shapley values by Monte Carlo.

    Attributes
    ----------
    values : (units,) array
        The values, in the utility's units; their sum is v(all) - v(none).
    standard_errors : (units,) array
        Their standard errors over random orders; infinite after a single order.
    permutations : int
        Random orders taken.
    trainings : int
        Models trained; equal sets are trained once.
    settled : bool
        Whether the values stopped moving before the orders ran out.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.influence import Shapley
    >>> Shapley(np.array([0.5, 1.5]), np.array([0.1, 0.1]), 110, 4, True).values.sum()
    np.float64(2.0)
    """
    values: np.ndarray
    standard_errors: np.ndarray
    permutations: int
    trainings: int
    settled: bool


def shapley_values(learner: "Learner", utility: Callable, *, permutations: int = 1000,
                   tolerance: float = 0.05, truncation: float = 0.0, seed: int = 0,
                   progress: bool = True) -> Shapley:
    """Estimate the Shapley value of each of a learner's units.

    Parameters
    ----------
    learner : Learner
        Of at most 200 units.
    utility : Callable
        utility(parameters) -> scalar.
    permutations : int
        The largest number of orders.
    tolerance : float
        Orders stop when sum |value now - value 100 orders ago| < tolerance sum |value now|.
    truncation : float
        An order is cut short once a prefix is within `truncation` of v(all): the next unit gets the rest, and
        those after it nothing. 0 cuts none; otherwise values are biased, but not their sum.
    seed : int
        Of the random orders.
    progress : bool
        False prints nothing on stderr.

    Returns
    -------
    Shapley
        The values with their standard errors.

    Raises
    ------
    DoesNotApply
        If there are more than 200 units.
    LearnerError
        If the utility is not one number.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import shapley_values
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5), [[0, 1]])
    >>> print(shapley_values(learner, lambda w: w[0], permutations=10, progress=False).values.round(6))
    [0.25 0.75]
    """
    n = checked_learner(learner).unit_count
    if n > MAX_UNITS:
        raise DoesNotApply(f"Data Shapley does not apply: {n} units, of which each order takes up to {n - 1} "
                           f"trainings, and hundreds of orders are needed. At most {MAX_UNITS}: group "
                           "examples into units by user, source or class")
    whole_number(permutations, "the number of permutations", 1), whole_number(seed, "the seed", 0)
    real_number(tolerance, "the tolerance of values", low=0.0), real_number(truncation, "truncation", low=0.0)
    game = Game(learner, utility)
    with Progress(permutations, "Shapley values, at most", progress) as report:
        learner.recurrence(None)      # compiles before the clock starts
        report.begin()
        gains = sampled(game, permutations, tolerance, truncation, np.random.default_rng(seed), report)
    return summary(gains, game, settled(gains, tolerance))


def sampled(game, permutations, tolerance, truncation, rng, report):
    """(orders, units): the `marginals` of random orders, until values have settled or orders run out."""
    n = game.learner.unit_count
    gains = np.empty((0, n))
    while len(gains) < permutations and not settled(gains, tolerance):
        count = min(SIDE_BY_SIDE, permutations - len(gains))
        orders = np.array([rng.permutation(n) for _ in range(count)])
        gains = np.concatenate([gains, marginals(game, orders, truncation)])
        report(count)
    return gains


def settled(gains, tolerance):
    """Whether running means have moved by less than the tolerance over the last WINDOW orders, relative to
    their size."""
    if len(gains) <= WINDOW:
        return False
    now, before = gains.mean(axis=0), gains[:-WINDOW].mean(axis=0)
    size = np.abs(now).sum()
    return bool((np.abs(now - before).sum() / size if size else 0.0) < tolerance)


class Game:
    """v(S) of a learner for rows of zeros and ones (sets, units); equal sets are trained once."""

    def __init__(self, learner, utility):
        circuit = learner.measurement(utility)
        if circuit.shapes[circuit.outputs[0]] != ():
            raise LearnerError(f"a utility is one number: got shape {circuit.shapes[circuit.outputs[0]]}")
        self.learner, self.utility, self.known = learner, utility, {}

    def __call__(self, sets):
        keys = [row.tobytes() for row in np.packbits(sets, axis=1)]
        new = {key: row for key, row in zip(keys, sets) if key not in self.known}
        if new:
            values = retrain(self.learner, weights=np.array(list(new.values()), float),
                             measurement=self.utility, progress=False)
            self.known.update(zip(new, values))
        return np.array([self.known[key] for key in keys])


def marginals(game, orders, truncation=0.0):
    """(orders, units): the utility that each unit adds in each of the given orders (orders, units); 0 where
    an order was cut short."""
    count, n = orders.shape
    whole, none = game(np.array([np.ones(n, bool), np.zeros(n, bool)]))
    values = np.full((count, n + 1), whole)      # of prefixes 0..n; those never trained count as the whole
    values[:, 0] = none
    place = np.argsort(orders, axis=1)      # when a unit arrives
    active = np.arange(count)      # orders not cut short
    for first in range(1, n, PIECE):
        sizes = np.arange(first, min(first + PIECE, n))
        prefixes = place[active, None, :] < sizes[:, None]
        values[active[:, None], sizes] = game(prefixes.reshape(-1, n)).reshape(len(active), -1)
        near = np.abs(values[active, sizes[-1]] - whole) < truncation
        active = active[~near]
        if not len(active):
            break
    return np.take_along_axis(np.diff(values, axis=1), place, axis=1)


def summary(gains, game, has_settled):
    """The Shapley of what units added in each order, (orders, units)."""
    orders, units = gains.shape
    errors = gains.std(axis=0, ddof=1) / np.sqrt(orders) if orders > 1 else np.full(units, np.inf)
    return Shapley(gains.mean(axis=0), errors, orders, len(game.known), has_settled)
