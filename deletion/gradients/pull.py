"""Cotangents of the trained parameters, pulled back through the training: what each says of every unit.

Let v be a cotangent: the measurement v . theta has gradient v wherever theta is. One pass backwards, as for a
metagradient, gives its slope in every unit's weight, J' v with J = d theta_T / d w, and its finite step
psi(v). Both are linear in v. The optimizer's state has cotangents 0 at the end of the training.

Cotangents are taken in blocks, each of which goes back through one training of its own. So a block's numbers
depend on nothing else, to the bit.
"""
import time
from types import SimpleNamespace
from typing import Callable, NamedTuple, Sequence

import numpy as np

from circuit.blas import one_blas_thread
from circuit.checks import checked_learner, checked_threads, real_array
from circuit.errors import LearnerError
from circuit.progress import Progress
from taylor import TRAININGS

from ..learner.learner import Learner
from ..learner.replay import advance
from .circuits import update_is_affine
from .passes import Pass, add_steps, run_passes, units_of_steps
from .states import LEAST, MEMORY, Back, plan
from .walk import walk


COTANGENTS_PER_BLOCK = 64
"""Cotangents in a block: four passes back through the states of one training, so that the training forwards
is a small part of the work. The number belongs to the format of folders."""


class Pulled(NamedTuple):
    """Cotangents pulled back.

    Attributes
    ----------
    parameters : np.ndarray, (parameters,)
        The trained parameters, from which the way back started.
    finite : np.ndarray, (cotangents, units)
        psi, the finite steps; see Metagradient.finite.
    slopes : np.ndarray, (cotangents, units)
        The derivatives of v . theta_T in the units' weights.
    """
    parameters: np.ndarray
    finite: np.ndarray
    slopes: np.ndarray


def pull(learner: Learner, vectors: np.ndarray, *, memory: int | None = None, threads: int | None = None,
         progress: bool = True) -> Pulled:
    """Pull cotangents of the trained parameters back through the training, to every unit's weight.

    Parameters
    ----------
    learner : Learner
        The learner.
    vectors : np.ndarray, (cotangents, parameters)
        The cotangents of the flat trained parameters.
    memory : int, optional
        Bytes for stored states of the training, by default 1 GiB. What does not fit is calculated again.
    threads : int, optional
        How many blocks of cotangents are pulled at a time; by default the machine's cores.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    Pulled

    Raises
    ------
    LearnerError
        For vectors of another number of parameters, or that are not finite, and for too little memory.
    DomainError
        Wherever a NaN or infinity appears; it names step and example.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.gradients.pull import pull
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 40)
    >>> pull(learner, [[1.0], [3.0]], progress=False).slopes.round(3)
    array([[-0.667, -0.333,  1.   ],
           [-2.   , -1.   ,  3.   ]])
    """
    vectors = checked_vectors(checked_learner(learner), vectors)
    blocks, parameters = [None] * block_count(vectors), None

    def keep(b, theta, numbers, seconds):
        nonlocal parameters
        blocks[b], parameters = numbers, theta

    with Progress(None, "pull back", progress) as report:
        pull_blocks(learner, vectors, range(len(blocks)), keep, threads, report, memory)
    return Pulled(parameters, *np.concatenate(blocks, axis=1))


