"""Ask: one call that answers for many sets, within limits, by whatever way is worth its cost."""
import math
import tempfile
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence, Union

import numpy as np

from circuit.checks import checked_learner, checked_threads, real_number, whole_number
from circuit.progress import working

from ..gradients.states import MEMORY
from ..learner.learner import Learner
from ..predictions.prediction import Prediction
from ..sketch.pulled import PulledSketch
from ..sketch.sketch import Sketch
from ..storage.bank import Bank, checked_bank
from ..trust.calibration import SETS
from ..trust.kinds import checked_kinds
from ..trust.verdict import TRUST
from .answers import assembled
from .asking import AT_ONCE, Asking, Question
from .climbing import answer_by, best_rung, calibration_of, checked_sketch, climb, ladder
from .costs import Budget
from .strategy import AskEstimate

FEWEST = 24
"""Calibration sets at least: with fewer, intervals say nothing."""

CAP = 1.05
"""With a tolerance and no other limit, everything costs at most so many times what retraining all does."""


def ask(learner: Learner, sets: Sequence, measurement: Callable, *, weight: float = 0.0,
        trainings: Optional[float] = None, seconds: Optional[float] = None,
        tolerance: Optional[float] = None, bank: Union[Bank, str, PathLike, None] = None,
        sketch: Union[Sketch, PulledSketch, None] = None, calibration: Optional[int] = None,
        kinds: Optional[Mapping] = None, level: float = 0.95, seed: int = 0,
        threads: Optional[int] = None, dry_run: bool = False,
        progress: bool = True) -> Union[Prediction, AskEstimate]:
    """Predict a measurement without each of many sets, by whatever way is worth its cost.

    Retraining is exact, and the best for few sets. Gradients through the training predict any number of them;
    random sets that are retrained, and a few of those asked about, tell how far to trust them. What is not
    trusted is retrained while the budget lasts. Of several limits the first that is reached ends it; without
    any, it costs at most what retraining all sets does.

    Parameters
    ----------
    learner, sets, measurement, weight, threads, progress : as for `retrain`
    trainings, seconds, tolerance : float, optional
        Limits: the most that is spent, in trainings made side by side, without those that calibrate; the most
        time; sum |predicted - true| / sum |true change| over all sets and elements, as calibrated.
    bank, sketch : Bank or path, Sketch, optional
        Retrainings and gradients on disk: a call that was killed goes on. And a calibrated sketch of the
        learner, which answers first and costs nothing.
    calibration : int, optional
        Random sets that calibrate, at least 24. By default 96, fewer where few trainings may be spent.
    kinds : Mapping, optional
        As for `precompute`: 32 sets of each calibrate too, and give intervals and verdicts of their kind.
    level, seed : as for `Measured.predict` and `precompute`
    dry_run : bool
        Whether to return only an estimate of the cost.

    Returns
    -------
    Prediction or AskEstimate
        One Prediction in the order of the sets, with `strategy`: what was done, why, and what it cost.

    Raises
    ------
    LearnerError
        For sets, measurements and limits that make no sense.

    Examples
    --------
    >>> from deletion import SGD, Learner, ask
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> p = ask(learner, [[2], [0, 1]], lambda w: w[0], progress=False)
    >>> print(p.value.round(3), p.source)
    [1.5   5.993] ['retrained', 'retrained']
    """
    threads = checked_threads(threads)
    check_limits(trainings, seconds, tolerance, level)
    question = Question.of(checked_learner(learner), sets, measurement, weight)
    calibrated_by = calibration_count(calibration, trainings), checked_kinds(kinds, learner.used)
    checked_sketch(sketch, learner, kinds)
    with opened(bank) as opened_bank, working("ask", progress):
        asking = Asking(question, ladder(question.unit_count), opened_bank,
                        whole_number(seed, "a seed", 0), calibrated_by, level, threads)
        asking.look_up()
        asking.start(budget_of(asking, trainings, seconds, tolerance), tolerance, capped=trainings is None)
        return estimate_of(asking, sketch) if dry_run else answered(asking, sketch)


