"""python -m benchmarks.costs: from how many questions on does a sketch pay off, and when is retraining simply
cheaper?

A question is a deletion set that was not asked before. Retraining answers it for every measurement at once,
exactly; so does a sketch, within its error. Hence with S core seconds to precompute, M to measure, P to
predict a set and R to retrain without it,

    sketch: S + M + Q P        retraining: Q R        even at Q = (S + M) / (R - P)

P and R both one at a time, or both of many at once.

Costs are processor time of all threads. A direction of degree 3 costs as much as a few retrainings in batches
(c, measured here), and first order takes n / 2 directions for n names, so S / R is about c n / 2 + 96
(calibration): Q grows with n, and retraining in batches is simply cheaper for fewer sets than that - also for
the n leave-one-outs themselves. Sets that come one at a time cannot be batched; against those a sketch pays
off much earlier, and answers at once. Numbers after ~ are extrapolated.
"""
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from circuit import InputError
from deletion import precompute, retrain
from microgpt import names, read_names
from taylor import TRAININGS

from . import harness

SIZES, QUICK_SIZES = (100, 300, 1000, 3000, 5000, 32000), (10, 20, 40)
"""Numbers of names."""

FIXED, QUICK_FIXED = 500, 16
"""Directions that are tried with any number of names."""

ASKED, QUICK_ASKED = 10_000, 100
"""Deletion sets that are predicted at once."""

DEGREE, DOCUMENT = 3, "max"
SHOWN = 1000
"""Names of the training in the picture."""


class Budget:
    """Core seconds that may still be spent: what would take longer is extrapolated."""

    def __init__(self, seconds):
        self.left = seconds

    def measured(self, call, guess, expected):
        """(values, []): what a call returns, paid for; or, where more is expected than is left, (guess, the
        names of its values)."""
        if guess is not None and expected > self.left:
            return guess, sorted(guess)
        values, spent = harness.core_seconds(call)
        self.left -= spent
        return values, []


def retraining(learner):
    """{'one', 'batched'}: core seconds to retrain a set, alone and among many."""
    n = learner.unit_count
    sets = [[k % n] for k in range(TRAININGS * os.cpu_count())]
    retrain(learner, sets[:1], progress=False)      # compiles
    _, many = harness.core_seconds(lambda: retrain(learner, sets))
    _, one = harness.core_seconds(lambda: learner.train(learner.example_weights(learner.downweight(sets[0]))))
    return {"one": one, "batched": many / len(sets)}


