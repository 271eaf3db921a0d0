"""python -m benchmarks.accuracy: how near predictions come to exact retraining, by design, decoder, size and
kind of set.

LDS is the rank correlation over sets between predicted and retrained values, averaged over measurements;
error is sum |predicted - true change| / sum |true change|, so that "no change" scores 1. Truth: retrained
with weight 0, schedule unchanged.
"""
from functools import partial

import numpy as np

from deletion import Directions, given, sphere
from deletion.directions.directions import draw
from microgpt import names

from . import harness
from .learners import breast_cancer, diabetes, digits
from .truth import Trial, advantage, bootstrap, error, lds, random_sets


def microgpt_trial(options, steps=None, units=None):
    learner = names(options.names, steps=steps or options.steps, seed=options.seed, units=units)
    rng = np.random.default_rng(options.seed)
    documents = rng.choice(learner.held_out, options.documents, replace=False)
    return Trial(learner, [learner.loss_on(str(name)) for name in documents], options.bank)


def scored(predicted, true):
    """'LDS (low-high)', 'error (low-high)', and the two as numbers."""
    texts = ["{:.3f} ({:.3f}-{:.3f})".format(*bootstrap(score, predicted, true)) for score in (lds, error)]
    return texts, [lds(predicted, true), error(predicted, true)]


