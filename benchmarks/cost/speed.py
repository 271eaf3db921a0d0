"""python -m benchmarks.speed: how fast the library is, beside what the machine can do and beside itself.

Answers are checked first: the constant part against the float evaluator, coefficients against a contour
integral of whole trainings. Then everything is measured as a ratio of neighbours in time, several times, with
lowest, median and highest: pushes, plain trainings and passes backwards as shares of the machine's peak by
useful operations; gradients in batched trainings, each being one of many that are retrained side by side. At
last whole jobs: seconds, memory, compiling. --against compares the ratios with those of an earlier run.
"""
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle

import numpy as np

from circuit import InputError
from deletion import precompute, retrain, sphere
from deletion.influence import metagradient
from microgpt import names
from taylor import LANES, TRAININGS, flops
from taylor.tape import OPERATIONS

from . import against, harness, speed_jobs
from .against import Ratio
from .peak import Peak
from .speed_models import (
    PERCEPTRONS, Losses, backward_operations, bases, documents, perceptron, plain_operations)

DEGREES = {1: 1000, 2: 600, 3: 400, 6: 150, 16: 16, 32: 6}
"""How many steps are timed at each degree, so that each takes about as long."""

ELEMENTS = 1, 7, 20
"""Numbers of measurements that are differentiated together."""

SHARE, ONE_CORE, TRAINING = "share of the peak", "share of one core's peak", "batched trainings"

PUSHED = 2e10
"""Operations of a push that are timed at once on a perceptron, unless one step is more."""


# answers ----------------------------------------------------------------------------------------------------

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


# tables -----------------------------------------------------------------------------------------------------

def show(title, ratios):
    """Print ratios; return them."""
    print(f"\n{title}\n" + harness.table(against.HEADER, [ratio.cells for ratio in ratios]), flush=True)
    return ratios


# pushes -----------------------------------------------------------------------------------------------------

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

    def rates(self, steps, times):
        """A call that takes the next group of `steps` steps and returns GFLOP/s; seconds per direction and
        step are appended to `times`."""
        last = max(len(self.learner.steps) - steps, 0)
        firsts = cycle(range(0, last + 1, steps))
        self.run(0, min(2, steps))      # compiled, and its memory touched

        def rate():
            begin, count = next(firsts), LANES * self.threads
            seconds = self.run(begin, begin + steps)
            times.append(seconds / (steps * count))
            return useful(self.learner, self.degree, begin, begin + steps) * count / seconds * 1e-9
        return rate


def pushes(learner, chosen, peak, cores, repeats):
    """Pushes at several degrees: a row of each for the results, and ratios.   chosen: {degree: steps}"""
    rows, ratios = [], []
    for degree, steps in chosen.items():
        times = []
        rate = Blocks(learner, degree, cores).rates(steps, times)
        shares = peak.shares([rate] * repeats)
        ratios.append(Ratio.of(f"microgpt, degree {degree}", SHARE, shares, "more"))
        per_step = useful(learner, degree, 0, len(learner.steps)) / len(learner.steps)
        rows.append({"name": f"push, degree {degree}", "degree": degree, "threads": cores,
                     "seconds_per_direction_step": min(times), "gflops": 1e-9 * per_step / min(times),
                     "median_seconds_per_direction_step": float(np.median(times)),
                     "fraction_of_peak": ratios[-1].median})
    return rows, ratios


def show_pushes(rows):
    """Print the times of pushes."""
    print("\nmicrogpt by degree (best and median time; median share of the peak)")
    print(harness.table(["degree", "us a direction-step", "(median)", "direction-steps/s", "GFLOP/s",
                         "of peak"],
                        [[row["degree"], f"{1e6 * row['seconds_per_direction_step']:.1f}",
                          f"{1e6 * row['median_seconds_per_direction_step']:.1f}",
                          f"{1 / row['seconds_per_direction_step']:,.0f}", f"{row['gflops']:.1f}",
                          f"{row['fraction_of_peak']:.0%}"] for row in rows]))


def operation_shares(learner, degree=3, steps=200):
    """[(operation, share of the time)], the largest first."""
    blocks, clock = Blocks(learner, degree, 1), np.zeros(len(OPERATIONS), np.int64)
    blocks.run(0, 2)
    blocks.blocks[0].run(2, 2 + steps, clock=clock)
    return [(OPERATIONS[i], clock[i] / clock.sum()) for i in np.argsort(-clock) if clock[i]]


