"""Passes: a training there and back, for every block of bases, elements or directions, in several threads."""
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from threading import Event
from types import SimpleNamespace
from typing import Callable, NamedTuple, Sequence

import numpy as np

from circuit.checks import whole_number

from ..learner.replay import AT_ONCE, replay
from .states import LEAST, MEMORY, Back, plan, room_for


class Pass(NamedTuple):
    """One training, forwards once, and any number of ways back through the same states.

    Attributes
    ----------
    make : callable
        make() -> the Walk, before the first step.
    turn : callable
        turn(walk) -> the Backs, when the walk has reached the end of the training.
    collect : callable
        collect(number, first, last, result) takes what the Back of that number returned for some steps.
    backs : int
        How many Backs there will be.
    finish : callable
        finish() is called, in the thread that took the pass, when all Backs have arrived.
    """
    make: Callable
    turn: Callable
    collect: Callable
    backs: int
    finish: Callable = lambda: None


def units_of_steps(learner):
    """Return (steps, b): the number of the unit of each example of each step."""
    return learner.unit_of[learner.schedule.reshape(len(learner.steps), -1)]


def add_steps(total, units, slopes):
    """Add what examples give at some steps, (lanes, steps, b), to the totals (lanes, units) of their `units`.

    The last step is added first, so that memory, which decides which steps come together, changes no bit.
    """
    np.add.at(total, (slice(None), units[::-1].reshape(-1)), slopes[:, ::-1].reshape(len(slopes), -1))


class Workers:
    """Threads for independent tasks; when one task fails, the others stop.

    Parameters
    ----------
    report : callable
        Called with the number of steps taken, from any thread.
    """

    def __init__(self, report):
        self._report, self._stopped = report, Event()

    def report(self, steps):
        """Count steps; raise CancelledError if another task failed, or the user wants to stop."""
        if self._stopped.is_set():
            raise CancelledError
        self._report(steps)

    def _stop(self, pool):
        self._stopped.set()
        pool.shutdown(cancel_futures=True)

    def each(self, function, tasks, threads):
        """Return [function(task), ...], so many at a time."""
        if threads == 1 or len(tasks) == 1:
            return [function(task) for task in tasks]
        with ThreadPoolExecutor(min(threads, len(tasks))) as pool:
            waiting = [pool.submit(function, task) for task in tasks]
            try:
                done = wait(waiting, return_when=FIRST_EXCEPTION).done
            except BaseException:      # the user does not want to wait
                self._stop(pool)
                raise
            if not any(task.exception() for task in done):
                return [task.result() for task in waiting]
            self._stop(pool)
        errors = [task.exception() for task in waiting if not task.cancelled() and task.exception()]
        raise min(errors, key=lambda error: isinstance(error, CancelledError))      # the cause, not a victim


def run_passes(learner, passes: Sequence[Pass], threads: int, memory: int | None, progress,
               checkpoints: int | None = None) -> int:
    """Take all passes, and return how many states of a training were held at once.

    Parameters
    ----------
    learner : Learner
        The learner.
    passes : sequence of Pass
        What to do.
    threads : int
        How many threads work at a time: on different passes, or on the ways back of one.
    memory : int or None
        The bytes that the states of all passes may take together; MEMORY by default.
    progress : Progress
        Its total is set here.
    checkpoints : int, optional
        Instead of memory: the number of states of a pass.

    Returns
    -------
    int
    """
    steps, first = len(learner.steps), passes[0].make()      # made, and compiled, before threads ask for it
    size = first.record_bytes
    memory = MEMORY if memory is None else whole_number(memory, "memory, a number of bytes", 1)
    least = min(LEAST, steps)
    together = max(1, min(threads, len(passes), memory // (least * size)))
    if checkpoints is None:
        room = room_for(steps, size, memory, together)
    else:
        room = min(max(whole_number(checkpoints, "the number of checkpoints", 1), least), steps)
    progress.total = total(steps, room, passes)
    progress.begin()
    workers, made = Workers(progress), [first]      # given up by the pass that uses it
    del first

    def take(one):
        walk = made.pop() if one is passes[0] else one.make()
        held = there_and_back(learner, walk, one, room, workers, threads // together)
        one.finish()
        return held

    return max(workers.each(take, passes, together))


def total(steps, room, passes):
    """Return how many steps all passes take, forwards and backwards."""
    forward = sum(x.last - x.first for x in plan(steps, room) if not isinstance(x, Back))
    return sum(forward + steps * one.backs for one in passes)


def there_and_back(learner, walk, one, room, workers, threads):
    """Take one Pass, and return the largest number of states held."""
    held, backs, most, steps = {0: walk.record}, None, 1, len(learner.steps)

    def forward(first, last, keep):
        records = []
        taking = SimpleNamespace(run=lambda a, b: records.extend(walk.forward(a, b, keep)))
        for a, b in replay(learner, taking, first, last, at_once=AT_ONCE):
            workers.report(b - a)
        return records

    for action in plan(steps, room):
        first, last, walk_on = action.first, action.last, not isinstance(action, Back)
        if walk_on:
            walk.record = held[first]
        if not walk_on:
            records = [held.pop(number) for number in range(first, last)]
            back_through(learner, backs, one.collect, first, records, workers, threads)
            walk.release(records)
            del records
        elif not action.keep:
            forward(first, last, False)
            held[last] = walk.record
        elif backs is None:
            held.update(zip(range(first, last), forward(first, last, True)))
            backs = one.turn(walk)
        else:      # the step behind the last state that is needed is not taken again
            held.update(zip(range(first, last - 1), forward(first, last - 1, True)))
            held[last - 1] = walk.record
            workers.report(1)
        most = max(most, len(held))
    return most


def back_through(learner, backs, collect, first, records, workers, threads):
    """Take every Back through the steps whose records these are."""
    last = first + len(records)

    def take(number):
        def run(a, b):
            collect(number, a, b, backs[number].run(a, b, records[a - first:b - first]))
        for a, b in replay(learner, SimpleNamespace(run=run), first, last, at_once=AT_ONCE, backwards=True):
            workers.report(b - a)

    workers.each(take, range(len(backs)), max(threads, 1))
