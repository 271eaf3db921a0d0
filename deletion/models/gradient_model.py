"""A gradient model: what one measurement would be without any set of units, from gradients at a few bases."""
from os import PathLike
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import numpy as np

from circuit.checks import checked_learner, iterable, real_number, whole_number
from circuit.errors import LearnerError
from circuit.progress import working

from ..directions.decoders import Estimates
from ..learner.learner import Learner
from ..learner.retrain import retrain
from ..learner.units import Sets
from ..predictions.additive import Additive
from ..predictions.calibrated import Calibrated
from ..predictions.questions import Questions
from ..sketch.measured import measured_calibration
from ..storage.bank import Bank, checked_bank
from ..trust.calibration import SETS, Calibration, calibrate, sets_of
from ..trust.kinds import RANDOM, checked_kinds
from .bases import Gradients, gradients_at, group_bases, level_bases, partition
from .interactions import Interactions
from .levels import Bases, Levels, fit_level, left_of_interactions, without_effect
from .self_terms import corrected
from .size_effect import chosen

FINITE, RETRAINED = "finite", "retrained"
"""What self_terms= may be."""

LINEARIZED = "finite step"
"""The name of self-terms that take the rest of training as linear."""


class GradientModel(Questions):
    """Answers about one measurement; `gradient_model` makes it.

    Parameters
    ----------
    learner : Learner
        Whose training it is about.
    value : np.ndarray
        The measurement as trained.
    estimator : Estimator
        What estimates changes.
    calibration : Calibration or None
        The measurement of random sets' exactly retrained models.
    progress : bool
        Whether predictions that take long report progress on stderr.
    held_out : np.ndarray, (k, q), optional
        Where the estimator was fitted to random calibration sets: the change of each as the others say.

    Examples
    --------
    >>> from deletion import SGD, Learner, gradient_model
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> gradient_model(learner, lambda w: w[0], levels=(), calibration=0, progress=False)
    <gradient model: [3.] as trained, finite step>
    """

    downweight, most = None, 1.0      # its self-terms and levels are those of deletions

    def __init__(self, learner: Learner, value: np.ndarray, estimator: "Estimator",
                 calibration: Optional[Calibration], progress: bool = True,
                 held_out: Optional[np.ndarray] = None):
        self.learner, self.value, self.progress, self._estimator = learner, value, progress, estimator
        self.calibrated = Calibrated(value, calibration, held_out=held_out)

    def __repr__(self):
        return (f"<gradient model: {np.array2string(self.value.reshape(-1), precision=6, threshold=6)} as "
                f"trained, {self._estimator.name}>")

    @property
    def calibration(self) -> Optional[Calibration]:
        """The measurement of exactly retrained models, random sets first, if there are any.

        Returns
        -------
        Calibration, optional
        """
        return self.calibrated.everything

    def estimator(self) -> "Estimator":
        """Return what estimates changes.

        Returns
        -------
        Estimator
            estimator(sets, errors) -> Estimates.
        """
        return self._estimator

    def partners(self, deletion_set: Any, count: int = 10) -> list:
        """Return the units with which a set interacts most.

        Parameters
        ----------
        deletion_set : a unit's label, or a sequence of them
            What is deleted.
        count : int
            How many units at most.

        Returns
        -------
        list of (label, np.ndarray)
            A unit outside of the set, and by how much more its own deletion changes the measurement once the
            set is deleted; the largest first, by the root mean square over the measurement's elements.

        Raises
        ------
        LearnerError
            For a model without groups.
        """
        interactions = self._estimator.levels.interactions
        if interactions is None:
            raise LearnerError("this model knows no interactions between units: make it with groups, such as "
                               "gradient_model(learner, measurement, groups=50)")
        h = self.learner.downweight(deletion_set)
        each = interactions.partners(Sets.of(h))[0]
        size = np.sqrt((each ** 2).mean(axis=1)) * (h == 0.0)
        order = np.argsort(-size, kind="stable")[:whole_number(count, "how many partners", 1)]
        return [(self.learner.units[i], each[i].reshape(self.value.shape)) for i in order if size[i] > 0.0]


class Estimator:
    """Self-terms, and what interactions and levels add to them.

    Parameters
    ----------
    additive : Additive
        The self-terms.
    levels : Levels
        The rest.
    name : str
        Where everything comes from, in words.
    size_effect : SizeEffect, optional
        What a set changes by its size alone.
    """

    def __init__(self, additive, levels, name, size_effect=None):
        self.additive, self.levels, self.name, self.size_effect = additive, levels, name, size_effect

    def with_size_effect(self, effect):
        """Return the same with a SizeEffect."""
        return Estimator(self.additive, self.levels, f"{self.name}, size effect", effect)

    def __call__(self, sets, errors=True):
        alone = self.additive.contributions(sets)
        together = self.levels.change(sets) + np.zeros_like(alone)
        if self.size_effect is not None:
            together = together + self.size_effect.change(sets)
        return Estimates(np.stack([alone, together], axis=1), alone + together, None)


