"""Bases, the weights at which gradients are taken, and the gradients there.

Base 0 is the ordinary training. A level takes random sets of one size out of it. Groups take the units out in
turn: each unit is in one group.
"""
from concurrent.futures import Executor
from itertools import starmap
from typing import Callable, NamedTuple, Optional

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import checked_learner, checked_threads, real_array
from circuit.errors import LearnerError
from circuit.progress import Progress
from taylor import TRAININGS

from ..gradients.metagradient import metagradient
from ..learner.learner import Learner
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

    Parameters
    ----------
    learner, measurement, weights, threads, memory, progress
        As for `metagradient`; weights are (bases, units).
    bank : Bank, optional
        Where gradients are kept: those that are there are not calculated again, and new ones are added as
        soon as a block of them is finished, so that a call that was killed goes on.
    executor : Executor, optional
        Where blocks of bases are calculated, instead of in this process. Learner and measurement are pickled
        for other processes.

    Returns
    -------
    Gradients

    Raises
    ------
    LearnerError
        For weights and measurements that make no sense.
    DomainError
        Where a training, forwards or back, leaves the domain of a gate. What was finished is kept.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.models.bases import gradients_at
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 40)
    >>> at = gradients_at(learner, lambda w: w[0], [[1, 1, 1], [1, 1, 0]], progress=False)
    >>> at.values[:, 0].round(3), at.slopes[1, :, 0].round(3)
    (array([3. , 1.5]), array([-0.25,  0.25,  2.25]))
    """
    rows, threads = real_array(weights, "weights"), checked_threads(threads)
    if rows.ndim != 2 or rows.shape[1] != checked_learner(learner).unit_count:
        raise LearnerError(f"bases are rows of weights, one for each of {learner.unit_count} units, not an "
                           f"array of shape {rows.shape}")
    circuit = learner.measurement(measurement)
    kept = None if bank is None else bank.of(learner, circuit)
    keys = list(range(len(rows))) if kept is None else kept.keys(rows)
    found = {} if kept is None else kept.read(keys)
    missing = list({key: k for k, key in enumerate(keys) if key not in found}.values())
    blocks = [missing[at:at + TRAININGS] for at in range(0, len(missing), TRAININGS)]
    tasks = [(learner, measurement, rows[block], 1 if executor else threads, memory) for block in blocks]
    with Progress(len(missing), "gradients", progress) as report:
        for block, numbers in zip(blocks, done_by(executor, tasks)):
            if kept is not None:
                kept.add(rows[block], numbers)
            found |= {keys[k]: one for k, one in zip(block, numbers)}
            report(len(block))
    size = int(np.prod(circuit.shapes[circuit.outputs[0]]))
    return unpacked(np.array([found[key] for key in keys]).reshape(len(keys), -1), size, learner.unit_count)


def done_by(executor, tasks):
    """Yield the result of packed_gradients for each task, in order."""
    return starmap(packed_gradients, tasks) if executor is None or not tasks else executor.map(
        packed_gradients, *zip(*tasks))


def packed_gradients(learner, measurement, rows, threads, memory):
    """Return (bases, q + 2 units q): values, finite steps and slopes at some bases."""
    at = metagradient(learner, measurement, weights=rows, finite_step=True, threads=threads, memory=memory,
                      progress=False)
    return np.concatenate([x.reshape(len(rows), -1) for x in (at.value, at.finite, at.gradient)], axis=1)


def unpacked(numbers, size, units):
    """Return the Gradients of rows of packed_gradients."""
    values, finite, slopes = np.split(numbers, [size, size * (1 + units)], axis=1)
    return Gradients(values, *(x.reshape(len(numbers), units, size) for x in (finite, slopes)))
