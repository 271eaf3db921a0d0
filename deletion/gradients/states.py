"""Which states of a training are kept for the way back, and which are calculated again.

The way back needs the state before every step, the last one first. If there is not room for all of them, some
are kept and those between two of them are calculated again when they are needed (binomial checkpointing:
Griewank & Walther, Algorithm 799, ACM TOMS 26:19, 2000). With room for c states,

    capacity(c, r) = C(c + r - 1, r)

steps can be gone back through if each is taken at most r times: c of them if every state is kept (r = 1),
c (c + 1) / 2 if each step is taken at most twice. The plan needs the fewest levels r that suffice, and of all
plans with this room it takes the fewest steps.
"""
from math import comb
from typing import Iterator, NamedTuple

from circuit.errors import LearnerError

MEMORY = 2 ** 30
"""Bytes for the states of a training, unless the caller says otherwise. 1 GiB is a small part of a machine's
memory; at one base it holds every state of 10,000 steps of microgpt (101 kB each), and 32,000 steps are taken
at most twice."""

LEAST = 2
"""States for which there must be room: one to start again from, and the one before the step being undone."""


class Forward(NamedTuple):
    """Take the steps first..last (last excluded), starting from the state before `first`, which is held.

    Attributes
    ----------
    first, last : int
        Numbers of steps.
    keep : bool
        True: hold the state before every one of these steps; a `Back` over the same steps follows. False:
        hold only the state behind the last of them.
    """
    first: int
    last: int
    keep: bool


class Back(NamedTuple):
    """Go back through the steps first..last (last excluded), whose states are all held, and release them.

    Attributes
    ----------
    first, last : int
        Numbers of steps.
    """
    first: int
    last: int


def capacity(room: int, levels: int) -> int:
    """Return through how many steps one can go back if each of them is taken at most `levels` times.

    Parameters
    ----------
    room : int
        How many states may be held at once, >= 1.
    levels : int
        How often a step may be taken, >= 0.

    Returns
    -------
    int

    Examples
    --------
    >>> capacity(10, 1), capacity(10, 2), capacity(10, 3)
    (10, 55, 220)
    """
    return comb(room + levels - 1, levels)


def levels_needed(steps: int, room: int) -> int:
    """Return how often a step must be taken at most, to go back through so many with this room.

    Parameters
    ----------
    steps, room : int
        How many steps there are, and how many states may be held at once (at least 2, if there are 2 steps).

    Returns
    -------
    int

    Examples
    --------
    >>> levels_needed(55, 10), levels_needed(56, 10)
    (2, 3)
    """
    high = 1
    while capacity(room, high) < steps:
        high *= 2
    low = high // 2      # too few, or 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if capacity(room, middle) >= steps else (middle, high)
    return high


def plan(steps: int, room: int) -> Iterator[Forward | Back]:
    """Yield what to do, in order, to go back through a training with room for some of its states.

    The initial state is held at the start and counts. The first sweep to the end of the training consists of
    the actions up to the first `Back`.

    Parameters
    ----------
    steps : int
        How many steps the training has, >= 1.
    room : int
        How many states may be held at once: at least 2, or 1 for a single step.

    Yields
    ------
    Forward or Back

    Examples
    --------
    >>> for action in plan(5, 3):
    ...     print(action)
    Forward(first=0, last=3, keep=False)
    Forward(first=3, last=5, keep=True)
    Back(first=3, last=5)
    Forward(first=0, last=3, keep=True)
    Back(first=0, last=3)
    """
    waiting = [(0, steps, room)]      # (first, last, room for states from the one before `first` on)
    while waiting:
        first, last, room = waiting.pop()
        while last - first > room:
            middle = first + stretch(last - first, room)
            yield Forward(first, middle, False)
            waiting.append((first, middle, room))
            first, room = middle, room - 1
        yield Forward(first, last, True)
        yield Back(first, last)


def stretch(steps, room):
    """Return how many steps to take before the next state is held.

    Every number between these bounds gives the fewest steps in all (Griewank & Walther, proposition 1); the
    largest makes the stretches long.
    """
    levels = levels_needed(steps, room)
    return min(capacity(room, levels - 1), steps - capacity(room - 1, levels - 1))


def room_for(steps: int, size: int, memory: int, together: int = 1) -> int:
    """Return how many states fit into the memory given for them.

    Parameters
    ----------
    steps : int
        How many steps the training has.
    size : int
        The bytes of a state.
    memory : int
        The bytes allowed in all.
    together : int
        How many trainings are differentiated at the same time, each with states of its own.

    Returns
    -------
    int
        At most the number of steps.

    Raises
    ------
    LearnerError
        If there is not room for two states, or for one where a training has one step.

    Examples
    --------
    >>> room_for(1000, size=100_000, memory=5_000_000)
    50
    """
    least = min(LEAST, steps)
    room = memory // (size * together)
    if room < least:
        raise LearnerError(f"memory={memory} bytes do not hold the states that the way back needs at least: "
                           f"{least} of {size} bytes each. Give memory={least * size * together} or more")
    return min(room, steps)
