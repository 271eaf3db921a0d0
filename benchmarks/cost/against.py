"""Ratios that a run of a benchmark stores, and their comparison with those of an earlier run.

Seconds depend on the machine and on what else runs on it; a ratio of two measurements that were made one
right after the other depends on them much less. What is left is the spread of its repetitions. So a ratio
counts as worse only if its median is worse by more than FACTOR, and if no repetition of this run was as good
as any of the stored run: one disturbed repetition, in either run, is not enough to fail.
"""
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from circuit import InputError

from . import harness

FACTOR = 1.5
"""How many times worse a median may be."""

BETTER = ("more", "less")


@dataclass(frozen=True)
class Ratio:
    """One measured ratio and its spread.

    name                what was measured
    unit                of what it is a ratio
    low, median, high   of its repetitions
    better              "more" or "less": which way it improves
    """
    name: str
    unit: str
    low: float
    median: float
    high: float
    better: str

    @classmethod
    def of(cls, name, unit, values, better):
        """The ratio of paired repetitions."""
        return cls(name, unit, float(np.min(values)), float(np.median(values)), float(np.max(values)), better)

    @property
    def cells(self):
        """Its row of the table of ratios."""
        return self.name, *(shown(x, self.unit) for x in (self.low, self.median, self.high)), self.unit


HEADER = "", "lowest", "median", "highest", "in"


def shown(number, unit):
    """A ratio as text: a share in percent."""
    if unit.startswith("share"):
        return f"{number:.0%}" if number >= 0.1 else f"{number:.1%}"
    return f"{number:.3g}"


def change(old, new):
    """How many times worse the new median is: above 1 worse, below 1 better."""
    return new.median / old.median if old.better == "less" else old.median / new.median


def apart(old, new):
    """Whether every repetition of the new run was worse than every one of the old."""
    return new.low > old.high if old.better == "less" else new.high < old.low


def is_worse(old, new, factor=FACTOR):
    """Whether a ratio is worse by more than `factor`, and by more than what its repetitions spread."""
    return change(old, new) > factor and apart(old, new)


def compared(old, new, factor=FACTOR):
    """Pairs of ratios with the same name: [(old, new, whether it is worse)], in the order of the new ones.

    Raises InputError where a name stands for ratios of two kinds, and where nothing can be compared.
    """
    before = {ratio.name: ratio for ratio in old}
    pairs = [(before[ratio.name], ratio) for ratio in new if ratio.name in before]
    for a, b in pairs:
        if (a.unit, a.better) != (b.unit, b.better):
            raise InputError(f"{b.name!r} is a ratio in {b.unit} ({b.better} is better) in this run and in "
                             f"{a.unit} ({a.better}) in the stored one: store the results of this version")
    if not pairs:
        raise InputError(f"none of the {len(new)} ratios of this run is among the {len(before)} stored ones")
    return [(a, b, is_worse(a, b, factor)) for a, b in pairs]


def read(path):
    """The ratios in a file that --json wrote. Raises InputError."""
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))["ratios"]
        ratios = [Ratio(**row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected the results of a run with --json, with a list of ratios "
                         f"({type(error).__name__}: {error})") from None
    for ratio in ratios:
        numbers = ratio.low, ratio.median, ratio.high
        if ratio.better not in BETTER or not all(isinstance(x, float) and 0.0 < x < np.inf for x in numbers):
            raise InputError(f"{path}: expected positive numbers, and that more or less is better, in the "
                             f"ratio {ratio}")
    return ratios


def stored(ratios):
    """Ratios as --json stores them."""
    return [asdict(ratio) for ratio in ratios]


def report(old, new, factor=FACTOR):
    """Print the comparison; return how many ratios are worse."""
    rows, measured = compared(old, new, factor), {ratio.name for ratio in new}
    cells = [(b.name, *(shown(x.median, x.unit) for x in (a, b)), f"{change(a, b):.2f}",
              "WORSE" if worse else "within the spread" if change(a, b) > factor else "", b.unit)
             for a, b, worse in rows]
    print("\nbeside the stored run (change: how many times worse the median is, below 1 better)")
    print(harness.table(["", "stored", "now", "change", "", "in"], cells))
    missing = [ratio.name for ratio in old if ratio.name not in measured]
    if missing:
        print(f"stored and not measured in this run: {', '.join(missing)}")
    count = sum(worse for *_, worse in rows)
    print(f"{count} of {len(rows)} ratios are worse by more than {factor:g} times and beyond the spread of "
          "both runs")
    return count
