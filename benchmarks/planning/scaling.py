"""python -m benchmarks.scaling: are larger models, longer trainings and higher rates still stable, and what
does a sketch of them cost?

Names (or images) are deleted in 100 units, so that a training of any length takes the same 50 directions. For
every model: what a direction of degree 3 costs; the terms T_1 .. T_4 along random sets of 1, 5 and 20% of the
units, pushed exactly, and the ratio of successive ones; how far the exact series of degree 3 and the sketch's
predictions are from retraining; and the verdicts. A series is called stable where it is off by at most 0.4 of
the change, the limit of the verdict `trust`. A trusted set counts as false if it is off by more than half of
the change that is typical of its size.
"""
from dataclasses import replace
from functools import partial

import numpy as np

from deletion import retrain
from deletion.trust.verdict import MAX_RELATIVE_ERROR

from . import harness
from .scaling_cells import (DEEP, DEGREE, SHARES, Effort, Microgpt, Perceptron, cell, exact_terms,
                            random_banks, series_errors)
from .speed_models import PERCEPTRONS

DEGREES = (1, 2, 3, 4, 6)
"""Whose costs are compared."""

VERDICTS = {"trust": "C2", "raise degree": "gold", "more directions": "C4", "do not trust": "C3"}
"""What a verdict may be, and its colour."""


# the sweeps -------------------------------------------------------------------------------------------------

def effort(options):
    return Effort(20, 8, 8) if options.quick else Effort()


def base(options):
    """The model that all sweeps start from."""
    size = 40 if options.quick else Microgpt.names
    return Microgpt(names=size, steps=size, seed=options.seed)


def sweep(options, **series):
    """Measure and print series of models, {title: {x: setting}}: {title: {x: Cell}}.   Where there is little
    time, two of each."""
    cells = {}
    for title, settings in series.items():
        some = list(settings.items())[:2 if options.quick else None]
        cells[title] = {x: cell(setting, effort(options)) for x, setting in some}
        print(f"\n{title}\n{table_of(title, cells[title])}", flush=True)
    return cells


def table_of(title, cells):
    """Cells as a table for people."""
    def each(cell, text):
        return " ".join(text(cell.sizes[share]) for share in SHARES)
    return harness.table(
        [title.split(",")[0], "parameters", "steps", "loss", "training, s", "direction, s", "in trainings",
         "ratio of terms", "series off by", "sketch off by", "trusted", "false"],
        [[f"{x:g}", f"{c.parameters:,}", f"{c.steps:,}", f"{c.loss:.2f}", f"{c.training:.3g}",
          f"{c.direction:.3g}", f"{c.trainings:.1f}", each(c, lambda s: f"{s.ratio:.2f}"),
          each(c, lambda s: f"{s.series[DEGREE - 1]:.3f}"), each(c, lambda s: f"{s.error:.3f}"),
          each(c, lambda s: f"{s.trusted:4.0%}"), sum(s.false for s in c.sizes.values())]
         for x, c in cells.items()])


def width(options):
    """Numbers per token, at the paper's rate and at a rate that falls as the width grows"""
    plain, widths = base(options), (8, 16, 32, 64)
    return sweep(options, **{
        "width": {w: replace(plain, width=w) for w in widths},
        "width, rate x 16/width": {w: replace(plain, width=w, rate=plain.rate * 16 / w) for w in widths}})


def depth(options):
    """Layers, at width 16"""
    return sweep(options, layers={k: replace(base(options), layers=k) for k in (1, 2, 3)})


def length(options):
    """Steps: as many names as steps, or the same names again and again"""
    plain = base(options)
    shortest = plain.steps // 2
    steps = [shortest * 2 ** k for k in range(6)]      # the list of names is too short for as many as 8,000
    return sweep(options, **{
        "steps, as many names": {k: replace(plain, steps=k, names=k) for k in steps[:5]},
        f"steps, {shortest} names": {k: replace(plain, steps=k, names=shortest) for k in steps}})


def rate(options):
    """Adam's first learning rate"""
    rates = [Microgpt.rate * k for k in (0.25, 0.5, 1.0, 2.0, 4.0)]
    return sweep(options, rate={x: replace(base(options), rate=x) for x in rates})


def mlp(options):
    """Perceptrons of up to 468,874 parameters on digits"""
    widths = [shape for shape in PERCEPTRONS.values() if shape[0] == 784]
    epochs = 1 if options.quick else Perceptron.epochs
    settings = [Perceptron(shape, epochs, options.seed) for shape in [(784, 32, 10), *widths]]
    sizes = [sum((a + 1) * b for a, b in zip(s.widths, s.widths[1:])) for s in settings]
    return sweep(options, **{"parameters, perceptrons": dict(zip(sizes, settings))})


