"""Soft weights: a class is rare in the training data; which weights of the examples repair its error without
raising the loss of all?"""
from functools import partial

import numpy as np

from circuit import concatenate
from deletion import retrain
from deletion.influence import metagradient, soften

from . import harness
from .learners import digits, stacked
from .networks import minibatches
from .subjects import Subject, paired, spread

RARE, KEPT = 8, 5
"""The rare class, and how many of its examples are in the training data."""

COUNT, HELD = 300, 500
"""Training images before the class is made rare, and validation images."""

BOXES = (2.0, 10.0)
"""The largest weight that an example may have."""

STEPS, LENGTH = 40, 0.15
"""Gradient steps on the weights, and the root mean square of a step's changes."""

WEIGHTS = np.arange(1.25, 10.1, 0.25)
"""Weights of the whole class that are tried, the rival."""

COSTS = np.geomspace(1e-4, 1.0, 13)
"""Costs c of moving weights in `soften` that are tried."""

PLAIN, UNIFORM, SOFT = "as trained", "one weight for the class", "soften"
THROUGH = "gradients through training"
ADDED = "validation images of the class trained on"


# the task ---------------------------------------------------------------------------------------------------

def unfair(seed, count=COUNT):
    """The Subject: digits, of which only KEPT examples of the class RARE are trained on."""
    base = digits(count, 8, batch=20, seed=seed)
    y = stacked(base.examples)[1]
    kept = np.flatnonzero((y != RARE) | (np.cumsum(y == RARE) <= KEPT))
    learner = trained_on(base, [base.examples[i] for i in kept], seed)
    x, y = stacked(base.held_out)
    return Subject(learner, (x[:HELD], y[:HELD]), (x[HELD:], y[HELD:]), 10.0, np.zeros(len(kept), bool))


def trained_on(learner, examples, seed):
    """The same learner on other examples, in 20 epochs of minibatches of 20."""
    return learner.again(examples=examples, schedule=minibatches(len(examples), 20, 20, seed))


def with_added(given, seed):
    """The parameters (1, parameters) of a training that has the validation images of the class too."""
    added = [(x, y) for x, y in zip(*given.validation) if y == RARE]
    return trained_on(given.learner, given.learner.examples + added, seed).trained[None]


def group_and_all(loss, x, y, p):
    """The mean loss on the class RARE, and on all classes: (2,)."""
    rare = y == RARE
    return concatenate([loss(p, x[rare], y[rare]).mean().reshape(1), loss(p, x, y).mean().reshape(1)])


def element(number, measurement, p):
    return measurement(p)[number]


# ways to choose weights -------------------------------------------------------------------------------------

def by_gradients(learner, measure, most):
    """(STEPS, units): the weights along a descent of the group's validation loss, in a box from 0 to `most`.

    A step follows minus the gradient, which the metagradient takes through the whole training at the present
    weights. Where the loss of all is above its first value, the part that raises it is taken away.
    """
    w, visited, limit = np.ones(learner.unit_count), [], None
    for _ in range(STEPS):
        there = metagradient(learner, measure, weights=w, progress=False)
        limit = there.value[1] if limit is None else limit
        step = -direction(there.gradient[:, 0], there.gradient[:, 1], there.value[1] > limit)
        w = np.clip(w + LENGTH * step / max(np.sqrt((step ** 2).mean()), 1e-12), 0.0, most)
        visited.append(w)
    return np.array(visited)


def direction(group, every, bound):
    """The gradient of the group's loss; if `bound`, without the part that would lower it at the cost of the
    loss of all."""
    against = group @ every
    return group - against / (every @ every) * every if bound and against < 0.0 else group


def by_one_weight(learner, most):
    """(weights, units): the rare class with each weight that is allowed."""
    rare = stacked(learner.examples)[1] == RARE
    return np.where(rare, WEIGHTS[WEIGHTS <= most, None], 1.0)


def by_softening(learner, measure, damping, most):
    """(costs, units): the library's one-step soft weights around the model as trained, at several costs."""
    rows = [soften(learner, partial(element, 0, measure), partial(element, 1, measure), cost=cost,
                   damping=damping, curvature="gauss-newton").weights for cost in COSTS]
    return np.clip(1.0 + np.array(rows), 0.0, most)


def chosen(learner, measure, rows):
    """(units,): the best of several weights (k, units), by the validation data.

    It has the least loss of the group among those that leave the loss of all where it was as trained, or
    lower; ones if there are none.
    """
    rows = np.concatenate([np.ones((1, learner.unit_count)), rows])
    group, every = retrain(learner, weights=rows, measurement=measure, progress=False).T
    allowed = np.flatnonzero(every <= every[0])
    return rows[allowed[np.argmin(group[allowed])]]


def every_way(given):
    """{(way, largest weight allowed): chosen weights (units,)}."""
    learner, measure = given.learner, partial(group_and_all, given.learner.loss, *given.validation)
    choices = {(PLAIN, 1.0): np.ones(learner.unit_count)}
    for most in BOXES:
        tried = {UNIFORM: by_one_weight(learner, most),
                 SOFT: by_softening(learner, measure, given.damping, most),
                 THROUGH: by_gradients(learner, measure, most)}
        choices |= {(way, most): chosen(learner, measure, rows) for way, rows in tried.items()}
    return choices


def errors(given, theta):
    """(k, 4): test error on the rare class, on the others, on all; test loss on the class."""
    (x, y), layout = given.test, given.learner.layout
    wrong, rare = given.classes(theta) != y, y == RARE
    loss = [given.learner.loss(layout.split(row), x[rare], y[rare]).mean() for row in theta]
    return np.stack([wrong[:, rare].mean(axis=1), wrong[:, ~rare].mean(axis=1), wrong.mean(axis=1), loss], 1)


# what is printed --------------------------------------------------------------------------------------------

def weights(options):
    """Soft weights: the error of a rare class, repaired at no rise of the loss of all."""
    rows, sizes = [], []
    for seed in options.seeds:
        given = unfair(seed, options.count or COUNT)
        choices = every_way(given)
        theta = retrain(given.learner, weights=np.array(list(choices.values())), progress=False)
        scores = errors(given, np.concatenate([theta, with_added(given, seed)]))
        rows.append(dict(zip([*choices, (ADDED, 1.0)], scores)))
        rare = stacked(given.learner.examples)[1] == RARE
        sizes.append({key: w[rare].mean() for key, w in choices.items()} | {(ADDED, 1.0): 1.0})
    results, sizes = ({key: np.array([row[key] for row in several]) for key in several[0]}
                      for several in (rows, sizes))
    print(f"digits, {given.learner.unit_count} examples (of the last seed), {KEPT} of them of the class "
          f"{RARE}; test errors")
    print(harness.table(
        ["", "largest weight", f"class {RARE}", "other classes", "all", f"loss on {RARE}", "its weight"],
        [[way, f"{most:g}", *(spread(values[:, i]) for i in range(4)), spread(sizes[way, most], 2)]
         for (way, most), values in results.items()]))
    print(f"minus {UNIFORM}, and in how many seeds it is higher")
    print(harness.table(["", "largest weight", f"class {RARE}", "all"], [
        [way, f"{most:g}", *(paired(results[way, most][:, i], results[UNIFORM, most][:, i]) for i in (0, 2))]
        for most in BOXES for way in (SOFT, THROUGH)]))
    return {f"{way}, up to {most:g}": values.tolist() for (way, most), values in results.items()}