def gradient_model(learner: Learner, measurement: Callable, *, groups: int = 0,
                   levels: Sequence[float] = (0.05, 0.2), bases: int = 8, self_terms: Any = FINITE,
                   calibration: Union[int, Calibration] = SETS, kinds: Optional[Mapping] = None,
                   seed: int = 0, bank: Optional[Bank] = None, out: Union[str, PathLike, None] = None,
                   threads: Optional[int] = None, executor: Any = None, memory: Optional[int] = None,
                   progress: bool = True) -> GradientModel:
    """Make a model of one measurement without any set of units, from gradients at a few bases.

    A gradient gives every unit's effect at once, so that the cost does not grow with their number: one at the
    ordinary training, `bases` at each level, and one without each group.

    Parameters
    ----------
    learner, measurement, threads, memory, progress : as for `metagradient`
    groups : int
        How many groups the units are divided into; gradients without each show interactions. 0: none.
    levels, bases : sequence of float, int
        Shares of the units between 0 and 1: sizes at which so many gradients without random sets are taken.
    self_terms : str or Measured
        The effect of each unit alone: 'retrained', a measured sketch, or 'finite', which groups
        correct, and calibration sets by a set's size, where held-out sets are predicted better so.
    calibration, kinds : int or Calibration, Mapping, optional
        How many random sets are retrained for intervals and verdicts, or the parameters of such sets. And
        other kinds of sets, as for `precompute`.
    seed : int
        Of everything that is drawn.
    bank, out : Bank, or its folder
        Retrainings and gradients are kept there, and a call that was killed goes on.
    executor : Executor, optional
        Where gradients are calculated, instead of in this process.

    Returns
    -------
    GradientModel
        It answers what a measured sketch answers.

    Raises
    ------
    LearnerError
        For arguments that make no sense.

    Examples
    --------
    >>> from deletion import SGD, Learner, gradient_model
    >>> numbers = [k / 10 for k in range(20)]
    >>> learner = Learner([0.0], numbers, lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(20)] * 30)
    >>> model = gradient_model(learner, lambda w: w[0], groups=10, progress=False)
    >>> print(f"{model.value:.2f}, without the two largest {model.predict([18, 19]).value:.2f}")
    0.95, without the two largest 0.85
    """
    used, bank = checked_learner(learner).used, chosen_bank(bank, out)
    groups, levels, bases = checked_design(used, groups, levels, bases)
    of_groups, rows = designed(used, groups, levels, bases, whole_number(seed, "a seed", 0))
    with working("gradient model", progress):
        everything = gradients_at(learner, measurement, np.concatenate(rows), bank=bank, threads=threads,
                                  executor=executor, memory=memory)
        retrained = calibrated_by(learner, calibration, kinds, seed, bank)
        name, several = self_terms_of(learner, measurement, self_terms, everything, of_groups, bank, threads)
        estimators = [fitted(used, rows, everything, own, of_groups, levels, name) for own in several]
    return model_of(learner, measurement, everything.values[0], estimators, name, retrained, progress)


def model_of(learner, measurement, value, estimators, name, calibration, progress):
    """Return the GradientModel of the Estimator that predicts the calibration best, or else of the first.

    estimators     one or more to choose from
    name           of their self-terms; leave-one-outs need no size effect, being exact for single units
    calibration    a Calibration of parameters, or None
    """
    circuit, held_out = learner.measurement(measurement), None
    value = value.reshape(circuit.shapes[circuit.outputs[0]])
    calibration, estimator = calibration and measured_calibration(calibration, circuit), estimators[0]
    if calibration is not None and calibration.of(RANDOM).finite and name == LINEARIZED:
        true, sets = Calibrated(value, calibration).changes, calibration.of(RANDOM).sets
        estimator, held_out = chosen(estimators, true, sets, np.count_nonzero(learner.used))
    return GradientModel(learner, value, estimator, calibration, progress, held_out)


def checked_design(used, groups, levels, bases):
    """Return groups, levels in rising order, and bases, checked."""
    units = int(used.sum())
    if whole_number(groups, "the number of groups", 0) == 1 or groups > units:
        raise LearnerError(f"the number of groups: expected 0, or 2 to {units}, the units that steps use, "
                           f"got {groups}")
    if not iterable(levels):
        raise LearnerError(f"levels are a sequence of shares, such as (0.05, 0.2), not {levels!r:.60}")
    levels = sorted(real_number(x, "a level is a share of the units", above=0.0, below=1.0) for x in levels)
    sizes = [round(x * units) for x in levels]
    for share, size in zip(levels, sizes):
        if not 1 <= size < units or sizes.count(size) > 1:
            raise LearnerError(f"levels of {units} units: {share:g} of them are {size}; expected different "
                               f"sizes from 1 to {units - 1}")
    return groups, levels, whole_number(bases, "the number of bases at each level", 2)


