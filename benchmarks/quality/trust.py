"""python -m benchmarks.trust: does 'trust' mean what it says? Verdicts against retraining, and learners built
to fail.

Sixteen learners: microgpt at four learning rates and three values of Adam's eps, a convolutional and a
recurrent net, wines, a transformer. A cell is a learner, a number of directions (n/6, n/4, n/2 of n units)
and a size of random sets (1, 1%, 5%, 10%, 20%). Of the trusted predictions in a cell: how large is their
error beside the change, and how many lie outside their stated 95% interval? Of the cells that are predicted
well: how many predictions are trusted? Then sets that are not random, and learners on which the answer must
be "do not trust".
"""
from dataclasses import dataclass
from functools import partial

import numpy as np

from circuit import relu
from deletion import Adam, Learner, LinearDecay, Momentum, precompute, retrain, stability
from microgpt import names

from . import harness
from .networks import convolution, recurrent, transformer, wine
from .truth import Several, error, random_sets

RATES, EPSILONS = (0.003, 0.01, 0.02, 0.05), (1e-8, 1e-5, 1e-3)
PARTS_OF_UNITS, SHARES = (6, 4, 2), (0.01, 0.05, 0.1, 0.2)

LEAST = 100
"""Trusted predictions in a cell, from which on their error and coverage are held against the limits."""

MAX_ERROR, MAX_OUTSIDE = 0.5, 0.1
"""Limits on a cell's trusted predictions: their error, and the share outside their intervals."""

MAX_ALL_OUTSIDE = 0.06
"""Limit on the share of trusted predictions outside their intervals, over all cells."""

GOOD, MIN_TRUSTED = 0.2, 0.8
"""In cells whose error is at most GOOD, at least the share MIN_TRUSTED of predictions is to be trusted."""


@dataclass(frozen=True)
class Cell:
    """Predictions of one learner by `directions`, of random sets of one size.

    error           of all of them: sum |predicted - true change| / sum |true change|;   outside: the share
                    outside their 95% interval
    predictions     sets times measurements;   trusted: how many are trusted
    trusted_error   the error of those;   trusted_outside: how many of those lie outside
    verdicts        {verdict: sets}
    """
    learner: str
    seed: int
    directions: int
    size: int
    error: float
    outside: float
    predictions: int
    trusted: int
    trusted_error: float
    trusted_outside: int
    verdicts: dict


def learners(seed, options):
    """{name: a function that makes the learner}: the sixteen; without most of microgpt's where there is
    little time."""
    settings = [(0.01, 1e-3)] if options.quick else [(rate, eps) for rate in RATES for eps in EPSILONS]
    made = {f"microgpt, rate {rate}, eps {eps:.0e}": partial(
        names, options.names, steps=options.steps, seed=seed,
        optimizer=Adam(LinearDecay(rate), 0.85, 0.99, eps)) for rate, eps in settings}
    return made | {make.__name__: partial(make, seed=seed)
                   for make in (convolution, recurrent, wine, transformer)}


def held_out(learner, count, seed):
    """A measurement: the losses on `count` held-out examples or names, joined."""
    known = learner.held_out if hasattr(learner, "documents") else range(len(learner.held_out))
    return Several(tuple(learner.loss_on(x.item())
                         for x in np.random.default_rng(seed).choice(known, count, replace=False)))


def cell_of(name, seed, directions, size, many, true, value):
    """The Cell of predictions `many` whose truth is known."""
    change, low_high = true - value, many.interval
    missed = np.ones(true.shape, bool) if low_high is None else (true < low_high[0]) | (low_high[1] < true)
    kept = np.array(many.verdict) == "trust"
    return Cell(name, seed, directions, size, error(many.change, change), float(missed.mean()), true.size,
                int(kept.sum() * true.shape[1]),
                error(many.change[kept], change[kept]) if kept.any() else 0.0, int(missed[kept].sum()),
                {v: many.verdict.count(v) for v in dict.fromkeys(many.verdict)})


