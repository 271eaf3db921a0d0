"""What is drawn from the measured table of `benchmarks.frontier`: a picture for each number of names, and the
page of advice."""
import numpy as np

from . import harness
from .compare_pictures import COLOURS, Dot, name_dots
from .ways import WAYS

KINDS = {"error 1%": "random 1% deleted", "error 5%": "random 5% deleted", "error 20%": "random 20% deleted",
         "error named": "names with a letter, or of a length"}
"""Scores that are drawn, and their titles."""


def draw(pyplot, count, rows, asked):
    """Error against cost: a panel for each kind of set, a named dot for each way that costs something.

    asked   how many sets are asked about: the cost of retraining them all
    """
    figure, grid = pyplot.subplots(2, 2, figsize=(13.2, 10.0), layout="constrained")
    dots = {column: [Dot(name, WAYS[name].family, row["cost"], row[column][0]) for name, row in rows.items()
                     if row["cost"] > 0.0] for column in KINDS}
    for axes, (column, title) in zip(grid.ravel(), KINDS.items()):
        for dot in dots[column]:
            axes.semilogx(dot.cost, dot.error, "o", color=COLOURS[dot.family], markersize=6)
        costs = [asked, *(dot.cost for dot in dots[column])]
        axes.set_xlim(min(costs) / 2.0, max(costs) * 4.0)
        axes.set_ylim(0.0, 1.15 * max(1.0, *(dot.error for dot in dots[column])))
        axes.axhline(1.0, color="0.7", linewidth=0.8)
        axes.axvline(asked, color="0.7", linewidth=0.8)
        note = {"fontsize": 7, "color": "0.45", "textcoords": "offset points"}
        axes.annotate("no change", (1.0, 1.0), xycoords=("axes fraction", "data"), xytext=(-4, 3),
                      ha="right", **note)
        axes.annotate(f"retraining all {asked} sets", (asked, 1.0), xycoords=("data", "axes fraction"),
                      xytext=(4, -4), va="top", **note)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(title=title, xlabel="cost of all answers, in batched trainings",
                 ylabel="error, of the true change")
        axes.grid(alpha=0.25)
    figure.suptitle(f"{count} names")
    figure.draw_without_rendering()      # the layout decides how many pixels there are for names
    for axes, column in zip(grid.ravel(), KINDS):
        name_dots(axes, dots[column], [(dot.cost, dot.error) for dot in dots[column]])
    return figure


def front(rows, column):
    """[(cost, way, error)]: the ways that no cheaper one equals, from the cheapest on."""
    best, found = np.inf, []
    for name, row in sorted(rows.items(), key=lambda item: item[1]["cost"]):
        if row[column][0] < best:
            best = row[column][0]
            found.append((row["cost"], name, best))
    return found


def advice(everything):
    """The page of advice as Markdown: for each number of names and kind of set, the ways worth their cost.

    everything   {number of names: (rows of scores, number of sets)}
    """
    lines = ["# Which way for which question", "",
             "Every line below is a measurement of `python -m benchmarks.frontier`: cost in batched",
             "trainings, error as a share of the true change. A way is listed if none that costs less has as",
             "small an error. Retraining has no error and costs one training for each set: where fewer sets",
             "are asked about than a way costs, retrain them. Answers to more sets cost hardly more. The 96",
             "retrainings that calibrate all models (intervals, verdicts, size effects) are not counted.", ""]
    for count, (rows, _) in everything.items():
        table = [[title, name, f"{cost:.0f}", f"{least:.3f}"] for column, title in KINDS.items()
                 for cost, name, least in front(rows, column)]
        lines += [f"## {count} names", "", "```text",
                  harness.table(["sets", "way", "batched trainings", "error"], table), "```", ""]
    return "\n".join(lines)
