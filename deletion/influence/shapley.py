"""Data Shapley by truncated Monte Carlo (Ghorbani & Zou 1904.02868): what each unit is worth to a utility of
the trained model.

A unit's value is the mean, over all orders in which units may arrive, of what the utility gains when it joins
those before it: the only division of v(all) - v(none) that is symmetric, additive in utilities, and gives
nothing to units that never matter. A set's utility v(S) is that of a training in which the other units have
weight 0 and the schedule is unchanged; v(none) is that of a training by the regulariser alone. Exactly that
takes 2^n trainings; random orders estimate it without bias, each by at most n - 1 trainings of its prefixes,
which are evaluated side by side.

Values are no Method here: they say what units are worth on average over sets of every size, and their sum
over a deletion set does not predict what deleting it from the whole does.
"""
from dataclasses import dataclass

import numpy as np

from circuit.progress import Progress

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number, whole_number
from ..learner.retrain import retrain

LIMIT = 200
"""Units at most: orders needed grow with their number, and the trainings of each as well."""

ROUND = 10
"""Orders whose prefixes are trained side by side."""

PIECE = 16
"""Prefixes of each order between two looks at whether it can be cut short."""

WINDOW = 100
"""Values have settled when they move less than the tolerance over so many orders."""


@dataclass(frozen=True)
class Shapley:
    """Values by Monte Carlo.

    values, standard_errors   (units,), in the utility's units; the values' sum is v(all) - v(none)
    permutations              random orders taken;   trainings: how many models were trained, equal sets once
    settled                   whether the values stopped moving before the orders ran out
    """
    values: np.ndarray
    standard_errors: np.ndarray
    permutations: int
    trainings: int
    settled: bool


def shapley_values(learner, utility, *, permutations=1000, tolerance=0.05, truncation=0.0, seed=0,
                   progress=True):
    """The Shapley of a learner's units for utility(parameters) -> scalar.

    permutations   orders at most
    tolerance      stop when sum |value now - value 100 orders ago| < tolerance sum |value now|
    truncation     an order is cut short once a prefix is within `truncation` of v(all): the next unit gets
                   what is left, those after it nothing. 0 cuts none; otherwise values are biased, their sum
                   is not
    progress       False prints nothing on stderr

    Raises DoesNotApply for more than 200 units.
    """
    n = learner.unit_count
    if n > LIMIT:
        raise DoesNotApply(f"Data Shapley does not apply: {n} units, of which each order takes up to "
                           f"{n - 1} trainings, and " "hundreds " "of "
                           f"orders are needed. At most {LIMIT}: group examples into units by user, "
                           "source or class")
    whole_number(permutations, "the number of permutations", 1), whole_number(seed, "the seed", 0)
    real_number(tolerance, "the tolerance of values", low=0.0), real_number(truncation, "truncation", low=0.0)
    game, rng, found = Game(learner, utility), np.random.default_rng(seed), np.empty((0, n))
    with Progress(permutations, "Shapley values, at most", progress) as report:
        learner.recurrence(None)
        report.begin()
        while len(found) < permutations:
            orders = np.array([rng.permutation(n) for _ in range(min(ROUND, permutations - len(found)))])
            found = np.concatenate([found, marginals(game, orders, truncation)])
            if len(found) > WINDOW and moved(found) < tolerance:
                return summed(found, game, True)
            report(len(orders))
    return summed(found, game, False)


class Game:
    """v(S) of a learner for rows of zeros and ones (sets, units); equal sets are trained once."""

    def __init__(self, learner, utility):
        circuit = learner.measurement(utility)
        if circuit.shapes[circuit.outputs[0]] != ():
            raise LearnerError(f"a utility is one number, not of shape {circuit.shapes[circuit.outputs[0]]}")
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
    """(orders, units): what each unit adds in each of some orders (orders, units) of all units; 0 where an
    order was cut short."""
    count, n = orders.shape
    whole, none = game(np.array([np.ones(n, bool), np.zeros(n, bool)]))
    values = np.full((count, n + 1), whole)      # of prefixes 0..n; those never trained count as the whole
    values[:, 0] = none
    place = np.argsort(orders, axis=1)      # when a unit arrives
    going = np.arange(count)
    for first in range(1, n, PIECE):
        sizes = np.arange(first, min(first + PIECE, n))
        prefixes = place[going, None, :] < sizes[:, None]
        values[going[:, None], sizes] = game(prefixes.reshape(-1, n)).reshape(len(going), -1)
        near = np.abs(values[going, sizes[-1]] - whole) < truncation
        going = going[~near]
        if not len(going):
            break
    return np.take_along_axis(np.diff(values, axis=1), place, axis=1)


def moved(found):
    """How far running means have moved over the last WINDOW orders, relative to their size."""
    now, before = found.mean(axis=0), found[:-WINDOW].mean(axis=0)
    size = np.abs(now).sum()
    return np.abs(now - before).sum() / size if size else 0.0


def summed(found, game, settled):
    errors = found.std(axis=0,
                       ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.full(found.shape[1], np.inf)
    return Shapley(found.mean(axis=0), errors, len(found), len(game.known), settled)
