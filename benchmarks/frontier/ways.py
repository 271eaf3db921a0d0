"""The ways of answering that `benchmarks.frontier` compares, and what is asked of them.

A way is a function of an Asked that returns predict(sets) -> changes (sets, documents). To add one, add a
line to WAYS.
"""
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Callable

import numpy as np

from deletion import gradient_model, precompute
from deletion.influence import metagradient
from deletion.trust.calibration import SETS, calibrate, sets_of
from microgpt import names

from .truth import Trial, random_sets

SHARES = {"1%": 100, "5%": 20, "20%": 5}
"""Kinds of random sets: the number of names is divided by this."""

LETTERS, LENGTHS = "xqzwvbj", (3, 4, 8, 9, 10)
"""Named sets: names with one of these letters, names of one of these lengths."""

SMALL, MEDIUM = 1000, 5000
"""Numbers of names."""


@dataclass(frozen=True)
class Asked:
    """What is asked: the losses of unseen documents after the deletion of sets of several kinds.

    trial   the learner, its documents, and their truth;   sets   {kind: {name of the set: units}}
    """
    trial: Trial
    sets: dict

    @classmethod
    def of(cls, count, options):
        """What is asked of `count` names, with everything random drawn from the options' seed."""
        learner = names(options.names, steps=count, seed=options.seed)
        rng = np.random.default_rng(options.seed)
        documents = rng.choice(learner.held_out, options.documents, replace=False)
        trial = Trial(learner, [learner.loss_on(str(name)) for name in documents], options.bank)
        sizes = {kind: max(1, learner.unit_count // share) for kind, share in SHARES.items()}
        drawn = random_sets(learner.units, sizes.values(), options.sets, options.seed + 1)
        sets = {kind: dict(enumerate(drawn[size])) for kind, size in sizes.items()}
        sets["named"] = named_sets(learner)
        gradient = metagradient(learner, trial.measure, finite_step=True)
        sets["influential"] = {"top ten": np.argsort(-np.abs(gradient.finite).sum(axis=1))[:10].tolist()}
        return cls(trial, sets)

    @property
    def learner(self):
        return self.trial.learner

    @cached_property
    def calibration(self):
        """Random sets that were retrained, from which models learn the effect of a set's size."""
        return calibrate(self.learner, sets_of(self.learner, SETS, 0), bank=self.trial.bank.kept)

    def truth(self):
        """{kind: true changes (sets, documents)}."""
        return {kind: self.trial.changes(list(sets.values())) for kind, sets in self.sets.items()}


def named_sets(learner):
    """{what its names have in common: units}, without empty sets."""
    groups = {f"with {x!r}": [i for i, name in enumerate(learner.documents) if x in name] for x in LETTERS}
    groups |= {f"of length {k}": [i for i, name in enumerate(learner.documents) if len(name) == k]
               for k in LENGTHS}
    return {name: units for name, units in groups.items() if units}


@dataclass(frozen=True)
class Way:
    """A way of answering.

    answer      answer(asked) -> predict(sets)
    family      the colour of its dot: 'reference', 'first order', 'sketch', 'models'
    largest     the most names that it is tried on
    retrained   retrained(learner) -> how many trainings it makes: they are kept with the truth, so that their
                number is its cost. None: its core seconds are
    """
    answer: Callable
    family: str
    largest: float = np.inf
    retrained: Callable | None = None


def no_change(asked):
    return lambda sets: np.zeros((len(sets), len(asked.trial.start)))


def leave_one_outs(asked):
    learner = asked.learner
    alone = asked.trial.bank.measured(np.eye(learner.unit_count), asked.trial.measure) - asked.trial.start
    return lambda sets: np.stack([alone[list(units)].sum(axis=0) for units in sets])


def gradient(asked, finite_step):
    made = metagradient(asked.learner, asked.trial.measure, finite_step=finite_step, progress=False)
    return partial(made.changes, finite_step=finite_step)


def sketch(asked, joined):
    directions = min(500, asked.learner.unit_count)
    made = precompute(asked.learner, directions, 3, calibration=0, progress=False)
    made = made.measure(asked.trial.measure)
    if joined:
        made = made.with_gradient(metagradient(asked.learner, asked.trial.measure, progress=False))
    return lambda sets: made.predict_many(sets, decoder="least squares", intervals=False).change


def model(asked, **settings):
    made = gradient_model(asked.learner, asked.trial.measure, calibration=asked.calibration, progress=False,
                          **settings)
    return lambda sets: made.predict_many(sets, intervals=False).change


RETRAINED = {"levels": (), "self_terms": "retrained"}
"""Settings of gradient models whose self-terms are leave-one-outs."""

WAYS = {
    "no change": Way(no_change, "reference", retrained=lambda learner: 0),
    "metagradient": Way(partial(gradient, finite_step=False), "first order"),
    "finite step": Way(partial(gradient, finite_step=True), "first order"),
    "sketch": Way(partial(sketch, joined=False), "sketch", MEDIUM),
    "sketch and gradient": Way(partial(sketch, joined=True), "sketch", MEDIUM),
    "size effect": Way(partial(model, levels=()), "models"),
    "7 groups": Way(partial(model, groups=7, levels=()), "models"),
    "16 groups": Way(partial(model, groups=16, levels=()), "models"),
    "levels": Way(model, "models"),
    "levels, 16 groups": Way(partial(model, groups=16), "models"),
    "leave-one-outs, 7 groups": Way(partial(model, groups=7, **RETRAINED), "models", SMALL),
    "leave-one-outs, 16 groups": Way(partial(model, groups=16, **RETRAINED), "models", SMALL),
    "leave-one-outs, 50 groups": Way(partial(model, groups=50, **RETRAINED), "models", SMALL),
    "leave-one-outs, 100 groups": Way(partial(model, groups=100, **RETRAINED), "models", SMALL),
    "sum of leave-one-outs": Way(leave_one_outs, "reference", MEDIUM, lambda learner: learner.unit_count),
}
"""Every way, by its name."""
