"""python -m benchmarks.asked: does `ask` reach the tolerance that it is given, and at what cost?

Five learners, twelve questions each: random sets of one size or of many, sets chosen by a rule (a letter,
neighbours in the data), few sets or many, one measurement or five, a tolerance of 10%, 20% or 40%. The truth
is exact retraining. A question is answered well if sum |predicted - true| / sum |true change| is at most the
tolerance, and cheaply if it costs at most 1.05 times what retraining every set does.
"""
from dataclasses import dataclass

import numpy as np

from deletion import ask, retrain
from microgpt import names

from . import harness
from .networks import convolution, recurrent, transformer, wine
from .truth import Several, error

TOLERANCES = (0.1, 0.2, 0.4)

MIN_REACHED, MAX_COST = 0.9, 1.05
"""Limits: the share of questions whose tolerance is reached, and the cost beside retraining everything."""


@dataclass(frozen=True)
class Asked:
    """One question and its answer.

    error      sum |predicted - true| / sum |true change|;   expected: the same, as `ask` says it
    cost       trainings spent / different sets asked about
    held       the share of the truths that are not retrained inside their 95% interval
    """
    learner: str
    question: str
    sets: int
    measured: int
    tolerance: float
    error: float
    expected: float
    cost: float
    held: float

    @property
    def reached(self):
        return self.error <= self.tolerance


def learners(seed, options):
    """{name: learner}: five of them."""
    made = {make.__name__: make(seed=seed) for make in (convolution, recurrent, transformer, wine)}
    return {"microgpt": names(options.names, steps=options.steps, seed=seed)} | made


def questions(learner, rng, options):
    """Twelve questions: (name, sets, measured, tolerance)."""
    n = learner.unit_count
    several, few = options.sets, max(options.sets // 8, 4)
    sizes = {"one unit": [1], "1%": [max(1, n // 100)], "5%": [max(2, n // 20)], "20%": [n // 5],
             "all sizes": [1, max(2, n // 50), max(3, n // 20), n // 8]}
    kinds = [(f"random, {name}", random_sets(learner, several, some, rng)) for name, some in sizes.items()]
    kinds += [(f"random, {name}, few", random_sets(learner, few, sizes[name], rng)) for name in ("5%", "20%")]
    kinds += [("by a rule", by_rule(learner, several)), ("by a rule, few", by_rule(learner, few))]
    for k, (name, sets) in enumerate(kinds + kinds[:12 - len(kinds)]):      # the first ones asked otherwise
        yield name, sets, (1, 5)[k % 2], TOLERANCES[k % 3]


def random_sets(learner, count, sizes, rng):
    """Random deletion sets, of the sizes in turn."""
    return [[learner.units[i] for i in rng.choice(learner.unit_count, sizes[k % len(sizes)], replace=False)]
            for k in range(count)]


def by_rule(learner, count):
    """Sets that are not random: names with the same two letters, or runs of neighbours of several sizes."""
    if hasattr(learner, "documents"):
        pairs = sorted({name[k:k + 2] for name in learner.documents for k in range(len(name) - 1)})
        sets = [[i for i, name in enumerate(learner.documents) if pair in name] for pair in pairs]
        return [s for s in sets if 1 < len(s) <= 0.3 * learner.unit_count][:count]
    sizes = [max(2, learner.unit_count // part) for part in (40, 20, 10, 5)]
    return [[(at * 7 + i) % learner.unit_count for i in range(sizes[at % 4])] for at in range(count)]


def measurement(learner, count, rng):
    """The losses on so many held-out examples or names, joined."""
    known = learner.held_out if hasattr(learner, "documents") else range(len(learner.held_out))
    return Several(tuple(learner.loss_on(x.item()) for x in rng.choice(known, count, replace=False)))


def answered(name, learner, question, seed):
    """The Asked of one question."""
    what, sets, measured, tolerance = question
    measure = measurement(learner, measured, np.random.default_rng([seed, measured]))
    p = ask(learner, sets, measure, tolerance=tolerance, seed=seed)
    true, value = retrain(learner, sets, measure), retrain(learner, [[]], measure)[0]
    inside = (p.interval[0] <= true) & (true <= p.interval[1])
    estimated = np.array([source not in ("retrained", "unchanged") for source in p.source])
    return Asked(name, what, len(sets), measured, tolerance, error(p.value - value, true - value),
                 p.strategy.error, p.strategy.trainings / len(set(map(tuple, sets))),
                 float(inside[estimated].mean()) if estimated.any() else 1.0)


def table_of(rows):
    """The questions as a table for people."""
    return harness.table(
        ["learner", "question", "sets", "measured", "tolerance", "error", "expected", "reached", "cost",
         "in interval"],
        [[r.learner, r.question, r.sets, r.measured, r.tolerance, f"{r.error:.3f}", f"{r.expected:.3f}",
          "yes" if r.reached else "NO", f"{r.cost:.2f}", f"{r.held:.0%}"] for r in rows])


def main():
    parser = harness.parser("asked", __doc__, names=None, steps=500, seed=400, quick=False, json=None)
    parser.add_argument("--sets", type=int, default=200, help="in a question of many (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.sets = 40, 24
    print(f"{harness.machine()}; microgpt on {options.steps} names")
    rows, rng = [], np.random.default_rng(options.seed)
    for name, learner in learners(options.seed, options).items():
        for question in questions(learner, rng, options):
            rows.append(answered(name, learner, question, options.seed))
    print(table_of(rows))
    reached, cost = float(np.mean([r.reached for r in rows])), max(r.cost for r in rows)
    print(f"\n{len(rows)} questions: the tolerance is reached in {reached:.0%} (at least {MIN_REACHED:.0%}); "
          f"the cost is at most {cost:.2f} x retraining every set (limit {MAX_COST}), "
          f"{np.mean([r.cost for r in rows]):.2f} in the mean")
    harness.write_json(options.json, rows=[vars(r) for r in rows], reached=reached, cost=cost)
    return 0


if __name__ == "__main__":
    harness.run(main)
