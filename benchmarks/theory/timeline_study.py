"""What `benchmarks.timeline` calculates: influence by tenth of a training, and what dropping units from some
step on changes, predicted and retrained."""
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from circuit import evaluate
from deletion import Learner, precompute
from deletion.timeline import dropped_before, dropped_from, influence_over_time, visits
from microgpt import NameLearner, names

from .learners import digits, on_one
from .truth import Several, error, lds

TENTHS, STAGES = 10, ("early", "middle", "late")
MATTERS = 0.1
"""A unit still matters where dropping it changes at least this share of its full effect."""

MEASURED, OWN = 8, 16
"""Held-out losses that are measured, and units whose own losses are."""


# learners ---------------------------------------------------------------------------------------------------

@dataclass
class Case:
    """A learner, what is measured of it, and how like each measured example each unit is.

    akin    (units, measurements): the share of the measured name's pairs of letters that a name has; whether
            an image shows the measured digit
    own     measurements: the losses on the units `chosen`, themselves
    """
    name: str
    learner: Learner
    measure: Several
    akin: np.ndarray
    own: Several
    chosen: np.ndarray


def spread(count, units):
    """At most `count` numbers of units, evenly spread over all."""
    return np.unique(np.linspace(0, units - 1, count).astype(int))


def of_names(count, passes, seed):
    """microgpt on names that come round again."""
    first = names(steps=count, seed=seed)
    learner = NameLearner(first.documents, first.tokenizer, first.layout.split(first.layout.initial),
                          steps=count * passes, held_out=first.held_out)
    measured, chosen = learner.held_out[:MEASURED], spread(OWN, count)
    akin = [[len(pairs(a) & pairs(b)) / len(pairs(b)) for b in measured] for a in learner.documents]
    return Case(f"microgpt, {count} names, {passes} times", learner,
                Several(tuple(learner.loss_on(name) for name in measured)), np.array(akin),
                Several(tuple(learner.loss_on(learner.documents[i]) for i in chosen)), chosen)


def pairs(name):
    """The pairs of neighbouring letters of a name, its beginning and end included."""
    return {a + b for a, b in zip(f".{name}", f"{name}.")}


def of_digits(count, passes, seed):
    """A network on handwritten digits."""
    learner = digits(count, 16, epochs=passes, batch=20, seed=seed)
    shown, measured = (np.array([y for _, y in some]) for some in (learner.examples,
                                                                   learner.held_out[:MEASURED]))
    chosen = spread(OWN, count)
    return Case(f"digits, {count} images, {passes} times", learner,
                Several(tuple(learner.loss_on(i) for i in range(MEASURED))),
                1.0 * (shown[:, None] == measured),
                Several(tuple(partial(on_one, learner.loss, learner.examples[i]) for i in chosen)), chosen)


# stages -----------------------------------------------------------------------------------------------------

