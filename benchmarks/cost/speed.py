"""python -m benchmarks.speed: how fast Taylor arithmetic is, beside what the machine can do.

Answers are checked first: the constant part against the float evaluator, coefficients against a contour
integral of whole trainings. Then, measured in one run: the peak (NumPy's largest matrix product), pushes at
several degrees, where their time goes, threads, whole jobs, predictions, compilation, memory. "Useful"
operations are those of `taylor.flops`: no matter how they are done.
"""
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from circuit import InputError
from deletion import precompute, retrain, sphere
from microgpt import names
from taylor import LANES, flops
from taylor.tape import OPERATIONS

from . import harness

DEGREES = {1: 1000, 2: 600, 3: 400, 6: 150, 16: 16, 32: 6}
"""How many steps are timed at each degree, so that each takes about as long."""


def check():
    """The largest errors of a push of degree 3 against plain evaluation and against a contour integral.
    Raises InputError."""
    short = names(steps=12)
    psi = sphere(1, short.unit_count, 5)
    sketch = precompute(short, psi, 3, calibration=0, progress=False)
    plain = np.abs(sketch.theta - short.train()[0]).max() / np.abs(sketch.theta).max()
    points = np.exp(2j * np.pi * np.arange(48) / 48)
    contour = (np.fft.fft(short.train(1.0 - points[:, None] * psi.psi[0])[0], axis=0) / 48)[1:4].T
    stored = sketch.blocks[0][:, :, 0, 0] + 1j * sketch.blocks[0][:, :, 1, 0]
    error = (np.abs(stored - contour).max(axis=0) / np.abs(contour).max(axis=0)).max()
    if not (plain < 1e-12 and error < 1e-9):
        raise InputError(f"wrong answers are not timed: errors {plain:.1e} against plain evaluation (at most "
                         f"1e-12), {error:.1e} against a contour (at most 1e-9)")
    return plain, error


def useful(learner, degree, begin, end):
    """Useful operations of steps begin..end, per direction."""
    moving = range(len(learner.states) + 1)
    each = [flops(circuit, degree, moving) for circuit in learner.circuits]
    return sum(each[step.circuit] for step in learner.steps[begin:end])


class Blocks:
    """As many blocks of directions as threads, on their way through a training."""

    def __init__(self, learner, degree, threads):
        psi = sphere(LANES * threads, learner.unit_count, 1).psi
        ones = np.ones(learner.example_count)
        self.learner, self.degree, self.threads = learner, degree, threads
        self.blocks = [learner.recurrence(degree).block(learner.states, ones, -psi[i:i + LANES])
                       for i in range(0, len(psi), LANES)]

    def run(self, begin, end):
        """Seconds that steps begin..end take."""
        start = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            for done in [pool.submit(block.run, begin, end) for block in self.blocks]:
                done.result()
        return time.perf_counter() - start

    def per_direction_step(self, steps, repeats):
        """Sorted seconds per direction and step, in steady state, and GFLOP/s in the same order."""
        self.run(0, min(2, steps))      # compiled, and its memory touched
        timed = []
        for k in range(repeats):
            begin = k * steps % max(len(self.learner.steps) - steps, 1)
            seconds, count = self.run(begin, begin + steps), LANES * self.threads
            timed.append((seconds / (steps * count),
                          useful(self.learner, self.degree, begin, begin + steps) * count / seconds * 1e-9))
        return [x for x, _ in sorted(timed)], sorted((g for _, g in timed), reverse=True)


def degrees(learner, chosen, cores, repeats):
    """A row per degree: {'name', 'degree', 'seconds_per_direction_step', 'gflops', ...}; fractions are added
    when the peak is known."""
    rows = []
    for degree, steps in chosen.items():
        seconds, rates = Blocks(learner, degree, cores).per_direction_step(steps, repeats)
        rows.append({"name": f"push, degree {degree}", "degree": degree,
                     "seconds_per_direction_step": seconds[0],
                     "median_seconds_per_direction_step": seconds[len(seconds) // 2], "gflops": rates[0],
                     "threads": cores})
    return rows


def shares(learner, degree=3, steps=200):
    """[(operation, share of the time)], the largest first."""
    blocks, clock = Blocks(learner, degree, 1), np.zeros(len(OPERATIONS), np.int64)
    blocks.run(0, 2)
    blocks.blocks[0].run(2, 2 + steps, clock=clock)
    return [(OPERATIONS[i], clock[i] / clock.sum()) for i in np.argsort(-clock) if clock[i]]


def threads(learner, repeats):
    """How many times faster two threads are than one, degree 3: sorted ratios, measured side by side."""
    one, two = Blocks(learner, 3, 1), Blocks(learner, 3, 2)
    one.run(0, 2)
    two.run(0, 2)
    return sorted(2.0 * one.run(100, 300) / two.run(100, 300) for _ in range(repeats))


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


def python(program, **environment):
    """The numbers that a program prints, run by a Python of its own."""
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | environment,
                          stdout=subprocess.PIPE, text=True, check=True)
    return [float(x) for x in done.stdout.split()]


def compilation():
    """(first, cached): seconds that compiling everything the demo needs adds, with an empty cache, and with
    the one left by that."""
    with tempfile.TemporaryDirectory() as cache:
        return [python(DEMO, NUMBA_CACHE_DIR=cache)[0] for _ in range(2)]


