"""Wrong labels: which scores find them, and what leaving out what they find is worth."""
import numpy as np
from scipy.stats import rankdata

from . import harness
from .scores import (FOLDS, TRUTH, every_method, gradient_norms, held_out_losses, leave_one_outs, own_losses,
                     reliability, shapley)
from .subjects import COUNT, SMALL, first, highest, paired, spread, subject

SHARE = 0.1
"""Of the labels that are exchanged, and of the examples that are then left out."""

KINDS = {"own": "how much deleting an example raises its own loss (self-influence)",
         "left out": "its loss once it is deleted: loss plus self-influence",
         "validation": "how much deleting it lowers the validation loss"}
"""The scores that one prediction of leave-one-outs makes."""

LOSS, NORM, FOLDED = "the loss itself", "gradient norm", f"retrained without {FOLDS} folds"
SHAPLEY, NOTHING, CHANCE, KNOWN = "Shapley values", "nothing left out", "at random", "the wrong labels"


def area(scores, wrong):
    """The area under the ROC curve: how often a wrong label has the higher score, ties counting half."""
    positive, negative = wrong.sum(), (~wrong).sum()
    return float((rankdata(scores)[wrong].sum() - positive * (positive + 1) / 2) / (positive * negative))


def scored(given, orders, seed):
    """({(name, kind): scores (examples,), high where a label looks wrong}, facts) of one Subject."""
    learner, rng = given.learner, np.random.default_rng([seed, 4])
    changes, refused = leave_one_outs(learner, given.own_and_validation_losses(),
                                      every_method(learner, given.damping))
    loss, scores = own_losses(learner), {}
    for name, change in changes.items():
        own = np.diagonal(change)
        scores |= {(name, "own"): own, (name, "left out"): loss + own, (name, "validation"): -change[:, -1]}
    estimate, values = shapley(learner, given.validation_loss(), orders, seed)
    scores |= {(SHAPLEY, "validation"): -values, (LOSS, "own"): loss,
               (NORM, "own"): gradient_norms(learner),
               (FOLDED, "left out"): held_out_losses(learner, given.own_losses(), rng),
               (CHANCE, "own"): rng.random(len(loss)), (KNOWN, "own"): given.wrong.astype(float)}
    return scores, {"refused": refused, "trainings": estimate.trainings,
                    "reliability": reliability(estimate)}


def judged(given, scores):
    """{(name, kind): (area, test accuracy when the highest scores are left out)}, and the accuracy as trained
    under NOTHING."""
    kept = [~first(highest(values), SHARE) for values in scores.values()]
    accuracy, _ = given.tested(given.trained_on([*kept, np.ones_like(given.wrong)]))
    areas = [area(values, given.wrong) for values in scores.values()]
    return dict(zip([*scores, (NOTHING, "own")], zip([*areas, 0.5], accuracy)))


def over_seeds(name, options):
    """({(score, kind): array (seeds, 2)}, facts of the last seed) of one data set."""
    rows = []
    for seed in options.seeds:
        given = subject(name, seed, SHARE, options.count or COUNT)
        scores, facts = scored(given, options.orders, seed)
        rows.append(judged(given, scores))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}, facts


def report(name, results, facts):
    """Print the table of one data set, and what stands beside what."""
    print(f"\n{name}: area under the ROC curve, and test accuracy without the {SHARE:.0%} of highest score")
    rows = list(dict.fromkeys(row for row, _ in results))
    cells = [[row, *(spread(results[row, kind][:, column]) if (row, kind) in results else ""
                     for column in (0, 1) for kind in KINDS)] for row in rows]
    print(harness.table(["", *(f"{what}: {kind}" for what in ("area", "accuracy") for kind in KINDS)], cells))
    for kind, meaning in KINDS.items():
        print(f"{kind}: {meaning}")
    for method, reason in facts["refused"].items():
        print(f"{method} does not apply: {reason}")
    print(f"Shapley values: {facts['trainings']} trainings, {facts['reliability']:.2f} of their variance is "
          "not the noise of the orders")
    loss, compared = results[LOSS, "own"], [(TRUTH, "own"), (TRUTH, "left out"), ("metagradient", "own"),
                                            ("metagradient", "left out"), (FOLDED, "left out"),
                                            (SHAPLEY, "validation")]
    print(f"minus those of {LOSS}, and in how many seeds it is higher")
    print(harness.table(["", "area", "accuracy"], [
        [", ".join(key), *(paired(results[key][:, i], loss[:, i]) for i in (0, 1))] for key in compared]))


def labels(options):
    """Wrong labels: 10% are exchanged; which scores find them?"""
    everything = {}
    for name in SMALL:
        results, facts = over_seeds(name, options)
        report(name, results, facts)
        everything[name] = {f"{row}, {kind}": values.tolist() for (row, kind), values in results.items()}
    return everything
