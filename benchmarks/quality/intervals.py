"""python -m benchmarks.intervals: how often do 95% intervals hold what retraining gives, in the worst of
several sketches?

A cell is a learner, and random sets of one size or sets of a declared kind; its coverage is the share of
(sets, measurements) inside their intervals, for every seed of learner, directions and sets by itself. Sets of
a kind are drawn anew: runs of an order, whole classes and random parts of classes. None of them is among the
calibration sets, and of six labels or more a third is not declared, so that of those the calibration has seen
none.
"""
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from circuit import InputError
from deletion import Order, precompute, retrain
from deletion.trust.kinds import RANDOM, checked_kinds
from microgpt import names

from . import harness
from .learners import breast_cancer, diabetes, digits
from .networks import convolution, recurrent, transformer, wine
from .truth import error, random_sets
from .trust import held_out

SHARES = (0.01, 0.05, 0.2)
"""Sizes of random sets, besides single units."""

HIDDEN = 3
"""One label in so many is not declared."""

LOW, HIGH, WORST = 0.90, 0.99, 0.88
"""Limits on the coverage of random sets: the mean over seeds, and the worst seed."""

KIND_LOW, KIND_HIGH = 0.85, 0.99
"""Limits on the coverage of declared kinds, the mean over seeds."""


@dataclass(frozen=True)
class Cell:
    """Predictions of one learner by one sketch, of random sets of one size or of sets of one kind.

    held       the share inside their 95% intervals;   unseen: the same of sets whose label is not declared,
               None without any
    width      the mean width of intervals beside the mean |true change|
    error      sum |predicted - true change| / sum |true change|
    trusted    the share of predictions that are trusted
    """
    learner: str
    seed: int
    sets: str
    count: int
    held: float
    unseen: float
    width: float
    error: float
    trusted: float


def learners(options):
    """{name: function of a seed that makes the learner}; two small ones where there is little time."""
    made = {make.__name__: make for make in (wine, transformer)}
    if options.quick:
        return made
    made |= {make.__name__: make for make in (convolution, recurrent, diabetes, breast_cancer, digits)}
    return made | {"microgpt": partial(names_of, options)}


def names_of(options, seed):
    return names(options.names, steps=options.steps, seed=seed)


def kinds_of(name, learner):
    """The kinds of sets that people ask about, as `precompute` takes them."""
    if name == "microgpt":
        return learner.kinds()
    if name in ("recurrent", "transformer"):
        return {"neighbours": Order(range(learner.unit_count))}
    targets = [example[1] for example in learner.examples]
    if name == "diabetes":
        return {"target": Order(targets)}
    return {"class": [int(y) for y in targets],
            "sum of features": Order([x.sum() for x, _ in learner.examples])}


