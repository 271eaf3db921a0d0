"""python -m benchmarks.groups: group effects of the field beside models of groups, and what no sum over
examples can beat.

Koh et al. (1905.13289) add the influence of a group's members; Basu et al. (1911.00418) add how they act
together, to second order; a Newton step is what both cut off. Either takes a measurement's derivative along
the movement, or ("measured there") its value at the new parameters, as a Newton step does. Random sets of 1%,
5%, 20% and half of the units of four learners, against retraining with weight 0: error and LDS as in
`benchmarks.frontier`.

The additive ceiling: one number per unit and measurement, fitted by least squares to the truth of other sets
of the same size, `--factor` of them per unit. On the sets that it was fitted to, the error of this fit is
lower than that of the best sum there is, and on other sets it is higher: the ceiling lies between the two. It
is best in squares, whereas the error adds absolute values.
"""
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Callable

import numpy as np

from circuit import InputError
from deletion.influence import Influence, NewtonStep
from deletion.influence.newton import GroupInfluence
from microgpt import names

from . import harness
from .contestants import held_out_losses
from .learners import breast_cancer, diabetes, digits
from .truth import Trial, bootstrap, error, lds, random_sets
from .ways import Asked, gradient, leave_one_outs, model, no_change, sketch

SHARES = {"1%": 0.01, "5%": 0.05, "20%": 0.2, "half": 0.5}
"""Kinds of random sets, and the share of the units that they delete."""

FITTED, HELD = "best sum, where it was fitted", "best sum, on other sets"


@dataclass(frozen=True)
class Arena:
    """A learner, the curvature and damping (on the scale of sums) of influence there, and whether Newton
    steps are taken: through microgpt, by conjugate gradients, one takes ten seconds a set."""
    make: Callable
    curvature: str = "hessian"
    damping: float = 0.0
    newton: bool = True


def arenas(options):
    """{name: Arena}; with fewer examples where there is little time."""
    count = 60 if options.quick else 200
    return {
        "ridge": Arena(partial(diabetes, count, penalty=10.0 / count)),
        "logistic regression": Arena(partial(breast_cancer, count)),
        "digits": Arena(partial(digits, count, 16, 20, batch=30), "gauss-newton", 10.0),
        "microgpt": Arena(partial(names, options.names, steps=count), "gauss-newton", 10.0, newton=False)}


def of_method(method, asked):
    """A way that asks a method."""
    return lambda sets: method.answer(asked.learner, sets, asked.trial.measure, progress=False).change


def ways(arena):
    """{name: answer(asked) -> predict(sets)}: every contestant, with its settings for an arena."""
    settings = arena.curvature, arena.damping
    made = {
        "no change": no_change,
        "influence, summed (Koh)": partial(of_method, Influence(*settings)),
        "second order (Basu)": partial(of_method, GroupInfluence(*settings)),
        "second order, the rest stays": partial(of_method, GroupInfluence(*settings, normalized=False)),
        "influence, measured there": partial(of_method, Influence(*settings, linear=False)),
        "second order, measured there": partial(of_method, GroupInfluence(*settings, linear=False)),
        "Newton step": partial(of_method, NewtonStep(1, *settings)),
        "metagradient": partial(gradient, finite_step=False),
        "finite step": partial(gradient, finite_step=True),
        "sum of leave-one-outs": leave_one_outs,
        "16 groups": partial(model, groups=16, levels=()),
        "levels": model,
        "sketch": partial(sketch, joined=False)}
    return {way: answer for way, answer in made.items() if arena.newton or way != "Newton step"}


def additive(learner, sets, change, others):
    """Changes of sets and of others, (sets, measurements) each, by the sum over units that fits the first
    best, whose true changes are given."""
    fitted, held = (learner.deletion_sets(some).dense(learner.unit_count) for some in (sets, others))
    effects = np.linalg.lstsq(fitted, change, rcond=None)[0]
    return fitted @ effects, held @ effects