def degree_100(learner, cores, steps):
    """Seconds of Figure 1's precomputation, 12 directions of degree 100 through 1,000 steps: from a few
    steps, by their operations."""
    blocks = Blocks(learner, 100, cores)
    blocks.run(0, 1)
    seconds = blocks.run(1, 1 + steps)
    rounds = -(-(-(-12 // LANES)) // cores)      # blocks one after the other in each thread
    return rounds * seconds * useful(learner, 100, 0, 1000) / useful(learner, 100, 1, 1 + steps)


def predictions(learner, directions, repeats):
    """[(what, sorted seconds)] of measuring, and of predicting 10,000 deletion sets of 18."""
    sets = [np.random.default_rng(k).choice(learner.unit_count, min(18, learner.unit_count), replace=False)
            for k in range(10_000)]
    rows = []
    for design, decoder in (("sphere", "mean"), ("pairs", "least squares")):
        sketch = precompute(learner, directions, 3, design=design, progress=False)
        measure = learner.loss_on("rufus")
        measured = sketch.measure(measure)
        measured.predict([0], decoder=decoder)      # decoder fitted, code compiled
        if design == "sphere":
            rows.append((f"measuring one document over {directions} directions",
                         harness.seconds(lambda: sketch.measure(measure), repeats)))
        for what, intervals in (("values", False), ("with intervals and verdicts", True)):
            measured.predict_many(sets[:100], decoder=decoder, intervals=intervals)
            times = harness.seconds(lambda: measured.predict_many(sets, decoder=decoder, intervals=intervals),
                                    repeats)
            rows.append((f"predicting 10,000 sets of 18, {design}, {decoder}, {what}", times))
    return rows


def report(rows, peak):
    """Print the table of degrees, adding to each row its fraction of the peak."""
    for row in rows:
        row["fraction_of_peak"] = row["gflops"] / peak
    print(harness.table(["degree", "us a direction-step", "(median)", "direction-steps/s", "GFLOP/s",
                         "of peak"],
                        [[row["degree"], f"{1e6 * row['seconds_per_direction_step']:.1f}",
                          f"{1e6 * row['median_seconds_per_direction_step']:.1f}",
                          f"{1 / row['seconds_per_direction_step']:,.0f}", f"{row['gflops']:.1f}",
                          f"{row['fraction_of_peak']:.0%}"] for row in rows]))


def line(what, times):
    """Print sorted seconds in milliseconds."""
    print(f"{what}: {1e3 * times[0]:.3g} ms at best, {1e3 * times[len(times) // 2]:.3g} ms median")


def main():
    parser = harness.parser("speed", __doc__, quick=False, json=None)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cores, learner, repeats = os.cpu_count(), names(steps=1000), options.repeats
    print(harness.machine())
    print("errors at degree 3: {:.0e} against plain evaluation, {:.0e} against a contour integral of "
          "trainings".format(*check()))
    peak = harness.peak_gflops()
    chosen = {p: -(-DEGREES[p] // 4) for p in (1, 3, 16)} if options.quick else DEGREES
    rows = degrees(learner, chosen, cores, 3 if options.quick else repeats)
    peak = max(peak, harness.peak_gflops())      # on a shared machine either may have been disturbed
    print(f"\npeak: {peak:.1f} GFLOP/s, NumPy's matrix product on {cores} cores\n")
    report(rows, peak)
    print("\ntime by operation, degree 3: "
          + ", ".join(f"{name} {share:.0%}" for name, share in shares(learner) if share >= 0.005))
    if cores > 1:
        ratios = threads(learner, repeats)
        print(f"two threads against one: {ratios[-1]:.2f} at best, {ratios[len(ratios) // 2]:.2f} median")
    directions, steps = (64, 200) if options.quick else (500, 1000)
    took, memory = python(FIGURE3.format(directions=directions, steps=steps))
    print(f"\nprecomputation of {directions} directions x {steps} steps, degree 3: {took:.1f} s, "
          f"{memory / 1e6:.0f} MB beyond the result")
    jobs = [{"name": f"precompute {directions} x {steps}", "degree": 3, "seconds": took,
             "seconds_per_direction_step": took / directions / steps, "memory_beyond_result": memory}]
    if not options.quick:
        jobs += whole_jobs(learner, cores, repeats)
    harness.write_json(options.json, peak_gflops=peak, rows=rows, jobs=jobs)
    return 0


def whole_jobs(learner, cores, repeats):
    """What takes longer; printed, and returned as rows."""
    seconds = degree_100(learner, cores, 6)
    print(f"12 directions of degree 100 through 1,000 steps: {seconds / 60:.1f} min (extrapolated from 6 "
          "steps by their operations)")
    times = harness.seconds(lambda: retrain(learner, [[i] for i in range(300)], progress=False), 3)
    print(f"300 exact retrainings of 1,000 steps: {times[0]:.1f} s at best, {times[1]:.1f} s median")
    rows = [{"name": "12 directions of degree 100, extrapolated", "degree": 100, "seconds": seconds},
            {"name": "300 retrainings", "degree": 0, "seconds": times[0]}]
    for what, times in predictions(learner, 500, repeats):
        line(what, times)
        rows.append({"name": what, "degree": 3, "seconds": times[0]})
    first, cached = compilation()
    print(f"compiling what the demo needs: {first:.1f} s at first, {cached:.2f} s from the cache")
    return rows + [{"name": "compile, first", "degree": 3, "seconds": first},
                   {"name": "compile, cached", "degree": 3, "seconds": cached}]


if __name__ == "__main__":
    harness.run(main)
