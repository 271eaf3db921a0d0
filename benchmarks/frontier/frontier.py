"""python -m benchmarks.frontier: error and LDS of every way of answering against its cost.

LDS is the rank correlation over sets between predicted and retrained changes, averaged over documents; error
is sum |predicted - true change| / sum |true change| over sets and documents. Named sets differ in size, so
that their mean error of a set is given too. Cost is in batched trainings: core seconds of the answers to all
sets over those of one of many trainings made side by side, measured right before and after. The 96
retrainings that calibrate are left out; models of finite steps learn the effect of a set's size from them.
The truth and the answers are kept in folders: a run that is stopped goes on from there.
"""
import os
import sys
from dataclasses import dataclass

import numpy as np

from circuit import InputError
from deletion import retrain
from taylor import TRAININGS

from . import against, harness
from .against import Ratio
from .compare import code
from .frontier_page import advice, draw
from .truth import advantage, bootstrap, error, lds
from .ways import MEDIUM, SMALL, WAYS, Asked

FACTOR = 1.1
"""How many times larger an error may be than in the stored run: errors do not depend on the load."""

ONCE = 60.0
"""Core seconds from which a way is measured once."""


@dataclass(frozen=True)
class Result:
    """A way's predictions and cost.

    change   {kind: (sets, documents)};   trainings   the cost, in batched trainings
    """
    change: dict
    trainings: float


# answering --------------------------------------------------------------------------------------------------

def training(learner):
    """Core seconds of one of many trainings made side by side, as many blocks as there are cores."""
    count = TRAININGS * os.cpu_count()
    weights = np.random.default_rng(0).random((count, learner.unit_count)) > 0.05
    return harness.core_seconds(lambda: retrain(learner, weights=weights.astype(float),
                                                progress=False))[1] / count


def answered(asked, way, repeats):
    """Answer all sets; several times, of which the cheapest counts."""
    def answer():
        predict = way.answer(asked)
        return {kind: predict(list(sets.values())) for kind, sets in asked.sets.items()}

    if way.retrained:
        return Result(answer(), float(way.retrained(asked.learner)))
    units, took = [training(asked.learner)], []
    while len(took) < repeats and sum(took) < ONCE:
        change, seconds = harness.core_seconds(answer)
        took.append(seconds)
        units.append(training(asked.learner))
    return Result(change, min(took) / min(units))


def kept(asked, name, options):
    """A way's Result: from its file, or made and written there."""
    key = harness.digest(code(), asked.learner.fingerprint(), name, repr(asked.sets), str(options.documents),
                         str(options.seed))
    path = harness.output_folder(harness.output_folder(options.out) / "answered") / f"{key}.npz"
    if not path.exists():
        print(f"{asked.learner.unit_count} names: {name} ...", file=sys.stderr, flush=True)
        result = answered(asked, WAYS[name], options.repeats)
        with open(path.with_suffix(".part"), "wb") as file:
            np.savez(file, trainings=result.trainings, **result.change)
        path.with_suffix(".part").rename(path)
    with np.load(path) as file:
        return Result({kind: file[kind] for kind in asked.sets}, float(file["trainings"]))


# scoring ----------------------------------------------------------------------------------------------------

def scores(results, truth):
    """{way: {'cost', 'LDS 1%', 'error 1%', ..., 'mean error named'}}; the scores with intervals, as
    (score, low, high)."""
    rows = {}
    for name, result in results.items():
        rows[name] = {"cost": result.trainings}
        for kind, true in truth.items():
            predicted = result.change[kind]
            if "%" in kind:
                rows[name][f"LDS {kind}"] = bootstrap(lds, predicted, true)
            rows[name][f"error {kind}"] = bootstrap(error, predicted, true)
        rows[name]["mean error named"] = bootstrap(mean_error, result.change["named"], truth["named"])
    return rows


def mean_error(predicted, true):
    """The mean over sets of a set's error."""
    return float(np.mean(np.abs(predicted - true).sum(axis=1) / np.abs(true).sum(axis=1)))


