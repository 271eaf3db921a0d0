"""Bases, the weights at which gradients are taken, and the gradients there.

Base 0 is the ordinary training. A level takes random sets of one size out of it. Groups take the units out in
turn: each unit is in one group.
"""
import pickle
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor, as_completed, wait
from itertools import starmap
from typing import Callable, NamedTuple, Optional

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import checked_learner, checked_threads, real_array
from circuit.errors import LearnerError, StoreError
from circuit.progress import Progress
from taylor import TRAININGS

from ..gradients.metagradient import metagradient
from ..learner.learner import Learner
from ..sketch.push import Parcel
from ..storage.bank import Bank


class Gradients(NamedTuple):
    """One measurement's gradients at several bases; q is the number of its elements.

    Attributes
    ----------
    values : np.ndarray, (bases, q)
        The measurement there.
    finite : np.ndarray, (bases, units, q)
        psi: what deleting each unit changes there, by the finite step; 0 for a unit of weight 0.
    slopes : np.ndarray, (bases, units, q)
        The derivative in each unit's weight.
    """
    values: np.ndarray
    finite: np.ndarray
    slopes: np.ndarray


def level_bases(used, share, count, seed):
    """Return weights (count, units) without random sets of this share of the used units."""
    units, rows = np.flatnonzero(used), np.ones((count, len(used)))
    size = int(round(share * len(units)))
    for k in range(count):
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k, size, 4)))
        rows[k, generator.choice(units, size, replace=False)] = 0.0
    return rows


def partition(used, count, seed):
    """Return the group (units,) of each used unit, of equal sizes up to one, at random; -1 for others."""
    units, groups = np.flatnonzero(used), np.full(len(used), -1)
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(count, 5)))
    groups[generator.permutation(units)] = np.arange(len(units)) % count
    return groups


def group_bases(groups, count):
    """Return weights (count, units) without each group in turn."""
    return 1.0 - (groups == np.arange(count)[:, None])


def gradients_at(learner: Learner, measurement: Callable, weights: ArrayLike, *, bank: Optional[Bank] = None,
                 threads: Optional[int] = None, executor: Optional[Executor] = None,
                 memory: Optional[int] = None, progress: bool = True) -> Gradients:
    """Differentiate a measurement in all units' weights at many bases, with finite steps.

    The result takes 8 bytes for each of 1 + 2 units numbers, for every base and element of the measurement.

    Parameters
    ----------
    learner, measurement, weights, threads, memory, progress
        As for `metagradient`; weights are (bases, units).
    bank : Bank, optional
        Where gradients are kept: those that are there are not calculated again, and new ones are added as
        soon as a block of them is finished. A call that was killed goes on where it was, with the same bits.
    executor : Executor, optional
        Where blocks of bases are calculated, instead of in this process. For other processes the measurement
        is pickled, and the learner once.

    Returns
    -------
    Gradients

    Raises
    ------
    LearnerError
        For weights, measurements, banks and executors that make no sense, and for what cannot be sent to
        other processes.
    DomainError
        Where a training, forwards or back, leaves the domain of a gate. What was finished is kept.
    StoreError
        If a worker process dies, or the bank cannot be written. What was finished is kept.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.models.bases import gradients_at
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 40)
    >>> at = gradients_at(learner, lambda w: w[0], [[1, 1, 1], [1, 1, 0]], progress=False)
    >>> at.values[:, 0].round(3), at.slopes[1, :, 0].round(3)
    (array([3. , 1.5]), array([-0.25,  0.25,  2.25]))
    """
    rows, threads = checked_bases(learner, weights), checked_threads(threads)
    checked_workers(bank, executor)
    circuit = learner.measurement(measurement)
    kept = None if bank is None else bank.of(learner, circuit)
    keys = list(range(len(rows))) if kept is None else kept.keys(rows)
    found = {} if kept is None else kept.read(keys)
    # in order: what a killed call left is cut into blocks as it was, so the bits are the same
    missing = list({key: k for k, key in enumerate(keys) if key not in found}.values())
    blocks = [missing[at:at + TRAININGS] for at in range(0, len(missing), TRAININGS)]
    tasks = [(rows[block], 1 if executor else threads, memory) for block in blocks]
    with Progress(len(missing), "gradients", progress) as report:
        for number, numbers in done_by(executor, learner, measurement, tasks):
            block = blocks[number]
            if kept is not None:
                kept.add(rows[block], numbers)
            found |= {keys[k]: one for k, one in zip(block, numbers)}
            report(len(block))
    size = int(np.prod(circuit.shapes[circuit.outputs[0]]))
    return unpacked(np.array([found[key] for key in keys]), size, learner.unit_count)