def neighbours(learner, count, degree):
    """Pairs of units next to each other in training, for comparison with those far apart."""
    psi = np.zeros((count, learner.unit_count), complex)
    order = np.argsort(learner.first_steps(), kind="stable")
    for k, unit in enumerate(order[:2 * count]):
        psi[k // 2, unit] = np.exp(1j * np.pi / (4 * (degree + 1)) * (k % 2))
    return Directions(psi, "given")


def designs(options):
    """Every design and decoder at equal numbers of directions, random sets of 1%, 5% and 20%."""
    trial = microgpt_trial(options)
    n, learner = trial.learner.unit_count, trial.learner
    banks = random_sets(learner.units, [max(1, n // 100), n // 20, n // 5], options.sets, options.seed + 1)
    truth = {size: trial.changes(sets) for size, sets in banks.items()}
    print("\nmean |true change|: "
          + ", ".join(f"{np.abs(changes).mean():.4f} nats at {size}" for size, changes in truth.items()))
    predicted = {"no change": {size: np.zeros_like(t) for size, t in truth.items()}}
    alone = trial.changes([[unit] for unit in learner.units])
    predicted["sum of exact leave-one-outs"] = {size: learner.deletion_sets(sets).dense(n) @ alone
                                                for size, sets in banks.items()}
    half = options.directions // 10
    mixed = np.concatenate([draw("pairs", options.directions - half, learner, 3, 1).psi,
                            sphere(half, n, 1).psi])
    drawn = {name: (options.directions, {"design": name}) for name in ("sphere", "haar", "pairs")}
    drawn["pairs of neighbours"] = neighbours(learner, options.directions, 3), {}
    drawn["pairs, a tenth dense"] = Directions(mixed, "mixture"), {}
    decoders = {"sphere": ("mean", "median of means", "least squares"), "haar": ("mean", "least squares")}
    for name, (directions, more) in drawn.items():
        measured, seconds = trial.sketch(directions, seed=1, **more)
        print(f"{name}: {seconds:.1f} s")
        for decoder in decoders.get(name, ("least squares",)):
            many = {size: measured.predict_many(sets, decoder=decoder, intervals=False)
                    for size, sets in banks.items()}
            predicted[f"{name}, {decoder}"] = {size: p.change for size, p in many.items()}
            if (name, decoder) == ("pairs", "least squares"):
                predicted["exact degree 1"] = {size: p.terms[:, 1] for size, p in many.items()}
                print("auto:", *measured.choice, sep=" ")
    for size, sets in banks.items():      # a push per set
        along, _ = trial.sketch(given(learner.deletion_sets(sets).dense(n)), calibration=0)
        for p in (2, 3):
            predicted.setdefault(f"exact degree {p}, a push per set",
                                 {})[size] = along.coefficients.real[:, :p].sum(axis=1)
    rows = [[name, *(x for size in banks for x in scored(by_size[size], truth[size])[0])]
            for name, by_size in predicted.items()]
    print(harness.table(["", *(f"{what} {size}" for size in banks for what in ("LDS", "error"))], rows))
    ours, first = predicted["pairs, least squares"], predicted["exact degree 1"]
    for size in banks:
        print(f"{size}: error of auto {error(ours[size], truth[size]):.4f}, of exact degree 1 "
              f"{error(first[size], truth[size]):.4f}; "
              f"auto is nearer in {advantage(ours[size], first[size], truth[size]):.1%} of resampled banks")
    return {name: {size: scored(by_size[size], truth[size])[1] for size in banks}
            for name, by_size in predicted.items()}


def chosen(options):
    """Sets that are not random: a letter, a length, the most influential ten."""
    trial = microgpt_trial(options)
    learner = trial.learner
    measured, _ = trial.sketch(options.directions)
    influence = np.abs(measured.leave_one_out(intervals=False).change).sum(axis=1)
    groups = {f"with {letter!r}": [i for i, name in enumerate(learner.documents) if letter in name]
              for letter in "xqzwvbj"}
    groups |= {f"of length {k}": [i for i, name in enumerate(learner.documents) if len(name) == k]
               for k in (3, 4, 8, 9, 10)}
    groups["the most influential 10"] = np.argsort(-influence)[:10].tolist()
    groups = {name: group for name, group in groups.items() if group}
    true, many = trial.changes(list(groups.values())), measured.predict_many(list(groups.values()))
    first = many.terms[:, 1]
    held = trial.held(many, true)
    rows = [[name, len(group), f"{np.abs(t).mean():.4f}", f"{error(c, t):.3f}", f"{error(f, t):.3f}",
             f"{h.mean():.2f}", verdict]
            for (name, group), t, c, f, h, verdict in zip(groups.items(), true, many.change, first, held,
                                                          many.verdict)]
    print(harness.table(["names", "set size", "mean |change|", "error", "error of degree 1",
                         "in 95% interval", "verdict"], rows))
    return rows


def large(options):
    """Many more units than twice the directions."""
    trial = microgpt_trial(options, steps=options.large)
    n = trial.learner.unit_count
    banks = random_sets(trial.learner.units, [n // 100, n // 20, n // 5], options.sets // 2, options.seed + 1)
    truth, rows = {size: trial.changes(sets) for size, sets in banks.items()}, []
    for design in options.designs:
        measured, seconds = trial.sketch(options.directions, seed=1, design=design)
        cells = []
        for size, sets in banks.items():
            many = measured.predict_many(sets, decoder="least squares")
            cells += [*scored(many.change, truth[size])[0], f"{trial.held(many, truth[size]).mean():.2f}",
                      max(set(many.verdict), key=many.verdict.count)]
        rows.append([f"{design}, least squares", *cells, f"{seconds:.0f} s"])
    print(f"\n{n} names, {options.directions} directions")
    print(harness.table(["", *(f"{what} {size}" for size in banks
                               for what in ("LDS", "error", "in 95%", "verdict")), "precompute"], rows))
    return rows


def thirtieth(name):
    """A unit among 30: a rule that has nothing to do with the model."""
    return f"source {sum(map(ord, name)) % 30:02d}"


def units(options):
    """1,000 names from 30 sources, 240 directions: unions of up to five sources, and all pairwise
    interactions."""
    trial = microgpt_trial(options, units=thirtieth)
    learner, n = trial.learner, trial.learner.unit_count
    measured, seconds = trial.sketch(240)
    singles = trial.sketch(given(np.eye(n)), calibration=0)[0].coefficients.real
    rng = np.random.default_rng(3)
    some = [rng.choice(n, 2, replace=False) for _ in range(40)]
    both = trial.sketch(given(np.array([learner.downweight([learner.units[i] for i in pair])
                                        for pair in some])), calibration=0)[0].coefficients.real
    exact = np.stack([b[1] - singles[i, 1] - singles[j, 1] for b, (i, j) in zip(both, some)])
    many = measured.predict_many([[learner.units[i] for i in pair] for pair in some],
                                 intervals=False).terms[:, 2]
    alone = measured.leave_one_out(intervals=False).terms[:, 2]
    decoded = np.stack([m - alone[i] - alone[j] for m, (i, j) in zip(many, some)])
    print(f"\n30 sources, 240 directions ({measured.directions.design}, {seconds:.1f} s): pairwise "
          "interactions, largest error "
          f"{np.abs(decoded - exact).max() / np.abs(exact).max():.1e} of the largest")
    rows = []
    for size, sets in random_sets(learner.units, range(1, 6), options.sets, options.seed + 1).items():
        true, predicted = trial.changes(sets), measured.predict_many(sets)
        exact_two = trial.sketch(given(learner.deletion_sets(sets).dense(n)), 2,
                                 calibration=0)[0].coefficients.real.sum(axis=1)
        held = trial.held(predicted, true)
        rows.append([size, *scored(predicted.change, true)[0], f"{error(exact_two, true):.3f}",
                     f"{error(predicted.terms[:, 1], true):.3f}", f"{held.mean():.2f}"])
    print(harness.table(["sources deleted", "LDS", "error", "of exact degree 2", "of exact degree 1",
                         "in 95% interval"], rows))
    return rows


def coverage(options):
    """How often 95% intervals hold the retrained truth, and how wide they are, on each learner and size; and
    by verdict."""
    rows, few = [], options.sets < 100
    trials = {"microgpt": partial(microgpt_trial, options)}
    for name, made in {"digits": digits, "breast cancer": breast_cancer, "diabetes": diabetes}.items():
        def trial(made=made):
            learner = made()
            return Trial(learner, [learner.loss_on(i) for i in range(options.documents)], options.bank)
        trials[name] = trial
    for name, make in trials.items():
        trial = make()
        n = trial.learner.unit_count
        measured, seconds = trial.sketch(min(options.directions, n))
        for size, sets in random_sets(trial.learner.units, [max(1, n // 100), n // 20, n // 5],
                                      40 if few else 200, options.seed + 2).items():
            true, many = trial.changes(sets), measured.predict_many(sets)
            held, trusted = trial.held(many, true), np.array(many.verdict) == "trust"
            width = many.interval[1] - many.interval[0]
            rows.append([name, size, f"{held.mean():.3f}", f"{width.mean() / np.abs(true).mean():.3f}",
                         f"{error(many.change, true):.3f}", f"{trusted.mean():.2f}",
                         f"{held[trusted].mean():.3f}" if trusted.any() else "-", f"{seconds:.1f} s"])
    print(harness.table(["learner", "set size", "held by 95% intervals", "width / mean |change|", "error",
                         "trusted", "held if trusted", "precompute"], rows))
    return rows


PARTS = {"designs": designs, "chosen": chosen, "large": large, "units": units, "coverage": coverage}


def main():
    parser = harness.parser("accuracy", __doc__, PARTS, names=None, steps=1000, directions=500, quick=False,
                            json=None)
    parser.add_argument("--seed", type=int, default=42,
                        help="of the shuffling, the initial parameters, the sets and documents")
    parser.add_argument("--large", type=int, default=5000, help="steps of the part `large`")
    parser.add_argument("--designs", nargs="+", default=["sphere", "haar", "pairs"],
                        help="in the part `large` (default: %(default)s)")
    parser.add_argument("--sets", type=int, default=100, help="sets of each size")
    parser.add_argument("--documents", type=int, default=20, help="measurements")
    parser.add_argument("--bank", default="results/truth",
                        help="folder that keeps exact retrainings (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.large, options.directions = 100, 150, 50
        options.sets, options.documents = 10, 3
    print(f"{harness.machine()}; {options.names or 'US Census names'}, seed {options.seed}, {options.steps} "
          "steps")
    harness.write_json(options.json, **harness.parts(PARTS, options))
    return 0


if __name__ == "__main__":
    harness.run(main)
