"""What the uses of influence are tried on: a learner, validation data that scores may see, and test data that
they may not."""
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from circuit import concatenate
from deletion import Learner, retrain

from .learners import breast_cancer, digits, stacked

VALIDATION = 150
"""Held-out examples that scores may see; the others are the test data."""


@dataclass(frozen=True)
class Subject:
    """A learner and what it is judged by.

    validation, test   (x, y) of examples that are not in the training
    damping            of Gauss-Newton matrices, on the scale of sums
    wrong              (examples,): whose labels were exchanged
    """
    learner: Learner
    validation: tuple
    test: tuple
    damping: float
    wrong: np.ndarray = field(repr=False)

    def validation_loss(self):
        """A measurement: the mean loss on the validation data."""
        return partial(mean_loss, self.learner.loss, *self.validation)

    def own_losses(self):
        """A measurement: the loss of each training example, (examples,)."""
        return partial(losses, self.learner.loss, *stacked(self.learner.examples))

    def own_and_validation_losses(self):
        """A measurement: both in one vector, (examples + 1,)."""
        return partial(joined, self.own_losses(), self.validation_loss())

    def tested(self, theta):
        """(accuracy, mean loss) on the test data of each row of parameters (k, parameters): (k,) each."""
        (x, y), layout = self.test, self.learner.layout
        loss = [self.learner.loss(layout.split(row), x, y).mean() for row in theta]
        return (self.classes(theta) == y).mean(axis=1), np.array(loss)

    def classes(self, theta):
        """(k, test examples): the class of least loss for each row of parameters (k, parameters)."""
        (x, y), known = self.test, np.unique(stacked(self.learner.examples)[1])
        each = [[self.learner.loss(self.learner.layout.split(row), x, np.full_like(y, c)) for c in known]
                for row in theta]
        return known[np.argmin(each, axis=1)]

    def trained_on(self, kept):
        """The parameters (k, parameters) of trainings on some of the examples: kept (k, examples) of bool.

        The examples that are left share the weight of all, so that a step stays as long as it was; the
        schedule is unchanged.
        """
        kept = np.asarray(kept, float)
        return retrain(self.learner, weights=kept * kept.shape[1] / kept.sum(axis=1, keepdims=True),
                       progress=False)


def losses(loss, x, y, p):
    return loss(p, x, y)


def mean_loss(loss, x, y, p):
    return loss(p, x, y).mean()


def joined(many, one, p):
    return concatenate([many(p), one(p).reshape(1)])


COUNT = 200
"""Training examples: the most for which Shapley values can be had."""

SMALL = {"digits": (partial(digits, hidden=8, batch=20), 10.0),
         "digits, overfitted": (partial(digits, hidden=8, epochs=40, batch=20, rate=0.1, penalty=0.0), 10.0),
         "breast cancer": (breast_cancer, 0.0)}
"""{name: (make(count, seed=), damping)}. Overfitted: trained longer, faster and without a penalty, until most
wrong labels are fitted too. The dampings are those of `benchmarks.compare`."""


def subject(name, seed, share=0.0, count=COUNT):
    """The Subject of one data set and seed, with a share of the training labels exchanged for others."""
    make, damping = SMALL[name]
    base = make(count, seed=seed)
    x, y = stacked(base.examples)
    y, wrong = exchanged(y, share, np.random.default_rng([seed, 3]))
    learner = base.again(examples=list(zip(x, y))) if wrong.any() else base
    held_x, held_y = stacked(base.held_out)
    return Subject(learner, (held_x[:VALIDATION], held_y[:VALIDATION]),
                   (held_x[VALIDATION:], held_y[VALIDATION:]), damping, wrong)


def exchanged(y, share, rng):
    """(labels, which of them are wrong): a random share of labels (n,), each exchanged for another class."""
    wrong = np.zeros(len(y), bool)
    wrong[rng.choice(len(y), round(share * len(y)), replace=False)] = True
    classes, y = np.unique(y), y.copy()
    for i in np.flatnonzero(wrong):
        y[i] = rng.choice(classes[classes != y[i]])
    return y, wrong


def first(order, share):
    """(units,) of bool: the units that come first in an order (units,), a share of them, at least one."""
    chosen = np.zeros(len(order), bool)
    chosen[order[:max(1, round(share * len(order)))]] = True
    return chosen


def highest(scores):
    """Units in order, those of the highest scores (units,) first; equal ones as they stand."""
    return np.argsort(-np.asarray(scores), kind="stable")


def overlap(scores, true, share=0.1):
    """The share of the units of highest true score that are among those of highest score."""
    return float(first(highest(scores), share)[first(highest(true), share)].mean())


def spread(values, places=3):
    """Mean and standard deviation over seeds, as text."""
    values = np.asarray(values, float)
    deviation = f" ±{values.std(ddof=1):.{places}f}" if len(values) > 1 else ""
    return f"{values.mean():.{places}f}{deviation}"


def paired(one, other, places=3):
    """How far one row of numbers over seeds lies above another, as text: the mean difference with its
    standard deviation, and in how many seeds it is above."""
    difference = np.asarray(one, float) - np.asarray(other, float)
    return f"{spread(difference, places)} ({np.sum(difference > 0)} of {len(difference)})"