def checked_bases(learner, weights):
    """Return the weights of at least one base (bases, units)."""
    rows = real_array(weights, "weights")
    if rows.ndim != 2 or not len(rows) or rows.shape[1] != checked_learner(learner).unit_count:
        raise LearnerError("bases are at least one row of weights, one for each of "
                           f"{checked_learner(learner).unit_count} units, not an array of shape {rows.shape}")
    if rows.min() < 0.0:
        raise LearnerError(f"weights are numbers >= 0, not {rows.min():g}")
    return rows


def checked_workers(bank, executor):
    """Raise LearnerError for a bank that is no Bank, and an executor that is none."""
    if bank is not None and not isinstance(bank, Bank):
        raise LearnerError(f"bank: expected a Bank, such as Bank('folder'), got {bank!r:.60}")
    if executor is not None and not isinstance(executor, Executor):
        raise LearnerError("an executor is a concurrent.futures.Executor, got "
                           f"{type(executor).__name__} (of a dask client, give client.get_executor())")


# who does the work ------------------------------------------------------------------------------------------

def done_by(executor, learner, measurement, tasks):
    """Yield (number, result of packed_gradients) of each task as soon as it is finished."""
    if executor is None:
        yield from enumerate(starmap(lambda *task: packed_gradients(learner, measurement, *task), tasks))
        return
    parcel = Parcel(learner)
    if tasks and not isinstance(executor, ThreadPoolExecutor):
        parcel.packed()      # raises here if the learner cannot be sent
        require_sendable(measurement)
    yield from gathered({executor.submit(work, parcel, measurement, *task): number
                         for number, task in enumerate(tasks)})


def require_sendable(measurement):
    """Raise LearnerError for a measurement that cannot be pickled."""
    try:
        pickle.dumps(measurement)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise LearnerError("the measurement cannot be pickled, so it cannot be sent to other processes "
                           f"({error}); write it as a function at the top of a module") from None


def gathered(futures):
    """Yield (number, result) of each future {future: number}.

    After an error nothing more is begun. Whatever succeeded is yielded before the error is raised.
    """
    given = set()
    try:
        for future in as_completed(futures):
            if future.exception():
                break
            given.add(future)
            yield futures[future], future.result()
        left = [future for future in futures if future not in given and not future.cancel()]
        wait(left)
        good = [future for future in left if not future.exception()]
        yield from ((futures[future], future.result()) for future in good)
        for future in left:
            future.result()      # raises the error of the first block that failed
    except BrokenExecutor as error:
        raise StoreError("a worker process died (was it killed, was there too little memory, or has the "
                         f"script that made the executor no `if __name__ == '__main__':`?): {error} With a "
                         "bank, what was finished is kept: the same call with a new executor goes on from "
                         "there") from None
    finally:
        for future in futures:
            future.cancel()


def work(parcel, measurement, rows, threads, memory):
    """Do a task, as a worker."""
    return packed_gradients(parcel.learner, measurement, rows, threads, memory)


def packed_gradients(learner, measurement, rows, threads, memory):
    """Return (bases, q + 2 units q): values, finite steps and slopes at some bases."""
    at = metagradient(learner, measurement, weights=rows, finite_step=True, threads=threads, memory=memory,
                      progress=False)
    return np.concatenate([x.reshape(len(rows), -1) for x in (at.value, at.finite, at.gradient)], axis=1)


def unpacked(numbers, size, units):
    """Return the Gradients of rows of packed_gradients."""
    values, finite, slopes = np.split(numbers, [size, size * (1 + units)], axis=1)
    return Gradients(values, *(x.reshape(len(numbers), units, size) for x in (finite, slopes)))
