"""Kinds of deletion sets besides random ones: units that share a label, and runs of an order.

Predictions of such sets are off by more than those of random sets of their size. So calibration retrains some
of each kind that is declared, and intervals and verdicts of such sets come from those.

    kinds={"class": labels, "letter": [set(name) for name in names], "neighbours": Order(times)}
"""
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from circuit.checks import checked_labels, iterable, real_array
from circuit.errors import LearnerError

RANDOM = "random"
"""The kind of random sets, which every calibration has."""

KIND_SETS = 32
"""Calibration sets of each kind: the largest of so many errors bounds 95% of them four times out of five."""

MAX_CHANCE = 0.01
"""A set gets a declared kind of its own accord where a random set of its size would be of that kind at most
with this probability."""


class Order:
    """An order of the units: sets of this kind are runs of units that follow each other in it.

    Parameters
    ----------
    keys : ArrayLike
        (units,): a finite real number per unit, such as its time; the order is the one of rising numbers, and
        units with the same number keep their own order.

    Examples
    --------
    >>> from deletion import Order
    >>> Order([0.5, 2.0, 1.0]).units
    array([0, 2, 1])
    """

    def __init__(self, keys: ArrayLike):
        keys = real_array(keys, "the keys of an order")
        if keys.ndim != 1 or not np.isfinite(keys).all():
            raise LearnerError("the keys of an order are a finite real number for each unit, got an array of "
                               f"shape {keys.shape}")
        self.units = np.argsort(keys, kind="stable")


@dataclass(frozen=True, eq=False)
class Kind:
    """A declared kind.

    Attributes
    ----------
    name : str
    ordered : bool
        Whether sets are runs of an order; otherwise they share a label.
    members : np.ndarray of int, (entries, 2)
        Pairs of a unit that steps use and its place in the order, or the number of one of its labels.
    sets : int
        How many calibration sets are of this kind.
    """
    name: str
    ordered: bool
    members: np.ndarray
    sets: int = KIND_SETS

    @cached_property
    def classes(self):
        """The units of each label, or the units in their order as the only class; a list of arrays."""
        order = np.argsort(self.members[:, 1], kind="stable")
        units, codes = self.members[order].T
        return [units] if self.ordered else np.split(units, np.flatnonzero(np.diff(codes)) + 1)

    @cached_property
    def codes(self):
        """{unit: the set of its labels' numbers}"""
        found = {}
        for unit, code in self.members.tolist():
            found.setdefault(unit, set()).add(code)
        return found

    @cached_property
    def places(self):
        """The place of each unit in the order, 0 for those that no step uses."""
        places = np.zeros(self.members[:, 0].max() + 1, int)
        places[self.members[:, 0]] = self.members[:, 1]
        return places

    def draw(self, units, largest, seed):
        """Return downweights (sets, units) of sets of up to `largest` units, their sizes in equal ratios.

        Of an order they are runs. Of labels every other one is a whole class while there are any left, the
        nearest in size, and the others are random parts of one class.
        """
        classes, generator = [x for x in self.classes if len(x) > 1], np.random.default_rng(seed)
        if not classes:
            raise LearnerError(f"kind {self.name!r}: no two units that steps use share a label")
        most = max(min(max(map(len, classes)), largest), 2)
        whole, downweights = [x for x in classes if len(x) <= most], np.zeros((self.sets, units))
        for k, size in enumerate(np.rint(np.geomspace(2, most, self.sets)).astype(int)):
            if self.ordered:
                first = generator.integers(len(classes[0]) - size + 1)
                chosen = classes[0][first:first + size]
            elif k % 2 and whole:
                chosen = whole.pop(np.argmin([abs(np.log(len(x) / size)) for x in whole]))
            else:
                enough = [x for x in classes if len(x) >= size]
                chosen = generator.choice(enough[generator.integers(len(enough))], size, replace=False)
            downweights[k, chosen] = 1.0
        return downweights

    def holds(self, units):
        """Whether a set of units (numbers, of those that steps use) is of this kind."""
        if not len(units):
            return True
        if self.ordered:
            return np.ptp(self.places.take(units, mode="clip")) == len(units) - 1
        shared = self.codes.get(units[0], set())
        for unit in units:
            shared = shared & self.codes.get(unit, set())
            if not shared:      # most sets end here, soon
                break
        return bool(shared)

    def chance(self, size, count):
        """Return a bound on the probability that a random set of `size` of `count` units is of this kind."""
        if self.ordered:
            return (count - size + 1) * np.exp(-log_choices(count, size))
        sizes = np.array([len(x) for x in self.classes])
        return np.exp(log_choices(sizes[sizes >= size], size) - log_choices(count, size)).sum()