def scored(predicted, true):
    """{'error', 'LDS'}, each (score, low, high) with a 95% interval over sets."""
    return {"error": bootstrap(error, predicted, true), "LDS": bootstrap(lds, predicted, true)}


def compared(name, arena, options):
    """One learner's facts and scores: {..., 'scores': {way: {kind: scores}}, 'refusals', 'seconds'}."""
    learner = arena.make()
    trial = Trial(learner, held_out_losses(learner, options.measured, options.seed), None)
    sizes = {kind: max(2, round(share * learner.unit_count)) for kind, share in SHARES.items()}
    print(f"{name} ...", file=sys.stderr, flush=True)
    drawn = random_sets(learner.units, sizes.values(), options.sets, options.seed + 1)
    sets = {kind: drawn[size] for kind, size in sizes.items()}
    truth = {kind: trial.changes(some) for kind, some in sets.items()}
    asked, scores, refusals, seconds = Asked(trial, sets), {}, {}, {}
    for way, answer in ways(arena).items():
        begin = time.perf_counter()
        try:
            predict = answer(asked)
            scores[way] = {kind: scored(predict(some), truth[kind]) for kind, some in sets.items()}
        except InputError as refusal:      # DoesNotApply, or a gate that leaves its domain
            refusals[way] = " ".join(str(refusal).split())
        seconds[way] = time.perf_counter() - begin
    more = random_sets(learner.units, sizes.values(), options.factor * learner.unit_count, options.seed + 2)
    scores |= {FITTED: {}, HELD: {}}
    for kind, size in sizes.items():
        change = trial.changes(more[size])
        within, without = additive(learner, more[size], change, sets[kind])
        scores[FITTED][kind], scores[HELD][kind] = scored(within, change), scored(without, truth[kind])
    return {"learner": name, "units": learner.unit_count, "parameters": learner.layout.size, "sizes": sizes,
            "scores": scores, "refusals": refusals, "seconds": seconds,
            "changed": {kind: float(np.abs(true).mean()) for kind, true in truth.items()}}


def shown(row):
    """Print one learner's table."""
    changed = ", ".join(f"{size:.3g} {kind}" for kind, size in row["changed"].items())
    print(f"\n== {row['learner']}: {row['parameters']:,} parameters, {row['units']} units; "
          f"mean |true change| {changed}")
    columns = [(what, kind) for what in ("error", "LDS") for kind in SHARES]
    cells = [[way, *(f"{kinds[kind][what][0]:.3f}" for what, kind in columns)]
             for way, kinds in row["scores"].items()]
    print(harness.table(["", *map(" ".join, columns)], cells), flush=True)
    for way, text in row["refusals"].items():
        print(f"no number for {way}: {text}")


def main():
    parser = harness.parser("groups", __doc__, names=None, seed=2026, quick=None, json=None)
    parser.add_argument("--learner", action="append", metavar="NAME", help="only these; may be repeated")
    parser.add_argument("--sets", type=int, default=100,
                        help="random sets of each size (default %(default)s)")
    parser.add_argument("--measured", type=int, default=10,
                        help="held-out examples whose loss is measured (default %(default)s)")
    parser.add_argument("--factor", type=int, default=8,
                        help="sets per unit that the best sum is fitted to (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.sets, options.measured, options.factor = 10, 3, 4
        options.learner = options.learner or ["ridge", "logistic regression"]
    known = arenas(options)
    for name in options.learner or ():
        if name not in known:
            raise InputError(f"no learner {name!r}; there are {', '.join(known)}")
    print(f"{harness.machine()}; {options.sets} random sets of each size, losses on {options.measured} "
          f"held-out examples; the best sum is fitted to {options.factor} sets per unit")
    rows = []
    for name in options.learner or known:
        rows.append(compared(name, known[name], options))
        shown(rows[-1])
    harness.write_json(options.json, ["scikit-learn"], rows=rows)
    return 0


if __name__ == "__main__":
    harness.run(main)