def slower(options):
    """Long trainings and the largest microgpt, at the paper's rate and at a quarter of it: exact series"""
    plain = base(options)
    steps = plain.steps if options.quick else 4000
    models = {f"{steps:,} steps of {names:,} names": replace(plain, steps=steps, names=names)
              for names in (steps, plain.names // 2)}
    if not options.quick:
        models["width 64, 3 layers"] = replace(plain, width=64, layers=3)
    rows = []
    for title, setting in models.items():
        for rate in (Microgpt.rate, Microgpt.rate / 4):
            rows.append({"model": title, "rate": rate, **at_rate(replace(setting, rate=rate), options)})
    print(harness.table(["model", "parameters", "rate", "loss", *(f"series off by, {s:.0%}" for s in SHARES)],
                        [[r["model"], f"{r['parameters']:,}", f"{r['rate']:g}", f"{r['loss']:.2f}",
                          *(f"{off:.3f}" for off in r["off"].values())] for r in rows]))
    return rows


def at_rate(setting, options):
    """{'parameters', 'loss', 'off'}: a model's size, its held-out loss, and the error of its exact series."""
    learner, measure = setting.make(effort(options).units)
    top, change = along_sets(learner, measure, options, DEGREE)
    return {"parameters": learner.layout.size, "loss": float(retrain(learner, [[]], measure).mean()),
            "off": {share: series_errors(*both)[-1] for share, *both in zip(SHARES, top, change)}}


def along_sets(learner, measure, options, degree):
    """(exact terms, true changes) along random sets of every size: (sizes, sets, ...) each."""
    count = effort(options).pushed
    sets = sum(random_banks(learner, count, options.seed).values(), [])
    values = retrain(learner, [[], *sets], measure)
    shape = len(SHARES), count
    terms = exact_terms(learner, measure, sets, degree)
    return terms.reshape(shape + terms.shape[1:]), (values[1:] - values[0]).reshape(shape + values.shape[1:])


def degrees(options):
    """What a smaller error costs: the degree, along exact directions of the paper's model"""
    learner, measure = base(options).make(effort(options).units)
    top, change = along_sets(learner, measure, options, DEGREES[-1])
    off = {share: series_errors(*both) for share, *both in zip(SHARES, top, change)}
    sets = sum(random_banks(learner, effort(options).pushed, options.seed).values(), [])
    _, trained = harness.core_seconds(lambda: retrain(learner, sets))
    rows = []
    for degree in DEGREES:
        exact_terms(learner, measure, sets[:1], degree)      # compiles
        _, pushed = harness.core_seconds(partial(exact_terms, learner, measure, sets, degree))
        rows.append({"degree": degree, "trainings": pushed / trained,
                     "off": {share: errors[degree - 1] for share, errors in off.items()}})
    print(harness.table(["degree", "a direction in trainings", *(f"off by, {s:.0%}" for s in off)],
                        [[r["degree"], f"{r['trainings']:.1f}", *(f"{x:.4f}" for x in r["off"].values())]
                         for r in rows]))
    power = slope(np.log(DEGREES), [r["trainings"] for r in rows])
    factors = {share: np.exp(slope(DEGREES, [r["off"][share] for r in rows])) for share in off}
    print(f"trainings grow as degree to the power {power:.2f}; a degree more multiplies the error by "
          + ", ".join(f"{factor:.2f} at {share:.0%}" for share, factor in factors.items()))
    return rows


def slope(x, y):
    """The slope of log y in x, by least squares; in log x it is the exponent of y ~ x^a."""
    return float(np.polyfit(x, np.log(y), 1)[0])


# what is printed --------------------------------------------------------------------------------------------

def report(series):
    """Print what all cells say together: costs against parameters, where the series holds, what the verdicts
    say."""
    for kind in ("microgpt", "perceptrons"):
        titles = ("width", "layers") if kind == "microgpt" else "parameters"
        cells = unique({title: some for title, some in series.items() if title.startswith(titles)})
        if len(cells) > 1:
            sizes, times = np.log([c.parameters for c in cells]), [c.trainings for c in cells]
            powers = [slope(sizes, [getattr(c, what) / c.steps for c in cells])
                      for what in ("training", "direction")]
            print(f"{kind}: a training's step costs parameters to the power {powers[0]:.2f}, a direction's "
                  f"{powers[1]:.2f}; a direction is {min(times):.1f} to {max(times):.1f} trainings")
    for share in SHARES:
        held, broken = ([c.sizes[share] for c in unique(series)
                         if (c.sizes[share].series[DEGREE - 1] <= MAX_RELATIVE_ERROR) is stable]
                        for stable in (True, False))
        print(f"{share:.0%}: the series is stable for {len(held)} of {len(held) + len(broken)} models "
              f"({shares_of(held)}); where it is not: {shares_of(broken)}")
    sizes = [s for c in unique(series) for s in c.sizes.values()]
    trusted = sum(s.verdicts.get("trust", 0) for s in sizes)
    print(f"{trusted} of {sum(sum(s.verdicts.values()) for s in sizes)} sets are trusted; of those "
          f"{sum(s.false for s in sizes)} are off by more than half of the typical change, and "
          f"{sum(s.outside for s in sizes) / max(sum(s.values for s in sizes), 1):.1%} of their values lie "
          "outside the 95% intervals")


def unique(series):
    """Every Cell once: models that belong to several series are measured once."""
    return list({id(c): c for cells in series.values() for c in cells.values()}.values())


def shares_of(sizes):
    """The verdicts on all sets, in words."""
    total = sum(sum(s.verdicts.values()) for s in sizes)
    counts = {v: sum(s.verdicts.get(v, 0) for s in sizes) for v in VERDICTS}
    return ", ".join(f"{v} {count / total:.0%}" for v, count in counts.items() if count) or "no sets"


def draw(pyplot, series):
    """A column for each series: above, errors at 5% and the ratio of terms; below, the verdicts at 5%."""
    figure, grid = pyplot.subplots(2, len(series), figsize=(2.5 * len(series), 5.6), layout="constrained",
                                   sharey="row", height_ratios=[3, 1], squeeze=False)
    for (above, below), (title, cells) in zip(grid.T, series.items()):
        x, at = list(cells), [c.sizes[0.05] for c in cells.values()]
        above.loglog(x, [s.ratio for s in at], "k^:", label="ratio of successive terms")
        above.loglog(x, [s.series[DEGREE - 1] for s in at], "C0o-", label="error of the exact series")
        above.loglog(x, [s.error for s in at], "C1s--", label="error of the sketch")
        above.axhline(MAX_RELATIVE_ERROR, color="0.6", linewidth=0.8)
        above.set_xticks(x, [f"{v:g}" if v < 1e4 else f"{v / 1e3:.0f}k" for v in x], fontsize=7, rotation=90)
        above.minorticks_off()
        above.set_title(title, fontsize=10)
        above.grid(alpha=0.3)
        bottom = np.zeros(len(x))
        for verdict, colour in VERDICTS.items():
            height = np.array([s.verdicts.get(verdict, 0) / sum(s.verdicts.values()) for s in at])
            below.bar(range(len(x)), height, 0.7, bottom=bottom, color=colour, label=verdict)
            bottom += height
        below.set_xticks(range(len(x)), [t.get_text() for t in above.get_xticklabels()], fontsize=7,
                         rotation=90)
    grid[0, 0].set_ylabel("5% deleted: error, or ratio")
    grid[1, 0].set_ylabel("share of sets")
    handles = [axes.get_legend_handles_labels() for axes in grid[:, 0]]
    figure.legend(*(a + b for a, b in zip(*handles)), loc="outside lower center", ncols=4, fontsize=9)
    return figure


PARTS = {"width": width, "depth": depth, "length": length, "rate": rate, "mlp": mlp, "degrees": degrees,
         "slower": slower}


def main():
    options = harness.parser("scaling", __doc__, PARTS, seed=1, quick=False, out="results").parse_args()
    work = effort(options)
    print(f"{harness.machine()}; {work.units} units, {-(-work.units // 2)} directions of "
          f"degree {DEGREE}, {work.sets} random sets of each size; three numbers in a column are "
          "those of sets of 1, 5 and 20%")
    done = harness.Run("scaling", options)
    cell(Microgpt(names=4, steps=4), Effort(4, 2, 1))      # compiles
    found = harness.parts(PARTS, options)
    alone = {name: found.pop(name) for name in ("degrees", "slower") if name in found}
    series = {title: cells for part in found.values() for title, cells in part.items()}
    if series:
        print()
        report(series)
    drawn = {title: cells for title, cells in series.items() if len(cells) > 1}
    rows = [[title, x, c.parameters, c.steps, c.training, c.direction, share, s.ratio, *s.series, s.error,
             *(s.verdicts.get(v, 0) for v in VERDICTS), s.false]
            for title, cells in series.items() for x, c in cells.items() for share, s in c.sizes.items()]
    done.finish(["series", "x", "parameters", "steps", "training", "direction", "share", "ratio",
                 *(f"series {p}" for p in range(1, DEEP + 1)), "error", *VERDICTS, "false"], rows,
                {"scaling": partial(draw, series=drawn)} if drawn else {}, **alone)
    return 0


if __name__ == "__main__":
    harness.run(main)
