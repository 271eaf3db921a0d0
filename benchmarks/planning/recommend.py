"""python -m benchmarks.recommend: the plans that `recommend` makes from (eps, delta), checked on unseen sets.

For learners, sizes of sets and pairs (eps, delta): what the theorem asks for, and what calibrated practice
needs. Practice is checked with new seeds of directions on random sets that the pilot has not seen: the share
of predictions off by more than eps, and how probable so many are if the true share is delta. Below 1% plans
are flagged: of those whose true share is delta, at most one in a hundred is flagged falsely, if predictions
are independent (those of one sketch are not quite, and n/2 pairs or more do not depend on the seed). The
theorem is checked by how many directions the median of means really needs: its error is measured with a few
hundred and falls as m^(-1/2) (`python -m benchmarks.directions_needed`). The ratio says how conservative the
theorem is.
"""
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import binom

from deletion import precompute, retrain
from deletion.directions.decoders import group_count
from deletion.planning.pilot import pilot_of
from deletion.planning import recommend
from microgpt import names

from . import harness
from .learners import bounded_cancer, breast_cancer, diabetes, digits
from .truth import random_sets

ASKED = ((0.5, 0.1), (0.2, 0.05), (0.05, 0.05))
"""(eps in units of the typical change, delta)"""

DEGREE = 3
"""Of the directions by which the median of means is measured."""

FALSE_ALARM = 0.01
"""Plans are flagged where so many errors above eps are less probable than this."""


@dataclass(frozen=True)
class Row:
    """A plan and its check.

    learner, size, share, delta   the question: |h|^2, and eps in units of the typical change
    theorem       its degree and directions, None where it promises nothing
    needed        directions that the median of means really needs
    practice      its design, degree and directions, None where no sketch reaches eps;   trainings: its cost
    above         of `checked` unseen predictions, how many are off by more than eps
    probability   of so many, or more, if the share is delta
    """
    learner: str
    size: int
    share: float
    delta: float
    theorem: tuple | None
    needed: float
    practice: tuple | None
    trainings: float | None
    above: int
    checked: int
    probability: float
    words: str


class Case:
    """A learner, a measurement, a size, and unseen sets of that size with their truth."""

    def __init__(self, name, learner, measure, size, options):
        self.name, self.learner, self.measure = name, learner, measure
        self.size, self.options = size, options
        seen = random_sets(learner.units, [size], options.pilot_sets, [options.seed, 1])[size]
        self.pilot = pilot_of(learner, measure, seen, seed=options.seed)
        self.sets = random_sets(learner.units, [size], options.sets, [options.seed, 2])[size]
        self.changes = retrain(learner, self.sets, measure) - self.pilot.value

    @cached_property
    def sphere(self):
        """A measured sketch of the sphere."""
        return precompute(self.learner, self.options.directions, DEGREE, self.options.seed + 50,
                          design="sphere", calibration=0).measure(self.measure)

    def needed(self, eps, delta, groups):
        """Directions by which the median of means reaches (eps, delta) over the unseen sets."""
        groups = min(groups, self.options.directions)
        found = self.sphere.predict_many(self.sets, decoder="median of means", groups=groups,
                                         intervals=False).change
        return self.options.directions * (np.quantile(np.abs(found - self.changes), 1.0 - delta) / eps) ** 2

    def check(self, plan, eps):
        """(predictions off by more than eps, how many were made), by turns with new seeds on unseen sets."""
        if not plan.directions:
            return int((np.abs(self.changes) > eps).sum()), len(self.changes)
        above, seeds = 0, self.options.sketches
        for k in range(seeds):
            measured = precompute(self.learner, plan.directions, plan.degree, self.options.seed + 100 + k,
                                  design=plan.design, calibration=0).measure(self.measure)
            found = measured.predict_many(self.sets[k::seeds], decoder=plan.decoder, intervals=False).change
            above += int((np.abs(found - self.changes[k::seeds]) > eps).sum())
        return above, len(self.changes)

    def row(self, share, delta, change):
        """The Row of eps = share times the change."""
        eps = share * change
        plan = recommend(self.learner, self.measure, eps, delta, pilot=self.pilot)
        theorem, practice = plan.theorem, plan.practice
        made = practice.degree is not None and practice.directions <= 2 * self.pilot.units
        above, checked = self.check(practice, eps) if made else (0, 0)
        probability = float(binom.sf(above - 1, checked, delta)) if made else 1.0
        return Row(self.name, self.size, share, delta,
                   theorem.degree and (theorem.degree, theorem.directions),
                   self.needed(eps, delta, group_count(delta)),
                   practice.degree and (practice.design, practice.degree, practice.directions),
                   practice.trainings, above, checked, probability, str(plan))