def designed(used, groups, levels, bases, seed):
    """Return (the group of each unit or None, the bases): weights of base 0, of each level, of the groups."""
    of_groups = partition(used, groups, seed) if groups else None
    rows = [np.ones((1, len(used))), *(level_bases(used, share, bases, seed) for share in levels)]
    return of_groups, rows + [group_bases(of_groups, groups)] * bool(groups)


def chosen_bank(bank, out):
    """Return the bank to keep things in, or None."""
    if bank is not None and out is not None:
        raise LearnerError("give a bank, or out= for the folder of one, not both")
    return checked_bank(bank) if out is None else Bank(out)


def calibrated_by(learner, calibration, kinds, seed, bank):
    """Return the Calibration of the parameters of random sets and of each kind's, or None."""
    if isinstance(calibration, Calibration):
        if kinds is not None:
            raise LearnerError("give kinds, or a Calibration, which has kinds of its own, not both")
        return calibration
    kinds = checked_kinds(kinds, learner.used)
    return calibrate(learner, sets_of(learner, calibration, seed, kinds), kinds, bank=bank)


def self_terms_of(learner, measurement, self_terms, everything, groups, bank, threads):
    """Return (name, one or more self-terms (units, q) to choose from).   groups: of each unit, or None"""
    if isinstance(self_terms, str) and self_terms == FINITE:
        own = everything.finite[0]
        return LINEARIZED, [own] if groups is None else [corrected(own, everything, groups), own]
    if isinstance(self_terms, str) and self_terms == RETRAINED:
        own, units = np.zeros_like(everything.finite[0]), np.flatnonzero(learner.used)
        values = retrain(learner, [[learner.units[i]] for i in units], measurement, bank=bank,
                         threads=threads)
        own[units] = values.reshape(len(units), -1) - everything.values[0]
        return "leave-one-outs", [own]
    if not hasattr(self_terms, "leave_one_out"):
        raise LearnerError(f"self_terms: expected {FINITE!r}, {RETRAINED!r} or a measured sketch, got "
                           f"{self_terms!r:.60}")
    change = self_terms.leave_one_out(intervals=False).change
    if change.size != everything.finite[0].size or not np.allclose(
            self_terms.value.reshape(-1), everything.values[0], rtol=1e-4, atol=1e-9):
        raise LearnerError("self_terms are of another learner or measurement: as trained they measure "
                           f"{self_terms.value!r:.60}")
    return "leave-one-outs of a sketch", [change.reshape(everything.finite[0].shape)]


def fitted(used, rows, everything, own, groups, levels, name):
    """Return the Estimator of gradients at all bases.   rows: the bases, by level, groups last"""
    at, interactions, kept = 1, None, []
    if groups is not None:
        without = everything.finite[len(everything.finite) - groups.max() - 1:]
        interactions = Interactions(groups, np.moveaxis(without - everything.finite[0], 0, 1))
        name += f", {groups.max() + 1} groups"
    additive = Additive(name, own, everything.slopes[0])
    alone = Estimator(additive, Levels([], interactions, used), name)
    for share, weights in zip(levels, rows[1:]):
        some = Gradients(*(x[at:at + len(weights)] for x in everything))
        at += len(weights)
        share, last = (round(x * used.sum()) / used.sum() for x in (share, levels[-1]))      # really taken
        bases = bases_of(1.0 - weights, some, everything, alone)
        level, error = fit_level(bases, used, share)
        if error < np.abs(alone(Sets.of(bases.h)).change - bases.change).sum():
            kept.append(level)
            name += f", level {share:.2g}"
        elif share == last:
            kept.append(without_effect(level))      # nothing of smaller levels is carried on to such sizes
    return Estimator(additive, Levels(kept, interactions, used), name)


def bases_of(h, some, everything, alone):
    """Return the Bases of one level.   alone: the Estimator without levels"""
    present = (h == 0.0)[:, :, None]      # a unit that is deleted has no finite step
    finite = (some.finite - everything.finite[0]) * present
    change, sets, left = some.values - everything.values[0], Sets.of(h), 0.0
    rest, interactions = change - h @ alone.additive.finite, alone.levels.interactions
    if interactions is not None:
        expected = interactions.partners(sets) * present
        left = left_of_interactions(finite, expected)
        finite, rest = finite - left * expected, rest - left * interactions.change(sets)
    return Bases(h, change, finite, rest, left)