def shown(count, rows, results, truth):
    """Print the table of `count` names, and which ways are better than which."""
    def cell(value):
        return "{:.3f} ({:.3f}-{:.3f})".format(*value) if isinstance(value, tuple) else f"{value:.0f}"

    columns = list(next(iter(rows.values())))
    print(f"\n{count} names: mean |true change| "
          + ", ".join(f"{np.abs(true).mean():.4f} nats {kind}" for kind, true in truth.items()))
    print(harness.table(["", *columns], [[name, *map(cell, row.values())] for name, row in rows.items()]))
    ordered = sorted(rows, key=lambda name: rows[name]["cost"])
    kinds = [kind for kind in truth if len(truth[kind]) > 1]
    better = []
    for cheaper, name in zip(ordered, ordered[1:]):
        shares = [advantage(results[name].change[kind], results[cheaper].change[kind], truth[kind])
                  for kind in kinds]
        better.append([name, cheaper, *(f"{share:.0%}" for share in shares)])
    print("\nhow often each way has the smaller error than the next cheaper one, in resampled sets")
    print(harness.table(["way", "next cheaper", *kinds], better))


def ratios(count, rows):
    """The errors as they are stored and compared with those of another run."""
    return [Ratio(f"{count} names, {name}: {column}", "of the true change", *[float(value[0])] * 3, "less")
            for name, row in rows.items() for column, value in row.items()
            if "error" in column and value[0] > 0.0]


# the command ------------------------------------------------------------------------------------------------

def parsed():
    parser = harness.parser("frontier", __doc__, names=None, quick=None, out="results/frontier", json=None)
    parser.add_argument("--seed", type=int, default=2026,
                        help="of the shuffling, the initial parameters, documents and sets")
    parser.add_argument("--sizes", type=int, nargs="+", default=[SMALL, MEDIUM],
                        help="numbers of names trained on (default: %(default)s; more need --names)")
    parser.add_argument("--way", action="append", metavar="NAME",
                        help="only these; may be repeated; default: all that are tried on so many names")
    parser.add_argument("--sets", type=int, default=100, help="random sets of each size")
    parser.add_argument("--documents", type=int, default=20, help="measurements")
    parser.add_argument("--repeats", type=int, default=3, help="of what costs little; the cheapest counts")
    parser.add_argument("--bank", default="results/truth",
                        help="folder that keeps exact retrainings (default %(default)s)")
    parser.add_argument("--against", metavar="FILE",
                        help="compare with a run stored by --json; exit code 1 if an error is larger")
    parser.add_argument("--factor", type=float, default=FACTOR,
                        help="how many times larger an error may be (default %(default)s)")
    options = parser.parse_args()
    for name in options.way or ():
        if name not in WAYS:
            raise InputError(f"no way {name!r}; there are {', '.join(WAYS)}")
    if options.quick:
        options.sizes, options.sets, options.documents, options.repeats = [120], 8, 3, 2
    return options


def compared(count, options):
    """Everything of `count` names: (rows of scores, number of sets)."""
    asked = Asked.of(count, options)
    truth, _ = asked.truth(), asked.calibration
    results = {name: kept(asked, name, options) for name, way in WAYS.items()
               if count <= way.largest and (not options.way or name in options.way)}
    rows = scores(results, truth)
    shown(count, rows, results, truth)
    return rows, sum(map(len, truth.values()))


def main():
    options = parsed()
    before = options.against and against.read(options.against)
    print(f"{harness.machine()}; {options.names or 'US Census names'}, seed {options.seed}, "
          f"{options.documents} documents, {options.sets} random sets of each size")
    run, everything = harness.Run("frontier", options), {}
    for count in options.sizes:
        everything[count] = compared(count, options)
    rows = {count: rows for count, (rows, _) in everything.items()}
    page = advice(everything)
    (run.folder / "ADVICE.md").write_text(page, encoding="utf-8")
    print(f"\n{page}")
    measured = [ratio for count in rows for ratio in ratios(count, rows[count])]
    table = [[count, name, row["cost"], column, *value] for count in rows for name, row in rows[count].items()
             for column, value in row.items() if column != "cost"]
    run.finish(["names", "way", "cost", "score", "value", "low", "high"], table,
               {f"frontier{count}": lambda pyplot, count=count: draw(pyplot, count, *everything[count])
                for count in everything}, scores=rows, ratios=against.stored(measured))
    harness.write_json(options.json, scores=rows, ratios=against.stored(measured))
    return int(bool(before) and against.report(before, measured, options.factor) > 0)


if __name__ == "__main__":
    harness.run(main)
