"""The most and the least informative examples: what deleting each changes, predicted and retrained."""
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from circuit import concatenate
from deletion import Learner, Retraining, Sketched
from deletion.influence import ByMetagradient
from microgpt import names

from . import harness
from .learners import stacked
from .scores import TRUTH, leave_one_outs
from .subjects import COUNT, highest, overlap, spread, subject
from .truth import error

NAMES, DOCUMENTS, SHOWN = 300, 50, 5
"""Training names, held-out names whose mean loss is measured, and examples shown of each kind."""


@dataclass(frozen=True)
class MeanLoss:
    """A measurement: the mean loss on several names, nats a token."""
    losses: tuple

    def __call__(self, parameters):
        return concatenate([loss(parameters).reshape(1) for loss in self.losses]).mean()


@dataclass(frozen=True)
class Asked:
    """A learner, a measurement, and what its examples are called."""
    learner: Learner
    measurement: object
    titles: list


def of_names(seed, count):
    """microgpt on some names, and its mean loss on others."""
    learner = names(steps=count, seed=seed)
    return Asked(learner, MeanLoss(tuple(learner.loss_on(name) for name in learner.held_out[:DOCUMENTS])),
                 learner.documents)


def of_digits(seed, count):
    """The digits, and their validation loss."""
    given = subject("digits", seed, count=count)
    return Asked(given.learner, given.validation_loss(),
                 [f"image {i}, a {y}" for i, y in enumerate(stacked(given.learner.examples)[1])])


def answered(asked):
    """{method: (units,) change of the loss without each unit}, the truth first."""
    learner = asked.learner
    methods = {TRUTH: Retraining(), "metagradient": ByMetagradient(), "finite step": ByMetagradient(True),
               "sketch": Sketched(-(-learner.unit_count // 2), 3, calibration=0)}
    return leave_one_outs(learner, asked.measurement, methods)[0]


def scored(changes):
    """{method: (rank correlation, error, shares found of the tenths that help most, harm most and matter
    least)}."""
    true = changes[TRUTH]
    return {name: (spearmanr(change, true).statistic, error(change, true), overlap(change, true),
                   overlap(-change, -true), overlap(-abs(change), -abs(true)))
            for name, change in changes.items()}


def show(asked, changes):
    """Print the examples that the finite step finds most and least informative."""
    predicted = changes["finite step"]
    kinds = {"helps most": predicted, "harms most": -predicted, "matters least": -abs(predicted)}
    columns = ("finite step", "sketch", TRUTH)
    rows = [[kind, asked.titles[i], *(f"{changes[name][i]:+.5f}" for name in columns)]
            for kind, order in kinds.items() for i in highest(order)[:SHOWN]]
    print(harness.table(["", "example", *columns], rows))


def examples(options):
    """The most and the least informative examples: change of the held-out loss without each."""
    results = {}
    for name, make, count in (("names", of_names, NAMES), ("digits", of_digits, COUNT)):
        rows = []
        for seed in options.seeds:
            asked = make(seed, options.count or count)
            changes = answered(asked)
            if not rows:
                print(f"\n{name}: {asked.learner.unit_count} examples, seed {seed}; found by the finite step")
                show(asked, changes)
            rows.append(scored(changes))
        results[name] = {method: [row[method] for row in rows] for method in rows[0]}
        print(f"\n{name}, all seeds, against retraining; and the share of the true tenth that is found")
        print(harness.table(["", "correlation", "error", "helps most", "harms most", "matters least"],
                            [[method, *(spread(column, 2) for column in np.transpose(scores))]
                             for method, scores in results[name].items()]))
    return results
