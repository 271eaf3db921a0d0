"""The cost of a sketch, measured on a few of its steps before anything is made."""
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from circuit.progress import duration
from taylor import TRAININGS

from ..gradients.pull import COTANGENTS_PER_BLOCK, block_of, pull_cost
from ..learner.replay import advance
from ..storage.blocks import DIRECTIONS_PER_BLOCK, parts
from .push import Pushed, Task

SAMPLE = 40
"""Steps measured, spread over the training: batches and documents differ."""


@dataclass(frozen=True)
class Estimate:
    """The cost of making a sketch, without compiling: the dry run compiles everything, and the result is
    cached.

    blocks, finished   the number of blocks of directions or cotangents, and of those finished already
    steps              the steps left for all blocks together
    seconds_per_step   of one block while all workers are busy
    retraining         seconds of one core for the calibration sets; 0 if all blocks are finished
    workers            blocks pushed at a time
    disk, free         the final size of the folder, and the space free there now (None in memory), in bytes
    block              bytes of a block's memory in the engine: its polynomials and its example weights
    job                bytes of the whole job: the blocks pushed at a time, and what is kept of finished ones
    memory             the largest memory of this process in bytes: the job, and what it has taken before
    held               what a block holds, in words
    """
    blocks: int
    finished: int
    steps: int
    seconds_per_step: float
    retraining: float
    workers: int
    disk: int
    free: Optional[int]
    block: int
    job: int
    memory: int
    held: str = f"{DIRECTIONS_PER_BLOCK} directions"

    @property
    def core_seconds(self):
        """The time of one core."""
        return self.steps * self.seconds_per_step + self.retraining

    @property
    def seconds(self):
        """The time to wait: `core_seconds` divided among the workers."""
        left = self.blocks - self.finished
        return self.core_seconds / max(1, min(self.workers, left))

    def __str__(self):
        done = f", {self.finished} of them finished" if self.finished else ""
        free = ("" if self.free is None
                else f" ({size(self.free)} free{': NOT ENOUGH' if self.free < self.disk else ''})")
        cores = f"{self.workers} core{'s' * (self.workers > 1)}"
        seconds, core_seconds = duration(self.seconds), duration(self.core_seconds)
        return (f"{self.blocks} blocks of {self.held}{done}; "
                f"{self.steps:,} steps to go, {1e3 * self.seconds_per_step:.3g} ms each\n"
                f"time    {seconds} on {cores} ({core_seconds} of one core), without compiling\n"
                f"disk    {size(self.disk)}{free}\n"
                f"memory  {size(self.memory)}, of which blocks being made take {size(self.block)} each")


def estimate(plan, missing, dtype, out, threads=None):
    """The Estimate of pushing the missing blocks of a plan.   out: the folder, or None."""
    learner, workers = plan.learner, max(1, min(threads or os.cpu_count(), len(missing)))
    plan.ready(missing)
    coefficients = learner.layout.size * plan.degree * 2 * DIRECTIONS_PER_BLOCK      # of one block
    stored = coefficients * np.dtype(dtype).itemsize
    block = block_size(plan)
    lines = 16 * DIRECTIONS_PER_BLOCK * learner.example_count      # held while a block starts, complex
    job = workers * (block + lines + coefficients * 8) + stored * (1 if out is not None else len(plan))
    before = resident()
    sample = np.unique(np.linspace(0, len(learner.steps) - 1, SAMPLE).astype(int)).tolist()

    def measure(_):
        pushed = Pushed(learner, Task(0, plan.psi(0), plan.degree, plan.downweight))
        return seconds_of_a_step(learner, pushed, sample)

    measure(0)
    with ThreadPoolExecutor(workers) as pool:
        seconds = list(pool.map(measure, range(workers)))
    return Estimate(blocks=len(plan), finished=len(plan) - len(missing), steps=plan.steps(missing),
                    seconds_per_step=float(np.mean(seconds)),
                    retraining=retraining(plan, sample) if missing else 0.0, workers=workers,
                    disk=size_of_folder(plan, stored), free=None if out is None else free_space(out),
                    block=block, job=job, memory=before + job)


def estimate_pulls(plan, missing, out, threads=None):
    """The Estimate of pulling back the missing blocks of a PullPlan.   out: the folder, or None."""
    learner, vectors = plan.learner, plan.cotangents.vectors
    workers = max(1, min(threads or os.cpu_count(), len(missing)))
    cost = pull_cost(learner, block_of(vectors, 0), SAMPLE, workers)
    steps = len(learner.steps) * sum(-(-len(block_of(vectors, b)) // TRAININGS) for b in missing)
    parameters, units, sets = learner.layout.size, learner.unit_count, len(plan.sets)
    block = cost.states + 32 * COTANGENTS_PER_BLOCK * units      # their sums, and a copy to keep
    everything = 16 * len(vectors) * units
    job = workers * block + (everything if out is None else 0)
    disk = everything + 8 * (len(vectors) + 1) * parameters + 8 * sets * (parameters + units + 1)
    disk += 2000 + 330 * (len(plan) + 5)      # the manifest, and the arrays' headers
    sample = range(min(SAMPLE, len(learner.steps)))
    return Estimate(blocks=len(plan), finished=len(plan) - len(missing), steps=steps,
                    seconds_per_step=cost.seconds,
                    retraining=retraining(plan, sample) if missing else 0.0, workers=workers, disk=disk,
                    free=None if out is None else free_space(out), block=block, job=job,
                    memory=resident() + job, held=f"{COTANGENTS_PER_BLOCK} cotangents")


def block_size(plan):
    """The bytes that a block of a plan takes in the engine, from the sizes of the program: none is made."""
    recurrence, examples = plan.learner.recurrence(plan.degree), plan.learner.example_count
    form, program = recurrence.form, recurrence.program
    numbers = len(program.constants) + examples      # constant parts: of the elements, of the weights
    numbers += 2 * form.lanes * (program.active * form.degree + examples)      # and their coefficients
    return (8 * numbers + program.integers.nbytes) * len(parts(len(plan.psi(0)), form.lanes))


def size_of_folder(plan, stored):
    """The final size of a sketch's folder in bytes.   stored: bytes of the array of one block."""
    parameters, units = plan.learner.layout.size, plan.learner.unit_count
    arrays = len(plan) * stored + plan.directions.psi.nbytes + 8 * (parameters + units)
    calibration = 8 * len(plan.sets) * (parameters + units + 1)
    headers, manifest = 128 * len(plan), 2000 + 200 * len(plan)
    return arrays + calibration + headers + manifest


def seconds_of_a_step(learner, block, sample):
    """The mean time of a sample of steps, in seconds."""
    advance(learner, block, 0, 1)      # brings everything into the caches
    start = time.perf_counter()
    for step in sample:
        advance(learner, block, step, step + 1)
    return (time.perf_counter() - start) / len(sample)


def retraining(plan, sample):
    """The time of one core that the calibration sets take, in seconds."""
    if not len(plan.sets):
        return 0.0
    learner = plan.learner
    block = learner.recurrence(None).block(learner.states, learner.example_weights(plan.sets[:TRAININGS]))
    return seconds_of_a_step(learner, block, sample) * len(learner.steps) * -(-len(plan.sets) // TRAININGS)


def free_space(path):
    """The free space in bytes where a folder is, or would be made."""
    path = Path(path).absolute()
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def resident():
    """The largest memory of this process so far, in bytes; 0 if the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def size(count):
    """A number of bytes in words, such as '3.4 MB'."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            break
        count /= 1000
    else:
        unit = "TB"
    return f"{count:.3g} {unit}"
