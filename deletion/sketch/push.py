"""Pushing directions through a training: a plan, a task for each block of directions, and who does the work.

A task depends on nothing but its block, so tasks may run in threads, in processes or on other machines, in
any order, and repeatedly.

Sparse directions start late: until the first step that uses an example with a nonzero entry, the training
along them is the ordinary one, bit for bit. So that part is done once, with polynomials of degree 0, and
every block starts from where it ends.
"""
import os
import pickle
import time
from concurrent.futures import (
    FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, ThreadPoolExecutor, wait)
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from threading import Event
from typing import Optional

import numpy as np

from circuit.errors import LearnerError
from circuit.progress import Progress, silence

from ..directions.directions import Directions
from ..learner.learner import Learner
from ..learner.recording import pickled
from ..learner.replay import AT_ONCE, advance, replay
from ..storage.bank import Bank
from ..storage.blocks import DIRECTIONS_PER_BLOCK, parts
from ..storage.store import StoreError

AHEAD = 256
"""Tasks handed to an executor before the first is done: enough for a large cluster, and memory for their data
stays bounded."""


@dataclass(frozen=True)
class Plan:
    """What is to be pushed.

    Attributes
    ----------
    learner : Learner
    directions : Directions
    degree : int
    downweight : np.ndarray, (units,)
        Where to expand.
    sets : np.ndarray, (k, units)
        The downweights of the calibration sets: random ones, then those of each kind.
    kinds : tuple of Kind
        The declared kinds.
    bank : Bank, optional
        Of retrainings.
    """
    learner: Learner
    directions: Directions
    degree: int
    downweight: np.ndarray
    sets: np.ndarray
    kinds: tuple = ()
    bank: Optional[Bank] = None

    def __len__(self):
        """Return the number of blocks."""
        return -(-len(self.directions) // DIRECTIONS_PER_BLOCK)

    def psi(self, b):
        """Return the directions of block b, (at most DIRECTIONS_PER_BLOCK, units)."""
        return self.directions.psi[b * DIRECTIONS_PER_BLOCK:(b + 1) * DIRECTIONS_PER_BLOCK]

    @cached_property
    def begins(self):
        """The first step of each block that uses an example with a nonzero entry, or the number of steps."""
        used = self.learner.first_steps()
        return [int(used[self.psi(b).any(axis=0)].min(initial=len(self.learner.steps)))
                for b in range(len(self))]

    def steps(self, chosen):
        """Return how many steps the chosen blocks take together."""
        return sum(len(self.learner.steps) - self.begins[b] for b in chosen)

    def ready(self, chosen):
        """Prepare and compile the recurrences of the chosen blocks, once, before threads ask for them."""
        self.learner.recurrence(self.degree)
        if any(self.begins[b] for b in chosen):
            self.learner.recurrence(0)

    def tasks(self, chosen):
        """Yield a Task for each chosen block, the longest first; the ordinary training goes on as needed."""
        base = None
        for b in sorted(chosen, key=lambda b: (self.begins[b], b)):
            if base is None and self.begins[b]:
                base = Base(self.learner, self.downweight)
            yield Task(b, self.psi(b), self.degree, self.downweight, self.begins[b],
                       base and base.state(self.begins[b]))


@dataclass(frozen=True)
class Task:
    """One block of directions to push.

    Attributes
    ----------
    block : int
        The block's number.
    psi : np.ndarray, (directions, units)
    degree : int
    downweight : np.ndarray, (units,)
        Where to expand.
    begin : int
        The first step to take.
    state : list of np.ndarray, optional
        The state before that step; by default the learner's initial one.
    """
    block: int
    psi: np.ndarray
    degree: int
    downweight: np.ndarray
    begin: int = 0
    state: Optional[list] = None


class Base:
    """The ordinary training on its way, in polynomials of degree 0.

    Its numbers are the constant parts of polynomials of any degree, to the bit.
    """

    def __init__(self, learner, downweight):
        nothing = np.zeros((1, learner.example_count))
        self.learner, self.at = learner, 0
        self.block = learner.recurrence(0).block(learner.states, learner.example_weights(downweight), nothing)

    def state(self, step):
        """Return the state before a step, which must not be earlier than the last one asked for."""
        advance(self.learner, self.block, self.at, step)
        self.at = step
        return [self.block.constant(i).copy() for i in range(len(self.learner.states))]


def push(learner, task, report=lambda steps: None):
    """Push a block of directions through the training: every example's weight is 1 - h_0 - t psi.

    Parameters
    ----------
    learner : Learner
    task : Task
    report : callable
        It is called with the number of steps taken since the last call.

    Returns
    -------
    (theta_0, coefficients) : (np.ndarray, np.ndarray)
        Of shapes (parameters,) and (parameters, degree, 2, DIRECTIONS_PER_BLOCK).

    Raises
    ------
    DomainError
        Where anything is not a number or a gate stands on a kink; it names step, example, gate and direction.
    """
    pushed = Pushed(learner, task)
    for first, last in replay(learner, pushed, task.begin, at_once=AT_ONCE):
        if not pushed.finite():      # somewhere in these steps: take them again and look at every gate
            again = Pushed(learner, task)
            advance(learner, again, task.begin, first)
            advance(learner, again, first, last, look_closely=True)
        report(last - first)
    return pushed.theta(), pushed.coefficients()


class Pushed:
    """A task on its way through the training, in as many blocks of the engine as its directions fill.

    The engine has the lanes that suit the processor; the task has the directions of a stored block. The
    blocks take the same steps one after the other, so that they never are more than a group of steps apart.
    """

    def __init__(self, learner, task):
        self.recurrence, lines = learner.recurrence(task.degree), -task.psi[:, learner.unit_of]
        state = learner.states if task.state is None else task.state
        weights, first = learner.example_weights(task.downweight), task.block * DIRECTIONS_PER_BLOCK
        self.blocks = [self.recurrence.block(state, weights, lines[j], first + j.start)
                       for j in parts(len(lines), self.recurrence.form.lanes)]

    def run(self, first, last, look_closely=False):
        """Take the steps first..last."""
        for block in self.blocks:
            block.run(first, last, look_closely)

    def finite(self):
        """Whether every coefficient of the state is finite."""
        return all(block.finite() for block in self.blocks)

    def theta(self):
        """The constant part of the parameters, which all directions share."""
        return self.blocks[0].constant(0).copy()

    def coefficients(self):
        """The coefficients of the parameters as they are stored; directions that there are none of are 0."""
        pushed = [block.coefficients(0)[..., :block.count] for block in self.blocks]
        stored = np.zeros(pushed[0].shape[:-1] + (DIRECTIONS_PER_BLOCK,))
        np.concatenate(pushed, axis=-1, out=stored[..., :sum(block.count for block in self.blocks)])
        return stored


# who does the work ------------------------------------------------------------------------------------------

class Parcel:
    """A learner on its way to workers: pickled once, and unpickled once in each process that gets tasks."""

    def __init__(self, learner):
        self.learner, self.content = learner, None

    def packed(self):
        """Return (the learner's fingerprint, the learner as bytes)."""
        if self.content is None:
            self.content = self.learner.fingerprint(), pickled(self.learner)
        return self.content

    def __reduce__(self):
        return opened_parcel, self.packed()


_opened = {}


def opened_parcel(fingerprint, content):
    """Return the parcel of a learner, opened the first time only, so that its circuits are compiled once."""
    parcel = _opened.get(fingerprint)
    if parcel is None:
        parcel = Parcel(pickle.loads(content))
        _opened.clear()      # a worker that serves many learners keeps the last
        _opened[fingerprint] = parcel
    return parcel


def work(parcel, task, report=lambda steps: None):
    """Do a task, as a worker: return (theta_0, coefficients, seconds)."""
    with silence():      # many workers would print the same
        parcel.learner.recurrence(task.degree)
    start = time.perf_counter()
    theta, coefficients = push(parcel.learner, task, report)
    return theta, coefficients, time.perf_counter() - start


def push_all(plan, chosen, keep, executor=None, threads=None):
    """Push the chosen blocks of a plan, and keep each result as soon as it is there.

    Parameters
    ----------
    plan : Plan
    chosen : sequence of int
        The numbers of the blocks.
    keep : callable
        keep(b, theta_0, coefficients, seconds) is called with each result.
    executor : concurrent.futures.Executor, optional
        By default as many threads as the machine has cores.
    threads : int, optional
        How many threads to use in their place.

    Raises
    ------
    DomainError
        As soon as anything is not a number; it names step, example, gate and direction.
    LearnerError
        For an executor that is none, and for a learner that cannot be sent to other processes.
    """
    checked_executor(executor)
    if not chosen:
        return
    learner, parcel = plan.learner, Parcel(plan.learner)
    with Progress(plan.steps(chosen), "push") as report:
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            parcel.packed()      # raises here if the learner cannot be sent
        plan.ready(chosen)      # other processes of this machine find the results on disk
        report.begin()
        if executor is not None:
            gather(plan.tasks(chosen), lambda task: executor.submit(work, parcel, task), keep,
                   lambda task, seconds: report(len(learner.steps) - task.begin, seconds))
            return
        stopped = Event()

        def watched(steps):
            if stopped.is_set():
                raise CancelledError      # another block failed, or the user wants to stop
            report(steps)

        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            try:
                gather(plan.tasks(chosen), lambda task: pool.submit(work, parcel, task, watched), keep)
            except BaseException:
                stopped.set()
                raise


def checked_executor(executor):
    """Raise LearnerError for an executor that is none."""
    if executor is not None and not isinstance(executor, Executor):
        raise LearnerError("an executor is a concurrent.futures.Executor, got "
                           f"{type(executor).__name__} (of a dask client, give client.get_executor())")


def gather(tasks, submit, keep, done=lambda task, seconds: None):
    """Submit tasks, at most AHEAD at a time, and keep each result; after an error submit nothing more."""
    tasks, waiting = iter(tasks), {}
    try:
        while True:
            for task in islice(tasks, AHEAD - len(waiting)):
                waiting[submit(task)] = task
            if not waiting:
                return
            finished = wait(waiting, return_when=FIRST_COMPLETED).done
            # what succeeded is kept first, in the order of the blocks
            for future in sorted(finished, key=lambda x: (x.exception() is not None, waiting[x].block)):
                task = waiting.pop(future)
                theta, coefficients, seconds = future.result()
                keep(task.block, theta, coefficients, seconds)
                done(task, seconds)
    except BrokenExecutor as error:
        raise StoreError("a worker process died (was it killed, was there too little memory, or has the "
                         f"script that made the executor no `if __name__ == '__main__':`?): {error} Blocks "
                         "finished so far are kept if the sketch is made in a folder (out=...): the same "
                         "call with a new executor goes on from there") from None
    finally:
        for future in waiting:
            future.cancel()