def threads(learner, steps, repeats):
    """How many times faster two threads are than one, degree 3."""
    one, two = Blocks(learner, 3, 1), Blocks(learner, 3, 2)
    one.run(0, 2)
    two.run(0, 2)
    return [2.0 * one.run(0, steps) / two.run(0, steps) for _ in range(repeats)]


# trainings and gradients ------------------------------------------------------------------------------------

def rate(call, operations):
    """A call that calls and returns the GFLOP/s reached."""
    return lambda: 1e-9 * operations / harness.seconds(call, 1)[0]


def side_by_side(learner, cores):
    """(a call that retrains as many trainings side by side as all cores hold, their number)."""
    weights = np.ones((TRAININGS * cores, learner.unit_count))
    return partial(retrain, learner, weights=weights, progress=False), len(weights)


def plain(learner, name, peak, cores, repeats):
    """Trainings in plain numbers as shares of the peak: side by side, and alone, of one core's."""
    batched, count = side_by_side(learner, cores)
    operations = plain_operations(learner)
    many, one = rate(batched, count * operations), rate(learner.train, operations)
    many()      # compiles
    one()
    return [Ratio.of(f"{name}, {count} trainings", SHARE, peak.shares([many] * repeats), "more"),
            Ratio.of(f"{name}, one training", ONE_CORE, peak.shares([one] * repeats, one_core=True), "more")]


def gradients(learner, cores, numbers, repeats):
    """One training alone and metagradients, in batched trainings; of many bases, per base.   numbers: of
    bases"""
    batched, count = side_by_side(learner, cores)
    calls, each = {"one training alone": learner.train}, {}
    for several in numbers:
        weights = bases(learner, several) if several > 1 else None
        for elements in ELEMENTS:
            name = f"metagradient of {elements}, {several} base{'s' * (several > 1)}"
            each[name] = several
            calls[name] = partial(metagradient, learner, documents(learner, elements), weights=weights,
                                  progress=False)
    for call in (batched, *calls.values()):
        call()      # compiles
    ratios = harness.beside(batched, calls, repeats)
    return [Ratio.of(name, TRAINING, count * np.array(values) / each.get(name, 1), "less")
            for name, values in ratios.items()]


def finite_steps(learner, repeats):
    """The finite step beside the plain gradient, of 1 and of 20 measurements."""
    ratios = []
    for elements in (ELEMENTS[0], ELEMENTS[-1]):
        gradient = partial(metagradient, learner, documents(learner, elements), progress=False)
        name, finite = f"finite step of {elements}", partial(gradient, finite_step=True)
        gradient()
        finite()
        values = harness.beside(gradient, {name: finite}, repeats)[name]
        ratios.append(Ratio.of(name, "plain gradients", values, "less"))
    return ratios


# perceptrons ------------------------------------------------------------------------------------------------

def perceptrons(chosen, steps, peak, cores, repeats):
    """Perceptrons at degree 3, in plain numbers, and backwards: shares of the peak, and a row of each with
    its memory.   chosen: names"""
    rows, ratios = [], []
    for name in chosen:
        harness.forget_peak()
        before, learner = harness.memory(), perceptron(PERCEPTRONS[name], steps)
        once = min(steps, max(1, int(PUSHED / (useful(learner, 3, 0, 1) * LANES * cores))))
        push = Blocks(learner, 3, cores).rates(once, [])
        shares = peak.shares([push] * repeats)
        del push      # and its memory
        ratios.append(Ratio.of(f"{name}, degree 3", SHARE, shares, "more"))
        ratios += plain(learner, name, peak, cores, repeats)
        elements = TRAININGS * cores
        backward = partial(metagradient, learner, Losses(learner, elements), progress=False)
        backward()
        call = rate(backward, backward_operations(learner, elements))
        ratios.append(Ratio.of(f"{name}, backward, {elements} measurements", SHARE,
                               peak.shares([call] * repeats), "more"))
        memory = harness.memory("VmHWM") - before
        rows.append({"name": name, "memory": memory, "parameters": learner.layout.size})
        show(f"perceptron {name}, batches of {learner.schedule.shape[1]}: {memory / 1e6:,.0f} MB at most",
             ratios[-4:])
    return rows, ratios