def cases(options):
    """Yield (name, learner, measurement, sizes)."""
    count, steps = (60, 40) if options.quick else (200, 200)
    made = {"diabetes": diabetes(count, 40), "bounded cancer": bounded_cancer(count, 100)}
    if not options.quick:
        made |= {"breast cancer": breast_cancer(count, 60), "digits": digits(count, 8, epochs=5, batch=20)}
    for name, learner in made.items():
        measure = learner.prediction_on(0) if name == "diabetes" else learner.margin_on(0)
        yield name, learner, measure, (1, 4, 20)[:1 if options.quick else 3]
    text = names(options.names, steps=steps)
    yield "microgpt", text, text.loss_on(text.held_out[0]), (1, 10)
    sources = names(options.names, steps=steps).again(units=np.arange(steps) % 20)
    yield "microgpt, 20 sources", sources, text.loss_on(text.held_out[0]), (1, 3)


def table(rows):
    """The rows for people."""
    def power(x):
        return "-" if x is None else f"{x:,.0f}" if x < 1e5 else f"{x:.1e}"
    cells = [[r.learner, r.size, r.share, r.delta, r.theorem[0] if r.theorem else "-",
              power(r.theorem and r.theorem[1]), power(r.needed),
              power(r.theorem[1] / r.needed) if r.theorem else "-",
              f"{r.practice[0]} {r.practice[1]}" if r.practice else "none",
              power(r.practice and r.practice[2]), power(r.trainings),
              f"{r.above}/{r.checked}" if r.checked else "-",
              "FLAG" if r.probability < FALSE_ALARM else "ok" if r.checked else "-"] for r in rows]
    return harness.table(["learner", "|h|^2", "eps/change", "delta", "theorem: degree", "directions",
                          "really needed", "ratio", "practice", "directions", "trainings", "above eps", ""],
                         cells)


def report(rows):
    """Print the table and what it says."""
    print(table(rows))
    checked, ratios = [r for r in rows if r.checked], [r.theorem[1] / r.needed for r in rows if r.theorem]
    print(f"the theorem promises something in {len(ratios)} of {len(rows)} questions"
          + (f", and asks for {min(ratios):,.0f} to {max(ratios):,.0f} times (median "
             f"{np.median(ratios):,.0f}) the directions that the median of means needs" if ratios else ""))
    flagged = sum(r.probability < FALSE_ALARM for r in checked)
    expected = sum(r.checked * r.delta for r in checked)
    print(f"practice has a sketch in {sum(r.practice is not None for r in rows)} questions; of "
          f"{len(checked)} checked, {flagged} are flagged (one in {1 / FALSE_ALARM:.0f} would be falsely); "
          f"{sum(r.above for r in checked)} of {sum(r.checked for r in checked)} predictions are off by more "
          f"than eps, where delta allows {expected:.0f}")


def main():
    parser = harness.parser("recommend", __doc__, names=None, directions=512, seed=900, quick=None, json=None)
    parser.add_argument("--sets", type=int, default=200, help="unseen sets (default %(default)s)")
    parser.add_argument("--pilot-sets", type=int, default=32, help="sets of the pilot (default %(default)s)")
    parser.add_argument("--sketches", type=int, default=2,
                        help="seeds of each plan's directions (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.directions, options.sets, options.pilot_sets = 64, 40, 16
    print(f"{harness.machine()}; {options.sets} unseen sets, {options.sketches} seeds of directions a plan")
    rows = []
    for name, learner, measure, sizes in cases(options):
        for size in sizes:
            case = Case(name, learner, measure, size, options)
            change = float(np.sqrt((case.pilot.changes ** 2).mean()))
            rows += [case.row(share, delta, change) for share, delta in ASKED]
    report(rows)
    print("\none plan in words:\n" + rows[1].words)
    harness.write_json(options.json, ["scikit-learn"], rows=[vars(row) for row in rows])
    return 0


if __name__ == "__main__":
    harness.run(main)