def budget_of(asking, trainings, seconds, tolerance):
    """Return the Budget of these limits; where none says how many trainings, as many as there are sets."""
    most = len(asking.unknown) * (1.0 if tolerance is None else CAP) if trainings is None else trainings
    return Budget(most, seconds, 0.0 if seconds is None else asking.training_seconds)


def answered(asking, sketch=None):
    """Answer: by retraining everything where that is affordable, else by estimates, and retraining more."""
    if asking.tolerance is None and asking.budget.left >= len(asking.unknown) or not len(asking.unknown):
        finish(asking, "every set that is not known")
        return assembled(asking)
    if sketch is not None:
        answer_by(asking, sketch)
    climb(asking)
    if asking.rung is None and asking.budget.left < len(asking.unknown):
        calibration_of(asking)      # nothing estimates what cannot be retrained: say how far it may move
    finish(asking, "first what is not trusted, then what is expected to be the farthest off")
    return assembled(asking)


def finish(asking, why):
    """Retrain one set after the other: as long as the limits allow, and the tolerance is not reached."""
    done = 0
    while len(asking.unknown) and asking.budget.left >= 1.0:
        numbers = asking.unknown
        if asking.model is not None:
            expected = asking.expected()
            numbers = doubtful_first(asking, expected)
            if asking.tolerance is not None and asking.rung is not None:
                numbers = numbers[:expected.needed(asking.tolerance)]
        some = asking.retrain(numbers[:AT_ONCE])
        done += some
        if not some:
            break
    if done:
        asking.note("retraining", done, why)


def doubtful_first(asking, expected):
    """Return the sets that are not known: without a tolerance first those that are not trusted, and always in
    falling order of their expected error."""
    order = expected.order[~asking.known[expected.order]]
    verdicts = None if asking.tolerance is not None else asking.prediction().verdict
    if verdicts is None:
        return order
    trusted = np.array([verdict == TRUST for verdict in verdicts])
    return order[np.argsort(trusted[order], kind="stable")]


def check_limits(trainings, seconds, tolerance, level):
    """Raise LearnerError unless each limit that is given is a number above 0, and level one below 1."""
    real_number(level, "the level of an interval lies between 0 and 1", above=0.0, below=1.0)
    for value, what in ((trainings, "trainings"), (seconds, "seconds"), (tolerance, "a tolerance")):
        if value is not None:
            real_number(value, f"{what} is a limit above 0", above=0.0)


def calibration_count(calibration, trainings):
    """Return how many sets calibrate: as many as asked for, or what fits to what may be spent."""
    if calibration is not None:
        return whole_number(calibration, "the number of calibration sets", FEWEST)
    return SETS if trainings is None else int(min(SETS, max(FEWEST, math.ceil(2.0 * trainings))))


def estimate_of(asking, sketch=None):
    """Return the AskEstimate of an Asking that has begun.   sketch: one that answers first, or None"""
    question, unknown, budget = asking.question, len(asking.unknown), asking.budget
    everything = asking.tolerance is None and budget.left >= unknown
    rung = None if everything or not unknown else best_rung(asking)
    first = ("nothing: every answer is known" if not unknown else
             "the sketch that is there" if sketch is not None and not everything else
             "retraining every set" if rung is None else
             f"{rung.name}, which costs {asking.cost(rung):.3g} trainings")
    calibration = 0 if rung is None or sketch is not None else asking.calibrating
    most = min(budget.trainings, 1.0 * unknown if rung is None else np.inf)
    ratio = asking.unit_costs.ratio
    learner = question.learner
    bases = 0 if rung is None else len(rung.bases(learner.used, asking.seed))
    results = 2 * bases * learner.unit_count * question.value.size
    memory = MEMORY + 8 * (results + unknown * question.value.size * 8 + calibration * learner.layout.size)
    return AskEstimate(unknown, ratio, first, most, calibration,
                       (most + calibration) * asking.training_seconds, asking.threads, memory)


@contextmanager
def opened(bank):
    """A bank: the one given, the one in a folder, or one that is removed in the end."""
    if bank is not None:
        yield checked_bank(bank)
        return
    with tempfile.TemporaryDirectory(prefix="deletion-bank-") as folder:
        yield Bank(Path(folder))