def pull_blocks(learner: Learner, vectors: np.ndarray, chosen: Sequence, keep: Callable, threads: int | None,
                report: Progress, memory: int | None = None) -> None:
    """Pull some blocks of cotangents back, and keep each as soon as it is there.

    Parameters
    ----------
    learner, vectors, threads, memory
        As for `pull`.
    chosen : sequence of int
        The numbers of the blocks.
    keep : callable
        keep(b, parameters, (2, cotangents, units): finite steps and slopes, seconds of one core), from any
        thread.
    report : Progress
        Its total is set here.
    """
    threads, affine, units = checked_threads(threads), update_is_affine(learner), units_of_steps(learner)
    if not len(chosen):
        return
    cores = max(1, threads // len(chosen))      # that work on one block
    passes = [BlockPass(learner, units, b, block_of(vectors, b), affine, keep, cores).whole() for b in chosen]
    with one_blas_thread():
        run_passes(learner, passes, threads, memory, report)


def make_ready(learner, vectors):
    """Record and compile what pulling cotangents needs, once, before several threads ask for it."""
    there = walk(learner, np.ones(learner.example_count), not update_is_affine(learner))
    for count in {min(TRAININGS, len(vectors)), len(vectors) % TRAININGS or TRAININGS}:
        there.back(vectors[:count])


def checked_vectors(learner, vectors):
    """Return vectors (cotangents, parameters), at least one."""
    vectors, size = real_array(vectors, "cotangents"), learner.layout.size
    if vectors.ndim != 2 or vectors.shape[1] != size or not len(vectors):
        raise LearnerError(f"cotangents are an array (cotangents, parameters), with {size} parameters, "
                           f"not of shape {vectors.shape}")
    return vectors


def block_count(vectors):
    """Return the number of blocks of cotangents."""
    return -(-len(vectors) // COTANGENTS_PER_BLOCK)


def block_of(vectors, b):
    """Return the cotangents of block b."""
    return vectors[b * COTANGENTS_PER_BLOCK:(b + 1) * COTANGENTS_PER_BLOCK]


class BlockPass:
    """One block of cotangents on its way back.

    Parameters
    ----------
    learner : Learner
    units : np.ndarray, (steps, b)
        The unit of each example of each step.
    number : int
        The block's.
    vectors : np.ndarray, (cotangents, parameters)
    affine : bool
        Whether the optimizer's update is affine in the gradient, so that finite steps are -slopes.
    keep : callable
        As for `pull_blocks`.
    cores : int
        How many cores work on it.
    """

    def __init__(self, learner, units, number, vectors, affine, keep, cores):
        self.learner, self.units, self.number, self.vectors = learner, units, number, vectors
        self.affine, self.keep, self.cores = affine, keep, cores
        self.lanes = [slice(at, at + TRAININGS) for at in range(0, len(vectors), TRAININGS)]

    def whole(self):
        """Return its Pass."""
        return Pass(self.make, self.turn, self.collect, len(self.lanes), self.finish)

    def make(self):
        """Return the walk there."""
        there = walk(self.learner, np.ones(self.learner.example_count), not self.affine)
        self.start = time.perf_counter()
        return there

    def turn(self, there):
        """Return the ways back."""
        self.parameters = there.parameters.copy()
        self.sums = np.zeros((2 - self.affine, len(self.vectors), self.learner.unit_count))
        return [there.back(self.vectors[lanes]) for lanes in self.lanes]

    def collect(self, number, first, last, result):
        """Add what some steps give: slopes, and finite steps."""
        for total, part in zip(self.sums, result):
            add_steps(total[self.lanes[number]], self.units[first:last], part)

    def finish(self):
        """Keep the sums."""
        slopes, finite = self.sums[0], -self.sums[0] if self.affine else self.sums[1]
        seconds = self.cores * (time.perf_counter() - self.start)
        self.keep(self.number, self.parameters, np.stack([finite, slopes]), seconds)
        self.sums = None


# what it would cost -----------------------------------------------------------------------------------------

class PullCost(NamedTuple):
    """What pulling a block of cotangents costs.

    Attributes
    ----------
    seconds : float
        Of one core, for each step of each TRAININGS cotangents, the training forwards included.
    states : int
        Bytes of the states that are held while a block is pulled.
    """
    seconds: float
    states: int


def pull_cost(learner: Learner, vectors: np.ndarray, steps: int, at_once: int) -> PullCost:
    """Measure what pulling cotangents costs, on the training's first steps.

    Parameters
    ----------
    learner : Learner
        The learner.
    vectors : np.ndarray, (cotangents, parameters)
        Cotangents of one block.
    steps : int
        How many steps are taken, at most.
    at_once : int
        How many blocks share the memory.

    Returns
    -------
    PullCost
    """
    steps, lanes = min(steps, len(learner.steps)), -(-len(vectors) // TRAININGS)
    for _ in range(2):      # the first time compiles
        there = walk(learner, np.ones(learner.example_count), not update_is_affine(learner))
        start, records = time.perf_counter(), []
        taking = SimpleNamespace(run=lambda a, b: records.extend(there.forward(a, b, True)))
        advance(learner, taking, 0, steps)
        forward, back = time.perf_counter() - start, there.back(vectors[:TRAININGS])
        start = time.perf_counter()
        taking = SimpleNamespace(run=lambda a, b: back.run(a, b, records[a:b]))
        advance(learner, taking, 0, steps, backwards=True)
        backward = time.perf_counter() - start
    room = min(len(learner.steps), max(LEAST, MEMORY // (at_once * there.record_bytes)))
    forwards = sum(x.last - x.first for x in plan(len(learner.steps), room) if not isinstance(x, Back))
    seconds = backward / steps + forward / steps * forwards / len(learner.steps) / lanes
    return PullCost(seconds, room * there.record_bytes)
