"""Pushing directions through a training: a plan, a task per block of directions, and whoever works them off.

A task depends on nothing but its block, so tasks may run in threads, processes or on other machines, in any
order and again.

Sparse directions start late: until the first step that uses an example with a nonzero entry, the training
along them is the ordinary one, bit for bit. So it is done once, with polynomials of degree 0, and every block
starts from where it leaves it.
"""
import os
import pickle
import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from threading import Event
from typing import Optional

import numpy as np

from circuit import DomainError
from circuit.progress import Progress, silence
from taylor import LANES

from ..directions.directions import Directions
from ..learner.learner import Learner, LearnerError
from ..storage.store import StoreError

CHECKED = 100
"""Steps between two looks at whether every coefficient is still a number."""

AHEAD = 256
"""Tasks handed to an executor before the first is done: enough for a large cluster, and memory for their data
stays bounded."""


@dataclass(frozen=True)
class Plan:
    """What is to be pushed.   downweight: (units,), where to expand;   sets: downweights (k, units) of the
                               calibration sets."""
    learner: Learner
    directions: Directions
    degree: int
    downweight: np.ndarray
    sets: np.ndarray

    def __len__(self):
        """The number of blocks."""
        return -(-len(self.directions) // LANES)

    def psi(self, b):
        """The directions of block b, (at most `lanes`, units)."""
        return self.directions.psi[b * LANES:(b + 1) * LANES]

    @cached_property
    def begins(self):
        """For every block, the first step that uses an example with a nonzero entry; the number of steps if
        none does."""
        used = self.learner.first_steps()
        return [int(used[self.psi(b).any(axis=0)].min(initial=len(self.learner.steps)))
                for b in range(len(self))]

    def steps(self, wanted):
        """How many steps the wanted blocks take together."""
        return sum(len(self.learner.steps) - self.begins[b] for b in wanted)

    def ready(self, wanted):
        """Prepare and compile the recurrences of the wanted blocks: once, before threads ask for them."""
        self.learner.recurrence(self.degree)
        if any(self.begins[b] for b in wanted):
            self.learner.recurrence(0)

    def tasks(self, wanted):
        """A Task for each wanted block, the longest first; the ordinary training goes on just as far as they
        ask for it."""
        wanted = sorted(wanted, key=lambda b: (self.begins[b], b))
        base = None
        for b in wanted:
            if base is None and self.begins[b]:
                base = Base(self.learner, self.downweight)
            yield Task(b, self.psi(b), self.degree, self.downweight, self.begins[b],
                       base and base.state(self.begins[b]))


@dataclass(frozen=True)
class Task:
    """One block of directions to push.   begin: the first step;   state: arrays at that step, None for the
    initial ones."""
    block: int
    psi: np.ndarray
    degree: int
    downweight: np.ndarray
    begin: int = 0
    state: Optional[list] = None


class Base:
    """The ordinary training on its way: polynomials of degree 0, whose constant parts are those of any degree
    to the bit."""

    def __init__(self, learner, downweight):
        nothing = np.zeros((1, learner.example_count))
        self.learner, self.at = learner, 0
        self.block = learner.recurrence(0).block(learner.states, learner.example_weights(downweight), nothing)

    def state(self, step):
        """The state before a step, none earlier than the last one asked for."""
        run(self.learner, self.block, self.at, step)
        self.at = step
        return [self.block.constant(i).copy() for i in range(len(self.learner.states))]


def run(learner, block, begin, end, look_closely=False):
    """Steps begin..end; a DomainError says which examples the step used."""
    try:
        block.run(begin, end, look_closely)
    except DomainError as error:
        raise DomainError(f"{learner.where(error.step)}: {error}") from None


def push(learner, task, report=lambda steps: None):
    """Push a block of at most `lanes` directions through the training: every example's weight is 1 - h_0 - t
    psi.

    Returns (theta_0, coefficients): (parameters,) and (parameters, degree, 2, lanes).
    """
    def start():
        return learner.recurrence(task.degree).block(learner.states if task.state is None else task.state,
                                                     learner.example_weights(task.downweight),
                                                     -task.psi[:, learner.unit_of], task.block * LANES)

    block, count = start(), len(learner.steps)
    for begin in range(task.begin, count, CHECKED):
        end = min(begin + CHECKED, count)
        run(learner, block, begin, end)
        if not block.finite():      # somewhere in these steps: go there again and look at every gate
            block = start()
            run(learner, block, task.begin, begin)
            run(learner, block, begin, end, look_closely=True)
        report(end - begin)
    return block.constant(0).copy(), block.coefficients(0).copy()


# who works them off -----------------------------------------------------------------------------------------

class Parcel:
    """A learner on its way to workers: pickled once, and unpickled once in every process that gets tasks for
    it."""

    def __init__(self, learner):
        self.learner, self.content = learner, None

    def packed(self):
        if self.content is None:
            try:
                self.content = self.learner.fingerprint(), pickle.dumps(self.learner)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise LearnerError(f"the learner cannot be sent to other processes ({error}); write "
                                   "loss, " "regulariser and learning " "rate " "as "
                                   "functions at the top of a module, not as lambdas or inside "
                                   "other functions") from None
        return self.content

    def __reduce__(self):
        return unpacked, self.packed()


_unpacked = {}


def unpacked(fingerprint, content):
    """The parcel of a learner, unpacked the first time only, so that its circuits are made ready once."""
    parcel = _unpacked.get(fingerprint)
    if parcel is None:
        parcel = Parcel(pickle.loads(content))
        _unpacked.clear()      # a worker that serves many learners keeps the last
        _unpacked[fingerprint] = parcel
    return parcel


def work(parcel, task, report=lambda steps: None):
    """What a worker does: (theta_0, coefficients, seconds) of a task."""
    with silence():      # many workers would print the same
        parcel.learner.recurrence(task.degree)
    start = time.perf_counter()
    theta, coefficients = push(parcel.learner, task, report)
    return theta, coefficients, time.perf_counter() - start


def push_all(plan, wanted, keep, executor=None, threads=None):
    """Push the wanted blocks of a plan, and call keep(b, theta_0, coefficients, seconds) with each as soon as
    it is done.

    executor   any concurrent.futures.Executor; default: as many threads as the machine has cores, or
               `threads`

    Raises DomainError, naming step, example, gate and direction, as soon as anything is not a number.
    """
    if executor is not None and not isinstance(executor, Executor):
        raise LearnerError(f"an executor is a concurrent.futures.Executor; {type(executor).__name__} is none "
                           "(of a dask client, give client.get_executor())")
    if not wanted:
        return
    learner, parcel = plan.learner, Parcel(plan.learner)
    with Progress(plan.steps(wanted), "push") as report:
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            parcel.packed()      # whatever cannot be sent is told here
        plan.ready(wanted)      # other processes of this machine find the results on disk
        report.begin()
        if executor is not None:
            gather(plan.tasks(wanted), lambda task: executor.submit(work, parcel, task), keep,
                   lambda task, seconds: report(len(learner.steps) - task.begin, seconds))
            return
        stopped = Event()

        def watched(steps):
            if stopped.is_set():
                raise CancelledError      # another block failed, or the user wants to stop
            report(steps)

        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            try:
                gather(plan.tasks(wanted), lambda task: pool.submit(work, parcel, task, watched), keep)
            except BaseException:
                stopped.set()
                raise


def gather(tasks, submit, keep, done=lambda task, seconds: None):
    """Have tasks worked off, some ahead of others, and keep each result; whatever goes wrong, nothing more is
    begun."""
    tasks, waiting = iter(tasks), {}
    try:
        while True:
            for task in islice(tasks, AHEAD - len(waiting)):
                waiting[submit(task)] = task
            if not waiting:
                return
            finished = wait(waiting, return_when=FIRST_COMPLETED).done
            # what succeeded is kept first
            for future in sorted(finished, key=lambda future: future.exception() is not None):
                task = waiting.pop(future)
                theta, coefficients, seconds = future.result()
                keep(task.block, theta, coefficients, seconds)
                done(task, seconds)
    except BrokenExecutor as error:
        raise StoreError("a worker process died (was it killed, was there too little memory, or has the "
                         "script that " "made the executor no `if " "__name__ " "== " "'__main__':`?): "
                         f"{error} " "Blocks " "finished so far are kept "
                         "if the sketch is made in a folder (out=...): the same call with a new "
                         "executor goes on from there") from None
    finally:
        for future in waiting:
            future.cancel()
