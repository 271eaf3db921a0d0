"""python -m benchmarks.front: the picture on the front page. Predicted against retrained changes of a loss,
for random sets of names and for all names with a letter.

microgpt on 1,000 first names, 500 directions of degree 3, the loss on one name that the model never saw.
Predictions that the library trusts are drawn filled, with their 95% intervals; the others are drawn hollow.
"""
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from deletion import precompute, retrain
from microgpt import names

from . import harness
from .truth import error, random_sets

COLOURS = {"random names": "C0", "all names with a letter": "C1"}

DIVISORS = (200, 50, 20, 10)
"""The random sets have the number of names divided by these."""

LARGEST_SHARE = 0.1
"""Of the names, for the letters: more would be no set of names but half of the training."""


class Answers(NamedTuple):
    """What is drawn, by deletion set (sets,).

    kinds                'random names' or 'all names with a letter'
    letters              '' for random names
    verdicts             'trust' or another verdict
    predicted, true      changes of the loss, nats per token
    low, high            the 95% interval of the change
    """
    kinds: np.ndarray
    letters: np.ndarray
    verdicts: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def trusted(self):
        return self.verdicts == "trust"

    @property
    def held(self):
        """Whether the interval holds the retrained change."""
        return (self.low <= self.true) & (self.true <= self.high)


def ask(options):
    """The Answers: predictions, and the truth by retraining."""
    learner = names(options.names, steps=options.steps)
    measured = precompute(learner, options.directions, 3).measure(learner.loss_on(options.name))
    n = learner.unit_count
    groups = random_sets(learner.units, [max(1, n // divisor) for divisor in DIVISORS], options.sets, 8)
    sets = [("random names", "", units) for same_size in groups.values() for units in same_size]
    for letter in ascii_lowercase:
        units = [unit for unit, name in enumerate(learner.documents) if letter in name]
        if 2 <= len(units) <= LARGEST_SHARE * n:
            sets.append(("all names with a letter", letter, units))
    kinds, letters, deleted = zip(*sets)
    predicted = measured.predict_many(deleted)
    trained = predicted.value - predicted.change
    true = retrain(learner, deleted, learner.loss_on(options.name)) - measured.value
    return Answers(np.array(kinds), np.array(letters), np.array(predicted.verdict), predicted.change, true,
                   predicted.interval[0] - trained, predicted.interval[1] - trained)


def draw(answers, name, pyplot):
    """Predicted against retrained change, one dot a set."""
    figure, axes = pyplot.subplots(figsize=(7.2, 5.4), layout="constrained")
    for kind, colour in COLOURS.items():
        trusted = (answers.kinds == kind) & answers.trusted
        refused = (answers.kinds == kind) & ~answers.trusted
        predicted = answers.predicted[trusted]
        sides = np.clip([predicted - answers.low[trusted], answers.high[trusted] - predicted], 0.0, None)
        axes.errorbar(answers.true[trusted], predicted, sides, fmt="o", color=colour, markersize=5,
                      elinewidth=0.8, alpha=0.85,
                      label=f"{kind}: trusted, with 95% interval ({trusted.sum()})")
        axes.plot(answers.true[refused], answers.predicted[refused], "o", color=colour, fillstyle="none",
                  markersize=7, label=f"{kind}: not trusted ({refused.sum()})")
        for i in np.flatnonzero(refused & (answers.letters != "")):
            left = answers.true[i] > answers.true.mean()
            axes.annotate(f"not trusted: all names with {str(answers.letters[i])!r}",
                          (answers.true[i], answers.predicted[i]), xytext=(-8 if left else 8, -3),
                          ha="right" if left else "left", textcoords="offset points", fontsize=9,
                          color=colour, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})
    axes.axline((0.0, 0.0), slope=1.0, color="0.4", linewidth=0.9, zorder=0, label="predicted = retrained")
    limit(axes, answers)
    held, trusted = answers.held[answers.trusted].sum(), answers.trusted.sum()
    axes.set(xlabel="change by exact retraining, nats per token", ylabel="predicted change, nats per token",
             title=f"Loss on {name!r} without a set of training names:\n{held} of the {trusted} trusted "
                   "intervals hold the retrained value")
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.25)
    return figure


def limit(axes, answers):
    """The same scale on both axes, with room for every dot and trusted interval."""
    trusted = answers.trusted
    heights = np.concatenate([answers.predicted, answers.low[trusted], answers.high[trusted]])
    heights = np.clip(heights, *(2.0 * np.array([answers.true.min(), answers.true.max()])))
    room = 0.06 * max(np.ptp(answers.true), np.ptp(heights))
    axes.set_xlim(answers.true.min() - room, answers.true.max() + room)
    axes.set_ylim(heights.min() - room, heights.max() + room)
    axes.set_aspect("equal")


def report(answers):
    """Print a row per kind of set."""
    rows = []
    for kind in COLOURS:
        here = answers.kinds == kind
        trusted = here & answers.trusted
        rows.append([kind, here.sum(), f"{error(answers.predicted[here], answers.true[here]):.3f}",
                     trusted.sum(), "-", "-"])
        if trusted.any():
            rows[-1][-2:] = [f"{error(answers.predicted[trusted], answers.true[trusted]):.3f}",
                             f"{answers.held[trusted].mean():.2f}"]
    print(harness.table(["sets", "how many", "error", "trusted", "their error", "of those in their interval"],
                        rows))


def main():
    parser = harness.parser("front", __doc__, names=None, steps=1000, directions=500, quick=False,
                            out="results", json=None)
    parser.add_argument("--name", default="rufus", help="whose loss is asked about (default %(default)s)")
    parser.add_argument("--sets", type=int, default=12, help="random sets of each of four sizes")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.directions, options.sets = 60, 30, 3
    answers = ask(options)
    print(f"{harness.machine()}; {options.steps} names, {options.directions} directions of degree 3, the "
          f"loss on {options.name!r}")
    report(answers)
    harness.pictures(harness.output_folder(options.out),
                     front=lambda pyplot: draw(answers, options.name, pyplot))
    harness.write_json(options.json, kinds=answers.kinds.tolist(), verdicts=answers.verdicts.tolist(),
                       predicted=answers.predicted, true=answers.true)
    return 0


if __name__ == "__main__":
    harness.run(main)