# the command ------------------------------------------------------------------------------------------------

def measured(options, peak, cores):
    """Rows of pushes and of perceptrons, and all ratios."""
    quick, repeats = options.quick, options.repeats
    learner = names(steps=200 if quick else 1000)
    chosen = {degree: -(-steps // 8) for degree, steps in DEGREES.items()} if quick else DEGREES
    rows, ratios = pushes(learner, chosen, peak, cores, repeats)
    show_pushes(rows)
    show("pushes", ratios)
    print("\ntime by operation, degree 3: " + ", ".join(
        f"{name} {share:.0%}" for name, share in operation_shares(learner, 3, 100) if share >= 0.005))
    if cores > 1:
        ratios += show("threads", [Ratio.of("two threads", "one thread's rate",
                                            threads(learner, 100 if quick else 200, repeats), "more")])
    ratios += show("plain trainings of microgpt", plain(learner, "microgpt", peak, cores, repeats))
    numbers = (1, TRAININGS) if quick else (1, TRAININGS, TRAININGS * cores)
    ratios += show("gradients", gradients(learner, cores, numbers, repeats))
    ratios += show("the finite step", finite_steps(learner, repeats))
    chosen = list(PERCEPTRONS)[:2] if quick else PERCEPTRONS
    more_rows, more = perceptrons(chosen, 10 if quick else 20, peak, cores, repeats)
    return rows, more_rows, ratios + more


def compiling(learner, cores):
    """Rows of compiling what the demo needs; and the first time, in batched trainings."""
    batched, count = side_by_side(learner, cores)
    before, rows = harness.seconds(batched, 1)[0], speed_jobs.compilation()
    each = 0.5 * (before + harness.seconds(batched, 1)[0]) / count
    return rows, [Ratio.of("compiling with an empty cache", TRAINING, [rows[0]["seconds"] / each], "less")]


def jobs(options, cores):
    """Whole jobs: rows, and ratios."""
    if options.quick:
        return [speed_jobs.precomputation(64, 200)], []
    learner = names(steps=1000)
    compiled, ratios = compiling(learner, cores)
    rows = [speed_jobs.precomputation(500, 1000),
            speed_jobs.degree_100(Blocks(learner, 100, cores), partial(useful, learner, 100), cores),
            speed_jobs.retrainings(learner), *speed_jobs.predictions(learner, 500, options.repeats)]
    rows += compiled
    if options.long:
        rows += [speed_jobs.gradient(32_000, ELEMENTS[-1], several) for several in (1, TRAININGS)]
    return rows, ratios


def main():
    parser = harness.parser("speed", __doc__, quick=False, json=None)
    parser.add_argument("--repeats", type=int, help="of every ratio (default 5; 3 with --quick)")
    parser.add_argument("--long", action="store_true", help="also gradients through 32,000 steps")
    parser.add_argument("--against", metavar="FILE", help="results of an earlier run with --json: fail where "
                                                          "a ratio is worse")
    parser.add_argument("--factor", type=float, default=against.FACTOR,
                        help="how many times worse a median may be (default %(default)s)")
    options = parser.parse_args()
    options.repeats = options.repeats or (3 if options.quick else 5)
    if options.repeats < 1 or not options.factor >= 1.0:
        raise InputError(f"expected --repeats and --factor of at least 1, got {options.repeats} and "
                         f"{options.factor:g}")
    before, cores = options.against and against.read(options.against), os.cpu_count()
    print(harness.machine())
    print("errors at degree 3: {:.0e} against plain evaluation, {:.0e} against a contour integral of "
          "trainings".format(*check()))
    with Peak(cores) as peak:
        print(peak.describe(), flush=True)
        rows, perceptron_rows, ratios = measured(options, peak, cores)
        print(f"\nthe highest by the end:\n{peak.describe()}")
    found, more = jobs(options, cores)
    ratios += more
    harness.write_json(options.json, peak_gflops=peak.gflops, matrix_product_gflops=peak.product,
                       multiply_add_gflops=peak.multiply_add, blas=peak.kernel, rows=rows,
                       perceptrons=perceptron_rows, jobs=found, ratios=against.stored(ratios))
    return int(before is not None and against.report(before, ratios, options.factor) > 0)


if __name__ == "__main__":
    harness.run(main)
