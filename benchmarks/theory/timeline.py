"""python -m benchmarks.timeline: when in the training a unit has its influence, and what would change if it
had been dropped only from some step on.

names      microgpt on 100 names, ten times over: influence by tenth of the training; every name dropped from
           every tenth on, and before it, predicted and retrained
digits     the same for a network on handwritten digits, ten passes by minibatches
one-pass   microgpt on 300 names, each once: all names with a letter are dropped from every tenth on
fading     schedules by which a unit fades out of both networks after a request to delete it
"""
import numpy as np

from . import harness, timeline_fading, timeline_study
from .timeline_study import STAGES, TENTHS, of_digits, of_names, spread

FADED = 20
"""Units that fade out, each alone."""


# what is printed --------------------------------------------------------------------------------------------

def by_tenth(rows):
    """A table with a column for each tenth of the training.   rows: {name: numbers}"""
    return harness.table(["tenth", *range(1, TENTHS + 1)],
                         [[name, *(f"{x:.3f}" if abs(x) < 0.1 else f"{x:.2f}" for x in row)]
                          for name, row in rows.items()])


def print_stages(found):
    """Print what every tenth does, and how alike early, middle and late rankings are."""
    print(by_tenth({"share of all |influence|": found["share"],
                    "of that, by the largest tenth of units": found["largest"],
                    "rank correlation with likeness": found["akin"],
                    "effects where deletion lowers the loss": found["harms"]}))
    ranking = found["ranking"]
    print("rank correlation of |influence| over units: " + ", ".join(
        f"{STAGES[i]} and {STAGES[j]} {ranking[i, j]:.2f}" for i, j in ((0, 1), (1, 2), (0, 2))))


def print_dropped(found):
    """Print how well theta(T, s) is predicted."""
    print("\ndropped from the beginning of a tenth on, against retraining (error; LDS over units)")
    print(by_tenth({"mean |true change|": found["size"],
                    **{f"error, {name}": x for name, x in found["error"].items()},
                    **{f"LDS, {name}": x for name, x in found["LDS"].items()},
                    "held by the sketch's 95% intervals": found["held"]}))
    print(f"{found['trusted']:.0%} of the sketch's predictions are trusted")


def print_uses(uses):
    """Print when units begin and cease to matter."""
    def quartiles(x):
        return "/".join(f"{q:g}" for q in np.quantile(x, [0.25, 0.5, 0.75]))

    print("\ntenths of the training before which, and after which, dropping a unit changes less than 10% of "
          "its full effect (quartiles over units)")
    print(harness.table(
        ["", "before: retrained", "predicted", "the same", "after: retrained", "predicted", "the same"],
        [[name, quartiles(a), quartiles(b), f"{np.mean(a == b):.0%}", quartiles(c), quartiles(d),
          f"{np.mean(c == d):.0%}"] for name, (a, b, c, d) in uses.items()]))


def studied(case, options):
    """Study one learner, and print it."""
    found, drawn = timeline_study.study(case, options.seed)
    print(f"{found['case']}: {len(case.learner.steps):,} steps; mean held-out loss {found['loss']:.2f}")
    print_stages(found["stages"])
    print_dropped(found["dropped"])
    print_uses(found["uses"])
    return found | {"picture": drawn}


# parts ------------------------------------------------------------------------------------------------------

def print_names(options):
    """microgpt on names that come round ten times"""
    return studied(of_names(20 if options.quick else 100, TENTHS, options.seed), options)


def print_digits(options):
    """a network on handwritten digits, ten passes"""
    return studied(of_digits(60 if options.quick else 200, TENTHS, options.seed), options)


def print_one_pass(options):
    """microgpt on names, each once; all names with a letter are dropped"""
    found = timeline_study.one_pass(60 if options.quick else 300, options.seed)
    print(f"{found['case']}; {len(found['letters'])} letters")
    off, ranked = found["alone"]
    print(f"every name alone, against retraining: error {off:.3f}, LDS {ranked:.3f}")
    print("\nall names with a letter dropped from the beginning of a tenth on, against retraining")
    print(by_tenth({"share of all |influence|, retrained": found["true share"],
                    "the same, finite steps": found["share"],
                    "mean |true change|": found["size"], "error, finite steps": found["error"],
                    "LDS, finite steps": found["LDS"]}))
    return found


def print_fading(options):
    """schedules of a unit's weight after a request to delete it, halfway through the training"""
    results = {}
    for case in (of_names(20 if options.quick else 60, 6, options.seed),
                 of_digits(60 if options.quick else 200, TENTHS, options.seed)):
        units = spread(4 if options.quick else FADED, case.learner.unit_count)
        asked = len(case.learner.steps) // 2
        rows, predictions = timeline_fading.fade(case.learner, units, case.measure, asked)
        timeline_fading.report(case.name, rows, predictions, len(units))
        results[case.name] = {"rows": rows, "predicted": predictions}
    return results


PARTS = {"names": print_names, "digits": print_digits, "one-pass": print_one_pass, "fading": print_fading}


# picture ----------------------------------------------------------------------------------------------------

def draw(pyplot, results):
    """For each learner: unit x time, and the effect of dropping some units from a step on."""
    figure, panels = pyplot.subplots(2, len(results), figsize=(5.2 * len(results), 8.4), squeeze=False,
                                     layout="constrained")
    for (heat, curves), found in zip(panels.T, results):
        drawn, tenths = found["picture"], np.arange(TENTHS + 1) / TENTHS
        size = drawn["heat"] / drawn["heat"].max(axis=1, keepdims=True)
        order = (size * np.arange(TENTHS)).sum(axis=1) / size.sum(axis=1)
        shown = heat.imshow(size[order.argsort()], aspect="auto", extent=(0, 1, len(size), 0),
                            interpolation="nearest")
        heat.set(title=found["case"], xlabel="share of the training",
                 ylabel="unit, in the order of its mean time")
        figure.colorbar(shown, ax=heat, label="|influence| in this tenth, of the unit's largest")
        true, told = drawn["true"].mean(axis=2), drawn["told"].mean(axis=2)
        for colour, unit in enumerate(np.abs(true[:, 0]).argsort()[::-1][:5]):
            curves.plot(tenths, true[unit], "o-", color=f"C{colour}", markersize=4)
            curves.plot(tenths, told[unit], "--", color=f"C{colour}", linewidth=1.0)
        curves.plot([], [], "ko-", markersize=4, label="retrained")
        curves.plot([], [], "k--", linewidth=1.0, label="predicted from one pass back")
        curves.axhline(0.0, color="0.7", linewidth=0.8)
        curves.set(title="the five units of largest effect", ylabel="change of the mean held-out loss, nats",
                   xlabel="dropped from this share of the training on")
    figure.legend(*panels[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def main():
    parser = harness.parser("timeline", __doc__, PARTS, seed=21, quick=None, out="results")
    options = parser.parse_args()
    folder = harness.output_folder(options.out)
    print(harness.machine())
    results = harness.parts(PARTS, options)
    drawn = [found for found in results.values() if "picture" in found]
    if drawn:
        harness.pictures(folder, timeline=lambda pyplot: draw(pyplot, drawn))
    harness.write_json(folder / "timeline.json", ["scikit-learn"], parts=results)
    return 0


if __name__ == "__main__":
    harness.run(main)
