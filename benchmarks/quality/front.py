"""python -m benchmarks.front: the picture on the front page. Predicted against retrained, for random sets and
for names with a letter.

microgpt on 1,000 first names, 500 directions of degree 3, the loss on one name that the model never saw. What
is trusted is drawn filled, with its 95% interval; what the library does not vouch for is drawn hollow.
"""
import numpy as np

from deletion import precompute, retrain
from microgpt import names

from . import harness
from .truth import error, random_sets

COLOURS = {"random names": "C0", "all names with a letter": "C1"}


def ask(options):
    """[(kind, set, prediction's row)] and the truth: changes of the loss, nats per token."""
    learner = names(options.names, steps=options.steps)
    measured = precompute(learner, options.directions, 3).measure(learner.loss_on(options.name))
    n = learner.unit_count
    groups = random_sets(learner.units, [max(1, n // 200), max(1, n // 50), n // 20, n // 10], options.sets,
                         8)
    sets = [("random names", s) for same in groups.values() for s in same]
    for letter in "abcdefghijklmnopqrstuvwxyz":
        held = [unit for unit, name in enumerate(learner.documents) if letter in name]
        if 2 <= len(held) <= 0.1 * n:
            sets.append(("all names with a letter", held))
    chosen = [s for _, s in sets]
    return [kind for kind, _ in sets], measured.predict_many(chosen), retrain(
        learner, chosen, learner.loss_on(options.name)) - measured.value


def draw(kinds, many, true, name, pyplot):
    """Predicted against retrained change, one dot a set."""
    figure, axes = pyplot.subplots(figsize=(6.4, 5.2), layout="constrained")
    kinds, trusted = np.array(kinds), np.array(many.verdict) == "trust"
    half = (many.interval[1] - many.interval[0]) / 2
    reach = 1.08 * max(np.abs(true).max(), np.abs(many.change[trusted]).max())
    for kind, colour in COLOURS.items():
        kept, left = (kinds == kind) & trusted, (kinds == kind) & ~trusted
        axes.errorbar(true[kept], many.change[kept], half[kept], fmt="o", color=colour, markersize=5,
                      elinewidth=0.8, alpha=0.85,
                      label=f"{kind}: trusted, with its 95% interval ({kept.sum()})")
        axes.plot(true[left], np.clip(many.change[left], -reach, reach), "o", color=colour, fillstyle="none",
                  markersize=7, label=f"{kind}: not trusted ({left.sum()})")
    axes.axline((0.0, 0.0), slope=1.0, color="0.4", linewidth=0.9)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal",
             xlabel="change by exact retraining, nats per token", ylabel="predicted change, nats per token",
             title=f"Loss on {name!r}, had a set of training names never been there")
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.25)
    return figure


def main():
    parser = harness.parser("front", __doc__, names=None, steps=1000, directions=500, quick=False,
                            out="results", json=None)
    parser.add_argument("--name", default="rufus", help="whose loss is asked about (default %(default)s)")
    parser.add_argument("--sets", type=int, default=12, help="random sets of each of four sizes")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.directions, options.sets = 60, 30, 3
    kinds, many, true = ask(options)
    held = (many.interval[0] <= many.value - many.change + true) & (many.value - many.change
                                                                    + true <= many.interval[1])
    rows = []
    for kind in COLOURS:
        here = np.array(kinds) == kind
        kept = here & (np.array(many.verdict) == "trust")
        rows.append([kind, here.sum(), f"{error(many.change[here], true[here]):.3f}", kept.sum(),
                     f"{error(many.change[kept], true[kept]):.3f}" if kept.any() else "-",
                     f"{held[kept].mean():.2f}" if kept.any() else "-"])
    print(f"{harness.machine()}; {options.steps} names, {options.directions} directions of degree 3, the "
          f"loss on {options.name!r}")
    print(harness.table(["sets", "how many", "error", "trusted", "their error", "of those in their interval"],
                        rows))
    harness.pictures(harness.output_folder(options.out),
                     front=lambda pyplot: draw(kinds, many, true, options.name, pyplot))
    harness.write_json(options.json, kinds=kinds, verdicts=many.verdict, predicted=many.change, true=true)
    return 0


if __name__ == "__main__":
    harness.run(main)
