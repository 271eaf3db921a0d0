"""Whole jobs, as a user runs them: seconds, memory, compiling. What memory and compiling are measured of runs
in a Python of its own."""
import os
import subprocess
import sys
import tempfile

import numpy as np

from deletion import precompute, retrain
from taylor import LANES

from . import harness

FIGURE3 = """
import time
from benchmarks.harness import forget_peak, memory
from deletion import precompute
from microgpt import names
learner = names(steps={steps})
precompute(learner, 16, 3, design="sphere", calibration=0)
forget_peak()
before, start = memory(), time.perf_counter()
sketch = precompute(learner, {directions}, 3, design="sphere", calibration=0)
print(time.perf_counter() - start, memory('VmHWM') - before - sum(block.nbytes for block in sketch.blocks))
"""

DEMO = """
import time
from deletion import precompute, retrain
from microgpt import first_letter, names
learner = names(steps=16, units=first_letter)
def demo():
    start = time.perf_counter()
    measured = precompute(learner, 16, 3, design="sphere", progress=False).measure(learner.loss_on("rufus"))
    for decoder in ("auto", "mean", "median of means"):
        measured.predict("r", decoder=decoder)
    retrain(learner, ["r"], learner.loss_on("rufus"), progress=False)
    return time.perf_counter() - start
first = demo()
print(first - demo())
"""

GRADIENT = """
import time
from benchmarks.harness import forget_peak, memory
from benchmarks.speed_models import bases, documents
from deletion.influence import metagradient
from microgpt import names
def gradient(steps, elements):
    learner = names(steps=steps)
    weights = bases(learner, {bases}) if {bases} > 1 else None
    measure = documents(learner, elements)
    forget_peak()
    before, start = memory(), time.perf_counter()
    metagradient(learner, measure, weights=weights, progress=False)
    return time.perf_counter() - start, memory('VmHWM') - before
gradient(20, {elements})      # compiles
print(*gradient({steps}, {elements}))
"""


def python(program, **environment):
    """The numbers that a program prints, run by a Python of its own."""
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | environment,
                          stdout=subprocess.PIPE, text=True, check=True)
    return [float(x) for x in done.stdout.split()]


def job(name, degree, seconds, **more):
    """A row of the results."""
    return {"name": name, "degree": degree, "seconds": seconds, **more}


def precomputation(directions, steps):
    """Directions of degree 3 through microgpt: a row, with the memory beyond the result."""
    took, memory = python(FIGURE3.format(directions=directions, steps=steps))
    print(f"\nprecomputation of {directions} directions x {steps} steps, degree 3: {took:.1f} s, "
          f"{memory / 1e6:.0f} MB beyond the result")
    return job(f"precompute {directions} x {steps}", 3, took, memory_beyond_result=memory,
               seconds_per_direction_step=took / directions / steps)


def gradient(steps, elements, bases):
    """A metagradient of microgpt on so many names and steps: a row, with its memory."""
    took, memory = python(GRADIENT.format(steps=steps, elements=elements, bases=bases))
    name = f"metagradient of {elements} at {bases} base{'s' * (bases > 1)}, {steps:,} names and steps"
    print(f"{name}: {took:.1f} s, {memory / 1e6:,.0f} MB beyond the learner", flush=True)
    return job(name, 0, took, memory=memory)


def compilation():
    """Seconds that compiling everything the demo needs adds, with an empty cache and with the one left by
    that: two rows."""
    with tempfile.TemporaryDirectory() as cache:
        first, cached = (python(DEMO, NUMBA_CACHE_DIR=cache)[0] for _ in range(2))
    print(f"compiling what the demo needs: {first:.1f} s at first, {cached:.2f} s from the cache")
    return [job("compile, first", 3, first), job("compile, cached", 3, cached)]


def degree_100(blocks, useful, cores):
    """Figure 1's precomputation, 12 directions of degree 100 through 1,000 steps: a row, from a few steps by
    their operations.   blocks: of degree 100;   useful(begin, end): operations"""
    blocks.run(0, 1)
    seconds = blocks.run(1, 7)
    rounds = -(-(-(-12 // LANES)) // cores)      # blocks one after the other in each thread
    seconds *= rounds * useful(0, 1000) / useful(1, 7)
    print(f"12 directions of degree 100 through 1,000 steps: {seconds / 60:.1f} min (extrapolated from 6 "
          "steps by their operations)")
    return job("12 directions of degree 100, extrapolated", 100, seconds)


def retrainings(learner, count=300):
    """Exact retrainings without one unit each: a row."""
    times = harness.seconds(lambda: retrain(learner, [[i] for i in range(count)], progress=False), 3)
    print(f"{count} exact retrainings of {len(learner.steps):,} steps: {times[0]:.1f} s at best, "
          f"{times[1]:.1f} s median")
    return job(f"{count} retrainings", 0, times[0])


def predictions(learner, directions, repeats):
    """Measuring, and predicting 10,000 deletion sets of 18: rows."""
    sets = [np.random.default_rng(k).choice(learner.unit_count, min(18, learner.unit_count), replace=False)
            for k in range(10_000)]
    timed = []
    for design, decoder in (("sphere", "mean"), ("pairs", "least squares")):
        sketch = precompute(learner, directions, 3, design=design, progress=False)
        measure = learner.loss_on("rufus")
        measured = sketch.measure(measure)
        measured.predict([0], decoder=decoder)      # decoder fitted, code compiled
        if design == "sphere":
            timed.append((f"measuring one document over {directions} directions",
                          harness.seconds(lambda: sketch.measure(measure), repeats)))
        for what, intervals in (("values", False), ("with intervals and verdicts", True)):
            measured.predict_many(sets[:100], decoder=decoder, intervals=intervals)
            times = harness.seconds(lambda: measured.predict_many(sets, decoder=decoder, intervals=intervals),
                                    repeats)
            timed.append((f"predicting 10,000 sets of 18, {design}, {decoder}, {what}", times))
    for what, times in timed:
        print(f"{what}: {1e3 * times[0]:.3g} ms at best, {1e3 * times[len(times) // 2]:.3g} ms median")
    return [job(what, 3, times[0]) for what, times in timed]
