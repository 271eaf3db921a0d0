"""python -m benchmarks.gaps: why influence functions are not retraining - five gaps between the two, and
which of them matter.

For random deletion sets of 1% on three learners: the distances between neighbouring stations on the way from
cold-start retraining to an iterative influence solve, in parameters and in measurements on held-out examples,
in units of what retraining moves; and whether influence is nearer to retraining or to PBRF, the problem it
linearises (Bae et al. 2209.05364).
"""
import time
from functools import partial

import numpy as np

from deletion.influence import GAPS, STATIONS, five_gaps

from . import harness
from .learners import breast_cancer, diabetes, digits
from .truth import Several, bootstrap, error, lds, random_sets

SHARE, DAMPING = 0.01, 0.01
"""Of the examples, deleted; and lambda on the scale of means: on that of sums it is n times larger."""

TARGETS = STATIONS[:4]


def measured(learner, count):
    """Losses on the first held-out examples, in a vector."""
    return Several(tuple(learner.loss_on(i) for i in range(count)))


def decompose(name, learner, options):
    """One learner's gaps and scores, as a dict of plain numbers."""
    begin, n = time.perf_counter(), learner.example_count
    sets = random_sets(learner.units, [round(SHARE * n)], options.sets, seed=1)[round(SHARE * n)]
    gaps = five_gaps(learner, sets, measured(learner, options.measurements), damping=DAMPING * n,
                     tolerance=options.tolerance)
    moved = np.linalg.norm(gaps.parameters[0] - learner.trained, axis=1).mean()
    changed = np.abs(gaps.change[0]).mean()
    influence, scores = gaps.change[STATIONS.index("damped solve")], {}
    for target in TARGETS:
        true = gaps.change[STATIONS.index(target)]
        scores[target] = {"lds": bootstrap(lds, influence, true), "error": bootstrap(error, influence, true)}
    return {"learner": name, "examples": n, "parameters": learner.layout.size, "sets": len(sets),
            "deleted": len(sets[0]), "gradient norm": learner.gradient_norm(learner.trained), "moved": moved,
            "changed": changed,
            "in parameters": dict(zip(GAPS, (gaps.in_parameters.mean(axis=1) / moved).tolist())),
            "in measurements": dict(zip(GAPS, (gaps.in_measurements.mean(axis=1) / changed).tolist())),
            "influence against": scores, "residual": float(gaps.residual.max()),
            "seconds": time.perf_counter() - begin}


def dominance(gaps):
    """How many times larger the first three gaps are together than the last two."""
    sizes = [gaps[gap] for gap in GAPS]
    return sum(sizes[:3]) / sum(sizes[3:])


def draw(pyplot, rows):
    """Stacked bars over learners, the shares of the five gaps in their sum: parameters on the left,
    measurements on the right."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10.5, 4.8), layout="constrained", sharey=True)
    places = np.arange(len(rows))
    for axes, what in zip(panels, ("in parameters", "in measurements")):
        sums, base = np.array([sum(row[what].values()) for row in rows]), np.zeros(len(rows))
        for gap in GAPS:
            height = np.array([row[what][gap] for row in rows]) / sums
            axes.bar(places, height, 0.6, bottom=base, label=gap)
            base += height
        for place, total in zip(places, sums):
            axes.text(place, 1.01, f"{total:.2g}", ha="center", va="bottom")
        axes.set_xticks(places, [row["learner"].replace(", ", ",\n") for row in rows])
        axes.set_title(f"{what}\n(above: the sum, in units of what retraining moves)", fontsize=10)
        axes.set_ylim(0.0, 1.1)
    panels[0].set_ylabel("share of the five gaps")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center")
    return figure


def report(rows):
    """What is printed."""
    for what, of in (("in parameters", "moved"), ("in measurements", "changed")):
        print(f"\ngaps {what}: mean distance over sets, in units of what retraining moves")
        print(harness.table(["learner", *GAPS, "first three / last two", "retraining moves"],
                            [[row["learner"], *(f"{row[what][gap]:.2g}" for gap in GAPS),
                              f"{dominance(row[what]):.2g}", f"{row[of]:.3g}"] for row in rows]))
    print("\nthe damped influence step against each station: LDS, and error with its 95% interval over sets "
          "(no change scores 1)")
    cells = [[row["learner"],
              *(f"{s['lds'][0]:.3f}, {s['error'][0]:.3f} ({s['error'][1]:.3f}-{s['error'][2]:.3f})"
                for s in row["influence against"].values())] for row in rows]
    print(harness.table(["learner", *TARGETS], cells))
    for row in rows:
        scores = row["influence against"]
        factor = scores[TARGETS[0]]["error"][0] / scores["PBRF"]["error"][0]
        print(f"{row['learner']}: influence is {factor:.1f} times nearer to PBRF than to retraining; "
              f"{row['seconds']:.0f} s")


def main():
    parser = harness.parser("gaps", __doc__, quick=None, out="results")
    parser.add_argument("--sets", type=int, help="random sets of 1%% (default 40)")
    parser.add_argument("--measurements", type=int, default=10,
                        help="held-out examples (default %(default)s)")
    parser.add_argument("--tolerance", type=float, default=0.01,
                        help="relative residual at which LiSSA stops (default %(default)s)")
    options = parser.parse_args()
    options.sets = options.sets or (6 if options.quick else 40)
    network = partial(digits, 200, 8) if options.quick else partial(digits, 500, 16)
    learners = {"digits, 20 epochs": network(epochs=20), "digits, 200 epochs": network(epochs=200),
                "breast cancer": breast_cancer(), "diabetes": diabetes()}
    folder = harness.output_folder(options.out)
    print(f"{harness.machine()}; {options.sets} random sets of {SHARE:.0%}, damping {DAMPING:g} n, "
          f"losses on {options.measurements} held-out examples")
    rows = [decompose(name, learner, options) for name, learner in learners.items()]
    report(rows)
    harness.write_json(folder / "gaps.json", ["scikit-learn"], rows=rows)
    harness.pictures(folder, gaps=lambda pyplot: draw(pyplot, rows))
    return 0


if __name__ == "__main__":
    harness.run(main)