def declared(kinds, seed):
    """The same kinds without a third of the labels, where there are enough."""
    rng, shown = np.random.default_rng([seed, 7]), {}
    for name, given in kinds.items():
        shown[name] = given
        if isinstance(given, Order):
            continue
        each = [x if isinstance(x, set) else {x} for x in given]
        labels = sorted(set().union(*each))
        few = len(labels) < 2 * HIDDEN      # of three classes, two say little about the third
        hidden = set(rng.choice(labels, 0 if few else len(labels) // HIDDEN, replace=False).tolist())
        shown[name] = [x - hidden for x in each]
    return shown


def fresh(kind, calibration, learner, count, seed):
    """Downweights (k, units) of sets of a Kind, each once, that are not among the calibration sets."""
    largest = int(0.3 * learner.unit_count)
    drawn = np.unique(replace(kind, sets=count).draw(learner.unit_count, largest, [seed, 11]), axis=0)
    known = {row.tobytes() for row in calibration.downweights}
    return np.stack([row for row in drawn if row.tobytes() not in known])


def cell_of(name, seed, what, many, true, value, unseen=None):
    """The Cell of predictions whose truth is known.   unseen: (sets,) bool, sets of no declared label"""
    held = (many.interval[0] <= true) & (true <= many.interval[1])
    width = many.interval[1] - many.interval[0]
    return Cell(name, seed, what, len(true), float(held.mean()),
                float(held[unseen].mean()) if unseen is not None and unseen.any() else None,
                float(width.mean() / np.abs(true - value).mean()), error(many.change, true - value),
                float(np.mean([verdict == "trust" for verdict in many.verdict])))


def cells_of(name, make, seed, options):
    """Every Cell of one learner and seed."""
    learner = make(seed=seed)
    n, measure = learner.unit_count, held_out(learner, options.documents, seed)
    everything = kinds_of(name, learner)
    sketch = precompute(learner, n // 2, 3, seed=seed, kinds=declared(everything, seed))
    # sets of the labels left out are asked about as of this kind, too
    full = checked_kinds(everything, learner.used)
    asked = [replace(kind, sets=known.sets) for kind, known in zip(full, sketch.calibration.kinds)]
    measured = replace(sketch, calibration=replace(sketch.calibration, kinds=tuple(asked))).measure(measure)
    sizes = sorted({1, *(max(1, round(share * n)) for share in SHARES)})
    for size, sets in random_sets(learner.units, sizes, options.sets, [seed, 5]).items():
        true = retrain(learner, sets, measure)
        yield cell_of(name, seed, f"{size}", measured.predict_many(sets, kind=RANDOM), true, measured.value)
    for kind, known in zip(full, sketch.calibration.kinds):
        h = fresh(kind, sketch.calibration, learner, options.sets, seed)
        unseen = np.array([not known.holds(np.flatnonzero(row)) for row in h])
        many = measured.predict_downweights(h, kind=kind.name)
        yield cell_of(name, seed, kind.name, many, retrain(learner, weights=1.0 - h, measurement=measure),
                      measured.value, unseen)


def rows_of(cells):
    """A row for each learner and kind of set, over all seeds; True at the end where the limits are kept."""
    rows = []
    for learner, sets in dict.fromkeys((c.learner, c.sets) for c in cells):
        here = [c for c in cells if (c.learner, c.sets) == (learner, sets)]
        held, unseen = [c.held for c in here], [c.unseen for c in here if c.unseen is not None]
        low, high, worst = (LOW, HIGH, WORST) if sets.isdigit() else (KIND_LOW, KIND_HIGH, 0.0)
        rows.append([learner, sets, f"{np.mean(held):.1%}", f"{min(held):.1%}",
                     f"{np.mean(unseen):.1%}" if unseen else "-", f"{np.mean([c.width for c in here]):.2f}",
                     f"{np.mean([c.error for c in here]):.3f}", f"{np.mean([c.trusted for c in here]):.0%}",
                     "yes" if low <= np.mean(held) <= high and min(held) >= worst else "no"])
    return rows


def main():
    parser = harness.parser("intervals", __doc__, names=None, steps=1000, seed=700, quick=False, json=None)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from --seed on (default %(default)s)")
    parser.add_argument("--sets", type=int, default=60,
                        help="of each size and kind (default %(default)s)")
    parser.add_argument("--documents", type=int, default=10, help="measurements (default %(default)s)")
    parser.add_argument("--learners", nargs="+", metavar="LEARNER", help="only these")
    options = parser.parse_args()
    unknown = set(options.learners or ()) - set(learners(options))
    if unknown:
        raise InputError(f"no learner {min(unknown)!r}; there are {', '.join(learners(options))}")
    if options.quick:
        options.seeds, options.sets, options.documents = 2, 20, 3
    print(f"{harness.machine()}; n/2 directions of degree 3, {options.sets} sets of each size and kind, "
          f"{options.documents} measurements, {options.seeds} seeds from {options.seed}")
    made = learners(options)
    cells = [cell for name in options.learners or made
             for seed in range(options.seed, options.seed + options.seeds)
             for cell in cells_of(name, made[name], seed, options)]
    print(harness.table(["learner", "sets", "held by 95% intervals", "worst seed", "labels not declared",
                         "width / mean |change|", "error", "trusted", "within limits"], rows_of(cells)))
    harness.write_json(options.json, cells=[vars(c) for c in cells])
    return 0


if __name__ == "__main__":
    harness.run(main)
