"""Choosing data: which scores know the examples that matter, judged on test data after retraining."""
import numpy as np
from scipy.stats import spearmanr

from . import harness
from .learners import stacked
from .scores import (HALVES, TRUTH, at_halves, every_method, gradient_norms, leave_one_outs, own_losses,
                     reliability, shapley)
from .subjects import COUNT, first, highest, overlap, paired, spread, subject

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Of the training examples, left out or chosen."""

WAYS = {"best left out": "the most valuable are left out: a good score makes the test loss rise",
        "worst left out": "the least valuable are left out: a good score keeps it low, or lowers it",
        "best alone": "only the most valuable are trained on: a good score makes it low",
        "best of each class": "only the most valuable of each class are trained on"}

SHAPLEY, AT_HALVES, CHANCE = "Shapley values", f"gradients at {HALVES} halves", "at random"
LOSS, NORM = "the loss itself", "gradient norm"
DRAWS = 10
"""Random orders whose curves are averaged."""

COMPARED = ((SHAPLEY, TRUTH), (SHAPLEY, "influence, Gauss-Newton"), (SHAPLEY, AT_HALVES), (SHAPLEY, CHANCE),
            (TRUTH, CHANCE), ("influence, Gauss-Newton", CHANCE), (AT_HALVES, CHANCE))
"""Pairs of scores whose difference is printed."""

DRAWN = {SHAPLEY: "C3", AT_HALVES: "C2", TRUTH: "black", "metagradient": "C0",
         "influence, Gauss-Newton": "C1", LOSS: "C4", CHANCE: "0.6"}
"""The scores in the picture, with their colours."""


def valued(given, orders, seed):
    """({score: values (examples,), high where deletion raises the validation loss}, facts) of one Subject."""
    learner, loss = given.learner, given.validation_loss()
    values, refused = leave_one_outs(learner, loss, every_method(learner, given.damping))
    estimate, worth = shapley(learner, loss, orders, seed)
    rng = np.random.default_rng([seed, 5])
    values |= {AT_HALVES: at_halves(learner, loss, rng), SHAPLEY: worth,
               LOSS: own_losses(learner), NORM: gradient_norms(learner)}
    return values, {"refused": refused, "trainings": estimate.trainings,
                    "reliability": reliability(estimate)}


def kept_by(order, classes):
    """(ways x shares, units) of bool: which units are trained on, for units in an order, the best first."""
    ways = [[~first(order, share) for share in SHARES], [~first(order[::-1], share) for share in SHARES],
            [first(order, share) for share in SHARES], [of_each(order, classes, share) for share in SHARES]]
    return np.concatenate(ways)


def of_each(order, classes, share):
    """(units,) of bool: a share of each class, those that come first in an order; at least one of each."""
    chosen = np.zeros(len(order), bool)
    for c in np.unique(classes):
        members = order[classes[order] == c]
        chosen[members[:max(1, round(share * len(members)))]] = True
    return chosen


def curves(given, values, seed):
    """{score: (ways, shares, 2)}: test accuracy and test loss; a random order's are averaged over DRAWS."""
    rng, n = np.random.default_rng([seed, 6]), given.learner.unit_count
    orders = {name: [highest(scores)] for name, scores in values.items()}
    orders[CHANCE] = [rng.permutation(n) for _ in range(DRAWS)]
    classes = stacked(given.learner.examples)[1]
    kept = np.concatenate([kept_by(order, classes) for several in orders.values() for order in several])
    tested = np.stack(given.tested(given.trained_on(kept)), axis=-1)
    tested = tested.reshape(-1, len(WAYS), len(SHARES), 2)
    ends = np.cumsum([len(several) for several in orders.values()])
    return {name: part.mean(axis=0) for name, part in zip(orders, np.split(tested, ends[:-1]))}


def agreement(values):
    """{score: (rank correlation with exact leave-one-outs, share of their highest tenth that is found, of
    their lowest)}."""
    true, result = values[TRUTH], {}
    for name, scores in values.items():
        result[name] = (spearmanr(scores, true).statistic, overlap(scores, true), overlap(-scores, -true))
    return result


# what is printed --------------------------------------------------------------------------------------------

def report(tested, agreed, facts):
    """Print the tables.   tested: {score: (seeds, ways, shares, 2)};   agreed: {score: (seeds, 3)}"""
    for measure, what in enumerate(("test accuracy", "test loss")):
        print(f"\n{what}, mean over {', '.join(f'{share:.0%}' for share in SHARES)} of the examples")
        print(harness.table(["", *WAYS], [[name, *(spread(values[:, way, :, measure].mean(axis=1))
                                                   for way in range(len(WAYS)))]
                                          for name, values in tested.items()]))
    for way, meaning in WAYS.items():
        print(f"{way}: {meaning}")
    print("\nagreement with exact leave-one-outs: rank correlation; share of their highest and lowest tenth "
          "that is found")
    print(harness.table(["", "correlation", "highest", "lowest"],
                        [[name, *(spread(values[:, i], 2) for i in range(3))]
                         for name, values in agreed.items()]))
    for method, reason in facts["refused"].items():
        print(f"{method} does not apply: {reason}")
    print(f"Shapley values: {facts['trainings']} trainings, {facts['reliability']:.2f} of their variance is "
          "not the noise of the orders\n")
    print("test accuracy, one score minus another, and in how many seeds it is higher")
    print(harness.table(["", *WAYS], [[f"{name} - {other}", *(
        paired(*(tested[x][:, way, :, 0].mean(axis=1) for x in (name, other))) for way in range(len(WAYS)))]
        for name, other in COMPARED]))


def choose(options):
    """Choosing data: digits, by every score of an example's value, beside a random order."""
    tested, agreed = [], []
    for seed in options.seeds:
        given = subject("digits", seed, count=options.count or COUNT)
        values, facts = valued(given, options.orders, seed)
        tested.append(curves(given, values, seed))
        agreed.append(agreement(values))
    tested, agreed = ({name: np.array([row[name] for row in rows]) for name in rows[0]}
                      for rows in (tested, agreed))
    report(tested, agreed, facts)
    return {"shares": SHARES, "ways": list(WAYS), "tested": {name: x.tolist() for name, x in tested.items()},
            "agreement": {name: x.tolist() for name, x in agreed.items()}}


def draw(pyplot, results):
    """Test accuracy against the share of examples: the best left out on the left, the best alone on the
    right."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
    shares = 100.0 * np.array(results["shares"])
    for axes, way, title in zip(panels, ("best left out", "best alone"),
                                ("the most valuable left out", "only the most valuable trained on")):
        number = results["ways"].index(way)
        for name, colour in DRAWN.items():
            accuracy = np.array(results["tested"][name])[:, number, :, 0]
            bars = accuracy.std(axis=0, ddof=1) / np.sqrt(len(accuracy)) if len(accuracy) > 1 else None
            axes.errorbar(shares, accuracy.mean(axis=0), bars, color=colour, marker="o", markersize=3,
                          linewidth=1.3, capsize=2, label=name)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("% of the training examples")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy (bars: standard errors over seeds)")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", fontsize=9)
    return figure
