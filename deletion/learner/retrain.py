"""Exact truth: training again with other weights, many trainings side by side."""
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event
from typing import Any, Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit import DomainError, evaluate
from circuit.checks import checked_learner, checked_threads, iterable, real_array
from circuit.errors import LearnerError
from circuit.progress import Progress
from taylor import TRAININGS

from .learner import Learner
from .replay import train_block


def retrain(learner: Learner, sets: Sequence | None = None, measurement: Callable | None = None, *,
            weights: ArrayLike | None = None, weight: float = 0.0, threads: int | None = None,
            bank: Any = None, progress: bool = True) -> np.ndarray:
    """Train again without each of many deletion sets, or with other weights, and measure the result.

    A deleted example's step still happens, with weight 0, and the schedule is unchanged.

    Parameters
    ----------
    learner : Learner
        What to train.
    sets : sequence of deletion sets, optional
        Each a unit's label or several.
    measurement : callable, optional
        measurement(parameters) -> scalar or vector; by default the flat parameters themselves.
    weights : array_like, (b, units), optional
        Instead of sets: the units' real weights >= 0 in each training, 1 being the ordinary weight.
    weight : float
        What the examples of a deletion set keep of their weight.
    threads : int, optional
        How many blocks of trainings run at a time; by default the machine's cores.
    bank : deletion.Bank, optional
        Where retrainings are kept: those that are there are not made again, and new ones are added.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    np.ndarray, (b,) + the measurement's shape
        The measurement after each retraining.

    Raises
    ------
    LearnerError
        For sets and weights that make no sense.
    DomainError
        Where a training leaves the domain of a gate; it names step, examples and gate.

    Examples
    --------
    Gradient descent on the squared distance from three numbers ends near their mean.

    >>> import numpy as np
    >>> from deletion import SGD, Learner, retrain
    >>> learner = Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   np.tile(np.arange(3), (40, 1)))
    >>> retrain(learner, [[], [2]], lambda w: w[0], progress=False).round(3)
    array([3. , 1.5])
    """
    downweights, threads = checked_downweights(learner, sets, weights, weight), checked_threads(threads)
    circuit = None if measurement is None else learner.measurement(measurement)
    if bank is None:
        theta = trained_without(learner, downweights, threads, progress)
    else:
        theta = trained_or_kept(learner, downweights, bank, threads, progress)
    if circuit is None:
        return theta
    shape = circuit.shapes[circuit.outputs[0]]      # a constant is measured once, for all trainings
    return np.broadcast_to(evaluate(circuit, [theta])[0], (len(theta),) + shape).copy()


def checked_downweights(learner, sets, weights, weight):
    """Return downweights (trainings, units), at least one, from deletion sets or from weights."""
    checked_learner(learner)
    if (sets is None) == (weights is None):
        raise LearnerError("give deletion sets or weights, one of the two")
    if sets is not None:
        if not iterable(sets):
            raise LearnerError(f"sets is a sequence of deletion sets, such as [{sets!r}], not {sets!r}")
        downweights = np.array([learner.downweight(s, weight) for s in sets]).reshape(-1, learner.unit_count)
    else:
        if weight != 0.0:
            raise LearnerError(f"weight={weight!r:.60} is what deletion sets keep; weights already say what "
                               "every unit keeps")
        weights = real_array(weights, "weights")
        if weights.ndim != 2 or weights.shape[1] != learner.unit_count:
            raise LearnerError(f"weights of shape {weights.shape}: expected one row per training, one column "
                               f"per unit ({learner.unit_count})")
        if weights.min(initial=0.0) < 0.0:
            raise LearnerError(f"weights are numbers >= 0, not {weights.min():g}")
        downweights = 1.0 - weights
    if not len(downweights):
        raise LearnerError("nothing to retrain: no deletion sets")
    return downweights


def trained_or_kept(learner, downweights, bank, threads, progress):
    """Return trained parameters (trainings, parameters): from the bank, or else trained and kept there."""
    if isinstance(bank, type) or not hasattr(bank, "of"):
        raise LearnerError(f"bank: expected a Bank, such as Bank('folder'), got {bank!r:.60}")
    kept = bank.of(learner)
    keys = kept.keys(1.0 - downweights)
    found, first = kept.read(keys), {}
    for number, key in enumerate(keys):
        first.setdefault(key, number)
    missing = [number for key, number in first.items() if key not in found]
    if missing:
        some = downweights[missing]

        def keep(at, theta):
            kept.add(1.0 - some[at:at + len(theta)], theta)

        try:
            theta = trained_without(learner, some, threads, progress, keep)
        except DomainError:
            name_as_asked(learner, downweights, missing)
            raise
        found |= {keys[number]: row for number, row in zip(missing, theta)}
    return np.stack([found[key] for key in keys])


def name_as_asked(learner, downweights, missing):
    """Raise the DomainError of the first trainings that fail, numbered among all that were asked for."""
    for first in sorted({number - number % TRAININGS for number in missing}):
        train_block(learner, learner.example_weights(downweights[first:first + TRAININGS]), first)


def trained_without(learner, downweights, threads, progress, keep=lambda first, theta: None):
    """Return trained parameters (trainings, parameters) for downweights (trainings, units).

    keep(first, theta) is called with the number of the first training and the parameters of each block that
    is finished.
    """
    stopped, firsts = Event(), range(0, len(downweights), TRAININGS)

    def watched(steps):
        if stopped.is_set():
            raise CancelledError      # another block failed, or the user wants to stop
        report(steps)

    def train(first):
        weights = learner.example_weights(downweights[first:first + TRAININGS])
        theta = train_block(learner, weights, first, watched)
        keep(first, theta)
        return theta

    with Progress(len(firsts) * len(learner.steps), "retrain",
                  progress) as report, ThreadPoolExecutor(threads) as pool:
        learner.recurrence(None)      # made and compiled once, before threads ask for it
        report.begin()
        try:
            return np.concatenate(list(pool.map(train, firsts)))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