def stages(over_time, akin):
    """What each tenth of the training does, and how alike the rankings of units in its thirds are.

    share     of the sum of all |effects|
    largest   the share that the largest tenth of the units has in that
    akin      the rank correlation of |effect| with being like the measured example
    harms     the share of effects by which deletion lowers the held-out loss
    """
    effects = over_time.stages(TENTHS)
    size = np.abs(effects)
    largest = np.sort(size, axis=0)[-(len(size) // 10):]
    thirds = np.moveaxis(np.abs(over_time.stages(len(STAGES))), 1, 0)
    return {"share": size.sum(axis=(0, 2)) / size.sum(),
            "largest": (largest.sum(axis=0) / size.sum(axis=0)).mean(axis=1),
            "akin": np.array([lds(size[:, k], akin) for k in range(TENTHS)]),
            "harms": (effects < 0.0).mean(axis=(0, 2)),
            "ranking": np.array([[lds(a, b) for b in thirds] for a in thirds])}


# dropped from a step on, or before it -----------------------------------------------------------------------

def effect(changes):
    """The mean size over measurements, (units, times), of changes (units, times, measurements)."""
    return np.abs(changes).mean(axis=2)


def last_use(changes):
    """(units,): the number of tenths after which dropping a unit does not matter any more.   changes: by
    dropping it from each of the times 0 .. TENTHS on"""
    matters = effect(changes) >= MATTERS * effect(changes)[:, :1]
    return matters.shape[1] - matters[:, ::-1].argmax(axis=1)


def first_use(changes):
    """(units,): the number of tenths before which dropping a unit does not matter yet.   changes: by dropping
    it before each of the times 0 .. TENTHS"""
    return (effect(changes) >= MATTERS * effect(changes)[:, -1:]).argmax(axis=1) - 1


def retrained(case, visited, drop, times):
    """(changes of the measurements (units, times, measurements), of own losses (chosen, times, 1)) when every
    unit is dropped from times on, or before them.   drop: dropped_from or dropped_before"""
    theta = drop(visited, [[unit] for unit in case.learner.units], None, times)

    def changes(measure, theta):
        circuit = case.learner.measurement(measure)
        flat, = evaluate(circuit, [theta.reshape(-1, theta.shape[-1])])
        return flat.reshape(theta.shape[:2] + (-1,)) - evaluate(circuit, [case.learner.trained])[0]

    return changes(case.measure, theta), of_themselves(changes(case.own, theta[case.chosen]))


def of_themselves(changes):
    """(chosen, times, 1): of changes (chosen, times, chosen) each unit's own."""
    return np.diagonal(changes, axis1=0, axis2=2).T[..., None]


def predicted(over_time, sets, times):
    """Predicted changes (dropped from times on, dropped before them), each (sets, times, measurements)."""
    late = over_time.from_step(sets, times)
    return late, late[:, :1] - late


def by_sketch(case, visited, times, seed):
    """A Prediction for every unit, dropped from every time on, by a sketch of visits that knows neither: from
    half as many directions as there are visits."""
    steps = np.arange(len(case.learner.steps))
    rows = np.concatenate([visited.weights([unit], steps < times[:, None]) for unit in case.learner.units])
    sketch = precompute(visited.learner, -(-len(visited.steps) // 2), 3, seed=seed,
                        kinds={"unit": visited.units})
    return sketch.measure(case.measure).predict_downweights(1.0 - rows)


def scored(late, true, p, value):
    """For each time before the end: sizes, errors and LDS of the predictions, and what the sketch's intervals
    hold.   late: {name: changes}, true: changes, p: the sketch's Prediction (units * times)"""
    true, shape = true[:, :-1], (len(true), -1, true.shape[2])
    low, high = (bound.reshape(shape) - value for bound in p.interval)
    late = {name: x[:, :-1] for name, x in late.items()} | {"sketch": p.change.reshape(shape)}
    times = range(true.shape[1])
    return {"size": np.abs(true).mean(axis=(0, 2)),
            "error": {name: [error(x[:, k], true[:, k]) for k in times] for name, x in late.items()},
            "LDS": {name: [lds(x[:, k], true[:, k]) for k in times] for name, x in late.items()},
            "held": ((low <= true) & (true <= high)).mean(axis=(0, 2)),
            "trusted": float(np.mean(np.array(p.verdict) == "trust"))}


def study(case, seed):
    """Everything about one learner: plain numbers, and arrays for pictures."""
    visited, times = visits(case.learner), len(case.learner.steps) * np.arange(TENTHS + 1) // TENTHS
    sets = [[unit] for unit in case.learner.units]
    over_time, own = (influence_over_time(visited, f) for f in (case.measure, case.own))
    truth = [retrained(case, visited, drop, times) for drop in (dropped_from, dropped_before)]
    (late, late_own), (early, early_own) = truth
    told = predicted(over_time, sets, times)
    told_own = [of_themselves(x) for x in predicted(own, [sets[i] for i in case.chosen], times)]
    slopes = replace(over_time, finite=None).from_step(sets, times)
    p = by_sketch(case, visited, times[:-1], seed)
    uses = {"held-out losses": (first_use(early), first_use(told[1]), last_use(late), last_use(told[0])),
            "its own loss": (first_use(early_own), first_use(told_own[1]), last_use(late_own),
                             last_use(told_own[0]))}
    numbers = {"case": case.name, "loss": float(over_time.value.mean()),
               "stages": stages(over_time, case.akin), "uses": uses,
               "dropped": scored({"slopes": slopes, "finite steps": told[0]}, late, p, over_time.value)}
    heat = np.abs(over_time.stages(TENTHS)).mean(axis=2)
    return numbers, {"heat": heat, "true": late, "told": told[0]}


# one pass ---------------------------------------------------------------------------------------------------

def one_pass(count, seed, least=5):
    """Every name alone, and all names with a letter, of at least so many, dropped from every tenth on."""
    case = of_names(count, 1, seed)
    visited, times = visits(case.learner), count * np.arange(TENTHS + 1) // TENTHS
    over_time, documents = influence_over_time(visited, case.measure), case.learner.documents
    sets = {letter: [i for i, name in enumerate(documents) if letter in name]
            for letter in sorted(set("".join(documents)))}
    sets = {letter: some for letter, some in sets.items() if least <= len(some)}
    true = dropped_from(visited, list(sets.values()), case.measure, times) - over_time.value
    alone = dropped_from(visited, [[i] for i in range(count)], case.measure, [0])[:, 0] - over_time.value
    told, each = over_time.from_step(list(sets.values()), times), over_time.by_unit()

    def share(changes):      # names are visited in their order
        sums = np.abs(changes).sum(axis=1).reshape(TENTHS, -1).sum(axis=1)
        return sums / sums.sum()

    return {"case": case.name, "letters": list(sets), "share": share(each), "true share": share(alone),
            "alone": [error(each, alone), lds(each, alone)], "size": np.abs(true[:, :-1]).mean(axis=(0, 2)),
            "error": [error(told[:, k], true[:, k]) for k in range(TENTHS)],
            "LDS": [lds(told[:, k], true[:, k]) for k in range(TENTHS)]}
