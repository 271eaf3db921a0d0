"""python -m benchmarks.figure2: the Taylor series along one deletion set, degree by degree, against exact
retraining.

The paper's Figure 2. One real direction, the indicator 1_D of all training names with an 'x', is pushed
through the training, and gives the exact terms of the loss in u, where the downweight is u 1_D; the truth is
retrained at u = 0, 0.1 .. 1. Directions are pushed eight at a time, so seven random sets of as many names
come along at no cost, to see whether D is a lucky choice.
"""
import numpy as np

from deletion import given

from . import figures, harness
from .truth import error, random_sets

FULL, QUICK = {"directions": 8, "degree": 6}, {"directions": 3, "degree": 3}
DOWNWEIGHTS = np.linspace(0.0, 1.0, 11)


def compute(question):
    """Everything the figure shows.

    curves    (11, degree + 1): the series of each degree at every downweight, retrained (11,) the truth
    terms     (degree,): along D;   errors (degree + 1,): of the whole deletion by degree
    others    (degree + 1,): error of random sets of as many names by degree, sum |series - retrained| / sum
              |true change|; or None
    """
    learner, options = question.learner, question.options
    directions, degree = options.directions, options.degree
    size = len(question.deleted)
    sets = [question.deleted, *random_sets(learner.units, [size], directions - 1, seed=options.seed)[size]]
    measured, seconds = question.pushed(given(learner.deletion_sets(sets).dense(learner.unit_count)), degree,
                                        calibration=0)
    curves, retrained = measured.along(0, DOWNWEIGHTS).real, question.retrained(DOWNWEIGHTS)
    others = None
    if directions > 1:
        true = question.bank.values(sets[1:], question.measure) - measured.value
        series = np.stack([measured.along(k, 1.0)[0].real for k in range(1, directions)]) - measured.value
        others = [error(series[:, p], true) for p in range(degree + 1)]
    return {"trained": float(measured.value), "curves": curves, "retrained": retrained,
            "terms": measured.coefficients[0].real, "errors": curves[-1] - retrained[-1], "others": others,
            "pushing_seconds": seconds}


def report(question, result):
    """The tables."""
    curves, degrees = result["curves"], range(len(result["errors"]))
    print(f"\nloss on {question.document!r}, nats per token, by the downweight u of {question.description}")
    print(harness.table(["u", "retrained", *(f"degree {p}" for p in degrees[1:])],
                        [[f"{u:.1f}", f"{true:.4f}", *(f"{x:.4f}" for x in row[1:])]
                         for u, true, row in zip(DOWNWEIGHTS, result["retrained"], curves)]))
    change = result["retrained"][-1] - result["trained"]
    print(f"\ndeleted (u = 1): {result['trained']:.4f} as trained, {result['retrained'][-1]:.4f} retrained")
    rows = [[p, f"{curves[-1, p] - (curves[-1, p - 1] if p else 0.0):.4f}", f"{curves[-1, p]:.4f}",
             f"{wrong:+.4f}", f"{abs(wrong / change):.1%}",
             *([f"{result['others'][p]:.1%}"] if result["others"] else [])]
            for p, wrong in enumerate(result["errors"])]
    others = [f"of {question.options.directions - 1} random sets"] if result["others"] else []
    print(harness.table(["degree", "term", "series", "error", "of the change", *others], rows))


def columns(result):
    """The curves."""
    header = ["downweight", "retrained", *(f"degree {p}" for p in range(1, len(result["errors"])))]
    return header, np.column_stack([DOWNWEIGHTS, result["retrained"], result["curves"][:, 1:]])


def draw(question, result, pyplot):
    """Curves of the first degrees beside the truth; the error by degree."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained",
                                            width_ratios=(3, 2))
    for p in range(1, result["curves"].shape[1]):
        left.plot(DOWNWEIGHTS, result["curves"][:, p], color=figures.SHADES[min(p, len(figures.SHADES)) - 1],
                  label=f"Taylor series, degree {p}")
    left.plot(DOWNWEIGHTS, result["retrained"], "ko", markersize=4, zorder=3, label="retrained")
    left.set_xlabel(f"downweight of {question.description}  (0: as trained, 1: deleted)")
    left.set_ylabel(f"loss on {question.document!r}, nats per token")
    left.legend()
    degrees, wrong = np.arange(len(result["errors"])), np.abs(result["errors"])
    right.semilogy(degrees, wrong, "o-", color=figures.SHADES[3])
    right.annotate("no change", (0, wrong[0]), xytext=(8, -3), textcoords="offset points")
    right.set_xticks(degrees)
    right.set_xlabel("degree")
    right.set_ylabel("error at downweight 1, nats per token")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle(f"Taylor series along {question.description} approach exact retraining")
    return figure


FIGURE = figures.Figure("figure2", __doc__, FULL, QUICK, {"directions": 1, "degree": 1}, compute, report,
                        columns, draw)

if __name__ == "__main__":
    harness.run(FIGURE.main)