def sketching(learner, directions, asked):
    """{'precompute', 'disk', 'measure', 'predict_one', 'predict_batched'}: core seconds, and bytes."""
    rng, n = np.random.default_rng(0), learner.unit_count
    sets = [rng.choice(n, min(18, n // 2), replace=False).tolist() for _ in range(asked)]
    measure = learner.loss_on(DOCUMENT)
    with tempfile.TemporaryDirectory() as folder:
        sketch, made = harness.core_seconds(
            lambda: precompute(learner, directions, DEGREE, out=Path(folder) / "sketch"))
        disk = sum(file.stat().st_size for file in Path(folder, "sketch").iterdir())

        def first_answer():
            measured = sketch.measure(measure)
            measured.predict(sets[0])      # fits the decoder and calibrates it
            return measured
        measured, ready = harness.core_seconds(first_answer)
    few = sets[:20]
    _, each = harness.core_seconds(lambda: [measured.predict(some) for some in few])
    _, many = harness.core_seconds(lambda: measured.predict_many(sets))
    return {"precompute": made, "disk": disk, "measure": ready, "predict_one": each / len(few),
            "predict_batched": many / len(sets)}


def longer(row, n):
    """What retraining with more names would cost."""
    return {way: row[way] * n / row["n"] for way in ("one", "batched")}


def larger(row, n, directions, parameters):
    """What a sketch of more names and directions would cost: disk by coefficients and directions; a
    prediction costs what it did."""
    wider = directions / row["directions"]
    return {"precompute": row["precompute"] * wider * n / row["n"],
            "disk": 16 * directions * (DEGREE * parameters + n), "measure": row["measure"] * wider,
            **{name: row[name] for name in ("predict_one", "predict_batched")}}


def rows(options, sizes, fixed, asked):
    """A row per size and number of directions: costs, those extrapolated named in 'guessed', and the
    break-even numbers."""
    warm = names(options.names, steps=min(sizes))
    retraining(warm)      # compiles
    sketching(warm, fixed, min(asked, 100))
    budget, at_once = Budget(60.0 * options.minutes * os.cpu_count()), TRAININGS * os.cpu_count()
    trained, made = None, {}
    for n in sizes:
        learner = names(options.names, steps=n)
        guess = trained and longer(trained, n)
        trained, train_guessed = budget.measured(lambda: retraining(learner), guess,
                                                 guess and guess["one"] + guess["batched"] * at_once)
        trained = {"n": n, **trained}
        for kind, m in ("half", -(-n // 2)), ("fixed", fixed):
            before = made.get(kind, [None])[-1]
            guess = before and larger(before, n, m, learner.layout.size)
            if kind == "fixed" and made["half"][-1]["directions"] == m:
                row = made["half"][-1]
            else:
                row, guessed = budget.measured(lambda: sketching(learner, m, asked), guess,
                                               guess and guess["precompute"])
                row = {**trained, "directions": m, **row, "guessed": train_guessed + guessed}
                row |= evens(row)
            made.setdefault(kind, []).append(row)
    return [row for pair in zip(made["half"], made["fixed"])
            for row in (pair if pair[0] is not pair[1] else pair[:1])]


def evens(row):
    """{'ratio', 'even_one', 'even_batched'}: directions in retrainings, and from how many sets on the sketch
    is cheaper (inf: never)."""
    even = {}
    for way in ("one", "batched"):
        gain = row[way] - row[f"predict_{way}"]
        even[f"even_{way}"] = (row["precompute"] + row["measure"]) / gain if gain > 0 else float("inf")
    return {"ratio": row["precompute"] / row["batched"] / row["directions"], **even}


def report(made, asked):
    """The table and what follows from it."""
    def cell(row, name, text):
        value = text(row[name])
        guessed = name in row["guessed"] or (name.startswith("even") and row["guessed"])
        return "~" + value if guessed else value

    def seconds(x):
        return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"

    columns = {"precompute": seconds, "disk": lambda x: f"{x / 1e6:,.0f}", "measure": seconds,
               "predict_one": lambda x: f"{1e3 * x:.2g}", "predict_batched": lambda x: seconds(x * asked),
               "one": seconds, "batched": seconds, "even_one": lambda x: f"{x:,.0f}",
               "even_batched": lambda x: f"{x:,.0f}"}
    header = ["names", "directions", "precompute", "disk, MB", "measure", "predict one, ms",
              f"predict {asked:,}", "retrain one", "one of many", "pays off from", "of many"]
    print("core seconds unless stated otherwise; ~ extrapolated; pays off from so many sets, asked one "
          "at a time or many at once")
    print(harness.table(header, [[f"{row['n']:,}", f"{row['directions']:,}",
                                  *(cell(row, *column) for column in columns.items())] for row in made]))
    sure = [row["ratio"] for row in made if not row["guessed"]]
    print(f"\na direction of degree {DEGREE}, with its share of calibration, costs {min(sure):.1f} to "
          f"{max(sure):.1f} retrainings in batches")


def draw(row, pyplot):
    """What Q questions cost, by sketch and by retraining."""
    figure, axes = pyplot.subplots(figsize=(7.5, 4.8), layout="constrained")
    asked, start = np.geomspace(1.0, 1e5, 200), row["precompute"] + row["measure"]
    ways = {"one": ("retrained one at a time", "C1"), "batched": ("retrained in batches", "C2")}
    for way, (what, colour) in ways.items():
        axes.loglog(asked, asked * row[way], color=colour, label=what)
        even = row[f"even_{way}"]
        if np.isfinite(even):
            axes.plot(even, even * row[way], "ko", markersize=5)
            axes.annotate(f"{even:,.0f}", (even, even * row[way]), xytext=(6, -14),
                          textcoords="offset points")
    axes.loglog(asked, start + asked * row["predict_batched"], color="C0", linewidth=2,
                label=f"a sketch of {row['directions']:,} directions")
    axes.set_xlabel("deletion sets asked about")
    axes.set_ylabel("core seconds in all")
    axes.set_title(f"From how many questions on does a sketch pay off? ({row['n']:,} names)")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main():
    parser = harness.parser("costs", __doc__, names=None, quick=False, out="results")
    parser.add_argument("--minutes", type=float, default=10.0,
                        help="on all cores, for all that is measured (default %(default)s)")
    options = parser.parse_args()
    if not options.minutes > 0:
        raise InputError(f"--minutes {options.minutes}: expected more than 0")
    sizes, fixed, asked = (QUICK_SIZES, QUICK_FIXED, QUICK_ASKED) if options.quick else (SIZES, FIXED, ASKED)
    sizes = [n for n in sizes if n <= len(read_names(options.names))]
    if not sizes:
        raise InputError(f"costs are measured on at least {SIZES[0]} names (--quick: {QUICK_SIZES[0]})")
    print(f"{harness.machine()}; {options.names or 'US Census names'}, degree {DEGREE}")
    done = harness.Run("costs", options)
    made = rows(options, sizes, fixed, asked)
    report(made, asked)
    shown = [row for row in made if row["n"] <= SHOWN and row["directions"] == -(-row["n"] // 2)][-1]
    header = [name for name in made[0] if name != "guessed"]
    table = [[*(row[name] for name in header), " ".join(row["guessed"])] for row in made]
    done.finish([*header, "extrapolated"], table, {"costs": partial(draw, shown)}, costs=made)
    return 0


if __name__ == "__main__":
    harness.run(main)
