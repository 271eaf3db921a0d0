"""Units, what gets deleted: their labels, the examples of each, and deletion sets of them."""
from collections import Counter
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from circuit.errors import LearnerError
from circuit.checks import checked_labels, hashable, in_order, iterable, real_number


class Sets(NamedTuple):
    """Deletion sets as a sparse matrix of downweights.

    Attributes
    ----------
    starts : np.ndarray of int64, (sets + 1,)
        Set k has the entries number starts[k] to starts[k + 1] of the other two arrays.
    units : np.ndarray of int
        The numbers of the units.
    values : np.ndarray
        Their downweights h.
    """
    starts: np.ndarray
    units: np.ndarray
    values: np.ndarray

    def __len__(self):
        return len(self.starts) - 1

    @classmethod
    def of(cls, downweights):
        """Return the Sets of downweights (sets, units)."""
        downweights = np.atleast_2d(downweights)
        rows, units = np.nonzero(downweights)
        starts = np.searchsorted(rows, np.arange(len(downweights) + 1))
        return cls(starts, np.ascontiguousarray(units), downweights[rows, units])

    def dense(self, count):
        """Return downweights (sets, count)."""
        out = np.zeros((len(self), count))
        out[np.repeat(np.arange(len(self)), np.diff(self.starts)), self.units] = self.values
        return out

    def sparse(self, count):
        """Return downweights (sets, count) as a sparse matrix."""
        return csr_array((self.values, self.units, self.starts), shape=(len(self), count))

    def squares(self, order=1):
        """Return (sets,): the sum of h_i^(2 order) over each set's units."""
        # each sum by itself: differences of one running sum would depend on the other sets
        of = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return np.bincount(of, self.values ** (2 * order), minlength=len(self))

    def among(self, kept):
        """Return the same sets without the units that are not kept (units,)."""
        inside = kept[self.units]
        if inside.all():
            return self
        counts = np.concatenate([[0], np.cumsum(inside)])
        return Sets(counts[self.starts], self.units[inside], self.values[inside])

    def some(self, first, last):
        """Return the sets first..last."""
        begin, end = self.starts[first], self.starts[last]
        return Sets(self.starts[first:last + 1] - begin, self.units[begin:end], self.values[begin:end])


class Units:
    """The units of a learner.

    Parameters
    ----------
    count : int
        The number of examples.
    units, all_units : sequence, optional
        A label per example, and every label that there is.
    names : sequence of str, optional
        Names of the examples.

    Attributes
    ----------
    labels : list
        One per unit, in order.
    of : np.ndarray of int, (examples,)
        The number of each example's unit.
    examples : bool
        Whether every example is its own unit; a name that no other example has then stands for it too.
    """

    def __init__(self, count, units=None, all_units=None, names=None):
        self.examples, self.names = units is None, names
        if self.examples:
            if all_units is not None:
                raise LearnerError("all_units lists the units that examples may have: it needs units, "
                                   "a label per example")
            self.labels, self.of = list(range(count)), np.arange(count)
            often = Counter(names or ())
            self._place = {name: i for i, name in enumerate(names or ()) if often[name] == 1}
        else:
            (self.labels, self.of), self._place = labelled(count, units, all_units), {}
        self._place.update((label, i) for i, label in enumerate(self.labels))

    def __len__(self):
        return len(self.labels)

    def sets(self, deletion_sets, weight=0.0):
        """Return many deletion sets as Sets.

        `deletion_sets` is a sequence of sequences of labels, or an array (sets, size); `weight` is what is
        left of the units' weight. Raises LearnerError for unknown units, and for repeated ones in a set.
        """
        weight = real_number(weight, "the weight of a set's units lies between 0 and 2", 0.0, 2.0)
        deletion_sets = list(deletion_sets) if iterable(deletion_sets) else deletion_sets
        if not isinstance(deletion_sets, list) or not all(iterable(s) for s in deletion_sets):
            raise LearnerError("deletion sets are a sequence of sets, each a sequence of units, such as "
                               f"[[{self.labels[0]!r}]], not {deletion_sets!r:.60}")
        listed = [s.tolist() if isinstance(s, np.ndarray) else list(s) for s in deletion_sets]
        flat = list(chain.from_iterable(listed))
        plain = set(map(type, flat)) <= {int, str}      # most often; then all are looked up at once
        units = [self._place.get(x, -1) for x in flat] if plain else [self.number(x) for x in flat]
        units = np.array(units, np.int64)
        if units.min(initial=0) < 0:
            raise self.unknown(flat[units.argmin()])
        starts = np.concatenate([[0], np.cumsum([len(s) for s in listed], dtype=np.int64)])
        inside = np.sort(np.repeat(np.arange(len(listed)), np.diff(starts)) * len(self) + units)
        if (inside[1:] == inside[:-1]).any():
            twice = inside[1:][inside[1:] == inside[:-1]][0] % len(self)
            raise LearnerError(f"unit {self.labels[twice]!r} stands in a deletion set more than once")
        return Sets(starts, units, np.full(len(units), 1.0 - weight))

    def listed(self, deletion_set):
        """Return a deletion set as a sequence of labels; a label that is a tuple stands for one unit."""
        one = not iterable(deletion_set) or isinstance(deletion_set, tuple) and self.number(deletion_set) >= 0
        return [deletion_set] if one else deletion_set

    def number(self, label):
        """Return a unit's number by its label, -1 if there is none."""
        label = label.item() if isinstance(label, np.generic) else label
        if isinstance(label, bool) and not isinstance(self.labels[0], bool) or not hashable(label):
            return -1      # True is not unit 1
        return self._place.get(label, -1)

    def unknown(self, label):
        """Return the error for something that is not a label."""
        if self.examples and self.names and label in self.names:
            called = [i for i, name in enumerate(self.names) if name == label]
            numbers = ", ".join(map(str, called[:5])) + ", ..." * (len(called) > 5)
            return LearnerError(f"{len(called)} examples are called {label!r}: give their numbers, {numbers}")
        counted = self.labels == list(range(len(self)))
        known = f"0 to {len(self) - 1}" if counted else ", ".join(map(repr, self.labels[:30]))
        by_name = self.examples and self.names and isinstance(label, str)
        named = ", and no example has that name" if by_name else ""
        return LearnerError(f"no unit {label!r} to delete; the learner's units are {known}{named}")


def labelled(count, units, all_units):
    """Return (labels of the units, the number of each example's unit), from a label per example."""
    units = checked_labels(units, "units")
    if len(units) != count:
        raise LearnerError("expected one unit label for each example, got "
                           f"{len(units)} unit labels for {count} examples")
    labels = in_order(units) if all_units is None else checked_labels(all_units, "all_units")
    place = {label: i for i, label in enumerate(labels)}
    missing = [unit for unit in units if unit not in place]
    if missing:
        raise LearnerError(f"unit {missing[0]!r} is not among all_units")
    if len(place) != len(labels):
        raise LearnerError("all_units names a unit twice")
    return labels, np.array([place[unit] for unit in units])
