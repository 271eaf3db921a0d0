"""What a sketch will cost, measured on a few of its steps before anything is made."""
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
from taylor import LANES, TRAININGS

from ..learner.replay import advance

SAMPLE = 40
"""Steps measured, spread over the training: batches and documents differ."""


@dataclass(frozen=True)
class Estimate:
    """blocks, finished   of directions, and how many of them are there already
    steps              left for all blocks together
    seconds_per_step   of one block, with all workers at work
    retraining         seconds of one core for the calibration sets; 0 once all blocks are finished
    seconds            of waiting: core_seconds shared by `workers`
    disk, free         bytes the folder takes in the end, and bytes free there now (None without a folder)
    memory             bytes of this process at its largest

    None of these includes compiling: the dry run compiles everything, and the results are kept on disk.
    """
    blocks: int
    finished: int
    steps: int
    seconds_per_step: float
    retraining: float
    workers: int
    disk: int
    free: Optional[int]
    memory: int

    @property
    def core_seconds(self):
        return self.steps * self.seconds_per_step + self.retraining

    @property
    def seconds(self):
        left = self.blocks - self.finished
        return self.core_seconds / max(1, min(self.workers, left))

    def __str__(self):
        done = f", {self.finished} of them finished" if self.finished else ""
        free = ("" if self.free is None
                else f" ({size(self.free)} free{': NOT ENOUGH' if self.free < self.disk else ''})")
        cores = f"{self.workers} core{'s' * (self.workers > 1)}"
        seconds, core_seconds = duration(self.seconds), duration(self.core_seconds)
        return (f"{self.blocks} blocks of {LANES} directions{done}; {self.steps:,} steps to go, "
                f"{1e3 * self.seconds_per_step:.3g} ms each\n"
                f"time    {seconds} on {cores} ({core_seconds} of one core), without compiling\n"
                f"disk    {size(self.disk)}{free}\n"
                f"memory  {size(self.memory)}")


def estimate(plan, wanted, dtype, out, threads=None):
    """The Estimate of pushing the wanted blocks of a plan."""
    learner, workers = plan.learner, max(1, min(threads or os.cpu_count(), len(wanted)))
    plan.ready(wanted)
    recurrence, psi = learner.recurrence(plan.degree), plan.psi(0)
    weights, lines = learner.example_weights(plan.downweight), -psi[:, learner.unit_of]
    chosen = np.unique(np.linspace(0, len(learner.steps) - 1, SAMPLE).astype(int)).tolist()

    def measure(_):
        block = recurrence.block(learner.states, weights, lines)
        return seconds_of_a_step(learner, block,
                                 chosen), sum(x.nbytes for x in (*block.memory, block.weights.coefficients))

    measure(0)
    with ThreadPoolExecutor(workers) as pool:
        measured = list(pool.map(measure, range(workers)))
    block = learner.layout.size * plan.degree * 2 * LANES * np.dtype(dtype).itemsize
    disk = (len(plan) * (block + 128) + plan.directions.psi.nbytes + learner.layout.size * 8
            + learner.unit_count * 8 + 2000 + 200 * len(plan))
    disk += len(plan.sets) * 8 * (learner.layout.size + learner.unit_count + 1)
    held = (1 if out is not None
            else len(plan)) * block + workers * learner.layout.size * plan.degree * 2 * LANES * 8
    return Estimate(len(plan), len(plan) - len(wanted), plan.steps(wanted),
                    float(np.mean([m[0] for m in measured])), retraining(plan, chosen) if wanted else 0.0,
                    workers, disk, None if out is None else free_space(out),
                    resident() + held + workers * measured[0][1])


def seconds_of_a_step(learner, block, chosen):
    """How long the chosen steps take on average."""
    advance(learner, block, 0, 1)      # brings everything into the caches
    start = time.perf_counter()
    for step in chosen:
        advance(learner, block, step, step + 1)
    return (time.perf_counter() - start) / len(chosen)


def retraining(plan, chosen):
    """Seconds of one core that the calibration sets take."""
    if not len(plan.sets):
        return 0.0
    learner = plan.learner
    block = learner.recurrence(None).block(learner.states, learner.example_weights(plan.sets[:TRAININGS]))
    return seconds_of_a_step(learner, block, chosen) * len(learner.steps) * -(-len(plan.sets) // TRAININGS)


def free_space(path):
    """Bytes free where a folder is or would be made."""
    path = Path(path).absolute()
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def resident():
    """This process's largest memory so far, bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def size(count):
    """'3.4 MB'"""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            break
        count /= 1000
    else:
        unit = "TB"
    return f"{count:.3g} {unit}"