def log_choices(count, size):
    """The logarithm of the number of sets of a size among `count` units."""
    return gammaln(count + 1.0) - gammaln(size + 1.0) - gammaln(count - size + 1.0)


# declaring --------------------------------------------------------------------------------------------------

def checked_kinds(kinds, used):
    """Return declared kinds, {name: labels or Order}, as a tuple of Kinds.   used: (units,), by any step"""
    if kinds is None:
        return ()
    if not isinstance(kinds, Mapping):
        raise LearnerError("kinds are a dict: by name, a label for each unit or an Order, such as "
                           f"{{'class': labels}}, not {kinds!r:.60}")
    return tuple(checked_kind(name, given, used) for name, given in kinds.items())


def checked_kind(name, given, used):
    """Return one declared kind as a Kind."""
    good = isinstance(name, str) and 0 < len(name) <= 40 and name.isascii() and name.isprintable()
    if not good or name == RANDOM:
        raise LearnerError(f"the name of a kind is a text of 1 to 40 ASCII characters other than {RANDOM!r}, "
                           f"not {name!r:.60}")
    ordered = isinstance(given, Order)
    if not ordered and (not iterable(given) or isinstance(given, (Mapping, Set))):
        raise LearnerError(f"kind {name!r}: expected a label for each unit, or an Order, got {given!r:.60}")
    given = given.units if ordered else list(given)
    if len(given) != len(used):
        raise LearnerError(f"kind {name!r}: expected one entry for each of {len(used)} units, got "
                           f"{len(given)}")
    if ordered:
        units = given[used[given]]
        return Kind(name, True, np.stack([units, np.arange(len(units))], axis=1))
    members = numbered(name, given)
    return Kind(name, False, members[used[members[:, 0]]])


def numbered(name, given):
    """Return pairs (entries, 2) of a unit and the number of one of its labels, in order of appearance.

    `given` has a label for each unit: None is no label, and a set stands for several.
    """
    each = [sorted(x, key=repr) if isinstance(x, Set) else [] if x is None else [x] for x in given]
    units = np.repeat(np.arange(len(each)), [len(labels) for labels in each])
    numbers = {}
    flat = checked_labels([label for labels in each for label in labels], f"the labels of kind {name!r}")
    codes = np.array([numbers.setdefault(label, len(numbers)) for label in flat], int)
    return np.stack([units, codes], axis=1)


# asking -----------------------------------------------------------------------------------------------------

def kinds_of(sets, asked, kinds, count):
    """Return the kind's name for each of the Sets of units that steps use.

    Parameters
    ----------
    sets : Sets
    asked : None, str, or a sequence of them
        The kind of all sets, or one for each. None finds it: the first declared kind that the set is of and a
        random one would hardly be (see MAX_CHANCE), otherwise 'random'.
    kinds : tuple of Kind
    count : int
        How many units steps use.
    """
    each = [asked] * len(sets) if asked is None or isinstance(asked, str) else asked
    if not iterable(each) or len(each) != len(sets):
        raise LearnerError(f"kind: expected a name for all sets, or one for each of {len(sets)}, got "
                           f"{asked!r:.60}")
    parts = np.split(sets.units, sets.starts[1:-1]) if len(sets) else []
    return [found(units, kinds, count) if name is None else checked_name(name, units, kinds, k)
            for k, (name, units) in enumerate(zip(each, parts))]


def found(units, kinds, count):
    """Return the kind of a set of units, which nobody named."""
    if len(units) > 1:
        for kind in kinds:
            if kind.holds(units) and kind.chance(len(units), count) <= MAX_CHANCE:
                return kind.name
    return RANDOM


def checked_name(name, units, kinds, number):
    """Return the name that somebody gave the kind of set `number`: it must be known, and the set of it."""
    known = {kind.name: kind for kind in kinds}
    if name == RANDOM:
        return name
    if not isinstance(name, str) or name not in known:
        raise LearnerError(f"unknown kind {name!r:.60}: this calibration knows "
                           f"{', '.join(map(repr, [RANDOM, *known]))}; precompute(..., kinds={{name: "
                           "labels}}) calibrates others")
    if not known[name].holds(units):
        rule = "follow each other in its order" if known[name].ordered else "share one of its labels"
        raise LearnerError(f"set {number} is not of kind {name!r}: its units do not {rule}")
    return name