def sweep(options):
    """Every Cell of every seed."""
    for seed in range(options.seed, options.seed + options.seeds):
        for name, make in learners(seed, options).items():
            learner = make()
            n, measure = learner.unit_count, held_out(learner, options.documents, seed)
            sizes = sorted({1, *(max(1, round(share * n)) for share in SHARES)})
            banks = random_sets(learner.units, sizes, options.sets, [seed, 5])
            truth = {size: retrain(learner, sets, measure) for size, sets in banks.items()}
            for part in PARTS_OF_UNITS:
                measured = precompute(learner, n // part, 3, seed=seed).measure(measure)
                for size, sets in banks.items():
                    yield cell_of(name, seed, n // part, size, measured.predict_many(sets), truth[size],
                                  measured.value)


def summary(cells):
    """What the cells say of the limits: {'count', 'held', 'worst_error', 'worst_outside', 'outside', 'good',
    'trusted'}."""
    large, good = [c for c in cells if c.trusted >= LEAST], [c for c in cells if c.error <= GOOD]
    return {"count": len(cells), "held": len(large),
            "worst_error": max([c.trusted_error for c in large], default=0.0),
            "worst_outside": max([c.trusted_outside / c.trusted for c in large], default=0.0),
            "outside": sum(c.trusted_outside for c in cells) / max(sum(c.trusted for c in cells), 1),
            "good": len(good),
            "trusted": sum(c.trusted for c in good) / max(sum(c.predictions for c in good), 1)}


def neighbours(learner):
    """Sets that are not random, {name: units}: names with a letter, or runs of examples next to each
    other."""
    if hasattr(learner, "documents"):
        kinds = {f"with {letter!r}": [i for i, name in enumerate(learner.documents) if letter in name]
                 for letter in "abcdefghijklmnopqrstuvwxyz"}
        return {name: units for name, units in kinds.items() if 1 < len(units) <= 0.3 * learner.unit_count}
    size = max(2, learner.unit_count // 10)
    return {f"{at} to {at + size - 1}": list(range(at, at + size))
            for at in range(0, learner.unit_count - size + 1, size)}


def rules(options):
    """A row per learner: sets chosen by a rule, of which calibration has seen none."""
    rows = []
    for name, make in learners(options.seed, options).items():
        if "microgpt" in name and "rate 0.01, eps 1e-03" not in name:
            continue
        learner = make()
        sets, measure = list(neighbours(learner).values()), held_out(learner, options.documents, options.seed)
        measured = precompute(learner, learner.unit_count // 2, 3, seed=options.seed).measure(measure)
        rows.append(cell_of(name, options.seed, learner.unit_count // 2, max(map(len, sets)),
                            measured.predict_many(sets), retrain(learner, sets, measure), measured.value))
    return rows


def square(output, w, x, y):
    return (output(w, x) - y) ** 2


def kinked(w, x):
    return relu(x @ w["w1"]) @ w["w2"]


def built_to_fail():
    """{name: (learner, measurement, size)}: what must not be trusted."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    network = {"w1": rng.normal(size=(3, 8)), "w2": rng.normal(size=8) / 2}
    schedule = np.concatenate([rng.permutation(60).reshape(-1, 10) for _ in range(20)])

    def kinked_loss(w, x, y):
        return square(kinked, w, x, y)

    def at_a_point(w):
        return kinked(w, np.array([[0.5, -1.0, 1.0]]))[0]
    fast = names(steps=200, optimizer=Adam(LinearDecay(0.1), 0.85, 0.99, 1e-3))
    sharp = names(steps=200, optimizer=Adam(LinearDecay(0.02), 0.85, 0.99, 1e-8))
    return {"large learning rate": (fast, fast.loss_on("rufus"), 20),
            "Adam's eps at 1e-8": (sharp, sharp.loss_on("rufus"), 20),
            "ReLU kinks crossed": (Learner(network, list(zip(x, y)), kinked_loss, Momentum(0.02), schedule),
                                   at_a_point, 3)}


def table_of(cells):
    """The cells as a table for people."""
    return harness.table(["learner", "seed", "directions", "set size", "error", "outside", "trusted",
                          "their error", "outside of those", "verdicts"],
                         [[c.learner, c.seed, c.directions, c.size, f"{c.error:.3f}", f"{c.outside:.1%}",
                           f"{c.trusted / c.predictions:.0%}", f"{c.trusted_error:.3f}" if c.trusted else "-",
                           f"{c.trusted_outside / c.trusted:.1%}" if c.trusted else "-",
                           ", ".join(f"{count} {verdict}" for verdict, count in c.verdicts.items())]
                          for c in cells])


def report_limits(totals):
    """Print what all cells say of the limits."""
    print(f"\n{totals['count']} cells, {totals['held']} with at least {LEAST} trusted predictions; of those "
          f"the largest error is {totals['worst_error']:.3f} of the change (limit {MAX_ERROR}), the largest "
          f"share outside {totals['worst_outside']:.1%} (limit {MAX_OUTSIDE:.0%})")
    print(f"over all cells {totals['outside']:.1%} of the trusted predictions lie outside their 95% interval "
          f"(limit {MAX_ALL_OUTSIDE:.0%})")
    print(f"in the {totals['good']} cells whose error is at most {GOOD}, {totals['trusted']:.1%} of the "
          f"predictions are trusted (at least {MIN_TRUSTED:.0%})\n")


def report_failing():
    """{name: {'stability', 'predict'}}: verdicts on what is built to fail; printed."""
    failing = {}
    for name, (learner, measure, size) in built_to_fail().items():
        sketch = precompute(learner, max(32, learner.unit_count // 2), 3)
        judged = stability(sketch, measure, size)
        chosen = np.random.default_rng(1).choice(learner.unit_count, size, replace=False)
        prediction = sketch.measure(measure).predict([learner.units[i] for i in chosen])
        failing[name] = {"stability": judged.verdict, "predict": prediction.verdict}
        print(f"{name}: predict says {prediction.verdict!r} ({prediction.reasons[0]}); "
              f"stability says {judged}\n")
    return failing


def main():
    parser = harness.parser("trust", __doc__, names=None, steps=200, seed=100, quick=False, json=None)
    parser.add_argument("--seeds", type=int, default=1,
                        help="how many, from --seed on: of learners, directions, sets (default %(default)s)")
    parser.add_argument("--sets", type=int, default=60, help="random sets of each size")
    parser.add_argument("--documents", type=int, default=5, help="measurements: losses on held-out examples")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.sets, options.documents = 40, 10, 2
    print(f"{harness.machine()}; microgpt on {options.steps} names, degree 3, {options.sets} sets of each "
          f"size, {options.documents} measurements")
    cells = list(sweep(options))
    print(table_of(cells))
    totals = summary(cells)
    report_limits(totals)
    chosen = rules(options)
    print("sets chosen by a rule (names with a letter, examples next to each other), of which calibration "
          "has seen none, n/2 directions")
    print(table_of(chosen) + "\n")
    harness.write_json(options.json, cells=[vars(c) for c in cells], rules=[vars(c) for c in chosen],
                       failing=report_failing(), **totals)
    return 0


if __name__ == "__main__":
    harness.run(main)
