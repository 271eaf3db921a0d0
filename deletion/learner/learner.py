"""A learning algorithm: everything that turns examples into parameters, fixed but for the examples' weights.

Deleting an example sets its weight to 0 and changes nothing else: the step still happens, the schedule goes
on, the optimizer's moments decay (the paper's sense of deletion, called zero weight here).
"""
from functools import cached_property
from typing import Any, Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit.errors import LearnerError

from .recording import check_promises
from .training import Training, digest
from .units import Sets, Units

__all__ = ["Learner", "LearnerError"]


class Learner(Training):
    """A learning algorithm, recorded: a training, and the units of it that may be deleted.

    Parameters
    ----------
    parameters : array_like, or dict, list or tuple of such
        The initial parameters, nested as you like; the loss is given them in the same form.
    examples : sequence
        The examples, each an array or a tuple of arrays of real or whole numbers.
    loss : callable
        loss(parameters, *arrays) -> loss, by the functions of `circuit`. It is recorded, twice for each shape
        of example, when the learner is made, and again where an answer needs it: curvature, finite steps.
    optimizer : SGD, Momentum, Adam or object
        Anything with the three methods `state`, `constants` and `update`.
    schedule : array_like of int, (steps,) or (steps, batch)
        Which examples each step uses. One example a step: the loss is a scalar. A batch: arrays are stacked
        along a leading axis, and the loss is a vector (batch,), each number of its own example alone.
    regularizer : callable, optional
        regularizer(parameters) -> scalar, added to the mean loss; no deletion rescales it.
    units : sequence, optional
        What is deleted: a label per example (its user, source, class). By default each example is a unit.
    all_units : sequence, optional
        Every unit's label, in order, where some may have no example; by default those that occur, sorted.
    labels : sequence of str, optional
        Names of the examples, for messages and, where each is its own unit, for deletion sets.

    Raises
    ------
    LearnerError
        For a loss, regularizer or optimizer that is not deterministic; for a loss that couples examples.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> loss = lambda w, x: (w[0] - x) ** 2
    >>> Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), loss, SGD(0.1), np.tile(np.arange(3), (5, 1)))
    <Learner: 3 examples, 1 parameter, 5 steps of 3 by SGD(rate=0.1)>
    """

    def __init__(self, parameters: Any, examples: Sequence, loss: Callable, optimizer: Any,
                 schedule: ArrayLike, *, regularizer: Callable | None = None, units: Sequence | None = None,
                 all_units: Sequence | None = None, labels: Sequence | None = None):
        super().__init__(parameters, examples, loss, optimizer, schedule, regularizer, labels)
        self.grouping = Units(len(self.examples), units, all_units, self.labels)
        self.units, self.unit_of = self.grouping.labels, self.grouping.of
        self.example_count, self.unit_count = len(self.examples), len(self.units)
        self.recipe = None      # how `deletion.cli.recipe` makes this learner again, where it did

    def __repr__(self):
        units = "" if self.grouping.examples else f" in {counted(self.unit_count, 'unit')}"
        each = f" of {self.schedule.shape[1]:,}" if self.schedule.ndim == 2 else ""
        return (f"<{type(self).__name__}: {counted(self.example_count, 'example')}{units}, "
                f"{counted(self.layout.size, 'parameter')}, {counted(len(self.steps), 'step')}{each} "
                f"by {self.optimizer!r:.60}>")

    def unit_indices(self, deletion_set: Any) -> np.ndarray:
        """Return the numbers of the units in a deletion set.

        Parameters
        ----------
        deletion_set : label or sequence of labels

        Returns
        -------
        np.ndarray of int
        """
        return self.deletion_sets([self.grouping.listed(deletion_set)]).units

    def deletion_sets(self, deletion_sets: Sequence, weight: float = 0.0) -> Sets:
        """Return many deletion sets as one sparse matrix of downweights.

        Parameters
        ----------
        deletion_sets : sequence of sequences of labels, or array (sets, size)
            An example's name, if no other example has it, stands for the example where each is a unit.
        weight : float
            What is left of the units' weight.

        Returns
        -------
        Sets

        Raises
        ------
        LearnerError
            For unknown units, and for units that a set names twice.
        """
        return self.grouping.sets(deletion_sets, weight)

    def downweight(self, deletion_set: Any, weight: float = 0.0) -> np.ndarray:
        """Return the downweights h of a deletion set: 1 - weight on its units, 0 elsewhere.

        Parameters
        ----------
        deletion_set : label or sequence of labels
        weight : float
            What is left of the units' weight: 0 deletes them, 1 changes nothing.

        Returns
        -------
        np.ndarray, (units,)
        """
        return self.deletion_sets([self.grouping.listed(deletion_set)], weight).dense(self.unit_count)[0]

    def example_weights(self, downweight: ArrayLike) -> np.ndarray:
        """Return the weight 1 - h of each example's unit.

        Parameters
        ----------
        downweight : array_like, (..., units)

        Returns
        -------
        np.ndarray, (..., examples)
        """
        return 1.0 - np.asarray(downweight)[..., self.unit_of]

    @cached_property
    def used(self) -> np.ndarray:
        """(units,): whether any step uses an example of the unit. If none does, deletion changes nothing."""
        return np.isin(np.arange(self.unit_count), self.unit_of[np.unique(self.schedule)])

    def over_units(self, rows: ArrayLike) -> np.ndarray:
        """Spread numbers for the used units over all units, with zeros for the others.

        Parameters
        ----------
        rows : array_like, (k, used units)

        Returns
        -------
        np.ndarray, (k, units)
        """
        spread = np.zeros((len(rows), self.unit_count), np.asarray(rows).dtype)
        spread[:, self.used] = rows
        return spread

    def first_steps(self) -> np.ndarray:
        """Return the step that first uses each unit; the number of steps for those never used.

        Returns
        -------
        np.ndarray of int, (units,)
        """
        first = np.full(self.unit_count, len(self.steps))
        for number in reversed(range(len(self.steps))):
            first[self.unit_of[self.steps[number].weights]] = number
        return first

    def again(self, **changes: Any) -> "Learner":
        """Record a Learner once more from the same fields, some of them changed.

        Parameters
        ----------
        **changes : fields of the constructor
            Other units than before are all the units there are, unless all_units is given too.

        Returns
        -------
        Learner
        """
        fields = {"parameters": self.layout.split(self.layout.initial), "examples": self.examples,
                  "loss": self.loss, "optimizer": self.optimizer, "schedule": self.schedule,
                  "regularizer": self.regularizer, "labels": self.labels}
        if not self.grouping.examples:
            fields["units"] = [self.units[i] for i in self.unit_of]
            fields["all_units"] = None if "units" in changes else self.units
        return Learner(**{**fields, **changes})

    def fingerprint_parts(self) -> dict:
        """Return a hash of each part that decides the result, by name: those of a training, and the units.

        Returns
        -------
        dict of str
        """
        parts, units = super().fingerprint_parts(), [repr(self.units).encode(), self.unit_of.tobytes()]
        return parts | {"units": digest(units)}

    def check(self, steps: int = 20) -> "Learner":
        """Check that the learner is deterministic, analytic at first, and can be pickled.

        Parameters
        ----------
        steps : int
            How many steps to take for the second check.

        Returns
        -------
        Learner

        Raises
        ------
        LearnerError
            If recording it again gives other circuits, if a push of degree 1 through the first steps meets a
            kink or a NaN, or if it cannot be pickled.
        """
        check_promises(self, steps)
        return self


def counted(number, noun):
    """Return a number and what is counted: '1 step', '1,000 steps'."""
    return f"{number:,} {noun}" + "s" * (number != 1)
